"""The processes that a launcher started, from joining to leaving: they begin together, and an error in one ends all.

Knows PyTorch's process group; no model, no recipe. The launcher (torchrun, or accelerate with it) ends every process
when one has failed.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta

from aisle.errors import OptionalDependencyError, RecipeError

_PATIENCE = timedelta(days=7)
"""How long one waits for another: the first process scores and writes while the others wait, however long it takes."""
_GRACE = 20.0
"""Seconds in which the launcher ends a process whose error is only that of another one, before it says a word."""


@dataclass(frozen=True, slots=True)
class Group:
    """The processes, seen from one of them.

    Attributes:
        rank: The number of this process; 0 leads.
        size: How many there are.
    """

    rank: int
    size: int

    def begin(self, what: bytes) -> None:
        """In the first process, once nothing is refused any more: let the others begin."""
        _told(what, len(what))

    def awaited(self, length: int) -> bytes:
        """In another process: wait for the first one to begin; returns so many bytes that it told."""
        return _told(bytes(length), length)


@contextmanager
def joined(rank: int, size: int, local: int) -> Iterator[Group]:
    """Join the group that a launcher's environment names (MASTER_ADDR, MASTER_PORT), and leave it when all are done.

    Args:
        rank: Of this process.
        size: How many processes there are.
        local: Of this process among those of its machine, for its GPU.

    Raises:
        OptionalDependencyError: PyTorch is missing.
        RecipeError: There are fewer GPUs than processes.
    """
    try:
        import torch
        import torch.distributed as dist
    except ImportError:
        raise OptionalDependencyError("torch", "train", "training in several processes") from None
    there = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if there:
        if local >= there:
            raise RecipeError(
                f"process {local} of this machine finds no GPU of its own: PyTorch sees {there}",
                allowed=f"up to {there} processes on this machine",
                fix="launch fewer, or train on the CPU with an empty CUDA_VISIBLE_DEVICES",
            )
        torch.cuda.set_device(local)
    backend = "cpu:gloo,cuda:nccl" if there else "gloo"
    dist.init_process_group(backend, timeout=_PATIENCE, rank=rank, world_size=size)
    try:
        yield Group(rank, size)
        dist.all_reduce(torch.zeros(1))
    except KeyboardInterrupt:
        if rank:
            raise SystemExit(130) from None  # the first process says so for all
        raise
    except Exception as error:
        # What goes wrong in the first process is told at once. Elsewhere it is most often the same, or that the first
        # one is gone; and in the first one PyTorch's own errors are most often that another one is gone.
        if rank or isinstance(error, RuntimeError):
            time.sleep(_GRACE)
        raise
    dist.destroy_process_group()


def _told(what: bytes, length: int) -> bytes:
    import torch
    import torch.distributed as dist

    found = torch.tensor(list(what), dtype=torch.uint8)
    assert len(found) == length
    dist.broadcast(found, 0)
    return bytes(found.tolist())
