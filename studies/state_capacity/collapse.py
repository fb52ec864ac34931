"""What shows a collapse: keys that are not recalled, text that is predicted worse, a state that grows. NumPy alone."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np
from prompts import Texts, passkey_batch
from recurrence import UNTOUCHED, Control, Model, Watched

if TYPE_CHECKING:
    from collections.abc import Sequence

GROWTH = 10
"""The state has collapsed where its variance is this many times its maximum within the training length."""


def recalled(model: Model, length: int, samples: int, control: Control = UNTOUCHED) -> float:
    """Share of the passkey prompts of a length that are answered, at depths from 0 to 1."""
    prompts, keys = passkey_batch(length, samples, seed=length)
    logits, _ = model.run(prompts, control, last=keys.shape[1])
    return float((logits.argmax(-1) == keys).all(axis=1).mean())


def negative_log_likelihood(logits: np.ndarray, tokens: np.ndarray) -> np.ndarray:
    """Of tokens [batch, places] by logits [batch, places, vocabulary], in nats."""
    highest = logits.max(axis=-1, keepdims=True)
    logs = (highest + np.log(np.exp(logits - highest).sum(axis=-1, keepdims=True)))[..., 0]
    return logs - np.take_along_axis(logits, tokens[..., None], axis=-1)[..., 0]


def text_loss(model: Model, edges: Sequence[int], texts: int, control: Control = UNTOUCHED) -> list[float]:
    """Mean negative log-likelihood of made-up texts between places in them, in nats a token."""
    tokens = Texts(edges[-1] + 1).batch(np.random.default_rng(7), texts)[0]
    each = negative_log_likelihood(model.run(tokens[:, :-1], control)[0], tokens[:, 1:])
    return [float(each[:, begin:end].mean()) for begin, end in pairwise(edges)]


def growth(watched: Watched, training_length: int) -> np.ndarray:
    """How many times its maximum within the training length the variance reaches after it, by head."""
    variance = watched.variance
    return variance[training_length:].max(axis=0) / variance[:training_length].max(axis=0)


def collapse_from(watched: Watched, training_length: int) -> int | None:
    """The first token, from 0, at which some head's state has collapsed."""
    limit = GROWTH * watched.variance[:training_length].max(axis=0)
    beyond = np.flatnonzero((watched.variance > limit).any(axis=1))
    return int(beyond[0]) if len(beyond) else None
