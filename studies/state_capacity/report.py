#!/usr/bin/env python3
"""Writes the tables of README.md from results/, and the pictures.

  python3 studies/state_capacity/report.py [--check] [--plots docs/images]

--check changes nothing and fails where README.md has other tables. Tables need NumPy, pictures matplotlib and Pillow.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from collections import defaultdict
from itertools import pairwise
from pathlib import Path
from typing import Any

import laws
import numpy as np
from places import HERE, RESULTS, TRAINING_LENGTH

LAYERS, HEADS, HEAD = 2, 2, 64
# Of the controls, what is drawn.
DRAWN = {
    "none": "#475569",
    "window:128": "#0f766e",
    "window:256": "#7c3aed",
    "norm:4": "#c2410c",
    "rri:0.998,1": "#2563eb",
}


def table(head: list[str], rows: list[list[str]]) -> str:
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *rows))


class Grid:
    """Models of results/grid.json by seed, state size and training length."""

    def __init__(self, path: Path) -> None:
        self.seeds: dict[int, dict[int, dict[int, dict[str, Any]]]] = defaultdict(lambda: defaultdict(dict))
        for name, model in json.loads(path.read_text())["models"].items():
            state, length, seed = map(int, name.split("-"))
            self.seeds[seed][state][length] = model

    def chains(self) -> list[tuple[int, int, dict[int, dict[str, Any]]]]:
        """State size, seed, models by training length."""
        return [
            (state, seed, dict(sorted(models.items())))
            for seed, states in sorted(self.seeds.items())
            for state, models in sorted(states.items())
        ]

    def lengths(self) -> list[int]:
        return sorted({length for _, _, models in self.chains() for length in models})

    def sizes(self) -> np.ndarray:
        """Of the chains' states, in thousands."""
        return np.array([size_of(state) for state, _, _ in self.chains()]) / 1e3

    def brackets(self) -> list[laws.Bracket]:
        return [laws.forget_threshold(models) for _, _, models in self.chains()]

    def recalls(self, length: int | None = None) -> np.ndarray:
        """T_recall of the models of one training length, or of any."""
        return np.array(
            [
                laws.recall_threshold(models if length is None else {length: models[length]})
                for _, _, models in self.chains()
            ],
            float,
        )


def size_of(state: int) -> int:
    return laws.state_size(LAYERS, HEADS, HEAD, state)


def controls_table(results: dict[str, Any]) -> str:
    settings = results["settings"]
    head = ["state", *(f"{length}" for length in settings["lengths"])]
    head += [f"{begin} to {end}" for begin, end in pairwise(settings["edges"])]
    rows = [
        [
            f"`{name}`",
            *(f"{100 * share:.0f}" for share in one["recalled"]),
            *(f"{loss:.2f}" for loss in one["text_loss"]),
        ]
        for name, one in results["controls"].items()
    ]
    return table(head, rows)


def growth_table(results: dict[str, Any]) -> str:
    rows = []
    for name, one in results["controls"].items():
        beyond = "never" if one["collapse_from"] is None else f"{one['collapse_from']}"
        growth = [f"{ratio:.1f}" for layer in one["growth"] for ratio in layer]
        norms = [f"{norm:.1f}" for layer in one["norm_within"] for norm in layer]
        rows.append([f"`{name}`", *growth, beyond, *norms])
    places = [f"layer {layer} head {head}" for layer in range(LAYERS) for head in range(HEADS)]
    return table(["state", *places, "collapse from token", *(f"norm, {place}" for place in places)], rows)


def models_table(grid: Grid) -> str:
    rows = []
    for state, seed, models in grid.chains():
        for length, model in models.items():
            excess = laws.Excess.of(model)
            growth = laws.growth(model)
            rows.append(
                [
                    *(f"{value}" for value in (state, seed, length, model["steps"])),
                    *(f"{np.mean(model[key]):.2f}" for key in ("within", "fresh", "long")),
                    f"{excess.mean:+.3f} [{excess.low:+.3f}, {excess.high:+.3f}]",
                    "yes" if excess.collapsed else "no",
                    f"{growth:.1f}" if growth < 100 else f"{growth:.0f}",
                    f"{laws.recall_length(model) or 'none'}",
                ]
            )
    head = ["N", "seed", "T", "steps", "within", "fresh", "long", "excess, nats", "collapses", "growth of the variance"]
    return table([*head, "recalls up to"], rows)


