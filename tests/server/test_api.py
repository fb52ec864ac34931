#!/usr/bin/env python3
"""The routes of `treble serve` on tiny models: shapes, values, errors of both forms, limits, models, the command.

Needs nothing but the standard library: `test_api.py --treble PROGRAM --golden FOLDER`.
"""

from __future__ import annotations

import argparse
import base64
import json
import math
import re
import shutil
import struct
import sys
import tempfile
import threading
import unittest
from itertools import chain
from pathlib import Path
from typing import Any, ClassVar

from server_process import Answer, Server, embed, run

ARGUMENTS = argparse.Namespace(treble="", golden="")
ROOT = Path(__file__).resolve().parents[2]
TEXTS = [
    "a cat",
    "The ships lie in the harbour. " * 40,
    "naïve café ☕",
    "tab\tand\nline",
    "nul \u0000 inside",
    "[SEP] x",
]
KEY = "a secret key that must not be seen"


def model(name: str = "bert") -> Path:
    return Path(ARGUMENTS.golden) / name / "model"


def float32(value: float) -> float:
    return struct.unpack("<f", struct.pack("<f", value))[0]


class ApiCase(unittest.TestCase):
    """One server for the tests of a class."""

    server: ClassVar[Server]
    arguments: ClassVar[tuple[str, ...]] = ()

    @classmethod
    def setUpClass(cls) -> None:
        cls.server = Server(ARGUMENTS.treble, "--model", model(), "--served-model-name", "tiny", *cls.arguments)

    @classmethod
    def tearDownClass(cls) -> None:
        undocumented = cls.server.undocumented()
        code = cls.server.stop()
        if undocumented:
            raise AssertionError(f"answers that openapi.json does not have: {undocumented}")
        if code != 0:
            raise AssertionError(f"exit code {code}: " + "".join(cls.server.log))

    def post(self, path: str, body: Any, status: int = 200) -> Any:
        answer = self.server.post(path, body)
        self.assertEqual(answer.status, status, answer.body)
        return answer.json()

    def tei_error(self, path: str, body: Any, status: int, words: str, index: int | None = None) -> None:
        error = self.post(path, body, status)
        self.assertIn(words, error["error"])
        self.assertEqual(error.get("index"), index, error)
        self.assertIn(
            error["error_type"], {"Validation", "Empty", "Overloaded", "Unhealthy", "Backend", "Unauthorized"}
        )

    def openai_error(self, body: Any, status: int, words: str, param: str | None) -> None:
        error = self.post("/v1/embeddings", body, status)["error"]
        self.assertIn(words, error["message"])
        self.assertEqual(error["param"], param)
        self.assertEqual(set(error), {"message", "type", "param", "code"})


