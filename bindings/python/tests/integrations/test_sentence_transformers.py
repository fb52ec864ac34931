"""Beside sentence-transformers itself: every way to cut, normalize and quantize a vector."""

from __future__ import annotations

import asyncio
import json
import logging
import shutil
from pathlib import Path

import numpy as np
import pytest
import treble
from sentence_transformers import SentenceTransformer

TOLERANCE = 1e-5
logging.getLogger("sentence_transformers").setLevel(logging.ERROR)


@pytest.fixture(scope="module", params=["normalizes", "does not normalize"])
def folder(request: pytest.FixtureRequest, model_path: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """all-MiniLM-L6-v2, and the same without its last module."""
    if request.param == "normalizes":
        return Path(model_path)
    copied = Path(shutil.copytree(model_path, tmp_path_factory.mktemp("raw") / "model"))
    modules = json.loads((copied / "modules.json").read_text(encoding="utf-8"))
    assert modules[-1]["type"].endswith("Normalize")
    (copied / "modules.json").write_text(json.dumps(modules[:-1]), encoding="utf-8")
    return copied


@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize("keep", [None, 64])
def test_truncate_dim_and_normalize(folder: Path, keep: int | None, normalize: bool, texts: list[str]) -> None:
    peer = SentenceTransformer(str(folder), device="cpu")
    encoder = treble.SentenceEncoder(folder)
    options = {"truncate_dim": keep, "normalize_embeddings": normalize}
    expected = peer.encode(texts, batch_size=1, **options)
    built = SentenceTransformer(str(folder), device="cpu", truncate_dim=keep)
    ours = treble.SentenceEncoder(folder, truncate_dim=keep)
    assert ours.get_embedding_dimension() == built.get_embedding_dimension()
    np.testing.assert_array_equal(built.encode(texts, batch_size=1, normalize_embeddings=normalize), expected)
    for vectors in (
        encoder.encode(texts, **options),
        ours.encode(texts, normalize_embeddings=normalize),
        encoder.encode_with_info(texts, **options).embeddings,
        ours.encode_with_info(texts, normalize_embeddings=normalize).embeddings,
        asyncio.run(encoder.aencode(texts, **options)),
    ):
        np.testing.assert_allclose(vectors, expected, rtol=0, atol=TOLERANCE)
    for value in ("sentence_embedding", None):
        whole = peer.encode(texts[0], output_value=value, **options)
        mine = encoder.encode(texts[0], output_value=value, **options)
        if value is None:
            whole, mine = whole["sentence_embedding"].numpy(), mine["sentence_embedding"]
        np.testing.assert_allclose(mine, whole, rtol=0, atol=TOLERANCE)
