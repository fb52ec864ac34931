#!/usr/bin/env python3
"""Vectors in fewer bits from `treble serve`: the numbers of `treble embed`, on both routes, in both formats; refusals.

Needs nothing but the standard library: `test_precision.py --treble PROGRAM --golden FOLDER`.
"""

from __future__ import annotations

import argparse
import base64
import json
import struct
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from typing import Any, ClassVar

from server_process import Server, run

ARGUMENTS = argparse.Namespace(treble="", golden="")
TEXTS = ["a cat", "The ships lie in the harbour.", "naïve café ☕", "[SEP] x", "letter letter"]
FORMATS = {"float16": "e", "int8": "b", "uint8": "B", "binary": "b", "ubinary": "B"}


def model(name: str = "bert") -> str:
    return str(Path(ARGUMENTS.golden) / name / "model")


class Precision(unittest.TestCase):
    """A server with ranges that were fitted on the very texts, and one without."""

    server: ClassVar[Server]
    plain: ClassVar[Server]
    folder: ClassVar[tempfile.TemporaryDirectory[str]]

    @classmethod
    def setUpClass(cls) -> None:
        cls.folder = tempfile.TemporaryDirectory()
        cls.texts = Path(cls.folder.name) / "texts.txt"
        cls.texts.write_text("\n".join(TEXTS) + "\n", encoding="utf-8")
        cls.ranges = Path(cls.folder.name) / "ranges.safetensors"
        command = [ARGUMENTS.treble, "fit", "--model", model(), "--transform", "ranges", "--normalize=true"]
        subprocess.run([*command, cls.texts, "-o", cls.ranges], check=True, capture_output=True)
        cls.server = Server(ARGUMENTS.treble, "--model", model(), "--served-model-name", "tiny", "--ranges", cls.ranges)
        cls.plain = Server(ARGUMENTS.treble, "--model", model(), "--served-model-name", "tiny")

    @classmethod
    def tearDownClass(cls) -> None:
        undocumented = cls.server.undocumented() + cls.plain.undocumented()
        codes = (cls.server.stop(), cls.plain.stop())
        cls.folder.cleanup()
        if undocumented:
            raise AssertionError(f"answers that openapi.json does not have: {undocumented}")
        if codes != (0, 0):
            raise AssertionError(f"exit codes {codes}")

    def post(self, path: str, body: Any, status: int = 200, server: Server | None = None) -> Any:
        answer = (server or self.server).post(path, body)
        self.assertEqual(answer.status, status, answer.body)
        return answer.json()

    def expected(self, precision: str) -> list[list[float]]:
        """What `treble embed` writes."""
        command = [ARGUMENTS.treble, "embed", "--model", model(), "--quiet", "--normalize=true", str(self.texts)]
        options = ["--ranges", str(self.ranges)] if precision.endswith("int8") else []
        done = subprocess.run(
            [*command, "--precision", precision, *options], check=True, capture_output=True, encoding="utf-8"
        )
        return [json.loads(line)["embedding"] for line in done.stdout.splitlines()[1:]]

    def test_both_routes_give_what_embed_writes(self) -> None:
        for precision, code in FORMATS.items():
            expected = self.expected(precision)
            self.assertEqual(self.post("/embed", {"inputs": TEXTS, "precision": precision}), expected)
            self.assertEqual(self.post("/embed", {"inputs": TEXTS, "output_dtype": precision}), expected)
            body = {"input": TEXTS, "model": "tiny", "output_dtype": precision}
            floats = self.post("/v1/embeddings", body)
            self.assertEqual([item["embedding"] for item in floats["data"]], expected)
            coded = self.post("/v1/embeddings", {**body, "encoding_format": "base64"})
            for item, row in zip(coded["data"], expected, strict=True):
                raw = base64.b64decode(item["embedding"], validate=True)
                values = struct.unpack(f"<{len(row)}{code}", raw)
                if precision == "float16":
                    self.assertEqual(raw, struct.pack(f"<{len(row)}e", *row))
                else:
                    self.assertEqual(list(values), row)

    def test_float32_is_what_there_is_without(self) -> None:
        plain = self.post("/embed", {"inputs": TEXTS})
        for name in ("float32", "float", None):
            self.assertEqual(self.post("/embed", {"inputs": TEXTS, "precision": name}), plain)
        self.assertEqual(self.post("/embed", {"inputs": TEXTS, "precision": "float", "output_dtype": "float"}), plain)

    def test_bits_are_of_the_dimensions_asked_for(self) -> None:
        rows = self.post("/embed", {"inputs": TEXTS, "precision": "ubinary", "dimensions": 13})
        plain = self.post("/embed", {"inputs": TEXTS, "dimensions": 13})
        for packed, row in zip(rows, plain, strict=True):
            bits = "".join(f"{byte:08b}" for byte in packed)
            self.assertEqual(bits, "".join("1" if x > 0 else "0" for x in row) + "000")

    def test_refusals(self) -> None:
        for fields, status, words, server in (
            ({"precision": "int4"}, 422, "float32, float16, int8, uint8, binary and ubinary", self.server),
            ({"precision": 8}, 422, "`precision`", self.server),
            ({"precision": "int8", "output_dtype": "uint8"}, 422, "mean the same", self.server),
            ({"precision": "int8"}, 501, "start the server with --ranges", self.plain),
            ({"precision": "int8", "dimensions": 8}, 422, "32 dimensions, these have 8", self.server),
            ({"precision": "uint8", "temperature": 0.7}, 422, "temperature", self.server),
            ({"precision": "uint8", "normalize": False}, 422, "length", self.server),
        ):
            error = self.post("/embed", {"inputs": TEXTS, **fields}, status, server)
            self.assertIn(words, error["error"])
        error = self.post("/v1/embeddings", {"input": "a", "model": "tiny", "output_dtype": "bit"}, 422)["error"]
        self.assertEqual(error["param"], "output_dtype")
        error = self.post("/v1/embeddings", {"input": "a", "model": "tiny", "encoding_format": "int8"}, 422)["error"]
        self.assertIn("`precision`", error["message"])
        self.assertIn(
            "did you mean `precision`", self.post("/embed", {"inputs": "a", "precison": "int8"}, 422)["error"]
        )

    def test_other_routes_have_no_precision(self) -> None:
        body = {"inputs": {"source_sentence": "a", "sentences": ["b"]}, "precision": "int8"}
        answer = self.server.post("/similarity", body)
        self.assertEqual(answer.headers.get("x-ignored-fields"), "precision")

    def test_start_up(self) -> None:
        wrong = run(ARGUMENTS.treble, "serve", "--model", model(), "--ranges", str(self.texts))
        self.assertNotEqual(wrong.returncode, 0)
        self.assertIn("texts.txt", wrong.stderr)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--treble", required=True)
    parser.add_argument("--golden", required=True)
    options, rest = parser.parse_known_args()
    vars(ARGUMENTS).update(vars(options))
    unittest.main(argv=[sys.argv[0], *rest], verbosity=2)


if __name__ == "__main__":
    main()
