"""Encoding what does not fit in memory, what others submit too, and columns of Arrow."""

from __future__ import annotations

import asyncio
import atexit
import weakref
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from treble import _treble
from treble._model import Truncation
from treble._state import StateLike
from treble._temperature import TemperatureLike
from treble.encoding import EncodeMethods, cut_dimensions
from treble.errors import InvalidArgumentError

if TYPE_CHECKING:
    from treble._treble import EncodeOptions


# Encoders whose queue has threads that deliver: they must not wait for an interpreter that is going away.
_QUEUES: weakref.WeakSet[StreamMethods] = weakref.WeakSet()


@atexit.register
def _close_queues() -> None:
    for encoder in list(_QUEUES):
        _treble.close_queue(encoder._encoder)


class StreamMethods(EncodeMethods):
    """Other ways to encode."""

    def encode_stream(
        self, texts: Iterable[str], chunk: int = 4096, **options: Any
    ) -> Iterator[npt.NDArray[np.float32]]:
        """Vectors of any number of texts in bounded memory: yields [chunk, dim] after every `chunk` texts.

        options: as `encode` has them.
        """
        if chunk < 1:
            raise InvalidArgumentError(f"chunk must be at least 1, got {chunk}")
        left = iter(texts)
        while part := list(islice(left, chunk)):
            yield self.encode(part, **options)

    def encode_arrow(self, column: Any, **options: Any) -> Any:
        """An Arrow FixedSizeList<float32> array, a row for each text, over the vectors' own memory.

        column: of strings, of pyarrow, Polars, pandas, or whatever speaks Arrow's PyCapsule interface; its texts are
        read where they are. options: as `encode` has them. Needs pyarrow.
        """
        import pyarrow as pa  # noqa: PLC0415 - optional

        vectors = self.encode(column, **options)
        if vectors.ndim != 2:
            raise InvalidArgumentError("encode_arrow takes a column of texts, not one text")
        return pa.FixedSizeListArray.from_arrays(pa.array(vectors.reshape(-1)), vectors.shape[1])

    async def aencode(
        self,
        inputs: str | Iterable[str],
        *,
        prompt_name: str | None = None,
        prompt: str | None = None,
        temperature: TemperatureLike = None,
        state: StateLike = None,
        truncation: Truncation | None = None,
        max_length: int | None = None,
        normalize_embeddings: bool = False,
        truncate_dim: int | None = None,
    ) -> npt.NDArray[np.float32]:
        """As `encode`, for servers: requests of many tasks are put into common batches, and the event loop goes on.

        Vectors are within 1e-6 of those of `encode`. Cancelling the task takes the request back. Raises
        treble.OverloadedError when more waits than the queue holds (4096 texts).
        """
        keep = self.truncate_dim if truncate_dim is None else truncate_dim
        options = self._options(
            temperature=temperature,
            state=state,
            prompt_name=prompt_name,
            prompt=prompt,
            truncation=truncation,
            max_length=max_length,
            normalize=True if normalize_embeddings else None,
            dimensions=self._engine_dimensions(keep, normalize_embeddings),
        )
        vectors, counts = await self._submitted(inputs, options)
        self._warn_of_truncation(counts)
        return cut_dimensions(vectors, keep)

    async def _submitted(self, inputs: Any, options: EncodeOptions) -> tuple[Any, Any]:
        loop = asyncio.get_running_loop()
        future: asyncio.Future[tuple[Any, Any]] = loop.create_future()

        def settle(vectors: Any, counts: Any, error: BaseException | None) -> None:
            if future.done():
                return
            if error is None:
                future.set_result((vectors, counts))
            else:
                future.set_exception(error)

        def done(vectors: Any, counts: Any, error: BaseException | None) -> None:
            if not loop.is_closed():
                loop.call_soon_threadsafe(settle, vectors, counts, error)

        _QUEUES.add(self)
        ticket = _treble.submit(self._encoder, inputs, options, done)
        try:
            return await future
        except asyncio.CancelledError:
            ticket.cancel()
            raise
