"""The configurations of tests/golden/variants: each shows one switch, default or precedence of a family."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

Config = dict[str, Any]


@dataclass(frozen=True)
class Variant:
    """One config.json; `prefix` stands before its tensors' names in the file."""

    name: str
    config: Config
    prefix: str = ""


BERT: Config = {
    "model_type": "bert",
    "vocab_size": 40,
    "hidden_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 24,
    "max_position_embeddings": 96,
}
DECODER: Config = BERT | {"num_key_value_heads": 1}
T5: Config = {
    "model_type": "t5",
    "vocab_size": 40,
    "d_model": 16,
    "d_kv": 6,
    "d_ff": 24,
    "num_layers": 2,
    "num_heads": 2,
    "relative_attention_max_distance": 40,
}
DEBERTA: Config = BERT | {
    "model_type": "deberta-v2",
    "relative_attention": True,
    "position_biased_input": False,
    "pos_att_type": ["c2p", "p2c"],
    "position_buckets": 8,
    "share_att_key": True,
    "norm_rel_ebd": "layer_norm",
}
YARN: Config = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 24}
LONGROPE: Config = {
    "rope_type": "longrope",
    "short_factor": [1.0, 1.1, 1.3, 1.6],
    "long_factor": [1.0, 2.0, 3.5, 6.0],
    "original_max_position_embeddings": 24,
}
LLAMA3: Config = {
    "rope_type": "llama3",
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 32,
}


