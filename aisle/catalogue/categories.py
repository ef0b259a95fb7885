"""Flags products whose category disagrees with what their title says. Changes nothing.

Out-of-fold naive Bayes over title words, so that no product votes for itself. Knows titles and category paths only.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

MIN_PRODUCTS = 200
MIN_PER_CATEGORY = 5
MAX_CATEGORIES = 300
MAX_ROWS = 50_000
FLAG_AT = 15.0
"""A category is suspicious when another one explains the title e^15 times better; measured on livostyle, see docs."""
_FOLDS = 5
_BATCH = 2000  # rows scored at once: 2,000 x 300 categories is 5 MB


@dataclass(frozen=True, slots=True)
class Flag:
    """A suspicious category: position of the product, the category that fits better, and by how much (log odds)."""

    position: int
    suggested: tuple[str, ...]
    score: float


def suspicious(titles: Sequence[str], paths: Sequence[tuple[str, ...]]) -> list[Flag]:
    """The products whose category disagrees with their title, most suspicious first.

    Products without a category, and categories of fewer than five products, are left out. More than 50,000
    products are judged in a sample spread evenly.
    """
    labels = _labels(paths)
    known = [i for i, label in enumerate(labels) if label is not None]
    if len(known) > MAX_ROWS:
        step = len(known) / MAX_ROWS
        known = [known[int(i * step)] for i in range(MAX_ROWS)]
    names = sorted({labels[i] for i in known if labels[i] is not None})  # type: ignore[type-var]
    if len(known) < MIN_PRODUCTS or len(names) < 2:
        return []
    return _flags([titles[i] for i in known], [labels[i] for i in known], known)  # type: ignore[misc]


def _flags(titles: list[str], labels: list[tuple[str, ...]], positions: list[int]) -> list[Flag]:
    import numpy as np
    from sklearn.feature_extraction.text import HashingVectorizer
    from sklearn.naive_bayes import MultinomialNB

    names = sorted(set(labels))
    index = {name: i for i, name in enumerate(names)}
    target = np.array([index[label] for label in labels])
    texts = HashingVectorizer(
        n_features=1 << 16, ngram_range=(1, 2), alternate_sign=False, norm=None, binary=True, token_pattern=r"(?u)\w+"
    ).transform(titles)
    fold = np.arange(len(labels)) % _FOLDS
    flags: list[Flag] = []
    for number in range(_FOLDS):
        held = np.flatnonzero(fold == number)
        model = MultinomialNB(alpha=0.1).fit(texts[fold != number], target[fold != number])
        column = {int(c): i for i, c in enumerate(model.classes_)}
        for start in range(0, len(held), _BATCH):
            part = held[start : start + _BATCH]
            log_odds = model.predict_log_proba(texts[part])
            best = log_odds.argmax(axis=1)
            for row, position in enumerate(part):
                own = column.get(int(target[position]))
                other = names[int(model.classes_[best[row]])]
                if own is None or _related(other, labels[position]):
                    continue
                score = float(log_odds[row, best[row]] - log_odds[row, own])
                if score >= FLAG_AT:
                    flags.append(Flag(positions[int(position)], other, score))
    return sorted(flags, key=lambda flag: (-flag.score, flag.position))


def _related(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    """Whether one path is above the other: less specific is not wrong."""
    return one[: len(other)] == other or other[: len(one)] == one


def _labels(paths: Sequence[tuple[str, ...]]) -> list[tuple[str, ...] | None]:
    """Each path cut to the depth at which the catalogue has few enough categories; None for rare ones."""
    deepest = max((len(path) for path in paths), default=0)
    for depth in range(deepest, 0, -1):
        counts = Counter(path[:depth] for path in paths if path)
        frequent = {path for path, count in counts.items() if count >= MIN_PER_CATEGORY}
        if len(frequent) <= MAX_CATEGORIES:
            return [path[:depth] if path and path[:depth] in frequent else None for path in paths]
    return [None for _ in paths]
