"""Threads, processes, event loops, Ctrl-C; and that nothing is printed."""

from __future__ import annotations

import asyncio
import concurrent.futures
import gc
import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import numpy as np
import pytest
import treble

MANY = 24
pytestmark = pytest.mark.filterwarnings("ignore::treble.TruncationWarning")


def run_python(code: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), *arguments],
        check=False,
        capture_output=True,
        text=True,
        timeout=120,
    )


def test_threads_share_an_encoder(encoder: treble.SentenceEncoder, corpus: list[str]) -> None:
    expected = encoder.encode(corpus)
    with concurrent.futures.ThreadPoolExecutor(MANY) as pool:
        single = list(pool.map(encoder.encode, corpus))
        parts = list(pool.map(lambda i: encoder.encode(corpus[i : i + 10]), range(0, len(corpus), 10)))
    np.testing.assert_allclose(np.stack(single), expected, rtol=0, atol=1e-6)
    np.testing.assert_allclose(np.concatenate(parts), expected, rtol=0, atol=1e-6)


def test_more_threads_than_the_queue_takes(encoder: treble.SentenceEncoder) -> None:
    """Never an OverloadedError for a plain call: what does not fit into the queue runs by itself."""
    texts = ["the cat " * 40] * 8
    expected = encoder.encode(texts)

    async def crowd() -> list[np.ndarray]:
        waiting = [asyncio.create_task(encoder.aencode(texts * 64)) for _ in range(7)]
        direct = await asyncio.gather(*(asyncio.to_thread(encoder.encode, texts) for _ in range(MANY)))
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        return direct

    for vectors in asyncio.run(crowd()):
        np.testing.assert_allclose(vectors, expected, rtol=0, atol=1e-6)


def test_other_threads_run_meanwhile(encoder: treble.SentenceEncoder, corpus: list[str]) -> None:
    ticks = 0
    done = threading.Event()

    def tick() -> None:
        nonlocal ticks
        while not done.is_set():
            ticks += 1
            time.sleep(0.0005)

    thread = threading.Thread(target=tick)
    thread.start()
    encoder.encode(corpus * 40)
    done.set()
    thread.join()
    assert ticks > 3


def test_pickle(encoder: treble.SentenceEncoder, golden: object, tmp_path: Path) -> None:
    path = os.path.relpath(encoder._path)
    original = treble.SentenceEncoder(
        path, temperature="log:8", threads=1, prompts={"q": "a "}, default_prompt_name="q", truncate_dim=16
    )
    original.max_seq_length = 32
    there = os.getcwd()
    os.chdir(tmp_path)
    try:
        again = pickle.loads(pickle.dumps(original))
    finally:
        os.chdir(there)
    assert again.max_seq_length == 32
    assert str(again.temperature) == "log:8"
    np.testing.assert_array_equal(again.encode("the cat and the dog"), original.encode("the cat and the dog"))


def test_spawned_workers(encoder: treble.SentenceEncoder) -> None:
    texts = ["the cat", "a dog"]
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        vectors = pool.map(encoder.encode, [texts])[0]
    np.testing.assert_array_equal(vectors, encoder.encode(texts))


def test_forked_child(encoder: treble.SentenceEncoder) -> None:
    """An encoder of the parent is a clear error there, one of its own works, and both processes end."""
    result = run_python(
        """
        import os, sys, numpy as np, treble
        encoder = treble.SentenceEncoder(sys.argv[1], threads=2)
        texts = ["the cat " * 12] * 50
        expected = encoder.encode(texts)
        child = os.fork()
        if child == 0:
            try:
                encoder.encode("a")
            except treble.UnsupportedError as error:
                assert "forked child" in str(error), error
            else:
                os._exit(3)
            own = treble.SentenceEncoder(sys.argv[1], threads=2)
            ok = np.array_equal(own.encode(texts), expected)
            del own, encoder
            sys.exit(0 if ok else 4)
        status = os.waitpid(child, 0)[1]
        assert np.array_equal(encoder.encode(texts), expected)
        sys.exit(os.waitstatus_to_exitcode(status))
        """,
        encoder._path,
    )
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def test_asyncio(encoder: treble.SentenceEncoder, corpus: list[str]) -> None:
    expected = encoder.encode(corpus)

    async def all_at_once() -> list[np.ndarray]:
        return await asyncio.gather(*(encoder.aencode(text) for text in corpus), encoder.aencode(corpus))

    *single, together = asyncio.run(all_at_once())
    np.testing.assert_allclose(np.stack(single), expected, rtol=0, atol=1e-6)
    np.testing.assert_allclose(together, expected, rtol=0, atol=1e-6)


