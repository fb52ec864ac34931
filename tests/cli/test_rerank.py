#!/usr/bin/env python3
"""`treble rerank` on tiny golden models: order, values, forms of input and output, errors.

Needs nothing but the standard library: `test_rerank.py --treble PROGRAM --golden tests/golden`.
"""

from __future__ import annotations

import argparse
import json
import struct
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from typing import Any

ARGUMENTS = argparse.Namespace(treble="", golden="")
TOLERANCE = 1e-5
TEXTS = ["a ferry", "the harbour at nine", "letters", "the lighthouse keeper tells of storms"]


def folder(name: str) -> Path:
    return Path(ARGUMENTS.golden) / "rerankers" / name


def pairs_of(name: str) -> list[list[str]]:
    return json.loads((folder(name) / "cases.json").read_text())["pairs"]


def tensor(name: str, key: str) -> list[list[float]]:
    data = (folder(name) / "expected.safetensors").read_bytes()
    (size,) = struct.unpack("<Q", data[:8])
    entry = json.loads(data[8 : 8 + size])[key]
    begin, end = entry["data_offsets"]
    values = struct.unpack(f"<{(end - begin) // 4}f", data[8 + size + begin : 8 + size + end])
    labels = entry["shape"][1]
    return [list(values[i : i + labels]) for i in range(0, len(values), labels)]


