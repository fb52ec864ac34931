#!/usr/bin/env python3
"""Pairs a second of a cross-encoder: Treble, sentence-transformers, onnxruntime and OpenVINO, in turn, in one process.

    PYTHONPATH=build/release/python .venv-golden/bin/python benchmarks/bench_rerank.py [--rounds 5] [--threads 2]

Needs torch, sentence-transformers and, for their rows, onnxruntime with onnx, and openvino. The model has MiniLM-L6's
shape and seeded random weights, as slow as trained ones, and the tokenizer of models/all-MiniLM-L6-v2. Each round
scores the same pairs, one query with passages of 20 to 180 words, by each engine once, from texts to scores; the
others sort by length and pad batches of 32, as CrossEncoder does. Prints the median of each, and the median of
Treble's ratio to it in the same round.
"""

from __future__ import annotations

import argparse
import os
import random
import shutil
import statistics
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
import treble
from peers.machine import cpu_name, isa_names
from sentence_transformers import CrossEncoder
from transformers import AutoTokenizer, BertConfig, BertForSequenceClassification

ROOT = Path(__file__).resolve().parent.parent
BATCH = 32
QUERY = "how long may a text be before its embedding draws close to all others"
TOLERANCE = 1e-4
INPUTS = ("input_ids", "attention_mask", "token_type_ids")

Score = Callable[[list[tuple[str, str]]], np.ndarray]


def make_model(folder: Path, tokenizer: Path) -> None:
    """MiniLM-L6's shape with one label; random weights."""
    torch.manual_seed(1)
    config = BertConfig(
        hidden_size=384, num_hidden_layers=6, num_attention_heads=12, intermediate_size=1536, num_labels=1
    )
    BertForSequenceClassification(config).save_pretrained(folder)
    for name in ("tokenizer.json", "tokenizer_config.json", "vocab.txt", "special_tokens_map.json"):
        if (tokenizer / name).exists():
            shutil.copy(tokenizer / name, folder)


def make_pairs(count: int) -> list[tuple[str, str]]:
    """Passages of words of this page, seeded."""
    draw = random.Random(1)
    words = (ROOT / "README.md").read_text(encoding="utf-8").split()
    return [(QUERY, " ".join(draw.choices(words, k=draw.randint(20, 180)))) for _ in range(count)]


def onnx_scorer(folder: Path, threads: int) -> Score | None:
    """The model as a fused graph; None where onnxruntime is not there."""
    try:
        import onnxruntime  # noqa: PLC0415 - optional
        from onnxruntime.transformers import optimizer  # noqa: PLC0415
    except ImportError:
        print("onnxruntime: not installed, left out")
        return None
    model = BertForSequenceClassification.from_pretrained(folder, attn_implementation="eager").eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    example = tokenizer([["a b c", "d"]] * 2, return_tensors="pt")
    path = folder / "model.onnx"
    torch.onnx.export(
        model,
        tuple(example[name] for name in INPUTS),
        path,
        input_names=list(INPUTS),
        output_names=["logits"],
        dynamic_axes={name: {0: "batch", 1: "length"} for name in INPUTS},
        dynamo=False,
    )
    fused = optimizer.optimize_model(str(path), model_type="bert", num_heads=12, hidden_size=384)
    fused.save_model_to_file(str(folder / "fused.onnx"))
    print(f"onnxruntime {onnxruntime.__version__}: fused {fused.get_fused_operator_statistics()}")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    session = onnxruntime.InferenceSession(str(folder / "fused.onnx"), options, providers=["CPUExecutionProvider"])

    return batched(tokenizer, lambda inputs: session.run(None, inputs)[0])


def openvino_scorer(folder: Path, threads: int, precision: str) -> Score | None:
    """The traced model, one stream of all threads; None where OpenVINO is not there."""
    try:
        import openvino  # noqa: PLC0415 - optional
    except ImportError:
        print("openvino: not installed, left out")
        return None
    model = BertForSequenceClassification.from_pretrained(folder, attn_implementation="sdpa").eval()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    example = dict(tokenizer([["a b c", "d"]] * 2, return_tensors="pt"))
    shapes = {name: openvino.PartialShape([-1, -1]) for name in INPUTS}
    with torch.no_grad():
        network = openvino.convert_model(model, example_input={name: example[name] for name in INPUTS}, input=shapes)
    hints = {
        "INFERENCE_NUM_THREADS": threads,
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": precision,
    }
    request = openvino.Core().compile_model(network, "CPU", hints).create_infer_request()
    print(f"openvino {openvino.__version__}, {precision}")
    return batched(tokenizer, lambda inputs: request.infer(inputs)[0])


