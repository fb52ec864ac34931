#!/usr/bin/env python3
"""Drives `treble inspect` and `treble sweep` on a tiny model: report files, the progress line, memory.

Needs nothing but the standard library: `test_inspect.py --treble PROGRAM --model FOLDER`.
"""

from __future__ import annotations

import argparse
import json
import os
import pty
import re
import select
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

ARGUMENTS = argparse.Namespace(treble="", model="")
HOSTILE = "</script><script>alert(1)</script><!-- <b>&amp;\u2028"
CLEAR = "\r\x1b[K"


def run(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Runs the program to its end."""
    command = [ARGUMENTS.treble, *map(str, arguments)]
    return subprocess.run(command, text=True, capture_output=True, timeout=300, check=False, env=dict(os.environ))


def on_terminal(*arguments: str | Path, **environment: str) -> tuple[int, str]:
    """Exit code, and what a terminal that is the program's stderr is sent; stdout is thrown away."""
    ours, theirs = pty.openpty()
    command = [ARGUMENTS.treble, *map(str, arguments)]
    sent = b""
    with subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=theirs, env={**os.environ, "TERM": "xterm", **environment}
    ) as process:
        os.close(theirs)
        while select.select([ours], [], [], 120)[0]:
            try:
                part = os.read(ours, 65536)
            except OSError:  # Linux's way to say that the other side is closed
                break
            if not part:
                break
            sent += part
        process.wait(timeout=120)
    os.close(ours)
    return process.returncode, sent.decode()