class Values(ApiCase):
    """Every vector is the one that `treble embed` gives, to the last bit."""

    def check(self, fields: dict[str, Any], *flags: str) -> None:
        expected = embed(ARGUMENTS.treble, model(), TEXTS, *flags)
        got = self.post("/embed", {"inputs": TEXTS, **fields})
        self.assertEqual([[float32(x) for x in row] for row in got], [[float32(x) for x in row] for row in expected])

    def test_plain(self) -> None:
        self.check({})

    def test_temperatures(self) -> None:
        plain = self.post("/embed", {"inputs": TEXTS})
        for written in ("0.7", "log:8", "ssmax:0.4,0.2", "yarn:4"):
            self.check({"temperature": written}, "--temperature", written)
            self.assertNotEqual(self.post("/embed", {"inputs": TEXTS, "temperature": written}), plain)
        self.check({"temperature": 0.7}, "--temperature", "0.7")
        self.assertEqual(self.post("/embed", {"inputs": TEXTS, "temperature": 1}), plain)

    def test_options(self) -> None:
        self.check({"dimensions": 8}, "--dimensions", "8")
        self.check({"normalize": False}, "--normalize=false")
        self.check({"truncation_direction": "Left"}, "--truncate", "start")
        self.check({"max_length": 12}, "--max-length", "12")
        self.check({"prompt": "query: "}, "--prompt", "query: ")

    def test_openai_gives_the_same_in_both_formats(self) -> None:
        expected = self.post("/embed", {"inputs": TEXTS, "temperature": 0.8})
        body = {"input": TEXTS, "model": "tiny", "temperature": 0.8, "user": "me"}
        floats = self.post("/v1/embeddings", body)
        self.assertEqual([item["embedding"] for item in floats["data"]], expected)
        self.assertEqual([item["index"] for item in floats["data"]], list(range(len(TEXTS))))
        self.assertEqual(floats["model"], "tiny")
        coded = self.post("/v1/embeddings", {**body, "encoding_format": "base64"})
        for item, row in zip(coded["data"], expected, strict=True):
            raw = base64.b64decode(item["embedding"], validate=True)
            self.assertEqual(struct.unpack(f"<{len(row)}f", raw), tuple(float32(x) for x in row))
        self.assertEqual(coded["usage"], floats["usage"])

    def test_single_inputs(self) -> None:
        many = self.post("/embed", {"inputs": ["a cat"]})
        self.assertEqual(self.post("/embed", {"inputs": "a cat"}), many)
        one = self.post("/v1/embeddings", {"input": "a cat", "model": "tiny"})
        self.assertEqual([one["data"][0]["embedding"]], many)

    def test_token_ids_are_read_as_they_are(self) -> None:
        tokens = self.post("/tokenize", {"inputs": TEXTS[:1] + TEXTS[2:4]})
        ids = [[token["id"] for token in text] for text in tokens]
        expected = self.post("/embed", {"inputs": TEXTS[:1] + TEXTS[2:4]})
        for got in (
            self.post("/embed", {"inputs": ids}),
            [item["embedding"] for item in self.post("/v1/embeddings", {"input": ids, "model": "tiny"})["data"]],
        ):
            for a, b in zip(chain(*got), chain(*expected), strict=True):
                self.assertAlmostEqual(a, b, delta=1e-6)
        self.assertEqual(len(self.post("/embed", {"inputs": ids[0]})), 1)

    def test_similarity(self) -> None:
        rows = self.post("/embed", {"inputs": TEXTS})
        body = {"inputs": {"source_sentence": TEXTS[0], "sentences": TEXTS[1:]}}
        got = self.post("/similarity", body)
        for value, row in zip(got, rows[1:], strict=True):
            norms = math.hypot(*rows[0]) * math.hypot(*row)
            self.assertAlmostEqual(value, sum(a * b for a, b in zip(rows[0], row, strict=True)) / norms, places=5)

    def test_similarity_reads_the_parameters_of_tei(self) -> None:
        pair = {"source_sentence": TEXTS[0], "sentences": TEXTS[1:]}
        beside = self.post("/similarity", {"inputs": pair, "temperature": 0.2})
        self.assertEqual(self.post("/similarity", {"inputs": pair, "parameters": {"temperature": 0.2}}), beside)
        self.assertNotEqual(self.post("/similarity", {"inputs": pair}), beside)
        self.tei_error("/similarity", {"inputs": pair, "parameters": {"temprature": 1}}, 422, "temperature")
        self.tei_error("/similarity", {"inputs": pair, "parameters": 1}, 422, "parameters")

    def test_the_answer_says_its_temperature(self) -> None:
        answer = self.server.post("/embed", {"inputs": "a", "temperature": "log:8"})
        self.assertEqual(answer.headers["x-temperature"], "log:8")

    def test_large_bodies_are_read_beside_the_io_thread(self) -> None:
        texts = ["a " * 30_000, "b"]
        self.assertEqual(len(self.post("/embed", {"inputs": texts})), 2)
        self.tei_error("/embed", {"inputs": [*texts, 1]}, 422, "inputs[2]", 2)
        self.tei_error("/decode", {"ids": [[5], [10**6]]}, 422, "vocabulary", 1)

    def test_token_vectors(self) -> None:
        texts = [TEXTS[0], TEXTS[2]]
        vectors = self.post("/embed_all", {"inputs": texts})
        tokens = self.post("/tokenize", {"inputs": texts})
        self.assertEqual([len(text) for text in vectors], [len(text) for text in tokens])
        self.assertEqual({len(row) for text in vectors for row in text}, {32})

    def test_tokens(self) -> None:
        (tokens,) = self.post("/tokenize", {"inputs": "a café"})
        self.assertTrue(tokens[0]["special"] and tokens[-1]["special"])
        for token in tokens[1:-1]:
            self.assertEqual("a café"[token["start"] : token["stop"]], token["text"])
        bare = self.post("/tokenize", {"inputs": "a café", "add_special_tokens": False})[0]
        self.assertEqual([token["id"] for token in bare], [token["id"] for token in tokens[1:-1]])
        text = self.post("/decode", {"ids": [token["id"] for token in tokens]})
        self.assertEqual(len(text), 1)
        self.assertNotEqual(self.post("/decode", {"ids": [1, 2], "skip_special_tokens": False}), text)

    def test_token_vectors_of_ids(self) -> None:
        texts = [TEXTS[0], TEXTS[2]]
        tokens = self.post("/tokenize", {"inputs": texts})
        ids = [[token["id"] for token in text] for text in tokens]
        self.assertEqual(self.post("/embed_all", {"inputs": ids}), self.post("/embed_all", {"inputs": texts}))
        self.assertEqual(self.post("/embed_all", {"inputs": ids[0]}), self.post("/embed_all", {"inputs": texts[:1]}))
        self.tei_error("/embed_all", {"inputs": [[1], [70000]]}, 422, "vocabulary", 1)

    def test_vectors_have_length_1_unless_a_request_says_otherwise(self) -> None:
        folder = Path(self.enterContext(tempfile.TemporaryDirectory())) / "plain"
        shutil.copytree(model(), folder)
        modules = json.loads((folder / "modules.json").read_text())
        (folder / "modules.json").write_text(json.dumps(modules[:2]))
        server = Server(ARGUMENTS.treble, "--model", folder)
        try:
            expected = embed(ARGUMENTS.treble, folder, TEXTS[:3], "--normalize")
            raw = embed(ARGUMENTS.treble, folder, TEXTS[:3])
            self.assertNotEqual(raw, expected, "a model whose vectors are not of length 1")
            for fields, wanted in (({}, expected), ({"normalize": True}, expected), ({"normalize": False}, raw)):
                rows = server.post("/embed", {"inputs": TEXTS[:3], **fields}).json()
                self.assertEqual([[float32(x) for x in r] for r in rows], [[float32(x) for x in r] for r in wanted])
                body = {"input": TEXTS[:3], "model": "plain", **fields}
                answer = server.post("/v1/embeddings", body).json()
                self.assertEqual([item["embedding"] for item in answer["data"]], rows)
        finally:
            self.assertEqual(server.stop(), 0)


