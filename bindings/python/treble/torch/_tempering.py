"""What a tempered attention module carries, and the attention function that uses it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from treble.torch._keys import attended_keys
from treble.torch._schedules import Formula, Profile, Schedule

STATE = "treble_tempering"  # the name under which an attention module carries its Tempering
IMPLEMENTATION = "treble_tempered"


class Tempering(nn.Module):
    """The logit scales of the layers that one attention module serves.

    A submodule of the attention module, so that copies, pickles and moves to a device take it along; nothing of it is
    in the state_dict.
    """

    lengths: Tensor  # of a profile, int64 [lengths]
    table: Tensor  # of a profile, float32 [layers, heads or 1, lengths]

    def __init__(self, schedule: Schedule, layers: Sequence[int], temper_position_bias: bool) -> None:
        """Keep the scales of `layers`, which are asked for by their place in that list."""
        super().__init__()
        self.schedule = schedule
        self.temper_position_bias = temper_position_bias
        self.depends_on_length = schedule.depends_on_length
        self.config: Any = None  # the attention module's own, put back by the handle
        self.eager: Any = None  # the family's eager attention function, where it has one
        self.constants: list[float] = []  # by layer, where all heads and lengths share one scale
        one_for_all_heads = not isinstance(schedule, Profile) or schedule.num_heads == 1
        if one_for_all_heads and not self.depends_on_length:
            self.constants = [schedule.logit_scale(layer, 0, 1) for layer in layers]
        elif isinstance(schedule, Profile):
            rows = [schedule.logit_scales[layer] for layer in layers]
            self.register_buffer("lengths", torch.tensor(schedule.lengths), persistent=False)
            self.register_buffer("table", torch.tensor(rows, dtype=torch.float32), persistent=False)

    def _apply(self, fn: Callable[[Tensor], Tensor], recurse: bool = True) -> Tempering:
        """Follow the model to another device, but stay float32 in a model of half precision."""
        for name, buffer in self._buffers.items():
            if buffer is not None:
                self._buffers[name] = buffer.to(fn(torch.empty(0, device=buffer.device)).device)
        return self

    def scale(self, keys: Tensor | None, layer: int = 0) -> float | Tensor:
        """The logit scale: a number, or float32 to be broadcast over [batch, heads, queries, 1].

        `keys` counts the keys of each query; it may be None unless depends_on_length.
        """
        if self.constants:
            return self.constants[layer]
        if keys is None:
            return self.table[layer, :, 0].view(1, -1, 1, 1)
        if isinstance(self.schedule, Formula):
            return self.schedule.scales(keys.to(torch.float32))
        return self._interpolate(keys, self.table[layer])

    def _interpolate(self, keys: Tensor, columns: Tensor) -> Tensor:
        """Linear in ln n; `columns` is [heads or 1, lengths], `keys` [batch, 1, queries, 1]."""
        lengths = self.lengths
        above = torch.searchsorted(lengths, keys.contiguous()).clamp(max=lengths.shape[0] - 1)
        below = (above - 1).clamp(min=0)
        heads = torch.arange(columns.shape[0], device=columns.device).view(1, -1, 1, 1)
        low, high = columns[heads, below], columns[heads, above]
        left, right = lengths[below], lengths[above]
        place = (keys / left).log() / (right / left).log()
        # At its lengths, on flat stretches and beyond the ends a profile is exactly what is written.
        between = torch.where((keys >= right) | (low == high), high, low + place * (high - low))
        return torch.where(keys <= left, low, between)


class _AsBefore:
    """The attention module as its attention function expects it: with its own config, not the tempered one."""

    def __init__(self, module: nn.Module, config: Any) -> None:
        self._module = module
        self.config = config

    def __getattr__(self, name: str) -> Any:
        return getattr(self._module, name)


def multiply(tensor: Tensor, scale: float | Tensor) -> Tensor:
    """In float32, rounded once to the tensor's own dtype."""
    return (tensor * scale).to(tensor.dtype)


def tempered_attention(
    module: nn.Module,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Any,
    treble_layer: int = 0,
    **options: Any,
) -> tuple[Tensor, Tensor | None]:
    """Scale the logits by way of `scaling`, or of the queries where rows differ, and let the model's function attend.

    The signature is that of transformers' attention interface; query is [batch, heads, tokens, head_dim].
    """
    tempering: Tempering = getattr(module, STATE)
    implementation = tempering.config._attn_implementation or "eager"
    attend = ALL_ATTENTION_FUNCTIONS.get_interface(implementation, tempering.eager)
    keys = None
    if tempering.depends_on_length:
        keys = attended_keys(module, implementation, query, key, attention_mask, options)
    scale = tempering.scale(keys, treble_layer)
    if isinstance(scale, float):
        scaling = options.get("scaling")
        options["scaling"] = (query.shape[-1] ** -0.5 if scaling is None else scaling) * scale
    else:
        query = multiply(query, scale)
    bias = options.get("position_bias")
    if bias is not None and tempering.temper_position_bias:
        options["position_bias"] = multiply(bias, scale)
    if implementation not in ("eager", "sdpa"):
        module = _AsBefore(module, tempering.config)  # type: ignore[assignment]
    output: tuple[Tensor, Tensor | None] = attend(module, query, key, value, attention_mask, **options)
    return output


ALL_ATTENTION_FUNCTIONS.register(IMPLEMENTATION, tempered_attention)
