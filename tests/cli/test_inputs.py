#!/usr/bin/env python3
"""What `treble` reads: CSV of every delimiter, JSON, compressed files, Parquet, folders; what it refuses, and how.

The output's metadata hash all texts and ids, so that what was read is compared byte for byte with what Python's own
csv and json modules read. Needs the standard library, and for Parquet an interpreter with pyarrow:
`test_inputs.py --treble PROGRAM --model FOLDER --python INTERPRETER`.
"""

from __future__ import annotations

import argparse
import bz2
import csv
import gzip
import hashlib
import io
import json
import lzma
import os
import random
import socket
import struct
import subprocess
import sys
import tempfile
import unittest
import zipfile
from collections.abc import Iterable, Sequence
from pathlib import Path

ARGUMENTS = argparse.Namespace(treble="", model="", python="")
BYTE_ORDER_MARK = "\ufeff".encode()
NOBODY = 65534
csv.field_size_limit(1 << 20)

Record = tuple[str, str]  # text and id, the latter as JSON or ""


def hash_of(records: Iterable[Record]) -> str:
    """As the program hashes what it reads."""
    total = hashlib.sha256()
    for record in records:
        for part in record:
            total.update(struct.pack("<Q", len(part.encode())) + part.encode())
    return total.hexdigest()


def zstd(data: bytes) -> bytes:
    """A zstd frame of uncompressed blocks (RFC 8878); Python 3.11 cannot make one."""
    blocks = [data[i : i + 100_000] for i in range(0, len(data), 100_000)] or [b""]
    frame = struct.pack("<IBI", 0xFD2FB528, 0xA0, len(data))
    for i, block in enumerate(blocks):
        frame += struct.pack("<I", len(block) << 3 | (i == len(blocks) - 1))[:3] + block
    return frame


class InputCase(unittest.TestCase):
    """A folder of its own for each test, and the embed command."""

    def setUp(self) -> None:
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.folder = Path(holder.name)

    def write(self, name: str, content: bytes | str) -> Path:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return path

    def run_treble(
        self, *arguments: str | Path, stdin: bytes = b"", user: int | None = None
    ) -> subprocess.CompletedProcess[bytes]:
        command = [ARGUMENTS.treble, "embed", "--model", ARGUMENTS.model, *map(str, arguments)]
        environment = {"TREBLE_PYTHON": ARGUMENTS.python, **os.environ}
        return subprocess.run(
            command, input=stdin, capture_output=True, timeout=120, check=False, env=environment, user=user
        )

    def read(self, *arguments: str | Path) -> dict:
        """Embeds, and returns the metadata with standard error as "stderr"."""
        out = self.folder / "out.npy"
        done = self.run_treble("--force", "-o", out, *arguments)
        self.assertEqual(done.returncode, 0, done.stderr.decode())
        return {**json.loads((self.folder / "out.npy.json").read_text()), "stderr": done.stderr.decode()}

    def expect(self, texts: Sequence[str | Record], *arguments: str | Path, stdin: bytes = b"") -> None:
        """The input has these texts, with these ids."""
        records = [(one, "") if isinstance(one, str) else one for one in texts]
        out = self.folder / "out.npy"
        done = self.run_treble("--force", "-o", out, *arguments, stdin=stdin)
        self.assertEqual(done.returncode, 0, done.stderr.decode())
        metadata = json.loads((self.folder / "out.npy.json").read_text())
        self.assertEqual(metadata["count"], len(records), arguments)
        self.assertEqual(metadata["resume"]["texts_sha256"], hash_of(records) if records else "", arguments)

    def refuse(self, code: int, words: str | Sequence[str], *arguments: str | Path, stdin: bytes = b"") -> None:
        """Reading fails with this exit code and a message of one line that has these words."""
        done = self.run_treble(*arguments, stdin=stdin)
        message = done.stderr.decode()
        self.assertEqual(done.returncode, code, message)
        for word in [words] if isinstance(words, str) else words:
            self.assertIn(word, message)