class Inspect(ApiCase):
    """/inspect is `treble inspect`: names, defaults and numbers."""

    texts = tuple(f"text number {i} " + "about the harbour " * (i % 9) for i in range(40))

    def from_program(self, *flags: str) -> Any:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "texts.jsonl"
            lines = [json.dumps({"id": f"doc-{i}", "text": text}) for i, text in enumerate(self.texts)]
            path.write_text("\n".join(lines), encoding="utf-8")
            queries = Path(folder) / "queries.jsonl"
            queries.write_text("\n".join(json.dumps({"text": text}) for text in TEXTS[:2]), encoding="utf-8")
            flags = tuple(str(queries) if flag == "QUERIES" else flag for flag in flags)
            done = run(ARGUMENTS.treble, "inspect", "--model", model(), "--json", "-", *flags, path)
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)

    def check(self, fields: dict[str, Any], *flags: str) -> Any:
        inputs = [{"id": f"doc-{i}", "text": text} for i, text in enumerate(self.texts)]
        report = self.post("/inspect", {"inputs": inputs, **fields})
        self.assertEqual(report, self.from_program(*flags))
        return report

    def test_defaults(self) -> None:
        report = self.check({})
        self.assertEqual((report["kind"], report["sample"], report["seed"]), ("inspect", 200, 1))
        self.assertEqual(report["map"]["texts"][0]["id"][:4], "doc-")

    def test_every_field(self) -> None:
        report = self.check(
            {
                "temperatures": [0.8, "log:8"],
                "temperature": 0.5,
                "posts": ["centring", "whitening:2"],
                "queries": TEXTS[:2],
                "layers": [0],
                "sample": 7,
                "seed": 5,
                "bootstrap": 50,
                "cut_lengths": [8, 16],
                "bucket_edges": [10, 20],
                "max_length": 40,
                "prompt": "query: ",
                "truncation_direction": "left",
            },
            *("-t", "0.8", "-t", "log:8", "-t", "0.5", "--post", "centring,whitening:2", "--queries", "QUERIES"),
            *("--layers", "0", "--sample", "7", "--seed", "5", "--bootstrap", "50", "--cut-lengths", "8,16"),
            *("--bucket-edges", "10,20", "--max-length", "40", "--prompt", "query: ", "--truncate", "start"),
        )
        self.assertEqual(report["settings"], ["1", "0.8", "log:8", "0.5", "centring", "whitening:2"])
        self.assertEqual(len(report["query_length_slope"]), 6)

    def test_no_layers_and_what_only_python_has(self) -> None:
        self.check({"layers": []}, "--layers", "none")
        report = self.post("/inspect", {"inputs": list(self.texts), "neighbors": 3, "probe_texts": 1})
        self.assertEqual({len(text["neighbors"][0]) for text in report["map"]["texts"]}, {3})
        self.assertEqual({entry["texts"] for entry in report["attention"]}, {1})

    def test_texts_and_their_ids(self) -> None:
        for inputs, ids in (
            ("one text", ["0"]),
            (["a text", "b text"], ["0", "1"]),
            ([{"id": "x", "text": "a text"}, {"text": "b text"}, "c text"], ["x", "1", "2"]),
            (
                [{"id": 12345678901234567890, "text": "a text"}, {"id": None, "text": "b"}],
                ["12345678901234567890", "1"],
            ),
        ):
            report = self.post("/inspect", {"inputs": inputs, "layers": []})
            self.assertEqual(sorted(text["id"] for text in report["map"]["texts"]), sorted(ids), inputs)

    def test_refusals(self) -> None:
        for fields, status, words in (
            ({"inputs": []}, 400, "empty list"),
            ({"inputs": ["a", ""]}, 400, "`inputs[1]` is empty"),
            ({"inputs": [{"id": "a"}]}, 422, "`inputs[0]` has no `text`"),
            ({"inputs": [{"text": 1}]}, 422, "must be a text, not a number"),
            ({"inputs": ["a", {"id": 1e40, "text": "b"}]}, 422, "`id` of `inputs[1]`"),
            ({"inputs": ["a", {"id": [1], "text": "b"}]}, 422, "`id` of `inputs[1]`"),
            ({"inputs": [[1, 2]]}, 422, "must be a text"),
            ({"temperatures": 0.8}, 422, "`temperatures` must be a list"),
            ({"temperatures": [1] * 17}, 422, "at most 16"),
            ({"temperatures": [0.8, 0]}, 422, "greater than 0"),
            ({"temperatures": ["/etc/passwd"]}, 422, "must be a number above 0"),
            ({"posts": ["centering"]}, 422, "centring"),
            ({"posts": [1]}, 422, "`posts` must hold texts"),
            ({"posts": "centring"}, 422, "`posts` must be a list"),
            ({"queries": ["a", ""]}, 400, "`queries[1]` is empty"),
            ({"query_prompt_name": "nope"}, 404, "nope"),
            ({"layers": [7]}, 422, "`layers`"),
            ({"layers": "all"}, 422, "`layers`"),
            ({"sample": 1}, 422, "from 2 to 1000, not 1"),
            ({"sample": 1000, "bootstrap": 10000}, 422, "`bootstrap` (10000) times"),
            ({"bootstrap": -1}, 422, "from 0 to 10000"),
            ({"seed": -1}, 422, "not -1"),
            ({"cut_lengths": [0]}, 422, "`cut_lengths`"),
            ({"cut_lengths": [4096]}, 422, "from 1 to 2048"),
            ({"bucket_edges": [20, 10]}, 422, "must rise"),
            ({"probe_texts": 0}, 422, "from 1 to 64"),
            ({"neighbors": 101}, 422, "from 1 to 100"),
            ({"samples": 3}, 422, "did you mean `sample`?"),
        ):
            with self.subTest(fields=str(fields)[:60]):
                error = self.post("/inspect", {"inputs": ["a text", "b text"], **fields}, status)
                self.assertIn(words, error["error"])

    def test_a_deadline_ends_it(self) -> None:
        body = {"inputs": ["harbour " * 60 + str(i) for i in range(2000)], "sample": 1000, "temperatures": [0.5, 0.6]}
        answer = self.server.post("/inspect", body, headers={"x-request-timeout-ms": "200"})
        self.assertEqual(answer.status, 504, answer.body[:300])


