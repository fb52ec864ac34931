"""What `AutoTokenizer.from_pretrained` makes of the files beside tokenizer.json, as reference data.

Each case is a folder: the tokenizer.json of one of the small models under tests/golden, a few of its parts replaced,
and side files. Written are the ids that transformers gives the texts, or that it refuses the folder. The cases are
every key both ways for every kind of tokenizer, and seeded draws of several keys at once.
"""

from __future__ import annotations

import copy
import json
import logging
import random
import tempfile
from pathlib import Path
from typing import Any

KINDS = (
    "albert",
    "bert",
    "camembert",
    "deberta-v2",
    "gemma3-text",
    "llama",
    "mistral",
    "modernbert",
    "mpnet",
    "qwen2",
    "roberta",
    "t5",
    "xlm-roberta",
)
TEXTS = (
    "",
    "The Ferry left; it's 12,345.6 DON'T!",
    " Ünïcode  Café\tÀÉ\n\nİ ",
    "漢字かな 日本 x",
    "a [SEP] b </s> <mask>  [MASK] <eos> <|endoftext|> <s>the [CLS]",
    "``quoted'' ½ ﬁ <new> token<new>x <NEW> <extra_id_0>the",
)
CUT = 6
"""Texts are also encoded cut to this many tokens."""
DRAWS = 16
"""Draws of several settings at once, for each kind."""

Files = dict[str, Any]


def _token(content: str, **flags: bool) -> dict[str, Any]:
    names = ("single_word", "lstrip", "rstrip", "normalized", "special")
    return {"content": content, **{name: flags.get(name, False) for name in names}}


def _settings(base: Files) -> list[tuple[str, Files]]:
    """Single changes: (what, {file: {key: value}}); a value of `...` takes the key away."""
    flags = (
        "do_lower_case",
        "tokenize_chinese_chars",
        "clean_up_tokenization_spaces",
        "add_prefix_space",
        "add_bos_token",
        "add_eos_token",
        "keep_accents",
        "split_by_punct",
        "legacy",
        "split_special_tokens",
        "trim_offsets",
    )
    config = "tokenizer_config.json"
    result = [(f"{flag}={value}", {config: {flag: value}}) for flag in flags for value in (True, False)]
    result += [(f"strip_accents={value}", {config: {"strip_accents": value}}) for value in (True, False, None)]
    result += [
        (f"{key}={side}", {config: {key: side}})
        for key in ("truncation_side", "padding_side")
        for side in ("left", "right")
    ]
    own = base[config].get("tokenizer_class", "")
    classes = (
        own + "Fast",
        "PreTrainedTokenizerFast",
        "TokenizersBackend",
        "PreTrainedTokenizer",
        "NoSuchTokenizer",
        "BertTokenizer",
        "LlamaTokenizer",
        "GPT2TokenizerFast",
        "XLMRobertaTokenizer",
        ...,
    )
    result += [(f"tokenizer_class={name}", {config: {"tokenizer_class": name}}) for name in classes]
    names = [f"{name}_token" for name in ("bos", "eos", "cls", "sep", "unk", "pad", "mask", "image")]
    for name in names:
        for value in ("<new>", "the", _token("<new>", lstrip=True, special=True) | {"__type": "AddedToken"}, None, ...):
            result.append((f"{name}={value}", {config: {name: value}}))
        result.append((f"map {name}", {"special_tokens_map.json": {name: _token("<new>", rstrip=True)}}))
    for key in ("additional_special_tokens", "extra_special_tokens"):
        result.append((f"{key} list", {config: {key: ["<new>", "the"]}}))
        result.append((f"map {key}", {"special_tokens_map.json": {key: ["<new>"]}}))
    result.append(("extra dict", {config: {"extra_special_tokens": {"boi_token": "<new>"}}}))
    result += [(f"extra_ids={count}", {config: {"extra_ids": count, "extra_special_tokens": ...}}) for count in (0, 3)]
    added = {
        str(token["id"]): {k: v for k, v in token.items() if k != "id"}
        for token in base["tokenizer.json"]["added_tokens"]
    }
    size = len(base["tokenizer.json"]["model"]["vocab"])
    stripped = {key: token | {"lstrip": True, "rstrip": True} for key, token in added.items()}
    plain = {key: token | {"special": False, "normalized": True} for key, token in added.items()}
    new = {str(size + 5): _token("<new>", normalized=True), str(size + 7): _token("the", single_word=True)}
    for what, decoder in (("as the file", added), ("stripping", stripped), ("plain", plain), ("new", added | new)):
        result.append((f"decoder {what}", {config: {"added_tokens_decoder": decoder}}))
    result.append(("added_tokens.json", {"added_tokens.json": {"<new>": size + 3, "token": size}}))
    result.append(("no config", {config: None}))
    return result + _file_settings(base, size)


