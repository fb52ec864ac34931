#!/usr/bin/env python3
"""Compare Treble with other CPU engines on the same texts with the same threads, and write docs/benchmarks.md.

    .venv-peers/bin/python benchmarks/bench_peers.py --quick                      # everything, fewer texts
    .venv-peers/bin/python benchmarks/bench_peers.py --model all-MiniLM-L6-v2 --workload W4
    .venv-peers/bin/python benchmarks/bench_peers.py --report                     # write the page anew from build/bench

Every engine is a process of its own; their runs of a workload are interleaved, and figures are medians. Results add
up in build/bench, a file a model and workload, so a long comparison can be run in pieces.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parent))

from peers import convert, report
from peers.engines import PEERS, has_bfloat16
from peers.machine import cpu_name, isa_names
from peers.process import EngineProcess, Launch, Unavailable
from peers.workloads import WORKLOADS, Workload, build_texts
from tokenizers import Tokenizer

ROOT = Path(__file__).resolve().parent.parent
MODELS = ("all-MiniLM-L6-v2", "bge-small-en-v1.5", "all-mpnet-base-v2")
OURS = ("treble-f32", "treble-bf16", "treble-int8")
QUICK_WORK = 2.4e11  # multiplications of one quick run: some seconds of the slower engines
SLOW = 2.0  # engines that take this many times as long as the best of their precision are timed once
WARMUP_SHARE = 0.25
SETTLE_SECONDS = 0.4  # threads of some engines spin-wait this long, on the next engine's cores


def model_shape(model: Path) -> dict:
    """What the work of a token depends on."""
    config = json.loads((model / "config.json").read_text(encoding="utf-8"))
    names = {"layers": "num_hidden_layers", "hidden": "hidden_size", "intermediate": "intermediate_size"}
    return {short: config[name] for short, name in names.items()}


def multiplications_a_token(shape: dict) -> int:
    """Of the GEMMs with weights."""
    hidden, wide = shape["hidden"], shape["intermediate"]
    return shape["layers"] * (4 * hidden * hidden + 2 * hidden * wide)


def flops(shape: dict, lengths: list[int]) -> float:
    """Of all matmuls of these texts, attention's included."""
    attention = sum(4.0 * length * length * shape["hidden"] * shape["layers"] for length in lengths)
    return 2.0 * multiplications_a_token(shape) * sum(lengths) + attention


def choose_count(workload: Workload, shape: dict, quick: bool) -> int:
    """How many texts one run embeds."""
    if not quick:
        return workload.count
    tokens = QUICK_WORK / multiplications_a_token(shape)
    minimum = 2 if workload.extended else 16
    return int(min(workload.count, 150 if workload.single else 1000, max(minimum, tokens / workload.mean_tokens)))


def gemm_peak(probe: Path, threads: int, shape: dict) -> dict:
    """GFLOP/s by precision; null where the CPU has no such products."""
    command = [str(probe), str(threads), str(shape["hidden"]), str(shape["intermediate"])]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def start_engines(names: list[str], launch: Launch, folder: Path) -> tuple[dict[str, EngineProcess], dict[str, str]]:
    """Those that come up, and why the others do not."""
    running, reasons = {}, {}
    for name in names:
        if name == "treble-bf16" and not has_bfloat16():
            reasons[name] = "the CPU has no bfloat16 products, Treble would emulate them"
            continue
        try:
            running[name] = EngineProcess(name, launch, folder / "engines.log")
        except Unavailable as error:
            reasons[name] = str(error)
    return running, reasons


def run_seconds(answer: dict) -> float:
    return sum(answer["latencies"]) if "latencies" in answer else answer["seconds"]


def slow_engines(first: dict[str, dict]) -> set[str]:
    """Those far behind the best of their precision."""
    best: dict[str, float] = {}
    for name, answer in first.items():
        precision = report.precision_of(name)
        best[precision] = min(best.get(precision, run_seconds(answer)), run_seconds(answer))
    return {name for name, answer in first.items() if run_seconds(answer) > SLOW * best[report.precision_of(name)]}


def measure_rounds(
    running: dict[str, EngineProcess], command: dict, rounds: int, first: dict[str, dict]
) -> dict[str, list[dict]]:
    """Each engine once a round, begun with another one each time; slow ones keep their first run."""
    slow = slow_engines(first)
    answers: dict[str, list[dict]] = {name: [first[name]] if name in slow else [] for name in running}
    names = [name for name in running if name not in slow]
    for turn in range(rounds):
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            time.sleep(SETTLE_SECONDS)
            answers[name].append(running[name].ask(command))
    return answers


def figures(answers: list[dict], tokens: int) -> dict:
    """Medians of one engine."""
    found = {"peak_mib": max(answer["peak_mib"] for answer in answers)}
    if "latencies" in answers[0]:
        every = [value for answer in answers for value in answer["latencies"]]
        found["p50"] = float(np.percentile(every, 50))
        found["p99"] = float(np.percentile(every, 99))
        seconds = statistics.median(sum(answer["latencies"]) for answer in answers)
    else:
        seconds = statistics.median(answer["seconds"] for answer in answers)
    return found | {"seconds": seconds, "tokens_per_second": tokens / seconds}


def against_reference(out: Path, reference: np.ndarray) -> dict:
    """How far vectors lie from float32's."""
    vectors = np.fromfile(out, np.float32).reshape(reference.shape)
    norms = np.linalg.norm(vectors, axis=1) * np.linalg.norm(reference, axis=1)
    cosines = (vectors * reference).sum(1) / norms
    return {
        "max_abs": float(np.abs(vectors - reference).max()),
        "mean_cosine": float(cosines.mean()),
        "min_cosine": float(cosines.min()),
    }