class Counts(ApiCase):
    """Nothing is cut silently."""

    def test_headers_say_what_was_read(self) -> None:
        answer = self.server.post("/embed", {"inputs": TEXTS})
        counts = [len(tokens) for tokens in self.server.post("/tokenize", {"inputs": TEXTS}).json()]
        limit = self.server.get("/info").json()["max_input_length"]
        self.assertEqual(int(answer.headers["x-compute-tokens"]), sum(min(count, limit) for count in counts))
        self.assertEqual(int(answer.headers["x-truncated-texts"]), sum(count > limit for count in counts))
        self.assertEqual(int(answer.headers["x-truncated-tokens"]), sum(max(0, count - limit) for count in counts))
        self.assertEqual(int(answer.headers["x-compute-characters"]), sum(map(len, TEXTS)))
        for name in ("total", "tokenization", "queue", "inference", "compute"):
            self.assertGreaterEqual(float(answer.headers[f"x-{name}-time"]), 0)
        usage = self.post("/v1/embeddings", {"input": TEXTS, "model": "tiny"})["usage"]
        self.assertEqual(usage["prompt_tokens"], int(answer.headers["x-compute-tokens"]))
        self.assertEqual(usage["truncated_texts"], int(answer.headers["x-truncated-texts"]))

    def test_truncation_can_be_refused_on_every_route(self) -> None:
        limit = self.server.get("/info").json()["max_input_length"]
        words = f"the limit is {limit}"
        for path in ("/embed", "/embed_all"):
            self.tei_error(path, {"inputs": TEXTS, "truncate": False}, 413, words, 1)
        self.openai_error({"input": TEXTS, "model": "tiny", "truncate": False}, 413, words, "input[1]")

    def test_ignored_fields_are_named(self) -> None:
        answer = self.server.post("/embed", {"inputs": "x", "raw_scores": True, "zzz": 1})
        self.assertEqual(answer.headers["x-ignored-fields"], "raw_scores, zzz")

    def test_request_ids(self) -> None:
        answer = self.server.call("GET", "/ping", headers={"X-Request-Id": "mine-1"})
        self.assertEqual(answer.headers["x-request-id"], "mine-1")
        self.assertNotEqual(self.server.get("/ping").headers["x-request-id"], "mine-1")


