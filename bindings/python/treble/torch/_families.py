"""Which attention modules of transformers can be tempered, and finding them in a model."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator
from typing import Any

from torch import nn

# Attention classes that call an attention function of transformers: it is that call which is tempered.
_CALLING = {
    f"transformers.models.{path}"
    for path in (
        "albert.modeling_albert.AlbertAttention",
        "bert.modeling_bert.BertSelfAttention",
        "camembert.modeling_camembert.CamembertSelfAttention",
        "distilbert.modeling_distilbert.DistilBertSelfAttention",
        "electra.modeling_electra.ElectraSelfAttention",
        "embedding_gemma2.modeling_embedding_gemma2.EmbeddingGemma2Attention",
        "eurobert.modeling_eurobert.EuroBertAttention",
        "gemma3.modeling_gemma3.Gemma3Attention",
        "gte.modeling_gte.GteAttention",
        "jina_embeddings_v3.modeling_jina_embeddings_v3.JinaEmbeddingsV3Attention",
        "llama.modeling_llama.LlamaAttention",
        "mistral.modeling_mistral.MistralAttention",
        "modernbert.modeling_modernbert.ModernBertAttention",
        "mt5.modeling_mt5.MT5Attention",
        "nomic_bert.modeling_nomic_bert.NomicBertAttention",
        "qwen2.modeling_qwen2.Qwen2Attention",
        "qwen3.modeling_qwen3.Qwen3Attention",
        "roberta.modeling_roberta.RobertaSelfAttention",
        "t5.modeling_t5.T5Attention",
        "ultrabert.modeling_ultrabert.UltrabertAttention",
        "umt5.modeling_umt5.UMT5Attention",
        "xlm_roberta.modeling_xlm_roberta.XLMRobertaSelfAttention",
    )
}
# Classes that do it on their own, and the module and subclass that does it with a temperature.
_REPLACED = {
    "transformers.models.deberta_v2.modeling_deberta_v2.DisentangledSelfAttention": (
        "treble.torch._deberta",
        "TemperedDisentangledSelfAttention",
    ),
    "transformers.models.mpnet.modeling_mpnet.MPNetSelfAttention": (
        "treble.torch._mpnet",
        "TemperedMPNetSelfAttention",
    ),
}
# ALBERT's layers share attention modules.
_ALBERT_STACK = "transformers.models.albert.modeling_albert.AlbertTransformer"
_TEMPERED_ALBERT = ("treble.torch._albert", "TemperedAlbertTransformer")

SUPPORTED = tuple(sorted({name.split(".")[2] for name in (*_CALLING, *_REPLACED)}))


def class_name(module: nn.Module) -> str:
    """The full name of its class."""
    return f"{type(module).__module__}.{type(module).__qualname__}"


def find_attentions(model: nn.Module) -> list[nn.Module]:
    """The self-attention modules of encoder layers, in the order of layers.

    Raises ValueError naming the classes where there are none, or others beside them.
    """
    found: list[nn.Module] = []
    others: dict[str, None] = {}
    _walk(model, found, others)
    if found and not others:
        return found
    names = ", ".join(sorted(others)) or f"none in {class_name(model)}"
    raise ValueError(
        f"{'some' if found else 'all'} attention of {type(model).__name__} cannot be tempered (attention classes: "
        f"{names}); supported are the models of transformers.models.{{{', '.join(SUPPORTED)}}}"
    )


def _walk(module: nn.Module, found: list[nn.Module], others: dict[str, None]) -> bool:
    """Whether `module` is or holds an attention."""
    name = class_name(module)
    if name in _CALLING or name in _REPLACED:
        # The decoder of an encoder-decoder model is no part of the embedding.
        if not getattr(module, "is_decoder", False):
            found.append(module)
        return True
    within = [_walk(child, found, others) for child in module.children()]
    if any(within):
        return True
    if "Attention" in type(module).__name__:
        others[name] = None
        return True
    return False


def find_albert_stacks(model: nn.Module) -> list[Any]:
    """ALBERT's transformers, whose number of layers is not that of their attention modules."""
    return [module for module in model.modules() if class_name(module) == _ALBERT_STACK]


def check_attention(module: nn.Module) -> None:
    """Raise ValueError for what no temperature is defined for."""
    config = getattr(module, "config", None)
    softcap = getattr(config, "attn_logit_softcapping", None)
    if softcap is not None:
        raise ValueError(f"attn_logit_softcapping is {softcap}: no temperature is defined for capped logits")
    positions = getattr(config, "position_embedding_type", None)
    if positions in ("alibi", "relative_key", "relative_key_query"):
        raise ValueError(
            f'position_embedding_type is "{positions}", which {class_name(module)} does not compute: without a '
            f"temperature, too, this is not the model that was trained"
        )


def num_heads(module: nn.Module) -> int:
    """Query heads."""
    config = getattr(module, "config", None)
    has_heads: Any = module if config is None else config
    return int(has_heads.num_attention_heads)


def eager_attention(module: nn.Module) -> Callable[..., Any] | None:
    """The attention function of its family that transformers falls back to; None for classes that call none."""
    if class_name(module) in _REPLACED:
        return None
    function: Callable[..., Any] = sys.modules[type(module).__module__].eager_attention_forward
    return function


def tempered_class(module: nn.Module) -> type[nn.Module]:
    """The subclass that takes the place of its class."""
    name = class_name(module)
    path, wanted = _TEMPERED_ALBERT if name == _ALBERT_STACK else _REPLACED[name]
    subclass: type[nn.Module] = getattr(importlib.import_module(path), wanted)
    return subclass


def is_tempered_class(module: nn.Module) -> bool:
    """Whether it is such a subclass."""
    return type(module).__module__.startswith("treble.torch.") and type(module).__name__.startswith("Tempered")


def tempered_stacks(model: nn.Module) -> Iterator[nn.Module]:
    """ALBERT's transformers that were given their subclass."""
    return (module for module in model.modules() if class_name(module) == ".".join(_TEMPERED_ALBERT))
