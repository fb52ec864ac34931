"""Weights that numpy alone can make again: each tensor's numbers follow from the case's seed and the tensor's name."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from differential.case import TensorShapes, write_json

QUERY_AND_KEY = (
    *("query", "key", "q", "k", "q_lin", "k_lin", "q_proj", "k_proj"),
    *("query_proj", "key_proj", "pos_query_proj", "pos_key_proj"),
)
PACKED = ("Wqkv", "qkv_proj")
EMBEDDINGS = ("embed", "shared", "relative_attention_bias", "relative_position")
DTYPES = {"float32": "F32", "float16": "F16", "bfloat16": "BF16"}
SHARD_BYTES = 40_000


BASES = (
    *("bert.", "roberta.", "distilbert.", "mpnet.", "electra.", "albert.", "deberta.", "model."),
    *("nomic_bert.", "gte.", "new.", "transformer.", "language_model.", "ultrabert."),
)


def canonical(name: str) -> str:
    """A name without the prefixes that a checkpoint with a head gives it: the numbers must not depend on them."""
    for base in BASES:
        if name.startswith(base):
            return canonical(name.removeprefix(base))
    return name


def uniform(seed: int, name: str, count: int) -> np.ndarray:
    """Numbers in [-1, 1). Philox's raw output is the same in every release of numpy; its distributions need not be."""
    digest = hashlib.sha256(f"{seed}/{name}".encode()).digest()
    raw = np.random.Philox(key=int.from_bytes(digest[:16], "little")).random_raw(count)
    return (raw >> np.uint64(11)).astype(np.float64) * 2.0**-52 - 1.0


def tensor(seed: int, name: str, shape: list[int], gain: float, embedding_std: float) -> np.ndarray:
    """A value that shows when the tensor is dropped, swapped or transposed; `gain` spreads the attention logits."""
    values = uniform(seed, canonical(name), math.prod(shape)).reshape(shape)
    spread = math.sqrt(3.0)  # a uniform number's standard deviation is 1 / sqrt(3)
    owner = name.split(".")[-2] if "." in name else name
    if len(shape) <= 1:
        if name.endswith(("bias", "beta")):
            return values * spread * 0.2
        low = 0.0 if embedding_std < 0.5 else 0.6  # Gemma's gain is 1 + weight, and it scales its embeddings up
        norms = low + 0.4 * (values + 1.0)
        return norms * gain if owner in ("q_norm", "k_norm") else norms
    if any(part in name for part in EMBEDDINGS) and len(shape) == 2 and "project" not in name and "proj" not in owner:
        return values * spread * (embedding_std if "relative" not in name else 0.7)
    scaled = values * spread / math.sqrt(math.prod(shape[1:]))
    if owner in QUERY_AND_KEY:
        scaled *= gain
    if owner in PACKED:
        scaled[: 2 * shape[0] // 3] *= gain
    return scaled


def encoded(values: np.ndarray, dtype: str) -> bytes:
    """Little-endian bytes; bfloat16 rounds to the nearest, ties to even."""
    single = np.ascontiguousarray(values, dtype="<f4")
    if dtype == "float16":
        return single.astype("<f2").tobytes()
    if dtype == "float32":
        return single.tobytes()
    bits = single.view(np.uint32)
    rounded = bits + np.uint32(0x7FFF) + ((bits >> np.uint32(16)) & np.uint32(1))
    return (rounded >> np.uint32(16)).astype("<u2").tobytes()


def save(tensors: dict[str, bytes], shapes: TensorShapes, dtypes: dict[str, str], path: Path) -> None:
    """Write one safetensors file."""
    header: dict[str, object] = {"__metadata__": {"format": "pt"}}
    position = 0
    for name, data in tensors.items():
        header[name] = {
            "dtype": dtypes[name],
            "shape": shapes[name],
            "data_offsets": [position, position + len(data)],
        }
        position += len(data)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(len(text).to_bytes(8, "little") + text + b"".join(tensors.values()))


def shards(tensors: dict[str, bytes]) -> list[list[str]]:
    """Names in files of about SHARD_BYTES."""
    files: list[list[str]] = [[]]
    size = 0
    for name, data in tensors.items():
        if files[-1] and size + len(data) > SHARD_BYTES:
            files.append([])
            size = 0
        files[-1].append(name)
        size += len(data)
    return files


def save_sharded(tensors: dict[str, bytes], shapes: TensorShapes, dtypes: dict[str, str], folder: Path) -> None:
    """Several files and their index."""
    files = shards(tensors)
    places = {}
    for index, names in enumerate(files, start=1):
        file = f"model-{index:05d}-of-{len(files):05d}.safetensors"
        save({name: tensors[name] for name in names}, shapes, dtypes, folder / file)
        places |= dict.fromkeys(names, file)
    total = sum(len(data) for data in tensors.values())
    write_json(folder / "model.safetensors.index.json", {"metadata": {"total_size": total}, "weight_map": places})


def position_ids(rows: int) -> bytes:
    """A buffer that many checkpoints carry."""
    return np.arange(rows, dtype="<i8").tobytes()


def old_norm_names(names: Iterable[str]) -> dict[str, str]:
    """Old BERT checkpoints call a norm's weight gamma and its bias beta."""
    return {
        name: name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta")
        for name in names
    }