def _file_settings(base: Files, size: int) -> list[tuple[str, Files]]:
    """Changes of tokenizer.json and config.json."""
    file = "tokenizer.json"
    spaces = {"type": "Replace", "pattern": {"Regex": " {2,}"}, "content": "▁"}
    lower = {"type": "Sequence", "normalizers": [{"type": "NFKC"}, {"type": "Lowercase"}, spaces]}
    extra = [*base[file]["added_tokens"], {"id": size, **_token("<new>", lstrip=True, normalized=True)}]
    direction = {"direction": "Left", "max_length": 5, "strategy": "LongestFirst", "stride": 0}
    padding = {
        "strategy": "BatchLongest",
        "direction": "Left",
        "pad_to_multiple_of": None,
        "pad_id": 0,
        "pad_type_id": 0,
        "pad_token": "<new>",
    }
    result = [
        ("no post_processor", {file: {"post_processor": None}}),
        ("no normalizer", {file: {"normalizer": None}}),
        ("other normalizer", {file: {"normalizer": lower}}),
        ("other pre_tokenizer", {file: {"pre_tokenizer": {"type": "Whitespace"}}}),
        ("one more added token", {file: {"added_tokens": extra}}),
        ("truncation left", {file: {"truncation": direction}}),
        ("padding", {file: {"padding": padding}, "tokenizer_config.json": {"pad_token": ...}}),
    ]
    types = ("bert", "roberta", "llama", "qwen2", "modernbert", "xlm-roberta", "t5", "albert", "gemma3_text", "mpnet")
    for model_type in types:
        change = {"config.json": {"model_type": model_type}}
        result.append((f"model_type={model_type}", change))
        result.append((f"model_type={model_type} alone", change | {"tokenizer_config.json": {"tokenizer_class": ...}}))
    return result


def _base(golden: Path, kind: str) -> Files:
    folder = golden / kind / "model"
    names = ("tokenizer.json", "tokenizer_config.json")
    files = {name: json.loads((folder / name).read_text(encoding="utf-8")) for name in names}
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    files["config.json"] = {"model_type": config["model_type"]}
    return files


def _changed(base: Files, changes: list[Files]) -> Files:
    files = copy.deepcopy(base)
    for change in changes:
        for name, values in change.items():
            if values is None:
                files.pop(name, None)
                continue
            content = files.setdefault(name, {})
            for key, value in values.items():
                if value is ...:
                    content.pop(key, None)
                else:
                    content[key] = value
    return files


def _outcome(files: Files) -> dict[str, Any]:
    """The ids that transformers gives, whole and cut; or that it refuses."""
    from transformers import AutoTokenizer  # noqa: PLC0415 - after the environment is set

    with tempfile.TemporaryDirectory() as folder:
        for name, content in files.items():
            (Path(folder) / name).write_text(json.dumps(content), encoding="utf-8")
        try:
            tokenizer = AutoTokenizer.from_pretrained(folder)
            ids = [tokenizer(text)["input_ids"] for text in TEXTS]
            cut = [tokenizer(text, truncation=True, max_length=CUT)["input_ids"] for text in TEXTS]
        except BaseException as error:  # the tokenizers crate panics with an exception of its own
            if isinstance(error, KeyboardInterrupt):
                raise
            return {"refused": f"{type(error).__name__}: {error}"[:100]}
        return {"ids": ids, "cut": cut}


def cases(golden: Path, seed: int, draws: int) -> list[dict[str, Any]]:
    """All cases with their outcomes."""
    result = []
    for kind in KINDS:
        base = _base(golden, kind)
        settings = _settings(base)
        chosen = [(what, [change]) for what, change in [("as it is", {}), *settings]]
        generator = random.Random(f"{seed} {kind}")
        for _ in range(draws):
            drawn = generator.sample(settings, generator.randint(2, 4))
            chosen.append((" + ".join(what for what, _ in drawn), [change for _, change in drawn]))
        for what, changes in chosen:
            files = _changed(base, changes)
            own = {name: content for name, content in files.items() if content != base.get(name)}
            if "tokenizer.json" in own:
                parts = own["tokenizer.json"].items()
                own["tokenizer.json"] = {key: part for key, part in parts if part != base["tokenizer.json"].get(key)}
            missing = [name for name in base if name not in files]
            result.append({"kind": kind, "what": what, "files": own, "missing": missing, **_outcome(files)})
    return result


def write_all(golden: Path, seed: int = 16, draws: int = DRAWS, output: Path | None = None) -> None:
    """Write the cases, each list of ids once."""
    logging.getLogger("transformers").setLevel(logging.ERROR)
    tables: dict[str, int] = {}
    found = cases(golden, seed, draws)
    for case in found:
        for key in ("ids", "cut"):
            if key in case:
                case[key] = tables.setdefault(json.dumps(case[key], separators=(",", ":")), len(tables))
    lines = [json.dumps(case, ensure_ascii=False, separators=(",", ":")) for case in found]
    texts = json.dumps(TEXTS, ensure_ascii=False)
    parts = (f'{{"texts":{texts},"cut":{CUT},"ids":[', ",\n".join(tables), '],"cases":[', ",\n".join(lines) + "]}\n")
    text = f"{parts[0]}\n{parts[1]}{parts[2]}\n{parts[3]}"
    (output or golden / "tokenizer_settings.json").write_text(text, encoding="utf-8")
