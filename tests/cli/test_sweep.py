#!/usr/bin/env python3
"""Drives `treble sweep` on a tiny model: every kind of data, the verdict, the cache, refusals.

Needs nothing but the standard library: `test_sweep.py --treble PROGRAM --golden tests/golden`.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
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
        self.assertEqual((report["folds"], report["deals"]), (5, 20))
        self.assertEqual(len(report["chosen"]), 100)
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

    def run_sweep(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        return treble("sweep", "--model", Path(ARGUMENTS.golden) / "bert" / "model", *arguments)

    def write_pairs(self, *scores: float) -> Path:
        path = self.folder / "pairs.jsonl"
        lines = [{"sentence1": self.text(4), "sentence2": self.text(4), "score": score} for score in scores]
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
        return path

    def test_what_the_judgements_lack_is_counted_aloud(self) -> None:
        folder = self.write_beir()
        qrels = folder / "qrels" / "test.tsv"
        tidy = self.sweep(folder, *FAST, "--post", "none")
        self.assertEqual((tidy["notes"], tidy["queries_apart"]), ([], 0))
        # A grade that a later one replaces, a document that is not there, a query with nothing to find.
        qrels.write_text(qrels.read_text().replace("q0\td0\t1\n", "q0\td1\t1\nq0\td1\t0\nq0\td0\t1\n"))
        qrels.write_text(qrels.read_text().replace("q39\td39\t1", "q39\td39\t0"))
        qrels.write_text(qrels.read_text().replace("q5\td5\t1", "q5\tgone\t1"))
        done = self.run_sweep(folder, *FAST, "--post", "none", "--json", "-")
        self.assertEqual(done.returncode, 0, done.stderr)
        report = json.loads(done.stdout)
        self.assertEqual((report["items"], report["queries_apart"]), (39, 1))
        for words in (
            "1 judgement is of a query and document that were judged before; the last grade counts",
            '1 judged document is not in the corpus (the first: "gone"); relevant ones count as never found, 1 in all; '
            "1 query has nothing else to find",
            "1 of 40 judged queries have no document of a grade above 0; they are left out of every average",
        ):
            self.assertIn("treble: warning: " + words, done.stderr)
            self.assertTrue(any(note.startswith(words) for note in report["notes"]), report["notes"])
        self.assertEqual(sum(bucket["items"] for bucket in report["buckets"]), 38)
        table = self.run_sweep(folder, *FAST, "--post", "none").stdout
        self.assertIn("1 more with nothing to find are left out of every average", table)

    def test_queries_out_of_the_corpus(self) -> None:
        """As in ArguAna: each finds itself first, and that is no find."""
        folder = self.write_beir()
        documents = [json.loads(line) for line in (folder / "corpus.jsonl").read_text().splitlines()[:40]]
        longer = [{"_id": f"e{i}", "text": row["text"] + " sea"} for i, row in enumerate(documents)]
        for name, rows in (("queries", documents), ("corpus", documents + longer)):
            (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        (folder / "qrels" / "test.tsv").write_text("".join(f"d{i}\te{i}\t1\n" for i in range(40)))
        done = self.run_sweep(folder, *FAST, "--post", "none", "--json", "-")
        self.assertIn(
            "warning: 40 queries have the id of a document (40 its text too); if queries are documents of the corpus "
            "themselves, as in ArguAna and Quora, --ignore-identical-ids keeps each from finding itself",
            done.stderr,
        )
        first = json.loads(done.stdout)["settings"][0]
        self.assertLessEqual(first["others"]["MRR@10"], 0.5)  # the first place is taken
        ignoring = self.run_sweep(folder, *FAST, "--post", "none", "--json", "-", "--ignore-identical-ids")
        self.assertEqual(ignoring.stderr, "")
        report = json.loads(ignoring.stdout)
        self.assertIs(report["ignore_identical_ids"], True)
        # Without itself in front, what was found at place p stands at p - 1.
        self.assertGreater(report["settings"][0]["value"], 1.2 * first["value"])
        done = self.run_sweep(self.write_beir(), *FAST, "--post", "none", "--ignore-identical-ids")
        self.assertIn("--ignore-identical-ids changes nothing", done.stderr)
        done = self.run_sweep(self.write_pairs(1, 2, 3, 4, 5), *FAST, "--ignore-identical-ids")
        self.assertEqual(done.returncode, 64)
        self.assertIn("has no ids of queries and documents", done.stderr)

    def test_the_similarity_is_the_models_own_unless_given(self) -> None:
        folder = self.write_beir()
        model = self.folder / "model"
        shutil.copytree(Path(ARGUMENTS.golden) / "bert" / "model", model)
        values = {}
        for name in ("cosine", "dot", "euclidean", "manhattan"):
            (model / "config_sentence_transformers.json").write_text(json.dumps({"similarity_fn_name": name}))
            arguments = ("sweep", "--model", model, folder, *FAST, "--post", "none", "--no-normalize", "--json", "-")
            report = json.loads(treble(*arguments).stdout)
            self.assertEqual(report["similarity"], name)
            values[name] = report["settings"]
            given = json.loads(treble(*arguments, "--similarity", "cosine").stdout)
            self.assertEqual(given["similarity"], "cosine")
            self.assertEqual(given["settings"], values["cosine"])
        self.assertEqual(len({row[0]["value"] for row in values.values()}), 4, values)
        done = self.run_sweep(folder, "--similarity", "cos")
        self.assertEqual(done.returncode, 64)

    def test_undefined_metrics_are_errors_of_the_data(self) -> None:
        folder = self.write_beir()
        qrels = folder / "qrels" / "test.tsv"
        qrels.write_text(qrels.read_text().replace("\t1\n", "\t0\n"))
        alike = self.folder / "alike.jsonl"
        row = {"sentence1": "the sea", "sentence2": "the wind"}
        alike.write_text("".join(json.dumps(row | {"score": i % 3}) + "\n" for i in range(12)))
        same = self.folder / "same"
        same.mkdir()
        (same / "qrels").mkdir()
        for name, count in (("corpus", 30), ("queries", 8)):
            (same / f"{name}.jsonl").write_text("".join(f'{{"_id": "{i}x", "text": "sea"}}\n' for i in range(count)))
        (same / "qrels" / "test.tsv").write_text("".join(f"{i}x\t{i + 9}x\t1\n" for i in range(8)))
        rare = self.write_pairs(*[1.0] + [0.0] * 19)
        for code, words, data in (
            (65, "test.tsv: no query has a document of a grade above 0 (40 queries judged)", folder),
            (65, "alike.jsonl: under the setting 1 all 12 pairs are equally similar", alike),
            (65, "same: under the setting 1 every query finds all its documents equally similar", same),
            (64, "pairs.jsonl: so few items differ that the metric is not defined on most folds", rare),
        ):
            done = self.run_sweep(data, *FAST, "--json", "-")
            self.assertEqual(done.returncode, code, done.stderr)
            self.assertIn(words, done.stderr)
            self.assertEqual(done.stdout, "")
        done = self.run_sweep(self.write_pairs(*[2.0] * 20), *FAST)
        self.assertEqual(done.returncode, 65)
        self.assertIn("pairs.jsonl: all 20 pairs have the score 2; no metric is defined on equal scores", done.stderr)

    def test_without_variance_there_is_no_nan(self) -> None:
        """Everything is relevant, so that every setting finds it."""
        folder = self.write_beir()
        judgements = "".join(f"q{query}\td{document}\t1\n" for query in range(40) for document in range(60))
        (folder / "qrels" / "test.tsv").write_text(judgements)
        page = self.folder / "page.html"
        done = self.run_sweep(folder, *FAST, "--post", "none", "--json", "-", "--html", page)
        self.assertEqual(done.returncode, 0, done.stderr)
        report = page.read_text()
        self.assertNotRegex(report[report.index('id="report"') :].lower(), r"\bnan\b")
        report = json.loads(done.stdout, parse_constant=lambda name: self.fail(name))
        for row in report["settings"]:
            self.assertEqual(row["value"], 1.0)
            self.assertEqual(row["gain"], {"value": 0.0, "low": 0.0, "high": 0.0, "no_variance": True})
        self.assertEqual(report["held_out_gain"]["no_variance"], True)
        self.assertIn("The gain is 0 because nothing was chosen", report["verdict"])
        self.assertEqual((report["detectable_gain"], report["winner"]), (0.0, "1"))
        table = self.run_sweep(folder, *FAST, "--post", "none").stdout
        self.assertIn("+0.00 [no variance]", table)
        self.assertNotIn("nan", table)

    def test_prompts(self) -> None:
        folder = self.write_beir()
        model = self.folder / "model"
        shutil.copytree(Path(ARGUMENTS.golden) / "bert" / "model", model)
        prompts = {"prompts": {"query": "the sea ", "other": "wind "}}
        (model / "config_sentence_transformers.json").write_text(json.dumps(prompts))

        def settings(*arguments: str) -> dict[str, object]:
            fixed = ("sweep", "--model", model, folder, *FAST, "--post", "none", "--json", "-")
            done = treble(*fixed, *arguments)
            self.assertEqual(done.returncode, 0, done.stderr)
            return json.loads(done.stdout)

        plain = settings()
        self.assertEqual(plain["query_prompt"], {"name": None, "text": ""})
        named = settings("--query-prompt-name", "query")
        self.assertEqual(named["query_prompt"], {"name": "query", "text": "the sea "})
        self.assertEqual(named["document_prompt"], {"name": None, "text": ""})
        written = settings("--query-prompt", "the sea ")
        self.assertEqual(written["query_prompt"], {"name": None, "text": "the sea "})
        self.assertEqual(written["settings"], named["settings"])
        self.assertNotEqual(written["settings"], plain["settings"])
        # One side's own prompt goes before what is for all texts.
        both = settings("--prompt", "wind ", "--query-prompt-name", "query")
        self.assertEqual(both["document_prompt"], {"name": None, "text": "wind "})
        self.assertEqual(
            both["settings"], settings("--query-prompt", "the sea ", "--document-prompt", "wind ")["settings"]
        )
        self.assertEqual(settings("--prompt", "wind ", "--query-prompt", "", "--document-prompt-name", "")["settings"],
                         plain["settings"])  # fmt: skip
        done = self.run_sweep(folder, "--query-prompt", "a", "--query-prompt-name", "query")
        self.assertEqual(done.returncode, 64)
        done = self.run_sweep(self.write_pairs(1, 2, 3, 4, 5), "--query-prompt", "a")
        self.assertEqual(done.returncode, 64)
        self.assertIn("pairs, which have no queries and documents", done.stderr)

    def test_ctrl_c_keeps_what_is_in_the_cache(self) -> None:
        path = self.folder / "rank.jsonl"
        lines = [
            {"query": self.text(2), "positive": [self.text(20)], "negative": [self.text(20) for _ in range(4)]}
            for _ in range(1200)
        ]
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
        cache = self.folder / "cache"
        model = Path(ARGUMENTS.golden) / "bert" / "model"
        arguments = ["sweep", "--model", model, path, *FAST, "--post", "none", "--threads", "1", "--json", "-"]
        for with_cache in (True, False):
            command = [ARGUMENTS.treble, *map(str, arguments), *(["--cache", str(cache)] if with_cache else [])]
            with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
                deadline = time.monotonic() + 60
                while with_cache and time.monotonic() < deadline and not any(cache.glob("*")):
                    time.sleep(0.002)
                if not with_cache:
                    time.sleep(0.5)
                process.send_signal(signal.SIGINT)
                out, err = process.communicate(timeout=60)
            self.assertEqual((process.returncode, out), (130, ""), err)
            if with_cache:
                kept = re.search(r"stopped with 0 of 3 settings encoded: ([\d,]+) vectors are kept in (.*), and", err)
                self.assertTrue(kept, err)
                files = [file for file in cache.iterdir() if ".part" not in file.name]
                self.assertEqual(int(kept[1].replace(",", "")), 128 * len(files))
                self.assertEqual(kept[2], str(cache))
            else:
                self.assertIn("stopped, and nothing is kept; with --cache DIR", err)
        times = {file: file.stat().st_mtime_ns for file in files}
        whole = self.sweep(*arguments[3:-2], "--cache", cache)
        self.assertEqual(times, {file: file.stat().st_mtime_ns for file in files})
        self.assertEqual(whole, self.sweep(*arguments[3:-2]))

    def test_ctrl_c_in_the_bootstrap(self) -> None:
        cache = self.folder / "cache"
        model = Path(ARGUMENTS.golden) / "bert" / "model"
        arguments = (self.write_beir(), "-t", "0.8", "--post", "none", "--bootstrap", "1000000", "--cache", cache)
        command = [ARGUMENTS.treble, "sweep", "--model", str(model), *map(str, arguments)]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
            deadline = time.monotonic() + 60
            while time.monotonic() < deadline and len(list(cache.glob("*"))) < 4:
                time.sleep(0.002)
            time.sleep(0.3)
            process.send_signal(signal.SIGINT)
            out, err = process.communicate(timeout=60)
        self.assertEqual((process.returncode, out), (130, ""), err)
        self.assertIn("stopped with 2 of 2 settings encoded: 200 vectors are kept", err)

    def test_compressed_data(self) -> None:
        path = self.write_pairs(*[float(i % 5) for i in range(30)])
        plain = self.sweep(path, *FAST)
        packed = self.folder / "packed.jsonl.gz"
        packed.write_bytes(gzip.compress(path.read_bytes()))
        self.assertEqual(self.sweep(packed, *FAST)["settings"], plain["settings"])
        packed.write_bytes(packed.read_bytes()[:-20])
        done = self.run_sweep(packed, *FAST)
        self.assertEqual(done.returncode, 65, done.stderr)
        self.assertIn("packed.jsonl.gz", done.stderr)

    def test_steps_do_not_scale_vectors_that_the_model_does_not(self) -> None:
        """Distances are the same behind a shift, and no longer once vectors have been given length 1."""
        fixed = (self.write_beir(), *FAST, "--post", "centring", "--similarity", "euclidean")
        row = self.sweep(*fixed, "--no-normalize")["settings"][3]
        self.assertEqual((row["name"], row["overlap"]), ("centring", 1.0))
        self.assertLess(self.sweep(*fixed)["settings"][3]["overlap"], 1.0)

    def test_lengths_where_the_metric_is_not_defined(self) -> None:
        path = self.folder / "labels.jsonl"
        lines = [
            {"sentence1": self.text(3 if i < 24 else 60), "sentence2": self.text(3), "label": int(i < 24 and i % 2)}
            for i in range(40)
        ]
        path.write_text("".join(json.dumps(line) + "\n" for line in lines))
        report = self.sweep(path, *FAST, "--post", "none", "--bucket-edges", "32")
        self.assertEqual([bucket["items"] for bucket in report["buckets"]], [24, 16])
        self.assertNotIn(None, report["buckets"][0]["values"])
        self.assertEqual(report["buckets"][1]["values"], [None] * 3)
        self.assertEqual(report["buckets"][1]["gains"], [None] * 3)
        table = self.run_sweep(path, *FAST, "--post", "none", "--bucket-edges", "32").stdout
        self.assertNotIn("nan", table)
        self.assertIn("\u2013", table)

    def write_classes(self, shuffled: bool = False) -> Path:
        """Three classes by the words of their texts: in a folder to classify, and in one file to cluster."""
        folder = self.folder / "classes"
        folder.mkdir(exist_ok=True)
        kinds = (("ferry", "harbour", "port"), ("letter", "again"), ("wind", "sea", "leaves"))
        for name, count in (("train", 60), ("test", 75)):
            rows = []
            for i in range(count):
                label = self.random.randrange(3) if shuffled else i % 3
                words = [*self.random.choices(kinds[i % 3], k=3 + i % 20), str(i)]
                rows.append({"text": " ".join(words), "label": label})
            (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        return folder

    def test_classification(self) -> None:
        scores = self.folder / "scores.jsonl"
        report = self.sweep(self.write_classes(), *FAST, "--post", "centring", "--scores", scores)
        self.assertEqual((report["metric"], report["items"]), ("accuracy", 75))
        self.assertGreater(report["settings"][0]["value"], 0.9)
        rows = [json.loads(line) for line in scores.read_text().splitlines()]
        for row in report["settings"]:
            own = [line["scores"][row["name"]] for line in rows]
            self.assertAlmostEqual(sum(own) / 75, row["value"], places=12)
            # Ten experiments each.
            self.assertTrue(all(abs(10 * score - round(10 * score)) < 1e-9 for score in own))
            better = sum(line["scores"][row["name"]] > line["scores"]["1"] + 1e-12 for line in rows)
            self.assertEqual(row["better"], better)
        few = self.sweep(self.folder / "classes", *FAST, "--post", "none", "--samples-per-label", "1")
        self.assertLess(few["settings"][0]["value"], report["settings"][0]["value"])
        # Labels by chance cannot be learnt.
        noise = self.sweep(self.write_classes(shuffled=True), *FAST, "--post", "none")
        self.assertLess(noise["settings"][0]["value"], 0.6)
        self.assertNotEqual(noise["benefit"], "helps")
        done = self.run_sweep(self.folder / "classes", *FAST, "--run", self.folder / "run.trec")
        self.assertEqual(done.returncode, 64)
        self.assertIn("--run: ", done.stderr)
        self.assertIn("labelled texts, which have no rankings", done.stderr)

    def test_clustering(self) -> None:
        path = self.write_classes() / "test.jsonl"
        report = self.sweep(path, *FAST, "--post", "none")
        self.assertEqual((report["metric"], report["items"]), ("V-measure", 75))
        self.assertGreater(report["settings"][0]["value"], 0.4)
        self.assertEqual(report, self.sweep(path, *FAST, "--post", "none"))
        table = self.run_sweep(path, *FAST, "--post", "none", "--deals", "1").stdout
        self.assertIn("5 folds, dealt once (", table)
        made = report["provenance"]
        weights = made["model"]["weights_sha256"][:12]
        self.assertIn(f"weights {weights}, float32 on {made['cpu_isa']}, up to {made['max_length']} tokens.", table)
        folder = self.folder / "clusters"
        folder.mkdir()
        (folder / "clustering.jsonl").write_bytes(path.read_bytes())
        self.assertEqual(self.sweep(folder, *FAST, "--post", "none")["settings"], report["settings"])
        noise = self.sweep(self.write_classes(shuffled=True) / "test.jsonl", *FAST, "--post", "none")
        self.assertLess(noise["settings"][0]["value"], 0.2)
        self.assertNotEqual(noise["benefit"], "helps")
        path.write_text('{"text": "a", "label": 1}\n{"text": "b", "label": null}\n')
        done = self.run_sweep(path, *FAST)
        self.assertEqual(done.returncode, 65)
        self.assertIn('test.jsonl:2: "label" must be one label, a text or a whole number', done.stderr)
        for content, said in (
            ("", "no texts; those of two labels are needed"),
            ('{"text": "a", "label": 1}\n' * 9, 'all texts have the label "1"; two labels are needed'),
        ):
            (folder / "clustering.jsonl").write_text(content)
            done = self.run_sweep(folder, *FAST)
            self.assertEqual(done.returncode, 65)
            self.assertIn(f"clustering.jsonl: {said}", done.stderr)

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

    def test_the_set_of_the_demo(self) -> None:
        script = Path(__file__).resolve().parents[2] / "tools" / "stdlib_texts.py"
        folder = self.folder / "labelled"
        subprocess.run([sys.executable, script, "--limit", "24", "--retrieval", folder], check=True)
        items = [json.loads(line) for line in (folder / "corpus.jsonl").read_text().splitlines()]
        lengths = [len(item["text"].split()) for item in items]
        self.assertEqual((len(items), lengths), (24, sorted(lengths)))
        self.assertGreater(lengths[-6], 400, "the longest are there")
        report = self.sweep(folder, *FAST, "--post", "none")
        self.assertEqual(report["items"], 24)
        self.assertEqual(report["notes"], [note for note in report["notes"] if "id of a document" not in note])

    def test_pieces_and_other_forms_of_the_model(self) -> None:
        folder = self.write_beir()
        report = self.sweep(
            folder, "--bootstrap", "100", "-t", "0.8", "--post", "chunk-mean:8,chunk-max:8,late-chunk:8",
            "--try-dtype", "int8", "--try-extend", "interpolate:64",
        )  # fmt: skip
        names = [row["name"] for row in report["settings"]]
        self.assertEqual(
            names,
            [
                *("1", "chunk-mean:8", "chunk-max:8", "late-chunk:8"),
                *("0.8", "0.8 + chunk-mean:8", "0.8 + chunk-max:8", "0.8 + late-chunk:8"),
                # Pieces need no more positions than the model has; late ones see as much as they can.
                *("interpolate:64", "interpolate:64 + late-chunk:8"),
                *("0.8 + interpolate:64", "0.8 + interpolate:64 + late-chunk:8"),
                *("int8", "int8 + chunk-mean:8", "int8 + chunk-max:8", "int8 + late-chunk:8"),
                *("0.8 + int8", "0.8 + int8 + chunk-mean:8", "0.8 + int8 + chunk-max:8", "0.8 + int8 + late-chunk:8"),
                *("int8 + interpolate:64", "int8 + interpolate:64 + late-chunk:8"),
                *("0.8 + int8 + interpolate:64", "0.8 + int8 + interpolate:64 + late-chunk:8"),
            ],
        )
        forms = {row["name"]: row["model_form"] for row in report["settings"]}
        self.assertEqual((forms["0.8"], forms["0.8 + int8 + chunk-max:8"]), (None, "int8"))
        self.assertEqual(forms["int8 + interpolate:64"], "int8 + interpolate:64")
        self.assertEqual([axis["name"] for axis in report["axes"]], ["temperature", "post", "model form"])
        self.assertEqual([axis["settings"] for axis in report["axes"]], [1, 3, 3])
        values = {row["name"]: row for row in report["settings"]}
        self.assertGreater(values["int8"]["overlap"], 0.7)
        self.assertLess(values["chunk-mean:8"]["overlap"], 1)
        for words, arguments in (("compute type", ("--try-dtype", "int9")), ("extension", ("--try-extend", "far:9"))):
            model = Path(ARGUMENTS.golden) / "bert" / "model"
            done = treble("sweep", "--model", model, folder, *FAST, *arguments)
            self.assertEqual(done.returncode, 64, done.stderr)
            self.assertIn(words, done.stderr)

    def test_other_lengths(self) -> None:
        folder = self.write_beir()
        fixed = ("--bootstrap", "100", "-t", "0.8")
        lengths = ("--try-max-length", "8,96,16,8")
        report = self.sweep(folder, *fixed, *lengths, "--post", "chunk-max:70,chunk-mean:12,chunk-mean")
        rows = {row["name"]: row for row in report["settings"]}
        self.assertEqual(
            [name for name in rows if "0.8" not in name],
            [
                # Reads 64 tokens; pieces are tried where they are a setting of their own.
                *("1", "chunk-mean:12", "chunk-mean", "max-length:8", "max-length:8 + chunk-mean"),
                *("max-length:16", "max-length:16 + chunk-mean"),
                *("max-length:96", "max-length:96 + chunk-max:70", "max-length:96 + chunk-mean"),
            ],
        )
        self.assertEqual(len(rows), 20)
        self.assertEqual(rows["0.8 + max-length:16"]["max_length"], 16)
        self.assertEqual(report["provenance"]["max_length"], 64)
        # As if it were the untouched model: what is shared changes nothing.
        for length in ("8", "16", "96"):
            alone = self.sweep(folder, *fixed, "--max-length", length, "--post", "none")["settings"]
            self.assertEqual(alone[0]["value"], rows[f"max-length:{length}"]["value"])
            self.assertEqual(alone[1]["value"], rows[f"0.8 + max-length:{length}"]["value"])
        for words, arguments in (
            ("96", ("--try-max-length", "97")),
            ("--post chunk-mean:70: the model does not read pieces of 70 tokens", ("--post", "chunk-mean:70")),
            (
                "--try-extend",
                ("--try-max-length", "300", "--extend", "interpolate", "--max-length", "200"),
            ),
            ("--try-max-length", ("--try-max-length", "0")),
        ):
            done = self.run_sweep(folder, *FAST, *arguments)
            self.assertEqual(done.returncode, 64, done.stderr)
            self.assertIn(words, done.stderr)

    def test_what_to_run(self) -> None:
        folder = self.write_beir()
        model = str((Path(ARGUMENTS.golden) / "bert" / "model").resolve())
        done = self.run_sweep(folder, *FAST, "--post", "none", "--query-prompt", "it's: ", "--no-normalize")
        for side, words in (("corpus", ""), ("queries", "--prompt 'it'\\''s: ' ")):
            self.assertIn(
                f"    treble embed --model {model} --no-normalize {words}{side}.jsonl -o {side}.npy\n", done.stdout
            )
        # A gain that is there: what the model reads by itself is one of five beginnings.
        begins = [" ".join(self.random.choices(WORDS, k=14)) for _ in range(5)]
        texts = [f"{begins[i % 5]} {self.text(6)}" for i in range(60)]
        for name, kind in (("corpus", "d"), ("queries", "q")):
            rows = [{"_id": f"{kind}{i}", "text": text} for i, text in enumerate(texts)]
            (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        (folder / "qrels" / "test.tsv").write_text("".join(f"q{i}\td{i}\t1\n" for i in range(60)))
        arguments = (folder, "--bootstrap", "200", "-t", "1", "--post", "none", "--max-length", "12")
        report = self.sweep(*arguments, "--try-max-length", "64")
        self.assertEqual((report["benefit"], report["embed_arguments"]), ("helps", "--max-length 64"))
        self.assertEqual(
            report["commands"],
            [
                f"treble embed --model {model} --max-length 64 {side}.jsonl -o {side}.npy"
                for side in ("corpus", "queries")
            ],
        )
        self.assertRegex(
            report["verdict"], r"^max-length:64 helps: .* instead of .* \(\+\d+\.\d %\); better for \d+ of 60 items"
        )
        self.assertGreater(report["settings"][1]["relative_change"], 0.5)

    def test_a_step_that_cannot_be_fitted_is_left_out_and_said(self) -> None:
        path = self.folder / "sts.jsonl"
        lines = [
            {"sentence1": WORDS[i % 7], "sentence2": f"wind {'again' if i % 2 else 'sea'}", "score": i % 5}
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
        self.assertEqual([command.split()[-3:] for command in report["commands"]], [["texts.jsonl", "-o", "texts.npy"]])
        self.assertIn("proxy", report["verdict"])

    def test_the_table(self) -> None:
        model = Path(ARGUMENTS.golden) / "bert" / "model"
        done = treble("sweep", "--model", model, self.write_beir(), *FAST)
        self.assertEqual(done.returncode, 0, done.stderr)
        for words in ("nDCG@10", "log:16", "items", "points"):
            self.assertIn(words, done.stdout)
        lines = done.stdout.splitlines()[2:]
        self.assertLessEqual(max(len(line) for line in lines if "treble embed" not in line), 120)
        # Names longer than the column widen it.
        path = self.folder / "profile with a long name.json"
        profile = {"schema": "treble.temperature_profile/1", "lengths": [8], "logit_scales": [[[1.25]], [[1.25]]]}
        path.write_text(json.dumps(profile))
        done = self.run_sweep(self.folder, "-t", f"match:{path}", "--post", "chunk-mean:8", "--bootstrap", "100")
        self.assertEqual(done.returncode, 0, done.stderr)
        found = [
            line for line in done.stdout.splitlines() if line.startswith(("  setting", "  1 ", "  match", "  chunk-"))
        ]
        ends = {line.index(value[0]) for line in found[1:4] if (value := re.findall(r"0\.\d{4}", line))}
        self.assertEqual(len(ends), 1, done.stdout)

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
            (64, "--bootstrap", (empty, "--bootstrap", "99")),
            (64, "--bootstrap", (empty, "--bootstrap", "0")),
            (64, "--folds", (empty, "--folds", "1")),
            (64, "--sample", (empty, "--sample", "-1")),
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
