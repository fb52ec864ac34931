"""PEFT adapters of the golden models, made and run by `peft` itself: tests/golden/adapters."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from peft import LoraConfig, PeftModel, get_peft_model
from safetensors.numpy import save_file
from torch import Tensor
from transformers import AutoModel, AutoModelForCausalLM, AutoTokenizer, PreTrainedModel

from golden.temperature import tempered
from golden.texts import CASES

TAUS = (1.0, 0.7)
STEP = 0.1  # how far biases and saved modules move, as training would move them


@dataclass(frozen=True)
class Recipe:
    """One adapter, for a folder of tests/golden."""

    name: str
    base: str
    seed: int
    config: dict[str, Any] = field(default_factory=dict)
    last_token: bool = False  # as the base folder's pooling says; else the mean
    causal_head: bool = False  # trained below a language-model head, so that paths begin with "model."


# Between them: every setting that decides which weights change and by how much.
RECIPES: tuple[Recipe, ...] = (
    Recipe(
        "bert-all-biases",
        "bert",
        51,
        {
            "target_modules": ["query", "value", "dense"],
            "bias": "all",
            "r": 4,
            "lora_alpha": 6,
            "rank_pattern": {"attention.output.dense": 2},
            "alpha_pattern": {"^encoder.layer.1.attention.self.query": 12, "value": 3},
            "lora_bias": False,
        },
    ),
    Recipe(
        "qwen3-expression",
        "qwen3",
        52,
        {
            "target_modules": r".*layers\.\d+\.(?:self_attn\.(?!o_proj)[qvo]_proj|mlp\.down_proj)",
            "r": 3,
            "lora_alpha": 5,
            "use_rslora": True,
            "lora_bias": False,
            "modules_to_save": ["model.norm"],
        },
        last_token=True,
        causal_head=True,
    ),
    Recipe(
        "xlm-roberta-embeddings",
        "xlm-roberta",
        53,
        {
            "target_modules": ["word_embeddings", "key", "output.dense"],
            "exclude_modules": ["attention.output.dense"],
            "modules_to_save": ["LayerNorm"],
            "bias": "lora_only",
            "r": 2,
            "lora_alpha": 4,
        },
    ),
    Recipe(
        "roberta-one-layer",
        "roberta",
        54,
        {
            "target_modules": ["query", "intermediate.dense"],
            "layers_to_transform": [1],
            "layers_pattern": "layer",
            "r": 2,
            "lora_alpha": 3,
            "lora_bias": True,
        },
    ),
    Recipe("deberta-v2-convolution", "deberta-v2", 55, {"target_modules": ["query_proj", "conv.conv"], "r": 2}),
)


def write_all(root: Path) -> None:
    """Write every recipe's folder under `root`/adapters; the base models must be there."""
    for recipe in RECIPES:
        folder = root / "adapters" / recipe.name
        shutil.rmtree(folder, ignore_errors=True)
        _write_adapter(recipe, root / recipe.base / "model", folder / "adapter")
        _write_expected(recipe, root, folder)
        print(f"{recipe.name}: written")


def _base(recipe: Recipe, folder: Path) -> PreTrainedModel:
    kind = AutoModelForCausalLM if recipe.causal_head else AutoModel
    torch.manual_seed(recipe.seed)  # a head or pooler that the checkpoint lacks is random
    return kind.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()


def _write_adapter(recipe: Recipe, base: Path, folder: Path) -> None:
    model = _base(recipe, base)
    torch.manual_seed(recipe.seed)
    # Not its default, which begins with factors whose product is zero.
    config = LoraConfig(init_lora_weights=False, **recipe.config)
    peft = get_peft_model(model, config)
    generator = torch.Generator().manual_seed(recipe.seed)
    with torch.no_grad():
        for name, parameter in peft.named_parameters():
            if not parameter.requires_grad:
                continue
            if ".lora_" in name:  # large enough to show, small enough that attention stays as sharp as it was
                scale = 0.5 / parameter.shape[0] ** 0.5 if "lora_B" in name else 0.3
                parameter.copy_(torch.randn(parameter.shape, generator=generator) * scale)
            else:
                parameter.add_(torch.randn(parameter.shape, generator=generator) * STEP)
    peft.peft_config["default"].base_model_name_or_path = f"tiny/{recipe.base}"
    peft.save_pretrained(folder, save_embedding_layers=False)
    (folder / "README.md").unlink(missing_ok=True)


@torch.no_grad()
def _vector(recipe: Recipe, model: PreTrainedModel, ids: list[int]) -> Tensor:
    """The last hidden states pooled, at unit length, as the modules of the base folders say."""
    tokens = torch.tensor([ids])
    output = model(input_ids=tokens, attention_mask=torch.ones_like(tokens), output_hidden_states=True)
    states = output.hidden_states[-1][0]
    return torch.nn.functional.normalize(states[-1] if recipe.last_token else states.mean(dim=0), dim=-1)


def _write_expected(recipe: Recipe, root: Path, folder: Path) -> None:
    base_folder = root / recipe.base / "model"
    limit = json.loads((root / recipe.base / "cases.json").read_text(encoding="utf-8"))["limit"]
    tokenizer = AutoTokenizer.from_pretrained(base_folder)
    texts = [tokenizer(text, truncation=True, max_length=limit)["input_ids"] for text in CASES]
    peft = PeftModel.from_pretrained(_base(recipe, base_folder), folder / "adapter").eval()
    model = peft.get_base_model()
    expected: dict[str, np.ndarray] = {}
    for tau in TAUS:
        with tempered(model, tau):
            expected[f"tau={tau:g}/pooled"] = torch.stack([_vector(recipe, model, ids) for ids in texts]).numpy()
    with peft.disable_adapter(), tempered(model, 1.0):
        plain = torch.stack([_vector(recipe, model, ids) for ids in texts]).numpy()
    change = np.abs(plain - expected["tau=1/pooled"]).max(axis=1).min()
    assert change > 0.01, f"{recipe.name}: the adapter changes some text by {change:.1e} only"
    save_file(expected, folder / "expected.safetensors")
    (folder / "base.json").write_text(json.dumps({"base": recipe.base}) + "\n", encoding="utf-8")
