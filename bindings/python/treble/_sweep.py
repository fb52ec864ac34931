"""What the sweeps of SentenceEncoder and of Reranker share: temperatures and data as they are given."""

from __future__ import annotations

import os
import random
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from treble._temperature import TemperatureLike, to_temperature
from treble._treble import SweepData, Temperature

Temperatures = TemperatureLike | Sequence[TemperatureLike]
SWEEP_EDGES = (32, 64, 128, 256, 512, 2048, 8192)


def many_temperatures(temperatures: Temperatures) -> list[Temperature]:
    """One temperature or several."""
    if temperatures is None:
        return []
    if isinstance(temperatures, (str, Temperature)) or not isinstance(temperatures, (Sequence, np.ndarray)):
        return [to_temperature(temperatures)]
    return [to_temperature(one) for one in temperatures]


def sweep_data(
    data: str | os.PathLike[str] | SweepData | Iterable[str],
    split: str,
    group: str,
    unlabelled: tuple[int, int] = (0, 0),
) -> SweepData:
    """A file's data, or that of texts without labels: (how many of them are taken, seed)."""
    if isinstance(data, SweepData):
        return data
    if isinstance(data, (str, os.PathLike)):
        return SweepData.read(Path(data), split, group)
    texts = list(data)
    sample, seed = unlabelled
    if len(texts) > sample:
        texts = random.Random(seed).sample(texts, sample)
    return SweepData.unlabelled("texts", texts)
