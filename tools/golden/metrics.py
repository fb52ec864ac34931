"""Writes the expected values of src/evaluation/metrics by pytrec_eval, mteb's own evaluator, SciPy and scikit-learn.

python -m golden.metrics   (from tools/, with mteb 2.26, which brings pytrec-eval-terrier, scipy and scikit-learn)
"""

from __future__ import annotations

import json
from pathlib import Path

import pytrec_eval
from mteb._evaluators.retrieval_metrics import calculate_retrieval_scores
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


def reranking() -> dict[str, object]:
    """Queries with candidates of their own, scored as mteb scores a reranking task (main score: map_at_1000)."""
    queries = []
    # Candidates, how many values their scores have (few: many ties), and which of them are relevant.
    for number, (count, values, positives) in enumerate(
        [
            (2, 50, 1),
            (6, 50, 1),
            (20, 4, 5),
            (30, 3, 12),
            (25, 200, 25),
            (12, 1, 3),
            (15, 9, 0),
            (40, 6, 1),
            (11, 2, 10),
        ]
    ):
        scores = [value / 8 for value in sequence(count, 300 + number, values)]
        order = sorted(range(count), key=lambda d, n=number: (sequence(count, 400 + n, 1000)[d], d))
        relevant = sorted(order[:positives])
        queries.append({"ids": [str(7 * d + number) for d in range(count)], "scores": scores, "relevant": relevant})
    results = {f"q{n}": dict(zip(query["ids"], query["scores"], strict=True)) for n, query in enumerate(queries)}
    qrels = {
        f"q{n}": {name: int(d in query["relevant"]) for d, name in enumerate(query["ids"])}
        for n, query in enumerate(queries)
    }
    k_values = [1, 3, 5, 10, 20, 100, 1000]
    scores = calculate_retrieval_scores(results, qrels, k_values)
    for number, query in enumerate(queries):
        own = scores.all_scores[f"q{number}"]
        query["map"] = own["map_cut_1000"]
        query["ndcg"] = own[f"ndcg_cut_{CUT}"]
        query["mrr"] = calculate_retrieval_scores(
            {"q": results[f"q{number}"]}, {"q": qrels[f"q{number}"]}, k_values
        ).mrr[f"MRR@{CUT}"]
    return {"queries": queries, "map": scores.map["MAP@1000"], "ndcg": scores.ndcg[f"NDCG@{CUT}"]}


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
        "reranking": reranking(),
    }
    OUTPUT.write_text(json.dumps(expected) + "\n")


if __name__ == "__main__":
    main()
