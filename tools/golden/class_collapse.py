"""Writes src/diagnostics' expected values of labelled vectors: scatters by definition, classifiers by scikit-learn.

    ../.venv-golden/bin/python -m golden.class_collapse   (from tools/)

Vectors are multiples of 1/512 and stand in the file: both sides start from the same bits.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import NearestCentroid

from golden.neural_collapse import metrics

OUTPUT = Path(__file__).resolve().parents[2] / "tests" / "golden" / "class_collapse.json"
CASES = 16


def probe(rows: np.ndarray, classes: np.ndarray, judged: np.ndarray) -> np.ndarray:
    """Vectors are centred and scaled to a mean variance of 1 by those that the probe is fitted on."""
    mean = rows.mean(axis=0)
    scale = 1 / np.sqrt(((rows - mean) ** 2).mean())
    model = LogisticRegression(C=1, tol=1e-8, max_iter=10_000)
    return model.fit((rows - mean) * scale, classes).predict((judged - mean) * scale)


def case(random: np.random.Generator) -> dict[str, object]:
    """Classes of several sizes, more or fewer dimensions than texts; the first half of each class is fitted on."""
    count, dim = int(random.integers(2, 9)), int(random.integers(1, 30))
    sizes = random.integers(2, 12, count)
    classes = np.repeat(np.arange(count), sizes)
    means = 0.7 * random.standard_normal((count, dim))
    rows = np.round((means[classes] + random.standard_normal((len(classes), dim))) * 512) / 512
    places = np.concatenate([np.arange(size) < (size + 1) // 2 for size in sizes])
    fitted, held_out = np.flatnonzero(places), np.flatnonzero(~places)
    nearest = NearestCentroid().fit(rows[fitted], classes[fitted]).predict(rows[held_out])
    probed = probe(rows[fitted], classes[fitted], rows[held_out])
    scatter = metrics(rows, classes, 0.005)
    return {
        "dim": dim,
        "sizes": sizes.tolist(),
        "vectors": rows.ravel().tolist(),
        "fitted": fitted.tolist(),
        "held_out": held_out.tolist(),
        "nearest_is_right": (nearest == classes[held_out]).astype(int).tolist(),
        "probe_accuracy": float((probed == classes[held_out]).mean()),
        "agreement": float((probed == nearest).mean()),
        **{name: scatter[name] for name in ("within", "between", "nc1_traces", "nc1", "nc2")},
    }


def main() -> None:
    random = np.random.default_rng(21)
    cases = [case(random) for _ in range(CASES)]
    OUTPUT.write_text(json.dumps({"cases": cases}, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
