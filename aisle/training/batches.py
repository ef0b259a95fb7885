"""Texts of unequal length through a model with little padding. PyTorch; knows ids and no model."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor


def by_length(
    encode: Callable[[list[Sequence[int]]], Tensor], texts: Sequence[Sequence[int]], budget: int = 2_048
) -> Tensor:
    """``encode`` in batches of like length, padding and all of at most ``budget`` tokens, in the order given."""
    order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
    parts: list[Tensor] = []
    batch: list[int] = []
    for i in order:
        if batch and len(texts[i]) * (len(batch) + 1) > budget:
            parts.append(encode([texts[j] for j in batch]))
            batch = []
        batch.append(i)
    if batch:
        parts.append(encode([texts[j] for j in batch]))
    back = torch.empty(len(order), dtype=torch.long)
    back[torch.tensor(order)] = torch.arange(len(order))
    return torch.cat(parts)[back]
