"""A golden model and some texts."""

from __future__ import annotations

import pytest
import treble
from golden_models import Golden


@pytest.fixture(scope="session")
def golden() -> Golden:
    return Golden("bert")


@pytest.fixture(scope="session")
def encoder(golden: Golden) -> treble.SentenceEncoder:
    return treble.SentenceEncoder(golden.path, threads=2)


@pytest.fixture(scope="session")
def corpus() -> list[str]:
    words = [
        "the",
        "harbour",
        "letter",
        "ferry",
        "keeper",
        "storm",
        "whale",
        "shelf",
        "tide",
        "morning",
        "light",
        "evening",
    ]
    return [" ".join(words[(i * 7 + j * j) % len(words)] for j in range(2 + i % 50)) for i in range(120)]
