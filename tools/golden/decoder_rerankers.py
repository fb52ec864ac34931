"""Seeded tiny rerankers made of decoders: heads for sequence classification, and logits of tokens (LogitScore)."""

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
from sentence_transformers import CrossEncoder
from sentence_transformers.base.modules import Transformer
from sentence_transformers.cross_encoder.modules import LogitScore
from transformers import CONFIG_MAPPING as CONFIGS
from transformers import AutoModelForCausalLM, AutoModelForSequenceClassification, PreTrainedTokenizerBase

from golden import family_models, family_tokenizers
from golden.family_models import DECODER_KEYS, Config, Family
from golden.rerankers import DRAWN, LABELS, PAIRS, TAU, WORDS
from golden.st_files import write_json
from golden.temperature import tempered

# Spaces before a block and the line break behind it are Jinja's to drop; the query is trimmed, the text is not.
FLAT = """{%- set ns = namespace(ask='is it?', text='') %}
{%- for message in messages if message.role == 'system' %}
  {%- set ns.ask = message.content %}
{%- endfor %}
<|im_start|>{{ ns.ask }}<|im_end|>
{% for message in messages %}
  {% if message['role'] == 'document' %}
    {% set ns.text = message['content'] %}
  {% endif %}
{% endfor %}
Q {{ messages | selectattr('role', 'eq', 'query') | map(attribute='content') | first | trim }}
D {{ ns.text }}<|im_end|>
{%- if add_generation_prompt %}<|im_start|>{{ opening }}

{% endif %}
"""
STRUCTURED = (
    "{{ bos_token }}{% for message in messages %}{{ message.role[0] }}:"
    "{% for part in message.content %}{{ part.text if part.type == 'text' }}{% endfor %};{% endfor %}{{ eos_token }}"
)


@dataclass(frozen=True)
class Recipe:
    """One folder of tests/golden/rerankers. With `tokens` a model that predicts tokens, else a head over labels."""

    name: str
    seed: int
    tokenizer: Callable[[int], PreTrainedTokenizerBase]
    config: Config
    tokens: tuple[int, int | None] | None = None  # true and false of LogitScore
    labels: tuple[str, ...] = ()  # empty: one score
    template: str | None = None
    arguments: Config = field(default_factory=dict)  # of the template
    prompts: dict[str, str] | None = None  # the first is the default
    new_form: bool = True  # saved by sentence-transformers itself
    activation: torch.nn.Module | None = None
    limit: int = 40
    in_tokenizer_config: bool = False  # the template, as files before transformers 4.54 have it
    drawn: bool = False


QWEN3: Config = {"model_type": "qwen3", **DECODER_KEYS, "head_dim": 12, "num_hidden_layers": 1}
RECIPES: tuple[Recipe, ...] = (
    Recipe("qwen3-score", 431, family_tokenizers.qwen, QWEN3, new_form=False),
    Recipe(
        "llama-score",
        432,
        family_tokenizers.llama3,
        {"model_type": "llama", **DECODER_KEYS},
        labels=LABELS,
        new_form=False,
    ),
    Recipe(
        "gemma3-score",
        433,
        family_tokenizers.gemma,
        {
            "model_type": "gemma3_text",
            **DECODER_KEYS,
            "intermediate_size": 40,
            "num_key_value_heads": 1,
            "head_dim": 12,
            "query_pre_attn_scalar": 10,
            "sliding_window": 16,
            "sliding_window_pattern": 2,
        },
        template=STRUCTURED,
        prompts={"query": "find it"},
    ),
    Recipe("mistral-score", 434, family_tokenizers.mistral, {"model_type": "mistral", **DECODER_KEYS}, new_form=False),
    Recipe(
        "qwen3-logit",
        435,
        family_tokenizers.qwen,
        QWEN3 | {"tie_word_embeddings": True},
        tokens=(83, 35),
        template=FLAT,
        arguments={"add_generation_prompt": True, "opening": "so"},
        prompts={"web": "is this about that?", "none": ""},
        limit=64,
        drawn=True,
    ),
    Recipe(
        "qwen2-logit",
        436,
        family_tokenizers.qwen,
        {"model_type": "qwen2", **DECODER_KEYS, "num_hidden_layers": 1, "tie_word_embeddings": False},
        tokens=(201, None),
        template=FLAT,
        arguments={"restore_suffix": False, "opening": "unused"},
        activation=torch.nn.Identity(),
        in_tokenizer_config=True,
    ),
    Recipe(
        "llama-logit",
        437,
        family_tokenizers.llama3,
        {"model_type": "llama", **DECODER_KEYS, "num_hidden_layers": 1},
        tokens=(12, 250),
    ),
)


def write_all(root: Path, only: tuple[str, ...] = ()) -> None:
    """Write every recipe's folder under `root`, or those named."""
    for recipe in RECIPES:
        if not only or recipe.name in only:
            print(f"rerankers/{recipe.name}: written, {_write_recipe(recipe, root / recipe.name)}")