class Csv(InputCase):
    """Delimiters, headers and line ends."""

    def test_the_delimiter_is_found_in_the_header(self) -> None:
        for delimiter in ",;\t|":
            others = ",;\t|".replace(delimiter, "")
            path = self.write("a.csv", f"id{delimiter}text\n7{delimiter}one {others} two\n")
            self.expect([(f"one {others} two", '"7"')], path)

    def test_of_several_the_wanted_column_decides_and_then_the_rows(self) -> None:
        self.expect(["b,c"], self.write("a.csv", "note;text\na;b,c\n"))
        self.expect(["b;c"], self.write("a.csv", "a;note,text\na,b;c\n"))
        path = self.write("b.csv", "one;two,too;three\n1;2;3\n4;5;6\n")
        self.expect(["3", "6"], path, "--text-field", "three")
        self.expect(["2", "5"], path, "--text-field", "two,too")
        path = self.write("c.csv", "a;b,c\n1;2,3\n")
        self.refuse(65, ["c.csv", "a comma or a semicolon (;)", "--delimiter"], path, "--text-field", "x")
        self.expect(["2,3"], path, "--text-field", "b,c", "--delimiter", "semicolon")

    def test_delimiters_in_quotes_do_not_count(self) -> None:
        self.expect(["x"], self.write("a.csv", '"note; a, b"|text\n1|x\n'))

    def test_a_given_delimiter_rules(self) -> None:
        path = self.write("a.csv", "id,x:text\n1:a;b\n")
        self.expect(["a;b"], path, "--delimiter", ":", "--text-field", "text")
        for name, delimiter in (("tab", "\t"), ("\\t", "\t"), ("pipe", "|"), ("comma", ","), ("semicolon", ";")):
            path = self.write("a.csv", f"x{delimiter}text\n1{delimiter}y\n")
            self.expect(["y"], path, "--delimiter", name)
        for wrong in ("::", '"', "é"):
            self.refuse(64, "--delimiter", path, "--delimiter", wrong)
        self.refuse(64, "CSV", self.write("a.txt", "x\n"), "--delimiter", ";")
        self.refuse(64, "CSV", self.write("a.txt", "x\n"), "--no-header")

    def test_one_heading_that_holds_a_delimiter_is_a_question(self) -> None:
        path = self.write("a.csv", "id;text\n1;x\n")
        self.refuse(65, ["a.csv", "id;text", "a semicolon (;)", "--delimiter"], path, "--delimiter", ",")
        self.refuse(65, ["a.tsv", "a comma"], self.write("a.tsv", "id,text\n1,x\n"))
        self.expect(["1;x"], path, "--delimiter", ",", "--text-field", "id;text")

    def test_without_a_header_columns_are_numbers(self) -> None:
        path = self.write("a.csv", "1;one\n2;two\n")
        self.expect(["one", "two"], path, "--no-header", "--text-field", "2")
        self.expect(["1 one", "2 two"], path, "--no-header", "--text-field", "2", "--title-field", "1")
        self.refuse(65, ["a.csv", "1 to 2", '"one"', "--text-field"], path, "--no-header")
        for wrong in ("0", "3", "text", "2x", "-1", "99999999999999999999"):
            self.refuse(65, "1 to 2", path, "--no-header", f"--text-field={wrong}")
        self.expect(["one", "two"], self.write("b.csv", "one\ntwo\n"), "--no-header")

    def test_tsv_is_separated_by_tabs(self) -> None:
        self.expect(["a, b; c|d"], self.write("a.tsv", "x;y\ttext\n1\ta, b; c|d\n"))
        self.expect(["b"], "--format", "tsv", "-", stdin=b"id2\ttext\n1\tb\n")

    def test_a_missing_column_shows_those_there_are(self) -> None:
        path = self.write("a.csv", "question;answer\nwhy;so\n")
        self.refuse(65, ['"text"', '"question", "answer"', "a semicolon", "--text-field"], path)
        self.expect(["so"], path, "--text-field", "answer")

    def test_a_column_that_is_there_twice_is_named(self) -> None:
        path = self.write("a.csv", "text,text,more\na,b,c\n")
        self.refuse(65, ["a.csv", "several", '"text"'], path)
        self.expect(["c"], path, "--text-field", "more")

    def test_ragged_and_broken_rows_are_named_by_line(self) -> None:
        self.refuse(65, ["a.csv:4", "3 fields", "has 2"], self.write("a.csv", 'id,text\n1,"a\nb"\n2,c,d\n'))
        self.refuse(65, ["a.csv:3", "1 field,"], self.write("a.csv", "id,text\n1,a\n2\n"))
        self.refuse(65, ["a.csv:2", "closing quote"], self.write("a.csv", 'id,text\n1,"a"b\n'))
        self.refuse(65, ["a.csv:2", "never closed"], self.write("a.csv", 'id,text\n1,"a\n\n\n'))

    def test_every_line_end_and_a_byte_order_mark(self) -> None:
        for end in ("\n", "\r\n", "\r"):
            content = f'id,text{end}1,"a{end}b"{end}2,c{end}'.encode()
            for start in (b"", BYTE_ORDER_MARK):
                self.expect([(f"a{end}b", '"1"'), ("c", '"2"')], self.write("a.csv", start + content))

    def test_as_pythons_csv_module(self) -> None:
        for seed in range(40):
            generator = random.Random(seed)
            delimiter, end = generator.choice(",;\t|"), generator.choice(("\n", "\r\n", "\r"))
            rows = [(str(i), odd_text(generator)) for i in range(generator.randint(1, 20))]
            # Before Python 3.13, a writer that quotes only where needed forgets line ends other than its own.
            forgotten = set("\r\n") - set(end)
            all_quoted = generator.random() < 0.5 or any(forgotten & set(text) for _, text in rows)
            dialect = {
                "delimiter": delimiter,
                "quoting": csv.QUOTE_ALL if all_quoted else csv.QUOTE_MINIMAL,
                "lineterminator": end,
            }
            out = io.StringIO(newline="")
            writer = csv.writer(out, **dialect)
            writer.writerow(("id", "text"))
            writer.writerows(rows)
            content = out.getvalue()
            back = list(csv.reader(io.StringIO(content, newline=""), delimiter=delimiter))[1:]
            self.assertEqual(back, [list(row) for row in rows])
            with self.subTest(seed=seed, **dialect):
                self.expect([(text, json.dumps(id_)) for id_, text in rows], self.write("a.csv", content))


