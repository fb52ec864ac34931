"""`treble evaluate`: docs/mteb.md."""

from __future__ import annotations

import argparse
import logging
import os
import sys
import warnings

from treble.commands import Parser, comma_list, guarded
from treble.errors import InvalidArgumentError, TrebleWarning

_DESCRIPTION = """Runs mteb's tasks in local folders at several temperatures and compares each with temperature 1, item
by item, by length. Writes mteb's results, the scores of single items and table.txt, table.json, table.csv to OUTPUT;
what is there already is not run again. Nothing is downloaded."""

_EXAMPLES = """examples:
  treble evaluate --tasks scifact --model models/all-MiniLM-L6-v2 -o results/
  treble evaluate --tasks scifact sts --model models/all-MiniLM-L6-v2 --temperatures 1,0.9,log:64 -o results/
  treble evaluate --tasks longembed/passkey --max-length 4096 --extend interpolate-long -t ssmax:0.4,0.1 -o results/

The forms of folders: docs/mteb.md"""


def _parse(arguments: list[str]) -> argparse.Namespace:
    parser = Parser("evaluate", _DESCRIPTION, _EXAMPLES)
    add = parser.add_argument
    add("--tasks", nargs="+", required=True, metavar="FOLDER", help="one task each")
    add(
        "--temperatures",
        type=comma_list(str),
        default=[],
        metavar="T,...",
        help="as 1,0.9,log:64; 1 is always among them",
    )
    add("-t", "--temperature", action="append", default=[], metavar="T", help="one more, which may have a comma in it")
    add("--state", default="none", metavar="S", help="of Mamba-2 models, at every temperature: as treble embed --state")
    add("-o", "--output", required=True, help="folder of the results: mteb's cache, and the tables")
    add("--dtype", default="float32", metavar="TYPE", help="float32 (default), bfloat16, int8 or auto")
    add("--max-length", type=int, help="tokens of a text that the model reads (default: the model's)")
    add("--extend", default="none", metavar="METHOD", help="positions beyond the model's, as treble embed --extend")
    add("--threads", type=int, default=0, help="default: all")
    add(
        "--buckets",
        type=comma_list(int),
        metavar="N,...",
        help="upper edges of lengths in tokens (default: 32,64,...,32768)",
    )
    add("--bootstrap", type=int, default=1000, metavar="N", help="resamples for the intervals (default: 1000)")
    add("--seed", type=int, default=0, help="of the bootstrap (default: 0)")
    add("--ignore-identical-ids", action="store_true", help="leave the document with a query's id out of its ranking")
    return parser.parse_args(arguments)


def _run(arguments: list[str]) -> None:
    given = _parse(arguments)
    if given.bootstrap < 100:
        raise InvalidArgumentError(f"--bootstrap takes 100 resamples or more, got {given.bootstrap}")
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    from treble.mteb import evaluation  # noqa: PLC0415 - seconds, which --help need not wait for

    _quieten()
    result = evaluation.evaluate(
        given.model,
        given.tasks,
        [*given.temperatures, *given.temperature],
        given.output,
        evaluation.EvaluateOptions(
            buckets=given.buckets or evaluation.DEFAULT_BUCKETS,
            resamples=given.bootstrap,
            seed=given.seed,
            ignore_identical_ids=given.ignore_identical_ids,
            report=lambda line: print(line, file=sys.stderr),
        ),
        dtype=given.dtype,
        max_length=given.max_length,
        extend=given.extend,
        state=given.state,
        threads=given.threads,
    )
    print(result)


def _quieten() -> None:
    """Only what concerns the user: our warnings, as one line each."""
    from datasets.utils.logging import disable_progress_bar  # noqa: PLC0415

    disable_progress_bar()
    logging.getLogger("mteb").setLevel(logging.ERROR)
    warnings.simplefilter("ignore")
    warnings.simplefilter("default", TrebleWarning)
    warnings.showwarning = lambda message, *_, **__: print(f"treble evaluate: {message}", file=sys.stderr)


def main(arguments: list[str]) -> int:
    """Runs the command; returns its exit code."""
    return guarded("evaluate", _run, arguments)
