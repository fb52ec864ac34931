#!/usr/bin/env python3
"""Clients that a server must survive: killed, slow, silent, malformed, too many; and SIGTERM under load.

Needs nothing but the standard library: `test_robustness.py --treble PROGRAM --golden tests/golden`. With `--long` there
are 10,000 idle connections instead of 1,000 and ten times the load; `make test` runs the short form.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import json
import os
import random
import re
import resource
import signal
import socket
import struct
import sys
import tempfile
import threading
import time
import unittest
from collections import Counter
from pathlib import Path

from server_process import PATIENCE, Server

ARGUMENTS = argparse.Namespace(treble="", golden="", long=False)
WORDS = ("the", "ferry", "leaves", "harbour", "a", "letter", "port", "again", "sea", "wind")
LINE = "POST /embed HTTP/1.1\r\nHost: a\r\n"


def serve(*options: str) -> Server:
    """On the tiny model."""
    return Server(ARGUMENTS.treble, "--model", Path(ARGUMENTS.golden) / "bert" / "model", *options)


class Client:
    """A connection that is kept and made anew when the server has closed it."""

    def __init__(self, server: Server) -> None:
        self.connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=PATIENCE)

    def ask(self, body: object, route: str = "/embed") -> tuple[int, dict[str, str], bytes]:
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.connection.request("POST", route, data, {"Content-Type": "application/json"})
        response = self.connection.getresponse()
        return response.status, {name.lower(): value for name, value in response.getheaders()}, response.read()

    def close(self) -> None:
        self.connection.close()


def text(source: random.Random, words: int) -> str:
    return " ".join(source.choice(WORDS) + str(source.randrange(50)) for _ in range(words))


def request(body: object) -> bytes:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    return f"{LINE}Content-Type: application/json\r\nContent-Length: {len(data)}\r\n\r\n".encode() + data


def status_of(connection: socket.socket) -> int:
    """Of the response that comes; 0 where the connection ended without one."""
    received = b""
    with contextlib.suppress(ConnectionResetError):
        while b"\r\n" not in received:
            more = connection.recv(65536)
            if not more:
                break
            received += more
    found = re.match(rb"HTTP/1\.1 (\d{3}) ", received)
    return int(found.group(1)) if found else 0


def reset(connection: socket.socket) -> None:
    """Closes with RST instead of FIN, as the system does for a killed process that has not read everything."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.close()