def odd_text(generator: random.Random) -> str:
    """Text with what formats trip over; now and then as long as the program's buffers, give or take some bytes."""
    pieces = ['"', '""', ",", ";", "\t", "|", "\n", "\r\n", "\r", " ", "a", "ö", "€", "😀", "\\", "{", "]", "word", "'"]
    text = "".join(generator.choices(pieces, k=generator.randint(1, 30)))
    if generator.random() < 0.06:
        size = generator.choice((64 << 10, 128 << 10, 256 << 10)) + generator.randint(-40, 40)
        text = text[:10] + "x" * (size - len(text)) + text[10:]
    return "x" + text


class Json(InputCase):
    """Lists, lines, fields, ids."""

    def test_lists_of_strings_and_of_objects(self) -> None:
        self.expect(["a", "b\nc", ""], self.write("a.json", '["a", "b\\nc", ""]'))
        objects = [{"_id": "x", "text": "a"}, {"id": 7, "title": "t", "text": "b", "tags": [1, {"text": "no"}]}]
        for indent in (None, 2):
            path = self.write("a.json", json.dumps(objects, indent=indent) + "\n")
            self.expect([("a", '"x"'), ("t b", "7")], path)
        self.expect([], self.write("a.json", " [ ] "))
        self.expect(["a"], "--format", "json", "-", stdin=b'\xef\xbb\xbf["a"]')

    def test_json_lines_called_json(self) -> None:
        self.expect(["a", "b"], self.write("a.json", '{"text": "a"}\n{"text": "b"}\n'))
        self.expect(["a", "b"], self.write("a.json", '{"text": "a", "parts": [1]}{"text":\n"b"}'))

    def test_a_list_inside_an_object_is_named(self) -> None:
        path = self.write("a.json", '{"version": 1, "data": [{"text": "a"}]}')
        self.refuse(65, ["a.json:1", '"data"', "jq"], path)
        self.refuse(65, ['"text"', "jq"], self.write("a.json", '{"text": ["a", "b"]}'))

    def test_damaged_lists_are_named(self) -> None:
        for content, line, words in (
            ('["a",\n"b"', 2, "cut short"),
            ('["a",\n"b', 2, "cut short"),
            ('[{"text": "a"},\n{"text": "b"', 2, "cut short"),
            ('["a"\n"b"]', 2, "comma"),
            ('["a",\n]', 2, "missing"),
            ("[,]", 1, "missing"),
            ('["a"]\n["b"]', 2, "after the end"),
            ('["a",\n\n {"text": nul}]', 3, "not valid JSON"),
            ('["a",\n{"text": "x"]]', 2, "not valid JSON"),
            ('["a",\n7]', 2, "a number"),
            ("", 1, "nothing in it"),
        ):
            with self.subTest(content=content):
                self.refuse(65, [f"a.json:{line}:", words], self.write("a.json", content))

    def test_lines_may_be_strings(self) -> None:
        self.expect(["a", "b"], self.write("a.jsonl", '"a"\n\n{"text": "b"}\n'))
        self.refuse(65, ["a.jsonl:1", "a string"], self.write("a.jsonl", '"a"\n'), "--text-field", "text")
        self.refuse(65, ["a.jsonl:2", "a list", "--format json"], self.write("a.jsonl", '"a"\n["b"]\n'))

    def test_nested_fields(self) -> None:
        nested = '{"meta": {"body": {"en": "deep"}, "head": "up"}, "text": "no"}\n'
        path = self.write("a.jsonl", nested)
        self.expect(["deep"], path, "--text-field", "meta.body.en")
        self.expect(["up deep"], path, "--text-field", "meta.body.en", "--title-field", "meta.head")
        both = self.write("b.jsonl", '{"a": {"b": "nested"}, "a.b": "literal"}\n')
        self.expect(["literal"], both, "--text-field", "a.b")
        self.refuse(65, ["a.jsonl:1", '"meta.head"'], path, "--text-field", "meta.none")
        self.refuse(65, ["an object", "a.b"], path, "--text-field", "meta")

    def test_what_is_no_string_is_refused_by_name(self) -> None:
        for value, words in (
            ('["a", "b"]', ["a list", "one string"]),
            ("null", ["null"]),
            ("7", ["a number"]),
            ("true", ["true or false"]),
        ):
            path = self.write("a.jsonl", f'{{"text": "x"}}\n{{"text": {value}}}\n')
            self.refuse(65, ["a.jsonl:2", '"text"', *words], path)

    def test_ids_stay_as_they_are_written(self) -> None:
        ids = ["123456789012345678901234567890", "18446744073709551615", "-0", "1.50", "1E3", "-7", '"ö\\n"', "0.1e-7"]
        lines = "".join(f'{{"id": {one}, "text": "x"}}\n' for one in ids)
        path = self.write("a.jsonl", lines)
        self.expect([("x", one) for one in ids], path)
        rows = self.run_treble(path).stdout.decode().splitlines()[1:]
        for row, one in zip(rows, ids, strict=True):
            self.assertIn(f'"id":{one},', row)

    def test_numbers_that_json_does_not_have_are_named(self) -> None:
        for word in ("NaN", "Infinity", "-Infinity"):
            path = self.write("a.jsonl", f'{{"text": "x"}}\n{{"text": "y", "score": {word}}}\n')
            self.refuse(65, ["a.jsonl:2", '"score"', word.lstrip("-")], path)

    def test_of_equal_keys_the_last_counts(self) -> None:
        path = self.write("a.jsonl", '{"text": "a", "id": 1, "text": "b", "id": 2}\n{"a": {"b": "c"}, "a": {}}\n')
        self.refuse(65, "a.jsonl:2", path)
        self.expect([("b", "2")], self.write("b.jsonl", path.read_text().splitlines()[0]))

    def test_deep_nesting_is_an_error(self) -> None:
        path = self.write("a.jsonl", '{"text": "x", "deep": ' + "[" * 100_000 + "]" * 100_000 + "}\n")
        self.refuse(65, ["a.jsonl:1", "deeper"], path)

    def test_as_pythons_json_module(self) -> None:
        for seed in range(24):
            generator = random.Random(seed)
            records = [
                {"_id": odd_text(generator)[:20], "more": odd_value(generator, 3), "text": odd_text(generator)}
                for _ in range(generator.randint(1, 15))
            ]
            ascii_only = generator.random() < 0.5
            wanted = [(one["text"], json.dumps(one["_id"], ensure_ascii=False)) for one in records]
            lines = "\n".join(json.dumps(one, ensure_ascii=ascii_only) for one in records)
            listed = json.dumps(records, ensure_ascii=ascii_only, indent=generator.choice((None, 1)))
            with self.subTest(seed=seed):
                self.expect(wanted, self.write("a.jsonl", lines))
                self.expect(wanted, self.write("a.json", listed))


