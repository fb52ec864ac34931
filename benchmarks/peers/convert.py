"""Models in the forms that the peers read, made once from the local folder and kept in build/bench/models."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np

CALIBRATION_TEXTS = 100


def once(target: Path, make: Callable[[Path], None]) -> Path:
    """`make(target)` unless it has succeeded before."""
    marker = target.with_name(target.name + ".done")
    if not marker.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        make(target)
        marker.touch()
    return target


def extended_model(model: Path, cache: Path, max_length: int) -> Path:
    """A copy of the folder whose learned positions are interpolated linearly up to `max_length` tokens."""
    return once(cache / f"extended-{max_length}", lambda target: write_extended(model, target, max_length))


def write_extended(model: Path, target: Path, max_length: int) -> None:
    from safetensors.numpy import load_file, save_file  # noqa: PLC0415

    shutil.copytree(model, target, dirs_exist_ok=True)
    config = json.loads((model / "config.json").read_text(encoding="utf-8"))
    offset = 2 if config["model_type"] == "mpnet" else 0
    trained = config["max_position_embeddings"] - offset
    tensors = load_file(str(model / "model.safetensors"))
    name = next(key for key in tensors if key.endswith("position_embeddings.weight"))
    table = tensors[name]
    at = np.arange(max_length) * trained / max_length
    low = at.astype(int)
    high = np.minimum(low + 1, trained - 1)
    part = (at - low)[:, None].astype(np.float32)
    rows = table[offset + low] + part * (table[offset + high] - table[offset + low])
    tensors[name] = np.ascontiguousarray(np.concatenate([table[:offset], rows]), dtype=np.float32)
    for key in [key for key in tensors if key.endswith("position_ids")]:
        tensors[key] = np.arange(max_length + offset)[None]
    save_file(tensors, str(target / "model.safetensors"), metadata={"format": "pt"})
    config["max_position_embeddings"] = max_length + offset
    (target / "config.json").write_text(json.dumps(config), encoding="utf-8")
    edit_json(target / "sentence_bert_config.json", {"max_seq_length": max_length})
    edit_json(target / "tokenizer_config.json", {"model_max_length": max_length})


def edit_json(path: Path, changes: dict) -> None:
    content = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    path.write_text(json.dumps(content | changes), encoding="utf-8")


def input_names(model: Path) -> list[str]:
    """What the exported graph takes."""
    kind = json.loads((model / "config.json").read_text(encoding="utf-8"))["model_type"]
    return ["input_ids", "attention_mask"] + (["token_type_ids"] if kind == "bert" else [])


def onnx_plain(model: Path, cache: Path) -> Path:
    """As exported by torch."""
    return once(cache / "model.onnx", lambda target: export_onnx(model, target))


def export_onnx(model: Path, target: Path) -> None:
    import torch  # noqa: PLC0415
    from transformers import AutoModel  # noqa: PLC0415

    network = (
        AutoModel.from_pretrained(str(model), dtype=torch.float32, attn_implementation="eager")
        .eval()
        .requires_grad_(False)
    )
    names = input_names(model)
    example = [torch.ones(2, 9, dtype=torch.int64) for _ in names]

    class HiddenStates(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, *inputs: torch.Tensor) -> torch.Tensor:
            return self.network(**dict(zip(names, inputs, strict=True)), return_dict=True).last_hidden_state

    axes = {0: "batch", 1: "length"}
    torch.onnx.export(
        HiddenStates(),
        tuple(example),
        str(target),
        input_names=names,
        output_names=["last_hidden_state"],
        dynamic_axes=dict.fromkeys([*names, "last_hidden_state"], axes),
        opset_version=17,
        dynamo=False,
    )


def onnx_fused(model: Path, cache: Path) -> Path:
    """Attention, LayerNorm and GELU fused by onnxruntime's own optimizer."""
    return once(cache / "fused.onnx", lambda target: fuse_onnx(model, cache, target))


