"""mteb's tasks on local data. Beside mteb's scores each keeps those of its single items."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from datasets import Dataset, DatasetDict
from mteb.abstasks import AbsTaskClassification, AbsTaskClustering, AbsTaskRetrieval, AbsTaskSTS
from mteb.abstasks.abstask import AbsTask
from mteb.abstasks.retrieval_dataset_loaders import RetrievalSplitData
from mteb.abstasks.task_metadata import TaskMetadata, TaskType

from treble.errors import InvalidArgumentError
from treble.mteb._folders import RetrievalSplit, TaskFolder, read_task
from treble.mteb._items import Clustering, Items

CountTokens = Callable[[list[str]], list[int]]

# mteb's type, and the main score of its own tasks of that type.
_KINDS: dict[str, tuple[TaskType, str]] = {
    "retrieval": ("Retrieval", "ndcg_at_10"),
    "reranking": ("Reranking", "map_at_1000"),
    "sts": ("STS", "spearman"),
    "classification": ("Classification", "accuracy"),
    "clustering": ("Clustering", "v_measure"),
}
# Main score -> what pytrec_eval calls it for a single query.
_OF_QUERIES = {"ndcg_at_": "ndcg_cut_", "map_at_": "map_cut_", "recall_at_": "recall_"}


class _LocalTask(AbsTask):
    """What tasks on local folders have in common. Classes are made by `load_task`, one for each folder."""

    folder: TaskFolder

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.items: dict[str, Items] = {}
        """Split -> scores of its items, once the task has run with `count_tokens`."""
        self.count_tokens: CountTokens | None = None
        """Tokens of texts, for the lengths of items; None: items are not kept."""
        self.max_tokens = 0
        """That the model reads of a text."""

    def _keep(self, split: str, texts: list[list[str]], **fields: Any) -> None:
        """Items of a split. An item is as long as the longest of its texts."""
        if self.count_tokens is None:
            return
        counts = iter(self.count_tokens([text for item in texts for text in item]))
        tokens = [max((next(counts) for _ in item), default=0) for item in texts]
        self.items[split] = Items(tokens=tokens, longest=self.max_tokens, **fields)


class _LocalRetrieval(_LocalTask, AbsTaskRetrieval):
    def load_data(self, num_proc: int | None = None, *, timer: Any = None, **kwargs: Any) -> None:
        if self.data_loaded:
            return
        splits = {name: _retrieval_data(split) for name, split in self.folder.retrieval.items()}
        self.dataset = {"default": splits}
        self.data_loaded = True

    def task_specific_scores(
        self, scores: dict[str, dict[str, float]], qrels: Any, results: Any, hf_split: str, hf_subset: str
    ) -> dict[str, float]:
        main = self.metadata.main_score
        prefix = next(prefix for prefix in _OF_QUERIES if main.startswith(prefix))
        name = _OF_QUERIES[prefix] + main.removeprefix(prefix)
        split = self.folder.retrieval[hf_split]
        documents = {row["id"]: f"{row['title']} {row['text']}".strip() for row in split.corpus}
        # In the order of the file, whatever that of the scores is: items are paired by place.
        queries = [row["id"] for row in split.queries if row["id"] in scores]
        texts = []
        for query in queries:
            relevant = [document for document, grade in split.judgements[query].items() if grade > 0]
            texts.append([documents[document] for document in relevant if document in documents])
        self._keep(hf_split, texts, scores=[scores[query][name] for query in queries])
        return {}


def _retrieval_data(split: RetrievalSplit) -> RetrievalSplitData:
    return RetrievalSplitData(
        corpus=Dataset.from_list([{name: row[name] for name in ("id", "title", "text")} for row in split.corpus]),
        queries=Dataset.from_list([{"id": row["id"], "text": row["text"]} for row in split.queries]),
        relevant_docs={query: dict(grades) for query, grades in split.judgements.items()},
        top_ranked=split.candidates,
    )


class _LocalRows(_LocalTask):
    def load_data(self, num_proc: int | None = None, *, timer: Any = None, **kwargs: Any) -> None:
        if self.data_loaded:
            return
        self.dataset = DatasetDict({name: Dataset.from_list(rows) for name, rows in self.folder.rows.items()})
        self.data_loaded = True


class _LocalSTS(_LocalRows, AbsTaskSTS):
    min_score = 0
    max_score = 1

    def _calculate_scores(self, scores: Any, normalized_scores: list[float]) -> Any:
        texts = [[row["sentence1"], row["sentence2"]] for row in self.folder.rows["test"]]
        self._keep("test", texts, pairs=[list(scores["similarity_scores"]), list(normalized_scores)])
        return super()._calculate_scores(scores, normalized_scores)


class _LocalClassification(_LocalRows, AbsTaskClassification):
    def _calculate_scores(self, y_test: Any, y_pred: Any) -> Any:
        self._correct.append(np.asarray(y_test) == np.asarray(y_pred))
        return super()._calculate_scores(y_test, y_pred)

    def _calculate_avg_scores(self, scores: Any) -> Any:
        texts = [[row["text"]] for row in self.folder.rows["test"]]
        self._keep("test", texts, scores=np.mean(self._correct, axis=0).tolist())
        return super()._calculate_avg_scores(scores)

    def _evaluate_subset(self, *args: Any, **kwargs: Any) -> Any:
        self._correct: list[Any] = []
        return super()._evaluate_subset(*args, **kwargs)


class _LocalClustering(_LocalRows, AbsTaskClustering):
    max_fraction_of_documents_to_embed = None

    def _evaluate_subset(self, *args: Any, prediction_folder: Path | None = None, **kwargs: Any) -> Any:
        rows = self.folder.rows["test"]
        self.max_documents_per_cluster = min(len(rows), type(self).max_documents_per_cluster)
        self._draws = copy.deepcopy(self.rng_state)
        # mteb hands its clusterings out as predictions, which are not written here.
        return super()._evaluate_subset(*args, prediction_folder=prediction_folder or Path(), **kwargs)

    def _save_task_predictions(
        self, predictions: Any, model: Any, prediction_folder: Path, hf_split: str, hf_subset: str
    ) -> None:
        rows = self.folder.rows["test"]
        labels = [row["labels"] if isinstance(row["labels"], list) else [row["labels"]] for row in rows]
        clusterings = []
        for level, experiments in enumerate(predictions.values()):
            with_label = [index for index, of_text in enumerate(labels) if len(of_text) > level]
            numbers = {label: number for number, label in enumerate(sorted({labels[i][level] for i in with_label}))}
            for clusters in experiments:
                # The draws of mteb's bootstrap, again.
                drawn = self._draws.choices(range(len(with_label)), k=len(clusters))
                texts = [with_label[index] for index in drawn]
                clusterings.append(Clustering(texts, list(clusters), [numbers[labels[i][level]] for i in texts]))
        self._keep("test", [[row["sentences"]] for row in rows], clusterings=clusterings)
        if prediction_folder != Path():
            super()._save_task_predictions(predictions, model, prediction_folder, hf_split, hf_subset)


_CLASSES: dict[str, type[_LocalTask]] = {
    "retrieval": _LocalRetrieval,
    "reranking": _LocalRetrieval,
    "sts": _LocalSTS,
    "classification": _LocalClassification,
    "clustering": _LocalClustering,
}


def main_score_of(folder: TaskFolder) -> str:
    """The usual one of its kind, or that of task.json."""
    usual = "ndcg_at_1" if folder.by_length else _KINDS[folder.kind][1]
    score = str(folder.settings.get("main_score", usual))
    if score != usual and not (folder.retrieval and score.startswith(tuple(_OF_QUERIES))):
        raise InvalidArgumentError(
            f"{folder.path / 'task.json'}: main_score {score!r} for {folder.kind}; there is {usual}"
            + (", or another of ndcg_at_K, map_at_K, recall_at_K" if folder.retrieval else "")
        )
    return score


def load_task(folder: TaskFolder | str | Path, *, ignore_identical_ids: bool = False) -> Any:
    """The task of a folder, for `mteb.evaluate`; nothing is downloaded. Raises NotFoundError, InvalidFileError.

    ignore_identical_ids: leaves the document with a query's id out of that query's ranking.
    """
    read = folder if isinstance(folder, TaskFolder) else read_task(folder)
    task_type, _ = _KINDS[read.kind]
    metadata = TaskMetadata(
        name=read.name,
        dataset={"path": str(read.path), "revision": read.revision + "-other-ids" * ignore_identical_ids},
        description=read.settings.get("description", f"{read.kind} in the folder {read.path.name}"),
        type=task_type,
        category="t2t" if read.retrieval or read.kind == "sts" else "t2c",
        modalities=["text"],
        eval_splits=[name for name in (read.retrieval or read.rows) if name != "train"],
        eval_langs=read.settings.get("languages", ["eng-Latn"]),
        main_score=main_score_of(read),
    )
    # A class for each: mteb takes metadata off the instance when it unloads data.
    members = {"metadata": metadata, "folder": read, "ignore_identical_ids": ignore_identical_ids}
    return type(read.name, (_CLASSES[read.kind],), members)()
