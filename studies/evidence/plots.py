"""The study's pictures: gains by set, collapse and filtering by length, score by length. Needs matplotlib."""

from __future__ import annotations

import re
import statistics
from collections import defaultdict
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib as mpl

mpl.use("Agg")
from answers import added_by_temperature
from matplotlib import pyplot
from matplotlib.lines import Line2D

if TYPE_CHECKING:
    from answers import Answer

INKS = ("#475569", "#c2410c", "#0f766e", "#7c3aed", "#ca8a04", "#be185d", "#2563eb", "#65a30d")
TITLES = {
    "temperature": "a temperature alone",
    "pieces": "whole texts in pieces",
    "further": "reading further, to 2,048 tokens",
}


def save(figure: Any, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(target, dpi=90)
    pyplot.close(figure)


def powers_of_two(axis: Any) -> None:
    axis.set_xscale("log", base=2)
    axis.xaxis.set_major_formatter("{x:.0f}")


def gains(answers: list[Answer], target: Path) -> None:
    """Held-out gains with intervals, a row a set and in it a line a model; a filled dot is certain."""
    mine = [answer for answer in answers if answer.job in TITLES]
    if not mine:
        return
    models = list(dict.fromkeys(answer.model for answer in mine))
    figure, axes = pyplot.subplot_mosaic(
        [["temperature", "pieces"], ["temperature", "further"]], figsize=(11, 9), layout="constrained"
    )
    for job, axis in axes.items():
        shown = [answer for answer in mine if answer.job == job]
        names = list(dict.fromkeys(answer.data for answer in shown))
        for answer in shown:
            gain = answer.report["held_out_gain"]
            number = models.index(answer.model)
            row = names.index(answer.data) + 0.7 * ((number + 0.5) / len(models) - 0.5)
            sure = gain["low"] > 0 or gain["high"] < 0
            ink = INKS[number]
            axis.plot([100 * gain["low"], 100 * gain["high"]], [row, row], color=ink, linewidth=1.3)
            axis.plot([100 * gain["value"]], [row], "o", color=ink, markersize=4.5, mfc=ink if sure else "white")
        for row in range(1, len(names)):
            axis.axhline(row - 0.5, color="#e2e8f0", linewidth=0.7)
        axis.axvline(0, color="#94a3b8", linestyle=":", linewidth=1)
        axis.set_title(TITLES[job], fontsize=10)
        axis.set_xlabel("held-out gain, points")
        axis.set_yticks(range(len(names)), names)
        axis.set_ylim(len(names) - 0.5, -0.5)
    lines = [Line2D([], [], color=ink, marker="o", markersize=4.5) for ink, _ in zip(INKS, models, strict=False)]
    figure.legend(lines, models, loc="outside upper center", ncols=len(models), fontsize=9, frameon=False)
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
        shade = 0.25 + 0.75 * layer / max(1, len(rates) - 1)
        draw_means(right, by_length, "-", color="#c2410c", alpha=shade, label=f"layer {layer}")
    draw_means(right, bounds, ":", color="#475569", label="the paper's bound, mean")
    powers_of_two(right)
    right.set_xlabel("tokens")
    right.set_ylabel("filter rate: largest singular value of HC[A]")
    right.set_title("as trained", fontsize=10)
    right.legend(fontsize=8, frameon=False)
    save(figure, target)


def lengths_by_model(answers: list[Answer], target: Path) -> None:
    """As `lengths`, a line a model: means over the sets that all of them have, filter rates over layers too."""
    by_model: dict[str, dict[str, Answer]] = defaultdict(dict)
    for answer in answers:
        if answer.job == "collapse":
            by_model[answer.model][answer.data] = answer
    common = sorted(set.intersection(*map(set, by_model.values()))) if len(by_model) > 1 else []
    if not common:
        return
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(11, 4.2), layout="constrained")
    bounds: dict[int, list[float]] = defaultdict(list)
    for ink, (model, by_data) in zip(INKS, by_model.items(), strict=False):
        reports = [by_data[data].report for data in common]
        for name, style in (("1", "-"), ("0.8", "--")):
            cosines: dict[int, list[float]] = defaultdict(list)
            for report in reports:
                if name not in report["settings"]:
                    continue
                means = report["cut_cosine"][report["settings"].index(name)]
                for length, mean in zip(report["cut_lengths"], means, strict=True):
                    cosines[length].append(mean["mean"])
            draw_means(left, cosines, style, color=ink, label=model if name == "1" else None)
        rates: dict[int, list[float]] = defaultdict(list)
        for report in reports:
            for row in report["attention"]:
                if row["setting"] == 0 and row["head"] is None:
                    rates[row["length"]].append(row["filter_rate"])
                    bounds[row["length"]].append(row["bound"])
        draw_means(right, rates, "-", color=ink, label=model)
    draw_means(right, bounds, ":", color="#475569", label="the paper's bound, mean")
    for axis in (left, right):
        powers_of_two(axis)
        axis.set_ylim(0)
        axis.legend(fontsize=8, frameon=False)
    left.set_xlabel("tokens at which the same texts are cut")
    left.set_ylabel(f"mean pairwise cosine, mean over {len(common)} sets")
    left.set_title("as trained; dashed: temperature 0.8", fontsize=10)
    right.set_xlabel("tokens")
    right.set_ylabel("filter rate, mean over layers")
    right.set_title("as trained", fontsize=10)
    save(figure, target)


