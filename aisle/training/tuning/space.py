"""What a search may try: settings of a recipe with their ranges, from TOML. Knows no search."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import ConfigDict, Field, TypeAdapter
from pydantic.dataclasses import dataclass as checked_dataclass

from aisle.config import checked
from aisle.errors import RecipeError
from aisle.training.relevance.recipe import TrainingRecipe
from aisle.training.tracking import flat

PACKAGED = ("encoder", "head")
_PARTS = ("fit.", "head.", "peft.", "description")
_NEVER = (
    "fit.seed",
    "fit.threads",
    "fit.device",
    "fit.parallel",
    "fit.track",
    "fit.save_every",
    "fit.choose",
    "fit.patience",
)
Value = str | float | int | bool
_Finite = Annotated[float, Field(allow_inf_nan=False)]


@checked_dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Range:
    """The values of one setting: between two numbers, or one of some.

    Attributes:
        low: The least.
        high: The most.
        log: Whether orders of magnitude are tried alike.
        step: Between values.
        choices: In place of the others.
    """

    low: _Finite | None = None
    high: _Finite | None = None
    log: bool = False
    step: Annotated[float, Field(gt=0)] | None = None
    choices: tuple[bool | int | float | str, ...] = ()

    def __post_init__(self) -> None:
        numbers = self.low is not None and self.high is not None
        if bool(self.choices) == numbers or (self.choices and (self.low, self.high) != (None, None)):
            raise ValueError("either low and high, or choices")
        if numbers and self.low > self.high:  # type: ignore[operator]
            raise ValueError("low is above high")
        if self.log and (not numbers or self.low <= 0 or self.step is not None):  # type: ignore[operator]
            raise ValueError("log needs a low above 0 and no step")


@dataclass(frozen=True, slots=True)
class Space:
    """Ranges by the dotted names of settings, and which of them are whole numbers."""

    ranges: Mapping[str, Range]
    whole: frozenset[str]

    def to_dict(self) -> dict[str, Any]:
        """As plain data."""
        return {
            name: {"choices": list(found.choices)}
            if found.choices
            else {"low": found.low, "high": found.high, "log": found.log, "step": found.step}
            for name, found in self.ranges.items()
        }

    def distributions(self) -> dict[str, Any]:
        """As Optuna takes them."""
        from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

        made: dict[str, Any] = {}
        for name, found in self.ranges.items():
            if found.choices:
                made[name] = CategoricalDistribution(found.choices)
                continue
            assert found.low is not None
            assert found.high is not None
            if name in self.whole:
                made[name] = IntDistribution(int(found.low), int(found.high), found.log, int(found.step or 1))
            else:
                made[name] = FloatDistribution(found.low, found.high, found.log, found.step)
        return made

    def start(self, recipe: TrainingRecipe) -> dict[str, Value]:
        """The recipe's own values where the ranges have them, else the nearest end or the first choice."""
        known = flat(recipe.to_dict())
        found: dict[str, Value] = {}
        for name, values in self.ranges.items():
            value = known[name]
            if values.choices:
                found[name] = value if value in values.choices else values.choices[0]
            else:
                assert values.low is not None
                assert values.high is not None
                found[name] = min(max(value, values.low), values.high)
                if name in self.whole:
                    found[name] = int(found[name])
        return found


_ADAPTER = TypeAdapter(Range)


def read_space(spec: str, recipe: TrainingRecipe) -> Space:
    """The ranges of a packaged space or of a TOML file, checked against the recipe.

    Args:
        spec: "encoder", "head", or a file with a table for each setting.
        recipe: Whose settings they are.

    Raises:
        RecipeError: It cannot be read, or names a setting that is none, may not be tuned, or cannot have such a value.
    """
    path = Path(__file__).parent / "spaces" / f"{spec}.toml" if spec in PACKAGED else Path(spec)
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise RecipeError(
            f"no space {spec!r}", allowed=f"{', '.join(PACKAGED)}, or a TOML file", fix="check the name or the path"
        ) from None
    except (OSError, ValueError) as error:
        raise RecipeError(f"cannot read the space {spec!r}: {error}", fix="correct the file") from None
    known = flat(recipe.to_dict())
    ranges: dict[str, Range] = {}
    for name, table in _tables(data):
        if name not in known or not name.startswith(_PARTS) or name in _NEVER:
            tunable = ", ".join(key for key in known if key.startswith(_PARTS) and key not in _NEVER)
            raise RecipeError(f"{name!r} of the space {spec!r} cannot be tuned", allowed=tunable)
        ranges[name] = checked(_ADAPTER, table, f"{spec}: {name}", lambda _: "low and high (log, step), or choices")
    if not ranges:
        raise RecipeError(f"the space {spec!r} has no setting", allowed="such as [fit.rate] with low and high")
    whole = frozenset(name for name in ranges if type(known[name]) is int)
    for name, found in ranges.items():
        for value in found.choices or (found.low, found.high):
            with_values(recipe, {name: int(value) if name in whole and not found.choices else value})  # type: ignore[arg-type, dict-item]
    return Space(ranges, whole)


def with_values(recipe: TrainingRecipe, values: Mapping[str, Value]) -> TrainingRecipe:
    """The recipe with some settings changed.

    Raises:
        RecipeError: A value is out of range.
    """
    data = recipe.to_dict()
    for name, value in values.items():
        *parts, last = name.split(".")
        here = data
        for part in parts:
            here = here[part]
        here[last] = value
    return TrainingRecipe.from_dict(data, "the space")


def _tables(data: Mapping[str, Any], before: str = "") -> Sequence[tuple[str, Mapping[str, Any]]]:
    """Tables that hold a range, under their dotted names."""
    found: list[tuple[str, Mapping[str, Any]]] = []
    for name, value in data.items():
        if not isinstance(value, Mapping):
            raise RecipeError(
                f"{before}{name} of the space is no table", allowed="such as [fit.rate] with low and high"
            )
        is_range = not value or not all(isinstance(part, Mapping) for part in value.values())
        found += [(f"{before}{name}", value)] if is_range else _tables(value, f"{before}{name}.")
    return found
