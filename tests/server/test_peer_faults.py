#!/usr/bin/env python3
"""Faults that users of other embedding servers reported, each on the input that showed it.

`TEI 725` is issue or pull request 725 of text-embeddings-inference, and so on; other tests of this folder have more of
them (docs/server.md). Needs nothing but the standard library: `test_peer_faults.py --treble PROGRAM --golden FOLDER`.
"""

from __future__ import annotations

import argparse
import base64
import math
import os
import random
import resource
import struct
import sys
import threading
import unittest
from collections import Counter
from pathlib import Path
from typing import Any, ClassVar

from server_process import Server

ARGUMENTS = argparse.Namespace(treble="", golden="")
LIMIT = 64  # tokens that the tiny model reads
LONG = "the ferry leaves the harbour at noon " * 80


def model(name: str = "bert") -> Path:
    return Path(ARGUMENTS.golden) / name / "model"


def serve(*options: str | Path, name: str = "bert") -> Server:
    return Server(ARGUMENTS.treble, "--model", model(name), "--served-model-name", "tiny", *options)


def resident_bytes(server: Server) -> int:
    pages = int(Path(f"/proc/{server.process.pid}/statm").read_text().split()[1])
    return pages * resource.getpagesize()


def vectors_of(server: Server, path: str, texts: Any, **fields: Any) -> list[list[float]]:
    """From any route that gives vectors."""
    field = "input" if path.startswith("/v1/") else "inputs"
    answer = server.post(path, {field: texts, "model": "tiny", **fields})
    assert answer.status == 200, answer.body[:300]
    return [item["embedding"] for item in answer.json()["data"]] if field == "input" else answer.json()


class Case(unittest.TestCase):
    """One server for the tests of a class, which ends in order."""

    server: ClassVar[Server]
    options: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def setUpClass(cls) -> None:
        cls.server = serve(*cls.options)

    @classmethod
    def tearDownClass(cls) -> None:
        if cls.server.stop() != 0:
            raise AssertionError("".join(cls.server.log[-20:]))

    def close(self, one: list[float], other: list[float], delta: float = 1e-5) -> None:
        self.assertEqual(len(one), len(other))
        self.assertLessEqual(max(abs(a - b) for a, b in zip(one, other, strict=True)), delta)


class Truncation(Case):
    def test_one_policy_on_every_route_and_in_batches(self) -> None:
        """TEI 56, 218, 227: truncation that a batch or another route forgot."""
        long = ["helloworld" * 7777, LONG, "short"]
        for path in ("/embed", "/", "/v1/embeddings", "/embed_all"):
            rows = vectors_of(self.server, path, long)
            self.assertEqual(len(rows), 3, path)
            alone = vectors_of(self.server, path, LONG)
            both = (rows[1], alone[0]) if path == "/embed_all" else ([rows[1]], alone)
            for row, other in zip(*both, strict=True):
                self.close(row, other)
        answer = self.server.post("/similarity", {"inputs": {"source_sentence": LONG, "sentences": [LONG, "short"]}})
        self.assertEqual(answer.headers["x-truncated-texts"], "2")
        self.assertAlmostEqual(answer.json()[0], 1, places=5)

    def test_what_is_cut_is_counted(self) -> None:
        """sentence-transformers 4060: no way to notice it."""
        a, b = LONG + " one tail", LONG + " quite another tail"
        answer = self.server.post("/embed", {"inputs": [a, b, "short"]})
        self.assertEqual(answer.headers["x-truncated-texts"], "2")
        self.assertGreater(int(answer.headers["x-truncated-tokens"]), 2 * LIMIT)
        rows = answer.json()
        self.close(rows[0], rows[1])

    def test_a_refusal_names_both_counts(self) -> None:
        """TEI 27, 107, 356: "must have less than 512 tokens" and no way out."""
        tokens = len(self.server.post("/tokenize", {"inputs": LONG}).json()[0])
        answer = self.server.post("/embed", {"inputs": ["short", LONG], "truncate": False})
        self.assertEqual(answer.status, 413)
        error = answer.json()
        self.assertEqual(error["index"], 1)
        for words in (f"{tokens} tokens", f"limit is {LIMIT}"):
            self.assertIn(words, error["error"])

    def test_special_tokens_are_kept_when_a_text_is_cut(self) -> None:
        """Ollama 14186: cut before the special tokens were added, so too long after."""
        tokens = [token["id"] for token in self.server.post("/tokenize", {"inputs": LONG}).json()[0]]
        for limit in (3, 17, LIMIT):
            kept = [*tokens[: limit - 1], tokens[-1]]
            (cut,) = vectors_of(self.server, "/embed", LONG, max_length=limit)
            (whole,) = vectors_of(self.server, "/embed", kept)
            self.close(cut, whole)

    def test_lengths_around_the_limit(self) -> None:
        """llama.cpp 7389, 12836: one token too many was an error 500 or the end of the process."""
        word = self.server.post("/tokenize", {"inputs": "a", "add_special_tokens": False}).json()[0]
        self.assertEqual(len(word), 1)
        for count in (LIMIT - 3, LIMIT - 2, LIMIT - 1, LIMIT, 10 * LIMIT):
            answer = self.server.post("/embed", {"inputs": "a " * count})
            self.assertEqual(answer.status, 200)
            self.assertEqual(int(answer.headers["x-truncated-tokens"]), max(0, count + 2 - LIMIT))

    def test_the_models_own_limit_is_said(self) -> None:
        """fastembed 531: the documentation said 512, the tokenizer cut at 128."""
        self.assertEqual(self.server.get("/info").json()["max_input_length"], LIMIT)
        model = self.server.get("/v1/models/tiny").json()
        self.assertEqual(model["max_input_length"], LIMIT)


