"""What each key of a family's configuration class does, found by changing it: nothing, other hidden states or shapes.

The test holds Treble's families against it: whatever changes hidden states is read or refused, all else is read,
refused or on the list of keys that are known to be harmless (src/models/known_names.cc).
"""

from __future__ import annotations

import copy
import json
import warnings
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers import (
    CONFIG_MAPPING,
    AutoModel,
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    PretrainedConfig,
    T5EncoderModel,
    UMT5EncoderModel,
)
from transformers.utils import logging

from golden.family_models import BERT_KEYS, DEBERTA, DECODER_KEYS, Config

TOKENS = 40  # beyond every window below
LEAST = 1e-5  # of hidden states of size 1: what rounding alone does is far below
BERT: Config = BERT_KEYS | {"max_position_embeddings": 64, "vocab_size": 50, "pad_token_id": 1}
DECODER: Config = DECODER_KEYS | {"vocab_size": 50, "pad_token_id": 1}
WINDOWED: Config = {"sliding_window": 8}
T5: Config = {"d_model": 32, "d_ff": 48, "d_kv": 8, "num_layers": 2, "num_heads": 4, "vocab_size": 50}
DISTILBERT: Config = {"dim": 32, "hidden_dim": 48, "n_layers": 2, "n_heads": 4, "max_position_embeddings": 64}
GEMMA: Config = DECODER | WINDOWED | {"head_dim": 8, "query_pre_attn_scalar": 8, "sliding_window_pattern": 2}
GEMMA2: Config = GEMMA | {"global_head_dim": 12, "num_global_key_value_heads": 1, "embedding_dim": 24}
BASES: dict[str, Config] = {
    "bert": BERT,
    "roberta": BERT,
    "xlm-roberta": BERT,
    "camembert": BERT,
    "electra": BERT | {"embedding_size": 16},
    "albert": BERT | {"embedding_size": 16},
    "distilbert": DISTILBERT | {"vocab_size": 50},
    "mpnet": BERT,
    "deberta-v2": {key: value for key, value in DEBERTA.items() if key != "model_type"} | {"vocab_size": 50},
    "t5": T5,
    "mt5": T5,
    "umt5": T5,
    "nomic_bert": BERT,
    "gte": BERT,
    "jina_embeddings_v3": BERT,
    "modernbert": BERT | {"local_attention": 16, "global_attn_every_n_layers": 2},
    "gemma3_text": GEMMA,
    "embedding_gemma2_text": {key: value for key, value in GEMMA2.items() if key != "query_pre_attn_scalar"}
    | {"hidden_size_per_layer_input": 10},
    "llama": DECODER,
    "mistral": DECODER | WINDOWED,
    "qwen2": DECODER | WINDOWED | {"use_sliding_window": True, "max_window_layers": 1},
    "qwen3": DECODER | WINDOWED | {"use_sliding_window": True, "max_window_layers": 1, "head_dim": 8},
    "eurobert": DECODER,
    "ultrabert": DECODER | WINDOWED,
    "mamba2": {"hidden_size": 32, "num_hidden_layers": 2, "num_heads": 8, "head_dim": 8, "state_size": 16}
    | {"n_groups": 1, "vocab_size": 50, "chunk_size": 16, "time_step_limit": (0.0, 1e30)},
}
DECODERS = ("llama", "mistral", "qwen2", "qwen3", "gemma3_text")
# Of which Treble has the head for sequence classification.
CLASSIFIERS = (
    *("bert", "roberta", "xlm-roberta", "camembert", "electra", "albert", "distilbert", "mpnet", "deberta-v2"),
    *("modernbert", "gte", *DECODERS),
)
ENCODERS = {"t5": T5EncoderModel, "mt5": T5EncoderModel, "umt5": UMT5EncoderModel}
# Where a family has one way of computing under several names, or loads nothing without it.
LEFT_OUT = ("model_type", "transformers_version", "architectures", "dtype", "torch_dtype", "_attn_implementation")


