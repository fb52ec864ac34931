"""The tiny Mamba-2 model of tests with decays under which states grow beyond a training length."""

from __future__ import annotations

from pathlib import Path

import tiny_mamba2
from tiny_mamba2 import HEAD_DIM, HEADS, LAYERS, STATE

__all__ = ["HEADS", "HEAD_DIM", "LAYERS", "STATE", "TRAINED", "text_of", "write_model"]

TRAINED = 128
"""Tokens within which its states are called learned."""
FORGETS, KEEPS = -1.0, -9.0  # A_log; decays of a step of 0.3 are 0.9 and 0.99996


def write_model(folder: Path) -> Path:
    """The folder, which must not be there yet.

    Head 0 of each layer forgets next to nothing, the others all but some ten tokens.
    """
    folder.mkdir()
    tensors = tiny_mamba2.weights()
    for layer in range(LAYERS):
        prefix = f"backbone.layers.{layer}.mixer."
        tensors[prefix + "dt_bias"] = ((HEADS,), [-1.0] * HEADS)
        tensors[prefix + "A_log"] = ((HEADS,), [KEEPS, *[FORGETS] * (HEADS - 1)])
    tiny_mamba2.write_plain(folder, tensors)
    return folder


def text_of(words: int, number: int) -> str:
    """Of that many tokens."""
    return " ".join(f"w{1 + (word * word + number) % 7 + number % 20}" for word in range(words))
