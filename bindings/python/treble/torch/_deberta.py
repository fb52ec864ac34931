"""DeBERTa's disentangled attention, which has no attention interface, with a temperature."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from transformers.models.deberta_v2.modeling_deberta_v2 import DisentangledSelfAttention

from treble.torch._keys import keys_in_mask
from treble.torch._tempering import STATE, Tempering


class TemperedDisentangledSelfAttention(DisentangledSelfAttention):
    """Takes the place of the class of a module that exists; in float32 the same bits as its parent where s = 1.

    All three terms of the score are scaled, so it is the sum that is.
    """

    def forward(
        self,
        hidden_states: Tensor,
        attention_mask: Tensor,
        output_attentions: bool = False,
        query_states: Tensor | None = None,
        relative_pos: Tensor | None = None,
        rel_embeddings: Tensor | None = None,
    ) -> tuple[Tensor, Tensor | None]:
        """[batch, tokens, hidden] to the same shape, and the attention where asked for."""
        heads = self.num_attention_heads
        asking = hidden_states if query_states is None else query_states
        query = self.transpose_for_scores(self.query_proj(asking), heads)
        key = self.transpose_for_scores(self.key_proj(hidden_states), heads)
        value = self.transpose_for_scores(self.value_proj(hidden_states), heads)
        terms = 1 + ("c2p" in self.pos_att_type) + ("p2c" in self.pos_att_type)
        root = torch.sqrt(torch.tensor(query.shape[-1] * terms, dtype=torch.float32)).to(query.dtype)
        logits = torch.bmm(query, key.transpose(-1, -2) / root)
        if self.relative_attention:
            table = self.pos_dropout(rel_embeddings)
            logits = logits + self.disentangled_attention_bias(  # type: ignore[no-untyped-call]
                query, key, relative_pos, table, terms
            )
        seen = attention_mask.bool()
        tempering: Tempering = getattr(self, STATE)
        scale = tempering.scale(keys_in_mask(seen) if tempering.depends_on_length else None)
        logits = logits.view(-1, heads, *logits.shape[-2:]) * scale
        logits = logits.masked_fill(~seen, torch.finfo(logits.dtype).min)
        attention = self.dropout(nn.functional.softmax(logits, dim=-1).to(value.dtype))
        context = torch.bmm(attention.flatten(0, 1), value).view(-1, heads, *value.shape[-2:])
        context = context.transpose(1, 2).flatten(-2)
        return context, attention if output_attentions else None
