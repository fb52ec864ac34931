#!/usr/bin/env python3
"""Compare `treble serve` with other embedding servers on this machine, and write docs/benchmarks.md.

    .venv-peers/bin/python benchmarks/bench_server.py [--rounds 3] [--seconds 7] [--server treble --server st]

All servers have the same model and all threads, answer OpenAI's /v1/embeddings and stay up; the client
(benchmarks/server_load, which checks every vector) asks one after the other, begun with another one each round: 1, 8
and 32 requests at once, each a text of 5 to 256 tokens. The client takes its share of the same cores; its CPU time is
reported. Figures are medians of the rounds.
"""

from __future__ import annotations

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from peers import convert, report
from peers.machine import cpu_name, isa_names
from peers.process import environment

ROOT = Path(__file__).resolve().parent.parent
MODEL = "all-MiniLM-L6-v2"
MAX_LENGTH = 256  # tokens, the model's own limit
CLIENTS = (1, 8, 32)  # requests at once
TEXTS = 200  # that are not alike; the client computes their vectors before each load
SERVERS = tuple(report.SERVER_TITLES)
# llama.cpp computes in float32 but sums in another order and approximates GELU by a table; see docs/benchmarks.md.
TOLERANCE = {"treble": 1e-5, "treble-int8": 0.05, "st": 1e-5, "llama": 2e-3}
START_SECONDS = 120
SETTLE_SECONDS = 0.4


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def command(server: str, port: int, arguments: argparse.Namespace) -> list[str]:
    model = ROOT / "models" / MODEL
    threads = str(arguments.threads)
    if server.startswith("treble"):
        dtype = "int8" if server == "treble-int8" else "float32"
        program = str(arguments.build / "bin" / "treble")
        where = ["--hostname", "127.0.0.1", "--port", str(port), "--threads", threads]
        return [program, "serve", "--model", str(model), "--dtype", dtype, *where]
    if server == "st":
        return [sys.executable, str(ROOT / "benchmarks" / "peers" / "st_server.py"), str(model), str(port), threads]
    cache = ROOT / "build" / "bench" / "models" / MODEL
    cache.mkdir(parents=True, exist_ok=True)
    weights = str(convert.gguf(model, cache, "f32"))
    sizes = ["--n_ctx", "512", "--n_batch", "512", "--n_ubatch", "512", "--n_threads", threads]
    where = ["--host", "127.0.0.1", "--port", str(port), "--n_threads_batch", threads, "--model_alias", MODEL]
    return [sys.executable, "-m", "llama_cpp.server", "--model", weights, "--embedding", "true", *sizes, *where]


class ServerProcess:
    """A server that has answered once."""

    def __init__(self, server: str, arguments: argparse.Namespace, folder: Path) -> None:
        self.server = server
        self.port = free_port()
        with (folder / f"{server}.log").open("wb") as log:
            started = command(server, self.port, arguments)
            self.process = subprocess.Popen(started, env=environment(arguments.threads), stdout=log, stderr=log)
        end = time.monotonic() + START_SECONDS
        while not self.answers():
            if self.process.poll() is not None or time.monotonic() > end:
                self.close()
                raise RuntimeError(f"{server} does not answer:\n{(folder / f'{server}.log').read_text()}")
            time.sleep(0.2)

    def answers(self) -> bool:
        body = json.dumps({"model": MODEL, "input": "tea"}).encode()
        address = f"http://127.0.0.1:{self.port}/v1/embeddings"
        request = urllib.request.Request(address, body, {"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                return bool(json.load(response)["data"])
        except (urllib.error.URLError, ConnectionError):
            return False

    def load(self, arguments: argparse.Namespace, clients: int) -> dict:
        """What the client saw. A wrong vector, a hang or an error ends the comparison."""
        program = str(arguments.build / "bin" / "treble_server_load")
        options = {
            "model": ROOT / "models" / MODEL,
            "max-length": MAX_LENGTH,
            "openai": MODEL,
            "port": self.port,
            "server": self.process.pid,
            "clients": clients,
            "seconds": arguments.seconds,
            "longest": MAX_LENGTH,
            "texts": TEXTS,
            "tolerance": TOLERANCE[self.server],
        }
        flags = [f"--{name}={value}" for name, value in options.items()]
        if self.server == "llama":  # whose server leaves vectors at the length that pooling gave them
            flags.append("--normalize")
        done = subprocess.run([program, *flags], check=False, capture_output=True, text=True)
        if not done.stdout:
            raise RuntimeError(f"{self.server}: treble_server_load ended with {done.returncode}: {done.stderr}")
        answer = json.loads(done.stdout)
        bad = {name: answer[name] for name in ("wrong", "hangs", "unanswered", "refused") if answer[name]}
        if bad or set(answer["statuses"]) != {"200"}:
            raise RuntimeError(f"{self.server}: {bad}, statuses {answer['statuses']}")
        return answer

    def close(self) -> None:
        self.process.terminate()
        self.process.wait()


def figures(rounds: list[dict[int, dict]]) -> dict:
    """Medians of one server's rounds, each with an answer for each number of clients."""

    def medians(value: Callable[[dict], float]) -> dict[str, float]:
        return {str(clients): statistics.median(value(one[clients]) for one in rounds) for clients in CLIENTS}

    def times(of: str) -> dict[str, list[float]]:
        quantiles = [medians(lambda load, name=name: load[of][name]) for name in ("p50_ms", "p99_ms")]
        return {clients: [quantile[clients] for quantile in quantiles] for clients in map(str, CLIENTS)}

    return {
        "texts_per_second": medians(lambda load: load["texts_per_second"]),
        "all_ms": times("answers"),
        "short_ms": times("answers_to_short_texts"),
        "client_share": medians(
            lambda load: load["client_cpu_seconds"] / (load["client_cpu_seconds"] + load["server_cpu_seconds"])
        ),
        "peak_mb": max(load["server_peak_rss_mb"] for one in rounds for load in one.values()),
        "max_difference": max(load["max_difference"] for one in rounds for load in one.values()),
    }


def compare(arguments: argparse.Namespace) -> dict:
    names = arguments.server or SERVERS
    rounds: dict[str, list[dict[int, dict]]] = {name: [] for name in names}
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        running = {}
        for name in names:
            running[name] = ServerProcess(name, arguments, Path(folder))
            stack.callback(running[name].close)
        for turn in range(arguments.rounds):
            start = turn % len(names)
            for name in [*names[start:], *names[:start]]:
                time.sleep(SETTLE_SECONDS)
                rounds[name].append({clients: running[name].load(arguments, clients) for clients in CLIENTS})
    return {
        "model": MODEL,
        "cpu": f"{cpu_name()}, {isa_names()}",
        "clients": list(CLIENTS),
        "longest": MAX_LENGTH,
        "seconds": arguments.seconds,
        "rounds": arguments.rounds,
        "threads": arguments.threads,
        "servers": {name: figures(found) for name, found in rounds.items()},
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--server", action="append", choices=SERVERS, help="again for several [all]")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=7, help="of each load")
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    parser.add_argument("--build", type=Path, default=ROOT / "build" / "release")
    arguments = parser.parse_args()
    result = compare(arguments)
    print("\n".join(report.server_table(result)))
    folder = ROOT / "build" / "bench" / "servers"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{MODEL}.json").write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    report.write_servers(result, ROOT / "docs")
    return 0


if __name__ == "__main__":
    sys.exit(main())
