#!/usr/bin/env python3
"""`treble embed --output-kind sparse` on tiny golden models: JSONL and .npz against sentence-transformers' weights.

Needs nothing but the standard library (SciPy reads the .npz too, where it is there):
`test_sparse.py --treble PROGRAM --golden tests/golden`.
"""

from __future__ import annotations

import json
import random
import struct
import subprocess
from itertools import pairwise
from pathlib import Path

from outputs_case import ARGUMENTS, OutputsCase, main, read_npz

TOLERANCE = 1e-5
WORDS = ("the", "ferry", "leaves", "harbour", "at", "nine", "reader", "été", "Köln", "今天", "😀", 'a"b', "\\", "</s>")

Rows = list[dict[int, float]]


def folder(name: str) -> Path:
    return Path(ARGUMENTS.golden) / "sparse" / name


def texts_of(name: str) -> list[str]:
    return json.loads((folder(name) / "cases.json").read_text(encoding="utf-8"))["texts"]


def golden(name: str, key: str = "tau=1") -> Rows:
    """The weights above 0 of each text, by token id."""
    data = (folder(name) / "expected.safetensors").read_bytes()
    (size,) = struct.unpack("<Q", data[:8])
    entry = json.loads(data[8 : 8 + size])[key]
    begin, end = entry["data_offsets"]
    values = struct.unpack(f"<{(end - begin) // 4}f", data[8 + size + begin : 8 + size + end])
    width = entry["shape"][1]
    return [{i: v for i, v in enumerate(values[at : at + width]) if v > 0} for at in range(0, len(values), width)]


