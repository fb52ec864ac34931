"""What `AutoTokenizer.from_pretrained` makes of folders without tokenizer.json, as reference data.

The vocabularies of the small models under tests/golden are written as vocab.txt, or vocab.json and merges.txt; those of
SentencePiece's classes are trained here. Cases are seeded draws of the settings of tokenizer_settings.py.
"""

from __future__ import annotations

import base64
import json
import logging
import random
import tempfile
from pathlib import Path
from typing import Any

from golden.texts import CORPUS
from golden.tokenizer_settings import CUT, TEXTS, Files, _base, _changed, _settings

# Small charsmaps, where SentencePiece's own has 240 KB: full-width and composed characters, and a ligature.
RULES = "FF21\t41\nFB01\t66 69\nBD\t31 2F 32\nE9\t65\nE0\t61\n3000\t20\n"
WORD_PIECE = {"bert": "vocab.txt", "mpnet": "vocab.txt"}
BYTE_LEVEL = ("roberta", "qwen2")
SENTENCE_PIECE: dict[str, tuple[str, dict[str, Any]]] = {
    "xlm-roberta": ("sentencepiece.bpe.model", {}),
    "camembert": ("sentencepiece.bpe.model", {}),
    "t5": ("spiece.model", {"pad_id": 0, "eos_id": 1, "unk_id": 2, "bos_id": -1}),
    "albert": (
        "spiece.model",
        {
            "pad_id": 0,
            "unk_id": 1,
            "bos_id": -1,
            "eos_id": -1,
            "control_symbols": ["[CLS]", "[SEP]"],
            "user_defined_symbols": ["[MASK]", "<new>"],
        },
    ),
}
KINDS = (*WORD_PIECE, *BYTE_LEVEL, *SENTENCE_PIECE)
SINGLES = 28
DRAWS = 10


def _vocabulary(kind: str, base: Files, scratch: Path) -> dict[str, bytes]:
    """The files that hold the kind's vocabulary."""
    model = base["tokenizer.json"]["model"]
    if kind in SENTENCE_PIECE:
        name, options = SENTENCE_PIECE[kind]
        return {name: _trained(options, scratch)}
    if kind in WORD_PIECE:
        tokens = sorted(model["vocab"], key=model["vocab"].get)
        return {"vocab.txt": "".join(f"{token}\n" for token in tokens).encode()}
    pairs = [merge if isinstance(merge, str) else " ".join(merge) for merge in model["merges"]]
    merges = "#version: 0.2\n" + "".join(f"{pair}\n" for pair in pairs)
    return {
        "vocab.json": json.dumps(model["vocab"], ensure_ascii=False).encode(),
        "merges.txt": merges.encode(),
    }


def _trained(options: dict[str, Any], scratch: Path) -> bytes:
    import sentencepiece  # noqa: PLC0415 - only this part needs it

    rules = scratch / "rules.tsv"
    rules.write_text(RULES, encoding="utf-8")
    corpus = scratch / "corpus.txt"
    corpus.write_text("\n".join(CORPUS * 4), encoding="utf-8")
    sentencepiece.SentencePieceTrainer.train(
        input=str(corpus),
        model_prefix=str(scratch / "spm"),
        vocab_size=260,
        hard_vocab_limit=False,
        character_coverage=1.0,
        normalization_rule_tsv=str(rules),
        num_threads=1,
        minloglevel=2,
        **options,
    )
    return (scratch / "spm.model").read_bytes()


def _outcome(files: Files, vocabulary: dict[str, bytes]) -> dict[str, Any]:
    """The ids that transformers gives, whole and cut; or that it refuses."""
    from transformers import AutoTokenizer  # noqa: PLC0415 - after the environment is set

    with tempfile.TemporaryDirectory() as folder:
        for name, content in files.items():
            (Path(folder) / name).write_text(json.dumps(content), encoding="utf-8")
        for name, content in vocabulary.items():
            (Path(folder) / name).write_bytes(content)
        try:
            tokenizer = AutoTokenizer.from_pretrained(folder)
            ids = [tokenizer(text)["input_ids"] for text in TEXTS]
            cut = [tokenizer(text, truncation=True, max_length=CUT)["input_ids"] for text in TEXTS]
        except BaseException as error:  # the tokenizers crate panics with an exception of its own
            if isinstance(error, KeyboardInterrupt):
                raise
            return {"refused": f"{type(error).__name__}: {error}"[:100]}
        return {"ids": ids, "cut": cut}


def _is_beside(change: Files) -> bool:
    """A change of the files beside the vocabulary, and to a class that reads this vocabulary."""
    classes = change.get("tokenizer_config.json") or {}
    return "tokenizer.json" not in change and "config.json" not in change and "tokenizer_class" not in classes


def write_all(golden: Path, seed: int = 17) -> None:
    """Write tests/golden/vocabulary_files.json, each list of ids once."""
    logging.getLogger("transformers").setLevel(logging.ERROR)
    tables: dict[str, int] = {}
    kinds: dict[str, Any] = {}
    lines: list[str] = []
    for kind in KINDS:
        base = _base(golden, kind)
        with tempfile.TemporaryDirectory() as scratch:
            vocabulary = _vocabulary(kind, base, Path(scratch))
        settings = [(what, change) for what, change in _settings(base) if _is_beside(change)]
        generator = random.Random(f"{seed} {kind}")
        chosen = [(what, [change]) for what, change in generator.sample(settings, min(SINGLES, len(settings)))]
        for _ in range(DRAWS):
            drawn = generator.sample(settings, generator.randint(2, 4))
            chosen.append((" + ".join(what for what, _ in drawn), [change for _, change in drawn]))
        plain = {name: content for name, content in base.items() if name != "tokenizer.json"}
        kinds[kind] = {
            "files": plain,
            "vocabulary": {name: base64.b64encode(content).decode() for name, content in vocabulary.items()},
        }
        for what, changes in [("as it is", []), *chosen]:
            files = _changed(plain, changes)
            case = {"kind": kind, "what": what, "files": files, **_outcome(files, vocabulary)}
            for key in ("ids", "cut"):
                if key in case:
                    case[key] = tables.setdefault(json.dumps(case[key], separators=(",", ":")), len(tables))
            lines.append(json.dumps(case, ensure_ascii=False, separators=(",", ":")))
    head = {"texts": TEXTS, "cut": CUT, "kinds": kinds}
    text = json.dumps(head, ensure_ascii=False, separators=(",", ":"))[:-1]
    text += ',"ids":[\n' + ",\n".join(tables) + '],"cases":[\n' + ",\n".join(lines) + "]}\n"
    (golden / "vocabulary_files.json").write_text(text, encoding="utf-8")
    print(f"vocabulary_files.json: {len(lines)} cases")
