"""What is taken from a text before it is to be found again: tokens deleted, or masked. Numbers only, no model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

Ids = list[int]
_MASKED, _CHANGED = 0.8, 0.1
"""Of the tokens that are to be found: those that become the mask, and those that become another; the rest stay."""


def chance(seed: int, turn: int, text: int) -> np.random.Generator:
    """What one text's noise is drawn from in one pass; it depends on nothing else."""
    return np.random.default_rng((seed, turn, text))


def deleted(ids: Ids, share: float, draw: np.random.Generator) -> Ids:
    """A text without some of its tokens: each is left out with that probability, and one at least stays.

    TSDAE: Wang, Reimers and Gurevych 2021.

    Args:
        ids: With a special token at either end, which stay, and one token or more between.
        share: From 0 to 1.
        draw: Where chance comes from.
    """
    kept = draw.random(len(ids) - 2) >= share
    if not kept.any():
        kept[draw.integers(len(kept))] = True
    return [ids[0], *(token for token, stays in zip(ids[1:-1], kept, strict=True) if stays), ids[-1]]


@dataclass(frozen=True, slots=True)
class Masked:
    """A text of which some tokens are to be found.

    Attributes:
        ids: As the encoder reads it.
        places: Of the tokens that are to be found.
    """

    ids: Ids
    places: list[int]


def masked(ids: Ids, share: float, mask: int, others: Sequence[int], draw: np.random.Generator) -> Masked:
    """Choose tokens to be found, and hide them as BERT does: 80% become the mask, 10% another token, 10% stay.

    Devlin et al. 2019.

    Args:
        ids: With a special token at either end, which are never chosen, and one token or more between.
        share: With which probability a token is chosen; one at least is.
        mask: The token that hides.
        others: What another token is drawn from.
        draw: Where chance comes from.
    """
    chosen = draw.random(len(ids) - 2) < share
    if not chosen.any():
        chosen[draw.integers(len(chosen))] = True
    places = (1 + np.flatnonzero(chosen)).tolist()
    found = list(ids)
    for place, kind in zip(places, draw.random(len(places)), strict=True):
        if kind < _MASKED:
            found[place] = mask
        elif kind < _MASKED + _CHANGED:
            found[place] = others[int(draw.integers(len(others)))]
    return Masked(found, places)
