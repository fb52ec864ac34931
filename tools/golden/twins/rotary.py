"""Rotary positions as all the twins use them: element i of a head turns together with element i + width/2."""

from __future__ import annotations

import torch
from torch import Tensor


def inverse_frequencies(width: int, base: float, ntk_factor: float = 1.0) -> Tensor:
    """base^(-2i/width); fixed NTK scaling multiplies the base by the factor and divides by factor^(2/width)."""
    exponents = torch.arange(0, width, 2).float() / width
    return 1.0 / ((base * ntk_factor) ** exponents) / ntk_factor ** (2 / width)


def rotate(heads: Tensor, frequencies: Tensor) -> Tensor:
    """Turn [heads, length, width] by position times frequency."""
    angles = torch.arange(heads.shape[-2]).float()[:, None] * frequencies
    first, second = heads.chunk(2, dim=-1)
    cosine, sine = angles.cos(), angles.sin()
    return torch.cat((first * cosine - second * sine, second * cosine + first * sine), dim=-1)