def fuse_onnx(model: Path, cache: Path, target: Path) -> None:
    from onnxruntime.transformers import optimizer  # noqa: PLC0415

    config = json.loads((model / "config.json").read_text(encoding="utf-8"))
    fused = optimizer.optimize_model(
        str(onnx_plain(model, cache)),
        model_type="bert",
        num_heads=config["num_attention_heads"],
        hidden_size=config["hidden_size"],
        opt_level=1,
    )
    fused.save_model_to_file(str(target))
    statistics = fused.get_fused_operator_statistics()
    (cache / "fused.json").write_text(json.dumps(statistics), encoding="utf-8")


def onnx_int8(model: Path, cache: Path) -> Path:
    """Dynamic quantisation, weights per channel, of 7 bits where the CPU lacks VNNI (as onnxruntime advises)."""
    from onnx import TensorProto  # noqa: PLC0415
    from onnxruntime.quantization import QuantType, quantize_dynamic  # noqa: PLC0415

    reduce_range = "vnni" not in Path("/proc/cpuinfo").read_text(encoding="utf-8")

    def make(target: Path) -> None:
        quantize_dynamic(
            str(onnx_fused(model, cache)),
            str(target),
            per_channel=True,
            reduce_range=reduce_range,
            weight_type=QuantType.QInt8,
            extra_options={"DefaultTensorType": TensorProto.FLOAT},
        )

    return once(cache / "int8.onnx", make)


def openvino_int8(model: Path, cache: Path, texts: list[str]) -> Path:
    """Post-training quantisation by NNCF on some of the benchmark's own kind of text."""

    def make(target: Path) -> None:
        import nncf  # noqa: PLC0415
        import openvino as ov  # noqa: PLC0415
        from tokenizers import Tokenizer  # noqa: PLC0415

        tokenizer = Tokenizer.from_file(str(model / "tokenizer.json"))
        tokenizer.no_padding()
        tokenizer.enable_truncation(256)

        def sample(text: str) -> dict[str, np.ndarray]:
            ids = np.array([tokenizer.encode(text).ids], dtype=np.int64)
            values = {"input_ids": ids, "attention_mask": np.ones_like(ids), "token_type_ids": np.zeros_like(ids)}
            return {name: values[name] for name in input_names(model)}

        network = ov.Core().read_model(str(onnx_plain(model, cache)))
        quantised = nncf.quantize(
            network,
            nncf.Dataset(texts[:CALIBRATION_TEXTS], sample),
            model_type=nncf.ModelType.TRANSFORMER,
            subset_size=CALIBRATION_TEXTS,
        )
        ov.save_model(quantised, str(target))

    return once(cache / "int8-openvino.xml", make)


def ctranslate2_model(model: Path, cache: Path) -> Path:
    """CTranslate2's own format; it quantises while loading."""

    def make(target: Path) -> None:
        import ctranslate2  # noqa: PLC0415

        ctranslate2.converters.TransformersConverter(str(model)).convert(str(target), force=True)

    return once(cache / "ctranslate2", make)


def gguf(model: Path, cache: Path, kind: str) -> Path:
    """llama.cpp's own format, by its own converter. `kind`: f32, bf16 or q8_0."""

    def make(target: Path) -> None:
        tools = Path(sys.prefix) / "llama.cpp"
        command = [sys.executable, str(tools / "convert_hf_to_gguf.py"), str(model), "--outfile", str(target)]
        paths = os.environ | {"PYTHONPATH": str(tools / "gguf-py")}
        done = subprocess.run([*command, "--outtype", kind], capture_output=True, text=True, env=paths, check=False)
        if done.returncode != 0:
            lines = (done.stderr or done.stdout).strip().splitlines()
            raise RuntimeError(f"convert_hf_to_gguf: {lines[-1] if lines else done.returncode}")

    return once(cache / f"{kind}.gguf", make)
