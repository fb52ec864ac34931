"""Seeded tiny cross-encoders of every family, with the tokens and scores that sentence-transformers gives."""

from __future__ import annotations

import json
import random
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.numpy import save_file
from safetensors.torch import save_file as save_torch_file
from sentence_transformers import CrossEncoder
from torch import Tensor, nn
from transformers import CONFIG_MAPPING as CONFIGS
from transformers import AutoModelForSequenceClassification, PreTrainedTokenizerBase

from golden import family_models, family_tokenizers, tiny_tokenizers
from golden.family_models import BERT_KEYS, DEBERTA, Config, Family
from golden.st_files import write_json
from golden.temperature import tempered
from golden.texts import CASES
from golden.twins.gte_new import GteNew

TAU = 0.7
NO_LIMIT = int(1e30)
LABELS = ("contradiction", "entailment", "neutral")
IDENTITY = "torch.nn.modules.linear.Identity"
SIGMOID = "torch.nn.modules.activation.Sigmoid"

_LONG = CASES[10]
# Each has its reason in the comment beside it; the limits are below the longest ones.
PAIRS: tuple[tuple[str, str], ...] = (
    (CASES[0], CASES[12]),  # 0: two ordinary sentences
    ("", ""),  # 1: special tokens only
    (CASES[2], ""),  # 2: an empty second text
    ("", CASES[9]),  # 3: an empty first one
    (CASES[2], _LONG),  # 4: only the second is cut
    (_LONG, CASES[2]),  # 5: only the first is cut
    (_LONG, _LONG),  # 6: both are cut, alike
    (_LONG[:-4], _LONG),  # 7: both are cut, of unequal length
    (CASES[4], CASES[3]),  # 8: special tokens written as text, a NUL
    (CASES[6], CASES[7]),  # 9: CJK, emoji
    (CASES[8], CASES[11]),  # 10: accents, white space
    (CASES[5], CASES[0]),  # 11: one long word
)


@dataclass(frozen=True)
class Recipe:
    """One folder of tests/golden/rerankers. `saved` rewrites config.json as published models have it."""

    name: str
    seed: int
    tokenizer: Callable[[int], PreTrainedTokenizerBase]
    config: Config
    labels: tuple[str, ...] = ()  # empty: one score
    tokenizer_limit: int = 40
    saved: dict[str, Any] = field(default_factory=dict)  # put over config.json
    tokenizer_saved: dict[str, Any] = field(default_factory=dict)  # put over tokenizer_config.json
    new_form: dict[str, Any] | None = None  # saved by sentence-transformers itself, with these keys over its own file


def _one(values: Config) -> Config:
    """One layer: what goes before and after the layers is what these models are for."""
    return values | {"num_hidden_layers": 1}


BERT: Config = BERT_KEYS | {"max_position_embeddings": 48}
ROBERTA: Config = _one(BERT_KEYS) | {"max_position_embeddings": 46, "type_vocab_size": 1, "layer_norm_eps": 1e-5}
MODERNBERT: Config = {
    "model_type": "modernbert",
    **BERT_KEYS,
    "intermediate_size": 40,
    "local_attention": 16,
    "max_position_embeddings": 128,
}

