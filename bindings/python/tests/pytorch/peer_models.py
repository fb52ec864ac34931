"""The golden models in sentence-transformers, which tests of treble.torch share."""

from __future__ import annotations

import json
import logging
import os
import shutil
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_VERBOSITY="error", TOKENIZERS_PARALLELISM="false")
ROOT = Path(__file__).resolve().parents[4]
GOLDEN = ROOT / "tests/golden"

import numpy as np  # noqa: E402
import torch  # noqa: E402
from safetensors.torch import load_file, save_file  # noqa: E402
from sentence_transformers import SentenceTransformer  # noqa: E402

torch.set_num_threads(2)
logging.getLogger("sentence_transformers").setLevel(logging.ERROR)

NATIVE: dict[str, dict[str, Any]] = {  # of families whose golden folder asks for code that is not in transformers
    "gte-new": {"model_type": "gte", "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0}},
    "nomic-bert": {"model_type": "nomic_bert", "rope_parameters": {"rope_type": "default", "rope_theta": 1000.0}},
}
SIZES = {
    "hidden_size": "n_embd",
    "intermediate_size": "n_inner",
    "num_hidden_layers": "n_layer",
    "num_attention_heads": "n_head",
    "layer_norm_eps": "layer_norm_epsilon",
    "max_position_embeddings": "n_positions",
    "vocab_size": "vocab_size",
    "type_vocab_size": "type_vocab_size",
}


def texts() -> list[str]:
    """Of 1 to over 64 words, so that a batch of them is padded."""
    words = [
        "long",
        "texts",
        "draw",
        "together",
        "when",
        "attention",
        "spreads",
        "thin",
        "over",
        "many",
        "tokens",
        "of",
        "one",
        "and",
        "the",
        "same",
        "passage",
    ]
    lengths = (1, 3, 60, 8, 25, 2, 40, 13)
    return [" ".join(words[(7 * i + i * i) % len(words)] for i in range(k, k + n)) for k, n in enumerate(lengths)]


def native_form(name: str, scratch: Path) -> Path:
    folder = shutil.copytree(GOLDEN / name / "model", scratch / "model")
    published = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    sizes = {key: published.get(old, published.get(key)) for key, old in SIZES.items()}
    values = sizes | NATIVE[name] | {"pad_token_id": 0, "torch_dtype": "float32"}
    (folder / "config.json").write_text(json.dumps(values), encoding="utf-8")
    return folder


def t5_as(name: str, scratch: Path) -> Path:
    """mT5 has T5's tensors; UMT5 a table of position biases in each layer."""
    folder = shutil.copytree(GOLDEN / "t5-gated-gelu/model", scratch / "model")
    path = folder / "config.json"
    values = json.loads(path.read_text(encoding="utf-8")) | {"model_type": name, "architectures": []}
    path.write_text(json.dumps(values), encoding="utf-8")
    if name == "umt5":
        tensors = load_file(folder / "model.safetensors")
        bias = "encoder.block.{}.layer.0.SelfAttention.relative_attention_bias.weight"
        tensors[bias.format(1)] = tensors[bias.format(0)].flip(0).contiguous()
        save_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def load(folder: Path, implementation: str | None = None, **options: Any) -> SentenceTransformer:
    """In float32 unless told otherwise."""
    values = {"dtype": torch.float32} | options
    if implementation:
        values["attn_implementation"] = implementation
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return SentenceTransformer(str(folder), device="cpu", model_kwargs=values).eval()


def encode(model: SentenceTransformer, batch_size: int = 32, given: list[str] | None = None) -> np.ndarray:
    """Vectors of the texts; in one padded batch unless told otherwise."""
    return model.encode(given or texts(), batch_size=batch_size, show_progress_bar=False)


Embed = Callable[..., np.ndarray]


def write_profile(path: Path, layers: int, heads: int, lengths: tuple[int, ...] = (3, 9, 30)) -> Path:
    """Scales that differ everywhere, from 0.6 to 1.9."""
    random = np.random.default_rng(layers * 100 + heads)
    scales = np.round(random.uniform(0.6, 1.9, size=(layers, heads, len(lengths))), 3).tolist()
    values = {"schema": "treble.temperature_profile/1", "lengths": list(lengths), "logit_scales": scales}
    path.write_text(json.dumps(values), encoding="utf-8")
    return path
