"""Seeded tiny late-interaction models in every form they are saved in, with what MultiVectorEncoder makes of texts."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.numpy import save_file
from safetensors.torch import load_file as load_torch_file
from safetensors.torch import save_file as save_torch_file
from sentence_transformers import MultiVectorEncoder
from sentence_transformers.base.modules import Normalize, Transformer
from sentence_transformers.base.modules.dense import Dense
from sentence_transformers.multi_vector_encoder.modules import MultiVectorMask
from tokenizers import AddedToken
from torch import Tensor, nn
from transformers import CONFIG_MAPPING as CONFIGS
from transformers import AutoModel, BertTokenizer, PreTrainedTokenizerBase

from golden import family_models, family_tokenizers, npz, tiny_tokenizers
from golden.family_models import BERT_KEYS, Config, Family
from golden.st_files import write_json
from golden.texts import CASES

TAU = 0.7
WIDTH = 32
IDENTITY = "torch.nn.modules.linear.Identity"
PYLATE_DENSE = "pylate.models.Dense.Dense"
MARKS = ("[Q] ", "[D] ")
# Besides the cases of every family: marks that a text spells out, punctuation alone.
TEXTS: tuple[str, ...] = (*CASES, "a [Q] b [D] c [unused0] [Q]d", "... -- !?")

BERT: Config = {"model_type": "bert", **BERT_KEYS, "max_position_embeddings": 48}
MODERNBERT: Config = {
    "model_type": "modernbert",
    **BERT_KEYS,
    "num_hidden_layers": 4,
    "intermediate_size": 40,
    "local_attention": 16,
    "max_position_embeddings": 128,
}
ROBERTA: Config = {
    "model_type": "xlm-roberta",
    **BERT_KEYS,
    "num_hidden_layers": 1,
    "max_position_embeddings": 66,
    "type_vocab_size": 1,
    "layer_norm_eps": 1e-5,
}
MPNET: Config = {"model_type": "mpnet", **BERT_KEYS, "max_position_embeddings": 48, "layer_norm_eps": 1e-5}


@dataclass(frozen=True)
class Recipe:
    """One folder of tests/golden/multi-vector. `pylate`: the keys of its config_sentence_transformers.json."""

    name: str
    seed: int
    tokenizer: Callable[[int], PreTrainedTokenizerBase]
    config: Config
    marks: bool = True  # "[Q] " and "[D] " are tokens, as PyLate adds them
    limit: int = 40
    dense: tuple[tuple[int, bool, bool], ...] = ((16, False, False),)  # width, bias, residual
    pylate: dict[str, Any] | None = None
    native: Callable[[Transformer], list[nn.Module]] | None = None
    prompts: dict[str, str] = field(default_factory=dict)
    similarity: str | None = None
    stanford: dict[str, Any] | None = None


def _dense(width: int, out: int, bias: bool, residual: bool) -> Dense:
    return Dense(
        width,
        out,
        bias=bias,
        activation_function=nn.Identity(),
        module_input_name="token_embeddings",
        use_residual=residual,
    )


def _native_fixed(transformer: Transformer) -> list[nn.Module]:
    """Wider than the local layers see, so that some of what queries are filled up with attends to nothing there."""
    transformer.query_expansion = {"strategy": "fixed", "attend": False, "length": 32}
    transformer.document_length = 36
    words = [".", ",", "the", "a", "zebra"]
    mask = MultiVectorMask(skiplist_words=words, skiplist_tasks=["query", "document"])
    return [transformer, _dense(WIDTH, 24, True, True), mask, Normalize(module_input_name="token_embeddings")]


def _native_min(transformer: Transformer) -> list[nn.Module]:
    """At least 10 tokens a query, at most 20; of documents some ids alone; vectors as they come."""
    transformer.query_expansion = {"strategy": "min", "attend": True, "token": "[UNK]", "length": 10}
    transformer.query_length = 20
    return [transformer, _dense(WIDTH, 8, False, False), MultiVectorMask(keep_only_token_ids=[2, 3, 9, 14, 20, 33])]


def _stanford(limit: int) -> PreTrainedTokenizerBase:
    """BERT's vocabulary with its unused entries, which are no special tokens."""
    vocab = tiny_tokenizers._wordpiece_vocab(
        ["[PAD]", "[unused0]", "[unused1]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"], []
    )
    return BertTokenizer(vocab=vocab, model_max_length=limit)