RECIPES: tuple[Recipe, ...] = (
    Recipe("bert", 401, tiny_tokenizers.bert, {"model_type": "bert", **BERT}),
    Recipe("bert-labels", 402, tiny_tokenizers.bert, {"model_type": "bert", **_one(BERT)}, labels=LABELS),
    Recipe(
        "bert-tanh",
        403,
        tiny_tokenizers.bert,
        {"model_type": "bert", **_one(BERT)},
        tokenizer_limit=NO_LIMIT,
        saved={"sentence_transformers": {"activation_fn": "torch.nn.modules.activation.Tanh", "version": "5.0.0"}},
        tokenizer_saved={"model_input_names": ["input_ids", "attention_mask"]},
    ),
    Recipe(
        "roberta",
        404,
        tiny_tokenizers.roberta,
        {"model_type": "roberta", **ROBERTA},
        saved={"sentence_transformers": {"activation_fn": IDENTITY, "version": "4.0.1"}},
    ),
    Recipe(
        "xlm-roberta",
        405,
        tiny_tokenizers.BUILDERS["xlm-roberta"],
        {"model_type": "xlm-roberta", **ROBERTA},
        saved={"sbert_ce_default_activation_function": IDENTITY},
    ),
    Recipe(
        "camembert",
        406,
        tiny_tokenizers.BUILDERS["camembert"],
        {"model_type": "camembert", **ROBERTA},
        labels=LABELS,
    ),
    Recipe(
        "electra",
        407,
        tiny_tokenizers.bert,
        {"model_type": "electra", **_one(BERT), "embedding_size": 16},
        new_form={"prompts": {"query": "ask: ", "document": ""}, "default_prompt_name": "query"},
    ),
    Recipe(
        "distilbert",
        408,
        tiny_tokenizers.BUILDERS["distilbert"],
        {
            "model_type": "distilbert",
            "dim": 32,
            "hidden_dim": 48,
            "n_layers": 1,
            "n_heads": 4,
            "max_position_embeddings": 48,
        },
    ),
    Recipe(
        "mpnet",
        409,
        tiny_tokenizers.BUILDERS["mpnet"],
        {"model_type": "mpnet", **_one(BERT), "layer_norm_eps": 1e-5},
    ),
    Recipe(
        "albert",
        410,
        family_tokenizers.albert,
        {"model_type": "albert", **BERT, "embedding_size": 16, "num_hidden_groups": 1},
    ),
    Recipe(
        "albert-types",
        411,
        family_tokenizers.albert,
        {"model_type": "albert", **_one(BERT), "embedding_size": 16},
        tokenizer_saved={"model_input_names": ["input_ids", "token_type_ids", "attention_mask"]},
    ),
    Recipe(
        "deberta-v3",
        412,
        family_tokenizers.deberta,
        DEBERTA | {"num_hidden_layers": 1, "pooler_hidden_act": "gelu", "pooler_hidden_size": 32},
        labels=LABELS,
    ),
    Recipe(
        "deberta-v2",
        413,
        family_tokenizers.deberta,
        _one(DEBERTA) | {"conv_kernel_size": 3, "conv_act": "gelu", "pooler_hidden_act": "tanh", "type_vocab_size": 2},
    ),
    Recipe(
        "modernbert",
        414,
        family_tokenizers.modernbert,
        MODERNBERT | {"classifier_pooling": "mean", "classifier_bias": True, "classifier_activation": "silu"},
        new_form={"activation_fn": IDENTITY},
    ),
    Recipe(
        "modernbert-cls",
        415,
        family_tokenizers.modernbert,
        _one(MODERNBERT) | {"classifier_pooling": "cls", "norm_bias": True},
        labels=LABELS,
    ),
    Recipe(
        "gte",
        416,
        tiny_tokenizers.bert,
        {"model_type": "gte", **_one(BERT_KEYS), "max_position_embeddings": 64, "type_vocab_size": 1},
        tokenizer_saved={"model_input_names": ["input_ids", "attention_mask"]},
    ),
)


DRAWN = 60
DRAWN_OF = ("bert", "roberta", "xlm-roberta", "deberta-v3", "modernbert")
WORDS = tuple(word for text in CASES for word in text.split(" "))


def _tokens(tokenizer: PreTrainedTokenizerBase, pair: tuple[str, str], **options: Any) -> dict[str, list[int]]:
    """Of a pair in a list, as CrossEncoder gives it; on its own an empty second text would be no text."""
    return {name: values[0] for name, values in tokenizer([list(pair)], **options).items()}


def _drawn(seed: int, tokenizer: PreTrainedTokenizerBase) -> list[dict[str, Any]]:
    """Random pairs of random words, lengths, limits and sides, with the tokens that transformers leaves of them."""
    draw = random.Random(seed)

    def text() -> str:
        return " ".join(draw.choices(WORDS, k=draw.choice((0, 1, 2, 3, 5, 8, 13, 21, 34))))

    least = tokenizer.num_special_tokens_to_add(pair=True) + 1
    cases = []
    for _ in range(DRAWN):
        pair, limit, side = (text(), text()), draw.randint(least, 48), draw.choice(("left", "right"))
        tokenizer.truncation_side = side
        kept = _tokens(tokenizer, pair, truncation="longest_first", max_length=limit)
        whole = _tokens(tokenizer, pair, truncation=False)
        case = {"pair": pair, "limit": limit, "side": side, "ids": kept["input_ids"]}
        cases.append(case | {"types": kept.get("token_type_ids", []), "tokens": len(whole["input_ids"])})
    tokenizer.truncation_side = "right"
    return cases