class Comparison:
    """One model and one workload."""

    def __init__(self, arguments: argparse.Namespace, model: str, workload: Workload) -> None:
        self.arguments, self.name, self.workload = arguments, model, workload
        self.original = ROOT / "models" / model
        self.cache = ROOT / "build" / "bench" / "models" / model
        self.folder = ROOT / "build" / "bench" / "runs" / f"{model}-{workload.name}"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.shape = model_shape(self.original)
        self.tokenizer = Tokenizer.from_file(str(self.original / "tokenizer.json"))
        self.tokenizer.no_truncation()
        self.tokenizer.no_padding()

    def prepare(self) -> tuple[dict, list[int]]:
        """The text files that engines read, and the lengths of the texts."""
        count = choose_count(self.workload, self.shape, self.arguments.quick)
        texts, _ = build_texts(self.workload, count, self.tokenizer, self.arguments.texts)
        lengths = [len(one.ids) for one in self.tokenizer.encode_batch(texts)]
        (self.folder / "texts.txt").write_text("\n".join(texts) + "\n", encoding="utf-8")
        some = texts[:: max(1, int(len(texts) / max(4, WARMUP_SHARE * len(texts))))]
        (self.folder / "some.txt").write_text("\n".join(some) + "\n", encoding="utf-8")
        calibration, _ = build_texts(WORKLOADS["W4"], convert.CALIBRATION_TEXTS, self.tokenizer, self.arguments.texts)
        (self.cache).mkdir(parents=True, exist_ok=True)
        (self.cache / "calibration.txt").write_text("\n".join(calibration) + "\n", encoding="utf-8")
        command = {"do": "run", "texts": str(self.folder / "texts.txt"), "single": self.workload.single}
        return command, lengths

    def launch(self) -> Launch:
        model, cache = self.original, self.cache
        if self.workload.extended:
            model = convert.extended_model(self.original, self.cache, self.workload.max_length)
            cache = self.cache / "extended"
        arguments = self.arguments
        worker = arguments.build / "bin" / "treble_bench_worker"
        calibration = self.cache / "calibration.txt"
        limit = self.workload.max_length
        return Launch(
            model, self.original, cache, calibration, arguments.threads, limit, worker, self.workload.extended
        )

    def run(self) -> dict:
        command, lengths = self.prepare()
        chosen = [name for name in (*OURS, *PEERS) if self.arguments.engine is None or name in self.arguments.engine]
        running, reasons = start_engines(chosen, self.launch(), self.folder)
        warm = command | {"texts": str(self.folder / "some.txt")}
        batches = {name: process.ask(warm | {"do": "tune"})["batch_size"] for name, process in running.items()}
        first = {}
        for name, process in running.items():
            time.sleep(SETTLE_SECONDS)
            first[name] = process.ask(command | {"out": str(self.folder / f"{name}.f32")})
        peak = gemm_peak(self.arguments.build / "bin" / "treble_gemm_probe", self.arguments.threads, self.shape)
        answers = measure_rounds(running, command, self.arguments.rounds, first)
        for process in running.values():
            process.close()
        result = {"model": self.name, "workload": self.workload.name, "title": self.workload.title}
        result |= {"texts": len(lengths), "tokens": sum(lengths), "threads": self.arguments.threads}
        result |= {"flops": flops(self.shape, lengths), "gemm_gflops": peak, "left_out": reasons, "engines": {}}
        reference = self.reference(running, len(lengths))
        for name, process in running.items():
            entry = figures(answers[name], sum(lengths)) | {"startup": process.startup, "batch_size": batches[name]}
            entry |= against_reference(self.folder / f"{name}.f32", reference)
            result["engines"][name] = entry
        return result

    def reference(self, running: dict, count: int) -> np.ndarray:
        """sentence-transformers' float32 vectors, or where it is left out the first engine's."""
        name = "st-f32" if "st-f32" in running else next(iter(running))
        return np.fromfile(self.folder / f"{name}.f32", np.float32).reshape(count, -1)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", action="append", choices=MODELS, help="again for several [all]")
    parser.add_argument("--workload", action="append", choices=list(WORKLOADS), help="again for several [all]")
    parser.add_argument("--engine", action="append", choices=[*OURS, *PEERS], help="again for several [all]")
    parser.add_argument("--quick", action="store_true", help="fewer texts a run")
    parser.add_argument("--rounds", type=int, default=3, help="timed runs of each engine")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--texts", type=Path, help="a folder or file of prose [docstrings of Python's library]")
    parser.add_argument("--build", type=Path, default=ROOT / "build" / "release")
    parser.add_argument("--report", action="store_true", help="only write docs/benchmarks.md from what was measured")
    parser.add_argument("--prepare", action="store_true", help="only convert the models and start every engine once")
    return parser.parse_args()


def main() -> int:
    arguments = parse_arguments()
    results = ROOT / "build" / "bench"
    for model in [] if arguments.report else arguments.model or MODELS:
        for name in arguments.workload or WORKLOADS:
            comparison = Comparison(arguments, model, WORKLOADS[name])
            if arguments.prepare:
                comparison.prepare()
                running, reasons = start_engines([*OURS, *PEERS], comparison.launch(), comparison.folder)
                for process in running.values():
                    process.close()
                print(f"{model} {name}: {', '.join(running)} ready", *(f"; {k}: {v}" for k, v in reasons.items()))
                continue
            result = comparison.run() | {"cpu": cpu_name(), "isa": isa_names(), "quick": arguments.quick}
            (results / f"{model}-{name}.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
            print(report.one_table(result), flush=True)
    if not arguments.prepare:
        report.write_page(results, ROOT / "docs")
    return 0


if __name__ == "__main__":
    sys.exit(main())
