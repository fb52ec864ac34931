"""Control of the state of a tiny Mamba-2 model, from Python."""

from __future__ import annotations

import pickle
import sys
from pathlib import Path

import numpy as np
import pytest
import treble
from golden_models import ROOT
from treble._adapter import Embedder, load_encoder
from treble._settings import EncoderSettings

sys.path.insert(0, str(ROOT / "tests"))
import tiny_mamba2

LONG = tiny_mamba2.text(90)
SHORT = tiny_mamba2.text(6)
CONTROLS = ("rri:0.999,0.75", "window:16", "norm:0.05")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_mamba2.make_model(tmp_path_factory.mktemp("models") / "tiny-mamba2")


@pytest.fixture(scope="module")
def mamba(folder: Path) -> treble.SentenceEncoder:
    return treble.SentenceEncoder(folder, threads=2)


def test_controls_as_values() -> None:
    window = treble.StateControl.parse("window:16")
    assert (str(window), repr(window), window.is_identity) == ("window:16", "StateControl('window:16')", False)
    assert window == treble.StateControl.parse("window:16") != treble.StateControl.parse("window:17")
    assert pickle.loads(pickle.dumps(window)) == window
    assert len({window, treble.StateControl.parse("window:16"), treble.StateControl.identity()}) == 2
    assert treble.StateControl.parse("rri:1,1").is_identity
    with pytest.raises(treble.InvalidArgumentError, match="window:R"):
        treble.StateControl.parse("window")


def test_a_call_has_its_own_or_the_encoders(folder: Path, mamba: treble.SentenceEncoder) -> None:
    plain = mamba.encode([SHORT, LONG])
    assert mamba.state.is_identity
    for state in CONTROLS:
        held = mamba.encode([SHORT, LONG], state=state)
        assert not np.allclose(held[1], plain[1], atol=1e-4), state
        encoder = treble.SentenceEncoder(folder, state=state)
        np.testing.assert_array_equal(encoder.encode([SHORT, LONG]), held)
        np.testing.assert_array_equal(encoder.encode([SHORT, LONG], state="none"), plain)
        assert f"state='{state}'" in repr(encoder)
    for state in ("none", "rri:1,1", "norm:inf", "window:90", treble.StateControl.identity()):
        np.testing.assert_array_equal(mamba.encode([SHORT, LONG], state=state), plain)
    np.testing.assert_array_equal(mamba.encode(SHORT, state="window:16"), plain[0])


def test_every_way_to_encode_takes_it(mamba: treble.SentenceEncoder) -> None:
    held = mamba.encode([LONG], state="window:16")
    np.testing.assert_array_equal(mamba.encode_query([LONG], state="window:16"), held)
    np.testing.assert_array_equal(mamba.encode_with_info([LONG], state="window:16").embeddings, held)
    np.testing.assert_array_equal(np.concatenate(list(mamba.encode_stream([LONG], state="window:16"))), held)
    pieces = mamba.encode_chunked([LONG], "chunk-mean:32", state="window:16")
    assert not np.allclose(pieces, mamba.encode_chunked([LONG], "chunk-mean:32"), atol=1e-4)
    tokens = mamba.encode(LONG, output_value="token_embeddings", state="window:16")
    np.testing.assert_allclose(tokens[-1] / np.linalg.norm(tokens[-1]), held[0], atol=1e-6)


def test_it_may_be_set_and_is_pickled(folder: Path) -> None:
    encoder = treble.SentenceEncoder(folder, state="window:16")
    held = encoder.encode(LONG)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(encoder)).encode(LONG), held)
    encoder.state = None
    assert encoder.state.is_identity
    encoder.state = "window:16"
    np.testing.assert_array_equal(encoder.encode(LONG), held)
    with pytest.raises(TypeError, match="a control of the state is a text"):
        encoder.state = 16  # type: ignore[assignment]
    assert str(encoder.state) == "window:16"