class Errors(ApiCase):
    """Bad input names the field, the item and the way out."""

    arguments = ("--max-client-batch-size", "40", "--payload-limit", "20000")

    def test_inputs(self) -> None:
        for bad, status, words, index in (
            ("", 400, "`inputs[0]` is empty", 0),
            (["a", ""], 400, "`inputs[1]` is empty", 1),
            ([], 400, "empty list", None),
            ([[]], 400, "holds no token ids", 0),
            ([[1], []], 400, "holds no token ids", 1),
            (7, 422, "must be a text or a list of texts, not a number", None),
            (["a", 7], 422, "`inputs[1]` must be a text, not a number", 1),
            ([7, "a"], 422, "not a token id", 0),
            ([[1], "a"], 422, "must be a list of token ids", 1),
            ([1.5], 422, "1.5", 0),
            ([-1], 422, "-1", 0),
            ([99999999999999999999], 422, "not a token id", 0),
            ([999999], 422, "vocabulary of 265 tokens", 0),
            ([[1], [999999]], 422, "vocabulary of 265 tokens", 1),
            ({"a": 1}, 422, "not an object", None),
            ([None], 422, "not null", 0),
            (["x"] * 41, 413, "41 inputs, and the limit of a request is 40", None),
        ):
            with self.subTest(bad=str(bad)[:40]):
                self.tei_error("/embed", {"inputs": bad}, status, words, index)
                param = "input" if index is None else f"input[{index}]"
                self.openai_error({"input": bad, "model": "tiny"}, status, words.replace("inputs[", "input["), param)

    def test_fields(self) -> None:
        for field, bad, words in (
            ("temperature", 0, "greater than 0"),
            ("temperature", -1, "greater than 0"),
            ("temperature", "/etc/passwd", "must be a number above 0"),
            ("temperature", "match:/etc/passwd", "must be a number above 0"),
            ("temperature", "profile.json", "must be a number above 0"),
            ("temperature", "log:", "must be a number above 0"),
            ("temperature", True, "not true or false"),
            ("dimensions", 0, "from 1 to 32, not 0"),
            ("dimensions", 33, "from 1 to 32, not 33"),
            ("dimensions", 1.5, "not 1.5"),
            ("max_length", 10**30, "a whole number"),
            ("normalize", "yes", "true or false, not a text"),
            ("truncate", 1, "true or false, not 1"),
            ("truncation_direction", "middle", "Left or Right"),
            ("encoding_format", "hex", "float or base64"),
            ("model", 3, "a text, not 3"),
        ):
            with self.subTest(field=field, bad=bad):
                self.openai_error({"input": "x", "model": "tiny", field: bad}, 422, words, field)
        self.openai_error({"input": "x"}, 422, "`model` is missing", "model")
        self.openai_error({"model": "tiny"}, 422, "`input` is missing", "input")
        self.openai_error({"input": "x", "model": "nope"}, 404, "there are: tiny", "model")
        self.tei_error("/embed", {"inputs": "x", "temprature": 1}, 422, "did you mean `temperature`?")
        self.tei_error("/embed", {"inputs": "x", "prompt_name": "nope"}, 404, "nope")
        self.tei_error("/embed", {"inputs": "x", "prompt": "a", "prompt_name": "b"}, 422, "exclude each other")
        self.tei_error("/similarity", {"inputs": {"source_sentence": "a"}}, 422, "source_sentence")
        self.tei_error("/similarity", {"inputs": {"source_sentence": "a", "sentences": ["b", ""]}}, 400, "[1]", 1)
        self.tei_error("/decode", {"ids": "x"}, 422, "`ids` must be")
        self.tei_error("/decode", {"ids": [70000]}, 422, "70000", 0)

    def test_bodies(self) -> None:
        def raw(body: bytes, **headers: str) -> Answer:
            return self.server.call("POST", "/embed", raw=body, headers=headers)

        for body in (b"", b"{", b"[1]", b'"x"', b"\xff", b'{"inputs": "\\ud800"}', b'{"inputs": "\xc3"}', b"{}x"):
            self.assertEqual(raw(body).status, 400, body)
        self.assertEqual(raw(b"[" * 10_000).status, 400)
        self.assertEqual(raw(b'{"inputs": ' + b"[" * 5_000 + b"]" * 5_000 + b"}").status, 400)
        self.assertEqual(raw(b'{"inputs": ' + b"[" * 20 + b"]" * 20 + b"}").status, 422)
        self.assertEqual(raw(b'{"inputs": "x"}', **{"Content-Type": "text/plain"}).status, 415)
        self.assertEqual(raw(b'{"inputs": "x"}', **{"Content-Type": "Application/JSON; charset=utf-8"}).status, 200)
        large = raw(b'{"inputs": "' + b"x" * 20_000 + b'"}')
        self.assertEqual(large.status, 413)
        self.assertEqual(large.json()["error_type"], "Validation")

    def test_paths_and_methods(self) -> None:
        self.assertEqual(self.server.get("/nothing").status, 404)
        answer = self.server.get("/embed")
        self.assertEqual((answer.status, answer.headers["allow"]), (405, "POST, OPTIONS"))
        self.assertIn("error_type", answer.json())
        self.assertIn("message", self.server.get("/v1/embeddings").json()["error"])
        self.assertEqual(self.server.call("OPTIONS", "/embed").status, 204)
        self.assertEqual(self.server.call("HEAD", "/ping").status, 200)
        self.tei_error("/embed_sparse", {"inputs": "a"}, 501, "tiny has none")
        for path in ("/rerank", "/predict"):
            self.tei_error(path, {"query": "a", "texts": ["b"]}, 501, "tiny is an embedding model")
        self.assertIn("cross-encoder", self.post("/v1/rerank", {}, 501)["error"]["message"])

    def test_deadlines(self) -> None:
        answer = self.server.post("/embed", {"inputs": "x"}, headers={"x-request-timeout-ms": "soon"})
        self.assertEqual(answer.status, 422)
        self.assertEqual(
            self.server.post("/embed", {"inputs": "x"}, headers={"x-request-timeout-ms": "60000"}).status, 200
        )


