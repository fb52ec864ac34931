"""NomicBERT (nomic-embed-text-v1.5): BERT with rotary positions, SwiGLU and no bias outside the norms."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from golden.temperature import ATTENTION
from golden.twins.rotary import inverse_frequencies, rotate


class Attention(nn.Module):
    """Packed query, key and value; each part holds the heads one after another."""

    def __init__(self, config: dict[str, Any]) -> None:
        """Read widths and the rotary base."""
        super().__init__()
        width = config["n_embd"]
        self.heads = config["n_head"]
        self.Wqkv = nn.Linear(width, 3 * width, bias=config["qkv_proj_bias"])
        self.out_proj = nn.Linear(width, width, bias=config["qkv_proj_bias"])
        self.frequencies = inverse_frequencies(width // self.heads, config["rotary_emb_base"])

    def forward(self, hidden: Tensor) -> Tensor:
        """One text: [length, width]."""
        length, width = hidden.shape
        query, key, value = self.Wqkv(hidden).view(length, 3, self.heads, -1).permute(1, 2, 0, 3)
        query, key = rotate(query, self.frequencies), rotate(key, self.frequencies)
        scores = query @ key.transpose(-1, -2) / (width // self.heads) ** 0.5
        return self.out_proj(
            (ATTENTION.probabilities(scores, None, None) @ value).transpose(0, 1).reshape(length, width)
        )


class GatedFeedForward(nn.Module):
    """fc11 is the value, fc12 the gate."""

    def __init__(self, config: dict[str, Any]) -> None:
        """Read widths and biases."""
        super().__init__()
        width, inner = config["n_embd"], config["n_inner"]
        self.fc11 = nn.Linear(width, inner, bias=config["mlp_fc1_bias"])
        self.fc12 = nn.Linear(width, inner, bias=config["mlp_fc1_bias"])
        self.fc2 = nn.Linear(inner, width, bias=config["mlp_fc2_bias"])

    def forward(self, hidden: Tensor) -> Tensor:
        """SwiGLU."""
        return self.fc2(self.fc11(hidden) * nn.functional.silu(self.fc12(hidden)))


class Block(nn.Module):
    """Post-norm, as in BERT."""

    def __init__(self, config: dict[str, Any]) -> None:
        """Read widths and the norms' epsilon."""
        super().__init__()
        self.attn = Attention(config)
        self.mlp = GatedFeedForward(config)
        self.norm1 = nn.LayerNorm(config["n_embd"], eps=config["layer_norm_epsilon"])
        self.norm2 = nn.LayerNorm(config["n_embd"], eps=config["layer_norm_epsilon"])

    def forward(self, hidden: Tensor) -> Tensor:
        """Attention, norm, feed-forward, norm."""
        hidden = self.norm1(hidden + self.attn(hidden))
        return self.norm2(hidden + self.mlp(hidden))


class NomicBert(nn.Module):
    """The whole encoder."""

    def __init__(self, config: dict[str, Any]) -> None:
        """Build from the published configuration's keys."""
        super().__init__()
        width = config["n_embd"]
        self.embeddings = nn.ModuleDict(
            {
                "word_embeddings": nn.Embedding(config["vocab_size"], width),
                "token_type_embeddings": nn.Embedding(config["type_vocab_size"], width),
            }
        )
        self.emb_ln = nn.LayerNorm(width, eps=config["layer_norm_epsilon"])
        blocks = [Block(config) for _ in range(config["n_layer"])]
        self.encoder = nn.ModuleDict({"layers": nn.ModuleList(blocks)})

    def forward(self, ids: Tensor) -> list[Tensor]:
        """Hidden states of one text; every token is of type 0."""
        types = self.embeddings["token_type_embeddings"](torch.zeros_like(ids))
        states = [self.emb_ln(self.embeddings["word_embeddings"](ids) + types)]
        for block in self.encoder["layers"]:
            states.append(block(states[-1]))
        return states
