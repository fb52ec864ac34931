"""GTE "new" (gte-base-en-v1.5, gte-multilingual-base): BERT with rotary positions, NTK scaling and GEGLU."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from golden.temperature import ATTENTION
from golden.twins.rotary import inverse_frequencies, rotate


class Attention(nn.Module):
    """Packed query, key and value with biases."""

    def __init__(self, config: dict[str, Any]) -> None:
        """Read widths and the rotary scaling, which holds at every length."""
        super().__init__()
        width = config["hidden_size"]
        self.heads = config["num_attention_heads"]
        self.qkv_proj = nn.Linear(width, 3 * width)
        self.o_proj = nn.Linear(width, width)
        scaling = config["rope_scaling"] or {"factor": 1.0}
        self.frequencies = inverse_frequencies(width // self.heads, config["rope_theta"], scaling["factor"])

    def forward(self, hidden: Tensor) -> Tensor:
        """One text: [length, width]."""
        length, width = hidden.shape
        query, key, value = self.qkv_proj(hidden).view(length, 3, self.heads, -1).permute(1, 2, 0, 3)
        query, key = rotate(query, self.frequencies), rotate(key, self.frequencies)
        scores = query @ key.transpose(-1, -2) / (width // self.heads) ** 0.5
        return self.o_proj((ATTENTION.probabilities(scores, None, None) @ value).transpose(0, 1).reshape(length, width))


class GatedFeedForward(nn.Module):
    """The value is the first half of up_gate_proj, the gate the second; only down_proj has a bias."""

    def __init__(self, config: dict[str, Any]) -> None:
        """Read widths."""
        super().__init__()
        self.up_gate_proj = nn.Linear(config["hidden_size"], 2 * config["intermediate_size"], bias=False)
        self.down_proj = nn.Linear(config["intermediate_size"], config["hidden_size"])

    def forward(self, hidden: Tensor) -> Tensor:
        """GEGLU with the exact GELU."""
        value, gate = self.up_gate_proj(hidden).chunk(2, dim=-1)
        return self.down_proj(nn.functional.gelu(gate) * value)


class Block(nn.Module):
    """Post-norm, as in BERT."""

    def __init__(self, config: dict[str, Any]) -> None:
        """Read widths and the norms' epsilon."""
        super().__init__()
        self.attention = Attention(config)
        self.mlp = GatedFeedForward(config)
        self.attn_ln = nn.LayerNorm(config["hidden_size"], eps=config["layer_norm_eps"])
        self.mlp_ln = nn.LayerNorm(config["hidden_size"], eps=config["layer_norm_eps"])

    def forward(self, hidden: Tensor) -> Tensor:
        """Attention, norm, feed-forward, norm."""
        hidden = self.attn_ln(hidden + self.attention(hidden))
        return self.mlp_ln(hidden + self.mlp(hidden))


class GteNew(nn.Module):
    """The whole encoder."""

    def __init__(self, config: dict[str, Any]) -> None:
        """Build from the published configuration's keys; type_vocab_size may be 0."""
        super().__init__()
        width = config["hidden_size"]
        self.embeddings = nn.ModuleDict(
            {
                "word_embeddings": nn.Embedding(config["vocab_size"], width),
                "LayerNorm": nn.LayerNorm(width, eps=config["layer_norm_eps"]),
            }
        )
        if config["type_vocab_size"] > 0:
            self.embeddings["token_type_embeddings"] = nn.Embedding(config["type_vocab_size"], width)
        blocks = [Block(config) for _ in range(config["num_hidden_layers"])]
        self.encoder = nn.ModuleDict({"layer": nn.ModuleList(blocks)})

    def forward(self, ids: Tensor) -> list[Tensor]:
        """Hidden states of one text."""
        embedded = self.embeddings["word_embeddings"](ids)
        if "token_type_embeddings" in self.embeddings:
            embedded = embedded + self.embeddings["token_type_embeddings"](torch.zeros_like(ids))
        states = [self.embeddings["LayerNorm"](embedded)]
        for block in self.encoder["layer"]:
            states.append(block(states[-1]))
        return states