def batched(tokenizer: Any, run: Callable[[dict[str, np.ndarray]], np.ndarray]) -> Score:
    """From pairs to scores: longest first, padded batches as CrossEncoder makes them, the logistic function."""

    def score(pairs: list[tuple[str, str]]) -> np.ndarray:
        order = np.argsort([-len(first) - len(second) for first, second in pairs], kind="stable")
        logits = np.empty(len(pairs), np.float32)
        for begin in range(0, len(pairs), BATCH):
            taken = order[begin : begin + BATCH]
            inputs = tokenizer([list(pairs[i]) for i in taken], padding=True, truncation=True, return_tensors="np")
            logits[taken] = run({name: inputs[name].astype(np.int64) for name in INPUTS})[:, 0]
        return 1 / (1 + np.exp(-logits))

    return score


def seconds(score: Score, pairs: list[tuple[str, str]], expected: np.ndarray | None, tolerance: float) -> float:
    """Of one pass; the scores must be the reference's."""
    start = time.perf_counter()
    scores = score(pairs)
    taken = time.perf_counter() - start
    if expected is not None:
        difference = float(np.abs(scores - expected).max())
        assert difference < tolerance, f"scores differ by {difference}"
    return taken


def engines(folder: Path, threads: int, dtypes: list[str]) -> dict[str, Score]:
    """By name, Treble's first."""
    found: dict[str, Score] = {}
    for dtype in dtypes:
        reranker: Any = treble.Reranker(folder, threads=threads, dtype=dtype)  # type: ignore[arg-type]
        found[f"treble {dtype}"] = reranker.predict
    cross = CrossEncoder(str(folder), device="cpu")
    found["sentence-transformers"] = lambda pairs: cross.predict(
        [list(pair) for pair in pairs], batch_size=BATCH, show_progress_bar=False
    )
    fused = onnx_scorer(folder, threads)
    if fused is not None:
        found["onnxruntime fused"] = fused
    for precision in ("f32", "bf16"):
        traced = openvino_scorer(folder, threads, precision)
        if traced is not None:
            found[f"openvino {precision}"] = traced
    return found


def main() -> None:
    """Measure."""
    parser = argparse.ArgumentParser(description="Pairs a second of a cross-encoder, by engine.")
    parser.add_argument("--tokenizer", type=Path, default=ROOT / "models/all-MiniLM-L6-v2")
    parser.add_argument("--pairs", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--dtype", action="append", help="of Treble; may be repeated [float32]")
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")  # of the export, and of the few pairs that every engine cuts alike
    torch.set_num_threads(arguments.threads)
    os.environ["TOKENIZERS_PARALLELISM"] = "true"
    pairs = make_pairs(arguments.pairs)
    dtypes = arguments.dtype or ["float32"]
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        make_model(folder, arguments.tokenizer)
        scorers = engines(folder, arguments.threads, dtypes)
        expected = scorers["sentence-transformers"](pairs)
        found: dict[str, list[float]] = {name: [] for name in scorers}
        for number in range(arguments.rounds + 1):
            for name, score in scorers.items():
                faster = name in ("treble bfloat16", "treble int8", "openvino bf16")
                taken = seconds(score, pairs, expected, 0.05 if faster else TOLERANCE)
                if number > 0:  # the first warms up
                    found[name].append(taken)
    print(
        f"{cpu_name()} ({isa_names()}), {arguments.threads} threads, {arguments.pairs} pairs, {arguments.rounds} rounds"
    )
    for name, taken in found.items():
        line = f"{name:22} {arguments.pairs / statistics.median(taken):8.1f} pairs/s"
        for dtype in dtypes:
            ours = found[f"treble {dtype}"]
            ratio = statistics.median(theirs / mine for theirs, mine in zip(taken, ours, strict=True))
            line += f"   treble {dtype} is {ratio:.2f}x"
        print(line)


if __name__ == "__main__":
    main()
