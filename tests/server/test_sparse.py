#!/usr/bin/env python3
"""`/embed_sparse`: `treble serve` on tiny golden models, against what sentence-transformers stored.

Needs nothing but the standard library: `test_sparse.py --treble PROGRAM --golden FOLDER`.
"""

from __future__ import annotations

import argparse
import json
import struct
import sys
import unittest
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, ClassVar

from server_process import Server

ARGUMENTS = argparse.Namespace(treble="", golden="")
TOLERANCE = 1e-5
MODELS = ("bert", "bge-m3", "bert-untied")


def folder(name: str) -> Path:
    return Path(ARGUMENTS.golden) / "sparse" / name


def golden(name: str, key: str = "tau=1") -> list[list[float]]:
    data = (folder(name) / "expected.safetensors").read_bytes()
    (size,) = struct.unpack("<Q", data[:8])
    entry = json.loads(data[8 : 8 + size])[key]
    begin, end = entry["data_offsets"]
    values = struct.unpack(f"<{(end - begin) // 4}f", data[8 + size + begin : 8 + size + end])
    width = entry["shape"][1]
    return [list(values[at : at + width]) for at in range(0, len(values), width)]


def texts_of(name: str) -> list[tuple[int, str]]:
    """With their places; without the empty one, which the routes refuse."""
    texts = json.loads((folder(name) / "cases.json").read_text(encoding="utf-8"))["texts"]
    return [(index, text) for index, text in enumerate(texts) if text]


class Sparse(unittest.TestCase):
    """SPLADE, BGE-M3, an embedding model and a reranker side by side."""

    server: ClassVar[Server]

    @classmethod
    def setUpClass(cls) -> None:
        root = Path(ARGUMENTS.golden)
        models = [folder(name) / "model" for name in MODELS]
        models += [root / "bert" / "model", root / "rerankers" / "bert" / "model"]
        arguments: list[str | Path] = []
        for model, name in zip(models, (*MODELS, "vectors", "ranker"), strict=True):
            arguments += ["--model", model, "--served-model-name", name]
        cls.server = Server(ARGUMENTS.treble, *arguments, "--max-client-batch-size", "32")

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

    def check(self, model: str, key: str, **fields: Any) -> None:
        places = texts_of(model)
        body = {"inputs": [text for _, text in places], "model": model, "truncate": True, **fields}
        rows = self.post("/embed_sparse", body)
        self.assertEqual(len(rows), len(places))
        expected = golden(model, key)
        for row, (place, _) in zip(rows, places, strict=True):
            found = [0.0] * len(expected[place])
            indices = [entry["index"] for entry in row]
            self.assertEqual(indices, sorted(set(indices)))
            for entry in row:
                self.assertEqual(set(entry), {"index", "value"})
                found[entry["index"]] = entry["value"]
            for one, other in zip(found, expected[place], strict=True):
                self.assertAlmostEqual(one, other, delta=TOLERANCE)

    def test_weights_equal_sentence_transformers(self) -> None:
        self.check("bert", "tau=1")
        self.check("bert", "tau=0.7", temperature=0.7)
        self.check("bge-m3", "tau=1")
        self.check("bert-untied", "query", role="query")
        self.check("bert", "top=3", max_active_dims=3)

    def test_one_text_is_a_list_of_one_row(self) -> None:
        self.assertEqual(len(self.post("/embed_sparse", {"inputs": "a ferry"})), 1)

    def test_counts_are_in_the_headers(self) -> None:
        answer = self.server.post("/embed_sparse", {"inputs": "a ferry " * 60, "truncate": True})
        self.assertEqual(answer.status, 200)
        self.assertIn("x-compute-tokens", answer.headers)
        self.assertEqual(answer.headers["x-truncated-texts"], "1")

    def test_concurrent_requests_have_the_weights_of_single_ones(self) -> None:
        texts = [f"a ferry {i} " + "leaves the harbour " * (i % 9) for i in range(40)]
        fields = [{"temperature": (1, 0.7, "log:8")[i % 3], "truncate": True} for i in range(40)]
        fields = [{**one, "max_active_dims": 4} if i % 5 == 0 else one for i, one in enumerate(fields)]
        for model in ("bert", "bge-m3"):
            bodies = [
                {"inputs": [text, text[:9]], "model": model, **one} for text, one in zip(texts, fields, strict=True)
            ]
            alone = [self.post("/embed_sparse", body) for body in bodies]
            with ThreadPoolExecutor(16) as pool:
                together = list(pool.map(lambda body: self.post("/embed_sparse", body), bodies))
            for one, other in zip(alone, together, strict=True):
                for row, again in zip(one, other, strict=True):
                    self.assertEqual([entry["index"] for entry in row], [entry["index"] for entry in again])
                    for entry, same in zip(row, again, strict=True):
                        self.assertAlmostEqual(entry["value"], same["value"], delta=TOLERANCE)

    def test_a_deadline_and_the_temperature_are_those_of_other_routes(self) -> None:
        answer = self.server.post("/embed_sparse", {"inputs": "x"}, headers={"x-request-timeout-ms": "soon"})
        self.assertEqual(answer.status, 422)
        answer = self.server.post("/embed_sparse", {"inputs": "x", "temperature": 0.7})
        self.assertEqual(answer.headers["x-temperature"], "0.7")
        self.assertIn("x-queue-time", answer.headers)

    def test_models_without_the_output_say_what_they_have(self) -> None:
        error = self.post("/embed_sparse", {"inputs": "a", "model": "vectors"}, 501)
        self.assertIn("vectors has none", error["error"])
        error = self.post("/embed_sparse", {"inputs": "a", "model": "ranker"}, 501)
        self.assertIn("cross-encoder", error["error"])
        error = self.post("/embed", {"inputs": "a", "model": "bert"}, 501)
        self.assertIn("/embed_sparse", error["error"])
        self.assertEqual(len(self.post("/embed", {"inputs": "a", "model": "bge-m3"})), 1)

    def test_wrong_fields_are_named(self) -> None:
        for fields, word in (
            ({"max_active_dims": 0}, "max_active_dims"),
            ({"role": "author"}, "author"),
            ({"inputs": []}, "inputs"),
            ({"inputs": [""]}, "inputs[0]"),
            ({"temperature": 0}, "temperature"),
        ):
            answer = self.server.post("/embed_sparse", {"inputs": "a", **fields})
            self.assertIn(answer.status, (400, 422), fields)
            self.assertIn(word, answer.json()["error"])

    def test_info_says_splade(self) -> None:
        info = self.server.get("/info").json()
        self.assertEqual(info["model_type"], {"embedding": {"pooling": "splade"}})
        self.assertIsNone(info["dimensions"])


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--treble", required=True)
    parser.add_argument("--golden", required=True)
    options, rest = parser.parse_known_args(namespace=ARGUMENTS)
    unittest.main(argv=[sys.argv[0], *rest])
