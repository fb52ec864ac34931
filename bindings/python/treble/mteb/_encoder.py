"""Treble's engine as an encoder of mteb."""

from __future__ import annotations

import copy
import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mteb.models.abs_encoder import AbsEncoder, get_prompt
from mteb.models.model_implementations import MODEL_REGISTRY
from mteb.models.model_meta import ModelMeta, ScoringFunction
from mteb.types import PromptType

from treble._model import Dtype, Extension
from treble._state import StateLike
from treble._temperature import TemperatureLike, to_temperature
from treble._treble import StateControl, Temperature, numerics_version
from treble.encoder import SentenceEncoder
from treble.errors import InvalidArgumentError

if TYPE_CHECKING:
    from mteb.abstasks.task_metadata import TaskMetadata

# What a model's vectors depend on; its README and weights in other formats are not among it.
_HASHED = (".json", ".txt", ".model", ".safetensors", ".vocab")


def content_revision(folder: str | os.PathLike[str]) -> str:
    """40 hexadecimal digits of what vectors depend on: the model's files and the version of the numerics."""
    root = Path(folder)
    total = hashlib.sha256(f"numerics {numerics_version()}".encode())
    for path in sorted(root.rglob("*")):
        if path.suffix in _HASHED and path.is_file():
            digest = hashlib.sha256()
            with path.open("rb") as file:
                while block := file.read(1 << 20):
                    digest.update(block)
            total.update(f"{path.relative_to(root)}\0{digest.hexdigest()}\n".encode())
    return total.hexdigest()[:40]


def _profile_digest(temperature: Temperature) -> str | None:
    """Of a schedule that is written as the name of a file, what is in the file."""
    if not str(temperature).startswith("match:"):
        return None
    return hashlib.sha256(temperature.canonical().encode()).hexdigest()[:16]


def _norms_digest(state: StateControl) -> str | None:
    """Of a control of the state that is written as the name of a file, what is in the file."""
    if state.canonical() == str(state):
        return None
    return state.canonical().removeprefix("norms:")[:16]


def _experiment(encoder: SentenceEncoder, temperature: Temperature, max_length: int | None) -> dict[str, Any]:
    """What mteb keeps results apart by, beside name and revision; at the same time keywords of TrebleEncoder."""
    experiment: dict[str, Any] = {"temperature": str(temperature), "dtype": encoder.info["dtype"]}
    if encoder.info["extension"] != "none":
        experiment["extend"] = encoder.info["extension"]
    if max_length is not None:
        experiment["max_length"] = max_length
    if encoder.truncate_dim is not None:
        experiment["embed_dim"] = encoder.truncate_dim
    if not encoder.state.is_identity:
        experiment["state"] = str(encoder.state)
    digests = {"profile_sha256": _profile_digest(temperature), "norms_sha256": _norms_digest(encoder.state)}
    return experiment | {name: digest for name, digest in digests.items() if digest is not None}


def _meta(encoder: SentenceEncoder, temperature: Temperature, max_length: int | None, revision: str) -> ModelMeta:
    info = encoder.info
    return ModelMeta(
        loader=TrebleEncoder,
        loader_kwargs={"path": info["path"]},
        name=f"treble/{info['name'].split('/')[-1]}",
        revision=revision,
        release_date=None,
        languages=None,
        n_parameters=info["num_parameters"],
        n_embedding_parameters=info["vocab_size"] * info["hidden_size"],
        memory_usage_mb=None,
        max_tokens=encoder.max_seq_length,
        embed_dim=encoder.get_embedding_dimension(),
        license=None,
        open_weights=True,
        public_training_code=None,
        public_training_data=None,
        framework=["safetensors"],
        similarity_fn_name=ScoringFunction(encoder.similarity_fn_name),
        use_instructions=bool(encoder.prompts),
        training_datasets=None,
        adapted_from=info["name"] if "/" in info["name"] else None,
        experiment_kwargs=_experiment(encoder, temperature, max_length),
    )


