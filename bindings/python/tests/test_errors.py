"""Each error has its class, and says what it is about."""

from __future__ import annotations

import builtins
import pickle
from pathlib import Path

import pytest
import treble
from treble import _treble, errors


def test_classes_follow_the_error_table() -> None:
    table = _treble.error_table()
    assert {code for code, _ in table} == set(errors._BY_CODE)
    for code, builtin in table:
        raised = errors._from_native(code, "what happened", 3, "a/file")
        assert isinstance(raised, treble.Error)
        assert isinstance(raised, getattr(builtins, builtin)), code
        assert (raised.code, str(raised), raised.text_index, raised.file) == (code, "what happened", 3, "a/file")
        assert getattr(treble, type(raised).__name__) is type(raised)


def test_errors_survive_pickling() -> None:
    for code in errors._BY_CODE:
        again = pickle.loads(pickle.dumps(errors._from_native(code, "what happened", 7, None)))
        assert (again.code, str(again), again.text_index, again.file) == (code, "what happened", 7, None)


def test_no_model(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere"):
        treble.SentenceEncoder(tmp_path / "nowhere")
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(treble.Error, match=r"config\.json") as caught:
        treble.SentenceEncoder(tmp_path)
    assert isinstance(caught.value, (ValueError, FileNotFoundError))


def test_options_out_of_range(encoder: treble.SentenceEncoder) -> None:
    path = encoder._path
    for options in ({"dtype": "float8"}, {"extend": "stretch"}, {"threads": -1}, {"max_length": 10**9}):
        with pytest.raises(treble.InvalidArgumentError):
            treble.SentenceEncoder(path, **options)  # type: ignore[arg-type]
    with pytest.raises(treble.UnsupportedError, match="cuda"):
        treble.SentenceEncoder(path, device="cuda")


@pytest.mark.parametrize("texts", [3, None, b"bytes", {"a": 1}, {"a"}, object()])
def test_not_texts(encoder: treble.SentenceEncoder, texts: object) -> None:
    with pytest.raises(TypeError, match="sequence of str"):
        encoder.encode(texts)  # type: ignore[arg-type]


def test_the_text_to_blame(encoder: treble.SentenceEncoder) -> None:
    with pytest.raises(TypeError, match="text 1 is of type float"):
        encoder.encode(["a", float("nan")])  # type: ignore[list-item]
    for method in (encoder.encode, encoder.token_counts, encoder.tokenize):
        with pytest.raises(treble.InvalidArgumentError, match=r"text 2.*surrogate") as caught:
            method(["a", "b", "\ud800"])
        assert caught.value.text_index == 2
    long = "the cat " * 200
    with pytest.raises(treble.TextTooLongError, match="text 1") as late:
        encoder.encode(["a", long], output_value="token_embeddings", truncation="error")
    assert late.value.text_index == 1


def test_warnings_of_the_model_are_warnings(encoder: treble.SentenceEncoder) -> None:
    with pytest.warns(treble.TrebleWarning, match="no effect"):
        treble.SentenceEncoder(encoder._path, extend="interpolate")
    with pytest.warns(treble.TrebleWarning, match="interpolate-long"):
        treble.SentenceEncoder(encoder._path, extend="interpolate", max_length=256)
