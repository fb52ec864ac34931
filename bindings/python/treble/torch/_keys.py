"""How many keys each query attends to, read from what an attention function is given."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

# A key with less than this added to its logit gets no weight, whatever value a model writes for "masked": the smallest
# number of the dtype, -inf, or the -10000 of old code.
MASKED = -5000.0


def keys_in_mask(mask: Tensor) -> Tensor:
    """Keys per query of a mask [batch, heads or 1, queries or 1, keys]: boolean, or added to the logits.

    Returns int64 [batch, heads or 1, queries or 1, 1]. A query that may see nothing, which is padding, counts 1.
    """
    seen = mask if mask.dtype == torch.bool else mask > MASKED
    return seen.sum(-1, keepdim=True).clamp(min=1)


def number_of_keys(key: Tensor) -> Tensor:
    """The length of `key`, [..., keys, head_dim], as a tensor [1, 1, 1, 1].

    Counted rather than written, because torch.compile would make a graph for each length otherwise.
    """
    return torch.ones(key.shape[-2], dtype=torch.int64, device=key.device).sum().view(1, 1, 1, 1)


def attended_keys(
    module: nn.Module, implementation: str, query: Tensor, key: Tensor, mask: Any, options: dict[str, Any]
) -> Tensor:
    """Keys per query, int64, to be broadcast over [batch, heads, queries, 1].

    `query` and `key` are [batch, heads, tokens, head_dim]; `options` are the attention function's further arguments.
    Raises ValueError where they cannot be known.
    """
    if isinstance(mask, Tensor) and mask.dim() == 4:
        return keys_in_mask(mask)
    queries, keys = query.shape[2], key.shape[2]
    if mask is None and implementation in ("eager", "sdpa"):
        is_causal = options.get("is_causal")
        causal = getattr(module, "is_causal", True) if is_causal is None else is_causal
        # Eager attention knows no mask but the one it is given; SDPA makes the causal one itself.
        if implementation == "sdpa" and causal and queries > 1:
            return torch.arange(1, queries + 1, device=query.device).view(1, 1, -1, 1)
        return number_of_keys(key)
    if "flash" in implementation and (mask is None or mask.dim() == 2) and queries == keys:
        return _flash_keys(module, query, mask, options)
    raise ValueError(
        f"a temperature that depends on length needs to count the keys of each query, which cannot be done for "
        f'attn_implementation "{implementation}" with this mask and {keys} keys for {queries} queries; '
        f'use "sdpa", "eager" or flash attention without a key-value cache, or a temperature that is the same for '
        f"every length"
    )


def _flash_keys(module: nn.Module, query: Tensor, mask: Tensor | None, options: dict[str, Any]) -> Tensor:
    """Flash attention is told padding, packed sequences, causality and windows apart from each other."""
    position, length = _places(query, mask, options)
    is_causal = options.get("is_causal")
    causal = module.is_causal if is_causal is None else is_causal
    window = options.get("sliding_window")
    first, end = torch.zeros_like(position), length
    if window is not None:  # `window` keys on each side, the query's own among them
        first = (position - (window - 1)).clamp(min=0)
        end = torch.minimum(end, position + window)
    if causal:
        end = torch.minimum(end, position + 1)
    return (end - first).clamp(min=1)[:, None, :, None]


def _places(query: Tensor, mask: Tensor | None, options: dict[str, Any]) -> tuple[Tensor, Tensor]:
    """Each token's position in its sequence and the sequence's length, both [batch or 1, tokens]."""
    tokens = query.shape[2]
    if mask is not None:
        seen = mask.to(torch.int64)
        return seen.cumsum(-1) - 1, seen.sum(-1, keepdim=True).expand_as(seen)
    steps = torch.arange(tokens, device=query.device)
    ends = options.get("cu_seq_lens_q")
    positions = options.get("position_ids")
    if ends is not None:
        ends = ends.to(torch.int64)
        sequence = torch.searchsorted(ends, steps, right=True).clamp(max=ends.shape[0] - 1) - 1
        return (steps - ends[sequence])[None], (ends[sequence + 1] - ends[sequence])[None]
    if positions is not None and query.shape[0] == 1 and positions.shape[-1] == tokens:
        # Packed sequences without a mask begin where the positions fall.
        starts = torch.ones_like(steps)
        starts[1:] = (positions.reshape(-1)[1:] != positions.reshape(-1)[:-1] + 1).to(torch.int64)
        sequence = starts.cumsum(0) - 1
        lengths = torch.zeros_like(steps).scatter_add(0, sequence, torch.ones_like(steps))
        begins = lengths.cumsum(0) - lengths
        return (steps - begins[sequence])[None], lengths[sequence][None]
    return steps[None], torch.ones_like(steps).sum().expand_as(steps)[None]
