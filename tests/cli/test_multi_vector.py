#!/usr/bin/env python3
"""`treble embed --output-kind multi-vector` on tiny golden models against sentence-transformers' vectors.

Needs nothing but the standard library (NumPy reads the .npz too, where it is there):
`test_multi_vector.py --treble PROGRAM --golden tests/golden`.
"""

from __future__ import annotations

import json
import struct
import subprocess
from itertools import pairwise
from pathlib import Path
from typing import Any

from outputs_case import ARGUMENTS, OutputsCase, main, read_npz

TOLERANCE = 1e-5

Rows = list[list[float]]


def folder(name: str) -> Path:
    return Path(ARGUMENTS.golden) / "multi-vector" / name


def cases(name: str) -> dict[str, Any]:
    return json.loads((folder(name) / "cases.json").read_text(encoding="utf-8"))


def golden(name: str, key: str) -> Rows:
    """The vectors of all texts, one after the other."""
    data = (folder(name) / "expected.safetensors").read_bytes()
    (size,) = struct.unpack("<Q", data[:8])
    entry = json.loads(data[8 : 8 + size])[key]
    begin, end = entry["data_offsets"]
    values = struct.unpack(f"<{(end - begin) // 4}f", data[8 + size + begin : 8 + size + end])
    width = entry["shape"][1]
    return [list(values[at : at + width]) for at in range(0, len(values), width)]


def dot(a: list[float], b: list[float]) -> float:
    return sum(x * y for x, y in zip(a, b, strict=True))


def mean_cosine(text: Rows) -> float:
    """Between different vectors, which have length 1."""
    return sum(dot(a, b) for a in text for b in text if a is not b) / (len(text) * (len(text) - 1))


def mean_max_sim(query: Rows, document: Rows) -> float:
    return sum(max(dot(q, d) for d in document) for q in query) / len(query)


