"""A step of training whose texts are shared between processes, with the gradient of one process that has them all.

Knows rows and losses, and how an encoder's layers are divided; no recipe, no files. Needs aisle[train] and a process
group of PyTorch.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn

from aisle.training.batches import grouped
from aisle.training.relevance.accumulate import Backward, Encode, random_state, restore_random_state

_COLUMNS = ("attention.self.query", "attention.self.key", "attention.self.value", "intermediate.dense")
_ROWS = ("attention.output.dense", "output.dense")


def shared_parts(lengths: Sequence[int], processes: int, least: int = 1, budget: int = 2_048) -> list[list[int]]:
    """Batches of like length, as many for each process as for the others; some may be empty.

    Every process has to call the model equally often where its weights are divided: each call gathers them.

    Args:
        lengths: Of the texts in tokens.
        processes: How many take turns.
        least: Into so many batches or more for each process.
        budget: Tokens of a batch at most, padding and all.
    """
    most = -(-sum(lengths) // (processes * least))
    parts = grouped(lengths, max(1, min(budget, most)))
    return parts + [[] for _ in range(-len(parts) % processes)]


def shared_backward(
    encode: Encode,
    parts: Sequence[Sequence[int]],
    losses: Callable[[Tensor], Mapping[str, Tensor]],
    backward: Backward = Tensor.backward,
) -> Mapping[str, Tensor]:
    """Add this process's share of the gradient of the losses over all items; the sum over processes is the whole.

    Gradient caching (Gao et al. 2021) between processes: each encodes its parts, all of them see all rows, and each
    takes its own rows' gradients back, with the same random numbers.

    Args:
        encode: One batch in one call of the model.
        parts: Of `shared_parts`; this process has every n-th one. An empty one is the first text, which counts nothing.
        losses: Of all rows, the same in every process.
        backward: Of the losses' sum.

    Returns:
        The losses, the same in every process.
    """
    rank, size = dist.get_rank(), dist.get_world_size()
    assert len(parts) % size == 0, "parts are made by shared_parts"
    states, gathered = [], list[Tensor]()
    for turn in range(0, len(parts), size):
        states.append(random_state())
        with torch.no_grad():
            own = encode(parts[turn + rank] or [0])
        gathered += _gathered(own, [len(part) for part in parts[turn : turn + size]])
    order = torch.tensor([item for part in parts for item in part], device=gathered[0].device)
    rows = torch.empty_like(torch.cat(gathered))
    rows[order] = torch.cat(gathered)
    rows.requires_grad_(True)
    values = losses(rows)
    backward(torch.stack(list(values.values())).sum())
    assert rows.grad is not None
    for part, state in zip(parts[rank::size], states, strict=True):
        restore_random_state(state)
        found = encode(part or [0])
        found.backward(rows.grad[torch.tensor(part, device=rows.device)] if part else torch.zeros_like(found))
    return {name: value.detach() for name, value in values.items()}


def _gathered(own: Tensor, counts: Sequence[int]) -> list[Tensor]:
    """The rows of every process, so many of each."""
    room = own.new_zeros(max(*counts, 1), *own.shape[1:])
    room[: len(own)] = own
    turns = [torch.empty_like(room) for _ in counts]
    dist.all_gather(turns, room)
    return [found[:count] for found, count in zip(turns, counts, strict=True)]


def add_up(gradients: Sequence[Tensor]) -> None:
    """Put the sum over all processes in the place of each gradient."""
    for waiting in [dist.all_reduce(value, async_op=True) for value in gradients]:
        assert waiting is not None
        waiting.wait()


def shard(model: Any, mesh: Any) -> None:
    """Divide the weights and the optimiser between the processes (FSDP2); each layer is whole while it is used.

    Gradients are added up over the processes, not averaged. A single number stays whole in each of them, and so does
    its gradient.

    Args:
        model: With ``bert``, which it may call by itself where it has no weights outside of it.
        mesh: Of one dimension.
    """
    from torch.distributed.fsdp import FSDPModule, fully_shard

    whole = {value for value in model.parameters() if value.dim() == 0}
    outside = len(list(model.parameters())) > len(list(model.bert.parameters()))
    for module in (*model.bert.encoder.layer, model.bert, *([model] if outside else [])):
        # Also the outermost is divided again after a forward pass: validation has no backward one that would do it.
        fully_shard(module, mesh=mesh, reshard_after_forward=True, ignored_params=whole)
    for module in model.modules():
        if isinstance(module, FSDPModule):
            module.set_gradient_divide_factor(1.0)
            module.set_force_sum_reduction_for_comms(True)  # gloo has no other way to leave the division out


def split(model: Any, mesh: Any) -> None:
    """Divide every layer's arithmetic: heads and feed-forward columns between the processes (Shoeybi et al. 2019).

    Args:
        model: With ``bert``, whose heads and feed-forward columns can be divided; see `divides`.
        mesh: Of one dimension.
    """
    from torch.distributed.tensor.parallel import ColwiseParallel, RowwiseParallel, parallelize_module

    for layer in model.bert.encoder.layer:
        plan = {name: ColwiseParallel() for name in _COLUMNS} | {name: RowwiseParallel() for name in _ROWS}
        parallelize_module(layer, mesh, plan)


def divides(bert: Any, processes: int) -> bool:
    """Whether heads and feed-forward columns can be divided between so many processes."""
    config = bert.config
    return not (config.num_attention_heads % processes or config.intermediate_size % processes)


def held(model: nn.Module) -> int:
    """Numbers of the parameters that this process holds."""
    return sum(local(value).numel() for value in model.parameters())


def local(value: Tensor) -> Tensor:
    """The part of a divided tensor that is here; another one as it is."""
    from torch.distributed.tensor import DTensor

    return value.to_local() if isinstance(value, DTensor) else value
