"""Files for `treble convert`: torch.save of random tensors and views, and tiny models as llama.cpp stores them.

What must come out of each is listed in expected.json: type, shape and SHA-256 of the values of every tensor, as PyTorch
and llama.cpp's own reader have them. GGUF files are written by llama.cpp's package `gguf`, with its table of names.
"""

from __future__ import annotations

import base64
import hashlib
import json
import random
from collections import OrderedDict
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import torch
from safetensors.torch import load_file

DTYPES = {
    torch.float32: "F32", torch.float16: "F16", torch.bfloat16: "BF16", torch.float64: "F64",
    torch.int64: "I64", torch.int32: "I32", torch.int16: "I16", torch.int8: "I8", torch.uint8: "U8", torch.bool: "BOOL",
    torch.uint16: "U16", torch.uint32: "U32", torch.uint64: "U64",
}  # fmt: skip
NEW_DTYPES = (torch.uint16, torch.uint32, torch.uint64)
FILES = 6
TENSORS = 24
Expected = dict[str, list[Any]]


def write_all(output: Path) -> None:
    """Everything below output/convert."""
    folder = output / "convert"
    folder.mkdir(parents=True, exist_ok=True)
    expected = {**_torch_files(folder), **_gguf_files(folder, output)}
    text = ",\n".join(f"{json.dumps(name)}: {_lines(one)}" for name, one in expected.items())
    (folder / "expected.json").write_text(f"{{\n{text}\n}}\n")


def _lines(tensors: Expected) -> str:
    return "{\n" + ",\n".join(f"  {json.dumps(name)}: {json.dumps(one)}" for name, one in tensors.items()) + "\n}"


def _of(tensor: torch.Tensor) -> list[Any]:
    """Type, shape and hash of the values in order."""
    values = torch.empty(tensor.numel(), dtype=tensor.dtype).copy_(tensor.detach().reshape(-1)).view(torch.uint8)
    return [DTYPES[tensor.dtype], list(tensor.shape), hashlib.sha256(values.numpy().tobytes()).hexdigest()]


def _random_base(draw: random.Random, dtypes: list[torch.dtype]) -> torch.Tensor:
    shape = [draw.choice([0, 1, 2, 3, 4, 7]) if draw.random() < 0.9 else 13 for _ in range(draw.randrange(5))]
    generator = torch.Generator().manual_seed(draw.randrange(1 << 30))
    return (torch.randn(shape, generator=generator) * 40).to(torch.int64).to(draw.choice(dtypes))


def _random_view(draw: random.Random, base: torch.Tensor) -> torch.Tensor:
    """A few steps of what makes a view."""
    for _ in range(draw.randrange(4)):
        if base.dim() == 0:
            base = base.expand(draw.randrange(1, 4))
            continue
        axis = draw.randrange(base.dim())
        kind = draw.choice(["transpose", "step", "narrow", "select", "unsqueeze", "expand"])
        if kind == "transpose":
            base = base.transpose(axis, draw.randrange(base.dim()))
        elif kind == "step":
            base = base[(slice(None),) * axis + (slice(draw.randrange(2), None, draw.randrange(1, 4)),)]
        elif kind == "narrow":
            start = draw.randrange(base.shape[axis] + 1)
            base = base.narrow(axis, start, draw.randrange(base.shape[axis] - start + 1))
        elif kind == "select" and base.shape[axis]:
            base = base.select(axis, draw.randrange(base.shape[axis]))
        elif kind == "unsqueeze":
            base = base.unsqueeze(axis)
        elif kind == "expand" and base.shape[axis] == 1:
            base = base.expand(*(3 if i == axis else -1 for i in range(base.dim())))
    return base


