"""From judged pairs to what a run learns from: shares of the queries, lists, token ids. No model, no PyTorch.

The first set of pairs is the shop that is asked about: its queries alone say when to stop and whether the result is
better. Further sets are only trained on, and never with a query that is held out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from aisle.augment.settings import AugmentSettings
from aisle.encoders.cosines import Encode
from aisle.encoders.cosines import cosines as texts_cosines
from aisle.errors import JudgmentError
from aisle.judgments.pairs import PairSet, pair_text
from aisle.judgments.split import folds, query_key, split
from aisle.training.relevance.lists import Lists, lists_of
from aisle.training.relevance.noise import Noise

if TYPE_CHECKING:
    from aisle.types import Array

Ids = list[int]
FOLDS = 5
MIN_QUERIES = 20
"""Fewer leave a fold, or what says when to stop, empty."""


@dataclass(frozen=True, slots=True)
class Shares:
    """The pairs of one shop by what they are for; no query stands in two of them."""

    train: PairSet
    validation: PairSet
    held_out: PairSet


@dataclass(frozen=True, slots=True)
class Lesson:
    """What a run learns from: token ids by number, the lists to train on, and those that say when to stop.

    ``train_queries`` and ``validation_queries`` are the number of each list's query. ``noise`` changes queries and
    texts of the lists to train on, where the recipe says so. The last ``replayed`` lists to train on are those of an
    earlier shop.
    """

    queries: Sequence[Ids]
    texts: Sequence[Ids]
    train: Lists
    validation: Lists
    train_queries: Sequence[int]
    validation_queries: Sequence[int]
    noise: Noise | None = None
    replayed: int = 0


def shares(pairs: PairSet, validation: float, held_out: float, seed: int) -> Shares:
    """Divide by query; spellings of one query stay together.

    Raises:
        JudgmentError: Too few queries to have some in each part.
    """
    parts = {"held_out": held_out, "validation": validation, "train": 1 - held_out - validation}
    found = split(pairs.judgments(), {name: share for name, share in parts.items() if share > 0}, seed)
    sets = {name: _of(pairs, set(found[name].queries) if name in found else set()) for name in parts}
    empty = [name for name, part in sets.items() if not len(part) and parts[name] > 0]
    if empty:
        raise JudgmentError(
            f"{len(pairs.by_query())} queries leave none for {' and '.join(name.replace('_', '-') for name in empty)}",
            allowed=f"judgments of {MIN_QUERIES} queries or more",
            fix="judge more queries",
        )
    return Shares(sets["train"], sets["validation"], sets["held_out"])


def turns(pairs: PairSet, seed: int) -> list[NDArray[np.bool_]]:
    """Which rows are held out in each turn of a cross-validation by query; every row is in one of at most `FOLDS`."""
    held = [set(fold.test.queries) for fold in folds(pairs.judgments(), FOLDS, seed)]
    masks = [np.array([pair.query_id in asked for pair in pairs]) for asked in held]
    return [mask for mask in masks if mask.any()]


def without_queries_of(more: PairSet, *others: PairSet) -> PairSet:
    """The pairs whose query is, in no spelling, one of the others'."""
    keys = {query_key(pair.query) for other in others for pair in other}
    known: dict[str, bool] = {}
    rows = []
    for row, pair in enumerate(more):
        if pair.query not in known:
            known[pair.query] = query_key(pair.query) in keys
        if not known[pair.query]:
            rows.append(row)
    return more.subset(rows)


def others_of(more: Iterable[PairSet], pairs: PairSet) -> list[PairSet]:
    """Further judgments without the queries of the shop's pairs; those that have others."""
    return [found for found in (without_queries_of(one, pairs) for one in more) if len(found)]


def lesson(
    train: Sequence[PairSet],
    validation: PairSet,
    description: bool,
    ids_of: Callable[[Sequence[str]], list[Ids]],
    augment: AugmentSettings | None = None,
    earlier: Sequence[PairSet] = (),
) -> Lesson:
    """Token ids and lists; every distinct text is there once.

    Levels of all sets are stretched to the scale of the first, so that its highest grade and theirs are alike. A pair
    of weight 0 is left out; the other weights are to one another as in the files, and 1 in the mean.

    Args:
        train: To learn from.
        validation: To say when to stop.
        description: Whether descriptions are read.
        ids_of: Texts to token ids.
        augment: Which changes queries and texts undergo.
        earlier: Of an earlier shop, to be learnt again beside those of ``train``.
    """
    top = top_level(train[0])
    texts: dict[str, int] = {}
    queries: dict[str, int] = {}

    def read(sets: Iterable[PairSet]) -> tuple[Lists, list[int]]:
        found: list[Lists] = []
        asked: list[int] = []
        sets = [pairs.counting() for pairs in sets]
        weights = np.concatenate([pairs.weights() for pairs in sets] or [np.ones(0)])
        usual = float(weights.mean()) if len(weights) else 1.0
        weighed = len(set(weights.tolist())) > 1
        for pairs in sets:
            levels = pairs.levels() * (top / top_level(pairs))
            text_of = [texts.setdefault(pair_text(pair, description), len(texts)) for pair in pairs]
            groups = [[row for row in rows if not np.isnan(levels[row])] for rows in pairs.by_query().values()]
            groups = [rows for rows in groups if rows]
            asked += [queries.setdefault(pairs[rows[0]].query, len(queries)) for rows in groups]
            found.append(lists_of(groups, text_of, levels, pairs.weights() / usual if weighed else None))
        return Lists(
            tuple(row for lists in found for row in lists.texts),
            tuple(row for lists in found for row in lists.levels),
            tuple(row for lists in found for row in lists.weights),
        ), asked

    learnt, train_queries = read([*train, *earlier])
    again = len(read(earlier)[1])
    checked, validation_queries = read([validation])
    noise = Noise(augment, list(queries), list(texts), ids_of) if augment is not None and augment.changes else None
    ids = ids_of(list(queries)), ids_of(list(texts))
    return Lesson(*ids, learnt, checked, train_queries, validation_queries, noise, again)


def fingerprint(sets: Iterable[PairSet]) -> str:
    """A hash of every query, text, grade and, where it is not 1, weight in order."""
    digest = sha256()
    for pairs in sets:
        for pair in pairs:
            row: tuple[object, ...] = (pair.query, pair.doc_id, pair.title, pair.description, pair.grade)
            row += (pair.weight,) if pair.weight != 1 else ()
            digest.update(repr(row).encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def weights_told(pairs: PairSet) -> dict[str, dict[str, float]]:
    """How many pairs count less or more than others, and how many are left out; nothing where all count 1."""
    weights = pairs.weights()
    other = weights != 1
    if not other.any():
        return {}
    left_out = int((weights == 0).sum())
    return {"weights": {"not 1": int(other.sum()), "left out": left_out, "sum": round(float(weights.sum()), 6)}}


def cosines(encode: Encode, pairs: PairSet, description: bool) -> Array:
    """The cosine of each pair's query and text, ``(n,)``."""
    return texts_cosines(encode, [pair.query for pair in pairs], [pair_text(pair, description) for pair in pairs])


def _of(pairs: PairSet, query_ids: set[str]) -> PairSet:
    return pairs.subset([row for row, pair in enumerate(pairs) if pair.query_id in query_ids])


def top_level(pairs: PairSet) -> float:
    """The highest level that the pairs' scale has; 1 where it has but one grade."""
    assert pairs.scale is not None, "pairs were read with their grades"
    return float(pairs.scale.high - pairs.scale.low) or 1.0
