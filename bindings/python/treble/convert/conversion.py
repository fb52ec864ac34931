"""A model's folder or file made into one that Treble reads."""

from __future__ import annotations

import json
import os
import shutil
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .errors import NOT_FOUND, UNSUPPORTED, WRONG_USE, ConvertError, shown
from .folder_plan import OUTPUT, FolderPlan, Weights, plan_folder, read_json
from .gguf_folder import GgufModel, read_gguf_model
from .mamba2 import TOKENIZER, check_authors_form, is_authors_form
from .new_folder import new_folder
from .safetensors_file import write_safetensors
from .tensors import Tensor, size_of
from .tied import tied_heads
from .torch_file import read_torch_file

ROOM = 64 << 20


@dataclass
class Written:
    """One file of weights."""

    path: Path
    sources: list[str]
    tensors: int
    dtypes: dict[str, int]
    """How many tensors there are of each type, by safetensors' names."""
    bytes: int
    left_out: list[str] = field(default_factory=list)


@dataclass
class Report:
    """What was done."""

    folder: Path
    """That of the model."""
    written: list[Written] = field(default_factory=list)
    copied: int = 0
    left_out: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def convert(
    source: str | os.PathLike[str],
    output: str | os.PathLike[str] | None = None,
    *,
    in_place: bool = False,
    force: bool = False,
    pooling: str | None = None,
    tokenizer: str | os.PathLike[str] | None = None,
) -> Report:
    """Write model.safetensors (and, of a GGUF file, all that belongs to a model) of weights in other formats.

    `source` is a model's folder with pytorch_model.bin, its shards, *.pt or *.pth, a .gguf file, or a folder that holds
    one. The result is a new folder `output`, complete or not at all, or with `in_place` lies beside the pickles.
    `force` replaces what is there, a folder only if it is a model's. `pooling` (mean, cls, last) is for GGUF files
    that state none, `tokenizer` (the original's tokenizer.json, or its folder) for those of whose vocabulary none is
    made. Raises ConvertError, OSError.
    """
    from_path = Path(source)
    if (output is None) != in_place:
        raise ConvertError("give either a folder for the output (-o FOLDER) or --in-place", WRONG_USE)
    if pooling not in (None, "mean", "cls", "last"):
        raise ConvertError(f'--pooling is "{pooling}"; it is mean, cls or last', WRONG_USE)
    gguf, plan = _what(from_path, anew=in_place and force)
    if gguf is not None and in_place:
        raise ConvertError(f"{gguf}: a GGUF file becomes a whole folder; name it with -o FOLDER", WRONG_USE)
    if gguf is None and (pooling, tokenizer) != (None, None):
        raise ConvertError(f"{from_path}: --pooling and --tokenizer are for GGUF files", WRONG_USE)
    if output is None:
        return _in_place(from_path, plan, force=force)
    with new_folder(Path(output), from_path, force=force) as staged:
        report = Report(Path(output))
        if gguf is not None:
            _write_gguf(read_gguf_model(gguf, pooling, None if tokenizer is None else Path(tokenizer)), staged, report)
        else:
            _copy(from_path, plan, staged, report)
            _convert_pickles(from_path, plan, staged, report)
        for written in report.written:
            written.path = report.folder / written.path.relative_to(staged)
        return report


