"""Scores of single queries, pairs and texts, from which a task's main score is made, and what resampling them gives."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
Draws = npt.NDArray[np.int64]
"""[resamples, size]: indices of items."""


@dataclass(frozen=True)
class Clustering:
    """One of a clustering task's experiments."""

    texts: list[int]
    """[drawn]: index of the text."""
    clusters: list[int]
    """[drawn]."""
    labels: list[int]
    """[drawn], or -1 where the level has none."""


@dataclass(frozen=True)
class Items:
    """Of one split. One of `scores`, `pairs` and `clusterings` is there, by what the main score is made of."""

    tokens: list[int]
    """[items]: tokens of a query's longest relevant document, of a pair's longer text, of a text; 0: unknown."""
    longest: int
    """Tokens that the model reads of a text."""
    scores: list[float] = field(default_factory=list)
    """[items]: the main score is their mean."""
    pairs: list[list[float]] = field(default_factory=list)
    """[2][items]: similarities and gold scores; the main score is Spearman's correlation of them."""
    clusterings: list[Clustering] = field(default_factory=list)
    """The main score is the mean V-measure of them."""

    def __len__(self) -> int:
        return len(self.tokens)

    def statistic(self, draws: Draws) -> Floats:
        """[resamples]: the main score of the items drawn; NaN where it is not defined."""
        if self.pairs:
            return _spearman(*(np.asarray(side)[draws] for side in self.pairs))
        if self.clusterings:
            return _v_measures(self.clusterings, draws, len(self))
        return cast("Floats", np.asarray(self.scores)[draws].mean(axis=1))

    def main_score(self) -> float:
        """Of all items; as mteb computes it."""
        return float(self.statistic(np.arange(len(self))[np.newaxis])[0])


def write_items(path: Path, splits: dict[str, Items], revision: str) -> None:
    """Beside mteb's result, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    content = {"revision": revision, "splits": {name: asdict(items) for name, items in splits.items()}}
    part.write_text(json.dumps(content), encoding="utf-8")
    part.replace(path)


def read_items(path: Path, revision: str) -> dict[str, Items] | None:
    """None when there are none, or of another state of the data."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if content["revision"] != revision:
            return None
        return {name: _items(fields) for name, fields in content["splits"].items()}
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _items(fields: dict[str, Any]) -> Items:
    clusterings = [Clustering(**one) for one in fields.pop("clusterings")]
    return Items(**fields, clusterings=clusterings)


def _spearman(x: Floats, y: Floats) -> Floats:
    """[resamples] of [resamples, items] each."""
    with np.errstate(invalid="ignore", divide="ignore"):
        a, b = (rankdata(side, axis=1) for side in (x, y))
        a, b = a - a.mean(axis=1, keepdims=True), b - b.mean(axis=1, keepdims=True)
        return cast("Floats", (a * b).sum(axis=1) / np.sqrt((a * a).sum(axis=1) * (b * b).sum(axis=1)))


def _entropy(counts: npt.NDArray[Any]) -> float:
    positive = counts[counts > 0]
    shares = positive / positive.sum()
    return float(-(shares * np.log(shares)).sum())


def _v_measure(contingency: npt.NDArray[Any]) -> float:
    """Rosenberg & Hirschberg (2007), of a table [classes, clusters] of weights; as scikit-learn's v_measure_score."""
    if contingency.sum() == 0:
        return float("nan")
    classes, clusters = _entropy(contingency.sum(axis=1)), _entropy(contingency.sum(axis=0))
    mutual = classes + clusters - _entropy(contingency.ravel())
    homogeneity = mutual / classes if classes else 1.0
    completeness = mutual / clusters if clusters else 1.0
    total = homogeneity + completeness
    return 2 * homogeneity * completeness / total if total > 0 else 0.0


def _v_measures(clusterings: Sequence[Clustering], draws: Draws, count: int) -> Floats:
    """The clusterings stay as they are; a text counts as often as it was drawn."""
    weights = np.stack([np.bincount(draw, minlength=count) for draw in draws]).astype(np.float64)
    results = np.zeros(len(draws))
    for clustering in clusterings:
        texts, labels = np.asarray(clustering.texts), np.asarray(clustering.labels)
        known = labels >= 0
        columns = max(clustering.clusters) + 1
        cells = labels[known] * columns + np.asarray(clustering.clusters)[known]
        size = (int(labels.max()) + 1) * columns
        for row, weight in enumerate(weights):
            table = np.bincount(cells, weights=weight[texts[known]], minlength=size).reshape(-1, columns)
            results[row] += _v_measure(table)
    return results / len(clusterings)


@dataclass(frozen=True)
class Estimate:
    """Of one setting against the untouched model, in points (hundredths of the main score)."""

    score: float
    gain: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Part:
    """What a row of the table is about: items of one or more splits; its score is the mean over the splits."""

    splits: dict[str, Integers]
    """Split -> indices of its items."""

    @property
    def count(self) -> int:
        """Of items."""
        return sum(len(indices) for indices in self.splits.values())


def estimate(
    part: Part, setting: dict[str, Items], untouched: dict[str, Items], resamples: int, seed: int
) -> Estimate | None:
    """The gain's 95 % interval is of a paired bootstrap over the items: both are resampled alike, split by split.

    None where the main score is not defined. Resamples on which it is not are left out.
    """
    score, base = (_mean_score(part, items) for items in (setting, untouched))
    if not np.isfinite([score, base]).all():
        return None
    if setting is untouched:
        return Estimate(100 * score, 0.0, None, None)
    generator = np.random.default_rng(seed)
    gains = np.zeros(resamples)
    for name, indices in part.splits.items():
        draws = indices[generator.integers(len(indices), size=(resamples, len(indices)))]
        gains += setting[name].statistic(draws) - untouched[name].statistic(draws)
    gains = gains[np.isfinite(gains)] / len(part.splits)
    low, high = (float(100 * end) for end in np.percentile(gains, [2.5, 97.5])) if len(gains) else (None, None)
    return Estimate(100 * score, 100 * (score - base), low, high)


def _mean_score(part: Part, items: dict[str, Items]) -> float:
    return float(np.mean([items[name].statistic(indices[np.newaxis])[0] for name, indices in part.splits.items()]))


def parts(items: dict[str, Items], edges: Iterable[int]) -> dict[str, Part]:
    """All items, and those of each length that is there. Splits by length are lengths themselves."""
    everything = Part({name: np.arange(len(one)) for name, one in items.items()})
    named = {"all": everything}
    if len(items) > 1:
        return {**named, **{name.removeprefix("test_"): Part({name: everything.splits[name]}) for name in items}}
    lower = 0
    bounds = [*sorted(edges), None]
    for upper in bounds:
        chosen = {}
        for name, one in items.items():
            tokens = np.asarray(one.tokens)
            inside = (tokens > lower) & (tokens <= upper if upper is not None else True)
            chosen[name] = np.flatnonzero(inside)
        part = Part(chosen)
        if part.count:
            named[f"{lower + 1}-{upper}" if upper is not None else f"over {lower}"] = part
        lower = upper or lower
    return named
