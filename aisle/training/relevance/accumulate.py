"""The gradient of a whole step with the memory of a part of it. PyTorch; knows rows and losses, no model.

Gradient caching (Gao et al. 2021, "Scaling deep contrastive learning batch size under memory limited setup"): a loss
that compares every row with every other one cannot be cut into parts, but the way from a text to its row can.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor

Encode = Callable[[Sequence[int]], Tensor]
"""The rows, ``(n, width)``, of items by their number."""
Backward = Callable[[Tensor], None]
"""Back-propagates a scalar; scales it first where gradients are scaled."""


def cached_backward(
    encode: Encode, parts: Sequence[Sequence[int]], losses: Callable[[Tensor], Mapping[str, Tensor]], backward: Backward
) -> Mapping[str, Tensor]:
    """Add the gradient of the losses over all items to the parameters, one part in memory at a time.

    Every part is encoded twice, with the same random numbers: first without gradients, for the rows that the losses
    compare; then with them, for the way back from the row's gradient. A third more arithmetic.

    Args:
        encode: Of any model: vectors of texts, scores of pairs.
        parts: The numbers of the items; each item in one part.
        losses: Of all rows in the order of the items' numbers.
        backward: Of the losses' sum.

    Returns:
        The losses, detached.
    """
    states, found = [], []
    for part in parts:
        states.append(random_state())
        with torch.no_grad():
            found.append(encode(part))
    order = torch.tensor([item for part in parts for item in part], device=found[0].device)
    rows = torch.empty_like(torch.cat(found))
    rows[order] = torch.cat(found)
    rows.requires_grad_(True)
    values = losses(rows)
    backward(torch.stack(list(values.values())).sum())
    assert rows.grad is not None
    for part, state in zip(parts, states, strict=True):
        restore_random_state(state)
        encode(part).backward(rows.grad[torch.tensor(part, device=rows.device)])
    return {name: value.detach() for name, value in values.items()}


def parts_of(lengths: Sequence[int], count: int) -> list[list[int]]:
    """Items in at most ``count`` parts of like lengths and about as many tokens each."""
    order = sorted(range(len(lengths)), key=lambda item: lengths[item])
    total, seen = sum(lengths), 0
    parts: list[list[int]] = [[] for _ in range(count)]
    for item in order:
        parts[min(count - 1, seen * count // max(1, total))].append(item)
        seen += lengths[item]
    return [part for part in parts if part]


def random_state() -> tuple[Tensor, list[Tensor]]:
    """Of the CPU and of every GPU."""
    return torch.get_rng_state(), torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []


def restore_random_state(state: tuple[Tensor, list[Tensor]]) -> None:
    """Draw again what was drawn since."""
    torch.set_rng_state(state[0])
    if state[1]:
        torch.cuda.set_rng_state_all(state[1])
