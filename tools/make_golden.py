#!/usr/bin/env python3
"""Write the committed reference data of the tests. Run it with the interpreter that tools/setup_golden.sh prepares:

    .venv-golden/bin/python tools/make_golden.py [PART] [NAME...]

PART is tiny, families, rerankers, sparse, multi-vector, variants, mamba2, adapters, pooling, precision, static,
tokenizers, convert, reference or all.

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
# Part, modules of golden/ that write it, folder below the output, what else they take.
WRITERS = (
    ("tiny", ("tiny_models",), "golden", ""),
    ("families", ("family_models",), "golden", "names"),
    ("rerankers", ("rerankers",), "golden/rerankers", "names"),
    ("sparse", ("sparse",), "golden/sparse", "names"),
    ("multi-vector", ("multi_vector",), "golden/multi-vector", "names"),
    ("variants", ("variants",), "golden", ""),
    ("mamba2", ("mamba2",), "golden", ""),
    ("adapters", ("adapters",), "golden", ""),
    ("pooling", ("pooling",), "golden", ""),
    ("precision", ("precision",), "golden", ""),
    ("static", ("static",), "golden", ""),
    ("tokenizers", ("tokenizer_settings", "vocabulary_files"), "golden", ""),
    ("convert", ("convert_files",), "golden", ""),
    ("reference", ("reference",), "reference", "models"),
)
OFFLINE = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "TOKENIZERS_PARALLELISM": "false",  # a parallel trainer breaks ties in the order of arrival
}


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Write the reference data of the tests.")
    parts = (*(part for part, *_ in WRITERS), "all")
    parser.add_argument("part", nargs="?", default="all", choices=parts)
    parser.add_argument("names", nargs="*", help="of families, rerankers, sparse, multi-vector: only these")
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
    for part, modules, folder, extra in WRITERS:
        if arguments.part not in (part, "all"):
            continue
        for module in modules:
            write_all = importlib.import_module(f"golden.{module}").write_all
            more = {"names": (tuple(arguments.names),), "models": (arguments.models,), "": ()}[extra]
            write_all(arguments.output / folder, *more)


if __name__ == "__main__":
    main()
