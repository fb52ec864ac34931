"""The answers of the study's jobs: whole as they came, or what tables and plots are made from.

A whole answer is `build/study/results/MODEL/SET/JOB.json`. What tables need of it is kept beside the study, one line a
job, so that the study goes on where it was on another machine.
"""

from __future__ import annotations

import json
import re
import shlex
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

KEPT = "answers.jsonl"
"""Beside study.toml."""
CONDITIONS = ("treble_version", "weights_sha256", "compute_dtype", "cpu_isa", "max_length")
"""What an answer was computed with; older ones lack some."""
GAIN = ("low", "value", "high", "no_variance")


@dataclass
class Answer:
    """Of one job; `report` is the whole one's, or what is kept of it."""

    model: str
    data: str
    job: str
    command: str
    cpu_seconds: float | None
    peak_mib: float | None
    report: dict[str, Any]

    @property
    def points(self) -> float:
        return self.report["settings"][0]["value"] * 100

    @property
    def place(self) -> tuple[str, str, str]:
        return self.model, self.data, self.job


def rounded(value: Any) -> Any:
    """Enough digits for tables of hundredths of a point."""
    if isinstance(value, float):
        return round(value, 7)
    if isinstance(value, list):
        return [rounded(one) for one in value]
    if isinstance(value, dict):
        return {key: rounded(one) for key, one in value.items()}
    return value


def gain(report: dict[str, Any]) -> dict[str, Any]:
    return {key: report[key] for key in GAIN if report.get(key) is not None and report.get(key) is not False}


def conditions(report: dict[str, Any]) -> dict[str, Any]:
    """A whole answer has them in its provenance, a brief one as they are."""
    provenance = report.get("provenance") or {}
    found = {**provenance.get("model", {}), **provenance, **report}
    return {key: found[key] for key in CONDITIONS if found.get(key) is not None}


def brief(report: dict[str, Any]) -> dict[str, Any]:
    """What tables and plots read; a brief one stays as it is."""
    kept = conditions(report)
    if "held_out_gain" in report:
        chosen = report["chosen"]
        kept |= {
            "metric": report["metric"],
            "items": report["items"],
            "settings": [
                {"name": portable_name(row["name"]), "value": row["value"]}
                | ({"gain": gain(row["gain"])} if row.get("gain") else {})
                for row in report["settings"]
            ],
            "held_out_gain": gain(report["held_out_gain"]),
            "detectable_gain": report.get("detectable_gain"),
            "folds": report.get("folds", 0) if isinstance(chosen, dict) else len(chosen),
            "chosen": {
                portable_name(name): folds
                for name, folds in (chosen if isinstance(chosen, dict) else dict(Counter(chosen).most_common())).items()
            },
            "axes": [
                {"name": axis["name"], "alone": gain(axis["alone"]), "added": gain(axis["added"])}
                for axis in report.get("axes", [])
            ],
            "buckets": [
                {key: bucket[key] for key in ("max_tokens", "items", "values")} for bucket in report.get("buckets", [])
            ],
        }
    elif "cut_cosine" in report:
        kept |= {
            "settings": report["settings"],
            "cut_texts": report["cut_texts"],
            "cut_lengths": report["cut_lengths"],
            "cut_cosine": [
                [{key: mean[key] for key in ("low", "mean", "high")} for mean in means]
                for means in report["cut_cosine"]
            ],
            "attention": [
                {key: row[key] for key in ("setting", "layer", "head", "length", "filter_rate", "bound")}
                for row in report["attention"]
                if row["setting"] == 0 and row["head"] is None
            ],
        }
    else:
        kept["tokens_used"] = report["tokens_used"]
    return rounded(kept)


def added_by_temperature(report: dict[str, Any]) -> dict[tuple[str, str], float]:
    """[temperature, way of reading]: points over the untouched model that reads so; "" is the model as it is."""
    gains = {row["name"]: 100 * row["gain"]["value"] for row in report["settings"][1:]}
    # Names are "0.9", "recur:2048", "0.9 + recur:2048".
    both = [tuple(name.split(" + ")) for name in gains if " + " in name]
    added = {(temperature, ""): gains[temperature] for temperature, _ in both}
    return added | {(temperature, form): gains[f"{temperature} + {form}"] - gains[form] for temperature, form in both}


def portable_name(setting: str) -> str:
    """Profiles are named in the folder that the study has by default, not in this machine's."""
    return re.sub(r"match:\S*/profiles/", "match:build/study/profiles/", setting)


def shown(answer: Answer) -> str:
    """The command, with the folders of this machine left out."""

    def place(part: str) -> str:
        if part.startswith("match:"):
            return f"match:build/study/profiles/{answer.model}/{part.rpartition('/')[2]}"
        for name, instead in ((answer.model, "models"), (answer.data, "DATA")):
            if f"/{name}" in part:
                return f"{instead}/{name}{part.rpartition(f'/{name}')[2]}"
        return part

    return shlex.join(place(part) for part in shlex.split(answer.command))


def read_kept(path: Path) -> list[Answer]:
    """None where there is no such file."""
    if not path.is_file():
        return []
    return [Answer(**json.loads(line)) for line in path.read_text().splitlines()]


def read_results(out: Path) -> list[Answer]:
    answers = []
    for path in sorted((out / "results").glob("*/*/*.json")):
        whole = json.loads(path.read_text())
        measured = (whole["cpu_seconds"], whole["peak_mib"])
        answers.append(Answer(path.parts[-3], path.parts[-2], path.stem, whole["command"], *measured, whole["report"]))
    return answers


def read_answers(out: Path, kept: Path) -> list[Answer]:
    """Those that came on this machine take the place of kept ones."""
    found = {answer.place: answer for answer in (*read_kept(kept), *read_results(out))}
    return [found[place] for place in sorted(found)]


def keep(answers: list[Answer], path: Path) -> None:
    """A line each, by model, set and job."""
    lines = [
        json.dumps({**vars(answer), "command": shown(answer), "report": brief(answer.report)}, ensure_ascii=False)
        for answer in sorted(answers, key=lambda answer: answer.place)
    ]
    partial = path.with_suffix(".partial")
    partial.write_text("".join(f"{line}\n" for line in lines))
    partial.replace(path)
