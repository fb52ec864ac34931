#!/usr/bin/env python3
"""Write the committed reference data of the tests. Run it with the interpreter that tools/setup_golden.sh prepares:

    .venv-golden/bin/python tools/make_golden.py [PART] [NAME...]

PART is tiny, families, rerankers, variants, config-keys, mamba2, adapters, pooling, precision, static, tokenizers,
convert, reference or all.

Everything is seeded and computed in float32 on the CPU, one text at a time, so that no result depends on a batch.
"""

# ruff: noqa: PLC0415 - some libraries read the environment when imported, so it is set first

from __future__ import annotations

import argparse
import importlib
import os
import warnings
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OFFLINE = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "TOKENIZERS_PARALLELISM": "false",  # a parallel trainer breaks ties in the order of arrival
}


# What each part is written by, in tools/golden.
PARTS = {
    "tiny": ("tiny_models",),
    "families": ("family_models",),
    "rerankers": ("rerankers", "decoder_rerankers"),
    "variants": ("variants",),
    "config-keys": ("config_keys",),
    "mamba2": ("mamba2",),
    "adapters": ("adapters",),
    "pooling": ("pooling",),
    "precision": ("precision",),
    "static": ("static",),
    "tokenizers": ("tokenizer_settings", "vocabulary_files", "chat_templates"),
    "convert": ("convert_files",),
}


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Write the reference data of the tests.")
    parts = (*PARTS, "reference", "all")
    parser.add_argument("part", nargs="?", default="all", choices=parts)
    parser.add_argument("names", nargs="*", help="with `families` or `rerankers`: only these folders")
    parser.add_argument("--models", type=Path, default=ROOT / "models", help="folder of the real models")
    parser.add_argument("--output", type=Path, default=ROOT / "tests", help="folder to write below")
    return parser.parse_args()


def main() -> None:
    """Write what was asked for."""
    arguments = parse_arguments()
    os.environ.update(OFFLINE)
    warnings.filterwarnings("ignore")
    # Imported late: the environment above must be set before these libraries read it.
    import torch

    torch.set_num_threads(1)
    golden, names = arguments.output / "golden", tuple(arguments.names)
    for part, modules in PARTS.items():
        for module in modules if arguments.part in (part, "all") else ():
            write_all = importlib.import_module(f"golden.{module}").write_all
            if part == "families":
                write_all(golden, names)
            elif part == "rerankers":
                write_all(golden / "rerankers", names)
            else:
                write_all(golden)
    if arguments.part in ("reference", "all"):
        from golden import reference

        reference.write_all(arguments.output / "reference", arguments.models)


if __name__ == "__main__":
    main()
