"""Where the study's files are."""

from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
BUILD = ROOT / "build" / "state-capacity"
RESULTS = HERE / "results"
MODEL = ROOT / "tests" / "data" / "state-passkey" / "model"
TRAINING_LENGTH = 128
"""Of that model."""
