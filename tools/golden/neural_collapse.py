"""Writes src/neural_collapse' expected values: the metrics by their definitions in NumPy, on generated features.

    .venv-golden/bin/python -m golden.neural_collapse   (from tools/)

Features are multiples of 1/512 and stand in the file: both sides start from the same bits.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

OUTPUT = Path(__file__).resolve().parents[2] / "tests" / "golden" / "neural_collapse.json"
CASES = 24


def simplex_distance(matrix: np.ndarray) -> float:
    classes = len(matrix)
    frame = (np.eye(classes) - np.ones((classes, classes)) / classes) / np.sqrt(classes - 1)
    return float(np.linalg.norm(matrix / np.linalg.norm(matrix) - frame))


def metrics(rows: np.ndarray, classes: np.ndarray, lambda_w: float) -> dict[str, float]:
    """Σ_W over all items, Σ_B over class means, as include/treble/neural_collapse.h defines them."""
    count = classes.max() + 1
    means = np.stack([rows[classes == k].mean(axis=0) for k in range(count)])
    centred = means - means.mean(axis=0)
    deviations = rows - means[classes]
    within = deviations.T @ deviations / len(rows)
    between = centred.T @ centred / count
    labels = np.eye(count)[classes]
    ridge = len(rows) / count * lambda_w * np.eye(rows.shape[1])
    layer = np.linalg.solve(rows.T @ rows + ridge, rows.T @ labels).T
    return {
        "within": float(np.trace(within)),
        "between": float(np.trace(between)),
        "nc1_traces": float(np.trace(within) / np.trace(between)),
        "nc1": float(np.trace(within @ np.linalg.pinv(between, rcond=1e-10, hermitian=True)) / count),
        "nc2": simplex_distance(centred @ centred.T),
        "nc3": simplex_distance(layer @ centred.T),
    }


def case(random: np.random.Generator) -> dict[str, object]:
    """Classes of one size or of several, more or fewer dimensions than items, few or many classes."""
    count, dim = int(random.integers(2, 8)), int(random.integers(1, 24))
    sizes = random.integers(1, 7, count) if random.random() < 0.5 else np.full(count, random.integers(1, 7))
    classes = random.permutation(np.repeat(np.arange(count), sizes))
    means = 2 * random.standard_normal((count, dim))
    rows = np.round((means[classes] + random.standard_normal((len(classes), dim))) * 512) / 512
    lambda_w = float(random.choice([0.005, 0.05, 0.5]))
    return {
        "dim": dim,
        "classes": classes.tolist(),
        "features": rows.ravel().tolist(),
        "lambda_w": lambda_w,
        **metrics(rows, classes, lambda_w),
    }


def main() -> None:
    random = np.random.default_rng(11)
    cases = [case(random) for _ in range(CASES)]
    OUTPUT.write_text(json.dumps({"cases": cases}, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
