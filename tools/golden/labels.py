"""Writes the expected values of classification and clustering (src/evaluation) by mteb's own sampling and scikit-learn.

python -m golden.labels   (from tools/, with mteb 2.26, which brings datasets and scikit-learn)
"""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
from datasets import Dataset
from mteb.abstasks.classification import AbsTaskClassification
from sklearn.cluster import KMeans, kmeans_plusplus
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import v_measure_score

OUTPUT = Path(__file__).resolve().parents[2] / "tests" / "golden" / "labels.json"
SEED = 42  # of mteb


def samples(count: int, classes: int, per_label: int, experiments: int) -> dict[str, object]:
    """The texts that mteb trains with, some labels rarer than it asks for."""
    draw = np.random.RandomState(count)
    labels = np.minimum(draw.geometric(0.35, count) - 1, classes - 1).tolist()
    task = SimpleNamespace(seed=SEED, label_column_name="label", samples_per_label=per_label)
    dataset = Dataset.from_dict({"label": labels})
    order, found = None, []
    for experiment in range(experiments):
        _, order, chosen = AbsTaskClassification._undersample_data(task, dataset, experiment, order)
        found.append(chosen)
    return {"labels": labels, "per_label": per_label, "samples": found}


def rows(count: int, dim: int, classes: int, seed: int) -> tuple[np.ndarray, list[int]]:
    """Vectors of length 1 about a centre for each class, near enough for some to be mistaken."""
    draw = np.random.RandomState(seed)
    labels = draw.randint(0, classes, count)
    labels[:classes] = range(classes)
    vectors = draw.normal(size=(classes, dim))[labels] + 1.2 * draw.normal(size=(count, dim))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors.astype(np.float32), labels.tolist()


def regression(classes: int, dim: int, seed: int) -> dict[str, object]:
    """To convergence, as the solution is one; and what scikit-learn's defaults, which mteb takes, predict."""
    train, labels = rows(60, dim, classes, seed)
    judged, _ = rows(40, dim, classes, seed + 1)
    exact = LogisticRegression(tol=1e-12, max_iter=100_000).fit(train.astype(np.float64), labels)
    default = LogisticRegression(max_iter=100, random_state=SEED).fit(train, labels)
    return {
        "classes": classes,
        "dim": dim,
        "train": train.ravel().astype(float).tolist(),
        "labels": labels,
        "judged": judged.ravel().astype(float).tolist(),
        "probabilities": exact.predict_proba(judged.astype(np.float64)).ravel().tolist(),
        "predicted": default.predict(judged).tolist(),
    }


def clustering(clusters: int, dim: int, seed: int) -> dict[str, object]:
    """Lloyd's iterations from given centres, one of them so far off that its cluster is empty at first."""
    vectors, labels = rows(80, dim, clusters, seed)
    centres = vectors[:clusters].astype(np.float64).copy()
    found = KMeans(clusters, init=centres, n_init=1, tol=0, max_iter=300, algorithm="lloyd").fit(
        vectors.astype(np.float64)
    )
    return {
        "dim": dim,
        "rows": vectors.ravel().astype(float).tolist(),
        "centres": centres.ravel().tolist(),
        "clusters": found.labels_.tolist(),
        "labels": labels,
        "v_measure": v_measure_score(labels, found.labels_),
    }


def seeding(clusters: int, seed: int) -> dict[str, object]:
    """How far rows are from scikit-learn's k-means++ centres, mean over seeds; and with one candidate a centre."""
    draw = np.random.RandomState(seed)
    vectors = (10 * draw.uniform(size=(clusters, 2))[draw.randint(0, clusters, 6 * clusters)]).round(2)
    vectors = (vectors + draw.normal(scale=0.2, size=vectors.shape)).round(2)

    def mean_potential(trials: int | None) -> float:
        found = []
        for start in range(1000):
            centres, _ = kmeans_plusplus(vectors, clusters, random_state=start, n_local_trials=trials)
            distances = ((vectors[:, None] - centres[None]) ** 2).sum(-1)
            found.append(distances.min(1).sum())
        return float(np.mean(found))

    return {
        "dim": 2,
        "clusters": clusters,
        "rows": vectors.ravel().tolist(),
        "potential": mean_potential(None),
        "potential_of_one_candidate": mean_potential(1),
    }


def agreements() -> list[dict[str, object]]:
    """Of every kind: equal, crossed, one label, one cluster, empty numbers."""
    draw = np.random.RandomState(3)
    pairs = [([0, 0, 1, 1], [1, 1, 0, 0]), ([0, 0, 1, 1], [0, 1, 0, 1]), ([0, 0, 0], [0, 1, 2]), ([0, 1, 2], [0, 0, 0])]
    pairs += [(draw.randint(0, 6, 50).tolist(), draw.randint(0, 9, 50).tolist()) for _ in range(3)]
    return [{"labels": a, "clusters": b, "v_measure": v_measure_score(a, b)} for a, b in pairs]


def main() -> None:
    """Write the file."""
    expected = {
        "samples": [samples(90, 5, 4, 10), samples(17, 3, 8, 3), samples(300, 2, 8, 10)],
        "regression": [regression(2, 6, 1), regression(3, 6, 2), regression(7, 12, 3)],
        "clustering": [clustering(3, 4, 5), clustering(6, 8, 6)],
        "seeding": [seeding(12, 7), seeding(40, 8)],
        "agreements": agreements(),
    }
    OUTPUT.write_text(json.dumps(expected) + "\n")


if __name__ == "__main__":
    main()