def peak_kilobytes(*arguments: str | Path) -> int:
    """Peak resident memory of a run that must succeed."""
    command = [ARGUMENTS.treble, *map(str, arguments)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert process.stderr is not None
    message = process.stderr.read().decode()
    process.stderr.close()
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    assert process.returncode == 0, message
    return usage.ru_maxrss


class Case(unittest.TestCase):
    """A folder of its own for each test."""

    def setUp(self) -> None:
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.folder = Path(holder.name)
        self.model = ("--model", ARGUMENTS.model)

    def texts(self, count: int, extra: str = "") -> Path:
        path = self.folder / "texts.txt"
        with path.open("w") as file:
            for i in range(count):
                file.write(f"letter {i} from the ferry {'harbour ' * (i % 7)}{extra}\n")
        return path

    def pairs(self, extra: str = "") -> Path:
        path = self.folder / "pairs.jsonl"
        rows = (
            {"sentence1": f"the ferry {i}{extra}", "sentence2": f"the ferry {i * i % 7}", "score": i % 5}
            for i in range(40)
        )
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        return path


class Files(Case):
    """--html and --json."""

    def commands(self, extra: str = "") -> list[tuple[str, tuple[str | Path, ...]]]:
        fast = ("--bootstrap", "100", "-t", "0.8")
        return [
            ("inspect", ("inspect", *self.model, *fast, "--cut-lengths", "8", self.texts(60, extra))),
            ("sweep", ("sweep", *self.model, *fast, "--post", "none", self.pairs(extra))),
        ]

    def test_the_page_is_whole_and_says_where_it_is(self) -> None:
        for kind, command in self.commands():
            page, report = self.folder / f"{kind}.html", self.folder / f"{kind}.json"
            page.write_text("what was there before, and longer\n" * 100_000)
            done = run(*command, "--html", page, "--json", report, "--force")
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertEqual(done.stderr, f"wrote {report}\nwrote {page}\n")
            self.assertIn("tau = 0.8" if kind == "inspect" else "0.8", done.stdout)  # the table still goes to stdout
            text = page.read_text()
            self.assertTrue(text.lower().startswith("<!doctype html>"))
            self.assertTrue(text.rstrip().endswith("</html>"))
            self.assertEqual(self.data_of(text)["kind"], kind)
            self.assertEqual(self.data_of(text)["verdict"], json.loads(report.read_text())["verdict"])
            left = {path.name for path in self.folder.iterdir()} - {"texts.txt", "pairs.jsonl"}
            self.assertTrue(all(name.endswith((".html", ".json")) for name in left), left)

    def data_of(self, page: str) -> dict[str, object]:
        """The report within the page."""
        found = re.search(r'<script[^>]*type="application/json"[^>]*>(.*?)</script>', page, re.DOTALL)
        self.assertIsNotNone(found)
        assert found is not None
        return json.loads(found[1])

    def test_what_is_never_read_is_said_with_the_way_out(self) -> None:
        options = ("--max-length", "8", "--layers", "none", "--bootstrap", "100")
        done = run("inspect", *self.model, *options, "--json", self.folder / "r.json", self.texts(40))
        self.assertEqual(done.returncode, 0, done.stderr)
        report = json.loads((self.folder / "r.json").read_text())
        unread = 1 - report["read_tokens"] / report["text_tokens"]
        self.assertLess(report["read_tokens"], 40 * 8 + 1)
        self.assertTrue(report["advice"][0].startswith(f"{100 * unread:.0f} % of the tokens are never read"), report)
        self.assertIn("post step chunk-mean:8", report["advice"][0])
        self.assertIn(report["advice"][0] + ".", done.stdout)
        self.assertIn("max_length 2048, position extension recur", report["advice"][1])
        self.assertEqual(report["extended_texts"], 0)

    def test_texts_read_beyond_the_positions_are_counted_and_a_temperature_is_said_to_be_worth_judging(self) -> None:
        info = json.loads(run("info", *self.model, "--json").stdout)
        limit = info["position_limit"]
        texts = self.folder / "long.txt"
        texts.write_text("".join(f"{'word ' * words}\n" for words in (3, limit, 2 * limit, 4 * limit)))
        options = ("--extend", "recur", "--max-length", str(2 * limit), "--layers", "none", "--bootstrap", "100")
        done = run("inspect", *self.model, *options, "--json", self.folder / "r.json", texts)
        self.assertEqual(done.returncode, 0, done.stderr)
        report = json.loads((self.folder / "r.json").read_text())
        self.assertEqual((report["position_limit"], report["extended_texts"]), (limit, 3))
        said = f"3 of 4 texts are read beyond the model's {limit} positions: a temperature of 0.8 gained there"
        self.assertIn(said, done.stdout)

    def test_hostile_texts_stay_texts(self) -> None:
        for kind, command in self.commands(HOSTILE):
            page = self.folder / f"{kind}.html"
            done = run(*command, "--html", page)
            self.assertEqual(done.returncode, 0, done.stderr)
            text = page.read_text()
            self.assertNotIn("alert(1)</script>", text)
            self.assertNotIn("<script>alert", text)
            if kind == "inspect":  # a sweep's page shows no texts
                shown = self.data_of(text)["map"]["texts"][0]["text"]
                self.assertTrue(shown.endswith(HOSTILE), shown)

    def test_a_hostile_path_stays_a_text(self) -> None:
        folder = self.folder / "<script>alert(1)<"
        folder.mkdir()
        data = folder / "script>.jsonl"
        self.pairs().rename(data)
        page = self.folder / "sweep.html"
        done = run("sweep", *self.model, "--bootstrap", "100", "-t", "0.8", "--post", "none", data, "--html", page)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertNotIn("<script>alert", page.read_text())
        self.assertEqual(self.data_of(page.read_text())["data"], str(data))

    def test_one_thing_a_place(self) -> None:
        for _, command in self.commands():
            for place in ("-", self.folder / "both"):
                done = run(*command, "--json", place, "--html", place)
                self.assertEqual(done.returncode, 64, done.stderr)
                self.assertIn("stdout" if place == "-" else "both", done.stderr)
                self.assertEqual(done.stdout, "")
            done = run(*command, "--html", "-")
            self.assertTrue(done.stdout.rstrip().endswith("</html>"))

    def test_a_path_that_cannot_be_written_is_refused_before_the_work(self) -> None:
        # No such model either: that the output is named shows which was looked at first.
        (self.folder / "a file").write_text("")
        for place, code in (
            (self.folder / "absent" / "r.html", 66),
            (self.folder, 64),
            (self.folder / "a file" / "r.html", 74),
            ("/dev/full", 64),
        ):
            for option in ("--html", "--json"):
                for command in (("inspect", self.texts(3)), ("sweep", self.pairs())):
                    done = run(command[0], "--model", self.folder / "no model", command[1], option, place)
                    self.assertEqual(done.returncode, code, done.stderr)
                    self.assertIn(str(place), done.stderr)
                    self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)


