"""A folder for output that is there whole or not at all."""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import NOT_FOUND, WRONG_USE, ConvertError


@contextmanager
def new_folder(target: Path, source: Path, *, force: bool) -> Iterator[Path]:
    """A folder that takes its name when everything in it is written; ConvertError where it cannot have it."""
    inner, outer = target.resolve(), source.resolve()
    if inner == outer or (outer.is_dir() and outer in inner.parents) or inner in outer.parents:
        raise ConvertError(f"{target}: the output must lie outside of {source}, and the other way round", WRONG_USE)
    there = target.exists() or target.is_symlink()
    if there and not force:
        raise ConvertError(f"{target}: exists already; name another folder, or use --force", WRONG_USE)
    # A slip of the hand must not cost anybody a folder of something else.
    if there and (
        target.is_symlink() or not any((target / name).is_file() for name in ("config.json", "modules.json"))
    ):
        raise ConvertError(f"{target}: not the folder of a model, so it is not replaced; remove it yourself", WRONG_USE)
    if not inner.parent.is_dir():
        raise ConvertError(f"{target}: there is no folder {inner.parent}", NOT_FOUND)
    staged = inner.with_name(f".{inner.name}.converting-{os.getpid()}")
    staged.mkdir()
    try:
        yield staged
        if there:
            old = staged.with_name(f"{staged.name}.old")
            os.rename(inner, old)
            os.rename(staged, inner)
            shutil.rmtree(old)
        else:
            os.rename(staged, inner)
    except BaseException:
        with contextlib.suppress(OSError):
            shutil.rmtree(staged)
        raise
