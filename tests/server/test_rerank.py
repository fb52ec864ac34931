#!/usr/bin/env python3
"""The routes of cross-encoders: `treble serve` on tiny golden models, against what sentence-transformers stored.

Needs nothing but the standard library: `test_rerank.py --treble PROGRAM --golden FOLDER`.
"""

from __future__ import annotations

import argparse
import json
import math
import struct
import sys
import unittest
from pathlib import Path
from typing import Any, ClassVar

from server_process import Server

ARGUMENTS = argparse.Namespace(treble="", golden="")
TOLERANCE = 1e-5


def folder(name: str) -> Path:
    return Path(ARGUMENTS.golden) / "rerankers" / name


def pairs_of(name: str) -> list[list[str]]:
    """Those without an empty text, which the routes refuse."""
    return json.loads((folder(name) / "cases.json").read_text())["pairs"]


def tensor(name: str, key: str) -> list[list[float]]:
    data = (folder(name) / "expected.safetensors").read_bytes()
    (size,) = struct.unpack("<Q", data[:8])
    entry = json.loads(data[8 : 8 + size])[key]
    begin, end = entry["data_offsets"]
    values = struct.unpack(f"<{(end - begin) // 4}f", data[8 + size + begin : 8 + size + end])
    labels = entry["shape"][1]
    return [list(values[i : i + labels]) for i in range(0, len(values), labels)]


def sigmoid(value: float) -> float:
    return 1 / (1 + math.exp(-value))


