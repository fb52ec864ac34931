"""The study's pictures: gains by set, collapse and filtering by length, score by length. Needs matplotlib."""

from __future__ import annotations

import statistics
from collections import defaultdict
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib as mpl

mpl.use("Agg")
from matplotlib import pyplot

if TYPE_CHECKING:
    from answers import Answer

INKS = ("#475569", "#c2410c", "#0f766e", "#7c3aed", "#ca8a04", "#be185d", "#2563eb")
TITLES = {
    "temperature": "temperature alone (6 tried)",
    "pieces": "whole texts in pieces (7 tried)",
    "further": "reading further (11 tried)",
}


def save(figure: Any, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(target, dpi=90)
    pyplot.close(figure)


def powers_of_two(axis: Any) -> None:
    axis.set_xscale("log", base=2)
    axis.xaxis.set_major_formatter("{x:.0f}")


def gains(answers: list[Answer], target: Path) -> None:
    """Held-out gains with intervals, a row a set."""
    jobs = [job for job in TITLES if any(answer.job == job for answer in answers)]
    names = list(dict.fromkeys(answer.data for answer in answers if answer.job in jobs))
    if not names:
        return
    height = 1.6 + 0.34 * len(names)
    figure, axes = pyplot.subplots(
        1, len(jobs), figsize=(4.2 * len(jobs), height), sharey=True, layout="constrained", squeeze=False
    )
    for axis, job in zip(axes[0], jobs, strict=True):
        for answer in answers:
            if answer.job != job:
                continue
            gain = answer.report["held_out_gain"]
            row = names.index(answer.data)
            sure = gain["low"] > 0 or gain["high"] < 0
            axis.plot([100 * gain["low"], 100 * gain["high"]], [row, row], color=INKS[1 if sure else 0], linewidth=2)
            axis.plot([100 * gain["value"]], [row], "o", color=INKS[1 if sure else 0], markersize=5)
        axis.axvline(0, color="#94a3b8", linestyle=":", linewidth=1)
        axis.set_title(TITLES[job], fontsize=10)
        axis.set_xlabel("held-out gain, points")
        axis.set_yticks(range(len(names)), names)
        axis.set_ylim(len(names) - 0.5, -0.5)
    save(figure, target)


def lengths(answers: list[Answer], target: Path) -> None:
    """Mean cosine of the same texts cut, and the measured filter rate beside the paper's bound."""
    mine = [answer for answer in answers if answer.job == "collapse"]
    if not mine:
        return
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
    for ink, answer in zip(INKS, mine, strict=False):
        report = answer.report
        for name, style in (("1", "-"), ("0.8", "--")):
            if name in report["settings"]:
                means = [mean["mean"] for mean in report["cut_cosine"][report["settings"].index(name)]]
                left.plot(report["cut_lengths"], means, style, color=ink, label=answer.data if name == "1" else None)
    powers_of_two(left)
    left.set_xlabel("tokens at which the same texts are cut")
    left.set_ylabel("mean pairwise cosine")
    left.set_title("as trained; dashed: temperature 0.8", fontsize=10)
    left.legend(fontsize=8, frameon=False)
    rates: dict[int, dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    bounds: dict[int, list[float]] = defaultdict(list)
    for answer in mine:
        for row in answer.report["attention"]:
            if row["setting"] == 0 and row["head"] is None:
                rates[row["layer"]][row["length"]].append(row["filter_rate"])
                bounds[row["length"]].append(row["bound"])
    for layer, by_length in sorted(rates.items()):
        places = sorted(by_length)
        shade = 0.25 + 0.75 * layer / max(1, len(rates) - 1)
        right.plot(
            places,
            [statistics.fmean(by_length[place]) for place in places],
            color="#c2410c",
            alpha=shade,
            label=f"layer {layer}",
        )
    places = sorted(bounds)
    right.plot(
        places,
        [statistics.fmean(bounds[place]) for place in places],
        ":",
        color="#475569",
        label="the paper's bound, mean",
    )
    powers_of_two(right)
    right.set_xlabel("tokens")
    right.set_ylabel("filter rate: largest singular value of HC[A]")
    right.set_title("as trained", fontsize=10)
    right.legend(fontsize=8, frameon=False)
    save(figure, target)


def scores(answers: list[Answer], target: Path) -> None:
    """Score by the length of what is looked for or labelled: untouched, and dashed what each job is about."""
    panels = [
        ("temperature", "0.8", "cut where the model cuts; dashed: temperature 0.8"),
        ("pieces", "chunk-mean:256", "cut at 512 tokens; dashed: whole texts, chunk-mean:256"),
    ]
    mine = [answer for answer in answers if answer.report.get("metric") != "V-measure" and len(filled(answer)) > 2]
    shown = {job: [answer for answer in mine if answer.job == job] for job, _, _ in panels}
    if not any(shown.values()):
        return
    inks = dict(zip(dict.fromkeys(answer.data for some in shown.values() for answer in some), cycle(INKS)))
    figure, axes = pyplot.subplots(1, len(panels), figsize=(11, 4.2), layout="constrained")
    for axis, (job, compared, title) in zip(axes, panels, strict=True):
        for answer in shown[job]:
            names = [row["name"] for row in answer.report["settings"]]
            buckets = filled(answer)
            edges = [bucket["max_tokens"] for bucket in buckets]
            for name, style in (("1", "-"), (compared, "--")):
                values = [bucket["values"][names.index(name)] for bucket in buckets]
                label = f"{answer.data} ({answer.report['metric']})" if name == "1" else None
                axis.plot(edges, values, style, marker="o", markersize=3, color=inks[answer.data], label=label)
        powers_of_two(axis)
        axis.set_xlabel("tokens of the text, up to")
        axis.set_ylabel("score")
        axis.set_ylim(0, 1)
        axis.set_title(title, fontsize=10)
        if shown[job]:
            axis.legend(fontsize=7, frameon=False)
    save(figure, target)


def filled(answer: Answer) -> list[dict[str, Any]]:
    """Buckets of ten items or more that every setting has a score in."""
    return [
        bucket for bucket in answer.report.get("buckets", []) if bucket["items"] >= 10 and None not in bucket["values"]
    ]


def draw(answers: list[Answer], folder: Path) -> None:
    for model in dict.fromkeys(answer.model for answer in answers):
        mine = [answer for answer in answers if answer.model == model]
        gains(mine, folder / f"evidence-gains-{model}.png")
        lengths(mine, folder / f"evidence-lengths-{model}.png")
        scores(mine, folder / f"evidence-scores-{model}.png")
