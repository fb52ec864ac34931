"""What is printed about outcomes."""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

from differential.case import Case
from differential.compare import TOLERANCE
from differential.families import FAMILIES

if TYPE_CHECKING:
    from differential.check import Outcome

Report = dict[str, Any]
FLAT = 0.8  # standard deviation of the attention logits below which masks and positions matter little


def kept_name(case: Case) -> str:
    """The folder of a failing case."""
    alone = "+".join(sorted(case.switches)) if case.seed == 1 else f"seed-{case.seed}"
    return re.sub(r"[^\w.+-]", "-", f"{case.family}-{alone}")[:100]


def of(outcome: Outcome, drawn: Case) -> Report:
    """An outcome as plain values, which may pass between processes."""
    return {
        "seed": outcome.case.seed,
        "family": outcome.case.family,
        "status": outcome.status,
        "difference": outcome.difference,
        "tau": outcome.tau,
        "message": outcome.message,
        "expected_refusal": outcome.status == "refused" and outcome.expected_refusal,
        "switches": outcome.case.switches,
        "drawn": list(drawn.switches),
        "spread": outcome.spread,
        "text": outcome.text[:60],
        "kept": kept_name(outcome.case),
    }


def switch_fault(report: Report) -> str:
    """Why an option is not the mere form it is called, or the default no test; empty when all is well."""
    effect = report.get("effect")
    if effect is None or report["status"] == "no-reference":
        return ""
    if not report["switches"]:
        spread = report["spread"]
        widest = FAMILIES[report["family"]].widest
        return "" if FLAT < spread < widest else f"the attention logits' standard deviation is {spread:.2f}"
    form = ".form-" in next(iter(report["switches"]))
    return f"called a form, but the reference changes by {effect:.1e}" if form and effect > TOLERANCE else ""


def idle_switches(reports: list[Report]) -> list[str]:
    """Options that change the reference in no family that was run: they test nothing.

    A model's own switches are judged in each family; the tables of tokenizers and modules are shared by many.
    """
    effects: dict[str, float] = {}
    for report in reports:
        name = next(iter(report["switches"]), "")
        if report.get("effect") is None or not name or ".form-" in name:
            continue
        shared = name.startswith(("tokenizer.", "modules."))
        option = json.dumps(report["switches"], ensure_ascii=False)
        key = option if shared else f"{report['family']}: {option}"
        effects[key] = max(effects.get(key, 0.0), report["effect"])
    return [key for key, effect in effects.items() if effect <= TOLERANCE]


def failed(report: Report) -> bool:
    """A wrong vector, an end without a reason, or a switch that tests nothing."""
    return report["status"] in ("different", "crash") or bool(switch_fault(report))


def describe(report: Report, folder: Path) -> str:
    """A failing case, its switches, and how to run it again."""
    lines = [
        f"FAIL seed {report['seed']} {report['family']}: {report['status']}"
        f" {report['difference']:.2e} at tau {report['tau']:g} {report['message']} {switch_fault(report)}"
    ]
    lines += [f"     {name} = {json.dumps(option, ensure_ascii=False)}" for name, option in report["switches"].items()]
    if report["status"] in ("different", "crash"):
        lines.append(f"     text {json.dumps(report['text'], ensure_ascii=False)}")
        lines.append(f"     again: --case {folder / report['kept'] / 'case.json'}")
    return "\n".join(lines)


def summary(reports: list[Report]) -> str:
    """Counts, and every refusal by its message."""
    counts = Counter(report["status"] for report in reports)
    lines = [", ".join(f"{count} {status}" for status, count in sorted(counts.items()))]
    for status in ("refused", "no-reference"):
        messages: Counter[str] = Counter()
        for report in reports:
            if report["status"] == status:
                words = report["message"].split("/model/")[-1][:150].replace("\n", " ")
                messages[("" if report["expected_refusal"] or status != "refused" else "NOT LISTED: ") + words] += 1
        lines += [f"  {status} {count}x {message}" for message, count in messages.most_common()]
    lines += [f"  tests nothing: {option}" for option in idle_switches(reports)]
    return "\n".join(lines)


def append(path: Path, report: Report) -> None:
    """One line of the file of all outcomes."""
    with path.open("a", encoding="utf-8") as file:
        file.write(json.dumps(report, ensure_ascii=False) + "\n")
