#!/usr/bin/env python3
"""Make model.safetensors of the pytorch_model.bin of a Mamba-2 model, as published (state-spaces/mamba2-…).

    tools/convert_mamba2.py FOLDER [--force]

FOLDER has config.json and pytorch_model.bin. Tensors keep their names, values and types; a language-model head that is
the word embeddings again is left out. Only tensors are read of the pickle (weights_only), so that it can run no code.
Anything but a Mamba-2 model is refused. Needs torch and safetensors (tools/setup_golden.sh).
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
import tempfile
from pathlib import Path
from typing import Any

HEAD = "lm_head.weight"
EMBEDDINGS = ("backbone.embedding.weight", "backbone.embeddings.weight")
LAYER = re.compile(
    r"backbone\.layers\.(\d+)\."
    r"(norm\.weight|mixer\.(in_proj\.weight|in_proj\.bias|conv1d\.weight|conv1d\.bias|dt_bias|A_log|D|norm\.weight"
    r"|out_proj\.weight|out_proj\.bias))"
)
REQUIRED = ("norm.weight", "mixer.in_proj.weight", "mixer.A_log", "mixer.dt_bias", "mixer.D", "mixer.out_proj.weight")


class ConvertError(Exception):
    """Something a person can act on: the message says what."""


def read_layers(folder: Path) -> int:
    """The number of layers. Raises ConvertError unless config.json is that of a Mamba-2 model."""
    path = folder / "config.json"
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConvertError(f"{path}: not there; fetch it too") from None
    except ValueError as error:
        raise ConvertError(f"{path}: not JSON: {error}") from None
    if not isinstance(config, dict):
        raise ConvertError(f"{path}: not a JSON object")
    authors = config.get("ssm_cfg")
    kind = config.get("model_type") if authors is None else isinstance(authors, dict) and authors.get("layer", "Mamba1")
    if kind not in ("mamba2", "Mamba2"):
        field = '"model_type"' if authors is None else '"layer" of "ssm_cfg"'
        raise ConvertError(f"{path}: {field} is {kind!r}; only Mamba-2 models are converted")
    key = "num_hidden_layers" if authors is None else "n_layer"
    layers = config.get(key)
    if isinstance(layers, bool) or not isinstance(layers, int) or layers < 1:
        raise ConvertError(f'{path}: "{key}" is {layers!r}; it must be a number of layers, at least 1')
    return layers


def check_names(path: Path, tensors: dict[str, Any], layers: int) -> str:
    """The name of the word embeddings. Raises ConvertError for tensors that are missing or are no part of Mamba-2."""
    found = [name for name in EMBEDDINGS if name in tensors]
    if len(found) != 1:
        raise ConvertError(f"{path}: {len(found)} of {' and '.join(EMBEDDINGS)} are there, one must be")
    known = {*found, "backbone.norm_f.weight", HEAD}
    for name in tensors:
        match = LAYER.fullmatch(name)
        if name not in known and match is None:
            raise ConvertError(f"{path}: tensor {name} is no part of a Mamba-2 model")
        if match is not None and int(match[1]) >= layers:
            raise ConvertError(
                f"{path}: tensor {name} is of layer {match[1]}, config.json has layers 0 to {layers - 1}"
            )
    wanted = ["backbone.norm_f.weight"]
    wanted += [f"backbone.layers.{layer}.{name}" for layer in range(layers) for name in REQUIRED]
    missing = [name for name in wanted if name not in tensors]
    if missing:
        raise ConvertError(f"{path}: {len(missing)} tensors are missing, the first is {missing[0]}")
    return found[0]


def read_tensors(path: Path) -> dict[str, Any]:
    """Name → torch.Tensor."""
    import torch  # noqa: PLC0415 - what needs it comes after the checks that do not

    if not path.exists():
        raise ConvertError(f"{path}: not there; fetch it too")
    try:
        tensors = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise ConvertError(f"{path}: torch.load of its weights alone failed: {reason[0]}") from error
    if not isinstance(tensors, dict):
        raise ConvertError(f"{path}: it holds a {type(tensors).__name__}, not tensors by name")
    for name, tensor in tensors.items():
        if not isinstance(name, str) or not isinstance(tensor, torch.Tensor):
            raise ConvertError(f"{path}: {name!r} is a {type(tensor).__name__}, not a tensor")
        if tensor.dtype not in (torch.float32, torch.float16, torch.bfloat16):
            raise ConvertError(f"{path}: {name} has the type {tensor.dtype}; float32, float16 and bfloat16 are read")
    return tensors


def drop_tied_head(tensors: dict[str, Any], embeddings: str) -> str:
    """Takes out the head that is the embeddings again; says what was done with the head."""
    if HEAD not in tensors:
        return "there is no lm_head.weight"
    head, words = tensors[HEAD], tensors[embeddings]
    if head.shape == words.shape and bool((head == words).all()):
        del tensors[HEAD]
        return f"lm_head.weight left out: it is {embeddings}"
    return "lm_head.weight kept: it is not the word embeddings"


def write_whole(tensors: dict[str, Any], output: Path) -> None:
    """All of the file or nothing."""
    from safetensors.torch import save_file  # noqa: PLC0415

    handle, name = tempfile.mkstemp(dir=output.parent, prefix=f".{output.name}.", suffix=".tmp")
    os.close(handle)
    try:
        # Copies, as tensors that share memory cannot be written.
        save_file({key: tensor.clone().contiguous() for key, tensor in tensors.items()}, name, {"format": "pt"})
        umask = os.umask(0)
        os.umask(umask)
        os.chmod(name, 0o666 & ~umask)
        os.replace(name, output)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def convert(folder: Path, *, force: bool = False) -> str:
    """Writes FOLDER/model.safetensors; returns what was done, for people. Raises ConvertError."""
    output = folder / "model.safetensors"
    if not folder.is_dir():
        raise ConvertError(f"{folder}: not a folder")
    if output.exists() and not force:
        raise ConvertError(f"{output} exists; --force replaces it")
    layers = read_layers(folder)
    source = folder / "pytorch_model.bin"
    tensors = read_tensors(source)
    embeddings = check_names(source, tensors, layers)
    head = drop_tied_head(tensors, embeddings)
    write_whole(tensors, output)
    done = f"{output}: {len(tensors)} tensors of {layers} layers; {head}"
    if not (folder / "tokenizer.json").exists():
        done += (
            "\nthere is no tokenizer.json yet; the models of state-spaces read the tokens of EleutherAI/gpt-neox-20b, "
            "whose tokenizer.json and tokenizer_config.json belong beside it"
        )
    return done


def main() -> int:
    """Runs the program; returns its exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="with config.json and pytorch_model.bin")
    parser.add_argument("--force", action="store_true", help="replace model.safetensors")
    given = parser.parse_args()
    try:
        print(convert(given.folder, force=given.force))
    except ConvertError as error:
        print(f"convert_mamba2: {error}", file=sys.stderr)
        return 1
    except ImportError as error:
        print(f"convert_mamba2: needs torch and safetensors ({error}): tools/setup_golden.sh", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
