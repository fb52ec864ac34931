"""Measures of rankings and pairs, written out as their definitions read, to hold src/evaluation to.

python -m golden.naive_metrics   (from tools/) writes tests/golden/naive_metrics.json: seeded cases with ties, grades,
repeated judgements and documents that are not there. First they are held to SciPy, scikit-learn, sentence-transformers
and pytrec_eval, as far as these are installed. tests/cli/test_sweep_values.py imports the functions; they need nothing
but the standard library.
"""

from __future__ import annotations

import json
import math
import random
from pathlib import Path

OUTPUT = Path(__file__).resolve().parents[2] / "tests" / "golden" / "naive_metrics.json"
CUT = 10


def similarity(kind: str, a: list[float], b: list[float]) -> float:
    """As sentence-transformers names them: greater is more alike."""
    if kind == "euclidean":
        return -math.dist(a, b)
    if kind == "manhattan":
        return -sum(abs(x - y) for x, y in zip(a, b, strict=True))
    product = sum(x * y for x, y in zip(a, b, strict=True))
    return product if kind == "dot" else product / (math.hypot(*a) * math.hypot(*b))


def ranked(scores: dict[str, float]) -> list[str]:
    """By falling score; among equal ones the greater id comes first, as with trec_eval."""
    return sorted(scores, key=lambda name: (scores[name], name), reverse=True)


def ranking_metrics(ranking: list[str], grades: dict[str, float], cut: int = CUT) -> dict[str, float]:
    """Of one query. `grades` has every judged document, also those that no ranking can have."""
    gains = sorted((grade for grade in grades.values() if grade > 0), reverse=True)
    ideal = sum(gain / math.log2(place + 2) for place, gain in enumerate(gains[:cut]))
    hits = [place for place, name in enumerate(ranking[:cut]) if grades.get(name, 0) > 0]
    return {
        "ndcg": sum(grades[ranking[place]] / math.log2(place + 2) for place in hits) / ideal,
        "recall": len(hits) / len(gains),
        "map": sum((found + 1) / (place + 1) for found, place in enumerate(hits)) / len(gains),
        "mrr": 1 / (hits[0] + 1) if hits else 0.0,
    }


def mean_ranks(values: list[float]) -> list[float]:
    """From 1; equal values share their mean."""
    return [
        sum(other < value for other in values) + (sum(other == value for other in values) + 1) / 2 for value in values
    ]


def spearman(a: list[float], b: list[float]) -> float:
    """Pearson's correlation of the ranks."""
    x, y = mean_ranks(a), mean_ranks(b)
    middle = (len(x) + 1) / 2
    both = sum((p - middle) * (q - middle) for p, q in zip(x, y, strict=True))
    return both / math.sqrt(sum((p - middle) ** 2 for p in x) * sum((q - middle) ** 2 for q in y))


def average_precision(scores: list[float], labels: list[float]) -> float:
    """Precision at each threshold, weighted by the recall it adds; equal scores share a threshold."""
    positives = sum(label > 0.5 for label in labels)
    area = 0.0
    for threshold in set(scores):
        here = sum(label > 0.5 for score, label in zip(scores, labels, strict=True) if score == threshold)
        above = [label > 0.5 for score, label in zip(scores, labels, strict=True) if score >= threshold]
        area += here / positives * sum(above) / len(above)
    return area


def last_grades(judgements: list[tuple[str, str, float]]) -> dict[str, dict[str, float]]:
    """By query, then document: of several grades the last one."""
    grades: dict[str, dict[str, float]] = {}
    for query, document, grade in judgements:
        grades.setdefault(query, {})[document] = grade
    return grades