def _write_model(recipe: Recipe, folder: Path) -> None:
    """Seeded weights and the files around them."""
    tokenizer = recipe.tokenizer(recipe.limit)
    special = ("pad_token_id", "bos_token_id", "eos_token_id")
    values = {"vocab_size": len(tokenizer)} | {name: getattr(tokenizer, name) for name in special} | recipe.config
    if recipe.labels:
        values |= {"id2label": dict(enumerate(recipe.labels))}
        values |= {"label2id": {label: index for index, label in enumerate(recipe.labels)}}
    elif recipe.tokens is None:
        values |= {"num_labels": 1}
    config = CONFIGS[values.pop("model_type")](**values)
    kind = AutoModelForSequenceClassification if recipe.tokens is None else AutoModelForCausalLM
    model = kind.from_config(config)
    family = Family(recipe.name, recipe.seed, recipe.tokenizer, recipe.config, embedding_std=0.5)
    family_models._randomise(family, model, torch.Generator().manual_seed(recipe.seed))
    model.save_pretrained(folder)
    (folder / "generation_config.json").unlink(missing_ok=True)
    tokenizer.chat_template = recipe.template
    tokenizer.save_pretrained(folder, save_jinja_files=not recipe.in_tokenizer_config)
    if recipe.new_form:
        _save_as_cross_encoder(recipe, folder)


def _save_as_cross_encoder(recipe: Recipe, folder: Path) -> None:
    """The files that sentence-transformers adds, from itself."""
    task = "sequence-classification" if recipe.tokens is None else "text-generation"
    arguments = {"chat_template": recipe.arguments} if recipe.arguments else None
    modules = [Transformer(str(folder), transformer_task=task, processing_kwargs=arguments)]
    if recipe.tokens is not None:
        modules.append(LogitScore(*recipe.tokens))
    names = {"prompts": recipe.prompts, "default_prompt_name": next(iter(recipe.prompts))} if recipe.prompts else {}
    cross = CrossEncoder(modules=modules, device="cpu", activation_fn=recipe.activation, **names)
    with tempfile.TemporaryDirectory() as scratch:
        cross.save_pretrained(scratch, create_model_card=False)
        for path in sorted(Path(scratch).glob("**/*.json")):
            if path.name.startswith(("tokenizer", "generation_config")):
                continue
            target = folder / path.relative_to(scratch)
            target.parent.mkdir(exist_ok=True)
            write_json(target, json.loads(path.read_text(encoding="utf-8")))


def _without_padding(recipe: Recipe, ids: list[int], padding: int | None) -> list[int]:
    """A head over labels looks for the last token that is no padding: what follows it has no effect."""
    while recipe.tokens is None and len(ids) > 1 and ids[-1] == padding:
        ids = ids[:-1]
    return ids


def _drawn(recipe: Recipe, cross: CrossEncoder) -> list[dict[str, Any]]:
    """Random pairs and limits, without a prompt, with the tokens that the template and the limit leave of them."""
    draw = random.Random(recipe.seed)

    def text() -> str:
        return " ".join(draw.choices(WORDS, k=draw.choice((0, 1, 2, 3, 5, 8, 13, 21))))

    least = len(cross.preprocess([["0", "0"]])["input_ids"][0])
    cases = []
    for _ in range(DRAWN):
        pair, limit, side = (text(), text()), draw.randint(least, 44), draw.choice(("left", "right"))
        cross.tokenizer.truncation_side = side
        kept = cross.preprocess([list(pair)], processing_kwargs={"text": {"max_length": limit}})
        whole = cross.preprocess([list(pair)], processing_kwargs={"text": {"truncation": False}})
        case = {"pair": pair, "limit": limit, "side": side, "ids": kept["input_ids"][0].tolist(), "types": []}
        cases.append(case | {"tokens": len(whole["input_ids"][0])})
    cross.tokenizer.truncation_side = "right"
    return cases


def _write_recipe(recipe: Recipe, folder: Path) -> str:
    """Write the model, then read it back as anybody would and record what it computes."""
    shutil.rmtree(folder, ignore_errors=True)
    _write_model(recipe, folder / "model")
    options = {"dtype": torch.float32, "attn_implementation": "eager"}
    cross = CrossEncoder(str(folder / "model"), device="cpu", model_kwargs=options)
    prompt = cross.prompts.get(cross.default_prompt_name) if cross.default_prompt_name else None
    features = [cross.preprocess([list(pair)], prompt=prompt) for pair in PAIRS]
    uncut = {"text": {"truncation": False}}
    whole = [cross.preprocess([list(pair)], prompt=prompt, processing_kwargs=uncut) for pair in PAIRS]
    ids = [_without_padding(recipe, one["input_ids"][0].tolist(), cross.config.pad_token_id) for one in features]
    cases = {
        "pairs": PAIRS,
        "ids": ids,
        "types": [[] for _ in PAIRS],
        "tokens": [len(one["input_ids"][0]) for one in whole],
        "limit": cross.max_seq_length,
        "labels": [cross.config.id2label[index] for index in range(cross.num_labels)],
        "activation": type(cross.activation_fn).__name__.lower(),
        "drawn": _drawn(recipe, cross) if recipe.drawn else [],
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
    scores = cross.predict([list(pair) for pair in PAIRS], batch_size=1, show_progress_bar=False, prompt=prompt)
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
    return torch.stack([cross(dict(one))["scores"][0] for one in features]).numpy()
