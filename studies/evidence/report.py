#!/usr/bin/env python3
"""Tables and plots of what run.py has measured so far.

  python3 studies/evidence/report.py [--out build/study] [--keep] [--markdown docs/evidence-tables.md]
      [--plots docs/images]

Numbers are those of the program's answers; only means and medians over sets are computed here. Plots need matplotlib.
"""

from __future__ import annotations

import argparse
import random
import statistics
import sys
import tomllib
from collections import defaultdict
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from answers import KEPT, Answer, added_by_temperature, brief, keep, read_answers, shown

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
RESAMPLES = 10_000
TASKS = ("retrieval", "long", "sts", "classification", "clustering")
"""The study's groups that are kinds of task."""
COST = "cost-"
"""What names of jobs that measure cost begin with."""
MINUS, NONE = "\N{MINUS SIGN}", "\N{EN DASH}"


def in_order(answers: list[Answer], study: dict[str, Any]) -> list[Answer]:
    """Of the study's models and jobs, in its order: models, then sets as they are named there, then jobs."""
    models, jobs = list(study["models"]), list(study["jobs"])
    names = list(dict.fromkeys(name for group in study["sets"].values() for name in group))

    def place(answer: Answer) -> tuple[int, int, int, str]:
        whole = answer.data in names
        name, length = (
            (answer.data, 0) if whole else (answer.data.rsplit("-", 1)[0], int(answer.data.rsplit("-", 1)[1]))
        )
        return models.index(answer.model), names.index(name), length, answer.job

    return sorted((answer for answer in answers if answer.model in models and answer.job in jobs), key=place)


def signed(value: float) -> str:
    return f"{value:+.2f}".replace("-", MINUS)


def interval(gain: dict[str, Any]) -> str:
    """A gain of a score in points, with its interval; bold where the interval is on one side of 0."""
    low, value, high = (100 * gain[key] for key in ("low", "value", "high"))
    text = f"{signed(value)} [{signed(low)}, {signed(high)}]"
    return f"**{text}**" if (low > 0 or high < 0) and not gain.get("no_variance") else text


def table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    lines = [f"| {' | '.join(head)} |", "|" + "---|" * len(list(head))]
    return "\n".join(lines + [f"| {' | '.join(row)} |" for row in rows]) + "\n"


def most_chosen(answer: Answer) -> str:
    report = brief(answer.report)
    name, folds = next(iter(report["chosen"].items()))
    return f"{short(name)} ({folds} of {report['folds']})"


def short(name: str) -> str:
    """Profiles by their target, not their path."""
    parts = name.split(" + ")
    return " + ".join(
        f"profile by {Path(part).stem.rsplit('-', 1)[-1] if 'filter-rate' not in part else 'filter rate'}"
        if part.startswith("match:")
        else part
        for part in parts
    )


def held_out(answers: list[Answer]) -> str:
    """A row a set: what choosing on other items gains."""
    head = ("data", "score", "items", "untouched", "held-out gain, points", "chosen in most folds", "could show")
    rows = [
        (
            answer.data,
            answer.report["metric"],
            str(answer.report["items"]),
            f"{answer.points:.2f}",
            interval(answer.report["held_out_gain"]),
            most_chosen(answer),
            f"{100 * answer.report['detectable_gain']:.2f}" if answer.report.get("detectable_gain") else NONE,
        )
        for answer in answers
    ]
    if len(answers) == 1:
        return table(head, rows)
    gains = [100 * answer.report["held_out_gain"]["value"] for answer in answers]
    above = sum(answer.report["held_out_gain"]["low"] > 0 for answer in answers)
    below = sum(answer.report["held_out_gain"]["high"] < 0 for answer in answers)
    return table(head, rows) + (
        f"\nOver the {len(gains)} sets: largest {signed(max(gains))}, median {signed(statistics.median(gains))}, mean "
        f"{signed(statistics.fmean(gains))}, smallest {signed(min(gains))} points; reliably above 0 on {above}, "
        f"below on {below}.\n"
    )


