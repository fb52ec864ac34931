"""Mamba-2 as its authors publish it (state-spaces/mamba2-…): what must be there and what must not."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from .errors import UNSUPPORTED, ConvertError, shown

HEAD = "lm_head.weight"
EMBEDDINGS = ("backbone.embedding.weight", "backbone.embeddings.weight")
LAYER = re.compile(
    r"backbone\.layers\.(\d{1,9})\."
    r"(norm\.weight|mixer\.(in_proj\.weight|in_proj\.bias|conv1d\.weight|conv1d\.bias|dt_bias|A_log|D|norm\.weight"
    r"|out_proj\.weight|out_proj\.bias))"
)
REQUIRED = ("norm.weight", "mixer.in_proj.weight", "mixer.A_log", "mixer.dt_bias", "mixer.D", "mixer.out_proj.weight")
TOKENIZER = (
    "there is no tokenizer.json yet; the models of state-spaces read the tokens of EleutherAI/gpt-neox-20b, whose "
    "tokenizer.json and tokenizer_config.json belong beside it"
)


def is_authors_form(config: Mapping[str, Any]) -> bool:
    """Whether this config.json is of the authors' own program: transformers has no "ssm_cfg"."""
    return "ssm_cfg" in config


def check_authors_form(folder: Path, config: Mapping[str, Any], names: Collection[str]) -> None:
    """ConvertError unless this is a whole Mamba-2 model: its layers may be of other kinds too."""
    path = folder / "config.json"
    settings = config["ssm_cfg"]
    kind = settings.get("layer", "Mamba1") if isinstance(settings, dict) else None
    if kind != "Mamba2":
        raise ConvertError(
            f'{path}: "layer" of "ssm_cfg" is {shown(kind)}; only Mamba2 models are converted', UNSUPPORTED
        )
    layers = config.get("n_layer")
    if type(layers) is not int or not 1 <= layers <= len(names):
        raise ConvertError(
            f'{path}: "n_layer" is {shown(layers)}; it must be a number of layers, at least 1 and at most the '
            f"{len(names)} tensors that are there"
        )
    found = [name for name in EMBEDDINGS if name in names]
    if len(found) != 1:
        raise ConvertError(f"{folder}: {len(found)} of the tensors {' and '.join(EMBEDDINGS)} are there, one must be")
    known = {*found, "backbone.norm_f.weight", HEAD}
    for name in names:
        match = LAYER.fullmatch(name)
        if name not in known and match is None:
            raise ConvertError(f"{folder}: tensor {shown(name)} is no part of a Mamba-2 model", UNSUPPORTED)
        if match is not None and int(match[1]) >= layers:
            raise ConvertError(
                f"{folder}: tensor {name} is of layer {match[1]}, config.json has layers 0 to {layers - 1}"
            )
    wanted = ["backbone.norm_f.weight"]
    wanted += [f"backbone.layers.{layer}.{name}" for layer in range(layers) for name in REQUIRED]
    missing = [name for name in wanted if name not in names]
    if missing:
        raise ConvertError(f"{folder}: {len(missing)} tensors are missing, the first is {missing[0]}")
