"""BERT with rotary positions or ALiBi: NomicBERT, JinaBERT, Jina v3, GTE; as published and as transformers has them."""

from __future__ import annotations

from typing import Any

from differential.case import ABSENT
from differential.families.family import HARMLESS, POSITIONS, SIZES, Family, Option, Table, each

NOMIC: dict[str, Any] = {
    "model_type": "nomic_bert",
    "architectures": ["NomicBertModel"],
    "auto_map": {
        "AutoConfig": "nomic-ai/nomic-bert-2048--configuration_hf_nomic_bert.NomicBertConfig",
        "AutoModel": "nomic-ai/nomic-bert-2048--modeling_hf_nomic_bert.NomicBertModel",
    },
    "activation_function": "swiglu",
    "causal": False,
    "layer_norm_epsilon": 1e-12,
    "max_trained_positions": POSITIONS,
    "mlp_fc1_bias": False,
    "mlp_fc2_bias": False,
    "n_embd": 32,
    "n_head": 4,
    "n_inner": 48,
    "n_layer": 2,
    "n_positions": POSITIONS,
    "pad_vocab_size_multiple": 64,
    "parallel_block": False,
    "prenorm": False,
    "qkv_proj_bias": False,
    "rotary_emb_base": 1000,
    "rotary_emb_fraction": 1.0,
    "rotary_emb_interleaved": False,
    "rotary_emb_scale_base": None,
    "rotary_scaling_factor": None,
    "type_vocab_size": 2,
    "use_rms_norm": False,
}

NOMIC_EXPERTS: dict[str, Any] = {
    **NOMIC,
    "activation_function": "gelu",
    "expert_choice_router": False,
    "ffn_div": 1,
    "layer_norm_epsilon": 1e-5,
    "mlp_fc1_bias": True,
    "mlp_fc2_bias": True,
    "moe_every_n_layers": 2,
    "moe_impl": "megablocks",
    "moe_normalize_expert_weights": False,
    "moe_resid_pdrop": 0.0,
    "moe_top_k": 2,
    "n_layer": 4,
    "n_positions": 512,
    "num_experts": 5,
    "num_shared_experts": 0,
    "pad_token_id": 1,
    "qkv_proj_bias": True,
    "rotary_emb_base": 10000,
    "router_aux_loss_coef": 0.1,
    "type_vocab_size": 1,
}

NOMIC_NATIVE: dict[str, Any] = {
    "model_type": "nomic_bert",
    "architectures": ["NomicBertModel"],
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "hidden_act": "silu",
    "layer_norm_eps": 1e-12,
    "max_position_embeddings": POSITIONS,
    "type_vocab_size": 2,
    "rope_parameters": {"rope_theta": 500.0, "rope_type": "default"},
    "pad_token_id": 0,
    "dtype": "float32",
}

NATIVE_FORMS: list[Option] = [{"dtype": ABSENT, "torch_dtype": "float32"}, {"dtype": ABSENT}]

NATIVE_ROPE = [
    {"rope_parameters": {"rope_theta": 77.0, "rope_type": "default"}},
    {"rope_parameters": {"rope_theta": 300.0, "rope_type": "linear", "factor": 2.0}},
    {"rope_parameters": {"rope_theta": 300.0, "rope_type": "dynamic", "factor": 2.0}, "max_position_embeddings": 64},
    {
        "rope_parameters": {
            "rope_theta": 300.0,
            "rope_type": "yarn",
            "factor": 4.0,
            "original_max_position_embeddings": 40,
        }
    },
]

JINA: dict[str, Any] = {
    "model_type": "bert",
    "architectures": ["JinaBertForMaskedLM"],
    "auto_map": {
        "AutoConfig": "jinaai/jina-bert-implementation--configuration_bert.JinaBertConfig",
        "AutoModel": "jinaai/jina-bert-implementation--modeling_bert.JinaBertModel",
    },
    "hidden_size": 36,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 6,
    "attention_probs_dropout_prob": 0.0,
    "emb_pooler": "mean",
    "feed_forward_type": "geglu",
    "hidden_act": "gelu",
    "layer_norm_eps": 1e-12,
    "max_position_embeddings": POSITIONS,
    "model_max_length": POSITIONS,
    "pad_token_id": 0,
    "position_embedding_type": "alibi",
    "type_vocab_size": 2,
    "torch_dtype": "float32",
}

