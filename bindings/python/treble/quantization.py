"""Vectors in fewer bits, as sentence-transformers' `quantize_embeddings` makes them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from treble import _treble
from treble.errors import InvalidArgumentError, TrebleWarning, warn

Precision = Literal["float32", "float16", "int8", "uint8", "binary", "ubinary"]

# The type of the numbers of each precision; bits are eight to a byte.
_TYPES: dict[str, type[np.generic]] = {
    "float32": np.float32,
    "float16": np.float16,
    "int8": np.int8,
    "uint8": np.uint8,
    "binary": np.int8,
    "ubinary": np.uint8,
}
PRECISIONS: tuple[str, ...] = tuple(_TYPES)
_WITH_RANGES = ("int8", "uint8")

# As sentence-transformers: fewer vectors say little about the range of others.
_FEW = 100


def check_precision(precision: str | None) -> None:
    """Raises InvalidArgumentError for a name that is none of PRECISIONS."""
    if precision is not None and precision not in PRECISIONS:
        raise InvalidArgumentError(f"precision {precision!r} is not supported; there are {', '.join(PRECISIONS)}")


def load_ranges(path: str | os.PathLike[str]) -> npt.NDArray[np.float32]:
    """[2, dim]: the minimum and maximum of each dimension, of a file of `treble fit --transform ranges`, or a
    .npy."""
    if Path(path).suffix == ".npy":
        loaded: npt.NDArray[np.float32] = np.load(path, allow_pickle=False)
        return loaded
    return _treble.load_ranges(str(path))


def _ranges(vectors: npt.NDArray[np.float32], precision: str, calibration: Any | None) -> npt.NDArray[np.float32]:
    data = vectors if calibration is None else np.asarray(calibration, dtype=np.float32)
    if len(data) < 2:
        raise InvalidArgumentError(
            f"precision {precision!r} takes the range of each dimension from the vectors themselves, and there is one "
            "vector; give ranges (treble.load_ranges) or calibration_embeddings to treble.quantize_embeddings, or "
            "ranges to encode"
        )
    if len(data) < _FEW:
        warn(
            f"the ranges for precision {precision!r} are taken from {len(data)} vectors; other vectors may lie outside "
            "them, so give ranges or calibration_embeddings to treble.quantize_embeddings, or ranges to encode",
            TrebleWarning,
        )
    return np.stack([data.min(axis=0), data.max(axis=0)])


def quantize_embeddings(
    embeddings: Any,
    precision: Precision,
    ranges: npt.ArrayLike | None = None,
    calibration_embeddings: Any | None = None,
) -> Any:
    """[n, dim] floats to `precision`; equal to sentence-transformers' function of this name.

    int8, uint8: each dimension in 256 steps between its minimum and maximum in `ranges` [2, dim], else in
    `calibration_embeddings`, else in the vectors themselves; what lies outside is clipped. binary, ubinary: one bit a
    dimension (above 0), eight to a byte: [n, ceil(dim / 8)]. float16: rounded to nearest, which sentence-transformers
    does not have. A list of [tokens, dim] matrices gives such a list, with one set of ranges.

    Raises InvalidArgumentError for ranges of another number of dimensions, with a NaN, or with a minimum above its
    maximum; NonFiniteError for vectors with a NaN or an infinity.
    """
    check_precision(precision)
    if isinstance(embeddings, list) and embeddings and np.ndim(embeddings[0]) == 2:
        return _quantize_matrices(embeddings, precision, ranges, calibration_embeddings)
    vectors = np.asarray(embeddings)
    if vectors.dtype in (np.dtype(np.int8), np.dtype(np.uint8)):
        raise InvalidArgumentError(f"the vectors are quantized already: they are {vectors.dtype}")
    vectors = np.ascontiguousarray(vectors, dtype=np.float32)
    if precision == "float32":
        return vectors
    if vectors.ndim == 1:
        return quantize_embeddings(vectors[np.newaxis], precision, ranges, calibration_embeddings)[0]
    limits = None
    if precision in _WITH_RANGES:
        if len(vectors) == 0:
            return np.zeros(vectors.shape, dtype=_TYPES[precision])
        found = _ranges(vectors, precision, calibration_embeddings) if ranges is None else ranges
        limits = np.ascontiguousarray(found, dtype=np.float32)
        if limits.ndim != 2:
            raise InvalidArgumentError(f"ranges are [2, dim], minimum and maximum, not {limits.ndim}-dimensional")
    return _treble.quantize(vectors, precision, limits).view(_TYPES[precision])


def _quantize_matrices(matrices: list[Any], precision: Precision, ranges: Any, calibration: Any) -> list[Any]:
    if precision in _WITH_RANGES and ranges is None:
        everything = np.concatenate([np.asarray(one, dtype=np.float32) for one in matrices])
        if len(everything):
            ranges = _ranges(everything, precision, calibration)
    return [quantize_embeddings(np.asarray(one), precision, ranges) for one in matrices]
