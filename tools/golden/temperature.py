"""The plain reference of TempScale: softmax((QK^T/sqrt(d) + bias)/tau + mask), written out in PyTorch."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from types import MethodType
from typing import Any

import torch
from torch import Tensor, nn
from transformers import AttentionInterface, AttentionMaskInterface, PreTrainedModel
from transformers.masking_utils import eager_mask
from transformers.models.mpnet.modeling_mpnet import MPNetSelfAttention

INTERFACE = "tempered"


class TemperedAttention:
    """Attention with a temperature. Keeps the logits' standard deviation of each call, to show they are not trivial."""

    def __init__(self) -> None:
        """Start as the model was trained."""
        self.tau = 1.0
        self.temper_bias = True
        self.logit_std: list[float] = []

    def probabilities(self, scores: Tensor, bias: Tensor | None, mask: Tensor | None) -> Tensor:
        """Divide by tau first and mask after, so that a masked key stays masked at any tau."""
        logits = scores if bias is None else scores + bias
        self.logit_std.append(float(logits.std()))
        tempered = logits / self.tau if bias is None or self.temper_bias else scores / self.tau + bias
        if mask is not None:
            tempered = tempered + mask
        return torch.softmax(tempered, dim=-1)

    def __call__(
        self,
        module: nn.Module,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        attention_mask: Tensor | None,
        **options: Any,
    ) -> tuple[Tensor, Tensor]:
        """The signature that transformers' attention interface asks for."""
        scores = query @ key.transpose(-1, -2) * options["scaling"]
        weights = self.probabilities(scores, None, attention_mask)
        return (weights @ value).transpose(1, 2).contiguous(), weights


ATTENTION = TemperedAttention()
AttentionInterface.register(INTERFACE, ATTENTION)
AttentionMaskInterface.register(INTERFACE, eager_mask)


def _mpnet_forward(
    self: MPNetSelfAttention,
    hidden_states: Tensor,
    attention_mask: Tensor | None = None,
    position_bias: Tensor | None = None,
    output_attentions: bool = False,
    **_: Any,
) -> tuple[Tensor, ...]:
    """MPNet has no attention interface, so its attention is replaced as a whole."""
    count, length, _ = hidden_states.shape

    def heads(projection: nn.Linear) -> Tensor:
        shape = (count, length, self.num_attention_heads, self.attention_head_size)
        return projection(hidden_states).view(shape).transpose(1, 2)

    scores = heads(self.q) @ heads(self.k).transpose(-1, -2) / math.sqrt(self.attention_head_size)
    weights = ATTENTION.probabilities(scores, position_bias, attention_mask)
    context = (weights @ heads(self.v)).transpose(1, 2).reshape(count, length, -1)
    output = self.o(context)
    return (output, weights) if output_attentions else (output,)


@contextmanager
def tempered(model: PreTrainedModel, tau: float, temper_bias: bool = True) -> Iterator[TemperedAttention]:
    """Run `model` with the reference attention at `tau`; its own attention is back afterwards."""
    attentions = [module for module in model.modules() if isinstance(module, MPNetSelfAttention)]
    before = model.config._attn_implementation
    ATTENTION.tau, ATTENTION.temper_bias, ATTENTION.logit_std = tau, temper_bias, []
    for attention in attentions:
        attention.forward = MethodType(_mpnet_forward, attention)
    if not attentions:
        model.set_attn_implementation(INTERFACE)
    try:
        yield ATTENTION
    finally:
        for attention in attentions:
            del attention.forward
        if not attentions:
            model.set_attn_implementation(before)
