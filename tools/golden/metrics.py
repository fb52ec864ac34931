"""Writes the expected values of src/evaluation/metrics by pytrec_eval (as mteb uses it), SciPy and scikit-learn.

python -m golden.metrics   (from tools/, with pytrec-eval-terrier, scipy and scikit-learn)
"""

from __future__ import annotations

import json
from pathlib import Path

import pytrec_eval
from scipy.stats import spearmanr
from sklearn.metrics import average_precision_score

OUTPUT = Path(__file__).resolve().parents[2] / "tests" / "golden" / "metrics.json"
DOCUMENTS, QUERIES, CUT = 40, 6, 10


def sequence(count: int, seed: int, values: int) -> list[int]:
    """`count` whole numbers below `values`; few values make many ties."""
    numbers, state = [], seed
    for _ in range(count):
        state = (state * 1103515245 + 12345) % 2**31
        numbers.append((state >> 16) % values)
    return numbers


def main() -> None:
    """Write the file."""
    ids = [f"d{i}" for i in range(DOCUMENTS)]
    runs, judgements = [], []
    for query in range(QUERIES):
        scores = [value / 8 for value in sequence(DOCUMENTS, 100 + query, 24)]
        grades = [max(0, value - 6) for value in sequence(DOCUMENTS, 200 + query, 9)]
        runs.append(scores)
        judgements.append(grades)
    evaluator = pytrec_eval.RelevanceEvaluator(
        {
            f"q{q}": {ids[d]: grades[d] for d in range(DOCUMENTS) if grades[d] > 0}
            for q, grades in enumerate(judgements)
        },
        {f"ndcg_cut.{CUT}", f"recall.{CUT}", f"map_cut.{CUT}"},
    )
    result = evaluator.evaluate({f"q{q}": dict(zip(ids, scores, strict=True)) for q, scores in enumerate(runs)})
    a, b = sequence(30, 5, 9), sequence(30, 6, 12)
    labels = [int(value > 5) for value in sequence(30, 9, 9)]
    expected = {
        "scores": runs,
        "grades": judgements,
        "ndcg": [result[f"q{q}"][f"ndcg_cut_{CUT}"] for q in range(QUERIES)],
        "recall": [result[f"q{q}"][f"recall_{CUT}"] for q in range(QUERIES)],
        "map": [result[f"q{q}"][f"map_cut_{CUT}"] for q in range(QUERIES)],
        "a": a,
        "b": b,
        "spearman": float(spearmanr(a, b).statistic),
        "labels": labels,
        "average_precision": float(average_precision_score(labels, a)),
    }
    OUTPUT.write_text(json.dumps(expected) + "\n")


if __name__ == "__main__":
    main()