def every_setting(answers: list[Answer]) -> str:
    """A row a set, a column a setting: the gain on all items, intervals for all settings of a set at once."""
    names = list(dict.fromkeys(short(row["name"]) for answer in answers for row in answer.report["settings"][1:]))
    rows = []
    for answer in answers:
        gains = {short(row["name"]): interval(row["gain"]) for row in answer.report["settings"][1:]}
        rows.append([answer.data, f"{answer.points:.2f}", *(gains.get(name, NONE) for name in names)])
    return table(["data", "untouched", *names], rows)


def one_for_all(answers: list[Answer]) -> str:
    """A row a setting: its mean gain over the sets, which are resampled for the interval."""
    gains: dict[str, list[float]] = defaultdict(list)
    for answer in answers:
        for row in answer.report["settings"][1:]:
            gains[short(row["name"])].append(100 * row["gain"]["value"])
    gains = {name: values for name, values in gains.items() if len(values) == len(answers)}
    rows = []
    for name, values in gains.items():
        low, high = resampled_mean(values)
        rows.append(
            (
                name,
                f"{signed(statistics.fmean(values))} [{signed(low)}, {signed(high)}]",
                signed(statistics.median(values)),
                signed(min(values)),
                signed(max(values)),
                f"{sum(value > 0 for value in values)} of {len(values)}",
            )
        )
    text = table(("setting", "mean gain over the sets", "median", "smallest", "largest", "above 0"), rows)
    if len(answers) > 2 and gains:
        text += f"\nChosen on all other sets, the best one gains {others_choice(gains)} points on a set.\n"
    return text


def by_task(answers: list[Answer], tasks: dict[str, str]) -> str:
    """A row a task: gains held out, and the mean of each setting over its sets."""
    names = list(dict.fromkeys(short(row["name"]) for answer in answers for row in answer.report["settings"][1:]))
    rows = []
    for task in dict.fromkeys(tasks[answer.data] for answer in answers):
        mine = [answer for answer in answers if tasks[answer.data] == task]
        gains = [100 * answer.report["held_out_gain"]["value"] for answer in mine]
        means = [
            mean_over_sets([100 * row["gain"]["value"] for row in at])
            for at in zip(*(answer.report["settings"][1:] for answer in mine), strict=True)
        ]
        span = f"{signed(min(gains))}, {signed(statistics.fmean(gains))}, {signed(max(gains))}"
        rows.append([task, str(len(mine)), span, *means])
    return table(["task", "sets", "held out: smallest, mean, largest", *(f"mean at {name}" for name in names)], rows)


def mean_over_sets(values: list[float]) -> str:
    text = signed(statistics.fmean(values))
    if len(values) < 3:
        return text
    low, high = resampled_mean(values)
    return f"{text} [{signed(low)}, {signed(high)}]"


def resampled_mean(values: list[float]) -> tuple[float, float]:
    chance = random.Random(1)
    means = sorted(statistics.fmean(chance.choices(values, k=len(values))) for _ in range(RESAMPLES))
    return means[round(0.025 * RESAMPLES)], means[round(0.975 * RESAMPLES) - 1]


def others_choice(gains: dict[str, list[float]]) -> str:
    """The mean gain on a set of what is best on the others; nothing (0) where nothing is better than untouched."""
    sets = len(next(iter(gains.values())))
    reached = []
    for held in range(sets):
        means = {name: statistics.fmean(values[:held] + values[held + 1 :]) for name, values in gains.items()}
        best = max(means, key=lambda name: means[name])
        reached.append(gains[best][held] if means[best] > 0 else 0.0)
    low, high = resampled_mean(reached)
    return f"{signed(statistics.fmean(reached))} [{signed(low)}, {signed(high)}]"


