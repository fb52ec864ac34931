#!/usr/bin/env python3
"""Write the committed reference data of the tests. Run it with the interpreter that tools/setup_golden.sh prepares:

    .venv-golden/bin/python tools/make_golden.py [PART] [NAME...]

PART is tiny, families, rerankers, sparse, variants, mamba2, adapters, pooling, precision, static, tokenizers, convert,
reference or all.

Everything is seeded and computed in float32 on the CPU, one text at a time, so that no result depends on a batch.
"""

# ruff: noqa: PLC0415 - some libraries read the environment when imported, so it is set first

from __future__ import annotations

import argparse
import os
import warnings
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
OFFLINE = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "TOKENIZERS_PARALLELISM": "false",  # a parallel trainer breaks ties in the order of arrival
}


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Write the reference data of the tests.")
    parts = (
        "tiny",
        "families",
        "rerankers",
        "sparse",
        "variants",
        "mamba2",
        "adapters",
        "pooling",
        "precision",
        "static",
        "tokenizers",
        "convert",
        "reference",
        "all",
    )
    parser.add_argument("part", nargs="?", default="all", choices=parts)
    parser.add_argument("names", nargs="*", help="with `families`, `rerankers` or `sparse`: only these folders")
    parser.add_argument("--models", type=Path, default=ROOT / "models", help="folder of the real models")
    parser.add_argument("--output", type=Path, default=ROOT / "tests", help="folder to write below")
    return parser.parse_args()


def main() -> None:  # noqa: PLR0912 - a branch a part
    """Write what was asked for."""
    arguments = parse_arguments()
    os.environ.update(OFFLINE)
    warnings.filterwarnings("ignore")
    # Imported late: the environment above must be set before these libraries read it.
    import torch

    torch.set_num_threads(1)
    if arguments.part in ("tiny", "all"):
        from golden import tiny_models

        tiny_models.write_all(arguments.output / "golden")
    if arguments.part in ("families", "all"):
        from golden import family_models

        family_models.write_all(arguments.output / "golden", tuple(arguments.names))
    if arguments.part in ("rerankers", "all"):
        from golden import rerankers

        rerankers.write_all(arguments.output / "golden" / "rerankers", tuple(arguments.names))
    if arguments.part in ("sparse", "all"):
        from golden import sparse

        sparse.write_all(arguments.output / "golden" / "sparse", tuple(arguments.names))
    if arguments.part in ("variants", "all"):
        from golden import variants

        variants.write_all(arguments.output / "golden")
    if arguments.part in ("mamba2", "all"):
        from golden import mamba2

        mamba2.write_all(arguments.output / "golden")
    if arguments.part in ("adapters", "all"):
        from golden import adapters

        adapters.write_all(arguments.output / "golden")
    if arguments.part in ("pooling", "all"):
        from golden import pooling

        pooling.write_all(arguments.output / "golden")
    if arguments.part in ("precision", "all"):
        from golden import precision

        precision.write_all(arguments.output / "golden")
    if arguments.part in ("static", "all"):
        from golden import static

        static.write_all(arguments.output / "golden")
    if arguments.part in ("tokenizers", "all"):
        from golden import tokenizer_settings, vocabulary_files

        tokenizer_settings.write_all(arguments.output / "golden")
        vocabulary_files.write_all(arguments.output / "golden")
    if arguments.part in ("convert", "all"):
        from golden import convert_files

        convert_files.write_all(arguments.output / "golden")
    if arguments.part in ("reference", "all"):
        from golden import reference

        reference.write_all(arguments.output / "reference", arguments.models)


if __name__ == "__main__":
    main()
