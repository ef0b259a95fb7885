"""Texts of unequal length through a model with little padding. PyTorch; knows lengths and no model."""

from __future__ import annotations

from collections.abc import Callable, Sequence, Sized
from typing import TypeVar

import torch
from torch import Tensor

Text = TypeVar("Text", bound=Sized)


def by_length(encode: Callable[[list[Text]], Tensor], texts: Sequence[Text], budget: int = 2_048) -> Tensor:
    """``encode`` in batches of like length, padding and all of at most ``budget`` tokens, in the order given."""
    batches = grouped([len(text) for text in texts], budget)
    parts = [encode([texts[i] for i in batch]) for batch in batches]
    order = [i for batch in batches for i in batch]
    back = torch.empty(len(order), dtype=torch.long)
    back[torch.tensor(order)] = torch.arange(len(order))
    return torch.cat(parts)[back]


def grouped(lengths: Sequence[int], budget: int = 2_048) -> list[list[int]]:
    """Which texts go together: of like length, padding and all of at most ``budget`` tokens."""
    found: list[list[int]] = [[]]
    for i in sorted(range(len(lengths)), key=lambda i: lengths[i]):
        if found[-1] and lengths[i] * (len(found[-1]) + 1) > budget:
            found.append([])
        found[-1].append(i)
    return found if lengths else []
