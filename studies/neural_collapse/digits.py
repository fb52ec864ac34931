#!/usr/bin/env python3
"""Small networks on scikit-learn's digits: how weight decay on the last layer, or on the layers below, moves collapse.

  python3 studies/neural_collapse/digits.py [--out build/study-neural-collapse] [--plots studies/neural_collapse/images]

Needs NumPy, and scikit-learn for the digits unless --data names a CSV file of pixels and label. Everything that a
network or the program answered is kept in the folder, so that a run which was stopped goes on. Plots need matplotlib.
"""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import argparse
import sys
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from answers import answer, kept, parser, save_picture, table
from network import Network, Recipe

BASE_DECAY = 5e-4
# Factors of the base decay: on the last layer, on the layers that make the features.
SETTINGS = {
    "base": (1.0, 1.0),
    "last layer x2": (2.0, 1.0),
    "last layer x0": (0.0, 1.0),
    "features x2": (1.0, 2.0),
    "features x0": (1.0, 0.0),
}
CHECKPOINTS = [0, 1, 3, 10, 30, 100, 300, 1000]
# In the model β says what moving the features costs; in a network the decay of their layers does. So the model is also
# asked with a β that grows with the decay.
STIFFER = "features x2, β x2"
# Where the model is held against the networks, beside the end.
EARLY = 300
# The model needs regularisation: this factor stands for none.
NEXT_TO_NONE = 0.01
# A β with which the model changes hardly anything.
HELD_CLOSE = 100.0
BETAS = [10, 1, 0.1, 0.03, 0.01, 0.003, 0.001, 0.0003]
METRICS = ("within", "between", "nc1_traces", "nc1", "nc2", "nc3")


@dataclass(frozen=True)
class Digits:
    """Rows are items; `train` has as many of every class, as the model's theorems ask."""

    train: np.ndarray
    train_classes: np.ndarray
    held_out: np.ndarray
    held_out_classes: np.ndarray

    @property
    def classes(self) -> int:
        return int(self.train_classes.max()) + 1

    @property
    def labels(self) -> np.ndarray:
        return np.eye(self.classes)[self.train_classes]


def load(data: Path | None) -> tuple[np.ndarray, np.ndarray]:
    if data:
        rows = np.loadtxt(data, delimiter=",")
        return rows[:, :-1], rows[:, -1].astype(int)
    from sklearn.datasets import load_digits  # noqa: PLC0415

    return load_digits(return_X_y=True)


def split(pixels: np.ndarray, classes: np.ndarray, per_class: int, random: np.random.Generator) -> Digits:
    """Pixels from 0 to 1, the mean of the training items taken from all."""
    train = np.concatenate(
        [random.permutation(np.flatnonzero(classes == k))[:per_class] for k in range(classes.max() + 1)]
    )
    held_out = np.setdiff1d(np.arange(len(classes)), train)
    scaled = pixels / pixels.max()
    scaled = scaled - scaled[train].mean(axis=0)
    return Digits(scaled[train], classes[train], scaled[held_out], classes[held_out])


