#!/usr/bin/env python3
"""Drives `treble sweep` on a tiny model: every kind of data, the verdict, the cache, refusals.

Needs nothing but the standard library: `test_sweep.py --treble PROGRAM --golden tests/golden`.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

ARGUMENTS = argparse.Namespace(treble="", golden="")
WORDS = ("the", "ferry", "leaves", "harbour", "a", "letter", "port", "again", "sea", "wind")
POSTS = ["centring", "whitening", "all-but-the-top", "length-direction"]
FAST = ("--bootstrap", "100", "-t", "0.8", "-t", "log:16")


def treble(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Runs the program to its end."""
    command = [ARGUMENTS.treble, *map(str, arguments)]
    return subprocess.run(command, text=True, capture_output=True, timeout=120, check=False, env=dict(os.environ))


class Sweep(unittest.TestCase):
    """A folder of its own for each test."""

    def setUp(self) -> None:
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.folder = Path(holder.name)
        self.random = random.Random(3)

    def text(self, words: int) -> str:
        return " ".join(self.random.choice(WORDS) + str(self.random.randrange(50)) for _ in range(words))

    def write_beir(self, shuffled: bool = False) -> Path:
        """Documents of many lengths; each query is a piece of its document."""
        documents = [self.text(3 + 2 * (i % 12)) for i in range(60)]
        judged = list(range(40))
        if shuffled:
            self.random.shuffle(judged)
        rows = [{"_id": f"d{i}", "title": "", "text": text} for i, text in enumerate(documents)]
        queries = [{"_id": f"q{i}", "text": " ".join(documents[i].split()[:3])} for i in range(40)]
        for name, lines in (("corpus", rows), ("queries", queries)):
            (self.folder / f"{name}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        (self.folder / "qrels").mkdir(exist_ok=True)
        pairs = "".join(f"q{query}\td{document}\t1\n" for query, document in enumerate(judged))
        (self.folder / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\n" + pairs)
        return self.folder

    def sweep(self, *arguments: str | Path) -> dict[str, object]:
        model = Path(ARGUMENTS.golden) / "bert" / "model"
        done = treble("sweep", "--model", model, *arguments, "--json", "-")
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)

    def test_retrieval(self) -> None:
        report = self.sweep(self.write_beir(), *FAST)
        self.assertEqual((report["kind"], report["metric"], report["items"]), ("sweep", "nDCG@10", 40))
        self.assertEqual([row["name"] for row in report["settings"]], ["1", "0.8", "log:16", *POSTS])
        self.assertEqual([row["post"] for row in report["settings"]], [None, None, None, *POSTS])
        self.assertEqual({row["temperature"] for row in report["settings"][3:]}, {"1"})
        self.assertEqual(report["settings"][0]["overlap"], 1.0)
        self.assertGreater(report["settings"][0]["value"], 0.15)  # by chance: 0.08
        for row in report["settings"]:
            self.assertTrue(row["gain"]["low"] <= row["gain"]["value"] <= row["gain"]["high"])
            self.assertEqual(set(row["others"]), {"recall@10", "MAP@10", "MRR@10"})
        self.assertEqual(sum(bucket["items"] for bucket in report["buckets"]), 40)
        self.assertEqual(len(report["chosen"]), 2)
        for bucket in report["buckets"]:
            for value, gain in zip(bucket["values"], bucket["gains"], strict=True):
                self.assertEqual(gain is None, bucket["items"] < 10)
                if gain:
                    self.assertTrue(gain["low"] <= gain["value"] <= gain["high"])
                    self.assertAlmostEqual(gain["value"], value - bucket["values"][0])

    def test_one_side_alone(self) -> None:
        folder = self.write_beir()
        values = {side: self.sweep(folder, *FAST, "--side", side)["settings"] for side in ("both", "query", "document")}
        for side in ("query", "document"):
            self.assertEqual(values[side][0], values["both"][0])
        self.assertNotEqual(values["query"][1]["overlap"], values["document"][1]["overlap"])

    def test_permuted_labels_show_no_benefit(self) -> None:
        alarms = 0
        for seed in range(20):
            report = self.sweep(
                self.write_beir(shuffled=True), *FAST, "--seed", str(seed), "--cache", self.folder / "c"
            )
            alarms += report["benefit"] == "helps"
        self.assertLessEqual(alarms, 2)

    def test_a_rerun_reads_the_cache_and_mends_it(self) -> None:
        folder = self.write_beir()
        cache = self.folder / "cache"
        first = self.sweep(folder, *FAST, "--cache", cache)
        files = sorted(cache.iterdir())
        self.assertEqual(len(files), 6)
        times = {file: file.stat().st_mtime_ns for file in files}
        files[0].write_bytes(files[0].read_bytes()[:-3])
        self.assertEqual(self.sweep(folder, *FAST, "--cache", cache), first)
        changed = [file for file in files if file.stat().st_mtime_ns != times[file]]
        self.assertEqual(changed, files[:1])

    def test_pairs(self) -> None:
        path = self.folder / "sts.jsonl"
        lines = []
        for i in range(40):
            words = self.text(8).split()
            lines.append({"sentence1": " ".join(words), "sentence2": " ".join(words[: 1 + i % 8]), "score": i % 8})
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
        report = self.sweep(path, *FAST)
        self.assertEqual(report["metric"], "Spearman")
        self.assertGreater(report["settings"][0]["value"], 0.3)
        self.assertIsNone(report["settings"][1]["overlap"])
        path.write_text("".join(json.dumps(line | {"score": int(line["score"] > 3)}) + "\n" for line in lines))
        self.assertEqual(self.sweep(path, *FAST)["metric"], "average precision")

    def write_reranking(self) -> Path:
        path = self.folder / "rerank.jsonl"
        lines = []
        for i in range(30):
            positive = self.text(4 + i % 9)
            query = " ".join(positive.split()[:3])
            lines.append({"query": query, "positive": [positive], "negative": [self.text(6) for _ in range(5)]})
        lines.append({"query": "nothing to order", "positive": [self.text(5)], "negative": []})
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
        return path

    def test_reranking(self) -> None:
        report = self.sweep(self.write_reranking(), *FAST)
        self.assertEqual((report["metric"], report["items"]), ("MAP", 30))
        self.assertEqual(set(report["settings"][0]["others"]), {"nDCG@10", "MRR@10"})
        # One positive among six: MAP is the mean reciprocal rank.
        for row in report["settings"]:
            self.assertAlmostEqual(row["value"], row["others"]["MRR@10"], places=9)
        self.assertGreater(report["settings"][0]["value"], 0.45)  # by chance: 0.41

    def test_chosen_steps(self) -> None:
        report = self.sweep(self.write_beir(), *FAST, "--post", "whitening:4,all-but-the-top:2")
        self.assertEqual(
            [row["name"] for row in report["settings"]], ["1", "0.8", "log:16", "whitening:4", "all-but-the-top:2"]
        )
        report = self.sweep(self.folder, *FAST, "--post", "none")
        self.assertEqual(len(report["settings"]), 3)

    def test_pieces_and_other_forms_of_the_model(self) -> None:
        folder = self.write_beir()
        report = self.sweep(
            folder, "--bootstrap", "50", "-t", "0.8", "--post", "chunk-mean:8,chunk-max:8", "--try-dtype", "int8",
            "--try-extend", "interpolate:64",
        )  # fmt: skip
        names = [row["name"] for row in report["settings"]]
        self.assertEqual(
            names,
            ["1", "0.8", "int8", "0.8 + int8", "interpolate:64", "0.8 + interpolate:64", "chunk-mean:8", "chunk-max:8"],
        )
        self.assertEqual([row["model_form"] for row in report["settings"]][2:5], ["int8", "int8", "interpolate:64"])
        values = {row["name"]: row for row in report["settings"]}
        self.assertGreater(values["int8"]["overlap"], 0.7)
        self.assertLess(values["chunk-mean:8"]["overlap"], 1)
        for words, arguments in (("compute type", ("--try-dtype", "int9")), ("extension", ("--try-extend", "far:9"))):
            model = Path(ARGUMENTS.golden) / "bert" / "model"
            done = treble("sweep", "--model", model, folder, *FAST, *arguments)
            self.assertEqual(done.returncode, 64, done.stderr)
            self.assertIn(words, done.stderr)

    def test_a_step_that_cannot_be_fitted_is_left_out_and_said(self) -> None:
        path = self.folder / "sts.jsonl"
        lines = [
            {"sentence1": "the sea", "sentence2": f"wind {'again' if i % 2 else 'sea'}", "score": i % 5}
            for i in range(20)
        ]
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
        model = Path(ARGUMENTS.golden) / "bert" / "model"
        report = self.sweep(path, *FAST, "--max-length", "3")
        self.assertTrue(any("length-direction" in reason for reason in report["left_out"]), report["left_out"])
        done = treble("sweep", "--model", model, path, *FAST, "--max-length", "3", "--post", "length-direction")
        self.assertEqual(done.returncode, 64)
        self.assertIn("different lengths", done.stderr)

    def test_without_labels_it_says_that_it_is_a_proxy(self) -> None:
        path = self.folder / "texts.txt"
        path.write_text("".join(self.text(40) + "\n" for _ in range(30)))
        report = self.sweep(path, "--unlabelled", "--sample", "20", *FAST)
        self.assertEqual((report["items"], report["labelled"]), (20, False))
        self.assertIn("proxy", report["verdict"])

    def test_the_table(self) -> None:
        model = Path(ARGUMENTS.golden) / "bert" / "model"
        done = treble("sweep", "--model", model, self.write_beir(), *FAST)
        self.assertEqual(done.returncode, 0, done.stderr)
        for words in ("nDCG@10", "log:16", "items", "points"):
            self.assertIn(words, done.stdout)
        self.assertLessEqual(max(map(len, done.stdout.splitlines()[2:])), 120)

    def test_refusals(self) -> None:
        model = Path(ARGUMENTS.golden) / "bert" / "model"
        empty = self.folder / "few.jsonl"
        empty.write_text('{"sentence1": "a", "sentence2": "b", "score": 1}\n')
        for code, words, arguments in (
            (64, "give more data", (empty,)),
            (66, "absent.jsonl", (self.folder / "absent.jsonl",)),
            (64, "--side query", (empty, "--side", "query")),
            (64, "0.8x", (empty, "-t", "0.8x")),
            (64, "centering", (empty, "--post", "centering")),
        ):
            done = treble("sweep", "--model", model, *arguments)
            self.assertEqual(done.returncode, code, done.stderr)
            self.assertIn(words, done.stderr)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--treble", required=True)
    parser.add_argument("--golden", required=True)
    parsed, rest = parser.parse_known_args()
    ARGUMENTS.treble, ARGUMENTS.golden = parsed.treble, parsed.golden
    return 0 if unittest.main(argv=[sys.argv[0], *rest], exit=False).result.wasSuccessful() else 1


if __name__ == "__main__":
    sys.exit(main())
