#!/usr/bin/env python3
"""How much of the cores' speed treble.ray keeps, and whether killing a worker changes anything.

    export PYTHONPATH=build/release/python
    .venv-integrations/bin/python benchmarks/bench_ray.py [--texts 200000] [--dtype int8]

What there is to keep is the cores' sum: one process of one thread on each core, all at the same time, in memory,
without Ray or files. (Cores that work together are slower than one alone: they share a clock, caches and memory.) Then
the texts go through a local Ray cluster, from Parquet to Parquet, with as many workers of one thread as there are
cores, and again with 4 workers, one of which is killed in the middle. Every id must be there once, and every vector
equal to that of one process. The cores' sum is measured before and after each run, so that a machine that has become
slower or faster meanwhile shows. Short texts, because the work around the engine weighs most with them. Prints JSON,
after some minutes.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import random
import signal
import tempfile
import threading
import time
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import psutil
import pyarrow as pa
import pyarrow.parquet as pq

os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_DATA_DISABLE_PROGRESS_BARS": "1"}

import ray
import treble
import treble.ray

WORKER_NICENESS = 15
"""Ray's, for its workers: what else runs on the machine goes first."""
ROOT = Path(__file__).resolve().parent.parent
WORDS = (
    "harbour",
    "letter",
    "river",
    "stone",
    "light",
    "winter",
    "ship",
    "bread",
    "kitchen",
    "telescope",
    "glass",
    "ring",
    "planet",
    "goal",
    "minute",
    "tax",
    "tea",
    "port",
)


