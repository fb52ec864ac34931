#!/usr/bin/env python3
"""Bake every golden model and let others read the result: the proof that a baked folder needs no Treble.

    .venv-golden/bin/python tools/verify_bake.py [--treble build/release/bin/treble] [NAME...]

Each folder of tests/golden is baked by `treble bake` at 0.7 and at every temperature for which reference vectors are
stored, with the position bias tempered and (where there is one) left alone. sentence-transformers then loads the baked
folder as any user would, at temperature 1; families whose published code is their own are read by the twins of
tools/golden. Printed is the maximum difference of any component of any unit vector to the reference vectors (`golden`)
and to `treble embed --temperature` on the original folder (`ours`); exit status 1 if one is above 1e-5.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import transformers
from golden import family_models
from golden.family_models import FAMILIES, Family, WholeAttention
from safetensors.numpy import load_file
from sentence_transformers import SentenceTransformer

ROOT = Path(__file__).resolve().parent.parent
GOLDEN = ROOT / "tests/golden"
TOLERANCE = 1e-5
TAU = 0.7


@dataclass(frozen=True)
class Case:
    """One way to bake one model."""

    name: str
    tau: float
    temper_bias: bool

    @property
    def folder(self) -> Path:
        return GOLDEN / self.name

    @property
    def key(self) -> str:
        """Of the reference vectors."""
        return f"tau={self.tau:g}/{'' if self.temper_bias else 'unscaled_bias/'}pooled"

    @property
    def options(self) -> list[str]:
        bias = [] if self.temper_bias else ["--temper-position-bias=false"]
        return ["--temperature", f"{self.tau:g}", *bias]


def run(*command: str | Path, stdin: str | None = None) -> str:
    """Standard output of a program that must succeed."""
    done = subprocess.run([*map(str, command)], input=stdin, text=True, capture_output=True, check=False)
    if done.returncode != 0:
        sys.exit(f"{' '.join(map(str, command))}\n{done.stderr}")
    return done.stdout


def cases_of(name: str) -> list[Case]:
    """0.7 and what is stored; ALiBi, which cannot be divided by baking, only left alone."""
    stored = load_file(GOLDEN / name / "expected.safetensors")
    keys = [key.split("/") for key in stored if key.endswith("pooled") and not key.startswith("tau=1/")]
    found = {Case(name, float(parts[0].removeprefix("tau=")), "unscaled_bias" not in parts) for parts in keys}
    found |= {Case(name, TAU, temper_bias) for temper_bias in {case.temper_bias for case in found}}
    config = json.loads((GOLDEN / name / "model/config.json").read_text(encoding="utf-8"))
    if config.get("position_embedding_type") == "alibi":
        found = {case for case in found if not case.temper_bias}
    return sorted(found, key=lambda case: (case.tau, case.temper_bias))


def own_vectors(program: Path, case: Case, texts: list[str]) -> np.ndarray:
    """The original folder at the temperature, by Treble."""
    lines = "".join(json.dumps({"text": text}) + "\n" for text in texts)
    command = [program, "embed", "--model", case.folder / "model", "--format", "jsonl", *case.options]
    printed = run(*command, stdin=lines).splitlines()
    return np.array([json.loads(line)["embedding"] for line in printed[1:]])


def twin_vectors(family: Family, case: Case, baked: Path) -> np.ndarray:
    """By the reference of a family whose published code is its own."""
    cases = json.loads((case.folder / "cases.json").read_text(encoding="utf-8"))
    used = [[*ids[: count - 1], ids[-1]] for ids, count in zip(cases["ids"], cases["used"], strict=True)]
    model = family_models._load(family, baked)
    if family.bidirectional:
        with WholeAttention(model):
            last = [family_models._states(family, model, ids)[-1] for ids in used]
    else:
        last = [family_models._states(family, model, ids)[-1] for ids in used]
    return family_models._pooled(family, last, baked)


def peer_vectors(case: Case, baked: Path, texts: list[str]) -> np.ndarray:
    """The baked folder at temperature 1, by somebody else."""
    family = next((family for family in FAMILIES if family.name == case.name), None)
    if family is not None and (family.twin is not None or family.bidirectional):
        return twin_vectors(family, case, baked)
    model = SentenceTransformer(str(baked), device="cpu")  # in the type that the baked config.json states
    vectors = model.encode(texts, batch_size=1, show_progress_bar=False, normalize_embeddings=True)
    return np.asarray(vectors)


def verify(program: Path, case: Case) -> float:
    """Prints a line; returns the maximum difference."""
    texts = json.loads((case.folder / "cases.json").read_text(encoding="utf-8"))["texts"]
    with tempfile.TemporaryDirectory() as holder:
        baked = Path(holder) / "baked"
        run(program, "bake", "--model", case.folder / "model", "-o", baked, "--dtype", "float32", *case.options)
        peer = peer_vectors(case, baked, texts)
    ours = float(np.abs(peer - own_vectors(program, case, texts)).max())
    golden = load_file(case.folder / "expected.safetensors").get(case.key)
    theirs = float(np.abs(peer - golden).max()) if golden is not None else None
    bias = "" if case.temper_bias else "  (position bias left alone)"
    print(
        f"{case.name:22} {case.tau:<4g} {f'{theirs:.1e}' if theirs is not None else '-':>8} {ours:8.1e}{bias}",
        flush=True,
    )
    return max(ours, theirs or 0.0)


def main() -> int:
    parser = argparse.ArgumentParser(
        description="Bake every golden model and let sentence-transformers read the result."
    )
    parser.add_argument("--treble", type=Path, default=ROOT / "build/release/bin/treble", help="the built program")
    parser.add_argument("names", metavar="NAME", nargs="*", help="folders of tests/golden; all by default")
    arguments = parser.parse_args()
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    torch.set_num_threads(2)
    names = arguments.names or sorted(path.parent.name for path in GOLDEN.glob("*/model"))
    print(f"{'model':22} {'tau':4} {'golden':>8} {'ours':>8}")
    differences = {case: verify(arguments.treble, case) for name in names for case in cases_of(name)}
    worst = max(differences, key=lambda case: differences[case])
    maximum = f"maximum difference {differences[worst]:.1e} ({worst.name})"
    print(f"{len(differences)} baked folders of {len(names)} models; {maximum}")
    return 0 if differences[worst] <= TOLERANCE else 1


if __name__ == "__main__":
    sys.exit(main())
