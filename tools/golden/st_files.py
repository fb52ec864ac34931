"""The files that turn a Hugging Face folder into a sentence-transformers one, in the old key form and the new."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from sentence_transformers import SentenceTransformer
from sentence_transformers.sentence_transformer.modules import Normalize, Pooling, Transformer

OLD_TYPES = "sentence_transformers.models"
POOLING_KEYS = {
    "cls": "pooling_mode_cls_token",
    "mean": "pooling_mode_mean_tokens",
    "max": "pooling_mode_max_tokens",
    "mean_sqrt_len_tokens": "pooling_mode_mean_sqrt_len_tokens",
    "weightedmean": "pooling_mode_weightedmean_tokens",
    "lasttoken": "pooling_mode_lasttoken",
}


def write_json(path: Path, value: Any) -> None:
    """One form for every JSON file, so that a second run changes nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def old_pooling_config(width: int, modes: tuple[str, ...]) -> dict[str, Any]:
    """The form before 5.4: one boolean a mode."""
    flags = {key: mode in modes for mode, key in POOLING_KEYS.items()}
    return {"word_embedding_dimension": width, **flags, "include_prompt": True}


def write_old_form(folder: Path, width: int, max_length: int | None) -> None:
    """What releases before 5.4 wrote. `max_length` None leaves the limit to the other files."""
    names = ((".Transformer", ""), (".Pooling", "1_Pooling"), (".Normalize", "2_Normalize"))
    modules = [
        {"idx": index, "name": str(index), "path": path, "type": OLD_TYPES + name}
        for index, (name, path) in enumerate(names)
    ]
    write_json(folder / "modules.json", modules)
    write_json(folder / "1_Pooling" / "config.json", old_pooling_config(width, ("mean",)))
    write_json(folder / "sentence_bert_config.json", {"max_seq_length": max_length, "do_lower_case": False})


def write_new_form(folder: Path) -> None:
    """Let the installed release write its own files: the keys are truly its own, the limit is the tokenizer's."""
    transformer = Transformer(str(folder))
    model = SentenceTransformer(
        modules=[transformer, Pooling(transformer.get_embedding_dimension(), "mean"), Normalize()], device="cpu"
    )
    with tempfile.TemporaryDirectory() as scratch:
        model.save_pretrained(scratch, create_model_card=False)
        names = ["modules.json", "sentence_bert_config.json", "config_sentence_transformers.json"]
        names += [str(path.relative_to(scratch)) for path in sorted(Path(scratch).glob("*_*/config.json"))]
        for name in names:
            write_json(folder / name, json.loads((Path(scratch) / name).read_text(encoding="utf-8")))
