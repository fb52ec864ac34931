"""Temperature schedules as docs/temperature.md defines them: the logit scale s = 1/tau over layer, head and length."""

from __future__ import annotations

import json
import math
import os
import re
import struct
from bisect import bisect_left
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import torch
from torch import Tensor

PROFILE_SCHEMA = "treble.temperature_profile/1"
FORMS = (
    "a number greater than 0 such as 0.8 (1 is the model as trained), log:N0, ssmax:S[,B], yarn:N0, match:FILE, "
    "or the contents of a profile as a dict"
)
_NUMBER = re.compile(r"-?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")


class Schedule(Protocol):
    """What every schedule can do. Immutable; prints as the written form that parse_schedule reads back."""

    @property
    def depends_on_length(self) -> bool:
        """Whether s differs between some n."""
        ...

    def check_fits(self, num_layers: int, num_heads: int) -> None:
        """Raise ValueError with both sizes where the schedule is a profile for another shape of model."""
        ...

    def logit_scale(self, layer: int, head: int, n: int) -> float:
        """The logit scale for a query that attends to n >= 1 keys."""
        ...


def _shortest(value: float) -> str:
    """As few digits as it takes to read back the same number."""
    return repr(value).removesuffix(".0")


class Formula:
    """Base of the schedules that are the same for all layers and heads."""

    depends_on_length = True

    def check_fits(self, num_layers: int, num_heads: int) -> None:
        """Nothing to fit."""

    def scales(self, n: Tensor) -> Tensor:
        """logit_scale for each of n, a float32 tensor, as a tensor of its shape."""
        raise NotImplementedError


@dataclass(frozen=True)
class Constant(Formula):
    """s = 1 / tau."""

    tau: float
    depends_on_length = False

    def logit_scale(self, layer: int, head: int, n: int) -> float:
        """The same for every length."""
        return 1.0 / self.tau

    def __str__(self) -> str:
        """The written form."""
        return _shortest(self.tau)


@dataclass(frozen=True)
class LogLength(Formula):
    """s = max(1, ln n / ln N0): texts of up to N0 tokens are untouched (Chiang & Cholak, arXiv 2202.12172)."""

    n0: float

    def logit_scale(self, layer: int, head: int, n: int) -> float:
        """1 up to N0."""
        return 1.0 if n <= self.n0 else math.log(n) / math.log(self.n0)

    def scales(self, n: Tensor) -> Tensor:
        """logit_scale of a tensor."""
        return torch.where(n <= self.n0, 1.0, n.log() / math.log(self.n0))

    def __str__(self) -> str:
        """The written form."""
        return f"log:{_shortest(self.n0)}"


@dataclass(frozen=True)
class ScalableSoftmax(Formula):
    """s = S ln n + B (Nakanishi, arXiv 2501.19399)."""

    scale: float
    offset: float

    def logit_scale(self, layer: int, head: int, n: int) -> float:
        """Grows with the logarithm of the length."""
        return self.scale * math.log(n) + self.offset

    def scales(self, n: Tensor) -> Tensor:
        """logit_scale of a tensor."""
        return n.log() * self.scale + self.offset

    def __str__(self) -> str:
        """The written form."""
        return f"ssmax:{_shortest(self.scale)}" + (f",{_shortest(self.offset)}" if self.offset else "")


@dataclass(frozen=True)
class Yarn(Formula):
    """s = (0.1 ln(max(1, n / N0)) + 1)^2 (Peng et al., arXiv 2309.00071)."""

    n0: float

    def logit_scale(self, layer: int, head: int, n: int) -> float:
        """1 up to N0."""
        return 1.0 if n <= self.n0 else (0.1 * math.log(n / self.n0) + 1) ** 2

    def scales(self, n: Tensor) -> Tensor:
        """logit_scale of a tensor."""
        return torch.where(n <= self.n0, 1.0, (0.1 * (n / self.n0).log() + 1) ** 2)

    def __str__(self) -> str:
        """The written form."""
        return f"yarn:{_shortest(self.n0)}"


@dataclass(frozen=True)
class Profile:
    """A table [layer][head][length], linear in ln n between lengths and constant beyond them.

    A single head stands for all heads of its layer. `name` is the file it came from.
    """

    lengths: tuple[int, ...]
    logit_scales: tuple[tuple[tuple[float, ...], ...], ...]
    name: str

    @property
    def num_layers(self) -> int:
        """Layers it was made for."""
        return len(self.logit_scales)

    @property
    def num_heads(self) -> int:
        """Heads it was made for; 1 where heads are not told apart."""
        return len(self.logit_scales[0])

    @property
    def depends_on_length(self) -> bool:
        """Whether any column is not flat."""
        return any(scale != column[0] for heads in self.logit_scales for column in heads for scale in column)

    def check_fits(self, num_layers: int, num_heads: int) -> None:
        """Raise ValueError naming both sizes unless the model has as many layers and heads."""
        if self.num_layers != num_layers or self.num_heads not in (1, num_heads):
            raise ValueError(
                f"temperature profile {self.name} is for {self.num_layers} layers of {self.num_heads} heads, the model "
                f"has {num_layers} layers of {num_heads}; make one for it with treble calibrate"
            )

    def logit_scale(self, layer: int, head: int, n: int) -> float:
        """At its lengths exactly what is written."""
        heads = self.logit_scales[layer]
        column = heads[0 if len(heads) == 1 else head]
        above = bisect_left(self.lengths, n)
        if above == 0:
            return column[0]
        if above == len(self.lengths):
            return column[-1]
        low, high = column[above - 1], column[above]
        below, at = self.lengths[above - 1], self.lengths[above]
        if n == at or low == high:
            return high
        return low + math.log(n / below) / math.log(at / below) * (high - low)

    def __str__(self) -> str:
        """The written form."""
        return f"match:{self.name}"


