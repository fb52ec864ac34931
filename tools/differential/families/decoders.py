"""Causal decoders: Qwen, Mistral, Llama; and EuroBERT, which is Llama both ways."""

from __future__ import annotations

from typing import Any

from differential.case import ABSENT
from differential.families.family import COMMON, Family, Option, Table, each, without

ROPE_SCALING: list[Option] = [
    {"rope_scaling": {"type": "linear", "factor": 2.0}},
    {"rope_scaling": {"rope_type": "linear", "factor": 4.0}},
    {"rope_scaling": {"type": "dynamic", "factor": 2.0}, "max_position_embeddings": 64},
    {"rope_scaling": {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 32}},
    {
        "rope_scaling": {
            "type": "yarn",
            "factor": 2.0,
            "original_max_position_embeddings": 64,
            "beta_fast": 16,
            "beta_slow": 2,
            "attention_factor": 1.2,
        }
    },
    {
        "rope_scaling": {
            "rope_type": "yarn",
            "factor": 8.0,
            "mscale": 0.7,
            "mscale_all_dim": 0.4,
            "original_max_position_embeddings": 40,
            "truncate": False,
        }
    },
    {
        "rope_scaling": {
            "rope_type": "llama3",
            "factor": 8.0,
            "low_freq_factor": 1.0,
            "high_freq_factor": 4.0,
            "original_max_position_embeddings": 32,
        }
    },
    {
        "rope_scaling": {
            "rope_type": "longrope",
            "short_factor": [1.0, 1.2, 1.4, 1.6],
            "long_factor": [2.0, 3.0, 5.0, 8.0],
            "original_max_position_embeddings": 64,
        }
    },
]

ROPE_SWITCHES: Table = {
    "rope-scaling": ROPE_SCALING,
    "rope-theta": [
        *each("rope_theta", 100.0, 1000000.0),
        {"rope_parameters": {"rope_theta": 500.0, "rope_type": "default"}},
    ],
    "form-rope": [
        {"rope_theta": ABSENT, "rope_parameters": {"rope_theta": 10000.0, "rope_type": "default"}},
        {"rope_theta": ABSENT},
        {"rope_scaling": None},
        {"rope_scaling": {"type": "default"}},
        {"rope_parameters": {"rope_type": "default"}},
    ],
    "rope-both": [
        {"rope_theta": 77.0, "rope_parameters": {"rope_theta": 2000.0, "rope_type": "linear", "factor": 2.0}},
        {"rope_theta": 77.0, "rope_parameters": {"rope_type": "linear", "factor": 2.0}},
        {
            "rope_theta": 77.0,
            "rope_parameters": {"rope_theta": 2000.0, "rope_type": "linear", "factor": 2.0},
            "rope_scaling": {"type": "linear", "factor": 3.0},
        },
    ],
}

DECODER: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "hidden_act": "silu",
    "max_position_embeddings": 512,
    "rms_norm_eps": 1e-6,
    "rope_theta": 10000.0,
    "attention_dropout": 0.0,
    "initializer_range": 0.02,
    "tie_word_embeddings": False,
    "use_cache": True,
    "torch_dtype": "float32",
}

DECODER_SWITCHES: Table = (
    COMMON
    | ROPE_SWITCHES
    | {
        "sizes": [
            {"hidden_size": 64, "num_attention_heads": 8, "num_key_value_heads": 4, "intermediate_size": 40},
            {"hidden_size": 48, "num_attention_heads": 6, "num_key_value_heads": 1},
            {"hidden_size": 16, "num_attention_heads": 2, "num_key_value_heads": 2},
        ],
        "layers": each("num_hidden_layers", 1, 4),
        "kv-heads": each("num_key_value_heads", 1, 4),
        "activation": each("hidden_act", "gelu", "relu", "gelu_new", "gelu_pytorch_tanh"),
        "form-activation": each("hidden_act", ABSENT),
        "eps": each("rms_norm_eps", 1e-2),
        "form-eps": each("rms_norm_eps", ABSENT),
        "bidirectional": [
            {"is_causal": False},
            {"is_causal": False, "auto_map": {"AutoModel": "modeling.Model"}},
        ],
        "form-causal": each("is_causal", True),
        "form-tie": each("tie_word_embeddings", True),
        "form-positions": each("max_position_embeddings", 600, 4096),
    }
)

