#!/usr/bin/env python3
"""Models of published sizes with random weights: Treble, sentence-transformers and OpenVINO, in turn, in one run.

    PYTHONPATH=build/release/python .venv-peers/bin/python benchmarks/bench_large.py [--family NAME] [--rounds 3]

The families are those of EmbeddingGemma 2's text tower, BGE-M3 (XLM-RoBERTa large) and Qwen3-Embedding-0.6B, with
the sizes of tools/check_real_sizes.py and a tokenizer of a few words. Each engine is a process of its own that stays
loaded; in each round every engine makes the vectors of the same texts once, the padded ones sorted by length. OpenVINO
is handed ids, runs the traced encoder and leaves pooling to NumPy; its int8 is NNCF's 8-bit weights, with activations
quantized while it runs. Prints of each engine the tokens a second (median), Treble's ratio to it in the same round,
the seconds from start to the first vector, and the peak memory.
"""

# ruff: noqa: PLC0415 - engines are imported in their own processes

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
FAMILIES = ("embedding-gemma2-text", "xlm-roberta", "qwen3")
ENGINES = ("treble f32", "treble bf16", "treble int8", "st f32", "st bf16", "ov f32", "ov bf16", "ov int8")
DTYPES = {"f32": "float32", "bf16": "bfloat16", "int8": "int8"}
WORDS = ("the", "old", "river", "keeps", "its", "bed", "while", "everything", "above", "it", "changes", "hands")
BATCH = 8
LARGEST_DIFFERENCE = {"f32": 1e-4, "bf16": 0.1, "int8": 0.2}

Encode = Callable[[list[str]], np.ndarray]


def make_texts(count: int) -> list[str]:
    """Of 4 to 250 words, mostly short ones, seeded."""
    draw = random.Random(1)
    return [" ".join(draw.choices(WORDS, k=min(250, 4 + int(draw.expovariate(1 / 60))))) for _ in range(count)]


def by_length(texts: list[str], encode: Callable[[list[str]], np.ndarray]) -> np.ndarray:
    """Batches of texts of like lengths, the rows in the texts' order."""
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
    rows: list[np.ndarray] = [np.zeros(0)] * len(texts)
    for begin in range(0, len(order), BATCH):
        taken = order[begin : begin + BATCH]
        for i, row in zip(taken, encode([texts[i] for i in taken]), strict=True):
            rows[i] = row
    return np.stack(rows)


def treble_engine(folder: Path, precision: str, threads: int) -> Encode:
    """Treble's Python package."""
    import treble

    encoder = treble.SentenceEncoder(folder, dtype=DTYPES[precision], threads=threads)  # type: ignore[arg-type]
    return lambda texts: encoder.encode(texts, normalize_embeddings=True)


def st_engine(folder: Path, precision: str, threads: int) -> Encode:
    """sentence-transformers on PyTorch."""
    import torch
    from sentence_transformers import SentenceTransformer

    torch.set_num_threads(threads)
    options = {"dtype": getattr(torch, DTYPES[precision])}
    model = SentenceTransformer(str(folder), device="cpu", model_kwargs=options)
    return lambda texts: np.asarray(
        model.encode(texts, batch_size=BATCH, normalize_embeddings=True, show_progress_bar=False), dtype=np.float32
    )


def ov_network(folder: Path) -> Any:
    """The encoder as OpenVINO traces it: ids and mask to hidden states."""
    import openvino as ov
    import torch
    from sentence_transformers import SentenceTransformer

    model = SentenceTransformer(
        str(folder), device="cpu", model_kwargs={"dtype": torch.float32, "attn_implementation": "eager"}
    )

    class Hidden(torch.nn.Module):
        def __init__(self, encoder: torch.nn.Module) -> None:
            super().__init__()
            self.encoder = encoder

        def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
            output = self.encoder(input_ids=input_ids, attention_mask=attention_mask)
            return output.last_hidden_state

    example = model.tokenizer(["the old river", "the bed"], padding=True, return_tensors="pt")
    with torch.no_grad():
        return ov.convert_model(
            Hidden(model[0].auto_model.eval()),
            example_input={name: example[name] for name in ("input_ids", "attention_mask")},
            input={"input_ids": ov.PartialShape([-1, -1]), "attention_mask": ov.PartialShape([-1, -1])},
        )


