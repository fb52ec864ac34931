"""What may stand where a temperature is asked for."""

from __future__ import annotations

import copyreg
import os
import tempfile
from functools import lru_cache
from typing import Any, SupportsFloat, Union

from treble._treble import Temperature, TemperatureProfile

TemperatureLike = Union[float, int, str, "os.PathLike[str]", Temperature, TemperatureProfile, None]


def _profile_from_json(text: str) -> TemperatureProfile:
    with tempfile.NamedTemporaryFile("w", suffix=".json", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        return TemperatureProfile.read(file.name)


def _reduce_profile(profile: TemperatureProfile) -> tuple[Any, ...]:
    return _profile_from_json, (profile.to_json(),)


copyreg.pickle(TemperatureProfile, _reduce_profile)


@lru_cache(maxsize=64)
def _constant(tau: float) -> Temperature:
    return Temperature.constant(tau)


def to_temperature(value: TemperatureLike) -> Temperature:
    """A number, a written schedule ("log:128"), the path of a profile, a Temperature, a profile, or None for 1."""
    if isinstance(value, Temperature):
        return value
    if value is None:
        return Temperature.identity()
    if isinstance(value, str):
        return Temperature.parse(value)
    if isinstance(value, TemperatureProfile):
        return Temperature.from_profile(value)
    if isinstance(value, os.PathLike):
        return Temperature.parse("match:" + os.fspath(value))
    if not isinstance(value, bool) and isinstance(value, SupportsFloat):
        return _constant(float(value))
    raise TypeError(f"a temperature is a number, a schedule or a profile, not {type(value).__name__}")
