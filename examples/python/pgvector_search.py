"""Texts with their vectors in PostgreSQL, by the extension pgvector.

    python examples/python/pgvector_search.py models/all-MiniLM-L6-v2 postgresql://localhost/letters "stars and planets"

Needs treble, pgvector and psycopg, and a server with the extension.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

import psycopg
import treble
from pgvector.psycopg import register_vector

TEXTS = [
    "Bread rises faster in a warm kitchen than in a cold one.",
    "A telescope of glass and brass shows the rings of Saturn.",
    "The goalkeeper caught the ball on the line in the last minute.",
    "Astronomers measure the distance of galaxies by their red shift.",
]


def connect(url: str) -> psycopg.Connection:
    """NumPy vectors go to the server as they are. Read back, they are pgvector.Vector; to_numpy() gives the array."""
    connection = psycopg.connect(url, autocommit=True)
    connection.execute("CREATE EXTENSION IF NOT EXISTS vector")
    register_vector(connection)
    return connection


def fill(connection: psycopg.Connection, encoder: treble.SentenceEncoder, texts: Sequence[str]) -> None:
    """A new table `texts`, filled by COPY in the binary format, then indexed."""
    dim = encoder.get_embedding_dimension()
    connection.execute("DROP TABLE IF EXISTS texts")
    connection.execute(
        f"CREATE TABLE texts (id integer PRIMARY KEY, text text NOT NULL, vector vector({dim}) NOT NULL)"
    )
    with connection.cursor() as cursor, cursor.copy("COPY texts FROM STDIN WITH (FORMAT BINARY)") as copy:
        copy.set_types(["int4", "text", "vector"])
        for row in zip(range(len(texts)), texts, encoder.encode_document(texts), strict=True):
            copy.write_row(row)
    connection.execute("CREATE INDEX ON texts USING hnsw (vector vector_cosine_ops)")


def search(
    connection: psycopg.Connection, encoder: treble.SentenceEncoder, query: str, k: int
) -> list[tuple[str, float]]:
    """The k nearest texts, with their cosines."""
    vector = encoder.encode_query(query)
    found = connection.execute(
        "SELECT text, 1 - (vector <=> %s) FROM texts ORDER BY vector <=> %s LIMIT %s", (vector, vector, k)
    )
    return found.fetchall()


if __name__ == "__main__":
    model, url, question = sys.argv[1:]
    encoder = treble.SentenceEncoder(model)
    with connect(url) as connection:
        fill(connection, encoder, TEXTS)
        for text, score in search(connection, encoder, question, k=2):
            print(f"{score:.3f}  {text}")
