"""What inspections, sweeps and calibrations give: typed, and shown as the report page in a notebook."""

from __future__ import annotations

import html
import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from treble._treble import TemperatureProfile, UnreachedTarget, report_page

# Of the frame that holds a page in a notebook's cell, in pixels.
_FRAME_HEIGHT = 720


@dataclass(frozen=True)
class Estimate:
    """A value with its 95 % interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Cosine:
    """Mean cosine over the pairs of different texts of a group, with its 95 % bootstrap interval; None: no pair."""

    texts: int
    pairs: int
    mean: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True)
class TokenSpread:
    """How many directions carry the token vectors of the texts of one length, all together; None: no vector."""

    vectors: int
    effective_rank: float | None
    isoscore: float | None


@dataclass(frozen=True)
class TokenVectors:
    """The token vectors of a multi-vector output, of texts read as documents."""

    dim: int
    max_sim_documents: int
    """Others that each text was compared with, at most."""
    token_cosine: list[list[Cosine]]
    """[setting][bucket]: mean cosine between the vectors of one text, the mean over texts."""
    max_sim: list[list[Cosine]]
    """[setting][bucket]: MaxSim of one text as the query and another one as the document, a query vector."""
    spread: list[list[TokenSpread]]
    """[setting][bucket]."""
    cut_token_cosine: list[list[Cosine]]
    """[setting][cut length]."""
    cut_max_sim: list[list[Cosine]]
    """[setting][cut length]."""


@dataclass(frozen=True)
class Bucket:
    """Texts by the tokens that the model read of them, both ends included."""

    min_tokens: int
    max_tokens: int
    texts: int
    """In the whole input for an inspection; queries or pairs for a sweep."""


@dataclass(frozen=True)
class Axis:
    """One way in which settings differ from the untouched model, and its held-out gains."""

    name: str
    settings: int
    """That differ in nothing else."""
    alone: Estimate
    """Of the best of these."""
    added: Estimate
    """Of the best of all settings over the best of those without it."""


class Report:
    """What all reports can do. `report["key"]` reaches everything in to_dict()."""

    def __init__(self, report_json: str, table: str) -> None:
        self._json = report_json
        self._table = table
        self._dict: dict[str, Any] = json.loads(report_json)

    def __getitem__(self, key: str) -> Any:
        return self._dict[key]

    @property
    def verdict(self) -> str:
        """Two or three sentences for people."""
        return str(self._dict["verdict"])

    @property
    def model(self) -> str:
        """The name of the model."""
        return str(self._dict["model"])

    @property
    def provenance(self) -> dict[str, Any]:
        """What the vectors were made of: hashes of the model's files, options, versions."""
        return dict(self._dict["provenance"])

    def to_dict(self) -> dict[str, Any]:
        """The report as the program's --json gives it; docs/diagnostics.md and docs/sweep.md list the keys."""
        return dict(json.loads(self._json))

    def to_json(self) -> str:
        """to_dict() as text."""
        return self._json

    def to_table(self) -> str:
        """Tables for a terminal."""
        return self._table

    def to_html(self) -> str:
        """One page with plots, which works offline."""
        return report_page(self._json)

    def save_html(self, path: str | os.PathLike[str]) -> None:
        """Writes the page."""
        Path(path).write_text(self.to_html(), encoding="utf-8")

    def __str__(self) -> str:
        return f"{self.verdict}\n\n{self._table}"

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self.model}: {self.verdict}>"

    def _repr_html_(self) -> str:
        page = html.escape(self.to_html(), quote=True)
        return (
            f'<iframe srcdoc="{page}" sandbox="allow-scripts allow-downloads allow-popups" '
            f'style="width: 100%; height: {_FRAME_HEIGHT}px; border: 0"></iframe>'
        )


