#!/usr/bin/env python3
"""The figures of README.md from what `incomplete_rg scan` wrote.

  build/release/bin/incomplete_rg scan --out studies/incomplete_rg/results
  python3 studies/incomplete_rg/plots.py [--results FOLDER] [--images FOLDER]

Needs matplotlib.
"""

from __future__ import annotations

import argparse
import csv
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")
from matplotlib import pyplot

HERE = Path(__file__).resolve().parent
COLOURS = {"quad": "#0f766e", "cosh": "#c2410c", "quart": "#4338ca"}
SHADES = ["#94a3b8", "#0f766e", "#c2410c", "#4338ca"]
FORMULAS = {
    "quad": r"quad: $V=-6-\phi^2$",
    "cosh": r"cosh: $V=-2(2+\cosh\phi)$",
    "quart": r"quart: $V=-6-\phi^2+\phi^4/4$",
}
GREY = "#64748b"
Rows = list[dict[str, Any]]


def read(path: Path) -> Rows:
    def value(text: str) -> Any:
        try:
            return float(text)
        except ValueError:
            return text

    with path.open(encoding="utf-8") as file:
        return [{name: value(text) for name, text in row.items()} for row in csv.DictReader(file)]


def select(rows: Rows, **wanted: Any) -> Rows:
    return [row for row in rows if all(row[name] == value for name, value in wanted.items())]


def values(rows: Rows, name: str) -> list[float]:
    return [row[name] for row in rows]


def panels(count: int, **options: Any) -> tuple[Any, Any]:
    return pyplot.subplots(1, count, figsize=(4.3 * count, 3.6), layout="constrained", **options)


def draw_c_function(data: dict[str, Rows]) -> Any:
    figure, axes = panels(3)
    for axis, potential in zip(axes, FORMULAS, strict=True):
        rows = [row for row in select(data["flows"], potential=potential) if 1e-2 <= row["r"] <= 1e3]
        for shade, centre in zip(SHADES[1:], sorted({row["centre"] for row in rows}), strict=True):
            flow = select(rows, centre=centre)
            label = rf"$\phi_0={centre:g}$, $\alpha={flow[0]['source']:.2f}$"
            axis.plot(values(flow, "r"), values(flow, "c_function"), color=shade, label=label)
        if potential == "quart":
            axis.axhline(6 / 7, color=GREY, linestyle=":", label=r"$6/7$: the AdS of $\phi=\sqrt{2}$")
        axis.set(xscale="log", xlabel="r", title=FORMULAS[potential])
        axis.legend(fontsize=8, frameon=False)
    axes[0].set_ylabel(r"$C(r)=r^2/(f-1)$")
    return figure


def draw_against_source(
    rows: Rows, axis: Any, name: str, change: Callable[[float], float] = lambda y: y, largest: float = math.inf
) -> None:
    for potential, colour in COLOURS.items():
        chosen = [row for row in select(rows, potential=potential) if row["source"] <= largest]
        axis.plot(values(chosen, "source"), [change(y) for y in values(chosen, name)], color=colour, label=potential)
    axis.set_xlabel(r"source $\alpha$")


def draw_entropy(data: dict[str, Rows]) -> Any:
    figure, (entropy, curvature) = panels(2)
    draw_against_source(data["solitons"], entropy, "hemisphere_entropy")
    entropy.set(ylabel=r"$G\,[S(\alpha)-S(0)]=\frac{\pi}{2}(I+1)$", title="entanglement entropy of the hemisphere")
    entropy.legend(frameon=False)
    draw_against_source(data["solitons"], curvature, "curvature_centre", lambda r: -r)
    curvature.set(yscale="log", ylabel=r"$-R(0)=-2V(\phi_0)$", title="scalar curvature at the centre")
    return figure


def draw_mass(data: dict[str, Rows]) -> Any:
    figure, (mass, condensate) = panels(2)
    draw_against_source(data["solitons"], mass, "energy", largest=4)
    mass.set(ylabel=r"$G\,E$", title="mass of the soliton")
    mass.legend(frameon=False)
    draw_against_source(data["solitons"], condensate, "response", largest=4)
    condensate.set(ylabel=r"$\beta$", title=r"condensate; dotted: $-2\alpha/\pi$, small sources")
    condensate.axline((0, 0), slope=-2 / math.pi, color=GREY, linestyle=":")
    return figure


