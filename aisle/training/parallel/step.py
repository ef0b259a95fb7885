"""A step of training whose texts are shared between processes, with the gradient of one process that has them all.

Knows rows and losses, and how an encoder's layers are divided; no recipe, no files. Needs aisle[train] and a process
group of PyTorch, as `accelerate launch` makes one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from aisle.training.batches import grouped
from aisle.training.relevance.accumulate import Encode

_COLUMNS = ("attention.self.query", "attention.self.key", "attention.self.value", "intermediate.dense")
_ROWS = ("attention.output.dense", "output.dense")


def shared_parts(lengths: Sequence[int], processes: int, budget: int = 2_048) -> list[list[int]]:
    """Batches of like length, as many for each process as for the others; an empty one is its first text again.

    Every process has to call the model equally often where its weights are divided: each call gathers them.
    """
    parts = grouped(lengths, max(1, min(budget, -(-sum(lengths) // processes))))
    return parts + [[] for _ in range(-len(parts) % processes)]


def shared_backward(
    encode: Encode, parts: Sequence[Sequence[int]], losses: Callable[[Tensor], Mapping[str, Tensor]], mean: bool
) -> Mapping[str, Tensor]:
    """Add this process's share of the gradient of the losses over all items; the sum over processes is the whole.

    Gradient caching (Gao et al. 2021) between processes: each encodes its parts, all of them see all rows, and each
    takes its own rows' gradients back.

    Args:
        encode: One batch in one call of the model.
        parts: Of `shared_parts`; this process has every n-th one.
        losses: Of all rows, the same in every process.
        mean: Whether the gradients will be averaged over the processes, as FSDP does, instead of added up.

    Returns:
        The losses, the same in every process.
    """
    rank, size = dist.get_rank(), dist.get_world_size()
    assert len(parts) % size == 0, "parts are made by shared_parts"
    gathered: list[Tensor] = []
    for turn in range(0, len(parts), size):
        with torch.no_grad():
            own = encode(parts[turn + rank] or [0])
        most = max(max(len(part) for part in parts[turn : turn + size]), 1)
        room = own.new_zeros(most, own.shape[1])
        room[: len(own)] = own
        turns = [torch.empty_like(room) for _ in range(size)]
        dist.all_gather(turns, room)
        gathered += [found[: len(part)] for found, part in zip(turns, parts[turn : turn + size], strict=True)]
    order = torch.tensor([item for part in parts for item in part], device=gathered[0].device)
    rows = torch.empty_like(torch.cat(gathered))
    rows[order] = torch.cat(gathered)
    rows.requires_grad_(True)
    values = losses(rows)
    torch.stack(list(values.values())).sum().backward()
    assert rows.grad is not None
    for part in parts[rank::size]:
        found = encode(part or [0])
        wanted = rows.grad[torch.tensor(part, device=rows.device)] if part else torch.zeros_like(found)
        found.backward(wanted * (size if mean else 1))
    return {name: value.detach() for name, value in values.items()}


def add_up(model: nn.Module) -> None:
    """The gradients of all processes, where each has all weights."""
    for value in model.parameters():
        if value.requires_grad:
            if value.grad is None:
                value.grad = torch.zeros_like(value)
            dist.all_reduce(value.grad)


def shard(model: Any, mesh: Any) -> None:
    """Divide the weights and the optimiser between the processes (FSDP2); each layer is whole while it is used.

    Args:
        model: An encoder with ``bert``.
        mesh: Of one dimension.
    """
    from torch.distributed.fsdp import fully_shard

    for layer in model.bert.encoder.layer:
        fully_shard(layer, mesh=mesh)
    fully_shard(model, mesh=mesh)


def split(model: Any, mesh: Any) -> None:
    """Divide every layer's arithmetic: heads and feed-forward columns between the processes (Shoeybi et al. 2019).

    Args:
        model: An encoder with ``bert``, whose number of heads the processes divide.
        mesh: Of one dimension.
    """
    from torch.distributed.tensor.parallel import ColwiseParallel, RowwiseParallel, parallelize_module

    heads, size = model.bert.config.num_attention_heads, dist.get_world_size()
    assert heads % size == 0, f"{heads} heads for {size} processes"
    for layer in model.bert.encoder.layer:
        plan = {name: ColwiseParallel() for name in _COLUMNS} | {name: RowwiseParallel() for name in _ROWS}
        parallelize_module(layer, mesh, plan)
