"""Switches of the families one by one: a config.json each, weights by formula, and the vectors transformers computes.

A variant is small enough to need no weight file: `value` below and its twin in src/engine/variants_test.cc make the
same weights out of the tensors' names. What is kept is config.json, the tensors' shapes and the expected vectors.
"""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel, MT5EncoderModel, PreTrainedModel, T5EncoderModel, UMT5EncoderModel
from transformers.modeling_outputs import BaseModelOutput

from golden.temperature import ATTENTION
from golden.twins.nomic_bert import NomicBert
from golden.variant_list import VARIANTS, Config, Variant

TAUS = (1.0, 0.7)
LENGTHS = (1, 11, 70)
FIRST_ID = 5  # below are the ids that families treat as padding
ENCODERS = {"t5": T5EncoderModel, "mt5": MT5EncoderModel, "umt5": UMT5EncoderModel}
EMBEDDINGS = ("embed", "shared", "relative_attention_bias")
LAYER = re.compile(r"\.(\d+)\.")


def value(name: str, shape: tuple[int, ...], scale: float, offset: float) -> np.ndarray:
    """Numbers between offset - scale and offset + scale: splitmix64 of the FNV-1a hash of the name plus the index."""
    state = 0xCBF29CE484222325
    for byte in name.encode():
        state = ((state ^ byte) * 0x100000001B3) % 2**64
    with np.errstate(over="ignore"):
        x = np.uint64(state) + np.arange(1, int(np.prod(shape)) + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        x ^= x >> np.uint64(31)
    unit = (x >> np.uint64(11)).astype(np.float64) * 2.0**-52 - 1
    return (offset + scale * unit).astype(np.float32).reshape(shape)


def _spread(name: str, shape: tuple[int, ...]) -> tuple[float, float]:
    """Scale and offset that keep activations of order one: norms near 1, matrices by their fan-in."""
    if len(shape) == 1:
        return 0.25, 1.0 if name.endswith(("weight", "layer_scalar")) else 0.0
    if any(part in name for part in EMBEDDINGS):
        return 1.0, 0.0
    return round(2.0 / float(np.prod(shape[1:])) ** 0.5, 4), 0.0


def ids(vocab: int) -> list[list[int]]:
    """The texts, as token ids."""
    return [[FIRST_ID + (7 * i * i + 3 * i + length) % (vocab - FIRST_ID) for i in range(length)] for length in LENGTHS]


@contextmanager
def softmax_at(tau: float) -> Iterator[None]:
    """Divide every logit by tau; texts run alone, so that a mask holds only what is never seen at any tau."""
    original = nn.functional.softmax

    def tempered(logits: Tensor, *arguments: Any, **options: Any) -> Tensor:
        return original(logits / tau, *arguments, **options)

    nn.functional.softmax = tempered
    ATTENTION.tau = tau  # of a twin
    try:
        yield
    finally:
        nn.functional.softmax = original
        ATTENTION.tau = 1.0


class PublishedNomicBert(NomicBert):
    """The twin, which is called as transformers' models are."""

    def forward(self, input_ids: Tensor) -> BaseModelOutput:
        """Of one text."""
        return BaseModelOutput(last_hidden_state=super().forward(input_ids[0])[-1][None])


def _model(config_json: Config) -> PreTrainedModel | PublishedNomicBert:
    """The model as transformers reads its config.json from a folder; a twin of published code that it does not have."""
    if "n_embd" in config_json:
        return PublishedNomicBert(config_json).eval()
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "config.json").write_text(json.dumps(config_json), encoding="utf-8")
        config = AutoConfig.from_pretrained(folder)
    config._attn_implementation = "eager"
    maker = ENCODERS.get(config_json["model_type"])
    return (maker(config) if maker else AutoModel.from_config(config, attn_implementation="eager")).eval()


def _fill(model: nn.Module) -> dict[str, list[Any]]:
    """Give every parameter its value by formula; returns shape, scale and offset by name. Tied copies count once."""
    tensors: dict[str, list[Any]] = {}
    stored = model.state_dict()
    buffers = [
        (name, buffer) for name, buffer in model.named_buffers() if name in stored and buffer.is_floating_point()
    ]
    for name, parameter in [*model.named_parameters(), *buffers]:
        if name.startswith(("pooler.", "decoder.")):
            continue
        shape = tuple(parameter.shape)
        scale, offset = _spread(name, shape)
        parameter.data = torch.from_numpy(value(name, shape, scale, offset))
        tensors[name] = [list(shape), scale, offset]
    return tensors


@torch.no_grad()
def _vectors(variant: Variant) -> tuple[dict[str, list[Any]], dict[str, list[list[float]]]]:
    """Mean hidden states of unit length, for every tau and text. A new model each time: some keep the last length."""
    expected: dict[str, list[list[float]]] = {}
    tensors: dict[str, list[Any]] = {}
    for tau in TAUS:
        rows = []
        for text in ids(variant.config.get("text_config", variant.config)["vocab_size"]):
            model = _model(variant.config)
            tensors = _fill(model)
            with softmax_at(tau):
                hidden = model(input_ids=torch.tensor([text])).last_hidden_state[0]
            vector = hidden.double().mean(dim=0)
            rows.append([round(float(x), 7) for x in vector / vector.norm()])
        expected[f"{tau:g}"] = rows
    return tensors, expected


def _by_layer(tensors: dict[str, list[Any]]) -> dict[str, list[Any]]:
    """Tensors that repeat from layer to layer under one name with {} and how many there are."""
    patterns: dict[str, list[Any]] = {}
    for name, entry in tensors.items():
        pattern = LAYER.sub(".{}.", name, count=1)
        if pattern not in patterns:
            patterns[pattern] = [*entry, 1]
        elif patterns[pattern][:3] == entry:
            patterns[pattern][3] += 1
    # A tensor of some layers only, or of other shapes in others, keeps its full name.
    layers = max((entry[3] for entry in patterns.values()), default=1)
    whole = {pattern: entry for pattern, entry in patterns.items() if "{}" not in pattern or entry[3] == layers}
    covered = {pattern.replace("{}", str(i)) for pattern in whole for i in range(layers)}
    return whole | {name: [*entry, 1] for name, entry in tensors.items() if name not in covered}


def write_all(root: Path) -> None:
    """Write tests/golden/variants, a file a family."""
    files: dict[str, list[Any]] = {}
    for variant in VARIANTS:
        tensors, expected = _vectors(variant)
        entry = {"name": variant.name, "config": variant.config, "prefix": variant.prefix}
        entry |= {"tensors": _by_layer(tensors), "expected": expected}
        files.setdefault(variant.config["model_type"], []).append(entry)
    folder = root / "variants"
    folder.mkdir(parents=True, exist_ok=True)
    for model_type, entries in files.items():
        lines = ",\n".join(json.dumps(entry, separators=(",", ":")) for entry in entries)
        (folder / f"{model_type}.json").write_text(f"[\n{lines}\n]\n", encoding="utf-8")
        print(f"{model_type}: {len(entries)} variants")