def draw_means(axis: Any, values: dict[int, list[float]], style: str, **look: Any) -> None:
    places = sorted(values)
    axis.plot(places, [statistics.fmean(values[place]) for place in places], style, **look)


def scores(answers: list[Answer], target: Path) -> None:
    """Score by the length of what is looked for or labelled: untouched, and dashed what each job is about."""
    panels = [
        ("temperature", "0.8", "cut where the model cuts; dashed: temperature 0.8"),
        ("pieces", "chunk-mean:256", "cut at 512 tokens; dashed: whole texts, chunk-mean:256"),
    ]
    mine = [answer for answer in answers if answer.report.get("metric") not in (None, "V-measure")]
    shown = {job: [answer for answer in mine if answer.job == job and len(filled(answer)) > 2] for job, _, _ in panels}
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


def readings(answers: list[Answer], target: Path) -> None:
    """What a temperature adds to the untouched model that reads as far, a line a set."""
    added: dict[str, dict[str, dict[int, float]]] = defaultdict(lambda: defaultdict(dict))
    for answer in answers:
        if answer.job in ("further", "furthest"):
            for (temperature, form), points in added_by_temperature(answer.report).items():
                if form.startswith("recur:") or not form:
                    tokens = int(form.partition(":")[2] or re.findall(r"--max-length (\d+)", answer.command)[0])
                    added[temperature][answer.data][tokens] = points
    shown = [temperature for temperature in ("0.9", "0.8") if temperature in added]
    if not shown:
        return
    inks = dict(zip(sorted({data for by_data in added.values() for data in by_data}), cycle(INKS)))
    figure, axes = pyplot.subplots(
        1, len(shown), figsize=(11, 4.2), layout="constrained", sharex=True, sharey=True, squeeze=False
    )
    for axis, temperature in zip(axes[0], shown, strict=True):
        for data, by_tokens in sorted(added[temperature].items()):
            places = sorted(by_tokens)
            axis.plot(places, [by_tokens[place] for place in places], "o-", markersize=4, color=inks[data], label=data)
        axis.axhline(0, color="#94a3b8", linestyle=":", linewidth=1)
        powers_of_two(axis)
        axis.set_xlabel("tokens that are read")
        axis.set_ylabel("points that the temperature adds")
        axis.set_title(f"temperature {temperature}", fontsize=10)
    axes[0][0].legend(fontsize=8, frameon=False)
    save(figure, target)


def filled(answer: Answer) -> list[dict[str, Any]]:
    """Buckets of ten items or more that every setting has a score in."""
    return [bucket for bucket in answer.report["buckets"] if bucket["items"] >= 10 and None not in bucket["values"]]


def draw(answers: list[Answer], folder: Path) -> None:
    gains(answers, folder / "evidence-gains.png")
    lengths_by_model(answers, folder / "evidence-lengths.png")
    # In detail of the first model, with which most has been measured.
    model = answers[0].model
    mine = [answer for answer in answers if answer.model == model]
    lengths(mine, folder / f"evidence-lengths-{model}.png")
    scores(mine, folder / f"evidence-scores-{model}.png")
    readings(mine, folder / f"evidence-readings-{model}.png")