def make_texts(count: int, words: int, seed: int = 5) -> list[str]:
    source = random.Random(seed)
    return [" ".join(source.choices(WORDS, k=source.randint(words // 2, words * 3 // 2))) for _ in range(count)]


def write_corpus(path: Path, texts: list[str]) -> None:
    pq.write_table(
        pa.table({"id": pa.array(range(len(texts)), pa.int64()), "text": texts}), path, row_group_size=50_000
    )


def speed_of_a_core(model: str, dtype: str, texts: list[str]) -> tuple[float, float]:
    """Texts and tokens a second of one thread."""
    encoder = treble.SentenceEncoder(model, dtype=dtype, threads=1)
    encoder.encode(texts[:500])
    start = time.perf_counter()
    encoded = encoder.encode_with_info(texts)
    seconds = time.perf_counter() - start
    return len(texts) / seconds, int(encoded.tokens_used.sum()) / seconds


def speed_on(core: int, model: str, dtype: str, texts: list[str], barrier: threading.Barrier) -> float:
    """Texts a second of this process on one core, from when all processes are ready."""
    os.sched_setaffinity(0, {core})
    os.nice(WORKER_NICENESS)
    encoder = treble.SentenceEncoder(model, dtype=dtype, threads=1)
    encoder.encode(texts[:500])
    barrier.wait(timeout=300)
    start = time.perf_counter()
    encoder.encode(texts)
    return len(texts) / (time.perf_counter() - start)


def speed_of_the_cores(model: str, dtype: str, texts: list[str]) -> float:
    """Texts a second of one process a core, all at once, added up."""
    cores = sorted(os.sched_getaffinity(0))
    spawn = multiprocessing.get_context("spawn")
    with spawn.Manager() as manager, ProcessPoolExecutor(len(cores), mp_context=spawn) as pool:
        barrier = manager.Barrier(len(cores))
        running = [pool.submit(speed_on, core, model, dtype, texts, barrier) for core in cores]
        return sum(one.result() for one in running)


def sizing(model: str) -> list[dict[str, Any]]:
    """What one core does with texts of two lengths: the figures of docs/beyond-one-machine.md."""
    rows = []
    for dtype in ("float32", "int8"):
        for words, count in ((5, 6000), (90, 500)):
            texts, tokens = speed_of_a_core(model, dtype, make_texts(count, words))
            rows.append(
                {
                    "dtype": dtype,
                    "tokens_of_a_text": round(tokens / texts, 1),
                    "tokens_per_second": round(tokens),
                    "texts_per_second": round(texts, 1),
                }
            )
    return rows


def kill_one(output: Path, parts: int, killed: list[dict[str, int]]) -> None:
    """Kills a worker once so many files are there."""
    while len(list(output.glob("part-*"))) < parts:
        time.sleep(0.1)
    below = psutil.Process().children(recursive=True)
    victim = next(one for one in below if "_Actor" in "".join(one.cmdline()[:1]))
    victim.send_signal(signal.SIGKILL)
    killed.append({"pid": victim.pid, "after_files": len(list(output.glob("part-*")))})


def check(output: Path, expected: npt.NDArray[np.float32]) -> None:
    table = pq.read_table(output)
    ids = table.column("id").to_numpy()
    if not np.array_equal(ids, np.arange(len(expected))):
        raise SystemExit(f"{len(ids)} ids, {len(np.unique(ids))} different, for {len(expected)} rows")
    vectors = table.column("embedding").combine_chunks().flatten().to_numpy().reshape(expected.shape)
    if not np.array_equal(vectors, expected):
        raise SystemExit(f"vectors differ by up to {np.abs(vectors - expected).max()}")


def run(corpus: Path, output: Path, workers: int, kill: bool, options: argparse.Namespace) -> dict[str, Any]:
    killed: list[dict[str, int]] = []
    shards = -(-options.texts // options.shard_rows)
    killer = threading.Thread(target=kill_one, args=(output, shards // 3, killed), daemon=True)
    if kill:
        killer.start()
    cores = os.cpu_count() or 1
    # More workers than cores share them: a thread each, as Ray sees it half a core or less.
    ray.init(
        address="local",
        num_cpus=max(workers, cores),
        include_dashboard=False,
        object_store_memory=200 * 2**20,
        log_to_driver=False,
        logging_level="ERROR",
    )
    try:
        result = treble.ray.embed(
            corpus,
            model=options.model,
            output=output,
            dtype=options.dtype,
            threads=1,
            concurrency=workers,
            shard_rows=options.shard_rows,
        )
    finally:
        ray.shutdown()
    return {
        "workers": workers,
        "killed": killed,
        "seconds": round(result.seconds, 1),
        "embedding_seconds": round(result.embedding_seconds, 1),
        "texts_per_second": round(result.rows / result.embedding_seconds),
        "processes": len(result.rows_by_process),
        "files": result.shards,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default=str(ROOT / "models" / "all-MiniLM-L6-v2"))
    parser.add_argument("--texts", type=int, default=200_000)
    parser.add_argument("--words", type=int, default=5, help="of a text, on average [5]")
    parser.add_argument("--dtype", default="int8")
    parser.add_argument("--shard-rows", type=int, default=10_000)
    options = parser.parse_args()
    texts = make_texts(options.texts, options.words)
    cores = os.cpu_count() or 1
    some = texts[: options.texts // 5]
    alone, tokens = speed_of_a_core(options.model, options.dtype, some)
    expected = treble.SentenceEncoder(options.model, dtype=options.dtype).encode(texts)
    sums = [speed_of_the_cores(options.model, options.dtype, some)]
    runs = []
    with tempfile.TemporaryDirectory() as folder:
        corpus = Path(folder) / "corpus.parquet"
        write_corpus(corpus, texts)
        for workers, kill in ((cores, False), (4, True)):
            output = Path(folder) / f"out-{workers}-{kill}"
            done = run(corpus, output, workers, kill, options)
            check(output, expected)
            sums.append(speed_of_the_cores(options.model, options.dtype, some))
            runs.append(done | {"of_the_cores_sum": round(2 * done["texts_per_second"] / (sums[-2] + sums[-1]), 3)})
    report: dict[str, Any] = {
        "texts": options.texts,
        "dtype": options.dtype,
        "cpu": treble.cpu_path(),
        "cores": cores,
        "texts_per_second_of_a_core_alone": round(alone),
        "tokens_per_second_of_a_core_alone": round(tokens),
        "texts_per_second_of_the_cores": [round(one) for one in sums],
        "sizing": sizing(options.model),
    }
    print(json.dumps(report | {"runs": runs}, indent=2))


if __name__ == "__main__":
    main()
