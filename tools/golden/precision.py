"""Vectors in fewer bits, from sentence-transformers' `quantize_embeddings` and numpy's float16."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
from sentence_transformers.util.quantization import quantize_embeddings

DIMS = (1, 7, 8, 13, 40)
ROWS = 12


def case(dim: int, generator: np.random.Generator) -> dict[str, Any]:
    """Vectors, of which some lie outside the ranges, with zeros, ties and a dimension that never varies."""
    vectors = generator.normal(size=(ROWS, dim)).astype(np.float32)
    vectors[0, 0] = 0.0
    vectors[1, 0] = -0.0
    vectors[:, dim // 2] = np.float32(0.25)
    ranges = np.stack([np.quantile(vectors, 0.1, axis=0), np.quantile(vectors, 0.9, axis=0)]).astype(np.float32)
    own = np.stack([vectors.min(axis=0), vectors.max(axis=0)])
    # Exactly on a step, and on both ends.
    vectors[2] = own[0]
    vectors[3] = own[1]
    vectors[4] = ranges[0]
    vectors[5] = ranges[1]
    result: dict[str, Any] = {"dim": dim, "vectors": vectors, "ranges": ranges}
    result["float16"] = vectors.astype(np.float16).view(np.uint16)
    for precision in ("binary", "ubinary"):
        result[precision] = quantize_embeddings(vectors, precision)
    for precision in ("int8", "uint8"):
        result[precision] = quantize_embeddings(vectors, precision, ranges=ranges)
        result[f"{precision} of itself"] = quantize_embeddings(vectors, precision)
    return {name: value.tolist() if isinstance(value, np.ndarray) else value for name, value in result.items()}


def halves() -> dict[str, list[Any]]:
    """float16 at its edges: ties, the smallest numbers, the largest."""
    exponents = np.arange(-27, 16)
    edges = [m * 2.0**e for e in exponents for m in (1, 1 + 2.0**-11, 1 + 3 * 2.0**-11, 1.5, 2 - 2.0**-12)]
    values = np.array([0.0, -0.0, 65504.0, 65519.0, *edges], dtype=np.float32)
    values = np.concatenate([values, -values])
    values = values[np.abs(values) < 65520]
    return {"values": values.tolist(), "bits": values.astype(np.float16).view(np.uint16).tolist()}


def write_all(folder: Path) -> None:
    """Write precision.json."""
    generator = np.random.default_rng(25)
    cases = [case(dim, generator) for dim in DIMS]
    text = json.dumps({"halves": halves(), "cases": cases}, separators=(",", ":")).replace('{"dim"', '\n{"dim"')
    (folder / "precision.json").write_text(text + "\n", encoding="utf-8")
