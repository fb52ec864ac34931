"""Makes a tiny Mamba-2 model whose states grow beyond a training length, for tests. Standard library alone."""

from __future__ import annotations

import json
import math
import random
import struct
from array import array
from pathlib import Path

VOCABULARY, HIDDEN, LAYERS, HEADS, HEAD_DIM, STATE, KERNEL = 61, 16, 2, 2, 16, 8, 4
TRAINED = 128
"""Tokens within which its states are called learned."""
FORGETS, KEEPS = 2.5, -9.0  # A_log; decays of a step of 0.3 are 0.03 and 0.99996


def weights() -> dict[str, tuple[tuple[int, ...], list[float]]]:
    """Head 0 of each layer forgets next to nothing, head 1 all but the last tokens."""
    source = random.Random(22)

    def normal(*shape: int, scale: float) -> tuple[tuple[int, ...], list[float]]:
        return shape, [source.gauss(0, scale) for _ in range(math.prod(shape))]

    inner = HEADS * HEAD_DIM
    channels = inner + 2 * STATE
    tensors = {
        "embeddings.weight": normal(VOCABULARY, HIDDEN, scale=1.0),
        "norm_f.weight": ((HIDDEN,), [1.0] * HIDDEN),
    }
    for layer in range(LAYERS):
        prefix = f"layers.{layer}."
        tensors |= {
            prefix + "norm.weight": ((HIDDEN,), [1.0] * HIDDEN),
            prefix + "mixer.in_proj.weight": normal(inner + channels + HEADS, HIDDEN, scale=0.3),
            prefix + "mixer.conv1d.weight": normal(channels, 1, KERNEL, scale=0.5),
            prefix + "mixer.conv1d.bias": normal(channels, scale=0.3),
            prefix + "mixer.dt_bias": ((HEADS,), [-1.0] * HEADS),
            prefix + "mixer.A_log": ((HEADS,), [KEEPS, FORGETS]),
            prefix + "mixer.D": ((HEADS,), [1.0] * HEADS),
            prefix + "mixer.norm.weight": ((inner,), [1.0] * inner),
            prefix + "mixer.out_proj.weight": normal(HIDDEN, inner, scale=0.2),
        }
    return tensors


def write_model(folder: Path) -> Path:
    """The folder, which must not be there yet."""
    folder.mkdir()
    header, data = {}, b""
    for name, (shape, values) in weights().items():
        body = array("f", values).tobytes()
        header[name] = {"dtype": "F32", "shape": shape, "data_offsets": [len(data), len(data) + len(body)]}
        data += body
    text = json.dumps(header).encode()
    (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(text)) + text + data)
    config = {
        "model_type": "mamba2",
        "vocab_size": VOCABULARY,
        "hidden_size": HIDDEN,
        "num_hidden_layers": LAYERS,
        "num_heads": HEADS,
        "head_dim": HEAD_DIM,
        "state_size": STATE,
        "n_groups": 1,
    }
    (folder / "config.json").write_text(json.dumps(config))
    vocabulary = {"[UNK]": 0} | {f"w{word}": word for word in range(1, VOCABULARY)}
    tokenizer = {
        "version": "1.0",
        "added_tokens": [],
        "pre_tokenizer": {"type": "WhitespaceSplit"},
        "model": {"type": "WordLevel", "vocab": vocabulary, "unk_token": "[UNK]"},
    }
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer))
    return folder


def text_of(words: int, number: int) -> str:
    """Of that many tokens."""
    return " ".join(f"w{1 + (word * word + number) % 7 + number % 20}" for word in range(words))