class Keys(ApiCase):
    """--api-key guards what is not open, and is never shown."""

    arguments = ("--api-key", KEY, "--api-key", "other", "--cors-allow-origin", "https://a.example")

    def test_keys(self) -> None:
        for header, status in (
            ({}, 401),
            ({"Authorization": "Bearer wrong"}, 401),
            ({"Authorization": KEY}, 401),
            ({"Authorization": "Bearer " + KEY + "x"}, 401),
            ({"Authorization": "Bearer "}, 401),
            ({"Authorization": "bearer " + KEY}, 200),
            ({"Authorization": "Bearer other"}, 200),
        ):
            answer = self.server.post("/embed", {"inputs": "x"}, headers=header)
            self.assertEqual(answer.status, status, header)
            if status == 401:
                self.assertEqual(answer.headers["www-authenticate"], "Bearer")
        self.assertEqual(self.server.get("/nothing").status, 401)
        for path in ("/", "/health", "/ping", "/metrics", "/docs", "/openapi.json"):
            self.assertEqual(self.server.get(path.replace("{model}", "tiny")).status, 200, path)
        self.assertNotIn(KEY, "".join(self.server.log))
        self.assertNotIn(KEY, self.server.get("/metrics").body.decode())

    def test_cors(self) -> None:
        answer = self.server.call("OPTIONS", "/embed", headers={"Origin": "https://a.example"})
        self.assertEqual(answer.headers["access-control-allow-origin"], "https://a.example")
        self.assertIn("authorization", answer.headers["access-control-allow-headers"])
        self.assertNotIn(
            "access-control-allow-origin", self.server.call("GET", "/ping", headers={"Origin": "https://b"}).headers
        )


