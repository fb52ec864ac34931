"""Families whose layers are of two kinds: ModernBERT, Gemma 3, EmbeddingGemma 2, UltraBERT."""

from __future__ import annotations

from typing import Any

from differential.case import ABSENT
from differential.families.family import COMMON, Family, Table, each

MODERNBERT: dict[str, Any] = {
    "model_type": "modernbert",
    "architectures": ["ModernBertForMaskedLM"],
    "hidden_size": 32,
    "intermediate_size": 40,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "hidden_activation": "gelu",
    "local_attention": 16,
    "max_position_embeddings": 512,
    "global_attn_every_n_layers": 3,
    "global_rope_theta": 160000.0,
    "local_rope_theta": 10000.0,
    "position_embedding_type": "absolute",
    "pad_token_id": 293,
    "cls_token_id": 291,
    "sep_token_id": 292,
    "attention_bias": False,
    "mlp_bias": False,
    "norm_bias": False,
    "norm_eps": 1e-5,
    "torch_dtype": "float32",
}


def layered(full: dict[str, Any], local: dict[str, Any]) -> dict[str, Any]:
    """Rotary parameters by the kind of layer."""
    return {"full_attention": {"rope_type": "default"} | full, "sliding_attention": {"rope_type": "default"} | local}


MODERNBERT_SWITCHES: Table = COMMON | {
    "sizes": [
        {"hidden_size": 64, "num_attention_heads": 2, "intermediate_size": 30},
        {"hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 48},
    ],
    "layers": each("num_hidden_layers", 1, 2, 3),
    "activation": each("hidden_activation", "silu", "relu", "gelu_new", "gelu_pytorch_tanh"),
    "form-activation": each("hidden_activation", ABSENT),
    "window": each("local_attention", 8, 64, ABSENT),
    "form-window": each("local_attention", 17),
    "pattern": [
        {"global_attn_every_n_layers": 2},
        {"global_attn_every_n_layers": 1},
        {"layer_types": ["sliding_attention", "full_attention", "sliding_attention", "full_attention"]},
        {
            "global_attn_every_n_layers": 2,
            "layer_types": ["sliding_attention", "sliding_attention", "full_attention", "full_attention"],
        },
    ],
    "rope-theta": [
        {"global_rope_theta": 500.0},
        {"local_rope_theta": 50.0},
        {"rope_parameters": layered({"rope_theta": 300.0}, {"rope_theta": 60.0})},
        {
            "global_rope_theta": ABSENT,
            "local_rope_theta": ABSENT,
            "rope_parameters": layered({"rope_theta": 300.0}, {"rope_theta": 60.0}),
        },
    ],
    "rope-scaling": [
        {"rope_parameters": layered({"rope_theta": 300.0, "rope_type": "linear", "factor": 4.0}, {"rope_theta": 60.0})},
        {"rope_parameters": layered({"rope_theta": 300.0}, {"rope_theta": 60.0, "rope_type": "linear", "factor": 4.0})},
        {"rope_scaling": {"rope_type": "linear", "factor": 4.0}},
        {
            "rope_parameters": layered(
                {
                    "rope_theta": 300.0,
                    "rope_type": "yarn",
                    "factor": 4.0,
                    "original_max_position_embeddings": 64,
                },
                {"rope_theta": 60.0},
            )
        },
    ],
    "form-rope": [
        {"global_rope_theta": ABSENT, "local_rope_theta": ABSENT},
        {
            "global_rope_theta": ABSENT,
            "local_rope_theta": ABSENT,
            "rope_parameters": layered({"rope_theta": 160000.0}, {"rope_theta": 10000.0}),
        },
    ],
    "form-pattern": [
        {"global_attn_every_n_layers": ABSENT},
        {"layer_types": ["full_attention", "sliding_attention", "sliding_attention", "full_attention"]},
    ],
    "attention-bias": each("attention_bias", True),
    "mlp-bias": each("mlp_bias", True),
    "norm-bias": each("norm_bias", True),
    "form-biases": [{"attention_bias": ABSENT, "mlp_bias": ABSENT, "norm_bias": ABSENT}],
    "eps": each("norm_eps", 1e-2),
    "form-eps": each("norm_eps", ABSENT),
}

GEMMA: dict[str, Any] = {
    "model_type": "gemma3_text",
    "architectures": ["Gemma3TextModel"],
    "hidden_size": 32,
    "intermediate_size": 40,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 1,
    "head_dim": 12,
    "hidden_activation": "gelu_pytorch_tanh",
    "query_pre_attn_scalar": 10,
    "sliding_window": 16,
    "sliding_window_pattern": 3,
    "use_bidirectional_attention": True,
    "max_position_embeddings": 512,
    "rms_norm_eps": 1e-6,
    "rope_theta": 1000000.0,
    "rope_local_base_freq": 10000.0,
    "rope_scaling": None,
    "attention_bias": False,
    "attn_logit_softcapping": None,
    "final_logit_softcapping": None,
    "torch_dtype": "float32",
}

GEMMA_SWITCHES: Table = COMMON | {
    "sizes": [
        {"hidden_size": 64, "num_attention_heads": 2, "num_key_value_heads": 2, "head_dim": 16},
        {"hidden_size": 48, "num_attention_heads": 6, "num_key_value_heads": 3, "head_dim": 8},
    ],
    "layers": each("num_hidden_layers", 1, 4),
    "causal": each("use_bidirectional_attention", False, ABSENT),
    "window": [*each("sliding_window", 7, 40), {"sliding_window": 9, "use_bidirectional_attention": False}],
    "pattern": [
        {"sliding_window_pattern": 2},
        {"sliding_window_pattern": ABSENT},
        {"sliding_window_pattern": ABSENT, "_sliding_window_pattern": 2},
        {"layer_types": ["full_attention", "sliding_attention", "full_attention"]},
        {
            "_sliding_window_pattern": 3,
            "sliding_window_pattern": ABSENT,
            "layer_types": ["full_attention", "full_attention", "sliding_attention"],
        },
    ],
    "form-pattern": [{"layer_types": ["sliding_attention", "sliding_attention", "full_attention"]}],
    "scalar": each("query_pre_attn_scalar", 24, 4),
    "rope-theta": [
        {"rope_theta": 400.0},
        {"rope_local_base_freq": 50.0},
        {"rope_parameters": layered({"rope_theta": 400.0}, {"rope_theta": 50.0})},
    ],
    "rope-scaling": [
        {"rope_scaling": {"rope_type": "linear", "factor": 8.0}, "rope_theta": 400.0},
        {"rope_parameters": layered({"rope_theta": 400.0}, {"rope_theta": 50.0, "rope_type": "linear", "factor": 3.0})},
        {"rope_parameters": layered({"rope_theta": 400.0, "rope_type": "linear", "factor": 3.0}, {"rope_theta": 50.0})},
    ],
    "form-rope": [
        {"rope_theta": ABSENT, "rope_local_base_freq": ABSENT, "rope_scaling": ABSENT},
        {
            "rope_theta": ABSENT,
            "rope_local_base_freq": ABSENT,
            "rope_parameters": layered({"rope_theta": 1000000.0}, {"rope_theta": 10000.0}),
        },
    ],
    "activation": each("hidden_activation", "gelu", "silu"),
    "form-activation": each("hidden_activation", ABSENT),
    "attention-bias": each("attention_bias", True),
    "eps": each("rms_norm_eps", 1e-2),
    "form-eps": each("rms_norm_eps", ABSENT),
}

ULTRABERT: dict[str, Any] = {
    "model_type": "ultrabert",
    "architectures": ["UltrabertModel"],
    "hidden_size": 32,
    "intermediate_size": 40,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "hidden_act": "silu",
    "attention_windows": [8, 8, 0, 8],
    "rope_theta": [10000.0, 10000.0, 2560000.0, 10000.0],
    "max_position_embeddings": 512,
    "rms_norm_eps": 1e-6,
    "attention_bias": False,
    "mlp_bias": False,
    "torch_dtype": "float32",
}
_NEW_ULTRABERT: dict[str, Any] = {"attention_windows": ABSENT, "rope_theta": ABSENT}

ULTRABERT_SWITCHES: Table = COMMON | {
    "sizes": [
        {"hidden_size": 64, "num_attention_heads": 2, "num_key_value_heads": 1, "intermediate_size": 30},
        {"hidden_size": 16, "num_attention_heads": 2, "intermediate_size": 48},
    ],
    "activation": each("hidden_act", "gelu", "relu", "gelu_new"),
    "form-activation": each("hidden_act", ABSENT),
    "kv-heads": each("num_key_value_heads", 1, 4, ABSENT),
    "head-dim": each("head_dim", 12),
    "form-head-dim": each("head_dim", 8, None),
    "windows": [
        {"attention_windows": [None, 16, 16, None], "rope_theta": [2560000.0, 10000.0, 10000.0, 2560000.0]},
        {"attention_windows": ABSENT, "sliding_window": 5},
        {"attention_windows": ABSENT, "rope_theta": ABSENT, "sliding_window": 5, "num_hidden_layers": 3},
    ],
    "pattern": [
        {
            **_NEW_ULTRABERT,
            "sliding_window": 8,
            "layer_types": ["full_attention", "sliding_attention", "sliding_attention", "full_attention"],
        },
    ],
    "form-windows": [
        {
            **_NEW_ULTRABERT,
            "sliding_window": 8,
            "layer_types": ["sliding_attention", "sliding_attention", "full_attention", "sliding_attention"],
        },
        {**_NEW_ULTRABERT, "sliding_window": 8},
        {"sliding_window": 99},
    ],
    "rope-theta": [
        {"rope_theta": [77.0, 77.0, 2560000.0, 77.0]},
        {"rope_theta": [10000.0, 10000.0, 300.0, 10000.0]},
        {"rope_parameters": layered({"rope_theta": 300.0}, {"rope_theta": 60.0})},
    ],
    "rope-scaling": [
        {"rope_parameters": layered({"rope_theta": 300.0, "rope_type": "linear", "factor": 4.0}, {"rope_theta": 60.0})},
        {"rope_parameters": layered({"rope_theta": 300.0}, {"rope_theta": 60.0, "rope_type": "linear", "factor": 4.0})},
    ],
    "form-rope": [{"rope_theta": ABSENT}],
    "attention-bias": each("attention_bias", True),
    "mlp-bias": each("mlp_bias", True),
    "form-biases": [{"attention_bias": ABSENT, "mlp_bias": ABSENT}],
    "eps": each("rms_norm_eps", 1e-2),
    "form-eps": each("rms_norm_eps", ABSENT),
}

GEMMA2: dict[str, Any] = {
    "model_type": "embedding_gemma2_text",
    "architectures": ["EmbeddingGemma2TextModel"],
    "hidden_size": 32,
    "intermediate_size": 40,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "hidden_activation": "gelu_pytorch_tanh",
    "layer_types": ["sliding_attention", "sliding_attention", "full_attention"],
    "per_layer_config": {"2": {"head_dim": 12, "num_key_value_heads": 1}},
    "hidden_size_per_layer_input": 10,
    "embedding_dim": 24,
    "sliding_window": 8,
    "max_position_embeddings": 512,
    "rms_norm_eps": 1e-6,
    "rope_parameters": layered({"rope_theta": 1000000.0}, {"rope_theta": 10000.0}),
    "attention_bias": False,
    "torch_dtype": "float32",
}

GEMMA2_SWITCHES: Table = COMMON | {
    "sizes": [
        {"hidden_size": 64, "intermediate_size": 30, "embedding_dim": 16},
        {"hidden_size": 16, "hidden_size_per_layer_input": 12},
    ],
    "heads": [
        {"head_dim": 10, "num_key_value_heads": 4},
        {"per_layer_config": {"2": {"head_dim": 16, "num_key_value_heads": 4}}},
        {"per_layer_config": {"2": {"num_key_value_heads": 1}}},
        {"per_layer_config": {"0": {"head_dim": 6}, "1": {"head_dim": 6}}},
        {"per_layer_config": {}},
        {"per_layer_config": ABSENT, "global_head_dim": 12, "num_global_key_value_heads": 2},
    ],
    "form-heads": [
        {"per_layer_config": ABSENT, "global_head_dim": 12, "num_global_key_value_heads": 1},
        {"per_layer_config": {"02": {"head_dim": 12, "num_key_value_heads": 1}}},
        {"global_head_dim": 16},
    ],
    "window": each("sliding_window", 3, 20),
    "pattern": [
        {
            "layer_types": ["full_attention", "sliding_attention", "full_attention"],
            "per_layer_config": {
                "0": {"head_dim": 12, "num_key_value_heads": 1},
                "2": {"head_dim": 12, "num_key_value_heads": 1},
            },
        },
        {
            "layer_types": ABSENT,
            "sliding_window_pattern": 2,
            "num_hidden_layers": 4,
            "per_layer_config": {"1": {"num_key_value_heads": 1}, "3": {"num_key_value_heads": 1}},
        },
    ],
    "form-pattern": [
        {"layer_types": ABSENT, "sliding_window_pattern": 3},
        {"layer_types": ABSENT},
        {"layer_types": ["sliding_attention", "sliding_attention", "sliding_attention"]},
    ],
    "per-layer-width": each("hidden_size_per_layer_input", 7, 40),
    "output-width": each("embedding_dim", 32, 40),
    "rope-theta": [
        {"rope_parameters": layered({"rope_theta": 400.0}, {"rope_theta": 10000.0})},
        {"rope_parameters": layered({"rope_theta": 1000000.0}, {"rope_theta": 50.0})},
    ],
    "rope-scaling": [
        {"rope_parameters": layered({"rope_theta": 400.0}, {"rope_theta": 50.0, "rope_type": "linear", "factor": 3.0})},
        {"rope_parameters": layered({"rope_theta": 400.0, "rope_type": "linear", "factor": 3.0}, {"rope_theta": 50.0})},
    ],
    "form-rope": each("rope_parameters", ABSENT, None),
    "activation": each("hidden_activation", "gelu", "silu"),
    "form-activation": each("hidden_activation", ABSENT),
    "attention-bias": each("attention_bias", True),
    "eps": each("rms_norm_eps", 1e-2),
    "form-eps": each("rms_norm_eps", ABSENT),
}

FAMILIES: dict[str, Family] = {
    "modernbert": Family(
        "modernbert",
        MODERNBERT,
        MODERNBERT_SWITCHES,
        ("ForMaskedLM", "ForSequenceClassification"),
    ),
    "gemma3": Family(
        "gemma3-text",
        GEMMA,
        GEMMA_SWITCHES,
        ("ForCausalLM",),
        embedding_std=0.12,
    ),
    "embedding-gemma2": Family(
        "gemma3-text",
        GEMMA2,
        GEMMA2_SWITCHES,
        prefixes=("model.",),
        gain=0.8,
        embedding_std=0.6,
        width_key="embedding_dim",
    ),
    "ultrabert": Family(
        "ultrabert",
        ULTRABERT,
        ULTRABERT_SWITCHES,
        ("ForMaskedLM", "ForSequenceClassification"),
        prefixes=("ultrabert.",),
    ),
}
