"""Switches of the tokenizer's files: tokenizer_config.json, special_tokens_map.json, added_tokens.json, tokenizer.json.

The tokenizers themselves are those of tests/golden. An option holds edits: `config` for tokenizer_config.json,
`tokenizer` for paths inside tokenizer.json, `files` for whole files beside them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from differential.case import ABSENT, Case, edited, write_json
from differential.families import FAMILIES, POSITIONS, Option, Table
from differential.modules import CHAT_TEMPLATE

GOLDEN = Path(__file__).resolve().parents[2] / "tests" / "golden"
EXTRA_ROWS = 3  # of the embedding table: for added tokens
NO_LIMIT = int(1e30)
OFFSET_POSITIONS = ("roberta", "xlm-roberta", "camembert", "mpnet")  # two rows of their position table are never used
TRUNCATION = {"direction": "Right", "max_length": 16, "strategy": "LongestFirst", "stride": 0}
PADDING = {
    "strategy": {"Fixed": 16},
    "direction": "Right",
    "pad_to_multiple_of": None,
    "pad_id": 0,
    "pad_type_id": 0,
    "pad_token": "[PAD]",
}


def config(**values: Any) -> Option:
    """Keys of tokenizer_config.json."""
    return {"config": values}


def added(content: str, index: int, **flags: bool) -> Option:
    """An entry of added_tokens; `index` counts from the end of the vocabulary."""
    plain = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": True, "special": False}
    return {"id": index, "content": content} | plain | flags


# transformers makes these tokenizers anew from the vocabulary and tokenizer_config.json, whatever tokenizer.json says.
JSON_ONLY: list[Option] = [
    {"tokenizer": {"normalizer/lowercase": False}},
    {"tokenizer": {"normalizer/lowercase": False}, "config": {"do_lower_case": ABSENT}},
    {"tokenizer": {"normalizer/strip_accents": False}},
    {"tokenizer": {"normalizer/strip_accents": False}, "config": {"strip_accents": ABSENT}},
    {"tokenizer": {"normalizer/handle_chinese_chars": False}},
    {"tokenizer": {"normalizer/clean_text": False}},
    {"tokenizer": {"model/max_input_chars_per_word": 10}},
]
WORDPIECE: Table = {
    "lower-case": [
        config(do_lower_case=False),
        config(do_lower_case=False, tokenizer_class=ABSENT),
        {"tokenizer": {"normalizer/lowercase": False}, "config": {"do_lower_case": False}},
    ],
    "accents": [config(strip_accents=False), config(strip_accents=True, do_lower_case=False)],
    "chinese": [config(tokenize_chinese_chars=False)],
    "form-json": JSON_ONLY,
    "form-absent": [config(do_lower_case=ABSENT, strip_accents=ABSENT, tokenize_chinese_chars=ABSENT)],
    "form-basic": [config(do_basic_tokenize=True, never_split=None)],
}
BYTE_LEVEL: Table = {
    "prefix-space": [config(add_prefix_space=True)],
    "form-prefix-space": [config(add_prefix_space=ABSENT)],
}
# transformers has no class for these model types: it takes tokenizer.json as it is.
UNREGISTERED: Table = {"form-prefix-space": [config(add_prefix_space=True), config(add_prefix_space=ABSENT)]}
METASPACE: Table = {
    "prefix-space": [config(add_prefix_space=False)],
    "form-prefix-space": [config(add_prefix_space=ABSENT)],
    "form-legacy": [config(legacy=False), config(legacy=True)],
}
# Without effect in the classes that transformers takes for these tokenizers.
CLOSING: Table = {
    "form-closing": [
        config(add_eos_token=True),
        config(add_eos_token=False),
        config(add_bos_token=True),
        config(add_bos_token=False),
        config(add_bos_token=True, add_eos_token=True),
        config(add_bos_token=False, add_eos_token=False),
    ],
}
COMMON: Table = {
    "side": [config(truncation_side="left")],
    "form-side": [config(padding_side="left"), config(truncation_side="right")],
    "limit": [config(model_max_length=24), config(model_max_length=101)],
    "form-limit": [config(max_length=20)],
    "stored-side": [{"tokenizer": {"truncation": TRUNCATION | {"direction": "Left"}, "padding": PADDING}}],
    "form-stored": [{"tokenizer": {"truncation": TRUNCATION}}, {"tokenizer": {"padding": PADDING}}],
    "form-class": [
        config(tokenizer_class="PreTrainedTokenizerFast"),
        config(tokenizer_class=ABSENT),
        config(tokenizer_class="TokenizersBackend"),
    ],
    "added": [
        {"tokenizer": {"added_tokens/+": [added("newtoken", 0)]}},
        {
            "tokenizer": {
                "added_tokens/+": [added("NewToken", 0), added("<special>", 1, special=True, normalized=False)]
            }
        },
        {"tokenizer": {"added_tokens/+": [added("<special>", 0, lstrip=True, rstrip=True, special=True)]}},
        {"tokenizer": {"added_tokens/+": [added("newtoken", 0, single_word=True)]}},
        {"decoder": [added("newtoken", 0)]},
        {"decoder": [added("<special>", 0, special=True, normalized=False, lstrip=True)]},
        {"files": {"added_tokens.json": {"newtoken": 0}}},
        {"config": {"additional_special_tokens": ["<special>"]}},
        {"config": {"extra_special_tokens": ["newtoken"]}},
    ],
    "form-chat-template": [config(chat_template=CHAT_TEMPLATE)],
    "form-map": [{"files": {"special_tokens_map.json": {}}}, {"map-marks": {"lstrip": True}}],
    "map": [
        {"files": {"special_tokens_map.json": {"additional_special_tokens": ["<special>"]}}},
    ],
}
KINDS: dict[str, Table] = {
    "bert": WORDPIECE,
    "distilbert": WORDPIECE,
    "mpnet": WORDPIECE,
    "nomic-bert": WORDPIECE,
    "roberta": BYTE_LEVEL,
    "modernbert": BYTE_LEVEL,
    "qwen2": BYTE_LEVEL | CLOSING,
    "qwen3": BYTE_LEVEL | CLOSING,
    "llama": BYTE_LEVEL | CLOSING,
    "eurobert": UNREGISTERED,
    "ultrabert": UNREGISTERED,
    "mistral": CLOSING | {"form-legacy": METASPACE["form-legacy"]},
    "gemma3-text": CLOSING,
    "xlm-roberta": METASPACE,
    "camembert": METASPACE,
    "t5": METASPACE,
    "albert": METASPACE
    | {"lower-case": [config(do_lower_case=False), config(keep_accents=True)]}
    | {"form-lower-case": [config(do_lower_case=ABSENT)]},
    "deberta-v3": METASPACE | {"lower-case": [config(do_lower_case=True), config(split_by_punct=True)]},
}


def table(family: str) -> Table:
    """The tokenizer's switches for a family.

    Which class an absent tokenizer_class means depends on published code that a twin cannot stand for: left out there.
    """
    options = COMMON | KINDS[FAMILIES[family].tokenizer]
    if not FAMILIES[family].twin:
        return options
    return {
        name: [option for option in listed if option.get("config", {}).get("tokenizer_class") != ABSENT]
        for name, listed in options.items()
    }


def source(case: Case) -> Path:
    """The folder of tests/golden whose tokenizer is used."""
    return GOLDEN / FAMILIES[case.family].tokenizer / "model"


def read(path: Path) -> Any:
    """Parse one JSON file."""
    return json.loads(path.read_text(encoding="utf-8"))


def base_size(tokenizer: dict[str, Any]) -> int:
    """Ids in use before any token is added."""
    vocab = tokenizer["model"]["vocab"]
    pieces = len(vocab)
    return max(pieces, *(token["id"] + 1 for token in tokenizer["added_tokens"]))


def set_path(tokenizer: Any, path: str, value: Any, first_id: int) -> None:
    """Set one value inside tokenizer.json; "/+" extends a list of tokens."""
    *parents, last = path.split("/")
    for key in parents:
        tokenizer = tokenizer[key]
    if last == "+":
        tokenizer.extend(token | {"id": first_id + token["id"]} for token in value)
    else:
        tokenizer[last] = value


def named_tokens(settings: dict[str, Any]) -> dict[str, Any]:
    """The special tokens that tokenizer_config.json names."""
    return {key: value for key, value in settings.items() if key.endswith("_token") and isinstance(value, str)}


def special_files(option: Option, settings: dict[str, Any], first_id: int) -> dict[str, Any]:
    """The files that an option puts beside tokenizer.json, by name."""
    files = dict(option.get("files", {}))
    if "added_tokens.json" in files:
        files["added_tokens.json"] = {token: first_id + index for token, index in files["added_tokens.json"].items()}
    if "special_tokens_map.json" in files:
        files["special_tokens_map.json"] = named_tokens(settings) | files["special_tokens_map.json"]
    if "map-marks" in option:
        marks = {"lstrip": False, "rstrip": False, "normalized": False, "single_word": False} | option["map-marks"]
        tokens = {key: {"content": token} | marks for key, token in named_tokens(settings).items()}
        files["special_tokens_map.json"] = tokens
    return files


def decoder(tokens: list[Option], first_id: int) -> Option:
    """added_tokens_decoder of tokenizer_config.json."""
    return {
        str(first_id + token["id"]): {key: value for key, value in token.items() if key != "id"} for token in tokens
    }


def write(case: Case, folder: Path) -> int:
    """Write the tokenizer's files; returns the rows that the embedding table needs."""
    tokenizer = read(source(case) / "tokenizer.json")
    limit = POSITIONS - 2 if case.family in OFFSET_POSITIONS else NO_LIMIT
    settings = read(source(case) / "tokenizer_config.json") | {"model_max_length": limit}
    first_id = base_size(tokenizer)
    if "modules.chat-template" in case.switches:
        settings["chat_template"] = CHAT_TEMPLATE
    for option in case.area("tokenizer").values():
        for path, value in option.get("tokenizer", {}).items():
            set_path(tokenizer, path, value, first_id)
        settings = edited(settings, [option.get("config", {})])
        if "decoder" in option:
            settings["added_tokens_decoder"] = decoder(option["decoder"], first_id)
        for name, content in special_files(option, settings, first_id).items():
            write_json(folder / name, content)
    write_json(folder / "tokenizer.json", tokenizer)
    write_json(folder / "tokenizer_config.json", settings)
    return first_id + EXTRA_ROWS
