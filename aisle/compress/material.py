"""What a shop gives to compress a model by: its texts, its queries, and pairs of both, graded or not. No model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from aisle.catalogue.clean import clean
from aisle.config import CatalogueSettings
from aisle.errors import JudgmentError
from aisle.indexes.segment import query_tokens
from aisle.judgments.pairs import PairSet, TextPair, pair_text, read_pairs
from aisle.training.distil.queries import HeldOut, made_queries
from aisle.training.relevance.catalogue import judged_products

MADE, BESIDE = 200, 19
"""Queries made of titles where a catalogue comes alone, and other products compared with each one's own."""


@dataclass(frozen=True, slots=True)
class Material:
    """Texts and pairs of one shop.

    Attributes:
        texts: Each distinct product text once.
        queries: Each distinct query once.
        pairs: Of query and product; without grades where nobody judged them. Agreement and quality are theirs.
        learnt: Query and product text of every pair that may be learnt from, distinct.
        description: Whether texts have descriptions in them.
    """

    texts: tuple[str, ...]
    queries: tuple[str, ...]
    pairs: PairSet
    learnt: tuple[tuple[str, str], ...]
    description: bool

    def pair_texts(self) -> list[tuple[str, str]]:
        """Query and product text of each pair."""
        return [(pair.query, pair_text(pair, self.description)) for pair in self.pairs]

    def sample(self, count: int, seed: int = 0) -> list[int]:
        """Rows of so many pairs, drawn evenly."""
        rows = np.random.default_rng(seed).permutation(len(self.pairs))[:count]
        return sorted(int(row) for row in rows)


def from_pairs(pairs: Sequence[PairSet], description: bool) -> Material:
    """The material in sets of pairs; agreement and quality are measured on the first."""
    texts = dict.fromkeys(pair_text(pair, description) for found in pairs for pair in found)
    queries = dict.fromkeys(pair.query for found in pairs for pair in found)
    learnt = dict.fromkeys((pair.query, pair_text(pair, description)) for found in pairs for pair in found)
    return Material(tuple(texts), tuple(queries), pairs[0], tuple(learnt), description)


def read_material(
    files: Sequence[Path],
    catalogue: Path | None,
    judgments: Path | None,
    columns: Mapping[str, str],
    description: bool,
) -> Material:
    """Read pairs files, or a catalogue with or without judgments.

    Of a catalogue alone queries are made from words that follow each other in titles, each with the product it is from
    and others beside it, ungraded.

    Args:
        files: Pairs; the first is the shop's.
        catalogue: Its products are further texts.
        judgments: Of the catalogue's products.
        columns: Meaning to column of the pairs files.
        description: Whether descriptions are read.

    Raises:
        JudgmentError, CatalogueError: A file cannot be read.
    """
    sets = [read_pairs(path, columns) for path in files]
    texts: dict[str, None] = {}
    if catalogue is not None:
        with clean(catalogue, CatalogueSettings()) as cleaned:
            products = list(cleaned)
        for product in products:
            pair = TextPair("", "", product.id, product.title, product.description)
            texts[pair_text(pair, description)] = None
        if judgments is not None:
            sets.insert(0, judged_products(catalogue, judgments, description))
        elif not sets:
            chance = np.random.default_rng(0)
            asked = made_queries(products, MADE, 0.0, 0, words=query_tokens, held=HeldOut(), like=())
            own = {product.id: product for product in products}
            items = []
            for number, query in enumerate(asked):
                others = [products[place] for place in chance.integers(0, len(products), BESIDE)]
                shown = {product.id: product for product in (own[query.source], *others)}
                items += [
                    TextPair(str(number), query.text, product.id, product.title, product.description)
                    for product in shown.values()
                ]
            sets.append(PairSet(tuple(items), None, str(catalogue)))
    elif judgments is not None:
        raise JudgmentError("judgments without their products", fix="name --catalogue too")
    if not sets:
        raise JudgmentError("no texts of the shop", fix="name --pairs FILE or --catalogue FILE")
    found = from_pairs(sets, description)
    return replace(found, texts=tuple(texts | dict.fromkeys(found.texts)))


EMPTY = Material((), (), PairSet((), None, ""), (), False)


def read_texts(path: Path) -> list[str]:
    """The lines of a file, such as a log of queries; empty ones left out.

    Raises:
        JudgmentError: It cannot be read, or has none.
    """
    try:
        lines = [line.strip() for line in path.read_text(encoding="utf-8-sig").splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        raise JudgmentError(f"cannot read {str(path)!r}: {error}", allowed="texts in UTF-8, one a line") from None
    found = [line for line in lines if line]
    if not found:
        raise JudgmentError(f"{str(path)!r} has no texts", allowed="texts in UTF-8, one a line")
    return found
