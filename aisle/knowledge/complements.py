"""What goes with a product: what was bought with it more often than chance, and what is known to fit it.

    .of("kettle")   tea (bought together 14 times, 6.2 times as often as by chance)

Knows baskets of product ids and compatibility, nothing of shoppers or of when they bought.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any, Self

from aisle.artifacts import write_text
from aisle.errors import ArtifactError, InputError
from aisle.knowledge.compatibility import Compatibility, Fit
from aisle.knowledge.devices import fold, mentions
from aisle.knowledge.learning import words_of
from aisle.types import Product

FORMAT = 1
MAX_BASKET = 100
"""Of a larger basket only so many products count: a wholesale order says little, and pairs grow as its square."""
MAX_PAIRS = 5_000_000
"""When more pairs are kept than this, the rarest go (lossy counting): about 700 MB at worst."""
MAX_PARTNERS = 50
"""So many partners of a product are kept."""
MIN_TOGETHER = 2
"""Bought together once is chance."""
SHRINK = 10.0
DISCOUNT = 0.0
"""How much of a partner's popularity is taken out: 0 ranks by the share of baskets, 1 by lift (docs/knowledge.md)."""


@dataclass(frozen=True, slots=True)
class Complement:
    """A product that goes with another: how often they were bought together, how many times as often as by chance.

    ``fit`` says that it is known to fit, whatever was bought; ``together`` is 0 and ``lift`` 1 where nothing was.
    """

    product_id: str
    score: float
    together: int
    lift: float
    fit: Fit | None = None

    def told(self) -> str:
        """For people: "bought together 14 times, 6.2 times as often as by chance"."""
        if self.fit is not None:
            return self.fit.told()
        return f"bought together {self.together:,} times, {self.lift:.1f} times as often as by chance"


class Complements:
    """What was bought together: `learn`, `save`, `load`, `of`.

    Args:
        baskets: How many baskets were counted.
        counts: In how many of them each product was.
        pairs: In how many two products were together, by product and partner, both ways.
    """

    def __init__(self, baskets: int, counts: Mapping[str, int], pairs: Mapping[str, Mapping[str, int]]) -> None:
        self.baskets = baskets
        self.counts = counts
        self.pairs = pairs

    @classmethod
    def learn(cls, baskets: Iterable[Collection[str]]) -> Self:
        """Count baskets (orders, or sessions) of product ids in one pass; a product counts once in each."""
        total = 0
        counts: Counter[str] = Counter()
        pairs: Counter[tuple[str, str]] = Counter()
        for basket in baskets:
            items = sorted(dict.fromkeys(list(dict.fromkeys(basket))[:MAX_BASKET]))
            total += 1
            counts.update(items)
            pairs.update(combinations(items, 2))
            if len(pairs) > MAX_PAIRS:
                pairs = _without_rare(pairs)
        return cls(total, counts, _partners(pairs, counts))

    def of(self, product_id: str, k: int = 10, shrink: float = SHRINK, discount: float = DISCOUNT) -> list[Complement]:
        """The products that go best with one, ties by id.

        The score is ``(together + shrink * share) / (count + shrink) / share ** discount`` with the partner's ``share``
        of all baskets: the share of this product's baskets that have it too, drawn towards what chance would give
        while there are few, and divided by a part of its popularity.

        Args:
            product_id: A product; nothing goes with one that was never bought.
            k: How many at most.
            shrink: As if chance alone had filled so many baskets more.
            discount: From 0 to 1.

        Raises:
            InputError: ``shrink`` or ``discount`` is out of range.
        """
        if shrink < 0 or not 0 <= discount <= 1:
            raise InputError(f"shrink {shrink!r}, discount {discount!r}", allowed="shrink 0 or more, discount 0 to 1")
        own = self.counts.get(product_id, 0)
        found = []
        for other, together in self.pairs.get(product_id, {}).items():
            share = self.counts[other] / self.baskets
            score = (together + shrink * share) / (own + shrink) / share**discount
            found.append(Complement(other, score, together, together / (own * share)))
        return sorted(found, key=lambda partner: (-partner.score, partner.product_id))[:k]

    def save(self, path: Path) -> None:
        """Write everything as one JSON file, complete or not at all."""
        data = {"format": FORMAT, "baskets": self.baskets, "counts": dict(self.counts), "pairs": dict(self.pairs)}
        write_text(path, json.dumps(data, ensure_ascii=False, separators=(",", ":")) + "\n")

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what ``save`` wrote.

        Raises:
            ArtifactError: The file is missing, damaged or of another format.
        """
        try:
            data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
            if data["format"] != FORMAT:
                raise ValueError("another format")
            counts, pairs = _numbers(data["counts"]), {one: _numbers(of) for one, of in data["pairs"].items()}
            if data["baskets"] < max(counts.values(), default=0) or not set(pairs).union(*pairs.values()) <= set(
                counts
            ):
                raise ValueError("counts that do not fit together")
            return cls(data["baskets"], counts, pairs)
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise ArtifactError(
                f"cannot read {str(path)!r}: {error}", allowed=f"complements of format {FORMAT}", fix="learn them again"
            ) from None


def _numbers(counts: Mapping[str, int]) -> dict[str, int]:
    """Counts as they were read.

    Raises:
        ValueError: One is none.
    """
    if not all(type(count) is int and count > 0 for count in counts.values()):
        raise ValueError("a count that is no whole number above 0")
    return dict(counts)


def for_device(product: Product, compatibility: Compatibility, k: int = 10) -> list[Complement]:
    """What fits a product that is a device, the surest first: a printer's cartridges.

    The device is the first in the title that is known ("HP LaserJet 1010"), a number by its series and not by its brand
    alone. For a product that says what it is for itself, or has a word for accessories in its title, nothing is found.
    """
    if compatibility.states(product.id) or words_of(product.title) & compatibility.tables.accessories:
        return []
    brand = fold(product.brand)
    for mention in mentions(product.title):
        device = compatibility.device(mention.code, [word for word in mention.words if word != brand])
        fits = [fit for fit in compatibility.fitting(device) if fit.product_id != product.id] if device else []
        if fits:
            return [Complement(fit.product_id, fit.certainty, 0, 1.0, fit) for fit in fits[:k]]
    return []


def _without_rare(pairs: Counter[tuple[str, str]]) -> Counter[tuple[str, str]]:
    """The pairs without the rarest, so that room is left for new ones."""
    floor = 1
    while len(pairs) > MAX_PAIRS * 3 // 4:
        pairs = Counter({pair: count for pair, count in pairs.items() if count > floor})
        floor += 1
    return pairs


def _partners(pairs: Mapping[tuple[str, str], int], counts: Mapping[str, int]) -> dict[str, dict[str, int]]:
    """Of each product its ``MAX_PARTNERS`` best partners, both by count and by count without half their popularity."""
    both: dict[str, list[tuple[str, int]]] = {}
    for (one, other), together in pairs.items():
        if together >= MIN_TOGETHER:
            both.setdefault(one, []).append((other, together))
            both.setdefault(other, []).append((one, together))
    kept = {}
    for product_id, partners in both.items():
        often = sorted(partners, key=lambda p: (-p[1], p[0]))[:MAX_PARTNERS]
        rarely = sorted(partners, key=lambda p: (-p[1] / math.sqrt(counts[p[0]]), p[0]))[:MAX_PARTNERS]
        kept[product_id] = dict(sorted({*often, *rarely}))
    return kept
