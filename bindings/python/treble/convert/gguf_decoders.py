"""Embedding models of decoder form in GGUF files: Qwen 3 and EmbeddingGemma."""

from __future__ import annotations

from typing import Any

from .errors import UNSUPPORTED, ConvertError, shown
from .gguf_models import Reader
from .tensors import Shifted, Tensor

TOP = {"token_embd": "embed_tokens", "output_norm": "norm"}
LAYER = {
    "attn_norm": "layers.{}.input_layernorm",
    "attn_q": "layers.{}.self_attn.q_proj",
    "attn_q_norm": "layers.{}.self_attn.q_norm",
    "attn_k": "layers.{}.self_attn.k_proj",
    "attn_k_norm": "layers.{}.self_attn.k_norm",
    "attn_v": "layers.{}.self_attn.v_proj",
    "attn_output": "layers.{}.self_attn.o_proj",
    "ffn_gate": "layers.{}.mlp.gate_proj",
    "ffn_up": "layers.{}.mlp.up_proj",
    "ffn_down": "layers.{}.mlp.down_proj",
}
QWEN3_LAYER = {**LAYER, "ffn_norm": "layers.{}.post_attention_layernorm"}
GEMMA_LAYER = {
    **LAYER,
    "post_attention_norm": "layers.{}.post_attention_layernorm",
    "ffn_norm": "layers.{}.pre_feedforward_layernorm",
    "post_ffw_norm": "layers.{}.post_feedforward_layernorm",
}
WITHOUT_BIAS = (*TOP, *QWEN3_LAYER, *GEMMA_LAYER)
GEMMA_PATTERN = 6
"""Every sixth layer of Gemma 3 sees everything; llama.cpp has that in its code."""


def _sizes(reader: Reader) -> dict[str, Any]:
    """What config.json says of both."""
    scaling = reader.file.metadata.get(f"{reader.architecture}.rope.scaling.type", "none")
    if scaling != "none":
        raise ConvertError(
            f"{reader.path}: {reader.architecture}.rope.scaling.type is {shown(scaling)}; only none is converted",
            UNSUPPORTED,
        )
    # A language model's head, where embeddings are not tied to it.
    if "output.weight" in reader.file.tensors:
        reader.used.add("output.weight")
        reader.left_out.append("output.weight: a language model's head")
    heads = reader.size("attention.head_count")
    return {
        "hidden_size": reader.hidden(),
        "num_hidden_layers": reader.layers(),
        "num_attention_heads": heads,
        "num_key_value_heads": reader.size("attention.head_count_kv", default=heads),
        "head_dim": reader.size("attention.key_length", default=max(1, reader.hidden() // heads)),
        "intermediate_size": reader.size("feed_forward_length"),
        "max_position_embeddings": reader.size("context_length"),
        "rms_norm_eps": reader.number("attention.layer_norm_rms_epsilon"),
        "attention_bias": False,
        "rope_scaling": None,
        "tie_word_embeddings": True,
    }


def qwen3(reader: Reader) -> dict[str, Any]:
    """Causal unless the file says otherwise."""
    sizes = _sizes(reader)
    reader.take_all(sizes["num_hidden_layers"], TOP, QWEN3_LAYER, WITHOUT_BIAS)
    causal = reader.file.metadata.get(f"{reader.architecture}.attention.causal", True)
    return {
        "architectures": ["Qwen3Model"],
        "model_type": "qwen3",
        "hidden_act": "silu",
        **sizes,
        "rope_theta": reader.number("rope.freq_base", default=1e6),
        "use_sliding_window": False,
        "sliding_window": None,
        **({} if causal else {"is_causal": False}),
    }


def gemma_embedding(reader: Reader) -> dict[str, Any]:
    """Gemma 3 both ways. llama.cpp stores the gain of a norm, Hugging Face that less 1."""
    sizes = _sizes(reader)
    layers = sizes["num_hidden_layers"]
    reader.take_all(layers, TOP, GEMMA_LAYER, WITHOUT_BIAS)
    for name in [name for name in reader.tensors if name.endswith("norm.weight")]:
        reader.tensors[name] = _less_one(reader, name)
    for number in (2, 3):
        if f"dense_{number}.weight" in reader.file.tensors:
            reader.take(f"dense_{number}.weight", f"{number}_Dense")
            reader.dense[f"{number}_Dense"] = reader.tensors.pop(f"{number}_Dense")
    kinds = ["full_attention" if (i + 1) % GEMMA_PATTERN == 0 else "sliding_attention" for i in range(layers)]
    return {
        "architectures": ["Gemma3TextModel"],
        "model_type": "gemma3_text",
        "hidden_activation": "gelu_pytorch_tanh",
        **sizes,
        "query_pre_attn_scalar": sizes["head_dim"],
        "rope_theta": reader.number("rope.freq_base", default=1e6),
        "rope_local_base_freq": reader.number("rope.freq_base_swa", default=1e4),
        "sliding_window": reader.size("attention.sliding_window"),
        "layer_types": kinds,
        "use_bidirectional_attention": True,
    }


def _less_one(reader: Reader, name: str) -> Tensor:
    if reader.tensors[name].dtype != "F32":
        dtype = reader.tensors[name].dtype
        raise ConvertError(f"{reader.path}: the norm {name} is stored in {dtype}; F32 is known of norms", UNSUPPORTED)
    return Shifted(reader.tensors[name], -1.0)
