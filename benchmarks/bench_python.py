#!/usr/bin/env python3
"""Treble from Python beside `treble embed` and sentence-transformers: same vectors, same speed?

    PYTHONPATH=build/release/python .venv-golden/bin/python benchmarks/bench_python.py --model models/all-MiniLM-L6-v2

Prints the maximum difference to sentence-transformers over real texts, throughput as a ratio to the program's own (both
without loading; runs alternate), and what a call costs beside the library's own time. Without sentence-transformers the
first is left out.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import treble
from treble import cli

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT / "tools"))


def real_texts(count: int) -> list[str]:
    """Docstrings of the standard library, as tools/stdlib_texts.py gives them."""
    command = [sys.executable, str(ROOT / "tools/stdlib_texts.py")]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    texts = [json.loads(line)["text"] for line in lines]
    return (texts * (count // len(texts) + 1))[:count]


def difference(model: str, texts: list[str]) -> float | None:
    try:
        from sentence_transformers import SentenceTransformer  # noqa: PLC0415 - optional
    except ImportError:
        return None
    expected = SentenceTransformer(model, device="cpu").encode(texts, batch_size=1)
    return float(np.abs(treble.SentenceEncoder(model).encode(texts) - expected).max())


def program_seconds(model: str, corpus: Path, scratch: Path) -> float:
    summary = scratch / "summary.json"
    command = [cli.program(), "embed", "-q", "-m", model, "--force", "-o", scratch / "out.npy", "--json-summary"]
    subprocess.run([*command, summary, corpus], check=True)
    return float(json.loads(summary.read_text())["seconds"])


def python_seconds(encoder: treble.SentenceEncoder, texts: list[str]) -> float:
    start = time.perf_counter()
    encoder.encode(texts)
    return time.perf_counter() - start


def throughput(model: str, texts: list[str], runs: int) -> tuple[float, float]:
    """Median seconds of the program and of Python."""
    encoder = treble.SentenceEncoder(model)
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        corpus = scratch / "corpus.jsonl"
        corpus.write_text("".join(json.dumps({"text": text}) + "\n" for text in texts))
        times = [(program_seconds(model, corpus, scratch), python_seconds(encoder, texts)) for _ in range(runs)]
    return statistics.median(one for one, _ in times), statistics.median(one for _, one in times)


def per_call(call: object, calls: int) -> float:
    """Microseconds, the median of the calls."""
    times = []
    for _ in range(calls):
        start = time.perf_counter_ns()
        call()  # type: ignore[operator]
        times.append(time.perf_counter_ns() - start)
    return statistics.median(times) / 1e3


def overhead(model: str, calls: int) -> tuple[float, float]:
    """Microseconds of encode() of one 16-token text, and without a text: what Python and the binding take."""
    encoder = treble.SentenceEncoder(model)
    text = "a letter from the harbour keeper to the ferry about the evening tide"
    return per_call(lambda: encoder.encode(text), calls), per_call(lambda: encoder.encode([]), calls)


def concurrent(model: str, texts: list[str], threads: int) -> tuple[float, float]:
    """Texts a second of single-text calls, from one thread and from many."""
    encoder = treble.SentenceEncoder(model)

    def rate(workers: int) -> float:
        with ThreadPoolExecutor(workers) as pool:
            start = time.perf_counter()
            list(pool.map(encoder.encode, texts))
            return len(texts) / (time.perf_counter() - start)

    return rate(1), rate(threads)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--texts", type=int, default=1000)
    parser.add_argument("--runs", type=int, default=5, help="of each side; 0: the difference alone")
    arguments = parser.parse_args()
    texts = real_texts(arguments.texts)
    found = difference(arguments.model, texts)
    said = "not measured" if found is None else f"{found:.2e}"
    print(f"maximum difference to sentence-transformers, {len(texts)} texts: {said}")
    if arguments.runs == 0:
        return 0
    program, python = throughput(arguments.model, texts, arguments.runs)
    print(f"seconds for {len(texts)} texts: treble embed {program:.3f}, Python {python:.3f}: {program / python:.1%}")
    call, beside = overhead(arguments.model, 2000)
    print(f"one 16-token text: {call:.1f} us a call, {beside:.1f} us of them beside the library's work")
    single, many = concurrent(arguments.model, [text[:60] for text in texts], 16)
    print(f"single short texts a second: {single:.0f} from one thread, {many:.0f} from 16")
    return 0


if __name__ == "__main__":
    sys.exit(main())