def draw_transition(data: dict[str, Rows]) -> Any:
    figure, (temperature, radius, wide) = panels(3)
    draw_against_source(data["transitions"], temperature, "pi_temperature", largest=4)
    temperature.set(ylabel=r"$\pi\,T_{HP}$", title="temperature of the transition", ylim=(0.998, 1.045))
    temperature.axhline(1, color=GREY, linestyle=":")
    temperature.legend(frameon=False)
    draw_against_source(data["transitions"], radius, "radius")
    radius.set(ylabel="$r_h$", title="radius of its black hole", xlim=(0, 6))
    for potential in ("quad", "quart"):
        rows = select(data["transitions"], potential=potential)
        wide.plot(values(rows, "source"), values(rows, "pi_temperature"), color=COLOURS[potential], label=potential)
    wide.axhline(1, color=GREY, linestyle=":")
    wide.set(xlabel=r"source $\alpha$", ylabel=r"$\pi\,T_{HP}$", title="at large sources")
    wide.legend(frameon=False)
    return figure


def draw_free_energy(data: dict[str, Rows]) -> Any:
    figure, axes = panels(3, sharey=True)
    for axis, potential in zip(axes, FORMULAS, strict=True):
        rows = select(data["black_holes"], potential=potential)
        for shade, source in zip(SHADES[1:], sorted({row["source"] for row in rows}), strict=True):
            holes = select(rows, source=source)
            difference = [row["free_energy"] - row["free_energy_soliton"] for row in holes]
            pi_temperature = [math.pi * row["temperature"] for row in holes]
            axis.plot(pi_temperature, difference, color=shade, label=rf"$\alpha={source:g}$")
        axis.axhline(0, color=GREY, linestyle=":", label="soliton")
        axis.set(xlabel=r"$\pi\,T$", title=FORMULAS[potential], xlim=(0.84, 1.4), ylim=(-0.35, 0.16))
        axis.legend(fontsize=8, frameon=False)
    axes[0].set_ylabel(r"$G\,(F-F_{soliton})$")
    return figure


def draw_attractor(data: dict[str, Rows]) -> Any:
    figure, (field, distance) = panels(2)
    rows = data["attractor"]
    sources = values(rows, "source")
    names = {"centre": r"soliton, $\phi(0)$"}
    names |= {name: rf"$\phi(r_h)$, $r_h={name.split('_')[1]}$" for name in rows[0] if name.startswith("horizon_")}
    for shade, (name, label) in zip(SHADES, names.items(), strict=True):
        style = "--" if name == "centre" else "-"
        field.plot(sources, values(rows, name), style, color=shade, label=label)
        gap = [row["attractor"] - row[name] for row in rows]
        distance.plot(sources, gap, style, color=shade, label=label)
    field.axhline(math.sqrt(2), color=GREY, linestyle=":", label=r"attractor, $\sqrt{2}$")
    field.set(xscale="log", xlabel=r"source $\alpha$", ylabel=r"$\phi$ in the interior", title=FORMULAS["quart"])
    field.legend(fontsize=8, frameon=False)
    distance.set(xscale="log", yscale="log", xlabel=r"source $\alpha$", ylabel=r"$\sqrt{2}-\phi$", title="what is left")
    return figure


def draw_convergence(data: dict[str, Rows]) -> Any:
    figure, axis = pyplot.subplots(figsize=(5.4, 3.8), layout="constrained")
    rows = data["convergence"]
    names = {"temperature": "T", "free_energy": "G F", "response": "β", "horizon": "φ(r_h)"}
    for shade, (name, label) in zip(["#0f766e", "#c2410c", "#4338ca", "#a16207"], names.items(), strict=True):
        floor = [max(value, 1e-16) for value in values(rows, name)]
        axis.plot(values(rows, "degree"), floor, "o-", markersize=3, color=shade, label=label)
    shooting = values(rows, "response_shooting")
    axis.plot(values(rows, "degree"), shooting, "x", color=GREY, label="β, against shooting")
    title = r"cosh, $r_h=0.981015$, $\alpha=1$"
    axis.set(yscale="log", xlabel="degree N", ylabel="error", title=title)
    axis.legend(fontsize=8, frameon=False)
    return figure


FIGURES = {
    "c_function": draw_c_function,
    "entropy": draw_entropy,
    "mass": draw_mass,
    "transition": draw_transition,
    "free_energy": draw_free_energy,
    "attractor": draw_attractor,
    "convergence": draw_convergence,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, default=HERE / "results")
    parser.add_argument("--images", type=Path, default=HERE / "images")
    arguments = parser.parse_args()
    data = {path.stem: read(path) for path in arguments.results.glob("*.csv")}
    arguments.images.mkdir(parents=True, exist_ok=True)
    for name, draw in FIGURES.items():
        figure = draw(data)
        figure.savefig(arguments.images / f"{name}.png", dpi=80)
        pyplot.close(figure)


if __name__ == "__main__":
    main()
