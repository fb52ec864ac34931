"""Tiny folders of StaticEmbedding, as sentence-transformers saves them and as model2vec does, with their vectors."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.numpy import save_file
from sentence_transformers import SentenceTransformer
from sentence_transformers.base.modules import Normalize
from sentence_transformers.sentence_transformer.modules import StaticEmbedding
from tokenizers import Tokenizer

from golden.texts import CASES

WIDTH = 12
CLUSTERS = 20
# Those of "" and of white space have no token at all.
TEXTS = ["   ", *CASES]
MODEL2VEC_MODULES = [
    {"idx": 0, "name": "0", "path": ".", "type": "sentence_transformers.models.StaticEmbedding"},
    {"idx": 1, "name": "1", "path": "1_Normalize", "type": "sentence_transformers.models.Normalize"},
]


def tokenizer(root: Path) -> Tokenizer:
    """The tiny BERT's, which would add special tokens."""
    return Tokenizer.from_file(str(root / "bert" / "model" / "tokenizer.json"))


def write_saved(folder: Path, tokens: Tokenizer, *, normalize: bool, prompts: dict[str, str] | None = None) -> None:
    """As SentenceTransformer.save_pretrained has it."""
    table = torch.randn(tokens.get_vocab_size(), WIDTH)
    modules = [StaticEmbedding(tokens, embedding_weights=table), *([Normalize()] if normalize else [])]
    SentenceTransformer(modules=modules, prompts=prompts, device="cpu").save_pretrained(str(folder))
    (folder / "README.md").unlink(missing_ok=True)


def write_model2vec(folder: Path, tokens: Tokenizer, tensors: dict[str, np.ndarray], *, modules: bool) -> None:
    """As model2vec's StaticModel.save_pretrained has it."""
    folder.mkdir(parents=True)
    tokens.save(str(folder / "tokenizer.json"))
    save_file(tensors, folder / "model.safetensors")
    config = {"model_type": "model2vec", "architectures": ["StaticModel"], "hidden_dim": WIDTH, "normalize": True}
    (folder / "config.json").write_text(json.dumps(config, indent=4) + "\n")
    if modules:
        (folder / "modules.json").write_text(json.dumps(MODEL2VEC_MODULES, indent=4) + "\n")
        (folder / "1_Normalize").mkdir()
        (folder / "1_Normalize" / "config.json").write_text("{}\n")


def write_folders(folder: Path, root: Path) -> None:
    """Every form, seeded."""
    torch.manual_seed(25)
    generator = np.random.default_rng(25)
    size = tokenizer(root).get_vocab_size()

    def normal(*shape: int) -> np.ndarray:
        return generator.normal(size=shape).astype(np.float32)

    write_saved(folder / "saved", tokenizer(root), normalize=False)
    write_saved(folder / "normalized", tokenizer(root), normalize=True, prompts={"query": "search the harbour: "})
    cut = tokenizer(root)
    cut.enable_truncation(4, direction="left")
    write_saved(folder / "truncated", cut, normalize=True)
    plain = {"embeddings": normal(size, WIDTH)}
    write_model2vec(folder / "model2vec", tokenizer(root), plain, modules=True)
    write_model2vec(folder / "model2vec-alone", tokenizer(root), plain, modules=False)
    clustered = {
        "embeddings": normal(CLUSTERS, WIDTH),
        "mapping": generator.integers(0, CLUSTERS, size),
        "weights": np.abs(normal(size)),
    }
    write_model2vec(folder / "clustered", tokenizer(root), clustered, modules=True)
    mapped = {"embeddings": normal(CLUSTERS, WIDTH), "mapping": generator.integers(0, CLUSTERS, size).astype(np.int32)}
    write_model2vec(folder / "mapped", tokenizer(root), mapped, modules=True)
    levels = {
        "embeddings": generator.integers(-127, 128, (size, WIDTH)).astype(np.int8),
        "weights": np.abs(normal(size)),
    }
    write_model2vec(folder / "int8", tokenizer(root), levels, modules=True)


def load(folder: Path) -> SentenceTransformer:
    """A folder of model2vec without modules.json is what StaticEmbedding.from_model2vec makes of it, normalised."""
    if (folder / "modules.json").exists():
        return SentenceTransformer(str(folder), device="cpu")
    return SentenceTransformer(modules=[StaticEmbedding.load(str(folder)), Normalize()], device="cpu")


def write_all(root: Path) -> None:
    """Write tests/golden/static."""
    folder = root / "static"
    shutil.rmtree(folder, ignore_errors=True)
    write_folders(folder, root)
    expected: dict[str, np.ndarray] = {}
    cases: list[dict[str, Any]] = []
    for path in sorted(one for one in folder.iterdir() if one.is_dir()):
        model = load(path)
        for prompt_name in [None, *(["query"] if path.name == "normalized" else [])]:
            name = path.name if prompt_name is None else f"{path.name}/{prompt_name}"
            vectors = [model.encode(text, prompt_name=prompt_name) for text in TEXTS]
            expected[name] = np.stack(vectors)
            cases.append({"name": name, "folder": path.name, "prompt_name": prompt_name})
    save_file(expected, folder / "expected.safetensors")
    text = json.dumps({"texts": TEXTS, "cases": cases}, indent=1) + "\n"
    (folder / "cases.json").write_text(text, encoding="utf-8")
    print(f"static: {len(cases)} cases written")