class InspectReport(Report):
    """What `SentenceEncoder.inspect` found."""

    @property
    def settings(self) -> list[str]:
        """The columns: temperatures, "1" first, or state controls, "none" first; then fitted steps."""
        return list(self._dict["settings"])

    @property
    def collapse_visible(self) -> bool:
        """Whether longer texts are more alike than short ones, beyond chance."""
        return bool(self._dict["findings"]["visible"])

    @property
    def buckets(self) -> list[Bucket]:
        """By length, shortest first."""
        return [Bucket(one["min_tokens"], one["max_tokens"], one["texts_seen"]) for one in self._dict["buckets"]]

    @property
    def bucket_cosine(self) -> list[list[Cosine]]:
        """[setting][bucket]; empty where token vectors are measured, as is cut_cosine."""
        return _cosines(self._dict["bucket_cosine"])

    @property
    def cut_lengths(self) -> list[int]:
        """At which the same texts were cut, in tokens."""
        return list(self._dict["cut_lengths"])

    @property
    def cut_cosine(self) -> list[list[Cosine]]:
        """[setting][cut length]."""
        return _cosines(self._dict["cut_cosine"])

    @property
    def token_vectors(self) -> TokenVectors | None:
        """How alike token vectors are, within a text and between texts; None where dense vectors are measured."""
        found: dict[str, Any] | None = self._dict["token_vectors"]
        if found is None:
            return None
        return TokenVectors(
            found["dim"],
            found["max_sim_documents"],
            _cosines(found["token_cosine"]),
            _cosines(found["max_sim"]),
            [[TokenSpread(**one) for one in row] for row in found["spread"]],
            _cosines(found["cut_token_cosine"]),
            _cosines(found["cut_max_sim"]),
        )

    @property
    def classes(self) -> dict[str, Any] | None:
        """Of labelled texts, as in the JSON (docs/neural-collapse.md); None where no labels were given."""
        classes: dict[str, Any] | None = self._dict["classes"]
        return classes

    @property
    def states(self) -> dict[str, Any] | None:
        """Of a model with states, as in the JSON (docs/diagnostics.md); None for other models."""
        states: dict[str, Any] | None = self._dict["states"]
        return states

    def to_pandas(self) -> Any:
        """A DataFrame with a row for each setting and length: mean cosines in buckets and of texts cut to a length.

        Of token vectors, "measure" says which of the two a row is: token_cosine or max_sim.
        """
        import pandas as pd  # noqa: PLC0415 - optional

        tokens = self.token_vectors
        rows: list[dict[str, Any]] = []
        if tokens is None:
            rows += self._rows(self.bucket_cosine, self.cut_cosine)
        else:
            rows += self._rows(tokens.token_cosine, tokens.cut_token_cosine, measure="token_cosine")
            rows += self._rows(tokens.max_sim, tokens.cut_max_sim, measure="max_sim")
        return pd.DataFrame(rows)

    def _rows(
        self, by_bucket: list[list[Cosine]], by_cut: list[list[Cosine]], **named: str
    ) -> Iterator[dict[str, Any]]:
        for setting, cosines in zip(self.settings, by_bucket, strict=True):
            for bucket, cosine in zip(self.buckets, cosines, strict=True):
                lengths = {"min_tokens": bucket.min_tokens, "max_tokens": bucket.max_tokens}
                yield {"setting": setting, **named, "group": "bucket", **lengths, **vars(cosine)}
        for setting, cosines in zip(self.settings, by_cut, strict=False):
            for length, cosine in zip(self.cut_lengths, cosines, strict=True):
                lengths = {"min_tokens": length, "max_tokens": length}
                yield {"setting": setting, **named, "group": "cut", **lengths, **vars(cosine)}


@dataclass(frozen=True)
class Setting:
    """One way to encode, judged over all items."""

    name: str
    """What differs from the untouched model; "1" for that, of a model with states "none"."""
    value: float
    """Of the metric."""
    gain: Estimate
    """Over the untouched model; the intervals of all settings hold at once."""
    others: dict[str, float] = field(default_factory=dict)
    """Further metrics by name."""


class SweepReport(Report):
    """What `SentenceEncoder.sweep` found."""

    def __init__(self, report_json: str, table: str, scores: str = "", runs: Sequence[tuple[str, str]] = ()) -> None:
        super().__init__(report_json, table)
        self._scores = scores
        self._runs = list(runs)

    @property
    def scores(self) -> list[dict[str, Any]]:
        """Of each query or pair: id, tokens, and its score under each setting (of a pair, the similarity)."""
        return [json.loads(line) for line in self._scores.splitlines()]

    def save_scores(self, path: str | os.PathLike[str]) -> None:
        """Writes them as JSONL."""
        Path(path).write_text(self._scores, encoding="utf-8")

    @property
    def runs(self) -> dict[str, str]:
        """TREC runs by tag, the setting's name without white space; empty unless `run_depth` asked for them."""
        return dict(self._runs)

    @property
    def unread(self) -> float:
        """The share of the documents' tokens that the untouched model never reads."""
        return float(self._dict["documents_read"]["unread"])

    @property
    def advice(self) -> list[str]:
        """On what is never read."""
        return list(self._dict["advice"])

    @property
    def commands(self) -> list[str]:
        """What to run at a terminal: of the winner where it helps, else of the untouched model."""
        return list(self._dict["commands"])

    @property
    def axes(self) -> list[Axis]:
        """What each way to differ from the untouched model is worth; empty where there is one alone."""
        return [
            Axis(one["name"], one["settings"], _estimate(one["alone"]), _estimate(one["added"]))
            for one in self._dict["axes"]
        ]

    @property
    def benefit(self) -> str:
        """ "helps", "harms" or "none", judged on data that the choice has not seen."""
        return str(self._dict["benefit"])

    @property
    def labelled(self) -> bool:
        """False for the proxy out of texts without labels."""
        return bool(self._dict["labelled"])

    @property
    def metric(self) -> str:
        """ "nDCG@10", "MAP", "Spearman", ..."""
        return str(self._dict["metric"])

    @property
    def held_out_gain(self) -> Estimate:
        """Of what was chosen on one part of the data, on the rest."""
        return _estimate(self._dict["held_out_gain"])

    @property
    def chosen(self) -> list[str]:
        """[fold]: the setting that is best on the other folds."""
        return list(self._dict["chosen"])

    @property
    def settings(self) -> list[Setting]:
        """The first is the untouched model."""
        return [
            Setting(one["name"], one["value"], _estimate(one["gain"]), dict(one.get("others") or {}))
            for one in self._dict["settings"]
        ]

    @property
    def best(self) -> Setting:
        """With the highest value over all items. `benefit` says whether it is more than chance."""
        return max(self.settings, key=lambda one: one.value)

    @property
    def skipped(self) -> list[Any]:
        """Settings that could not be tried, and why."""
        return list(self._dict["left_out"])

    @property
    def notes(self) -> list[str]:
        """What to know about the data before relying on the numbers."""
        return list(self._dict["notes"])

    @property
    def buckets(self) -> list[Bucket]:
        """Items by the tokens of what is to be found."""
        return [Bucket(one["min_tokens"], one["max_tokens"], one["items"]) for one in self._dict["buckets"]]

    def to_pandas(self) -> Any:
        """A DataFrame with a row for each setting: its value, gain and interval, and the further metrics."""
        import pandas as pd  # noqa: PLC0415 - optional

        return pd.DataFrame(
            [
                {
                    "setting": one.name,
                    self.metric: one.value,
                    "gain": one.gain.value,
                    "gain_low": one.gain.low,
                    "gain_high": one.gain.high,
                    **one.others,
                }
                for one in self.settings
            ]
        )