def axes(answers: list[Answer]) -> str:
    """What each lever gains alone, and what it adds to the best of the others; chosen on held-out parts."""
    names = list(dict.fromkeys(axis["name"] for answer in answers for axis in answer.report.get("axes", [])))
    if not names:
        return ""
    head = ["data", *(f"{name} {what}" for name in names for what in ("alone", "on top"))]
    rows = []
    for answer in answers:
        by_name = {axis["name"]: axis for axis in answer.report["axes"]}
        rows.append(
            [
                answer.data,
                *(
                    interval(by_name[name][what]) if name in by_name else NONE
                    for name in names
                    for what in ("alone", "added")
                ),
            ]
        )
    return table(head, rows)


def tempered_by_reading(answers: list[Answer]) -> str:
    """A row a temperature, a column a way to read: what it adds to that reading, mean over the sets that have all."""
    added: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for answer in answers:
        for (temperature, form), points in added_by_temperature(answer.report).items():
            added[temperature][form or "as it is"].append(points)
    forms = list(dict.fromkeys(form for by_form in added.values() for form in by_form))
    rows = [
        [name, *(mean_over_sets(by_form[form]) if len(by_form[form]) == len(answers) else NONE for form in forms)]
        for name, by_form in added.items()
    ]
    sets = f"{len(answers)} sets" if len(answers) > 1 else "1 set"
    return f"What a temperature adds to each reading, mean over {sets}:\n\n" + table(["temperature", *forms], rows)


def collapse(answers: list[Answer]) -> str:
    """Mean cosine of the same texts cut at rising lengths, at each temperature."""
    lengths = sorted({length for answer in answers for length in answer.report["cut_lengths"]})
    rows = []
    for answer in answers:
        report = answer.report
        for index, name in enumerate(report["settings"]):
            found = dict(zip(report["cut_lengths"], report["cut_cosine"][index], strict=True))
            cells = [cosine(found[length]) if length in found else NONE for length in lengths]
            rows.append([answer.data, str(report["cut_texts"]), name, *cells])
    return table(["data", "texts", "temperature", *(f"{length} tokens" for length in lengths)], rows)


def cosine(mean: dict[str, float]) -> str:
    return f"{mean['mean']:.3f} [{mean['low']:.3f}, {mean['high']:.3f}]"


def filtering(answers: list[Answer]) -> str:
    """The measured filter rate of the untouched model by layer and length, mean over heads, texts and sets."""
    rates: dict[tuple[int, int], list[dict[str, float]]] = defaultdict(list)
    for answer in answers:
        for row in answer.report["attention"]:
            if row["setting"] == 0 and row["head"] is None:
                rates[row["layer"], row["length"]].append(row)
    lengths = sorted({length for _, length in rates})

    def mean(layer: int, length: int, what: str) -> float:
        return statistics.fmean(row[what] for row in rates[layer, length])

    rows = [
        [str(layer), *(f"{mean(layer, length, 'filter_rate'):.2f}" for length in lengths)]
        for layer in sorted({layer for layer, _ in rates})
    ]
    rows.append(["the bound, layer 0", *(f"{mean(0, length, 'bound'):.2f}" for length in lengths)])
    return table(["layer", *(f"{length} tokens" for length in lengths)], rows)


def cost(answers: list[Answer]) -> str:
    """A row a job of cost: CPU time and memory of the whole process, beside plain cutting."""
    plain = next((answer for answer in answers if answer.job == f"{COST}cut"), None)
    if plain is None:
        return ""
    rows = [
        (
            answer.job.removeprefix(COST),
            f"{answer.report['tokens_used']:,}",
            f"{answer.cpu_seconds / plain.cpu_seconds:.2f}",
            f"{answer.peak_mib:.0f}",
        )
        for answer in sorted(answers, key=lambda answer: answer.cpu_seconds)
    ]
    return table(("setting", "tokens read", "CPU time, of cutting", "peak memory, MiB"), rows)