def odd_value(generator: random.Random, depth: int) -> object:
    """Any JSON value."""
    kind = generator.randrange(7 if depth > 0 else 5)
    if kind == 5:
        return [odd_value(generator, depth - 1) for _ in range(generator.randrange(4))]
    if kind == 6:
        return {odd_text(generator)[:9]: odd_value(generator, depth - 1) for _ in range(generator.randrange(4))}
    return (None, True, generator.getrandbits(80), generator.random() * 1e30, odd_text(generator)[:40])[kind]


class Lines(InputCase):
    """Plain text and what every format shares."""

    def test_line_ends(self) -> None:
        self.expect(["a", "", "b"], self.write("a.txt", "a\r\rb\r"))
        self.expect(["a", "", "b"], self.write("a.txt", "a\r\n\r\nb"))
        self.expect(["a\rb", "c"], self.write("a.txt", "a\rb\nc\n"))
        self.expect(["a", "b"], self.write("a.jsonl", '{"text": "a"}\r{"text": "b"}\r'))

    def test_lines_around_the_borders_of_buffers(self) -> None:
        for size in (64 << 10, 256 << 10):
            for more in (-2, -1, 0, 1):
                texts = ["x" * (size + more), "y", "z" * 10]
                for end in ("\n", "\r\n", "\r"):
                    # Old Mac files are known by their first 64 KiB.
                    first = ["s"] if end == "\r" else []
                    self.expect(first + texts, self.write("a.txt", end.join(first + texts) + end))

    def test_a_byte_order_mark_wherever_a_file_begins(self) -> None:
        one, two = BYTE_ORDER_MARK + b'{"text": "a"}\n', BYTE_ORDER_MARK + b'{"text": "b"}\n'
        self.expect(["a", "b"], self.write("a.jsonl", one), self.write("b.jsonl", two))
        self.expect(["a", "b"], self.write("c.jsonl", one + two))
        self.expect(["a", "b"], self.write("c.jsonl.gz", gzip.compress(one) + gzip.compress(two)))
        self.expect(["a", "b"], self.write("c.txt", BYTE_ORDER_MARK + b"a\n" + BYTE_ORDER_MARK + b"b\n"))

    def test_utf16_is_named(self) -> None:
        for encoding in ("utf-16-le", "utf-16-be"):
            content = ("\ufeff" + "a text\n").encode(encoding)
            self.refuse(65, ["a.txt", "UTF-16", "iconv"], self.write("a.txt", content))
            self.refuse(65, "UTF-16", self.write("a.txt", content), "--invalid-utf8", "replace")
            self.refuse(65, ["zcat", "iconv"], self.write("a.txt.gz", gzip.compress(content)))


