#!/usr/bin/env python3
"""The small model of tests/data/state-passkey: trained, written as a Hugging Face folder, checked against transformers.

.venv-golden/bin/python studies/state_capacity/make_model.py     (10 minutes on one core; a stopped run is continued)
"""

from __future__ import annotations

import sys

from export import write_expected, write_model
from mamba2 import Shape
from places import BUILD, MODEL
from prompts import VOCABULARY
from train import Recipe, train

# Two heads, a state that is large beside what 128 tokens bring: nothing needs to be forgotten, and it is not.
SHAPE = Shape(vocabulary=len(VOCABULARY), state=64, head=64)
RECIPE = Recipe(length=128, steps=1500, batch=32)


def main() -> int:
    model = train(SHAPE, RECIPE, BUILD / "passkey.pt")
    write_model(model, MODEL)
    write_expected(model, MODEL, MODEL.parent / "expected.safetensors")
    return 0


if __name__ == "__main__":
    sys.exit(main())
