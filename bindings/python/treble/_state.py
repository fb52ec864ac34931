"""What may stand where a control of the state is asked for."""

from __future__ import annotations

import copyreg
import os
import tempfile
from typing import Any, Union

from treble._treble import StateControl, StateNorms

StateLike = Union[str, "os.PathLike[str]", StateControl, StateNorms, None]


def _norms_from_json(text: str) -> StateNorms:
    with tempfile.NamedTemporaryFile("w", suffix=".json", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        return StateNorms.read(file.name)


def _reduce_norms(norms: StateNorms) -> tuple[Any, ...]:
    return _norms_from_json, (norms.to_json(),)


copyreg.pickle(StateNorms, _reduce_norms)


def to_state(value: StateLike) -> StateControl:
    """A written control ("window:512"), the path of a file of norms, a StateControl, norms, or None for none."""
    if isinstance(value, StateControl):
        return value
    if value is None:
        return StateControl.identity()
    if isinstance(value, str):
        return StateControl.parse(value)
    if isinstance(value, StateNorms):
        return StateControl.from_norms(value)
    if isinstance(value, os.PathLike):
        return StateControl.parse("norm:" + os.fspath(value))
    raise TypeError(f"a control of the state is a text such as 'window:512' or norms, not {type(value).__name__}")
