#!/usr/bin/env python3
"""Measure how Treble's cost grows, with length, with the number of texts, with threads, and what options cost.

    .venv-peers/bin/python benchmarks/bench_scaling.py      # writes docs/scaling.md and its plot

Every figure is a ratio of interleaved runs on this machine.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from peers.workloads import WORKLOADS, build_texts, cut_texts, read_prose
from tokenizers import Tokenizer

ROOT = Path(__file__).resolve().parent.parent
TEXT_COUNTS = (50, 100, 200, 400)
MEMORY_LENGTHS = (512, 1024, 2048, 4096, 8192)
ROUNDS = 5


class Worker:
    """treble_bench_worker, started."""

    def __init__(self, program: Path, model: Path, *options: str) -> None:
        command = [str(program), "--model", str(model), *options]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        answer = json.loads(self.process.stdout.readline())
        if "unavailable" in answer:
            sys.exit(f"bench_scaling: {answer['unavailable']}")

    def run(self, texts: Path) -> dict:
        self.process.stdin.write(json.dumps({"do": "run", "texts": str(texts), "single": False}) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait()


class Bench:
    """One model on this machine."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        self.model = ROOT / "models" / arguments.model
        self.bin = arguments.build / "bin"
        self.worker = self.bin / "treble_bench_worker"
        self.folder = ROOT / "build" / "bench" / "scaling"
        self.folder.mkdir(parents=True, exist_ok=True)
        self.tokenizer = Tokenizer.from_file(str(self.model / "tokenizer.json"))
        self.tokenizer.no_truncation()
        self.tokenizer.no_padding()

    def write(self, name: str, texts: list[str]) -> Path:
        path = self.folder / f"{name}.txt"
        path.write_text("\n".join(texts) + "\n", encoding="utf-8")
        return path

    def mixed(self, count: int) -> tuple[Path, int]:
        texts, tokens = build_texts(WORKLOADS["W4"], count, self.tokenizer, None)
        return self.write(f"mixed-{count}", texts), tokens

    def threads(self) -> dict[str, float]:
        """Tokens a second of two threads over one."""
        texts, _ = self.mixed(400)
        found = {}
        for dtype in ("float32", "int8"):
            workers = [Worker(self.worker, self.model, "--threads", n, "--dtype", dtype) for n in ("1", "2")]
            for worker in workers:
                worker.run(texts)
            ratios = []
            for _ in range(ROUNDS):
                one, two = (worker.run(texts)["seconds"] for worker in workers)
                ratios.append(one / two)
            found[dtype] = statistics.median(ratios)
            for worker in workers:
                worker.close()
        return found

    def texts(self) -> dict[int, float]:
        """Time a token by the number of texts, over that of the fewest."""
        worker = Worker(self.worker, self.model)
        inputs = {count: self.mixed(count) for count in TEXT_COUNTS}
        worker.run(inputs[TEXT_COUNTS[0]][0])
        seconds: dict[int, list[float]] = {count: [] for count in TEXT_COUNTS}
        for _ in range(3):
            for count, (path, tokens) in inputs.items():
                seconds[count].append(worker.run(path)["seconds"] / tokens)
        worker.close()
        medians = {count: statistics.median(values) for count, values in seconds.items()}
        return {count: value / medians[TEXT_COUNTS[0]] for count, value in medians.items()}

    def memory(self) -> dict[int, float]:
        """Peak MiB after one text of each length, each in a process of its own on one thread."""
        prose = read_prose(None)
        found = {}
        for length in MEMORY_LENGTHS:
            path = self.write(f"long-{length}", cut_texts(prose, [length], self.tokenizer))
            options = ("--threads", "1", "--max-length", str(length))
            extension = ("--extend", "interpolate") if length > 512 else ()
            worker = Worker(self.worker, self.model, *options, *extension)
            found[length] = worker.run(path)["peak_mib"]
            worker.close()
        return found

    def options(self) -> dict[str, float]:
        texts, _ = self.mixed(40)
        command = [str(self.bin / "treble_option_costs"), str(self.model), str(texts), "1", "9"]
        return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)

    def share(self) -> list[dict]:
        config = json.loads((self.model / "config.json").read_text(encoding="utf-8"))
        shape = [str(config[key]) for key in ("hidden_size", "num_attention_heads", "intermediate_size")]
        command = [str(self.bin / "treble_attention_share"), *shape]
        lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
        return [json.loads(line) for line in lines]


def cost(options: dict, way: str, base: str) -> float:
    """The median over the rounds of one way's time over another's."""
    return statistics.median(one / other for one, other in zip(options[way], options[base], strict=True))