def write_all(root: Path, only: tuple[str, ...] = ()) -> None:
    """Write every recipe's folder under `root`, or those named."""
    for recipe in RECIPES:
        if not only or recipe.name in only:
            print(f"rerankers/{recipe.name}: written, {write_recipe(recipe, root / recipe.name)}")
    if not only or "gte-new" in only:
        print(f"rerankers/gte-new: written, {write_twin(root / 'gte-new')}")


class GteNewClassifier(nn.Module):
    """NewForSequenceClassification of Alibaba-NLP/new-impl: the encoder, BERT's pooler, a classifier of one label."""

    def __init__(self, config: Config) -> None:
        """Read the width."""
        super().__init__()
        width = config["hidden_size"]
        self.new = GteNew(config)
        self.new.pooler = nn.ModuleDict({"dense": nn.Linear(width, width)})
        self.classifier = nn.Linear(width, 1)

    def forward(self, tokens: Tensor) -> Tensor:
        """Of one pair: [1]."""
        return self.classifier(torch.tanh(self.new.pooler["dense"](self.new(tokens)[-1][0])))


@torch.no_grad()
def write_twin(folder: Path) -> str:
    """GTE's published code is not in transformers: its plain twin is the reference, its tokenizer the library's own."""
    shutil.rmtree(folder, ignore_errors=True)
    name, seed, limit = "gte-new", 418, 40
    tokenizer = tiny_tokenizers.bert(limit)
    config = family_models.GTE | {"vocab_size": len(tokenizer), "torch_dtype": "float32", "id2label": {"0": "LABEL_0"}}
    config |= {"architectures": ["NewForSequenceClassification"], "type_vocab_size": 0, "num_hidden_layers": 1}
    model = GteNewClassifier(config)
    family = Family(name, seed, tiny_tokenizers.bert, config)
    family_models._randomise(family, model, torch.Generator().manual_seed(seed))
    tokenizer.save_pretrained(folder / "model")
    tensors = {key: value.contiguous() for key, value in model.state_dict().items()}
    save_torch_file(tensors, folder / "model" / "model.safetensors", metadata={"format": "pt"})
    write_json(folder / "model" / "config.json", config)
    ids = [_tokens(tokenizer, pair, truncation="longest_first", max_length=limit) for pair in PAIRS]
    cases = {
        "pairs": PAIRS,
        "ids": [one["input_ids"] for one in ids],
        "types": [one["token_type_ids"] for one in ids],
        "tokens": [len(_tokens(tokenizer, pair, truncation=False)["input_ids"]) for pair in PAIRS],
        "limit": limit,
        "labels": ["LABEL_0"],
        "activation": "sigmoid",
        "drawn": [],
    }
    (folder / "cases.json").write_text(json.dumps(cases, ensure_ascii=True) + "\n", encoding="utf-8")
    expected = {}
    for tau in (1.0, TAU):
        with tempered(model, tau):
            rows = [model(torch.tensor(one["input_ids"])) for one in ids]
        expected[f"tau={tau:g}/logits"] = torch.stack(rows)
    expected["scores"] = torch.sigmoid(expected["tau=1/logits"])
    save_torch_file(expected, folder / "expected.safetensors")
    logits = expected["tau=1/logits"]
    return f"limit {limit}, logits {logits.min():.2f} to {logits.max():.2f}"


