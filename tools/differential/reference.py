"""The reference: sentence-transformers with transformers' eager attention, float32, one text at a time."""

from __future__ import annotations

import importlib
import json
import shutil
import struct
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from golden.temperature import ATTENTION
from sentence_transformers import SentenceTransformer
from torch import Tensor, nn
from transformers import AutoConfig, AutoModel
from transformers.modeling_outputs import BaseModelOutput

from differential import folder as folders
from differential import modules
from differential.case import Case, TensorShapes, edited, write_json
from differential.families import FAMILIES, Family

ENCODERS = {"t5": "T5EncoderModel", "mt5": "MT5EncoderModel", "umt5": "UMT5EncoderModel"}


def forget_longest_text(model: nn.Module) -> None:
    """Dynamic rotary positions as a new model would have them.

    transformers keeps the base of the longest text so far for every shorter one beyond the trained length, so that a
    vector depends on the order of the texts.
    """
    for module in model.modules():
        for name in [name for name in vars(module) if name.endswith("max_seq_len_cached")]:
            setattr(module, name, module.original_max_seq_len)
            prefix = name.removesuffix("max_seq_len_cached")
            original = getattr(module, f"{prefix}original_inv_freq", None)
            if original is not None:
                setattr(module, f"{prefix}inv_freq", original)


class Softmax:
    """Divides attention logits by tau, wherever eager attention calls softmax; keeps their spread."""

    def __init__(self, tau: float) -> None:
        """Remember the functions to call."""
        self.tau = tau
        self.calls = 0
        self.spread: list[float] = []
        self.functional, self.plain = nn.functional.softmax, torch.softmax

    def wrap(self, function: Any) -> Any:
        """One replaced function."""

        def softmax(logits: Tensor, *arguments: Any, **options: Any) -> Tensor:
            self.calls += 1
            if logits.shape[-1] > 8:
                seen = logits[logits > -1e30]
                self.spread.append(float(seen.std()))
            return function(logits / self.tau if self.tau != 1.0 else logits, *arguments, **options)

        return softmax


@contextmanager
def tempered(tau: float) -> Iterator[Softmax]:
    """Every softmax inside runs at `tau`."""
    softmax = Softmax(tau)
    before = ATTENTION.tau
    ATTENTION.tau = 1.0  # twins call torch.softmax through it; the replaced function divides
    nn.functional.softmax, torch.softmax = softmax.wrap(softmax.functional), softmax.wrap(softmax.plain)
    try:
        yield softmax
    finally:
        nn.functional.softmax, torch.softmax = softmax.functional, softmax.plain
        ATTENTION.tau = before


def twin_class(family: Family) -> type[nn.Module]:
    """The plain class of published code."""
    module, name = family.twin.split(".")
    return getattr(importlib.import_module(f"golden.twins.{module}"), name)


def twin_config(case: Case, config: dict[str, Any]) -> dict[str, Any]:
    """Defaults of the published configuration class for keys left out."""
    return FAMILIES[case.family].defaults | config


def head_class(case: Case, config: Any) -> Any:
    """transformers' class that the checkpoint is saved from."""
    base = AutoModel._model_mapping[type(config)].__name__
    head = case.area("saving").get("form-head", {}).get("class")
    if head:
        return getattr(transformers, head)
    return getattr(transformers, ENCODERS.get(config.model_type, base))


def head_names(family: str) -> list[str]:
    """The heads of a family by their full names."""
    config = AutoConfig.for_model(FAMILIES[family].config["model_type"])
    base = AutoModel._model_mapping[type(config)].__name__.removesuffix("Model").removesuffix("Text")
    names = [base + head for head in FAMILIES[family].heads]
    return [name for name in names if hasattr(transformers, name)]


def header_shapes(path: Path) -> TensorShapes:
    """Names and shapes of a safetensors file."""
    with path.open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        header = json.loads(file.read(length))
    return {name: entry["shape"] for name, entry in header.items() if name != "__metadata__"}


