"""JinaBERT v2 (jina-embeddings-v2-base-en): BERT with symmetric ALiBi and GEGLU."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from golden.temperature import ATTENTION


def slopes(heads: int) -> list[float]:
    """ALiBi's slopes: 2^(-8k/n) for a power of two, else those of the power below and every other one of the next."""
    below = 2 ** math.floor(math.log2(heads))
    geometric = [2 ** (-8 * k / below) for k in range(1, below + 1)]
    return geometric if below == heads else geometric + slopes(2 * below)[0::2][: heads - below]


class SelfAttention(nn.Module):
    """BERT's attention with -slope * |i - j| added to the scaled scores."""

    def __init__(self, config: dict[str, Any]) -> None:
        """Read widths."""
        super().__init__()
        width = config["hidden_size"]
        self.heads = config["num_attention_heads"]
        self.query, self.key, self.value = (nn.Linear(width, width) for _ in range(3))

    def forward(self, hidden: Tensor) -> Tensor:
        """One text: [length, width]."""
        length, width = hidden.shape

        def heads(projection: nn.Linear) -> Tensor:
            return projection(hidden).view(length, self.heads, -1).transpose(0, 1)

        positions = torch.arange(length).float()
        bias = -torch.tensor(slopes(self.heads))[:, None, None] * (positions[:, None] - positions[None, :]).abs()
        scores = heads(self.query) @ heads(self.key).transpose(-1, -2) / (width // self.heads) ** 0.5
        weights = ATTENTION.probabilities(scores, bias, None)
        return (weights @ heads(self.value)).transpose(0, 1).reshape(length, width)


class GatedFeedForward(nn.Module):
    """The gate is the first half of gated_layers; the residual and the norm belong to this module."""

    def __init__(self, config: dict[str, Any]) -> None:
        """Read widths and the norm's epsilon."""
        super().__init__()
        width, inner = config["hidden_size"], config["intermediate_size"]
        self.gated_layers = nn.Linear(width, 2 * inner, bias=False)
        self.wo = nn.Linear(inner, width)
        self.layernorm = nn.LayerNorm(width, eps=config["layer_norm_eps"])

    def forward(self, hidden: Tensor) -> Tensor:
        """GEGLU with the exact GELU, then post-norm."""
        gate, value = self.gated_layers(hidden).chunk(2, dim=-1)
        return self.layernorm(self.wo(nn.functional.gelu(gate) * value) + hidden)


class Block(nn.Module):
    """Post-norm, as in BERT."""

    def __init__(self, config: dict[str, Any]) -> None:
        """Nest the modules as the published names do."""
        super().__init__()
        width = config["hidden_size"]
        output = nn.ModuleDict(
            {"dense": nn.Linear(width, width), "LayerNorm": nn.LayerNorm(width, eps=config["layer_norm_eps"])}
        )
        self.attention = nn.ModuleDict({"self": SelfAttention(config), "output": output})
        self.mlp = GatedFeedForward(config)

    def forward(self, hidden: Tensor) -> Tensor:
        """Attention, norm, then the feed-forward module with its own norm."""
        output = self.attention["output"]
        return self.mlp(output["LayerNorm"](hidden + output["dense"](self.attention["self"](hidden))))


class JinaBert(nn.Module):
    """The whole encoder."""

    def __init__(self, config: dict[str, Any]) -> None:
        """Build from the published configuration's keys."""
        super().__init__()
        width = config["hidden_size"]
        self.embeddings = nn.ModuleDict(
            {
                "word_embeddings": nn.Embedding(config["vocab_size"], width),
                "token_type_embeddings": nn.Embedding(config["type_vocab_size"], width),
                "LayerNorm": nn.LayerNorm(width, eps=config["layer_norm_eps"]),
            }
        )
        blocks = [Block(config) for _ in range(config["num_hidden_layers"])]
        self.encoder = nn.ModuleDict({"layer": nn.ModuleList(blocks)})

    def forward(self, ids: Tensor) -> list[Tensor]:
        """Hidden states of one text; no position table, every token of type 0."""
        types = self.embeddings["token_type_embeddings"](torch.zeros_like(ids))
        states = [self.embeddings["LayerNorm"](self.embeddings["word_embeddings"](ids) + types)]
        for block in self.encoder["layer"]:
            states.append(block(states[-1]))
        return states