class Study:
    """The networks of one seed, each trained once, and what the program says of their features."""

    def __init__(self, arguments: argparse.Namespace, seed: int) -> None:
        self.arguments = arguments
        self.seed = seed
        self.folder = arguments.out / "digits" / f"seed-{seed}"
        self.folder.mkdir(parents=True, exist_ok=True)
        random = np.random.default_rng([seed, 0])
        self.digits = split(*load(arguments.data), arguments.train, random)
        for name, classes in (("train", self.digits.train_classes), ("held-out", self.digits.held_out_classes)):
            (self.folder / f"{name}.txt").write_text("".join(f"{k}\n" for k in classes))

    def collapse_model(self, features: np.ndarray, on: str, lambdas: tuple[float, float], betas: list[float]) -> Any:
        file = self.folder / f"features-{os.getpid()}.npy"
        np.save(file, features)
        lambda_w, lambda_h = lambdas
        report = answer(
            self.arguments.treble, "collapse-model", file, "--labels", self.folder / f"{on}.txt",
            "--lambda-w", repr(lambda_w), "--lambda-h", repr(lambda_h), "--beta", ",".join(map(repr, betas)),
        )  # fmt: skip
        file.unlink()
        return report

    def metrics(self, features: np.ndarray, on: str) -> dict[str, float]:
        # The minimiser for so large a β is the features themselves and costs nothing; only they are looked at.
        given = self.collapse_model(features, on, (self.lambda_w, 0.005), [1e9])["given"]
        return {key: given[key] for key in METRICS}

    @property
    def lambda_w(self) -> float:
        """decay/2 |W|² of the training is λ_W/2K |W|² of the model."""
        return BASE_DECAY * self.digits.classes

    def checkpoint(self, network: Network, epoch: int) -> dict[str, Any]:
        digits = self.digits
        features = {"train": network.features(digits.train), "held-out": network.features(digits.held_out)}
        right = {
            "train": network.scores(digits.train).argmax(axis=1) == digits.train_classes,
            "held-out": network.scores(digits.held_out).argmax(axis=1) == digits.held_out_classes,
        }
        return {
            "epoch": epoch,
            "loss": network.loss(digits.train, digits.labels),
            "weight_norms": [float(np.linalg.norm(weight)) for weight in network.weights],
            "feature_square": float((features["train"][1] ** 2).sum(axis=1).mean()),
            **{
                on: {
                    "accuracy": float(right[on].mean()),
                    "layers": [self.metrics(layer, on) for layer in features[on]],
                }
                for on in ("train", "held-out")
            },
        }

    def recipe(self, setting: str) -> Recipe:
        last, features = SETTINGS[setting]
        return Recipe(self.arguments.epochs, last * BASE_DECAY, features * BASE_DECAY)

    def train(self, setting: str) -> list[dict[str, Any]]:
        """Checkpoints; the base's first-layer features at two of them are kept for the model."""
        arguments, recipe = self.arguments, self.recipe(setting)

        def find_out() -> list[dict[str, Any]]:
            network = Network(
                self.digits.train.shape[1], arguments.width, self.digits.classes, np.random.default_rng([self.seed, 1])
            )
            at = {*CHECKPOINTS, recipe.epochs}
            answers = []
            order = np.random.default_rng([self.seed, 2])
            for epoch in network.train(self.digits.train, self.digits.labels, recipe, order):
                if epoch not in at:
                    continue
                answers.append(self.checkpoint(network, epoch))
                if setting == "base" and epoch in (EARLY, recipe.epochs):
                    np.save(self.folder / f"base-{epoch}.npy", network.features(self.digits.train)[0])
            return answers

        settings = {**asdict(recipe), "width": arguments.width, "train": arguments.train, "data": str(arguments.data)}
        return kept(self.folder / f"{setting.replace(' ', '-')}.json", settings, find_out)

    def near_features(self, checkpoint: dict[str, Any]) -> dict[str, Any]:
        """The model on the base's first-layer features at this checkpoint, for every setting of the decay.

        H₀ has the norm of the second layer's features, as a ReLU network may move scale between its layers. λ_H is what
        the decay of the second layer costs, as a cost of the features: λ_H/2 |H|²/N = decay/2 |V₂|². β is the one for
        which the base's minimiser is as collapsed as the network's second layer.
        """
        epoch = checkpoint["epoch"]
        square = checkpoint["feature_square"]
        lambda_h = BASE_DECAY * checkpoint["weight_norms"][1] ** 2 / square
        wanted = checkpoint["train"]["layers"][1]["nc1_traces"]

        def find_out() -> dict[str, Any]:
            first = np.load(self.folder / f"base-{epoch}.npy")
            given = first * np.sqrt(square / (first**2).sum(axis=1).mean())
            report = self.collapse_model(given, "train", (self.lambda_w, lambda_h), BETAS)
            beta = beta_for(wanted, report["path"])

            def solve(factors: tuple[float, float], betas: list[float]) -> list[dict[str, float]]:
                last, features = (max(factor, NEXT_TO_NONE) for factor in factors)
                lambdas = (self.lambda_w * last, lambda_h * features)
                path = self.collapse_model(given, "train", lambdas, betas)["path"]
                return [{**point["collapse"], "residual": point["residual"]} for point in path]

            betas = [HELD_CLOSE, *([beta] if beta else [])]
            settings = {setting: solve(factors, betas) for setting, factors in SETTINGS.items()}
            settings[STIFFER] = solve(SETTINGS["features x2"], [2 * each for each in betas])
            return {"lambda_h": lambda_h, "given": report["given"], "beta": beta, "settings": settings}

        return kept(
            self.folder / f"model-{epoch}.json", {"lambda_h": lambda_h, "wanted": wanted, "also": STIFFER}, find_out
        )


