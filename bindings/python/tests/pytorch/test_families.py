"""Every family, tempered in PyTorch, gives the engine's vectors: alone and padded, in eager attention and SDPA."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from peer_models import GOLDEN, Embed, encode, load, write_profile
from sentence_transformers import SentenceTransformer
from treble.torch import SUPPORTED, temper

TOLERANCE = 2e-5
MOVED = 5e-3  # a schedule that changes less would show nothing
WITHOUT_INTERFACE = ("mpnet", "mpnet-masked-lm", "deberta-v2", "deberta-v3")
# Families that transformers reads in another form (conftest.NATIVE) or not at all: JinaBERT has published code alone,
# which transformers 5 no longer runs.
UNREADABLE = ("gte-new-prefixed", "jina-bert-v2")
FOLDERS = sorted(path.parent.parent.name for path in GOLDEN.glob("*/model/config.json"))
CASES = [name for name in (*FOLDERS, "mt5", "umt5") if name not in UNREADABLE]


@pytest.fixture(scope="module", params=CASES)
def folder(request: pytest.FixtureRequest, folder_of: Callable[[str], Path]) -> Path:
    """Of one family."""
    return folder_of(request.param)


@pytest.fixture(scope="module")
def models(folder: Path) -> list[SentenceTransformer]:
    """The folder with the attention it takes by default, which is SDPA where there is one, and with eager attention."""
    default = load(folder)
    implementation = default[0].model.config._attn_implementation
    return [default] if implementation == "eager" else [default, load(folder, "eager")]


@pytest.fixture(scope="module")
def plain(folder: Path, embed: Embed) -> np.ndarray:
    """The engine's vectors of the model as trained."""
    return embed(folder)


def shape_of(model: SentenceTransformer) -> tuple[int, int]:
    """Layers and heads."""
    config = model[0].model.config
    return config.num_hidden_layers, config.num_attention_heads


def check(models: list[SentenceTransformer], schedule: str | float, expected: np.ndarray, **options: bool) -> None:
    """Alone and padded."""
    for model in models:
        before = encode(model)
        with temper(model, schedule, **options) as handle:
            assert handle.layers == shape_of(model)[0]
            alone, padded = encode(model, batch_size=1), encode(model)
        assert np.abs(alone - expected).max() <= TOLERANCE
        assert np.abs(padded - expected).max() <= TOLERANCE
        assert np.array_equal(encode(model), before)


@pytest.mark.parametrize("schedule", ["0.7", "1.3", "log:6", "ssmax:0.4,0.2", "yarn:5"])
def test_written_schedules(
    schedule: str, folder: Path, models: list[SentenceTransformer], plain: np.ndarray, embed: Embed
) -> None:
    expected = embed(folder, "--temperature", schedule)
    assert np.abs(expected - plain).max() > MOVED
    check(models, schedule, expected)


@pytest.mark.parametrize("per_head", [False, True])
@pytest.mark.parametrize("lengths", [(3, 9, 30), (7,)])
def test_profiles(
    per_head: bool,
    lengths: tuple[int, ...],
    folder: Path,
    models: list[SentenceTransformer],
    plain: np.ndarray,
    embed: Embed,
    tmp_path: Path,
) -> None:
    layers, heads = shape_of(models[0])
    profile = write_profile(tmp_path / "profile.json", layers, heads if per_head else 1, lengths)
    expected = embed(folder, "--temperature", f"match:{profile}")
    assert np.abs(expected - plain).max() > MOVED
    check(models, f"match:{profile}", expected)


@pytest.mark.parametrize("name", ["t5", "umt5", "mpnet"])
@pytest.mark.parametrize("schedule", ["0.7", "log:6"])
def test_position_bias_left_as_it_is(name: str, schedule: str, folder_of: Callable[[str], Path], embed: Embed) -> None:
    folder = folder_of(name)
    expected = embed(folder, "--temperature", schedule, "--temper-position-bias=false")
    assert np.abs(expected - embed(folder, "--temperature", schedule)).max() > MOVED / 10
    check([load(folder)], schedule, expected, temper_position_bias=False)


@pytest.mark.parametrize("name", ["modernbert", "t5", "qwen3", "mistral"])
def test_side_of_the_padding(name: str, folder_of: Callable[[str], Path], embed: Embed) -> None:
    folder = folder_of(name)
    expected = embed(folder, "--temperature", "log:6")
    for side in ("left", "right"):
        model = load(folder)
        model.tokenizer.padding_side = side
        with temper(model, "log:6"):
            assert np.abs(encode(model) - expected).max() <= TOLERANCE


def test_short_texts_keep_their_bits_under_log(folder: Path, models: list[SentenceTransformer]) -> None:
    for model in models:
        before = encode(model)
        with temper(model, "log:4096"):
            assert np.array_equal(encode(model), before)


def test_identity_keeps_the_bits(models: list[SentenceTransformer]) -> None:
    for model in models:
        before = encode(model)
        with temper(model, 1.0):
            assert np.array_equal(encode(model), before)


def test_every_supported_family_is_tested(folder_of: Callable[[str], Path]) -> None:
    types = {json.loads((folder_of(name) / "config.json").read_text())["model_type"] for name in CASES}
    packages = {
        {"deberta-v2": "deberta_v2", "gemma3_text": "gemma3", "xlm-roberta": "xlm_roberta"}.get(t, t) for t in types
    }
    assert packages == set(SUPPORTED)


def test_weights_of_half_precision(folder_of: Callable[[str], Path], embed: Embed) -> None:
    """A model that computes in bfloat16 stays near float32; its scales are not rounded to bfloat16."""
    folder = folder_of("bert")
    for schedule in (0.7, "log:6"):
        expected = embed(folder, "--temperature", str(schedule))
        model = load(folder, dtype=torch.bfloat16)
        distance = np.abs(encode(model).astype(np.float32) - embed(folder)).max()
        with temper(model, schedule):
            assert math.isfinite(distance)
            assert np.abs(encode(model).astype(np.float32) - expected).max() < 2 * distance