GTE: dict[str, Any] = {
    "model_type": "new",
    "architectures": ["NewModel"],
    "auto_map": {
        "AutoConfig": "Alibaba-NLP/new-impl--configuration.NewConfig",
        "AutoModel": "Alibaba-NLP/new-impl--modeling.NewModel",
    },
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "hidden_act": "gelu",
    "layer_norm_eps": 1e-12,
    "layer_norm_type": "layer_norm",
    "logn_attention_clip1": False,
    "logn_attention_scale": False,
    "max_position_embeddings": POSITIONS,
    "pack_qkv": True,
    "position_embedding_type": "rope",
    "rope_scaling": {"factor": 2.0, "type": "ntk"},
    "rope_theta": 500000,
    "type_vocab_size": 0,
    "unpad_inputs": False,
    "use_memory_efficient_attention": False,
    "torch_dtype": "float32",
}

GTE_NATIVE = {
    **NOMIC_NATIVE,
    "model_type": "gte",
    "architectures": ["GteModel"],
    "hidden_act": "gelu",
    "type_vocab_size": 1,
    "rope_parameters": {"rope_theta": 20000.0, "rope_type": "default"},
}

JINA_V3 = {
    **NOMIC_NATIVE,
    "model_type": "jina_embeddings_v3",
    "architectures": ["JinaEmbeddingsV3Model"],
    "hidden_act": "gelu",
    "layer_norm_eps": 1e-5,
    "type_vocab_size": 1,
    "max_position_embeddings": 512,
    "pad_token_id": 1,
    "rope_parameters": {"rope_theta": 5000.0, "rope_type": "default"},
}

NATIVE_SWITCHES: Table = {
    "form-dtype": NATIVE_FORMS,
    "form-harmless": HARMLESS,
    "sizes": SIZES,
    "layers": each("num_hidden_layers", 1, 4),
    "eps": each("layer_norm_eps", 1e-2),
    "form-eps": each("layer_norm_eps", ABSENT),
    "rope": NATIVE_ROPE,
    "rope-absent": [{"rope_parameters": ABSENT}, {"rope_parameters": None}],
    "rope-old": [{"rope_parameters": ABSENT, "rope_theta": 44.0}],
}