class Extension(InputCase):
    """--extend and the texts that need none."""

    def test_changing_short_texts_is_warned_of_and_can_be_avoided(self) -> None:
        path = self.write("a.txt", "hi\nthe ferry leaves\n")

        def rows(*arguments: str) -> tuple[list, str]:
            done = self.run_treble(path, "--threads", "1", *arguments)
            self.assertEqual(done.returncode, 0, done.stderr.decode())
            vectors = [json.loads(line)["embedding"] for line in done.stdout.splitlines()[1:]]
            return vectors, done.stderr.decode()

        plain, message = rows()
        self.assertNotIn("warning", message)
        for kind in ("interpolate", "group"):
            changed, message = rows("--extend", kind, "--max-length", "200")
            self.assertNotEqual(changed, plain)
            for words in ("warning", f"--extend {kind}-long", "--max-length 200", "short texts"):
                self.assertIn(words, message)
            self.assertNotIn("warning", rows("--extend", kind, "--max-length", "200", "-q")[1])
            kept, message = rows("--extend", f"{kind}-long", "--max-length", "200")
            self.assertEqual(kept, plain)
            self.assertNotIn("warning", message)
        self.assertNotIn("warning", rows("--extend", "recur", "--max-length", "200")[1])
        message = rows("--extend", "interpolate")[1]
        self.assertIn("--extend interpolate has no effect", message)
        self.assertNotIn("short texts", message)


