"""encode() and its parameters, against what sentence-transformers stored."""

from __future__ import annotations

import asyncio
import json
import re
import shutil
import sys
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import treble
from golden_models import GOLDEN, ROOT, Golden, read_safetensors

TOLERANCE = 1e-5
# Texts of the golden cases are longer than the tiny models read.
pytestmark = pytest.mark.filterwarnings("ignore::treble.TruncationWarning")


@pytest.mark.parametrize("family", ["bert", "mpnet", "modernbert", "qwen3", "t5"])
def test_equals_sentence_transformers(family: str) -> None:
    golden = Golden(family)
    encoder = treble.SentenceEncoder(golden.path)
    taus = [
        name.split("/")[0].removeprefix("tau=") for name in golden.expected if re.fullmatch("tau=[^/]*/pooled", name)
    ]
    assert len(taus) >= 2
    for tau in taus:
        vectors = encoder.encode(golden.texts, temperature=tau)
        assert vectors.dtype == np.float32
        np.testing.assert_allclose(vectors, golden.expected[f"tau={tau}/pooled"], rtol=0, atol=TOLERANCE)


def test_int8_layers_are_kept_between_starts(tmp_path: Path) -> None:
    golden = Golden("bert")
    plain = treble.SentenceEncoder(golden.path, dtype="int8")
    first, second = (treble.SentenceEncoder(golden.path, dtype="int8", cache=tmp_path / "kept") for _ in range(2))
    (file,) = (tmp_path / "kept").iterdir()
    assert [one.info["prepared_from"] for one in (plain, first, second)] == ["", "", str(file)]
    for encoder in (first, second):
        np.testing.assert_array_equal(encoder.encode(golden.texts), plain.encode(golden.texts), strict=True)


def test_an_adapter_equals_peft() -> None:
    folder = GOLDEN / "adapters/bert-all-biases"
    expected = read_safetensors(folder / "expected.safetensors")
    with pytest.warns(treble.TrebleWarning, match="trained on tiny/bert"):
        encoder = treble.SentenceEncoder(Golden("bert").path, adapter=folder / "adapter")
    assert encoder.info["adapter"] == str(folder / "adapter")
    for tau in ("1", "0.7"):
        vectors = encoder.encode(Golden("bert").texts, temperature=tau)
        np.testing.assert_allclose(vectors, expected[f"tau={tau}/pooled"], rtol=0, atol=TOLERANCE)
    with pytest.raises(treble.InvalidArgumentError, match="no adapters for tasks"):
        treble.SentenceEncoder(Golden("bert").path, task="retrieval")


@pytest.mark.parametrize("name", ["all-MiniLM-L6-v2", "bge-small-en-v1.5", "e5-small-v2", "all-mpnet-base-v2"])
def test_real_model_equals_sentence_transformers(name: str) -> None:
    folder = ROOT / "models" / name
    if not folder.exists():
        pytest.skip(f"models/{name} is not here; tools/fetch_model.py {name} brings it")
    texts = json.loads((ROOT / "tests/reference/texts.json").read_text())["texts"]
    expected = read_safetensors(ROOT / f"tests/reference/{name}.safetensors")["embeddings"]
    # A slice: the C++ tests compare all of it.
    np.testing.assert_allclose(treble.SentenceEncoder(folder).encode(texts[:60]), expected[:60], rtol=0, atol=TOLERANCE)


def test_one_text_is_one_vector(encoder: treble.SentenceEncoder, golden: Golden) -> None:
    one = encoder.encode(golden.texts[0])
    assert one.shape == (encoder.get_embedding_dimension(),)
    np.testing.assert_allclose(one, encoder.encode(golden.texts)[0], rtol=0, atol=1e-6)


def test_no_texts(encoder: treble.SentenceEncoder) -> None:
    assert encoder.encode([]).shape == (0, 32)
    assert encoder.encode_with_info([]).tokens.shape == (0,)