class SeveralModels(unittest.TestCase):
    def test_names_temperatures_and_profiles(self) -> None:
        server = Server(
            ARGUMENTS.treble,
            *(
                "--model",
                model("bert"),
                "--model",
                model("mpnet"),
                "--served-model-name",
                "a",
                "--served-model-name",
                "b",
            ),
            *("--temperature", "1", "--temperature", "0.7"),
        )
        try:
            names = [entry["id"] for entry in server.get("/v1/models").json()["data"]]
            self.assertEqual(names, ["a", "b"])
            self.assertEqual([entry["temperature"] for entry in server.get("/info").json()["models"]], ["1", "0.7"])
            for name, folder, flags in (("a", "bert", ()), ("b", "mpnet", ("--temperature", "0.7"))):
                expected = embed(ARGUMENTS.treble, model(folder), TEXTS[:3], *flags)
                got = server.post("/embed", {"inputs": TEXTS[:3], "model": name}).json()
                self.assertEqual(
                    [[float32(x) for x in row] for row in got], [[float32(x) for x in row] for row in expected]
                )
            self.assertEqual(server.post("/embed", {"inputs": "x", "model": "c"}).status, 404)
            self.assertEqual(server.get("/v1/models/%62").json(), server.get("/v1/models").json()["data"][1])
            self.assertEqual(server.get("/v1/models/c").json()["error"]["code"], "model_not_found")
            self.assertEqual(set(server.get("/health").json()["models"]), {"a", "b"})
        finally:
            self.assertEqual(server.stop(), 0)