class TrebleEncoder(AbsEncoder):
    """An encoder as mteb calls it. Prompts, similarity and limits are the model's own.

    `mteb_model_meta` has temperature, state, dtype, extension and max_length in experiment_kwargs, which mteb's caches
    keep results apart by, and a revision by content.
    """

    mteb_model_meta: ModelMeta

    def __init__(
        self,
        model_name: str,
        revision: str | None = None,
        *,
        device: Any = None,
        path: str | None = None,
        temperature: TemperatureLike = None,
        state: StateLike = None,
        dtype: Dtype = "float32",
        extend: Extension = "none",
        max_length: int | None = None,
        profile_sha256: str | None = None,
        norms_sha256: str | None = None,
        embed_dim: int | None = None,
        threads: int = 0,
    ) -> None:
        """Loads a model. mteb calls this with what ModelMeta has; call it with a folder or a name in the cache.

        model_name: the model, unless `path` says where it is.
        revision, profile_sha256, norms_sha256: what content must be; InvalidArgumentError when it has changed.
        embed_dim: dimensions to keep (Matryoshka).
        """
        self.model = SentenceEncoder(
            path or model_name,
            state=state,
            dtype=dtype,
            threads=threads,
            max_length=max_length,
            extend=extend,
            truncate_dim=embed_dim,
            device=device,
        )
        found = content_revision(self.model.info["path"])
        if revision is not None and revision != found:
            raise InvalidArgumentError(f"{self.model.info['path']}: its files are revision {found}, not {revision}")
        self._revision, self._max_length = found, max_length
        self._set_temperature(temperature)
        if profile_sha256 is not None and profile_sha256 != _profile_digest(self.temperature):
            raise InvalidArgumentError(
                f"the profile {self.temperature} is not the one that was registered: it has changed"
            )
        if norms_sha256 is not None and norms_sha256 != _norms_digest(self.model.state):
            raise InvalidArgumentError(
                f"the norms {self.model.state} are not those that were registered: they have changed"
            )

    def _set_temperature(self, value: TemperatureLike) -> None:
        self.temperature = to_temperature(value)
        self.mteb_model_meta = _meta(self.model, self.temperature, self._max_length, self._revision)

    def at(self, temperature: TemperatureLike) -> TrebleEncoder:
        """The same loaded model at another temperature."""
        other = copy.copy(self)
        other._set_temperature(temperature)
        return other

    def encode(
        self,
        inputs: Any,
        *,
        task_metadata: TaskMetadata,
        hf_split: str = "test",
        hf_subset: str = "default",
        prompt_type: PromptType | None = None,
        **kwargs: Any,
    ) -> Any:
        """[texts, dim] float32 of a DataLoader's texts, with the prompt that the model has for the task or the side."""
        texts = [text for batch in inputs for text in batch["text"]]
        prompt = get_prompt(self.model.prompts, task_metadata, prompt_type)
        sides = {PromptType.query: self.model.encode_query, PromptType.document: self.model.encode_document}
        encode = self.model.encode if prompt_type is None else sides[prompt_type]
        return encode(texts, prompt=prompt, temperature=self.temperature, **kwargs)

    def similarity(self, embeddings1: Any, embeddings2: Any) -> Any:
        """[n1, n2] by the model's own function."""
        return self.model.similarity(embeddings1, embeddings2)

    def similarity_pairwise(self, embeddings1: Any, embeddings2: Any) -> Any:
        """[n] by the model's own function."""
        return self.model.similarity_pairwise(embeddings1, embeddings2)


def register(model: str | os.PathLike[str], **options: Any) -> ModelMeta:
    """Makes a model known to mteb: `mteb.get_model(meta.name)` loads it with these options of TrebleEncoder.

    A keyword of `mteb.get_model(name, temperature="log:64")` goes before them. The name is treble/<folder>; one that is
    registered already is replaced.
    """
    meta = TrebleEncoder(os.fspath(model), **options).mteb_model_meta
    MODEL_REGISTRY[str(meta.name)] = meta
    return meta
