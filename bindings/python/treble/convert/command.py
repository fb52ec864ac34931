"""The command line of `treble convert`."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from .conversion import Report, Written, convert
from .errors import FAILED_IO, INTERRUPTED, ConvertError


def say(report: Report) -> None:
    """What was done, to standard error."""
    for written in report.written:
        _say_written(written, report.folder)
    if report.copied:
        print(f"treble: {report.copied} other files copied as they are", file=sys.stderr)
    for text in report.left_out:
        print(f"treble: left out {text}", file=sys.stderr)
    for text in report.notes:
        print(f"treble: {text}", file=sys.stderr)


def _say_written(written: Written, folder: Path) -> None:
    dtypes = ", ".join(f"{count} {kind}" for kind, count in written.dtypes.items())
    sources = ", ".join(written.sources) if len(written.sources) < 4 else f"{len(written.sources)} shards"
    what = f"{written.tensors} tensors ({dtypes}), {written.bytes} bytes"
    print(f"treble: {written.path.relative_to(folder)} of {sources}: {what}", file=sys.stderr)
    for text in written.left_out:
        print(f"treble: left out of it {text}", file=sys.stderr)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit code. Standard output gets one line, the folder of the model."""
    parser = argparse.ArgumentParser(prog="treble convert", description="Make model.safetensors of other formats.")
    parser.add_argument("source", help="a model's folder with pytorch_model.bin, or a .gguf file")
    parser.add_argument("-o", "--output", metavar="FOLDER", help="the new folder")
    parser.add_argument("--in-place", action="store_true", help="write model.safetensors beside pytorch_model.bin")
    parser.add_argument("--force", action="store_true", help="replace what is there")
    parser.add_argument("--pooling", metavar="MODE", help="mean, cls or last, for GGUF files that state none")
    parser.add_argument("--tokenizer", metavar="FILE", help="the original's tokenizer.json, for GGUF files")
    given = parser.parse_args(arguments)
    try:
        report = convert(
            given.source,
            given.output,
            in_place=given.in_place,
            force=given.force,
            pooling=given.pooling,
            tokenizer=given.tokenizer,
        )
    except ConvertError as error:
        print(f"treble: error: {error}", file=sys.stderr)
        return error.exit_code
    except OSError as error:
        print(f"treble: error: {error}", file=sys.stderr)
        return FAILED_IO
    except KeyboardInterrupt:
        print("treble: stopped; nothing was written", file=sys.stderr)
        return INTERRUPTED
    say(report)
    print(report.folder)
    return 0
