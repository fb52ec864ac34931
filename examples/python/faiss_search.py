"""Nearest neighbours with FAISS.

    python examples/python/faiss_search.py models/all-MiniLM-L6-v2 "stars and planets"

Needs treble and faiss-cpu.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import faiss
import treble

TEXTS = [
    "Bread rises faster in a warm kitchen than in a cold one.",
    "A telescope of glass and brass shows the rings of Saturn.",
    "The goalkeeper caught the ball on the line in the last minute.",
    "Astronomers measure the distance of galaxies by their red shift.",
]


def build_index(encoder: treble.SentenceEncoder, texts: Sequence[str]) -> faiss.Index:
    """An exact index. Vectors of length 1 make the inner product the cosine."""
    vectors = encoder.encode_document(texts, normalize_embeddings=True)
    # For millions of texts: faiss.index_factory(dim, "IVF4096,Flat", ...), and train it on a sample of the vectors.
    index = faiss.index_factory(vectors.shape[1], "Flat", faiss.METRIC_INNER_PRODUCT)
    index.add(vectors)
    return index


def search(index: faiss.Index, encoder: treble.SentenceEncoder, query: str, k: int) -> list[tuple[int, float]]:
    """The k nearest texts by their place in the list, with their cosines."""
    scores, rows = index.search(encoder.encode_query([query], normalize_embeddings=True), k)
    return list(zip(rows[0].tolist(), scores[0].tolist(), strict=True))


if __name__ == "__main__":
    model, question = sys.argv[1:]
    encoder = treble.SentenceEncoder(model)
    for row, score in search(build_index(encoder, TEXTS), encoder, question, k=2):
        print(f"{score:.3f}  {TEXTS[row]}")
