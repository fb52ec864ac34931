"""What all adapters share: options that reach the encoder and can be written down, and errors that say the way out."""

from __future__ import annotations

import inspect
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import treble
from treble._adapter import AdapterOptions, Embedder, EncoderOptions, encoder_arguments

PACKAGES = {
    "langchain": "langchain_core",
    "llama_index": "llama_index",
    "haystack": "haystack",
    "chroma": "chromadb",
    "bertopic": "bertopic",
    "keybert": "keybert",
    "txtai": "txtai",
}
ALL_OPTIONS = {
    "temperature": "log:64",
    "dtype": "bfloat16",
    "threads": 1,
    "max_length": 300,
    "extend": "interpolate-long",
    "temper_position_bias": False,
    "truncation": "start",
    "special_tokens_as_text": True,
    "prompts": {"query": "q: ", "document": "d: "},
    "default_prompt_name": "query",
    "similarity_fn_name": "dot",
    "truncate_dim": 128,
    "query_prompt": "ask: ",
    "document_prompt": "",
    "normalize_embeddings": True,
}


@pytest.mark.parametrize(("module", "package"), PACKAGES.items())
def test_a_missing_package_is_named_with_the_extra_to_install(module: str, package: str) -> None:
    program = f"import sys; sys.modules[{package!r}] = None; import treble.{module}"
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert run.returncode == 1
    last = run.stderr.strip().splitlines()[-1]
    assert last.startswith(f"ImportError: treble.{module} needs ")
    assert last.endswith(f"pip install 'treble[{module.replace('_', '-')}]'")


def test_the_options_of_adapters_are_those_of_the_encoder() -> None:
    parameters = inspect.signature(treble.SentenceEncoder.__init__).parameters.keys()
    assert EncoderOptions.__annotations__.keys() == parameters - {"self", "model_name_or_path"}
    # device has one value, the default; state is refused by this model and tested with one that has a state
    # (../test_state.py); the model here has no LoRA adapter and no tasks; all others are written down.
    assert AdapterOptions.__annotations__.keys() - {"device", "adapter", "task", "state"} == ALL_OPTIONS.keys()


@pytest.mark.filterwarnings("ignore::treble.TrebleWarning")
def test_every_option_reaches_the_encoder_and_is_written_down(model_path: str, texts: list[str]) -> None:
    embedder = Embedder(model_path, device="cpu", **ALL_OPTIONS)
    written = json.loads(json.dumps(embedder.to_dict()))
    assert written == {"model": model_path, **ALL_OPTIONS}
    again = Embedder(**written)
    np.testing.assert_array_equal(again.documents(texts), embedder.documents(texts))
    np.testing.assert_array_equal(again.queries(texts), embedder.queries(texts))
    options = {name: value for name, value in ALL_OPTIONS.items() if name in EncoderOptions.__annotations__}
    direct = treble.SentenceEncoder(model_path, **options)
    expected = direct.encode(texts, prompt="ask: ", normalize_embeddings=True)
    np.testing.assert_array_equal(embedder.queries(texts), expected)
    np.testing.assert_array_equal(embedder.documents(texts), direct.encode(texts, prompt="", normalize_embeddings=True))
    assert not np.array_equal(embedder.documents(texts), expected)


def test_defaults_are_left_out(model_path: str) -> None:
    assert Embedder(model_path).to_dict() == {"model": model_path}


def test_prompts_are_the_models_own_unless_given(model_path: str, texts: list[str]) -> None:
    embedder = Embedder(model_path, prompts={"query": "query: ", "passage": "passage: "})
    plain = Embedder(model_path)
    np.testing.assert_array_equal(embedder.queries(texts), plain.queries([f"query: {text}" for text in texts]))
    np.testing.assert_array_equal(embedder.documents(texts), plain.documents([f"passage: {text}" for text in texts]))


def test_changes_made_to_an_encoder_are_written_down(model_path: str) -> None:
    encoder = treble.SentenceEncoder(model_path)
    encoder.temperature = 0.7
    encoder.max_seq_length = 64
    encoder.prompts["query"] = "q: "
    expected = {"model": model_path, "temperature": "0.7", "max_length": 64, "prompts": {"query": "q: "}}
    assert encoder_arguments(encoder) == expected


def test_an_encoder_is_shared_and_takes_no_further_options(encoder: treble.SentenceEncoder) -> None:
    assert Embedder(encoder, query_prompt="q: ").encoder is encoder
    with pytest.raises(treble.InvalidArgumentError, match="temperature: the model is loaded already"):
        Embedder(encoder, temperature=0.8)


def test_what_no_arguments_can_say_is_refused(model_path: str, tmp_path: Path) -> None:
    with pytest.warns(treble.TrebleWarning):
        extended = treble.SentenceEncoder(model_path, max_length=1024, extend="interpolate")
    extended.max_seq_length = 600
    with pytest.raises(treble.InvalidArgumentError, match="max_seq_length was set to 600"):
        encoder_arguments(extended)


@pytest.mark.parametrize(
    ("arguments", "kind", "message"),
    [
        (("no-such-model",), treble.NotFoundError, "no-such-model"),
        (("MODEL", {"temperature": -1.0}), treble.InvalidArgumentError, "-1"),
        (("MODEL", {"dtype": "float8"}), treble.Error, "float8"),
        (("MODEL", {"tempreature": 0.8}), TypeError, "tempreature"),
    ],
)
def test_errors_are_trebles_own(model_path: str, arguments: tuple, kind: type[Exception], message: str) -> None:
    path, options = arguments[0].replace("MODEL", model_path), arguments[1] if len(arguments) > 1 else {}
    with pytest.raises(kind, match=message):
        Embedder(path, **options)
