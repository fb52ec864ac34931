"""Command line of the differential test, and its worker processes."""

# ruff: noqa: PLC0415 - torch and its friends are imported late, after the environment is set

from __future__ import annotations

import argparse
import multiprocessing
import os
import shutil
import tempfile
import time
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from differential import report
from differential.case import Case
from differential.draw import draw, singles
from differential.families import FAMILIES
from differential.report import Report

if TYPE_CHECKING:
    from differential.check import Outcome

ROOT = Path(__file__).resolve().parents[2]
OFFLINE = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "TOKENIZERS_PARALLELISM": "false",
    "TRANSFORMERS_VERBOSITY": "error",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    "OMP_NUM_THREADS": "1",
}


def parse_arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description="Hold Treble against sentence-transformers on random configurations.")
    parser.add_argument("--start", type=int, default=0, help="first seed")
    parser.add_argument("--seeds", type=int, default=300, help="how many")
    parser.add_argument("--jobs", type=int, default=2, help="worker processes")
    parser.add_argument("--family", nargs="+", choices=list(FAMILIES), help="only these families")
    parser.add_argument("--area", nargs="+", help="with --each-switch: only config, saving, tokenizer or modules")
    parser.add_argument("--case", type=Path, help="run one kept case.json again")
    parser.add_argument("--each-switch", action="store_true", help="every option alone, instead of seeds")
    parser.add_argument("--store", action="store_true", help="rewrite the slice that `make test` checks")
    parser.add_argument("--no-minimise", action="store_true", help="report failing cases as they were drawn")
    parser.add_argument("--program", type=Path, default=ROOT / "build" / "release" / "bin" / "treble")
    parser.add_argument("--output", type=Path, default=ROOT / "build" / "differential", help="failing cases go here")
    parser.add_argument("--report", type=Path, help="write every outcome as JSON lines")
    return parser.parse_args()


class Worker:
    """One process: the reference's libraries are imported once."""

    def __init__(self, arguments: argparse.Namespace) -> None:
        """Import, and make a scratch folder of its own."""
        os.environ.update(OFFLINE)
        warnings.filterwarnings("ignore")
        import logging

        import torch
        import transformers

        from differential.check import Checker

        logging.disable(logging.WARNING)
        transformers.utils.logging.disable_progress_bar()
        torch.set_num_threads(1)
        self.arguments = arguments
        self.scratch = Path(tempfile.mkdtemp(prefix="treble-differential-"))
        self.checker = Checker(arguments.program, self.scratch)
        self.defaults: dict[str, Outcome] = {}

    def run(self, case: Case) -> Report:
        """Check, minimise, keep."""
        started = time.monotonic()
        outcome = self.checker.check(case)
        drawn = outcome.case
        if outcome.failed:
            if not self.arguments.no_minimise and len(case.switches) > 1:
                outcome = self.checker.minimised(outcome)
            self.checker.keep(outcome, self.arguments.output / report.kept_name(outcome.case))
        return report.of(outcome, drawn) | {"seconds": time.monotonic() - started}

    def run_single(self, case: Case) -> Report:
        """One option alone: what it does to the reference, and whether Treble follows."""
        from differential.check import effect

        if case.family not in self.defaults:
            self.defaults[case.family] = self.checker.check(singles(case.family)[0])
        return self.run(case) | {"effect": effect(self.checker.last, self.defaults[case.family])}


WORKER: Worker | None = None


def start_worker(arguments: argparse.Namespace) -> None:
    """A pool's initializer."""
    global WORKER  # noqa: PLW0603 - how multiprocessing's pools carry state
    WORKER = Worker(arguments)


def run_case(case: Case) -> Report:
    """One case in a worker."""
    assert WORKER is not None
    return WORKER.run(case)


def run_single(case: Case) -> Report:
    """One option alone in a worker."""
    assert WORKER is not None
    return WORKER.run_single(case)


def cases_of(arguments: argparse.Namespace) -> list[Case]:
    """The cases asked for."""
    families = arguments.family or list(FAMILIES)
    if not arguments.each_switch:
        drawn = (draw(seed) for seed in range(arguments.start, arguments.start + arguments.seeds))
        return [case for case in drawn if case.family in families]
    areas = arguments.area or ["config", "saving", "tokenizer", "modules"]
    every = [case for family in families for case in singles(family)]
    return [case for case in every if not case.switches or next(iter(case.switches)).split(".")[0] in areas]


def run_all(cases: Iterable[Case], function: Callable[[Case], Report], arguments: argparse.Namespace) -> list[Report]:
    """Spread cases over workers; failures are printed as they come."""
    shutil.rmtree(arguments.output, ignore_errors=True)
    reports: list[Report] = []
    context = multiprocessing.get_context("spawn")
    with context.Pool(arguments.jobs, start_worker, (arguments,)) as pool:
        for one in pool.imap_unordered(function, cases):
            reports.append(one)
            if report.failed(one):
                print(report.describe(one, arguments.output), flush=True)
            if arguments.report:
                report.append(arguments.report, one)
    return reports


def rerun(arguments: argparse.Namespace) -> list[Report]:
    """A kept case again, here."""
    start_worker(arguments)
    arguments.output = arguments.output / "again"
    one = run_case(Case.load(arguments.case))
    if report.failed(one):
        print(report.describe(one, arguments.output))
    return [one]


def store_case(case: Case) -> Report:
    """One case of the stored slice in a worker."""
    assert WORKER is not None
    from differential.storing import stored_values

    return stored_values(case, WORKER.checker)


def store(arguments: argparse.Namespace) -> int:
    """Rewrite the stored slice; returns 1 when Treble does not agree with it yet."""
    from differential import storing

    context = multiprocessing.get_context("spawn")
    with context.Pool(arguments.jobs, start_worker, (arguments,)) as pool:
        return int(storing.write(pool.map(store_case, storing.candidates(), chunksize=1)) > 0)


def main() -> int:
    """Do what was asked for; 1 when a case failed."""
    arguments: Any = parse_arguments()
    if arguments.report:
        arguments.report.unlink(missing_ok=True)
    if arguments.store:
        return store(arguments)
    if arguments.case:
        reports = rerun(arguments)
    else:
        reports = run_all(cases_of(arguments), run_single if arguments.each_switch else run_case, arguments)
    print(report.summary(reports))
    return int(any(report.failed(one) for one in reports) or bool(report.idle_switches(reports)))