def shares(lengths: list[dict]) -> list[tuple[int, float, float]]:
    """(length, measured share of the time, share of the floating-point operations) of attention."""
    return [
        (
            one["length"],
            one["attention_seconds"] / (one["attention_seconds"] + one["linear_seconds"]),
            one["attention_flops"] / (one["attention_flops"] + one["linear_flops"]),
        )
        for one in lengths
    ]


def draw(rows: list[tuple[int, float, float]], target: Path) -> None:
    import matplotlib  # noqa: PLC0415

    matplotlib.use("Agg")
    from matplotlib import pyplot  # noqa: PLC0415

    figure, axis = pyplot.subplots(figsize=(6.4, 3.8), layout="constrained")
    lengths = [row[0] for row in rows]
    axis.plot(
        lengths, [row[2] for row in rows], "--", color="#64748b", label="share of the operations: 2n / (2n + 12d)"
    )
    axis.plot(lengths, [row[1] for row in rows], "o-", color="#c2410c", label="share of the time, measured")
    axis.set_xscale("log", base=2)
    axis.set_xticks(lengths, [str(length) for length in lengths])
    axis.set_ylim(0, 1)
    axis.set_xlabel("tokens a text, n")
    axis.set_ylabel("attention's share of a layer")
    axis.grid(alpha=0.3)
    axis.legend(frameon=False)
    target.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(target, dpi=90)


def page(results: dict, model: str) -> str:
    """docs/scaling.md"""
    rows = shares(results["share"])
    options, memory = results["options"], results["memory"]
    lines = [
        "# How cost grows",
        "",
        f"Written by `make bench-scaling` (benchmarks/bench_scaling.py), with {model}; do not edit. Ratios of",
        "interleaved runs on one machine, medians. Other engines beside Treble: [benchmarks.md](benchmarks.md).",
        "",
        "## With length",
        "",
        "![attention's share of a layer's time](images/attention-share.png)",
        "",
        "A layer of width d does 24·d² operations a token in its products with weights (feed-forward 4·d wide) and",
        "4·n·d in attention, so attention's share of them is 2n / (2n + 12d). Measured on the layer's kernels, one",
        "thread, float32, 8192 tokens at every length. Short texts pay for packing keys and values; at all lengths",
        "exponentials make attention's operations slower than the products'.",
        "",
        "| tokens a text | share of the operations | share of the time |",
        "|---|---|---|",
        *(f"| {length} | {theory:.1%} | {measured:.1%} |" for length, measured, theory in rows),
        "",
        "Peak memory of a process after one text of that length (positions interpolated beyond 512, one thread).",
        "One head's matrix of logits alone would be n² floats; attention here keeps O(n).",
        "",
        "| tokens | peak MiB | n² floats, MiB |",
        "|---|---|---|",
        *(f"| {length} | {mib:.0f} | {length * length * 4 / 2**20:.0f} |" for length, mib in memory.items()),
        "",
        "## With the number of texts",
        "",
        "Time a token, mixed lengths, over that of the smallest call.",
        "",
        "| texts a call | time a token |",
        "|---|---|",
        *(f"| {count} | {ratio:.2f} |" for count, ratio in results["texts"].items()),
        "",
        "## With threads",
        "",
        "Tokens a second of two threads over one, mixed lengths: "
        + ", ".join(f"{dtype} {ratio:.2f}" for dtype, ratio in results["threads"].items())
        + ".",
        "",
        "## What options cost",
        "",
        f"{options['texts']} texts of mixed lengths, one thread.",
        "",
        "| | time |",
        "|---|---|",
        f"| temperature 0.9 over none | {cost(options, 'constant', 'plain'):.3f} |",
        f"| schedule log:64 over none | {cost(options, 'schedule', 'plain'):.3f} |",
        "| an observer that reads all it is handed, over the same texts one by one "
        f"| {cost(options, 'observed', 'alone'):.2f} |",
        "| the diagnostics of `treble inspect` in every layer and head, likewise "
        f"| {cost(options, 'probed', 'alone'):.2f} |",
        "",
    ]
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="all-MiniLM-L6-v2")
    parser.add_argument("--build", type=Path, default=ROOT / "build" / "release")
    arguments = parser.parse_args()
    bench = Bench(arguments)
    parts = {"threads": bench.threads, "texts": bench.texts, "memory": bench.memory, "options": bench.options}
    results = {}
    for name, measure in (parts | {"share": bench.share}).items():
        results[name] = measure()
        print(f"{name}: {results[name]}", flush=True)
    draw(shares(results["share"]), ROOT / "docs" / "images" / "attention-share.png")
    (ROOT / "docs" / "scaling.md").write_text(page(results, arguments.model), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
