"""An encoder with fewer layers: what a student begins as."""

from __future__ import annotations

from dataclasses import replace

from aisle.encoders.weights import EncoderWeights
from aisle.errors import RecipeError

_LAYER = "encoder.layer."


def kept_layers(have: int, wanted: int) -> list[int]:
    """Which layers stay: the first, the last, and what lies evenly between (Sanh et al. 2019, "DistilBERT")."""
    if wanted == 1:
        return [0]
    return [round(number * (have - 1) / (wanted - 1)) for number in range(wanted)]


def with_layers(weights: EncoderWeights, layers: int) -> EncoderWeights:
    """The encoder with so many of its layers; 0 means all.

    Raises:
        RecipeError: It has fewer than that.
    """
    have = weights.shape.layers
    if layers in (0, have):
        return weights
    if layers > have:
        raise RecipeError(f"layers={layers} of an encoder with {have}", allowed=f"0 to {have}")
    place = {old: new for new, old in enumerate(kept_layers(have, layers))}
    found = {}
    for name, value in weights.weights.items():
        if not name.startswith(_LAYER):
            found[name] = value
            continue
        number, rest = name[len(_LAYER) :].split(".", 1)
        if int(number) in place:
            found[f"{_LAYER}{place[int(number)]}.{rest}"] = value
    return replace(weights, weights=found, shape=replace(weights.shape, layers=layers))
