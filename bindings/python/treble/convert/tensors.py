"""Tensors that lie in files: how they are described, and their values a block at a time."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from .mapped_file import BLOCK, Array, MappedFile

ITEM_SIZES = {
    **dict.fromkeys(("F64", "I64", "U64"), 8),
    **dict.fromkeys(("F32", "I32", "U32"), 4),
    **dict.fromkeys(("F16", "BF16", "I16", "U16"), 2),
    **dict.fromkeys(("I8", "U8", "BOOL"), 1),
}
"""Bytes of an element, by the names that safetensors gives to types."""


class Tensor(Protocol):
    """Values of one type in row-major order."""

    @property
    def dtype(self) -> str:
        """A key of ITEM_SIZES."""
        ...

    @property
    def shape(self) -> tuple[int, ...]:
        """Sizes of all dimensions, the slowest first."""
        ...

    def blocks(self) -> Iterator[Array]:
        """All values in order, as arrays of any shape and type that have these bytes."""
        ...


def elements(tensor: Tensor) -> int:
    """How many values it has."""
    return math.prod(tensor.shape)


def size_of(tensor: Tensor) -> int:
    """Bytes of its values."""
    return elements(tensor) * ITEM_SIZES[tensor.dtype]


@dataclass(frozen=True)
class StridedTensor:
    """A view into a file's bytes."""

    file: MappedFile
    dtype: str
    shape: tuple[int, ...]
    offset: int
    """Of the first value, in bytes."""
    strides: tuple[int, ...]
    """In elements, not negative; the caller has seen that every value lies in the file."""

    @property
    def is_contiguous(self) -> bool:
        """Whether the values lie in the file in the order of the shape."""
        expected = 1
        for size, stride in zip(reversed(self.shape), reversed(self.strides), strict=True):
            if size != 1 and stride != expected:
                return False
            expected *= size
        return True

    def blocks(self) -> Iterator[Array]:
        """The values, gathered where they do not lie in order."""
        if elements(self) == 0:
            return
        if self.is_contiguous:
            yield from self.file.blocks(self.offset, size_of(self))
            return
        item = ITEM_SIZES[self.dtype]
        reach = sum((size - 1) * stride for size, stride in zip(self.shape, self.strides, strict=True)) + 1
        flat = self.file.array(self.offset, reach, f"u{item}")
        view = np.lib.stride_tricks.as_strided(flat, self.shape, [stride * item for stride in self.strides])
        for block in gathered(view):
            yield block
            self.file.release(self.offset, reach * item)


def gathered(view: Array) -> Iterator[Array]:
    """Copies of a view in row-major order, none of them much larger than a block."""
    if view.nbytes <= BLOCK or view.ndim == 0:
        yield np.ascontiguousarray(view)
        return
    rows = BLOCK // (view.nbytes // len(view))
    if rows == 0:
        for row in view:
            yield from gathered(row)
        return
    for start in range(0, len(view), rows):
        yield np.ascontiguousarray(view[start : start + rows])


@dataclass(frozen=True)
class Stacked:
    """Tensors that are alike but for their first dimensions, under each other."""

    parts: Sequence[Tensor]

    @property
    def dtype(self) -> str:
        """That of all parts."""
        return self.parts[0].dtype

    @property
    def shape(self) -> tuple[int, ...]:
        """Of the whole."""
        return (sum(part.shape[0] for part in self.parts), *self.parts[0].shape[1:])

    def blocks(self) -> Iterator[Array]:
        """One after the other."""
        for part in self.parts:
            yield from part.blocks()


@dataclass(frozen=True)
class Shifted:
    """A tensor of float32 with a number added to every value."""

    tensor: Tensor
    amount: float
    dtype: str = "F32"

    @property
    def shape(self) -> tuple[int, ...]:
        """As before."""
        return self.tensor.shape

    def blocks(self) -> Iterator[Array]:
        """The sums."""
        for block in self.tensor.blocks():
            yield block.reshape(-1).view(np.uint8).view("<f4") + np.float32(self.amount)


@dataclass(frozen=True)
class Filled:
    """A tensor of zeros."""

    shape: tuple[int, ...]
    dtype: str = "F32"

    def blocks(self) -> Iterator[Array]:
        """Zeros."""
        yield np.zeros(size_of(self), np.uint8)


def are_equal(one: Tensor, other: Tensor) -> bool:
    """Whether two tensors have the same type, shape and bytes."""
    if one == other:
        return True
    if (one.dtype, one.shape) != (other.dtype, other.shape):
        return False
    return all(map(np.array_equal, _even(one), _even(other)))


def _even(tensor: Tensor) -> Iterator[Array]:
    """Blocks of bytes that are alike for all tensors of a size."""
    pieces: list[Array] = []
    held = 0
    for block in tensor.blocks():
        data = block.reshape(-1).view(np.uint8)
        while held + len(data) >= BLOCK:
            pieces.append(data[: BLOCK - held])
            yield np.concatenate(pieces)
            data, pieces, held = data[BLOCK - held :], [], 0
        pieces.append(data.copy())
        held += len(data)
    yield np.concatenate(pieces) if pieces else np.empty(0, np.uint8)


def not_a_number(dtype: str, block: Array) -> int | None:
    """The first NaN of a block, counted in values from its beginning."""
    data = block.reshape(-1).view(np.uint8)
    if dtype == "BF16":
        found = (data.view(np.uint16) & 0x7FFF) > 0x7F80
    elif dtype in ("F16", "F32", "F64"):
        found = np.isnan(data.view(f"f{ITEM_SIZES[dtype]}"))
    else:
        return None
    return int(np.argmax(found)) if found.any() else None
