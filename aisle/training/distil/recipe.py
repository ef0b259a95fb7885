"""Settings of distillation: frozen, checked, round-tripping through TOML. Knows names and numbers only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

from pydantic import ConfigDict, Field, TypeAdapter
from pydantic.dataclasses import dataclass

from aisle.config import checked, read_toml, with_changes
from aisle.errors import RecipeError
from aisle.training.gate import MAX_LATENCY_RATIO
from aisle.training.tracking import SPEC

_STRICT = ConfigDict(extra="forbid")
_Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
_Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]


@dataclass(frozen=True, config=_STRICT)
class PairSettings:
    """Which unlabelled pairs are made.

    Attributes:
        made: Queries made from products, beside the real ones.
        phrases: Share of them that are brand, category and attribute phrases, where products have such.
        dense: Texts of a query that the student's vectors find.
        words: Texts that BM25 finds.
        depth: They are drawn from so many best ones.
        chance: Texts drawn from the whole catalogue.
        seed: The same seed gives the same pairs.
    """

    made: int = Field(default=2000, ge=0, le=1_000_000)
    phrases: _Share = 0.3
    dense: int = Field(default=3, ge=0, le=1000)
    words: int = Field(default=3, ge=0, le=1000)
    depth: int = Field(default=30, ge=1, le=10_000)
    chance: int = Field(default=1, ge=0, le=1000)
    seed: int = 0


@dataclass(frozen=True, config=_STRICT)
class StepSettings:
    """How the student learns.

    Attributes:
        epochs: Passes over the pairs.
        queries: Lists in a step.
        per_query: Texts of one query in a step.
        rate: Learning rate of the top layer.
        layer_decay: What a layer's rate is to that of the one above.
        decay: Weight decay.
        warm_up: Share of the steps in which the rates rise.
        listwise: Weight of the divergence of the student's softmax over a list from the teacher's.
        margin: Weight of the squared difference of their margins, pair by pair of a list.
        vectors: Weight of the distance to the vectors of the guide, which is the student before layers were dropped.
        labels: Weight of the loss over judged lists, where there are judgments.
        temperature: Of the softmax, in standard deviations of a query's scores; lower looks at the top alone.
        max_tokens: A text is cut at so many tokens.
        save_every: Steps between checkpoints within an epoch.
        seed: The same seed gives the same weights on one machine.
        threads: Of PyTorch.
        track: Where losses are written as they come: as in `aisle train`.
    """

    epochs: int = Field(default=2, ge=1, le=1000)
    queries: int = Field(default=16, ge=1, le=4096)
    per_query: int = Field(default=8, ge=2, le=1024)
    rate: float = Field(default=5e-5, gt=0, le=1)
    layer_decay: float = Field(default=0.9, gt=0, le=1)
    decay: _Weight = 0.01
    warm_up: _Share = 0.1
    listwise: _Weight = 1.0
    margin: _Weight = 0.0
    vectors: _Weight = 0.0
    labels: _Weight = 0.0
    temperature: float = Field(default=0.5, gt=0, le=100)
    max_tokens: int = Field(default=64, ge=8, le=512)
    save_every: int = Field(default=200, ge=1)
    seed: int = 0
    threads: int = Field(default=2, ge=1)
    track: str = Field(default="auto", pattern=SPEC)


@dataclass(frozen=True, config=_STRICT)
class DistilRecipe:
    """Everything that decides what a distillation makes of the same texts and teachers.

    Attributes:
        layers: Of the student; 0 keeps all it has.
        weights: How much each teacher counts, in the order they are named; none means alike.
        guide: The encoder whose vectors the student keeps near, where fit.vectors counts; "" is the student before
            layers were dropped.
        description: Whether the student reads the description beside the title. A teacher reads what it was made for.
        held_out: Share of the judged queries that the gate judges by; never learnt from in any spelling.
        label_epochs: Passes over the judgments for the student that learns from labels alone.
        label_rate: Its learning rate.
        max_latency_ratio: How many times as long one query may take as before.
        seed: Of the split.
        pairs: Which pairs are made.
        fit: How the student learns.
    """

    layers: int = Field(default=0, ge=0, le=64)
    weights: tuple[_Weight, ...] = ()
    guide: str = ""
    description: bool = False
    held_out: float = Field(default=0.2, gt=0, lt=0.8)
    label_epochs: int = Field(default=2, ge=1, le=1000)
    label_rate: float = Field(default=5e-5, gt=0, le=1)
    max_latency_ratio: float = Field(default=MAX_LATENCY_RATIO, gt=0)
    seed: int = 0
    pairs: PairSettings = Field(default_factory=PairSettings)
    fit: StepSettings = Field(default_factory=StepSettings)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], source: str = "recipe") -> DistilRecipe:
        """Build from plain data.

        Raises:
            RecipeError: A setting is unknown, of the wrong type or out of range, or nothing is to be learnt.
        """
        found = checked(_ADAPTER, data, source, lambda _: "the settings of docs/distillation.md")
        if not (found.fit.listwise or found.fit.margin or found.fit.vectors):
            raise RecipeError(
                "fit.listwise, fit.margin and fit.vectors are all 0: nothing is learnt from a teacher",
                allowed="one of them above 0",
            )
        return found

    def to_dict(self) -> dict[str, Any]:
        """As plain data; ``from_dict`` gives the same recipe back."""
        return asdict(self) | {"weights": list(self.weights)}


_ADAPTER = TypeAdapter(DistilRecipe)


def load_distil_recipe(path: Path | None, changes: Sequence[str] = ()) -> DistilRecipe:
    """A recipe from a TOML file, or the default, with settings changed as ``key=value``.

    Raises:
        RecipeError: The file cannot be read, or a setting is wrong.
    """
    data = read_toml(path) if path is not None else {}
    return DistilRecipe.from_dict(with_changes(data, changes), str(path or "recipe"))
