"""Makes a tiny Mamba-2 model folder for tests of programs: two layers, seeded weights. Standard library alone."""

from __future__ import annotations

import json
import math
import random
import struct
import sys
from array import array
from pathlib import Path

VOCABULARY = 200
"""Tokens: "[UNK]", then the words w1, w2, …"""
HIDDEN, LAYERS, HEADS, HEAD_DIM, STATE, KERNEL = 16, 2, 4, 8, 16, 4
MAX_LENGTH = 512
CONFIG = {
    "architectures": ["Mamba2Model"],
    "model_type": "mamba2",
    "vocab_size": VOCABULARY,
    "hidden_size": HIDDEN,
    "num_hidden_layers": LAYERS,
    "num_heads": HEADS,
    "head_dim": HEAD_DIM,
    "state_size": STATE,
    "n_groups": 1,
    "conv_kernel": KERNEL,
    "expand": 2,
}


def text(words: int, first: int = 1) -> str:
    """A text of `words` tokens."""
    return " ".join(f"w{1 + (first + 7 * i + i * i) % (VOCABULARY - 1)}" for i in range(words))


def weights(seed: int = 19) -> dict[str, tuple[tuple[int, ...], list[float]]]:
    """Name → shape and values. Steps are short and decays slow, so that the state remembers whole texts."""
    source = random.Random(seed)

    def normal(*shape: int, scale: float) -> tuple[tuple[int, ...], list[float]]:
        return shape, [source.gauss(0, scale) for _ in range(math.prod(shape))]

    def uniform(size: int, low: float, high: float) -> tuple[tuple[int, ...], list[float]]:
        return (size,), [source.uniform(low, high) for _ in range(size)]

    inner = HEADS * HEAD_DIM
    convolved = inner + 2 * STATE
    tensors = {"backbone.embeddings.weight": normal(VOCABULARY, HIDDEN, scale=1.0)}
    for layer in range(LAYERS):
        prefix = f"backbone.layers.{layer}."
        tensors |= {
            prefix + "norm.weight": uniform(HIDDEN, 0.8, 1.2),
            prefix + "mixer.in_proj.weight": normal(inner + convolved + HEADS, HIDDEN, scale=0.4),
            prefix + "mixer.conv1d.weight": normal(convolved, 1, KERNEL, scale=0.5),
            prefix + "mixer.conv1d.bias": normal(convolved, scale=0.1),
            prefix + "mixer.dt_bias": uniform(HEADS, -4.0, -2.0),
            prefix + "mixer.A_log": uniform(HEADS, -1.0, 0.5),
            prefix + "mixer.D": uniform(HEADS, 0.5, 1.5),
            prefix + "mixer.norm.weight": uniform(inner, 0.8, 1.2),
            prefix + "mixer.out_proj.weight": normal(HIDDEN, inner, scale=0.4),
        }
    return tensors | {"backbone.norm_f.weight": uniform(HIDDEN, 0.8, 1.2)}


def write_safetensors(path: Path, tensors: dict[str, tuple[tuple[int, ...], list[float]]]) -> None:
    header, data = {}, b""
    for name, (shape, values) in tensors.items():
        numbers = array("f", values)
        if sys.byteorder != "little":
            numbers.byteswap()
        begin = len(data)
        data += numbers.tobytes()
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [begin, len(data)]}
    written = json.dumps(header).encode()
    written += b" " * (-len(written) % 8)
    path.write_bytes(struct.pack("<Q", len(written)) + written + data)


def write_tokenizer(folder: Path) -> None:
    """A word a token; no special tokens around a text, as with Mamba-2's own tokenizer."""
    words = {"[UNK]": 0} | {f"w{i}": i for i in range(1, VOCABULARY)}
    unknown = {"id": 0, "content": "[UNK]", "special": True}
    unknown |= dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized"), False)
    tokenizer = {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [unknown],
        "normalizer": None,
        "pre_tokenizer": {"type": "Whitespace"},
        "post_processor": None,
        "decoder": None,
        "model": {"type": "WordLevel", "vocab": words, "unk_token": "[UNK]"},
    }
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    (folder / "tokenizer_config.json").write_text(json.dumps({"unk_token": "[UNK]"}))


def write_modules(folder: Path) -> None:
    """The last token's vector, normalised."""
    modules = [("Transformer", ""), ("Pooling", "1_Pooling"), ("Normalize", "2_Normalize")]
    listed = [
        {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for i, (kind, path) in enumerate(modules)
    ]
    (folder / "modules.json").write_text(json.dumps(listed))
    (folder / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": MAX_LENGTH}))
    (folder / "1_Pooling").mkdir(exist_ok=True)
    pooling = {"word_embedding_dimension": HIDDEN, "pooling_mode_lasttoken": True, "pooling_mode_mean_tokens": False}
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(pooling))


def write_plain(folder: Path, tensors: dict[str, tuple[tuple[int, ...], list[float]]]) -> None:
    """A Hugging Face folder without modules: no limit is stated, texts are read whole."""
    (folder / "config.json").write_text(json.dumps(CONFIG))
    write_safetensors(folder / "model.safetensors", tensors)
    write_tokenizer(folder)


def make_model(folder: Path) -> Path:
    """A complete sentence-transformers folder."""
    folder.mkdir(parents=True, exist_ok=True)
    write_plain(folder, weights())
    write_modules(folder)
    return folder


def write_norms(path: Path, norm: float) -> Path:
    """The same norm for every head, as norm:FILE reads it."""
    norms = {"schema": "treble.state_norms/1", "max_norms": [[norm] * HEADS for _ in range(LAYERS)]}
    path.write_text(json.dumps(norms))
    return path