class MultiVector(OutputsCase):
    def embed(self, model: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        path = (folder(model) / "model").resolve()
        return self.run_treble("embed", "--model", path, "--output-kind", "multi-vector", *arguments)

    def assert_close(self, found: Rows, expected: Rows, tolerance: float = TOLERANCE) -> None:
        self.assertEqual(len(found), len(expected))
        for one, other in zip(found, expected, strict=True):
            for a, b in zip(one, other, strict=True):
                self.assertAlmostEqual(a, b, delta=tolerance)

    def test_npz_has_the_vectors_of_sentence_transformers(self) -> None:
        for name in ("pylate-bert", "native-modernbert", "stanford-bert"):
            for role in ("query", "document"):
                output = self.folder / f"{name}-{role}.npz"
                self.embed(name, "--role", role, self.write(cases(name)["texts"]), "-o", output)
                arrays = read_npz(output)
                self.assertEqual(list(arrays), ["values", "offsets", "treble"])
                self.assertEqual([b - a for a, b in pairwise(arrays["offsets"])], cases(name)[f"{role}_rows"])
                self.assert_close(arrays["values"], golden(name, f"tau=1/{role}"))
                metadata = json.loads(arrays["treble"])
                self.assertEqual((metadata["output"], metadata["role"]), ("multi-vector", role))
                self.assertEqual((metadata["complete"], metadata["count"]), (True, len(cases(name)["texts"])))

    def test_numpy_reads_it(self) -> None:
        try:
            import numpy as np  # noqa: PLC0415 - NumPy need not be there
        except ImportError:
            self.skipTest("NumPy is not there")
        self.embed("pylate-bert", self.write(["a", "b c"]), "-o", "rows.npz")
        with np.load(self.folder / "rows.npz") as arrays:
            self.assertEqual(arrays["values"].dtype, np.float32)
            self.assertEqual(arrays["values"].shape, (arrays["offsets"][-1], 16))
            self.assertEqual(json.loads(arrays["treble"].item())["precision"], "float32")

    def test_int8_is_a_scale_a_vector(self) -> None:
        name = "pylate-modernbert"
        self.embed(name, self.write(cases(name)["texts"]), "--precision", "int8", "-o", "rows.npz")
        arrays = read_npz(self.folder / "rows.npz")
        expected = golden(name, "tau=1/document")
        self.assertEqual(len(arrays["scales"]), len(expected))
        for codes, scale, vector in zip(arrays["values"], arrays["scales"], expected, strict=True):
            self.assertEqual(max(map(abs, codes)), 127)
            for code, value in zip(codes, vector, strict=True):
                self.assertLessEqual(abs(code * scale - value), 0.51 * scale + TOLERANCE)
        self.assertEqual(json.loads(arrays["treble"])["precision"], "int8")

    def test_jsonl_has_the_same_vectors_whatever_the_batch(self) -> None:
        name = "pylate-bert"
        source = self.write(cases(name)["texts"])
        for batch in ("1", "7"):
            done = self.embed(name, source, "--chunk-texts", batch)
            header, *rows = [json.loads(line) for line in done.stdout.splitlines()]
            self.assertEqual(header["treble"]["output"], "multi-vector")
            self.assertEqual([row["id"] for row in rows], [f"t{index}" for index in range(len(rows))])
            vectors = [vector for row in rows for vector in row["embedding"]]
            self.assert_close(vectors, golden(name, "tau=1/document"))

    def test_temperature_changes_vectors_and_is_recorded(self) -> None:
        name = "native-modernbert"
        self.embed(name, "--role", "query", self.write(cases(name)["texts"]), "-t", "0.7", "-o", "rows.npz")
        arrays = read_npz(self.folder / "rows.npz")
        self.assert_close(arrays["values"], golden(name, "tau=0.7/query"))
        self.assertEqual(json.loads(arrays["treble"])["temperature"], "0.7")

    def test_a_baked_model_gives_the_tempered_vectors(self) -> None:
        for name in ("pylate-bert", "native-modernbert", "stanford-bert"):
            baked = self.folder / name
            self.run_treble("bake", "--model", (folder(name) / "model").resolve(), "-t", "0.7", "-o", baked)
            source = self.write(cases(name)["texts"])
            kind = ("--output-kind", "multi-vector", "--role", "query")
            self.run_treble("embed", "--model", baked, *kind, source, "-o", f"{name}.npz")
            self.assert_close(read_npz(self.folder / f"{name}.npz")["values"], golden(name, "tau=0.7/query"))

    def test_no_texts_are_no_rows(self) -> None:
        self.embed("pylate-bert", self.write([]), "-o", "rows.npz")
        arrays = read_npz(self.folder / "rows.npz")
        self.assertEqual((arrays["values"], arrays["offsets"]), ([], [0]))

    def test_what_does_not_fit_is_refused(self) -> None:
        path = (folder("pylate-bert") / "model").resolve()
        source = self.write(["a"])
        kind = ("--output-kind", "multi-vector")
        for arguments, words in (
            ((*kind, "--precision", "uint8", "-o", "x.npz"), ("--precision", "float32 or int8")),
            ((*kind, "--precision", "int8"), ("int8", ".npz")),
            ((*kind, "--role", "query", "--max-length", "5"), ("12 tokens", "loaded for 5")),
            (("--output-kind", "sparse"), ("no sparse output", "--output-kind multi-vector")),
            ((), ("no dense output", "--output-kind multi-vector")),
        ):
            done = self.run_treble("embed", "--model", path, source, *arguments, fails=True)
            for word in words:
                self.assertIn(word, done.stderr)
        self.assertFalse((self.folder / "x.npz").exists())

    def test_inspect_measures_the_vectors_of_sentence_transformers(self) -> None:
        name = "pylate-bert"
        path = (folder(name) / "model").resolve()
        source = self.write(cases(name)["texts"])
        options = ("-t", "0.7", "--bucket-edges", "512", "--bootstrap", "20")
        done = self.run_treble("inspect", "--model", path, source, *options, "--json", "-", "--html", "page.html")
        report = json.loads(done.stdout)
        self.assertEqual(report["bucket_cosine"], [])
        found = report["token_vectors"]
        for setting, tau in enumerate(("tau=1", "tau=0.7")):
            rows = iter(golden(name, f"{tau}/document"))
            texts = [[next(rows) for _ in range(count)] for count in cases(name)["document_rows"]]
            within = sum(map(mean_cosine, texts)) / len(texts)
            self.assertAlmostEqual(found["token_cosine"][setting][0]["mean"], within, delta=TOLERANCE)
            scores = [mean_max_sim(a, b) for a in texts for b in texts if a is not b]
            self.assertEqual(found["max_sim"][setting][0]["pairs"], len(scores))
            self.assertAlmostEqual(found["max_sim"][setting][0]["mean"], sum(scores) / len(scores), delta=TOLERANCE)
        self.assertIn('"token_vectors":{"dim":16', (self.folder / "page.html").read_text(encoding="utf-8"))
        shown = self.run_treble("inspect", "--model", path, source, *options, "--output-kind", "multi-vector").stdout
        self.assertIn("Mean cosine between the token vectors of one text", shown)
        self.assertIn("tau = 0.7", shown)
        self.assertLessEqual(max(map(len, shown[shown.index("Mean cosine") :].splitlines())), 100)

    def test_inspect_refuses_what_is_of_dense_vectors(self) -> None:
        path = (folder("pylate-bert") / "model").resolve()
        source = self.write(["a", "b"])
        for arguments, words in (
            (("--post", "centring"), ("--post is measured of dense vectors",)),
            (("--queries", source.with_suffix(".txt")), ("--queries is measured of dense vectors",)),
            (("--labels", "id"), ("--labels is measured of dense vectors",)),
            (("--output-kind", "dense"), ("no dense output",)),
            (
                ("--output-kind", "sparse"),
                ("have no measures", "--output-kind is dense or multi-vector"),
            ),
            (("--max-sim-documents", "0"), ("at least 1, got 0",)),
        ):
            source.with_suffix(".txt").write_text("a query\n", encoding="utf-8")
            done = self.run_treble("inspect", "--model", path, source, *arguments, fails=True)
            for word in words:
                self.assertIn(word, done.stderr)

    def test_the_server_has_no_route_for_it(self) -> None:
        path = (folder("pylate-bert") / "model").resolve()
        done = self.run_treble("serve", "--model", path, "--port", "0", fails=True)
        self.assertIn("the server answers with dense and sparse vectors", done.stderr)
        self.assertIn("--output-kind multi-vector", done.stderr)

    def test_models_and_info_say_what_the_model_gives(self) -> None:
        path = (folder("pylate-bert") / "model").resolve()
        self.assertIn("a vector of 16 dimensions a token", self.run_treble("models", path).stdout)
        info = self.run_treble("info", "--model", path).stdout
        self.assertIn("filled up to 12 tokens", info)
        self.assertEqual(
            json.loads(self.run_treble("info", "--model", path, "--json").stdout)["outputs"], ["multi-vector"]
        )


if __name__ == "__main__":
    main()
