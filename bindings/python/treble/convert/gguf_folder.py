"""A GGUF file of an embedding model as the folder that Hugging Face and sentence-transformers would have of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from .errors import UNSUPPORTED, WRONG_USE, ConvertError, shown
from .gguf_decoders import gemma_embedding, qwen3
from .gguf_file import GgufFile, read_gguf
from .gguf_models import Reader, bert, jina_bert_v2, nomic_bert, roberta, xlm_roberta
from .given_tokenizer import GivenTokenizer
from .tensors import Tensor
from .unigram import Unigram
from .vocabulary import Vocabulary
from .wordpiece import WordPiece

# tokenizer.ggml.model -> what makes a tokenizer.json of it.
TOKENIZERS: dict[str, Callable[[Path, dict[str, Any]], Vocabulary]] = {"bert": WordPiece, "t5": Unigram}
# By general.architecture and tokenizer.ggml.model; those with other tokenizers need the original's tokenizer.json.
ARCHITECTURES: dict[tuple[str, str], Callable[[Reader], dict[str, Any]]] = {
    ("bert", "bert"): bert,
    ("bert", "t5"): xlm_roberta,
    ("bert", "gpt2"): roberta,
    ("jina-bert-v2", "bert"): jina_bert_v2,
    ("jina-bert-v2", "gpt2"): jina_bert_v2,
    ("nomic-bert", "bert"): nomic_bert,
    ("qwen3", "gpt2"): qwen3,
    ("gemma-embedding", "llama"): gemma_embedding,
    ("gemma-embedding", "gpt2"): gemma_embedding,
}
# Architectures whose files do not hold all of the model's weights, so that no converter could give its vectors.
INCOMPLETE = {
    "nomic-bert-moe": "llama.cpp's converter leaves out mlp.experts.bias, which the model adds",
}
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
    """JSON, or bytes, by the file's name."""
    source: GgufFile
    dense: dict[str, Tensor] = field(default_factory=dict)
    """Weights of Dense modules, by their folder."""
    notes: list[str] = field(default_factory=list)


def read_gguf_model(path: Path, pooling: str | None = None, tokenizer: Path | None = None) -> GgufModel:
    """A whole model folder out of one file. Raises ConvertError.

    `pooling` (mean, cls, last) where it says none; `tokenizer`: the original's tokenizer.json, or the folder it is in.
    """
    file = read_gguf(path)
    reader = Reader(file)
    kind = file.metadata.get("general.type", "model")
    parts = file.metadata.get("split.count", 1)
    if kind != "model" or parts not in (0, 1):
        what = f"general.type {shown(kind)}" if kind != "model" else f"one of {shown(parts)} parts (split.count)"
        raise ConvertError(f"{path} is {what}; one file that holds a whole model is converted", UNSUPPORTED)
    read_config = _architecture(reader)
    vocabulary = _vocabulary(reader, tokenizer)
    mode = _pooling(reader, pooling)
    reader.padding_id = vocabulary.padding_id
    config = read_config(reader)
    reader.refuse_others()
    rows = file.tensors["token_embd.weight"].shape[0]
    if rows < len(vocabulary.ids):
        raise ConvertError(f"{path}: there are {len(vocabulary.ids)} tokens, but token_embd.weight has {rows} rows")
    config |= {"vocab_size": rows, "pad_token_id": reader.padding_id}
    length = reader.size("context_length")
    files = {"config.json": config, **vocabulary.files(length), **_modules(reader, mode, length)}
    notes = [
        *(f"left out of it {text}" for text in reader.left_out),
        f"pooling {mode}, then normalised, as llama.cpp's programs do; a GGUF file does not say whether the model does",
        f"at most {length} tokens a text (context_length); the model's own max_seq_length is not in the file",
        *vocabulary.notes(),
    ]
    if config.get("hidden_act") == "gelu":
        notes.append("activation GELU by erf, as in the models themselves; llama.cpp computes an approximation by tanh")
    if reader.architecture == "gemma-embedding" and not reader.dense:
        notes.append("the file has no Dense modules; EmbeddingGemma has two, so its vectors are others")
    return GgufModel(reader.tensors, files, file, reader.dense, notes)


def _kind(reader: Reader) -> tuple[str, str]:
    return str(reader.architecture), str(reader.file.metadata.get("tokenizer.ggml.model"))


def _architecture(reader: Reader) -> Callable[[Reader], dict[str, Any]]:
    """ConvertError unless architecture and kind of tokenizer are known."""
    architecture, tokenizer = _kind(reader)
    if architecture in INCOMPLETE:
        raise ConvertError(
            f"{reader.path}: general.architecture is {architecture}, whose files lack weights: "
            f"{INCOMPLETE[architecture]}. Fetch model.safetensors of the model it was made from",
            UNSUPPORTED,
        )
    known = sorted({name for name, _ in ARCHITECTURES})
    if architecture not in known:
        raise ConvertError(
            f"{reader.path}: general.architecture is {shown(architecture)}; {', '.join(known)} are converted. Fetch "
            "model.safetensors of the model it was made from",
            UNSUPPORTED,
        )
    if (architecture, tokenizer) not in ARCHITECTURES:
        names = ", ".join(other for name, other in ARCHITECTURES if name == architecture)
        raise ConvertError(
            f"{reader.path}: tokenizer.ggml.model is {shown(tokenizer)}; of {architecture}, {names} are known. "
            "Fetch model.safetensors of the model it was made from",
            UNSUPPORTED,
        )
    return ARCHITECTURES[architecture, tokenizer]


def _vocabulary(reader: Reader, given: Path | None) -> Vocabulary:
    _, tokenizer = _kind(reader)
    if given is not None:
        return GivenTokenizer(reader.path, reader.file.metadata, given)
    if tokenizer not in TOKENIZERS:
        raise ConvertError(
            f"{reader.path}: no tokenizer.json is made of its vocabulary (tokenizer.ggml.model {tokenizer}); fetch "
            "that of the model it was made from and give it by --tokenizer",
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


def _modules(reader: Reader, mode: str, length: int) -> dict[str, Any]:
    """The files of sentence-transformers."""
    names = {"": "Transformer", "1_Pooling": "Pooling", **dict.fromkeys(reader.dense, "Dense")}
    names[f"{len(names)}_Normalize"] = "Normalize"
    modules = [
        {"idx": i, "name": str(i), "path": path, "type": f"sentence_transformers.models.{name}"}
        for i, (path, name) in enumerate(names.items())
    ]
    width = reader.size("embedding_length")
    pooling = {"word_embedding_dimension": width, **{key: name == mode for name, key in POOLING_KEYS.items()}}
    files = {
        "modules.json": modules,
        "1_Pooling/config.json": pooling,
        "sentence_bert_config.json": {"max_seq_length": length, "do_lower_case": False},
    }
    for path, tensor in reader.dense.items():
        if len(tensor.shape) != 2:
            raise ConvertError(
                f"{reader.path}: the weight of {path} has the shape {list(tensor.shape)}; it is a matrix"
            )
        files[f"{path}/config.json"] = {
            "in_features": tensor.shape[1],
            "out_features": tensor.shape[0],
            "bias": False,
            "activation_function": "torch.nn.modules.linear.Identity",
        }
    return files
