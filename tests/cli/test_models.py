#!/usr/bin/env python3
"""Drives `treble models`: every kind of folder, the cache, and models that do not run. Standard library alone.

`test_models.py --treble PROGRAM --tests tests`.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
import tiny_mamba2

ARGUMENTS = argparse.Namespace(treble="", tests="")


class Models(unittest.TestCase):
    """A folder of its own for each test, and an empty cache."""

    def setUp(self) -> None:
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.folder = Path(holder.name)
        self.golden = Path(ARGUMENTS.tests).resolve() / "golden"

    def models(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [ARGUMENTS.treble, "models", *map(str, arguments)],
            text=True,
            capture_output=True,
            timeout=120,
            check=False,
            cwd=self.folder,
            env={**os.environ, "HF_HUB_CACHE": str(self.folder / "hub"), "TREBLE_MODEL": ""},
        )

    def verdicts(self, *arguments: str | Path) -> dict[str, dict]:
        done = self.models("--json", *arguments)
        self.assertEqual(done.returncode, 0, done.stderr)
        return {Path(one["model"]).name: one for one in json.loads(done.stdout)}

    def test_every_kind_and_why_others_do_not_run(self) -> None:
        several = self.folder / "several"
        several.mkdir()
        (several / "bert").symlink_to(self.golden / "bert" / "model")
        (several / "pairs").symlink_to(self.golden / "rerankers" / "bert" / "model")
        tiny_mamba2.make_model(several / "mamba")
        for name, change in (("unknown", {"model_type": "no_such_family"}), ("odd", {"no_such_key": 3})):
            shutil.copytree(self.golden / "bert" / "model", several / name)
            config = json.loads((several / name / "config.json").read_text())
            (several / name / "config.json").write_text(json.dumps(config | change))
        shutil.copytree(several / "bert", several / "empty")
        (several / "empty" / "model.safetensors").unlink()
        (several / "no model").mkdir()
        found = self.verdicts(several)
        self.assertEqual(list(found), ["bert", "empty", "mamba", "odd", "pairs", "unknown"])
        self.assertEqual([name for name, one in found.items() if not one["runs"]], ["empty", "unknown"])
        self.assertEqual(found["unknown"]["error_code"], "unsupported")
        self.assertIn("no_such_family", found["unknown"]["error"])
        self.assertIn("model.safetensors", found["empty"]["error"])
        self.assertIn("no_such_key", " ".join(found["odd"]["warnings"]))
        self.assertEqual(
            [found[name]["lever"] for name in ("bert", "mamba", "pairs")], ["temperature", "state", "temperature"]
        )
        self.assertRegex(found["bert"]["kind"], r"^\d+-dimensional vectors$")
        self.assertRegex(found["pairs"]["kind"], r"^\d+ scores? a pair$")
        shown = self.models(several)
        self.assertEqual(shown.returncode, 0, shown.stderr)
        self.assertIn("4 of 6 models run", shown.stdout)
        self.assertIn("warning: ", shown.stdout)

    def test_the_cache_and_the_folder_models(self) -> None:
        snapshot = self.folder / "hub" / "models--some--tiny" / "snapshots" / "abc"
        shutil.copytree(self.golden / "bert" / "model", snapshot)
        (self.folder / "hub" / "models--some--broken" / "snapshots").mkdir(parents=True)
        (self.folder / "models").mkdir()
        (self.folder / "models" / "local").symlink_to(self.golden / "bert" / "model")
        done = self.models("--json")
        self.assertEqual(done.returncode, 0, done.stderr)
        found = json.loads(done.stdout)
        self.assertEqual([(one["model"], one["runs"]) for one in found],
                         [("some/broken", False), ("some/tiny", True), ("models/local", True)])  # fmt: skip
        self.assertIn("download was not finished", found[0]["error"])

    def test_a_mixture_of_experts(self) -> None:
        model = self.golden / "nomic-bert-moe" / "model"
        found = self.verdicts(model)["model"]
        self.assertEqual((found["num_experts"], found["active_experts"]), (5, 2))
        self.assertLess(found["active_parameters"], found["num_parameters"])
        self.assertIn("(2 of 5 experts)", self.models(model).stdout)
        plain = self.verdicts(self.golden / "bert" / "model")["model"]
        self.assertEqual((plain["num_experts"], plain["active_experts"]), (0, 0))
        self.assertEqual(plain["active_parameters"], plain["num_parameters"])
        self.assertNotIn("experts", self.models(self.golden / "bert" / "model").stdout)
        info = [ARGUMENTS.treble, "info", "--model", str(model)]
        shown = subprocess.run(info, text=True, capture_output=True, timeout=120, check=True).stdout
        self.assertRegex(shown, r"experts +2 of 5 for each token: it goes through [\d,]+ of the parameters")
        self.assertRegex(shown, r"experts +2 of 5 for each token, each 48 wide, in 2 of 4 layers")

    def test_the_page_of_known_models(self) -> None:
        docs = Path(ARGUMENTS.tests).resolve().parent / "docs"
        rows = re.findall(
            r"^\| (\S+/[^|]+) \| (\w[\w-]*) \| ([^|]+) \| ([^|]*)\|$", (docs / "known-models.md").read_text(), re.M
        )
        self.assertGreater(len(rows), 100)
        self.assertEqual(len({name for name, *_ in rows}), len(rows))
        families = {name for cell in re.findall(r"^\| ([\w, -]+) \| vocab_size", (docs / "models.md").read_text(), re.M)
                    for name in cell.split(", ")} | {"StaticEmbedding"}  # fmt: skip
        for name, family, state, why in rows:
            self.assertIn(state, ("**weights**", "family", "not yet"), name)
            if state == "not yet":
                self.assertTrue(why.strip(), name)
            else:
                self.assertIn(family, families, name)

    def test_nothing_there(self) -> None:
        done = self.models()
        self.assertEqual(done.returncode, 66, done.stderr)
        self.assertIn("treble pull", done.stderr)
        self.assertIn("nowhere", self.verdicts("nowhere")["nowhere"]["error"])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--treble", required=True)
    parser.add_argument("--tests", required=True)
    parsed, rest = parser.parse_known_args()
    ARGUMENTS.treble, ARGUMENTS.tests = str(Path(parsed.treble).resolve()), parsed.tests
    return 0 if unittest.main(argv=[sys.argv[0], *rest], exit=False).result.wasSuccessful() else 1


if __name__ == "__main__":
    sys.exit(main())
