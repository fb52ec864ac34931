#!/usr/bin/env python3
"""Drives `treble convert`: what it writes is the same model; what it cannot convert is refused by name.

Needs Python with numpy for the program: `test_convert.py --treble PROGRAM --golden tests/golden --python PYTHON`.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import shutil
import struct
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))
import tiny_mamba2
import torch_pickles

ARGUMENTS = argparse.Namespace(treble="", golden="", python="")
TEXTS = "The ferry leaves at seven.\na\nletters of the harbour keeper\n"
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
Tensors = dict[str, tuple[list[int], list[float]]]


def read_floats(path: Path) -> Tensors:
    """The tensors of a safetensors file in float32."""
    data = path.read_bytes()
    size = int.from_bytes(data[:8], "little")
    header = json.loads(data[8 : 8 + size])
    header.pop("__metadata__", None)
    found = {}
    for name, one in header.items():
        begin, end = (8 + size + offset for offset in one["data_offsets"])
        found[name] = (one["shape"], list(struct.unpack(f"<{(end - begin) // 4}f", data[begin:end])))
    return found


class Folder(unittest.TestCase):
    """A folder of its own for each test."""

    def setUp(self) -> None:
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.folder = Path(holder.name)

    def treble(
        self, *arguments: str | Path, python: str | None = None, text: str = ""
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [ARGUMENTS.treble, *map(str, arguments)],
            input=text, text=True, capture_output=True, timeout=300, check=False, cwd=self.folder,
            env={**os.environ, "TREBLE_PYTHON": python or ARGUMENTS.python},
        )  # fmt: skip

    def done(self, *arguments: str | Path, text: str = "") -> subprocess.CompletedProcess[str]:
        done = self.treble(*arguments, text=text)
        self.assertEqual(done.returncode, 0, done.stderr)
        return done

    def refused(self, code: int, *arguments: str | Path, words: str) -> None:
        done = self.treble(*arguments)
        self.assertEqual(done.returncode, code, done.stderr)
        self.assertIn(words, done.stderr)
        self.assertIn("treble: error: ", done.stderr)
        self.assertEqual(done.stdout, "")

    def rows(self, model: Path, *options: str, text: str = TEXTS) -> list[list[float]]:
        done = self.done("embed", "-q", "--model", model, *options, text=text)
        return [json.loads(line)["embedding"] for line in done.stdout.splitlines()[1:]]

    def golden(self, name: str) -> Path:
        return Path(ARGUMENTS.golden) / name / "model"

    def pickled(self, name: str) -> Path:
        """A golden model with its weights in pytorch_model.bin, those of modules too."""
        model = self.folder / name
        shutil.copytree(self.golden(name), model)
        for file in model.rglob("model.safetensors"):
            file.with_name("pytorch_model.bin").write_bytes(torch_pickles.saved(read_floats(file), {}))
            file.unlink()
        return model


class Pickles(Folder):
    def test_the_same_model_comes_out(self) -> None:
        model = self.pickled("gemma3-text")
        done = self.done("convert", model, "-o", "new")
        self.assertEqual(done.stdout, "new\n")
        for words in (
            "model.safetensors of pytorch_model.bin: ",
            " tensors (",
            " F32), ",
            " other files copied as they are",
        ):
            self.assertIn(words, done.stderr)
        for options in ((), ("--temperature", "0.7")):
            self.assertEqual(self.rows(self.folder / "new", *options), self.rows(self.golden("gemma3-text"), *options))

    def test_what_the_engine_advises_works(self) -> None:
        model = self.pickled("gemma3-text")
        advice = self.treble("info", "--model", model)
        self.assertEqual(advice.returncode, 66, advice.stderr)
        found = re.search(r"`treble (convert [^`]*)`", advice.stderr)
        assert found is not None, advice.stderr
        self.done(*shlex.split(found[1]))
        self.assertEqual(self.rows(model), self.rows(self.golden("gemma3-text")))
        self.assertTrue((model / "pytorch_model.bin").exists())

    def test_wrong_use(self) -> None:
        model = self.pickled("bert")
        self.refused(64, "convert", model, words="say where the result goes: -o NEW-FOLDER, or --in-place")
        self.refused(64, "convert", model, "-o", "new", "--in-place", words="--in-place")
        self.refused(64, "convert", words="source")
        self.refused(64, "convert", model, "-o", "new", "--pooling", "max", words="--pooling")
        self.refused(66, "convert", "absent", "-o", "new", words="absent: not there")
        self.refused(
            64, "convert", self.golden("bert"), "-o", "new", words="nothing to convert, model.safetensors is there"
        )
        self.done("convert", model, "-o", "new")
        self.refused(64, "convert", model, "-o", "new", words="exists already")
        self.done("convert", model, "-o", "new", "--force")
        (model / "pytorch_model.bin").write_bytes(b"\x80\x02cos\nsystem\n(S'touch ran'\ntR.")
        self.refused(69, "convert", model, "-o", "other", words="it calls os.system")
        self.assertEqual(sorted(path.name for path in self.folder.iterdir()), ["bert", "new"])

    def test_a_disk_that_is_full(self) -> None:
        model = self.pickled("bert")
        command = f"ulimit -f 8; exec {shlex.quote(ARGUMENTS.treble)} convert {shlex.quote(str(model))} --in-place"
        done = subprocess.run(
            ["bash", "-c", command],
            text=True, capture_output=True, timeout=300, check=False,
            env={**os.environ, "TREBLE_PYTHON": ARGUMENTS.python, "PYTHONDONTWRITEBYTECODE": "1"},
        )  # fmt: skip
        self.assertEqual(done.returncode, 74, done.stderr)
        self.assertIn("model.safetensors", done.stderr)
        self.assertFalse((model / "model.safetensors").exists())
        self.assertEqual([path.name for path in model.iterdir() if path.name.startswith(".")], [])

    def test_an_interpreter_without_numpy_is_named(self) -> None:
        empty = self.folder / "python"
        empty.write_text("#!/bin/sh\nexit 1\n")
        empty.chmod(0o755)
        done = self.treble("convert", self.pickled("bert"), "-o", "new", python=str(empty))
        self.assertEqual(done.returncode, 66, done.stderr)
        for words in ("packages numpy", str(empty), "pip install numpy"):
            self.assertIn(words, done.stderr)

    def test_names_that_look_like_options(self) -> None:
        self.pickled("bert").rename(self.folder / "-old")
        self.done("convert", "-o", "./-new", "--", "-old")
        self.assertTrue((self.folder / "-new" / "model.safetensors").exists())


class Help(Folder):
    def test_the_examples_run(self) -> None:
        self.pickled("bert").rename(self.folder / "MiniLM")
        for name in ("old", "models", "bin"):
            (self.folder / name).mkdir()
        (self.folder / "MiniLM").rename(self.folder / "old" / "MiniLM")
        shutil.copy(Path(ARGUMENTS.golden) / "convert" / "bert-q8_0.gguf", self.folder / "bge-small-en-v1.5-q8_0.gguf")
        (self.folder / "bin" / "treble").symlink_to(ARGUMENTS.treble)
        script = self.done("convert", "--help").stdout.split("Examples:")[1]
        self.assertEqual(script.count("treble convert"), 3)
        done = subprocess.run(
            ["bash", "-euxo", "pipefail", "-c", script],
            text=True, capture_output=True, timeout=300, check=False, cwd=self.folder,
            env={**os.environ, "TREBLE_PYTHON": ARGUMENTS.python, "PATH": f"{self.folder}/bin:{os.environ['PATH']}"},
        )  # fmt: skip
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(done.stdout.splitlines(), ["models/MiniLM", "old/MiniLM", "models/bge-small"])


class Gguf(Folder):
    def test_a_folder_comes_out(self) -> None:
        source = Path(ARGUMENTS.golden) / "convert" / "bert-f32.gguf"
        done = self.done("convert", source, "-o", "new")
        self.assertEqual(done.stdout, "new\n")
        for words in ("37 F32", "pooling mean", "lower case", "at most 96 tokens"):
            self.assertIn(words, done.stderr)
        for options in ((), ("--temperature", "0.7"), ("--temperature", "log:4")):
            ours, theirs = self.rows(self.folder / "new", *options), self.rows(self.golden("bert"), *options)
            for one, other in zip(ours, theirs, strict=True):
                self.assertLessEqual(max(abs(a - b) for a, b in zip(one, other, strict=True)), 1e-6)

    def test_with_the_tokenizer_of_the_original(self) -> None:
        source = Path(ARGUMENTS.golden) / "convert" / "qwen3-f32.gguf"
        self.refused(69, "convert", source, "-o", "new", words="give it by --tokenizer")
        self.refused(65, "convert", source, "-o", "new", "--tokenizer", self.golden("bert"), words="token 0 is ")
        self.done("convert", source, "-o", "new", "--tokenizer", self.golden("qwen3") / "tokenizer.json")
        self.assertEqual(self.rows(self.folder / "new"), self.rows(self.golden("qwen3")))
        source = Path(ARGUMENTS.golden) / "convert" / "gemma3-text-f32.gguf"
        done = self.done("convert", source, "-o", "gemma", "--tokenizer", self.golden("gemma3-text"))
        self.assertIn("2_Dense/model.safetensors of gemma3-text-f32.gguf: 1 tensors", done.stderr)

    def test_what_the_engine_advises_works(self) -> None:
        model = self.folder / "download"
        model.mkdir()
        shutil.copy(Path(ARGUMENTS.golden) / "convert" / "bert-q8_0.gguf", model)
        advice = self.treble("info", "--model", model)
        self.assertEqual(advice.returncode, 66, advice.stderr)
        found = re.search(r"`treble (convert [^`]*)`", advice.stderr)
        assert found is not None, advice.stderr
        self.done(*shlex.split(found[1].replace("NEW-FOLDER", "new")))
        self.done("info", "--model", "new")


class Mamba2(Folder):
    """As its authors publish it."""

    def setUp(self) -> None:
        super().setUp()
        self.reference = tiny_mamba2.make_model(self.folder / "reference")
        self.model = tiny_mamba2.make_model(self.folder / "published")
        (self.model / "model.safetensors").unlink()
        self.write_config(AUTHORS_CONFIG)
        self.tensors: Tensors = {
            name.replace("embeddings", "embedding"): (list(shape), list(values))
            for name, (shape, values) in tiny_mamba2.weights().items()
        }
        self.write(self.tensors, {"lm_head.weight": "backbone.embedding.weight"})

    def write_config(self, config: dict[str, Any]) -> None:
        (self.model / "config.json").write_text(json.dumps(config))

    def write(self, tensors: Tensors, tied: dict[str, str] | None = None) -> None:
        (self.model / "pytorch_model.bin").write_bytes(torch_pickles.saved(tensors, tied or {}))

    def test_the_same_model_comes_out(self) -> None:
        done = self.done("convert", self.model, "-o", "new")
        self.assertIn("lm_head.weight: it is backbone.embedding.weight again", done.stderr)
        self.assertEqual(set(read_floats(self.folder / "new" / "model.safetensors")), set(self.tensors))
        text = f"{tiny_mamba2.text(40)}\n{tiny_mamba2.text(7)}\n"
        self.assertEqual(self.rows(self.folder / "new", text=text), self.rows(self.reference, text=text))

    def test_an_untied_head_stays(self) -> None:
        shape, values = self.tensors["backbone.embedding.weight"]
        self.write({**self.tensors, "lm_head.weight": (shape, [value + 1 for value in values])})
        self.done("convert", self.model, "--in-place")
        self.assertIn("lm_head.weight", read_floats(self.model / "model.safetensors"))

    def test_a_missing_tokenizer_is_mentioned(self) -> None:
        (self.model / "tokenizer.json").unlink()
        self.assertIn("EleutherAI/gpt-neox-20b", self.done("convert", self.model, "-o", "new").stderr)

    def test_other_models_are_refused_by_name(self) -> None:
        for config, code, words in (
            ({**AUTHORS_CONFIG, "ssm_cfg": {}}, 69, '"layer" of "ssm_cfg" is Mamba1'),
            ({**AUTHORS_CONFIG, "ssm_cfg": None}, 69, '"layer" of "ssm_cfg" is None'),
            ({**AUTHORS_CONFIG, "n_layer": 0}, 65, '"n_layer" is 0'),
            ({**AUTHORS_CONFIG, "n_layer": 10**9}, 65, '"n_layer" is 1000000000'),
        ):
            self.write_config(config)
            self.refused(code, "convert", self.model, "-o", "new", words=words)
        (self.model / "config.json").write_text("{")
        self.refused(65, "convert", self.model, "-o", "new", words="config.json: not JSON")

    def test_other_tensors_are_refused_by_name(self) -> None:
        one: tuple[list[int], list[float]] = ([4], [0.0] * 4)
        for tensors, code, words in (
            ({"backbone.layers.0.mixer.Wqkv.weight": one}, 69, "Wqkv.weight is no part of a Mamba-2 model"),
            (
                {"backbone.layers.2.mixer.D": one},
                65,
                "backbone.layers.2.mixer.D is of layer 2, config.json has layers 0 to 1",
            ),
            ({"backbone.embeddings.weight": one}, 65, "2 of the tensors"),
        ):
            self.write({**self.tensors, **tensors})
            self.refused(code, "convert", self.model, "-o", "new", words=words)
        self.write({name: value for name, value in self.tensors.items() if not name.endswith("1.mixer.A_log")})
        words = "1 tensors are missing, the first is backbone.layers.1.mixer.A_log"
        self.refused(65, "convert", self.model, "-o", "new", words=words)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--treble", required=True)
    parser.add_argument("--golden", required=True)
    parser.add_argument("--python", required=True)
    options, rest = parser.parse_known_args(namespace=ARGUMENTS)
    ARGUMENTS.treble, ARGUMENTS.golden = (str(Path(path).resolve()) for path in (options.treble, options.golden))
    if "/" in options.python:
        ARGUMENTS.python = str(Path(options.python).absolute())
    command = ["env", ARGUMENTS.python, "-c", "import numpy"]
    if subprocess.run(command, capture_output=True, check=False).returncode != 0:
        print(f"skipped: {ARGUMENTS.python} has no numpy (tools/setup.sh --tests installs it)", file=sys.stderr)
        sys.exit(77)
    unittest.main(argv=[sys.argv[0], *rest])