def beta_for(wanted: float, path: list[dict[str, Any]]) -> float | None:
    """Where ÑC1 along the path is as wanted, between two of its points by a straight line of logarithms."""
    betas = np.log([point["beta"] for point in path])
    values = np.log([point["collapse"]["nc1_traces"] for point in path])
    if not values.min() <= np.log(wanted) <= values.max():
        return None
    return float(np.exp(np.interp(np.log(wanted), values[::-1], betas[::-1])))


def spread(values: list[float], digits: int = 3) -> str:
    return f"{median(values):.{digits}g} ({min(values):.{digits}g} to {max(values):.{digits}g})"


@dataclass(frozen=True)
class Answers:
    """Of every seed: checkpoints by setting, the model by epoch."""

    networks: list[dict[str, list[dict[str, Any]]]]
    models: list[dict[int, dict[str, Any]]]

    @property
    def epochs(self) -> list[int]:
        return [checkpoint["epoch"] for checkpoint in self.networks[0]["base"]]

    @property
    def compared(self) -> list[int]:
        return list(self.models[0])

    def metric(
        self, setting: str, epoch: int, on: str = "train", key: str = "nc1_traces", layer: int = 1
    ) -> list[float]:
        at = self.epochs.index(epoch)
        return [seed[setting][at][on]["layers"][layer][key] for seed in self.networks]

    def plain(self, setting: str, epoch: int, on: str) -> list[float]:
        at = self.epochs.index(epoch)
        return [seed[setting][at][on]["accuracy"] for seed in self.networks]

    def ratios(self, setting: str, epoch: int, on: str = "train") -> list[float]:
        """ÑC1 over that of the same seed's base."""
        both = zip(self.metric(setting, epoch, on), self.metric("base", epoch, on), strict=True)
        return [mine / base for mine, base in both]

    def modelled(self, epoch: int, setting: str, key: str = "nc1_traces") -> list[float | None]:
        """Of the minimiser for the β that the base's networks have; none where no β of the path is so collapsed."""
        points = [model[epoch] for model in self.models]
        return [point["settings"][setting][1][key] if point["beta"] else None for point in points]


def tables(answers: Answers) -> str:
    shown = [epoch for epoch in answers.epochs if epoch >= 30]
    along = [[setting, *(spread(answers.metric(setting, e)) for e in shown)] for setting in SETTINGS]
    end = answers.epochs[-1]
    last = [
        [
            setting,
            *(f"{100 * median(answers.plain(setting, end, on)):.1f}" for on in ("train", "held-out")),
            spread(answers.metric(setting, end, "held-out")),
            *(spread(answers.metric(setting, end, "train", key), 2) for key in ("nc1", "nc2", "nc3")),
        ]
        for setting in SETTINGS
    ]
    return "\n".join(
        [
            table(["ÑC1 of the features", *(f"epoch {e}" for e in shown)], along),
            table(["after the last epoch", "right, %", "held out, %", "ÑC1 held out", "NC1", "NC2", "NC3"], last),
            comparison(answers),
            minimisers(answers),
            near(answers),
        ]
    )


def comparison(answers: Answers) -> str:
    rows = []
    for epoch in answers.compared:
        for setting in [*list(SETTINGS)[1:], STIFFER]:
            trained = "features x2" if setting == STIFFER else setting
            network = answers.ratios(trained, epoch)
            both = zip(answers.modelled(epoch, setting), answers.modelled(epoch, "base"), strict=True)
            model = [mine / base if mine and base else None for mine, base in both]
            known = [ratio for ratio in model if ratio]
            agree = sum((a < 1) == (b < 1) for a, b in zip(network, model, strict=True) if b)
            rows.append(
                [
                    str(epoch),
                    setting,
                    spread(network),
                    spread(answers.ratios(trained, epoch, "held-out")),
                    spread(known) if known else "none",
                    f"{agree} of {len(known)}",
                ]
            )
    head = ["epoch", "decay", "ÑC1 / base", "held out", "the model's ÑC1 / base", "same direction"]
    return table(head, rows)


def minimisers(answers: Answers) -> str:
    keys = ("nc1_traces", "nc1", "nc2", "nc3")
    rows = []
    for epoch in answers.compared:
        for layer, name in enumerate(("first layer", "second layer")):
            rows.append(
                [str(epoch), name, *(spread(answers.metric("base", epoch, "train", k, layer), 2) for k in keys)]
            )
        found = {key: [value for value in answers.modelled(epoch, "base", key) if value] for key in keys}
        betas = [model[epoch]["beta"] for model in answers.models if model[epoch]["beta"]]
        name = f"minimiser, β = {spread(betas, 2)}" if betas else "no minimiser is so collapsed"
        rows.append([str(epoch), name, *(spread(found[key], 2) if found[key] else "none" for key in keys)])
    return table(["epoch", "features of the base", "ÑC1", "NC1", "NC2", "NC3"], rows)


