"""Mamba-2 as a plain recurrence in NumPy, with control of the state and the state watched. One group, float32."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True)
class Control:
    """Training-free control of the state; the default leaves the model as it is."""

    retain: float = 1.0
    """Factor of every alpha_t."""
    insert: float = 1.0
    """Factor of every B_t."""
    window: int | None = None
    """What is older than this many tokens is taken out of the state that is read."""
    norm: float | None = None
    """Highest Frobenius norm of a head's state: one above it is scaled down to it, at every token."""

    @classmethod
    def parse(cls, text: str) -> Control:
        """`none`, `rri:A,B`, `window:R` or `norm:P`."""
        kind, _, values = text.partition(":")
        if kind == "rri":
            retain, insert = map(float, values.split(","))
            return cls(retain=retain, insert=insert)
        if kind == "window":
            return cls(window=int(values))
        if kind == "norm":
            return cls(norm=float(values))
        if text == "none":
            return cls()
        raise ValueError(f"{text}: is none of none, rri:A,B, window:R, norm:P")


UNTOUCHED = Control()


@dataclass
class Watched:
    """A layer's state at every token, [tokens, heads], each a mean over the batch."""

    mean: np.ndarray
    variance: np.ndarray
    norm: np.ndarray
    """The largest Frobenius norm in the batch."""
    retention: np.ndarray
    """What is left of the first token's part of the state, the product of alphas."""


def read_tensors(path: Path) -> dict[str, np.ndarray]:
    """Of a float32 or int64 safetensors file."""
    raw = path.read_bytes()
    size = int.from_bytes(raw[:8], "little")
    header = json.loads(raw[8 : 8 + size])
    header.pop("__metadata__", None)
    kinds = {"F32": np.float32, "I64": np.int64}
    return {
        name: np.frombuffer(raw[8 + size :][slice(*one["data_offsets"])], kinds[one["dtype"]]).reshape(one["shape"])
        for name, one in header.items()
    }


def silu(x: np.ndarray) -> np.ndarray:
    return x / (1 + np.exp(-x))


def rms_norm(x: np.ndarray, weight: np.ndarray, epsilon: float) -> np.ndarray:
    return x / np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + epsilon) * weight


@dataclass
class Inputs:
    """Of a scan, tokens first: x times its step [tokens, batch, heads, head], alpha [tokens, batch, heads], B and C
    [tokens, batch, state].
    """

    x: np.ndarray
    alpha: np.ndarray
    b: np.ndarray
    c: np.ndarray


class State:
    """Of all heads and texts, [batch, heads, head, state], one token at a time."""

    def __init__(self, inputs: Inputs, limit: float | None = None) -> None:
        self.inputs = inputs
        self.limit = limit
        self.value = np.zeros((*inputs.x.shape[1:], inputs.b.shape[-1]), np.float32)

    def step(self, t: int) -> None:
        self.value *= self.inputs.alpha[t][..., None, None]
        self.value += self.inputs.x[t][..., None] * self.inputs.b[t][:, None, None, :]
        if self.limit is not None:
            self.value *= np.minimum(1, self.limit / np.maximum(self.norms(), 1e-30))[..., None, None]

    def norms(self) -> np.ndarray:
        return np.sqrt(np.einsum("bhpn,bhpn->bh", self.value, self.value))


