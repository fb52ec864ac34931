"""Seeded tiny sparse encoders: SPLADE of several families as SparseEncoder loads it, and a model shaped as BGE-M3."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.numpy import save_file
from sentence_transformers import SentenceTransformer, SparseEncoder
from sentence_transformers.base.modules import Router, Transformer
from sentence_transformers.sparse_encoder.modules import SparseStaticEmbedding, SpladePooling
from torch import nn
from transformers import CONFIG_MAPPING as CONFIGS
from transformers import AutoModel, AutoModelForMaskedLM, PreTrainedTokenizerBase

from golden import family_models, family_tokenizers, st_files, tiny_tokenizers
from golden.family_models import BERT_KEYS, Config, Family
from golden.rerankers import BERT, MODERNBERT, ROBERTA
from golden.st_files import write_json
from golden.temperature import tempered
from golden.texts import CASES

TAU = 0.7
LIMIT = 40
OLD_TYPES = "sentence_transformers.sparse_encoder.models"


@dataclass(frozen=True)
class Recipe:
    """One folder of tests/golden/sparse. `form` is who wrote its files: nobody but transformers, release 5 or 6."""

    name: str
    seed: int
    tokenizer: Callable[[int], PreTrainedTokenizerBase]
    config: Config
    form: str = "new"  # "bare", "old", "new"
    pooling: str = "max"
    activation: str = "relu"
    own: dict[str, Any] = field(default_factory=dict)  # put over config_sentence_transformers.json


def _one(values: Config) -> Config:
    return values | {"num_hidden_layers": 1}


RECIPES: tuple[Recipe, ...] = (
    Recipe("bert", 501, tiny_tokenizers.bert, {"model_type": "bert", **BERT}),
    Recipe(
        "bert-old-sum",
        502,
        tiny_tokenizers.bert,
        {"model_type": "bert", **_one(BERT), "hidden_act": "relu"},
        form="old",
        pooling="sum",
    ),
    Recipe(
        "bert-untied",
        503,
        tiny_tokenizers.bert,
        {"model_type": "bert", **_one(BERT), "tie_word_embeddings": False},
        own={"max_active_dims": 7, "prompts": {"query": "ask: ", "document": ""}},
    ),
    Recipe(
        "distilbert",
        504,
        tiny_tokenizers.BUILDERS["distilbert"],
        {
            "model_type": "distilbert",
            "dim": 32,
            "hidden_dim": 48,
            "n_layers": 1,
            "n_heads": 4,
            "max_position_embeddings": 48,
        },
        form="old",
        activation="log1p_relu",
    ),
    Recipe("roberta-bare", 505, tiny_tokenizers.roberta, {"model_type": "roberta", **ROBERTA}, form="bare"),
    Recipe(
        "xlm-roberta",
        506,
        tiny_tokenizers.BUILDERS["xlm-roberta"],
        {"model_type": "xlm-roberta", **ROBERTA},
        pooling="sum",
        activation="log1p_relu",
    ),
    Recipe(
        "mpnet-bare",
        507,
        tiny_tokenizers.BUILDERS["mpnet"],
        {"model_type": "mpnet", **_one(BERT), "layer_norm_eps": 1e-5},
        form="bare",
    ),
    Recipe(
        "electra",
        508,
        tiny_tokenizers.bert,
        {"model_type": "electra", **_one(BERT), "embedding_size": 16},
    ),
    Recipe(
        "albert",
        509,
        family_tokenizers.albert,
        {"model_type": "albert", **_one(BERT), "embedding_size": 16, "num_hidden_groups": 1},
    ),
    Recipe(
        "modernbert",
        510,
        family_tokenizers.modernbert,
        MODERNBERT | {"num_hidden_layers": 1, "classifier_bias": True, "classifier_activation": "silu"},
        activation="log1p_relu",
    ),
    Recipe(
        "gte",
        511,
        tiny_tokenizers.bert,
        {"model_type": "gte", **_one(BERT_KEYS), "max_position_embeddings": 64, "type_vocab_size": 1},
    ),
)
M3 = "bge-m3"
ROUTER = "router"


def write_all(root: Path, only: tuple[str, ...] = ()) -> None:
    """Write every recipe's folder under `root`, or those named."""
    for recipe in RECIPES:
        if not only or recipe.name in only:
            print(f"sparse/{recipe.name}: written, {write_recipe(recipe, root / recipe.name)}")
    if not only or ROUTER in only:
        print(f"sparse-routers/table: written, {write_router(root.parent / 'sparse-routers' / 'table')}")
    if not only or M3 in only:
        print(f"sparse/{M3}: written, {write_m3(root / M3)}")


def _encode(model: SparseEncoder, **options: Any) -> np.ndarray:
    """Of each text alone, as a dense matrix."""
    rows = [model.encode(text, convert_to_sparse_tensor=False, show_progress_bar=False, **options) for text in CASES]
    return torch.stack(rows).float().numpy()


