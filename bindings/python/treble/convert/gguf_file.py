"""GGUF, the container of llama.cpp: metadata and tensors.

Versions 2 and 3, little-endian (github.com/ggml-org/ggml, docs/gguf.md).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from math import prod
from pathlib import Path
from typing import Any, cast

import numpy as np

from .errors import UNSUPPORTED, ConvertError, shown
from .mapped_file import BLOCK, Array, MappedFile
from .tensors import StridedTensor, Tensor

MAGIC = b"GGUF"
VERSIONS = (2, 3)
# Of metadata: the number in the file -> struct's letter.
SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
STRING, ARRAY = 8, 9
PLAIN_TYPES = {0: "F32", 1: "F16", 30: "BF16"}
Q8_0 = 8
# Of tensors, for messages.
OTHER_TYPES = {
    **{2: "Q4_0", 3: "Q4_1", 6: "Q5_0", 7: "Q5_1", 9: "Q8_1", 10: "Q2_K", 11: "Q3_K", 12: "Q4_K", 13: "Q5_K"},
    **{14: "Q6_K", 15: "Q8_K", 16: "IQ2_XXS", 17: "IQ2_XS", 18: "IQ3_XXS", 19: "IQ1_S", 20: "IQ4_NL", 21: "IQ3_S"},
    **{22: "IQ2_S", 23: "IQ4_XS", 24: "I8", 25: "I16", 26: "I32", 27: "I64", 28: "F64", 29: "IQ1_M", 34: "TQ1_0"},
    **{35: "TQ2_0", 39: "MXFP4", 40: "NVFP4", 41: "Q1_0"},
}
GROUP = np.dtype([("scale", "<f2"), ("values", "i1", (32,))])
"""Of Q8_0: 32 values that share a scale."""


@dataclass(frozen=True)
class Q8Tensor:
    """A tensor of Q8_0 as float32: scale (float16) times value (int8), which float32 holds exactly."""

    file: MappedFile
    shape: tuple[int, ...]
    offset: int
    dtype: str = "F32"

    def blocks(self) -> Iterator[Array]:
        """Some groups at a time."""
        step = BLOCK // 128
        count = prod(self.shape) // 32
        for first in range(0, count, step):
            length = min(step, count - first)
            begin = self.offset + first * GROUP.itemsize
            groups = self.file.array(begin, length, GROUP)
            with np.errstate(invalid="ignore"):
                yield groups["scale"].astype(np.float32)[:, None] * groups["values"]
            self.file.release(begin, length * GROUP.itemsize)


@dataclass
class GgufFile:
    """What a file holds."""

    path: Path
    size: int
    metadata: dict[str, Any] = field(default_factory=dict)
    tensors: dict[str, Tensor] = field(default_factory=dict)
    types: dict[str, int] = field(default_factory=dict)
    """How many tensors there are of each type."""


class _Cursor:
    def __init__(self, file: MappedFile) -> None:
        self.file = file
        self.at = 0

    def scalar(self, letter: str) -> Any:
        size = struct.calcsize(f"<{letter}")
        (value,) = struct.unpack(f"<{letter}", self.take(size))
        return value

    def take(self, size: int) -> bytes:
        data = self.file.bytes(self.at, size)
        self.at += size
        return data

    def text(self) -> str:
        size = self.scalar("Q")
        at = self.at
        try:
            return self.take(size).decode("utf-8")
        except UnicodeDecodeError as error:
            raise ConvertError(f"{self.file.path}: the text at byte {at} is not UTF-8") from error

    def value(self) -> Any:
        kind = self.scalar("I")
        if kind == STRING:
            return self.text()
        if kind != ARRAY:
            return self.scalar(self.letter(kind))
        kind, count = self.scalar("I"), self.scalar("Q")
        if kind == STRING:
            return [self.text() for _ in range(count)]
        letter = self.letter(kind)
        values = self.file.array(self.at, count, f"<{letter}" if letter != "?" else "?")
        self.at += values.nbytes
        return values.tolist()

    def letter(self, kind: int) -> str:
        if kind not in SCALARS:
            raise ConvertError(f"{self.file.path}: metadata before byte {self.at} is of the unknown type {kind}")
        return SCALARS[kind]


def read_gguf(path: Path) -> GgufFile:
    """Metadata and tensors of a file. Raises ConvertError, which names the file."""
    file = MappedFile(path)
    cursor = _Cursor(file)
    if cursor.take(4) != MAGIC:
        raise ConvertError(f"{path} does not begin as a GGUF file")
    version = cursor.scalar("I")
    if version & 0xFFFF == 0:
        raise ConvertError(f"{path} is big-endian, which is not read", UNSUPPORTED)
    if version not in VERSIONS:
        raise ConvertError(f"{path} is of version {version} of GGUF; 2 and 3 are read", UNSUPPORTED)
    num_tensors, num_entries = cursor.scalar("Q"), cursor.scalar("Q")
    read = GgufFile(path, file.size)
    for _ in range(num_entries):
        key = cursor.text()
        if key in read.metadata:
            raise ConvertError(f"{path}: metadata {shown(key)} stands there twice")
        read.metadata[key] = cursor.value()
    infos = [_Info.read(cursor) for _ in range(num_tensors)]
    alignment = read.metadata.get("general.alignment", 32)
    if type(alignment) is not int or alignment < 8 or alignment % 8:
        raise ConvertError(f"{path}: general.alignment is {shown(alignment)}; it must be a multiple of 8")
    data = -(-cursor.at // alignment) * alignment
    for info in infos:
        if info.name in read.tensors:
            raise ConvertError(f"{path}: tensor {shown(info.name)} stands there twice")
        read.tensors[info.name] = info.tensor(file, data)
        kind = "Q8_0" if info.kind == Q8_0 else PLAIN_TYPES[info.kind]
        read.types[kind] = read.types.get(kind, 0) + 1
    return read


@dataclass
class _Info:
    """A tensor as the file describes it."""

    name: str
    shape: tuple[int, ...]
    kind: int
    offset: int

    @staticmethod
    def read(cursor: _Cursor) -> _Info:
        name, dimensions = cursor.text(), cursor.scalar("I")
        if dimensions > 4:
            raise ConvertError(f"{cursor.file.path}: tensor {shown(name)} has {dimensions} dimensions; 4 are allowed")
        # The fastest dimension stands first there, last in a shape.
        shape = tuple(cursor.scalar("Q") for _ in range(dimensions))[::-1]
        return _Info(name, shape, cursor.scalar("I"), cursor.scalar("Q"))

    def tensor(self, file: MappedFile, data: int) -> Tensor:
        count, offset = prod(self.shape), data + self.offset
        place = f"tensor {shown(self.name)} of shape {list(self.shape)}"
        if self.kind == Q8_0:
            if not self.shape or self.shape[-1] % 32:
                raise ConvertError(f"{file.path}: {place} is of type Q8_0, whose rows are multiples of 32")
            file.check(offset, count // 32 * GROUP.itemsize, place)
            return cast(Tensor, Q8Tensor(file, self.shape, offset))
        if self.kind not in PLAIN_TYPES:
            kind = OTHER_TYPES.get(self.kind, f"number {self.kind}")
            raise ConvertError(
                f"{file.path}: {place} is of type {kind}; F32, F16, BF16 and Q8_0 are converted: fetch the file of one "
                "of these types, or model.safetensors of the model it was made from",
                UNSUPPORTED,
            )
        dtype = PLAIN_TYPES[self.kind]
        file.check(offset, count * (4 if dtype == "F32" else 2), place)
        strides = tuple(prod(self.shape[i + 1 :]) for i in range(len(self.shape)))
        return cast(Tensor, StridedTensor(file, dtype, self.shape, offset, strides))
