"""treble.bertopic, treble.keybert and treble.txtai against the packages themselves, and the calls they make."""

from __future__ import annotations

import importlib
import pickle
from pathlib import Path
from types import ModuleType

import bertopic
import keybert
import numpy as np
import pytest
import treble
import treble.bertopic
import treble.keybert
import treble.txtai
from bertopic import BERTopic
from bertopic.backend._utils import select_backend
from keybert import KeyBERT
from sklearn.cluster import KMeans
from sklearn.decomposition import PCA
from txtai import Embeddings

pytestmark = pytest.mark.usefixtures("no_network")
SUBJECTS = {
    "bread": ["flour", "dough", "yeast", "an oven", "a bakery", "a crust", "sourdough", "a rolling pin"],
    "stars": ["a telescope", "a galaxy", "Saturn's rings", "a comet", "an eclipse", "a nebula", "an orbit", "the moon"],
    "football": [
        "a goal",
        "a penalty",
        "the goalkeeper",
        "a corner kick",
        "offside",
        "the referee",
        "a cup final",
        "a pass",
    ],
}
DOCUMENTS = [
    f"A short note about {word}, which belongs to {name}." for name, words in SUBJECTS.items() for word in words
]
LABELS = [name for name, words in SUBJECTS.items() for _ in words]


@pytest.mark.parametrize("backend", [treble.bertopic.TrebleBackend, treble.keybert.TrebleBackend])
def test_backends_give_the_vectors_of_the_encoder(backend: type, model_path: str, texts: list[str]) -> None:
    made = backend(model_path, temperature=0.8, threads=1)
    expected = treble.SentenceEncoder(model_path, temperature=0.8, threads=1).encode(texts)
    np.testing.assert_array_equal(made.embed(texts), expected)
    # KeyBERT gives words as an array of objects, and both show progress when verbose.
    np.testing.assert_array_equal(made.embed(np.array(texts, dtype=object), verbose=True), expected)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(made)).embed(texts), expected)


@pytest.mark.parametrize("package", [bertopic, keybert])
def test_without_the_backend_a_model_of_the_package_would_be_loaded(
    package: ModuleType, encoder: treble.SentenceEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What docs/integrations.md warns of; when it fails, the backends may have become needless."""
    backend = importlib.import_module(f"{package.__name__}.backend._sentencetransformers")
    monkeypatch.setattr(
        backend.SentenceTransformerBackend, "__init__", lambda self, model: setattr(self, "asked", model)
    )
    made = importlib.import_module(f"{package.__name__}.backend._utils").select_backend(encoder)
    assert "MiniLM" in made.asked


def test_bertopic_finds_the_subjects(encoder: treble.SentenceEncoder, tmp_path: Path) -> None:
    backend = treble.bertopic.TrebleBackend(encoder)
    assert select_backend(backend) is backend
    # Both stand for UMAP and HDBSCAN, as BERTopic's documentation has it for small machines.
    model = BERTopic(
        embedding_model=backend, umap_model=PCA(4, random_state=0), hdbscan_model=KMeans(3, random_state=0)
    )
    topics, _ = model.fit_transform(DOCUMENTS)
    assert len(set(zip(topics, LABELS, strict=True))) == 3
    assert (
        model.transform(["A short note about a planet, which belongs to stars."])[0][0] == topics[LABELS.index("stars")]
    )
    model.save(tmp_path / "model", serialization="pickle", save_embedding_model=True)
    again = BERTopic.load(str(tmp_path / "model"))
    assert list(again.transform(DOCUMENTS)[0]) == list(topics)


def test_bertopic_takes_vectors_made_beforehand(encoder: treble.SentenceEncoder) -> None:
    vectors = encoder.encode(DOCUMENTS, show_progress_bar=False)
    model = BERTopic(
        embedding_model=treble.bertopic.TrebleBackend(encoder),
        umap_model=PCA(4, random_state=0),
        hdbscan_model=KMeans(3, random_state=0),
    )
    topics, _ = model.fit_transform(DOCUMENTS, embeddings=vectors)
    assert len(set(zip(topics, LABELS, strict=True))) == 3


def test_keybert_ranks_words_by_their_cosine(encoder: treble.SentenceEncoder) -> None:
    document = "The astronomer pointed the telescope at Saturn and counted its rings before the clouds came."
    found = KeyBERT(model=treble.keybert.TrebleBackend(encoder)).extract_keywords(document, top_n=3)
    words = sorted({word.strip(".").lower() for word in document.split()})
    scores = encoder.similarity(encoder.encode(document), encoder.encode(words))[0]
    ranked = [words[row] for row in np.argsort(-scores) if words[row] in {"astronomer", "telescope", "saturn", "rings"}]
    assert [word for word, _ in found] == ranked[:3]
    np.testing.assert_allclose(
        [score for _, score in found], [scores[words.index(word)] for word, _ in found], atol=1e-4
    )


def test_txtai_index_is_filled_searched_saved_and_loaded(
    encoder: treble.SentenceEncoder, texts: list[str], tmp_path: Path
) -> None:
    config = {
        "method": "treble.txtai.TrebleVectors",
        "path": encoder._path,
        "vectors": {"temperature": 0.8, "query_prompt": "query: "},
    }
    index = Embeddings(config)
    index.index(texts)
    tempered = treble.SentenceEncoder(encoder._path, temperature=0.8)
    vectors = tempered.encode(texts)
    np.testing.assert_allclose(index.batchtransform(texts, "data"), vectors, rtol=0, atol=1e-7)
    query = tempered.encode("query: stars and planets")
    scores = tempered.similarity(query, vectors)[0]
    found = index.search("stars and planets", 3)
    assert [row for row, _ in found] == np.argsort(-scores)[:3].tolist()
    np.testing.assert_allclose([score for _, score in found], np.sort(scores)[::-1][:3], atol=1e-5)
    index.save(str(tmp_path / "index"))
    again = Embeddings()
    again.load(str(tmp_path / "index"))
    assert again.search("stars and planets", 3) == found


def test_errors_are_trebles_own(model_path: str) -> None:
    with pytest.raises(treble.NotFoundError):
        treble.bertopic.TrebleBackend("no-such-model")
    backend = treble.keybert.TrebleBackend(model_path, truncation="error", max_length=16)
    with pytest.raises(treble.TextTooLongError):
        KeyBERT(model=backend).extract_keywords("long words " * 50)
    with pytest.raises(ImportError) as wrapped:
        Embeddings(method="treble.txtai.TrebleVectors", path="no-such-model")
    assert isinstance(wrapped.value.__cause__, treble.NotFoundError)
