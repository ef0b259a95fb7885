"""Fewer layers: which ones to keep, and a model of those alone. Knows weights; what is lost is learnt again elsewhere.

The order of layers stays. Which choice is best depends on the model: `choices` names what is worth trying, and the
front measures them (docs/compression.md).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence

from aisle.compress.model import Served
from aisle.errors import RecipeError

FIRST, LAST, SPREAD = "first", "last", "spread"
WHICH = (FIRST, LAST, SPREAD)


def choices(layers: int, keep: int) -> Mapping[str, tuple[int, ...]]:
    """The layers that each of `WHICH` keeps.

    ``first`` are the lowest; ``last`` the lowest one, which reads the word rows, and the highest; ``spread`` the
    lowest, the highest and those at even distances between.

    Raises:
        RecipeError: The model has not so many.
    """
    if not 1 <= keep <= layers:
        raise RecipeError(f"{keep} layers of a model with {layers}", allowed=f"1 to {layers}")
    last = (0, *range(layers - keep + 1, layers))
    spread = [round(place * (layers - 1) / max(1, keep - 1)) for place in range(keep)]
    return {FIRST: tuple(range(keep)), LAST: last, SPREAD: tuple(spread)}


def with_layers(model: Served, kept: Sequence[int]) -> Served:
    """The model of these layers alone, numbered anew.

    Raises:
        RecipeError: They are not layers of the model in rising order.
    """
    if not kept or list(kept) != sorted(set(kept)) or not 0 <= kept[0] <= kept[-1] < model.shape.layers:
        raise RecipeError(
            f"layers {', '.join(map(str, kept)) or 'none'}", allowed=f"some of 0 to {model.shape.layers - 1}, rising"
        )
    place = {old: new for new, old in enumerate(kept)}
    weights = {}
    for name, value in model.weights.items():
        parts = name.split(".")
        if parts[:2] != ["encoder", "layer"]:
            weights[name] = value
        elif int(parts[2]) in place:
            weights[".".join([*parts[:2], str(place[int(parts[2])]), *parts[3:]])] = value
    return dataclasses.replace(model, weights=weights, shape=dataclasses.replace(model.shape, layers=len(kept)))
