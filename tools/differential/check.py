"""Holds one case against the reference, and reduces a failing one to the switches that make it fail."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from differential import folder as folders
from differential import modules, treble
from differential.case import Case, write_json
from differential.compare import SHAKY, TAUS, TOLERANCE, rows_apart
from differential.reference import Reference, with_tensors

# Refusals that are as they should be: what the message says, and why.
REFUSED: tuple[tuple[str, str], ...] = (
    (r'"inner_group_num" is 2', "no published ALBERT has more than one layer in a group"),
    (
        r'"(hidden_act|activation|hidden_activation)" is "quick_gelu"',
        "of CLIP; no published text encoder has it",
    ),
    (r'"embedding_size" is 16', "no published DeBERTa v2 or v3 has embeddings narrower than its layers"),
    (r'"modality_config" has "message', "chat templates are refused rather than half rendered"),
    (r'"chat_template": without modules.json', "the same: there sentence-transformers applies it by itself"),
    (r'"(tokenizer_args|config_args)" gives', "arguments that sentence-transformers passes on are obeyed or named"),
    (r"the prompt .* alone has", "nothing of any text would be read"),
)


@dataclass(frozen=True)
class Outcome:
    """`status` is one of equal, equal-float64, refused, different, crash, no-reference."""

    case: Case
    status: str
    difference: float = 0.0
    message: str = ""
    text: str = ""
    tau: float = 0.0
    spread: float = 0.0
    reference: np.ndarray | None = None  # its vectors at the first temperature

    @property
    def failed(self) -> bool:
        """A wrong vector, or an end without a reason."""
        return self.status in ("different", "crash")

    @property
    def expected_refusal(self) -> bool:
        """On the list above."""
        return any(re.search(pattern, self.message) for pattern, _ in REFUSED)


class Checker:
    """Runs cases in one scratch folder."""

    def __init__(self, program: Path, scratch: Path) -> None:
        """`program` is the treble to judge."""
        self.program = program
        self.scratch = scratch
        self.last: Outcome | None = None
        scratch.mkdir(parents=True, exist_ok=True)

    def check(self, case: Case) -> Outcome:
        """Both temperatures; the first failure ends it."""
        self.last = self._checked(case)
        return self.last

    def _checked(self, case: Case) -> Outcome:
        folder = self.scratch / "model"
        try:
            case = with_tensors(case, self.scratch)
            folders.write(case, folder)
            reference = Reference(case, folder)
            expected = {tau: reference.encode(case.texts, tau) for tau in TAUS}
        except Exception as error:  # whatever transformers makes of an impossible combination
            return Outcome(case, "no-reference", message=f"{type(error).__name__}: {error}"[:300])
        status = "equal"
        worst = 0.0
        for tau in TAUS:
            outcome = self._compare(case, folder, reference, expected[tau], tau)
            if outcome.failed or outcome.status == "refused":
                return replace(outcome, reference=expected[TAUS[0]], spread=reference.spread)
            status = outcome.status if outcome.status != "equal" else status
            worst = max(worst, outcome.difference)
        return Outcome(case, status, worst, spread=reference.spread, reference=expected[TAUS[0]])

    def _compare(self, case: Case, folder: Path, reference: Reference, expected: np.ndarray, tau: float) -> Outcome:
        result = treble.embed(self.program, folder, case.texts, modules.embed_options(case, tau), self.scratch)
        if result.vectors is None:
            status = "refused" if result.refused else "crash"
            return Outcome(case, status, message=f"exit {result.code}: {result.message}", tau=tau)
        apart = rows_apart(result.vectors, expected)
        if apart.max() <= TOLERANCE:
            return Outcome(case, "equal", float(apart.max()), tau=tau)
        if np.isfinite(apart).all():
            double = Reference(case, folder).in_double().encode(case.texts, tau)
            shaky = rows_apart(expected, double) > SHAKY
            apart = np.where(shaky, rows_apart(result.vectors, double), apart)
            if apart.max() <= TOLERANCE:
                return Outcome(case, "equal-float64", float(apart.max()), tau=tau)
        worst = int(apart.argmax())
        shapes = f"{result.vectors.shape} against {expected.shape}"
        return Outcome(case, "different", float(apart.max()), shapes, case.texts[worst], tau)

    def minimised(self, outcome: Outcome) -> Outcome:
        """Put switches back to their defaults one by one while the case still fails, then keep one text."""
        best = outcome
        for switch in list(outcome.case.switches):
            attempt = self.check(best.case.without(switch))
            if attempt.failed:
                best = attempt
        if best.status == "different":
            attempt = self.check(replace(best.case, texts=(best.text,)))
            best = attempt if attempt.failed else best
        return best

    def keep(self, outcome: Outcome, folder: Path) -> None:
        """Leave a failing case's folder, its case and its texts behind."""
        case = outcome.case
        folders.write(case, folder / "model")
        write_json(folder / "case.json", case.to_json())
        reference = Reference(case, folder / "model")
        vectors = {f"{tau:g}": reference.encode(case.texts, tau).tolist() for tau in TAUS}
        write_json(folder / "expected.json", {"texts": list(case.texts), "vectors": vectors})


def effect(outcome: Outcome | None, default: Outcome) -> float | None:
    """How far a switch moves the reference's vectors; the default's first texts are the same."""
    if outcome is None or outcome.reference is None or default.reference is None:
        return None
    if outcome.reference.shape[1] != default.reference.shape[1]:
        return float("inf")
    return float(rows_apart(outcome.reference, default.reference[: len(outcome.reference)]).max())
