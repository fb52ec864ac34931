#!/usr/bin/env python3
"""Drives `treble passkey` on the small trained model: maps, perplexity, outputs, slips.

Needs nothing but the standard library: `test_passkey.py --treble PROGRAM --tests FOLDER`.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

ARGUMENTS = argparse.Namespace(treble="", tests="")


def treble(*arguments: str | bytes | Path) -> subprocess.CompletedProcess[str]:
    """Runs the command to its end."""
    model = Path(ARGUMENTS.tests) / "data" / "state-passkey" / "model"
    command = [ARGUMENTS.treble, "passkey", *([] if "--model" in arguments else ["--model", model]), *arguments]
    return subprocess.run(
        [one if isinstance(one, bytes) else str(one) for one in command],
        text=True,
        capture_output=True,
        timeout=120,
        check=False,
        env=dict(os.environ),
    )


class Passkey(unittest.TestCase):
    """What people see."""

    def report(self, *arguments: str) -> dict:
        done = treble("--json", "-", *arguments)
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)

    def test_maps(self) -> None:
        lengths = ("--lengths", "128,1024", "--samples", "20", "--rows", "5")
        report = self.report(*lengths, "--state", "window:256", "--state", "none")
        self.assertEqual(report["kind"], "passkey")
        self.assertEqual([one["state"] for one in report["maps"]], ["none", "window:256"])
        trained, windowed = report["maps"]
        self.assertGreaterEqual(sum(trained["columns"][0]["right"]), 18)
        self.assertLessEqual(sum(trained["columns"][1]["right"]), 2)
        self.assertGreaterEqual(sum(windowed["columns"][1]["right"]), 3)
        self.assertEqual(trained["columns"][0]["samples"], [4] * 5)
        self.assertEqual(report, self.report(*lengths, "--state", "window:256", "--threads", "1"))

    def test_table_and_page(self) -> None:
        with tempfile.TemporaryDirectory() as folder:
            page = Path(folder) / "passkey.html"
            done = treble("--lengths", "128", "--samples", "10", "--html", str(page))
            self.assertEqual(done.returncode, 0, done.stderr)
            self.assertIn("state: none", done.stdout)
            self.assertIn("wrote", done.stderr)
            self.assertIn('"passkey"', page.read_text())
            self.assertEqual(treble("--html", str(page)).returncode, 64)

    def test_perplexity(self) -> None:
        report = self.report("--perplexity", "sentence", "--tokens", "2048", "--state", "window:128")
        self.assertEqual(report["states"], ["none", "window:128"])
        first, last = report["ranges"][6], report["ranges"][-1]
        self.assertGreater(last["perplexity"][0], 1.5 * first["perplexity"][0])
        self.assertLess(last["perplexity"][1], 1.2 * first["perplexity"][1])
        self.assertEqual(self.report("--perplexity", "newlines", "--tokens", "64")["prompt"], "newlines")

    def test_slips(self) -> None:
        bert = Path(ARGUMENTS.tests) / "golden" / "bert" / "model"
        for arguments, code, message in (
            (("--lengths", "20"), 64, "--lengths has 20"),
            (("--lengths", "99999999999"), 64, "--lengths has 99999999999"),
            (("--filler", b"\xff"), 64, "--filler: "),
            (("--samples", "0"), 64, "--samples is 0"),
            (("--passkey", "none"), 64, '--passkey "none" has no {key}'),
            (("--state", "window"), 64, "write none, rri:A,B"),
            (("--state", "norm:nowhere.json"), 66, "nowhere.json"),
            (("--perplexity", "words"), 64, "newlines"),
            (("--tokens", "9"), 64, "--tokens is of --perplexity"),
            (("--perplexity", "newlines", "--seed", "1"), 64, "--seed means nothing with --perplexity"),
            (("--perplexity", "newlines", "--tokens", "1"), 64, "--tokens is 1"),
            (("--perplexity", "newlines", "--tokens", "99999999999"), 64, "--tokens is 99999999999"),
            (("--model", str(bert)), 69, "this is for Mamba-2 models"),
        ):
            done = treble(*arguments)
            self.assertEqual(done.returncode, code, (arguments, done.stderr))
            self.assertIn(message, done.stderr)
            self.assertEqual(done.stdout, "")


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--treble", required=True)
    parser.add_argument("--tests", required=True)
    _, rest = parser.parse_known_args(namespace=ARGUMENTS)
    return 0 if unittest.main(argv=[sys.argv[0], *rest], exit=False).result.wasSuccessful() else 1


if __name__ == "__main__":
    sys.exit(main())