def octaves_table(grid: Grid) -> str:
    rows = [
        [f"{state}", f"{length}", *(f"{loss:.2f}" for loss in model["octaves"]), f"{100 * model['digits']:.1f}"]
        for state, _, models in grid.chains()
        for length, model in models.items()
    ]
    ends = [f"to {64 * 2 ** (i + 1):,}" for i in range(len(rows[0]) - 3)]
    return table(["N", "T", "loss from 64 " + ends[0], *ends[1:], "digits, %"], rows)


def in_words(bracket: laws.Bracket) -> str:
    if bracket.at_most is None:
        return f"above {bracket.above}"
    return f"{bracket.above} to {bracket.at_most}" if bracket.above else f"at most {bracket.at_most}"


def thresholds_table(grid: Grid) -> str:
    rows = []
    for state, seed, models in grid.chains():
        forget, grown = (in_words(threshold(models)) for threshold in (laws.forget_threshold, laws.growth_threshold))
        recalls = [f"{laws.recall_length(models[length])}" if length in models else "" for length in grid.lengths()]
        rows.append([f"{state}", f"{seed}", f"{size_of(state):,}", forget, grown, *recalls])
    head = ["N", "seed", "N_S", "T_forget by predictions", "by the state's variance"]
    return table([*head, *(f"recalls up to, T = {length}" for length in grid.lengths())], rows)


def fits_table(grid: Grid) -> str:
    """Sizes are in thousands here and in millions in the paper, lengths in tokens here and in thousands there."""
    paper_forget, paper_recall = (np.array(points).T for points in (laws.PAPER_FORGET, laws.PAPER_RECALL))
    first = grid.lengths()[0]
    rows = []
    for name, x, y in (
        ("T_forget, the paper's points", *paper_forget),
        ("T_recall, the paper's points", *paper_recall),
        ("T_recall here, best of all T", grid.sizes(), grid.recalls()),
        (f"T_recall here, T = {first}", grid.sizes(), grid.recalls(first)),
    ):
        for fit in (laws.linear_fit(x, y), laws.exponential_fit(x, y)):
            interval = laws.slope_interval(x, y) if fit.kind == "linear" else None
            parameters = ", ".join(f"{parameter:.4g}" for parameter in fit.parameters)
            slope = "" if interval is None else f"{interval[0]:.3g} to {interval[1]:.3g}"
            rows.append([name, f"{len(x)}", fit.kind, parameters, slope, f"{fit.residual:.3g}", f"{fit.explained:.3f}"])
    slopes = laws.slopes_through(grid.sizes(), grid.brackets())
    through = "none goes through all brackets" if slopes is None else f"{slopes[0]:.3g} to {slopes[1]:.3g}"
    rows.append(["T_forget here", f"{len(grid.brackets())} brackets", "linear", "", through, "", ""])
    return table(["law", "points", "fit", "parameters", "slope, 95 % or all possible", "residual", "R²"], rows)


def tables() -> dict[str, str]:
    passkey = json.loads((RESULTS / "passkey.json").read_text())
    grid = Grid(RESULTS / "grid.json")
    return {
        "controls": controls_table(passkey),
        "growth": growth_table(passkey),
        "models": models_table(grid),
        "octaves": octaves_table(grid),
        "thresholds": thresholds_table(grid),
        "fits": fits_table(grid),
    }


def with_tables(text: str, made: dict[str, str]) -> str:
    for name, content in made.items():
        pattern = re.compile(rf"(<!-- {name} -->\n)(?:(?!<!--).)*(\n<!-- end -->)", re.DOTALL)
        text, found = pattern.subn(lambda match, content=content: match[1] + content + match[2], text)
        if found != 1:
            raise SystemExit(f"README.md: has {found} places for the table {name}, must have 1")
    return text