class TruncationForbidden(Case):
    options = ("--auto-truncate", "false")

    def test_it_holds_on_every_route_unless_a_request_says_otherwise(self) -> None:
        """TEI 829, 836: the flag could not be set to false."""
        self.assertFalse(self.server.get("/info").json()["auto_truncate"])
        for path in ("/embed", "/", "/embed_all", "/v1/embeddings"):
            field = "input" if path.startswith("/v1/") else "inputs"
            body = {field: ["short", LONG], "model": "tiny"}
            self.assertEqual(self.server.post(path, body).status, 413, path)
            self.assertEqual(self.server.post(path, {**body, "truncate": True}).status, 200, path)
        pair = {"source_sentence": "short", "sentences": [LONG]}
        self.assertEqual(self.server.post("/similarity", {"inputs": pair}).status, 413)
        self.assertEqual(
            self.server.post("/similarity", {"inputs": pair, "parameters": {"truncate": True}}).status, 200
        )


class Api(Case):
    def test_base64_is_little_endian_float32(self) -> None:
        """openai-python 1490, TEI 288, Ollama 12715: clients ask for it unasked; wrong bytes."""
        rows = vectors_of(self.server, "/v1/embeddings", ["a", "b"])
        coded = vectors_of(self.server, "/v1/embeddings", ["a", "b"], encoding_format="base64")
        for text, row in zip(coded, rows, strict=True):
            raw = base64.b64decode(text, validate=True)
            self.assertEqual(raw, struct.pack(f"<{len(row)}f", *row))

    def test_ids_of_another_tokenizer(self) -> None:
        """TEI 273, langchain 30574: clients send the ids of tiktoken."""
        for path, field in (("/v1/embeddings", "input"), ("/embed", "inputs"), ("/embed_all", "inputs")):
            for ids in ([101, 7592, 102], [[5, 6], [100257]], [999999]):
                answer = self.server.post(path, {field: ids, "model": "tiny"})
                self.assertEqual(answer.status, 422, (path, ids))
                self.assertIn("vocabulary", answer.body.decode())

    def test_dimensions(self) -> None:
        """vLLM 16331: what cannot be cut to, and vectors that are no longer of length 1."""
        for path, field in (("/v1/embeddings", "input"), ("/embed", "inputs")):
            for dimensions in (0, -1, 33, 64):
                answer = self.server.post(path, {field: "x", "model": "tiny", "dimensions": dimensions})
                self.assertEqual(answer.status, 422)
                self.assertIn(f"from 1 to 32, not {dimensions}", answer.body.decode())
            (row,) = vectors_of(self.server, path, "a text", dimensions=8)
            self.assertEqual(len(row), 8)
            self.assertAlmostEqual(math.hypot(*row), 1, places=5)

    def test_empty_inputs(self) -> None:
        """llama.cpp 5733: a hang; openai-python 576: which of them; sentence-transformers 2759: no inputs."""
        for texts, words in (("", "inputs[0]"), (["a", "", "c"], "inputs[1]"), ([], "empty list")):
            answer = self.server.post("/embed", {"inputs": texts})
            self.assertEqual(answer.status, 400)
            self.assertIn(words, answer.json()["error"])
        for body in ({"source_sentence": "q", "sentences": []}, {"source_sentence": "", "sentences": ["a"]}):
            self.assertEqual(self.server.post("/similarity", {"inputs": body}).status, 400)
        for path in ("/rerank", "/v1/rerank", "/predict"):
            # TEI 138: no texts to rank ended the process.
            self.assertEqual(self.server.post(path, {"query": "q", "texts": []}).status, 501)

    def test_a_zero_byte_ends_no_text(self) -> None:
        """llama.cpp 25543, 3170: what follows it was lost."""
        whole, cut = vectors_of(self.server, "/embed", ["ab\u0000cd", "ab"])
        self.assertNotEqual(whole, cut)
        (clean,) = vectors_of(self.server, "/embed", "abcd")
        self.close(whole, clean)
        raw = self.server.call("POST", "/embed", raw=b'{"inputs": "ab\x00cd"}')
        self.assertEqual(raw.status, 400)

    def test_a_batch_is_its_texts_in_their_order(self) -> None:
        """Ollama 6187, 6262, TEI 648: shuffled, or other vectors in company."""
        source = random.Random(6187)
        texts = [" ".join(source.choices(LONG.split(), k=source.randrange(1, 90))) + f" {i}" for i in range(256)]
        alone = [vectors_of(self.server, "/embed", text)[0] for text in texts]
        for size in (2, 7, 256):
            for begin in range(0, len(texts), size):
                rows = vectors_of(self.server, "/embed", texts[begin : begin + size])
                for row, expected in zip(rows, alone[begin : begin + size], strict=True):
                    self.close(row, expected)

    def test_nothing_but_finite_numbers_leaves(self) -> None:
        """Ollama 12921, fastembed 688: NaN as vectors, or as a 500 without a word about the input."""
        answer = self.server.post("/embed", {"inputs": ["the cat sat there", "a dog"], "temperature": 1e-38})
        self.assertEqual(answer.status, 500)
        self.assertEqual(answer.json()["error_type"], "Backend")
        self.assertIn("NaN or infinity", answer.json()["error"])
        self.assertIn("index", answer.json())
        self.assertEqual(self.server.get("/health").status, 200, "the request is at fault, not the model")

    def test_nested_without_end(self) -> None:
        """A bracket costs a byte to send, and a frame of the stack to who walks the value."""
        deep = b"[" * 900_000 + b"]" * 900_000
        for path in ("/embed", "/embed_all", "/v1/embeddings", "/tokenize", "/decode", "/similarity", "/inspect"):
            for body in (
                b'{"inputs": [1, ' + deep + b"]}",
                b'{"input": [1, ' + deep + b'], "model": "tiny"}',
                b'{"ids": [1, ' + deep + b"]}",
                b'{"inputs": "x", "temperature": ' + deep + b"}",
                b'{"inputs": {"source_sentence": "a", "sentences": ["b"]}, "parameters": {"a": ' + deep + b"}}",
                b'{"inputs": ["x"], "layers": ' + deep + b"}",
            ):
                self.assertEqual(self.server.call("POST", path, raw=body).status, 400, path)

    def test_metrics_and_health_before_any_request(self) -> None:
        """TEI 360, 729, 499: health that needs a key, metrics that are empty at first."""
        with_key = serve("--api-key", "secret")
        try:
            for path in ("/health", "/ping", "/metrics"):
                self.assertEqual(with_key.get(path).status, 200, path)
            self.assertIn(b'te_request_count{method="single"} 0', with_key.get("/metrics").body)
        finally:
            self.assertEqual(with_key.stop(), 0)


