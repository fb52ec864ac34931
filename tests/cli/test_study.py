#!/usr/bin/env python3
"""Drives the study of studies/evidence in small: a tiny model, made-up sets, its answers resumed and its tables.

Needs nothing but the standard library: `test_study.py --treble PROGRAM --golden tests/golden`.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shlex
import shutil
import subprocess
import sys
import tempfile
import tomllib
import unittest
from pathlib import Path

ARGUMENTS = argparse.Namespace(treble="", golden="")
STUDY = Path(__file__).resolve().parents[2] / "studies" / "evidence"
WORDS = ("the", "ferry", "leaves", "harbour", "a", "letter", "port", "again", "sea", "wind")
SMALL = """
[models.tiny]
dtype = "float32"
query_prompt = "ferry: "
document_prompt = ""
[sets]
retrieval = ["short", "not_there"]
long = ["longer"]
synthetic = ["made_up"]
sts = ["graded"]
cost = ["longer"]
[jobs.collapse]
command = "inspect"
on = ["long"]
arguments = ["-t", "0.5", "--bucket-edges", "8,16,32", "--cut-lengths", "8,16,32"]
[jobs.temperature]
command = "sweep"
on = ["retrieval", "long", "sts"]
arguments = ["-t", "0.5", "-t", "0.8", "--post", "none", "--bootstrap", "100", "--deals", "2"]
[jobs.schedules]
command = "sweep"
on = ["long"]
profiles = ["entropy"]
reference_length = 8
lengths = "16,32"
arguments = ["-t", "log:8", "--post", "none", "--bootstrap", "100", "--deals", "2"]
[jobs.cost-cut]
command = "embed"
on = ["cost"]
arguments = []
[jobs.cost-chunk-mean]
command = "embed"
on = ["cost"]
arguments = ["--post", "chunk-mean:8"]
[jobs.within-one-length]
command = "sweep"
on = ["synthetic"]
arguments = ["-t", "0.5", "--post", "chunk-mean:8", "--bootstrap", "100", "--deals", "2"]
"""


class Study(unittest.TestCase):
    """A folder of its own for each test."""

    def setUp(self) -> None:
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.folder = Path(holder.name)
        self.random = random.Random(5)
        self.data = self.folder / "data"
        self.out = self.folder / "out"
        (self.folder / "models").mkdir()
        (self.folder / "models" / "tiny").symlink_to(Path(ARGUMENTS.golden).resolve() / "bert" / "model")
        (self.folder / "study.toml").write_text(SMALL)
        self.retrieval("short", {f"d{i}": 12 for i in range(20)})
        self.retrieval("longer", {f"d{i}": 40 for i in range(20)})
        self.retrieval("made_up", {f"key-{length}-{i}": length for length in (8, 24) for i in range(12)})
        (self.data / "graded").mkdir()
        (self.data / "graded" / "meta.json").write_text("{}")
        pairs = [{"sentence1": self.text(6), "sentence2": self.text(6), "score": i % 5} for i in range(20)]
        (self.data / "graded" / "sts.jsonl").write_text("".join(json.dumps(pair) + "\n" for pair in pairs))

    def text(self, words: int) -> str:
        return " ".join(self.random.choice(WORDS) for _ in range(words))

    def retrieval(self, name: str, lengths: dict[str, int]) -> None:
        folder = self.data / name
        (folder / "qrels").mkdir(parents=True)
        (folder / "meta.json").write_text("{}")
        texts = {document: self.text(words) for document, words in lengths.items()}
        rows = [{"_id": key, "text": text} for key, text in texts.items()]
        queries = [{"_id": f"q-{key}", "text": " ".join(text.split()[:4])} for key, text in texts.items()]
        judged = "".join(f"q-{key}\t{key}\t1\n" for key in texts)
        for file, lines in (("corpus", rows), ("queries", queries)):
            (folder / f"{file}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        (folder / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\n" + judged)

    def script(self, name: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, STUDY / name, "--out", self.out, "--study", self.folder / "study.toml", *arguments]
        return subprocess.run(
            [str(part) for part in command], check=False, capture_output=True, text=True, timeout=120,
            env={**os.environ, "TREBLE": ARGUMENTS.treble},
        )  # fmt: skip

    def run_study(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.script("run.py", "--data", self.data, "--models", self.folder / "models", *arguments)

    def test_jobs_answers_and_tables(self) -> None:
        done = self.run_study()
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("9 jobs, 9 to do", done.stdout)
        self.assertIn("no not_there", done.stderr)
        answers = {path.relative_to(self.out / "results"): path for path in self.out.glob("results/*/*/*.json")}
        self.assertEqual(len(answers), 9)
        kept = json.loads(answers[Path("tiny/made_up-24/within-one-length.json")].read_text())
        self.assertEqual((kept["report"]["items"], kept["report"]["query_prompt"]["text"]), (12, "ferry: "))
        self.assertTrue(kept["seconds"] > 0 and kept["peak_mib"] > 1)
        self.assertIn("profiles/tiny/longer-entropy.json", answers[Path("tiny/longer/schedules.json")].read_text())

        # A command as it is written gives the answer again.
        command = [ARGUMENTS.treble, *shlex.split(kept["command"])[1:], "--json", "-"]
        again = subprocess.run(command, check=True, capture_output=True, text=True, timeout=120)
        self.assertEqual(json.loads(again.stdout), kept["report"])

        tables = self.script("report.py")
        self.assertEqual(tables.returncode, 0, tables.stderr)
        gain = json.loads(answers[Path("tiny/short/temperature.json")].read_text())["report"]["held_out_gain"]
        self.assertIn(f"{100 * gain['value']:+.2f}".replace("-", "\N{MINUS SIGN}"), tables.stdout)
        for words in (
            "## A constant temperature",
            "| graded | Spearman |",
            "profile by entropy",
            "made_up-8",
            "Over the 3 sets",
            "| chunk-mean | ",
            " --model models/tiny ",
            " DATA/short`",
        ):
            self.assertIn(words, tables.stdout)

    def test_a_job_may_be_for_some_models(self) -> None:
        study = self.folder / "study.toml"
        both = SMALL.replace("[sets]", '[models.other]\ndtype = "float32"\n[sets]')
        study.write_text(both)
        self.assertIn("18 jobs", self.run_study("--list").stdout)
        study.write_text(both.replace("[jobs.temperature]", '[jobs.temperature]\nmodels = ["tiny"]'))
        listed = self.run_study("--list").stdout
        self.assertIn("15 jobs", listed)
        self.assertNotIn("other/short/temperature", listed)
        study.write_text(both.replace("[jobs.temperature]", '[jobs.temperature]\nmodels = ["tyni"]'))
        wrong = self.run_study("--list")
        self.assertEqual(wrong.returncode, 1)
        self.assertIn('job temperature is for the model "tyni"; there are tiny, other', wrong.stderr)

    def test_what_a_temperature_adds_to_each_reading(self) -> None:
        further = """[jobs.further]