def alternatives(value: Any) -> list[Any]:
    """Other values of about the same kind."""
    if isinstance(value, list) and value and set(value) <= {"full_attention", "sliding_attention"}:
        other = {"full_attention": "sliding_attention", "sliding_attention": "full_attention"}
        return [[other[value[0]], *value[1:]]]
    if isinstance(value, bool):
        return [not value]
    others: dict[type, list[Any]] = {str: ["relu", "gelu", "silu", "none", "cls"], type(None): [True, 3, 0.5, "relu"]}
    if isinstance(value, int):
        others[int] = [value + 1, value * 2, max(value // 2, 1)]
    elif isinstance(value, float):
        others[float] = [value * 1.7 + 0.3, value / 2]
    elif isinstance(value, list) and value:
        others[list] = [value[:1]]
    return others.get(type(value), [])


def changed_rotary(value: Any) -> list[Any]:
    """rope_parameters with other bases, in whichever form they are."""
    if not isinstance(value, dict) or not value:
        return []
    other = copy.deepcopy(value)
    for inner in (other, *other.values()):
        if isinstance(inner, dict) and "rope_theta" in inner:
            inner["rope_theta"] = inner["rope_theta"] / 7
    return [other]


def build(model_type: str, values: Config, auto: Any = AutoModel) -> nn.Module:
    """A model of this configuration, its parameters as the class makes them."""
    config: PretrainedConfig = CONFIG_MAPPING[model_type].from_dict(copy.deepcopy(values))
    config._attn_implementation = "eager"
    if model_type in ENCODERS:
        config.is_encoder_decoder = False
        return ENCODERS[model_type](config).eval()
    return auto.from_config(config).eval()


@torch.no_grad()
def outputs(model: nn.Module) -> Tensor:
    """Hidden states or logits, of one text without padding that has the padding token in it, so that that shows."""
    ids = torch.randint(3, 50, (1, TOKENS), generator=torch.Generator().manual_seed(5))
    ids[0, [7, -1]] = 1
    return model(input_ids=ids, attention_mask=torch.ones_like(ids))[0]


def perturbed(model: nn.Module) -> nn.Module:
    """Parameters that show when they are used otherwise."""
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.2)
    return model


def effect_of(model_type: str, base: Config, key: str, reference: nn.Module, auto: Any) -> dict[str, Any]:
    """The strongest that any other value has: {"effect": …}, with the value where outputs change."""
    expected = outputs(reference)
    found = {"effect": "none"}
    for value in [*alternatives(base[key]), *changed_rotary(base[key])]:
        try:
            model = build(model_type, base | {key: value}, auto)
            model.load_state_dict(reference.state_dict())
            states = outputs(model)
        except Exception:  # another shape, or a value that the class refuses
            found = {"effect": "shape"} if found["effect"] == "none" else found
            continue
        if states.shape != expected.shape or float((states - expected).abs().max()) > LEAST:
            return {"effect": "changes", "value": value}
    return found


def keys_of(model_type: str, values: Config) -> dict[str, Any]:
    """The whole configuration, what each of its keys does to hidden states, and which others change a head's logits."""
    torch.manual_seed(3)
    base = json.loads(CONFIG_MAPPING[model_type](**values).to_json_string(use_diff=False))
    base = {key: value for key, value in base.items() if key not in LEFT_OUT}
    reference = perturbed(build(model_type, base))
    keys = {key: effect_of(model_type, base, key, reference, AutoModel) for key in sorted(base)}
    heads = {"classification": (CLASSIFIERS, AutoModelForSequenceClassification)}
    heads["tokens"] = (DECODERS, AutoModelForCausalLM)
    result = {"config": base, "keys": keys}
    for name, (families, auto) in heads.items():
        if model_type not in families:
            continue
        head = perturbed(build(model_type, base, auto))
        found = {
            key: effect_of(model_type, base, key, head, auto)
            for key in sorted(base)
            if keys[key]["effect"] != "changes"
        }
        result[name] = {key: what["value"] for key, what in found.items() if what["effect"] == "changes"}
    return result


def write_all(root: Path) -> None:
    """tests/golden/config_keys.json: a line a family."""
    logging.set_verbosity_error()
    warnings.filterwarnings("ignore")
    lines = []
    for model_type, values in BASES.items():
        found = keys_of(model_type, values)
        changing = [key for key, what in found["keys"].items() if what["effect"] == "changes"]
        print(
            f"config keys of {model_type}: {len(found['keys'])}, of which change hidden states: {', '.join(changing)}"
        )
        lines.append(f"{json.dumps(model_type)}: {json.dumps(found, ensure_ascii=True)}")
    (root / "config_keys.json").write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8")
