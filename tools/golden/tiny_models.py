"""Seeded models of one or two layers of every family, with the tensors that `transformers` computes from them."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.numpy import save_file
from safetensors.torch import load_file
from safetensors.torch import save_file as save_torch_file
from sentence_transformers import SentenceTransformer
from torch import Tensor, nn
from transformers import CONFIG_MAPPING as CONFIGS
from transformers import (
    AutoModel,
    AutoModelForMaskedLM,
    AutoTokenizer,
    PretrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)

from golden import st_files, tiny_tokenizers
from golden.temperature import tempered
from golden.texts import CASES, LAYER_TEXTS, LAYER_TEXTS_VARIANT

QUERY_AND_KEY = ("query", "key", "q", "k", "q_lin", "k_lin")
QUERY_KEY_GAIN = 1.3  # makes the logits' standard deviation about 1.7: neither flat nor one-hot attention
LOGIT_STD_RANGE = (1.2, 2.6)


@dataclass(frozen=True)
class Recipe:
    """One folder of tests/golden."""

    name: str
    family: str
    seed: int
    width: int = 32
    positions: int = 96  # rows of the position table
    tokenizer_limit: int = 64  # what tokenizer_config.json says
    st_limit: int | None = None  # what sentence_bert_config.json says
    limit: int = 64  # the limit that must result
    new_form: bool = False  # sentence-transformers' key form from 5.4 on
    masked_lm: bool = False  # saved from the masked-language model: tensors carry the family's prefix
    dtype: torch.dtype = torch.float32
    shards: bool = False
    config: dict[str, Any] = field(default_factory=dict)

    @property
    def layers(self) -> int:
        """The variants in float32 show file forms and activations, for which one block is enough."""
        return 1 if self.variant and self.dtype == torch.float32 else 2

    @property
    def variant(self) -> bool:
        """Variants show one thing each and keep fewer tensors."""
        return self.name != self.family


NO_LIMIT = int(1e30)
RECIPES: tuple[Recipe, ...] = (
    Recipe("bert", "bert", 11, st_limit=64, tokenizer_limit=96, limit=64),
    Recipe("roberta", "roberta", 12, positions=74, tokenizer_limit=NO_LIMIT, st_limit=70, limit=70),
    Recipe("xlm-roberta", "xlm-roberta", 13, positions=82, tokenizer_limit=60, limit=60, new_form=True),
    Recipe("camembert", "camembert", 14, positions=82, tokenizer_limit=80, limit=80, new_form=True),
    Recipe("distilbert", "distilbert", 15, positions=72, tokenizer_limit=NO_LIMIT, limit=72),
    Recipe("mpnet", "mpnet", 16, width=48, positions=92, tokenizer_limit=80, limit=80, new_form=True),
    Recipe("bert-masked-lm", "bert", 21, tokenizer_limit=64, masked_lm=True),
    Recipe("roberta-masked-lm", "roberta", 22, positions=66, masked_lm=True),
    Recipe("distilbert-masked-lm", "distilbert", 23, positions=64, masked_lm=True),
    Recipe("mpnet-masked-lm", "mpnet", 24, positions=66, masked_lm=True),
    Recipe("bert-bf16", "bert", 31, dtype=torch.bfloat16),
    Recipe("bert-f16", "bert", 31, dtype=torch.float16),
    Recipe("bert-sharded", "bert", 32, shards=True),
    Recipe("bert-gelu-new", "bert", 33, width=48, config={"hidden_act": "gelu_new"}),
    Recipe("bert-relu", "bert", 34, config={"hidden_act": "relu"}),
)


def write_all(root: Path) -> None:
    """Write every recipe's folder under `root`."""
    for recipe in RECIPES:
        write_recipe(recipe, root / recipe.name)
        print(f"{recipe.name}: written")


