"""Seeded tiny models of the families beyond BERT's circle, with the tensors that their references compute."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.numpy import save_file
from safetensors.torch import load_file
from safetensors.torch import save_file as save_torch_file
from sentence_transformers import SentenceTransformer
from torch import Tensor, nn
from transformers import (
    CONFIG_MAPPING,
    AutoConfig,
    AutoModel,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    T5EncoderModel,
)

from golden import family_tokenizers, tiny_tokenizers
from golden.pooling import WIDTH, Case, Layer, write_overlay
from golden.st_files import write_json
from golden.temperature import TemperedAttention, tempered
from golden.texts import CASES
from golden.twins.gte_new import GteNew
from golden.twins.jina_bert import JinaBert
from golden.twins.nomic_bert import ExpertLayers, Experts, MixtureOfExperts, NomicBert

TAU = 0.7
HEADS = 4
LAYER_TEXTS = {1.0: (1, 10), TAU: (4,)}  # layers are kept for these; pooled vectors exist for every text
LOGIT_STD_RANGE = (1.1, 2.9)
QUERY_AND_KEY = ("query", "key", "q", "k", "q_proj", "k_proj", "query_proj", "key_proj")
PACKED = ("Wqkv", "qkv_proj")
NO_LIMIT = int(1e30)

Config = dict[str, Any]
BERT_KEYS: Config = {
    "hidden_size": WIDTH,
    "intermediate_size": 48,
    "num_hidden_layers": 2,
    "num_attention_heads": HEADS,
}
DECODER_KEYS: Config = {**BERT_KEYS, "num_key_value_heads": 2, "max_position_embeddings": 128}


@dataclass(frozen=True)
class Family:
    """One folder. `published` rewrites the saved configuration into the form in which real models carry it."""

    name: str
    seed: int
    tokenizer: Callable[[int], PreTrainedTokenizerBase]
    config: Config
    block: str = ""  # class of a block, unless a twin
    twin: type[nn.Module] | None = None
    published: Callable[[Config], Config] = dict
    pooling: str = "mean"
    dense: tuple[Layer, ...] = ()
    limit: int = 64
    st_limit: int | None = 64  # what sentence_bert_config.json says
    tokenizer_limit: int = NO_LIMIT
    new_form: bool = False
    gain: float = 1.3  # of query and key weights
    embedding_std: float = 0.7
    has_bias: bool = False  # a position bias beside the scores: also recorded with the bias left as it is
    bidirectional: bool = False  # a causal model read without its mask
    in_double: bool = False  # its states are so large that the reference's own float32 errors would count


def _changed(config: Config, remove: tuple[str, ...] = (), **values: Any) -> Config:
    """Drop and set keys."""
    return {key: value for key, value in config.items() if key not in remove} | values


def _old_rotary(config: Config, **values: Any) -> Config:
    """The form of configurations before rope_parameters: rope_theta and rope_scaling on their own."""
    rotary = dict(config["rope_parameters"])
    theta = rotary.pop("rope_theta")
    scaling = None if rotary["rope_type"] == "default" else rotary
    return _changed(config, ("rope_parameters", "layer_types"), rope_theta=theta, rope_scaling=scaling, **values)


def _old_modernbert(config: Config) -> Config:
    """The keys of ModernBERT's published configurations."""
    return _changed(
        config,
        ("rope_parameters", "layer_types"),
        global_attn_every_n_layers=3,
        global_rope_theta=160000.0,
        local_rope_theta=10000.0,
        position_embedding_type="absolute",
        architectures=["ModernBertForMaskedLM"],
    )


def _old_gemma(config: Config) -> Config:
    """The keys of EmbeddingGemma's published configuration."""
    rotary = config["rope_parameters"]
    return _changed(
        config,
        ("rope_parameters", "sliding_window_pattern"),
        rope_theta=rotary["full_attention"]["rope_theta"],
        rope_local_base_freq=rotary["sliding_attention"]["rope_theta"],
        rope_scaling=None,
        _sliding_window_pattern=3,
    )


