"""GGUF files as llama.cpp's own package wrote them, and files that are hostile."""

from __future__ import annotations

import contextlib
import json
import shutil
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import treble
from converted import CONVERT, EXPECTED, GOLDEN, hashes, read_safetensors
from treble.convert import ConvertError, convert

GGUF_FILES = [name for name in EXPECTED if name.endswith(".gguf")]
# Maximum difference of a component of unit vectors to the model that the file was made of. Rounded weights are other
# weights: F16 has 11 bits, BF16 8, Q8_0 7 for the largest of 32 neighbours.
ROUNDING = {"f32": 1e-6, "f16": 1e-3, "bf16": 5e-3, "q8_0": 1e-2}
TYPES = {int: 4, float: 6, bool: 7, str: 8}


def original(name: str) -> Path:
    """The model that a file was made of."""
    return GOLDEN / name.removesuffix(".gguf").rsplit("-", 1)[0].removesuffix("-split") / "model"


def options(name: str) -> dict[str, Any]:
    """The vocabularies of some need the original's tokenizer.json."""
    return {"tokenizer": original(name)} if name.startswith(("roberta", "qwen3", "gemma3")) else {}


def as_llama_cpp_has_it(name: str, folder: Path) -> Path:
    """The original with what llama.cpp takes for granted of its architecture: of EmbeddingGemma two numbers."""
    if not name.startswith("gemma3"):
        return original(name)
    shutil.copytree(original(name), folder)
    config = json.loads((folder / "config.json").read_text())
    config |= {"query_pre_attn_scalar": config["head_dim"], "layer_types": ["sliding_attention"] * 3}
    (folder / "config.json").write_text(json.dumps(config))
    return folder


def metadata_value(value: Any) -> bytes:
    """Type and value as the container has them."""
    if isinstance(value, bytes):
        return value
    if isinstance(value, list):
        kind = TYPES[type(value[0])] if value else 4
        return struct.pack("<IIQ", 9, kind, len(value)) + b"".join(metadata_value(one)[4:] for one in value)
    if isinstance(value, str):
        return struct.pack("<I", 8) + text(value)
    kind = TYPES[type(value)]
    return struct.pack("<I" + {4: "I", 6: "f", 7: "?"}[kind], kind, value)


def text(value: str) -> bytes:
    return struct.pack("<Q", len(value.encode())) + value.encode()


WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "\u2581a", "b"]
METADATA: dict[str, Any] = {
    "general.architecture": "bert",
    "bert.block_count": 1,
    "bert.embedding_length": 32,
    "bert.feed_forward_length": 32,
    "bert.context_length": 8,
    "bert.attention.head_count": 2,
    "bert.attention.layer_norm_epsilon": 1e-12,
    "bert.pooling_type": 2,
    "tokenizer.ggml.model": "bert",
    "tokenizer.ggml.tokens": WORDS,
    "tokenizer.ggml.token_type": [3, 3, 3, 3, 1, 1],
}
LAYER = ("attn_q", "attn_k", "attn_v", "attn_output", "attn_output_norm", "ffn_up", "ffn_down", "layer_output_norm")
Infos = dict[str, tuple[list[int], int]]


def infos() -> Infos:
    """Of each tensor: dimensions, fastest first, and type."""
    found: Infos = {"token_embd.weight": ([32, 6], 0), "position_embd.weight": ([32, 8], 0)}
    for name in ("token_embd_norm", *(f"blk.0.{one}" for one in LAYER)):
        found[f"{name}.weight"] = ([32] if "norm" in name else [32, 32], 0)
        found[f"{name}.bias"] = ([32], 0)
    return found