def prepare_ov(folder: Path) -> None:
    """Both forms, beside the model; not part of any time."""
    import nncf
    import openvino as ov

    network = ov_network(folder)
    ov.save_model(network, folder / "openvino.xml", compress_to_fp16=False)
    ov.save_model(nncf.compress_weights(network, mode=nncf.CompressWeightsMode.INT8_SYM), folder / "openvino-int8.xml")


def ov_engine(folder: Path, precision: str, threads: int) -> Encode:
    """OpenVINO, one stream of all threads."""
    import openvino as ov
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    pooling = json.loads((folder / "1_Pooling/config.json").read_text())
    last = pooling.get("pooling_mode_lasttoken") or pooling.get("pooling_mode") == "lasttoken"
    first = pooling.get("pooling_mode_cls_token") or pooling.get("pooling_mode") == "cls"
    path = folder / ("openvino-int8.xml" if precision == "int8" else "openvino.xml")
    hints = {
        "INFERENCE_NUM_THREADS": threads,
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": "bf16" if precision == "bf16" else "f32",
    }
    request = ov.Core().compile_model(str(path), "CPU", hints).create_infer_request()

    def encode(texts: list[str]) -> np.ndarray:
        inputs = tokenizer(texts, padding=True, truncation=True, max_length=512, return_tensors="np")
        mask = inputs["attention_mask"].astype(np.int64)
        hidden = request.infer({"input_ids": inputs["input_ids"].astype(np.int64), "attention_mask": mask})[0]
        if first:
            vectors = hidden[:, 0]
        elif last:
            places = mask.shape[1] - 1 - np.argmax(mask[:, ::-1], axis=1)
            vectors = hidden[np.arange(len(texts)), places]
        else:
            vectors = (hidden * mask[..., None]).sum(1) / mask.sum(1, keepdims=True)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)

    return lambda texts: by_length(texts, encode)


def work(engine: str, folder: Path, threads: int) -> None:
    """A process that makes vectors whenever it is told to: FILE of texts in, FILE of vectors and seconds out."""
    kind, precision = engine.split()
    began = time.perf_counter()
    encode = {"treble": treble_engine, "st": st_engine, "ov": ov_engine}[kind](folder, precision, threads)
    encode(["the old river"])
    print(json.dumps({"start": time.perf_counter() - began}), flush=True)
    for line in sys.stdin:
        texts = json.loads(line)
        start = time.perf_counter()
        vectors = encode(texts)
        taken = time.perf_counter() - start
        out = folder / f"{engine.replace(' ', '-')}.npy"
        np.save(out, vectors)
        # ru_maxrss would be that of the process it was started by, where that is larger.
        status = Path("/proc/self/status").read_text()
        peak = int(status.split("VmHWM:")[1].split()[0]) // 1024
        print(json.dumps({"seconds": taken, "vectors": str(out), "peak": peak}), flush=True)


class Worker:
    """The other end of one."""

    def __init__(self, engine: str, folder: Path, threads: int) -> None:
        command = [sys.executable, __file__, "--worker", engine, "--folder", str(folder), "--threads", str(threads)]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.start = self._answer()["start"]
        self.peak = 0

    def _answer(self) -> dict[str, Any]:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"the worker ended with {self.process.wait()}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def encode(self, texts: list[str]) -> tuple[float, np.ndarray]:
        """Seconds and vectors."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(texts) + "\n")
        self.process.stdin.flush()
        answer = self._answer()
        self.peak = answer["peak"]
        return answer["seconds"], np.load(answer["vectors"])

    def close(self) -> None:
        """Ends it."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        self.process.wait()