def _random_state(seed: int, *, new_types: bool) -> OrderedDict[str, torch.Tensor]:
    """Tensors, views of them, several names of one, and parameters."""
    draw = random.Random(seed)
    dtypes = [dtype for dtype in DTYPES if new_types or dtype not in NEW_DTYPES]
    bases = [_random_base(draw, dtypes) for _ in range(TENSORS // 2)]
    tensors: OrderedDict[str, torch.Tensor] = OrderedDict()
    for i in range(TENSORS):
        tensor = _random_view(draw, draw.choice(bases))
        if tensor.is_floating_point() and draw.random() < 0.3:
            tensor = torch.nn.Parameter(tensor, requires_grad=draw.random() < 0.5)
        tensors[f"layer.{i}.größe" if draw.random() < 0.1 else f"layer.{i}.weight"] = tensor
    tensors._metadata = OrderedDict({"": {"version": 1}})  # type: ignore[attr-defined] - as Module.state_dict has it
    return tensors


def _torch_files(folder: Path) -> dict[str, Expected]:
    expected = {}
    for seed in range(FILES):
        for form, new in (("zip", True), ("legacy", False)):
            state = _random_state(seed, new_types=new)
            name = f"{form}-{seed}.bin"
            torch.save(state, folder / name, pickle_protocol=2 + seed % 4, _use_new_zipfile_serialization=new)
            expected[name] = {key: _of(tensor) for key, tensor in state.items()}
    return expected


FLOAT_TYPES = {
    "f32": gguf.GGMLQuantizationType.F32,
    "f16": gguf.GGMLQuantizationType.F16,
    "bf16": gguf.GGMLQuantizationType.BF16,
    "q8_0": gguf.GGMLQuantizationType.Q8_0,
}
MODELS = {
    "bert": (gguf.MODEL_ARCH.BERT, "bert", ("f32", "f16", "bf16", "q8_0")),
    "nomic-bert": (gguf.MODEL_ARCH.NOMIC_BERT, "nomic-bert", ("f32",)),
    "jina-bert-v2": (gguf.MODEL_ARCH.JINA_BERT_V2, "jina-bert-v2", ("f32",)),
    "xlm-roberta": (gguf.MODEL_ARCH.BERT, "bert", ("f32",)),
    "roberta": (gguf.MODEL_ARCH.BERT, "bert", ("f32",)),
    "qwen3": (gguf.MODEL_ARCH.QWEN3, "qwen3", ("f32",)),
    "gemma3-text": (gguf.MODEL_ARCH.GEMMA_EMBEDDING, "gemma-embedding", ("f32",)),
}
POSITIONS = "embeddings.position_embeddings.weight"
AS_STORED = {"F32": torch.float32, "F16": torch.float16, "BF16": torch.bfloat16}


def _vocabulary(writer: gguf.GGUFWriter, model: Path, rows: int) -> None:
    """The tokens in the form that llama.cpp gives to WordPiece, or to XLM-R's SentencePiece."""
    tokenizer = json.loads((model / "tokenizer.json").read_text())
    if tokenizer["model"]["type"] == "Unigram":
        _sentence_piece(writer, tokenizer)
        return
    if tokenizer["model"]["type"] == "BPE":
        _pairs(writer, tokenizer)
        return
    control = {token["id"] for token in tokenizer["added_tokens"] if token["special"]}
    tokens, types = [], []
    for token, number in sorted(tokenizer["model"]["vocab"].items(), key=lambda item: item[1]):
        plain = token[2:] if token.startswith("##") else f"\u2581{token}"
        tokens.append(token if number in control else plain)
        types.append(gguf.TokenType.CONTROL if number in control else gguf.TokenType.NORMAL)
    for number in range(len(tokens), rows):
        tokens.append(f"\u2581[PAD{number}]")
        types.append(gguf.TokenType.UNUSED)
    writer.add_tokenizer_model("bert")
    writer.add_tokenizer_pre("default")
    writer.add_token_list(tokens)
    writer.add_token_types(types)
    vocabulary = tokenizer["model"]["vocab"]
    writer.add_unk_token_id(vocabulary["[UNK]"])
    writer.add_sep_token_id(vocabulary["[SEP]"])
    writer.add_pad_token_id(vocabulary["[PAD]"])
    writer.add_mask_token_id(vocabulary["[MASK]"])


def _sentence_piece(writer: gguf.GGUFWriter, tokenizer: dict[str, Any]) -> None:
    control = {token["id"]: token["content"] for token in tokenizer["added_tokens"]}
    unknown = tokenizer["model"]["unk_id"]
    vocabulary = tokenizer["model"]["vocab"]
    types = [
        gguf.TokenType.UNKNOWN if i == unknown else gguf.TokenType.CONTROL if i in control else gguf.TokenType.NORMAL
        for i in range(len(vocabulary))
    ]
    writer.add_tokenizer_model("t5")
    writer.add_tokenizer_pre("default")
    writer.add_token_list([token.encode() for token, _ in vocabulary])
    writer.add_token_scores([score for _, score in vocabulary])
    writer.add_token_types(types)
    writer.add_add_space_prefix(True)
    writer.add_remove_extra_whitespaces(True)
    writer.add_precompiled_charsmap(base64.b64decode(tokenizer["normalizer"]["precompiled_charsmap"]))
    ids = {token: number for number, token in control.items()}
    writer.add_bos_token_id(ids["<s>"])
    writer.add_eos_token_id(ids["</s>"])
    writer.add_unk_token_id(unknown)
    writer.add_sep_token_id(ids["</s>"])
    writer.add_pad_token_id(ids["<pad>"])
    writer.add_mask_token_id(ids["<mask>"])


def _pairs(writer: gguf.GGUFWriter, tokenizer: dict[str, Any]) -> None:
    """Byte-level BPE, or Gemma's SentencePiece with bytes."""
    added = {token["content"]: token["id"] for token in tokenizer["added_tokens"]}
    vocabulary = {**tokenizer["model"]["vocab"], **added}
    tokens = sorted(vocabulary, key=lambda token: vocabulary[token])
    is_gemma = tokenizer["model"]["byte_fallback"]
    writer.add_tokenizer_model("llama" if is_gemma else "gpt2")
    writer.add_tokenizer_pre("default")
    writer.add_token_list([token.encode() for token in tokens])
    if is_gemma:
        writer.add_token_scores([-float(i) for i in range(len(tokens))])
    else:
        pairs = [pair if isinstance(pair, str) else " ".join(pair) for pair in tokenizer["model"]["merges"]]
        writer.add_token_merges(pairs)
    writer.add_token_types([gguf.TokenType.CONTROL if token in added else gguf.TokenType.NORMAL for token in tokens])
    writer.add_pad_token_id(next(added[token] for token in ("<pad>", "<|endoftext|>") if token in added))


def _metadata(writer: gguf.GGUFWriter, config: dict[str, Any]) -> None:
    def of(*keys: str) -> Any:
        return next(config[key] for key in keys if key in config)

    writer.add_context_length(of("max_position_embeddings", "n_positions"))
    writer.add_embedding_length(of("hidden_size", "n_embd"))
    writer.add_feed_forward_length(of("intermediate_size", "n_inner"))
    writer.add_block_count(of("num_hidden_layers", "n_layer"))
    writer.add_head_count(of("num_attention_heads", "n_head"))
    writer.add_pooling_type(gguf.PoolingType.LAST if config["model_type"] == "qwen3" else gguf.PoolingType.MEAN)
    if "rms_norm_eps" in config:
        writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
        writer.add_head_count_kv(config["num_key_value_heads"])
        writer.add_key_length(config["head_dim"])
        writer.add_value_length(config["head_dim"])
        writer.add_rope_freq_base(config["rope_theta"])
    else:
        writer.add_layer_norm_eps(of("layer_norm_eps", "layer_norm_epsilon"))
        writer.add_causal_attention(False)
        writer.add_token_type_count(config["type_vocab_size"])
    if config.get("sliding_window"):
        writer.add_sliding_window(config["sliding_window"])
    if "rotary_emb_base" in config:
        writer.add_rope_freq_base(float(config["rotary_emb_base"]))


def _gguf_files(folder: Path, golden: Path) -> dict[str, Expected]:
    expected = {}
    for name, (arch, prefix, kinds) in MODELS.items():
        for kind in kinds:
            path = folder / f"{name}-{kind}.gguf"
            expected[path.name] = _write_gguf(path, golden / name / "model", arch, prefix, FLOAT_TYPES[kind])
    path = folder / "jina-bert-v2-split-f32.gguf"
    arch, prefix, _ = MODELS["jina-bert-v2"]
    model = golden / "jina-bert-v2" / "model"
    expected[path.name] = _write_gguf(path, model, arch, prefix, FLOAT_TYPES["f32"], split=True)
    return expected


def _write_gguf(path: Path, model: Path, arch: Any, prefix: str, kind: Any, *, split: bool = False) -> Expected:
    """Matrices in the type that is asked for, vectors in float32, as convert_hf_to_gguf writes them."""
    config = json.loads((model / "config.json").read_text())
    tensors = load_file(model / "model.safetensors")
    # Positions before the first that is used are not stored, nor counted.
    unused = config["pad_token_id"] + 1 if config["model_type"] in ("roberta", "xlm-roberta") else 0
    if unused:
        config["max_position_embeddings"] -= unused
        tensors[POSITIONS][:unused] = 0
    writer = gguf.GGUFWriter(path, prefix)
    _metadata(writer, config)
    _vocabulary(writer, model, config["vocab_size"])
    names = gguf.get_tensor_name_map(arch, 3)
    for number in (2, 3):
        if (dense := model / f"{number}_Dense" / "model.safetensors").exists():
            writer.add_tensor(f"dense_{number}.weight", load_file(dense)["linear.weight"].numpy())
    expected: Expected = {}
    for name, tensor in tensors.items():
        parts = {name: tensor.float()}
        if split and "gated_layers" in name:
            # The converter of 2024: the first half goes through GELU.
            halves = tensor.float().chunk(2)
            parts = {
                name.replace("gated_layers", f"gated_layers_{side}"): half
                for side, half in zip("wv", halves, strict=True)
            }
        for part, values in parts.items():
            if config["model_type"] == "gemma3_text" and part.endswith("norm.weight"):
                values = values + 1  # noqa: PLW2901 - the gain itself
                tensor = values - 1  # noqa: PLW2901 - what float32 leaves of it
            known = (names.get_name(f"{root}{part}", try_suffixes=(".weight", ".bias")) for root in ("", "model."))
            stored = next((one for one in known if one is not None), None)
            assert stored is not None, part
            small = values.dim() == 1
            if name == POSITIONS:
                values = values[unused:]  # noqa: PLW2901
            written = gguf.GGMLQuantizationType.F32 if small else kind
            data = gguf.quants.quantize(values.numpy(), written)
            writer.add_tensor(stored, data, raw_dtype=written)
        expected[name] = _of(_after(tensor.float(), kind))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return expected


def _after(tensor: torch.Tensor, kind: Any) -> torch.Tensor:
    """What the package reads again."""
    if tensor.dim() == 1 or kind == gguf.GGMLQuantizationType.F32:
        return tensor
    if kind == gguf.GGMLQuantizationType.Q8_0:
        data = gguf.quants.quantize(tensor.numpy(), kind)
        return torch.from_numpy(np.ascontiguousarray(gguf.quants.dequantize(data, kind)))
    return tensor.to(AS_STORED[kind.name])