def scan(inputs: Inputs, control: Control, watch: bool) -> tuple[np.ndarray, Watched | None]:
    """h_t c_t, [tokens, batch, heads, head], and the state that was read."""
    tokens, heads = len(inputs.x), inputs.alpha.shape[-1]
    inputs = Inputs(
        inputs.x, inputs.alpha * np.float32(control.retain), inputs.b * np.float32(control.insert), inputs.c
    )
    state, lagged = State(inputs, control.norm), State(inputs)
    # Of the product of alphas over the last `window` tokens, from sums of logarithms, which do not shrink to zero.
    logs = np.cumsum(np.log(np.maximum(inputs.alpha, 1e-38), dtype=np.float64), axis=0)
    y = np.empty_like(inputs.x)
    watched = (
        Watched(*(np.zeros((tokens, heads)) for _ in range(3)), np.exp(logs - logs[0]).mean(axis=1)) if watch else None
    )
    for t in range(tokens):
        state.step(t)
        read = state.value
        if control.window is not None and t >= control.window:
            lagged.step(t - control.window)
            left = np.exp(logs[t] - logs[t - control.window]).astype(np.float32)
            read = state.value - left[..., None, None] * lagged.value
        y[t] = (read @ inputs.c[t][:, None, :, None])[..., 0]
        if watched is not None:
            squares = np.einsum("bhpn,bhpn->bh", read, read)
            means = read.mean(axis=(2, 3))
            watched.mean[t] = means.mean(axis=0)
            watched.variance[t] = (squares / read[0, 0].size - means**2).mean(axis=0)
            watched.norm[t] = np.sqrt(squares).max(axis=0)
    return y, watched


class Model:
    """A folder with config.json and model.safetensors."""

    def __init__(self, config: dict[str, Any], tensors: dict[str, np.ndarray]) -> None:
        self.config, self.tensors = config, tensors
        if config["n_groups"] != 1:
            raise ValueError(f"n_groups is {config['n_groups']}, this recurrence knows 1 alone")
        self.heads, self.head, self.state = config["num_heads"], config["head_dim"], config["state_size"]

    @classmethod
    def load(cls, folder: Path) -> Model:
        return cls(json.loads((folder / "config.json").read_text()), read_tensors(folder / "model.safetensors"))

    def run(self, tokens: np.ndarray, control: Control = UNTOUCHED, last: int | None = None, watch: bool = False
            ) -> tuple[np.ndarray, list[Watched]]:  # fmt: skip
        """Logits of the next token at the last places or at all, [batch, places, vocabulary], of `tokens`
        [batch, tokens]; and the states by layer, if they are watched.
        """
        x = self.tensors["backbone.embeddings.weight"][tokens]
        states = []
        for layer in range(self.config["num_hidden_layers"]):
            y, state = self._mixer(layer, x, control, watch)
            x = x + y
            states.append(state)
        x = x if last is None else x[:, -last:]
        x = rms_norm(x, self.tensors["backbone.norm_f.weight"], self.config["layer_norm_epsilon"])
        return x @ self.tensors["backbone.embeddings.weight"].T, [state for state in states if state is not None]

    def _mixer(self, layer: int, x: np.ndarray, control: Control, watch: bool) -> tuple[np.ndarray, Watched | None]:
        def weight(name: str) -> np.ndarray:
            return self.tensors[f"backbone.layers.{layer}.{name}"]

        batch, tokens, _ = x.shape
        inner, epsilon = self.heads * self.head, self.config["layer_norm_epsilon"]
        projected = rms_norm(x, weight("norm.weight"), epsilon) @ weight("mixer.in_proj.weight").T
        z, mixed, dt = np.split(projected, [inner, projected.shape[-1] - self.heads], axis=-1)
        kernel = weight("mixer.conv1d.weight")[:, 0]
        padded = np.pad(mixed, ((0, 0), (kernel.shape[1] - 1, 0), (0, 0)))
        mixed = sum(padded[:, i : i + tokens] * kernel[:, i] for i in range(kernel.shape[1]))
        mixed = silu(mixed + weight("mixer.conv1d.bias")).swapaxes(0, 1)
        x_in, b, c = np.split(mixed, [inner, inner + self.state], axis=-1)
        x_in = x_in.reshape(tokens, batch, self.heads, self.head)
        dt = np.logaddexp(0, dt + weight("mixer.dt_bias")).swapaxes(0, 1)
        alpha = np.exp(-dt * np.exp(weight("mixer.A_log")))
        y, watched = scan(Inputs(x_in * dt[..., None], alpha, b, c), control, watch)
        y = (y + weight("mixer.D")[:, None] * x_in).reshape(tokens, batch, inner).swapaxes(0, 1)
        return rms_norm(y * silu(z), weight("mixer.norm.weight"), epsilon) @ weight("mixer.out_proj.weight").T, watched
