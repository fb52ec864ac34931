"""ALBERT's stack, whose layers share attention modules, telling them which layer it is that they serve."""

from __future__ import annotations

from typing import Any

from torch import Tensor
from transformers.modeling_outputs import BaseModelOutput
from transformers.models.albert.modeling_albert import AlbertTransformer


class TemperedAlbertTransformer(AlbertTransformer):
    """Takes the place of the class of a module that exists."""

    def forward(self, hidden_states: Tensor, attention_mask: Tensor | None = None, **kwargs: Any) -> BaseModelOutput:
        """As the parent; `treble_layer` reaches the attention function by way of the further arguments."""
        hidden_states = self.embedding_hidden_mapping_in(hidden_states)
        layers, groups = self.config.num_hidden_layers, self.config.num_hidden_groups
        for layer in range(layers):
            group = self.albert_layer_groups[int(layer / (layers / groups))]
            hidden_states = group(hidden_states, attention_mask, treble_layer=layer, **kwargs)
        return BaseModelOutput(last_hidden_state=hidden_states)
