#!/usr/bin/env python3
"""Drives `treble inspect --labels` on a tiny model: where labels are read from, what is left out, errors, outputs.

Needs nothing but the standard library: `test_inspect_labels.py --treble PROGRAM --model FOLDER --python PYTHON`.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from typing import Any

ARGUMENTS = argparse.Namespace(treble="", model="", python="")
WORDS = ("harbour", "ferry", "letter")
TO_PARQUET = """
import json, sys
import pyarrow as pa, pyarrow.parquet as pq
pq.write_table(pa.Table.from_pylist([json.loads(line) for line in open(sys.argv[1])]), sys.argv[2])
"""


def row_of(index: int, label: object) -> dict[str, object]:
    word = WORDS[index % len(WORDS)]
    text = " ".join([word, str(index % 17), word, *("sea" for _ in range(index % 4))])
    return {"text": text, "label": label}


class Case(unittest.TestCase):
    """A folder of its own for each test."""

    def setUp(self) -> None:
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.folder = Path(holder.name)

    def inspect(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        quick = ("--bootstrap", "30", "--sample", "10", "--cut-lengths", "4")
        command = [ARGUMENTS.treble, "inspect", "--model", ARGUMENTS.model, *quick, *arguments]
        environment = {**os.environ, "TREBLE_PYTHON": ARGUMENTS.python}
        return subprocess.run(
            list(map(str, command)), text=True, capture_output=True, timeout=120, check=False, env=environment
        )

    def report(self, *arguments: str | Path) -> dict[str, Any]:
        done = self.inspect(*arguments, "--json", "-")
        self.assertEqual(done.returncode, 0, done.stderr)
        report: dict[str, Any] = json.loads(done.stdout)
        return report

    def write_jsonl(self, rows: list[Any], name: str = "texts.jsonl") -> Path:
        path = self.folder / name
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return path

    def rows(self, count: int = 36) -> list[dict[str, object]]:
        return [row_of(i, WORDS[i % 3]) for i in range(count)]


class Reading(Case):
    """Where labels come from."""

    def test_every_form_of_file_gives_the_same_report(self) -> None:
        rows = self.rows()
        jsonl = self.write_jsonl(rows)
        listed = self.folder / "texts.json"
        listed.write_text(json.dumps(rows))
        table = self.folder / "texts.csv"
        with table.open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(["label", "text"])
            writer.writerows([row["label"], row["text"]] for row in rows)
        bare = self.folder / "bare.csv"
        bare.write_text(table.read_text().split("\n", 1)[1])
        expected = self.report("--labels", "label", jsonl)["classes"]
        self.assertEqual([one["texts"] for one in expected["classes"]], [12, 12, 12])
        for arguments in (
            (listed,),
            (table,),
            ("--no-header", "--text-field", "2", bare),
        ):
            field = "1" if bare in arguments else "label"
            self.assertEqual(self.report("--labels", field, *arguments)["classes"], expected, arguments)

    def test_parquet(self) -> None:
        if not ARGUMENTS.python:
            self.skipTest("no Python with pyarrow")
        rows = [
            {"text": row["text"], "about": {"class": i % 3 if i % 9 else None}} for i, row in enumerate(self.rows())
        ]
        jsonl = self.write_jsonl(rows)
        parquet = self.folder / "texts.parquet"
        subprocess.run([ARGUMENTS.python, "-c", TO_PARQUET, jsonl, parquet], check=True)
        expected = self.report("--labels", "about.class", jsonl)["classes"]
        found = self.report("--labels", "about.class", parquet)["classes"]
        self.assertEqual([one["label"] for one in found["classes"]], ["0", "1", "2"])
        self.assertEqual(found["unlabelled_texts"], 4)
        self.assertEqual(found["estimates"], expected["estimates"])
        done = self.inspect("--labels", "about.colour", parquet)
        self.assertEqual(done.returncode, 65, done.stderr)
        self.assertIn('no column "about.colour"', done.stderr)

    def test_numbers_and_booleans_are_labels_as_written(self) -> None:
        labels = [0, 1.50, True, False, "0"]
        rows = [row_of(i, labels[i % 5]) for i in range(40)]
        path = self.write_jsonl(rows)
        found = self.report("--labels", "label", path)["classes"]
        self.assertEqual(
            [(one["label"], one["texts"]) for one in found["classes"]],
            [("0", 16), ("1.5", 8), ("false", 8), ("true", 8)],
        )

    def test_unlabelled_lines_are_counted_and_named(self) -> None:
        rows: list[Any] = self.rows()
        rows[3] = {"text": "no label at all"}
        rows[7]["label"] = None
        rows[11]["label"] = ""
        rows[20]["label"] = "  "
        rows[30] = "a plain string"
        path = self.write_jsonl(rows)
        found = self.report("--labels", "label", path)
        self.assertEqual(found["texts"], 36)
        self.assertEqual(found["classes"]["labelled_texts"], 31)
        self.assertEqual(found["classes"]["unlabelled_texts"], 5)
        self.assertEqual(found["classes"]["unlabelled"], [f"{path}:{line}" for line in (4, 8, 12, 21, 31)])
        table = self.inspect("--labels", "label", path).stdout
        self.assertIn(f"5 of 36 texts have no label and are left out of the measures of classes: {path}:4", table)


class Errors(Case):
    """What cannot be measured says so."""

    def fails(self, code: int, words: str, *arguments: str | Path) -> None:
        done = self.inspect(*arguments)
        self.assertEqual(done.returncode, code, done.stderr)
        self.assertIn(words, done.stderr)
        self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)

    def test_forms_without_fields(self) -> None:
        path = self.folder / "texts.txt"
        path.write_text("one\ntwo\n")
        self.fails(64, f"--labels label: {path} is plain text, which has no fields", "--labels", "label", path)
        (self.folder / "notes").mkdir()
        (self.folder / "notes" / "a.md").write_text("one")
        self.fails(64, "plain text, which has no fields", "--labels", "label", self.folder / "notes")

    def test_a_field_that_is_not_there(self) -> None:
        path = self.write_jsonl(self.rows())
        self.fails(65, "--labels lable: none of the 36 texts has a label there", "--labels", "lable", path)
        table = self.folder / "texts.csv"
        table.write_text("text,label\na,b\n")
        self.fails(65, 'no column "lable"', "--labels", "lable", table)

    def test_a_label_that_is_none(self) -> None:
        rows = self.rows()
        rows[5]["label"] = ["a", "b"]
        path = self.write_jsonl(rows)
        self.fails(
            65,
            f'{path}:6: field "label" must be a label (a string or a number), and is a list',
            "--labels",
            "label",
            path,
        )
        rows[5]["label"] = {"a": 1}
        self.fails(65, "name a field within it (--labels a.b)", "--labels", "label", self.write_jsonl(rows))

    def test_options(self) -> None:
        path = self.write_jsonl(self.rows())
        self.fails(64, "--label-sample needs --labels FIELD", "--label-sample", "5", path)
        self.fails(64, "label_sample", "--labels", "label", "--label-sample", "1", path)


class Report(Case):
    """What comes out."""

    def test_layers_temperatures_and_lengths(self) -> None:
        path = self.write_jsonl(self.rows(48))
        found = self.report("--labels", "label", "-t", "0.5", "--bucket-edges", "8", path)
        places = [(e["setting"], e["layer"], e["bucket"]) for e in found["classes"]["estimates"]]
        layers = (0, 1, 2, None)
        self.assertEqual(places, [(s, layer, b) for s in (0, 1) for layer in layers for b in (None, 0, 1)])
        for estimate in found["classes"]["estimates"]:
            for name in ("within", "between", "nc1_traces", "nc1", "nc2", "accuracy", "probe_accuracy", "agreement"):
                interval = estimate[name]
                self.assertLessEqual(interval["low"], interval["value"], (name, estimate))
                self.assertLessEqual(interval["value"], interval["high"], (name, estimate))
        self.assertEqual(len(found["classes"]["map"]["texts"]), 48)

    def test_the_table_fits_and_begins_with_both_verdicts(self) -> None:
        path = self.write_jsonl(self.rows())
        many = [option for value in ("0.9", "0.8", "0.7") for option in ("-t", value)]
        done = self.inspect("--labels", "label", *many, path)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("\n\nClasses: 36 labelled texts of 3 classes.", done.stdout)
        table = done.stdout.split("\n\n", 2)[2]
        for line in table.splitlines():
            self.assertLessEqual(len(line), 100, line)

    def test_one_class_has_a_reason(self) -> None:
        path = self.write_jsonl([row_of(i, "all") for i in range(12)])
        found = self.report("--labels", "label", path)["classes"]
        self.assertIn("two classes of at least two texts are needed", found["verdict"])
        self.assertIsNone(found["estimates"][0]["nc1"])
        self.assertIn("two classes", found["estimates"][0]["reason"])

    def test_hostile_labels_stay_texts(self) -> None:
        hostile = "</script><script>alert(1)</script>"
        path = self.write_jsonl([row_of(i, hostile if i % 2 else "\u2028") for i in range(20)])
        page = self.folder / "page.html"
        done = self.inspect("--labels", "label", path, "--html", page)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertNotIn("<script>alert", page.read_text())
        self.assertIn("\\u003c/script>\\u003cscript>alert(1)", page.read_text())


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--treble", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--python", required=True, help="one with pyarrow, or empty")
    parsed, rest = parser.parse_known_args()
    ARGUMENTS.treble, ARGUMENTS.model, ARGUMENTS.python = parsed.treble, parsed.model, parsed.python
    return 0 if unittest.main(argv=[sys.argv[0], *rest], exit=False).result.wasSuccessful() else 1


if __name__ == "__main__":
    sys.exit(main())