class Compressed(InputCase):
    """.gz and .zst."""

    def test_every_format_by_its_inner_name(self) -> None:
        contents = {
            "a.txt": "one\ntwo\n",
            "a.jsonl": '{"text": "one"}\n{"text": "two"}\n',
            "a.json": '["one", "two"]',
            "a.csv": "text\none\ntwo\n",
            "a.tsv": "x\ttext\n1\tone\n2\ttwo\n",
        }
        for name, content in contents.items():
            for suffix, pack in ((".gz", gzip.compress), (".GZ", gzip.compress), (".zst", zstd)):
                self.expect(["one", "two"], self.write(name + suffix, pack(content.encode())))
        self.refuse(64, ["a.gz", "--format"], self.write("a.gz", gzip.compress(b"x")))
        self.expect(["x"], self.folder / "a.gz", "--format", "txt")

    def test_standard_input_is_known_by_its_first_bytes(self) -> None:
        for pack in (gzip.compress, zstd):
            self.expect(["one"], "--format", "jsonl", "-", stdin=pack(b'{"text": "one"}\n'))
        self.expect([], "-", stdin=gzip.compress(b""))

    def test_members_and_frames_follow_each_other(self) -> None:
        generator = random.Random(1)
        lines = [odd_text(generator).replace("\n", " ").replace("\r", " ") for _ in range(400)]
        for suffix, pack in ((".gz", gzip.compress), (".zst", zstd)):
            packed = b"".join(pack((line + "\n").encode()) for line in lines)
            self.expect(lines, self.write("a.txt" + suffix, packed))

    def test_cut_and_damaged_files_are_named_with_the_place(self) -> None:
        for suffix, pack in ((".gz", gzip.compress), (".zst", zstd)):
            packed = pack(random.Random(3).randbytes(3000).hex().encode() + b"\n")
            name = "a.txt" + suffix
            for size in (5, 20, len(packed) // 2, len(packed) - 1):
                self.refuse(65, [name, f"ends after {size} bytes"], self.write(name, packed[:size]))
            self.refuse(65, [name, "behind the end", "byte"], self.write(name, packed + b"more"))
            self.refuse(65, [name, "empty"], self.write(name, b""))
            self.refuse(65, [name, "first bytes"], self.write(name, b"plain text\n"))
        damaged = bytearray(gzip.compress(b"text " * 1000))
        damaged[-6] ^= 1
        self.refuse(65, ["a.txt.gz", "damaged", "byte"], self.write("a.txt.gz", bytes(damaged)))

    def test_other_archives_are_refused_with_a_way_out(self) -> None:
        zipped = io.BytesIO()
        with zipfile.ZipFile(zipped, "w") as archive:
            archive.writestr("a.txt", "text\n")
        for suffix, content, tool in (
            (".bz2", bz2.compress(b"text\n"), "bzcat"),
            (".xz", lzma.compress(b"text\n"), "xzcat"),
            (".zip", zipped.getvalue(), "unzip -p"),
        ):
            self.refuse(69, [f"a.txt{suffix}", tool, "| treble"], self.write("a.txt" + suffix, content))
            self.refuse(69, ["a.txt", tool], self.write("a.txt", content))
            self.refuse(69, tool, "-", stdin=content)
        self.refuse(69, "tar", self.write("a.tar.gz", gzip.compress(b"x")))
        self.expect(["BZh9 is how it begins"], self.write("a.txt", "BZh9 is how it begins\n"))


class Folders(InputCase):
    """What is read of a folder, and what is not and why."""

    def make(self) -> Path:
        for name, content in (
            ("b.txt", "bee"),
            ("sub/a.md", "ay"),
            ("packed.txt.gz", gzip.compress(b"packed")),
            (".hidden.txt", "no"),
            (".git/x.txt", "no"),
            ("empty.txt", ""),
            ("one.pdf", "no"),
            ("two.PDF", "no"),
            ("Makefile", "no"),
        ):
            self.write("notes/" + name, content)
        return self.folder / "notes"

    def test_everything_is_counted(self) -> None:
        folder = self.make()
        (folder / "nowhere.txt").symlink_to("absent")
        (folder / "itself.txt").symlink_to("itself.txt")
        with socket.socket(socket.AF_UNIX) as pipe:
            pipe.bind(str(folder / "s.txt"))
        self.expect([("bee", '"b.txt"'), ("packed", '"packed.txt.gz"'), ("ay", '"sub/a.md"')], folder)
        metadata = self.read(folder)
        (entry,) = metadata["inputs"]
        self.assertEqual(entry["files"], 3)
        self.assertEqual(
            entry["not_read"],
            {"other_kinds": {"none": 1, ".pdf": 2}, "hidden": 2, "empty": 1, "special": 1, "broken_links": 2},
        )
        for words in ("3 texts", ".pdf 2", "2 hidden", "1 empty", "2 links to nowhere", "nowhere.txt"):
            self.assertIn(words, metadata["stderr"])
        self.assertEqual(self.read(folder, "-q")["stderr"], "")

    def test_a_folder_that_is_read_whole_needs_no_words(self) -> None:
        self.write("notes/a.txt", "a")
        metadata = self.read(self.folder / "notes")
        self.assertNotIn("not read", metadata["stderr"])
        self.assertNotIn("not_read", metadata["inputs"][0])

    def test_linked_folders_are_read_once(self) -> None:
        folder = self.make()
        self.write("elsewhere/c.txt", "sea")
        (folder / "a-link").symlink_to(self.folder / "elsewhere")
        (folder / "elsewhere-back").symlink_to(folder)
        (folder / "sub" / "up").symlink_to("..")
        (self.folder / "elsewhere" / "other").symlink_to(folder / "sub")
        texts = [("sea", '"a-link/c.txt"'), ("bee", '"b.txt"'), ("packed", '"packed.txt.gz"'), ("ay", '"sub/a.md"')]
        self.expect(texts, folder)
        metadata = self.read(folder)
        self.assertIn("linked folders read: a-link/", metadata["stderr"])
        self.assertEqual(metadata["inputs"][0]["not_read"]["repeated_links"], 3)

    def test_what_is_locked_is_said_and_may_be_passed_over(self) -> None:
        folder = self.make()
        self.folder.chmod(0o755)
        user = NOBODY if os.geteuid() == 0 else None
        (folder / "sub").chmod(0)
        (folder / "b.txt").chmod(0)
        self.addCleanup((folder / "sub").chmod, 0o755)
        done = self.run_treble(folder, user=user)
        self.assertEqual(done.returncode, 74, done.stderr.decode())
        self.assertIn("b.txt: Permission denied; --skip-unreadable", done.stderr.decode())
        done = self.run_treble(folder, "--skip-unreadable", user=user)
        self.assertEqual(done.returncode, 0, done.stderr.decode())
        self.assertIn("2 unreadable (b.txt, sub/)", done.stderr.decode())
        header, *rows = map(json.loads, done.stdout.splitlines())
        self.assertEqual(header["treble"]["inputs"][0]["not_read"]["unreadable"], 2)
        self.assertEqual([row["id"] for row in rows], ["packed.txt.gz"])
        readable = self.write("a.txt", "a\n")
        readable.chmod(0o644)
        done = self.run_treble(readable, folder / "b.txt", user=user)
        self.assertEqual(done.returncode, 74, done.stderr.decode())
        done = self.run_treble(readable, folder / "b.txt", "--skip-unreadable", user=user)
        self.assertEqual(len(done.stdout.splitlines()), 2, done.stderr.decode())
        self.assertIn("1 unreadable", done.stderr.decode())

    def test_a_folder_without_texts_says_what_it_has(self) -> None:
        self.write("notes/a.pdf", "no")
        self.refuse(66, ["notes", ".pdf 1"], self.folder / "notes")


MAKE_PARQUET = """
import sys, pyarrow as pa, pyarrow.parquet as pq
folder = sys.argv[1]
texts = [f"text {i}" for i in range(5000)]
def write(name, columns, **options):
    pq.write_table(pa.table(columns), f"{folder}/{name}.parquet", **options)
write("plain", {"text": texts, "_id": [f"d{i}" for i in range(5000)]}, row_group_size=700)
write("titles", {"title": ["t", None], "text": ["a", "b"], "id": [2**62 + 1, None]})
kinds = [pa.large_string(), pa.dictionary(pa.int32(), pa.string()), pa.binary(), pa.string_view()]
for i, kind in enumerate(kinds):
    try:
        write(f"kind{i}", {"text": pa.array(["a\\u00f6", ""], pa.string()).cast(kind)})
    except pa.ArrowNotImplementedError:
        write(f"kind{i}", {"text": pa.array(["a\\u00f6", ""], pa.string()).dictionary_encode()})
meta = pa.array([{"body": {"en": "deep"}, "n": 1}, {"body": {"en": "deeper"}, "n": 2}])
write("nested", {"meta": meta, "meta.n": ["x", "y"]})
write("null", {"text": ["a", None, "c"]})
write("list", {"text": [["a"], ["b"]], "number": [1, 2]})
write("invalid", {"text": pa.array([b"fine", b"bad \\xff"], pa.binary())})
write("empty", {"text": pa.array([], pa.string())})
"""


class Parquet(InputCase):
    """By way of pyarrow."""

    def setUp(self) -> None:
        super().setUp()
        subprocess.run([ARGUMENTS.python, "-c", MAKE_PARQUET, str(self.folder)], check=True, timeout=120)

    def test_rows_are_texts(self) -> None:
        self.expect([(f"text {i}", f'"d{i}"') for i in range(5000)], self.folder / "plain.parquet")
        self.expect([("t a", str(2**62 + 1)), "b"], self.folder / "titles.parquet")
        self.expect([("a", str(2**62 + 1)), "b"], self.folder / "titles.parquet", "--title-field", "")
        for i in range(4):
            self.expect(["aö", ""], self.folder / f"kind{i}.parquet")
        self.expect([], self.folder / "empty.parquet")

    def test_nested_fields(self) -> None:
        nested = self.folder / "nested.parquet"
        self.expect(["deep", "deeper"], nested, "--text-field", "meta.body.en")
        self.expect(["x", "y"], nested, "--text-field", "meta.n")
        self.refuse(65, ["nested.parquet", '"meta.body"', "--text-field"], nested)

    def test_what_cannot_be_read_is_named(self) -> None:
        self.refuse(65, ["null.parquet", "row 2", '"text"', "null"], self.folder / "null.parquet")
        self.refuse(65, ["list.parquet", '"text"', "list<"], self.folder / "list.parquet")
        self.refuse(65, "int64", self.folder / "list.parquet", "--text-field", "number")
        self.refuse(65, ["invalid.parquet:2", "0xff"], self.folder / "invalid.parquet")
        self.expect(["fine", "bad \ufffd"], self.folder / "invalid.parquet", "--invalid-utf8", "replace")
        cut = self.write("cut.parquet", (self.folder / "plain.parquet").read_bytes()[:-100])
        self.refuse(65, "cut.parquet", cut)
        self.refuse(69, "stdin", "--format", "parquet", "-")
        self.refuse(69, [".parquet"], self.write("a.txt", (self.folder / "plain.parquet").read_bytes()))

    def test_without_pyarrow_it_says_what_to_install(self) -> None:
        bare = self.write("bare", "#!/bin/sh\nexit 1\n")
        bare.chmod(0o755)
        os.environ["TREBLE_PYTHON"] = str(bare)
        self.addCleanup(os.environ.pop, "TREBLE_PYTHON")
        self.refuse(66, ["plain.parquet", "pyarrow", "pip install"], self.folder / "plain.parquet")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--treble", required=True)
    parser.add_argument("--model", required=True)
    parser.add_argument("--python", required=True, help="an interpreter with pyarrow")
    parsed, rest = parser.parse_known_args()
    vars(ARGUMENTS).update(vars(parsed))
    os.environ.pop("TREBLE_PYTHON", None)
    return 0 if unittest.main(argv=[sys.argv[0], *rest], exit=False).result.wasSuccessful() else 1


if __name__ == "__main__":
    sys.exit(main())