@pytest.mark.parametrize("make", [tuple, iter, np.array, lambda texts: (text for text in texts)])
def test_any_iterable_of_texts(encoder: treble.SentenceEncoder, make: object) -> None:
    texts = ["the cat", "a dog", "é 😀"]
    np.testing.assert_array_equal(encoder.encode(make(texts)), encoder.encode(texts))  # type: ignore[operator]


def test_memory_is_the_arrays_own(encoder: treble.SentenceEncoder) -> None:
    vectors = encoder.encode(["a", "b"])
    assert vectors.flags.writeable
    assert vectors.flags.c_contiguous
    assert not vectors.flags.owndata, "the engine wrote into it; NumPy copied nothing"


def test_normalize_and_truncate_dim(tmp_path: object) -> None:
    # The golden model ends in Normalize; a prompt case of pooling/ does not.
    encoder = treble.SentenceEncoder(GOLDEN / "bert/model")
    full = encoder.encode(["the cat", "a dog"])
    np.testing.assert_allclose(np.linalg.norm(full, axis=1), 1, atol=1e-6)
    cut = encoder.encode(["the cat", "a dog"], truncate_dim=8)
    np.testing.assert_array_equal(cut, full[:, :8])
    unit = encoder.encode(["the cat", "a dog"], truncate_dim=8, normalize_embeddings=True)
    np.testing.assert_allclose(unit, cut / np.linalg.norm(cut, axis=1, keepdims=True), rtol=0, atol=1e-6)
    with pytest.raises(treble.InvalidArgumentError, match="99"):
        encoder.encode("the cat", truncate_dim=99)
    short = treble.SentenceEncoder(GOLDEN / "bert/model", truncate_dim=8)
    assert short.get_embedding_dimension() == short.get_sentence_embedding_dimension() == 8
    np.testing.assert_array_equal(short.encode(["the cat", "a dog"]), cut)


def without_normalize(folder: Path, scratch: Path) -> Path:
    """The model with vectors as pooling leaves them."""
    copied = Path(shutil.copytree(folder, scratch / "raw"))
    modules = json.loads((copied / "modules.json").read_text())
    kept = [module for module in modules if not module["type"].endswith("Normalize")]
    assert len(kept) < len(modules)
    (copied / "modules.json").write_text(json.dumps(kept))
    return copied


@pytest.mark.parametrize("normalizes", [True, False])
@pytest.mark.parametrize("normalize", [True, False])
def test_all_ways_to_encode_cut_alike(normalizes: bool, normalize: bool, tmp_path: Path) -> None:
    """As sentence-transformers: what the model gives is cut, and has length 1 after that only when asked for."""
    folder = GOLDEN / "bert/model"
    encoder = treble.SentenceEncoder(folder if normalizes else without_normalize(folder, tmp_path))
    texts = ["the cat", "a dog and the cat", "a"]
    expected = encoder.encode(texts)[:, :8]
    if normalize:
        expected = expected / np.linalg.norm(expected, axis=1, keepdims=True)
    short = treble.SentenceEncoder(encoder.info["path"], truncate_dim=8)
    for one, keep in ((encoder, 8), (short, None), (short, 8)):
        options = {"truncate_dim": keep, "normalize_embeddings": normalize}
        results = [
            one.encode(texts, **options),
            one.encode_with_info(texts, **options).embeddings,
            one.encode_chunked(texts, **options),
            asyncio.run(one.aencode(texts, **options)),
            np.concatenate(list(one.encode_stream(texts, **options))),
            np.stack([one.encode_with_info(text, **options).embeddings for text in texts]),
        ]
        for vectors in results:
            np.testing.assert_allclose(vectors, expected, rtol=0, atol=1e-6)
            assert vectors.flags.c_contiguous
        whole = one.encode(texts, output_value=None, **options)
        # Its vectors are the model's own, whether or not they are to be normalized.
        np.testing.assert_allclose(whole[1]["sentence_embedding"], encoder.encode(texts[1])[:8], rtol=0, atol=1e-6)
    for call in (encoder.encode_with_info, encoder.encode_chunked):
        with pytest.raises(treble.InvalidArgumentError, match="99"):
            call(texts, truncate_dim=99, normalize_embeddings=normalize)


