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
    "rri:0.998,1": "#b45309",
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

    def thresholds(self) -> list[tuple[int, int, int | None, int]]:
        """Seed, state size, T_forget, T_recall."""
        return [
            (seed, state, laws.forget_threshold(models), laws.recall_threshold(models))
            for seed, states in sorted(self.seeds.items())
            for state, models in sorted(states.items())
        ]

    def points(self, which: int) -> tuple[np.ndarray, np.ndarray]:
        """Sizes of states and thresholds, of those that were found."""
        found = [(size_of(row[1]), row[which]) for row in self.thresholds() if row[which]]
        sizes, values = zip(*found, strict=True) if found else ((), ())
        return np.array(sizes, float), np.array(values, float)


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
    for seed, states in sorted(grid.seeds.items()):
        for state, models in sorted(states.items()):
            for length, model in sorted(models.items()):
                excess = laws.Excess.of(model)
                rows.append(
                    [
                        f"{state}",
                        f"{seed}",
                        f"{length}",
                        f"{np.mean(model['within']):.2f}",
                        f"{np.mean(model['fresh']):.2f}",
                        f"{np.mean(model['long']):.2f}",
                        f"{excess.mean:+.3f} [{excess.low:+.3f}, {excess.high:+.3f}]",
                        "yes" if excess.collapsed else "no",
                        f"{max(ratio for layer in model['growth'] for ratio in layer):.1f}",
                        f"{recalled_at(model, length):.0f}",
                        f"{laws.recall_length(model) or 'none'}",
                    ]
                )
    head = ["N", "seed", "T", "loss within", "fresh", "long", "excess, nats", "collapses", "variance x"]
    return table([*head, "recalled at T, %", "recalled up to"], rows)


def recalled_at(model: dict[str, Any], length: int) -> float:
    return 100 * model["recalled"].get(str(length), 0.0)


def thresholds_table(grid: Grid) -> str:
    rows = [
        [f"{state}", f"{seed}", f"{size_of(state):,}", f"{forget or 'none up to 1024'}", f"{recall or 'none'}"]
        for seed, state, forget, recall in grid.thresholds()
    ]
    return table(["N", "seed", "N_S", "T_forget", "T_recall"], rows)


def fits_table(grid: Grid) -> str:
    rows = []
    paper = [np.array(points).T for points in (laws.PAPER_FORGET, laws.PAPER_RECALL)]
    for name, which, units in (("T_forget", 2, 0), ("T_recall", 3, 1)):
        sizes, values = grid.points(which)
        for source, x, y in (("here", sizes / 1e3, values), ("the paper's points", *paper[units])):
            if len(set(x)) < 3:
                rows.append([name, source, f"{len(x)}", "too few points", "", "", "", ""])
                continue
            for fit in (laws.linear_fit(x, y), laws.exponential_fit(x, y)):
                interval = laws.slope_interval(x, y) if fit.kind == "linear" else None
                rows.append([name, source, f"{len(x)}", fit.kind, ", ".join(f"{p:.4g}" for p in fit.parameters),
                             "" if interval is None else f"[{interval[0]:.3g}, {interval[1]:.3g}]",
                             f"{fit.residual:.3g}", f"{fit.explained:.3f}"])  # fmt: skip
    return table(["law", "of", "points", "fit", "parameters", "95 % of the slope", "residual", "R²"], rows)


def tables() -> dict[str, str]:
    passkey = json.loads((RESULTS / "passkey.json").read_text())
    grid = Grid(RESULTS / "grid.json")
    return {
        "controls": controls_table(passkey),
        "growth": growth_table(passkey),
        "models": models_table(grid),
        "thresholds": thresholds_table(grid),
        "fits": fits_table(grid),
    }


def with_tables(text: str, made: dict[str, str]) -> str:
    for name, content in made.items():
        pattern = re.compile(rf"(<!-- {name} -->\n).*?(\n<!-- end -->)", re.DOTALL)
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
    figure, axes = pyplot.subplots(1, 2, figsize=(9.6, 3.8), layout="constrained")
    for axis, which, points, law, fitted, name in (
        (axes[0], 2, laws.PAPER_FORGET, laws.paper_forget, laws.linear_fit, "T_forget"),
        (axes[1], 3, laws.PAPER_RECALL, laws.paper_recall, laws.exponential_fit, "T_recall"),
    ):
        sizes, values = grid.points(which)
        axis.plot(sizes, values, "o", color="#c2410c", ms=5, label="here")
        if len(set(sizes)) >= 3:
            x = np.geomspace(sizes.min(), sizes.max(), 50)
            axis.plot(x, fitted(sizes, values)(x), color="#c2410c", label=f"here, {fitted(sizes, values).kind} fit")
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
