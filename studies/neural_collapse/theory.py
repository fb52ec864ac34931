#!/usr/bin/env python3
"""The near-features model's figures: collapse along flow and path, and the spectrum of the perturbation.

  python3 studies/neural_collapse/theory.py [--out build/study-neural-collapse] [--plots studies/neural_collapse/images]

Everything is computed by `treble collapse-model`; its answers are kept in the folder. Plots need matplotlib.
"""

from __future__ import annotations

import json
import math
import struct
import sys
from typing import TYPE_CHECKING, Any

from answers import answer, parser, save_picture, table

if TYPE_CHECKING:
    from pathlib import Path

CLASSES, ITEMS, DIM = 4, 10, 10
LAMBDA_W, LAMBDA_H = 0.05, 0.01
TIMES = [0.1, 0.3, 1, 3, 10, 30, 60, 100]
BETAS = [0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000]
SPECTRUM_BETA = 100
SPECTRUM_LAMBDA_W = math.sqrt(2)
SPECTRUM_LAMBDA_H = [0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5, 0.7]


def features() -> list[list[float]]:
    """H₀[a, b] = sin(0.7 (a + 1)(b + 1)) + [a = ⌊b / n⌋], an item b a row."""
    return [[math.sin(0.7 * (a + 1) * (b + 1)) + (a == b // ITEMS) for a in range(DIM)] for b in range(CLASSES * ITEMS)]


def write_npy(path: Path, rows: list[list[float]]) -> None:
    header = f"{{'descr': '<f8', 'fortran_order': False, 'shape': ({len(rows)}, {len(rows[0])}), }}"
    header += " " * (-(len(header) + 11) % 64) + "\n"
    numbers = [value for row in rows for value in row]
    body = struct.pack("<H", len(header)) + header.encode() + struct.pack(f"<{len(numbers)}d", *numbers)
    path.write_bytes(b"\x93NUMPY\x01\x00" + body)


def collapse_tables(report: dict[str, Any]) -> str:
    def row(name: str, collapse: dict[str, float]) -> list[str]:
        return [name, *(f"{collapse[key]:.6f}" for key in ("nc1_traces", "nc1", "nc2", "nc3"))]

    given = row("given", report["given"])
    flow = [row(f"t = {point['time']:g}", point["collapse"]) for point in report["flow"]]
    path = [row(f"β = {point['beta']:g}", point["collapse"]) for point in reversed(report["path"])]
    return (
        table(["features", "ÑC1", "NC1", "NC2", "NC3"], [given, *flow])
        + "\n"
        + table(["features", "ÑC1", "NC1", "NC2", "NC3"], [given, *path])
    )


def spectrum_table(reports: list[dict[str, Any]]) -> str:
    rows = []
    for report in reports:
        point = report["path"][0]["perturbation"]
        values = [f"{one['value']:.8f} ({one['count']})" for one in point["diagonal_block"]]
        rows.append(
            [f"{report['lambda_h']:g}", f"{point['c']:.4f}", *values, f"{point['off_diagonal_singular_value']:.3e}"]
        )
    return table(
        [
            "λ_H",
            "c",
            "unchanged",
            "within, off the means' span",
            "within, in it",
            "means",
            "their norm",
            "across classes",
        ],
        rows,
    )


def draw(report: dict[str, Any], spectra: list[dict[str, Any]], folder: Path) -> None:
    import matplotlib as mpl  # noqa: PLC0415

    mpl.use("Agg")
    from matplotlib import pyplot  # noqa: PLC0415

    figure, (flow, path, spectrum) = pyplot.subplots(1, 3, figsize=(13, 3.8), layout="constrained")
    times = [0.0, *(point["time"] for point in report["flow"])]
    flow.plot(
        times,
        [report["given"]["nc1_traces"], *(p["collapse"]["nc1_traces"] for p in report["flow"])],
        "o-",
        color="#c2410c",
    )
    flow.set(xlabel="time of the gradient flow", ylabel="ÑC1", yscale="log", title="along the flow")
    path.plot(
        [p["beta"] for p in report["path"]],
        [p["collapse"]["nc1_traces"] for p in report["path"]],
        "o-",
        color="#c2410c",
    )
    path.axhline(report["given"]["nc1_traces"], color="#94a3b8", linestyle=":")
    path.set(xlabel="β", ylabel="ÑC1", xscale="log", yscale="log", title="along the central path; dotted: given")
    names = ["unchanged", "within, off the means' span", "within, in it", "means", "their norm"]
    for index, name in enumerate(names):
        values = [s["path"][0]["perturbation"]["diagonal_block"][index]["value"] for s in spectra]
        spectrum.plot([s["lambda_h"] for s in spectra], values, "o-", markersize=3, label=name)
    spectrum.set(xlabel="λ_H", ylabel="singular value", xscale="log", title=f"F_kk at β = {SPECTRUM_BETA}, λ_W = √2")
    spectrum.legend(fontsize=7, frameon=False)
    save_picture(figure, folder, "theory.png")


def main() -> int:
    arguments = parser(__doc__).parse_args()
    arguments.out.mkdir(parents=True, exist_ok=True)
    features_file, labels = arguments.out / "features.npy", arguments.out / "labels.txt"
    write_npy(features_file, features())
    labels.write_text("".join(f"{b // ITEMS}\n" for b in range(CLASSES * ITEMS)))

    def solve(name: str, lambda_w: float, lambda_h: float, *options: str) -> dict[str, Any]:
        lambdas = ("--lambda-w", str(lambda_w), "--lambda-h", str(lambda_h))
        report = answer(arguments.treble, "collapse-model", features_file, "--labels", labels, *lambdas, *options)
        (arguments.out / f"{name}.json").write_text(json.dumps(report, indent=2) + "\n")
        return report

    listed = ["--beta", ",".join(map(str, BETAS)), "--flow", ",".join(map(str, TIMES))]
    report = solve("collapse", LAMBDA_W, LAMBDA_H, *listed)
    spectra = [
        solve(f"spectrum-{index}", SPECTRUM_LAMBDA_W, lambda_h, "--beta", str(SPECTRUM_BETA))
        for index, lambda_h in enumerate(SPECTRUM_LAMBDA_H)
    ]
    print(collapse_tables(report))
    print(spectrum_table(spectra))
    if arguments.plots:
        draw(report, spectra, arguments.plots)
    return 0


if __name__ == "__main__":
    sys.exit(main())
