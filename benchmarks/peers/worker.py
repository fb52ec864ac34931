"""One peer in a process of its own, controlled by lines of JSON on standard input; see Protocol in process.py."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path


def peak_mib() -> float:
    """Peak resident memory of this process."""
    for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    return float("nan")


class Worker:
    """Holds the loaded engine between commands."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        from peers import engines  # noqa: PLC0415

        texts = arguments.calibration.read_text(encoding="utf-8").splitlines()
        setting = engines.Setting(arguments.model, arguments.cache, arguments.threads, arguments.max_length, texts)
        self.engine = engines.load(arguments.engine, setting)
        self.batch_size = self.engine.batch_sizes[0]

    def timed(self, texts: list[str], batch_size: int) -> tuple[float, object]:
        start = time.perf_counter()
        vectors = self.engine.embed(texts, batch_size)
        return time.perf_counter() - start, vectors

    def tune(self, texts: list[str]) -> dict:
        """Each batch size once; the fastest is kept."""
        smallest = min(self.engine.batch_sizes)
        sizes = [size for size in self.engine.batch_sizes if size <= max(smallest, len(texts))]
        seconds = {size: self.timed(texts, size)[0] for size in sizes}
        self.batch_size = min(seconds, key=seconds.get)
        return {"batch_size": self.batch_size}

    def run(self, texts: list[str], single: bool, out: str | None) -> dict:
        import numpy as np  # noqa: PLC0415

        if single:
            runs = [self.timed([text], 1) for text in texts]
            vectors = np.concatenate([found for _, found in runs])
            reply = {"latencies": [seconds for seconds, _ in runs]}
        else:
            seconds, vectors = self.timed(texts, self.batch_size)
            reply = {"seconds": seconds}
        if out:
            np.asarray(vectors, np.float32).tofile(out)
        return reply | {"peak_mib": peak_mib()}


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--engine", required=True)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--calibration", type=Path, required=True)
    parser.add_argument("--threads", type=int, required=True)
    parser.add_argument("--max-length", type=int, required=True)
    arguments = parser.parse_args()
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
    # Libraries print; replies must stand alone on standard output.
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def reply(content: dict) -> None:
        replies.write(json.dumps(content) + "\n")
        replies.flush()

    from peers.engines import NotAvailable  # noqa: PLC0415

    try:
        worker = Worker(arguments)
        worker.timed(["a letter from the harbour"], 1)
    except NotAvailable as error:
        reply({"unavailable": str(error)})
        return 0
    reply({"ready": True, "peak_mib": peak_mib()})
    for line in sys.stdin:
        command = json.loads(line)
        texts = Path(command["texts"]).read_text(encoding="utf-8").splitlines()
        if command["do"] == "tune":
            reply(worker.tune(texts))
        else:
            reply(worker.run(texts, command["single"], command.get("out")))
    return 0


if __name__ == "__main__":
    sys.exit(main())