RECIPES: tuple[Recipe, ...] = (
    Recipe(
        "pylate-bert",
        501,
        tiny_tokenizers.bert,
        BERT,
        pylate={
            "query_prefix": "[Q] ",
            "document_prefix": "[D] ",
            "query_length": 12,
            "document_length": 24,
            "attend_to_expansion_tokens": False,
            "skiplist_words": ["!", ".", ",", "-", "("],
        },
    ),
    Recipe(
        "pylate-modernbert",
        502,
        family_tokenizers.modernbert,
        MODERNBERT,
        limit=60,
        dense=((48, False, True), (16, False, True)),
        pylate={
            "model_type": "ColBERT",
            "query_prefix": "[Q] ",
            "document_prefix": "[D] ",
            "query_length": 16,
            "document_length": 30,
            "attend_to_expansion_tokens": True,
        },
    ),
    Recipe(
        "pylate-unexpanded",
        503,
        tiny_tokenizers.BUILDERS["xlm-roberta"],
        ROBERTA,
        marks=False,
        pylate={
            "model_type": "ColBERT",
            "query_prefix": "query: ",
            "document_prefix": "passage: ",
            "query_length": 14,
            "document_length": None,
            "do_query_expansion": False,
            "skiplist_words": [],
        },
    ),
    Recipe(
        "pylate-mpnet",
        504,
        tiny_tokenizers.BUILDERS["mpnet"],
        MPNET,
        pylate={"model_type": "ColBERT", "query_prefix": "[Q] ", "document_prefix": "[D] ", "document_length": 26},
        prompts={"query": "ask "},
    ),
    Recipe(
        "native-modernbert",
        505,
        family_tokenizers.modernbert,
        MODERNBERT,
        native=_native_fixed,
        prompts={"query": "query: "},
    ),
    Recipe("native-bert", 506, tiny_tokenizers.bert, BERT, marks=False, native=_native_min, similarity="meanmaxsim"),
    Recipe(
        "stanford-bert",
        507,
        _stanford,
        BERT,
        marks=False,
        stanford={
            "query_token_id": "[unused0]",
            "doc_token_id": "[unused1]",
            "query_maxlen": 18,
            "doc_maxlen": 28,
            "mask_punctuation": True,
            "attend_to_mask_tokens": False,
            "similarity": "cosine",
            "dim": 16,
        },
    ),
)


def write_all(root: Path, only: tuple[str, ...] = ()) -> None:
    """Write every recipe's folder under `root`, or those named, and the archives of arrays."""
    root.mkdir(parents=True, exist_ok=True)
    npz.write_all(root)
    for recipe in RECIPES:
        if not only or recipe.name in only:
            print(f"multi-vector/{recipe.name}: written, {write_recipe(recipe, root / recipe.name)}")


@torch.no_grad()
def write_recipe(recipe: Recipe, folder: Path) -> str:
    """Write the model, then read it back as anybody would and record what it computes."""
    shutil.rmtree(folder, ignore_errors=True)
    _write_model(recipe, folder / "model")
    encoder = _load(folder / "model")
    cases: dict[str, Any] = {"texts": TEXTS, "similarity": encoder.similarity_fn_name}
    tensors: dict[str, np.ndarray] = {}
    rows: dict[tuple[float, str], list[Tensor]] = {}
    for tau in (1.0, TAU):
        with _sharpened(encoder[0].model, tau):
            for role in ("query", "document"):
                encode = encoder.encode_query if role == "query" else encoder.encode_document
                rows[tau, role] = [encode([text], batch_size=1)[0] for text in TEXTS]
    for (tau, role), values in rows.items():
        tensors[f"tau={tau:g}/{role}"] = torch.cat(values).numpy()
        cases[f"{role}_rows"] = [len(one) for one in values]
    for role in ("query", "document"):
        prompt = encoder.prompts.get(role)
        features = [encoder.preprocess([text], prompt=prompt, task=role) for text in TEXTS]
        cases[f"{role}_ids"] = [one["input_ids"][0].tolist() for one in features]
        expanded = [one.get("query_expansion_positions", torch.zeros(1, 1)).sum() for one in features]
        cases[f"{role}_expansion"] = [int(count) for count in expanded]
    scores = encoder.similarity(rows[1.0, "query"], rows[1.0, "document"])
    tensors["scores"] = scores.numpy()
    (folder / "cases.json").write_text(json.dumps(cases, ensure_ascii=True) + "\n", encoding="utf-8")
    save_file(
        {name: np.ascontiguousarray(value, dtype=np.float32) for name, value in tensors.items()},
        folder / "expected.safetensors",
    )
    return f"{len(tensors['tau=1/query'])} and {len(tensors['tau=1/document'])} vectors, scores to {scores.max():.2f}"


