#!/usr/bin/env python3
"""Drives `treble reference`: manual page and completions hold every command and option, and the shells take them.

Needs nothing but the standard library: `test_reference.py --treble PROGRAM`. Uses zsh, groff and man where they are.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

ARGUMENTS = argparse.Namespace(treble="")


def run(*command: str, text: str | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, input=text, text=True, capture_output=True, timeout=120, check=False)


def reference(form: str) -> str:
    done = run(ARGUMENTS.treble, "reference", form)
    assert done.returncode == 0, done.stderr
    return done.stdout


def commands() -> list[str]:
    """The commands that --help lists."""
    text = run(ARGUMENTS.treble, "--help").stdout.split("Subcommands:")[1]
    return re.findall(r"^  ([a-z]+) ", text.split("\n\n")[0], re.MULTILINE)


def options(command: str) -> list[str]:
    """The options that a command's --help lists, short and long."""
    text = run(ARGUMENTS.treble, command, "--help").stdout
    heads = re.findall(r"^ +(-[^ ]+(?: ?, ?-[^ ]+)*)", text.split("Examples:")[0], re.MULTILINE)
    return sorted({name for head in heads for name in re.findall(r"--?[a-zA-Z][a-z0-9-]*", head)})


def bash_completes(*words: str) -> list[str]:
    """What bash offers for the last of these words."""
    script = f"""source /dev/stdin
COMP_WORDS=({" ".join(f"'{word}'" for word in words)})
COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
compopt() {{ :; }}
_treble
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
    done = run("bash", "-c", script, text=reference("bash"))
    assert done.returncode == 0, done.stderr
    return done.stdout.split("\n")[:-1]


class Reference(unittest.TestCase):
    def test_commands_are_found(self) -> None:
        self.assertIn("embed", commands())
        self.assertGreater(len(options("embed")), 20)

    def test_it_is_hidden_and_says_what_it_takes(self) -> None:
        self.assertNotIn("reference", run(ARGUMENTS.treble, "--help").stdout)
        self.assertNotIn("reference", run(ARGUMENTS.treble, "frobnicate").stderr)
        done = run(ARGUMENTS.treble, "reference", "fish")
        self.assertEqual(done.returncode, 64)
        self.assertIn('"fish" is none of man, bash, zsh', done.stderr)


class Manual(unittest.TestCase):
    def test_every_command_and_option_is_there(self) -> None:
        page = reference("man")
        for command in commands():
            section = page.split(f'.SS "treble {command}"\n')[1].split("\n.SS ")[0].split("\n.SH ")[0]
            for option in options(command):
                self.assertIn("\\fB" + option.replace("-", "\\-") + "\\fR", section, command)

    def test_the_whole_list_stands_where_help_cuts_it_short(self) -> None:
        self.assertIn("ntk\\-long", reference("man"))

    @unittest.skipUnless(shutil.which("groff"), "groff is not installed")
    def test_groff_has_nothing_to_say(self) -> None:
        done = run("groff", "-man", "-Tutf8", "-K", "utf8", "-ww", "-z", text=reference("man"))
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    @unittest.skipUnless(shutil.which("man"), "man is not installed")
    def test_man_shows_it(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            page = Path(folder) / "treble.1"
            page.write_text(reference("man"))
            done = subprocess.run(
                ["man", "-l", str(page)],
                env={**os.environ, "MANWIDTH": "80", "LC_ALL": "C.UTF-8", "MANPAGER": "cat"},
                text=True,
                capture_output=True,
                check=False,
            )
        self.assertEqual((done.returncode, done.stderr), (0, ""))
        # Words of justified lines stand apart.
        shown = " ".join(re.sub(".\b", "", done.stdout).split())
        for words in ("treble embed", "--max-length N", "Exit codes: 0 done"):
            self.assertIn(words, shown)


class Bash(unittest.TestCase):
    def test_it_parses(self) -> None:
        done = run("bash", "-n", text=reference("bash"))
        self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_commands(self) -> None:
        self.assertEqual(bash_completes("treble", "in"), ["inspect", "info"])
        self.assertTrue(set(commands()) < set(bash_completes("treble", "")))

    def test_every_option(self) -> None:
        for command in commands():
            self.assertLessEqual(set(options(command)) - {"-h", "--help"}, set(bash_completes("treble", command, "-")))

    def test_values(self) -> None:
        self.assertEqual(bash_completes("treble", "embed", "--truncate", "e"), ["end", "error"])
        self.assertEqual(bash_completes("treble", "embed", "--truncate", "=", "s"), ["start"])
        self.assertIn("recur", bash_completes("treble", "info", "--extend", ""))

    def test_files_and_folders(self) -> None:
        here = os.getcwd()
        with tempfile.TemporaryDirectory() as folder:
            os.chdir(folder)
            try:
                Path("a folder").mkdir()
                Path("a text.jsonl").touch()
                self.assertEqual(bash_completes("treble", "embed", "-m", "a"), ["a folder"])
                self.assertEqual(sorted(bash_completes("treble", "embed", "a")), ["a folder", "a text.jsonl"])
            finally:
                os.chdir(here)


@unittest.skipUnless(shutil.which("zsh"), "zsh is not installed")
class Zsh(unittest.TestCase):
    def test_it_parses(self) -> None:
        done = run("zsh", "-n", "/dev/stdin", text=reference("zsh"))
        self.assertEqual((done.returncode, done.stderr), (0, ""))


class ZshText(unittest.TestCase):
    def test_every_command_and_option_is_there(self) -> None:
        script = reference("zsh")
        for command in commands():
            section = script.split(f"\n    {command})\n")[1].split("      ;;\n")[0]
            for option in options(command):
                self.assertRegex(section, re.escape(option) + r"=?\[", command)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--treble", required=True)
    parsed, rest = parser.parse_known_args()
    ARGUMENTS.treble = str(Path(parsed.treble).resolve())
    return 0 if unittest.main(argv=[sys.argv[0], *rest], exit=False).result.wasSuccessful() else 1


if __name__ == "__main__":
    sys.exit(main())
