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
FLAG_AT = 0.9
"""A category is suspicious when another one is this probable and the product's own is almost impossible."""
_OWN_AT_MOST = 0.02
_FOLDS = 5


@dataclass(frozen=True, slots=True)
class Flag:
    """A suspicious category: position of the product, the category that fits better, and how sure (0 to 1)."""

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
    from sklearn.linear_model import LogisticRegression  # noqa: F401
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
        probability = model.predict_proba(texts[held])
        column = {int(c): i for i, c in enumerate(model.classes_)}
        best = probability.argmax(axis=1)
        for row, position in enumerate(held):
            own = column.get(int(target[position]))
            own_probability = probability[row, own] if own is not None else 0.0
            score = float(probability[row, best[row]])
            if score >= FLAG_AT and own_probability <= _OWN_AT_MOST:
                flags.append(Flag(positions[int(position)], names[int(model.classes_[best[row]])], score))
    return sorted(flags, key=lambda flag: (-flag.score, flag.position))


def _labels(paths: Sequence[tuple[str, ...]]) -> list[tuple[str, ...] | None]:
    """Each path cut to the depth at which the catalogue has few enough categories; None for rare ones."""
    deepest = max((len(path) for path in paths), default=0)
    for depth in range(deepest, 0, -1):
        counts = Counter(path[:depth] for path in paths if path)
        frequent = {path for path, count in counts.items() if count >= MIN_PER_CATEGORY}
        if len(frequent) <= MAX_CATEGORIES:
            return [path[:depth] if path and path[:depth] in frequent else None for path in paths]
    return [None for _ in paths]