FAMILIES: dict[str, Family] = {
    "nomic-bert": Family(
        "nomic-bert",
        NOMIC,
        {
            "form-harmless": HARMLESS,
            "sizes": [{"n_embd": 64, "n_head": 2, "n_inner": 40}, {"n_embd": 48, "n_head": 6, "n_inner": 30}],
            "layers": each("n_layer", 1, 4),
            "qkv-bias": each("qkv_proj_bias", True),
            "mlp-bias": [{"mlp_fc1_bias": True, "mlp_fc2_bias": True}, {"mlp_fc2_bias": True}],
            "rope-theta": each("rotary_emb_base", 10000, 77),
            "eps": each("layer_norm_epsilon", 1e-2),
            "form-dtype": [{"torch_dtype": "float32"}],
            "form-positions": each("n_positions", 400, 2048),
        },
        twin="nomic_bert.NomicBert",
        prefixes=("bert.", "nomic_bert.", "model."),
        width_key="n_embd",
    ),
    "nomic-moe": Family(
        "xlm-roberta",
        NOMIC_EXPERTS,
        {
            "form-harmless": HARMLESS,
            "form-training": [{"moe_resid_pdrop": 0.2, "router_aux_loss_coef": 0.5, "add_pooling_layer": False}],
            "form-dtype": [{"torch_dtype": "float32"}],
            "form-positions": each("n_positions", 600, 2048),
            "sizes": [{"n_embd": 64, "n_head": 2, "n_inner": 40}, {"n_embd": 48, "n_head": 6, "n_inner": 30}],
            "layers": each("n_layer", 2, 3, 5),
            "experts": each("num_experts", 3, 4, 8),
            "active": each("moe_top_k", 1, 3),
            "every": each("moe_every_n_layers", 1, 3),
            "normalized": each("moe_normalize_expert_weights", True, 1),
            "narrow": each("ffn_div", 2),
            "dense": [{"num_experts": 0, "moe_every_n_layers": 0}],
            "qkv-bias": each("qkv_proj_bias", False),
            "mlp-bias": [{"mlp_fc1_bias": False, "mlp_fc2_bias": False}, {"mlp_fc2_bias": False}],
            "form-token-types": each("type_vocab_size", 2),
            "rope-theta": each("rotary_emb_base", 500, 77),
            "eps": each("layer_norm_epsilon", 1e-2),
        },
        twin="nomic_bert.NomicBert",
        prefixes=("bert.", "nomic_bert.", "model."),
        width_key="n_embd",
    ),
    "nomic-native": Family(
        "nomic-bert",
        NOMIC_NATIVE,
        NATIVE_SWITCHES
        | {
            "activation": each("hidden_act", "gelu", "relu", "gelu_new"),
            "form-activation": each("hidden_act", ABSENT),
            "form-token-types": each("type_vocab_size", ABSENT, 1),
        },
        ("ForMaskedLM", "ForSequenceClassification"),
    ),
    "jina-bert-v2": Family(
        "bert",
        JINA,
        {
            "form-dtype": [{"torch_dtype": "float16"}],
            "form-harmless": HARMLESS,
            "sizes": [
                {"hidden_size": 64, "num_attention_heads": 4},
                {"hidden_size": 30, "num_attention_heads": 3},
            ],
            "layers": each("num_hidden_layers", 1, 4),
            "eps": each("layer_norm_eps", 1e-2),
            "form-positions": each("max_position_embeddings", 400, 8192),
        },
        twin="jina_bert.JinaBert",
        prefixes=("bert.", "model."),
        gain=1.1,
        widest=6.0,  # ALiBi's distances alone spread the logits of a long text
    ),
    "jina-v3": Family(
        "xlm-roberta",
        JINA_V3,
        NATIVE_SWITCHES
        | {
            "activation": each("hidden_act", "relu", "gelu_new", "silu"),
            "form-activation": each("hidden_act", ABSENT),
            "head-dim": each("head_dim", 12),
            "form-token-types": each("type_vocab_size", ABSENT, 2),
        },
        ("ForMaskedLM", "ForSequenceClassification"),
    ),
    "gte-new": Family(
        "bert",
        GTE,
        {
            "form-harmless": HARMLESS,
            "sizes": [
                {"hidden_size": 64, "num_attention_heads": 2},
                {"hidden_size": 48, "num_attention_heads": 6, "intermediate_size": 33},
            ],
            "layers": each("num_hidden_layers", 1, 4),
            "token-types": [{"type_vocab_size": 1}, {"type_vocab_size": 2}, {"type_vocab_size": ABSENT}],
            "rope-theta": each("rope_theta", 500, ABSENT),
            "rope-scaling": [
                {"rope_scaling": None},
                {"rope_scaling": ABSENT},
                {"rope_scaling": {"factor": 8.0, "type": "ntk"}, "rope_theta": 20000},
            ],
            "eps": each("layer_norm_eps", 1e-2),
            "form-eps": each("layer_norm_eps", ABSENT),
        },
        twin="gte_new.GteNew",
        prefixes=("new.", "gte.", "model."),
        defaults={
            "type_vocab_size": 1,
            "rope_theta": 10000.0,
            "rope_scaling": None,
            "layer_norm_eps": 1e-12,
            "max_position_embeddings": 2048,
        },
    ),
    "gte-native": Family(
        "bert",
        GTE_NATIVE,
        NATIVE_SWITCHES
        | {
            "activation": each("hidden_act", "relu", "gelu_new", "silu"),
            "form-activation": each("hidden_act", ABSENT),
            "token-types": each("type_vocab_size", 0),
            "form-token-types": each("type_vocab_size", ABSENT, 2),
        },
        ("ForMaskedLM", "ForSequenceClassification"),
    ),
}