def make_model(family: str, folder: Path) -> None:
    """Random weights of the published size, in bfloat16."""
    sys.path.insert(0, str(ROOT / "tools"))
    import check_real_sizes
    from golden.family_models import FAMILIES as golden_families

    by_name = {one.name: one for one in golden_families}
    # The same tokenizer and sizes, with positions from a table.
    bge = by_name["jina-embeddings-v3"]
    config = {name: value for name, value in bge.config.items() if name != "rope_parameters"}
    by_name["xlm-roberta"] = dataclasses.replace(
        bge, name="xlm-roberta", config=config | {"model_type": "xlm-roberta"}, block="XLMRobertaLayer", pooling="cls"
    )
    found = by_name[family]
    check_real_sizes.write(check_real_sizes.of_real_size(found), folder)


def measure(family: str, arguments: argparse.Namespace, scratch: Path) -> None:
    """One family; prints its table."""
    folder = scratch / family
    make_model(family, folder)
    texts = make_texts(arguments.texts)
    workers: dict[str, Worker] = {}
    engines = [name for name in ENGINES if not arguments.engine or name in arguments.engine]
    if any(name.startswith("ov") for name in engines):
        try:
            prepare_ov(folder)
        except Exception as error:
            print(f"{family}: OpenVINO does not take it: {type(error).__name__}: {str(error).splitlines()[0][:200]}")
            engines = [name for name in engines if not name.startswith("ov")]
    try:
        for name in engines:
            workers[name] = Worker(name, folder, arguments.threads)
        found: dict[str, list[float]] = {name: [] for name in workers}
        expected = workers["st f32"].encode(texts)[1]
        apart: dict[str, float] = {}
        for number in range(arguments.rounds + 1):
            for name, worker in workers.items():
                seconds, vectors = worker.encode(texts)
                apart[name] = float(1 - (vectors * expected).sum(1).min())
                if number > 0:  # the first warms up
                    found[name].append(seconds)
        from transformers import AutoTokenizer

        tokenizer = AutoTokenizer.from_pretrained(folder)
        tokens = sum(len(ids) for ids in tokenizer(texts, truncation=True, max_length=512)["input_ids"])
        report(family, tokens, workers, found, apart)
    finally:
        for worker in workers.values():
            worker.close()
        shutil.rmtree(folder, ignore_errors=True)


def report(
    family: str,
    tokens: int,
    workers: dict[str, Worker],
    found: dict[str, list[float]],
    apart: dict[str, float],
) -> None:
    """Markdown."""
    print(f"\n### {family}: {tokens} tokens a round\n")
    print("| engine | tokens/s | treble of the same type | start-up, s | peak MiB | max. cosine distance to f32 |")
    print("|---|---|---|---|---|---|")
    for name, taken in found.items():
        ours = found.get(f"treble {name.split()[1]}")
        ratio = statistics.median(theirs / mine for theirs, mine in zip(taken, ours, strict=True)) if ours else 0.0
        beside = "" if name.startswith("treble") or not ours else f"{ratio:.2f}x"
        worker = workers[name]
        speed = tokens / statistics.median(taken)
        print(
            f"| {name} | {speed:.0f} | {beside} | {worker.start:.1f} | {worker.peak} | {apart[name]:.1e} |", flush=True
        )


def main() -> None:
    """Measure every family."""
    parser = argparse.ArgumentParser(description="Speed on models of published sizes with random weights.")
    parser.add_argument("--family", action="append", choices=FAMILIES, help="may be repeated [all]")
    parser.add_argument("--engine", action="append", choices=ENGINES, help="may be repeated; st f32 is always needed")
    parser.add_argument("--texts", type=int, default=24)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--worker", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    warnings.simplefilter("ignore")
    os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_OFFLINE="1", TOKENIZERS_PARALLELISM="false")
    if arguments.worker:
        work(arguments.worker, arguments.folder, arguments.threads)
        return
    from peers.machine import cpu_name, isa_names

    print(
        f"{cpu_name()} ({isa_names()}), {arguments.threads} threads, {arguments.texts} texts, {arguments.rounds} rounds"
    )
    with tempfile.TemporaryDirectory() as scratch:
        for family in arguments.family or FAMILIES:
            measure(family, arguments, Path(scratch))


if __name__ == "__main__":
    main()