def write_recipe(recipe: Recipe, folder: Path) -> None:
    """Write the model, then read it back as anybody would and record what it computes."""
    shutil.rmtree(folder, ignore_errors=True)
    model_folder = folder / "model"
    _write_model(recipe, model_folder)
    tokenizer = AutoTokenizer.from_pretrained(model_folder)
    ids = [tokenizer(text)["input_ids"] for text in CASES]
    used = [tokenizer(text, truncation=True, max_length=recipe.limit)["input_ids"] for text in CASES]
    cases = {"texts": CASES, "ids": ids, "used": [len(kept) for kept in used], "limit": recipe.limit}
    (folder / "cases.json").write_text(json.dumps(cases, ensure_ascii=True) + "\n", encoding="utf-8")
    model = AutoModel.from_pretrained(model_folder, dtype=torch.float32, attn_implementation="eager").eval()
    save_file(_expected(recipe, model, used, model_folder), folder / "expected.safetensors")


def _config(recipe: Recipe, tokenizer: PreTrainedTokenizerBase) -> PretrainedConfig:
    """The family's own key names; everything else at the family's default."""
    width = recipe.width
    names = {"dim": width, "hidden_dim": 2 * width, "n_layers": recipe.layers, "n_heads": 4}
    if recipe.family != "distilbert":
        names = {"hidden_size": width, "intermediate_size": 2 * width, "num_attention_heads": 4}
        names |= {"num_hidden_layers": recipe.layers}
    if recipe.family in ("roberta", "xlm-roberta", "camembert"):
        names |= {"type_vocab_size": 1, "layer_norm_eps": 1e-5}
    if recipe.family == "mpnet":
        names |= {"layer_norm_eps": 1e-5}
    names |= {"pad_token_id": tokenizer.pad_token_id, "max_position_embeddings": recipe.positions}
    return CONFIGS[recipe.family](vocab_size=len(tokenizer), **names, **recipe.config)


def _randomise(model: nn.Module, generator: torch.Generator) -> None:
    """Give every parameter a value that shows when it is dropped, swapped or transposed."""

    def normal(tensor: Tensor, std: float) -> None:
        tensor.copy_(torch.randn(tensor.shape, generator=generator) * std)

    with torch.no_grad():
        for name, module in model.named_modules():
            if isinstance(module, nn.LayerNorm):
                module.weight.copy_(torch.rand(module.weight.shape, generator=generator) * 0.8 + 0.6)
                normal(module.bias, 0.2)
            elif isinstance(module, nn.Linear):
                gain = QUERY_KEY_GAIN if name.split(".")[-1] in QUERY_AND_KEY else 1.0
                normal(module.weight, gain / module.in_features**0.5)
                normal(module.bias, 0.2)
            elif isinstance(module, nn.Embedding):
                normal(module.weight, 0.7)


def _write_model(recipe: Recipe, folder: Path) -> None:
    """Save weights, configuration, tokenizer and the sentence-transformers files."""
    tokenizer = tiny_tokenizers.BUILDERS[recipe.family](recipe.tokenizer_limit)
    config = _config(recipe, tokenizer)
    kind = AutoModelForMaskedLM if recipe.masked_lm else AutoModel
    options = {} if recipe.masked_lm else {"add_pooling_layer": False}
    model = kind.from_config(config) if recipe.family == "distilbert" else kind.from_config(config, **options)
    _randomise(model, torch.Generator().manual_seed(recipe.seed))
    model = model.to(recipe.dtype)
    model.save_pretrained(folder, max_shard_size="40KB" if recipe.shards else "1GB")
    tokenizer.save_pretrained(folder)
    if recipe.new_form:
        st_files.write_new_form(folder)
    else:
        st_files.write_old_form(folder, recipe.width, recipe.st_limit)
    if recipe.name == "bert-masked-lm":
        _use_old_names(folder / "model.safetensors")
    if recipe.name == "bert-relu":
        _store_truncation(folder / "tokenizer.json")


