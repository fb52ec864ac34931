#!/usr/bin/env python3
"""Compare `treble embed` with sentence-transformers (torch, float32) on the same texts of mixed, realistic lengths.

    .venv-golden/bin/python benchmarks/bench_embed.py [--json result.json]

Both run as processes of their own, interleaved, with the same number of threads. sentence-transformers gets the batch
size that suits it best. Reported are medians: tokens a second while embedding (loading left out), the whole process
from start to exit, peak memory, and how far the two sets of vectors lie apart.
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import random
import re
import statistics
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from tokenizers import Tokenizer

ROOT = Path(__file__).resolve().parent.parent
BATCH_SIZES = (8, 32, 64)
MEDIAN_TOKENS, SIGMA = 80, 0.9  # of the lognormal lengths
SHORTEST, LONGEST = 8, 512
SEED = 7
QUIET = 0.2  # cores that others may use before a figure counts as doubtful


class BenchmarkError(Exception):
    """A run that gave no figure; the message says why."""


@dataclass
class Run:
    """One process, from start to exit."""

    embed_seconds: float
    process_seconds: float
    peak_mib: float
    other_cpu: float  # cores that other processes kept busy meanwhile


# --- texts -----------------------------------------------------------------------------------------------------------


def docstrings() -> Iterator[str]:
    """Real prose: docstrings of the Python standard library, white space made single."""
    library = Path(sysconfig.get_path("stdlib"))
    for path in sorted(library.rglob("*.py")):
        if {"test", "tests", "site-packages", "idlelib"} & set(path.relative_to(library).parts):
            continue
        try:
            tree = ast.parse(path.read_text(encoding="utf-8"))
        except (SyntaxError, UnicodeDecodeError, ValueError):
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
                yield re.sub(r"\s+", " ", ast.get_docstring(node) or "").strip()


def build_texts(count: int, tokenizer: Tokenizer) -> list[str]:
    """Texts of whole words whose lengths in tokens are lognormal."""
    pool = [text for text in docstrings() if text]
    random.Random(SEED).shuffle(pool)
    stream = " ".join(pool)
    lengths = np.random.default_rng(SEED).lognormal(np.log(MEDIAN_TOKENS), SIGMA, count)
    texts, at = [], 0
    for length in np.clip(lengths, SHORTEST, LONGEST).astype(int):
        if at + 12 * LONGEST > len(stream):
            at = 0
        window = stream[at : at + 12 * int(length)]
        offsets = tokenizer.encode(window, add_special_tokens=False).offsets
        end = offsets[min(int(length) - 2, len(offsets) - 1)][0]
        text = window[:end].rsplit(" ", 1)[0]
        at += len(text) + 1
        texts.append(text)
    return texts


# --- processes -------------------------------------------------------------------------------------------------------


def environment(threads: int) -> dict[str, str]:
    """The same for both. OpenBLAS overrides would slow the peer's numpy down, so they go."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OPENBLAS_")}
    count = str(threads)
    limits = {"OMP_NUM_THREADS": count, "MKL_NUM_THREADS": count, "RAYON_NUM_THREADS": count}
    offline = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "true"}
    return kept | limits | offline


def busy_seconds() -> float:
    """Processor time that the whole machine has spent working."""
    values = [int(value) for value in Path("/proc/stat").read_text().split("\n", 1)[0].split()[1:9]]
    idle, waiting = values[3], values[4]
    return (sum(values) - idle - waiting) / os.sysconf("SC_CLK_TCK")


