#!/usr/bin/env python3
"""Embeds texts of mixed lengths for minutes and watches the memory of the process: `make soak MINUTES=10`.

Counted is memory of the process's own: a model's word vectors stay in their file, whose pages come and go as words are
used. It grows at first, with the longest text and with a product for each number of rows that occurs; after the first
rounds it must stay where it is.
"""

from __future__ import annotations

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ALLOWED_GROWTH_MIB = 8
WARM_ROUNDS = 40


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
    end = time.monotonic() + 60 * arguments.minutes
    with tempfile.TemporaryDirectory() as scratch:
        while time.monotonic() < end or len(memory) <= WARM_ROUNDS:
            texts = write_texts(Path(scratch), prose, len(memory))
            process.stdin.write(json.dumps({"do": "run", "texts": str(texts), "single": False}) + "\n")
            process.stdin.flush()
            memory.append(json.loads(process.stdout.readline())["anonymous_mib"])
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
