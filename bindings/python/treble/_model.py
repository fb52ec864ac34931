"""A loaded model with what calls inherit from it; treble.encoder and treble.analysis put the methods on top."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any, Literal

from treble import _similarity
from treble._state import StateLike, to_state
from treble._temperature import TemperatureLike, to_temperature
from treble._treble import EncodeOptions, Encoder, StateControl, Temperature
from treble.errors import InvalidArgumentError, TrebleWarning, UnsupportedError, warn

Truncation = Literal["end", "start", "error"]
Dtype = Literal["float32", "bfloat16", "int8", "auto"]
Extension = Literal["none", "interpolate", "group", "recur", "ntk", "interpolate-long", "group-long", "ntk-long"]

# These change the vectors of short texts too.
_CHANGING_ALL = ("interpolate", "group", "ntk")
_MAX_CACHED_OPTIONS = 256


def check_device(device: Any) -> None:
    """Raises UnsupportedError for any device but the CPU; several CPUs are one, with its threads."""
    devices = device if isinstance(device, (list, tuple)) else [device]
    for one in devices:
        if one is not None and str(one).split(":")[0] != "cpu":
            raise UnsupportedError(
                f"device {str(one)!r}: Treble runs on the CPU alone; leave device out, or give 'cpu'"
            )


def extension_warnings(info: dict[str, Any]) -> list[str]:
    """What somebody who asked for an extension may not expect of it."""
    extension, limit, length = info["extension"], info["position_limit"], info["max_length"]
    if extension == "none":
        return []
    if length <= limit:
        return [
            f"extend={extension!r} has no effect: the model has positions for {limit} tokens, and max_length is "
            f"{length}; give a max_length beyond the positions"
        ]
    if extension in _CHANGING_ALL:
        return [
            f"extend={extension!r} with max_length={length} changes the vectors of short texts too; "
            f"extend='{extension}-long' leaves texts of up to {limit} tokens as the model has them"
        ]
    return []


def absolute_folder(adapter: str | os.PathLike[str] | None) -> str:
    """A folder's absolute path, so that a pickled encoder finds it from another folder; a name as it is."""
    name = "" if adapter is None else os.fspath(adapter)
    return os.path.abspath(name) if name and os.path.isdir(name) else name


