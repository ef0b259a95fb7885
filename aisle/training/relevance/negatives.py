"""Hard negatives: products that an index ranks high for a query and that nobody judged.

Knows who searches and who encodes only as functions; no index, no model that is trained, no PyTorch.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from aisle.encoders.cosines import Encode, cosines
from aisle.errors import JudgmentError
from aisle.judgments.pairs import PairSet, TextPair, pair_text
from aisle.training.relevance.recipe import TrainingRecipe
from aisle.types import Product

Search = Callable[[str], Sequence[Product]]
"""The products that rank highest for a query, best first."""


@dataclass(frozen=True, slots=True)
class Mined:
    """What was found.

    Attributes:
        pairs: The negatives, graded as low as the shop's scale goes.
        queries: Queries that have some.
        near: Products that were left out because they may be what is asked for.
    """

    pairs: PairSet
    queries: int
    near: int

    def told(self) -> str:
        """In a line."""
        found = f"{len(self.pairs):,} hard negatives for {self.queries:,} queries"
        return f"{found}; {self.near:,} products left out as too near to a judged one that is wanted"


def mine(pairs: PairSet, search: Search, encode: Encode, recipe: TrainingRecipe, source: str) -> Mined:
    """Look for products that rank high and that nobody judged.

    What is judged for the query is never among them, whatever its grade: a substitute is no negative. Nor is a product
    whose cosine with the query is above ``negatives.margin`` of the mean cosine of the query's positives, which is
    likely what was asked for (the positive-aware filter of NV-Retriever: Moreira et al. 2024). A query without a
    positive has none to compare with, and gets no negatives.

    Args:
        pairs: Of the shop, with grades.
        search: Of the index.
        encode: Of the encoder whose cosines are compared.
        recipe: How many, how near, what a positive is, and whether descriptions are read.
        source: What the negatives are named by.

    Raises:
        JudgmentError: Nothing was found.
    """
    assert pairs.scale is not None, "pairs were read with their grades"
    settings, levels = recipe.negatives, pairs.levels()
    least = recipe.fit.positive * (pairs.scale.high - pairs.scale.low)
    lists: list[tuple[list[TextPair], list[TextPair]]] = []
    for query_id, rows in pairs.by_query().items():
        wanted = [pairs[row] for row in rows if levels[row] >= max(least, 1e-9)]
        if wanted:
            query = pairs[rows[0]].query
            fresh = _unjudged(search(query), [pairs[row] for row in rows], not pairs.numbered)
            offered = [TextPair(query_id, query, one.id, one.title, one.description, pairs.scale.low) for one in fresh]
            lists.append((wanted, offered))
    every = [pair for wanted, offered in lists for pair in (*wanted, *offered)]
    texts = [pair_text(pair, recipe.description) for pair in every]
    near_to = cosines(encode, [pair.query for pair in every], texts)
    found: list[TextPair] = []
    near = start = 0
    for wanted, offered in lists:
        middle, end = start + len(wanted), start + len(wanted) + len(offered)
        most = settings.margin * float(near_to[start:middle].mean())
        kept = [pair for pair, cosine in zip(offered, near_to[middle:end], strict=True) if cosine <= most]
        near += len(offered) - len(kept)
        found += kept[: settings.per_query]
        start = end
    if not found:
        raise JudgmentError(
            f"{source} has no product that is no judged one and not too near to one ({near} were too near)",
            fix="search deeper (--set negatives.depth=100), allow nearer ones (negatives.margin), or leave --index out",
        )
    mined = PairSet(tuple(found), pairs.scale, source)
    return Mined(mined, len(mined.by_query()), near)


def with_negatives(pairs: PairSet, negatives: PairSet | None) -> PairSet:
    """The pairs, and behind them the negatives of their queries."""
    if negatives is None:
        return pairs
    ids = {pair.query: pair.query_id for pair in pairs}
    added = [replace(pair, query_id=ids[pair.query]) for pair in negatives if pair.query in ids]
    return replace(pairs, items=(*pairs.items, *added))


def _unjudged(products: Sequence[Product], judged: Sequence[TextPair], by_id: bool) -> list[Product]:
    """Those that are, by id or by title, none of the judged ones, each title once, in the order given."""
    titles = {_folded(pair.title) for pair in judged}
    ids = {pair.doc_id for pair in judged} if by_id else set()
    found = []
    for product in products:
        title = _folded(product.title)
        if product.id not in ids and title not in titles:
            titles.add(title)
            found.append(product)
    return found


def _folded(title: str) -> str:
    return " ".join(title.casefold().split())