def test_prompts(encoder: treble.SentenceEncoder) -> None:
    prompted = treble.SentenceEncoder(
        GOLDEN / "bert/model", prompts={"query": "a dog ", "passage": "the "}, default_prompt_name="passage"
    )
    plain = encoder.encode(["a dog cat", "the cat", "cat"])
    np.testing.assert_array_equal(prompted.encode("cat", prompt_name="query"), plain[0])
    np.testing.assert_array_equal(prompted.encode_query("cat"), plain[0])
    np.testing.assert_array_equal(prompted.encode_document("cat"), plain[1])
    np.testing.assert_array_equal(prompted.encode("cat"), plain[1])
    np.testing.assert_array_equal(prompted.encode("cat", prompt=""), plain[2])
    np.testing.assert_array_equal(prompted.encode("cat", prompt="a dog ", prompt_name="passage"), plain[0])
    np.testing.assert_array_equal(encoder.encode_query("cat"), plain[2])
    with pytest.raises(treble.InvalidArgumentError, match=r"'mail'.*'query', 'passage'"):
        prompted.encode("cat", prompt_name="mail")


@pytest.mark.parametrize("precision", ["int8", "uint8", "binary", "ubinary"])
def test_precision(encoder: treble.SentenceEncoder, corpus: list[str], precision: str) -> None:
    vectors = encoder.encode(corpus)
    packed = encoder.encode(corpus, precision=precision)  # type: ignore[arg-type]
    if precision.endswith("binary"):
        bits = np.unpackbits((packed.astype(np.int16) + (128 if precision == "binary" else 0)).astype(np.uint8), axis=1)
        np.testing.assert_array_equal(bits, vectors > 0)
        assert packed.shape == (len(corpus), 4)
        return
    low, high = vectors.min(axis=0), vectors.max(axis=0)
    restored = (packed.astype(np.float32) + (128 if precision == "int8" else 0) + 0.5) * (high - low) / 255 + low
    assert np.abs(restored - vectors).max() <= ((high - low) / 255).max()
    assert packed.dtype == np.dtype(precision)


def test_float16(encoder: treble.SentenceEncoder, corpus: list[str]) -> None:
    np.testing.assert_array_equal(
        encoder.encode(corpus, precision="float16"), encoder.encode(corpus).astype(np.float16), strict=True
    )


def test_precision_of_few(encoder: treble.SentenceEncoder) -> None:
    with pytest.raises(treble.InvalidArgumentError, match="ranges"):
        encoder.encode("the cat", precision="int8")
    with pytest.warns(treble.TrebleWarning, match="3 vectors"):
        encoder.encode(["a", "b", "c"], precision="uint8")
    with pytest.raises(treble.InvalidArgumentError, match="int7"):
        encoder.encode("the cat", precision="int7")  # type: ignore[arg-type]
    ranges = np.array([[-1.0] * 32, [1.0] * 32])
    one = treble.quantize_embeddings(encoder.encode(["the cat"]), "int8", ranges=ranges)
    assert one.shape == (1, 32)
    np.testing.assert_array_equal(encoder.encode("the cat", precision="int8", ranges=ranges), one[0], strict=True)
    np.testing.assert_array_equal(encoder.encode(["the cat"], precision="int8", ranges=ranges), one, strict=True)


def as_sentence_transformers(vectors: Any, precision: str, ranges: Any) -> Any:
    """The formulas of its quantize_embeddings."""
    if precision.endswith("binary"):
        packed = np.packbits(vectors > 0, axis=-1)
        return packed if precision == "ubinary" else (packed.astype(np.int16) - 128).astype(np.int8)
    steps = (ranges[1] - ranges[0]) / 255
    levels = np.clip(np.floor((vectors - ranges[0]) / np.where(steps == 0, 1, steps)), 0, 255)
    return levels.astype(np.uint8) if precision == "uint8" else (levels - 128).astype(np.int8)