class Load(unittest.TestCase):
    def serve(self, *options: str | Path) -> Server:
        server = serve(*options)
        self.addCleanup(lambda: self.assertEqual(server.stop(), 0, server.log[-5:]))
        return server

    def test_a_text_longer_than_a_batch(self) -> None:
        """TEI 725: an endless loop when a text has more tokens than a batch may."""
        small = self.serve("--max-batch-tokens", "16")
        texts = [LONG, "short", LONG + " again"]
        other = self.serve()
        for row, expected in zip(vectors_of(small, "/embed", texts), vectors_of(other, "/embed", texts), strict=True):
            self.assertLessEqual(max(abs(a - b) for a, b in zip(row, expected, strict=True)), 1e-5)

    def test_batches_beyond_every_limit(self) -> None:
        """TEI 470, 811: 8000 inputs at once panicked a worker."""
        texts = [f"text {i}" for i in range(8000)]
        server = self.serve()
        self.assertEqual(server.post("/embed", {"inputs": texts}).status, 413)
        generous = self.serve("--max-client-batch-size", "10000", "--max-queue-texts", "5000")
        refused = generous.post("/embed", {"inputs": texts})
        self.assertIn(refused.status, (422, 429))
        self.assertIn("5000", refused.json()["error"])
        self.assertEqual(len(vectors_of(generous, "/embed", texts[:5000])), 5000)

    def test_many_clients_with_short_and_long_texts(self) -> None:
        """TEI 97: 20 clients of 100 to 7000 tokens waited for each other for ever."""
        server = self.serve("--max-batch-tokens", "256")
        source = random.Random(97)
        plans = [[source.randrange(1, 1500) for _ in range(15)] for _ in range(20)]
        statuses: Counter[int] = Counter()

        def work(plan: list[int]) -> None:
            for words in plan:
                statuses[server.post("/embed", {"inputs": ["a " * words, "b"]}).status] += 1

        threads = [threading.Thread(target=work, args=(plan,), daemon=True) for plan in plans]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(120)
        self.assertEqual(statuses, Counter({200: 300}))

    def test_threads_are_those_that_the_process_may_have(self) -> None:
        """onnxruntime 29510, TEI 410: a thread for each CPU of the host, in a container of two."""
        allowed = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, allowed[:1])
        try:
            server = self.serve()
        finally:
            os.sched_setaffinity(0, allowed)
        self.assertEqual(server.get("/info").json()["threads"], 1)
        self.assertEqual(self.serve("--threads", "3").get("/info").json()["threads"], 3)

    def test_memory_stays_where_it_is_whatever_the_shapes(self) -> None:
        """TEI 156, 161, 307, fastembed 222, infinity 517: memory that grows with requests or shapes."""
        server = self.serve()
        source = random.Random(156)

        def ask(requests: int) -> None:
            for _ in range(requests):
                texts = ["a " * source.randrange(1, 400) for _ in range(source.choice([1, 3, 20, 100]))]
                self.assertEqual(server.post("/embed", {"inputs": texts}).status, 200)

        ask(150)
        after_some = resident_bytes(server)
        ask(450)
        grown = resident_bytes(server) - after_some
        self.assertLess(grown, 16 << 20, f"{after_some >> 20} MiB and {grown >> 20} more")

    def test_long_documents_in_one_request(self) -> None:
        """infinity 517: batches by count, so that long documents took all memory. Here a batch is counted in tokens."""
        server = self.serve("--max-client-batch-size", "2000")
        self.assertEqual(server.post("/embed", {"inputs": ["a"]}).status, 200)
        before = resident_bytes(server)
        self.assertEqual(server.post("/embed", {"inputs": ["a " * 300] * 1000}).status, 200)
        self.assertLess(resident_bytes(server) - before, 128 << 20)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--treble", required=True)
    parser.add_argument("--golden", required=True)
    ARGUMENTS, rest = parser.parse_known_args()
    unittest.main(argv=[sys.argv[0], *rest])
