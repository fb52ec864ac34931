#!/usr/bin/env python3
"""Labelled texts in real embedding models: how collapsed their classes are, layer by layer and at every temperature.

  python3 studies/neural_collapse/layers.py --data FOLDER [--models models] [--plots studies/neural_collapse/images]

FOLDER holds the sets as folders of train.jsonl and test.jsonl, or clustering.jsonl, with `text` and `label` on a line.
Everything is measured by `treble inspect --labels`; its answers are kept, so that a run which was stopped goes on.
Plots need matplotlib.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from answers import ROOT, answer, kept, parser, save_picture, table

MODELS = ("all-MiniLM-L6-v2", "bge-small-en-v1.5", "e5-small-v2", "all-mpnet-base-v2")
PROMPTS = {"e5-small-v2": "query: "}
# How many texts are measured: of each class enough, of long texts no more than needed.
SETS = {
    "banking77": 616,
    "subjectivity": 600,
    "debian_pkg_section": 576,
    "movie_reviews": 80,
    "eip_category": 80,
}
# Sets of long texts, which are read as far as every one of the models can.
LONG = {"movie_reviews", "eip_category"}
LONG_OPTIONS = ("--max-length", "256")
FILES = ("train.jsonl", "test.jsonl", "clustering.jsonl")
TEMPERATURES = ("0.9", "0.8", "0.7")
# Nothing of an inspection but the labelled texts.
ONLY_LABELS = ("--sample", "2", "--bucket-edges", "512", "--cut-lengths", "32")


@dataclass(frozen=True)
class Inspected:
    """What `treble inspect` said of one set's texts in one model."""

    model: str
    data: str
    report: dict[str, Any]

    def estimates(self, setting: int = 0) -> list[dict[str, Any]]:
        """Of all lengths: after the embeddings, after each layer, of the final vectors."""
        return [
            one for one in self.report["classes"]["estimates"] if one["setting"] == setting and one["bucket"] is None
        ]

    def final(self, setting: int = 0) -> dict[str, Any]:
        return next(one for one in self.estimates(setting) if one["layer"] is None)

    def layers(self, setting: int = 0) -> list[dict[str, Any]]:
        """Where ÑC1 is defined: of a model that pools its first token, not before the first layer, where it is the same
        in every text.
        """
        return [one for one in self.estimates(setting) if one["layer"] is not None and one["nc1_traces"]]

    @property
    def findings(self) -> dict[str, Any]:
        return self.report["classes"]["findings"]


def inspect(treble: str, model: Path, data: Path, sample: int, options: list[str]) -> dict[str, Any]:
    files = [data / name for name in FILES if (data / name).is_file()]
    if not files:
        raise SystemExit(f"{data}: has none of {', '.join(FILES)}")
    if model.name in PROMPTS:
        options = [*options, "--prompt", PROMPTS[model.name]]
    return answer(
        treble, "inspect", "--model", model, "--labels", "label", "--label-sample", str(sample), *options, *files
    )  # fmt: skip


def interval(found: dict[str, float] | None, scale: float = 1, digits: int = 2, sign: str = "") -> str:
    if found is None:
        return "none"
    value, low, high = (f"{scale * found[key]:{sign}.{digits}f}" for key in ("value", "low", "high"))
    return f"{value} [{low}, {high}]"


def by_layer(all_inspected: list[Inspected]) -> str:
    rows = []
    for one in all_inspected:
        layers, final = one.layers(), one.final()
        tightest = min(layers, key=lambda layer: layer["nc1_traces"]["value"])
        best = max(layers, key=lambda layer: layer["accuracy"]["value"])
        first = next(layer for layer in layers if layer["layer"] == one.findings["first_layer"])
        rows.append(
            [
                one.data,
                one.model,
                interval(first["nc1_traces"], digits=1),
                interval(layers[-1]["nc1_traces"], digits=1),
                interval(one.findings["tighter_by_layer"]),
                f"{tightest['layer']} of {layers[-1]['layer']}",
                f"{100 * best['accuracy']['value']:.1f} ({best['layer']})",
                interval(final["nc1_traces"], digits=1),
                f"{final['nc2']['value']:.2f}",
                interval(final["accuracy"], 100, 1),
                f"{100 * final['probe_accuracy']['value']:.1f}",
                f"{100 * final['agreement']['value']:.1f}",
            ]
        )
    head = ["texts", "model", "ÑC1, layer 1", "last layer", "times tighter", "tightest", "best nearest mean (layer), %"]
    return table([*head, "ÑC1, final", "NC2, final", "nearest mean, %", "probe, %", "they agree, %"], rows)


def by_temperature(all_inspected: list[Inspected]) -> str:
    names = all_inspected[0].report["settings"][1:]
    rows = [
        [
            one.data,
            one.model,
            *(interval(found) for found in one.findings["tighter_by_temperature"][1:]),
            *(interval(found, 100, 1, "+") for found in one.findings["accuracy_change"][1:]),
        ]
        for one in all_inspected
    ]
    tighter = [f"times tighter at {name}" for name in names]
    return table(["texts", "model", *tighter, *(f"nearest mean, points at {name}" for name in names)], rows)


