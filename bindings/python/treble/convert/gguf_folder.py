"""A GGUF file of an embedding model as the folder that Hugging Face and sentence-transformers would have of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .errors import UNSUPPORTED, WRONG_USE, ConvertError, shown
from .gguf_file import GgufFile, read_gguf
from .gguf_models import ARCHITECTURES, WORDS, Reader
from .tensors import Tensor
from .unigram import Unigram
from .vocabulary import Vocabulary
from .wordpiece import WordPiece

TOKENIZERS: dict[str, Callable[[Path, dict[str, Any]], Vocabulary]] = {"bert": WordPiece, "t5": Unigram}

POOLING = {1: "mean", 2: "cls", 3: "last"}
RANK = 4
POOLING_KEYS = {
    "cls": "pooling_mode_cls_token",
    "mean": "pooling_mode_mean_tokens",
    "max": "pooling_mode_max_tokens",
    "mean_sqrt_len": "pooling_mode_mean_sqrt_len_tokens",
    "weightedmean": "pooling_mode_weightedmean_tokens",
    "last": "pooling_mode_lasttoken",
}


@dataclass
class GgufModel:
    """A model's folder, to be written."""

    tensors: dict[str, Tensor]
    files: dict[str, Any]
    """JSON by the file's name."""
    source: GgufFile
    notes: list[str] = field(default_factory=list)


def read_gguf_model(path: Path, pooling: str | None = None) -> GgufModel:
    """A whole model folder out of one file; `pooling` (mean, cls, last) where it says none. Raises ConvertError."""
    file = read_gguf(path)
    reader = Reader(file)
    kind = file.metadata.get("general.type", "model")
    parts = file.metadata.get("split.count", 1)
    if kind != "model" or parts not in (0, 1):
        what = f"general.type {shown(kind)}" if kind != "model" else f"one of {shown(parts)} parts (split.count)"
        raise ConvertError(f"{path} is {what}; one file that holds a whole model is converted", UNSUPPORTED)
    tokenizer = _tokenizer(reader)
    mode = _pooling(reader, pooling)
    if file.metadata.get(f"{reader.architecture}.attention.causal", False):
        raise ConvertError(f"{path}: {reader.architecture}.attention.causal is true; that is not known", UNSUPPORTED)
    reader.padding_id = tokenizer.ids[tokenizer.special["pad_token"]]
    config = ARCHITECTURES[_kind(reader)](reader)
    reader.refuse_others()
    rows = reader.tensors[WORDS].shape[0]
    if rows < len(tokenizer.ids):
        raise ConvertError(f"{path}: there are {len(tokenizer.ids)} tokens, but token_embd.weight has {rows} rows")
    config |= {"vocab_size": rows, "pad_token_id": reader.padding_id}
    length = reader.size("context_length")
    files = {
        "config.json": config,
        "tokenizer.json": tokenizer.tokenizer_json(),
        "tokenizer_config.json": tokenizer.tokenizer_config(length),
        **_modules(mode, reader.size("embedding_length"), length),
    }
    notes = [
        f"pooling {mode}, then normalised, as llama.cpp's programs do; a GGUF file does not say whether the model does",
        f"at most {length} tokens a text (context_length); the model's own max_seq_length is not in the file",
        *tokenizer.notes(),
    ]
    if config.get("hidden_act") == "gelu":
        notes.append("activation GELU by erf, as in the models themselves; llama.cpp computes an approximation by tanh")
    return GgufModel(reader.tensors, files, file, notes)


def _kind(reader: Reader) -> tuple[str, str]:
    return str(reader.architecture), str(reader.file.metadata.get("tokenizer.ggml.model"))


def _tokenizer(reader: Reader) -> Vocabulary:
    """ConvertError unless architecture and tokenizer are known."""
    architecture, tokenizer = _kind(reader)
    known = sorted({name for name, _ in ARCHITECTURES})
    if architecture not in known:
        raise ConvertError(
            f"{reader.path}: general.architecture is {shown(architecture)}; {', '.join(known)} are converted. Fetch "
            "model.safetensors of the model it was made from",
            UNSUPPORTED,
        )
    if (architecture, tokenizer) not in ARCHITECTURES:
        names = " and ".join(other for name, other in ARCHITECTURES if name == architecture)
        raise ConvertError(
            f"{reader.path}: tokenizer.ggml.model is {shown(tokenizer)}; of {architecture}, {names} are made into a "
            "tokenizer.json. Fetch model.safetensors of the model it was made from",
            UNSUPPORTED,
        )
    return TOKENIZERS[tokenizer](reader.path, reader.file.metadata)


def _pooling(reader: Reader, given: str | None) -> str:
    stated = reader.file.metadata.get(f"{reader.architecture}.pooling_type")
    if stated == RANK:
        raise ConvertError(f"{reader.path}: its pooling is rank, a reranker's, which is not converted", UNSUPPORTED)
    mode = POOLING.get(stated) if type(stated) is int else None
    if mode is not None and given not in (None, mode):
        raise ConvertError(f"{reader.path}: its pooling is {mode}, --pooling says {given}", WRONG_USE)
    if mode is None and given is None:
        raise ConvertError(
            f"{reader.path}: it states no pooling ({reader.architecture}.pooling_type is {shown(stated)}); give "
            "--pooling mean, cls or last, as the model's page has it",
            UNSUPPORTED,
        )
    return mode or given or ""


def _modules(mode: str, width: int, length: int) -> dict[str, Any]:
    """The files of sentence-transformers."""
    paths = {"Transformer": "", "Pooling": "1_Pooling", "Normalize": "2_Normalize"}
    modules = [
        {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{name}"}
        for i, (name, path) in enumerate(paths.items())
    ]
    pooling = {"word_embedding_dimension": width, **{key: name == mode for name, key in POOLING_KEYS.items()}}
    return {
        "modules.json": modules,
        "1_Pooling/config.json": pooling,
        "sentence_bert_config.json": {"max_seq_length": length, "do_lower_case": False},
    }