def _old_ultrabert(config: Config) -> Config:
    """The keys of UltraBERT's published configuration: windows and rotary bases layer by layer."""
    local = [layer == "sliding_attention" for layer in config["layer_types"]]
    bases = {True: "sliding_attention", False: "full_attention"}
    return _changed(
        config,
        ("rope_parameters", "layer_types", "sliding_window"),
        attention_windows=[config["sliding_window"] if one else None for one in local],
        rope_theta=[config["rope_parameters"][bases[one]]["rope_theta"] for one in local],
        architectures=["UltrabertForMaskedLM"],
    )


NOMIC: Config = {
    "model_type": "nomic_bert",
    "architectures": ["NomicBertModel"],
    "auto_map": {
        "AutoConfig": "nomic-ai/nomic-bert-2048--configuration_hf_nomic_bert.NomicBertConfig",
        "AutoModel": "nomic-ai/nomic-bert-2048--modeling_hf_nomic_bert.NomicBertModel",
        "AutoModelForMaskedLM": "nomic-ai/nomic-bert-2048--modeling_hf_nomic_bert.NomicBertForPreTraining",
    },
    "activation_function": "swiglu",
    "causal": False,
    "layer_norm_epsilon": 1e-12,
    "max_trained_positions": 96,
    "mlp_fc1_bias": False,
    "mlp_fc2_bias": False,
    "n_embd": WIDTH,
    "n_head": HEADS,
    "n_inner": 48,
    "n_layer": 2,
    "n_positions": 128,
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
# The keys of nomic-embed-text-v2-moe.
NOMIC_EXPERTS: Config = NOMIC | {
    "activation_function": "gelu",
    "add_pooling_layer": False,
    "attn_pdrop": 0.0,
    "dense_seq_output": True,
    "embd_pdrop": 0.1,
    "expert_choice_router": False,
    "ffn_div": 1,
    "fused_bias_fc": True,
    "fused_dropout_add_ln": True,
    "layer_norm_epsilon": 1e-5,
    "mlp_fc1_bias": True,
    "mlp_fc2_bias": True,
    "moe_every_n_layers": 2,
    "moe_impl": "megablocks",
    "moe_normalize_expert_weights": False,
    "moe_resid_pdrop": 0.0,
    "moe_top_k": 2,
    "n_layer": 4,
    "num_experts": 5,
    "num_shared_experts": 0,
    "pad_token_id": 1,
    "qkv_proj_bias": True,
    "resid_pdrop": 0.0,
    "rotary_emb_base": 10000,
    "router_aux_loss_coef": 0.1,
    "scale_attn_by_inverse_layer_idx": False,
    "scale_attn_weights": True,
    "type_vocab_size": 1,
    "use_flash_attn": True,
    "use_rms_norm": None,
    "use_xentropy": True,
}
JINA: Config = {
    "model_type": "bert",
    "architectures": ["JinaBertForMaskedLM"],
    "auto_map": {
        "AutoConfig": "jinaai/jina-bert-implementation--configuration_bert.JinaBertConfig",
        "AutoModel": "jinaai/jina-bert-implementation--modeling_bert.JinaBertModel",
        "AutoModelForMaskedLM": "jinaai/jina-bert-implementation--modeling_bert.JinaBertForMaskedLM",
    },
    **BERT_KEYS,
    "num_attention_heads": 6,
    "hidden_size": 36,
    "attention_probs_dropout_prob": 0.0,
    "emb_pooler": "mean",
    "feed_forward_type": "geglu",
    "hidden_act": "gelu",
    "layer_norm_eps": 1e-12,
    "max_position_embeddings": 128,
    "model_max_length": 128,
    "pad_token_id": 0,
    "position_embedding_type": "alibi",
    "type_vocab_size": 2,
}
GTE: Config = {
    "model_type": "new",
    "architectures": ["NewModel"],
    "auto_map": {
        "AutoConfig": "Alibaba-NLP/new-impl--configuration.NewConfig",
        "AutoModel": "Alibaba-NLP/new-impl--modeling.NewModel",
        "AutoModelForMaskedLM": "Alibaba-NLP/new-impl--modeling.NewForMaskedLM",
    },
    **BERT_KEYS,
    "hidden_act": "gelu",
    "layer_norm_eps": 1e-12,
    "layer_norm_type": "layer_norm",
    "logn_attention_clip1": False,
    "logn_attention_scale": False,
    "max_position_embeddings": 128,
    "pack_qkv": True,
    "position_embedding_type": "rope",
    "rope_scaling": {"factor": 2.0, "type": "ntk"},
    "rope_theta": 500000,
    "type_vocab_size": 0,
    "unpad_inputs": False,
    "use_memory_efficient_attention": False,
}
T5: Config = {
    "model_type": "t5",
    "d_model": WIDTH,
    "d_kv": 6,  # not d_model / num_heads: the family allows it
    "d_ff": 48,
    "num_layers": 2,
    "num_heads": HEADS,
    "relative_attention_num_buckets": 32,
    "relative_attention_max_distance": 40,
    "is_encoder_decoder": False,
    "use_cache": False,
}
DEBERTA: Config = {
    "model_type": "deberta-v2",
    **BERT_KEYS,
    "max_position_embeddings": 64,
    "max_relative_positions": -1,
    "norm_rel_ebd": "layer_norm",
    "pos_att_type": ["p2c", "c2p"],
    "position_biased_input": False,
    "position_buckets": 16,
    "relative_attention": True,
    "share_att_key": True,
    "type_vocab_size": 0,
    "layer_norm_eps": 1e-7,
}
_DEBERTA_PUBLISHED = partial(_changed, pos_att_type="p2c|c2p")
_PROJECTION = (Layer(WIDTH, WIDTH, nn.Identity(), bias=False),)
_GEMMA_PROJECTION = (Layer(WIDTH, 48, nn.Identity(), bias=False), Layer(48, WIDTH, nn.Identity(), bias=False))
_DECODER = {"pooling": "lasttoken", "gain": 1.3}
QWEN2: Config = {"model_type": "qwen2", **DECODER_KEYS, "sliding_window": 16, "max_window_layers": 1}
LLAMA3_SCALING: Config = {
    "rope_type": "llama3",
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 32,
    "rope_theta": 500000.0,
}

FAMILIES: tuple[Family, ...] = (
    Family(
        "t5",
        201,
        family_tokenizers.t5,
        T5 | {"feed_forward_proj": "relu"},
        "T5Block",
        dense=_PROJECTION,
        gain=0.75,
        has_bias=True,
    ),
    Family(
        "t5-gated-gelu",
        202,
        family_tokenizers.t5,
        T5 | {"feed_forward_proj": "gated-gelu"},
        "T5Block",
        dense=_PROJECTION,
        gain=0.75,
        has_bias=True,
        st_limit=None,
        tokenizer_limit=60,
        limit=60,
        new_form=True,
    ),
    Family(
        "modernbert",
        203,
        family_tokenizers.modernbert,
        {
            "model_type": "modernbert",
            **BERT_KEYS,
            "intermediate_size": 40,
            "num_hidden_layers": 4,
            "local_attention": 16,
            "max_position_embeddings": 128,
        },
        "ModernBertEncoderLayer",
        published=_old_modernbert,
        pooling="cls",
    ),
    Family(
        "qwen3",
        204,
        family_tokenizers.qwen,
        {"model_type": "qwen3", **DECODER_KEYS, "head_dim": 12, "rope_parameters": {"rope_theta": 1000000.0}},
        "Qwen3DecoderLayer",
        published=_old_rotary,
        **_DECODER,
    ),
    Family(
        "qwen2",
        205,
        family_tokenizers.qwen,
        QWEN2 | {"use_sliding_window": True},
        "Qwen2DecoderLayer",
        new_form=True,
        **_DECODER,
    ),
    Family(
        "qwen2-bidirectional",
        206,
        family_tokenizers.qwen,
        QWEN2 | {"use_sliding_window": False},
        "Qwen2DecoderLayer",
        published=partial(
            _old_rotary,
            is_causal=False,
            architectures=["Qwen2ForCausalLM"],
            auto_map={
                "AutoModel": "modeling_qwen.Qwen2Model",
                "AutoModelForCausalLM": "modeling_qwen.Qwen2ForCausalLM",
                "AutoModelForSequenceClassification": "modeling_qwen.Qwen2ForSequenceClassification",
            },
        ),
        bidirectional=True,
        **_DECODER,
    ),
    Family(
        "mistral",
        207,
        family_tokenizers.mistral,
        {"model_type": "mistral", **DECODER_KEYS, "sliding_window": 16},
        "MistralDecoderLayer",
        published=_old_rotary,
        **_DECODER,
    ),
    Family(
        "llama",
        208,
        family_tokenizers.llama3,
        {"model_type": "llama", **DECODER_KEYS, "rope_parameters": LLAMA3_SCALING, "rms_norm_eps": 1e-5},
        "LlamaDecoderLayer",
        published=_old_rotary,
        **_DECODER,
    ),
    Family(
        "llama-biased",
        209,
        family_tokenizers.llama3,
        {
            "model_type": "llama",
            **DECODER_KEYS,
            "num_hidden_layers": 1,
            "attention_bias": True,
            "mlp_bias": True,
            "rope_parameters": {"rope_type": "linear", "factor": 2.0, "rope_theta": 10000.0},
        },
        "LlamaDecoderLayer",
        pooling="mean",
    ),
    Family(
        "gemma3-text",
        210,
        family_tokenizers.gemma,
        {
            "model_type": "gemma3_text",
            **DECODER_KEYS,
            "intermediate_size": 40,
            "num_hidden_layers": 3,
            "num_key_value_heads": 1,
            "head_dim": 12,
            "query_pre_attn_scalar": 10,
            "sliding_window": 16,
            "sliding_window_pattern": 3,
            "use_bidirectional_attention": True,
        },
        "Gemma3DecoderLayer",
        published=_old_gemma,
        dense=_GEMMA_PROJECTION,
        new_form=True,
        st_limit=None,
        tokenizer_limit=64,
        embedding_std=0.12,
    ),
    Family(
        "jina-embeddings-v3",
        223,
        tiny_tokenizers.xlm_roberta,
        {
            "model_type": "jina_embeddings_v3",
            **BERT_KEYS,
            "max_position_embeddings": 128,
            "rope_parameters": {"rope_type": "default", "rope_theta": 20000.0},
        },
        "JinaEmbeddingsV3Layer",
    ),
    Family(
        "eurobert",
        220,
        family_tokenizers.llama3,
        {
            "model_type": "eurobert",
            **DECODER_KEYS,
            "head_dim": 12,
            "rope_parameters": {"rope_theta": 250000.0, "rope_type": "default"},
        },
        "EuroBertDecoderLayer",
        published=partial(
            _old_rotary,
            architectures=["EuroBertForMaskedLM"],
            auto_map={
                "AutoConfig": "configuration_eurobert.EuroBertConfig",
                "AutoModel": "modeling_eurobert.EuroBertModel",
            },
            bos_token="<|begin_of_text|>",
            clf_pooling="late",
            eos_token="<|end_of_text|>",
            hidden_dropout=0.0,
            mask_token="<|mask|>",
            pad_token="<|end_of_text|>",
        ),
    ),
    Family(
        "ultrabert",
        221,
        family_tokenizers.modernbert,
        {"model_type": "ultrabert", **DECODER_KEYS, "num_hidden_layers": 4, "sliding_window": 8},
        "UltrabertDecoderLayer",
        published=_old_ultrabert,
        pooling="cls",
    ),
    Family(
        "embedding-gemma2-text",
        222,
        family_tokenizers.gemma,
        {
            "model_type": "embedding_gemma2_text",
            **DECODER_KEYS,
            "intermediate_size": 40,
            "num_hidden_layers": 3,
            "head_dim": 8,
            "global_head_dim": 12,
            "num_global_key_value_heads": 1,
            "sliding_window": 8,
            "sliding_window_pattern": 3,
            "hidden_size_per_layer_input": 10,
            "embedding_dim": 24,
        },
        "EmbeddingGemma2EncoderLayer",
        new_form=True,
        st_limit=None,
        tokenizer_limit=64,
        embedding_std=0.3,
        gain=0.8,
        in_double=True,
    ),
    Family(
        "nomic-bert",
        211,
        tiny_tokenizers.bert,
        NOMIC,
        twin=NomicBert,
    ),
    Family("nomic-bert-moe", 224, tiny_tokenizers.xlm_roberta, NOMIC_EXPERTS, twin=NomicBert),
    Family("gte-new", 212, tiny_tokenizers.bert, GTE, twin=GteNew, pooling="cls"),
    Family(
        "gte-new-prefixed",
        213,
        tiny_tokenizers.bert,
        GTE
        | {
            "architectures": ["NewForTokenClassification"],
            "num_hidden_layers": 1,
            "type_vocab_size": 1,
            "rope_theta": 20000,
            "rope_scaling": {"factor": 8.0, "type": "ntk"},
        },
        twin=GteNew,
        pooling="cls",
    ),
    Family("jina-bert-v2", 214, tiny_tokenizers.bert, JINA, twin=JinaBert, has_bias=True, gain=1.1),
    Family(
        "electra",
        215,
        tiny_tokenizers.bert,
        {"model_type": "electra", **BERT_KEYS, "embedding_size": 16, "max_position_embeddings": 64},
        "ElectraLayer",
        st_limit=None,
        tokenizer_limit=64,
    ),
    Family(
        "albert",
        216,
        family_tokenizers.albert,
        {
            "model_type": "albert",
            **BERT_KEYS,
            "num_hidden_layers": 3,
            "embedding_size": 16,
            "max_position_embeddings": 64,
            "num_hidden_groups": 1,
        },
        "AlbertLayer",
        st_limit=None,
    ),
    Family(
        "albert-groups",
        217,
        family_tokenizers.albert,
        {
            "model_type": "albert",
            **BERT_KEYS,
            "num_hidden_layers": 4,
            "embedding_size": 16,
            "max_position_embeddings": 64,
            "num_hidden_groups": 2,
            "hidden_act": "gelu",
        },
        "AlbertLayer",
    ),
    Family(
        "deberta-v2",
        218,
        family_tokenizers.deberta,
        DEBERTA | {"conv_kernel_size": 3, "conv_act": "gelu", "attention_head_size": 8},
        "DebertaV2Layer",
        published=_DEBERTA_PUBLISHED,
        gain=1.25,
    ),
    Family(
        "deberta-v3",
        219,
        family_tokenizers.deberta,
        DEBERTA,
        "DebertaV2Layer",
        published=_DEBERTA_PUBLISHED,
        gain=1.25,
    ),
)


def write_all(root: Path, only: tuple[str, ...] = ()) -> None:
    """Write every family's folder under `root`, or those named."""
    for family in FAMILIES:
        if not only or family.name in only:
            std = write_family(family, root / family.name)
            print(f"{family.name}: written, logit std {std:.2f}")


def write_family(family: Family, folder: Path) -> float:
    """Write the model, then read it back as anybody would and record what it computes."""
    shutil.rmtree(folder, ignore_errors=True)
    model_folder = folder / "model"
    tokenizer = family.tokenizer(family.tokenizer_limit)
    _write_model(family, tokenizer, model_folder)
    tokenizer.save_pretrained(model_folder)
    _write_modules(family, model_folder)
    tokenizer = tokenizer if family.twin else AutoTokenizer.from_pretrained(model_folder)
    ids = [tokenizer(text)["input_ids"] for text in CASES]
    used = [tokenizer(text, truncation=True, max_length=family.limit)["input_ids"] for text in CASES]
    cases = {"texts": CASES, "ids": ids, "used": [len(kept) for kept in used], "limit": family.limit}
    (folder / "cases.json").write_text(json.dumps(cases, ensure_ascii=True) + "\n", encoding="utf-8")
    tensors, std = _expected(family, used, model_folder)
    save_file(tensors, folder / "expected.safetensors")
    return std


def _write_model(family: Family, tokenizer: PreTrainedTokenizerBase, folder: Path) -> None:
    """Seeded weights under the published names, and the configuration in its published form."""
    generator = torch.Generator().manual_seed(family.seed)
    if family.twin is not None:
        vocabulary = family.config.get("vocab_size", len(tokenizer))
        config = family.published(family.config) | {"vocab_size": vocabulary, "torch_dtype": "float32"}
        model = family.twin(config)
        _randomise(family, model, generator)
        prefix = "new." if family.name == "gte-new-prefixed" else ""
        tensors = {prefix + name: tensor.contiguous() for name, tensor in model.state_dict().items()}
        folder.mkdir(parents=True)
        save_torch_file(tensors, folder / "model.safetensors", metadata={"format": "pt"})
        write_json(folder / "config.json", config)
        return
    special = ("pad_token_id", "bos_token_id", "eos_token_id", "cls_token_id", "sep_token_id")
    values = {"vocab_size": len(tokenizer)} | {name: getattr(tokenizer, name) for name in special} | family.config
    config = CONFIG_MAPPING[values.pop("model_type")](**values)
    model = T5EncoderModel(config) if config.model_type == "t5" else AutoModel.from_config(config)
    if getattr(model, "pooler", None) is not None and config.model_type != "albert":
        model.pooler = None
    _randomise(family, model, generator)
    model.save_pretrained(folder)
    saved = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    write_json(folder / "config.json", family.published(saved))


def _randomise(family: Family, model: nn.Module, generator: torch.Generator) -> None:
    """Give every parameter a value that shows when it is dropped, swapped or transposed."""

    def normal(tensor: Tensor, std: float) -> None:
        tensor.copy_(torch.randn(tensor.shape, generator=generator) * std)

    with torch.no_grad():
        for name, module in model.named_modules():
            last = name.split(".")[-1]
            if "Norm" in type(module).__name__:
                if not hasattr(module, "weight"):
                    continue
                minimum = 0.0 if type(module).__name__.startswith("Gemma3") else 0.6  # its gain is 1 + weight
                module.weight.copy_(torch.rand(module.weight.shape, generator=generator) * 0.8 + minimum)
                if last in ("q_norm", "k_norm"):
                    module.weight.mul_(family.gain)
                if getattr(module, "bias", None) is not None:
                    normal(module.bias, 0.2)
            elif isinstance(module, nn.Linear):
                normal(module.weight, module.in_features**-0.5)
                if last in QUERY_AND_KEY:
                    module.weight.mul_(family.gain)
                if last in PACKED:
                    module.weight[: 2 * module.out_features // 3].mul_(family.gain)
                if module.bias is not None:
                    normal(module.bias, 0.2)
            elif isinstance(module, nn.Conv1d):
                normal(module.weight, (module.in_channels * module.kernel_size[0]) ** -0.5)
                normal(module.bias, 0.2)
            elif isinstance(module, nn.Embedding):
                normal(module.weight, family.embedding_std)
            _randomise_experts(module, normal)
            if hasattr(module, "layer_scalar"):
                module.layer_scalar.copy_(torch.rand(1, generator=generator) * 0.8 + 0.6)


def _randomise_experts(module: nn.Module, normal: Callable[[Tensor, float], None]) -> None:
    """The parameters of a mixture of experts that are no layer's."""
    if isinstance(module, ExpertLayers):
        normal(module.w1, module.w1.shape[1] ** -0.5)
        normal(module.w2, (module.w2.shape[0] / module.experts) ** -0.5)
    elif isinstance(module, Experts):
        normal(module.bias, 0.2)


def _write_modules(family: Family, folder: Path) -> None:
    """The files of sentence-transformers: one pooling, the Dense modules, Normalize."""
    torch.manual_seed(family.seed)
    case = Case(family.name, (family.pooling,), family.new_form, dense=family.dense, width=_width(family))
    write_overlay(case, folder)
    write_json(folder / "sentence_bert_config.json", {"max_seq_length": family.st_limit, "do_lower_case": False})


def _width(family: Family) -> int:
    """Of the vectors; T5's is always the common width."""
    keys = ("embedding_dim", "hidden_size", "n_embd")
    return next((family.config[key] for key in keys if key in family.config), WIDTH)


def _load(family: Family, folder: Path) -> nn.Module:
    """Read the folder with its reference."""
    if family.twin is not None:
        model = family.twin(json.loads((folder / "config.json").read_text(encoding="utf-8")))
        tensors = load_file(folder / "model.safetensors")
        model.load_state_dict({name.removeprefix("new."): tensor for name, tensor in tensors.items()})
        return model.eval()
    kind = T5EncoderModel if family.config["model_type"] == "t5" else AutoModel
    model = kind.from_pretrained(folder, dtype=torch.float32, attn_implementation="eager").eval()
    return model.double() if family.in_double else model


@torch.no_grad()
def _states(family: Family, model: nn.Module, ids: list[int]) -> list[Tensor]:
    """What goes into each block, and what the model returns: after the last block's output any final norm."""
    tokens = torch.tensor(ids)
    if family.twin is not None:
        return model(tokens)
    states: list[Tensor] = []

    def keep(_: nn.Module, arguments: tuple[Any, ...], options: dict[str, Any]) -> None:
        states.append((arguments[0] if arguments else options["hidden_states"])[0].clone())

    blocks = [module for module in model.modules() if type(module).__name__ == family.block]
    assert blocks, f"{family.name}: no {family.block}"
    hooks = [block.register_forward_pre_hook(keep, with_kwargs=True) for block in blocks]
    output = model(input_ids=tokens[None], attention_mask=torch.ones_like(tokens)[None])
    for hook in hooks:
        hook.remove()
    return [*states, output.last_hidden_state[0]]


@torch.no_grad()
def _pooled(family: Family, last_layers: list[Tensor], folder: Path) -> np.ndarray:
    """The folder's modules, written out."""
    rows = {
        "mean": lambda layer: layer.mean(dim=0),
        "cls": lambda layer: layer[0],
        "lasttoken": lambda layer: layer[-1],
    }
    pooled = torch.stack([rows[family.pooling](layer) for layer in last_layers])
    for index, dense in enumerate(family.dense, start=2):
        tensors = load_file(folder / f"{index}_Dense" / "model.safetensors")
        pooled = dense.activation(nn.functional.linear(pooled, tensors["linear.weight"], tensors.get("linear.bias")))
    return nn.functional.normalize(pooled, dim=-1).numpy()


def _expected(family: Family, used: list[list[int]], folder: Path) -> tuple[dict[str, np.ndarray], float]:
    """All tensors of expected.safetensors, and how far the logits spread."""
    model = _load(family, folder)
    tensors: dict[str, np.ndarray] = {}

    def run(tau: float, **options: bool) -> tuple[list[list[Tensor]], TemperedAttention]:
        with tempered(model, tau, bidirectional=family.bidirectional, **options) as attention:
            return [_states(family, model, ids) for ids in used], attention

    spread = 0.0
    for tau, layer_texts in LAYER_TEXTS.items():
        states, attention = run(tau)
        if tau == 1.0:
            spread = float(np.nanmean(attention.logit_std))
            assert LOGIT_STD_RANGE[0] < spread < LOGIT_STD_RANGE[1], f"{family.name}: logit std {spread:.2f}"
            _assert_reference(family, model, used, states, folder)
        tensors[f"tau={tau:g}/pooled"] = _pooled(family, [layers[-1] for layers in states], folder)
        for text in layer_texts:
            for index, state in enumerate(states[text]):
                tensors[f"tau={tau:g}/text={text}/layer={index}"] = state.numpy()
    if family.has_bias:
        states, _ = run(TAU, temper_bias=False)
        pooled = _pooled(family, [layers[-1] for layers in states], folder)
        tensors[f"tau={TAU:g}/unscaled_bias/pooled"] = pooled
    _assert_sentence_transformers(family, tensors["tau=1/pooled"], folder)
    return {name: np.ascontiguousarray(tensor, dtype=np.float32) for name, tensor in tensors.items()}, spread


def _assert_close(one: list[list[Tensor]], other: list[list[Tensor]]) -> None:
    """All layers of all texts, relative to the size of what stands in the residual stream."""
    for first, second in zip(one, other, strict=True):
        for left, right in zip(first, second, strict=True):
            torch.testing.assert_close(left, right, rtol=2e-6, atol=5e-6)


def _assert_reference(
    family: Family, model: nn.Module, used: list[list[int]], states: list[list[Tensor]], folder: Path
) -> None:
    """At tau = 1 the reference is the library's own model, or it is worth nothing; twins answer to a native one."""
    if family.bidirectional:
        with WholeAttention(model):
            _assert_close([_states(family, model, ids) for ids in used], states)
    elif family.twin is None:
        _assert_close([_states(family, model, ids) for ids in used], states)
    elif "num_experts" in family.config:
        _assert_experts(family, model, used)
    elif family.twin is not JinaBert:
        native = _native(family, model, folder)
        _assert_close([_native_states(native, ids) for ids in used], states)


def _assert_experts(family: Family, model: nn.Module, used: list[list[int]]) -> None:
    """No library has mixtures of this form: what each gives is compared with its definition, token by token."""
    compared = 0

    def compare(mixture: MixtureOfExperts, arguments: tuple[Tensor], result: Tensor) -> None:
        nonlocal compared
        torch.testing.assert_close(result.double(), mixture.token_by_token(arguments[0]), rtol=2e-6, atol=5e-6)
        compared += len(result)

    mixtures = [module for module in model.modules() if isinstance(module, MixtureOfExperts)]
    hooks = [mixture.register_forward_hook(compare) for mixture in mixtures]
    for ids in used:
        _states(family, model, ids)
    for hook in hooks:
        hook.remove()
    assert compared == len(mixtures) * sum(map(len, used)) > 0, compared


class WholeAttention:
    """Let transformers' own eager attention see every key: its causal mask is replaced by none."""

    def __init__(self, model: PreTrainedModel) -> None:
        """Remember the attention modules."""
        self.attentions = [module for module in model.modules() if hasattr(module, "is_causal")]
        self.hooks: list[Any] = []

    def __enter__(self) -> None:
        """Drop the mask on the way in."""

        def drop(_: nn.Module, arguments: tuple[Any, ...], options: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
            return arguments, options | {"attention_mask": None}

        self.hooks = [module.register_forward_pre_hook(drop, with_kwargs=True) for module in self.attentions]

    def __exit__(self, *_: object) -> None:
        """Put everything back."""
        for hook in self.hooks:
            hook.remove()


def _native(family: Family, twin: nn.Module, folder: Path) -> PreTrainedModel:
    """The same checkpoint in transformers' own form of the family, which reads the published tensor names."""
    published = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    if family.twin is NomicBert:
        names = {"n_embd": "hidden_size", "n_inner": "intermediate_size", "n_layer": "num_hidden_layers"}
        names |= {"n_head": "num_attention_heads", "layer_norm_epsilon": "layer_norm_eps"}
        values = {"model_type": "nomic_bert", "rope_parameters": {"rope_type": "default", "rope_theta": 1000.0}}
    else:
        names = {key: key for key in (*BERT_KEYS, "layer_norm_eps")}
        values = {"model_type": "gte", "rope_parameters": {"rope_type": "default", "rope_theta": 10000.0}}
    names |= {"vocab_size": "vocab_size", "type_vocab_size": "type_vocab_size"}
    values |= {native: published[key] for key, native in names.items()}
    with tempfile.TemporaryDirectory() as scratch:
        write_json(Path(scratch) / "config.json", values | {"pad_token_id": 0})
        shutil.copy(folder / "model.safetensors", scratch)
        config = AutoConfig.from_pretrained(scratch)
        model, report = AutoModel.from_pretrained(
            scratch, config=config, attn_implementation="eager", output_loading_info=True
        )
    assert not report["missing_keys"], report["missing_keys"]
    assert not report["unexpected_keys"], report["unexpected_keys"]
    if family.twin is GteNew:  # transformers knows no fixed NTK scaling
        model.rotary_emb.inv_freq = twin.encoder["layer"][0].attention.frequencies
    return model.eval()


@torch.no_grad()
def _native_states(model: PreTrainedModel, ids: list[int]) -> list[Tensor]:
    """Hidden states as transformers reports them."""
    output = model(input_ids=torch.tensor([ids]), output_hidden_states=True)
    return [state[0] for state in output.hidden_states]


def _assert_sentence_transformers(family: Family, pooled: np.ndarray, folder: Path) -> None:
    """The folder, loaded as a user would, gives the vectors recorded here; the limits are then right too."""
    if family.twin is not None or family.bidirectional:
        return  # these need the published code
    model = SentenceTransformer(str(folder), device="cpu", model_kwargs={"dtype": torch.float32})
    vectors = model.encode(list(CASES), batch_size=1, show_progress_bar=False)
    difference = float(np.abs(vectors - pooled).max())
    assert difference < 2e-6, f"{folder}: {difference} away from sentence-transformers"
