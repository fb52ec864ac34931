"""BERT and its nearest relatives: learned positions."""

from __future__ import annotations

from typing import Any

from differential.case import ABSENT
from differential.families.family import COMMON, POSITIONS, SIZES, Family, Table, each, without

BERT: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "hidden_act": "gelu",
    "max_position_embeddings": POSITIONS,
    "attention_probs_dropout_prob": 0.1,
    "hidden_dropout_prob": 0.1,
    "initializer_range": 0.02,
    "torch_dtype": "float32",
    "transformers_version": "4.40.0",
}

ACTIVATIONS = (
    "relu",
    "gelu_new",
    "gelu_pytorch_tanh",
    "gelu_fast",
    "quick_gelu",
    "silu",
    "swish",
    "tanh",
)

BERT_SWITCHES: Table = COMMON | {
    "sizes": SIZES,
    "layers": each("num_hidden_layers", 1, 4),
    "activation": each("hidden_act", *ACTIVATIONS),
    "form-activation": each("hidden_act", ABSENT, "gelu_python"),
    "eps": each("layer_norm_eps", 1e-3, 1e-2),
    "form-eps": each("layer_norm_eps", 1e-12),
    "form-token-types": each("type_vocab_size", 1, 3, ABSENT),
    "positions": each("max_position_embeddings", 40, 64, 101),
    "form-positions": [{"position_embedding_type": "absolute"}],
}

BERT_HEADS = ("ForMaskedLM", "ForSequenceClassification", "ForTokenClassification", "ForQuestionAnswering")

ROBERTA = BERT | {"type_vocab_size": 1, "layer_norm_eps": 1e-5, "pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2}

ROBERTA_SWITCHES = without(
    BERT_SWITCHES,
    "form-token-types",
    "form-eps",
    "positions",
    form_token_types=[{"type_vocab_size": 2}, {"type_vocab_size": ABSENT}],
    eps_absent=[{"layer_norm_eps": 1e-3}],
    padding_id=each("pad_token_id", 0, 3),
    form_padding_id=each("pad_token_id", ABSENT),
    form_positions=each("max_position_embeddings", 400, 514),
)

DISTILBERT: dict[str, Any] = {
    "model_type": "distilbert",
    "architectures": ["DistilBertModel"],
    "activation": "gelu",
    "dim": 32,
    "hidden_dim": 64,
    "n_heads": 4,
    "n_layers": 2,
    "max_position_embeddings": POSITIONS,
    "pad_token_id": 0,
    "sinusoidal_pos_embds": False,
    "dropout": 0.1,
    "attention_dropout": 0.1,
    "qa_dropout": 0.1,
    "seq_classif_dropout": 0.2,
    "torch_dtype": "float32",
}

ALBERT_SWITCHES = without(
    BERT_SWITCHES,
    "form-activation",
    "layers",
    layers=each("num_hidden_layers", 1, 4, 6),
    activation_absent=each("hidden_act", ABSENT),
    embedding_size=[{"embedding_size": 32}, {"embedding_size": ABSENT}, {"embedding_size": 8}],
    groups=[
        {"num_hidden_groups": 2, "num_hidden_layers": 4},
        {"num_hidden_groups": 3, "num_hidden_layers": 3},
        {"num_hidden_groups": 2, "num_hidden_layers": 3},
    ],
    inner_groups=each("inner_group_num", 2),
    form_groups=each("num_hidden_groups", ABSENT),
    form_old=[{"net_structure_type": 0, "gap_size": 0, "num_memory_blocks": 0, "down_scale_factor": 1}],
)

FAMILIES: dict[str, Family] = {
    "bert": Family(
        "bert",
        BERT | {"model_type": "bert", "architectures": ["BertModel"], "type_vocab_size": 2, "pad_token_id": 0},
        BERT_SWITCHES,
        (*BERT_HEADS, "ForPreTraining"),
    ),
    "roberta": Family(
        "roberta",
        ROBERTA | {"model_type": "roberta", "architectures": ["RobertaModel"]},
        ROBERTA_SWITCHES,
        BERT_HEADS,
    ),
    "xlm-roberta": Family(
        "xlm-roberta",
        ROBERTA | {"model_type": "xlm-roberta", "architectures": ["XLMRobertaModel"]},
        ROBERTA_SWITCHES,
        BERT_HEADS,
    ),
    "camembert": Family(
        "camembert",
        ROBERTA | {"model_type": "camembert", "architectures": ["CamembertModel"]},
        ROBERTA_SWITCHES,
        BERT_HEADS,
    ),
    "distilbert": Family(
        "distilbert",
        DISTILBERT,
        COMMON
        | {
            "sizes": [{"dim": 64, "n_heads": 2, "hidden_dim": 40}, {"dim": 48, "n_heads": 6, "hidden_dim": 33}],
            "layers": each("n_layers", 1, 4),
            "activation": each("activation", *ACTIVATIONS),
            "form-activation": each("activation", ABSENT),
            "positions": each("max_position_embeddings", 40, 64),
            "form-sinusoidal": each("sinusoidal_pos_embds", True),
            "form-tie": each("tie_weights_", True),
        },
        BERT_HEADS,
        width_key="dim",
    ),
    "mpnet": Family(
        "mpnet",
        BERT
        | {
            "model_type": "mpnet",
            "architectures": ["MPNetModel"],
            "layer_norm_eps": 1e-5,
            "relative_attention_num_buckets": 32,
            "pad_token_id": 1,
            "bos_token_id": 0,
            "eos_token_id": 2,
        },
        without(
            BERT_SWITCHES,
            "form-eps",
            "form-token-types",
            "positions",
            form_positions=each("max_position_embeddings", 400, 514),
            form_buckets=each(
                "relative_attention_num_buckets", ABSENT, 64
            ),  # transformers computes for 32 whatever it says
            eps_absent=each("layer_norm_eps", 1e-3),
            form_padding_id=each("pad_token_id", ABSENT, 0),
        ),
        BERT_HEADS,
    ),
    "electra": Family(
        "bert",
        BERT
        | {
            "model_type": "electra",
            "architectures": ["ElectraModel"],
            "embedding_size": 16,
            "layer_norm_eps": 1e-12,
            "type_vocab_size": 2,
            "pad_token_id": 0,
        },
        without(
            BERT_SWITCHES,
            embedding_size=each("embedding_size", 32, 8, ABSENT),
            form_token_types=each("type_vocab_size", ABSENT),
            form_summary=[{"summary_activation": "gelu", "summary_type": "first", "generator_hidden_size": 0.25}],
        ),
        (*BERT_HEADS, "ForPreTraining"),
    ),
    "albert": Family(
        "albert",
        BERT
        | {
            "model_type": "albert",
            "architectures": ["AlbertModel"],
            "embedding_size": 16,
            "num_hidden_groups": 1,
            "inner_group_num": 1,
            "num_hidden_layers": 3,
            "type_vocab_size": 2,
            "pad_token_id": 0,
        },
        ALBERT_SWITCHES,
        BERT_HEADS,
        gain=0.9,
    ),
}
