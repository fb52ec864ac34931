"""The peers: each loads a local model folder and turns texts into vectors, batched as suits it best."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from peers import convert


class NotAvailable(Exception):
    """Why an engine cannot take part."""


@dataclass(frozen=True)
class Setting:
    """The options of every engine."""

    model: Path
    cache: Path
    threads: int
    max_length: int
    texts: list[str]  # for calibration


def tokenizer_of(setting: Setting):
    from tokenizers import Tokenizer  # noqa: PLC0415

    tokenizer = Tokenizer.from_file(str(setting.model / "tokenizer.json"))
    tokenizer.no_padding()
    tokenizer.enable_truncation(setting.max_length)
    return tokenizer


def has_bfloat16() -> bool:
    """Whether the CPU multiplies bfloat16 itself; elsewhere it is emulated, slower than float32."""
    flags = set(Path("/proc/cpuinfo").read_text(encoding="utf-8").split())
    return bool(flags & {"avx512_bf16", "amx_bf16", "avx_ne_convert"})


def pooling_of(model: Path) -> str:
    config = json.loads((model / "1_Pooling" / "config.json").read_text(encoding="utf-8"))
    return "cls" if config.get("pooling_mode_cls_token") or config.get("pooling_mode") == "cls" else "mean"


class PaddedEngine:
    """Sorts texts by length, pads each batch to its longest, pools and normalises."""

    batch_sizes = (4, 16, 32, 64)

    def __init__(self, setting: Setting) -> None:
        self.tokenizer = tokenizer_of(setting)
        self.pooling = pooling_of(setting.model)
        config = json.loads((setting.model / "config.json").read_text(encoding="utf-8"))
        self.pad_id = config.get("pad_token_id") or 0
        self.names = convert.input_names(setting.model)

    def hidden(self, inputs: dict[str, np.ndarray]) -> np.ndarray:
        """[batch, length, hidden]"""
        raise NotImplementedError

    def embed(self, texts: list[str], batch_size: int) -> np.ndarray:
        ids = [one.ids for one in self.tokenizer.encode_batch(texts)]
        order = sorted(range(len(ids)), key=lambda index: -len(ids[index]))
        vectors = None
        for first in range(0, len(order), batch_size):
            chosen = order[first : first + batch_size]
            pooled = self.pool(*self.forward([ids[index] for index in chosen]))
            if vectors is None:
                vectors = np.empty((len(ids), pooled.shape[1]), np.float32)
            vectors[chosen] = pooled
        return vectors

    def forward(self, ids: list[list[int]]) -> tuple[np.ndarray, np.ndarray]:
        longest = len(ids[0])
        tokens = np.full((len(ids), longest), self.pad_id, dtype=np.int64)
        mask = np.zeros((len(ids), longest), dtype=np.int64)
        for row, one in enumerate(ids):
            tokens[row, : len(one)] = one
            mask[row, : len(one)] = 1
        values = {"input_ids": tokens, "attention_mask": mask}
        if "token_type_ids" in self.names:
            values["token_type_ids"] = np.zeros_like(tokens)
        return self.hidden(values), mask

    def pool(self, hidden: np.ndarray, mask: np.ndarray) -> np.ndarray:
        if self.pooling == "cls":
            pooled = hidden[:, 0]
        else:
            weights = mask.astype(np.float32)
            pooled = (weights[:, None, :] @ hidden)[:, 0] / weights.sum(1, keepdims=True)
        return pooled / np.linalg.norm(pooled, axis=1, keepdims=True)


class SentenceTransformers:
    """torch; sorts and pads by itself."""

    batch_sizes = (8, 32, 64)

    def __init__(self, setting: Setting, dtype: str = "float32") -> None:
        import torch  # noqa: PLC0415
        from sentence_transformers import SentenceTransformer  # noqa: PLC0415

        if dtype == "bfloat16" and not has_bfloat16():
            raise NotAvailable("the CPU has no bfloat16 products, torch would emulate them")
        torch.set_num_threads(setting.threads)
        self.model = SentenceTransformer(
            str(setting.model), device="cpu", model_kwargs={"dtype": getattr(torch, dtype)}
        )
        self.model.max_seq_length = setting.max_length

    def embed(self, texts: list[str], batch_size: int) -> np.ndarray:
        vectors = self.model.encode(
            texts, batch_size=batch_size, normalize_embeddings=True, show_progress_bar=False, convert_to_tensor=True
        )
        return vectors.float().numpy()


class OnnxRuntime(PaddedEngine):
    """onnxruntime on the graph that its own optimizer fused."""

    def __init__(self, setting: Setting, make: Callable[[Path, Path], Path]) -> None:
        import onnxruntime as ort  # noqa: PLC0415

        super().__init__(setting)
        options = ort.SessionOptions()
        options.intra_op_num_threads = setting.threads
        path = make(setting.model, setting.cache)
        self.session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    def hidden(self, inputs: dict[str, np.ndarray]) -> np.ndarray:
        return self.session.run(None, inputs)[0]


class OpenVino(PaddedEngine):
    """OpenVINO with its throughput hint off: one stream of all threads, as batches are given one after the other."""

    def __init__(self, setting: Setting, precision: str) -> None:
        import openvino as ov  # noqa: PLC0415

        super().__init__(setting)
        if precision == "int8":
            path = convert.openvino_int8(setting.model, setting.cache, setting.texts)
        else:
            path = convert.onnx_plain(setting.model, setting.cache)
        core = ov.Core()
        if precision == "bf16" and "BF16" not in core.get_property("CPU", "OPTIMIZATION_CAPABILITIES"):
            raise NotAvailable("OpenVINO reports no BF16 capability on this CPU")
        hints = {
            "INFERENCE_NUM_THREADS": setting.threads,
            "PERFORMANCE_HINT": "LATENCY",
            "INFERENCE_PRECISION_HINT": "bf16" if precision == "bf16" else "f32",
        }
        self.compiled = core.compile_model(str(path), "CPU", hints)
        self.request = self.compiled.create_infer_request()

    def hidden(self, inputs: dict[str, np.ndarray]) -> np.ndarray:
        return self.request.infer(inputs, share_inputs=True, share_outputs=True)[0]


class CTranslate2(PaddedEngine):
    """CTranslate2's encoder; it is handed ids and masks padding by itself."""

    def __init__(self, setting: Setting, compute_type: str) -> None:
        import ctranslate2  # noqa: PLC0415

        super().__init__(setting)
        kind = json.loads((setting.model / "config.json").read_text(encoding="utf-8"))["model_type"]
        if kind != "bert":
            raise NotAvailable(f"CTranslate2 has no converter for {kind}")
        path = convert.ctranslate2_model(setting.model, setting.cache)
        self.encoder = ctranslate2.Encoder(
            str(path), device="cpu", compute_type=compute_type, intra_threads=setting.threads, inter_threads=1
        )

    def forward(self, ids: list[list[int]]) -> tuple[np.ndarray, np.ndarray]:
        lengths = np.array([len(one) for one in ids])
        mask = (np.arange(lengths.max())[None] < lengths[:, None]).astype(np.int64)
        return np.asarray(self.encoder.forward_batch(ids).last_hidden_state), mask


