"""Encoders that come and go leave nothing behind. benchmarks/python_soak.py does it for minutes, with a real model."""

from __future__ import annotations

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

BENCHMARKS = Path(__file__).resolve().parents[3] / "benchmarks"
ROUNDS = """
import asyncio
import contextlib
import python_soak as soak
import treble

kept = []
encoder = treble.SentenceEncoder(soak.SMALL, threads=2)
column = ["a letter from the harbour", "tea"]


def run(number):
    # The same texts each time: oneDNN's primitives are all there after the first round.
    soak.many_alive(0)
    encoder.encode(column)
    encoder.token_counts(column)
    asyncio.run(encoder.aencode(column))
    with contextlib.suppress(treble.Error):
        encoder.encode(column, temperature=-1.0)
    {leak}


soak.check_levels_off(soak.watch(run, lambda rounds: rounds == 9), allowed_kib=192)
"""


def run_rounds(leak: str) -> subprocess.CompletedProcess[str]:
    """In a process of its own. Of four rounds with 32 encoders each 192 KiB may remain, for chance decides which thread
    meets which shape first."""
    paths = [str(BENCHMARKS), *sys.path]
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(ROUNDS).replace("{leak}", leak)],
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))},
    )


def test_memory_levels_off() -> None:
    ended = run_rounds("pass")
    assert (ended.returncode, ended.stderr) == (0, "")


@pytest.mark.parametrize(
    ("leak", "named"),
    [
        ("kept.append(treble.SentenceEncoder(soak.SMALL, threads=1))", "memory in use grew"),
        ("kept.append(bytes(100_000))", "memory in use grew"),
        ("kept.append(open(__import__('os').devnull))", "files open or mapped"),
    ],
)
def test_a_leak_is_found(leak: str, named: str) -> None:
    ended = run_rounds(leak)
    assert ended.returncode == 1
    assert named in ended.stderr