@pytest.mark.parametrize("precision", ["int8", "uint8", "binary", "ubinary"])
def test_quantize_drawn_at_random(precision: Any) -> None:
    generator = np.random.default_rng(25)
    for _ in range(100):
        vectors = generator.normal(size=generator.integers(1, 40, 2)).astype(np.float32)
        vectors[:, generator.random(vectors.shape[1]) < 0.1] = 0.5
        ranges = np.quantile(vectors, [0.2, 0.8], axis=0).astype(np.float32)
        given = ranges if precision.endswith("int8") else None
        found = treble.quantize_embeddings(vectors, precision, ranges=given)
        np.testing.assert_array_equal(found, as_sentence_transformers(vectors, precision, ranges), strict=True)
        if len(vectors) > 1 and given is not None:
            calibrated = treble.quantize_embeddings(
                vectors[:1], precision, calibration_embeddings=np.tile(vectors, (100, 1))
            )
            own = np.stack([vectors.min(axis=0), vectors.max(axis=0)])
            np.testing.assert_array_equal(
                calibrated, as_sentence_transformers(vectors[:1], precision, own), strict=True
            )


def test_quantize_shapes() -> None:
    vectors = np.linspace(-1, 1, 48, dtype=np.float64).reshape(4, 12)
    ranges = np.array([[-1] * 12, [1] * 12])
    whole = treble.quantize_embeddings(vectors, "int8", ranges=ranges)
    np.testing.assert_array_equal(treble.quantize_embeddings(vectors[0], "int8", ranges=ranges), whole[0])
    np.testing.assert_array_equal(treble.quantize_embeddings(list(vectors), "int8", ranges=ranges), whole)
    np.testing.assert_array_equal(treble.quantize_embeddings(vectors[::2], "int8", ranges=ranges), whole[::2])
    matrices = treble.quantize_embeddings([vectors[:3], vectors[3:], vectors[:0]], "int8", ranges=ranges)
    assert [one.shape for one in matrices] == [(3, 12), (1, 12), (0, 12)]
    np.testing.assert_array_equal(np.concatenate(matrices), whole)
    assert treble.quantize_embeddings(vectors[:0], "ubinary").shape == (0, 2)
    assert treble.quantize_embeddings(vectors[:0], "int8").shape == (0, 12)


def test_bad_ranges_and_vectors_are_named() -> None:
    vectors = np.ones((2, 3), dtype=np.float32)
    for ranges, words in (
        (np.ones((2, 4)), "4 dimensions, and the vectors have 3"),
        (np.ones((3, 3)), r"not \[3, 3\]"),
        (np.ones(3), "not 1-dimensional"),
        ([[0, 0, np.nan], [1, 1, 1]], "dimension 2 is nan"),
        ([[0, 2, 0], [1, 1, 1]], "dimension 1 is 2 to 1"),
    ):
        with pytest.raises(treble.InvalidArgumentError, match=words):
            treble.quantize_embeddings(vectors, "int8", ranges=ranges)
    with pytest.raises(treble.InvalidArgumentError, match="already"):
        treble.quantize_embeddings(vectors.astype(np.int8), "binary")
    vectors[1, 2] = np.nan
    with pytest.raises(treble.NonFiniteError, match="text 1: dimension 2 is nan"):
        treble.quantize_embeddings(vectors, "binary")
    with pytest.raises(treble.NonFiniteError, match="65504"):
        treble.quantize_embeddings(np.full((1, 1), 7e4), "float16")


def test_load_ranges(tmp_path: Path) -> None:
    ranges = np.array([[0, 1], [2, 3]], dtype=np.float32)
    np.save(tmp_path / "ranges.npy", ranges)
    np.testing.assert_array_equal(treble.load_ranges(tmp_path / "ranges.npy"), ranges)
    with pytest.raises(treble.NotFoundError, match=r"none\.safetensors"):
        treble.load_ranges(tmp_path / "none.safetensors")