def near(answers: Answers) -> str:
    """What the model does where it is held close to the given features of the last epoch, in ten-thousandths."""
    models = [model[answers.compared[-1]] for model in answers.models]
    rows = [
        [
            setting,
            *(
                spread([1e4 * (model["settings"][setting][0][key] / model["given"][key] - 1) for model in models])
                for key in ("within", "between", "nc1_traces")
            ),
        ]
        for setting in SETTINGS
    ]
    return table([f"change / 10,000 at β = {HELD_CLOSE:g}", "tr Σ_W", "tr Σ_B", "ÑC1"], rows)


def draw(answers: Answers, folder: Path) -> None:
    import matplotlib as mpl  # noqa: PLC0415

    mpl.use("Agg")
    from matplotlib import pyplot  # noqa: PLC0415

    inks = dict(zip(SETTINGS, ("#0f172a", "#0f766e", "#5eead4", "#c2410c", "#fdba74"), strict=True))
    figure, (train, held_out, model) = pyplot.subplots(1, 3, figsize=(14, 4), layout="constrained")
    epochs = [epoch for epoch in answers.epochs if epoch > 0]
    for axis, on in ((train, "train"), (held_out, "held-out")):
        for setting, ink in inks.items():
            values = np.array([answers.metric(setting, epoch, on) for epoch in epochs])
            axis.plot(epochs, np.median(values, axis=1), "o-", color=ink, markersize=3, label=setting)
            axis.fill_between(epochs, values.min(axis=1), values.max(axis=1), color=ink, alpha=0.15, linewidth=0)
        axis.set(xscale="log", yscale="log", xlabel="epoch", ylabel="ÑC1", title=f"features of {on} digits")
    train.legend(fontsize=8, frameon=False, title="decay")
    for row, setting in enumerate(list(SETTINGS)[1:]):
        for shift, epoch, marker in zip((-0.15, 0.15), answers.compared, ("o", "s"), strict=False):
            network = answers.ratios(setting, epoch)
            model.plot(network, [row + shift] * len(network), marker, color=inks[setting], markersize=5, alpha=0.7)
            modelled = answers.modelled(epoch, setting)
            base = answers.modelled(epoch, "base")
            known = [mine / whole for mine, whole in zip(modelled, base, strict=True) if mine and whole]
            model.plot(known, [row + shift] * len(known), "x", color="#64748b", markersize=5)
    model.axvline(1, color="#94a3b8", linestyle=":")
    for marker, name in zip("osx", [*(f"network, epoch {epoch}" for epoch in answers.compared), "model"], strict=False):
        model.plot([], [], marker, color="#64748b", label=name)
    model.legend(fontsize=8, frameon=False, loc="upper right")
    model.set(xscale="log", xlabel="ÑC1 over that of base", title="what a decay changes")
    model.set_yticks(range(len(SETTINGS) - 1), list(SETTINGS)[1:])
    model.set_ylim(len(SETTINGS) - 1.5, -0.5)
    save_picture(figure, folder, "digits.png")


def main() -> int:
    options = parser(__doc__)
    options.add_argument("--data", type=Path, help="CSV of pixels and label, instead of scikit-learn's digits")
    options.add_argument("--seeds", type=int, default=8)
    options.add_argument("--epochs", type=int, default=3000)
    options.add_argument("--width", type=int, default=64, help="of both hidden layers")
    options.add_argument(
        "--train", type=int, default=100, help="digits of each class to train on; the rest is held out"
    )
    arguments = options.parse_args()
    networks, models = [], []
    for seed in range(arguments.seeds):
        study = Study(arguments, seed)
        networks.append({setting: study.train(setting) for setting in SETTINGS})
        compared = [point for point in networks[-1]["base"] if point["epoch"] in (EARLY, arguments.epochs)]
        models.append({point["epoch"]: study.near_features(point) for point in compared})
        print(f"seed {seed + 1} of {arguments.seeds}", file=sys.stderr, flush=True)
    answers = Answers(networks, models)
    print(tables(answers))
    if arguments.plots:
        draw(answers, arguments.plots)
    return 0


if __name__ == "__main__":
    sys.exit(main())