command = "sweep"
on = ["retrieval", "long"]
arguments = ["--max-length", "16", "-t", "0.5", "--try-extend", "recur:32", "--post", "none", "--bootstrap", "100"]
"""
        (self.folder / "study.toml").write_text(SMALL.split("[jobs.")[0] + further)
        done = self.run_study()
        self.assertEqual(done.returncode, 0, done.stderr)
        plain, extended = [], []
        for name in ("short", "longer"):
            kept = json.loads((self.out / "results" / "tiny" / name / "further.json").read_text())
            value = {row["name"]: 100 * row["value"] for row in kept["report"]["settings"]}
            plain.append(value["0.5"] - value["1"])
            extended.append(value["0.5 + recur:32"] - value["recur:32"])
        self.assertTrue(any(extended), "so that this test tests something")
        shown = [f"{sum(gains) / 2:+.2f}".replace("-", "\N{MINUS SIGN}") for gains in (plain, extended)]
        tables = self.script("report.py", "--keep").stdout
        self.assertIn("What a temperature adds to each reading, mean over 2 sets:", tables)
        self.assertIn(f"| 0.5 | {shown[0]} | {shown[1]} |", tables)

    def test_what_is_done_is_not_done_again(self) -> None:
        self.assertIn("9 jobs are left", self.run_study("--minutes", "1e-9").stdout)
        self.assertEqual(self.run_study("--only", "short").returncode, 0)
        kept = self.out / "results" / "tiny" / "short" / "temperature.json"
        before = kept.stat().st_mtime_ns
        self.assertIn("9 jobs, 8 to do", self.run_study("--list").stdout)
        self.assertIn("1 jobs, 0 to do", self.run_study("--only", "short").stdout)
        self.assertEqual(kept.stat().st_mtime_ns, before)

    def test_kept_answers_go_on_elsewhere(self) -> None:
        only = ("--only", "graded|short|longer/(collapse|cost)")
        self.assertEqual(self.run_study(*only).returncode, 0)
        tables = self.script("report.py", "--keep")
        self.assertIn("| graded | Spearman |", tables.stdout)
        whole = json.loads((self.out / "results" / "tiny" / "graded" / "temperature.json").read_text())["report"]
        isa, weights = whole["provenance"]["cpu_isa"], whole["provenance"]["model"]["weights_sha256"]
        self.assertRegex(tables.stdout, rf"Computed on {isa}: .*tiny graded temperature")
        shutil.rmtree(self.out / "results")
        self.assertIn("5 jobs, 0 to do", self.run_study(*only).stdout)
        kept = self.folder / "answers.jsonl"
        self.assertEqual(len(kept.read_text().splitlines()), 5)
        self.assertLess(kept.stat().st_size, 20_000)
        graded = next(line for line in map(json.loads, kept.read_text().splitlines()) if line["data"] == "graded")
        self.assertEqual((graded["report"]["cpu_isa"], graded["report"]["weights_sha256"]), (isa, weights))
        again = self.script("report.py", "--keep")
        self.assertEqual(again.stdout, tables.stdout)
        # What is measured anew takes the kept one's place.
        self.assertIn("1 jobs, 1 to do", self.run_study("--only", "graded", "--again").stdout)
        self.assertEqual(self.script("report.py").stdout, tables.stdout)

    def test_a_job_that_fails_is_said_and_the_others_go_on(self) -> None:
        shutil.rmtree(self.data / "longer" / "qrels")
        done = self.run_study("--only", "longer/temperature|short")
        self.assertEqual(done.returncode, 1)
        self.assertIn("failed: treble sweep", done.stderr)
        self.assertTrue((self.out / "results" / "tiny" / "short" / "temperature.json").is_file())

    def test_the_study_itself_names_what_there_is(self) -> None:
        study = tomllib.loads((STUDY / "study.toml").read_text())
        for job in study["jobs"].values():
            self.assertLessEqual(set(job["on"]), set(study["sets"]))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--treble", required=True)
    parser.add_argument("--golden", required=True)
    parsed, rest = parser.parse_known_args()
    ARGUMENTS.treble, ARGUMENTS.golden = parsed.treble, parsed.golden
    return 0 if unittest.main(argv=[sys.argv[0], *rest], exit=False).result.wasSuccessful() else 1


if __name__ == "__main__":
    sys.exit(main())