class Model:
    """What all methods of a SentenceEncoder work on."""

    def __init__(
        self,
        model_name_or_path: str | os.PathLike[str],
        *,
        temperature: TemperatureLike = None,
        state: StateLike = None,
        adapter: str | os.PathLike[str] | None = None,
        task: str | None = None,
        dtype: Dtype = "float32",
        threads: int = 0,
        cache: str | os.PathLike[str] | None = None,
        max_length: int | None = None,
        extend: Extension = "none",
        temper_position_bias: bool = True,
        truncation: Truncation | None = None,
        special_tokens_as_text: bool = False,
        prompts: dict[str, str] | None = None,
        default_prompt_name: str | None = None,
        similarity_fn_name: str | None = None,
        truncate_dim: int | None = None,
        device: Any = None,
    ) -> None:
        """Loads a model folder, or a name in the local Hugging Face cache; nothing is downloaded.

        temperature: of attention, for calls that give none: 0.8, "log:128", a profile; None is the model as trained.
        state: of Mamba-2 models, likewise: "rri:0.9999,0.75", "window:512", "norm:P", a file of norms (docs/state.md).
        adapter: a PEFT LoRA adapter to merge into the weights: its folder, or a name in the cache. One in the model's
            folder is merged without being named.
        task: of a model with an adapter for each task (Jina v3, v5), the one to merge, or "none".
        dtype: of the products with weights; "auto" is the fastest that keeps a mean cosine of 0.9995 to float32.
        threads: 0 is as many as the process may use.
        cache: a folder that keeps what dtype "int8" makes of the weights, so that the next start need not calibrate.
        max_length: longest text in tokens; beyond the model's positions with `extend`.
        temper_position_bias: divide the position bias of MPNet and T5 by the temperature too.
        truncation: what longer texts lose, "end" or "start", or "error"; None is as the model says.
        special_tokens_as_text: read "[SEP]" in a text as five characters.
        prompts, default_prompt_name, similarity_fn_name, truncate_dim: in place of the model's own.
        device: None or "cpu".
        """
        check_device(device)
        path = os.fspath(model_name_or_path)
        # Absolute, so that a pickled encoder finds it from another folder; a name in the cache stays as it is.
        self._path: str = os.path.abspath(path) if os.path.isdir(path) else path
        self._load_arguments: dict[str, Any] = {
            "threads": threads,
            "max_length": max_length,
            "extension": extend,
            "dtype": dtype,
            "special_tokens_as_text": special_tokens_as_text,
            "adapter": absolute_folder(adapter),
            "task": task or "",
            "cache": "" if cache is None else os.path.abspath(cache),
        }
        # As they were given: what is in memory is pickled itself, for it has no file to be read again.
        self._given_temperature: TemperatureLike = temperature
        self._temperature: Temperature = to_temperature(temperature)
        self._given_state: StateLike = state
        self._state: StateControl = to_state(state)
        self._temper_position_bias: bool = temper_position_bias
        self._truncation: Truncation | None = truncation
        self._max_seq_length: int | None = None
        self._load()
        for warning in [*self.info["warnings"], *extension_warnings(self.info)]:
            warn(warning, TrebleWarning)
        self.prompts: dict[str, str] = dict(self.info["prompts"]) if prompts is None else dict(prompts)
        """By name; entries may be added."""
        default = self.info["default_prompt_name"] if default_prompt_name is None else default_prompt_name
        self.default_prompt_name: str | None = default or None
        """The prompt of calls that name none."""
        self.truncate_dim: int | None = truncate_dim
        """Dimensions that calls keep; None: all."""
        self._similarity_fn_name = "cosine"
        self.similarity_fn_name = similarity_fn_name or self.info["similarity"]
        self._encoder.validate(self._options(dimensions=truncate_dim))

    def _load(self) -> None:
        self._encoder: Encoder = Encoder(self._path, **self._load_arguments)
        self.info: dict[str, Any] = self._encoder.info()
        """What was loaded: everything that `treble info` shows."""
        self._cached_options: dict[tuple[Any, ...], EncodeOptions] = {}

    def _reading(self, lengths: Sequence[int]) -> tuple[Encoder, int | None]:
        """An encoder that can read as much as `lengths`, and the limit of the untouched model under it."""
        # With an extension, other lengths are an error of the sweep.
        extended = self.info["extension"] != "none"
        if extended or max(lengths, default=0) <= int(self.info["max_length"]):
            return self._encoder, None
        return Encoder(self._path, **{**self._load_arguments, "max_length": max(lengths)}), self.max_seq_length

    def __getstate__(self) -> dict[str, Any]:
        state = self.__dict__.copy()
        for name in ("_encoder", "_temperature", "_state", "info", "_cached_options"):
            del state[name]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._temperature = to_temperature(self._given_temperature)
        self._state = to_state(self._given_state)
        self._load()

    def __repr__(self) -> str:
        info = self.info
        parts = [repr(self._path), f"dtype={info['dtype']!r}", f"max_length={self.max_seq_length}"]
        if not self._temperature.is_identity:
            parts.insert(1, f"temperature='{self._temperature}'")
        if not self._state.is_identity:
            parts.insert(1, f"state='{self._state}'")
        return f"{type(self).__name__}({', '.join(parts)})"

    @property
    def temperature(self) -> Temperature:
        """Of calls that give none. May be set."""
        return self._temperature

    @temperature.setter
    def temperature(self, value: TemperatureLike) -> None:
        temperature = to_temperature(value)
        self._encoder.validate(self._options(temperature=temperature))
        self._given_temperature, self._temperature = value, temperature

    @property
    def state(self) -> StateControl:
        """Control of the state, of calls that give none. May be set."""
        return self._state

    @state.setter
    def state(self, value: StateLike) -> None:
        state = to_state(value)
        self._encoder.validate(self._options(state=state))
        self._given_state, self._state = value, state

    @property
    def max_seq_length(self) -> int:
        """Tokens that a text may have. May be lowered, and raised again up to what the model was loaded for."""
        return self._max_seq_length or int(self.info["max_length"])

    @max_seq_length.setter
    def max_seq_length(self, value: int | None) -> None:
        if value is not None:
            self._encoder.validate(self._options(max_length=value))
        self._max_seq_length = value

    @property
    def similarity_fn_name(self) -> str:
        """Of `similarity`: "cosine", "dot", "euclidean" or "manhattan". May be set."""
        return self._similarity_fn_name

    @similarity_fn_name.setter
    def similarity_fn_name(self, value: str) -> None:
        name = str(getattr(value, "value", value))
        if name not in _similarity.NAMES:
            raise InvalidArgumentError(f"similarity {name!r} is not known; there are {', '.join(_similarity.NAMES)}")
        self._similarity_fn_name = name

    @property
    def device(self) -> str:
        """Always "cpu"."""
        return "cpu"

    def to(self, device: Any) -> Model:
        """Does nothing for the CPU; raises UnsupportedError for any other device."""
        check_device(device)
        return self

    def _prompt(self, prompt_name: str | None, prompt: str | None) -> str:
        """The literal prompt of a call; a prompt excludes a prompt_name, as in sentence-transformers."""
        if prompt is not None:
            return prompt
        name = self.default_prompt_name if prompt_name is None else prompt_name
        if not name:
            return ""
        if name in self.prompts:
            return self.prompts[name]
        known = ", ".join(repr(one) for one in self.prompts) or "none"
        raise InvalidArgumentError(f"there is no prompt {name!r}; the model has {known}")

    def _role_prompt(self, role: str) -> tuple[str | None, str | None]:
        """What stands before a query or document of a model without a dense output: by name, where it is its own."""
        text = self.prompts.get(role, "")
        return (role, None) if self.info["prompts"].get(role) == text else (None, text)

    def _options(
        self,
        *,
        temperature: TemperatureLike = None,
        state: StateLike = None,
        prompt_name: str | None = None,
        prompt: str | None = None,
        truncation: Truncation | None = None,
        max_length: int | None = None,
        normalize: bool | None = None,
        dimensions: int | None = None,
        batch_tokens: int = 0,
    ) -> EncodeOptions:
        """Of a call, with what the encoder has for whatever is None."""
        tempered = self._temperature if temperature is None else to_temperature(temperature)
        controlled = self._state if state is None else to_state(state)
        literal = self._prompt(prompt_name, prompt)
        key = (
            tempered,
            controlled,
            literal,
            truncation or self._truncation,
            max_length or self._max_seq_length,
            normalize,
            dimensions,
            batch_tokens,
        )
        options = self._cached_options.get(key)
        if options is None:
            options = EncodeOptions(
                temperature=tempered,
                temper_position_bias=self._temper_position_bias,
                state=controlled,
                prompt=literal,
                truncation=key[3],
                max_length=key[4],
                normalize=normalize,
                dimensions=dimensions,
                batch_tokens=batch_tokens,
            )
            if len(self._cached_options) >= _MAX_CACHED_OPTIONS:
                self._cached_options.clear()
            self._cached_options[key] = options
        return options