def run_process(command: list[str], threads: int, summary: Path) -> Run:
    """Run `command`, which writes {"seconds": ...} to `summary`, and measure it from outside."""
    with tempfile.TemporaryFile() as messages:
        busy, start = busy_seconds(), time.monotonic()
        process = subprocess.Popen(command, env=environment(threads), stdout=messages, stderr=messages)
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.monotonic() - start
        other = busy_seconds() - busy - usage.ru_utime - usage.ru_stime
        process.returncode = os.waitstatus_to_exitcode(status)
        if process.returncode != 0:
            messages.seek(0)
            tail = messages.read().decode(errors="replace").strip().splitlines()[-12:]
            raise BenchmarkError("\n".join([f"exit code {process.returncode}: {' '.join(command)}", *tail]))
    seconds = json.loads(summary.read_text(encoding="utf-8"))["seconds"]
    return Run(seconds, wall, usage.ru_maxrss / 1024, max(0.0, other / wall))


@dataclass(frozen=True)
class Workload:
    """The files of one comparison."""

    model: Path
    treble: Path
    texts: Path
    folder: Path
    threads: int
    max_length: int

    def run_treble(self) -> Run:
        """`treble embed`, as a person would call it."""
        summary = self.folder / "treble.json"
        command = [str(self.treble), "embed", "--model", str(self.model), "--threads", str(self.threads)]
        command += ["--max-length", str(self.max_length), "--json-summary", str(summary)]
        command += [str(self.texts), "-o", str(self.folder / "treble.npy")]
        for old in self.folder.glob("treble.*"):
            old.unlink()
        return run_process(command, self.threads, summary)

    def run_peer(self, batch_size: int) -> Run:
        """This file again, as the peer's process."""
        summary = self.folder / "peer.json"
        command = [sys.executable, __file__, "--as-peer", str(batch_size), "--model", str(self.model)]
        command += ["--threads", str(self.threads), "--max-length", str(self.max_length), "--folder", str(self.folder)]
        return run_process(command, self.threads, summary)


def peer(arguments: argparse.Namespace) -> None:
    """The peer's process: load, warm up, encode, save."""
    import torch  # noqa: PLC0415 - in the peer's process only
    from sentence_transformers import SentenceTransformer  # noqa: PLC0415

    torch.set_num_threads(arguments.threads)
    texts = (arguments.folder / "texts.txt").read_text(encoding="utf-8").splitlines()
    model = SentenceTransformer(str(arguments.model), device="cpu", model_kwargs={"dtype": torch.float32})
    model.max_seq_length = arguments.max_length
    model.encode(texts[:8], batch_size=8, show_progress_bar=False)
    start = time.perf_counter()
    vectors = model.encode(
        texts, batch_size=arguments.as_peer, normalize_embeddings=True, show_progress_bar=False, convert_to_numpy=True
    )
    seconds = time.perf_counter() - start
    np.save(arguments.folder / "peer.npy", vectors)
    (arguments.folder / "peer.json").write_text(json.dumps({"seconds": seconds}), encoding="utf-8")


# --- comparison ------------------------------------------------------------------------------------------------------


def best_batch_size(workload: Workload) -> int:
    """One run each; also brings the files into the page cache."""
    return min(BATCH_SIZES, key=lambda size: workload.run_peer(size).embed_seconds)


def figures(runs: list[Run], tokens: int) -> dict[str, Any]:
    """Medians over the runs of one side."""

    def median(name: str) -> float:
        return statistics.median(getattr(run, name) for run in runs)

    return {
        "tokens_per_second": tokens / median("embed_seconds"),
        "process_tokens_per_second": tokens / median("process_seconds"),
        "process_seconds": median("process_seconds"),
        "peak_mib": median("peak_mib"),
        "other_cpu": max(run.other_cpu for run in runs),
        "runs": [asdict(run) for run in runs],
    }