def gguf_bytes(
    metadata: dict[str, Any], tensors: Infos, *, version: int = 3, magic: bytes = b"GGUF", cut: int = 0
) -> bytes:
    """A file whose values are 1/64 everywhere, in F32 and Q8_0; other types get room for 4 bytes a value."""
    head = magic + struct.pack("<IQQ", version, len(tensors), len(metadata))
    head += b"".join(text(key) + metadata_value(value) for key, value in metadata.items())
    data = b""
    for name, (dimensions, kind) in tensors.items():
        head += text(name) + struct.pack("<I", len(dimensions)) + struct.pack(f"<{len(dimensions)}Q", *dimensions)
        head += struct.pack("<IQ", kind, len(data))
        count = int(np.prod(dimensions)) if np.prod(dimensions, dtype=float) < 1e6 else 0
        data += (
            struct.pack("<e32b", 1 / 64, *[1] * 32) * (count // 32)
            if kind == 8
            else np.full(count, 1 / 64, "<f4").tobytes()
        )
        data += b"\0" * (-len(data) % 32)
    whole = head + b"\0" * (-len(head) % 32) + data
    return whole[: len(whole) - cut]


def made(tmp_path: Path, metadata: dict[str, Any] | None = None, tensors: Infos | None = None, **options: Any) -> Path:
    path = tmp_path / "tiny.gguf"
    path.write_bytes(
        gguf_bytes(METADATA if metadata is None else metadata, infos() if tensors is None else tensors, **options)
    )
    return path


def refused(path: Path, words: str, **options: Any) -> None:
    with pytest.raises(ConvertError, match=words) as raised:
        convert(path, path.parent / "out", **options)
    assert str(raised.value).startswith(str(path)), raised.value
    assert not (path.parent / "out").exists()


@pytest.mark.parametrize("name", GGUF_FILES)
def test_every_tensor_is_what_llama_cpps_reader_says(name: str, tmp_path: Path) -> None:
    convert(CONVERT / name, tmp_path / "out", **options(name))
    assert hashes(tmp_path / "out" / "model.safetensors") == EXPECTED[name]


@pytest.mark.parametrize("name", GGUF_FILES)
def test_the_tokenizer_is_the_models_own(name: str, tmp_path: Path) -> None:
    convert(CONVERT / name, tmp_path / "out", **options(name))
    ours, theirs = (json.loads((path / "tokenizer.json").read_text()) for path in (tmp_path / "out", original(name)))
    assert ours == theirs


@pytest.mark.parametrize("name", GGUF_FILES)
def test_vectors_are_those_of_the_model_it_was_made_of(name: str, tmp_path: Path) -> None:
    convert(CONVERT / name, tmp_path / "out", **options(name))
    # The position of <pad>, a word in one of the texts, is not in the file; it is zeros in models that were trained.
    cases = json.loads((original(name).parent / "cases.json").read_text())["texts"]
    texts = [one for one in cases if "<pad>" not in one]
    assert len(texts) > 5
    reference = as_llama_cpp_has_it(name, tmp_path / "original")
    ours, theirs = (treble.SentenceEncoder(path, max_length=64) for path in (tmp_path / "out", reference))
    for temperature in (1.0, 0.7):
        difference = float(
            np.abs(
                ours.encode(texts, temperature=temperature, normalize_embeddings=True)
                - theirs.encode(texts, temperature=temperature, normalize_embeddings=True)
            ).max()
        )
        print(f"{name} at {temperature}: {difference:.1e}")
        assert difference <= ROUNDING[name.removesuffix(".gguf").rsplit("-", 1)[1]]


def test_a_small_file_of_our_own_is_read(tmp_path: Path) -> None:
    """What the tests below change one thing of; DistilBERT's form, without token types."""
    report = convert(made(tmp_path), tmp_path / "out")
    tensors = read_safetensors(tmp_path / "out" / "model.safetensors")
    assert tensors["embeddings.token_type_embeddings.weight"] == ("F32", [1, 32], bytes(128))
    assert json.loads((tmp_path / "out" / "1_Pooling" / "config.json").read_text())["pooling_mode_cls_token"] is True
    assert json.loads((tmp_path / "out" / "config.json").read_text())["layer_norm_eps"] == 1e-12
    assert "tensors in the file: 20 F32" in report.notes
    assert treble.SentenceEncoder(tmp_path / "out").encode(["a b"]).shape == (1, 32)
    convert(made(tmp_path, version=2), tmp_path / "out", force=True)


def test_a_folder_with_one_gguf_file_stands_for_it(tmp_path: Path) -> None:
    folder = tmp_path / "download"
    folder.mkdir()
    made(folder)
    convert(folder, tmp_path / "out")
    assert (tmp_path / "out" / "tokenizer.json").exists()
    (folder / "other.gguf").write_bytes(b"GGUF")
    with pytest.raises(ConvertError, match="2 GGUF files; give the path of one: other"):
        convert(folder, tmp_path / "more")
    with pytest.raises(ConvertError, match="becomes a whole folder"):
        convert(folder / "tiny.gguf", in_place=True)


@pytest.mark.parametrize("name", ["bert-q8_0.gguf", "nomic-bert-f32.gguf"])
def test_a_file_cut_anywhere_is_a_named_error(name: str, tmp_path: Path) -> None:
    data = (CONVERT / name).read_bytes()
    path = tmp_path / "cut.gguf"
    for size in [*range(1, 600, 37), *range(600, len(data) - 32, 4099)]:
        path.write_bytes(data[:size])
        refused(path, "")


def test_any_byte_changed_is_an_error_or_a_file(tmp_path: Path) -> None:
    data = (CONVERT / "bert-q8_0.gguf").read_bytes()
    random = np.random.default_rng(25)
    path = tmp_path / "changed.gguf"
    for _ in range(300):
        changed = bytearray(data)
        # Most of them where metadata and descriptions lie.
        for at in random.integers(0, random.choice([300, 9000, len(data)]), random.integers(1, 4)):
            changed[at] = random.integers(0, 256)
        path.write_bytes(changed)
        with contextlib.suppress(ConvertError):
            convert(path, tmp_path / "out")
            read_safetensors(tmp_path / "out" / "model.safetensors")
            shutil.rmtree(tmp_path / "out")
        assert [one.name for one in tmp_path.iterdir()] == ["changed.gguf"]


@pytest.mark.parametrize(
    ("kind", "name"), [(2, "Q4_0"), (12, "Q4_K"), (14, "Q6_K"), (23, "IQ4_XS"), (39, "MXFP4"), (99, "number 99")]
)
def test_other_quantisations_are_refused_by_name(kind: int, name: str, tmp_path: Path) -> None:
    tensors = {**infos(), "blk.0.ffn_up.weight": ([32, 32], kind)}
    refused(
        made(tmp_path, tensors=tensors), rf"tensor blk.0.ffn_up.weight of shape \[32, 32\] is of type {name}; F32, F16"
    )


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (
            {"general.architecture": "llama"},
            "general.architecture is llama; bert, gemma-embedding, jina-bert-v2, nomic-bert, qwen3 are conv",
        ),
        ({"general.architecture": None}, "general.architecture is None"),
        (
            {"general.architecture": "nomic-bert-moe"},
            r"lack weights: .* leaves out mlp\.experts\.bias.*Fetch model.safetensors",
        ),
        ({"general.type": "adapter"}, "is general.type adapter"),
        ({"split.count": 3}, "one of 3 parts"),
        ({"bert.pooling_type": None}, "states no pooling .*--pooling mean, cls or last"),
        ({"bert.pooling_type": 0}, "states no pooling"),
        ({"bert.pooling_type": 4}, "rank, a reranker's"),
        ({"bert.block_count": None}, "bert.block_count is None; it must be a number above 0"),
        ({"bert.block_count": 0}, "bert.block_count is 0"),
        ({"bert.block_count": 2}, "no tensor blk.1.attn_q.weight"),
        ({"bert.block_count": 1_000_000_000}, "block_count is 1000000000, with 20 tensors"),
        ({"bert.embedding_length": 64}, r"token_embd.weight has the shape \[6, 32\], but embedding_length is 64"),
        ({"bert.context_length": "8"}, "context_length is 8; it must be a number"),
        ({"bert.attention.layer_norm_epsilon": float("nan")}, "layer_norm_epsilon is nan"),
        ({"bert.attention.causal": True}, "attention.causal is true"),
        (
            {"tokenizer.ggml.model": "gpt2"},
            "no tokenizer.json is made of its vocabulary .tokenizer.ggml.model gpt2.; .* --tokenizer",
        ),
        ({"tokenizer.ggml.model": "llama"}, "tokenizer.ggml.model is llama; of bert, bert, t5, gpt2 are known"),
        ({"tokenizer.ggml.model": None}, "tokenizer.ggml.model is None"),
        ({"tokenizer.ggml.model": "t5"}, "6 tokens, but not as many tokenizer.ggml.scores"),
        ({"tokenizer.ggml.model": "t5", "tokenizer.ggml.scores": [float("nan")] * 6}, "scores is nan"),
        ({"tokenizer.ggml.model": "t5", "tokenizer.ggml.scores": [0.0] * 6}, "the bos_token has the number None"),
        ({"tokenizer.ggml.tokens": [1, 2]}, "no list of texts"),
        ({"tokenizer.ggml.tokens": [*WORDS, "c"]}, "7 tokens, but not as many"),
        ({"tokenizer.ggml.tokens": [*WORDS[:5], "\u2581a"]}, "two tokens are a"),
        ({"tokenizer.ggml.tokens": ["[PAD]", "[UNK]", "[CLS]", "x", "y", "z"]}, "the sep_token has the number None"),
        ({"tokenizer.ggml.padding_token_id": 6}, "the pad_token has the number 6 among 6 tokens"),
        ({"general.alignment": 7}, "general.alignment is 7"),
        ({"general.alignment": 0}, "general.alignment is 0"),
        ({"bert.x": struct.pack("<I", 77)}, "unknown type 77"),
        ({"bert.x": struct.pack("<IIQ", 9, 9, 1)}, "unknown type 9"),
        ({"bert.x": struct.pack("<IIQ", 9, 4, 1 << 62)}, "the file has"),
        ({"bert.x": struct.pack("<IIQ", 9, 8, 1 << 62)}, "the file has"),
        ({"bert.x": struct.pack("<IQ", 8, 1 << 63)}, "the file has"),
        ({"bert.x": struct.pack("<IQ", 8, 2) + b"\xff\xfe"}, "not UTF-8"),
    ],
)
def test_metadata_that_makes_no_sense_is_named(change: dict[str, Any], words: str, tmp_path: Path) -> None:
    metadata = {key: value for key, value in {**METADATA, **change}.items() if value is not None}
    refused(made(tmp_path, metadata), words)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"position_embd.weight": None}, "no tensor position_embd.weight, which a bert model has"),
        ({"blk.0.attn_q.bias": None}, "no tensor blk.0.attn_q.bias"),
        ({"cls.weight": ([32, 32], 0)}, "1 tensors are no part of a bert model .*cls.weight"),
        ({"token_embd.weight": ([32, 5], 0)}, "6 tokens, but token_embd.weight has 5 rows"),
        ({"token_embd.weight": ([32], 0)}, r"token_embd.weight has the shape \[32\]"),
        ({"token_embd.weight": ([33, 6], 8)}, "whose rows are multiples of 32"),
        ({"token_embd.weight": ([32, 1 << 50], 0)}, r"shape \[1125899906842624, 32\]: .* but the file has"),
        ({"token_embd.weight": ([32, 1 << 50], 8)}, "the file has"),
        ({"token_embd.weight": ([32, 6, 1, 1, 1], 0)}, "has 5 dimensions; 4 are allowed"),
    ],
)
def test_tensors_that_do_not_fit_are_named(change: dict[str, Any], words: str, tmp_path: Path) -> None:
    tensors = {key: value for key, value in {**infos(), **change}.items() if value is not None}
    refused(made(tmp_path, tensors=tensors), words)


