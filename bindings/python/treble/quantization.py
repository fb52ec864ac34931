"""Vectors in fewer bits, as sentence-transformers' `quantize_embeddings` makes them."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from treble.errors import InvalidArgumentError, TrebleWarning, warn

Precision = Literal["float32", "int8", "uint8", "binary", "ubinary"]
PRECISIONS: tuple[Precision, ...] = ("float32", "int8", "uint8", "binary", "ubinary")

# As sentence-transformers: fewer vectors say little about the range of others.
_FEW = 100


def check_precision(precision: str | None) -> None:
    """Raises InvalidArgumentError for a name that is none of PRECISIONS."""
    if precision is not None and precision not in PRECISIONS:
        raise InvalidArgumentError(f"precision {precision!r} is not supported; there are {', '.join(PRECISIONS)}")


def _ranges(vectors: npt.NDArray[np.float32], precision: str, calibration: Any | None) -> npt.NDArray[np.float32]:
    data = vectors if calibration is None else np.asarray(calibration, dtype=np.float32)
    if len(data) < 2:
        raise InvalidArgumentError(
            f"precision {precision!r} takes the range of each dimension from the vectors themselves, and there is one "
            "vector; encode in float32 and call treble.quantize_embeddings with ranges or calibration_embeddings"
        )
    if len(data) < _FEW:
        warn(
            f"the ranges for precision {precision!r} are taken from {len(data)} vectors; other vectors may lie outside "
            "them, so give ranges or calibration_embeddings to treble.quantize_embeddings",
            TrebleWarning,
        )
    return np.stack([data.min(axis=0), data.max(axis=0)])


def quantize_embeddings(
    embeddings: Any,
    precision: Precision,
    ranges: npt.ArrayLike | None = None,
    calibration_embeddings: Any | None = None,
) -> npt.NDArray[Any]:
    """[n, dim] floats to `precision`; equal to sentence-transformers' function of this name.

    int8, uint8: each dimension in 256 steps between its minimum and maximum in `ranges` [2, dim], else in
    `calibration_embeddings`, else in the vectors themselves. binary, ubinary: one bit a dimension (above 0), eight to a
    byte: [n, ceil(dim / 8)].
    """
    check_precision(precision)
    vectors = np.asarray(embeddings)
    if vectors.dtype in (np.dtype(np.int8), np.dtype(np.uint8)):
        raise InvalidArgumentError(f"the vectors are quantized already: they are {vectors.dtype}")
    vectors = vectors.astype(np.float32, copy=False)
    if precision == "float32":
        return vectors
    if precision in ("binary", "ubinary"):
        packed = np.packbits(vectors > 0, axis=-1)
        return packed if precision == "ubinary" else (packed - 128).astype(np.int8)
    kind: type[np.uint8] | type[np.int8] = np.uint8 if precision == "uint8" else np.int8
    if len(vectors) == 0:
        return np.zeros(vectors.shape, dtype=kind)
    limits = (
        _ranges(vectors, precision, calibration_embeddings) if ranges is None else np.asarray(ranges, dtype=np.float32)
    )
    steps = (limits[1] - limits[0]) / 255
    steps = np.where(steps == 0, 1, steps)
    levels = np.clip(np.floor((vectors - limits[0]) / steps), 0, 255)
    quantized: npt.NDArray[Any] = (levels if precision == "uint8" else levels - 128).astype(kind)
    return quantized
