#!/usr/bin/env python3
"""What clients leave behind: requests nobody waits for, connections whose other end is gone; and what must not wait.

Needs nothing but the standard library: `test_load.py --treble PROGRAM --golden tests/golden`. With `--long` there are
more clients of each kind; `make test` runs the short form.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import json
import random
import resource
import socket
import struct
import sys
import tempfile
import threading
import time
import unittest
from collections.abc import Callable
from pathlib import Path

from server_process import PATIENCE, Server

ARGUMENTS = argparse.Namespace(treble="", golden="", long=False)
SO_ATTACH_FILTER = 26  # of Linux; the module socket does not have it
CANCELLED = 'treble_queue_requests_total{model="%s",outcome="cancelled"}'


def model(name: str = "bert") -> Path:
    return Path(ARGUMENTS.golden) / name / "model"


def scaled(count: int) -> int:
    return 10 * count if ARGUMENTS.long else count


def request(body: object, route: str = "/embed") -> bytes:
    data = json.dumps(body).encode()
    head = f"POST {route} HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n"
    return head.encode() + data


def text(seed: int, words: int) -> str:
    source = random.Random(seed)
    return " ".join(source.choice(("ferry", "harbour", "letter", "sea")) + str(seed) for _ in range(words))


def vanish(connection: socket.socket) -> None:
    """From now on the kernel drops what comes for this socket: like a machine without power, it answers nothing, not
    even with an acknowledgement, and sends no FIN."""
    code = ctypes.create_string_buffer(struct.pack("HBBI", 0x06, 0, 0, 0))  # a filter that returns 0: drop
    program = struct.pack("HP", 1, ctypes.addressof(code))
    connection.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, program)


class LoadCase(unittest.TestCase):
    def serve(self, *options: str | Path, program: str | None = None, name: str = "bert") -> Server:
        server = Server(program or ARGUMENTS.treble, "--model", model(name), *options)
        self.addCleanup(server.stop)
        return server

    def connect(self, server: Server) -> socket.socket:
        connection = server.connect()
        self.addCleanup(connection.close)
        return connection

    def metrics(self, server: Server) -> dict[str, float]:
        lines = server.get("/metrics").body.decode().splitlines()
        pairs = (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
        return {name: float(value) for name, value in pairs}

    def metrics_when(self, server: Server, holds: Callable[[dict[str, float]], bool]) -> dict[str, float]:
        end = time.monotonic() + PATIENCE
        found = self.metrics(server)
        while not holds(found):
            if time.monotonic() > end:
                self.fail({name: value for name, value in found.items() if "bucket" not in name and value})
            time.sleep(0.05)
            found = self.metrics(server)
        return found

    def name_of(self, server: Server) -> str:
        return server.get("/v1/models").json()["data"][0]["id"]

    def assert_nothing_left(self, server: Server, before: dict[str, float]) -> dict[str, float]:
        """No connection but the one that asks, no work, no file."""
        label = f'{{model="{self.name_of(server)}"}}'
        queue = [f"treble_queue_{what}{label}" for what in ("open_requests", "waiting_texts", "waiting_tokens")]
        names = [*queue, "treble_http_connections", "treble_http_requests_in_progress", "process_open_fds"]
        return self.metrics_when(server, lambda now: all(now[name] <= before[name] for name in names))


class Gone(LoadCase):
    def test_requests_of_clients_that_left_are_not_computed(self) -> None:
        unlimited = ["--max-queue-texts", "1000000", "--max-queue-tokens", "1000000000"]
        server = self.serve("--threads", "1", *unlimited)
        name = self.name_of(server)
        names = ("open_requests", "encoded_texts_total", "waiting_texts")
        open_requests, encoded, waiting = (f'treble_queue_{what}{{model="{name}"}}' for what in names)
        before = self.metrics(server)
        clients = scaled(32)
        body = request({"inputs": [text(i, 90) for i in range(250)]})
        connections = [self.connect(server) for _ in range(clients)]
        for connection in connections:
            connection.sendall(body)
        # One that has been answered by then cannot be left any more.
        leaving = self.metrics_when(server, lambda now: now[open_requests] >= clients * 0.75)
        for i, connection in enumerate(connections):
            if i % 2:  # with RST, as for a killed process that has not read everything
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            connection.close()
        self.assertEqual(server.post("/embed", {"inputs": "the service goes on"}).status, 200)
        after = self.assert_nothing_left(server, before)
        self.assertGreater(after[CANCELLED % name], clients / 2)
        self.assertGreaterEqual(after["treble_http_clients_gone_total"], after[CANCELLED % name])
        self.assertLess(after[encoded] - leaving[encoded], leaving[waiting] / 2)

    def test_vanished_clients_are_let_go_by_timeouts(self) -> None:
        seconds = "1"
        timeouts = [f"--{what}-timeout" for what in ("header", "body", "write", "keep-alive")]
        server = self.serve(*(part for flag in timeouts for part in (flag, seconds)))
        before = self.metrics(server)
        head = b"POST /embed HTTP/1.1\r\nHost: a\r\n"
        large = request({"inputs": [f"text {i}" for i in range(2000)]})
        stages = {
            "between requests": b"",
            "in the headers": head,
            "in the body": head + b"Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{",
            "before a small answer": request({"inputs": "small"}),
            "before a large answer": large,
        }
        rounds = scaled(4)
        for _ in range(rounds):
            for sent in stages.values():
                connection = self.connect(server)
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                connection.sendall(sent)
                vanish(connection)
        self.assertEqual(server.post("/embed", {"inputs": "the service goes on"}).status, 200)
        after = self.assert_nothing_left(server, before)
        self.assertEqual(after["treble_http_timed_out_connections_total"], rounds * len(stages))

    def test_a_client_that_reads_nothing_is_let_go(self) -> None:
        """It is there, and acknowledges that its buffer is full."""
        server = self.serve("--write-timeout", "1")
        before = self.metrics(server)
        body = request({"inputs": [f"text {i}" for i in range(2000)]}, "/embed_all")  # answers of megabytes
        for _ in range(scaled(2)):
            connection = self.connect(server)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            connection.sendall(body * 4)
        after = self.assert_nothing_left(server, before)
        self.assertEqual(after["treble_http_timed_out_connections_total"], scaled(2))


class OpenFiles(LoadCase):
    def limit_is_said(self, server: Server) -> bool:
        server.stop()  # The log is written by a thread of its own: only then is all of it there.
        return any("the limit of open files allows" in line for line in server.log)

    def test_a_low_limit_is_said_and_further_connections_wait(self) -> None:
        files, clients = 120, 150
        with tempfile.TemporaryDirectory() as folder:
            program = Path(folder) / "limited"
            program.write_text(f'#!/bin/sh\nulimit -n {files} && exec "{Path(ARGUMENTS.treble).resolve()}" "$@"\n')
            program.chmod(0o755)
            server = self.serve("--threads", "1", program=str(program))
            with contextlib.ExitStack() as stack:
                connections = [stack.enter_context(self.connect(server)) for _ in range(clients)]
                for connection in connections:
                    connection.sendall(request({"inputs": "whose turn is it"}))
                for connection in connections:
                    self.assertTrue(connection.recv(4096).startswith(b"HTTP/1.1 200 "))
                    connection.close()
            self.assertTrue(self.limit_is_said(server), server.log)

    def test_the_soft_limit_is_raised(self) -> None:
        soft, hard = 64, resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        with tempfile.TemporaryDirectory() as folder:
            program = Path(folder) / "limited"
            program.write_text(f'#!/bin/sh\nulimit -S -n {soft} && exec "{Path(ARGUMENTS.treble).resolve()}" "$@"\n')
            program.chmod(0o755)
            server = self.serve("--threads", "1", "--max-connections", "300", program=str(program))
            allowed = self.metrics(server)["process_max_fds"]
            self.assertFalse(self.limit_is_said(server), server.log)
        self.assertGreater(allowed, 300)
        self.assertLessEqual(allowed, hard)


class Flags(LoadCase):
    def test_the_limit_of_headers(self) -> None:
        server = self.serve("--header-limit", "2000")
        self.assertEqual(server.get("/info", **{"x-note": "n" * 1000}).status, 200)
        self.assertEqual(server.get("/info", **{"x-note": "n" * 2000}).status, 431)

    def test_a_client_that_is_slow_is_told(self) -> None:
        server = self.serve("--header-timeout", "0.5", "--body-timeout", "0.5")
        head = b"POST /embed HTTP/1.1\r\nHost: a\r\n"
        for sent in (head, head + b"Content-Length: 100\r\n\r\n{"):
            connection = self.connect(server)
            connection.sendall(sent)
            self.assertTrue(connection.recv(4096).startswith(b"HTTP/1.1 408 "))


class LongDocuments(LoadCase):
    def test_a_query_is_answered_before_documents_that_wait(self) -> None:
        """Documents of 4,000 tokens and more wait for one thread; the query waits for the one that runs."""
        server = self.serve("--threads", "1", "--max-length", "8192", name="t5")
        waiting = f'treble_queue_waiting_texts{{model="{self.name_of(server)}"}}'
        documents, done = 10, []

        def ask(body: object, name: str) -> None:
            answer = server.post("/embed", body)
            done.append((name, answer.status, int(answer.headers["x-compute-tokens"])))

        source = random.Random(1)
        letters = "abcdefghijklmnopqrstuvwxyz"
        threads = []
        for i in range(documents):
            words = " ".join("".join(source.choices(letters, k=5)) for _ in range(1000))
            threads.append(threading.Thread(target=ask, args=({"inputs": words}, f"document {i}")))
            threads[-1].start()
        self.metrics_when(server, lambda now: now[waiting] == documents - 1)
        finished = len(done)
        ask({"inputs": "sea"}, "query")
        before = len(done)
        for thread in threads:
            thread.join(PATIENCE)
        self.assertEqual(len(done), documents + 1)
        self.assertTrue(all(status == 200 for _, status, _ in done), done)
        self.assertTrue(all(tokens >= 4000 for name, _, tokens in done if name != "query"), done)
        # One document may end, and the next begin, between the count and the query's arrival.
        self.assertLessEqual(before - finished, 3, done)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--treble", required=True, help="the program")
    parser.add_argument("--golden", required=True, help="the folder of tiny models")
    parser.add_argument("--long", action="store_true", help="ten times the clients")
    _, rest = parser.parse_known_args(namespace=ARGUMENTS)
    unittest.main(argv=[sys.argv[0], *rest])


if __name__ == "__main__":
    main()