class ProgressLine(Case):
    """On a terminal only, and gone before anything else is printed."""

    def visible(self, sent: str) -> list[str]:
        """What each drawing showed."""
        return [part.split("\n")[0].rstrip("\r") for part in sent.split(CLEAR)[1:]]

    def test_inspect(self) -> None:
        options = ["-t", "0.8", "-t", "0.7", "--bootstrap", "300", "--sample", "1500"]
        command = ("inspect", *self.model, *options, self.texts(60_000))
        code, sent = on_terminal(*command)
        self.assertEqual(code, 0, sent)
        drawn = self.visible(sent)
        self.assertTrue(any(re.match(r"reading: [\d,]+ texts, [\d,.]+ texts/s", line) for line in drawn), drawn)
        shown = [line for line in drawn if "%" in line]
        self.assertTrue(shown, drawn)
        for line in shown:
            self.assertRegex(line, r"^ *\d+ % \[#*-*\] (encoding|cutting|probing layers)")
            self.assertLess(len(line), 80)
        self.assertTrue(any(re.search(r", [\d,.]+ texts/s, [\d:]+( s)? left$", line) for line in shown), shown)
        shares = [int(line.split("%")[0]) for line in shown]
        self.assertEqual(shares, sorted(shares))
        self.assertTrue(sent.endswith(CLEAR), repr(sent[-80:]))

    def test_sweep(self) -> None:
        rows = [{"sentence1": f"the ferry {i} {'sea ' * 30}", "sentence2": f"{i}", "score": i % 5} for i in range(3000)]
        path = self.folder / "pairs.jsonl"
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
        code, sent = on_terminal(
            "sweep", *self.model, path, "-t", "0.8", "-t", "0.7", "--post", "none", "--bootstrap", "100"
        )
        self.assertEqual(code, 0, sent)
        drawn = self.visible(sent)
        self.assertTrue(
            any(re.match(r" *\d+ % \[#*-*\] encoding, [\d,.]{1,7} texts/s, [\d:]+( s)? left$", line) for line in drawn),
            drawn,
        )
        self.assertTrue(sent.endswith(CLEAR), repr(sent[-80:]))

    def test_an_error_stands_alone(self) -> None:
        path = self.texts(30_000)
        with path.open("ab") as file:
            file.write(b"bad \xff byte\n")
        code, sent = on_terminal("inspect", *self.model, path)
        self.assertEqual(code, 65, sent)
        before, message = sent.rsplit(CLEAR, 1)
        self.assertIn("reading: ", before)
        self.assertTrue(message.startswith("treble: error: "), repr(sent[-300:]))
        self.assertIn("texts.txt", message)

    def test_nothing_is_drawn_elsewhere(self) -> None:
        path = self.texts(20_000)
        self.assertEqual(run("inspect", *self.model, path, "--bootstrap", "10").stderr, "")
        code, sent = on_terminal("inspect", *self.model, path, "--bootstrap", "10", TERM="dumb")
        self.assertEqual((code, sent), (0, ""))


class Memory(Case):
    """What is not sampled is not kept."""

    def test_ten_times_the_texts_take_no_more_memory(self) -> None:
        options = ("--sample", "50", "--bootstrap", "10", "--layers", "none", "--threads", "1")
        peaks = [peak_kilobytes("inspect", *self.model, *options, self.texts(count)) for count in (20_000, 200_000)]
        self.assertLess(peaks[1] - peaks[0], 16 * 1024, peaks)


class Table(Case):
    """In a terminal of 100 columns."""

    def test_many_temperatures_fit(self) -> None:
        temperatures = [option for value in ("0.9", "0.8", "0.7", "log:16") for option in ("-t", value)]
        done = run(
            "inspect", *self.model, *temperatures, "--post", "centring", "--cut-lengths", "8,16", self.texts(300)
        )
        self.assertEqual(done.returncode, 0, done.stderr)
        tables = done.stdout.split("\n", 1)[1]  # below the verdict, which is running text
        for line in tables.splitlines():
            self.assertLessEqual(len(line), 100, line)
        self.assertEqual(tables.count("tau = log:16"), 5)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--treble", required=True)
    parser.add_argument("--model", required=True)
    parsed, rest = parser.parse_known_args()
    ARGUMENTS.treble, ARGUMENTS.model = parsed.treble, parsed.model
    return 0 if unittest.main(argv=[sys.argv[0], *rest], exit=False).result.wasSuccessful() else 1


if __name__ == "__main__":
    sys.exit(main())