def retrieval_case(seed: int) -> dict[str, object]:
    """A corpus of ids, scores with many ties, and judgements that are not tidy."""
    draw = random.Random(seed)
    documents = [f"d{number}" for number in range(draw.randrange(5, 60))]
    queries = [f"q{number}" for number in range(6)]
    names = [*documents, *(f"absent{number}" for number in range(4))]
    judgements = [
        (query, draw.choice(names), float(draw.choice([0, 0, 1, 2, 3])))
        for query in queries
        for _ in range(draw.randrange(1, 30))
    ]
    judgements.append((queries[0], documents[0], 2.0))
    draw.shuffle(judgements)
    levels = draw.choice([3, 10, 1000])
    scores = [[draw.randrange(levels) / 8 for _ in documents] for _ in queries]
    grades = last_grades(judgements)
    expected = {}
    for query, row in zip(queries, scores, strict=True):
        if any(grade > 0 for grade in grades.get(query, {}).values()):
            expected[query] = ranking_metrics(ranked(dict(zip(documents, row, strict=True))), grades[query])
    return {
        "documents": documents,
        "queries": queries,
        "judgements": judgements,
        "scores": scores,
        "repeated": len(judgements) - sum(map(len, grades.values())),
        "queries_apart": sum(1 for query in grades if query not in expected),
        "never_found": sum(
            grade > 0 and name not in documents for query in grades.values() for name, grade in query.items()
        ),
        "expected": expected,
    }


def pair_case(seed: int) -> dict[str, object]:
    """Scores with ties, of pairs with grades and with labels."""
    draw = random.Random(seed)
    count = draw.randrange(4, 40)
    scores = [draw.randrange(draw.choice([3, 12, 1000])) / 4 for _ in range(count)]
    grades = [float(draw.randrange(6)) for _ in range(count - 2)] + [0.0, 5.0]
    labels = [float(grade > 2) for grade in grades]
    scores[0] += 0.125
    case = {"scores": scores, "grades": grades, "labels": labels}
    return case | {"spearman": spearman(scores, grades), "average_precision": average_precision(scores, labels)}


def check_pairs() -> None:
    """Raise where SciPy or scikit-learn see a value otherwise."""
    from scipy.stats import spearmanr  # noqa: PLC0415
    from sklearn.metrics import average_precision_score  # noqa: PLC0415

    for case in map(pair_case, range(500)):
        expect(case["spearman"], spearmanr(case["scores"], case["grades"]).statistic, 1e-12)
        expect(case["average_precision"], average_precision_score(case["labels"], case["scores"]), 1e-12)


def check_similarities() -> None:
    """Raise where sentence-transformers sees a value otherwise; it computes in float32."""
    from sentence_transformers.util import cos_sim, dot_score, euclidean_sim, manhattan_sim  # noqa: PLC0415

    draw = random.Random(1)
    functions = {"cosine": cos_sim, "dot": dot_score, "euclidean": euclidean_sim, "manhattan": manhattan_sim}
    for kind, function in functions.items():
        for _ in range(20):
            a, b = ([draw.gauss(0, 1) for _ in range(16)] for _ in range(2))
            expect(similarity(kind, a, b), float(function([a], [b])), 1e-5)


def check_rankings() -> None:
    """Raise where pytrec_eval sees a value otherwise; it computes in float32."""
    import pytrec_eval  # noqa: PLC0415

    measures = {"ndcg": f"ndcg_cut.{CUT}", "recall": f"recall.{CUT}", "map": f"map_cut.{CUT}"}
    for case in map(retrieval_case, range(200)):
        run = {
            query: dict(zip(case["documents"], row, strict=True))
            for query, row in zip(case["queries"], case["scores"], strict=True)
        }
        grades = {
            query: {name: int(grade) for name, grade in found.items()}
            for query, found in last_grades(case["judgements"]).items()
        }
        result = pytrec_eval.RelevanceEvaluator(grades, set(measures.values())).evaluate(run)
        for query, values in case["expected"].items():
            for name, measure in measures.items():
                expect(values[name], result[query][measure.replace(".", "_")], 1e-6)


def expect(own: float, other: float, tolerance: float) -> None:
    """Raise when two values differ."""
    if not abs(own - other) <= tolerance:
        raise SystemExit(f"{own} here, {other} there")


def check() -> None:
    """Hold the definitions to whichever of these packages are installed."""
    for compare in (check_pairs, check_similarities, check_rankings):
        try:
            compare()
            print(f"{compare.__name__}: equal")
        except ImportError as error:
            print(f"{compare.__name__}: left out, {error}")


def main() -> None:
    """Write the file."""
    check()
    pairs = [pair_case(seed) for seed in range(12)]
    OUTPUT.write_text(json.dumps({"retrieval": [retrieval_case(seed) for seed in range(8)], "pairs": pairs}) + "\n")


if __name__ == "__main__":
    main()
