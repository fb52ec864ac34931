"""Architectures of GGUF files: which tensors they have, and tensors and config as Hugging Face names them."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from .errors import UNSUPPORTED, ConvertError, shown
from .gguf_file import GgufFile
from .tensors import Filled, Stacked, Tensor

# GGUF's names -> Hugging Face's, as gguf.tensor_mapping of llama.cpp has them; weights and biases alike.
BERT_TOP = {
    "token_embd": "embeddings.word_embeddings",
    "token_embd_norm": "embeddings.LayerNorm",
}
BERT_LAYER = {
    "attn_q": "encoder.layer.{}.attention.self.query",
    "attn_k": "encoder.layer.{}.attention.self.key",
    "attn_v": "encoder.layer.{}.attention.self.value",
    "attn_output": "encoder.layer.{}.attention.output.dense",
    "attn_output_norm": "encoder.layer.{}.attention.output.LayerNorm",
    "ffn_up": "encoder.layer.{}.intermediate.dense",
    "ffn_down": "encoder.layer.{}.output.dense",
    "layer_output_norm": "encoder.layer.{}.output.LayerNorm",
}
JINA_LAYER = {
    **BERT_LAYER,
    "ffn_up": "encoder.layer.{}.mlp.gated_layers",
    "ffn_down": "encoder.layer.{}.mlp.wo",
    "layer_output_norm": "encoder.layer.{}.mlp.layernorm",
}
NOMIC_TOP = {**BERT_TOP, "token_embd_norm": "emb_ln"}
NOMIC_LAYER = {
    "attn_qkv": "encoder.layers.{}.attn.Wqkv",
    "attn_output": "encoder.layers.{}.attn.out_proj",
    "attn_output_norm": "encoder.layers.{}.norm1",
    "ffn_up": "encoder.layers.{}.mlp.fc11",
    "ffn_gate": "encoder.layers.{}.mlp.fc12",
    "ffn_down": "encoder.layers.{}.mlp.fc2",
    "layer_output_norm": "encoder.layers.{}.norm2",
}
TOKEN_TYPES = "embeddings.token_type_embeddings.weight"
POSITIONS = "embeddings.position_embeddings.weight"


class Reader:
    """One file's metadata under its architecture's prefix, and its tensors under their new names."""

    def __init__(self, file: GgufFile) -> None:
        self.file = file
        self.path = file.path
        self.architecture = file.metadata.get("general.architecture")
        self.padding_id: int | None = None
        self.used: set[str] = set()
        self.left_out: list[str] = []
        self.dense: dict[str, Tensor] = {}
        """Weights of Dense modules, by their folder."""
        self.tensors: dict[str, Tensor] = {}

    def size(self, key: str, *, default: int | None = None) -> int:
        value = self.file.metadata.get(f"{self.architecture}.{key}", default)
        if type(value) is not int or not 0 < value < 1 << 31:
            raise ConvertError(f"{self.path}: {self.architecture}.{key} is {shown(value)}; it must be a number above 0")
        return value

    def number(self, key: str, *, default: float | None = None) -> float:
        value = self.file.metadata.get(f"{self.architecture}.{key}", default)
        if type(value) is not float or not 0 < value < float("inf"):
            raise ConvertError(f"{self.path}: {self.architecture}.{key} is {shown(value)}; it must be a number above 0")
        # 1e-12 is stored as the float32 that is nearest to it.
        return float(str(np.float32(value)))

    def layers(self) -> int:
        """How many there are."""
        layers, tensors = self.size("block_count"), self.file.tensors
        if layers > len(tensors):
            raise ConvertError(f"{self.path}: {self.architecture}.block_count is {layers}, with {len(tensors)} tensors")
        return layers

    def hidden(self) -> int:
        """How wide they are; the table of tokens must be as wide."""
        hidden = self.size("embedding_length")
        words = self.file.tensors.get("token_embd.weight")
        if words is not None and (len(words.shape) != 2 or words.shape[1] != hidden):
            raise ConvertError(
                f"{self.path}: token_embd.weight has the shape {list(words.shape)}, but embedding_length is {hidden}"
            )
        return hidden

    def take(self, name: str, target: str, *, default: Tensor | None = None) -> None:
        tensor = self.file.tensors.get(name, default)
        if tensor is None:
            raise ConvertError(f"{self.path}: there is no tensor {name}, which a {self.architecture} model has")
        self.used.add(name)
        self.tensors[target] = tensor

    def take_all(
        self, layers: int, top: Mapping[str, str], layer: Mapping[str, str], without_bias: Collection[str]
    ) -> None:
        """Every tensor of the tables that was not taken before."""
        named = [
            *top.items(),
            *((f"blk.{n}.{old}", new.format(n)) for n in range(layers) for old, new in layer.items()),
        ]
        for old, new in named:
            if f"{new}.weight" not in self.tensors:
                self.take(f"{old}.weight", f"{new}.weight")
            if old.rsplit(".", 1)[-1] not in without_bias:
                self.take(f"{old}.bias", f"{new}.bias")

    def refuse_others(self) -> None:
        others = sorted(set(self.file.tensors) - self.used)
        if others:
            raise ConvertError(
                f"{self.path}: {len(others)} tensors are no part of a {self.architecture} model as it is known here, "
                f"the first is {shown(others[0])}",
                UNSUPPORTED,
            )


def _sizes(reader: Reader) -> dict[str, Any]:
    """What config.json says of every model of this form."""
    if reader.file.metadata.get(f"{reader.architecture}.attention.causal", False):
        raise ConvertError(
            f"{reader.path}: {reader.architecture}.attention.causal is true; that is not known", UNSUPPORTED
        )
    return {
        "hidden_size": reader.hidden(),
        "num_hidden_layers": reader.layers(),
        "num_attention_heads": reader.size("attention.head_count"),
        "intermediate_size": reader.size("feed_forward_length"),
        "max_position_embeddings": reader.size("context_length"),
        "layer_norm_eps": reader.number("attention.layer_norm_epsilon"),
    }


def _token_types(reader: Reader, hidden: int) -> int:
    """DistilBERT is stored as a bert without them: a row of zeros changes nothing."""
    reader.take("token_types.weight", TOKEN_TYPES, default=Filled((1, hidden)))
    shape = reader.tensors[TOKEN_TYPES].shape
    return shape[0] if shape else 0


def bert(reader: Reader) -> dict[str, Any]:
    sizes = _sizes(reader)
    types = _token_types(reader, sizes["hidden_size"])
    reader.take("position_embd.weight", POSITIONS)
    reader.take_all(sizes["num_hidden_layers"], BERT_TOP, BERT_LAYER, ("token_embd",))
    return {
        "architectures": ["BertModel"],
        "model_type": "bert",
        "hidden_act": "gelu",
        "position_embedding_type": "absolute",
        **sizes,
        "type_vocab_size": types,
    }


def _roberta(reader: Reader) -> dict[str, Any]:
    """Stored as a bert whose positions begin with the first that is used, the one after the padding token's."""
    config = bert(reader)
    positions = reader.tensors[POSITIONS]
    if len(positions.shape) != 2 or positions.shape[1] != config["hidden_size"]:
        raise ConvertError(f"{reader.path}: position_embd.weight has the shape {list(positions.shape)}")
    if type(reader.padding_id) is not int or not 0 <= reader.padding_id < 1 << 16:
        raise ConvertError(f"{reader.path}: the padding token has the number {shown(reader.padding_id)}")
    unused = reader.padding_id + 1
    reader.tensors[POSITIONS] = Stacked([Filled((unused, config["hidden_size"]), positions.dtype), positions])
    return {**config, "max_position_embeddings": config["max_position_embeddings"] + unused}


