#!/usr/bin/env python3
"""Runs the study: every job of study.toml is one command of `treble`, and its answer is kept as it came.

  python3 studies/evidence/run.py --data DATA [--out build/study] [--only REGEX] [--minutes N] [--again] [--list]

DATA holds the sets as folders or as NAME.tar.xz, each with meta.json. A job whose answer is in build/study or in
answers.jsonl is not done again; what was interrupted continues from the vectors that it kept. The order is that of
study.toml, the small models first.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
import time
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from answers import KEPT, read_kept

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
PAIRS = "sts.jsonl"
"""What of a set's folder `sweep` is given, where there is such a file; else the folder."""
RUNS = 3
"""Of a job that measures cost; the one of median CPU time is kept."""


@dataclass
class Job:
    """One command."""

    name: str
    model: str
    data: str
    command: list[str]
    """Without what is about files: the program, the cache, where the answer goes."""
    profiles: list[str] = field(default_factory=list)
    """What calibrated profiles keep equal, each tried as a temperature."""
    calibration: list[str] = field(default_factory=list)
    """Options and texts of their calibration."""

    @property
    def place(self) -> Path:
        return Path(self.model) / self.data / f"{self.name}.json"


def unpack(data: Path, out: Path, names: list[str]) -> dict[str, Path]:
    """The folders of the sets; those that are not there are left out, and said."""
    found = {}
    for name in names:
        if (data / name / "meta.json").is_file():
            found[name] = data / name
        elif (out / name / "meta.json").is_file():
            found[name] = out / name
        elif (data / f"{name}.tar.xz").is_file():
            out.mkdir(parents=True, exist_ok=True)
            subprocess.run(["tar", "-xJf", data / f"{name}.tar.xz", "-C", out], check=True)
            found[name] = out / name
        else:
            print(f"no {name} in {data}: left out", file=sys.stderr)
    return found


def split_by_length(folder: Path, out: Path) -> dict[str, Path]:
    """The synthetic sets rank within one length, which stands in every id: KIND-LENGTH-NUMBER."""
    by_length: dict[str, list[str]] = {}
    for line in (folder / "corpus.jsonl").read_text().splitlines():
        by_length.setdefault(json.loads(line)["_id"].rsplit("-", 2)[1], []).append(line)
    found = {}
    for length, documents in by_length.items():
        target = out / f"{folder.name}-{length}"
        (target / "qrels").mkdir(parents=True, exist_ok=True)
        (target / "corpus.jsonl").write_text("\n".join(documents) + "\n")
        for name in ("queries.jsonl", "qrels/test.tsv"):
            lines = (folder / name).read_text().splitlines()
            kept = [line for line in lines if f"-{length}-" in line.split("\t")[0] or line.startswith("query-id")]
            (target / name).write_text("\n".join(kept) + "\n")
        found[target.name] = target
    return dict(sorted(found.items(), key=lambda item: int(item[0].rsplit("-", 1)[1])))


def prompts(model: dict[str, Any], folder: Path, command: str) -> list[str]:
    if command != "sweep":
        return ["--prompt", model["document_prompt"]] if "document_prompt" in model else []
    if not (folder / "queries.jsonl").is_file():
        return ["--prompt", model["prompt"]] if "prompt" in model else []
    given = []
    for side in ("query", "document"):
        if f"{side}_prompt" in model:
            given += [f"--{side}-prompt", model[f"{side}_prompt"]]
    return given


def arguments_of(job: dict[str, Any], settings: dict[str, Any]) -> list[str]:
    """The job's arguments, post steps left out that this model cannot do."""
    arguments = list(job["arguments"])
    if "--post" in arguments:
        place = arguments.index("--post") + 1
        steps = arguments[place].split(",")
        arguments[place] = ",".join(step for step in steps if step.split(":")[0] not in settings.get("cannot", []))
    return arguments


def profiles_of(job: dict[str, Any], texts: Path) -> dict[str, list[str]]:
    if "profiles" not in job:
        return {}
    length = ["--reference-length", str(job["reference_length"]), "--lengths", job["lengths"]]
    return {"profiles": job["profiles"], "calibration": [*length, str(texts)]}


def all_jobs(study: dict[str, Any], models: Path, data: Path, out: Path) -> list[Job]:
    names = list(dict.fromkeys(name for group in study["sets"].values() for name in group))
    folders = unpack(data, out / "data", names)
    sets: list[tuple[str, str, Path]] = []
    for group, members in study["sets"].items():
        for name in members:
            if name not in folders:
                continue
            parts = split_by_length(folders[name], out / "data") if group == "synthetic" else {name: folders[name]}
            sets += [(group, part, folder) for part, folder in parts.items()]
    for name, job in study["jobs"].items():
        for model in job.get("models", []):
            if model not in study["models"]:
                sys.exit(f'job {name} is for the model "{model}"; there are {", ".join(study["models"])}')
    jobs = []
    for model, settings in study["models"].items():
        for name, job in study["jobs"].items():
            for group, data_name, folder in sets:
                if group not in job["on"] or model not in job.get("models", study["models"]):
                    continue
                given = folder / PAIRS if (folder / PAIRS).is_file() else folder
                texts = folder / "corpus.jsonl"
                command = [
                    job["command"],
                    *("--model", str(models / model), "--dtype", job.get("dtype", settings["dtype"])),
                    *prompts(settings, folder, job["command"]),
                    *arguments_of(job, settings),
                    *(study.get("sweep", {}).get("arguments", []) if job["command"] == "sweep" else []),
                    str(given if job["command"] == "sweep" else texts),
                ]
                jobs.append(Job(name, model, data_name, command, **profiles_of(job, texts)))
    return jobs


