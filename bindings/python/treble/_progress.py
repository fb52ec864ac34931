"""tqdm, when it is asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

Report = Callable[[str, int, int], None]


@contextmanager
def progress_bar(show: bool | None, unit: str = "text") -> Iterator[Report | None]:
    """Yields what reports (stage, done, total) to a bar, or None where none is to be shown."""
    if not show:
        yield None
        return
    try:
        from tqdm.auto import tqdm  # noqa: PLC0415 - optional
    except ImportError as error:
        raise ImportError("a progress bar needs tqdm: pip install tqdm") from error
    bars: dict[str, Any] = {}

    def report(stage: str, done: int, total: int) -> None:
        if stage not in bars:
            bars[stage] = tqdm(total=total or None, desc=stage, unit=unit)
        bars[stage].update(done - bars[stage].n)

    try:
        yield report
    finally:
        for bar in bars.values():
            bar.close()
