"""Settings of learnt ranking: frozen, checked. Knows names and numbers only."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Annotated, Any

from pydantic import ConfigDict, Field, TypeAdapter
from pydantic.dataclasses import dataclass

from aisle.config import checked

_STRICT = ConfigDict(extra="forbid")
_Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]
LINEAR = ("fused", "cosine:share", "wording", "neighbours", "rerank", "satisfied", "contradicted", "rating")
"""What the linear part reads first of all: few, and each of a sign that sense demands. Trees read every feature."""


@dataclass(frozen=True, config=_STRICT)
class RankingRecipe:
    """Everything that decides what a training makes of the same tables.

    Attributes:
        depth: How many of the first candidates are learnt from and ordered.
        unjudged: What an unjudged candidate counts as a wrong one, beside a judged one's 1; 0 leaves it out.
        unjudged_depth: Among how many of the first candidates.
        linear: Features of the linear part; "fused" is always one. Where ``choose`` is on, all features are tried too.
        prior: Mean of the prior on what one standard deviation of the fusion's score is worth, in logits of "this
            product before that one".
        spread: Standard deviation of the prior on every weight, in those units.
        rounds: Trees; 0 leaves the linear part alone.
        rate: How much of what a tree finds is kept.
        leaves: Of a tree.
        leaf_rows: Candidates that a leaf needs.
        l2: Penalty on a leaf's square.
        bagging: Share of the queries that each tree sees.
        columns: Share of the features that each tree sees.
        choose: Whether a cross-validation within the training queries says if all features and trees are worth it; with
            fewer than 20 queries neither is tried.
        folds: Turns of the cross-validation by query.
        margin: By how much nDCG@10 with unjudged counted as wrong may fall, on average, for promotion.
        max_latency_ratio: How many times as long a query may take as without the learnt ranking.
        seed: Of folds, bags and permutations.
        threads: Of LightGBM.
    """

    depth: int = Field(default=300, ge=2, le=10_000)
    unjudged: float = Field(default=0.1, ge=0, le=1)
    unjudged_depth: int = Field(default=50, ge=0)
    linear: tuple[str, ...] = LINEAR
    prior: float = Field(default=1.5, gt=0, allow_inf_nan=False)
    spread: float = Field(default=0.6, gt=0, allow_inf_nan=False)
    rounds: int = Field(default=60, ge=0, le=10_000)
    rate: float = Field(default=0.05, gt=0, le=1)
    leaves: int = Field(default=4, ge=2, le=256)
    leaf_rows: int = Field(default=40, ge=1)
    l2: _Weight = 5.0
    bagging: float = Field(default=0.7, gt=0, le=1)
    columns: float = Field(default=0.6, gt=0, le=1)
    choose: bool = True
    folds: int = Field(default=5, ge=2, le=100)
    margin: _Weight = 0.01
    max_latency_ratio: float = Field(default=1.5, gt=0)
    seed: int = 0
    threads: int = Field(default=1, ge=1)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], source: str = "recipe") -> RankingRecipe:
        """Build from plain data.

        Raises:
            RecipeError: A setting is unknown, of the wrong type or out of range.
        """
        return checked(_ADAPTER, dict(data), source, lambda _: "the settings of docs/learnt_ranking.md")

    def to_dict(self) -> dict[str, Any]:
        """As plain data; ``from_dict`` gives the same recipe back."""
        return asdict(self) | {"linear": list(self.linear)}


_ADAPTER = TypeAdapter(RankingRecipe)
