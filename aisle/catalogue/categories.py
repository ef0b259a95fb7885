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

    Categories of fewer than five products count as their parent; products without a category are left out. More than
    50,000 products are judged in a sample spread evenly.
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
        classes = [names[int(c)] for c in model.classes_]
        # A product's own category is as probable as all categories above and below it together.
        own_columns = {label: [c for c, name in enumerate(classes) if _related(name, label)] for label in names}
        for start in range(0, len(held), _BATCH):
            part = held[start : start + _BATCH]
            log_odds = model.predict_log_proba(texts[part])
            best = log_odds.argmax(axis=1)
            for row, position in enumerate(part):
                own = own_columns[labels[position]]
                if not own or int(best[row]) in own:
                    continue
                score = float(log_odds[row, best[row]] - np.logaddexp.reduce(log_odds[row, own]))
                if score >= FLAG_AT:
                    flags.append(Flag(positions[int(position)], classes[best[row]], score))
    return sorted(flags, key=lambda flag: (-flag.score, flag.position))


def _related(one: tuple[str, ...], other: tuple[str, ...]) -> bool:
    """Whether one path is above the other: less specific is not wrong."""
    return one[: len(other)] == other or other[: len(one)] == one


def _labels(paths: Sequence[tuple[str, ...]]) -> list[tuple[str, ...] | None]:
    """Each path cut to the depth at which the catalogue has few enough categories, and rare ones to their parent.

    None where even the first part of the path is rare.
    """
    deepest = max((len(path) for path in paths), default=0)
    counts = Counter(path[:depth] for path in paths for depth in range(1, len(path) + 1))
    for depth in range(deepest, 0, -1):
        labels = [_frequent(path[:depth], counts) for path in paths]
        if len(set(labels)) <= MAX_CATEGORIES:
            return labels
    return [None for _ in paths]


def _frequent(path: tuple[str, ...], counts: Counter[tuple[str, ...]]) -> tuple[str, ...] | None:
    while path and counts[path] < MIN_PER_CATEGORY:
        path = path[:-1]
    return path or None
