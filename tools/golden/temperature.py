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
from transformers.models.deberta_v2.modeling_deberta_v2 import DisentangledSelfAttention
from transformers.models.mpnet.modeling_mpnet import MPNetSelfAttention

INTERFACE = "tempered"


class TemperedAttention:
    """Attention with a temperature. Keeps the logits' standard deviation of each call, to show they are not trivial."""

    def __init__(self) -> None:
        """Start as the model was trained."""
        self.tau = 1.0
        self.temper_bias = True
        self.bidirectional = False
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
        """The signature that transformers' attention interface asks for.

        Grouped heads: query head h reads key and value head h // groups. A bidirectional run drops the causal mask,
        which is all the mask there is, as texts run one at a time and whole.
        """
        groups = query.shape[1] // key.shape[1]
        key, value = key.repeat_interleave(groups, dim=1), value.repeat_interleave(groups, dim=1)
        scores = query @ key.transpose(-1, -2) * options["scaling"]
        mask = None if self.bidirectional else attention_mask
        weights = self.probabilities(scores, options.get("position_bias"), mask)
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


def _relative_buckets(length: int, buckets: int, span: int) -> Tensor:
    """DeBERTa's distances i - j: exact up to half the buckets, then logarithmic, odd in the distance."""
    positions = torch.arange(length)
    distance = positions[:, None] - positions[None, :]
    if buckets <= 0:
        return distance
    middle = buckets // 2
    far = distance.abs().clamp(min=middle).float()
    logarithm = torch.log(far / middle) / math.log((span - 1) / middle) * (middle - 1)
    return torch.where(distance.abs() <= middle, distance, (torch.ceil(logarithm) + middle).long() * distance.sign())


def _deberta_forward(
    self: DisentangledSelfAttention,
    hidden_states: Tensor,
    *_: Any,
    rel_embeddings: Tensor,
    **__: Any,
) -> tuple[Tensor, None]:
    """Disentangled attention as the sum of three scores, each divided by sqrt(head width times the number of scores).

    Distances d(i, j) give a row r = clamp(d + span) of the position table: content to position is q_i . K(table[r]),
    position to content k_j . Q(table[r]).
    """
    count, length, _width = hidden_states.shape

    def heads(projection: nn.Linear, rows: Tensor) -> Tensor:
        return (
            projection(rows)
            .view(-1, rows.shape[-2], self.num_attention_heads, self.attention_head_size)
            .transpose(1, 2)
        )

    query, key = heads(self.query_proj, hidden_states), heads(self.key_proj, hidden_states)
    span = self.pos_ebd_size
    row = (_relative_buckets(length, self.position_buckets, self.max_relative_positions) + span).clamp(0, 2 * span - 1)
    table = rel_embeddings[: 2 * span].unsqueeze(0)
    scores = query @ key.transpose(-1, -2)
    if "c2p" in self.pos_att_type:
        position_key = heads(self.key_proj if self.share_att_key else self.pos_key_proj, table)[:, :, row]
        scores = scores + torch.einsum("bhid,bhijd->bhij", query, position_key)
    if "p2c" in self.pos_att_type:
        position_query = heads(self.query_proj if self.share_att_key else self.pos_query_proj, table)[:, :, row]
        scores = scores + torch.einsum("bhjd,bhijd->bhij", key, position_query)
    scores = scores / math.sqrt(self.attention_head_size * (1 + len(self.pos_att_type)))
    weights = ATTENTION.probabilities(scores, None, None)
    return (weights @ heads(self.value_proj, hidden_states)).transpose(1, 2).reshape(count, length, -1), None


# Attentions without transformers' attention interface, replaced as a whole.
REPLACED = {MPNetSelfAttention: _mpnet_forward, DisentangledSelfAttention: _deberta_forward}


@contextmanager
def tempered(
    model: nn.Module, tau: float, temper_bias: bool = True, bidirectional: bool = False
) -> Iterator[TemperedAttention]:
    """Run `model` with the reference attention at `tau`; its own attention is back afterwards.

    A twin (tools/golden/twins) calls the reference attention itself.
    """
    attentions = [module for module in model.modules() if type(module) in REPLACED]
    uses_interface = isinstance(model, PreTrainedModel) and not attentions
    before = model.config._attn_implementation if uses_interface else None
    ATTENTION.tau, ATTENTION.temper_bias, ATTENTION.logit_std = tau, temper_bias, []
    ATTENTION.bidirectional = bidirectional
    for attention in attentions:
        attention.forward = MethodType(REPLACED[type(attention)], attention)
    if uses_interface:
        model.set_attn_implementation(INTERFACE)
    try:
        yield ATTENTION
    finally:
        for attention in attentions:
            del attention.forward
        if uses_interface:
            model.set_attn_implementation(before)
