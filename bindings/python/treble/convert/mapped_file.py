"""A file in memory, read a piece at a time."""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .errors import NOT_FOUND, ConvertError

BLOCK = 1 << 24
"""Bytes that are held at once; a multiple of every element's size."""
LFS_POINTER = b"version https://git-lfs.github.com/spec/"

Array = NDArray[Any]


class MappedFile:
    """The bytes of a file; what was read does not stay in memory."""

    def __init__(self, path: Path) -> None:
        """Map the file. Raises ConvertError, OSError."""
        self.path = path
        if not path.is_file():
            found = "is not a file" if path.exists() else "is not there"
            raise ConvertError(f"{path} {found}; fetch the model again", NOT_FOUND)
        with path.open("rb") as file:
            self.size = path.stat().st_size
            if self.size == 0:
                raise ConvertError(f"{path} is empty; fetch it again")
            self.map = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        if self.bytes(0, min(self.size, len(LFS_POINTER))) == LFS_POINTER:
            raise ConvertError(f"{path} is a Git LFS pointer, not the file itself; run git lfs pull")

    def bytes(self, offset: int, size: int) -> bytes:
        """A copy of these bytes; ConvertError where the file ends before."""
        self.check(offset, size, "bytes")
        return self.map[offset : offset + size]

    def check(self, offset: int, size: int, what: str) -> None:
        """ConvertError unless the file has these bytes."""
        if offset < 0 or size < 0 or offset + size > self.size:
            raise ConvertError(
                f"{self.path}: {what}: {size} bytes at {offset}, but the file has {self.size}; it was not fetched "
                "whole, or is damaged"
            )

    def array(self, offset: int, count: int, dtype: Any) -> Array:
        """`count` elements as they lie in the file, without a copy."""
        kind = np.dtype(dtype)
        self.check(offset, count * kind.itemsize, "elements")
        return np.frombuffer(self.map, kind, count, offset) if count else np.empty(0, kind)

    def blocks(self, offset: int, size: int) -> Iterator[Array]:
        """These bytes, some at a time."""
        for start in range(offset, offset + size, BLOCK):
            length = min(BLOCK, offset + size - start)
            yield self.array(start, length, np.uint8)
            self.release(start, length)

    def release(self, offset: int, size: int) -> None:
        """Give back the memory of bytes that were read; they are read anew if they are needed again."""
        begin = offset - offset % mmap.PAGESIZE
        self.map.madvise(mmap.MADV_DONTNEED, begin, min(offset + size, self.size) - begin)