def test_containers_that_are_none(tmp_path: Path) -> None:
    refused(made(tmp_path, magic=b"GGML"), "does not begin as a GGUF file")
    refused(made(tmp_path, version=1), "version 1 of GGUF; 2 and 3 are read")
    refused(made(tmp_path, version=4), "version 4")
    refused(made(tmp_path, version=3 << 24), "big-endian")
    refused(made(tmp_path, cut=1), "bytes at .* but the file has")
    data = gguf_bytes(METADATA, infos())
    path = tmp_path / "twice.gguf"
    path.write_bytes(data.replace(text("blk.0.attn_k.bias"), text("blk.0.attn_q.bias")))
    refused(path, "tensor blk.0.attn_q.bias stands there twice")
    path.write_bytes(
        gguf_bytes({**METADATA, "bert.block_counts": 1}, infos()).replace(b"block_counts", b"block_count\0")
    )
    convert(path, tmp_path / "out")
    shutil.rmtree(tmp_path / "out")
    path.write_bytes(
        gguf_bytes({**METADATA, "bert.attention.head_xxxxx": 1}, infos()).replace(b"head_xxxxx", b"head_count")
    )
    refused(path, "metadata bert.attention.head_count stands there twice")
    path.write_bytes(b"")
    refused(path, "is empty")


