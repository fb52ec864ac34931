"""Written forms, profiles and the scales they give; a tensor's scales are those of the formula, number by number."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
import torch
from peer_models import write_profile
from treble.torch._schedules import parse_schedule
from treble.torch._tempering import Tempering

LENGTHS = [1, 2, 3, 4, 7, 8, 9, 15, 16, 17, 100, 512, 8192, 100000]
PROFILE: dict[str, Any] = {
    "schema": "treble.temperature_profile/1",
    "lengths": [4, 16],
    "logit_scales": [[[1.0, 2.0]], [[0.5, 0.5]]],
}


def changed(**values: Any) -> dict[str, Any]:
    return PROFILE | values


@pytest.mark.parametrize(
    ("given", "written"),
    [
        (0.8, "0.8"), (1, "1"), ("0.8", "0.8"), ("8e-1", "0.8"), (1 / 3, repr(1 / 3)), ("log:128", "log:128"),
        ("ssmax:0.2", "ssmax:0.2"), ("ssmax:0.2,0.1", "ssmax:0.2,0.1"), ("yarn:1", "yarn:1"),
    ],
)  # fmt: skip
def test_written_forms(given: float | str, written: str) -> None:
    schedule = parse_schedule(given)
    assert str(schedule) == written
    assert parse_schedule(str(schedule)) == schedule
    assert parse_schedule(schedule) is schedule


def test_profiles_in_every_form(tmp_path: Path) -> None:
    path = tmp_path / "p.json"
    path.write_text(json.dumps(PROFILE), encoding="utf-8")
    forms = (path, str(path), f"match:{path}")
    assert len({parse_schedule(form) for form in forms}) == 1
    assert str(parse_schedule(path)) == f"match:{path}"
    assert parse_schedule(PROFILE).logit_scales == parse_schedule(path).logit_scales


NUMBERS = [0.0, -1.0, math.nan, math.inf, 1e-39, 1e46, True, None, 0.8 + 0j]
NAMES = ["0", "nan", "inf", "1_0", " 0.8", "", "warm", "log", "log:", "log:1", "log:2e9", "yarn:0.5"]
PAIRS = ["ssmax:0", "ssmax:1,-1", "ssmax:1001", "ssmax:1,"]


@pytest.mark.parametrize("schedule", [*NUMBERS, *NAMES, *PAIRS])
def test_what_is_no_schedule(schedule: Any) -> None:
    with pytest.raises(ValueError, match="temperature"):
        parse_schedule(schedule)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (changed(schema="other"), '"schema" is "other"'),
        (changed(lengths=[]), '"lengths" must be a list'),
        (changed(lengths=[4, 4]), "entry 1 is 4 after 4"),
        (changed(lengths=[1.5, 4]), "whole numbers from 1 to 1e9, found 1.5"),
        (changed(lengths=["4", 16]), "found '4'"),
        (changed(logit_scales=[]), '"logit_scales" must be a list of layers'),
        (changed(logit_scales=[[[1, 1]], [[1, 1], [1, 1]]]), r'"logit_scales"\[1\] has 2 heads, layer 0 has 1'),
        (changed(logit_scales=[[[1, 1]], 3]), r'"logit_scales"\[1\] has no heads'),
        (changed(logit_scales=[[[1]]]), r'"logit_scales"\[0\]\[0\] has 1 values for 2 lengths'),
        (changed(logit_scales=[[[1, 1001]]]), r"\[0\]\[0\]\[1\] is 1001, it must be between 0.001 and 1000"),
        (changed(logit_scales=[[[1, True]]]), "is True"),
        (changed(logit_scales=[[[1, math.nan]]]), "is nan"),
    ],
)
def test_what_is_no_profile(values: dict[str, Any], message: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message):
        parse_schedule(values)
    path = tmp_path / "p.json"
    path.write_text(json.dumps(values), encoding="utf-8")
    with pytest.raises(ValueError, match=f"^{path}: .*{message}"):
        parse_schedule(path)


def test_files_that_are_no_profile(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"missing\.json"):
        parse_schedule("match:missing.json")
    for content in ("{", "[]", "\xff"):
        path = tmp_path / "p.json"
        path.write_text(content, encoding="latin-1")
        with pytest.raises(ValueError, match=r"p\.json: "):
            parse_schedule(path)


@pytest.mark.parametrize("schedule", ["0.7", "log:8", "log:2.5", "ssmax:0.4,0.2", "yarn:8", "profile", "heads"])
def test_tensors_of_scales(schedule: str, tmp_path: Path) -> None:
    heads = 3 if schedule == "heads" else 1
    if schedule in ("profile", "heads"):
        schedule = str(write_profile(tmp_path / "p.json", 2, heads, (3, 8, 16, 512)))
    parsed = parse_schedule(schedule)
    keys = torch.tensor(LENGTHS).view(2, 1, -1, 1)
    for layer in range(2):
        scale = Tempering(parsed, [layer], True).scale(keys)
        expected = torch.tensor(
            [
                [[[parsed.logit_scale(layer, head, int(n))] for n in row.view(-1)] for head in range(heads)]
                for row in keys
            ]
        )
        actual = torch.as_tensor(scale).expand_as(expected) if isinstance(scale, float) else scale.expand_as(expected)
        torch.testing.assert_close(actual, expected, rtol=4e-7, atol=0, check_dtype=False)
        exact = expected.to(torch.float32) == 1.0  # untouched: bit for bit
        assert torch.equal(actual.to(torch.float32)[exact], expected.to(torch.float32)[exact])