def test_token_embeddings(encoder: treble.SentenceEncoder, golden: Golden) -> None:
    index = next(i for i in range(len(golden.texts)) if f"tau=0.8/text={i}/layer=2" in golden.expected)
    text = golden.texts[index]
    tokens = encoder.encode(text, output_value="token_embeddings", temperature=0.8)
    np.testing.assert_allclose(tokens, golden.expected[f"tau=0.8/text={index}/layer=2"], rtol=0, atol=TOLERANCE)
    several = encoder.encode(["a", text], output_value="token_embeddings", temperature=0.8)
    np.testing.assert_array_equal(several[1], tokens)
    everything = encoder.encode(["a", text], output_value=None, temperature=0.8)[1]
    assert everything["input_ids"].shape == everything["attention_mask"].shape == (len(tokens),)
    np.testing.assert_array_equal(everything["token_embeddings"], tokens)
    np.testing.assert_allclose(everything["sentence_embedding"], encoder.encode(text, temperature=0.8), atol=1e-6)
    with pytest.raises(treble.InvalidArgumentError, match="logits"):
        encoder.encode("a", output_value="logits")  # type: ignore[arg-type]


def test_tokenize(encoder: treble.SentenceEncoder, golden: Golden) -> None:
    features = encoder.tokenize(golden.texts)
    for row, (ids, used) in enumerate(zip(golden.cases["ids"], golden.cases["used"], strict=True)):
        assert features["attention_mask"][row].sum() == used
        if len(ids) == used:
            assert features["input_ids"][row, :used].tolist() == ids
    counts = encoder.token_counts(golden.texts)
    assert counts[:, 0].tolist() == [len(ids) for ids in golden.cases["ids"]]
    assert counts[:, 1].tolist() == golden.cases["used"]


