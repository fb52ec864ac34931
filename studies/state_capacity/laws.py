"""The two laws: sizes of states, thresholds of trained models, fits. NumPy alone.

T_forget: the shortest training length at which a model does not collapse. T_recall: the longest text of which it still
recalls the passkey. Chen et al., "Stuffed Mamba", arXiv 2410.07145, have T_forget linear in the size of the state and
T_recall exponential in it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from collapse import GROWTH

# Of the paper: size of the state in millions, training or text length in thousands of tokens.
PAPER_FORGET = ((1.1, 1.0), (1.6, 2.0), (2.4, 8.0), (4.8, 16.0), (12.9, 64.0))
PAPER_RECALL = ((2.4, 4.0), (4.8, 16.0), (12.9, 256.0))

COLLAPSE = 0.05
"""Excess in nats a token from which on a model has collapsed."""
RECALLED = 0.9
"""Share of the passkeys that have to be recalled, at the length and at all shorter ones."""


def state_size(layers: int, heads: int, head: int, state: int, convolution: int = 4) -> int:
    """Numbers that a Mamba-2 with one group carries from token to token: L (H P N + (k - 1)(d_in + 2N))."""
    return layers * (heads * head * state + (convolution - 1) * (heads * head + 2 * state))


def paper_forget(millions: np.ndarray) -> np.ndarray:
    """In thousands of tokens."""
    return 5.172 * millions - 4.469


def paper_recall(millions: np.ndarray) -> np.ndarray:
    """In thousands of tokens."""
    return 4.756 * (1.365**millions - 1) - 0.742


@dataclass(frozen=True)
class Excess:
    """How much worse the same tokens, far beyond the training length, are predicted with all of the text before them
    than with at most a training length of it, in nats a token: mean over texts and its 95 % interval.
    """

    mean: float
    low: float
    high: float

    @classmethod
    def of(cls, model: dict[str, Any]) -> Excess:
        each = np.array(model["long"]) - np.array(model["fresh"])
        random = np.random.default_rng(0)
        means = each[random.integers(0, len(each), (2000, len(each)))].mean(axis=1)
        low, high = np.quantile(means, [0.025, 0.975])
        return cls(float(each.mean()), float(low), float(high))

    @property
    def collapsed(self) -> bool:
        return self.mean > COLLAPSE


@dataclass(frozen=True)
class Bracket:
    """T_forget is above `above`, 0 where the shortest training length does not collapse, and at most `at_most`, None
    where even the longest collapses.
    """

    above: int
    at_most: int | None


def growth(model: dict[str, Any]) -> float:
    """Of the state's variance, of the layer and head where it is largest."""
    return max(ratio for layer in model["growth"] for ratio in layer)


def forget_threshold(models: dict[int, dict[str, Any]]) -> Bracket:
    """Of models by training length: between the longest whose predictions collapse and the next."""
    return _after([length for length, model in models.items() if Excess.of(model).collapsed], models)


def growth_threshold(models: dict[int, dict[str, Any]]) -> Bracket:
    """The same by the state's variance."""
    return _after([length for length, model in models.items() if growth(model) > GROWTH], models)


def _after(collapsed: list[int], models: dict[int, dict[str, Any]]) -> Bracket:
    longest = max(collapsed, default=0)
    return Bracket(longest, min((length for length in models if length > longest), default=None))


def recall_length(model: dict[str, Any]) -> int:
    """The longest tried up to which all lengths are recalled; 0 if none."""
    longest = 0
    for length, share in sorted((int(length), share) for length, share in model["recalled"].items()):
        if share < RECALLED:
            break
        longest = length
    return longest


def recall_threshold(models: dict[int, dict[str, Any]]) -> int:
    """The longest of any training length."""
    return max(recall_length(model) for model in models.values())


@dataclass(frozen=True)
class Fit:
    """By least squares."""

    kind: str
    parameters: tuple[float, ...]
    residual: float
    """Root of the mean squared residual."""
    explained: float
    """R², of the same values as they are, not of their logarithms."""

    def __call__(self, x: np.ndarray) -> np.ndarray:
        if self.kind == "linear":
            slope, intercept = self.parameters
            return slope * x + intercept
        scale, base, offset = self.parameters
        return scale * (base**x - 1) + offset


def _fit(kind: str, parameters: tuple[float, ...], x: np.ndarray, y: np.ndarray) -> Fit:
    left = y - Fit(kind, parameters, 0, 0)(x)
    total = float(((y - y.mean()) ** 2).sum())
    return Fit(kind, parameters, float(np.sqrt(np.mean(left**2))), 1 - float((left**2).sum()) / total if total else 0.0)


def linear_fit(x: np.ndarray, y: np.ndarray) -> Fit:
    """y = slope x + intercept."""
    slope, intercept = np.polyfit(x, y, 1)
    return _fit("linear", (float(slope), float(intercept)), x, y)


def exponential_fit(x: np.ndarray, y: np.ndarray) -> Fit:
    """y = scale (base^x - 1) + offset, with base > 1: the other two are linear once the base is given."""
    best = None
    span = float(np.max(x) - np.min(x))
    for growth in np.geomspace(0.01, 20, 2000):
        base = float(np.exp(growth / span))
        scale, offset = np.polyfit(base**x - 1, y, 1)
        fit = _fit("exponential", (float(scale), base, float(offset)), x, y)
        if best is None or fit.residual < best.residual:
            best = fit
    return best


def slopes_through(x: np.ndarray, brackets: list[Bracket]) -> tuple[float, float] | None:
    """The lowest and the highest slope of the lines through all brackets, infinite where nothing limits it; None if
    there is no such line.
    """
    low = np.array([bracket.above or -np.inf for bracket in brackets], float)
    high = np.array([np.inf if bracket.at_most is None else bracket.at_most for bracket in brackets])
    bound = (
        10 * max(length for one in brackets for length in (one.above, one.at_most or 0)) / np.diff(np.unique(x)).min()
    )
    slopes = np.linspace(-bound, bound, 100_001)[:, None]
    through = slopes[(low - slopes * x).max(axis=1) < (high - slopes * x).min(axis=1), 0]
    if not len(through):
        return None
    ends = float(through.min()), float(through.max())
    return tuple(np.sign(end) * np.inf if abs(end) >= bound else end for end in ends)


def slope_interval(x: np.ndarray, y: np.ndarray) -> tuple[float, float]:
    """The 95 % interval of a linear fit's slope, by Student's t."""
    quantiles = {1: 12.706, 2: 4.303, 3: 3.182, 4: 2.776, 5: 2.571, 6: 2.447}
    fit, freedom = linear_fit(x, y), len(x) - 2
    error = fit.residual * np.sqrt(len(x) / freedom / ((x - x.mean()) ** 2).sum())
    return fit.parameters[0] - quantiles[freedom] * error, fit.parameters[0] + quantiles[freedom] * error
