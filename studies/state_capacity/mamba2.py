"""Mamba-2 in PyTorch, chunked, with one group; tensors named as in transformers' Mamba2ForCausalLM."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F


@dataclass(frozen=True)
class Shape:
    """Sizes of a model."""

    vocabulary: int
    state: int
    hidden: int = 64
    layers: int = 2
    head: int = 32
    convolution: int = 4
    chunk: int = 64

    @property
    def inner(self) -> int:
        return 2 * self.hidden

    @property
    def heads(self) -> int:
        return self.inner // self.head

    def config(self) -> dict[str, Any]:
        """As config.json has it."""
        return {
            "architectures": ["Mamba2ForCausalLM"],
            "model_type": "mamba2",
            "vocab_size": self.vocabulary,
            "hidden_size": self.hidden,
            "num_hidden_layers": self.layers,
            "state_size": self.state,
            "expand": 2,
            "head_dim": self.head,
            "num_heads": self.heads,
            "n_groups": 1,
            "conv_kernel": self.convolution,
            "chunk_size": self.chunk,
            "hidden_act": "silu",
            "layer_norm_epsilon": EPSILON,
            "use_bias": False,
            "use_conv_bias": True,
            "residual_in_fp32": True,
            "rms_norm": True,
            "tie_word_embeddings": True,
            "bos_token_id": None,
            "pad_token_id": None,
            "eos_token_id": 1,
            "torch_dtype": "float32",
        }


EPSILON = 1e-5


class RMSNorm(nn.Module):
    def __init__(self, size: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(size))

    def forward(self, x: Tensor) -> Tensor:
        return F.rms_norm(x, (x.shape[-1],), self.weight, EPSILON)


def chunked_scan(x: Tensor, log_decay: Tensor, b: Tensor, c: Tensor, chunk: int) -> Tensor:
    """y_t = h_t c_t with h_t = exp(log_decay_t) h_{t-1} + x_t b_t^T, from h = 0.

    x [batch, length, heads, head], log_decay [batch, length, heads], b and c [batch, length, state]; length is a
    multiple of `chunk`. Within a chunk by a masked matrix of decays, from chunk to chunk by the state.
    """
    batch, length, heads, head = x.shape
    chunks = length // chunk
    x = x.view(batch, chunks, chunk, heads, head).transpose(2, 3)
    b, c = (one.view(batch, chunks, chunk, -1) for one in (b, c))
    total = log_decay.view(batch, chunks, chunk, heads).transpose(2, 3).cumsum(-1)
    above = torch.ones(chunk, chunk, dtype=torch.bool).triu(1)
    decays = (total[..., :, None] - total[..., None, :]).masked_fill(above, -math.inf).exp()
    y = ((c @ b.mT)[:, :, None] * decays) @ x
    made = (x * (total[..., -1:] - total).exp()[..., None]).mT @ b[:, :, None]
    kept = total[..., -1].exp()[..., None, None]
    state, before = torch.zeros_like(made[:, 0]), []
    for i in range(chunks):
        before.append(state)
        state = kept[:, i] * state + made[:, i]
    y = y + (c[:, :, None] @ torch.stack(before, 1).mT) * total.exp()[..., None]
    return y.transpose(2, 3).reshape(batch, length, heads, head)


class Mixer(nn.Module):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        mixed = shape.inner + 2 * shape.state
        self.in_proj = nn.Linear(shape.hidden, shape.inner + mixed + shape.heads, bias=False)
        self.conv1d = nn.Conv1d(
            mixed, mixed, shape.convolution, groups=mixed, padding=shape.convolution - 1
        )  # fmt: skip
        nn.init.zeros_(self.conv1d.bias)
        self.A_log = nn.Parameter(torch.arange(1, shape.heads + 1).float().log())
        self.D = nn.Parameter(torch.ones(shape.heads))
        step = torch.exp(torch.linspace(math.log(1e-3), math.log(1e-1), shape.heads))
        self.dt_bias = nn.Parameter(step + torch.log(-torch.expm1(-step)))
        self.norm = RMSNorm(shape.inner)
        self.out_proj = nn.Linear(shape.inner, shape.hidden, bias=False)

    def convolved(self, x: Tensor) -> Tensor:
        """Depthwise and causal, then SiLU."""
        size, length = self.shape.convolution, x.shape[1]
        padded = F.pad(x, (0, 0, size - 1, 0))
        weights = self.conv1d.weight[:, 0]
        sums = self.conv1d.bias + sum(padded[:, i : i + length] * weights[:, i] for i in range(size))
        return F.silu(sums)

    def forward(self, u: Tensor) -> Tensor:
        shape, (batch, length) = self.shape, u.shape[:2]
        z, mixed, dt = self.in_proj(u).split([shape.inner, shape.inner + 2 * shape.state, shape.heads], -1)
        x, b, c = self.convolved(mixed).split([shape.inner, shape.state, shape.state], -1)
        x = x.reshape(batch, length, shape.heads, shape.head)
        dt = F.softplus(dt + self.dt_bias)
        y = chunked_scan(x * dt[..., None], -dt * self.A_log.exp(), b, c, shape.chunk) + self.D[:, None] * x
        return self.out_proj(self.norm(y.reshape(batch, length, shape.inner) * F.silu(z)))


class Block(nn.Module):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.norm = RMSNorm(shape.hidden)
        self.mixer = Mixer(shape)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.mixer(self.norm(x))


class Backbone(nn.Module):
    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.embeddings = nn.Embedding(shape.vocabulary, shape.hidden)
        nn.init.normal_(self.embeddings.weight, std=0.1)
        self.layers = nn.ModuleList(Block(shape) for _ in range(shape.layers))
        self.norm_f = RMSNorm(shape.hidden)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embeddings(tokens)
        for layer in self.layers:
            x = layer(x)
        return self.norm_f(x)


class Mamba2(nn.Module):
    """With the embeddings as its output matrix."""

    def __init__(self, shape: Shape) -> None:
        super().__init__()
        self.shape = shape
        self.backbone = Backbone(shape)

    def forward(self, tokens: Tensor, last: int | None = None) -> Tensor:
        """Logits of the next token at the last places or at all, [batch, places, vocabulary]."""
        length = tokens.shape[1]
        padded = F.pad(tokens, (0, -length % self.shape.chunk))
        hidden = self.backbone(padded)[:, :length]
        hidden = hidden if last is None else hidden[:, -last:]
        return hidden @ self.backbone.embeddings.weight.T

    def sizes(self) -> dict[str, Any]:
        return asdict(self.shape)
