"""Splits that do not leak: queries that are the same but for spelling never stand on both sides.

Knows nothing of files. A query's side depends on its own words and the seed only, never on other queries, their
order, or the version of the normaliser: held-out queries stay held out when judgments are added.
"""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from aisle.errors import JudgmentError
from aisle.judgments.read import Judgments
from aisle.types import Judgment


@dataclass(frozen=True, slots=True)
class Fold:
    """One turn of a cross-validation."""

    train: Judgments
    test: Judgments


def query_key(text: str) -> str:
    """What is left of a query without case, accents, white space, punctuation, word order and a plural s.

    The letters of all words, sorted: so "USB hub", "hubs (usb)" and "usb-hub" are one, as are "head phones" and
    "headphones", and Chinese words in another order. Anagrams fall together too, which costs a split nothing.
    """
    folded = unicodedata.normalize("NFKD", text).casefold()
    kept = "".join(
        character if character.isalnum() else " " for character in folded if not unicodedata.combining(character)
    )
    letters = "".join(_singular(word) for word in kept.split())
    return "".join(sorted(letters)) or text.casefold()


def split(judgments: Iterable[Judgment], fractions: Mapping[str, float], seed: int = 0) -> dict[str, Judgments]:
    """Divide judgments by query into named parts.

    Args:
        judgments: Of any order; it is kept within each part.
        fractions: Part to its share of the query groups, such as ``{"train": 0.8, "test": 0.2}``; they sum to 1. With
            few queries the shares are met roughly, because each group is drawn by itself.
        seed: Another seed gives another division.

    Raises:
        JudgmentError: A fraction is not positive, or they do not sum to 1.
    """
    if not fractions or any(share <= 0 for share in fractions.values()) or abs(sum(fractions.values()) - 1) > 1e-9:
        raise JudgmentError(f"fractions {dict(fractions)!r}", allowed="positive shares that sum to 1")
    names = list(fractions)
    gains = _gains(judgments)
    parts: dict[str, list[Judgment]] = {name: [] for name in names}
    for judgment in judgments:
        left = _draw(judgment, seed)
        for name in names:
            left -= fractions[name]
            if left < 0 or name == names[-1]:
                parts[name].append(judgment)
                break
    return {name: Judgments(tuple(items), gains=gains) for name, items in parts.items()}


def folds(judgments: Iterable[Judgment], count: int = 5, seed: int = 0) -> tuple[Fold, ...]:
    """Divide judgments by query into ``count`` test parts, each with the rest to train on.

    Raises:
        JudgmentError: Fewer than two folds.
    """
    if count < 2:
        raise JudgmentError(f"{count} folds", allowed="2 or more")
    items, gains = tuple(judgments), _gains(judgments)
    places = [int(_draw(judgment, seed) * count) for judgment in items]
    return tuple(
        Fold(
            train=Judgments(tuple(item for item, at in zip(items, places, strict=True) if at != fold), gains=gains),
            test=Judgments(tuple(item for item, at in zip(items, places, strict=True) if at == fold), gains=gains),
        )
        for fold in range(count)
    )


def _gains(judgments: Iterable[Judgment]) -> tuple[float, ...]:
    """Of judgments by classes, as they were read."""
    return judgments.gains if isinstance(judgments, Judgments) else ()


def _draw(judgment: Judgment, seed: int) -> float:
    """A number in [0, 1) that depends on the query's key and the seed."""
    key = query_key(judgment.query or judgment.query_id)
    digest = hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=8, key=str(seed).encode()).digest()
    return (int.from_bytes(digest) >> 11) / 2**53


def _singular(word: str) -> str:
    """Coarse on purpose, so that no plural escapes: cases and case, boxes and box, lenses and lens, batteries."""
    stem = word.rstrip("es") or word
    return stem[:-1] + "i" if stem.endswith("y") else stem