@dataclass
class Measured:
    """A command that ended."""

    code: int
    stdout: str
    stderr: str
    seconds: float
    """By the clock."""
    cpu_seconds: float
    peak_mib: float
    """The largest resident memory."""


def measure(command: list[str]) -> Measured:
    with tempfile.TemporaryFile("w+") as stdout, tempfile.TemporaryFile("w+") as stderr:
        begin = time.monotonic()
        process = subprocess.Popen(command, stdout=stdout, stderr=stderr, stdin=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - begin
        process.returncode = os.waitstatus_to_exitcode(status)
        stdout.seek(0)
        stderr.seek(0)
        cpu = usage.ru_utime + usage.ru_stime
        return Measured(process.returncode, stdout.read(), stderr.read(), seconds, cpu, usage.ru_maxrss / 1024)


def with_profiles(treble: str, job: Job, out: Path) -> list[str]:
    """The job's command, its profiles made first."""
    command = list(job.command)
    for target in job.profiles:
        profile = out / "profiles" / job.model / f"{job.data}-{target}.json"
        if not profile.is_file():
            profile.parent.mkdir(parents=True, exist_ok=True)
            model = command[command.index("--model") : command.index("--model") + 2]
            made = subprocess.run(
                [treble, "calibrate", *model, "--match", target, *job.calibration, "-o", str(profile)],
                check=False,
                capture_output=True,
                text=True,
            )
            if made.returncode != 0:
                raise RuntimeError(f"{job.place}: no profile by {target}: {made.stderr.strip()}")
        command[1:1] = ["-t", f"match:{profile}"]
    return command


def run(treble: str, job: Job, out: Path) -> None:
    target = out / "results" / job.place
    target.parent.mkdir(parents=True, exist_ok=True)
    command = with_profiles(treble, job, out)
    files = {
        "sweep": ["--json", "-", "--cache", str(out / "cache")],
        "inspect": ["--json", "-"],
        "embed": ["--json-summary", "-", "--force", "-o", str(out / "vectors.npy")],
    }[command[0]]
    runs = []
    for _ in range(RUNS if command[0] == "embed" else 1):
        runs.append(measure([treble, command[0], *files, *command[1:]]))
        if runs[-1].code != 0:
            raise RuntimeError(f"{shlex.join(['treble', *command])}: {runs[-1].stderr.strip()}")
    done = sorted(runs, key=lambda run: run.cpu_seconds)[len(runs) // 2]
    answer = {
        "command": shlex.join(["treble", *command]),
        "seconds": round(done.seconds, 1),
        "cpu_seconds": round(done.cpu_seconds, 3),
        "peak_mib": round(done.peak_mib),
        "said": done.stderr.strip().splitlines(),
        "report": json.loads(done.stdout),
    }
    partial = target.with_suffix(".partial")
    partial.write_text(json.dumps(answer, indent=1, ensure_ascii=False) + "\n")
    partial.replace(target)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=ROOT / "build" / "study")
    parser.add_argument("--study", type=Path, default=HERE / "study.toml")
    parser.add_argument("--models", type=Path, default=Path("models"))
    parser.add_argument("--treble", default=os.environ.get("TREBLE", "build/release/bin/treble"))
    parser.add_argument("--only", type=re.compile, help="jobs whose MODEL/SET/JOB matches")
    parser.add_argument("--minutes", type=float, help="begin no job after so long")
    parser.add_argument("--again", action="store_true", help=f"also those whose answers {KEPT} has")
    parser.add_argument("--list", action="store_true", help="say which jobs there are, and run none")
    arguments = parser.parse_args()
    study = tomllib.loads(arguments.study.read_text())
    jobs = all_jobs(study, arguments.models, arguments.data, arguments.out)
    jobs = [job for job in jobs if not arguments.only or arguments.only.search(str(job.place))]
    kept = set() if arguments.again else {answer.place for answer in read_kept(arguments.study.parent / KEPT)}
    waiting = [
        job
        for job in jobs
        if (job.model, job.data, job.name) not in kept and not (arguments.out / "results" / job.place).is_file()
    ]
    print(f"{len(jobs)} jobs, {len(waiting)} to do", flush=True)
    failed = 0
    begin = time.monotonic()
    for number, job in enumerate(waiting, 1):
        if arguments.list:
            print(job.place.with_suffix(""), "\n  ", shlex.join(["treble", *job.command]))
            continue
        if arguments.minutes and time.monotonic() - begin > 60 * arguments.minutes:
            print(f"{len(waiting) - number + 1} jobs are left for the next run")
            break
        print(f"[{number} of {len(waiting)}] {job.place.with_suffix('')}", flush=True)
        try:
            run(arguments.treble, job, arguments.out)
        except RuntimeError as error:
            failed += 1
            print(f"failed: {error}", file=sys.stderr, flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
