#!/usr/bin/env python3
"""Measures how the model of tests/data/state-passkey collapses and what control of its state mends; needs NumPy alone.

  .venv/bin/python studies/state_capacity/measure_model.py        (5 minutes; a stopped run is continued)

Writes results/passkey.json.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from collapse import collapse_from, growth, recalled, text_loss
from places import MODEL, RESULTS, TRAINING_LENGTH
from prompts import passkey_batch
from recurrence import Control, Model

LENGTHS = (64, 128, 192, 256, 384, 512, 768, 1024, 2048)
EDGES = (64, 128, 256, 512, 1024, 2048)
SAMPLES, TEXTS, WATCHED = 40, 8, 4
CONTROLS = (
    "none",
    *(f"window:{r}" for r in (64, 128, 192, 256, 384, 512)),
    *(f"norm:{p}" for p in (3, 4, 5, 6, 8)),
    *(
        f"rri:{ab}"
        for ab in ("0.9999,0.75", "1,0.5", "1,0.75", "0.999,1", "0.998,1", "0.995,1", "0.99,1", "0.998,0.75")
    ),
)


def measure(model: Model, name: str) -> dict[str, Any]:
    control = Control.parse(name)
    _, layers = model.run(passkey_batch(EDGES[-1], WATCHED, seed=1)[0], control, last=1, watch=True)
    begins = [place for place in (collapse_from(layer, TRAINING_LENGTH) for layer in layers) if place is not None]
    return {
        "recalled": [recalled(model, length, SAMPLES, control) for length in LENGTHS],
        "text_loss": text_loss(model, EDGES, TEXTS, control),
        "growth": [growth(layer, TRAINING_LENGTH).tolist() for layer in layers],
        "norm_within": [layer.norm[:TRAINING_LENGTH].max(axis=0).tolist() for layer in layers],
        "retention": [layer.retention[TRAINING_LENGTH - 1].tolist() for layer in layers],
        "collapse_from": min(begins, default=None),
    }


def main() -> int:
    model, path = Model.load(MODEL), RESULTS / "passkey.json"
    settings = {"lengths": LENGTHS, "edges": EDGES, "samples": SAMPLES, "texts": TEXTS, "watched": WATCHED}
    settings = json.loads(json.dumps(settings))
    kept = json.loads(path.read_text()) if path.is_file() else {"settings": None}
    controls = kept["controls"] if kept["settings"] == settings else {}
    for name in CONTROLS:
        if name not in controls:
            controls[name] = measure(model, name)
            print(name, controls[name]["recalled"], file=sys.stderr, flush=True)
            path.parent.mkdir(exist_ok=True)
            ordered = {one: controls[one] for one in CONTROLS if one in controls}
            path.write_text(json.dumps({"settings": settings, "controls": ordered}, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