def test_norms_of_heads(folder: Path, mamba: treble.SentenceEncoder, tmp_path: Path) -> None:
    path = tiny_mamba2.write_norms(tmp_path / "norms.json", 0.05)
    norms = treble.StateNorms.read(path)
    assert norms.max_norms == [[0.05] * 4] * 2
    norms.write(tmp_path / "again.json")
    assert (tmp_path / "again.json").read_text() == norms.to_json()
    expected = mamba.encode(LONG, state="norm:0.05")
    for state in (norms, path, f"norm:{path}", treble.StateControl.from_norms(norms)):
        np.testing.assert_array_equal(mamba.encode(LONG, state=state), expected)
    encoder = treble.SentenceEncoder(folder, state=norms)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(encoder)).encode(LONG), expected)
    with pytest.raises(treble.InvalidArgumentError, match="in no file cannot be written down"):
        Embedder(encoder).to_dict()
    assert Embedder(load_encoder(folder, state=path)).to_dict()["state"] == f"norm:{path}"


def test_adapters_and_workers_forward_it(folder: Path, mamba: treble.SentenceEncoder) -> None:
    expected = mamba.encode([LONG], state="window:16")
    embedder = Embedder(folder, state="window:16")
    np.testing.assert_array_equal(embedder.documents([LONG]), expected)
    assert embedder.to_dict() == {"model": str(folder), "state": "window:16"}
    settings = EncoderSettings.of(folder, 1, {"state": "window:16"})
    encoder = settings.load()
    np.testing.assert_allclose(settings.encode(encoder, [LONG]).embeddings, expected, atol=1e-6)
    provenance = settings.provenance(encoder)
    assert (provenance["state"], provenance["state_canonical"]) == ("window:16", "window:16")


def test_what_has_no_state_or_no_attention_refuses(
    encoder: treble.SentenceEncoder, mamba: treble.SentenceEncoder
) -> None:
    with pytest.raises(treble.UnsupportedError, match="has no state"):
        encoder.encode("the ferry", state="window:16")
    with pytest.raises(treble.UnsupportedError, match="has no state"):
        encoder.state = "window:16"
    with pytest.raises(treble.UnsupportedError, match="no attention layer"):
        mamba.encode(SHORT, temperature=0.8)
    with pytest.raises(treble.UnsupportedError, match="no attention layer"):
        mamba.calibrate([LONG] * 4, lengths=[8, 16], reference_length=8)
    with pytest.raises(treble.UnsupportedError, match="has no attention"):
        mamba.bake("never-made", 0.8)


def test_info_has_the_sizes(encoder: treble.SentenceEncoder, mamba: treble.SentenceEncoder) -> None:
    sizes = ("state_layers", "state_head_dim", "state_size", "tempered_layers")
    assert [mamba.info[name] for name in sizes] == [2, 8, 16, 0]
    assert [encoder.info[name] for name in sizes[:3]] == [0, 0, 0]


def test_sweep_and_inspect(mamba: treble.SentenceEncoder) -> None:
    texts = [tiny_mamba2.text(40 + i, first=3 * i) for i in range(40)]
    report = mamba.sweep(texts, states=["window:8"], posts=(), bootstrap=100, deals=1)
    assert [one["name"] for one in report["settings"]] == ["none", "window:8"]
    one = mamba.sweep(texts, states="window:8", posts=(), bootstrap=100, deals=1)
    assert one["settings"] == report["settings"]
    seen = mamba.inspect(texts, sample=20, bootstrap=10, cut_lengths=[8, 16], bucket_edges=[50, 100])
    assert seen["attention"] == []
    assert len(seen["tokens"]) == 6


def test_fit_belongs_to_its_control(mamba: treble.SentenceEncoder) -> None:
    texts = [tiny_mamba2.text(20 + i, first=5 * i) for i in range(30)]
    plain = mamba.fit(texts, "centring")
    held = mamba.fit(texts, "centring", state="window:8")
    vectors = mamba.encode(texts)
    assert not np.allclose(plain.apply(vectors), held.apply(vectors), atol=1e-4)
