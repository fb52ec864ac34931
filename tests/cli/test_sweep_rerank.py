#!/usr/bin/env python3
"""`treble sweep` of cross-encoders on tiny models: candidates, values, runs, refusals.

Needs nothing but the standard library: `test_sweep_rerank.py --treble PROGRAM --golden tests/golden`.
"""

from __future__ import annotations

import argparse
import gzip
import json
import math
import random
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from typing import Any

ARGUMENTS = argparse.Namespace(treble="", golden="")
WORDS = ("the", "ferry", "leaves", "harbour", "a", "letter", "port", "again", "sea", "wind")
FAST = ("--bootstrap", "100", "-t", "0.5")
QUERIES, DOCUMENTS, DEPTH = 30, 50, 12


class SweepRerank(unittest.TestCase):
    """A folder of its own for each test."""

    def setUp(self) -> None:
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.folder = Path(holder.name)
        self.random = random.Random(5)

    def text(self, words: int) -> str:
        return " ".join(self.random.choice(WORDS) + str(self.random.randrange(9)) for _ in range(words))

    def write_beir(self) -> tuple[dict[str, str], dict[str, str]]:
        documents = {f"d{i}": self.text(2 + i % 7) for i in range(DOCUMENTS)}
        queries = {f"q{i}": self.text(2) for i in range(QUERIES)}
        for name, texts in (("corpus", documents), ("queries", queries)):
            lines = [json.dumps({"_id": key, "text": text}) + "\n" for key, text in texts.items()]
            (self.folder / f"{name}.jsonl").write_text("".join(lines))
        (self.folder / "qrels").mkdir()
        grades = "".join(f"q{i}\td{i}\t2\nq{i}\td{i + 10}\t1\n" for i in range(QUERIES))
        (self.folder / "qrels" / "test.tsv").write_text(grades)
        return queries, documents

    def write_run(self, name: str = "first.trec") -> dict[str, list[str]]:
        """The relevant document and others, in no order."""
        found, lines = {}, []
        for i in range(QUERIES):
            others = self.random.sample(range(DOCUMENTS), DEPTH)
            found[f"q{i}"] = [f"d{d}" for d in dict.fromkeys([i, *others])][:DEPTH]
            lines += [f"q{i} Q0 {d} {n} {-n} first\n" for n, d in enumerate(found[f"q{i}"])]
        self.random.shuffle(lines)
        path = self.folder / name
        path.write_bytes(gzip.compress("".join(lines).encode()) if name.endswith("gz") else "".join(lines).encode())
        return found

    def run_treble(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        command = [ARGUMENTS.treble, *map(str, arguments)]
        return subprocess.run(command, text=True, capture_output=True, timeout=120, check=False)

    def sweep(self, *arguments: str | Path, model: str = "rerankers/bert") -> dict[str, Any]:
        done = self.run_sweep(*arguments, "--json", "-", model=model)
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)

    def run_sweep(self, *arguments: str | Path, model: str = "rerankers/bert") -> subprocess.CompletedProcess[str]:
        return self.run_treble("sweep", "--model", Path(ARGUMENTS.golden) / model / "model", *arguments)

    def rerank(self, query: str, texts: list[str], temperature: str) -> list[int]:
        """The places of texts in the order of `treble rerank`."""
        pairs = self.folder / "pairs.jsonl"
        pairs.write_text(json.dumps({"query": query, "texts": texts}) + "\n")
        model = Path(ARGUMENTS.golden) / "rerankers" / "bert" / "model"
        done = self.run_treble("rerank", "--model", model, "--pairs", pairs, "-t", temperature, "-o", "-", "-q")
        return [json.loads(line)["index"] for line in done.stdout.splitlines()[1:]]

    def test_a_first_ranking_is_ranked_anew(self) -> None:
        queries, documents = self.write_beir()
        found = self.write_run("first.trec.gz")
        arguments = ("--candidates", self.folder / "first.trec.gz", "--run", self.folder / "again.trec", *FAST)
        report = self.sweep(self.folder, *arguments)
        self.assertEqual((report["metric"], report["items"], report["reranker"]), ("nDCG@10", QUERIES, True))
        self.assertEqual([row["name"] for row in report["settings"]], ["1", "0.5"])
        self.assertIsNone(report["similarity"])
        self.assertEqual(set(report["settings"][0]["others"]), {"recall@10", "MAP@10", "MRR@10"})
        self.assertEqual(report["documents_read"]["texts"], QUERIES * DEPTH)
        self.assertRegex(report["commands"][0], r"^treble rerank --model \S+ --query QUERY corpus.jsonl$")
        for row in report["settings"]:
            runs: dict[str, list[str]] = {}
            for line in (self.folder / f"again.{row['name']}.trec").read_text().splitlines():
                runs.setdefault(line.split()[0], []).append(line.split()[2])
            for query in ("q0", "q1", "q2", "q3"):
                places = self.rerank(queries[query], [documents[d] for d in found[query]], row["temperature"])
                self.assertEqual(runs[query], [found[query][place] for place in places])
            total = 0.0
            for query, ranking in runs.items():
                grades = {f"d{query[1:]}": 2, f"d{int(query[1:]) + 10}": 1}
                total += sum(grades.get(d, 0) / math.log2(n + 2) for n, d in enumerate(ranking[:10]))
            self.assertAlmostEqual(row["value"], total / (2 + 1 / math.log2(3)) / QUERIES, places=12)

    def test_candidates_are_cut_and_serve_vectors_too(self) -> None:
        self.write_beir()
        self.write_run()
        run = ("--candidates", self.folder / "first.trec")
        report = self.sweep(self.folder, *run, "--candidate-depth", "2", *FAST)
        self.assertEqual(report["documents_read"]["texts"], QUERIES * 2)
        done = self.run_sweep(self.folder, *run, "--candidate-depth", "1", *FAST)
        self.assertEqual(done.returncode, 65)
        self.assertIn("there is nothing to rank", done.stderr)
        whole = self.sweep(self.folder, *FAST, "--post", "none", model="bert")
        report = self.sweep(self.folder, *run, *FAST, "--post", "none", model="bert")
        self.assertEqual((report["metric"], report["reranker"], report["similarity"]), ("nDCG@10", False, "cosine"))
        self.assertNotEqual(report["settings"][0]["value"], whole["settings"][0]["value"])

    def test_rankings(self) -> None:
        lines = []
        for _ in range(30):
            lines.append({"query": self.text(2), "positive": [self.text(3)], "negative": [self.text(4), self.text(5)]})
        path = self.folder / "rankings.jsonl"
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
        report = self.sweep(path, *FAST, "--try-max-length", "8", model="rerankers/qwen3-score")
        self.assertEqual((report["metric"], report["items"]), ("MAP", 30))
        names = [row["name"] for row in report["settings"]]
        self.assertEqual(names, ["1", "max-length:8", "0.5", "0.5 + max-length:8"])

    def test_refusals(self) -> None:
        self.write_beir()
        self.write_run()
        run = ("--candidates", self.folder / "first.trec")
        pairs = self.folder / "sts.jsonl"
        rows = [{"sentence1": "a", "sentence2": "b", "score": score} for score in (1, 2, 3)]
        pairs.write_text("".join(json.dumps(row) + "\n" for row in rows))
        for arguments, code, words in (
            ((self.folder,), 64, "--candidates"),
            ((self.folder, *run, "--post", "centring"), 64, "--post"),
            ((self.folder, *run, "--side", "query"), 64, "--side"),
            ((self.folder, *run, "--similarity", "dot"), 64, "--similarity"),
            ((self.folder, *run, "--try-dtype", "int8"), 64, "--try-dtype"),
            ((self.folder, *run, "--cache", self.folder / "c"), 64, "--cache"),
            ((pairs, *run), 64, "--candidates is for BEIR folders"),
            ((self.folder, "--candidates", self.folder / "none.trec"), 66, "none.trec"),
            ((self.folder, "--candidate-depth", "3"), 64, "--candidates"),
        ):
            done = self.run_sweep(*arguments, *FAST)
            self.assertEqual(done.returncode, code, done.stderr)
            self.assertIn(words, done.stderr)
            self.assertNotIn("SweepOptions", done.stderr)
        (self.folder / "first.trec").write_text("q0 Q0 d1 1 0.5\n")
        done = self.run_sweep(self.folder, *run, *FAST)
        self.assertEqual(done.returncode, 65)
        self.assertIn("first.trec:1: 5 columns", done.stderr)
        done = self.run_sweep(self.folder, *run, *FAST, model="rerankers/camembert")
        self.assertEqual(done.returncode, 69, done.stderr)
        self.assertIn("3 scores", done.stderr)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--treble", required=True)
    parser.add_argument("--golden", required=True)
    ARGUMENTS, rest = parser.parse_known_args()
    unittest.main(argv=[sys.argv[0], *rest])