def with_tensors(case: Case, scratch: Path) -> Case:
    """The case with the names and shapes that transformers itself saves for its configuration."""
    folder = scratch / "config"
    shutil.rmtree(folder, ignore_errors=True)
    config = folders.write_config(case, folder)
    family = FAMILIES[case.family]
    if family.twin:
        model = twin_class(family)(twin_config(case, config))
        return replace(case, tensors={name: list(tensor.shape) for name, tensor in model.state_dict().items()})
    loaded = AutoConfig.from_pretrained(folder / modules.transformer_path(case))
    model = head_class(case, loaded)(loaded)
    saved = scratch / "saved"
    shutil.rmtree(saved, ignore_errors=True)
    model.save_pretrained(saved, max_shard_size="1GB")
    return replace(case, tensors=header_shapes(saved / "model.safetensors"))


class Reference:
    """A folder loaded once, then asked at several temperatures."""

    def __init__(self, case: Case, folder: Path) -> None:
        """Load with sentence-transformers; a twin takes the place of the transformer it does not know."""
        self.case = case
        self.folder = folder
        self.model = self._load()

    def _load(self) -> SentenceTransformer:
        options: dict[str, Any] = {"dtype": torch.float32, "attn_implementation": "eager"}
        if not FAMILIES[self.case.family].twin:
            return SentenceTransformer(str(self.folder), device="cpu", model_kwargs=options).eval()
        with tempfile.TemporaryDirectory() as scratch:
            copy = Path(scratch) / "model"
            shutil.copytree(self.folder, copy)
            transformer = copy / modules.transformer_path(self.case)
            config = json.loads((transformer / "config.json").read_text(encoding="utf-8"))
            twin = load_twin(self.case, twin_config(self.case, config), transformer)
            write_json(transformer / "config.json", stand_in(self.case, config))
            options["ignore_mismatched_sizes"] = True
            model = SentenceTransformer(str(copy), device="cpu", model_kwargs=options).eval()
        model[0].model.twin = twin
        model[0].model.forward = lambda input_ids, **_: BaseModelOutput(last_hidden_state=twin(input_ids[0])[-1][None])
        return model

    @torch.no_grad()
    def encode(self, texts: tuple[str, ...], tau: float) -> np.ndarray:
        """One text at a time, none of which sees what an earlier one left behind."""
        vectors = []
        with tempered(tau) as softmax:
            for text in texts:
                forget_longest_text(self.model)
                vectors.append(
                    self.model.encode(text, prompt_name=modules.prompt_name(self.case), show_progress_bar=False)
                )
        assert softmax.calls > 0, "the reference's attention calls no softmax that was replaced"
        self.spread = float(np.mean(softmax.spread)) if softmax.spread else 0.0
        return np.asarray(vectors, dtype=np.float64)

    def in_double(self) -> Reference:
        """The same in float64."""
        self.model = self.model.double()
        return self


def load_twin(case: Case, config: dict[str, Any], folder: Path) -> nn.Module:
    """The twin with the weights of the folder."""
    twin = twin_class(FAMILIES[case.family])(config)
    tensors: dict[str, Tensor] = {}
    for path in sorted(folder.glob("model*.safetensors")):
        tensors |= load_tensors(path)
    files = folders.renamed(case, list(case.tensors or {}))
    twin.load_state_dict({name: tensors[file].float() for name, file in files.items()})
    return twin.eval()


def load_tensors(path: Path) -> dict[str, Tensor]:
    """safetensors' own reader."""
    from safetensors.torch import load_file  # noqa: PLC0415 - only twins need it

    return load_file(path)


def stand_in(case: Case, config: dict[str, Any]) -> dict[str, Any]:
    """A small BERT in whose place the twin computes; it lends its limits."""
    family = FAMILIES[case.family]
    width = config[family.width_key]
    known = twin_config(case, config)
    positions = known.get("max_position_embeddings", known.get("n_positions"))
    return {
        "model_type": "bert",
        "hidden_size": width,
        "num_attention_heads": 1,
        "num_hidden_layers": 1,
        "intermediate_size": 8,
        "vocab_size": config["vocab_size"],
        "max_position_embeddings": positions,
        "architectures": config.get("architectures"),
    }


__all__ = ["Reference", "edited", "head_names", "with_tensors"]