def write_recipe(recipe: Recipe, folder: Path) -> str:
    """Write the model, then read it back as anybody would and record what it computes."""
    shutil.rmtree(folder, ignore_errors=True)
    _write_model(recipe, folder / "model")
    model = SparseEncoder(
        str(folder / "model"), device="cpu", model_kwargs={"dtype": torch.float32, "attn_implementation": "eager"}
    )
    tensors = {"tau=1": _encode(model), "top=3": _encode(model, max_active_dims=3)}
    for tau in (1.0, TAU):
        with tempered(model.transformers_model, tau):
            rows = _encode(model)
        if tau == 1.0:  # the reference is the library's own attention, or it is worth nothing
            np.testing.assert_allclose(rows, tensors["tau=1"], rtol=0, atol=3e-6)
        else:
            tensors[f"tau={tau:g}"] = rows
    if recipe.own.get("prompts"):
        rows = [model.encode_query(text, convert_to_sparse_tensor=False, show_progress_bar=False) for text in CASES]
        tensors["query"] = torch.stack(rows).numpy()
    whole = [model.tokenizer(text)["input_ids"] for text in CASES]
    cases = {
        "texts": CASES,
        "tokens": [len(ids) for ids in whole],
        "limit": model.max_seq_length,
        "decoded": [[list(pair) for pair in model.decode(torch.tensor(tensors["tau=1"][index]))] for index in (0, 12)],
    }
    _write_cases(folder, cases, tensors)
    active = (tensors["tau=1"] > 0).sum(axis=1)
    return f"limit {model.max_seq_length}, {active.min()} to {active.max()} active of {tensors['tau=1'].shape[1]}"


def _write_cases(folder: Path, cases: dict[str, Any], tensors: dict[str, np.ndarray]) -> None:
    (folder / "cases.json").write_text(json.dumps(cases, ensure_ascii=True) + "\n", encoding="utf-8")
    save_file(
        {name: np.ascontiguousarray(value, dtype=np.float32) for name, value in tensors.items()},
        folder / "expected.safetensors",
    )


def _seeded(recipe: Recipe, auto: type) -> tuple[nn.Module, PreTrainedTokenizerBase]:
    tokenizer = recipe.tokenizer(LIMIT)
    special = ("pad_token_id", "bos_token_id", "eos_token_id", "cls_token_id", "sep_token_id")
    values = {"vocab_size": len(tokenizer)} | {name: getattr(tokenizer, name) for name in special} | recipe.config
    config = CONFIGS[values.pop("model_type")](**values)
    model = auto.from_config(config)
    family = Family(recipe.name, recipe.seed, recipe.tokenizer, recipe.config)
    family_models._randomise(family, model, torch.Generator().manual_seed(recipe.seed))
    return model, tokenizer


def _write_model(recipe: Recipe, folder: Path) -> None:
    """Seeded weights and the files around them."""
    model, tokenizer = _seeded(recipe, AutoModelForMaskedLM)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    pooling = {"pooling_strategy": recipe.pooling, "activation_function": recipe.activation}
    if recipe.form == "old":
        names = ((".MLMTransformer", ""), (".SpladePooling", "1_SpladePooling"))
        modules = [
            {"idx": index, "name": str(index), "path": path, "type": OLD_TYPES + name}
            for index, (name, path) in enumerate(names)
        ]
        write_json(folder / "modules.json", modules)
        write_json(folder / "1_SpladePooling" / "config.json", pooling | {"word_embedding_dimension": None})
        write_json(folder / "sentence_bert_config.json", {"max_seq_length": LIMIT - 4, "do_lower_case": False})
        own = {"model_type": "SparseEncoder", "prompts": {"query": "", "document": ""}, "similarity_fn_name": "dot"}
        write_json(folder / "config_sentence_transformers.json", own | {"default_prompt_name": None})
    elif recipe.form == "new":
        chain = [Transformer(str(folder), transformer_task="fill-mask"), SpladePooling(**pooling)]
        with tempfile.TemporaryDirectory() as scratch:
            SparseEncoder(modules=chain, device="cpu").save_pretrained(scratch, create_model_card=False)
            names = ["modules.json", "sentence_bert_config.json", "config_sentence_transformers.json"]
            names += [str(path.relative_to(scratch)) for path in sorted(Path(scratch).glob("*_*/config.json"))]
            for name in names:
                write_json(folder / name, json.loads((Path(scratch) / name).read_text(encoding="utf-8")))
        path = folder / "config_sentence_transformers.json"
        write_json(path, json.loads(path.read_text(encoding="utf-8")) | recipe.own)


