#!/usr/bin/env python3
"""`treble serve` on a real model under load: the scenarios whose figures docs/operate.md has.

    python3 benchmarks/server_scenarios.py steady overload terminate leave long-documents one-core

Each scenario starts a server of its own, loads it with treble_server_load (-DTREBLE_BUILD_BENCHMARKS=ON), which checks
every vector, prints what it saw as JSON, and fails when a vector is wrong, an answer is missing or the server is not
whole afterwards. Server and clients share this machine's cores. Needs nothing but the standard library.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
START_SECONDS = 60
SETTLE_SECONDS = 30  # for a server to be rid of clients that left
LENGTHS = (16, 64, 256, 512)  # tokens; of one-core


class Server:
    """`treble serve` on a free port."""

    def __init__(self, arguments: argparse.Namespace, *options: str) -> None:
        self.arguments = arguments
        command = [str(arguments.build / "bin" / "treble"), "serve", "--model", str(arguments.model)]
        command += ["--hostname", "127.0.0.1", "--port", "0", "--log-level", "error", *options]
        self.process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        assert self.process.stderr
        line = self.process.stderr.readline()
        found = re.search(r"http://127\.0\.0\.1:(\d+)", line)
        if not found:
            raise RuntimeError(f"treble serve: {line}{self.process.stderr.read()}")
        self.port = int(found[1])

    def start_load(self, seconds: float, **options: object) -> subprocess.Popen[str]:
        program = str(self.arguments.build / "bin" / "treble_server_load")
        given = {"model": self.arguments.model, "port": self.port, "server": self.process.pid, "texts": 400}
        given |= {"seconds": round(seconds)} | options
        flags = [
            f"--{name.replace('_', '-')}" + ("" if value is True else f"={value}") for name, value in given.items()
        ]
        return subprocess.Popen([program, *flags], stdout=subprocess.PIPE, text=True)

    def load(self, seconds: float, **options: object) -> dict:
        return result_of(self.start_load(seconds, **options))

    def metrics(self) -> dict[str, float]:
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/metrics", timeout=START_SECONDS) as answer:
            lines = answer.read().decode().splitlines()
        pairs = (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
        return {re.sub(r'\{model="[^"]*",?', "{", name).replace("{}", ""): float(value) for name, value in pairs}

    def stop(self) -> None:
        self.process.send_signal(signal.SIGTERM)
        check(self.process.wait(START_SECONDS) == 0, "exit status 0 after SIGTERM")

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.kill()
        self.process.wait()


def result_of(load: subprocess.Popen[str]) -> dict:
    output, _ = load.communicate()
    if load.returncode != 0:
        raise RuntimeError(f"treble_server_load failed ({load.returncode}): {output}")
    return json.loads(output)


def check(holds: bool, what: object) -> None:
    if not holds:
        raise RuntimeError(f"does not hold: {what}")


def steady(arguments: argparse.Namespace) -> dict:
    """256 clients at once, all lengths; throughput beside `encode` on the same texts, memory at each minute."""
    with Server(arguments) as server:
        seen = server.load(arguments.seconds or 300, clients=256, compare=True)
        check(set(seen["statuses"]) == {"200"}, seen["statuses"])
        server.stop()
    seen["of_encode"] = seen["texts_per_second"] / seen["encode_texts_per_second"]
    seen["of_encode_per_cpu_second"] = seen["texts_per_server_cpu_second"] / seen["encode_texts_per_cpu_second"]
    return seen


def overload(arguments: argparse.Namespace) -> dict:
    """Requests at random times, at shares of the throughput that a closed loop reaches: before, at, beyond, after."""
    with Server(arguments, *arguments.option) as server:
        seconds = arguments.seconds or 60
        seen: dict = {}
        for name, share in (("0.7x", 0.7), ("1x", 1.0), ("2x", 2.0), ("0.7x after", 0.7)):
            # Each time anew, as a machine with others on it changes its speed.
            capacity = server.load(seconds / 3, clients=64, texts=100)["texts_per_second"]
            seen[name] = server.load(seconds, rate=share * capacity, texts=100)
            seen[name]["capacity"] = capacity
            print(name, capacity, seen[name]["statuses"], file=sys.stderr)
            check(set(seen[name]["statuses"]) <= {"200", "429"}, seen[name]["statuses"])
            check(not seen[name]["refused"], "every connection is taken")
        check("429" in seen["2x"]["statuses"], "twice the capacity is refused in part")
        check(set(seen["0.7x after"]["statuses"]) == {"200"}, "nothing is refused afterwards")
        server.stop()
    return seen


def terminate(arguments: argparse.Namespace) -> dict:
    """SIGTERM to a server that 64 clients keep busy."""
    with Server(arguments) as server:
        seconds = arguments.seconds or 20
        seen = server.load(2 * seconds, clients=64, terminate_after=seconds)
        seen["exit_status"] = server.process.wait(START_SECONDS)
        check(seen["exit_status"] == 0, seen["exit_status"])
        check(set(seen["statuses"]) <= {"200", "503"}, seen["statuses"])
    return seen


def leave(arguments: argparse.Namespace) -> dict:
    """A third of the requests of 64 clients is left before its answer, by FIN or RST; then nothing of them is left."""
    with Server(arguments) as server:
        before = server.metrics()
        seen = server.load(arguments.seconds or 60, clients=64, leave=0.33)
        gone = ("treble_queue_open_requests", "treble_queue_waiting_texts", "treble_queue_waiting_tokens")
        end = time.monotonic() + SETTLE_SECONDS
        after = server.metrics()
        while time.monotonic() < end and (any(after[name] for name in gone) or after["treble_http_connections"] > 1):
            time.sleep(0.2)
            after = server.metrics()
        names = (*gone, "treble_http_connections", "process_open_fds")
        seen["metrics"] = {name: [before[name], after[name]] for name in names}
        cancelled = 'treble_queue_requests_total{outcome="cancelled"}'
        for name in ("treble_http_clients_gone_total", cancelled, "treble_queue_encoded_texts_total"):
            seen["metrics"][name] = [before[name], after[name]]
        check(all(after[name] == before[name] for name in names), seen["metrics"])
        check(after[cancelled] > 0, "requests of clients that left are cancelled")
        server.stop()
    return seen


def long_documents(arguments: argparse.Namespace) -> dict:
    """One client with short queries, alone and behind 8 clients with documents of 2,000 to 8,000 tokens."""
    with Server(arguments, "--max-length", "8192", "--extend", "interpolate") as server:
        seconds = arguments.seconds or 60
        query = {"clients": 1, "shortest": 5, "longest": 32, "max_length": 8192, "interpolate": True}
        seen = {"alone": server.load(seconds / 4, **query)}
        long = {"clients": 8, "shortest": 2000, "longest": 8000, "texts": 8, "max_length": 8192, "interpolate": True}
        documents = server.start_load(seconds + 10, **long)
        while documents.poll() is None and server.metrics()["treble_queue_waiting_tokens"] == 0:
            time.sleep(0.2)
        seen["behind documents"] = server.load(seconds, **query)
        seen["documents"] = result_of(documents)
        seen["one document"] = server.load(seconds / 3, **(long | {"clients": 1}))
        server.stop()
    return seen


def one_core(arguments: argparse.Namespace) -> dict:
    """What a server with one thread on one core does, by length and type; the clients are on another core."""
    cpus = sorted(os.sched_getaffinity(0))
    check(len(cpus) > 1, "there are two cores, one for the clients")
    seen: dict = {}
    for dtype in ("float32", "int8"):
        options = ["--threads", "1", "--dtype", dtype, "--max-length", str(LENGTHS[-1])]
        os.sched_setaffinity(0, {cpus[0]})  # which the server inherits
        with Server(arguments, *options) as server:
            os.sched_setaffinity(0, {cpus[1]})
            for tokens in LENGTHS:
                length = {"shortest": tokens, "longest": tokens, "max_length": LENGTHS[-1]}
                tolerance = 1e-5 if dtype == "float32" else 0.05
                load = server.load(arguments.seconds or 10, clients=16, texts=64, tolerance=tolerance, **length)
                load["tokens_per_second"] = tokens * load["texts_per_second"]
                seen[f"{dtype}, {tokens} tokens"] = load
            server.stop()
        os.sched_setaffinity(0, cpus)
    return seen


SCENARIOS: dict[str, Callable[[argparse.Namespace], dict]] = {
    "steady": steady,
    "overload": overload,
    "terminate": terminate,
    "leave": leave,
    "long-documents": long_documents,
    "one-core": one_core,
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scenarios", nargs="+", choices=SCENARIOS, metavar="SCENARIO", help=", ".join(SCENARIOS))
    parser.add_argument("--seconds", type=int, help="of each load [the scenario's own]")
    parser.add_argument(
        "--option", action="append", default=[], help="of `treble serve`, for overload; may be repeated"
    )
    parser.add_argument("--model", type=Path, default=ROOT / "models" / "all-MiniLM-L6-v2")
    parser.add_argument("--build", type=Path, default=ROOT / "build" / "release")
    arguments = parser.parse_args()
    folder = ROOT / "build" / "bench" / "server_scenarios"
    folder.mkdir(parents=True, exist_ok=True)
    for name in arguments.scenarios:
        seen = json.dumps(SCENARIOS[name](arguments), indent=1)
        print(f"{name}: {seen}", flush=True)
        (folder / f"{name}.json").write_text(seen + "\n", encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
