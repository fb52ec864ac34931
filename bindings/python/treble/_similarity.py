"""How alike vectors are, in NumPy: the four functions of sentence-transformers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.float32]

NAMES = ("cosine", "dot", "euclidean", "manhattan")

# Numbers of the difference [rows, b, dim] that are held at a time.
_MAX_DIFFERENCE = 1 << 24


def _as_matrix(vectors: Any) -> Matrix:
    if hasattr(vectors, "detach"):
        vectors = vectors.detach().cpu().numpy()
    elif isinstance(vectors, (list, tuple)) and vectors and hasattr(vectors[0], "detach"):
        vectors = [vector.detach().cpu().numpy() for vector in vectors]
    matrix = np.asarray(vectors, dtype=np.float32)
    return matrix[np.newaxis] if matrix.ndim == 1 else matrix


def _normalized(matrix: Matrix) -> Matrix:
    norms = np.linalg.norm(matrix, axis=1, keepdims=True)
    unit: Matrix = matrix / np.maximum(norms, 1e-12)
    return unit


def _check(a: Matrix, b: Matrix, *, pairwise: bool) -> None:
    if a.ndim != 2 or b.ndim != 2:
        raise ValueError(f"similarity takes vectors or matrices of vectors, not shapes {a.shape} and {b.shape}")
    if a.shape[1] != b.shape[1]:
        raise ValueError(f"vectors of {a.shape[1]} and of {b.shape[1]} dimensions cannot be compared")
    if pairwise and len(a) != len(b):
        raise ValueError(f"pairwise similarity needs as many vectors on both sides, not {len(a)} and {len(b)}")


def _minus_euclidean(a: Matrix, b: Matrix) -> Matrix:
    # In double: the difference of squares loses half of the digits.
    wide_a, wide_b = a.astype(np.float64), b.astype(np.float64)
    squares = (wide_a**2).sum(1)[:, None] + (wide_b**2).sum(1)[None] - 2 * (wide_a @ wide_b.T)
    distances: Matrix = np.sqrt(np.maximum(squares, 0)).astype(np.float32)
    return -distances


def _minus_manhattan(a: Matrix, b: Matrix) -> Matrix:
    rows = max(1, _MAX_DIFFERENCE // max(1, b.size))
    out = np.empty((len(a), len(b)), dtype=np.float32)
    for start in range(0, len(a), rows):
        part = a[start : start + rows]
        out[start : start + rows] = -np.abs(part[:, None] - b[None]).sum(-1)
    return out


_MATRIX: dict[str, Callable[[Matrix, Matrix], Matrix]] = {
    "cosine": lambda a, b: _normalized(a) @ _normalized(b).T,
    "dot": lambda a, b: a @ b.T,
    "euclidean": _minus_euclidean,
    "manhattan": _minus_manhattan,
}
_PAIRWISE: dict[str, Callable[[Matrix, Matrix], Matrix]] = {
    "cosine": lambda a, b: np.einsum("ij,ij->i", _normalized(a), _normalized(b)),
    "dot": lambda a, b: np.einsum("ij,ij->i", a, b),
    "euclidean": lambda a, b: -np.linalg.norm(a - b, axis=1),
    "manhattan": lambda a, b: -np.abs(a - b).sum(1),
}


def _like(result: Matrix, a: Any, b: Any) -> Any:
    """Tensors in, a tensor out."""
    if not any(hasattr(side[0] if isinstance(side, (list, tuple)) and side else side, "detach") for side in (a, b)):
        return result
    import torch  # noqa: PLC0415 # pyright: ignore[reportMissingImports] - only callers with tensors have it

    return torch.from_numpy(result)


def similarity(a: Any, b: Any, name: str) -> Any:
    """[len(a), len(b)]; greater is more alike."""
    left, right = _as_matrix(a), _as_matrix(b)
    _check(left, right, pairwise=False)
    return _like(_MATRIX[name](left, right), a, b)


def similarity_pairwise(a: Any, b: Any, name: str) -> Any:
    """[n]: of a[i] and b[i]."""
    left, right = _as_matrix(a), _as_matrix(b)
    _check(left, right, pairwise=True)
    return _like(_PAIRWISE[name](left, right).astype(np.float32, copy=False), a, b)