@torch.no_grad()
def write_m3(folder: Path) -> str:
    """XLM-R with cls pooling and the linear layer of BGE-M3's sparse output, computed from its definition.

    Chen et al., arXiv 2402.03216, section 3.2: w_t = relu(W h_t), the largest of a token's; FlagEmbedding leaves out
    cls, eos, pad and unk.
    """
    shutil.rmtree(folder, ignore_errors=True)
    recipe = Recipe(M3, 520, tiny_tokenizers.BUILDERS["xlm-roberta"], {"model_type": "xlm-roberta", **ROBERTA})
    encoder, tokenizer = _seeded(recipe, AutoModel)
    encoder.save_pretrained(folder / "model")
    tokenizer.save_pretrained(folder / "model")
    width = encoder.config.hidden_size
    st_files.write_old_form(folder / "model", width, LIMIT)
    write_json(folder / "model" / "1_Pooling" / "config.json", st_files.old_pooling_config(width, ("cls",)))
    ids = [tokenizer(text, truncation=True, max_length=LIMIT)["input_ids"] for text in CASES]
    linear = {"weight": torch.randn(1, width, generator=torch.Generator().manual_seed(521)).half().float()}
    states = torch.cat([encoder(torch.tensor([one])).last_hidden_state[0] for one in ids])
    linear["bias"] = -(states @ linear["weight"].T).median().reshape(1).half().float()  # half of the tokens weigh
    save_file(
        {name: value.half().numpy() for name, value in linear.items()}, folder / "model" / "sparse_linear.safetensors"
    )
    dense = SentenceTransformer(
        str(folder / "model"), device="cpu", model_kwargs={"dtype": torch.float32, "attn_implementation": "eager"}
    )
    transformer = dense[0].model
    left_out = {tokenizer.cls_token_id, tokenizer.eos_token_id, tokenizer.pad_token_id, tokenizer.unk_token_id}
    tensors = {}
    for tau in (1.0, TAU):
        with tempered(transformer, tau):
            hidden = [transformer(torch.tensor([one])).last_hidden_state[0] for one in ids]
        sparse = np.zeros((len(CASES), encoder.config.vocab_size), dtype=np.float32)
        for row, one, states in zip(sparse, ids, hidden, strict=True):
            weights = torch.relu(states @ linear["weight"].T + linear["bias"])[:, 0].tolist()
            for token, weight in zip(one, weights, strict=True):
                if token not in left_out:
                    row[token] = max(row[token], weight)
        tensors[f"tau={tau:g}"] = sparse
        vectors = torch.stack([states[0] for states in hidden])
        tensors[f"dense/tau={tau:g}"] = nn.functional.normalize(vectors, dim=-1).numpy()
    own = dense.encode(list(CASES), batch_size=1, show_progress_bar=False)
    np.testing.assert_allclose(own, tensors["dense/tau=1"], rtol=0, atol=2e-6)
    cases = {"texts": CASES, "tokens": [len(tokenizer(text)["input_ids"]) for text in CASES], "limit": LIMIT}
    _write_cases(folder, cases, tensors)
    active = (tensors["tau=1"] > 0).sum(axis=1)
    return f"limit {LIMIT}, {active.min()} to {active.max()} active of {tensors['tau=1'].shape[1]}"


def write_router(folder: Path) -> str:
    """Inference-free: queries by a table of weights, documents by SPLADE; the same with the weights in an idf.json."""
    shutil.rmtree(folder, ignore_errors=True)
    recipe = Recipe(ROUTER, 530, tiny_tokenizers.bert, {"model_type": "bert", **_one(BERT)})
    model, tokenizer = _seeded(recipe, AutoModelForMaskedLM)
    with tempfile.TemporaryDirectory() as scratch:
        model.save_pretrained(scratch)
        tokenizer.save_pretrained(scratch)
        transformer = Transformer(scratch, transformer_task="fill-mask")
        table = torch.rand(len(tokenizer), generator=torch.Generator().manual_seed(531)) * 4
        table[::7] = 0
        table[::11] *= -1
        queries = SparseStaticEmbedding(transformer.tokenizer, weight=table, frozen=True)
        router = Router.for_query_document([queries], [transformer, SpladePooling("max", "log1p_relu")])
        SparseEncoder(modules=[router], device="cpu", prompts={"query": "ask: ", "document": ""}).save_pretrained(
            str(folder / "model"), create_model_card=False
        )
    sparse = SparseEncoder(str(folder / "model"), device="cpu")

    def rows(encode: Callable[..., Any], **options: Any) -> np.ndarray:
        one = [encode(text, convert_to_sparse_tensor=False, show_progress_bar=False, **options) for text in CASES]
        return torch.stack(one).float().numpy()

    tensors = {
        "query": rows(sparse.encode_query),
        "query/top=3": rows(sparse.encode_query, max_active_dims=3),
        "document": rows(sparse.encode_document),
        "default": rows(sparse.encode),
    }
    tokens = [len(transformer.tokenizer("ask: " + text, add_special_tokens=False)["input_ids"]) for text in CASES]
    _write_cases(folder, {"texts": CASES, "tokens": tokens, "limit": LIMIT}, tensors)
    names = tokenizer.convert_ids_to_tokens(range(len(tokenizer)))
    write_json(folder / "idf.json", dict(zip(names, table.tolist(), strict=True)))
    active = (tensors["query"] != 0).sum(axis=1)
    return f"limit {LIMIT}, {active.min()} to {active.max()} active of {tensors['query'].shape[1]}"
