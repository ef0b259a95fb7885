"""Settings of adaptation: frozen, checked, round-tripping through TOML. Knows names and numbers only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, TypeAdapter
from pydantic.dataclasses import dataclass

from aisle.config import checked, read_toml, settings_of, with_changes
from aisle.training.tracking import SPEC

_STRICT = ConfigDict(extra="forbid")
_Share = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]
_Inner = Annotated[float, Field(gt=0, lt=1, allow_inf_nan=False)]
_Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]
METHODS = ("tsdae", "mlm")


@dataclass(frozen=True, config=_STRICT)
class StepSettings:
    """How the encoder learns.

    Attributes:
        epochs: Passes over the texts.
        batch: Texts in a step.
        rate: Learning rate of the encoder's top layer.
        new_rate: Of what the encoder does not have and is thrown away at the end: the decoder's attention to the
            vector, the head that names tokens.
        alone: Share of the steps in which only that learns. It begins at random, and what it asks of the encoder until
            then is noise.
        layer_decay: What a layer's rate is to that of the one above.
        decay: Weight decay.
        warm_up: Share of the steps in which the rates rise.
        dropout: While training.
        keep: Weight of the distance of each text's vector to the one before training, against drift.
        mixture: Share of the trained weights in those that are kept, beside the first ones (Wortsman et al. 2022).
        max_tokens: A text is cut at so many tokens.
        save_every: Steps between checkpoints within an epoch.
        seed: The same seed gives the same weights on one machine.
        threads: Of PyTorch.
        track: Where losses are written as they come: as in `aisle train`.
    """

    epochs: int = Field(default=1, ge=1, le=1000)
    batch: int = Field(default=16, ge=1, le=4096)
    rate: float = Field(default=3e-5, gt=0, le=1)
    new_rate: float = Field(default=1e-3, gt=0, le=1)
    alone: float = Field(default=0.1, ge=0, lt=1)
    layer_decay: float = Field(default=0.9, gt=0, le=1)
    decay: _Weight = 0.01
    warm_up: _Share = 0.1
    dropout: float = Field(default=0.0, ge=0, lt=1)
    keep: _Weight = 0.0
    mixture: float = Field(default=1.0, gt=0, le=1)
    max_tokens: int = Field(default=64, ge=8, le=512)
    save_every: int = Field(default=200, ge=1)
    seed: int = Field(default=0, ge=0)
    threads: int = Field(default=2, ge=1)
    track: str = Field(default="auto", pattern=SPEC)


@dataclass(frozen=True, config=_STRICT)
class AdaptRecipe:
    """Everything that decides what an adaptation makes of the same texts.

    Attributes:
        method: "tsdae": a text is to be written again from the vector of what is left of it. "mlm": tokens that were
            hidden are to be named.
        base: The encoder that begins: "embedded" or an encoder folder.
        description: Whether the description is read beside the title.
        deleted: With which probability TSDAE leaves a token out.
        masked: With which probability a token is to be named.
        held_out: Share of the texts that nothing is learnt from; they say how well the task is done.
        most: Texts, drawn at random, where the catalogue has more; 0 takes all.
        fit: How the encoder learns.
    """

    method: Literal["tsdae", "mlm"] = "tsdae"
    base: str = "embedded"
    description: bool = False
    deleted: _Inner = 0.6
    masked: _Inner = 0.15
    held_out: float = Field(default=0.05, gt=0, lt=0.5)
    most: int = Field(default=0, ge=0)
    fit: StepSettings = Field(default_factory=StepSettings)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], source: str = "recipe") -> AdaptRecipe:
        """Build from plain data.

        Raises:
            RecipeError: A setting is unknown, of the wrong type or out of range.
        """
        return checked(_ADAPTER, data, source, settings_of({(): AdaptRecipe, ("fit",): StepSettings}))

    def to_dict(self) -> dict[str, Any]:
        """As plain data; ``from_dict`` gives the same recipe back."""
        return asdict(self)


_ADAPTER = TypeAdapter(AdaptRecipe)


def load_adapt_recipe(path: Path | None, changes: Sequence[str] = ()) -> AdaptRecipe:
    """A recipe from a TOML file, or the default, with settings changed as ``key=value``.

    Raises:
        RecipeError: The file cannot be read, or a setting is wrong.
    """
    data = read_toml(path) if path is not None else {}
    return AdaptRecipe.from_dict(with_changes(data, changes), str(path or "recipe"))
