#!/usr/bin/env python3
"""Drives the built `treble` on a tiny model: every input format, odd texts, interruption and resumption, exit codes.

Needs nothing but the standard library: `test_cli.py --treble PROGRAM --model FOLDER`.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

ARGUMENTS = argparse.Namespace(treble="", model="")


def treble(
    *arguments: str | Path, stdin: bytes | None = None, **environment: str
) -> subprocess.CompletedProcess[bytes]:
    """Runs the program to its end."""
    command = [ARGUMENTS.treble, *map(str, arguments)]
    return subprocess.run(
        command, input=stdin, capture_output=True, timeout=120, check=False, env={**os.environ, **environment}
    )


def read_npy(path: Path) -> tuple[tuple[int, ...], bytes]:
    """Shape and raw rows of a float32 .npy file; checks that the file holds exactly what its header says."""
    data = path.read_bytes()
    assert data[:6] == b"\x93NUMPY"
    (length,) = struct.unpack("<H", data[8:10])
    header = data[10 : 10 + length].decode()
    assert "'<f4'" in header and "'fortran_order': False" in header
    shape = tuple(int(part) for part in header.split("(")[1].split(")")[0].split(",") if part.strip())
    rows = data[10 + length :]
    size = 4
    for extent in shape:
        size *= extent
    assert len(rows) == size, (shape, len(rows))
    return shape, rows


class CliCase(unittest.TestCase):
    """A folder of its own for each test, and the embed command."""

    def setUp(self) -> None:
        self.holder = tempfile.TemporaryDirectory()
        self.folder = Path(self.holder.name)

    def tearDown(self) -> None:
        self.holder.cleanup()

    def write(self, name: str, content: bytes | str) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def embed(self, *arguments: str | Path, code: int = 0, stdin: bytes | None = None) -> str:
        """Runs embed and returns its standard error."""
        done = treble("embed", "--model", ARGUMENTS.model, *arguments, stdin=stdin)
        message = done.stderr.decode()
        self.assertEqual(done.returncode, code, message)
        return message

    def rows_of(self, *arguments: str | Path, stdin: bytes | None = None) -> list[list[float]]:
        """The vectors of an input, by way of JSONL on standard output."""
        done = treble("embed", "--model", ARGUMENTS.model, *arguments, stdin=stdin)
        self.assertEqual(done.returncode, 0, done.stderr.decode())
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        self.assertIn("treble", lines[0])
        return [line["embedding"] for line in lines[1:]]


class Inputs(CliCase):
    """The same texts in every format give the same vectors."""

    def test_every_format_gives_the_same_vectors(self) -> None:
        texts = ["a letter", "the ferry leaves", 'a "quoted", line']
        wanted = self.rows_of(self.write("a.txt", "\n".join(texts) + "\n"))
        self.assertEqual(len(wanted), 3)
        jsonl = "".join(json.dumps({"text": text}) + "\n" for text in texts)
        csv = "id,text\n" + "".join(f'{i},"{t.replace(chr(34), chr(34) * 2)}"\n' for i, t in enumerate(texts))
        self.assertEqual(self.rows_of(self.write("a.jsonl", jsonl)), wanted)
        self.assertEqual(self.rows_of(self.write("a.csv", csv)), wanted)
        for index, text in enumerate(texts):
            self.write(f"notes/{index}.txt", text)
        self.assertEqual(self.rows_of(self.folder / "notes"), wanted)
        self.assertEqual(self.rows_of("-", stdin="\n".join(texts).encode()), wanted)

    def test_several_inputs_follow_each_other(self) -> None:
        first = self.write("1.txt", "a letter\n")
        second = self.write("2.txt", "the ferry\n")
        self.assertEqual(self.rows_of(first, second), self.rows_of(first) + self.rows_of(second))

    def test_title_is_joined_in_front(self) -> None:
        joined = self.rows_of(self.write("t.jsonl", '{"_id": "x", "title": "a", "text": "letter"}\n'))
        self.assertEqual(joined, self.rows_of(self.write("t.txt", "a letter\n")))

    def test_windows_line_ends_and_empty_lines_are_texts(self) -> None:
        rows = self.rows_of(self.write("w.txt", b"\xef\xbb\xbfa letter\r\n\r\nthe ferry"))
        self.assertEqual(len(rows), 3)
        self.assertEqual(rows[0], self.rows_of(self.write("p.txt", "a letter"))[0])

    def test_nul_survives(self) -> None:
        nul = self.rows_of(self.write("n.txt", b"ab\0cd\n"))
        self.assertEqual(nul, self.rows_of(self.write("n.jsonl", '{"text": "ab\\u0000cd"}\n')))
        self.assertEqual(len(nul), 1)

    def test_invalid_utf8_is_named_or_replaced(self) -> None:
        bad = self.write("bad.txt", b"fine\nbad \xff byte\n")
        message = self.embed(bad, "-o", self.folder / "o.npy", code=65)
        self.assertIn("bad.txt", message)
        self.assertIn("2", message)
        self.assertEqual(len(self.rows_of(bad, "--invalid-utf8", "replace")), 2)

    def test_lone_surrogates_are_invalid_utf8(self) -> None:
        lone = self.write("lone.jsonl", '{"text": "a \\ud800 b"}\n')
        self.assertNotEqual(treble("embed", "--model", ARGUMENTS.model, lone).returncode, 0)
        self.assertEqual(len(self.rows_of(lone, "--invalid-utf8", "replace")), 1)

    def test_damaged_records_are_named(self) -> None:
        for content in ('{"text": "a"}\n{"text": \n', '{"text": "a"}\n{"body": "b"}\n', '{"text": "a"}\n[1]\n'):
            message = self.embed(self.write("d.jsonl", content), "-o", self.folder / "d.npy", "--force", code=65)
            self.assertIn("d.jsonl", message)
            self.assertIn("2", message)


class Outputs(CliCase):
    """What is written, and that nothing is lost or overwritten."""

    def test_no_texts_give_an_empty_array(self) -> None:
        self.embed(self.write("e.txt", ""), "-o", self.folder / "e.npy")
        self.assertEqual(read_npy(self.folder / "e.npy")[0], (0, 32))

    def test_vectors_are_normalised_as_the_model_says(self) -> None:
        path = self.write("a.txt", "a letter\n")
        for options, unit in (((), True), (("--no-normalize",), False), (("--normalize",), True)):
            (row,) = self.rows_of(path, *options)
            self.assertEqual(abs(sum(value * value for value in row) - 1) < 1e-5, unit, options)

    def test_sidecar_records_what_was_done(self) -> None:
        out = self.folder / "v.npy"
        message = self.embed(self.write("a.txt", "a " * 200 + "\nb\n"), "-o", out, "--temperature", "0.8")
        self.assertIn("cut at 64 tokens", message)
        sidecar = json.loads((self.folder / "v.npy.json").read_text())
        self.assertEqual(sidecar["temperature"], "0.8")
        self.assertAlmostEqual(sidecar["logit_scale"], 1.25)
        self.assertEqual(sidecar["tempered_layers"], 2)
        self.assertEqual(sidecar["truncated_texts"], 1)
        self.assertEqual(sidecar["tokens"] - sidecar["tokens_used"], sidecar["tokens_lost"])
        self.assertEqual(len(sidecar["model"]["weights_sha256"]), 64)
        self.assertTrue(sidecar["complete"])

    def test_jsonl_floats_are_the_arrays_floats(self) -> None:
        path = self.write("a.txt", "a letter\nthe ferry\n")
        self.embed(path, "-o", self.folder / "v.npy")
        _, raw = read_npy(self.folder / "v.npy")
        flat = [value for row in self.rows_of(path) for value in row]
        self.assertEqual(struct.pack(f"<{len(flat)}f", *flat), raw)

    def test_overwriting_wants_force(self) -> None:
        path = self.write("a.txt", "a\n")
        out = self.folder / "v.npy"
        self.embed(path, "-o", out)
        before = out.read_bytes()
        self.assertIn("--force", self.embed(path, "-o", out, code=64))
        self.assertEqual(out.read_bytes(), before)
        self.embed(path, "-o", out, "--force")

    def test_temperature_changes_the_vectors_and_one_does_not(self) -> None:
        path = self.write("a.txt", "the ferry leaves the harbour\n")
        plain = self.rows_of(path)
        self.assertEqual(self.rows_of(path, "--temperature", "1"), plain)
        self.assertNotEqual(self.rows_of(path, "--temperature", "0.5"), plain)


class Memory(CliCase):
    """Peak memory of the program."""

    def peak_kilobytes(self, tokens: int) -> int:
        """After one text of that many tokens, its word vectors and all."""
        texts = self.write("long.txt", "the " * (tokens - 2) + "\n")
        summary = self.folder / f"summary-{tokens}.json"
        arguments = ["embed", "--model", ARGUMENTS.model, "--extend", "interpolate", "--max-length", "8192"]
        arguments += ["--threads", "1", "--json-summary", str(summary), "--quiet", str(texts)]
        process = subprocess.Popen([ARGUMENTS.treble, *arguments], stdout=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        self.assertEqual(process.returncode, 0)
        self.assertEqual(json.loads(summary.read_text())["tokens_used"], tokens)
        return usage.ru_maxrss

    def test_attention_takes_memory_by_the_token_and_not_by_its_square(self) -> None:
        growth = self.peak_kilobytes(8192) - self.peak_kilobytes(2048)
        # One matrix of logits, of one head, would be 256 MiB at 8192 tokens and 16 MiB at 2048.
        self.assertLess(growth, 48 * 1024)


class Interruption(CliCase):
    """A stopped run leaves a valid file that --resume completes to the very bytes of an uninterrupted one."""

    def setUp(self) -> None:
        super().setUp()
        lines = (f"letter {i} from the ferry " + "and the harbour " * (i % 9) for i in range(60_000))
        self.texts = self.write("big.txt", "\n".join(lines) + "\n")

    def stop_and_resume(self, number: int, code: int) -> None:
        out = self.folder / "v.npy"
        command = [ARGUMENTS.treble, "embed", "--model", ARGUMENTS.model, str(self.texts), "-o", str(out), "--quiet"]
        with subprocess.Popen(command, stderr=subprocess.PIPE) as process:
            # Some rows are there, far from all: 60 000 rows are 7.7 MB.
            while process.poll() is None and not (out.exists() and out.stat().st_size > 200_000):
                time.sleep(0.001)
            process.send_signal(number)
            process.wait(timeout=60)
        self.assertEqual(process.returncode, code)
        if number == signal.SIGINT:
            shape, _ = read_npy(out)
            self.assertTrue(0 < shape[0] < 60_000, shape)
            self.assertFalse(json.loads((self.folder / "v.npy.json").read_text())["complete"])
        self.embed(self.texts, "-o", out, "--resume", "--quiet")
        self.embed(self.texts, "-o", self.folder / "whole.npy", "--quiet")
        self.assertEqual(out.read_bytes(), (self.folder / "whole.npy").read_bytes())

    def test_ctrl_c(self) -> None:
        self.stop_and_resume(signal.SIGINT, 130)

    def test_kill(self) -> None:
        self.stop_and_resume(signal.SIGKILL, -signal.SIGKILL)

    def test_resume_refuses_other_settings(self) -> None:
        path = self.write("a.txt", "a\nb\n")
        out = self.folder / "v.npy"
        self.embed(path, "-o", out)
        sidecar = self.folder / "v.npy.json"
        sidecar.write_text(sidecar.read_text().replace('"complete": true', '"complete": false'))
        message = self.embed(path, "-o", out, "--resume", "--temperature", "0.8", code=64)
        self.assertIn("temperature", message)
        self.assertIn("0.8", message)


class Errors(CliCase):
    """Wrong use is one clear line and the documented exit code."""

    def expect(self, code: int, words: str, *arguments: str | Path) -> None:
        done = treble(*arguments)
        message = done.stderr.decode()
        self.assertEqual(done.returncode, code, message)
        self.assertIn(words, message)

    def test_version_names_commit_cpu_and_libraries(self) -> None:
        result = treble("--version")
        self.assertEqual(result.returncode, 0)
        self.assertRegex(
            result.stdout.decode(),
            r"\Atreble \d+\.\d+\.\d+ \(commit ([0-9a-f]{12}|unknown)\)\n"
            r"CPU path: .*(AVX|SSE|instruction set).* \(products with weights\), [A-Z0-9_]+ \(attention.*\)\n"
            r"libraries: oneDNN \d+\.\d+\.\d+, Highway \d+\.\d+\.\d+, tokenizers \d+\.\d+\.\d+\n\Z",
        )

    def test_exit_codes(self) -> None:
        path = self.write("a.txt", "a " * 200 + "\n")
        model = ("--model", ARGUMENTS.model)
        self.expect(64, "--nonsense", "embed", *model, "--nonsense", path)
        self.expect(64, "warm", "embed", *model, path, "--temperature", "warm")
        self.expect(64, "greater than 0", "embed", *model, path, "--temperature", "0")
        self.expect(64, "33", "embed", *model, path, "--dimensions", "33")
        self.expect(64, "97", "embed", *model, path, "--max-length", "97")
        self.expect(65, "202", "embed", *model, path, "--truncate", "error")
        self.expect(66, "absent", "embed", "--model", self.folder / "absent", path)
        self.expect(66, "none.txt", "embed", *model, self.folder / "none.txt")
        self.expect(66, "passage", "embed", *model, path, "--prompt-name", "passage")

    def test_help_and_version(self) -> None:
        for arguments in (("--help",), ("--version",), ("embed", "--help"), ("inspect", "--help"), ("info", "--help")):
            done = treble(*arguments)
            self.assertEqual(done.returncode, 0)
            self.assertTrue(done.stdout)


class Reports(CliCase):
    """info and inspect."""

    def test_info(self) -> None:
        info = json.loads(treble("info", "--model", ARGUMENTS.model, "--json").stdout)
        self.assertEqual(info["tempered_layers"], 2)
        self.assertIn("tempera", treble("info", "--model", ARGUMENTS.model).stdout.decode())

    def test_warnings_of_the_model_are_said_once_on_stderr_and_in_info(self) -> None:
        model = self.folder / "model"
        shutil.copytree(ARGUMENTS.model, model)
        (model / "sentence_bert_config.json").write_text('{"max_seq_length": 500, "rerank": true}')
        path = self.write("a.txt", "the ferry\n")
        done = treble("embed", "--model", model, path, "-o", self.folder / "a.npy")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stderr.count(b'"rerank" is not used'), 1, done.stderr)
        info = json.loads(treble("info", "--model", model, "--json").stdout)
        self.assertEqual(len(info["warnings"]), 2)
        self.assertEqual((info["max_length"], info["max_length_source"]), (96, "the position table"))
        self.assertEqual(info["similarity"], "cosine")
        table = treble("info", "--model", model).stdout.decode()
        self.assertIn('"rerank" is not used', table)
        self.assertIn("96 tokens: the position table", table)

    def test_inspect_with_fitted_steps(self) -> None:
        lines = [f"{'the ferry leaves ' * (i % 9)}harbour {i} {i * i % 71}" for i in range(200)]
        path = self.write("a.txt", "\n".join(lines))
        arguments = ("inspect", "--model", ARGUMENTS.model, "-t", "0.8", "--post", "centring,length-direction", path)
        done = treble(*arguments, "--bucket-edges", "16", "--cut-lengths", "8,16", "--json", "-")
        self.assertEqual(done.returncode, 0, done.stderr.decode())
        report = json.loads(done.stdout)
        self.assertEqual(report["settings"], ["1", "0.8", "centring", "length-direction"])
        self.assertEqual(report["num_temperatures"], 2)
        for name in ("bucket_cosine", "cut_cosine", "bucket_matrix", "geometry"):
            self.assertEqual(len(report[name]), 4, name)
        # Measured on the other half of the sample, around which centred vectors point every way.
        for before, after in zip(report["bucket_cosine"][0], report["bucket_cosine"][2], strict=True):
            self.assertIn(after["texts"], (before["texts"] // 2, (before["texts"] + 1) // 2))
        self.assertLess(report["bucket_matrix"][2][0][1], report["bucket_matrix"][0][0][1])
        self.assertEqual({row["setting"] for row in report["attention"]}, {0, 1})
        table = treble(*arguments).stdout.decode()
        self.assertIn("After centring", table)
        self.assertNotIn("tau = centring", table)

    def test_inspect(self) -> None:
        lines = (
            " ".join(["the ferry leaves", "a letter", "harbour"][: 1 + i % 3]) + f" {i}" * (i % 40) for i in range(200)
        )
        path = self.write("a.txt", "\n".join(lines))
        edges = ("--bucket-edges", "16,32", "--cut-lengths", "8,16,32")
        done = treble("inspect", "--model", ARGUMENTS.model, "--temperature", "0.8", path, "--json", "-", *edges)
        self.assertEqual(done.returncode, 0, done.stderr.decode())
        report = json.loads(done.stdout)
        self.assertEqual(report["settings"], ["1", "0.8"])
        self.assertEqual(report["cut_lengths"], [8, 16, 32])
        self.assertEqual(report["texts"], 200)
        for row in report["bucket_cosine"] + report["cut_cosine"]:
            for cell in row:
                self.assertTrue(cell["pairs"] == 0 or cell["low"] - 1e-9 <= cell["mean"] <= cell["high"] + 1e-9)
        self.assertEqual(report["kind"], "inspect")
        self.assertEqual({row["layer"] for row in report["attention"]}, {0, 1})
        for row in report["attention"]:
            self.assertTrue(0 <= row["entropy"] <= 1 and row["filter_rate"] >= 0 and row["bound"] > 0)
        self.assertEqual({row["layer"] for row in report["tokens"]}, {0, 1, 2})
        for matrix in report["bucket_matrix"]:
            for a, row in enumerate(matrix):
                for b, value in enumerate(row):
                    self.assertEqual(value, matrix[b][a])
        self.assertTrue(all(len(text["neighbors"][1]) == 10 for text in report["map"]["texts"]))
        self.assertIsNone(report["query_length_slope"])
        table = treble("inspect", "--model", ARGUMENTS.model, path, *edges).stdout.decode()
        for words in ("cut at", "effective rank", "nearest a text stands", "filter rate"):
            self.assertIn(words, table)

    def test_inspect_queries_and_layers(self) -> None:
        path = self.write("a.txt", "\n".join(f"the ferry leaves {'again ' * (i % 9)}{i}" for i in range(40)))
        queries = self.write("q.txt", "when does the ferry leave\nthe harbour\n")
        command = ("inspect", "--model", ARGUMENTS.model, path, "--json", "-", "--bootstrap", "50")
        report = json.loads(treble(*command, "--queries", queries, "--layers", "none").stdout)
        (slope,) = report["query_length_slope"]
        self.assertEqual((slope["queries"], slope["documents"]), (2, 40))
        self.assertLessEqual(slope["low"], slope["high"])
        self.assertEqual(report["attention"], [])
        report = json.loads(treble(*command, "--layers", "1", "--cut-lengths", "4,8").stdout)
        self.assertEqual({row["layer"] for row in report["attention"]}, {1})
        self.expect_refusal("layer 7 does not exist", *command, "--layers", "7")
        self.expect_refusal("--layers", *command, "--layers", "one")

    def expect_refusal(self, words: str, *arguments: str | Path) -> None:
        done = treble(*arguments)
        self.assertEqual(done.returncode, 64, done.stderr.decode())
        self.assertIn(words, done.stderr.decode())

    def test_inspect_has_an_answer_for_few_and_for_equal_texts(self) -> None:
        for text, words in (
            (b"", "no texts"),
            (b"one\n", "one text"),
            (b"one\ntwo\n", "Too few texts"),
            (b"the same\n" * 40, "Too few texts"),
        ):
            done = treble("inspect", "--model", ARGUMENTS.model, "--format", "txt", "-", stdin=text)
            self.assertEqual(done.returncode, 0, done.stderr.decode())
            self.assertIn(words, done.stdout.decode())
            self.assertNotIn("nan", done.stdout.decode().lower().replace("nanny", ""))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--treble", required=True)
    parser.add_argument("--model", required=True)
    parsed, rest = parser.parse_known_args()
    ARGUMENTS.treble, ARGUMENTS.model = parsed.treble, parsed.model
    return 0 if unittest.main(argv=[sys.argv[0], *rest], exit=False).result.wasSuccessful() else 1


if __name__ == "__main__":
    sys.exit(main())