def counts(all_inspected: list[Inspected]) -> str:
    """How many of the sets and models a temperature certainly makes tighter or looser, better or worse."""
    rows = []
    for setting, name in enumerate(all_inspected[0].report["settings"][1:], 1):
        row = [name]
        for key, even in (("tighter_by_temperature", 1), ("accuracy_change", 0)):
            found = [one.findings[key][setting] for one in all_inspected]
            above = sum(one is not None and one["low"] > even for one in found)
            below = sum(one is not None and one["high"] < even for one in found)
            row += [str(above), str(below), str(len(found) - above - below)]
        rows.append(row)
    return table(["temperature", "tighter", "looser", "neither", "better", "worse", "neither"], rows)


def draw(all_inspected: list[Inspected], folder: Path) -> None:
    import matplotlib as mpl  # noqa: PLC0415

    mpl.use("Agg")
    from matplotlib import pyplot  # noqa: PLC0415

    sets = list(dict.fromkeys(one.data for one in all_inspected))
    models = list(dict.fromkeys(one.model for one in all_inspected))
    inks = dict(zip(models, ("#c2410c", "#0f766e", "#7c3aed", "#475569"), strict=False))
    figure, axes = pyplot.subplots(
        3, len(sets), figsize=(3.2 * len(sets), 8.4), layout="constrained", squeeze=False, sharey="row"
    )
    for column, data in enumerate(sets):
        collapse, right, tempered = axes[:, column]
        for place, one in enumerate(one for one in all_inspected if one.data == data):
            layers, ink = one.layers(), inks[one.model]
            depth = [layer["layer"] / layers[-1]["layer"] for layer in layers]
            for axis, key, scale in ((collapse, "nc1_traces", 1), (right, "accuracy", 100)):
                measures = [layer[key] for layer in layers]
                axis.plot(depth, [scale * m["value"] for m in measures], "o-", color=ink, markersize=3, label=one.model)
                low, high = ([scale * m[end] for m in measures] for end in ("low", "high"))
                axis.fill_between(depth, low, high, color=ink, alpha=0.12, linewidth=0)
            for setting, found in enumerate(one.findings["tighter_by_temperature"]):
                if found is None:
                    continue
                x = setting + 0.15 * (place - (len(models) - 1) / 2)
                tempered.plot([x, x], [found["low"], found["high"]], color=ink, linewidth=2)
                tempered.plot([x], [found["value"]], "o", color=ink, markersize=4)
        collapse.set(title=data, yscale="log", xlabel="depth, share of layers")
        right.set(xlabel="depth, share of layers")
        tempered.axhline(1, color="#94a3b8", linestyle=":")
        names = all_inspected[0].report["settings"]
        tempered.set_xticks(range(1, len(names)), names[1:])
        tempered.set(xlabel="temperature")
    for row, name in enumerate(("ÑC1 (0: collapsed)", "nearest class mean right, %", "times tighter than at 1")):
        axes[row][0].set_ylabel(name)
    axes[0][0].legend(fontsize=7, frameon=False)
    save_picture(figure, folder, "layers.png")


def main() -> int:
    options = parser(__doc__)
    options.add_argument("--data", type=Path, required=True, help="folder of the sets")
    options.add_argument("--models", type=Path, default=ROOT / "models", help="folder of the models")
    options.add_argument("--only", nargs="+", default=list(MODELS), metavar="MODEL", help="fewer models, or others")
    options.add_argument("--sets", nargs="+", default=list(SETS), metavar="SET", help="fewer sets, or others")
    options.add_argument("--dtype", default="bfloat16")
    options.add_argument("--bootstrap", type=int, default=100)
    arguments = options.parse_args()
    listed = ["--dtype", arguments.dtype, "--bootstrap", str(arguments.bootstrap), *ONLY_LABELS]
    for temperature in TEMPERATURES:
        listed += ["--temperature", temperature]
    all_inspected = []
    for data in arguments.sets:
        of_set = [*listed, *(LONG_OPTIONS if data in LONG else ())]
        for model in arguments.only:
            sample = SETS.get(data, 1000)
            report = kept(
                arguments.out / "layers" / model / f"{data}.json",
                {"options": of_set, "sample": sample, "data": str(arguments.data)},
                lambda model=model, data=data, sample=sample, of_set=of_set: inspect(
                    arguments.treble, arguments.models / model, arguments.data / data, sample, of_set
                ),
            )
            all_inspected.append(Inspected(model, data, report))
            print(f"{data}, {model}: {report['classes']['verdict']}", file=sys.stderr, flush=True)
    print("\n".join([by_layer(all_inspected), by_temperature(all_inspected), counts(all_inspected)]))
    if arguments.plots:
        draw(all_inspected, arguments.plots)
    return 0


if __name__ == "__main__":
    sys.exit(main())
