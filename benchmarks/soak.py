#!/usr/bin/env python3
"""Embeds texts of mixed lengths for minutes and watches the memory of the process: `make soak MINUTES=10`.

It first embeds every word there is, in texts of every length: word vectors are read from their file as words occur, and
a product is made for each number of rows. After that and the first rounds resident memory must stay where it is.
"""

from __future__ import annotations

import argparse
import itertools
import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ALLOWED_GROWTH_MIB = 8
WARM_ROUNDS = 5


def write_texts(folder: Path, prose: list[str], round_number: int) -> Path:
    """Some 60 texts of 1 to about 600 words."""
    generator = random.Random(round_number)
    words = " ".join(generator.sample(prose, 200)).split()
    path = folder / "texts.txt"
    with path.open("w", encoding="utf-8") as file:
        for _ in range(60):
            length = min(600, int(generator.lognormvariate(4, 1)) + 1)
            at = generator.randrange(max(1, len(words) - length))
            file.write(" ".join(words[at : at + length]) + "\n")
    return path


def embed(process: subprocess.Popen, texts: Path, single: bool) -> dict:
    """The worker's answer."""
    process.stdin.write(json.dumps({"do": "run", "texts": str(texts), "single": single}) + "\n")
    process.stdin.flush()
    return json.loads(process.stdout.readline())


def write_every_word(folder: Path, prose: list[str]) -> Path:
    """Each word once, in texts of 1, 2, 3 … words."""
    words = sorted(set(" ".join(prose).split()))
    path = folder / "words.txt"
    with path.open("w", encoding="utf-8") as file:
        at = 0
        for length in itertools.cycle(range(1, 301)):
            file.write(" ".join(words[at : at + length]) + "\n")
            at += length
            if at >= len(words):
                return path


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--worker", type=Path, default=ROOT / "build" / "release" / "bin" / "treble_bench_worker")
    arguments = parser.parse_args()
    lines = subprocess.run(
        [sys.executable, str(ROOT / "tools" / "stdlib_texts.py")], check=True, capture_output=True, text=True
    ).stdout.splitlines()
    prose = [json.loads(line)["text"] for line in lines]
    command = [str(arguments.worker), "--model", str(arguments.model), "--dtype", arguments.dtype]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    process.stdout.readline()
    memory: list[float] = []
    with tempfile.TemporaryDirectory() as scratch:
        embed(process, write_every_word(Path(scratch), prose), single=True)
        end = time.monotonic() + 60 * arguments.minutes
        while time.monotonic() < end or len(memory) <= WARM_ROUNDS:
            texts = write_texts(Path(scratch), prose, len(memory))
            memory.append(embed(process, texts, single=False)["rss_mib"])
    process.stdin.close()
    process.wait()
    warm, last = max(memory[: WARM_ROUNDS + 1]), memory[-1]
    print(
        f"{len(memory)} rounds: {memory[0]:.1f} MiB after the first, {warm:.1f} when warm, {last:.1f} at the end, "
        f"{max(memory):.1f} at most"
    )
    if last > warm + ALLOWED_GROWTH_MIB:
        print(f"soak: memory grew by {last - warm:.1f} MiB; {ALLOWED_GROWTH_MIB} are allowed", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
