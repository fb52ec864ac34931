"""Approximate nearest neighbours with hnswlib, with an index that is kept in a file.

    python examples/python/hnswlib_search.py models/all-MiniLM-L6-v2 letters.hnsw "stars and planets"

Needs treble and hnswlib.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import hnswlib
import treble

TEXTS = [
    "Bread rises faster in a warm kitchen than in a cold one.",
    "A telescope of glass and brass shows the rings of Saturn.",
    "The goalkeeper caught the ball on the line in the last minute.",
    "Astronomers measure the distance of galaxies by their red shift.",
]


def write_index(encoder: treble.SentenceEncoder, texts: Sequence[str], path: Path) -> None:
    """Larger M and ef_construction find more of the true neighbours and take longer."""
    vectors = encoder.encode_document(texts)
    index = hnswlib.Index(space="cosine", dim=vectors.shape[1])
    index.init_index(max_elements=len(texts), M=16, ef_construction=200)
    index.add_items(vectors)
    index.save_index(str(path))


def search(encoder: treble.SentenceEncoder, path: Path, query: str, k: int) -> list[tuple[int, float]]:
    """The k nearest texts by their place in the list, with their cosines."""
    index = hnswlib.Index(space="cosine", dim=encoder.get_embedding_dimension())
    index.load_index(str(path))
    index.set_ef(max(50, k))
    rows, distances = index.knn_query(encoder.encode_query([query]), k)
    return list(zip(rows[0].tolist(), (1 - distances[0]).tolist(), strict=True))


if __name__ == "__main__":
    model, file, question = sys.argv[1:]
    encoder = treble.SentenceEncoder(model)
    write_index(encoder, TEXTS, Path(file))
    for row, score in search(encoder, Path(file), question, k=2):
        print(f"{score:.3f}  {TEXTS[row]}")