def _use_old_names(path: Path) -> None:
    """Old BERT checkpoints call a norm's weight gamma and its bias beta, and many carry a buffer of position ids."""
    tensors = load_file(path)
    renamed = {
        name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): tensor
        for name, tensor in tensors.items()
    }
    rows = tensors["bert.embeddings.position_embeddings.weight"].shape[0]
    renamed["bert.embeddings.position_ids"] = torch.arange(rows).unsqueeze(0)
    save_torch_file(renamed, path, metadata={"format": "pt"})


def _store_truncation(path: Path) -> None:
    """Many real tokenizer.json files hold a truncation and a padding of their own, which must not be obeyed."""
    tokenizer = json.loads(path.read_text(encoding="utf-8"))
    tokenizer["truncation"] = {"direction": "Right", "max_length": 16, "strategy": "LongestFirst", "stride": 0}
    tokenizer["padding"] = {
        "strategy": {"Fixed": 16},
        "direction": "Right",
        "pad_to_multiple_of": None,
        "pad_id": 0,
        "pad_type_id": 0,
        "pad_token": "[PAD]",
    }
    st_files.write_json(path, tokenizer)


@torch.no_grad()
def _layers(model: PreTrainedModel, ids: list[int]) -> list[Tensor]:
    """Hidden states of one text alone: the embeddings' output, then each block's."""
    tokens = torch.tensor([ids])
    output = model(input_ids=tokens, attention_mask=torch.ones_like(tokens), output_hidden_states=True)
    return [state[0] for state in output.hidden_states]


def _pooled(last_layers: list[Tensor]) -> np.ndarray:
    """Mean and unit length, as the modules of these folders say."""
    means = torch.stack([layer.mean(dim=0) for layer in last_layers])
    return torch.nn.functional.normalize(means, dim=-1).numpy()


def _expected(recipe: Recipe, model: PreTrainedModel, used: list[list[int]], folder: Path) -> dict[str, np.ndarray]:
    """All tensors of expected.safetensors."""
    plain = [_layers(model, ids) for ids in used]
    tensors: dict[str, np.ndarray] = {}
    for tau, layer_texts in (LAYER_TEXTS_VARIANT if recipe.variant else LAYER_TEXTS).items():
        with tempered(model, tau) as attention:
            states = [_layers(model, ids) for ids in used]
            logit_std = float(np.mean(attention.logit_std))
        if tau == 1.0:
            _assert_same(plain, states)
            assert LOGIT_STD_RANGE[0] < logit_std < LOGIT_STD_RANGE[1], f"{recipe.name}: logit std {logit_std:.2f}"
            states = plain
        tensors[f"tau={tau:g}/pooled"] = _pooled([layers[-1] for layers in states])
        for text in layer_texts:
            for index, state in enumerate(states[text]):
                tensors[f"tau={tau:g}/text={text}/layer={index}"] = state.numpy()
    if recipe.family == "mpnet":
        with tempered(model, 0.5, temper_bias=False):
            tensors["tau=0.5/unscaled_bias/pooled"] = _pooled([_layers(model, ids)[-1] for ids in used])
    _assert_sentence_transformers(folder, tensors["tau=1/pooled"])
    return {name: np.ascontiguousarray(tensor, dtype=np.float32) for name, tensor in tensors.items()}


def _assert_same(plain: list[list[Tensor]], tempered_states: list[list[Tensor]]) -> None:
    """At tau = 1 the reference is the library's own attention, or it is worth nothing."""
    for expected, got in zip(plain, tempered_states, strict=True):
        for one, other in zip(expected, got, strict=True):
            torch.testing.assert_close(one, other, rtol=0, atol=3e-6)


def _assert_sentence_transformers(folder: Path, pooled: np.ndarray) -> None:
    """The folder, loaded as a user would, gives the vectors recorded here; the limits are then right too."""
    model = SentenceTransformer(str(folder), device="cpu", model_kwargs={"dtype": torch.float32})
    vectors = model.encode(list(CASES), batch_size=1, show_progress_bar=False)
    difference = float(np.abs(vectors - pooled).max())
    assert difference < 2e-6, f"{folder}: {difference} away from sentence-transformers"
