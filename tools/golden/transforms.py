"""Writes tests/golden/transforms.json: the fitted transforms by NumPy and scikit-learn.

    .venv-golden/bin/python -m golden.transforms   (from tools/; needs scikit-learn)

The vectors are those of golden.diagnostics, which the C++ test makes for itself.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from sklearn.decomposition import PCA
from sklearn.linear_model import LinearRegression

from golden.diagnostics import COLS, ROWS, sequence, vectors

OUTPUT = Path(__file__).resolve().parents[2] / "tests" / "golden" / "transforms.json"


def lengths() -> np.ndarray:
    """Tokens of each row, 1 to 512."""
    return (np.abs(sequence(ROWS, 11)) * 511 + 1).astype(int)


def unit(x: np.ndarray) -> np.ndarray:
    return x / np.linalg.norm(x, axis=1, keepdims=True)


def oriented(axes: np.ndarray) -> np.ndarray:
    """Rows with their entry of largest magnitude positive."""
    return axes * np.sign(axes[np.arange(len(axes)), np.abs(axes).argmax(axis=1)])[:, None]


def main() -> None:
    x = vectors().astype(np.float32).astype(np.float64)
    centred = x - x.mean(axis=0)
    pca = PCA(svd_solver="full").fit(x)
    axes = oriented(pca.components_)
    # scikit-learn divides by n - 1, which unit length takes out again.
    whitened = centred @ axes.T / np.sqrt(pca.explained_variance_)
    slope = LinearRegression().fit(np.log(lengths())[:, None], x).coef_[:, 0]
    direction = slope / np.linalg.norm(slope)
    expected = {
        "centring": unit(centred),
        "whitening": unit(whitened),
        "whitening:3": unit(whitened[:, :3]),
        "all-but-the-top": unit(centred - centred @ axes[:1].T @ axes[:1]),
        "all-but-the-top:2": unit(centred - centred @ axes[:2].T @ axes[:2]),
        "length-direction": unit(x - np.outer(x @ direction, direction)),
    }
    content = {"rows": ROWS, "cols": COLS, "lengths": lengths().tolist()}
    content |= {name: np.round(value, 9).tolist() for name, value in expected.items()}
    OUTPUT.write_text(json.dumps(content) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
