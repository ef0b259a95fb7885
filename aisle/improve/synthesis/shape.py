"""The shape of real queries: what they name, in which order, how often, and which of a title's words they use.

    "nike shoes"  -> brand words(1)        "wireless headphones" -> words(2)

Learned from queries and the catalogue they were asked of; the queries' own words are not kept, so that a shape can be
carried to another shop. The packaged one is learned from the Icecat sample's 89 queries.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from scipy.optimize import minimize

from aisle.artifacts import write_text
from aisle.errors import ArtifactError, JudgmentError
from aisle.improve.synthesis.titles import FEATURES, TitleStatistics, Word, words_in
from aisle.query.constraint import Kind
from aisle.query.facts import CatalogueFacts
from aisle.query.keys import known_forms
from aisle.query.parse import read_demands
from aisle.types import Product

WORDS = "words"
NAMED: tuple[Kind, ...] = ("brand", "category", "colour", "size", "attribute", "compatible")
"""What a query can name of a product beside words of its title."""
_KINDS_OF_THINGS = ("category", "attribute", "compatible")
"""Their names are words that titles have, too."""
PACKAGED = Path(__file__).with_name("shape.json")
FORMAT = 1
MAX_WORDS = 5
_SPREAD = 3.0
"""Prior standard deviation of the weights of a word's features: 89 queries have some 150 words."""
_FEWEST = 20
_SAMPLE = 20_000

Slot = tuple[str, int]
"""What is named, and of words how many."""


@dataclass(frozen=True, slots=True)
class QueryShape:
    """How queries look.

    Attributes:
        templates: Slots in their order, to the share of queries that look so.
        word_weights: Of the features of a title's word and a constant: the logarithm of how much likelier a query has
            the word than a title has.
        adjacent: Share of a query's neighbouring words that stand side by side in a title.
        queries: How many it was learned from.
    """

    templates: Mapping[tuple[Slot, ...], float]
    word_weights: tuple[float, ...]
    adjacent: float
    queries: int

    def liking(self, statistics: TitleStatistics, key: str) -> float:
        """How much likelier a query has the word than a title has, up to a factor; at most e^6 from end to end."""
        value = float(statistics.features(key) @ np.array(self.word_weights[:-1])) + self.word_weights[-1]
        return float(np.exp(np.clip(value, -3.0, 3.0)))

    def save(self, path: Path) -> None:
        """Write as JSON."""
        data = {
            "format": FORMAT,
            "queries": self.queries,
            "adjacent": round(self.adjacent, 4),
            "features": [*FEATURES, "constant"],
            "word_weights": [round(weight, 4) for weight in self.word_weights],
            "templates": [[round(share, 5), list(map(list, slots))] for slots, share in self.templates.items()],
        }
        write_text(path, json.dumps(data, ensure_ascii=False, indent=1) + "\n")

    @classmethod
    def load(cls, path: Path = PACKAGED) -> QueryShape:
        """Read what ``save`` wrote.

        Raises:
            ArtifactError: The file is missing, damaged or of another format.
        """
        try:
            data: Any = json.loads(path.read_text(encoding="utf-8"))
            if data["format"] != FORMAT or data["features"] != [*FEATURES, "constant"]:
                raise ValueError("another format")
            templates = {
                tuple((str(kind), int(count)) for kind, count in slots): float(share)
                for share, slots in data["templates"]
            }
            weights = tuple(float(weight) for weight in data["word_weights"])
            return cls(templates, weights, float(data["adjacent"]), int(data["queries"]))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ArtifactError(
                f"cannot read the shape of queries {str(path)!r}: {error}", fix="learn it again: --like QUERIES"
            ) from None


def learn_shape(
    queries: Sequence[str], products: Iterable[Product], facts: CatalogueFacts, seed: int = 0
) -> QueryShape:
    """Learn how queries look.

    Args:
        queries: As typed, each counted once.
        products: Of the catalogue that they were asked of.
        facts: Of the same catalogue.
        seed: Of the sample of titles that queries' words are compared with.

    Raises:
        JudgmentError: There are too few queries.
    """
    texts = list(dict.fromkeys(query for query in queries if query.strip()))
    if len(texts) < _FEWEST:
        raise JudgmentError(
            f"{len(texts)} queries to learn their shape from",
            allowed=f"{_FEWEST} or more",
            fix="leave --like out: the packaged shape is taken",
        )
    titles = [words_in(product.title) for product in products]
    statistics = TitleStatistics.of(titles)
    templates: Counter[tuple[Slot, ...]] = Counter()
    asked: list[str] = []
    beside = pairs = 0
    for text in texts:
        slots, runs = _read(text, facts)
        if slots:
            templates[slots] += 1
        for run in runs:
            keys = [form for word in run if (form := _known(word, statistics))]
            asked += keys
            neighbours = list(pairwise(keys))
            pairs += len(neighbours)
            beside += sum(pair in statistics.beside for pair in neighbours)
    total = templates.total()
    shares = {slots: count / total for slots, count in sorted(templates.items(), key=lambda item: (-item[1], item[0]))}
    weights = _word_weights(asked, titles, statistics, Random(seed))
    return QueryShape(shares, weights, (beside + 1) / (pairs + 2), len(texts))


def _read(text: str, facts: CatalogueFacts) -> tuple[tuple[Slot, ...], list[list[Word]]]:
    """The slots of a query, and the runs of words between what it names."""
    asked = read_demands(text, facts, NAMED)
    slots: list[Slot] = []
    runs: list[list[Word]] = []

    def words(part: str) -> None:
        run = words_in(part)[:MAX_WORDS]
        if run:
            slots.append((WORDS, len(run)))
            runs.append(run)

    at = 0
    for constraint in asked.constraints:
        said = constraint.text.split(" -> ")[0]
        place = asked.text.find(said, at)
        if place >= 0:
            words(asked.text[at:place])
            slots.append((constraint.kind, 1))
            if constraint.kind in _KINDS_OF_THINGS:
                runs.append(words_in(said))
            at = place + len(said)
    words(asked.text[at:])
    return tuple(slots), runs


def _known(word: Word, statistics: TitleStatistics) -> str | None:
    return next(iter(known_forms(word.key, statistics.carriers)), None)


def _word_weights(
    asked: Sequence[str], titles: Sequence[Sequence[Word]], statistics: TitleStatistics, chance: Random
) -> tuple[float, ...]:
    """Logistic regression of queries' words against titles' words, both sides counting alike."""
    there = [word.key for title in titles for word in title]
    there = chance.sample(there, min(_SAMPLE, len(there)))
    if not asked or not there:
        return (0.0,) * (len(FEATURES) + 1)
    rows = np.array([[*statistics.features(key), 1.0] for key in [*asked, *there]])
    sign = np.array([1.0] * len(asked) + [-1.0] * len(there))
    weight = np.array([1.0] * len(asked) + [len(asked) / len(there)] * len(there))

    def loss(found: np.ndarray) -> tuple[float, np.ndarray]:
        margin = sign * (rows @ found)
        value = (weight * np.logaddexp(0, -margin)).sum() + (found[:-1] ** 2).sum() / (2 * _SPREAD**2)
        gradient = -(weight * sign / (1 + np.exp(margin))) @ rows
        gradient[:-1] += found[:-1] / _SPREAD**2
        return float(value), gradient

    found = minimize(loss, np.zeros(rows.shape[1]), jac=True, method="L-BFGS-B").x
    return tuple(float(weight) for weight in found)