def _copy(folder: Path, plan: FolderPlan, target: Path, report: Report) -> None:
    report.left_out += plan.left_out
    report.copied = len(plan.copied)
    for path in plan.copied:
        (target / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(folder / path, target / path)


def _what(source: Path, *, anew: bool) -> tuple[Path | None, FolderPlan]:
    """The GGUF file that is meant, or what to do with a folder."""
    if not source.exists():
        raise ConvertError(f"{source}: not there", NOT_FOUND)
    if source.is_file():
        if source.suffix == ".gguf":
            return source, FolderPlan()
        raise ConvertError(f"{source}: give the model's folder, or a .gguf file", WRONG_USE)
    plan = plan_folder(source, anew=anew)
    if any(one.main for one in plan.weights) or (plan.there and plan.weights):
        return None, plan
    if plan.there:
        raise ConvertError(f"{source}: nothing to convert, {plan.there[0]} is there", WRONG_USE)
    if len(plan.gguf) == 1:
        return plan.gguf[0], plan
    if plan.gguf:
        names = ", ".join(path.name for path in plan.gguf[:8])
        raise ConvertError(f"{source}: {len(plan.gguf)} GGUF files; give the path of one: {names}", WRONG_USE)
    found = ", ".join(text.split(":")[0] for text in plan.left_out[:5]) or "none of any format"
    raise ConvertError(
        f"{source}: no weights that can be converted (there are: {found}); pytorch_model.bin, its shards, .pt, .pth "
        "and .gguf are read. Fetch one of these, or model.safetensors, of the model it was made from",
        UNSUPPORTED,
    )


def _in_place(folder: Path, plan: FolderPlan, *, force: bool) -> Report:
    """All files are written under other names before any takes its own."""
    report = Report(folder)
    report.left_out += [text for text in plan.left_out if text.endswith("is there")]
    for one in plan.weights:
        if (folder / one.target).exists() and not force:
            raise ConvertError(f"{folder / one.target}: exists already; --force replaces it", WRONG_USE)
    holder = folder / f".converting-{os.getpid()}"
    holder.mkdir()
    try:
        _convert_pickles(folder, plan, holder, report)
        for written in report.written:
            os.replace(written.path, folder / written.path.relative_to(holder))
            written.path = folder / written.path.relative_to(holder)
    finally:
        shutil.rmtree(holder, ignore_errors=True)
    return report


def _convert_pickles(folder: Path, plan: FolderPlan, target: Path, report: Report) -> None:
    for one in plan.weights:
        try:
            written = _convert_one(folder, one, target, report)
        except ConvertError as error:
            if one.main:
                raise
            report.left_out.append(f"{one.sources[0].relative_to(folder)}: {error}")
            continue
        report.written.append(written)
    if not report.written:
        raise ConvertError(f"{folder}: nothing to convert; {report.left_out[-1]}", UNSUPPORTED)


def _convert_one(folder: Path, one: Weights, target: Path, report: Report) -> Written:
    """One file of safetensors out of one pickle, or of all shards."""
    tensors: dict[str, Tensor] = {}
    left_out: list[str] = []
    for path in one.sources:
        read = read_torch_file(path)
        for name in read.tensors.keys() & tensors.keys():
            raise ConvertError(f"{path}: tensor {shown(name)} is in an earlier shard too")
        tensors |= read.tensors
        left_out += read.left_out
    _check_shards(one, tensors)
    config = read_json(folder / one.target.parent / "config.json")
    if one.main and is_authors_form(config):
        check_authors_form(folder / one.target.parent, config, tensors)
        if not (folder / one.target.parent / "tokenizer.json").exists():
            report.notes.append(TOKENIZER)
    for head, table in tied_heads(tensors, config).items():
        del tensors[head]
        left_out.append(f"{head}: it is {table} again")
    return _write(target / one.target, tensors, one.sources, left_out)


def _check_shards(one: Weights, tensors: Mapping[str, Tensor]) -> None:
    """That all of them are there."""
    if one.index is None:
        totals = {path.stem.rsplit("-of-", 1)[1] for path in one.sources if "-of-" in path.stem}
        if totals and totals != {f"{len(one.sources):05d}"}:
            raise ConvertError(
                f"{one.sources[0]}: {len(one.sources)} shards are there, of {', '.join(sorted(totals))}; fetch all"
            )
        return
    table = read_json(one.index).get("weight_map")
    if not isinstance(table, dict) or not table:
        raise ConvertError(f'{one.index}: there is no "weight_map"')
    missing = sorted(set(table) - set(tensors))
    if missing:
        place = f"{shown(missing[0])}, which it puts into {shown(table[missing[0]])}"
        raise ConvertError(
            f"{one.index}: {len(missing)} tensors are in none of its shards, the first is {place}; fetch all shards"
        )


def _write(path: Path, tensors: Mapping[str, Tensor], sources: list[Path], left_out: list[str]) -> Written:
    """Write the weights of these files."""
    size = sum(source.stat().st_size for source in sources)
    total = sum(map(size_of, tensors.values()))
    place = sources[0] if len(sources) == 1 else sources[0].parent
    if total > 4 * size + ROOM:
        raise ConvertError(f"{place}: {size} bytes claim to hold {total} bytes of tensors; that is no model")
    names = [source.name for source in sources]
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        written = write_safetensors(path, tensors, {"format": "pt", "converted_from": ", ".join(names[:8])})
    except ConvertError as error:
        raise ConvertError(f"{place}: {error}", error.exit_code) from error
    except OSError as error:
        # A full disk has no name of a file.
        raise OSError(error.errno, error.strerror, str(path)) from error
    dtypes = dict(sorted(Counter(tensor.dtype for tensor in tensors.values()).items()))
    return Written(path, names, len(tensors), dtypes, written, left_out)


def _write_gguf(model: GgufModel, folder: Path, report: Report) -> None:
    for name, value in model.files.items():
        _write_file(folder / name, value)
    written = _write(folder / OUTPUT, model.tensors, [model.source.path], [])
    for path, tensor in model.dense.items():
        report.written.append(_write(folder / path / OUTPUT, {"linear.weight": tensor}, [model.source.path], []))
    types = ", ".join(f"{count} {kind}" for kind, count in sorted(model.source.types.items()))
    report.written.insert(0, written)
    report.notes += [f"tensors in the file: {types}", *model.notes]


def _write_file(path: Path, value: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(value, bytes):
        path.write_bytes(value)
        return
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
