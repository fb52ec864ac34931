"""What of a model's folder is converted, what is copied, and what is left out."""

from __future__ import annotations

import fnmatch
import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any

from .errors import FAILED_IO, ConvertError, shown

DEEPEST = 16
"""More than any model's folder; links that lead in a circle end here."""
OTHER_FOLDERS = ("onnx", "openvino", "coreml", ".git", ".cache")
OTHER_FORMATS = (
    *("*.onnx", "*.onnx_data", "*.onnx.data", "*.gguf", "*.mlpackage", "*.tflite", "openvino_model*"),
    *("tf_model*.h5", "flax_model*.msgpack", "rust_model.ot"),
)
OF_TRAINING = ("optimizer.*", "scheduler.*", "scaler.pt", "rng_state*.pth", "training_args.bin")
PICKLES = (".bin", ".pt", ".pth", ".ckpt")
ADAPTER = "adapter_model.bin"
"""Of PEFT: its weights stand under a name of their own."""
SINGLE, INDEX = "pytorch_model.bin", "pytorch_model.bin.index.json"
SHARDS = "pytorch_model-*-of-*.bin"
OUTPUT = "model.safetensors"


@dataclass
class Weights:
    """One file to be written."""

    target: PurePath
    """In the folder."""
    sources: list[Path]
    index: Path | None = None
    main: bool = True
    """The weights of a model or module; others may turn out to be none."""


@dataclass
class FolderPlan:
    """All files of a folder, each once."""

    weights: list[Weights] = field(default_factory=list)
    copied: list[PurePath] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    there: list[PurePath] = field(default_factory=list)
    """Weights in safetensors."""
    gguf: list[Path] = field(default_factory=list)


def plan_folder(folder: Path, *, anew: bool = False) -> FolderPlan:
    """Look at a folder; `anew`: pickles with a model.safetensors beside them are converted too. Raises ConvertError."""
    plan = FolderPlan()
    for relative, names in _walk(folder, PurePath(), plan, 0):
        _plan_one(folder, relative, names, plan, anew)
    return plan


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object; empty where there is no such file. Raises ConvertError."""
    if not path.exists():
        return {}
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:
        raise ConvertError(f"{path}: not JSON: {shown(str(error))}") from error
    if not isinstance(value, dict):
        raise ConvertError(f"{path}: not a JSON object")
    return value


def _walk(folder: Path, relative: PurePath, plan: FolderPlan, depth: int) -> Iterator[tuple[PurePath, list[str]]]:
    if depth > DEEPEST:
        raise ConvertError(
            f"{folder / relative}: folders are nested more than {DEEPEST} deep; does a link lead back?", FAILED_IO
        )
    names = []
    for entry in sorted((folder / relative).iterdir()):
        if entry.is_dir():
            if entry.name in OTHER_FOLDERS or entry.name.endswith(".mlpackage"):
                plan.left_out.append(f"{relative / entry.name}/: not read by Treble")
            else:
                yield from _walk(folder, relative / entry.name, plan, depth + 1)
        elif entry.is_file():
            names.append(entry.name)
        else:
            raise ConvertError(f"{entry}: neither a file nor a folder (a link to nowhere?); fetch the model again")
    yield relative, names


def _fits(name: str, patterns: tuple[str, ...]) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def _plan_one(folder: Path, relative: PurePath, names: list[str], plan: FolderPlan, anew: bool) -> None:
    """All files of one directory."""
    here = folder / relative
    done = OUTPUT in names or f"{OUTPUT}.index.json" in names
    main = _main_weights(here, names, alone=not done)
    if main and (anew or not done):
        index = here / INDEX if main != [SINGLE] and INDEX in names else None
        plan.weights.append(Weights(relative / OUTPUT, [here / name for name in main], index))
    for name in names:
        path = relative / name
        if _fits(name, OTHER_FORMATS):
            plan.left_out.append(f"{path}: another format, not read by Treble")
            plan.gguf += [folder / path] if name.endswith(".gguf") else []
        elif _fits(name, OF_TRAINING):
            plan.left_out.append(f"{path}: of a training run")
        elif name.endswith(PICKLES) or name == INDEX:
            _plan_pickle(folder, path, names, plan, anew or not done, main)
        else:
            plan.copied.append(path)
            plan.there += [path] if name.endswith(".safetensors") else []


def _main_weights(here: Path, names: list[str], *, alone: bool) -> list[str]:
    """Those of the model or module itself; `alone`: a lone pickle of any name counts as them."""
    pickles = [name for name in names if name.endswith(PICKLES) and not _fits(name, OF_TRAINING)]
    shards = [name for name in pickles if fnmatch.fnmatchcase(name, SHARDS)]
    if SINGLE in pickles or shards:
        return [SINGLE] if SINGLE in pickles else shards
    if alone and INDEX in names:
        raise ConvertError(f"{here / INDEX}: none of its shards ({SHARDS}) is there; fetch them too")
    return pickles if alone and len(pickles) == 1 and "config.json" in names else []


def _plan_pickle(
    folder: Path, path: PurePath, names: list[str], plan: FolderPlan, takes_main: bool, main: list[str]
) -> None:
    """One pickle, or the index of shards."""
    is_shard = path.name == INDEX or fnmatch.fnmatchcase(path.name, SHARDS)
    target = path.with_suffix(".safetensors")
    if path.name in main or is_shard:
        if not takes_main:
            plan.left_out.append(f"{path}: {OUTPUT} is there")
        elif is_shard and main == [SINGLE]:
            plan.left_out.append(f"{path}: {SINGLE} is there")
    elif target.name in names:
        plan.left_out.append(f"{path}: {target.name} is there")
    else:
        plan.weights.append(Weights(target, [folder / path], main=path.name == ADAPTER))
