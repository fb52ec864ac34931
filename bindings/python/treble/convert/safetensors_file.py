"""Writing safetensors files of any size in little memory."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

import numpy as np

from .errors import ConvertError, shown
from .tensors import ITEM_SIZES, Tensor, not_a_number, size_of

LARGEST_HEADER = 100_000_000
"""What readers of this format take (github.com/huggingface/safetensors, format)."""


def write_safetensors(path: Path, tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> int:
    """Write a file; returns its size in bytes.

    Values of large types come first, so that all of them lie at multiples of their size. Raises ConvertError for a NaN,
    naming tensor and element: it has no meaning as a weight.
    """
    names = sorted(tensors, key=lambda name: (-ITEM_SIZES[tensors[name].dtype], name))
    header: dict[str, object] = {"__metadata__": dict(metadata)}
    end = 0
    for name in names:
        begin, end = end, end + size_of(tensors[name])
        header[name] = {
            "dtype": tensors[name].dtype,
            "shape": list(tensors[name].shape),
            "data_offsets": [begin, end],
        }
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    if len(text) > LARGEST_HEADER:
        raise ConvertError(f"the names of its tensors take {len(text)} bytes; safetensors allow {LARGEST_HEADER}")
    with path.open("xb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for name in names:
            _write_values(file, name, tensors[name])
        file.flush()
        os.fsync(file.fileno())
    return 8 + len(text) + end


def _write_values(file: BinaryIO, name: str, tensor: Tensor) -> None:
    written = 0
    for block in tensor.blocks():
        at = not_a_number(tensor.dtype, block)
        if at is not None:
            element = written // ITEM_SIZES[tensor.dtype] + at
            raise ConvertError(f"tensor {shown(name)}: element {element} is no number (NaN); the weights are damaged")
        file.write(block.reshape(-1).view(np.uint8).data)
        written += block.nbytes
    assert written == size_of(tensor), name
