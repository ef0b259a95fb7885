"""What a training asks of the processes that share its steps. PyTorch; knows weights and gradients, no files.

Every process runs the same training on the same data and comes to the same decisions. Only what a step computes is
shared, and only the first process, which leads, writes anything.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
import torch.distributed as dist
from torch import Tensor

from aisle.errors import RecipeError
from aisle.training.parallel.step import add_up, divides, local, shard, shared_backward, shared_parts, split
from aisle.training.relevance.accumulate import Backward
from aisle.training.relevance.compute import Compute
from aisle.training.relevance.cross_model import CrossModel
from aisle.training.relevance.model import TunedEncoder
from aisle.training.relevance.recipe import FitSettings
from aisle.training.relevance.study import Step

Model = TypeVar("Model", bound=TunedEncoder | CrossModel)
_ADAPTED = {"fsdp": ("full", "last", "lora", "dora", "prefix", "adapter"), "tensor": ("full",)}
"""What may be trained where weights are divided, as `peft.method` names it."""


@dataclass(frozen=True, slots=True)
class Crew:
    """The processes of a training, seen from one of them.

    Attributes:
        how: "data": each has all weights and takes its share of a step's texts; "fsdp": the same with weights and
            optimiser divided; "tensor": each takes its share of every layer's arithmetic.
        rank: The number of this process.
        size: How many there are.
    """

    how: str = "data"
    rank: int = 0
    size: int = 1

    @classmethod
    def of(cls, settings: FitSettings) -> Crew:
        """As the settings say, of the processes that were launched; of one where there is no group of them.

        Raises:
            RecipeError: Settings that several processes cannot share.
        """
        if not dist.is_available() or not dist.is_initialized() or dist.get_world_size() == 1:
            return cls()
        found = cls(
            "data" if settings.parallel == "auto" else settings.parallel, dist.get_rank(), dist.get_world_size()
        )
        if settings.seeds > 1:
            raise RecipeError(
                f"fit.seeds={settings.seeds} in {found.size} processes",
                allowed="one process",
                fix="leave fit.seeds at 1",
            )
        if found.divided and settings.precision == "fp16":
            raise RecipeError(f"fit.precision=fp16 with fit.parallel={found.how}", allowed="bf16 or fp32")
        if settings.device.startswith("cuda:"):
            raise RecipeError(f"fit.device={settings.device} for {found.size} processes", allowed="auto, cuda or cpu")
        return found

    @property
    def leads(self) -> bool:
        """Whether this process writes, and decides."""
        return self.rank == 0

    @property
    def shares(self) -> bool:
        """Whether a step's texts are shared."""
        return self.size > 1 and self.how != "tensor"

    @property
    def divided(self) -> bool:
        """Whether this process has only a part of the weights."""
        return self.size > 1 and self.how != "data"

    # --- before and after ------------------------------------------------------------------------------------

    def place(self, model: Model, compute: Compute) -> Model:
        """What is trained here: the model, moved to its device, or a copy of which this process has a part.

        Every process begins with the weights of the first.

        Raises:
            RecipeError: This model's weights cannot be divided so.
        """
        if self.size > 1:
            for value in model.parameters():
                dist.broadcast(value.detach(), 0)
        if not self.divided:
            model.place(compute)
            return model
        self._check(model)
        own = copy.deepcopy(model, {id(value): value for value in model.buffers()})  # word rows stay where they are
        own.place(compute)
        mesh = dist.init_device_mesh(compute.device.type, (self.size,))
        (shard if self.how == "fsdp" else split)(own, mesh)
        return own

    def _check(self, model: TunedEncoder | CrossModel) -> None:
        method, allowed = model.adaptation.settings.method, _ADAPTED[self.how]
        if method not in allowed:
            raise RecipeError(
                f"peft.method={method} with fit.parallel={self.how}",
                allowed=", ".join(allowed),
                fix="--set fit.parallel=data",
            )
        if self.how == "tensor" and not divides(model.bert, self.size):
            config = model.bert.config
            raise RecipeError(
                f"{self.size} processes for {config.num_attention_heads} heads and {config.intermediate_size} columns",
                allowed="a number of processes that divides both",
                fix="launch fewer, or --set fit.parallel=fsdp",
            )

    def give(self, own: Model, model: Model) -> None:
        """Put what was trained here, the parts of all processes, into the model that was placed."""
        if self.divided:
            there = model.trained()
            for name, value in own.trained().items():
                there[name].detach().copy_(_full(value.detach()))

    # --- a step ----------------------------------------------------------------------------------------------

    def seed(self, number: int) -> None:
        """Seed what is drawn in a step; processes that share its texts draw each for its own."""
        torch.manual_seed(number + (self.rank << 40 if self.shares else 0))

    def backward(self, step: Step, parts: int, backward: Backward, trained: Sequence[Tensor]) -> Mapping[str, Tensor]:
        """Add the gradient of a step whose texts are shared; afterwards every process has that of the whole step.

        Args:
            step: The whole one.
            parts: In how many a process takes its share.
            backward: Of the losses' sum.
            trained: The parameters.
        """
        whole = [value for value in trained if value is local(value)]  # FSDP adds up the divided ones by itself
        before = [value.grad for value in whole]
        for value in whole:
            value.grad = None
        found = shared_backward(step.encode, shared_parts(step.lengths, self.size, parts), step.losses, backward)
        add_up([value.grad for value in whole if value.grad is not None])
        for value, grad in zip(whole, before, strict=True):
            if grad is not None:
                value.grad = grad if value.grad is None else grad.add_(value.grad)
        return found

    def together(self, words: Tensor, slopes: Tensor) -> tuple[Tensor, Tensor]:
        """The words that the gradients of any process reach, in order, with the sum of these.

        Args:
            words: That this process's reach, ``(n,)``.
            slopes: Its gradients, ``(n, hidden)``.
        """
        if self.size == 1:
            return words, slopes
        several: list[list[int]] = [[] for _ in range(self.size)]
        dist.all_gather_object(several, words.tolist())
        union = torch.tensor(sorted({word for found in several for word in found}), device=words.device)
        total = slopes.new_zeros(len(union), slopes.shape[1])
        total[torch.searchsorted(union, words)] = slopes
        dist.all_reduce(total)
        return union, total

    def squares(self, values: Sequence[Tensor]) -> Tensor:
        """The sum of the squares of all numbers of some tensors, in whichever process they are."""
        found = torch.stack([local(value).square().sum() for value in values])
        if not self.divided:
            return found.sum()
        parted = torch.tensor([_parted(value) for value in values], device=found.device)
        total = found[parted].sum()
        dist.all_reduce(total)
        return total + found[~parted].sum()

    def clip(self, trained: Sequence[Tensor], most: float) -> None:
        """Scale the gradients so that all of them together are at most so long."""
        if not self.divided:
            torch.nn.utils.clip_grad_norm_(list(trained), most)
            return
        gradients = [value.grad for value in trained if value.grad is not None]
        share = (most / (self.squares(gradients).sqrt() + 1e-6)).clamp(max=1.0)  # as PyTorch does it
        for gradient in gradients:
            local(gradient).mul_(share)

    def agreed(self, number: float) -> float:
        """The first process's number, so that all decide alike."""
        if self.size == 1:
            return number
        told = torch.tensor([number], dtype=torch.float64)
        dist.broadcast(told, 0)
        return float(told)

    # --- checkpoints -----------------------------------------------------------------------------------------

    def whole(self, state: Any) -> Any:
        """A state with the parts of all processes together; in another process than the first only a husk of it.

        Every process has to ask, in the same order.
        """
        if not self.divided:
            return state
        if isinstance(state, Mapping):
            return {name: self.whole(value) for name, value in state.items()}
        if isinstance(state, list | tuple):
            return [self.whole(value) for value in state]
        if isinstance(state, Tensor):
            found = _full(state.detach())
            return found.cpu() if self.leads else None
        return state

    def part(self, state: Mapping[str, Tensor], like: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """Of whole weights those that this process has.

        Args:
            state: By name.
            like: The parameters here by the same names.
        """
        return {name: _part(value, like[name]) for name, value in state.items()}

    def optimiser_part(self, state: Mapping[str, Any], optimiser: torch.optim.Optimizer) -> dict[str, Any]:
        """Of an optimiser's whole state that of this process."""
        values = [value for group in optimiser.param_groups for value in group["params"]]
        own = {
            number: {name: value if name == "step" else _part(value, values[number]) for name, value in found.items()}
            for number, found in state["state"].items()
        }
        return {**state, "state": own}


def _full(value: Tensor) -> Tensor:
    from torch.distributed.tensor import DTensor

    return value.full_tensor() if isinstance(value, DTensor) else value


def _parted(value: Tensor) -> bool:
    """Whether each process has another part of it."""
    from torch.distributed.tensor import DTensor

    return isinstance(value, DTensor) and any(place.is_shard() for place in value.placements)


def _part(value: Tensor, like: Tensor) -> Tensor:
    """Where another one is, and divided as it is."""
    from torch.distributed.tensor import DTensor, distribute_tensor

    there = value.to(like.device)
    if not isinstance(like, DTensor):
        return there
    return distribute_tensor(there, like.device_mesh, like.placements, src_data_rank=None)
