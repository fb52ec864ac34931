"""The console script."""

from __future__ import annotations

import subprocess
import sys

import pytest
import treble
from treble import cli


def run(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "treble.cli", *arguments]
    return subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=60, check=False)


def test_is_the_program(encoder: treble.SentenceEncoder) -> None:
    assert run("--version").stdout.startswith(f"treble {treble.__version__} ")
    done = run("embed", "-q", "-m", encoder._path, stdin="the cat\n")
    assert (done.returncode, done.stderr) == (0, "")
    assert '"embedding"' in done.stdout
    wrong = run("embed", "-m", "nowhere")
    assert wrong.returncode == 66
    assert "nowhere" in wrong.stderr


def test_commands_of_python(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    seen: list[list[str]] = []

    class Module:
        @staticmethod
        def main(arguments: list[str]) -> int:
            seen.append(arguments)
            return 7

    monkeypatch.setitem(cli.COMMANDS, "greet", ("treble_greet", "says hello"))
    monkeypatch.setitem(sys.modules, "treble_greet", Module)  # type: ignore[arg-type]
    assert cli.main(["greet", "--loud", "you"]) == 7
    assert seen == [["--loud", "you"]]
    assert cli.main(["--help"]) == 0
    help_text = capfd.readouterr().out
    assert "embed" in help_text
    assert help_text.index("embed") < help_text.index("greet ")
    assert "says hello" in help_text