class FastEmbed:
    """fastembed given the local ONNX model under a name of its own."""

    batch_sizes = (8, 32, 64)

    def __init__(self, setting: Setting) -> None:
        from fastembed import TextEmbedding  # noqa: PLC0415
        from fastembed.common.model_description import ModelSource, PoolingType  # noqa: PLC0415

        folder = convert.once(setting.cache / "fastembed", lambda target: self.lay_out(setting, target))
        config = json.loads((setting.model / "config.json").read_text(encoding="utf-8"))
        TextEmbedding.add_custom_model(
            model="local/model",
            pooling=PoolingType.CLS if pooling_of(setting.model) == "cls" else PoolingType.MEAN,
            normalization=True,
            sources=ModelSource(hf="local/model"),
            dim=config["hidden_size"],
            model_file="model.onnx",
        )
        self.model = TextEmbedding("local/model", specific_model_path=str(folder), threads=setting.threads)

    @staticmethod
    def lay_out(setting: Setting, target: Path) -> None:
        target.mkdir(parents=True, exist_ok=True)
        for name in ("config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"):
            (target / name).write_bytes((setting.model / name).read_bytes())
        (target / "model.onnx").write_bytes(convert.onnx_fused(setting.model, setting.cache).read_bytes())
        convert.edit_json(target / "tokenizer_config.json", {"model_max_length": setting.max_length})

    def embed(self, texts: list[str], batch_size: int) -> np.ndarray:
        order = sorted(range(len(texts)), key=lambda index: -len(texts[index]))
        found = np.array(list(self.model.embed([texts[index] for index in order], batch_size=batch_size)))
        vectors = np.empty_like(found, dtype=np.float32)
        vectors[order] = found
        return vectors


