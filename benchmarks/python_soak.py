#!/usr/bin/env python3
"""Loads, uses and drops encoders from Python for minutes, and watches memory, threads and the clock.

    PYTHONPATH=build/release/python python benchmarks/python_soak.py --model models/all-MiniLM-L6-v2 --minutes 5

A round: 32 encoders alive at once and dropped, one loaded and used again and again, eight threads on one encoder, many
coroutines of which some are cancelled, errors in the middle of calls, forked and spawned processes. After the first
rounds resident memory may grow by at most ALLOWED_GROWTH_MIB and the process must have no more threads and open files
than it had; a round that takes longer than ROUND_LIMIT seconds is taken for a deadlock: all stacks are printed and the
program ends.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import faulthandler
import gc
import multiprocessing
import os
import pickle
import random
import sys
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path

import numpy as np
import treble

ROOT = Path(__file__).resolve().parent.parent
SMALL = ROOT / "tests" / "golden" / "bert" / "model"
ALLOWED_GROWTH_MIB = 16
WARM_ROUNDS = 5
ROUND_LIMIT = 120
WORDS = [
    "the",
    "harbour",
    "letter",
    "ship",
    "leaves",
    "at",
    "dawn",
    "for",
    "another",
    "port",
    "with",
    "tea",
    "and",
    "brass",
]


def make_texts(seed: int, count: int, longest: int = 120) -> list[str]:
    generator = random.Random(seed)
    return [" ".join(generator.choices(WORDS, k=generator.randint(1, longest))) for _ in range(count)]


def status(name: str) -> int:
    """A number of /proc/self/status: VmRSS in KiB, Threads."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name))
    return int(line.split()[1])


def check(condition: bool, what: str) -> None:
    if not condition:
        raise SystemExit(f"soak: {what}")


def many_alive(seed: int) -> None:
    encoders = [treble.SentenceEncoder(SMALL, threads=2) for _ in range(32)]
    text = make_texts(seed, 1, longest=20)[0]
    vectors = np.stack([encoder.encode(text) for encoder in encoders])
    check(bool((vectors == vectors[0]).all()), "32 encoders of one model differ")


def load_and_drop(model: str, seed: int) -> None:
    for number in range(2):
        treble.SentenceEncoder(model, temperature=0.8).encode(make_texts(seed + number, 8))
    treble.SentenceEncoder(model, dtype="int8")


def threads(encoder: treble.SentenceEncoder, seed: int) -> None:
    parts = [make_texts(seed + part, 4) for part in range(8)]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(encoder.encode, parts))
    for part, vectors in zip(parts, together, strict=True):
        np.testing.assert_allclose(vectors, encoder.encode(part), rtol=0, atol=1e-6)


async def coroutines(encoder: treble.SentenceEncoder, seed: int) -> None:
    texts = make_texts(seed, 64, longest=30)
    tasks = [asyncio.create_task(encoder.aencode(text)) for text in texts]
    await asyncio.sleep(0.001)
    for task in tasks[::4]:
        task.cancel()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    expected = encoder.encode(texts)
    for row, result in enumerate(results):
        if isinstance(result, BaseException):
            check(row % 4 == 0 and isinstance(result, asyncio.CancelledError), f"text {row}: {result!r}")
        else:
            np.testing.assert_allclose(result, expected[row], rtol=0, atol=1e-6)


def errors(encoder: treble.SentenceEncoder, seed: int) -> None:
    texts = make_texts(seed, 20)
    calls: list[tuple[type[Exception], Callable[[], object]]] = [
        (treble.NotFoundError, lambda: treble.SentenceEncoder("no-such-model")),
        (treble.InvalidArgumentError, lambda: encoder.encode(texts, temperature=-1.0)),
        (treble.TextTooLongError, lambda: encoder.encode(texts, truncation="error", max_length=8)),
        (TypeError, lambda: encoder.encode([*texts, 7])),
    ]
    for kind, call in calls:
        with contextlib.suppress(kind):
            call()
            check(False, f"{kind.__name__} was not raised")


def in_a_fork(encoder: treble.SentenceEncoder, model: str) -> int:
    """0 when the parent's encoder is refused and one of its own works."""
    try:
        encoder.encode("a letter")
        return 1
    except treble.Error:
        pass
    return 0 if treble.SentenceEncoder(model, threads=1).encode("a letter").shape == (encoder.info["dim"],) else 2


def fork(encoder: treble.SentenceEncoder, model: str) -> None:
    child = os.fork()
    if child == 0:
        # An end without Python's own, as multiprocessing does it; a deadlock is met by the parent's limit.
        with contextlib.suppress(BaseException):
            os._exit(in_a_fork(encoder, model))
        os._exit(3)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    check(code == 0, f"a forked child ended with {code}")


def in_a_worker(pickled: bytes, texts: list[str]) -> np.ndarray:
    return pickle.loads(pickled).encode(texts)


def workers(encoder: treble.SentenceEncoder, seed: int) -> None:
    parts = [make_texts(seed + part, 4) for part in range(4)]
    with ProcessPoolExecutor(2, mp_context=multiprocessing.get_context("spawn")) as pool:
        futures = [pool.submit(in_a_worker, pickle.dumps(encoder), part) for part in parts]
        for part, future in zip(parts, futures, strict=True):
            np.testing.assert_allclose(future.result(ROUND_LIMIT), encoder.encode(part), rtol=0, atol=1e-6)


def run_round(encoder: treble.SentenceEncoder, model: str, number: int) -> None:
    seed = 1000 * number
    many_alive(seed)
    load_and_drop(model, seed)
    threads(encoder, seed)
    if hasattr(encoder, "aencode"):
        asyncio.run(coroutines(encoder, seed))
    errors(encoder, seed)
    fork(encoder, model)
    if number % 5 == 0:
        workers(encoder, seed)
    gc.collect()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--minutes", type=float, default=5)
    arguments = parser.parse_args()
    encoder = treble.SentenceEncoder(arguments.model)
    memory, others = [], []
    end = time.monotonic() + 60 * arguments.minutes
    while time.monotonic() < end or len(memory) <= 2 * WARM_ROUNDS:
        faulthandler.dump_traceback_later(ROUND_LIMIT, exit=True)
        run_round(encoder, arguments.model, len(memory))
        faulthandler.cancel_dump_traceback_later()
        memory.append(status("VmRSS") / 1024)
        others.append((status("Threads"), len(os.listdir("/proc/self/fd"))))
    warm = max(memory[: WARM_ROUNDS + 1])
    print(
        f"{len(memory)} rounds: {memory[0]:.1f} MiB after the first, {warm:.1f} when warm, {memory[-1]:.1f} at last, "
        f"{max(memory):.1f} at most; threads and files {others[WARM_ROUNDS]} when warm, {others[-1]} at the end"
    )
    grown = memory[-1] - warm
    check(grown <= ALLOWED_GROWTH_MIB, f"memory grew by {grown:.1f} MiB; {ALLOWED_GROWTH_MIB} are allowed")
    check(others[-1] <= others[WARM_ROUNDS], "threads or open files became more")
    return 0


if __name__ == "__main__":
    sys.exit(main())
