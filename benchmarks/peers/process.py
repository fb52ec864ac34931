"""Engines as processes, measured from outside.

Protocol, a line of JSON each way. At start the process sends {"ready": true, "peak_mib"} after its first vector, or
{"unavailable": reason}. Then {"do": "tune" | "run", "texts": file, "single": bool, "out": file} is answered by
{"batch_size"}, or {"seconds" | "latencies", "peak_mib"}. It ends at the end of its input.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

HERE = Path(__file__).resolve().parent


class Unavailable(Exception):
    """The engine cannot take part; the message says why."""


@dataclass(frozen=True)
class Launch:
    """How every engine of a comparison is started."""

    model: Path  # as the peers read it
    original: Path
    cache: Path
    calibration: Path
    threads: int
    max_length: int
    treble_worker: Path
    extended: bool

    def command(self, engine: str) -> list[str]:
        common = ["--threads", str(self.threads), "--max-length", str(self.max_length)]
        if engine.startswith("treble-"):
            dtype = {"f32": "float32", "bf16": "bfloat16", "int8": "int8"}[engine.removeprefix("treble-")]
            extend = ["--extend", "interpolate"] if self.extended else []
            return [str(self.treble_worker), "--model", str(self.original), "--dtype", dtype, *common, *extend]
        worker = [sys.executable, str(HERE / "worker.py"), "--engine", engine, "--model", str(self.model)]
        return [*worker, "--cache", str(self.cache), "--calibration", str(self.calibration), *common]


def environment(threads: int) -> dict[str, str]:
    """The same for all. OpenBLAS overrides would slow numpy down, so they go."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("OPENBLAS_")}
    count = str(threads)
    limits = {"OMP_NUM_THREADS": count, "MKL_NUM_THREADS": count, "RAYON_NUM_THREADS": count}
    offline = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "TOKENIZERS_PARALLELISM": "true"}
    return kept | limits | offline


class EngineProcess:
    """A started engine."""

    def __init__(self, engine: str, launch: Launch, log: Path) -> None:
        self.engine = engine
        start = time.perf_counter()
        with log.open("ab") as messages:
            self.process = subprocess.Popen(
                launch.command(engine),
                env=environment(launch.threads),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=messages,
                text=True,
            )
        answer = self.read()
        self.startup = time.perf_counter() - start
        if "unavailable" in answer:
            self.close()
            raise Unavailable(answer["unavailable"])
        self.loaded_mib = answer["peak_mib"]

    def read(self) -> dict:
        line = self.process.stdout.readline()
        if not line:
            raise Unavailable(f"ended with exit code {self.process.wait()}")
        return json.loads(line)

    def ask(self, command: dict) -> dict:
        self.process.stdin.write(json.dumps(command) + "\n")
        self.process.stdin.flush()
        return self.read()

    def close(self) -> None:
        self.process.stdin.close()
        self.process.wait()
