"""`treble longembed`: docs/mteb.md."""

from __future__ import annotations

from pathlib import Path

from treble import longembed
from treble.commands import Parser, comma_list, guarded
from treble.encoder import SentenceEncoder
from treble.errors import NotFoundError

_DESCRIPTION = """Writes LongEmbed's two synthetic tasks to OUTPUT/passkey and OUTPUT/needle, from a seed, for treble
evaluate. Lengths are counted with the model's tokenizer; the model itself does not run."""

_EXAMPLES = """examples:
  treble longembed --model models/all-MiniLM-L6-v2 -o longembed/
  treble longembed --model models/all-MiniLM-L6-v2 --lengths 256,512 --seed 7 --haystack essays.txt -o longembed/"""


def _run(arguments: list[str]) -> None:
    parser = Parser("longembed", _DESCRIPTION, _EXAMPLES)
    add = parser.add_argument
    add("-o", "--output", required=True, help="folder to write")
    add("--lengths", type=comma_list(int), metavar="N,...", help="in tokens (default: 256,512,...,32768)")
    add("--documents", type=int, default=100, metavar="N", help="of each length (default: 100)")
    add("--queries", type=int, default=50, metavar="N", help="of each length (default: 50)")
    add("--seed", type=int, default=0, help="default: 0")
    add("--haystack", metavar="FILE", help="prose for the needle task (default: the chapters of Python's help)")
    given = parser.parse_args(arguments)
    encoder = SentenceEncoder(given.model)
    options = longembed.LongEmbedOptions(given.lengths or longembed.LENGTHS, given.documents, given.queries, given.seed)
    haystack = _read(given.haystack) if given.haystack else None
    for folder in longembed.generate(
        given.output, lambda texts: encoder.token_counts(list(texts))[:, 0].tolist(), options, haystack
    ):
        print(folder)


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise NotFoundError(f"{path}: {error}", file=path) from error


def main(arguments: list[str]) -> int:
    """Runs the command; returns its exit code."""
    return guarded("longembed", _run, arguments)