SECTIONS: dict[str, tuple[str, list[Callable[[list[Answer]], str]]]] = {
    "collapse": ("Length collapse: cosines and filter rates", [collapse, filtering]),
    "temperature": ("A constant temperature", [held_out, every_setting, one_for_all]),
    "float32": ("A constant temperature in float32", [held_out, every_setting]),
    "limit": ("A temperature, and 512 tokens where the model reads fewer unasked", [held_out, axes, every_setting]),
    "more-labels": ("A temperature where a classifier sees 256 texts of a label", [held_out, every_setting]),
    "schedules": ("Schedules and calibrated profiles", [held_out, every_setting, one_for_all]),
    "document-only": ("Tempering the documents alone", [held_out, every_setting, one_for_all]),
    "remedies": ("Other remedies", [held_out, every_setting, one_for_all]),
    "remedies-long": ("Other remedies on long texts, cut at 512 tokens", [held_out, every_setting, one_for_all]),
    "pieces": ("Whole texts in pieces", [held_out, axes, every_setting]),
    "further": ("Reading further: up to 2,048 tokens", [held_out, axes, every_setting, tempered_by_reading]),
    "furthest": (
        "Reading further: 4,096 and 8,192 tokens",
        [held_out, axes, every_setting, tempered_by_reading],
    ),
    COST: ("What the remedies cost", [cost]),
    "within-one-length": ("Synthetic texts, ranked within one length", [every_setting]),
}


def machines(answers: list[Answer]) -> str:
    """Which answers name the CPU path that they were computed on, as int8 differs between them."""
    named: dict[str, list[str]] = {}
    for answer in answers:
        isa = answer.report.get("cpu_isa") or answer.report.get("provenance", {}).get("cpu_isa")
        if isa:
            named.setdefault(isa, []).append(f"{answer.model} {answer.data} {answer.job}")
    return "".join(f"Computed on {isa}: {', '.join(names)}.\n" for isa, names in sorted(named.items()))


def write_markdown(answers: list[Answer], study: dict[str, Any]) -> str:
    tasks = {name: group for group, names in study["sets"].items() if group in TASKS for name in names}
    parts = [
        "# Evidence: the tables\n",
        "Written by `studies/evidence/report.py` from the answers of `make study`; what they mean stands in "
        "[evidence.md](evidence.md). Gains are points (hundredths of the score) over the untouched model; intervals "
        "are 95 %, those of single settings hold for all settings of a set at once; bold: on one side of 0.\n",
        "Int8 codes differ between kinds of CPU ([performance.md](performance.md#int8-what-it-costs)). Rows were "
        f"computed on AVX-512 with VNNI unless they are named here.\n\n{machines(answers)}",
    ]
    for job, (title, parts_of) in SECTIONS.items():
        of_job = [answer for answer in answers if answer.job == job or (job == COST and answer.job.startswith(COST))]
        if not of_job:
            continue
        parts.append(f"## {title}\n")
        for model in dict.fromkeys(answer.model for answer in of_job):
            mine = [answer for answer in of_job if answer.model == model]
            parts.append(f"### {model}\n")
            parts += [text for part in parts_of if (text := part(mine))]
            if job == "temperature":
                parts.append(by_task(mine, tasks))
            parts.append(f"One row again: `{shown(mine[0])}`\n")
    return "\n".join(parts)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "study")
    parser.add_argument("--study", type=Path, default=HERE / "study.toml")
    parser.add_argument("--keep", action="store_true", help=f"write {KEPT} beside the study: what tables are made from")
    parser.add_argument("--markdown", type=Path, help="default: stdout")
    parser.add_argument("--plots", type=Path, help="folder for pictures; needs matplotlib")
    arguments = parser.parse_args()
    study = tomllib.loads(arguments.study.read_text())
    kept = arguments.study.parent / KEPT
    answers = in_order(read_answers(arguments.out, kept), study)
    if not answers:
        print(f"no answers in {arguments.out} or {kept}; run studies/evidence/run.py first", file=sys.stderr)
        return 1
    if arguments.keep:
        keep(answers, kept)
    text = write_markdown(answers, study)
    if arguments.plots:
        from plots import draw  # noqa: PLC0415

        draw(answers, arguments.plots)
    if arguments.markdown:
        arguments.markdown.write_text(text)
    else:
        sys.stdout.write(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
