#!/usr/bin/env python3
"""Loads, uses and drops encoders from Python for minutes, and watches memory, threads and the clock.

    PYTHONPATH=build/release/python python benchmarks/python_soak.py --model models/all-MiniLM-L6-v2 --minutes 5

A round: 32 encoders alive at once and dropped, one loaded and used again and again, eight threads on one encoder, many
coroutines of which some are cancelled, errors in the middle of calls, forked and spawned processes.

oneDNN keeps a primitive for each shape and row count, a bounded number of them (docs/python.md): a warm-up calls for
those that occur. After that the memory in use must level off, which `check_levels_off` judges: what malloc has handed
out tells a leak from the resident memory's ups and downs. The process must end with no more threads, open files and
mapped files than it had. A round that takes longer than ROUND_LIMIT seconds is taken for a deadlock: all stacks are
printed and the program ends.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import ctypes
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
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import treble

ROOT = Path(__file__).resolve().parent.parent
SMALL = ROOT / "tests" / "golden" / "bert" / "model"
ALLOWED_RESIDENT_GROWTH_MIB = 16
ALLOWED_GROWTH_KIB = 1024
"""In use, over the second half of the rounds: some primitives of row counts that the warm-up did not meet."""
WARM_ROUNDS = 5
LONGEST_WARM_UP = 200
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


class MallInfo(ctypes.Structure):
    """mallinfo2 of glibc 2.33 and newer, over all arenas."""

    _fields_ = (
        ("not_read", ctypes.c_size_t * 4),
        ("hblkhd", ctypes.c_size_t),
        ("not_read_either", ctypes.c_size_t * 2),
        ("uordblks", ctypes.c_size_t),
        ("nor_these", ctypes.c_size_t * 2),
    )


@dataclass(frozen=True)
class Usage:
    """What the process holds at a moment."""

    in_use_kib: float
    """Handed out by malloc and not freed."""
    resident_mib: float
    threads: int
    files: int
    """Open or mapped."""

    @staticmethod
    def now() -> Usage:
        mallinfo = ctypes.CDLL(None).mallinfo2
        mallinfo.restype = MallInfo
        heap = mallinfo()
        mapped = {
            line.split(maxsplit=5)[-1] for line in Path("/proc/self/maps").read_text().splitlines() if "/" in line
        }
        return Usage(
            (heap.uordblks + heap.hblkhd) / 1024,
            status("VmRSS") / 1024,
            threads_alive(),
            len(os.listdir("/proc/self/fd")) + len(mapped),
        )


def status(name: str) -> int:
    """A number of /proc/self/status: VmRSS in KiB, Threads."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name))
    return int(line.split()[1])


def threads_alive() -> int:
    """The smallest of a few counts: the kernel lets a thread be joined a moment before it stops counting it."""
    counts = []
    for _ in range(10):
        counts.append(status("Threads"))
        time.sleep(0.01)
    return min(counts)


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


def warm_up(encoder: treble.SentenceEncoder, model: str) -> None:
    """A text of every length for each kind of encoder, alone and from several threads."""
    others = [treble.SentenceEncoder(SMALL, threads=2), treble.SentenceEncoder(model, dtype="int8")]
    for one, longest in [(encoder, LONGEST_WARM_UP), *((other, other.max_seq_length) for other in others)]:
        for length in range(1, min(longest - 2, LONGEST_WARM_UP)):
            one.encode(" ".join(["the"] * length))
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda length: encoder.encode(" ".join(["the"] * length)), range(1, LONGEST_WARM_UP)))


def watch(run: Callable[[int], None], enough: Callable[[int], bool]) -> list[Usage]:
    """What the process holds after each round, until that many are `enough`."""
    usages: list[Usage] = []
    while not enough(len(usages)):
        faulthandler.dump_traceback_later(ROUND_LIMIT, exit=True)
        run(len(usages))
        gc.collect()
        faulthandler.cancel_dump_traceback_later()
        usages.append(Usage.now())
    return usages


def check_levels_off(usages: list[Usage], allowed_kib: float = ALLOWED_GROWTH_KIB) -> None:
    """Ends the program when the second half of the rounds took more than the first had taken."""
    middle = len(usages) // 2
    first, last = usages[: middle + 1], usages[-1]
    grown = last.in_use_kib - usages[middle].in_use_kib
    rounds = len(usages) - len(first)
    check(
        grown <= allowed_kib,
        f"memory in use grew by {grown:.0f} KiB over the last {rounds} rounds; {allowed_kib:.0f} are allowed",
    )
    threads, files = max(one.threads for one in first), max(one.files for one in first)
    check(last.threads <= threads, f"{last.threads} threads at the end, {threads} in the first half")
    check(last.files <= files, f"{last.files} files open or mapped at the end, {files} in the first half")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", required=True)
    parser.add_argument("--minutes", type=float, default=5)
    arguments = parser.parse_args()
    encoder = treble.SentenceEncoder(arguments.model)
    warm_up(encoder, arguments.model)
    end = time.monotonic() + 60 * arguments.minutes
    usages = watch(
        lambda number: run_round(encoder, arguments.model, number),
        lambda rounds: time.monotonic() >= end and rounds > 2 * WARM_ROUNDS,
    )
    resident = [usage.resident_mib for usage in usages]
    in_use = [usage.in_use_kib / 1024 for usage in usages]
    warm = max(resident[: WARM_ROUNDS + 1])
    print(
        f"{len(usages)} rounds, MiB after the first, in the middle, at the end: in use {in_use[0]:.2f}, "
        f"{in_use[len(in_use) // 2]:.2f}, {in_use[-1]:.2f}; resident {resident[0]:.1f}, "
        f"{resident[len(resident) // 2]:.1f}, {resident[-1]:.1f}, at most {max(resident):.1f}"
    )
    check_levels_off(usages)
    grown = resident[-1] - warm
    allowed = ALLOWED_RESIDENT_GROWTH_MIB
    check(grown <= allowed, f"resident memory grew by {grown:.1f} MiB; {allowed} are allowed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
