"""MPNet's attention, which has no attention interface, with a temperature."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from transformers.models.mpnet.modeling_mpnet import MPNetSelfAttention

from treble.torch._keys import keys_in_mask, number_of_keys
from treble.torch._tempering import STATE, Tempering


class TemperedMPNetSelfAttention(MPNetSelfAttention):
    """Takes the place of the class of a module that exists; in float32 the same bits as its parent where s = 1."""

    def forward(
        self,
        hidden_states: Tensor,
        attention_mask: Tensor | None = None,
        position_bias: Tensor | None = None,
        output_attentions: bool = False,
        **kwargs: Any,
    ) -> tuple[Tensor, ...]:
        """[batch, tokens, hidden] to the same shape, and the attention where asked for."""
        shape = (*hidden_states.shape[:-1], -1, self.attention_head_size)
        query, key, value = (project(hidden_states).view(shape).transpose(1, 2) for project in (self.q, self.k, self.v))
        tempering: Tempering = getattr(self, STATE)
        keys = None
        if tempering.depends_on_length:
            keys = number_of_keys(key) if attention_mask is None else keys_in_mask(attention_mask)
        scale = tempering.scale(keys)
        logits = torch.matmul(query, key.transpose(-1, -2)) / math.sqrt(self.attention_head_size)
        if position_bias is None:
            logits = logits * scale
        elif tempering.temper_position_bias:
            logits = (logits + position_bias) * scale
        else:
            logits = logits * scale + position_bias
        if attention_mask is not None:
            logits = logits + attention_mask
        attention = self.dropout(nn.functional.softmax(logits, dim=-1).to(value.dtype))
        context = torch.matmul(attention, value).transpose(1, 2).flatten(-2)
        output = self.o(context)
        return (output, attention) if output_attentions else (output,)