def test_a_nan_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "nan.gguf"
    path.write_bytes(gguf_bytes(METADATA, infos(), cut=4) + struct.pack("<f", float("nan")))
    refused(path, r"tensor encoder.layer.0.output.LayerNorm.bias: element 31 is no number \(NaN\)")
    # In Q8_0 a scale: all 32 values of its group are none.
    tensors = infos()
    tensors.pop("blk.0.attn_q.weight")
    tensors["blk.0.attn_q.weight"] = ([32, 32], 8)
    path.write_bytes(gguf_bytes(METADATA, tensors, cut=34) + struct.pack("<e", float("nan")) + bytes(32))
    refused(path, r"tensor encoder.layer.0.attention.self.query.weight: element 992 is no number")


def test_xlm_rs_vocabulary_as_sentencepiece_leaves_it(tmp_path: Path) -> None:
    """Without <mask>, whose row is filled up, without a table of characters, and with its rows of positions."""
    tokens = ["<s>", "<pad>", "</s>", "<unk>", "\u2581a", "b", "[PAD6]"]
    metadata = {
        **METADATA,
        "tokenizer.ggml.model": "t5",
        "tokenizer.ggml.tokens": tokens,
        "tokenizer.ggml.token_type": [3, 3, 3, 2, 1, 1, 5],
        "tokenizer.ggml.scores": [0.0, 0.0, 0.0, 0.0, -1.25, -2.1, -10000.0],
        "tokenizer.ggml.add_space_prefix": False,
    }
    convert(made(tmp_path, metadata, {**infos(), "token_embd.weight": ([32, 7], 0)}), tmp_path / "out")
    tokenizer = json.loads((tmp_path / "out" / "tokenizer.json").read_text())
    assert tokenizer["model"]["vocab"][3:] == [["<unk>", 0.0], ["\u2581a", -1.25], ["b", -2.1]]
    assert tokenizer["normalizer"] is None
    assert tokenizer["decoder"]["prepend_scheme"] == "never"
    config = json.loads((tmp_path / "out" / "config.json").read_text())
    assert (config["model_type"], config["pad_token_id"], config["max_position_embeddings"]) == ("xlm-roberta", 1, 10)
    name = "embeddings.position_embeddings.weight"
    dtype, shape, data = read_safetensors(tmp_path / "out" / "model.safetensors")[name]
    assert (dtype, shape) == ("F32", [10, 32])
    assert np.frombuffer(data, "<f4").reshape(10, 32)[:, 0].tolist() == [0, 0] + [1 / 64] * 8
    assert treble.SentenceEncoder(tmp_path / "out").encode(["a b"]).shape == (1, 32)


