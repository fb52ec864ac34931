"""Overlays of the tiny BERT folder, one for every pooling form and module chain, with the vectors they must give.

A case is a folder of sentence-transformers' own small files. Laid over ../bert/model in place of that folder's modules,
it is a complete model; tests/golden/pooling/cases.json says with which options its texts were encoded.
"""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.numpy import save_file
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Dense
from sentence_transformers.sentence_transformer.modules import Pooling
from torch import nn

from golden.st_files import OLD_TYPES, POOLING_KEYS, old_pooling_config, write_json
from golden.texts import CASES

WIDTH = 32
SHORTER = 12  # the width of the truncated (Matryoshka) case
NEW_TYPES = {
    "Transformer": "sentence_transformers.base.modules.transformer.Transformer",
    "Pooling": "sentence_transformers.sentence_transformer.modules.pooling.Pooling",
    "Dense": "sentence_transformers.base.modules.dense.Dense",
    "Normalize": "sentence_transformers.base.modules.normalize.Normalize",
}
PROMPTS = {"query": "search the harbour: ", "document": ""}
ALL_MODES = tuple(POOLING_KEYS)


@dataclass(frozen=True)
class Layer:
    """One Dense module."""

    inputs: int
    outputs: int
    activation: nn.Module = field(default_factory=nn.Tanh)
    bias: bool = True


@dataclass(frozen=True)
class Case:
    """What the overlay says (first group) and how its texts are encoded (second group)."""

    name: str
    modes: tuple[str, ...] = ("mean",)
    new_form: bool = False
    include_prompt: bool = True
    dense: tuple[Layer, ...] = ()
    normalize: bool = True
    width: int = WIDTH
    prompts: dict[str, str] = field(default_factory=dict)
    default_prompt_name: str | None = None

    prompt_name: str | None = None
    dimensions: int | None = None
    renormalize: bool = False


def cases() -> list[Case]:
    """Every pooling mode in both key forms, then the chains and options."""
    both = [
        Case(f"{mode}-{'new' if new else 'old'}", (mode,), new, normalize=False)
        for mode in ALL_MODES
        for new in (False, True)
    ]
    # sentence-transformers concatenates the old form in a fixed order, the new form in the order written.
    three = ("cls", "mean", "max")
    query = {"prompts": PROMPTS, "prompt_name": "query"}
    return [
        *both,
        Case("concatenation-old", three, normalize=False),
        Case("concatenation-new", three, new_form=True),
        Case("concatenation-all-old", ALL_MODES, normalize=False),
        Case("dense-tanh", dense=(Layer(WIDTH, 20),)),
        Case(
            "dense-identity-new", new_form=True, dense=(Layer(WIDTH, 20, nn.Identity(), bias=False),), normalize=False
        ),
        Case("dense-two", ("cls", "mean"), dense=(Layer(2 * WIDTH, 24, nn.ReLU()), Layer(24, 10)), normalize=False),
        Case("no-normalize", normalize=False),
        Case("prompt-excluded-old", include_prompt=False, **query),
        Case("prompt-excluded-weightedmean-new", ("weightedmean",), True, include_prompt=False, **query),
        Case("prompt-excluded-cls-new", ("cls",), True, include_prompt=False, **query),
        Case("prompt-included", **query),
        Case("prompt-default", prompts=PROMPTS, default_prompt_name="query"),
        Case("truncated", dimensions=SHORTER),
        Case("truncated-renormalized", dimensions=SHORTER, renormalize=True),
    ]


def write_all(root: Path) -> None:
    """Write every overlay, then encode with each laid over the tiny BERT."""
    folder = root / "pooling"
    shutil.rmtree(folder, ignore_errors=True)
    expected: dict[str, np.ndarray] = {}
    described = []
    for seed, case in enumerate(cases(), start=101):
        torch.manual_seed(seed)
        write_overlay(case, folder / case.name)
        expected[case.name] = encode(case, root / "bert" / "model", folder / case.name)
        described.append(describe(case, expected[case.name].shape[1]))
    save_file(expected, folder / "expected.safetensors")
    text = json.dumps({"model": "../bert/model", "texts": CASES, "cases": described}, indent=1) + "\n"
    (folder / "cases.json").write_text(text, encoding="utf-8")
    print(f"pooling: {len(described)} cases written")


def describe(case: Case, width: int) -> dict[str, Any]:
    """A case's line in cases.json: the options of the call, null or false where none was given."""
    return {
        "name": case.name,
        "width": width,
        "prompt_name": case.prompt_name,
        "dimensions": case.dimensions,
        "normalize": case.renormalize,
    }


def pooling_config(case: Case) -> dict[str, Any]:
    """1_Pooling/config.json; the new form as the installed release itself writes it."""
    if case.new_form:
        return Pooling(case.width, case.modes, include_prompt=case.include_prompt).get_config_dict()
    return old_pooling_config(case.width, case.modes) | {"include_prompt": case.include_prompt}


def write_overlay(case: Case, folder: Path) -> None:
    """Write modules.json and one folder a module; Dense also brings its weights."""
    chain: list[tuple[str, Callable[[Path], None] | None]] = [("Transformer", None)]
    chain.append(("Pooling", lambda path: write_json(path / "config.json", pooling_config(case))))
    chain += [("Dense", lambda path, layer=layer: write_dense(layer, path)) for layer in case.dense]
    if case.normalize:
        chain.append(("Normalize", None))
    modules = []
    for index, (kind, write) in enumerate(chain):
        path = f"{index}_{kind}" if index else ""
        full_name = NEW_TYPES[kind] if case.new_form else f"{OLD_TYPES}.{kind}"
        modules.append({"idx": index, "name": str(index), "path": path, "type": full_name})
        if write is not None:
            write(folder / path)
    write_json(folder / "modules.json", modules)
    if case.prompts:
        prompts = {"prompts": case.prompts, "default_prompt_name": case.default_prompt_name}
        write_json(folder / "config_sentence_transformers.json", prompts)


def write_dense(layer: Layer, folder: Path) -> None:
    """Let the library write its own module."""
    folder.mkdir(parents=True)
    dense = Dense(layer.inputs, layer.outputs, layer.bias, layer.activation)
    with torch.no_grad():
        dense.linear.weight.copy_(torch.randn(dense.linear.weight.shape) / layer.inputs**0.5)
        if layer.bias:
            dense.linear.bias.copy_(torch.randn(dense.linear.bias.shape) * 0.3)
    dense.save(str(folder))


def encode(case: Case, model_folder: Path, overlay: Path) -> np.ndarray:
    """What sentence-transformers gives for the overlaid folder, one text at a time."""
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        shutil.copytree(model_folder, folder, dirs_exist_ok=True, ignore=shutil.ignore_patterns("modules.json", "?_*"))
        shutil.copytree(overlay, folder, dirs_exist_ok=True)
        model = SentenceTransformer(str(folder), device="cpu", truncate_dim=case.dimensions)
        vectors = model.encode(
            list(CASES),
            prompt_name=case.prompt_name,
            batch_size=1,
            normalize_embeddings=case.renormalize,
            show_progress_bar=False,
        )
    return np.ascontiguousarray(vectors, dtype=np.float32)
