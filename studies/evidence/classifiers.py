#!/usr/bin/env python3
"""A gain in classification seen by scikit-learn: other draws of training texts, all of them, other regularization.

  python3 studies/evidence/classifiers.py --model models/e5-small-v2 --prompt "query: " -t 1 -t 0.8 -t 0.6 \
      --vectors build/classifiers DATA/movie_reviews

Needs numpy and scikit-learn. `treble embed` makes the vectors, which are kept in --vectors and used again. A table goes
to standard output: per cent of the test texts that logistic regressions get right, for each temperature.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
from pathlib import Path

import numpy as np
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import StandardScaler

DRAWS = 50
FEW = 8
"""Training texts of a label in a draw: mteb's number."""


def regression(inverse_strength: float) -> LogisticRegression:
    return LogisticRegression(C=inverse_strength, max_iter=5000)


CLASSIFIERS: dict[str, LogisticRegression | Pipeline] = {
    "C = 1": regression(1),
    "C = 100": regression(100),
    "standardized, C = 1": make_pipeline(StandardScaler(), regression(1)),
}


def embed(arguments: argparse.Namespace, part: str, temperature: str) -> np.ndarray:
    arguments.vectors.mkdir(parents=True, exist_ok=True)
    output = arguments.vectors / f"{arguments.model.name}_{arguments.data.name}_{part}_{temperature}.npy"
    command = [arguments.treble, "embed", "--model", arguments.model, "--dtype", "int8", "-t", temperature]
    command += ["--prompt", arguments.prompt] if arguments.prompt else []
    # Of vectors that are there already --resume checks model, prompt and temperature.
    command += ["--resume", arguments.data / f"{part}.jsonl", "-o", output]
    subprocess.run(command, check=True)
    return np.load(output)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--treble", default=os.environ.get("TREBLE", "build/release/bin/treble"))
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--prompt")
    parser.add_argument("-t", "--temperature", action="append", required=True)
    parser.add_argument("--vectors", type=Path, default=Path("build/classifiers"))
    parser.add_argument("data", type=Path)
    arguments = parser.parse_args()
    labels = {
        part: np.array([json.loads(line)["label"] for line in (arguments.data / f"{part}.jsonl").open()])
        for part in ("train", "test")
    }
    names = np.unique(labels["train"])
    draws = []
    for seed in range(DRAWS):
        generator = np.random.default_rng(seed)
        draws.append(
            np.concatenate([generator.permutation(np.flatnonzero(labels["train"] == name))[:FEW] for name in names])
        )
    whole = np.arange(len(labels["train"]))

    print("| temperature | mean cosine | trained on | " + " | ".join(CLASSIFIERS) + " |")
    print("|---|---|---|" + "---|" * len(CLASSIFIERS))
    for temperature in arguments.temperature:
        train, test = (embed(arguments, part, temperature) for part in ("train", "test"))
        mean = train.mean(0)
        for what, trained_on in ((f"{FEW} a label, mean of {DRAWS} draws", draws), (f"all {len(whole)}", [whole])):
            cells = []
            for classifier in CLASSIFIERS.values():
                right = [
                    (classifier.fit(train[rows], labels["train"][rows]).predict(test) == labels["test"]).mean()
                    for rows in trained_on
                ]
                cells.append(f"{100 * np.mean(right):.1f}")
            print(f"| {temperature} | {mean @ mean:.3f} | {what} | " + " | ".join(cells) + " |", flush=True)


if __name__ == "__main__":
    main()
