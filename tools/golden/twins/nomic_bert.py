"""NomicBERT as published: BERT with rotary positions.

nomic-embed-text-v1.5 has SwiGLU and no bias outside the norms; nomic-embed-text-v2-moe has GELU, biases, and a mixture
of experts in the place of every other feed-forward network.
"""

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


class FeedForward(nn.Module):
    """Without a gate."""

    def __init__(self, config: dict[str, Any]) -> None:
        """Read widths and biases."""
        super().__init__()
        width, inner = config["n_embd"], config["n_inner"]
        self.fc1 = nn.Linear(width, inner, bias=config.get("mlp_fc1_bias", True))
        self.fc2 = nn.Linear(inner, width, bias=config.get("mlp_fc2_bias", True))

    def forward(self, hidden: Tensor) -> Tensor:
        """Exact GELU between two layers."""
        return self.fc2(nn.functional.gelu(self.fc1(hidden)))


class ExpertLayers(nn.Module):
    """The two layers of all experts, the rows of one expert after those of another."""

    def __init__(self, experts: int, inner: int, width: int) -> None:
        """Both are [experts * inner, width]."""
        super().__init__()
        self.experts = experts
        self.w1 = nn.Parameter(torch.zeros(experts * inner, width))
        self.w2 = nn.Parameter(torch.zeros(experts * inner, width))

    def forward(self, hidden: Tensor) -> Tensor:
        """What every expert makes of every token: [experts, length, width]."""
        first, second = (weight.view(self.experts, -1, hidden.shape[-1]) for weight in (self.w1, self.w2))
        inner = nn.functional.gelu(torch.einsum("td,efd->etf", hidden, first))
        return torch.einsum("etf,efd->etd", inner, second)


class Experts(nn.Module):
    """The experts, and a bias that is added once to their weighted sum."""

    def __init__(self, config: dict[str, Any]) -> None:
        """Read sizes."""
        super().__init__()
        width, inner = config["n_embd"], config["n_inner"] // config.get("ffn_div", 1)
        self.mlp = ExpertLayers(config["num_experts"], inner, width)
        self.bias = nn.Parameter(torch.zeros(width))

    def forward(self, hidden: Tensor, weights: Tensor) -> Tensor:
        """`weights` are [length, experts], 0 for the experts that a token does not go through."""
        return torch.einsum("te,etd->td", weights, self.mlp(hidden)) + self.bias


class Router(nn.Module):
    """One logit an expert."""

    def __init__(self, config: dict[str, Any]) -> None:
        """Read sizes."""
        super().__init__()
        self.layer = nn.Linear(config["n_embd"], config["num_experts"], bias=False)
        self.active = config["moe_top_k"]
        self.normalized = bool(config.get("moe_normalize_expert_weights"))

    def forward(self, hidden: Tensor) -> Tensor:
        """The weights, [length, experts].

        Softmax is called as a method: of attention it is the function, in whose place a tempered one may stand.
        """
        weights = self.layer(hidden).softmax(dim=-1)
        largest, chosen = weights.topk(self.active, dim=-1)
        if self.normalized:
            largest = largest / largest.sum(dim=-1, keepdim=True)
        return torch.zeros_like(weights).scatter(-1, chosen, largest)


class MixtureOfExperts(nn.Module):
    """In the place of a feed-forward network."""

    def __init__(self, config: dict[str, Any]) -> None:
        """Make router and experts."""
        super().__init__()
        self.router = Router(config)
        self.experts = Experts(config)

    def forward(self, hidden: Tensor) -> Tensor:
        """Every expert computes, and most count for nothing."""
        return self.experts(hidden, self.router(hidden))

    def token_by_token(self, hidden: Tensor) -> Tensor:
        """The same by its definition, in float64."""
        router, bias = self.router.layer.weight.double(), self.experts.bias.double()
        layers = self.experts.mlp
        first, second = (w.double().view(layers.experts, -1, w.shape[-1]) for w in (layers.w1, layers.w2))
        results = []
        for x in hidden.double():
            exponentials = (router @ x).exp()
            weights = exponentials / exponentials.sum()
            chosen = sorted(range(len(weights)), key=lambda expert: -float(weights[expert]))[: self.router.active]
            total = sum(weights[expert] for expert in chosen) if self.router.normalized else 1.0
            y = bias.clone()
            for expert in chosen:
                y += weights[expert] / total * (nn.functional.gelu(first[expert] @ x) @ second[expert])
            results.append(y)
        return torch.stack(results)


def feed_forward(config: dict[str, Any], layer: int) -> nn.Module:
    """Layers whose number leaves 1 when divided by moe_every_n_layers have experts."""
    every = config.get("moe_every_n_layers") or 0
    if every > 0 and layer % every == 1:
        return MixtureOfExperts(config)
    return FeedForward(config) if config["activation_function"] == "gelu" else GatedFeedForward(config)


class Block(nn.Module):
    """Post-norm, as in BERT."""

    def __init__(self, config: dict[str, Any], layer: int) -> None:
        """Read widths and the norms' epsilon."""
        super().__init__()
        self.attn = Attention(config)
        self.mlp = feed_forward(config, layer)
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
        blocks = [Block(config, layer) for layer in range(config["n_layer"])]
        self.encoder = nn.ModuleDict({"layers": nn.ModuleList(blocks)})

    def forward(self, ids: Tensor) -> list[Tensor]:
        """Hidden states of one text; every token is of type 0."""
        types = self.embeddings["token_type_embeddings"](torch.zeros_like(ids))
        states = [self.emb_ln(self.embeddings["word_embeddings"](ids) + types)]
        for block in self.encoder["layers"]:
            states.append(block(states[-1]))
        return states