def test_pooling_is_asked_for_where_the_file_says_none(tmp_path: Path) -> None:
    metadata = {key: value for key, value in METADATA.items() if key != "bert.pooling_type"}
    convert(made(tmp_path, metadata), tmp_path / "out", pooling="last")
    assert json.loads((tmp_path / "out" / "1_Pooling" / "config.json").read_text())["pooling_mode_lasttoken"] is True
    shutil.rmtree(tmp_path / "out")
    refused(made(tmp_path), "its pooling is cls, --pooling says mean", pooling="mean")


@pytest.mark.parametrize("name", ["qwen3-f32.gguf", "gemma3-text-f32.gguf", "roberta-f32.gguf"])
def test_a_tokenizer_must_be_that_of_the_file(name: str, tmp_path: Path) -> None:
    source, output = CONVERT / name, tmp_path / "out"

    def refused_with(tokenizer: Path | None, words: str) -> None:
        with pytest.raises(ConvertError, match=words):
            convert(source, output, tokenizer=tokenizer)
        assert not output.exists()

    refused_with(None, "no tokenizer.json is made of its vocabulary .*--tokenizer")
    refused_with(tmp_path, "tokenizer.json: not there")
    refused_with(GOLDEN / "bert" / "model", r"tokenizer.json: token 0 is .*, in .*; give the tokenizer of the model")
    own = json.loads((original(name) / "tokenizer.json").read_text())
    changed = tmp_path / "tokenizer.json"
    token = next(token for token, number in own["model"]["vocab"].items() if number == 200)
    vocabulary = {("x y z" if one == token else one): number for one, number in own["model"]["vocab"].items()}
    changed.write_text(json.dumps({**own, "model": {**own["model"], "vocab": vocabulary}}))
    refused_with(changed, "token 200 is x y z, in ")
    changed.write_text(json.dumps({**own, "model": {**own["model"], "vocab": {**vocabulary, "more": 99999}}}))
    refused_with(changed, "token 99999 is there, but .* has")
    for content in ("[]", "{}", '{"model": {"vocab": {"a": "b"}}}', "{"):
        changed.write_text(content)
        refused_with(changed, "tokenizer.json: ")
    convert(source, output, tokenizer=original(name) / "tokenizer.json")
    assert (output / "tokenizer.json").read_bytes() == (original(name) / "tokenizer.json").read_bytes()


