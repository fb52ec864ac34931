"""How far apart two sets of vectors are, and how far they may be."""

from __future__ import annotations

import numpy as np

TAUS = (1.0, 0.7)
TOLERANCE = 2e-5  # largest difference of a component, where the reference's vector has length 1
SHAKY = 1e-5  # where transformers' own float32 is this far from its float64, the float64 is the reference


def rows_apart(got: np.ndarray, expected: np.ndarray) -> np.ndarray:
    """Largest difference of each row, in units of the expected row's length: direction and length both count."""
    if got.shape != expected.shape:
        return np.full(len(expected), np.inf)
    lengths = np.maximum(np.linalg.norm(expected, axis=1, keepdims=True), 1e-12)
    apart = np.abs(got - expected).max(axis=1) / lengths[:, 0]
    return np.where(np.isfinite(apart), apart, np.inf)