class Sparse(OutputsCase):
    def embed(self, model: str, *arguments: str | Path, fails: bool = False) -> subprocess.CompletedProcess[str]:
        path = (folder(model) / "model").resolve()
        return self.run_treble("embed", "--model", path, "--output-kind", "sparse", *arguments, fails=fails)

    def rows_in(self, path: Path) -> Rows:
        arrays = read_npz(path)
        self.assertEqual(arrays["format"], "csr")
        ends = arrays["indptr"]
        self.assertEqual((ends[0], ends[-1]), (0, len(arrays["data"])))
        self.assertEqual(len(ends) - 1, arrays["shape"][0])
        rows = []
        for begin, end in pairwise(ends):
            ids = arrays["indices"][begin:end]
            self.assertEqual(ids, sorted(set(ids)))
            rows.append(dict(zip(ids, arrays["data"][begin:end], strict=True)))
        self.compare_with_scipy(path, rows)
        return rows

    def compare_with_scipy(self, path: Path, rows: Rows) -> None:
        try:
            from scipy.sparse import load_npz  # noqa: PLC0415 - SciPy need not be there
        except ImportError:
            return
        loaded = load_npz(path).tocsr()
        self.assertEqual([dict(zip(row.indices, row.data, strict=True)) for row in loaded], rows)

    def assert_close(self, found: Rows, expected: Rows) -> None:
        self.assertEqual(len(found), len(expected))
        for one, other in zip(found, expected, strict=True):
            for token in one.keys() | other.keys():
                self.assertAlmostEqual(one.get(token, 0), other.get(token, 0), delta=TOLERANCE)

    def test_npz_has_the_weights_of_sentence_transformers(self) -> None:
        for name in ("bert", "distilbert", "roberta-bare", "bge-m3"):
            output = self.folder / f"{name}.npz"
            self.embed(name, self.write(texts_of(name)), "-o", output)
            self.assert_close(self.rows_in(output), golden(name))
            metadata = json.loads(read_npz(output)["treble"])
            self.assertEqual(metadata["count"], len(texts_of(name)))
            self.assertEqual((metadata["complete"], metadata["output"]), (True, "sparse"))
            self.assertEqual(metadata["temperature"], "1")

    def test_jsonl_has_the_same_weights_by_token_in_descending_order(self) -> None:
        done = self.embed("bert", self.write(texts_of("bert")))
        header, *rows = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertEqual(header["treble"]["output"], "sparse")
        tokenizer = json.loads((folder("bert") / "model" / "tokenizer.json").read_text(encoding="utf-8"))
        ids = tokenizer["model"]["vocab"]
        for index, row in enumerate(rows):
            weights = list(row["embedding"].values())
            self.assertEqual(weights, sorted(weights, reverse=True))
            self.assertEqual((row["index"], row["id"]), (index, f"t{index}"))
        found = [{ids[token]: weight for token, weight in row["embedding"].items()} for row in rows]
        self.assert_close(found, golden("bert"))

    def test_drawn_corpora_give_the_same_rows_in_both_formats(self) -> None:
        """Empty texts, repeated ones, limits and batches of any size."""
        draw = random.Random(25)
        for count in (0, 1, 7, 60):
            texts = [" ".join(draw.choices(WORDS, k=draw.choice((0, 1, 3, 9, 40)))) for _ in range(count)]
            limits = ("--max-active-dims", str(draw.randint(1, 12)), "--chunk-texts", str(draw.randint(1, 20)))
            common = (self.write(texts), "--force", *limits)
            self.embed("roberta-bare", *common, "-o", "rows.npz")
            self.embed("roberta-bare", *common, "-o", "rows.jsonl")
            _header, *lines = (self.folder / "rows.jsonl").read_text(encoding="utf-8").splitlines()
            rows = self.rows_in(self.folder / "rows.npz")
            self.assertEqual(len(rows), count)
            for row, line in zip(rows, lines, strict=True):
                weights = [
                    struct.unpack("<f", struct.pack("<f", one))[0] for one in json.loads(line)["embedding"].values()
                ]
                self.assertEqual(sorted(row.values()), sorted(weights))
                self.assertLessEqual(len(row), int(limits[1]))

    def test_npz_depends_on_the_rows_alone(self) -> None:
        source = self.write(texts_of("bert"))
        arrays = []
        for batch in ("1", "100"):
            self.embed("bert", source, "-o", "rows.npz", "--force", "--chunk-texts", batch, "--threads", "1")
            arrays.append(read_npz(self.folder / "rows.npz"))
            self.assertEqual(list(arrays[-1]), ["indices", "indptr", "format", "shape", "data", "treble"])
        for key in ("indices", "indptr", "shape"):
            self.assertEqual(arrays[0][key], arrays[1][key])

    def test_temperature_changes_rows_and_is_recorded(self) -> None:
        output = self.folder / "rows.npz"
        self.embed("bert", self.write(texts_of("bert")), "-t", "0.7", "-o", output)
        self.assert_close(self.rows_in(output), golden("bert", "tau=0.7"))
        self.assertEqual(json.loads(read_npz(output)["treble"])["temperature"], "0.7")

    def test_a_role_takes_the_models_prompt(self) -> None:
        output = self.folder / "rows.npz"
        self.embed("bert-untied", self.write(texts_of("bert-untied")), "--role", "query", "-o", output)
        self.assert_close(self.rows_in(output), golden("bert-untied", "query"))

    def test_an_output_is_whole_or_not_there(self) -> None:
        source = self.write(["a"])
        (self.folder / "rows.npz").write_text("something else")
        done = self.embed("bert", source, "-o", "rows.npz", fails=True)
        self.assertIn("rows.npz", done.stderr)
        self.assertEqual((self.folder / "rows.npz").read_text(), "something else")
        bad = self.folder / "bad.txt"
        bad.write_bytes(b"fine\n\xff\n")
        self.embed("bert", bad, "-o", "other.npz", fails=True)
        self.assertEqual(sorted(path.name for path in self.folder.glob("*.npz*")), ["rows.npz"])

    def test_what_does_not_fit_is_refused(self) -> None:
        path = (folder("bert") / "model").resolve()
        source = self.write(["a"])
        for arguments, words in (
            (("--output-kind", "spare"), ("spare", "dense, sparse and multi-vector")),
            (("--output-kind", "sparse", "--normalize=true"), ("normalize", "sparse")),
            (("--output-kind", "sparse", "--precision", "float16"), ("--precision", "sparse")),
            (("--output-kind", "sparse", "--resume", "-o", "x.npz"), ("--resume",)),
            (("--output-kind", "sparse", "-o", "rows.npy"), ("rows.npy", ".npz or .jsonl")),
            (("--max-active-dims", "3"), ("--max-active-dims", "--output-kind")),
        ):
            done = self.run_treble("embed", "--model", path, source, *arguments, fails=True)
            for word in words:
                self.assertIn(word, done.stderr)
        command = [ARGUMENTS.treble, "embed", "--model", str(path), str(source)]
        done = subprocess.run(command, text=True, capture_output=True, timeout=120, check=False)
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("no dense output", done.stderr)
        self.assertIn("--output-kind sparse", done.stderr)

    def test_models_and_info_say_sparse(self) -> None:
        paths = [(folder(name) / "model").resolve() for name in ("bert", "bge-m3")]
        table = self.run_treble("models", *paths).stdout
        self.assertIn("sparse vectors of", table)
        self.assertIn("32-dimensional vectors, sparse vectors of", table)
        info = json.loads(self.run_treble("info", "--model", paths[0], "--json").stdout)
        self.assertEqual((info["outputs"], info["dim"], info["similarity"]), (["sparse"], 0, "dot"))


if __name__ == "__main__":
    main()
