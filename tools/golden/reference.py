"""Vectors and token ids of the real models for 200 texts, as sentence-transformers computes them in float32.

Most texts are docstrings of the Python standard library (Copyright Python Software Foundation, PSF License Version 2),
cut at word boundaries to lengths spread evenly on a logarithmic scale; the rest is written by hand below.
"""

from __future__ import annotations

import ast
import json
import math
import random
import re
import sysconfig
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import save_file
from sentence_transformers import SentenceTransformer
from tokenizers import Tokenizer

from golden.texts import CASES

MODELS = ("all-MiniLM-L6-v2", "bge-small-en-v1.5", "e5-small-v2", "all-mpnet-base-v2")
COUNT = 200
OVER_LIMIT = (600, 700, 900, 1300)  # tokens: longer than any of the models takes
LONGEST = 512
SEED = 20241
SOURCE = "Python standard library docstrings (Python Software Foundation License Version 2) and texts of this project"

ODD: tuple[str, ...] = (
    "hello " * 26 + "without " + "spaces" * 26,
    "Grüße aus Köln: Straße, Fuß, MASSE und Maße.",
    "ΑΘΗΝΑ και Θεσσαλονίκη, ΣΊΣΥΦΟΣ",
    "قلب المدينة القديمة، والبحر قريب.",
    "नमस्ते दुनिया, यह एक छोटा वाक्य है।",
    "한국어 문장도 하나 있습니다.",
    "ﬁne ﬂour, ½ cup, №5, ™ and ℃; full\u00a0width: \uff21\uff22\uff23",
    "zero\u200bwidth\u200djoiner and soft\u00adhyphen \ufeff mark",
    "\u0301 starts with a combining mark",
)


def docstrings() -> Iterator[str]:
    """Docstrings of the standard library's modules, classes and functions, white space made single."""
    for path in sorted(Path(sysconfig.get_path("stdlib")).glob("*.py")):
        try:
            tree = ast.parse(path.read_text(encoding="utf-8"))
        except (SyntaxError, UnicodeDecodeError):
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
                text = re.sub(r"\s+", " ", ast.get_docstring(node) or "").strip()
                if len(text) > 20:
                    yield text


def cut(text: str, tokens: int, tokenizer: Tokenizer) -> str:
    """The longest run of whole words from the start that takes at most `tokens`, special tokens included."""
    offsets = tokenizer.encode(text, add_special_tokens=False).offsets
    if len(offsets) <= tokens - 2:
        return text
    end = offsets[tokens - 2][0]
    return text[:end].rsplit(" ", 1)[0] if " " in text[:end] else text[:end]


def build_texts(tokenizer: Tokenizer) -> list[str]:
    """The committed texts: by hand first, then from one to 512 tokens, then over the limit."""
    pool = list(docstrings())
    random.Random(SEED).shuffle(pool)
    joined = " ".join(pool)
    start = 0
    texts = [*CASES, *ODD]
    spread = COUNT - len(texts) - len(OVER_LIMIT)
    lengths = [round(math.exp(math.log(3) + step / (spread - 1) * math.log(LONGEST / 3))) for step in range(spread)]
    for length in (*lengths, *OVER_LIMIT):
        text = cut(joined[start : start + 12 * length], length, tokenizer)
        start += len(text) + 1
        texts.append(text)
    return texts


def write_all(folder: Path, models: Path) -> None:
    """Write texts.json once, then one file a model."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / "texts.json"
    if not path.exists():
        tokenizer = Tokenizer.from_file(str(models / MODELS[0] / "tokenizer.json"))
        tokenizer.no_truncation()
        tokenizer.no_padding()
        content = {"source": SOURCE, "texts": build_texts(tokenizer)}
        path.write_text(json.dumps(content, indent=0) + "\n", encoding="utf-8")
    texts = json.loads(path.read_text(encoding="utf-8"))["texts"]
    torch.set_num_threads(2)
    for name in MODELS:
        tensors = encode(models / name, texts)
        save_file(tensors, folder / f"{name}.safetensors")
        lengths = np.diff(tensors["ids_offsets"])
        print(f"{name}: {len(texts)} texts, {lengths.min()} to {lengths.max()} tokens, median {np.median(lengths):.0f}")


def encode(model_folder: Path, texts: list[str]) -> dict[str, np.ndarray]:
    """Embeddings at the folder's own length limit, one text at a time, and every text's whole ids."""
    model = SentenceTransformer(str(model_folder), device="cpu", model_kwargs={"dtype": torch.float32})
    ids = [model.tokenizer(text, truncation=False)["input_ids"] for text in texts]
    vectors = model.encode(texts, batch_size=1, normalize_embeddings=True, show_progress_bar=False)
    lengths = np.array([len(one) for one in ids], dtype=np.int64)
    return {
        "embeddings": np.ascontiguousarray(vectors, dtype=np.float32),
        "ids_flat": np.concatenate([np.array(one, dtype=np.int32) for one in ids]),
        "ids_offsets": np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)]),
        "lengths_used": np.minimum(lengths, model.max_seq_length).astype(np.int32),
    }
