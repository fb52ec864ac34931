#!/usr/bin/env python3
"""Drives `treble bake`: a baked folder embeds as the tempered original does, and every refusal has its exit code.

Needs nothing but the standard library: `test_bake.py --treble PROGRAM --golden tests/golden`.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

ARGUMENTS = argparse.Namespace(treble="", golden="")
TEXTS = (
    "A short text.\n\nAnother one that is somewhat longer than the first, and says so itself.\n" + "word " * 200 + "\n"
)


def treble(*arguments: str | Path, stdin: str = "", **environment: str) -> subprocess.CompletedProcess[str]:
    """Runs the program to its end."""
    command = [ARGUMENTS.treble, *map(str, arguments)]
    settings = {**os.environ, **environment}
    return subprocess.run(command, input=stdin, text=True, capture_output=True, timeout=120, check=False, env=settings)


class Bake(unittest.TestCase):
    """A folder of its own for each test."""

    def setUp(self) -> None:
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.folder = Path(holder.name)

    def model(self, name: str = "bert") -> Path:
        return Path(ARGUMENTS.golden) / name / "model"

    def bake(self, *arguments: str | Path, code: int = 0) -> str:
        """Runs bake and returns its standard error."""
        done = treble("bake", *arguments)
        self.assertEqual(done.returncode, code, done.stderr)
        return done.stderr

    def vectors(self, model: Path, *arguments: str) -> list[list[float]]:
        done = treble("embed", "--model", model, *arguments, stdin=TEXTS)
        self.assertEqual(done.returncode, 0, done.stderr)
        return [json.loads(line)["embedding"] for line in done.stdout.splitlines()[1:]]

    def test_an_adapter_is_merged(self) -> None:
        adapter = Path(ARGUMENTS.golden) / "adapters/bert-all-biases/adapter"
        output = self.folder / "merged"
        said = self.bake("--model", self.model(), "--adapter", adapter, "-o", output)
        self.assertIn(f"merged the adapter {adapter}", said)
        merged = self.vectors(self.model(), "--adapter", str(adapter))
        self.assertEqual(self.vectors(output), merged)
        self.assertNotEqual(self.vectors(self.model()), merged)
        info = json.loads(treble("info", "--json", "--model", self.model(), "--adapter", adapter).stdout)
        self.assertEqual(info["adapter"], str(adapter.resolve()))
        tempered = self.folder / "tempered"
        self.bake("--model", self.model(), "--adapter", adapter, "-t", "0.5", "-o", tempered)
        self.assertEqual(self.vectors(tempered), self.vectors(self.model(), "--adapter", str(adapter), "-t", "0.5"))
        self.assertIn("nothing to bake", self.bake("--model", self.model(), "-o", self.folder / "x", code=64))
        done = treble("embed", "--model", self.model(), "--adapter", self.folder / "nowhere", stdin=TEXTS)
        self.assertEqual(done.returncode, 66)

    def test_a_task_is_named_or_is_that_of_the_prompt(self) -> None:
        model = self.folder / "model"
        shutil.copytree(self.model(), model)
        shutil.copytree(Path(ARGUMENTS.golden) / "adapters/bert-all-biases/adapter", model / "adapters/retrieval")
        (model / "config_sentence_transformers.json").write_text('{"prompts": {"retrieval": "Query: "}}')
        done = treble("embed", "--model", model, stdin=TEXTS)
        self.assertEqual(done.returncode, 64)
        self.assertIn("the tasks retrieval, and none was chosen; name one with --task", done.stderr)
        chosen = self.vectors(model, "--task", "retrieval", "--prompt-name", "retrieval")
        self.assertEqual(self.vectors(model, "--prompt-name", "retrieval"), chosen)
        self.assertNotEqual(self.vectors(model, "--task", "none"), self.vectors(model, "--task", "retrieval"))
        output = self.folder / "baked"
        self.bake("--model", model, "--task", "retrieval", "-o", output)
        self.assertEqual(self.vectors(output, "--prompt-name", "retrieval"), chosen)

    def test_a_baked_folder_says_so_everywhere(self) -> None:
        output = self.folder / "baked"
        self.bake("--model", self.model(), "--temperature", "0.7", "-o", output)
        self.assertEqual(json.loads(treble("info", "--model", output, "--json").stdout)["baked_temperature"], "0.7")
        self.assertIn("temperature 0.7", treble("info", "--model", output).stdout)
        done = treble("embed", "--model", output, stdin=TEXTS)
        self.assertEqual(json.loads(done.stdout.splitlines()[0])["treble"]["baked_temperature"], "0.7")
        self.assertIn("temperature 0.7 in its weights", done.stderr)
        report = treble("inspect", "--model", output, "--json", "-", "--format", "txt", stdin=TEXTS)
        self.assertEqual(json.loads(report.stdout)["baked_temperature"], "0.7", report.stderr)
        untouched = json.loads(treble("info", "--model", self.model(), "--json").stdout)
        self.assertIsNone(untouched["baked_temperature"])

    def difference(self, name: str, *options: str) -> float:
        """Between the baked folder and the tempered original."""
        output = self.folder / name
        self.bake("--model", self.model(name), "--temperature", "0.7", "-o", output, *options)
        baked = self.vectors(output)
        original = self.vectors(self.model(name), "--temperature", "0.7", *options)
        self.assertEqual(len(baked), len(original))
        return max(
            abs(a - b) for row, other in zip(baked, original, strict=True) for a, b in zip(row, other, strict=True)
        )

    def test_equals_the_tempered_original(self) -> None:
        for name in ("bert", "mpnet", "qwen3", "gemma3-text"):
            with self.subTest(name):
                self.assertLessEqual(self.difference(name), 1e-5)
        self.assertLessEqual(self.difference("jina-bert-v2", "--temper-position-bias=false"), 1e-5)

    def test_says_what_it_did(self) -> None:
        message = self.bake("--model", self.model("bert-bf16"), "-t", "0.7", "-o", self.folder / "out")
        self.assertIn("tensors changed, rounded by at most", message)
        self.assertIn("--dtype float32", message)
        exact = self.bake("--model", self.model("bert-bf16"), "-t", "0.5", "-o", self.folder / "exact")
        self.assertIn("without rounding", exact)
        provenance = json.loads((self.folder / "out/treble.json").read_text())
        self.assertEqual(provenance["baked"]["temperature"], "0.7")

    def test_refusals(self) -> None:
        out = self.folder / "out"
        self.bake("--model", self.model(), "-t", "1", "-o", out, code=64)
        self.bake("--model", self.model(), "-t", "warm", "-o", out, code=64)
        self.bake("--model", self.model(), "-o", out, code=64)
        self.bake("--model", self.model(), "-t", "0.8", code=64)
        self.bake("--model", self.folder / "nowhere", "-t", "0.8", "-o", out, code=66)
        self.assertIn("ALiBi", self.bake("--model", self.model("jina-bert-v2"), "-t", "0.8", "-o", out, code=64))
        self.bake("--onnx", "a", "b", "-t", "0.8", "-o", out, code=64)
        self.assertEqual(list(self.folder.iterdir()), [])
        self.bake("--model", self.model(), "-t", "0.8", "-o", out)
        self.assertIn("--force", self.bake("--model", self.model(), "-t", "0.8", "-o", out, code=64))
        self.bake("--model", self.model(), "-t", "0.8", "-o", out, "--force")

    def test_profiles(self) -> None:
        table = {"lengths": [64], "logit_scales": [[[1.5], [0.8], [1.1], [2.0]], [[1.0], [1.2], [1.4], [0.7]]]}
        profile = self.folder / "profile.json"
        profile.write_text(json.dumps({"schema": "treble.temperature_profile/1", **table}))
        self.bake("--model", self.model(), "-t", profile, "-o", self.folder / "out")
        baked = self.vectors(self.folder / "out")
        original = self.vectors(self.model(), "--temperature", str(profile))
        for row, other in zip(baked, original, strict=True):
            self.assertLessEqual(max(abs(a - b) for a, b in zip(row, other, strict=True)), 1e-5)
        scales = json.loads((self.folder / "out/treble.json").read_text())["baked"]["logit_scale"]
        self.assertEqual(scales[0], [1.5, 0.8, 1.1, 2.0])

    def test_what_depends_on_length(self) -> None:
        for written in ("log:64", "ssmax:0.4", "yarn:64"):
            message = self.bake("--model", self.model(), "-t", written, "-o", self.folder / "out", code=64)
            self.assertIn("depends on how long each text is", message)
            message = self.bake("--onnx", "in.onnx", "out.onnx", "-t", written, code=64)
            self.assertIn("depends on how long each text is", message)

    def test_without_python_or_onnx(self) -> None:
        for python in (str(self.folder / "none"), "/bin/false"):
            done = treble("bake", "--onnx", "in.onnx", "out.onnx", "-t", "0.8", TREBLE_PYTHON=python)
            self.assertEqual(done.returncode, 66)
            self.assertIn("pip install onnx", done.stderr)
            self.assertIn(python, done.stderr)

    def test_a_killed_run_leaves_nothing_under_the_name(self) -> None:
        for delay in (0.0, 0.002, 0.005, 0.01, 0.02):
            output = self.folder / f"out{delay}"
            command = [ARGUMENTS.treble, "bake", "--model", str(self.model()), "-t", "0.8", "-o", str(output)]
            with subprocess.Popen(command, stderr=subprocess.DEVNULL) as process:
                time.sleep(delay)
                process.send_signal(signal.SIGKILL)
            if output.exists():  # it was faster than the signal
                self.assertEqual(len(self.vectors(output)), len(self.vectors(self.model())))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--treble", required=True)
    parser.add_argument("--golden", required=True)
    ARGUMENTS, rest = parser.parse_known_args()
    unittest.main(argv=[sys.argv[0], *rest])
