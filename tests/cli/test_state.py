#!/usr/bin/env python3
"""Drives `--state` on a tiny Mamba-2 model: what it changes, what is recorded, and what is refused, by every command.

Needs nothing but the standard library: `test_state.py --treble PROGRAM --golden tests/golden`.
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
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import tiny_mamba2

ARGUMENTS = argparse.Namespace(treble="", golden="")
UNSUPPORTED = 69
TEXTS = [tiny_mamba2.text(words, first=words) for words in (3, 12, 40, 90)]
UNTOUCHED = ("none", "rri:1,1", "norm:inf")
CONTROLS = ("rri:0.999,0.75", "window:16", "norm:0.05")


class State(unittest.TestCase):
    """One model for all; a folder of its own for each test."""

    @classmethod
    def setUpClass(cls) -> None:
        cls.holder = tempfile.TemporaryDirectory()
        cls.model = tiny_mamba2.make_model(Path(cls.holder.name) / "tiny-mamba2")

    @classmethod
    def tearDownClass(cls) -> None:
        cls.holder.cleanup()

    def setUp(self) -> None:
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.folder = Path(holder.name)
        self.input = self.folder / "texts.txt"
        self.input.write_text("\n".join(TEXTS) + "\n")

    def run_treble(self, *arguments: str | Path, code: int = 0, model: Path | None = None) -> tuple[str, str]:
        """Standard output and error."""
        command = [ARGUMENTS.treble, arguments[0], "--model", model or self.model, *arguments[1:]]
        done = subprocess.run(
            [str(part) for part in command], text=True, capture_output=True, timeout=120, check=False,
            env=dict(os.environ),
        )  # fmt: skip
        self.assertEqual(done.returncode, code, done.stderr)
        return done.stdout, done.stderr

    def embed(self, *arguments: str | Path) -> tuple[dict[str, Any], list[list[float]]]:
        """Header without the time of the run, which differs between two runs, and vectors."""
        header, *rows = map(json.loads, self.run_treble("embed", *arguments, self.input)[0].splitlines())
        header["treble"].pop("created")
        return header["treble"], [row["embedding"] for row in rows]

    def sweep_data(self) -> Path:
        """Documents of many lengths, each found by its last words."""
        data = self.folder / "beir"
        (data / "qrels").mkdir(parents=True)
        documents = [tiny_mamba2.text(4 + 3 * (i % 10), first=11 * i) for i in range(30)]
        rows = [json.dumps({"_id": f"d{i}", "title": "", "text": text}) for i, text in enumerate(documents)]
        queries = [
            json.dumps({"_id": f"q{i}", "text": " ".join(text.split()[-3:])}) for i, text in enumerate(documents[:20])
        ]
        (data / "corpus.jsonl").write_text("\n".join(rows) + "\n")
        (data / "queries.jsonl").write_text("\n".join(queries) + "\n")
        judged = "".join(f"q{i}\td{i}\t1\n" for i in range(20))
        (data / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\n" + judged)
        return data

    # What it does.

    def test_forms_that_leave_the_model_as_trained_do_so_bit_for_bit(self) -> None:
        header, plain = self.embed()
        self.assertNotIn("state", header)
        for state in UNTOUCHED:
            self.assertEqual(self.embed("--state", state), (header, plain), state)
        longest = max(len(text.split()) for text in TEXTS)
        self.assertEqual(self.embed("--state", f"window:{longest}")[1], plain)

    def test_each_control_changes_the_vectors_it_can_reach(self) -> None:
        plain = self.embed()[1]
        for state in CONTROLS:
            header, vectors = self.embed("--state", state)
            self.assertEqual((header["state"], header["state_canonical"]), (state, state))
            self.assertNotEqual(vectors[-1], plain[-1], state)
        window = self.embed("--state", "window:16")[1]
        self.assertEqual(window[:2], plain[:2])

    def test_the_sidecar_the_summary_and_stderr_say_it(self) -> None:
        output, summary = self.folder / "out.npy", self.folder / "summary.json"
        _, said = self.run_treble(
            "embed", "--state", "rri:0.9999,0.75", self.input, "-o", output, "--json-summary", summary
        )
        sidecar = json.loads((self.folder / "out.npy.json").read_text())
        self.assertEqual(sidecar["state"], "rri:0.9999,0.75")
        self.assertEqual(sidecar["tempered_layers"], 0)
        self.assertEqual(json.loads(summary.read_text())["state"], "rri:0.9999,0.75")
        self.assertIn("state rri:0.9999,0.75 in 2 layers", said)
        self.assertNotIn("temperature", said)
        self.assertIn("state none: the model as trained", self.run_treble("embed", self.input)[1])

    def test_an_output_is_not_continued_under_another_control(self) -> None:
        output = self.folder / "out.npy"
        self.run_treble("embed", "--state", "window:16", self.input, "-o", output)
        self.input.write_text(self.input.read_text() + TEXTS[0] + "\n")
        _, said = self.run_treble("embed", "--resume", self.input, "-o", output, code=64)
        self.assertIn("state_canonical", said)
        self.run_treble("embed", "--resume", "--state", "window:16", self.input, "-o", output)

    def test_norms_of_heads_come_from_a_file_by_content(self) -> None:
        norms = tiny_mamba2.write_norms(self.folder / "norms.json", 0.05)
        header, vectors = self.embed("--state", f"norm:{norms}")
        self.assertEqual(header["state"], f"norm:{norms}")
        self.assertRegex(header["state_canonical"], "^norms:[0-9a-f]{64}$")
        self.assertEqual(vectors, self.embed("--state", "norm:0.05")[1])
        said = self.run_treble(
            "embed", "--state", f"norm:{norms}", self.input, "--json-summary", norms, "--force", code=64
        )[1]
        self.assertIn("--state", said)
        norms.write_text(norms.read_text().replace("[[", "[[0.1, "))
        self.assertIn("norms.json", self.run_treble("embed", "--state", f"norm:{norms}", self.input, code=65)[1])

    # What the model is.

    def test_info_says_that_there_are_states_and_no_attention(self) -> None:
        table = self.run_treble("info")[0]
        self.assertIn("acts on 2 layers, each of 4 heads of 8 x 16 numbers", table)
        self.assertIn("none: the state carries the order", table)
        self.assertIn("refused: there is no attention layer", table)
        info = json.loads(self.run_treble("info", "--json")[0])
        self.assertEqual([info[key] for key in ("state_layers", "state_head_dim", "state_size")], [2, 8, 16])
        self.assertEqual(info["tempered_layers"], 0)
        self.assertEqual(set(info["switches"]), {"positions", "norm", "state", "convolution"})
        self.assertEqual(info["switches"]["state"], "4 heads of 8 x 16 numbers, 1 group of B and C")
        self.assertEqual(info["switches"]["convolution"], "causal, over 4 tokens, silu")
        other = json.loads(self.run_treble("info", "--json", model=Path(ARGUMENTS.golden) / "bert/model")[0])
        self.assertEqual([other[key] for key in ("state_layers", "state_head_dim", "state_size")], [0, 0, 0])

    # What is refused.

    def test_a_model_without_a_state_refuses_a_control(self) -> None:
        bert = Path(ARGUMENTS.golden) / "bert/model"
        for command in (
            ("embed", "--state", "window:16", self.input),
            (
                "fit",
                "--transform",
                "centring",
                "--state",
                "window:16",
                self.input,
                "-o",
                self.folder / "fit.safetensors",
            ),
            ("sweep", "--state", "window:16", self.sweep_data()),
            ("serve", "--port", "0", "--state", "window:16"),
        ):
            said = self.run_treble(*command, code=UNSUPPORTED, model=bert)[1]
            self.assertIn("state control window:16 (--state) would change nothing: model has no state", said)
        self.run_treble("embed", "--state", "rri:1,1", self.input, model=bert)

    def test_a_model_without_attention_refuses_temperatures(self) -> None:
        data = self.sweep_data()
        for command in (
            ("embed", "-t", "0.8", self.input),
            ("sweep", "-t", "0.8", data),
            ("inspect", "-t", "0.8", self.input),
            ("serve", "--port", "0", "-t", "0.8"),
        ):
            self.assertIn("no attention layer", self.run_treble(*command, code=UNSUPPORTED)[1], command)
        said = self.run_treble("bake", "-t", "0.8", "-o", self.folder / "baked", code=UNSUPPORTED)[1]
        self.assertIn("a mamba2 model has no attention", said)
        self.assertIn("--state", said)
        self.assertFalse((self.folder / "baked").exists())
        said = self.run_treble(
            "calibrate", "--lengths", "8,16", self.input, "-o", self.folder / "p.json", code=UNSUPPORTED
        )[1]
        self.assertIn("no attention layer", said)

    def test_what_is_no_control_is_refused_with_the_forms(self) -> None:
        for text in ("window", "window:0", "window:1.5", "rri:2,1", "rri:0.9", "norm:0", "norm:-1", "log:64"):
            said = self.run_treble("embed", "--state", text, self.input, code=64)[1]
            self.assertIn("--state: state control", said, text)
        self.assertIn("norm:FILE.json", self.run_treble("embed", "--state", "window", self.input, code=64)[1])
        self.assertIn("no.json", self.run_treble("embed", "--state", "norm:no.json", self.input, code=66)[1])

    # Other commands.

    def test_sweep_tries_states_in_place_of_temperatures(self) -> None:
        data, report = self.sweep_data(), self.folder / "report.json"
        said = self.run_treble("sweep", "--bootstrap", "100", "--post", "none", "--json", report, data)[0]
        found = json.loads(report.read_text())
        names = [setting["name"] for setting in found["settings"]]
        self.assertEqual(names, ["none", "rri:0.9999,0.75", "window:512", "window:2048"])
        self.assertEqual({setting["temperature"] for setting in found["settings"]}, {"1"})
        # No document is so long.
        self.assertEqual(found["settings"][0]["value"], found["settings"][2]["value"])
        self.assertIn("control of the state on all texts", said)
        self.assertNotIn("temperature", said)

    def test_sweep_of_given_states_names_the_flag_to_use(self) -> None:
        data, report = self.sweep_data(), self.folder / "report.json"
        self.run_treble(
            "sweep", "--bootstrap", "100", "--post", "chunk-mean:8", "--state", "window:4", "--json", report, data
        )
        found = json.loads(report.read_text())
        self.assertEqual(
            [setting["name"] for setting in found["settings"]],
            ["none", "chunk-mean:8", "window:4", "window:4 + chunk-mean:8"],
        )
        self.assertEqual([axis["name"] for axis in found["axes"]], ["state", "post"])
        self.assertEqual(
            [one["state_canonical"] for one in found["settings"]], ["none", "none", "window:4", "window:4"]
        )
        values = [one["value"] for one in found["settings"]]
        self.assertNotEqual(values[0], values[2])
        uses = {"none": "", "window:4": "--state window:4", "chunk-mean:8": "--post chunk-mean:8",
                "window:4 + chunk-mean:8": "--state window:4 --post chunk-mean:8"}  # fmt: skip
        self.assertEqual(found["embed_arguments"], uses[found["winner"]])

    def test_fit_belongs_to_its_control(self) -> None:
        step = self.folder / "centring.safetensors"
        self.run_treble("fit", "--transform", "centring", "--state", "window:16", self.input, "-o", step)
        header, _ = self.embed("--post", step, "--state", "window:16")
        self.assertEqual(header["state"], "window:16")
        said = self.run_treble("embed", "--post", step, self.input, code=64)[1]
        self.assertIn("fitted on vectors of state window:16", said)

    def test_inspect_leaves_attention_out(self) -> None:
        report = self.folder / "report.json"
        self.input.write_text("\n".join(tiny_mamba2.text(4 + i % 80, first=i) for i in range(160)) + "\n")
        table = self.run_treble("inspect", "--cut-lengths", "8,16", "--json", report, self.input)[0]
        found = json.loads(report.read_text())
        self.assertEqual(found["attention"], [])
        self.assertEqual({row["layer"] for row in found["tokens"]}, {0, 1, 2})
        self.assertNotIn("Attention", table)
        self.assertNotIn("emperature", " ".join(found["advice"]))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--treble", required=True)
    parser.add_argument("--golden", required=True)
    options, rest = parser.parse_known_args(namespace=ARGUMENTS)
    unittest.main(argv=[sys.argv[0], *rest])
