"""Which parameters of a backbone move. Knows names and numbers only; no PyTorch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from aisle.errors import RecipeError

Method = Literal["full", "lora", "dora", "adalora", "prefix", "adapter", "last"]
Target = Literal["query", "key", "value", "attended", "wide", "narrow"]
_STRICT = ConfigDict(extra="forbid")
_Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]

RATES: Mapping[Method, float] = {
    "lora": 1e-3,
    "dora": 1e-3,
    "adalora": 1e-2,
    "prefix": 1e-2,
    "adapter": 3e-3,
    "last": 3e-4,
}
"""Learning rates that suit few parameters, chosen on development queries (docs/peft.md)."""


@dataclass(frozen=True, config=_STRICT)
class PeftSettings:
    """What of a backbone is trained. Whatever stands outside of it, such as a head, always is.

    Attributes:
        method: "full": everything. "lora" (Hu et al. 2021): a product of two thin matrices beside each target; "dora"
            (Liu et al. 2024): the same for its direction, and its length apart; "adalora" (Zhang et al. 2023): ranks
            that begin wide and go where they count. "prefix" (Li and Liang 2021): keys and values that every token
            sees in each layer. "adapter" (Houlsby et al. 2019): a narrow pair of matrices behind an output. "last":
            the last layers as they are.
        rate: The learning rate in place of ``fit.rate``; 0 takes what suits the method.
        rank: Of the matrices; with AdaLoRA the mean that is left at the end.
        alpha: What the product counts is alpha / rank.
        targets: The matrices that LoRA, DoRA and AdaLoRA stand beside: those that make queries, keys and values, the
            one behind attention ("attended"), and the two of the feed-forward part ("wide", "narrow"). Two of them, as
            in the paper: each takes time (docs/peft.md).
        dropout: Of what goes into the thin matrices, while training.
        init_rank: With which AdaLoRA begins.
        fall_from: Share of the steps after which AdaLoRA's ranks begin to fall.
        fall_until: Share of the steps after which they are what they remain.
        every: Steps between two divisions of AdaLoRA's ranks.
        orthogonal: Weight of the loss that keeps AdaLoRA's matrices orthogonal.
        length: Of the prefix, in tokens.
        width: Of an adapter.
        place: Behind attention and the feed-forward part ("both", Houlsby et al.), or behind the latter alone
            ("output", Pfeiffer et al. 2021).
        layers: How many of the last layers are trained.
    """

    method: Method = "full"
    rate: float = Field(default=0.0, ge=0, le=1)
    rank: int = Field(default=8, ge=1, le=1024)
    alpha: float = Field(default=16.0, gt=0, le=4096)
    targets: tuple[Target, ...] = Field(default=("query", "value"), min_length=1)
    dropout: _Share = 0.0
    init_rank: int = Field(default=12, ge=2, le=1024)
    fall_from: _Share = 0.1
    fall_until: _Share = 0.7
    every: int = Field(default=5, ge=1)
    orthogonal: float = Field(default=0.1, ge=0, allow_inf_nan=False)
    length: int = Field(default=16, ge=1, le=512)
    width: int = Field(default=32, ge=1, le=4096)
    place: Literal["both", "output"] = "both"
    layers: int = Field(default=2, ge=1, le=256)

    def learning_rate(self, full: float) -> float:
        """The rate that training should take, where that for all parameters is ``full``."""
        return self.rate or RATES.get(self.method, full)

    def check(self) -> None:
        """Refuse settings that contradict each other.

        Raises:
            RecipeError: AdaLoRA's ranks would not fall.
        """
        if self.method == "adalora" and self.init_rank <= self.rank:
            raise RecipeError(
                f"peft.init_rank {self.init_rank} and peft.rank {self.rank}",
                allowed="an init_rank above the rank, which is what is left at the end",
                fix="raise peft.init_rank, or take peft.method=lora",
            )
        if self.method == "adalora" and self.fall_from >= self.fall_until:
            raise RecipeError(
                f"peft.fall_from {self.fall_from:g} and peft.fall_until {self.fall_until:g}",
                allowed="shares of the steps, the first below the second",
            )
