#!/usr/bin/env python3
"""Compare Treble with transformers' CPU path on the shape of Mamba-2 130M with random weights, in one run.

    .venv-golden/bin/python benchmarks/bench_mamba2.py [--threads 2] [--rounds 3] [--json result.json]

Interleaved: a reading of Treble (a process of its own, loading left out), then one of transformers, and so on. Reported
are medians of tokens a second by text length, their ratio, and what a token costs Treble as texts grow longer.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import torch
from peers.machine import cpu_name, isa_names
from peers.report import mamba2_section, write_section
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import Mamba2Config, Mamba2Model

ROOT = Path(__file__).resolve().parent.parent
SHAPE = {
    "vocab_size": 50288,
    "hidden_size": 768,
    "num_hidden_layers": 24,
    "num_heads": 24,
    "head_dim": 64,
    "state_size": 128,
    "n_groups": 1,
    "chunk_size": 256,
}
COMPARED = {128: 16, 512: 8, 2048: 2}
"""Tokens of a text and how many texts."""
ALONE = (1024, 4096, 16384, 65536)
"""Texts of Treble alone, one at a time, each read once."""
WORDS = 1000


def write_model(folder: Path) -> Any:
    """A model with random weights, and a tokenizer with a token a word."""
    torch.manual_seed(0)
    model = Mamba2Model(Mamba2Config(**SHAPE)).eval()
    model.save_pretrained(folder)
    tokenizer = Tokenizer(models.WordLevel({f"w{i}": i for i in range(WORDS)}, unk_token="w0"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.save(str(folder / "tokenizer.json"))
    return model


def ids_of(length: int, count: int) -> list[list[int]]:
    return [[(7 * i * i + 3 * i + text) % WORDS for i in range(length)] for text in range(count)]


def read_with_treble(treble: str, folder: Path, texts: list[list[int]], threads: int, dtype: str) -> float:
    """Seconds of embedding, as the program reports them."""
    with tempfile.TemporaryDirectory() as place:
        lines = [json.dumps({"text": " ".join(f"w{i}" for i in ids)}) for ids in texts]
        (Path(place) / "texts.jsonl").write_text("\n".join(lines) + "\n")
        command = [treble, "embed", "--model", str(folder), "--threads", str(threads), "--dtype", dtype]
        command += ["--max-length", str(1 << 20), "--json-summary", "-", "-o", f"{place}/v.npy", f"{place}/texts.jsonl"]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        return float(json.loads(done.stdout)["seconds"])


def read_with_transformers(model: Any, texts: list[list[int]]) -> float:
    """Seconds of forward passes: texts of one length need no padding, so they are one batch."""
    with torch.inference_mode():
        batch = torch.tensor(texts)
        begin = time.monotonic()
        model(input_ids=batch, use_cache=False)
        return time.monotonic() - begin


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--treble", default=os.environ.get("TREBLE", str(ROOT / "build/release/bin/treble")))
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--dtype", nargs="+", default=["float32", "bfloat16", "int8"])
    parser.add_argument("--json", type=Path)
    parser.add_argument("--write", action="store_true", help="put the result into docs/benchmarks.md")
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore")
    torch.set_num_threads(arguments.threads)
    result: dict[str, Any] = {
        "threads": arguments.threads,
        "rounds": arguments.rounds,
        "cpu": f"{cpu_name()}, {isa_names()}",
        "dtypes": arguments.dtype,
        "compared": [],
        "alone": [],
    }
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "mamba2-130m-shape"
        model = write_model(folder)
        treble = (arguments.treble, folder)
        for length, count in COMPARED.items():
            texts = ids_of(length, count)
            seconds: dict[str, list[float]] = {}
            for _ in range(arguments.rounds):
                for dtype in arguments.dtype:
                    took = read_with_treble(*treble, texts, arguments.threads, dtype)
                    seconds.setdefault(dtype, []).append(took)
                seconds.setdefault("transformers", []).append(read_with_transformers(model, texts))
            speeds = {name: length * count / statistics.median(values) for name, values in seconds.items()}
            peer = speeds["transformers"]
            result["compared"].append({"tokens": length, "texts": count, "tokens_per_second": speeds})
            print(f"{count} texts of {length} tokens: transformers {peer:.0f} tokens/s", end="")
            print("".join(f", {d} {speeds[d]:.0f} ({speeds[d] / peer:.2f} times)" for d in arguments.dtype), flush=True)
        del model
        for length in ALONE:
            took = read_with_treble(*treble, ids_of(length, 1), arguments.threads, "float32")
            speed = length / took
            result["alone"].append({"tokens": length, "tokens_per_second": speed})
            print(f"one text of {length} tokens, float32: {speed:.0f} tokens/s", flush=True)
    if arguments.write:
        write_section(mamba2_section(result), ROOT / "docs")
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
