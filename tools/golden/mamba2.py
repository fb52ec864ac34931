"""Mamba-2 under many configurations: weights by formula (variants.py), every layer from transformers.

Kept of each layer and text: the mean over the tokens and the last token.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import Mamba2Config, Mamba2Model

from golden.variants import FIRST_ID, _by_layer, value

LENGTHS = (1, 63, 65, 193)
"""Up to three chunks of 64 tokens and one more."""

BASE = {
    "model_type": "mamba2",
    "vocab_size": 61,
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_heads": 4,
    "head_dim": 8,
    "state_size": 16,
    "n_groups": 1,
}
CONFIGS: dict[str, dict[str, Any]] = {
    "plain": {},
    "groups": {"n_groups": 2, "state_size": 5},
    "a group a head": {"n_groups": 4, "state_size": 8},
    "one head": {"num_heads": 1, "head_dim": 32, "state_size": 32},
    "odd sizes": {"hidden_size": 15, "num_heads": 6, "head_dim": 5, "state_size": 7, "n_groups": 3},
    "wide state": {"num_heads": 2, "head_dim": 16, "state_size": 64},
    "biases": {"use_bias": True},
    "no convolution bias": {"use_conv_bias": False},
    "kernel of 2": {"conv_kernel": 2},
    "kernel of 1": {"conv_kernel": 1},
    "expand by 3": {"expand": 3, "num_heads": 6},
    "limited steps": {"time_step_limit": [0.05, 0.2]},
    "deep": {"num_hidden_layers": 4},
    "large eps": {"layer_norm_epsilon": 0.1},
    "small chunks": {"chunk_size": 16},
}
STATE_RANGES = {"A_log": (1.4, 1.4), "dt_bias": (1.5, -3.0), "D": (0.25, 1.0), "conv1d.weight": (0.5, 0.0)}


def ids(vocab: int, length: int) -> list[int]:
    """As of variants.py."""
    return [FIRST_ID + (7 * i * i + 3 * i + length) % (vocab - FIRST_ID) for i in range(length)]


def _spread(name: str, shape: tuple[int, ...]) -> tuple[float, float]:
    """Scale and offset: steps from 0.01 to 0.2, decays from 1 to 16."""
    for suffix, spread in STATE_RANGES.items():
        if name.endswith(suffix):
            return spread
    if len(shape) == 1:
        return 0.25, 1.0 if name.endswith("weight") else 0.0
    return (1.0, 0.0) if "embed" in name else (round(2.0 / float(np.prod(shape[1:])) ** 0.5, 4), 0.0)


def _fill(model: Mamba2Model) -> dict[str, list[Any]]:
    tensors: dict[str, list[Any]] = {}
    for name, parameter in model.named_parameters():
        shape = tuple(parameter.shape)
        scale, offset = _spread(name, shape)
        parameter.data = torch.from_numpy(value(name, shape, scale, offset))
        tensors[name] = [list(shape), scale, offset]
    return tensors


def _rounded(row: torch.Tensor) -> list[float]:
    return [round(float(x), 7) for x in row]


@torch.no_grad()
def write_all(root: Path) -> None:
    """Write tests/golden/mamba2.json."""
    entries = []
    for name, changes in CONFIGS.items():
        config = BASE | changes
        model = Mamba2Model(Mamba2Config(**{k: v for k, v in config.items() if k != "model_type"})).eval()
        tensors = _fill(model)
        texts = []
        for length in LENGTHS:
            states = model(input_ids=torch.tensor([ids(config["vocab_size"], length)]), output_hidden_states=True)
            # transformers gives the states after each block, the last block's before the final norm aside.
            layers = [*states.hidden_states[: config["num_hidden_layers"] - 1], states.last_hidden_state]
            texts.append([[_rounded(s[0].double().mean(dim=0)), _rounded(s[0, -1])] for s in layers])
        entry = {"name": name, "config": config, "prefix": "", "tensors": _by_layer(tensors), "expected": texts}
        entries.append(json.dumps(entry, separators=(",", ":")))
    (root / "mamba2.json").write_text("[\n" + ",\n".join(entries) + "\n]\n", encoding="utf-8")
    print(f"mamba2: {len(entries)} configurations")