class Command(unittest.TestCase):
    """Flags, environment, configuration file, and what is refused before anything is served."""

    def test_environment_and_file(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            config = Path(folder) / "serve.toml"
            config.write_text(
                f'model = "{model()}"\nmax-client-batch-size = 3\nauto-truncate = false\n', encoding="utf-8"
            )
            environment = {"SERVED_MODEL_NAME": "named", "MAX_CONCURRENT_REQUESTS": "7"}
            server = Server(ARGUMENTS.treble, "--config", config, environment=environment)
            try:
                info = server.get("/info").json()
                self.assertEqual((info["served_model_name"], info["max_concurrent_requests"]), ("named", 7))
                self.assertEqual(info["model_id"], str(model()), "what a command line can be given")
                self.assertEqual((info["max_client_batch_size"], info["auto_truncate"]), (3, False))
                self.assertEqual(server.post("/embed", {"inputs": TEXTS[1]}).status, 413)
                self.assertEqual(server.post("/embed", {"inputs": TEXTS[1], "truncate": True}).status, 200)
            finally:
                self.assertEqual(server.stop(), 0)

    def test_the_command_line_comes_before_the_file(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            config = Path(folder) / "serve.toml"
            config.write_text("max_client_batch_size = 3\nmax-concurrent-requests = 7\n", encoding="utf-8")
            # Containers set HOSTNAME: it is not where to listen.
            environment = {"HOSTNAME": "a-container", "MAX_CONCURRENT_REQUESTS": "8"}
            flags = ("--model", model(), "--config", config, "--max-client-batch-size", "5")
            server = Server(ARGUMENTS.treble, *flags, environment=environment)
            try:
                info = server.get("/info").json()
                self.assertEqual((info["max_client_batch_size"], info["max_concurrent_requests"]), (5, 8))
            finally:
                self.assertEqual(server.stop(), 0)
            config.write_text("prot = 1\n", encoding="utf-8")
            done = run(ARGUMENTS.treble, "serve", "--port", "0", "--model", model(), "--config", config)
            self.assertIn("did you mean port?", done.stderr)
            self.assertEqual(done.returncode, 64, done.stderr)

    def test_refusals(self) -> None:
        for words, *arguments in (
            ("no model was named",),
            (
                "is given 2 times for 1 models",
                "--model",
                model(),
                "--served-model-name",
                "a",
                "--served-model-name",
                "b",
            ),
            ("two models would be served as", "--model", model(), "--model", model()),
            ("write NAME=FILE", "--model", model(), "--temperature-profile", "x"),
            ("--api-key has an empty value", "--model", model(), "--api-key", ""),
        ):
            done = run(ARGUMENTS.treble, "serve", "--port", "0", *arguments)
            self.assertIn(words, done.stderr)
            self.assertEqual(done.returncode, 64, done.stderr)
        server = Server(ARGUMENTS.treble, "--model", model())
        port = server.url.rsplit(":", 1)[1]
        done = run(ARGUMENTS.treble, "serve", "--hostname", "127.0.0.1", "--port", port, "--model", model())
        self.assertEqual(done.returncode, 74, done.stderr)
        self.assertIn(port, done.stderr)
        self.assertEqual(server.stop(), 0)

    def test_too_many_requests(self) -> None:
        server = Server(
            ARGUMENTS.treble, "--model", model(), "--max-queue-texts", "4", "--max-concurrent-requests", "3"
        )
        try:
            statuses: list[int] = []

            def ask() -> None:
                for _ in range(20):
                    answer = server.post("/embed", {"inputs": ["some text " * 20] * 3})
                    statuses.append(answer.status)
                    if answer.status == 429:
                        assert answer.headers["retry-after"] == "1"
                        assert answer.json()["error_type"] == "Overloaded"

            threads = [threading.Thread(target=ask) for _ in range(12)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            self.assertEqual(len(statuses), 240)
            self.assertEqual(set(statuses), {200, 429})
            self.assertEqual(server.post("/embed", {"inputs": "x"}).status, 200, "it recovers")
        finally:
            self.assertEqual(server.stop(), 0)


class Documentation(ApiCase):
    """openapi.json, docs/server.md and what is answered agree."""

    def test_every_route_is_documented(self) -> None:
        document = self.server.get("/openapi.json").json()
        for path, methods in document["paths"].items():
            for method in methods:
                if method == "get":
                    self.assertEqual(self.server.get(path.replace("{model}", "tiny")).status, 200, path)
                else:
                    self.assertNotIn(self.server.post(path, {}).status, (404, 405), path)

    def test_every_status_is_documented(self) -> None:
        """docs/server.md says of each route what openapi.json says, which is made of what the code may throw."""
        page = (ROOT / "docs/server.md").read_text(encoding="utf-8")
        everywhere = set(
            re.findall(r"\d{3}", re.search(r"answers with beside (.*?), which any may", page, re.DOTALL)[1])
        )
        document = self.server.get("/openapi.json").json()
        documented = {
            (method.upper(), path): set(operation["responses"])
            for path, methods in document["paths"].items()
            for method, operation in methods.items()
        }
        rows = re.findall(r"^\| (GET|POST) `(/[^`]*)` \| ([^|]*) \|.*\| ?([\d, ]*?) ?\|$", page, re.MULTILINE)
        self.assertEqual({(method, path) for method, path, _, _ in rows}, set(documented))
        for method, path, whose, statuses in rows:
            expected = set(re.findall(r"\d{3}", statuses)) | everywhere
            if whose == "open":
                expected.discard("401")
            self.assertEqual(documented[method, path], expected, f"{method} {path}")

    def test_statuses_that_every_route_with_a_body_gives(self) -> None:
        document = self.server.get("/openapi.json").json()
        for path, methods in document["paths"].items():
            if "post" not in methods or "415" not in methods["post"]["responses"]:
                continue
            inputs = {"source_sentence": "x", "sentences": ["y"]} if path == "/similarity" else "x"
            no_model = {"model": "nope", "input": "x", "inputs": inputs, "ids": [1]}
            for status, raw, headers in (
                (400, b"{", {}),
                (400, b"[]", {}),
                (413, b" " * 2_100_000, {}),
                (415, b"{}", {"Content-Type": "text/plain"}),
                # What is served is no cross-encoder and has no sparse output, whatever the body.
                (501 if path in ("/rerank", "/v1/rerank", "/predict", "/embed_sparse") else 422, b"{}", {}),
                (404, json.dumps(no_model).encode(), {}),
            ):
                answer = self.server.call("POST", path, raw=raw, headers=headers)
                self.assertEqual(answer.status, status, (path, raw[:60], answer.body[:200]))

    def test_every_error_is_documented(self) -> None:
        page = (ROOT / "docs/server.md").read_text(encoding="utf-8")
        rows = set(re.findall(r"^\| (\d+) \| `(\w+)` \| (\w+) \| `(\w+)` \|", page, re.MULTILINE))
        source = (ROOT / "apps/server/api/api_error.cc").read_text(encoding="utf-8")
        table = re.findall(r'\{"(\w+)", (\d+), "(\w+)", "(\w+)",', source)
        self.assertGreater(len(table), 20)
        self.assertEqual(rows, {(status, name, tei, openai) for name, status, tei, openai in table})

    def test_pages(self) -> None:
        self.assertIn(b"<h1>", self.server.get("/docs").body)
        answer = self.server.get("/")
        self.assertIn("text/html", answer.headers["content-type"])
        self.assertNotIn("unsafe", answer.headers["content-security-policy"])


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--treble", required=True)
    parser.add_argument("--golden", required=True)
    ARGUMENTS, rest = parser.parse_known_args()
    unittest.main(argv=[sys.argv[0], *rest])
