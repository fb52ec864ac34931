"""Switches of the files of sentence-transformers: pooling, Dense, Normalize, LayerNorm, prompts, limits."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from differential import weights
from differential.case import Case, write_json
from differential.families import FAMILIES, Option, Table

MODES = ("cls", "mean", "max", "mean_sqrt_len_tokens", "weightedmean", "lasttoken")
OLD_KEYS = {
    "cls": "pooling_mode_cls_token",
    "mean": "pooling_mode_mean_tokens",
    "max": "pooling_mode_max_tokens",
    "mean_sqrt_len_tokens": "pooling_mode_mean_sqrt_len_tokens",
    "weightedmean": "pooling_mode_weightedmean_tokens",
    "lasttoken": "pooling_mode_lasttoken",
}
NEW_TYPES = {
    "Transformer": "sentence_transformers.base.modules.transformer.Transformer",
    "Pooling": "sentence_transformers.sentence_transformer.modules.pooling.Pooling",
    "Dense": "sentence_transformers.base.modules.dense.Dense",
    "Normalize": "sentence_transformers.base.modules.normalize.Normalize",
    "LayerNorm": "sentence_transformers.sentence_transformer.modules.layer_norm.LayerNorm",
}
ACTIVATION = "torch.nn.modules.activation."
PROMPTS = {"query": "search the harbour: ", "document": ""}
LIMIT_NAMES = ("bert", "roberta", "distilbert", "camembert", "albert", "xlm-roberta", "xlnet")


def limit(number: int | None, name: str = "bert", **more: Any) -> Option:
    """A sentence_*_config.json."""
    return {"name": f"sentence_{name}_config.json", "values": {"max_seq_length": number, "do_lower_case": False} | more}


TEXT = {"text": {"method": "forward", "method_output_name": "last_hidden_state"}}
MESSAGE = {"message": {"method": "forward", "method_output_name": "last_hidden_state", "format": "flat"}}
TEXT_ONLY: dict[str, Any] = {
    "modality_config": TEXT,
    "module_output_name": "token_embeddings",
    "transformer_task": "feature-extraction",
}
CHAT_TEMPLATE = "{% for message in messages %}[{{ message['role'] }}] {{ message['content'] }} end{% endfor %}"

TABLE: Table = {
    "pooling": [
        *({"modes": [mode]} for mode in MODES if not mode.startswith("mean")),
        {"modes": ["cls", "mean"]},
        {"modes": ["mean", "max", "cls"]},
        {"modes": list(MODES)},
    ],
    "form-pooling": [{"modes": ["mean_sqrt_len_tokens"]}],  # Normalize undoes it
    "form-new": [{"new": True}],
    "form-old-keys": [{"drop": ["include_prompt"]}, {"drop": ["weightedmean", "lasttoken", "include_prompt"]}],
    "dense": [
        [{"width": 20, "activation": ACTIVATION + "Tanh", "bias": True}],
        [{"width": 24, "activation": "torch.nn.modules.linear.Identity", "bias": False}],
        [
            {"width": 40, "activation": ACTIVATION + "ReLU", "bias": True},
            {"width": 12, "activation": "torch.nn.modules.linear.Identity", "bias": True},
        ],
        [{"width": 20, "activation": ACTIVATION + "GELU", "bias": True}],
        [{"width": 20, "activation": ACTIVATION + "Sigmoid", "bias": True}],
        [{"width": 20, "activation": ACTIVATION + "SiLU", "bias": True}],
        [{"width": 20, "bias": True}],
        [{"width": 20, "activation": ACTIVATION + "Tanh", "bias": True, "use_residual": True}],
    ],
    "layer-norm": [{"layer_norm": True}],
    "no-normalize": [{"normalize": False}],
    "no-modules": [{"files": False}, {"files": False, "limit": True}],
    "form-subfolder": [{"transformer": "0_Transformer"}],
    "prompt": [
        {"default": "query"},
        {"named": "query"},
        {"named": "query", "include": False},
        {"default": "query", "include": False},
    ],
    "limit": [
        limit(32),
        limit(200),
        limit(20, "roberta"),
        limit(20, "albert"),
        limit(20, "xlm-roberta"),
        limit(12, tokenizer_args={}),
    ],
    "form-limit": [limit(None), limit(512)],
    "lower-case": [limit(None, do_lower_case=True)],
    "other-keys": [
        limit(None, processing_kwargs={"text": {"max_length": 8}}),
        limit(None, tokenizer_args={"add_eos_token": True}),
        limit(None, tokenizer_args={"model_max_length": 10}),
        limit(None, config_args={"num_hidden_layers": 1}),
    ],
    "form-other-keys": [
        limit(None, **TEXT_ONLY),
        limit(None, query_length=8, document_length=9),
        {"name": "sentence_bert_config.json", "values": {}},
    ],
    "chat-template": [limit(None, **(TEXT_ONLY | {"modality_config": TEXT | MESSAGE}))],
    "form-similarity": [{"fn": "dot"}, {"fn": "cosine"}, {"fn": "euclidean"}],
}


def modes_of(case: Case) -> list[str]:
    """The pooling modes in the order written."""
    area = case.area("modules")
    return (area.get("pooling") or area.get("form-pooling") or {"modes": ["mean"]})["modes"]


def pooling_config(case: Case, width: int) -> dict[str, Any]:
    """1_Pooling/config.json in the form that the case asks for."""
    area = case.area("modules")
    modes = modes_of(case)
    include = area.get("prompt", {}).get("include", True)
    if "form-new" in area:
        mode = modes[0] if len(modes) == 1 else modes
        return {"embedding_dimension": width, "pooling_mode": mode, "include_prompt": include}
    flags = {key: mode in modes for mode, key in OLD_KEYS.items()}
    values = {"word_embedding_dimension": width, **flags, "include_prompt": include}
    dropped = area.get("form-old-keys", {"drop": []})["drop"]
    for name in dropped:
        key = OLD_KEYS.get(name, name)
        if not values.get(key) or (key == "include_prompt" and include):
            values.pop(key, None)
    return values


def write_dense(case: Case, layer: dict[str, Any], inputs: int, folder: Path) -> int:
    """One Dense module; returns its width."""
    outputs = layer["width"]
    config = {"in_features": inputs, "out_features": outputs, "bias": layer["bias"]}
    if "activation" in layer:
        config["activation_function"] = layer["activation"]
    shapes = {"linear.weight": [outputs, inputs]} | ({"linear.bias": [outputs]} if layer["bias"] else {})
    if layer.get("use_residual"):
        config["use_residual"] = True
        if inputs != outputs:
            shapes["residual.weight"] = [outputs, inputs]
    write_json(folder / "config.json", config)
    save_module(case, shapes, folder)
    return outputs


def save_module(case: Case, shapes: dict[str, list[int]], folder: Path) -> None:
    """The weights of a module of its own."""
    data = {}
    for name, shape in shapes.items():
        values = weights.uniform(case.seed, f"{folder.name}/{name}", math.prod(shape)).reshape(shape)
        scale = 1.7 / math.sqrt(shape[1]) if len(shape) == 2 else 0.4
        data[name] = weights.encoded(values * scale + (1.0 if name == "norm.weight" else 0.0), "float32")
    weights.save(data, shapes, dict.fromkeys(shapes, "F32"), folder / "model.safetensors")


def chain(case: Case, folder: Path, width: int) -> list[tuple[str, str]]:
    """Write the modules behind the transformer; returns (kind, path) in their order."""
    area = case.area("modules")
    modules = [("Pooling", "1_Pooling")]
    write_json(folder / "1_Pooling" / "config.json", pooling_config(case, width))
    current = width * len(modes_of(case))
    for layer in area.get("dense", []):
        path = f"{len(modules) + 1}_Dense"
        current = write_dense(case, layer, current, folder / path)
        modules.append(("Dense", path))
    if "layer-norm" in area:
        path = f"{len(modules) + 1}_LayerNorm"
        write_json(folder / path / "config.json", {"dimension": current})
        save_module(case, {"norm.weight": [current], "norm.bias": [current]}, folder / path)
        modules.append(("LayerNorm", path))
    if "no-normalize" not in area:
        modules.append(("Normalize", f"{len(modules) + 1}_Normalize"))
    return modules


def transformer_path(case: Case) -> str:
    """The transformer's folder inside the model's."""
    area = case.area("modules")
    return "" if "no-modules" in area else area.get("form-subfolder", {"transformer": ""})["transformer"]


def write(case: Case, config: dict[str, Any], folder: Path) -> None:
    """Write modules.json and everything it names, or nothing of it."""
    area = case.area("modules")
    transformer = folder / transformer_path(case)
    if "no-modules" in area and not area["no-modules"].get("limit"):
        return
    write_limits(area, transformer)
    if "no-modules" in area:
        return
    write_prompts(area, folder)
    names = NEW_TYPES if "form-new" in area else {kind: f"sentence_transformers.models.{kind}" for kind in NEW_TYPES}
    width = config.get(FAMILIES[case.family].width_key, 0)
    modules = [("Transformer", transformer_path(case)), *chain(case, folder, width)]
    write_json(
        folder / "modules.json",
        [
            {"idx": index, "name": str(index), "path": path, "type": names[kind]}
            for index, (kind, path) in enumerate(modules)
        ],
    )


def write_limits(area: dict[str, Any], transformer: Path) -> None:
    """sentence_bert_config.json and its like; the last switch that holds one wins."""
    chosen = [
        area[key]
        for key in ("limit", "lower-case", "other-keys", "chat-template", "form-other-keys", "form-limit")
        if key in area
    ]
    name = chosen[0]["name"] if chosen else "sentence_bert_config.json"
    values: dict[str, Any] = {"max_seq_length": 20 if "no-modules" in area else None, "do_lower_case": False}
    if chosen:
        values = {}
        for option in chosen:
            values = option["values"] | {key: value for key, value in values.items() if value}
    write_json(transformer / name, values)


def write_prompts(area: dict[str, Any], folder: Path) -> None:
    """config_sentence_transformers.json."""
    values: dict[str, Any] = {}
    if "prompt" in area:
        values = {"prompts": PROMPTS, "default_prompt_name": area["prompt"].get("default")}
    if "form-similarity" in area:
        values["similarity_fn_name"] = area["form-similarity"]["fn"]
    if values:
        write_json(folder / "config_sentence_transformers.json", values | {"__version__": {"transformers": "4.40.0"}})


def prompt_name(case: Case) -> str | None:
    """The prompt that both sides are asked to use."""
    return case.area("modules").get("prompt", {}).get("named")


def embed_options(case: Case, tau: float) -> dict[str, str]:
    """How `treble embed` is called."""
    name = prompt_name(case)
    return {"temperature": f"{tau:g}"} | ({} if name is None else {"prompt-name": name})