def in_threads(count: int, work) -> None:
    """Runs work(0) … work(count - 1) at once and raises the first exception of any."""
    failures: list[BaseException] = []

    def run(index: int) -> None:
        try:
            work(index)
        except BaseException as failure:  # handed to the test's own thread
            failures.append(failure)

    threads = [threading.Thread(target=run, args=(index,)) for index in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(4 * PATIENCE)
        if thread.is_alive():
            raise TimeoutError("a client hangs")
    if failures:
        raise failures[0]


class Robustness(unittest.TestCase):
    """One server for all: each test also shows that the tests before it left the server whole."""

    server: Server

    @classmethod
    def setUpClass(cls) -> None:
        cls.server = serve()

    @classmethod
    def tearDownClass(cls) -> None:
        assert cls.server.stop() == 0, "".join(cls.server.log[-20:])

    def setUp(self) -> None:
        self.random = random.Random(19)
        self.scale = 10 if ARGUMENTS.long else 1

    def tearDown(self) -> None:
        self.assert_serves()

    def assert_serves(self) -> None:
        client = Client(self.server)
        for _ in range(3):
            status, _, body = client.ask({"inputs": "the service goes on"})
            self.assertEqual(status, 200, body[:300])
            self.assertEqual(len(json.loads(body)), 1)
        client.close()

    def test_every_client_gets_its_own_vectors(self) -> None:
        texts = [text(self.random, int(2 * 1.05 ** (i % 90))) for i in range(180)]
        alone = Client(self.server)
        expected = [json.loads(alone.ask({"inputs": one})[2])[0] for one in texts]
        alone.close()

        def work(index: int) -> None:
            source = random.Random(index)
            client = Client(self.server)
            for _ in range(12 * self.scale):
                chosen = source.sample(range(len(texts)), source.choice([1, 1, 2, 7]))
                status, _, body = client.ask({"inputs": [texts[i] for i in chosen]})
                self.assertEqual(status, 200, body[:300])
                vectors = json.loads(body)
                self.assertEqual(len(vectors), len(chosen))
                for i, vector in zip(chosen, vectors, strict=True):
                    difference = max(abs(a - b) for a, b in zip(vector, expected[i], strict=True))
                    self.assertLessEqual(difference, 1e-5, f"text {i} of {len(texts[i].split())} words")
            client.close()

        in_threads(32, work)

    def test_killed_clients(self) -> None:
        body = request({"inputs": [text(self.random, 60)] * 20})
        for i in range(150 * self.scale):
            connection = self.server.connect()
            connection.sendall(body[: self.random.choice([1, 30, len(body) // 2, len(body)])])
            if i % 2:
                reset(connection)
            else:
                connection.close()

    def test_slow_headers_and_bodies_hold_up_nobody(self) -> None:
        with contextlib.ExitStack() as stack:
            connections = [stack.enter_context(self.server.connect()) for _ in range(200 * self.scale)]
            for connection in connections:
                connection.sendall(self.random.choice([LINE, LINE + "Content-Length: 1000\r\n\r\n"]).encode())
            for byte in ("x", "y", "z"):
                for connection in connections:
                    connection.sendall(byte.encode())
                self.assert_serves()

    def test_a_client_that_does_not_read_holds_up_nobody(self) -> None:
        with contextlib.ExitStack() as stack:
            body = request({"inputs": [f"text {i}" for i in range(500)]})
            for _ in range(20):
                connection = stack.enter_context(self.server.connect())
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
                connection.sendall(body)
            self.assert_serves()

    def test_idle_connections_take_little_memory(self) -> None:
        count = 10_000 if ARGUMENTS.long else 1_000
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if soft < count + 100:
            resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, count + 100), hard))
        before = self.server.resident_bytes()
        with contextlib.ExitStack() as stack:
            connections = [stack.enter_context(self.server.connect()) for _ in range(count)]
            self.assert_serves()
            # The last one has been accepted, so all have been.
            connections[-1].sendall(request({"inputs": "the last one"}))
            self.assertEqual(status_of(connections[-1]), 200)
            each = (self.server.resident_bytes() - before) / count
            connections[0].sendall(request({"inputs": "the first one"}))
            self.assertEqual(status_of(connections[0]), 200)
        self.assertLess(each, 16_384)

    def test_a_client_that_ended_sending_gets_an_answer(self) -> None:
        with self.server.connect() as connection:
            connection.sendall(request({"inputs": text(self.random, 50)}))
            connection.shutdown(socket.SHUT_WR)
            self.assertNotEqual(status_of(connection), 0)

    def test_malformed_http(self) -> None:
        good = request({"inputs": "malformed"})
        counts: Counter[int] = Counter()
        for _ in range(300 * self.scale):
            data = bytearray(good)
            for _ in range(self.random.randrange(1, 6)):
                place = self.random.randrange(len(data))
                change = self.random.randrange(3)
                if change == 0:
                    data[place] = self.random.randrange(256)
                elif change == 1:
                    del data[place : place + self.random.randrange(1, 8)]
                else:
                    data[place:place] = self.random.randbytes(self.random.randrange(1, 8))
            with self.server.connect() as connection:
                connection.sendall(data)
                connection.shutdown(socket.SHUT_WR)
                counts[status_of(connection)] += 1
        # 0: what came was the beginning of a request, and no more would come.
        self.assertLessEqual(set(counts) - {0, 200, 499, 501, 505}, set(range(400, 432)), counts)
        self.assertGreater(counts[400], 20, counts)

    def test_malformed_bodies(self) -> None:
        bodies = [
            b"",
            b"{",
            b"[]",
            b"null",
            b"1",
            b'"text"',
            b"\xff\xfe",
            b"[" * 100_000,
            b'{"inputs": ' + b"[" * 50_000,
        ]
        bodies += [b'{"inputs": "\\ud800"}', b'{"inputs": NaN}', b'{"inputs": 1e999}', b'{"inputs": {"a": 1}}']
        bodies += [b'{"inputs": "a", "inputs": ["b"]}', b'{"input": [[[1]]], "model": 3}', b'{"inputs": [null]}']
        good = json.dumps({"inputs": ["one", "two"], "truncate": True, "temperature": 0.8, "dimensions": 8}).encode()
        for _ in range(150 * self.scale):
            data = bytearray(good)
            for _ in range(self.random.randrange(1, 5)):
                data[self.random.randrange(len(data))] = self.random.choice(b'{}[]",:0e-.\\u\x00\xff')
            bodies.append(bytes(data))
        for route in ("/embed", "/v1/embeddings", "/similarity", "/tokenize", "/decode", "/embed_all", "/inspect"):
            client = Client(self.server)
            for body in bodies:
                status, _, answer = client.ask(body, route)
                self.assertIn(status, (200, 400, 413, 422), (route, body[:200], answer[:300]))
            client.close()


class Limits(unittest.TestCase):
    """Servers with options of their own."""

    def serve(self, *options: str) -> Server:
        server = serve(*options)
        self.addCleanup(server.kill)
        return server

    def test_overload_is_refused_and_passes(self) -> None:
        server = self.serve("--max-concurrent-requests", "4")
        counts: Counter[int] = Counter()
        longest = text(random.Random(1), 400)

        def work(index: int) -> None:
            client = Client(server)
            for _ in range(6):
                status, headers, body = client.ask({"inputs": [longest] * 8})
                counts[status] += 1
                if status == 429:
                    self.assertGreaterEqual(int(headers["retry-after"]), 1)
                else:
                    self.assertEqual(status, 200, body[:300])
            client.close()

        in_threads(64, work)
        self.assertGreater(counts[429], 0, counts)
        self.assertGreater(counts[200], 0, counts)
        client = Client(server)
        for _ in range(20):
            self.assertEqual(client.ask({"inputs": "afterwards"})[0], 200)
        client.close()
        self.assertEqual(server.stop(), 0)

    def test_a_body_over_the_limit(self) -> None:
        server = self.serve("--payload-limit", "1000")
        client = Client(server)
        self.assertEqual(client.ask({"inputs": "x" * 900})[0], 200)
        self.assertEqual(client.ask({"inputs": "x" * 3_000_000})[0], 413)
        client.close()
        self.assertEqual(server.stop(), 0)

    def test_sigterm_under_load_answers_every_request(self) -> None:
        server = self.serve()
        counts: Counter[str] = Counter()
        texts = [text(random.Random(2), 300)] * 4

        def work(index: int) -> None:
            while True:
                try:
                    connection = server.connect()
                except OSError:
                    counts["no connection"] += 1
                    return
                with connection:
                    connection.sendall(request({"inputs": texts}))
                    status = status_of(connection)
                counts[str(status)] += 1
                if status != 200:
                    return

        stopping = threading.Timer(0.7, server.process.send_signal, (signal.SIGTERM,))
        stopping.start()
        in_threads(32, work)
        stopping.join()
        self.assertEqual(server.process.wait(PATIENCE), 0, server.log[-10:])
        self.assertGreater(counts["200"], 32, counts)
        self.assertLessEqual(set(counts), {"200", "503", "no connection"}, counts)

    def test_unix_socket(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            path = str(Path(folder) / "treble.sock")
            server = self.serve("--uds-path", path)
            self.assertEqual(server.url, f"unix:{path}")
            with socket.socket(socket.AF_UNIX) as connection:
                connection.settimeout(PATIENCE)
                connection.connect(path)
                connection.sendall(request({"inputs": "on a Unix socket"}))
                self.assertEqual(status_of(connection), 200)
            self.assertEqual(server.stop(), 0)
            self.assertFalse(os.path.exists(path))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--treble", required=True, help="the program")
    parser.add_argument("--golden", required=True, help="the folder of tiny models")
    parser.add_argument("--long", action="store_true", help="10,000 idle connections, ten times the load")
    _, rest = parser.parse_known_args(namespace=ARGUMENTS)
    started = time.monotonic()
    result = unittest.main(argv=[sys.argv[0], *rest], exit=False).result
    print(f"{time.monotonic() - started:.1f} s", file=sys.stderr)
    sys.exit(not result.wasSuccessful())


if __name__ == "__main__":
    main()