def compare(arguments: argparse.Namespace, workload: Workload, tokens: int) -> dict[str, Any]:
    """Interleave runs of both sides."""
    batch_size = best_batch_size(workload)
    peer_runs, treble_runs = [], []
    if not arguments.peer_only:
        workload.run_treble()
    for _ in range(arguments.runs):
        peer_runs.append(workload.run_peer(batch_size))
        if not arguments.peer_only:
            treble_runs.append(workload.run_treble())
    result = {"model": workload.model.name, "threads": workload.threads, "tokens": tokens, "batch_size": batch_size}
    result["sentence_transformers"] = figures(peer_runs, tokens)
    if treble_runs:
        result["treble"] = figures(treble_runs, tokens)
        reported = json.loads((workload.folder / "treble.json").read_text(encoding="utf-8"))["tokens"]
        if reported != tokens:
            raise BenchmarkError(
                f"treble embedded {reported} tokens, sentence-transformers {tokens}: not the same work"
            )
        difference = np.load(workload.folder / "treble.npy") - np.load(workload.folder / "peer.npy")
        result["max_abs_difference"] = float(np.abs(difference).max())
    return result


def table(result: dict[str, Any]) -> str:
    """What a person reads. Ratios above 1 are in Treble's favour, except memory, where below 1 is."""
    theirs, ours = result["sentence_transformers"], result.get("treble")
    lines = [f"{result['model']}, {result['texts']} texts, {result['tokens']} tokens, {result['threads']} threads"]
    lines.append(f"{'':32}{'sentence-transformers':>22}{'treble':>12}{'ratio':>8}")
    rows = (
        ("tokens/s while embedding", "tokens_per_second"),
        ("tokens/s, whole process", "process_tokens_per_second"),
        ("peak memory, MiB", "peak_mib"),
    )
    for title, key in rows:
        end = f"{ours[key]:12.0f}{ours[key] / theirs[key]:8.2f}" if ours else f"{'-':>12}{'-':>8}"
        lines.append(f"{title:32}{theirs[key]:22.0f}{end}")
    if ours:
        lines.append(f"largest difference of the vectors: {result['max_abs_difference']:.1e}")
    busy = max(side["other_cpu"] for side in (theirs, ours) if side)
    lines.append(
        f"sentence-transformers' batch size {result['batch_size']}; other processes took up to {busy:.1f} cores"
    )
    if busy > QUIET:
        lines.append("DOUBTFUL: the machine was not quiet, and threads that wait for each other suffer most from that")
    return "\n".join(lines)


def run(arguments: argparse.Namespace) -> None:
    """Prepare the texts, compare, print."""
    if not arguments.peer_only and not arguments.treble.exists():
        raise BenchmarkError(f"{arguments.treble} is missing: build it first, or give --peer-only")
    tokenizer = Tokenizer.from_file(str(arguments.model / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    texts = build_texts(arguments.texts, tokenizer)
    tokens = sum(min(len(one.ids), arguments.max_length) for one in tokenizer.encode_batch(texts))
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        path = folder / "texts.txt"
        path.write_text("\n".join(texts) + "\n", encoding="utf-8")
        workload = Workload(arguments.model, arguments.treble, path, folder, arguments.threads, arguments.max_length)
        result = compare(arguments, workload, tokens) | {"texts": len(texts)}
    print(table(result))
    if arguments.json:
        arguments.json.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Compare `treble embed` with sentence-transformers.")
    parser.add_argument("--model", type=Path, default=ROOT / "models" / "all-MiniLM-L6-v2")
    parser.add_argument("--treble", type=Path, default=ROOT / "build" / "release" / "bin" / "treble")
    parser.add_argument("--texts", type=int, default=600, help="how many texts")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--runs", type=int, default=3, help="timed runs of each side")
    parser.add_argument("--max-length", type=int, default=LONGEST, help="token limit for both sides")
    parser.add_argument("--peer-only", action="store_true", help="measure sentence-transformers alone")
    parser.add_argument("--json", type=Path, help="also write everything to this file")
    parser.add_argument("--as-peer", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> int:
    """Be the peer, or compare with it."""
    arguments = parse_arguments()
    try:
        if arguments.as_peer:
            peer(arguments)
        else:
            run(arguments)
    except BenchmarkError as error:
        print(f"bench_embed: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
