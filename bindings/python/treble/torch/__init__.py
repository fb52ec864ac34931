"""An attention temperature for models living in PyTorch: `treble.torch.temper(model, schedule)`.

docs/torch.md says what it does and for which models, docs/temperature.md what the schedules are.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Mapping
from typing import Any

from torch import nn

from treble.torch import _families
from treble.torch._families import SUPPORTED
from treble.torch._schedules import Profile, Schedule, parse_schedule
from treble.torch._tempering import IMPLEMENTATION, STATE, Tempering

__all__ = ["SUPPORTED", "Handle", "temper", "tempering"]


class Handle:
    """A tempered model's way back; also a context manager, which takes the temperature away at its end.

    Attributes: `layers`, how many layers are tempered; `schedule`, by what (`str` gives its written form).
    """

    def __init__(self, attentions: list[nn.Module], stacks: list[Any], layers: int) -> None:
        """Of `temper` and `tempering`, for attention modules that carry a Tempering and ALBERT's stacks."""
        self._temperings: list[tuple[nn.Module, Tempering]] = [
            (attention, getattr(attention, STATE)) for attention in attentions
        ]
        self._stacks = stacks
        self.layers = layers
        self.schedule: Schedule = self._temperings[0][1].schedule

    def remove(self) -> None:
        """Make the model what it was before, bit for bit. Does nothing where that has been done."""
        for attention, own in self._temperings:
            if getattr(attention, STATE, None) is own:
                _restore(attention, own)
                for stack in self._stacks:
                    stack.__class__ = type(stack).__mro__[1]
                    self._stacks = []

    def __enter__(self) -> Handle:
        """The handle itself."""
        return self

    def __exit__(self, *_: object) -> None:
        """Remove."""
        self.remove()

    def __repr__(self) -> str:
        """Schedule and layers."""
        return f"Handle(schedule={str(self.schedule)!r}, layers={self.layers})"


def temper(
    model: nn.Module,
    schedule: float | str | os.PathLike[str] | Mapping[str, Any] | Schedule,
    *,
    temper_position_bias: bool = True,
) -> Handle:
    """Temper the self-attention of every encoder layer in `model`: softmax((QK^T/sqrt(d) + bias) s + mask), s = 1/tau.

    `model` is a transformers or sentence-transformers model, or any module that holds one. It is changed in place; its
    weights and its state_dict are not. `schedule` is tau, a written form ("0.8", "log:128", "ssmax:0.2,0.1",
    "yarn:512", "match:profile.json"), the path of a profile, or the profile itself as a dict.
    `temper_position_bias=False` leaves the position bias of T5 and MPNet as it is.

    Raises ValueError for a schedule that is not understood or does not fit the model, for a model that is tempered
    already, and for one whose attention cannot be tempered, naming its classes; FileNotFoundError for a profile. The
    model is then as it was.
    """
    parsed = parse_schedule(schedule)
    if tempering(model) is not None:
        raise ValueError(
            f"{type(model).__name__} is tempered already ({tempering(model)}); call remove() of its handle first, or "
            f"treble.torch.tempering(model).remove()"
        )
    attentions = _families.find_attentions(model)
    stacks = _families.find_albert_stacks(model)
    layers = _check(parsed, attentions, stacks)
    own_layer = {id(attention): [layer] for layer, attention in enumerate(attentions)}
    for attention in attentions:
        serves = range(layers) if stacks else own_layer[id(attention)]
        _install(attention, Tempering(parsed, serves, temper_position_bias))
    if isinstance(parsed, Profile):
        for stack in stacks:
            stack.__class__ = _families.tempered_class(stack)
    return Handle(attentions, stacks if isinstance(parsed, Profile) else [], layers)


def tempering(model: nn.Module) -> Handle | None:
    """The handle of a model that is tempered, such as a copy of one or one read from a pickle; None of any other."""
    attentions = [module for module in model.modules() if STATE in module._modules]
    if not attentions:
        return None
    stacks: list[Any] = [module for module in model.modules() if "AlbertTransformer" in type(module).__name__]
    layers = sum(stack.config.num_hidden_layers for stack in stacks) or len(attentions)
    return Handle(attentions, list(_families.tempered_stacks(model)), layers)


def _check(schedule: Schedule, attentions: list[nn.Module], stacks: list[Any]) -> int:
    """The number of layers, once everything has been found to fit."""
    layers = sum(stack.config.num_hidden_layers for stack in stacks) or len(attentions)
    for attention in attentions:
        _families.check_attention(attention)
        schedule.check_fits(layers, _families.num_heads(attention))
    if stacks and isinstance(schedule, Profile):
        inner = stacks[0].config.inner_group_num
        if inner != 1 or len(stacks) > 1:
            raise ValueError(
                f"a profile needs one ALBERT with inner_group_num 1, not {len(stacks)} with {inner}: layers that share "
                f"attention modules cannot be told apart otherwise"
            )
    return layers


def _install(attention: Any, own: Tempering) -> None:
    eager = _families.eager_attention(attention)
    attention.add_module(STATE, own)
    if eager is None:
        attention.__class__ = _families.tempered_class(attention)
        return
    # Each attention module asks its config which attention function to call. The model keeps its own config, by which
    # it makes the masks that this function expects.
    own.eager, own.config = eager, attention.config
    attention.config = copy.copy(attention.config)
    attention.config._attn_implementation_internal = IMPLEMENTATION


def _restore(attention: Any, own: Tempering) -> None:
    if own.eager is None:
        attention.__class__ = type(attention).__mro__[1]
    else:
        attention.config = own.config
    delattr(attention, STATE)
