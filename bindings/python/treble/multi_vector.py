"""Scores of texts that have a vector for each token: MaxSim."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from treble import _treble


def _laid_out(texts: Any, what: str) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.int64]]:
    """All vectors end to end [n, dim], and where those of each text begin [texts + 1]."""
    if hasattr(texts, "ndim") and texts.ndim == 2:
        texts = [texts]
    arrays = [
        np.asarray(one.detach().cpu().numpy() if hasattr(one, "detach") else one, dtype=np.float32) for one in texts
    ]
    for index, array in enumerate(arrays):
        if array.ndim != 2:
            raise ValueError(f"{what} {index}: a text has an array [vectors, dim], not one of the shape {array.shape}")
        if array.shape[1] != arrays[0].shape[1]:
            raise ValueError(f"{what} {index} has {array.shape[1]} dimensions, {what} 0 has {arrays[0].shape[1]}")
    lengths = np.array([0, *(len(array) for array in arrays)], dtype=np.int64)
    values = np.concatenate(arrays) if arrays else np.zeros((0, 0), dtype=np.float32)
    return np.ascontiguousarray(values), np.cumsum(lengths)


def max_sim(
    queries: Sequence[Any] | npt.NDArray[np.float32],
    documents: Sequence[Any] | npt.NDArray[np.float32],
    *,
    mean: bool = False,
    threads: int = 0,
) -> npt.NDArray[np.float32]:
    """The MaxSim score of each query with each document [queries, documents]: sum_i max_j q_i . d_j.

    queries, documents: what `encode_multi` gives, a list of arrays [vectors, dim]; one such array is one text.
    mean: divide by the number of the query's vectors (MeanMaxSim).
    threads: that share the documents; 0 is as many as the CPU allows, and one for little work.

    Raises ValueError (treble.InvalidArgumentError) for a text without vectors and for dimensions that differ, and
    treble.NonFiniteError for a NaN or infinity, naming the text.
    """
    left, left_offsets = _laid_out(queries, "query")
    right, right_offsets = _laid_out(documents, "document")
    scores: npt.NDArray[np.float32] = _treble.max_sim(left, left_offsets, right, right_offsets, mean, threads)
    return scores