def test_truncation_is_never_silent(encoder: treble.SentenceEncoder) -> None:
    long = "the cat " * 200
    with pytest.warns(treble.TruncationWarning, match=r"1 of 2 texts.*text 1 has 802.*64 were read") as caught:
        encoder.encode(["a", long])
    assert len(caught) == 1
    assert caught[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        info = encoder.encode_with_info(["a", long])
    assert info.tokens.tolist() == encoder.token_counts(["a", long])[:, 0].tolist() == [3, 802]
    assert info.tokens_used.tolist() == [3, 64]
    assert info.truncated.tolist() == [False, True]
    with pytest.raises(treble.TextTooLongError, match="802") as error:
        encoder.encode(["a", long], truncation="error")
    assert error.value.text_index == 1
    start = encoder.encode([long + "dog"], truncation="start")
    assert not np.array_equal(start, encoder.encode([long + "dog"], truncation="end"))
    whole = encoder.encode_chunked(["a", long], "chunk-mean:32")
    assert whole.shape == (2, 32)
    np.testing.assert_allclose(whole[0], encoder.encode("a"), atol=1e-6)


def test_max_seq_length(golden: Golden) -> None:
    encoder = treble.SentenceEncoder(golden.path)
    assert encoder.max_seq_length == encoder.get_max_seq_length() == golden.cases["limit"]
    long = "the cat " * 20
    expected = encoder.encode(long, max_length=8)
    encoder.max_seq_length = 8
    np.testing.assert_array_equal(encoder.encode(long), expected)
    with pytest.raises(treble.InvalidArgumentError, match="9999"):
        encoder.max_seq_length = 9999


def test_temperature_forms(encoder: treble.SentenceEncoder, golden: Golden) -> None:
    text = golden.texts[0]
    expected = encoder.encode(text, temperature=0.8)
    tempered = treble.SentenceEncoder(golden.path, temperature="0.8")
    assert str(tempered.temperature) == "0.8"
    for vector in (
        tempered.encode(text),
        encoder.encode(text, temperature=np.float32(0.8)),
        encoder.encode(text, temperature=treble.Temperature.constant(0.8)),
    ):
        np.testing.assert_allclose(vector, expected, rtol=0, atol=1e-6)
    np.testing.assert_array_equal(tempered.encode(text, temperature=1), encoder.encode(text))
    for wrong, error in ((-1, ValueError), ("hot", ValueError), (True, TypeError), ([0.8], TypeError)):
        with pytest.raises(error):
            encoder.encode(text, temperature=wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", ["cosine", "dot", "euclidean", "manhattan"])
def test_similarity(encoder: treble.SentenceEncoder, golden: Golden, name: str) -> None:
    other = treble.SentenceEncoder(golden.path, similarity_fn_name=name)
    a, b = encoder.encode(["the cat", "a dog", "x"]) * 2, encoder.encode(["the", "dog"])
    matrix = other.similarity(a, b)
    naive = {
        "cosine": lambda x, y: x @ y / np.linalg.norm(x) / np.linalg.norm(y),
        "dot": lambda x, y: x @ y,
        "euclidean": lambda x, y: -np.sqrt(((x - y) ** 2).sum()),
        "manhattan": lambda x, y: -np.abs(x - y).sum(),
    }[name]
    np.testing.assert_allclose(matrix, [[naive(x, y) for y in b] for x in a], atol=1e-5)
    np.testing.assert_allclose(other.similarity_pairwise(a[:2], b), np.diag(matrix[:2]), atol=1e-5)
    np.testing.assert_allclose(other.similarity(a[0], b[0]), matrix[:1, :1], atol=1e-5)
    with pytest.raises(ValueError, match="32 and of 3"):
        other.similarity(a, np.zeros((2, 3)))
    with pytest.raises(treble.InvalidArgumentError, match="jaccard"):
        other.similarity_fn_name = "jaccard"


def test_arguments_for_others_sake(encoder: treble.SentenceEncoder) -> None:
    expected = encoder.encode(["the cat"])
    again = encoder.encode(["the cat"], batch_size=7, device="cpu", task="query", chunk_size=5)
    np.testing.assert_array_equal(again, expected)
    assert encoder.to("cpu") is encoder
    for wrong in ({"device": "cuda:0"}, {"pool": {"processes": []}}):
        with pytest.raises(treble.UnsupportedError):
            encoder.encode("the cat", **wrong)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="batch_size"):
        encoder.encode("the cat", batch_size=0)
    with pytest.raises(TypeError, match="promt"):
        encoder.encode("the cat", promt="x")


def test_progress_bar(
    encoder: treble.SentenceEncoder,
    corpus: list[str],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    pytest.importorskip("tqdm")
    vectors = encoder.encode(corpus, show_progress_bar=True)
    assert "encoding: 100%" in capsys.readouterr().err
    np.testing.assert_array_equal(vectors, encoder.encode(corpus))
    assert capsys.readouterr() == ("", "")
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    with pytest.raises(ImportError, match="pip install tqdm"):
        encoder.encode(corpus, show_progress_bar=True)


def test_tensors(encoder: treble.SentenceEncoder) -> None:
    torch = pytest.importorskip("torch")
    expected = encoder.encode(["the cat", "a dog"])
    tensor = encoder.encode(["the cat", "a dog"], convert_to_tensor=True)
    assert isinstance(tensor, torch.Tensor)
    np.testing.assert_array_equal(tensor.numpy(), expected)
    rows = encoder.encode(["the cat", "a dog"], convert_to_numpy=False)
    assert isinstance(rows, list)
    np.testing.assert_array_equal(rows[1].numpy(), expected[1])
    assert isinstance(encoder.similarity(tensor, tensor), torch.Tensor)
    assert encoder.encode("the cat", device=torch.device("cpu")).shape == (32,)
    tokens = encoder.encode(["the cat"], output_value="token_embeddings", convert_to_tensor=True)
    assert isinstance(tokens[0], torch.Tensor)


def test_progress_is_reported(encoder: treble.SentenceEncoder, corpus: list[str]) -> None:
    seen: list[tuple[str, int, int]] = []
    encoder._encoder.encode(corpus, encoder._options(), lambda *state: seen.append(state))
    assert seen[-1] == ("encoding", len(corpus), len(corpus))
    with pytest.raises(ZeroDivisionError):
        encoder._encoder.encode(corpus, encoder._options(), lambda *state: 1 / 0)
