"""Counting the keys of a query in every form in which attention functions are told them.

Flash attention runs on GPUs alone, so a stand-in with its arguments takes its place: it computes each sequence by
itself, from what flash attention would be told, and asks the module's config as transformers' own function does.
"""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from peer_models import GOLDEN, Embed, encode, load, texts
from torch import Tensor, nn
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS
from treble.torch import temper
from treble.torch._keys import attended_keys, keys_in_mask

FLASH = "flash_attention_2"


def test_masks() -> None:
    seen = torch.tensor([[[[1, 1, 0], [1, 1, 1], [0, 0, 0]]]], dtype=torch.bool)
    expected = [2, 3, 1]
    assert keys_in_mask(seen).flatten().tolist() == expected
    for masked in (-1e4, torch.finfo(torch.float32).min, -torch.inf):
        assert keys_in_mask(torch.where(seen, 0.0, masked)).flatten().tolist() == expected
    assert keys_in_mask(torch.where(seen, 0.0, torch.finfo(torch.float16).min).half()).flatten().tolist() == expected


def count(implementation: str, mask: Tensor | None = None, batch: int = 1, causal: bool = False, **options: Any) -> Any:
    query = torch.zeros(batch, 2, 6, 4)
    module = SimpleNamespace(is_causal=causal)
    keys = attended_keys(module, implementation, query, query, mask, options)
    return keys.expand(batch, 1, 6, 1)[:, 0, :, 0].tolist()


@pytest.mark.parametrize("implementation", ["eager", "sdpa", FLASH, "kernels-community/flash-attn3"])
def test_no_mask(implementation: str) -> None:
    assert count(implementation) == [[6] * 6]
    causal = [6] * 6 if implementation == "eager" else [1, 2, 3, 4, 5, 6]
    assert count(implementation, causal=True) == [causal]
    assert count(implementation, is_causal=False, causal=True) == [[6] * 6]


def test_flash_padding_and_windows() -> None:
    mask = torch.tensor([[1, 1, 1, 1, 0, 0], [0, 1, 1, 1, 1, 1]])
    assert [row[1:4] for row in count(FLASH, mask, batch=2)] == [[4] * 3, [5] * 3]
    assert [row[1:4] for row in count(FLASH, mask, batch=2, causal=True)] == [[2, 3, 4], [1, 2, 3]]
    assert count(FLASH, sliding_window=2) == [[2, 3, 3, 3, 3, 2]]
    assert count(FLASH, sliding_window=2, causal=True) == [[1, 2, 2, 2, 2, 2]]
    assert count(FLASH, sliding_window=9, causal=True) == [[1, 2, 3, 4, 5, 6]]


def test_flash_packed_sequences() -> None:
    ends = torch.tensor([0, 2, 6], dtype=torch.int32)
    positions = torch.tensor([[0, 1, 0, 1, 2, 3]])
    for options in ({"cu_seq_lens_q": ends}, {"position_ids": positions}):
        assert count(FLASH, **options) == [[2, 2, 4, 4, 4, 4]]
        assert count(FLASH, causal=True, **options) == [[1, 2, 1, 2, 3, 4]]
        assert count(FLASH, sliding_window=2, **options) == [[2, 2, 2, 3, 3, 2]]
    assert count(FLASH, position_ids=torch.arange(3, 9)[None]) == [[6] * 6]


def test_what_cannot_be_counted() -> None:
    for implementation, mask in (("flex_attention", None), ("flex_attention", object()), ("sdpa", torch.ones(1, 6))):
        with pytest.raises(ValueError, match="count the keys"):
            count(implementation, mask)


def stand_in(module: nn.Module, query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, **options: Any) -> Any:
    """Flash attention's arguments and result, one sequence at a time, without a mask tensor."""
    assert module.config._attn_implementation == FLASH
    assert list(module.modules())
    groups = query.shape[1] // key.shape[1]
    key, value = key.repeat_interleave(groups, 1), value.repeat_interleave(groups, 1)
    batch, _, tokens, _ = query.shape
    output = torch.zeros_like(query)
    for row in range(batch):
        kept = torch.arange(tokens) if mask is None else mask[row].nonzero().flatten()
        q, k, v = (x[row][:, kept] for x in (query, key, value))
        distance = torch.arange(len(kept))[:, None] - torch.arange(len(kept))[None]
        seen = distance >= 0 if module.is_causal else torch.full_like(distance, True, dtype=torch.bool)
        if options.get("sliding_window") is not None:
            seen = seen & (distance.abs() < options["sliding_window"])
        output[row, :, kept] = nn.functional.scaled_dot_product_attention(q, k, v, seen, scale=options["scaling"])
    return output.transpose(1, 2), None


@pytest.fixture
def flash(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setitem(ALL_ATTENTION_FUNCTIONS._global_mapping, FLASH, stand_in)
    return


@pytest.mark.parametrize("name", ["bert", "modernbert", "gemma3-text", "qwen2", "mistral", "llama"])
@pytest.mark.parametrize("schedule", ["0.7", "log:6"])
def test_flash_attention(name: str, schedule: str, flash: None, embed: Embed) -> None:
    """Its arguments arrive as without a temperature, and the vectors are the engine's."""
    folder = GOLDEN / name / "model"
    model = load(folder)
    model[0].model.config._attn_implementation_internal = FLASH
    assert np.abs(encode(model) - embed(folder)).max() < 2e-5
    with temper(model, schedule):
        expected = embed(folder, "--temperature", schedule)
        assert np.abs(encode(model) - expected).max() < 2e-5
        assert np.abs(encode(model, batch_size=1) - expected).max() < 2e-5


def test_packed_positions_in_one_row(embed: Embed) -> None:
    """Texts laid end to end, told apart by their positions alone, in SDPA."""
    folder = GOLDEN / "qwen3/model"
    model = load(folder)
    ids = [model.tokenize([text])["input_ids"] for text in texts()[:4]]
    positions = torch.cat([torch.arange(part.shape[1]) for part in ids])[None]
    with temper(model, "log:6"), torch.no_grad():
        packed = model[0].model(input_ids=torch.cat(ids, 1), position_ids=positions, use_cache=False).last_hidden_state
        alone = [model[0].model(input_ids=part).last_hidden_state for part in ids]
    torch.testing.assert_close(packed, torch.cat(alone, 1), rtol=1e-4, atol=1e-4)