def xlm_roberta(reader: Reader) -> dict[str, Any]:
    """With a SentencePiece vocabulary."""
    return {**_roberta(reader), "architectures": ["XLMRobertaModel"], "model_type": "xlm-roberta"}


def roberta(reader: Reader) -> dict[str, Any]:
    """With a byte-level vocabulary."""
    return {**_roberta(reader), "architectures": ["RobertaModel"], "model_type": "roberta"}


def _join_halves(reader: Reader, layer: int) -> None:
    """Files of 2024 have the halves apart: what goes through GELU, and what it is multiplied with."""
    gate, up = (f"blk.{layer}.{name}.weight" for name in ("ffn_gate", "ffn_up"))
    found = [reader.file.tensors[name] for name in (gate, up) if name in reader.file.tensors]
    if gate not in reader.file.tensors or len(found) != 2:
        return
    if found[0].dtype != found[1].dtype or found[0].shape != found[1].shape or len(found[0].shape) != 2:
        told = " and ".join(f"{one.dtype} {list(one.shape)}" for one in found)
        raise ConvertError(f"{reader.path}: {gate} and {up} are {told}; they must be alike")
    reader.used |= {gate, up}
    reader.tensors[f"{JINA_LAYER['ffn_up'].format(layer)}.weight"] = Stacked(found)


def jina_bert_v2(reader: Reader) -> dict[str, Any]:
    sizes = _sizes(reader)
    types = _token_types(reader, sizes["hidden_size"])
    for layer in range(sizes["num_hidden_layers"]):
        _join_halves(reader, layer)
    reader.take_all(sizes["num_hidden_layers"], BERT_TOP, JINA_LAYER, ("token_embd", "ffn_up"))
    return {
        "architectures": ["JinaBertModel"],
        "model_type": "bert",
        "hidden_act": "gelu",
        "position_embedding_type": "alibi",
        "feed_forward_type": "geglu",
        **sizes,
        "type_vocab_size": types,
    }


def nomic_bert(reader: Reader) -> dict[str, Any]:
    sizes = _sizes(reader)
    types = _token_types(reader, sizes["hidden_size"])
    without_bias = ("token_embd", "attn_qkv", "attn_output", "ffn_up", "ffn_gate", "ffn_down")
    reader.take_all(sizes["num_hidden_layers"], NOMIC_TOP, NOMIC_LAYER, without_bias)
    scaling = reader.file.metadata.get(f"{reader.architecture}.rope.scaling.type", "none")
    if scaling != "none":
        raise ConvertError(
            f"{reader.path}: nomic-bert.rope.scaling.type is {shown(scaling)}; only none is known", UNSUPPORTED
        )
    return {
        "architectures": ["NomicBertModel"],
        "model_type": "nomic_bert",
        "activation_function": "swiglu",
        "causal": False,
        "layer_norm_epsilon": sizes["layer_norm_eps"],
        "max_trained_positions": sizes["max_position_embeddings"],
        **dict.fromkeys(("mlp_fc1_bias", "mlp_fc2_bias", "qkv_proj_bias", "parallel_block", "prenorm"), False),
        "n_embd": sizes["hidden_size"],
        "n_head": sizes["num_attention_heads"],
        "n_inner": sizes["intermediate_size"],
        "n_layer": sizes["num_hidden_layers"],
        "n_positions": sizes["max_position_embeddings"],
        "rotary_emb_base": reader.number("rope.freq_base", default=10000.0),
        "rotary_emb_fraction": 1.0,
        "rotary_emb_interleaved": False,
        "rotary_emb_scale_base": None,
        "rotary_scaling_factor": None,
        "use_rms_norm": False,
        "type_vocab_size": types,
    }