# As published; transformers' own form has no experts.
EXPERTS: Config = {
    "model_type": "nomic_bert",
    "vocab_size": 40,
    "n_embd": 16,
    "n_head": 2,
    "n_layer": 3,
    "n_inner": 24,
    "n_positions": 96,
    "type_vocab_size": 1,
    "activation_function": "gelu",
    "layer_norm_epsilon": 1e-5,
    "qkv_proj_bias": True,
    "rotary_emb_base": 10000,
    "rotary_emb_fraction": 1.0,
    "num_experts": 4,
    "moe_top_k": 2,
    "moe_every_n_layers": 2,
}
EUROBERT_TOKENS: Config = {"pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 1, "mask_token_id": 4}
GEMMA2: Config = DECODER | {
    "num_hidden_layers": 3,
    "head_dim": 8,
    "sliding_window": 5,
    "sliding_window_pattern": 3,
    "hidden_size_per_layer_input": 6,
    "embedding_dim": 12,
}
GEMMA2_HEADS: Config = {"global_head_dim": 12, "num_global_key_value_heads": 2}


def _without(config: Config, *keys: str) -> Config:
    """A config in which some keys are left to their defaults."""
    return {key: value for key, value in config.items() if key not in keys}


def _family(base: Config, model_type: str, variants: dict[str, Config], *absent: str) -> tuple[Variant, ...]:
    """Variants of one family by name."""
    config = _without(base, *absent) | {"model_type": model_type}
    return tuple(Variant(name, config | values) for name, values in variants.items())


VARIANTS: tuple[Variant, ...] = (
    *_family(
        BERT,
        "bert",
        {"token types by default": {}, "one token type": {"type_vocab_size": 1}, "tanh": {"hidden_act": "tanh"}},
    ),
    *_family(BERT, "roberta", {"padding id": {"pad_token_id": 3}, "padding id by default": {}}),
    *_family(
        BERT,
        "electra",
        {"embeddings by default": {}, "embeddings as wide as layers": {"embedding_size": 16}},
    ),
    *_family(
        BERT,
        "albert",
        {
            "embeddings as wide as layers": {"embedding_size": 16},
            "uneven groups": {"embedding_size": 8, "num_hidden_layers": 5, "num_hidden_groups": 3},
        },
    ),
    *_family(BERT, "mpnet", {"more buckets than used": {"relative_attention_num_buckets": 40}}),
    Variant(
        "sinusoidal positions",
        {
            "model_type": "distilbert",
            "vocab_size": 40,
            "dim": 16,
            "n_layers": 2,
            "n_heads": 2,
            "hidden_dim": 24,
            "max_position_embeddings": 96,
            "sinusoidal_pos_embds": True,
        },
    ),
    *_family(
        DEBERTA,
        "deberta-v2",
        {
            "no relative attention": {"relative_attention": False},
            "no relative attention, no terms": {"relative_attention": False, "pos_att_type": None},
            "relative attention by default": {"position_biased_input": True, "relative_attention": False},
            "c2p": {"pos_att_type": "c2p"},
            "p2c": {"pos_att_type": ["p2c"]},
            "old form of terms": {"pos_att_type": "P2C | C2P"},
            "no terms": {"pos_att_type": []},
            "own projections": {"share_att_key": False},
            "own projection of p2c": {"share_att_key": False, "pos_att_type": "p2c"},
            "positions in the embeddings": {"position_biased_input": True},
            "token types": {"type_vocab_size": 2},
            "no norm of positions": {"norm_rel_ebd": "none"},
            "no buckets": {"position_buckets": -1},
            "no buckets, near": {"position_buckets": -1, "max_relative_positions": 12},
            "buckets, near": {"max_relative_positions": 20},
            "convolution": {"conv_kernel_size": 3},
        },
    ),
    *_family(
        T5,
        "t5",
        {
            "buckets not by four": {"relative_attention_num_buckets": 30},
            "plain gelu": {"feed_forward_proj": "gelu"},
            "gated silu": {"feed_forward_proj": "gated-silu"},
            "saved activation wins": {
                "feed_forward_proj": "gated-gelu",
                "dense_act_fn": "relu",
                "is_gated_act": False,
            },
        },
    ),
    Variant("prefix", T5, "transformer."),
    *_family(T5, "mt5", {"feed forward by default": {}}),
    *_family(T5, "umt5", {"three layers": {"num_layers": 3}, "plain relu": {"feed_forward_proj": "relu"}}),
    *_family(
        DECODER,
        "llama",
        {
            "a window is ignored": {"sliding_window": 4},
            "both ways": {"is_causal": False},
            "key-value heads by default": {"num_key_value_heads": None},
            "head width": {"head_dim": 12},
            "biases": {"attention_bias": True, "mlp_bias": True},
            "eps": {"rms_norm_eps": 0.1},
            "base of rope_parameters wins": {"rope_theta": 50.0, "rope_parameters": {"rope_theta": 2000.0}},
            "rope_scaling wins": {
                "rope_scaling": {"type": "linear", "factor": 3.0},
                "rope_parameters": {"rope_type": "linear", "factor": 2.0, "rope_theta": 2000.0},
                "rope_theta": 700.0,
            },
            "linear": {"rope_parameters": {"rope_type": "linear", "factor": 2.0, "rope_theta": 500.0}},
            "dynamic": {
                "rope_parameters": {"rope_type": "dynamic", "factor": 2.0, "rope_theta": 500.0},
                "max_position_embeddings": 24,
            },
            "yarn": {"rope_parameters": YARN},
            "yarn, old form": {"rope_scaling": _without(YARN, "rope_type") | {"type": "yarn"}, "rope_theta": 100.0},
            "yarn, settings": {
                "rope_parameters": YARN
                | {"beta_fast": 8.0, "beta_slow": 2.0, "truncate": False, "attention_factor": 1.3, "rope_theta": 90.0}
            },
            "yarn, mscale": {"rope_parameters": YARN | {"mscale": 1.5, "mscale_all_dim": 0.7}},
            "yarn, factor by lengths": {"rope_parameters": YARN | {"factor": None}},
            "longrope": {"rope_parameters": LONGROPE},
            "longrope, settings": {
                "rope_parameters": LONGROPE | {"factor": 6.0, "rope_theta": 200.0},
                "original_max_position_embeddings": 40,
            },
            "longrope, attention factor": {"rope_parameters": LONGROPE | {"attention_factor": 0.8}},
            "llama3": {"rope_parameters": LLAMA3, "rope_theta": 300.0},
        },
    ),
    *_family(
        DECODER,
        "mistral",
        {
            "window": {"sliding_window": 6},
            "window, both ways": {"sliding_window": 6, "is_causal": False},
            "no window": {"sliding_window": None},
            # AutoConfig takes a Mistral with layer types for a Ministral.
            "layer types": {
                "sliding_window": 6,
                "layer_types": ["full_attention", "sliding_attention"],
                "head_dim": 8,
            },
        },
    ),
    *_family(
        DECODER,
        "qwen2",
        {
            "window in upper layers": {"sliding_window": 6, "use_sliding_window": True, "max_window_layers": 1},
            "window in no layer by default": {"sliding_window": 6, "use_sliding_window": True},
            "unused window": {"sliding_window": 6, "max_window_layers": 0},
            "layer types": {
                "sliding_window": 6,
                "use_sliding_window": True,
                "max_window_layers": 2,
                "layer_types": ["sliding_attention", "full_attention"],
            },
            "window, both ways": {
                "sliding_window": 6,
                "use_sliding_window": True,
                "max_window_layers": 0,
                "is_causal": False,
            },
            "yarn": {"rope_scaling": YARN, "rope_theta": 1000.0},
        },
    ),
    *_family(
        DECODER,
        "qwen3",
        {
            "head width by default": {"num_hidden_layers": 1},
            "biases": {"attention_bias": True, "head_dim": 10},
            "both ways": {"is_causal": False, "head_dim": 8},
            "window, both ways": {
                "sliding_window": 6,
                "use_sliding_window": True,
                "max_window_layers": 1,
                "is_causal": False,
                "head_dim": 8,
            },
        },
    ),
    *_family(
        DECODER | EUROBERT_TOKENS,
        "eurobert",
        {
            "base by default": {},
            "key-value heads by default": {"num_key_value_heads": None},
            "causal is ignored": {"is_causal": True},
            "head width": {"head_dim": 12},
            "biases": {"attention_bias": True, "mlp_bias": True},
            "eps": {"rms_norm_eps": 0.1},
            "gelu": {"hidden_act": "gelu"},
            "old base": {"rope_theta": 700.0, "rope_scaling": None},
            "yarn": {"rope_parameters": YARN},
        },
        "num_key_value_heads",
    ),
    Variant("prefix", DECODER | EUROBERT_TOKENS | {"model_type": "eurobert"}, "model."),
    *_family(
        DECODER | {"num_hidden_layers": 3, "sliding_window": 6},
        "ultrabert",
        {
            "pattern by default": {},
            "layer types": {"layer_types": ["full_attention", "sliding_attention", "full_attention"]},
            "old windows and bases": {
                "attention_windows": [5, 0, 5],
                "rope_theta": [50.0, 900.0, 50.0],
            },
            "layer types over windows": {
                "attention_windows": [5, None, None],
                "layer_types": ["full_attention", "sliding_attention", "full_attention"],
            },
            "bases by layer": {
                "rope_theta": [50.0, 50.0, 900.0],
                "rope_parameters": {
                    "full_attention": {"rope_type": "linear", "factor": 2.0, "rope_theta": 800.0},
                    "sliding_attention": {"rope_type": "default", "rope_theta": 60.0},
                },
            },
            "biases": {"attention_bias": True, "mlp_bias": True, "head_dim": 10},
        },
    ),
    Variant("prefix", DECODER | {"model_type": "ultrabert", "sliding_window": 6}, "ultrabert."),
    *_family(
        GEMMA2,
        "embedding_gemma2_text",
        {
            "heads by default": {"num_hidden_layers": 2, "sliding_window_pattern": 2, "vocab_size": 20},
            "pattern": {**GEMMA2_HEADS, "sliding_window_pattern": 2},
            "layer types": {
                **GEMMA2_HEADS,
                "layer_types": ["full_attention", "sliding_attention", "full_attention"],
            },
            "the last layer sees everything": {
                **GEMMA2_HEADS,
                "layer_types": ["full_attention", "full_attention", "sliding_attention"],
            },
            "heads by layer": {
                "layer_types": ["sliding_attention", "sliding_attention", "full_attention"],
                "per_layer_config": {
                    "0": {"head_dim": 6, "num_key_value_heads": 2},
                    "1": {"head_dim": 6, "num_key_value_heads": 2},
                },
            },
            "heads all alike": {"per_layer_config": {}},
            "bases by layer": {
                **GEMMA2_HEADS,
                "rope_parameters": {
                    "full_attention": {"rope_type": "default", "rope_theta": 300.0},
                    "sliding_attention": {"rope_type": "linear", "factor": 3.0, "rope_theta": 50.0},
                },
            },
            "biases": {**GEMMA2_HEADS, "attention_bias": True},
            "silu": {**GEMMA2_HEADS, "hidden_activation": "silu", "rms_norm_eps": 0.1},
            "output as wide as layers": {**GEMMA2_HEADS, "embedding_dim": 16},
        },
    ),
    Variant("prefix", GEMMA2 | GEMMA2_HEADS | {"model_type": "embedding_gemma2_text"}, "model."),
    Variant(
        "text tower",
        {
            "model_type": "embedding_gemma2",
            "image_token_id": 20,
            "video_token_id": 30,
            "audio_token_id": None,
            "text_config": GEMMA2 | GEMMA2_HEADS | {"pad_token_id": 3},
        },
    ),
    *_family(
        DECODER | {"head_dim": 8, "num_hidden_layers": 3, "sliding_window": 6, "query_pre_attn_scalar": 5},
        "gemma3_text",
        {
            "causal": {"sliding_window_pattern": 2},
            "both ways": {"sliding_window_pattern": 2, "use_bidirectional_attention": True},
            "odd window both ways": {"sliding_window": 7, "use_bidirectional_attention": True},
            "not causal": {"is_causal": False},
            "pattern by default": {"_sliding_window_pattern": 2},
            "old scaling": {
                "sliding_window_pattern": 2,
                "rope_scaling": {"rope_type": "linear", "factor": 4.0},
                "rope_theta": 900.0,
                "rope_local_base_freq": 70.0,
            },
            "scaling by layer": {
                "sliding_window_pattern": 2,
                "rope_local_base_freq": 70.0,
                "rope_parameters": {
                    "full_attention": {"rope_type": "linear", "factor": 2.0, "rope_theta": 900.0},
                    "sliding_attention": {"rope_type": "linear", "factor": 3.0, "rope_theta": 50.0},
                },
            },
            "yarn by layer": {
                "sliding_window_pattern": 2,
                "rope_parameters": {"full_attention": YARN | {"truncate": False}, "sliding_attention": None},
            },
        },
    ),
    *_family(
        BERT | {"num_hidden_layers": 3, "local_attention": 12, "pad_token_id": 0},
        "modernbert",
        {
            "pattern by default": {},
            "pattern": {"global_attn_every_n_layers": 2},
            "layer types": {"layer_types": ["sliding_attention", "full_attention", "sliding_attention"]},
            "odd window": {"local_attention": 7},
            "half window": {"sliding_window": 3},
            "biases": {"norm_bias": True, "attention_bias": True, "mlp_bias": True},
            "silu": {"hidden_activation": "silu"},
            "old bases": {"global_rope_theta": 800.0, "local_rope_theta": 60.0},
            "old scaling": {
                "rope_scaling": {"rope_type": "linear", "factor": 4.0},
                "global_rope_theta": 800.0,
                "local_rope_theta": 60.0,
            },
            "yarn by layer": {
                "rope_parameters": {"full_attention": {"rope_theta": 800.0}, "sliding_attention": YARN},
            },
            "dynamic": {
                "rope_scaling": {"rope_type": "dynamic", "factor": 2.0},
                "max_position_embeddings": 24,
            },
        },
    ),
    *_family(
        BERT,
        "nomic_bert",
        {
            "base by default": {},
            "gelu": {"hidden_act": "gelu"},
            "head width": {"head_dim": 12},
            "one token type": {"type_vocab_size": 1},
            "dynamic": {"rope_scaling": {"rope_type": "dynamic", "factor": 2.0}, "max_position_embeddings": 24},
        },
    ),
    Variant("prefix", BERT | {"model_type": "nomic_bert"}, "nomic_bert."),
    *_family(
        EXPERTS,
        "nomic_bert",
        {
            "two of four experts": {},
            "one of three experts": {"num_experts": 3, "moe_top_k": 1},
            "all experts": {"num_experts": 3, "moe_top_k": 3},
            "experts in every third layer": {"num_experts": 8, "moe_every_n_layers": 3, "n_layer": 5},
            "experts in no layer": {"moe_every_n_layers": 1},
            "experts whose weights add up to 1": {"num_experts": 6, "moe_normalize_expert_weights": True},
            "one expert whose weight is 1": {"moe_top_k": 1, "moe_normalize_expert_weights": 1},
            "narrow experts": {"ffn_div": 2, "moe_top_k": 3},
            "without a gate and biases": {
                "num_experts": 0,
                "moe_every_n_layers": 0,
                "qkv_proj_bias": False,
                "mlp_fc1_bias": False,
                "mlp_fc2_bias": False,
            },
        },
    ),
    Variant("experts behind a prefix", EXPERTS, "bert."),
    *_family(
        BERT,
        "jina_embeddings_v3",
        {
            "base and token types by default": {},
            "token types": {"type_vocab_size": 2},
            "head width": {"head_dim": 12},
            "relu": {"hidden_act": "relu", "layer_norm_eps": 0.1},
            "linear": {"rope_parameters": {"rope_type": "linear", "factor": 2.0, "rope_theta": 300.0}},
            "old base": {"rope_theta": 50.0},
        },
    ),
    Variant("prefix", BERT | {"model_type": "jina_embeddings_v3"}, "roberta."),
    *_family(
        BERT,
        "gte",
        {
            "base and token types by default": {},
            "no token types": {"type_vocab_size": 0},
            "silu": {"hidden_act": "silu"},
            "yarn": {"rope_parameters": YARN | {"rope_theta": 300.0}},
        },
    ),
    Variant("prefix", BERT | {"model_type": "gte"}, "gte."),
)
