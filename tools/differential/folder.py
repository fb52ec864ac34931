"""Writes a case's folder with numpy alone: the same bytes on every machine."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from differential import modules, tokenizers, weights
from differential.case import Case, edited, write_json
from differential.families import FAMILIES, Table

SAVING: Table = {
    "dtype": [{"dtype": "float16"}, {"dtype": "bfloat16"}],
    "form-shards": [{"shards": True}],
    "form-prefix": [{"prefix": True}],
    "form-norm-names": [{"old": True}],
    "form-position-ids": [{"position_ids": True}],
    "form-head": [{"head": True}],
}


def config_json(case: Case) -> dict[str, Any]:
    """config.json without the vocabulary's size."""
    return edited(FAMILIES[case.family].config, case.area("config").values())


def write_config(case: Case, folder: Path) -> dict[str, Any]:
    """The tokenizer's files and config.json, which are all that the reference needs to name the tensors."""
    transformer = folder / modules.transformer_path(case)
    rows = tokenizers.write(case, transformer)
    config = config_json(case) | {"vocab_size": rows}
    head = case.area("saving").get("form-head", {}).get("class")
    if head:
        config["architectures"] = [head]
    write_json(transformer / "config.json", config)
    return config


def renamed(case: Case, names: list[str]) -> dict[str, str]:
    """Names in the file, by the names of the family's class."""
    saving = case.area("saving")
    files = {name: name for name in names}
    if "form-norm-names" in saving:
        files = weights.old_norm_names(names)
    prefix = saving.get("form-prefix", {}).get("prefix", "")
    return {name: prefix + file for name, file in files.items()}


def write_weights(case: Case, folder: Path) -> None:
    """Every tensor in the case's dtype."""
    assert case.tensors is not None
    saving, family = case.area("saving"), FAMILIES[case.family]
    dtype = saving.get("dtype", {"dtype": "float32"})["dtype"]
    files = renamed(case, list(case.tensors))
    shapes = {files[name]: shape for name, shape in case.tensors.items()}
    data, dtypes = {}, {}
    for name, shape in case.tensors.items():
        values = weights.tensor(case.seed, name, shape, family.gain, family.embedding_std)
        data[files[name]] = weights.encoded(values, dtype)
        dtypes[files[name]] = weights.DTYPES[dtype]
    positions = [name for name in files.values() if name.endswith("position_embeddings.weight")]
    if "form-position-ids" in saving and positions:
        name = positions[0].replace("position_embeddings.weight", "position_ids")
        rows = shapes[positions[0]][0]
        data[name], shapes[name], dtypes[name] = weights.position_ids(rows), [1, rows], "I64"
    if "form-shards" in saving:
        weights.save_sharded(data, shapes, dtypes, folder)
    else:
        weights.save(data, shapes, dtypes, folder / "model.safetensors")


def write(case: Case, folder: Path) -> None:
    """The whole folder; the case must know its tensors."""
    shutil.rmtree(folder, ignore_errors=True)
    config = write_config(case, folder)
    write_weights(case, folder / modules.transformer_path(case))
    modules.write(case, config, folder)