def save(figure: Any, path: Path) -> None:
    """In 64 colours, which is a third of the size."""
    from PIL import Image  # noqa: PLC0415

    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(path, dpi=90)
    Image.open(path).convert("RGB").quantize(64).save(path, optimize=True)


def draw_control(pyplot: Any, folder: Path) -> None:
    results = json.loads((RESULTS / "passkey.json").read_text())
    settings = results["settings"]
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(9.6, 3.4), layout="constrained")
    middles = [np.sqrt(begin * end) for begin, end in pairwise(settings["edges"])]
    for name, ink in DRAWN.items():
        one = results["controls"][name]
        label = "untouched" if name == "none" else name
        left.plot(settings["lengths"], [100 * share for share in one["recalled"]], "o-", color=ink, ms=3, label=label)
        right.plot(middles, one["text_loss"], "o-", color=ink, ms=3, label=label)
    for axis in (left, right):
        axis.set_xscale("log", base=2)
        axis.xaxis.set_major_formatter(lambda x, _: f"{x:.0f}")
        axis.axvline(TRAINING_LENGTH, color="#94a3b8", linestyle=":")
    left.set(xlabel="tokens of the prompt", ylabel="passkeys recalled, %")
    right.set(xlabel="place in the text, tokens", ylabel="loss of made-up text, nats a token")
    left.legend(fontsize=8, frameon=False)
    save(figure, folder / "state-capacity-control.png")


def draw_laws(pyplot: Any, folder: Path) -> None:
    grid = Grid(RESULTS / "grid.json")
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(9.6, 3.8), layout="constrained")
    for size, bracket in zip(1e3 * grid.sizes(), grid.brackets(), strict=True):
        low, high = max(bracket.above, 32), bracket.at_most or 2 * bracket.above
        left.plot([size, size], [low, high], color="#c2410c", linewidth=2)
        marks = [(high, "_" if bracket.at_most else "^"), *([(low, "_")] if bracket.above else [(low, "v")])]
        for y, mark in marks:
            left.plot([size], [y], mark, color="#c2410c", ms=8)
    left.plot([], [], color="#c2410c", linewidth=2, label="here: between a T that collapses and one that does not")
    right.plot(1e3 * grid.sizes(), grid.recalls(), "o", color="#c2410c", ms=5, label="here, best of all T")
    first = grid.lengths()[0]
    right.plot(1e3 * grid.sizes(), grid.recalls(first), "o", mfc="none", color="#c2410c", label=f"here, T = {first}")
    for axis, points, law, name in (
        (left, laws.PAPER_FORGET, laws.paper_forget, "T_forget"),
        (right, laws.PAPER_RECALL, laws.paper_recall, "T_recall"),
    ):
        paper = np.array(points).T
        x = np.geomspace(0.5, 13, 200)
        y = law(x)
        axis.plot(1e6 * paper[0], 1e3 * paper[1], "s", color="#0f766e", ms=5, label="the paper")
        axis.plot(1e6 * x[y > 0.1], 1e3 * y[y > 0.1], color="#0f766e", label="the paper's fit")
        axis.set(xscale="log", yscale="log", xlabel="numbers in the state, N_S", ylabel=f"{name}, tokens")
        axis.legend(fontsize=8, frameon=False)
    save(figure, folder / "state-capacity-laws.png")


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--check", action="store_true", help="fail where README.md differs")
    options.add_argument("--plots", type=Path, help="folder for the pictures")
    arguments = options.parse_args()
    readme = HERE / "README.md"
    before = readme.read_text()
    after = with_tables(before, tables())
    if arguments.check:
        if after != before:
            raise SystemExit(f"{readme}: its tables are not those of results/; run studies/state_capacity/report.py")
    else:
        readme.write_text(after)
    if arguments.plots:
        import matplotlib as mpl  # noqa: PLC0415

        mpl.use("Agg")
        from matplotlib import pyplot  # noqa: PLC0415

        draw_control(pyplot, arguments.plots)
        draw_laws(pyplot, arguments.plots)
    return 0


if __name__ == "__main__":
    sys.exit(main())