def parse_schedule(schedule: float | str | os.PathLike[str] | Mapping[str, Any] | Schedule) -> Schedule:
    """Read a schedule in any of its forms.

    A number is tau; a string is a written form as of `treble embed --temperature`; a path or a mapping is a profile.
    Raises ValueError with the forms that are understood, and what is wrong in a profile; FileNotFoundError.
    """
    if isinstance(schedule, (Constant, LogLength, ScalableSoftmax, Yarn, Profile)):
        return schedule
    if isinstance(schedule, bool):
        raise _unknown(schedule)
    if isinstance(schedule, (int, float)):
        return _constant(float(schedule))
    if isinstance(schedule, Mapping):
        return _profile(schedule, "(in memory)")
    if isinstance(schedule, os.PathLike):
        return _read_profile(Path(schedule))
    if not isinstance(schedule, str):
        raise _unknown(schedule)
    return _parse_text(schedule)


def _parse_text(text: str) -> Schedule:
    kind, colon, rest = text.partition(":")
    if (colon and kind == "match") or text.endswith(".json"):
        return _read_profile(Path(rest if colon and kind == "match" else text))
    if not colon:
        return _constant(_number(text, text))
    if kind == "log":
        return LogLength(_length(rest, text, 2))
    if kind == "yarn":
        return Yarn(_length(rest, text, 1))
    if kind != "ssmax":
        raise _unknown(text)
    scale_text, comma, offset_text = rest.partition(",")
    scale = _number(scale_text, text)
    offset = _number(offset_text, text) if comma else 0.0
    if not (0 < scale <= 1e3 and 0 <= offset <= 1e3):
        raise ValueError(f'temperature "{text}": S must be above 0 and B at least 0, both at most 1000')
    return ScalableSoftmax(scale, offset)


def _unknown(schedule: object) -> ValueError:
    return ValueError(f'temperature "{str(schedule)[:200]}" is not understood; give {FORMS}')


def _number(part: str, text: str) -> float:
    if not _NUMBER.fullmatch(part) or not math.isfinite(float(part)):
        raise _unknown(text)
    return float(part)


def _length(part: str, text: str, minimum: int) -> float:
    n0 = _number(part, text)
    if not minimum <= n0 <= 1e9:
        raise ValueError(f'temperature "{text}": N0 must be a length in tokens from {minimum} to 1e9')
    return n0


def _constant(tau: float) -> Constant:
    # The logit scale is used in float32, so it has to be finite and non-zero there as well.
    if not (math.isfinite(tau) and tau > 0 and 0 < _as_float32(1.0 / tau) < math.inf):
        raise ValueError(f"temperature must be a number greater than 0 (1 is the model as trained), got {tau}")
    return Constant(tau)


def _as_float32(value: float) -> float:
    try:
        return float(struct.unpack("f", struct.pack("f", value))[0])
    except OverflowError:
        return math.inf


def _read_profile(path: Path) -> Profile:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ValueError(f"{path}: not a JSON file: {error}") from error
    if not isinstance(values, dict):
        raise ValueError(f"{path}: a profile is a JSON object")
    return _profile(values, str(path))


def _profile(values: Mapping[str, Any], name: str) -> Profile:
    if values.get("schema") != PROFILE_SCHEMA:
        raise ValueError(f'{name}: "schema" is "{values.get("schema")}"; this version reads "{PROFILE_SCHEMA}"')
    lengths = _lengths(values, name)
    layers = values.get("logit_scales")
    if not isinstance(layers, (list, tuple)) or not layers or not isinstance(layers[0], (list, tuple)) or not layers[0]:
        raise ValueError(f'{name}: "logit_scales" must be a list of layers, each a list of heads, none of them empty')
    heads = len(layers[0])
    table = []
    for layer, row in enumerate(layers):
        if not isinstance(row, (list, tuple)) or len(row) != heads:
            found = len(row) if isinstance(row, (list, tuple)) else "no"
            raise ValueError(f'{name}: "logit_scales"[{layer}] has {found} heads, layer 0 has {heads}')
        table.append(tuple(_column(row[head], (layer, head), len(lengths), name) for head in range(heads)))
    return Profile(lengths, tuple(table), name)


def _lengths(values: Mapping[str, Any], name: str) -> tuple[int, ...]:
    given = values.get("lengths")
    if not isinstance(given, (list, tuple)) or not given:
        raise ValueError(f'{name}: "lengths" must be a list of numbers with at least one entry')
    before = 0
    for index, length in enumerate(given):
        if not _is_number(length) or length != int(length) or not 1 <= length <= 1e9:
            raise ValueError(f'{name}: "lengths" must be whole numbers from 1 to 1e9, found {length!r}')
        if length <= before:
            raise ValueError(f'{name}: "lengths" must rise from at least 1; entry {index} is {length} after {before}')
        before = length
    return tuple(int(length) for length in given)


def _column(column: Any, place: tuple[int, int], count: int, name: str) -> tuple[float, ...]:
    where = f'{name}: "logit_scales"[{place[0]}][{place[1]}]'
    if not isinstance(column, (list, tuple)) or len(column) != count:
        found = len(column) if isinstance(column, (list, tuple)) else "no"
        raise ValueError(f"{where} has {found} values for {count} lengths")
    for index, scale in enumerate(column):
        if not _is_number(scale) or not 1e-3 <= scale <= 1e3:
            raise ValueError(f"{where}[{index}] is {scale!r}, it must be between 0.001 and 1000")
    return tuple(float(scale) for scale in column)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
