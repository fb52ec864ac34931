#!/usr/bin/env python3
"""Drives tools/convert_mamba2.py: what it writes is the same model; anything but a Mamba-2 model is refused by name.

Needs torch and safetensors, and says so where they are not: `test_convert_mamba2.py --treble PROGRAM --tool FILE`.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import tiny_mamba2

try:
    import safetensors.torch
    import torch
except ImportError as missing:
    print(f"skipped: {missing}; tools/setup_golden.sh installs what is needed", file=sys.stderr)
    sys.exit(77)

ARGUMENTS = argparse.Namespace(treble="", tool="")
TOOL: Any = None
"""The module of --tool."""
AUTHORS_CONFIG = {
    "d_model": tiny_mamba2.HIDDEN,
    "d_intermediate": 0,
    "n_layer": tiny_mamba2.LAYERS,
    "vocab_size": tiny_mamba2.VOCABULARY,
    "ssm_cfg": {"layer": "Mamba2", "headdim": tiny_mamba2.HEAD_DIM, "d_state": tiny_mamba2.STATE},
    "attn_layer_idx": [],
    "attn_cfg": {},
    "rms_norm": True,
    "residual_in_fp32": True,
    "fused_add_norm": True,
    "pad_vocab_size_multiple": 8,
    "tie_embeddings": True,
}
Tensors = dict[str, Any]


class Convert(unittest.TestCase):
    """A folder of its own for each test, as it is published."""

    def setUp(self) -> None:
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.reference = tiny_mamba2.make_model(Path(holder.name) / "reference")
        self.folder = tiny_mamba2.make_model(Path(holder.name) / "published")
        (self.folder / "model.safetensors").unlink()
        self.write_config(AUTHORS_CONFIG)
        self.tensors = self.published()
        self.write(self.tensors)

    def published(self) -> Tensors:
        """As the authors name them, with the head that shares the memory of the embeddings."""
        tensors: Tensors = {}
        for name, (shape, values) in tiny_mamba2.weights().items():
            tensors[name.replace("embeddings", "embedding")] = torch.tensor(values).reshape(shape)
        tensors["lm_head.weight"] = tensors["backbone.embedding.weight"]
        return tensors

    def write_config(self, config: dict[str, Any]) -> None:
        (self.folder / "config.json").write_text(json.dumps(config))

    def write(self, tensors: Any) -> None:
        torch.save(tensors, self.folder / "pytorch_model.bin")

    def convert(self, *, force: bool = False) -> str:
        return str(TOOL.convert(self.folder, force=force))

    def refused(self, *words: str) -> None:
        with self.assertRaises(TOOL.ConvertError) as raised:
            self.convert()
        for word in words:
            self.assertIn(word, str(raised.exception))
        self.assertEqual([path.name for path in self.folder.glob("*model.safetensors*")], [])

    def rows(self, folder: Path) -> list[list[float]]:
        done = subprocess.run(
            [ARGUMENTS.treble, "embed", "-q", "--model", str(folder)],
            input=f"{tiny_mamba2.text(40)}\n{tiny_mamba2.text(7)}\n",
            text=True, capture_output=True, timeout=120, check=False,
        )  # fmt: skip
        self.assertEqual(done.returncode, 0, done.stderr)
        return [json.loads(line)["embedding"] for line in done.stdout.splitlines()[1:]]

    def test_the_same_model_comes_out(self) -> None:
        self.assertIn("lm_head.weight left out: it is backbone.embedding.weight", self.convert())
        written = safetensors.torch.load_file(self.folder / "model.safetensors")
        self.assertEqual(set(written), set(self.tensors) - {"lm_head.weight"})
        for name, tensor in written.items():
            self.assertTrue(torch.equal(tensor, self.tensors[name]), name)
        self.assertEqual(self.rows(self.folder), self.rows(self.reference))

    def test_types_stay_and_an_untied_head_too(self) -> None:
        halves = {name: tensor.to(torch.bfloat16) for name, tensor in self.tensors.items()}
        halves["lm_head.weight"] = halves["lm_head.weight"] + 1
        self.write(halves)
        self.assertIn("lm_head.weight kept", self.convert())
        written = safetensors.torch.load_file(self.folder / "model.safetensors")
        self.assertEqual({tensor.dtype for tensor in written.values()}, {torch.bfloat16})
        self.assertIn("lm_head.weight", written)

    def test_nothing_is_replaced_unasked(self) -> None:
        self.convert()
        with self.assertRaisesRegex(TOOL.ConvertError, "--force"):
            self.convert()
        self.convert(force=True)

    def test_as_a_program(self) -> None:
        command = [sys.executable, ARGUMENTS.tool, str(self.folder)]
        for code, word in ((0, "20 tensors"), (1, "--force")):
            done = subprocess.run(command, text=True, capture_output=True, timeout=300, check=False)
            self.assertEqual(done.returncode, code, done.stderr)
            self.assertIn(word, done.stdout + done.stderr)

    def test_other_models_are_refused_by_name(self) -> None:
        for config, word in (
            ({**AUTHORS_CONFIG, "ssm_cfg": {}}, "'Mamba1'"),
            ({"model_type": "bert", "num_hidden_layers": 2}, "'bert'"),
            ({**AUTHORS_CONFIG, "n_layer": 0}, '"n_layer" is 0'),
        ):
            self.write_config(config)
            self.refused("config.json", word)
        (self.folder / "config.json").write_text("{")
        self.refused("config.json", "not JSON")

    def test_other_tensors_are_refused_by_name(self) -> None:
        self.write({**self.tensors, "backbone.layers.0.mixer.Wqkv.weight": torch.zeros(2, 2)})
        self.refused("backbone.layers.0.mixer.Wqkv.weight is no part of a Mamba-2 model")
        self.write({**self.tensors, "backbone.layers.2.mixer.D": torch.zeros(4)})
        self.refused("backbone.layers.2.mixer.D", "layers 0 to 1")
        self.write({name: tensor for name, tensor in self.tensors.items() if not name.endswith("1.mixer.A_log")})
        self.refused("1 tensors are missing, the first is backbone.layers.1.mixer.A_log")
        self.write({**self.tensors, "backbone.norm_f.weight": torch.zeros(16, dtype=torch.int64)})
        self.refused("backbone.norm_f.weight has the type torch.int64")

    def test_pickles_that_are_not_tensors_are_refused_unread(self) -> None:
        ran = self.folder / "ran"

        class Code:
            def __reduce__(self) -> tuple[Any, ...]:
                return Path.touch, (ran,)

        self.write({**self.tensors, "backbone.norm_f.weight": Code()})
        self.refused("pytorch_model.bin", "weights alone failed")
        self.assertFalse(ran.exists())
        (self.folder / "pytorch_model.bin").write_bytes(b"not a pickle")
        self.refused("pytorch_model.bin")
        (self.folder / "pytorch_model.bin").unlink()
        self.refused("pytorch_model.bin: not there")

    def test_the_engine_sends_people_here(self) -> None:
        done = subprocess.run(
            [ARGUMENTS.treble, "info", "--model", str(self.folder)], text=True, capture_output=True, check=False
        )
        self.assertNotEqual(done.returncode, 0)
        self.assertIn("tools/convert_mamba2.py", done.stderr)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--treble", required=True)
    parser.add_argument("--tool", required=True)
    options, rest = parser.parse_known_args(namespace=ARGUMENTS)
    found = importlib.util.spec_from_file_location("convert_mamba2", ARGUMENTS.tool)
    assert found is not None and found.loader is not None
    TOOL = importlib.util.module_from_spec(found)
    found.loader.exec_module(TOOL)
    unittest.main(argv=[sys.argv[0], *rest])
