"""Texts with their vectors in Qdrant, here in its client's local mode, which needs no server.

    python examples/python/qdrant_search.py models/all-MiniLM-L6-v2 "stars and planets"

Needs treble and qdrant-client. With a server: QdrantClient(url="http://localhost:6333").
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import treble
from qdrant_client import QdrantClient, models

TEXTS = [
    "Bread rises faster in a warm kitchen than in a cold one.",
    "A telescope of glass and brass shows the rings of Saturn.",
    "The goalkeeper caught the ball on the line in the last minute.",
    "Astronomers measure the distance of galaxies by their red shift.",
]


def fill(client: QdrantClient, encoder: treble.SentenceEncoder, texts: Sequence[str]) -> None:
    """A new collection `texts`. The inner product of vectors of length 1 is their cosine."""
    size = encoder.get_embedding_dimension()
    client.create_collection("texts", models.VectorParams(size=size, distance=models.Distance.DOT))
    client.upload_collection(
        "texts",
        vectors=encoder.encode_document(texts, normalize_embeddings=True),
        payload=[{"text": text} for text in texts],
        ids=range(len(texts)),
    )


def search(client: QdrantClient, encoder: treble.SentenceEncoder, query: str, k: int) -> list[tuple[str, float]]:
    """The k nearest texts, with their cosines."""
    vector = encoder.encode_query(query, normalize_embeddings=True)
    found = client.query_points("texts", query=vector, limit=k)
    return [(point.payload["text"], point.score) for point in found.points]


if __name__ == "__main__":
    model, question = sys.argv[1:]
    encoder = treble.SentenceEncoder(model)
    client = QdrantClient(":memory:")
    fill(client, encoder, TEXTS)
    for text, score in search(client, encoder, question, k=2):
        print(f"{score:.3f}  {text}")