def _load(folder: Path) -> MultiVectorEncoder:
    return MultiVectorEncoder(str(folder), device="cpu", model_kwargs={"dtype": torch.float32}, local_files_only=True)


@contextmanager
def _sharpened(model: nn.Module, tau: float) -> Iterator[None]:
    """Divide the attention logits by tau in the weights: those of the queries, and MPNet's position bias."""
    changed: list[tuple[Tensor, Tensor]] = []
    for name, parameter in model.named_parameters():
        part = name.split(".")
        whole = part[-2] in ("query", "relative_attention_bias") or (part[-2] == "q" and "attn" in name)
        packed = part[-2] == "Wqkv"
        if tau == 1.0 or not (whole or packed):
            continue
        changed.append((parameter, parameter.detach().clone()))
        count = len(parameter) // 3 if packed else len(parameter)
        parameter[:count] /= tau
    assert tau == 1.0 or changed
    try:
        yield
    finally:
        for parameter, before in changed:
            parameter.copy_(before)


def _write_model(recipe: Recipe, folder: Path) -> None:
    """Seeded weights and the files around them."""
    tokenizer = recipe.tokenizer(recipe.limit)
    if recipe.marks:
        tokenizer.add_tokens([AddedToken(mark) for mark in MARKS])
    special = ("pad_token_id", "bos_token_id", "eos_token_id", "cls_token_id", "sep_token_id")
    values = {"vocab_size": len(tokenizer)} | {name: getattr(tokenizer, name) for name in special} | recipe.config
    config = CONFIGS[values.pop("model_type")](**values)
    model = AutoModel.from_config(config)
    if getattr(model, "pooler", None) is not None:
        model.pooler = None
    family = Family(recipe.name, recipe.seed, recipe.tokenizer, recipe.config)
    generator = torch.Generator().manual_seed(recipe.seed)
    family_models._randomise(family, model, generator)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    torch.manual_seed(recipe.seed)
    if recipe.native is not None:
        encoder = MultiVectorEncoder(
            modules=recipe.native(Transformer(str(folder))),
            device="cpu",
            prompts=recipe.prompts,
            similarity_fn_name=recipe.similarity,
        )
        encoder.save_pretrained(str(folder), create_model_card=False)
        for path in sorted(folder.rglob("*.json")):
            write_json(path, json.loads(path.read_text(encoding="utf-8")))
    elif recipe.stanford is not None:
        _write_stanford(recipe, folder)
    else:
        _write_pylate(recipe, folder)


def _write_pylate(recipe: Recipe, folder: Path) -> None:
    """modules.json, a folder for each Dense, and the settings beside them, as PyLate writes them."""
    modules = [{"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer"}]
    width = WIDTH
    for index, (out, bias, residual) in enumerate(recipe.dense, start=1):
        path = f"{index}_Dense"
        modules.append({"idx": index, "name": str(index), "path": path, "type": PYLATE_DENSE})
        config = {"in_features": width, "out_features": out, "bias": bias, "activation_function": IDENTITY}
        write_json(folder / path / "config.json", config | {"use_residual": residual})
        dense = _dense(width, out, bias, residual)
        save_torch_file(dense.state_dict(), folder / path / "model.safetensors")
        width = out
    write_json(folder / "modules.json", modules)
    write_json(folder / "sentence_bert_config.json", {"max_seq_length": recipe.limit, "do_lower_case": False})
    config = {"prompts": recipe.prompts, "default_prompt_name": None, "similarity_fn_name": "MaxSim"}
    write_json(folder / "config_sentence_transformers.json", config | (recipe.pylate or {}))


def _write_stanford(recipe: Recipe, folder: Path) -> None:
    """The projection among the encoder's weights, the settings of training beside them."""
    tensors = {f"bert.{name}": tensor for name, tensor in load_torch_file(folder / "model.safetensors").items()}
    tensors["linear.weight"] = torch.randn(16, WIDTH) * WIDTH**-0.5
    save_torch_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    write_json(folder / "config.json", config | {"architectures": ["HF_ColBERT"]})
    write_json(folder / "artifact.metadata", recipe.stanford)