def write_recipe(recipe: Recipe, folder: Path) -> str:
    """Write the model, then read it back as anybody would and record what it computes."""
    shutil.rmtree(folder, ignore_errors=True)
    _write_model(recipe, folder / "model")
    cross = CrossEncoder(
        str(folder / "model"), device="cpu", model_kwargs={"dtype": torch.float32, "attn_implementation": "eager"}
    )
    prompt = cross.prompts.get(cross.default_prompt_name) if cross.default_prompt_name else None
    features = [cross.preprocess([list(pair)], prompt=prompt) for pair in PAIRS]
    whole = [
        _tokens(cross.tokenizer, ((prompt or "") + first, second), truncation=False)["input_ids"]
        for first, second in PAIRS
    ]
    types = [one["token_type_ids"][0].tolist() if "token_type_ids" in one else [] for one in features]
    cases = {
        "pairs": PAIRS,
        "ids": [one["input_ids"][0].tolist() for one in features],
        "types": types,
        "tokens": [len(ids) for ids in whole],
        "limit": cross.max_seq_length,
        "labels": [cross.config.id2label[index] for index in range(cross.num_labels)],
        "activation": type(cross.activation_fn).__name__.lower(),
        "drawn": _drawn(recipe.seed, cross.tokenizer) if recipe.name in DRAWN_OF else [],
    }
    (folder / "cases.json").write_text(json.dumps(cases, ensure_ascii=True) + "\n", encoding="utf-8")
    tensors = {"tau=1/logits": _logits(cross, features)}
    for tau in (1.0, TAU):
        with tempered(cross.model, tau):
            logits = _logits(cross, features)
        if tau == 1.0:  # the reference is the library's own attention, or it is worth nothing
            np.testing.assert_allclose(logits, tensors["tau=1/logits"], rtol=0, atol=3e-6)
        else:
            tensors[f"tau={tau:g}/logits"] = logits
    scores = cross.predict([list(pair) for pair in PAIRS], batch_size=1, show_progress_bar=False)
    tensors["scores"] = scores.reshape(len(PAIRS), -1)
    save_file(
        {name: np.ascontiguousarray(value, dtype=np.float32) for name, value in tensors.items()},
        folder / "expected.safetensors",
    )
    logits = tensors["tau=1/logits"]
    return f"limit {cross.max_seq_length}, logits {logits.min():.2f} to {logits.max():.2f}"


@torch.no_grad()
def _logits(cross: CrossEncoder, features: list[dict[str, Any]]) -> np.ndarray:
    """Of each pair alone."""
    names = ("input_ids", "attention_mask", "token_type_ids")
    rows = []
    for one in features:
        taken = {name: one[name] for name in names if name in one}
        rows.append(cross.model(**taken).logits[0])
    return torch.stack(rows).numpy()


def _write_model(recipe: Recipe, folder: Path) -> None:
    """Seeded weights and the files around them."""
    tokenizer = recipe.tokenizer(recipe.tokenizer_limit)
    special = ("pad_token_id", "bos_token_id", "eos_token_id", "cls_token_id", "sep_token_id")
    values = {"vocab_size": len(tokenizer)} | {name: getattr(tokenizer, name) for name in special} | recipe.config
    if recipe.labels:
        values |= {"id2label": dict(enumerate(recipe.labels))}
        values |= {"label2id": {label: index for index, label in enumerate(recipe.labels)}}
    else:
        values |= {"num_labels": 1}
    config = CONFIGS[values.pop("model_type")](**values)
    model = AutoModelForSequenceClassification.from_config(config)
    family = Family(recipe.name, recipe.seed, recipe.tokenizer, recipe.config)
    family_models._randomise(family, model, torch.Generator().manual_seed(recipe.seed))
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    _put_over(folder / "config.json", recipe.saved)
    _put_over(folder / "tokenizer_config.json", recipe.tokenizer_saved)
    if recipe.new_form is None:
        return
    with tempfile.TemporaryDirectory() as scratch:
        cross = CrossEncoder(str(folder), device="cpu")
        cross.save_pretrained(scratch, create_model_card=False)
        for path in sorted(Path(scratch).glob("*.json")):
            write_json(folder / path.name, json.loads(path.read_text(encoding="utf-8")))
    _put_over(folder / "config_sentence_transformers.json", recipe.new_form)


def _put_over(path: Path, values: dict[str, Any]) -> None:
    """Set keys of a JSON file."""
    if values:
        write_json(path, json.loads(path.read_text(encoding="utf-8")) | values)