def _cosines(table: list[list[dict[str, Any]]]) -> list[list[Cosine]]:
    return [[Cosine(**one) for one in row] for row in table]


def _estimate(interval: dict[str, Any]) -> Estimate:
    return Estimate(interval["value"], interval["low"], interval["high"])


@dataclass(frozen=True)
class Calibrated:
    """What `SentenceEncoder.calibrate` gives. `profile` may stand wherever a temperature is asked for."""

    profile: TemperatureProfile
    texts: int
    """That were measured."""
    unreached: list[UnreachedTarget]
    """Places where no scale between 1/8 and 8 gives what the reference has; the profile holds the nearest."""

    def save(self, path: str | os.PathLike[str]) -> None:
        """Writes the profile for `temperature="match:FILE"`."""
        self.profile.write(path)

    def to_dict(self) -> dict[str, Any]:
        """The profile as its file holds it."""
        return dict(json.loads(self.profile.to_json()))

    def to_pandas(self) -> Any:
        """A DataFrame with a row for each layer, head and length; temperature is 1 / logit_scale."""
        import pandas as pd  # noqa: PLC0415 - optional

        rows = [
            {
                "layer": layer,
                "head": head if self.profile.num_heads > 1 else None,
                "length": length,
                "logit_scale": scale,
                "temperature": 1 / scale,
            }
            for layer, heads in enumerate(self.profile.logit_scales)
            for head, scales in enumerate(heads)
            for length, scale in zip(self.profile.lengths, scales, strict=True)
        ]
        return pd.DataFrame(rows)

    def _repr_html_(self) -> str:
        lengths = "".join(f"<th>{length}</th>" for length in self.profile.lengths)
        rows = "".join(
            f"<tr><th>{layer}{f'.{head}' if len(heads) > 1 else ''}</th>"
            + "".join(f"<td>{scale:.3f}</td>" for scale in scales)
            + "</tr>"
            for layer, heads in enumerate(self.profile.logit_scales)
            for head, scales in enumerate(heads)
        )
        return (
            f"<p>Logit scales of {html.escape(self.profile.model)} by layer and tokens, from {self.texts} texts; the "
            f"reference is {self.profile.reference_length} tokens</p>"
            f"<table><thead><tr><th>layer</th>{lengths}</tr></thead><tbody>{rows}</tbody></table>"
        )


@dataclass(frozen=True)
class Baked:
    """What `SentenceEncoder.bake` wrote."""

    path: str
    """The new model folder."""
    changed: list[str]
    """Names of the tensors that were scaled."""
    left_out: list[str]
    """Files of the model that hold the untempered weights in another format."""
    exact: bool
    """True when no scaled weight had to be rounded."""
    max_rounding_error: float
    """Relative, of a weight."""

    def to_dict(self) -> dict[str, Any]:
        """The fields by name."""
        return dict(vars(self))

    def _repr_html_(self) -> str:
        how = "without rounding" if self.exact else f"rounded by at most {self.max_rounding_error:.1e} of each value"
        return f"<p><code>{html.escape(self.path)}</code>: {len(self.changed)} tensors scaled, {how}</p>"
