"""Writes src/diagnostics' expected values: the diagnostics by NumPy and SciPy.

    .venv-golden/bin/python -m golden.diagnostics   (from tools/)

The vectors come from a small generator that the C++ test has too, and are exact in float32: both sides start from the
same bits.
"""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path

import numpy as np
from scipy import stats

ROWS, COLS = 30, 8
TEXT_OFFSETS = [0, 4, 5, 5, 12, 20, 30]
OUTPUT = Path(__file__).resolve().parents[2] / "tests" / "golden" / "diagnostics.json"


def sequence(count: int, seed: int) -> np.ndarray:
    """`count` numbers in [-1, 1), multiples of 1/512."""
    values, state = [], seed
    for _ in range(count):
        state = (state * 1103515245 + 12345) % 2**31
        values.append(((state >> 16) % 1024 - 512) / 512)
    return np.array(values)


def vectors() -> np.ndarray:
    """[ROWS, COLS], leaning towards one direction, of unequal variances."""
    x = sequence(ROWS * COLS, 7).reshape(ROWS, COLS)
    return x * (1 + np.arange(COLS)) / 4 + 0.5


def isoscore(x: np.ndarray) -> float:
    """Rudman et al., arXiv 2108.07344, algorithm 1."""
    n = x.shape[1]
    centred = x - x.mean(axis=0)
    _, axes = np.linalg.eigh(centred.T @ centred / len(x))
    diagonal = np.var(centred @ axes, axis=0)
    scaled = np.sqrt(n) * diagonal / np.linalg.norm(diagonal)
    defect = np.linalg.norm(scaled - 1) / np.sqrt(2 * (n - np.sqrt(n)))
    fraction = (n - defect**2 * (n - np.sqrt(n))) ** 2 / n**2
    return float((n * fraction - 1) / (n - 1))


def unit(x: np.ndarray) -> np.ndarray:
    """Rows of length 1."""
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def attention() -> dict[str, object]:
    """One head of 12 tokens: its logits and what their softmax does."""
    n, width, scale = 12, 4, 1.5
    q = sequence(n * width, 11).reshape(n, width) * 3
    k = sequence(n * width, 13).reshape(n, width) * 3
    logits = scale * (q @ k.T) / np.sqrt(width)
    a = np.exp(logits - logits.max(axis=1, keepdims=True))
    a /= a.sum(axis=1, keepdims=True)
    spread = logits.std()
    bound = np.sqrt(n / (2 * np.sqrt(1 + np.exp(-2 * spread**2)) * (n - 1) ** 1.5 + 1))
    return {
        "logit_std": spread,
        "filter_rate": np.linalg.svd(a - a.mean(axis=0))[1][0],
        "entropy": float(np.mean(stats.entropy(a, axis=1)) / np.log(n)),
        "bound": bound,
    }


def token_vectors(x: np.ndarray) -> dict[str, float]:
    """The rows as token vectors of six texts, of which one has none and one a single one."""
    texts = [x[begin:end] for begin, end in pairwise(TEXT_OFFSETS)]
    within = []
    for text in texts:
        if len(text) > 1:
            cosines = unit(text) @ unit(text).T
            within.append(cosines[~np.eye(len(text), dtype=bool)].mean())
    scored = [text for text in texts if len(text) > 0]
    scores = [(a @ b.T).max(axis=1).mean() for a in scored for b in scored if a is not b]
    return {"token_cosine": float(np.mean(within)), "max_sim": float(np.mean(scores))}


def main() -> None:
    """Write the file."""
    x = vectors()
    u = unit(x)
    cosines = u @ u.T
    eigenvalues = np.sort(np.linalg.eigvalsh(np.cov(x.T, bias=True)))[::-1]
    shares = eigenvalues / eigenvalues.sum()
    pairs = [(i, j) for i in range(ROWS) for j in range(ROWS) if i != j]
    order = np.argsort(-(cosines - 4 * np.eye(ROWS)), axis=1, kind="stable")[:, :5]
    occurrences = np.bincount(order.ravel(), minlength=ROWS)
    groups = [range(0, 10), range(10, 30)]
    matrix = [[np.mean([cosines[i, j] for i in a for j in b if i != j]) for b in groups] for a in groups]
    tokens = 5 + 3 * np.arange(ROWS)
    queries = unit(sequence(6 * COLS, 17).reshape(6, COLS))
    slope = np.polyfit(np.tile(np.log(tokens), 6), (queries @ u.T).ravel(), 1)[0]
    hc = x - x.mean(axis=0)
    expected = {
        "variances": eigenvalues.tolist(),
        "effective_rank": float(np.exp(stats.entropy(shares))),
        "isoscore": isoscore(x),
        "uniformity": float(np.log(np.mean([np.exp(-2 * np.sum((u[i] - u[j]) ** 2)) for i, j in pairs]))),
        "neighbors": order.tolist(),
        "hubness": {
            "mean": float(occurrences[:10].mean()),
            "skewness": float(stats.skew(occurrences[:10])),
            "antihub_share": float((occurrences[:10] == 0).mean()),
        },
        "group_cosines": matrix,
        "slope": float(slope),
        "hc_ratio": float(np.linalg.norm(hc) / np.linalg.norm(x)),
        "token_cosine": float(np.mean([cosines[i, j] for i, j in pairs])),
        "token_vectors": token_vectors(x),
        "attention": {name: float(value) for name, value in attention().items()},
    }
    OUTPUT.write_text(json.dumps(expected, indent=1) + "\n")


if __name__ == "__main__":
    main()