class Rerank(unittest.TestCase):
    """A reranker, a classifier and an embedding model side by side."""

    server: ClassVar[Server]

    @classmethod
    def setUpClass(cls) -> None:
        models = [folder("bert") / "model", folder("camembert") / "model", Path(ARGUMENTS.golden) / "bert" / "model"]
        arguments: list[str | Path] = []
        for model, name in zip(models, ("ranker", "labels", "vectors"), strict=True):
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

    def cases(self, name: str) -> list[tuple[int, list[str]]]:
        return [(i, pair) for i, pair in enumerate(pairs_of(name)) if all(pair)]

    def test_scores_equal_the_reference(self) -> None:
        for tau, key in ((1, "tau=1/logits"), (0.7, "tau=0.7/logits")):
            logits = tensor("bert", key)
            for i, (query, text) in self.cases("bert"):
                body = {"query": query, "texts": [text], "temperature": tau}
                (raw,) = self.post("/rerank", body | {"raw_scores": True})
                self.assertAlmostEqual(raw["score"], logits[i][0], delta=TOLERANCE)
                (scored,) = self.post("/rerank", body)
                self.assertAlmostEqual(scored["score"], sigmoid(logits[i][0]), delta=TOLERANCE)
                results = self.post("/v1/rerank", {"query": query, "documents": [text], "temperature": tau})["results"]
                self.assertEqual([one["relevance_score"] for one in results], [scored["score"]])
                (predicted,) = self.post("/predict", {"inputs": [query, text], "temperature": tau})
                self.assertEqual(predicted, {"score": scored["score"], "label": "LABEL_0"})

    def test_texts_are_ranked(self) -> None:
        texts = ["a ferry", "the harbour at nine", "letters", "a ferry"]
        ranked = self.post("/rerank", {"query": "when?", "texts": texts, "return_text": True})
        self.assertEqual(sorted(one["index"] for one in ranked), [0, 1, 2, 3])
        self.assertEqual([one["text"] for one in ranked], [texts[one["index"]] for one in ranked])
        self.assertEqual([one["score"] for one in ranked], sorted((one["score"] for one in ranked), reverse=True))
        self.assertNotIn("text", self.post("/rerank", {"query": "when?", "texts": texts})[0])
        documents = [texts[0], {"text": texts[1]}, *texts[2:]]
        body = {"model": "ranker", "query": "when?", "documents": documents, "top_n": 2, "return_documents": True}
        answer = self.post("/v1/rerank", body)
        self.assertEqual(answer["model"], "ranker")
        self.assertEqual([one["index"] for one in answer["results"]], [one["index"] for one in ranked[:2]])
        self.assertEqual([one["document"]["text"] for one in answer["results"]], [one["text"] for one in ranked[:2]])
        self.assertGreater(answer["usage"]["prompt_tokens"], 8)

    def test_labels(self) -> None:
        logits = tensor("camembert", "tau=1/logits")
        names = ["contradiction", "entailment", "neutral"]
        cases = self.cases("camembert")
        raw = self.post("/predict", {"model": "labels", "inputs": [pair for _, pair in cases], "raw_scores": True})
        for (i, pair), row in zip(cases, raw, strict=True):
            self.assertEqual([one["score"] for one in row], sorted((one["score"] for one in row), reverse=True))
            for one in row:
                self.assertAlmostEqual(one["score"], logits[i][names.index(one["label"])], delta=TOLERANCE)
            scores = self.post("/predict", {"model": "labels", "inputs": pair})
            self.assertAlmostEqual(sum(one["score"] for one in scores), 1, places=5)
        for form in ("a text", ["a text"]):
            self.assertEqual(len(self.post("/predict", {"model": "labels", "inputs": form})), 3)
        self.assertEqual(len(self.post("/predict", {"model": "labels", "inputs": [["a"], ["b"]]})), 2)

    def test_info_says_what_they_are(self) -> None:
        models = {one["served_model_name"]: one for one in self.server.get("/info").json()["models"]}
        self.assertEqual(models["ranker"]["model_type"]["reranker"]["id2label"], {"0": "LABEL_0"})
        self.assertEqual(models["labels"]["model_type"]["classifier"]["label2id"]["neutral"], 2)
        self.assertIn("embedding", models["vectors"]["model_type"])
        self.assertIsNone(models["ranker"]["dimensions"])

    def test_what_is_cut_is_counted(self) -> None:
        answer = self.server.post("/rerank", {"query": "a", "texts": ["word " * 200, "b"]})
        self.assertEqual((answer.status, answer.headers["x-truncated-texts"]), (200, "1"))
        error = self.post("/rerank", {"query": "a", "texts": ["b", "word " * 200], "truncate": False}, 413)
        self.assertIn("pair of texts", error["error"])
        self.assertEqual(error["index"], 1)

    def test_wrong_requests(self) -> None:
        for body, status, words in (
            ({"query": "q", "texts": []}, 400, "empty list"),
            ({"query": "q", "texts": ["a", ""]}, 400, "texts[1]"),
            ({"query": "", "texts": ["a"]}, 400, "query"),
            ({"query": ["q"], "texts": ["a"]}, 422, "`query` must be a text"),
            ({"texts": ["a"]}, 422, "query"),
            ({"query": "q", "texts": ["a"] * 33}, 413, "33"),
            ({"query": "q", "texts": ["a"], "model": "labels"}, 501, "use /predict"),
            ({"query": "q", "texts": ["a"], "model": "vectors"}, 501, "vectors is an embedding model"),
            ({"query": "q", "texts": ["a"], "temperature": 0}, 422, "temperature"),
        ):
            self.assertIn(words, self.post("/rerank", body, status)["error"], body)
        for inputs, words in (
            (["a", "b", "c"], "inputs[0]"),
            ([["a"], ["b", "c"]], "single texts and pairs"),
            (7, "`inputs`"),
        ):
            self.assertIn(words, self.post("/predict", {"inputs": inputs}, 422)["error"])
        self.assertIn(
            "top_n", self.post("/v1/rerank", {"query": "q", "documents": ["a"], "top_n": 0}, 422)["error"]["message"]
        )

    def test_a_reranker_gives_no_vectors(self) -> None:
        for path, body in (
            ("/embed", {"inputs": "a"}),
            ("/embed_all", {"inputs": "a"}),
            ("/similarity", {"inputs": {"source_sentence": "a", "sentences": ["b"]}}),
            ("/inspect", {"inputs": ["a", "b"]}),
        ):
            self.assertIn("ranker is a cross-encoder", self.post(path, body, 501)["error"])
        error = self.post("/v1/embeddings", {"input": "a", "model": "ranker"}, 501)["error"]
        self.assertIn("/v1/rerank", error["message"])
        self.assertEqual(self.post("/tokenize", {"inputs": "a"})[0][0]["special"], True)
        self.assertEqual(self.server.get("/health").status, 200)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--treble", required=True)
    parser.add_argument("--golden", required=True)
    options, rest = parser.parse_known_args(namespace=ARGUMENTS)
    unittest.main(argv=[sys.argv[0], *rest])
