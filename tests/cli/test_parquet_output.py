#!/usr/bin/env python3
"""`treble embed -o vectors.parquet`: nothing is mixed, nothing is lost, every id once.

Needs pyarrow and numpy: `PYTHON test_parquet_output.py --treble PROGRAM --golden tests/golden`.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

ARGUMENTS = argparse.Namespace(treble="", golden="")


def text_of(i: int) -> str:
    return " ".join(f"the ferry {(i * 7 + word * 3) % 41} harbour" for word in range(1 + i % 6)) + f" {i}"


class ParquetOutput(unittest.TestCase):
    """A folder of its own for each test, with a model and a corpus of 300 rows in it."""

    def setUp(self) -> None:
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.folder = Path(holder.name)
        self.model = self.folder / "model"
        shutil.copytree(Path(ARGUMENTS.golden) / "bert" / "model", self.model)
        self.corpus = self.write_corpus("corpus.parquet", 300)
        self.out = self.folder / "v.parquet"
        self.partial = self.folder / "v.parquet.partial"

    def write_corpus(self, name: str, rows: int) -> Path:
        path = self.folder / name
        pq.write_table(
            pa.table({"id": [f"d{i}" for i in range(rows)], "text": [text_of(i) for i in range(rows)]}), path
        )
        return path

    def command(self, *arguments: str | Path) -> list[str]:
        return [ARGUMENTS.treble, "embed", "--model", str(self.model), *map(str, arguments)]

    def embed(self, *arguments: str | Path, code: int = 0, python: str = sys.executable) -> str:
        environment = {**os.environ, "TREBLE_PYTHON": python}
        done = subprocess.run(
            self.command(*arguments), capture_output=True, text=True, timeout=120, check=False, env=environment
        )
        self.assertEqual(done.returncode, code, (arguments, done.stderr))
        return done.stderr

    def reference(self, source: Path) -> np.ndarray:
        self.embed(source, "-o", self.folder / "reference.npy", "--force", "--quiet")
        return np.load(self.folder / "reference.npy")

    def vectors(self, path: Path) -> np.ndarray:
        column = pq.read_table(path).column("embedding").combine_chunks()
        return column.flatten().to_numpy().reshape(len(column), column.type.list_size)

    def check_whole(self, rows: int, source: Path) -> None:
        self.assertEqual(pq.read_table(self.out).column("id").to_pylist(), [f"d{i}" for i in range(rows)])
        np.testing.assert_array_equal(self.vectors(self.out), self.reference(source))
        self.assertEqual([path.name for path in self.folder.iterdir() if ".partial" in path.name], [])
        self.assertEqual([path.name for path in self.folder.iterdir() if path.name.startswith(".")], [])

    def started(self, *arguments: str | Path) -> subprocess.Popen[str]:
        """A run that has written some rows of many."""
        environment = {**os.environ, "TREBLE_PYTHON": sys.executable}
        process = subprocess.Popen(self.command(*arguments), stderr=subprocess.PIPE, text=True, env=environment)
        while process.poll() is None and not (self.partial.exists() and self.partial.stat().st_size > 200_000):
            time.sleep(0.001)
        return process

    def test_columns_and_metadata(self) -> None:
        said = self.embed(self.corpus, "-o", self.out, "-t", "0.8")
        self.assertIn("v.parquet [300, 32]", said)
        schema = pq.read_schema(self.out)
        self.assertEqual(schema.names, ["id", "embedding", "tokens", "used"])
        self.assertEqual(schema.field("id").type, pa.string())
        kind = schema.field("embedding").type
        self.assertTrue(pa.types.is_fixed_size_list(kind))
        self.assertEqual((kind.value_type, kind.list_size), (pa.float32(), 32))
        metadata = json.loads(schema.metadata[b"treble"])
        self.assertEqual((metadata["temperature"], metadata["count"], metadata["complete"]), ("0.8", 300, True))
        self.embed(self.corpus, "-o", self.folder / "v.jsonl", "-t", "0.8")
        lines = [json.loads(line) for line in (self.folder / "v.jsonl").read_text().splitlines()[1:]]
        table = pq.read_table(self.out)
        for name in ("id", "tokens", "used"):
            self.assertEqual(table.column(name).to_pylist(), [line[name] for line in lines])
        expected = np.array([line["embedding"] for line in lines], dtype=np.float32)
        np.testing.assert_array_equal(self.vectors(self.out), expected)

    def test_ids_keep_their_type(self) -> None:
        cases = [
            ([7, -3, 2**62], pa.int64(), [7, -3, 2**62]),
            ([7, None, "x"], pa.string(), ["7", None, "x"]),
            ([1.50, 2, 2**64], pa.string(), ["1.5", "2", str(2**64)]),
            ([None, None, None], None, None),
        ]
        for ids, kind, expected in cases:
            lines = [{"text": "a letter", **({} if one is None else {"id": one})} for one in ids]
            source = self.folder / "ids.jsonl"
            source.write_text("\n".join(map(json.dumps, lines)))
            self.embed(source, "-o", self.out, "--force")
            table = pq.read_table(self.out)
            if kind is None:
                self.assertNotIn("id", table.column_names)
                continue
            self.assertEqual((table.schema.field("id").type, table.column("id").to_pylist()), (kind, expected))

    def test_killed_and_resumed(self) -> None:
        big = self.write_corpus("big.parquet", 15_000)
        with self.started(big, "-o", self.out) as process:
            process.kill()
        self.assertEqual(process.returncode, -signal.SIGKILL)
        self.assertFalse(self.out.exists())
        said = self.embed(big, "-o", self.out, code=64)
        self.assertIn("v.parquet.partial exists; --resume continues it", said)
        said = self.embed(big, "-o", self.out, "--resume", "-t", "0.8", code=64)
        self.assertIn("cannot resume", said)
        self.embed(big, "-o", self.out, "--resume")
        self.check_whole(15_000, big)

    def test_ctrl_c_while_replacing(self) -> None:
        big = self.write_corpus("big.parquet", 15_000)
        self.embed(self.corpus, "-o", self.out)
        old = self.out.read_bytes()
        with self.started(big, "-o", self.out, "--force") as process:
            process.send_signal(signal.SIGINT)
            message = process.communicate(timeout=60)[1]
        self.assertEqual(process.returncode, 130, message)
        self.assertIn("is as it was; run the same command with --resume in place of --force", message)
        self.assertEqual(self.out.read_bytes(), old)
        self.embed(big, "-o", self.out, "--resume")
        self.check_whole(15_000, big)

    def test_killed_before_the_rows_were_removed(self) -> None:
        self.embed(self.corpus, "-o", self.out)
        old = self.out.read_bytes()
        self.embed(self.corpus, "-o", self.out, "--resume")
        self.assertEqual(self.out.read_bytes(), old, "nothing was to do")
        subprocess.run(
            [sys.executable, self.script(), "read", self.out, self.partial], check=True, timeout=60, capture_output=True
        )
        self.embed(self.corpus, "-o", self.out, "--resume")
        self.check_whole(300, self.corpus)

    def script(self) -> Path:
        return Path(ARGUMENTS.treble).resolve().parents[1] / "share" / "treble" / "write_parquet.py"

    def test_a_finished_output_goes_on_where_the_input_has_grown(self) -> None:
        self.embed(self.corpus, "-o", self.out)
        self.out.chmod(0o640)
        more = self.write_corpus("more.parquet", 400)
        self.embed(more, "-o", self.out, "--resume")
        self.check_whole(400, more)
        self.assertEqual(self.out.stat().st_mode & 0o777, 0o640)
        self.assertEqual(json.loads(pq.read_schema(self.out).metadata[b"treble"])["count"], 400)
        before = self.out.read_bytes()
        said = self.embed(more, "-o", self.out, "--resume", "-t", "0.8", code=64)
        self.assertIn("temperature_canonical", said)
        self.assertEqual(self.out.read_bytes(), before)
        self.assertFalse(self.partial.exists())

    def test_an_error_keeps_the_rows_before_it(self) -> None:
        lines = self.folder / "texts.txt"
        lines.write_text("\n".join([*map(text_of, range(20)), "word " * 90, "the last"]))
        options = ("-o", self.out, "--truncate", "error", "--chunk-texts", "5")
        said = self.embed(lines, *options, code=65)
        self.assertIn("v.parquet.partial has the 20 rows before that", said)
        lines.write_text("\n".join([*map(text_of, range(20)), "the last"]))
        self.embed(lines, *options, "--resume")
        np.testing.assert_array_equal(self.vectors(self.out), self.reference(lines))

    def test_what_is_not_ours_stays(self) -> None:
        pq.write_table(pa.table({"a": [1]}), self.out)
        before = self.out.read_bytes()
        self.assertIn("exists", self.embed(self.corpus, "-o", self.out, code=64))
        said = self.embed(self.corpus, "-o", self.out, "--resume", code=74)
        self.assertIn("v.parquet is not what treble wrote, so it cannot be continued", said)
        self.partial.write_text("mine")
        said = self.embed(self.corpus, "-o", self.out, "--force", code=64)
        self.assertIn("exists and is no unfinished output", said)
        self.assertEqual((self.out.read_bytes(), self.partial.read_text()), (before, "mine"))

    def test_an_unwritable_end_keeps_the_rows(self) -> None:
        """The file system refuses the output when all rows are there: the name is taken by a folder by then."""
        big = self.write_corpus("big.parquet", 15_000)
        with self.started(big, "-o", self.out) as process:
            self.out.mkdir()
            message = process.communicate(timeout=120)[1]
        self.assertNotEqual(process.returncode, 0, message)
        self.assertIn("v.parquet", message)
        self.assertTrue(self.partial.exists())
        self.out.rmdir()
        self.embed(big, "-o", self.out, "--resume")
        self.check_whole(15_000, big)

    def test_without_pyarrow(self) -> None:
        for python in (str(self.folder / "none"), "/bin/false"):
            (self.folder / "a.txt").write_text("a letter\n")
            said = self.embed(self.folder / "a.txt", "-o", self.out, python=python, code=66)
            self.assertIn("v.parquet: this needs Python with the packages pyarrow, numpy", said)
            self.assertEqual([path.name for path in self.folder.iterdir() if path.name.startswith("v.")], [])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--treble", required=True)
    parser.add_argument("--golden", required=True)
    options, rest = parser.parse_known_args()
    vars(ARGUMENTS).update(vars(options))
    unittest.main(argv=[sys.argv[0], *rest], verbosity=2)


if __name__ == "__main__":
    main()