class Rerank(unittest.TestCase):
    """A folder of its own for each test."""

    def setUp(self) -> None:
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.folder = Path(holder.name)

    def write(self, name: str, content: str) -> Path:
        path = self.folder / name
        path.write_text(content)
        return path

    def rerank(
        self, *arguments: str | Path, model: str = "bert", code: int = 0, stdin: str = ""
    ) -> subprocess.CompletedProcess[str]:
        command = [ARGUMENTS.treble, "rerank", "--model", str(folder(model) / "model"), *map(str, arguments)]
        done = subprocess.run(command, input=stdin, text=True, capture_output=True, timeout=120, check=False)
        self.assertEqual(done.returncode, code, done.stderr)
        return done

    def rows(self, done: subprocess.CompletedProcess[str]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
        header, *rows = map(json.loads, done.stdout.splitlines())
        return header["treble"], rows

    def pairs(self, name: str) -> Path:
        lines = [json.dumps({"query": query, "text": text}) for query, text in pairs_of(name)]
        return self.write("pairs.jsonl", "\n".join(lines) + "\n")

    def test_pairs_have_the_reference_scores(self) -> None:
        for name in ("bert", "roberta", "camembert", "modernbert", "qwen3-logit", "gemma3-score"):
            labels = json.loads((folder(name) / "cases.json").read_text())["labels"]
            for options, key in (
                ((), "scores"),
                (("--raw-scores",), "tau=1/logits"),
                (("--raw-scores", "-t", "0.7"), "tau=0.7/logits"),
            ):
                done = self.rerank("--pairs", self.pairs(name), "-o", "-", "-q", *options, model=name)
                header, rows = self.rows(done)
                self.assertEqual(header["temperature"], "0.7" if "-t" in options else "1")
                self.assertEqual(header["labels"], labels)
                self.assertEqual(len(header["model"]["sha256"]), 64)
                for place, (row, expected) in enumerate(zip(rows, tensor(name, key), strict=True)):
                    self.assertEqual((row["query"], row["index"]), (place, 0))
                    scores = [row["score"]] if len(labels) == 1 else [row["scores"][label] for label in labels]
                    for score, value in zip(scores, expected, strict=True):
                        self.assertAlmostEqual(score, value, delta=TOLERANCE)

    def test_texts_are_ranked(self) -> None:
        texts = self.write("texts.txt", "\n".join(TEXTS) + "\n")
        _, rows = self.rows(self.rerank("--query", "when?", texts, "-o", "-"))
        scores = [row["score"] for row in rows]
        self.assertEqual(scores, sorted(scores, reverse=True))
        self.assertEqual(sorted(row["index"] for row in rows), [0, 1, 2, 3])
        _, top = self.rows(self.rerank("--query", "when?", "--top", "2", "-o", "-", stdin="\n".join(TEXTS)))
        self.assertEqual(top, rows[:2])
        lines = self.rerank("--query", "when?", texts).stdout.splitlines()
        self.assertEqual([line.split(None, 3)[3] for line in lines], [TEXTS[row["index"]] for row in rows])
        self.assertEqual([line.split()[0] for line in lines], ["1", "2", "3", "4"])
        listed = self.write("lists.jsonl", json.dumps({"query": "when?", "documents": TEXTS}) + "\n")
        self.assertEqual(self.rows(self.rerank("--pairs", listed, "-o", "-"))[1], rows)

    def test_ids_and_what_was_cut(self) -> None:
        records = [{"_id": "d1", "text": "a ferry"}, {"_id": 7, "text": "word " * 200}]
        texts = self.write("texts.jsonl", "".join(json.dumps(one) + "\n" for one in records))
        done = self.rerank("--query", "when?", texts, "-o", "-")
        _, rows = self.rows(done)
        self.assertEqual({row["index"]: row["id"] for row in rows}, {0: "d1", 1: 7})
        self.assertIn("1 of 2 pairs were longer than 40 tokens and were cut", done.stderr)
        self.assertEqual({row["index"]: row["used"] < row["tokens"] for row in rows}, {0: False, 1: True})
        done = self.rerank("--query", "when?", texts, "--truncate", "error", code=65)
        self.assertIn("the pair of texts has", done.stderr)

    def test_an_output_is_written_whole(self) -> None:
        output = self.folder / "scores.jsonl"
        self.rerank("--pairs", self.pairs("bert"), "-o", output)
        before = output.read_text()
        self.assertEqual(len(before.splitlines()), 1 + len(pairs_of("bert")))
        self.rerank("--pairs", self.pairs("bert"), "-o", output, code=64)
        self.rerank("--pairs", self.pairs("bert"), "-o", output, "--force", "-t", "0.7")
        self.assertNotEqual(output.read_text(), before)
        pairs = self.pairs("bert")
        self.assertIn("--pairs", self.rerank("--pairs", pairs, "-o", pairs, "--force", code=64).stderr)

    def test_several_labels_keep_the_order(self) -> None:
        _, rows = self.rows(self.rerank("--query", "when?", "-o", "-", model="camembert", stdin="a\nb\n"))
        self.assertEqual([row["index"] for row in rows], [0, 1])
        self.assertEqual(set(rows[0]["scores"]), {"contradiction", "entailment", "neutral"})

    def test_wrong_use_is_named(self) -> None:
        self.assertIn("--query", self.rerank(code=64).stderr)
        pairs = self.pairs("bert")
        self.rerank("--query", "q", "--pairs", pairs, code=64)
        self.assertIn("would not be read", self.rerank("--pairs", pairs, pairs, code=64).stderr)
        for line, words in (
            ("[1]", "not a JSON object"),
            ('{"text": "a"}', 'no "query"'),
            ('{"query": "a"}', 'one of "text" and "texts"'),
            ('{"query": "a", "text": "b", "texts": []}', 'one of "text" and "texts"'),
            ('{"query": 3, "text": "b"}', "must be strings"),
            ('{"query": "a", "texts": "b"}', "must be a list"),
        ):
            bad = self.write("bad.jsonl", '{"query": "a", "text": "b"}\n' + line + "\n")
            done = self.rerank("--pairs", bad, code=65)
            self.assertIn(words, done.stderr)
            self.assertIn("bad.jsonl:2", done.stderr)
        command = [
            ARGUMENTS.treble,
            "rerank",
            "--model",
            str(Path(ARGUMENTS.golden) / "bert" / "model"),
            "--query",
            "q",
        ]
        done = subprocess.run(command, input="a\n", text=True, capture_output=True, timeout=120, check=False)
        self.assertEqual(done.returncode, 69)
        self.assertIn("gives no scores", done.stderr)
        command[1:2] = ["embed"]
        command[command.index("--model") + 1] = str(folder("electra") / "model")
        done = subprocess.run(command[:-2], input="a\n", text=True, capture_output=True, timeout=120, check=False)
        self.assertEqual(done.returncode, 69)
        self.assertIn("treble rerank", done.stderr)

    def test_info_shows_the_head(self) -> None:
        command = [ARGUMENTS.treble, "info", "--model", str(folder("camembert") / "model")]
        done = subprocess.run(command, text=True, capture_output=True, timeout=120, check=True)
        self.assertIn("contradiction, entailment, neutral", done.stdout)
        self.assertIn("Classifier: 32 to 3 logits", done.stdout)
        done = subprocess.run([*command, "--json"], text=True, capture_output=True, timeout=120, check=True)
        info = json.loads(done.stdout)
        self.assertEqual(info["labels"], ["contradiction", "entailment", "neutral"])
        self.assertEqual(info["activation"], "identity")


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--treble", required=True)
    parser.add_argument("--golden", required=True)
    options, rest = parser.parse_known_args(namespace=ARGUMENTS)
    unittest.main(argv=[sys.argv[0], *rest])