def test_asyncio_errors_and_cancelling(encoder: treble.SentenceEncoder, corpus: list[str]) -> None:
    async def fail() -> None:
        await encoder.aencode(["a", "the cat " * 200], truncation="error")

    with pytest.raises(treble.TextTooLongError) as caught:
        asyncio.run(fail())
    assert caught.value.text_index == 1

    async def cancel() -> int:
        tasks = [asyncio.create_task(encoder.aencode(corpus)) for _ in range(8)]
        await asyncio.sleep(0)
        for task in tasks[1:]:
            task.cancel()
        results = await asyncio.gather(*tasks, return_exceptions=True)
        return sum(isinstance(result, asyncio.CancelledError) for result in results)

    assert asyncio.run(cancel()) == 7

    async def too_many() -> None:
        await encoder.aencode(["a"] * 5000)

    with pytest.raises(treble.InvalidArgumentError, match="5000"):
        asyncio.run(too_many())


@pytest.mark.parametrize("work", ["encode(texts)", "inspect(texts * 20, [0.8])", "sweep(texts * 20)"])
def test_interrupt(encoder: treble.SentenceEncoder, work: str) -> None:
    """SIGINT in the middle of long work is a KeyboardInterrupt, and the encoder goes on afterwards."""
    result = run_python(
        f"""
        import signal, sys, threading, time, warnings, os, treble
        encoder = treble.SentenceEncoder(sys.argv[1], threads=2)
        texts = [" ".join(["the", "cat", "dog"] * 15 + [str(i)]) for i in range(60000)]
        threading.Timer(0.3, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
        start = time.monotonic()
        try:
            encoder.{work}
        except KeyboardInterrupt:
            pass
        else:
            sys.exit(3)
        assert encoder.encode("a").shape == (32,)
        """,
        encoder._path,
    )
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def test_nothing_is_printed(encoder: treble.SentenceEncoder) -> None:
    """Neither at errors nor at the end of the interpreter, with objects alive."""
    result = run_python(
        """
        import asyncio, sys, threading, treble
        encoder = treble.SentenceEncoder(sys.argv[1])
        try:
            encoder.encode(["a", "b" * 9, "the cat " * 90], truncation="error")
        except treble.TextTooLongError:
            pass
        for wrong in ("/nowhere", __file__ if "__file__" in globals() else sys.argv[0]):
            try:
                treble.SentenceEncoder(wrong)
            except treble.Error:
                pass
        asyncio.run(encoder.aencode("a"))

        async def leave() -> None:
            for _ in range(50):
                asyncio.ensure_future(encoder.aencode(["a"] * 50))
            await asyncio.sleep(0)

        asyncio.run(leave())
        kept = [encoder, encoder.temperature, encoder._options(), encoder.encode("a")]
        """,
        encoder._path,
    )
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")


def test_encoders_come_and_go(encoder: treble.SentenceEncoder) -> None:
    """32 of them, each used in every way: no thread stays, no memory grows."""

    def use() -> None:
        one = treble.SentenceEncoder(encoder._path, threads=2)
        one.encode(["the cat"] * 8)
        asyncio.run(one.aencode("the cat"))

    def threads() -> int:
        return len(os.listdir("/proc/self/task"))

    def resident() -> int:
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")

    for _ in range(8):
        use()
    gc.collect()
    before, memory = threads(), resident()
    for _ in range(32):
        use()
    gc.collect()
    assert threads() <= before
    assert resident() - memory < 8 << 20


def test_signal_handlers_stay(encoder: treble.SentenceEncoder) -> None:
    before = signal.getsignal(signal.SIGINT)
    encoder.encode(["the cat"] * 100)
    assert signal.getsignal(signal.SIGINT) is before
