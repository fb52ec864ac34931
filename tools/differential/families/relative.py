"""Families with relative positions: T5 and DeBERTa."""

from __future__ import annotations

from typing import Any

from differential.case import ABSENT
from differential.families.bert import BERT, BERT_HEADS, BERT_SWITCHES
from differential.families.family import COMMON, Family, Table, each, without

T5: dict[str, Any] = {
    "d_model": 32,
    "d_kv": 6,  # not d_model / num_heads: the family allows it
    "d_ff": 48,
    "num_layers": 2,
    "num_heads": 4,
    "relative_attention_num_buckets": 32,
    "dropout_rate": 0.1,
    "layer_norm_epsilon": 1e-6,
    "pad_token_id": 0,
    "eos_token_id": 1,
    "is_encoder_decoder": True,
    "torch_dtype": "float32",
}

T5_SWITCHES: Table = COMMON | {
    "sizes": [
        {"d_model": 48, "num_heads": 3, "d_kv": 16, "d_ff": 64},
        {"d_model": 16, "num_heads": 8, "d_kv": 8, "d_ff": 20},
    ],
    "layers": each("num_layers", 1, 4),
    "feed-forward": each("feed_forward_proj", "gated-silu", "gated-relu", "silu", "gelu", "gelu_new"),
    "buckets": each("relative_attention_num_buckets", 8, 64),
    "distance": each("relative_attention_max_distance", 20, 64),
    "form-distance": each("relative_attention_max_distance", 128),
    "eps": each("layer_norm_epsilon", 1e-2),
    "form-eps": each("layer_norm_epsilon", ABSENT),
    "form-buckets": each("relative_attention_num_buckets", ABSENT),
    "form-positions": each("n_positions", 32, 512),
    "form-old": [{"dense_act_fn": "relu", "is_gated_act": False, "scale_decoder_outputs": True}],
    "form-tie": each("tie_word_embeddings", False),
}

T5_HEADS = ("ForConditionalGeneration", "Model")

DEBERTA: dict[str, Any] = BERT | {
    "model_type": "deberta-v2",
    "architectures": ["DebertaV2Model"],
    "layer_norm_eps": 1e-7,
    "max_relative_positions": -1,
    "norm_rel_ebd": "layer_norm",
    "pos_att_type": "p2c|c2p",
    "position_biased_input": False,
    "position_buckets": 16,
    "relative_attention": True,
    "share_att_key": True,
    "type_vocab_size": 0,
    "pad_token_id": 0,
}

DEBERTA_SWITCHES = without(
    BERT_SWITCHES,
    "form-eps",
    "token-types",
    "positions",
    "form-positions",
    token_types=each("type_vocab_size", 2),
    form_token_types=each("type_vocab_size", ABSENT),
    attention_type=[
        *each("pos_att_type", "c2p", "p2c", ["p2c"], ABSENT, None),
        {"pos_att_type": [], "share_att_key": True},
    ],
    form_attention_type=each("pos_att_type", ["p2c", "c2p"], "c2p|p2c", "P2C | C2P"),
    share_key=each("share_att_key", False, ABSENT),
    buckets=each("position_buckets", 4, 64, ABSENT, -1),
    relative_positions=[
        {"max_relative_positions": 64},
        {"max_relative_positions": 32, "position_buckets": -1},
    ],
    norm_embeddings=each("norm_rel_ebd", "none", ABSENT),
    form_norm_embeddings=each("norm_rel_ebd", "layer_norm|none"),
    no_relative=[
        {"relative_attention": False},
        {"relative_attention": ABSENT},
        {"relative_attention": False, "position_biased_input": True},
    ],
    biased_input=each("position_biased_input", True, ABSENT),
    form_eps=each("layer_norm_eps", ABSENT),
    convolution=[
        {"conv_kernel_size": 3, "conv_act": "gelu"},
        {"conv_kernel_size": 3},
        {"conv_kernel_size": 5, "conv_act": "relu"},
    ],
    embedding_size=each("embedding_size", 16),
    form_pooler=[{"pooler_dropout": 0, "pooler_hidden_act": "gelu", "pooler_hidden_size": 32}],
)

FAMILIES: dict[str, Family] = {
    "deberta-v2": Family("deberta-v3", DEBERTA, DEBERTA_SWITCHES, BERT_HEADS, gain=1.25),
    "t5": Family(
        "t5",
        T5 | {"model_type": "t5", "architectures": ["T5EncoderModel"], "feed_forward_proj": "relu"},
        without(
            T5_SWITCHES,
            gated=each("feed_forward_proj", "gated-gelu", "gated-gelu_new"),
            form_feed_forward=each("feed_forward_proj", ABSENT),
        ),
        T5_HEADS,
        gain=0.75,
        width_key="d_model",
    ),
    "mt5": Family(
        "t5",
        T5 | {"model_type": "mt5", "architectures": ["MT5EncoderModel"], "feed_forward_proj": "gated-gelu"},
        without(T5_SWITCHES, "form-old", form_feed_forward=each("feed_forward_proj", ABSENT, "gated-gelu_new")),
        T5_HEADS,
        gain=0.75,
        width_key="d_model",
    ),
    "umt5": Family(
        "t5",
        T5 | {"model_type": "umt5", "architectures": ["UMT5EncoderModel"], "feed_forward_proj": "gated-gelu"},
        without(T5_SWITCHES, "form-old", form_feed_forward=each("feed_forward_proj", ABSENT, "gated-gelu_new")),
        T5_HEADS,
        gain=0.75,
        width_key="d_model",
    ),
}