def test_a_given_tokenizer_may_stand_for_wordpiece_too(tmp_path: Path) -> None:
    convert(CONVERT / "bert-f32.gguf", tmp_path / "out", tokenizer=GOLDEN / "bert" / "model")
    assert (tmp_path / "out" / "tokenizer_config.json").exists()


def test_the_vocabulary_in_all_its_forms(tmp_path: Path) -> None:
    """Words, parts of words, the mark itself, brackets of early files, and rows that no token has."""
    tokens = [*WORDS, "\u2581\u2581", "\u2581", "[unused1]", "\u2581[x]", "\u2581Big", "\u2581[PAD11]"]
    metadata = {**METADATA, "tokenizer.ggml.tokens": tokens, "tokenizer.ggml.token_type": [3] * 4 + [1] * 7 + [5]}
    convert(made(tmp_path, metadata, {**infos(), "token_embd.weight": ([32, 12], 0)}), tmp_path / "out")
    tokenizer = json.loads((tmp_path / "out" / "tokenizer.json").read_text())
    assert list(tokenizer["model"]["vocab"]) == [
        *WORDS[:4],
        "a",
        "##b",
        "\u2581",
        "##\u2581",
        "[unused1]",
        "[x]",
        "Big",
    ]
    assert tokenizer["normalizer"]["lowercase"] is False
