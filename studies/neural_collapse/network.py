"""A classifier of two hidden layers in NumPy, trained as the model of near features assumes: mean squared error against
one-hot labels, a last layer without bias, and a decay for the last layer and another for the layers that make features.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True)
class Recipe:
    """Stochastic gradient descent with momentum; the rate is 1/10 after 60 % of the epochs and 1/100 after 85 %."""

    epochs: int
    decay_last: float
    decay_features: float
    batch: int = 100
    rate: float = 0.1
    momentum: float = 0.9

    def rate_in(self, epoch: int) -> float:
        return self.rate * (1 if epoch <= 0.6 * self.epochs else 0.1 if epoch <= 0.85 * self.epochs else 0.01)


class Network:
    """Two hidden layers of ReLU, then a linear one. Weights are [inputs, outputs]; rows are items."""

    def __init__(self, inputs: int, width: int, classes: int, random: np.random.Generator) -> None:
        gains = ((inputs, width, 2), (width, width, 2), (width, classes, 1))
        self.weights = [random.standard_normal((a, b)) * np.sqrt(gain / a) for a, b, gain in gains]
        self.biases = [np.zeros(width), np.zeros(width)]

    def features(self, x: np.ndarray) -> list[np.ndarray]:
        """Of both hidden layers."""
        first = np.maximum(x @ self.weights[0] + self.biases[0], 0)
        return [first, np.maximum(first @ self.weights[1] + self.biases[1], 0)]

    def scores(self, x: np.ndarray) -> np.ndarray:
        return self.features(x)[1] @ self.weights[2]

    def loss(self, x: np.ndarray, labels: np.ndarray) -> float:
        """|Wh - y|²/2, mean over items."""
        return float(0.5 * ((self.scores(x) - labels) ** 2).sum(axis=1).mean())

    def gradients(self, x: np.ndarray, labels: np.ndarray) -> list[np.ndarray]:
        """Of the loss, by the three weights and then the two biases."""
        first, second = self.features(x)
        at_scores = (second @ self.weights[2] - labels) / len(x)
        at_second = (at_scores @ self.weights[2].T) * (second > 0)
        at_first = (at_second @ self.weights[1].T) * (first > 0)
        weights = [x.T @ at_first, first.T @ at_second, second.T @ at_scores]
        return [*weights, at_first.sum(axis=0), at_second.sum(axis=0)]

    def train(self, x: np.ndarray, labels: np.ndarray, recipe: Recipe, random: np.random.Generator) -> Iterator[int]:
        """Yields the number of epochs behind it, from 0."""
        parameters = [*self.weights, *self.biases]
        decays = [recipe.decay_features, recipe.decay_features, recipe.decay_last, 0, 0]
        velocities = [np.zeros_like(parameter) for parameter in parameters]
        yield 0
        for epoch in range(1, recipe.epochs + 1):
            rate = recipe.rate_in(epoch)
            order = random.permutation(len(x))
            for begin in range(0, len(order), recipe.batch):
                items = order[begin : begin + recipe.batch]
                for i, gradient in enumerate(self.gradients(x[items], labels[items])):
                    velocities[i] = recipe.momentum * velocities[i] - rate * (gradient + decays[i] * parameters[i])
                    parameters[i] += velocities[i]
            yield epoch