QWEN_WINDOW: Table = {
    "window": [
        {"use_sliding_window": True, "sliding_window": 16, "max_window_layers": 1},
        {"use_sliding_window": True, "sliding_window": 9, "max_window_layers": 0},
        {
            "use_sliding_window": True,
            "sliding_window": 16,
            "layer_types": ["sliding_attention", "full_attention"],
        },
    ],
    "bidirectional-window": [
        {"is_causal": False, "use_sliding_window": True, "sliding_window": 12, "max_window_layers": 0},
    ],
    "form-window": [
        {"use_sliding_window": False, "sliding_window": 16, "max_window_layers": 0},
        {"sliding_window": 16},
        {"use_sliding_window": True, "sliding_window": 16, "max_window_layers": 2},
        {"use_sliding_window": True, "sliding_window": None},
        {"layer_types": ["full_attention", "full_attention"], "sliding_window": 16},
        {"use_sliding_window": True, "sliding_window": 16, "max_window_layers": ABSENT},
    ],
}

DECODER_HEADS = ("ForCausalLM", "ForSequenceClassification")

FAMILIES: dict[str, Family] = {
    "qwen2": Family(
        "qwen2",
        DECODER | {"model_type": "qwen2", "architectures": ["Qwen2Model"], "use_sliding_window": False},
        DECODER_SWITCHES | QWEN_WINDOW,
        DECODER_HEADS,
    ),
    "qwen3": Family(
        "qwen3",
        DECODER
        | {
            "model_type": "qwen3",
            "architectures": ["Qwen3Model"],
            "head_dim": 8,
            "attention_bias": False,
            "use_sliding_window": False,
        },
        DECODER_SWITCHES
        | QWEN_WINDOW
        | {
            "head-dim": [{"head_dim": 12}, {"head_dim": ABSENT, "num_attention_heads": 2, "num_key_value_heads": 1}],
            "attention-bias": each("attention_bias", True),
            "form-bias": each("attention_bias", ABSENT),
        },
        DECODER_HEADS,
    ),
    "mistral": Family(
        "mistral",
        DECODER | {"model_type": "mistral", "architectures": ["MistralModel"], "sliding_window": None},
        DECODER_SWITCHES
        | {
            "window": each("sliding_window", 16, 9),
            "bidirectional-window": [{"is_causal": False, "sliding_window": 12}],
            "form-window": each("sliding_window", ABSENT, 4096),
            "head-dim": each("head_dim", 12),
            "form-head-dim": each("head_dim", 8, None),
            "kv-heads-absent": [{"num_key_value_heads": ABSENT, "num_attention_heads": 8}],
        },
        DECODER_HEADS,
    ),
    "llama": Family(
        "llama",
        DECODER | {"model_type": "llama", "architectures": ["LlamaModel"], "attention_bias": False, "mlp_bias": False},
        DECODER_SWITCHES
        | {
            "attention-bias": each("attention_bias", True),
            "mlp-bias": each("mlp_bias", True),
            "form-bias": [{"attention_bias": ABSENT, "mlp_bias": ABSENT}],
            "form-window": [
                {"sliding_window": 16},
                {"sliding_window": 16, "use_sliding_window": True},
                {"sliding_window": 12, "layer_types": ["sliding_attention", "full_attention"]},
            ],
            "head-dim": each("head_dim", 12),
            "form-head-dim": each("head_dim", 8, None),
            "kv-heads-absent": [{"num_key_value_heads": ABSENT}, {"num_key_value_heads": None}],
            "form-tp": [{"pretraining_tp": 1}],
        },
        DECODER_HEADS,
    ),
    "eurobert": Family(
        "eurobert",
        DECODER
        | {
            "model_type": "eurobert",
            "architectures": ["EuroBertModel"],
            "rms_norm_eps": 1e-5,
            "attention_bias": False,
            "mlp_bias": False,
            "bos_token_id": 0,
            "eos_token_id": 1,
            "pad_token_id": 1,
            "mask_token_id": 2,
        },
        without(
            DECODER_SWITCHES,
            "bidirectional",
            "form-causal",
            form_causal=each("is_causal", True, False),
            attention_bias=each("attention_bias", True),
            mlp_bias=each("mlp_bias", True),
            form_bias=[{"attention_bias": ABSENT, "mlp_bias": ABSENT}],
            head_dim=each("head_dim", 12),
            form_head_dim=each("head_dim", 8, None),
            kv_heads_absent=[{"num_key_value_heads": ABSENT}, {"num_key_value_heads": None}],
        ),
        ("ForMaskedLM", "ForSequenceClassification"),
    ),
}
