#!/usr/bin/env python3
"""Hold Treble against sentence-transformers on models as large as the published ones, with random weights.

    .venv-golden/bin/python tools/check_real_sizes.py [--family NAME …] [--treble PROGRAM] [--scratch FOLDER]

The golden models have layers of 32 numbers; what only shows at real widths (kernels for wide heads, tables of a quarter
of a million words, bfloat16 files) shows here. Each model takes up to 3 GB of disk and 6 GB of memory and is deleted
afterwards.
"""

# ruff: noqa: PLC0415 - some libraries read the environment when imported, so it is set first

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
TOLERANCE = 2e-5  # of vectors of length 1; float32 sums over thousands of numbers differ by their order
WORDS = ("the", "old", "river", "keeps", "its", "bed", "while", "everything", "above", "it", "changes", "hands")
TEXTS = tuple(" ".join(WORDS[i % len(WORDS)] for i in range(count)) for count in (1, 9, 60, 250))

if TYPE_CHECKING:
    from golden.family_models import Family

# Sizes as published; where there is only an architecture, those of its configuration class.
SIZES: dict[str, dict[str, Any]] = {
    "eurobert": {"hidden_size": 768, "intermediate_size": 3072, "num_hidden_layers": 12, "num_attention_heads": 12}
    | {"num_key_value_heads": 12, "head_dim": 64, "vocab_size": 128256, "max_position_embeddings": 8192},
    "embedding-gemma2-text": {"hidden_size": 512, "intermediate_size": 2048, "num_hidden_layers": 24}
    | {"num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 256, "vocab_size": 262144}
    | {"global_head_dim": 512, "num_global_key_value_heads": 1, "sliding_window": 512, "sliding_window_pattern": 6}
    | {"hidden_size_per_layer_input": 512, "embedding_dim": 768, "max_position_embeddings": 262144},
    "jina-embeddings-v3": {"hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24}
    | {"num_attention_heads": 16, "vocab_size": 250002, "max_position_embeddings": 8194},
    # BGE-M3's.
    "xlm-roberta": {"hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24, "num_attention_heads": 16}
    | {"vocab_size": 250002, "max_position_embeddings": 8194},
    "qwen3": {"hidden_size": 1024, "intermediate_size": 3072, "num_hidden_layers": 28, "num_attention_heads": 16}
    | {"num_key_value_heads": 8, "head_dim": 128, "vocab_size": 151669, "max_position_embeddings": 32768},
    # Nomic Embed v2: 475M parameters, of which a token goes through 305M.
    "nomic-bert-moe": {"n_embd": 768, "n_inner": 3072, "n_layer": 12, "n_head": 12, "n_positions": 2048}
    | {"max_trained_positions": 2048, "num_experts": 8, "vocab_size": 250048},
    "gemma3-text": {"hidden_size": 768, "intermediate_size": 1152, "num_hidden_layers": 24, "num_attention_heads": 3}
    | {"num_key_value_heads": 1, "head_dim": 256, "query_pre_attn_scalar": 256, "vocab_size": 262144}
    | {"sliding_window": 512, "sliding_window_pattern": 6, "max_position_embeddings": 2048},
}


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Compare models of real sizes with random weights.")
    parser.add_argument("--family", nargs="+", choices=sorted(SIZES), default=sorted(SIZES))
    parser.add_argument("--treble", type=Path, default=ROOT / "build/release/bin/treble", help="the program to judge")
    parser.add_argument("--scratch", type=Path, help="folder to write the models below (default: a temporary one)")
    return parser.parse_args()


def of_real_size(family: Family) -> Family:
    """The golden family with other sizes; wide heads have wide dot products, which the gain takes back."""
    from dataclasses import replace

    sizes = SIZES[family.name]
    width = {"embedding-gemma2-text": 0.4, "qwen3": 0.6}.get(family.name, 1.0)
    dense = ()  # the golden one's is as narrow as the golden model
    return replace(family, config=family.config | sizes, dense=dense, gain=width, limit=512, st_limit=512)


def write(family: Family, folder: Path) -> None:
    """Weights in bfloat16, as most are published."""
    import torch
    from golden import family_models
    from safetensors.torch import load_file, save_file

    tokenizer = family.tokenizer(512)
    family_models._write_model(family, tokenizer, folder)
    tokenizer.save_pretrained(folder)
    family_models._write_modules(family, folder)
    for path in folder.glob("model*.safetensors"):
        tensors = {name: tensor.to(torch.bfloat16) for name, tensor in load_file(path).items()}
        save_file(tensors, path, metadata={"format": "pt"})


def expected_vectors(family: Family, folder: Path) -> tuple[np.ndarray, int]:
    """Of the texts, in float32, and the number of parameters; of a family without a library by its twin."""
    import torch
    from golden import family_models
    from sentence_transformers import SentenceTransformer

    if family.twin is not None:
        twin = family_models._load(family, folder)
        tokenizer = family.tokenizer(512)
        ids = [tokenizer(text, truncation=True, max_length=family.limit)["input_ids"] for text in TEXTS]
        states = [family_models._states(family, twin, used)[-1] for used in ids]
        return family_models._pooled(family, states, folder), sum(one.numel() for one in twin.parameters())
    options = {"dtype": torch.float32, "attn_implementation": "eager"}
    model = SentenceTransformer(str(folder), device="cpu", model_kwargs=options)
    vectors = model.encode(list(TEXTS), batch_size=1, show_progress_bar=False)
    return vectors, sum(parameter.numel() for parameter in model.parameters())


def compare(name: str, program: Path, scratch: Path) -> bool:
    """One family; prints what was found."""
    from differential import treble
    from golden.family_models import FAMILIES

    folder = scratch / name
    treble.SECONDS = 600.0
    try:
        family = of_real_size(next(family for family in FAMILIES if family.name == name))
        write(family, folder)
        began = time.monotonic()
        result = treble.embed(program, folder, TEXTS, {}, scratch)
        took = time.monotonic() - began
        if result.vectors is None:
            print(f"{name}: exit {result.code}: {result.message}")
            return False
        expected, parameters = expected_vectors(family, folder)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    apart = float(np.abs(result.vectors - expected).max())
    cosine = float((expected[0] * expected[-1]).sum())
    print(
        f"{name}: {parameters / 1e6:.0f}M parameters, {took:.1f} s with loading, max difference {apart:.1e}, "
        f"cosine of the shortest and longest text {cosine:.3f}"
    )
    return apart <= TOLERANCE


def main() -> int:
    """Every family asked for; the exit code says whether all agree."""
    arguments = parse_arguments()
    os.environ.update(HF_HUB_OFFLINE="1", TRANSFORMERS_OFFLINE="1", TOKENIZERS_PARALLELISM="false")
    sys.path.insert(0, str(ROOT / "tools"))
    with tempfile.TemporaryDirectory(dir=arguments.scratch) as scratch:
        agree = [compare(name, arguments.treble, Path(scratch)) for name in arguments.family]
    return 0 if all(agree) else 1


if __name__ == "__main__":
    sys.exit(main())