class LlamaCpp:
    """llama.cpp by way of its Python package. It packs texts into a batch without padding, but every token meets those
    of all the batch's texts, so small batches are its best."""

    batch_sizes = (1, 2, 8)

    def __init__(self, setting: Setting, kind: str) -> None:
        import llama_cpp  # noqa: PLC0415

        if kind == "bf16" and not has_bfloat16():
            raise NotAvailable("the CPU has no bfloat16 products")
        pooling = llama_cpp.LLAMA_POOLING_TYPE_CLS if pooling_of(setting.model) == "cls" else None
        tokens = max(1024, setting.max_length)
        self.model = llama_cpp.Llama(
            str(convert.gguf(setting.model, setting.cache, kind)),
            embedding=True,
            n_ctx=tokens,
            n_batch=tokens,
            n_ubatch=tokens,
            n_threads=setting.threads,
            n_threads_batch=setting.threads,
            pooling_type=pooling or llama_cpp.LLAMA_POOLING_TYPE_MEAN,
            verbose=False,
        )

    def embed(self, texts: list[str], batch_size: int) -> np.ndarray:
        found = []
        for first in range(0, len(texts), batch_size):
            found += self.model.embed(texts[first : first + batch_size], normalize=True)
        return np.array(found, np.float32)


@dataclass(frozen=True)
class Peer:
    """An engine at one precision."""

    title: str
    precision: str
    load: Callable[[Setting], object]


PEERS = {
    "st-f32": Peer("sentence-transformers", "f32", SentenceTransformers),
    "ort-f32": Peer("onnxruntime", "f32", lambda s: OnnxRuntime(s, convert.onnx_fused)),
    "ov-f32": Peer("OpenVINO", "f32", lambda s: OpenVino(s, "f32")),
    "ct2-f32": Peer("CTranslate2", "f32", lambda s: CTranslate2(s, "float32")),
    "fe-f32": Peer("fastembed", "f32", FastEmbed),
    "llama-f32": Peer("llama.cpp", "f32", lambda s: LlamaCpp(s, "f32")),
    "st-bf16": Peer("sentence-transformers", "bf16", lambda s: SentenceTransformers(s, "bfloat16")),
    "ov-bf16": Peer("OpenVINO", "bf16", lambda s: OpenVino(s, "bf16")),
    "llama-bf16": Peer("llama.cpp", "bf16", lambda s: LlamaCpp(s, "bf16")),
    "ort-int8": Peer("onnxruntime", "int8", lambda s: OnnxRuntime(s, convert.onnx_int8)),
    "ov-int8": Peer("OpenVINO", "int8", lambda s: OpenVino(s, "int8")),
    "ct2-int8": Peer("CTranslate2", "int8", lambda s: CTranslate2(s, "int8")),
    "llama-int8": Peer("llama.cpp q8_0", "int8", lambda s: LlamaCpp(s, "q8_0")),
}


def load(name: str, setting: Setting) -> object:
    """The engine; NotAvailable with the reason where it cannot run."""
    try:
        return PEERS[name].load(setting)
    except NotAvailable:
        raise
    except Exception as error:
        print(f"{name}: {error!r}", file=sys.stderr)
        raise NotAvailable(
            f"{type(error).__name__}: {str(error).splitlines()[0][:160] if str(error) else ''}"
        ) from error
