"""A backbone of which only a part moves, whatever module it stands in. Needs PyTorch; knows a transformers BERT.

Everything outside the backbone is left as it is: a head goes on being trained.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from aisle.errors import RecipeError
from aisle.training.peft import bottleneck, prefix
from aisle.training.peft.low_rank import LowRank
from aisle.training.peft.settings import PeftSettings


@dataclass(frozen=True, slots=True)
class Counts:
    """Parameters of a module: those that move, and all. Buffers, such as fixed word rows, are not among them."""

    trained: int
    all: int

    @property
    def share(self) -> float:
        """Of those that move."""
        return self.trained / self.all


def count(module: nn.Module) -> Counts:
    """The parameters of a module, with whatever it was given."""
    found = [(value.numel(), value.requires_grad) for value in module.parameters()]
    return Counts(sum(size for size, moves in found if moves), sum(size for size, _ in found))


class Adaptation:
    """What was done to a backbone, and what training has to do for it.

    Args:
        bert: A transformers BERT; changed in place.
        settings: Which part of it moves.
        seed: Of what begins at random.

    Raises:
        OptionalDependencyError: The method needs the peft library.
        RecipeError: The settings contradict each other, or the backbone.
    """

    def __init__(self, bert: Any, settings: PeftSettings, seed: int = 0) -> None:
        settings.check()
        self.bert, self.settings = bert, settings
        self._low_rank: LowRank | None = None
        if settings.method == "full":
            return
        bert.requires_grad_(False)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            if settings.method == "prefix":
                prefix.attach(bert, settings.length)
            elif settings.method == "adapter":
                bottleneck.attach(bert, settings.width, settings.place)
            elif settings.method == "last":
                _free_last(bert, settings.layers)
            else:
                self._low_rank = LowRank(bert, settings)

    @property
    def mergeable(self) -> bool:
        """Whether the result is a BERT like the one before."""
        return self.settings.method not in ("prefix", "adapter")

    # --- while it is trained ---------------------------------------------------------------------------------

    def plan(self, steps: int, choosing: bool) -> None:
        """Say how many steps there will be, before the first, and whether weights of an earlier one may be kept.

        Raises:
            RecipeError: The method's schedule does not allow for it.
        """
        if self._low_rank:
            self._low_rank.plan(steps, choosing)

    def penalty(self) -> Tensor | None:
        """A loss of the method's own, if it has one."""
        return self._low_rank.penalty() if self._low_rank else None

    def after_step(self, step: int) -> None:
        """To be called after the optimiser's step, before its gradients go.

        Args:
            step: The steps done, this one included.
        """
        if self._low_rank:
            self._low_rank.after_step(step)

    def hold(self) -> None:
        """To be called after other weights were put in, such as a moving average."""
        if self._low_rank:
            self._low_rank.hold()

    def state(self) -> dict[str, Any]:
        """What a checkpoint needs beside the weights."""
        return self._low_rank.state() if self._low_rank else {}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from a state."""
        if self._low_rank:
            self._low_rank.restore(state)

    # --- what came of it -------------------------------------------------------------------------------------

    def ranks(self) -> dict[str, int]:
        """The rank that is left beside each matrix; none for methods without."""
        return self._low_rank.ranks() if self._low_rank else {}

    def weights(self) -> dict[str, Tensor]:
        """The backbone's weights under transformers' names, all that was learnt merged into them.

        What cannot be merged stands beside them, as `aisle.encoders.adapted.Adapted` reads it: prefixes as
        ``encoder.layer.N.attention.prefix.keys`` and ``.values``, bottlenecks as ``NAME.adapter.down.weight`` ...
        """
        if self._low_rank:
            return self._low_rank.merged()
        own = {
            name.replace(".base_layer.", "."): value
            for name, value in self.bert.state_dict().items()
            if not name.endswith((".prefix_keys", ".prefix_values"))
            and ".dense.down." not in name
            and ".dense.up." not in name
        }
        if self.settings.method == "prefix":
            return own | prefix.found_in(self.bert)
        return own | bottleneck.found_in(self.bert)


def _free_last(bert: Any, layers: int) -> None:
    there = len(bert.encoder.layer)
    if layers > there:
        raise RecipeError(f"peft.layers {layers}", allowed=f"at most {there}, the layers of this model")
    for layer in bert.encoder.layer[there - layers :]:
        layer.requires_grad_(True)
