"""What a distillation is made of: the texts of a shop, real queries, and judgments divided by query. No model."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from aisle.catalogue.clean import clean
from aisle.config import CatalogueSettings
from aisle.errors import JudgmentError
from aisle.judgments.pairs import PairSet
from aisle.judgments.split import query_key
from aisle.training.distil.queries import HeldOut
from aisle.training.distil.recipe import DistilRecipe
from aisle.training.relevance.data import fingerprint, shares
from aisle.types import Product


@dataclass(frozen=True, slots=True)
class Material:
    """Everything that is learnt from, and what it is judged by.

    Attributes:
        products: Of the shop; what reads alike counts once.
        queries: Real ones, without their answers.
        source: The name of the file they are from.
        pairs: Pairs of a file whose texts stand beside their query; grades are not read here.
        judged: Judgments to learn from, for the loss over labels and for the student that learns from labels alone.
        held: Judgments that only the gate sees.
        forbidden: Further queries that nothing may be learnt from.
        data: The hash of all judgments, by which a teacher that learnt from the same ones is known.
        asked: How many queries are judged in all.
        divided: Seed and share of the division, where no list of queries made it.
    """

    products: Sequence[Product]
    queries: Sequence[str] = ()
    source: str = ""
    pairs: PairSet | None = None
    judged: PairSet | None = None
    held: PairSet | None = None
    forbidden: Sequence[str] = ()
    data: str = ""
    asked: int = 0
    divided: tuple[int, float] | None = None

    @property
    def held_out(self) -> HeldOut:
        """The queries that must not come up in what is learnt from."""
        return HeldOut([*self.forbidden, *(pair.query for pair in self.held or ())])


def catalogue_products(path: Path) -> list[Product]:
    """The products of a catalogue file, cleaned as `aisle index` does.

    Raises:
        CatalogueError: It cannot be read.
    """
    with clean(path, CatalogueSettings()) as cleaned:
        return list(cleaned)


def pair_products(pairs: Iterable[PairSet]) -> list[Product]:
    """The texts of pairs as products, each title and description once."""
    found: dict[tuple[str, str], Product] = {}
    for pair in (pair for one in pairs for pair in one):
        found.setdefault((pair.title, pair.description), Product(pair.doc_id, pair.title, pair.description))
    return list(found.values())


def distinct(products: Iterable[Product], description: bool) -> tuple[list[Product], list[str]]:
    """The first product of each text that a student reads, and those texts."""
    found: dict[str, Product] = {}
    for product in products:
        found.setdefault(product_words(product, description), product)
    return list(found.values()), list(found)


def product_words(product: Product, description: bool) -> str:
    """What a student reads of a product, as of a pair."""
    from aisle.rerankers.cosine import product_text

    return product_text("", product, description)


def divide(pairs: PairSet, forbidden: Sequence[str], held_out: float, seed: int) -> tuple[PairSet, PairSet]:
    """Judgments to learn from, and those that only the gate sees.

    Args:
        pairs: With grades.
        forbidden: Where there are any, the gate has the judgments of these queries, and learning has the others.
        held_out: Else so large a share of the queries, the same one that `aisle train` holds out of 400 or more.
        seed: Of the share.

    Raises:
        JudgmentError: Too few queries, or none of the forbidden ones is judged.
    """
    if not forbidden:
        found = shares(pairs, 0.0, held_out, seed)
        return found.train, found.held_out
    keys = {query_key(query) for query in forbidden}
    known = {query: query_key(query) in keys for query in {pair.query for pair in pairs}}
    rows = [row for row, pair in enumerate(pairs) if known[pair.query]]
    if not rows:
        raise JudgmentError(
            "none of the held-out queries is judged",
            allowed="queries of the judgments, for the gate to judge by",
            fix="see that the file holds queries as the judgments write them",
        )
    return pairs.subset([row for row, pair in enumerate(pairs) if not known[pair.query]]), pairs.subset(rows)


def fingerprint_of(material: Material) -> str:
    """A hash of all that is learnt from."""
    from hashlib import sha256

    digest = sha256(fingerprint([part for part in (material.pairs, material.judged, material.held) if part]).encode())
    for product in material.products:
        digest.update(repr((product.id, product.title, product.description)).encode("utf-8", "surrogatepass"))
    digest.update(repr((list(material.queries), list(material.forbidden))).encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def material_of(
    products: Sequence[Product],
    pairs: PairSet | None,
    recipe: DistilRecipe,
    *,
    queries: Sequence[str] = (),
    source: str = "",
    forbidden: Sequence[str] = (),
) -> Material:
    """Divide what there is: pairs whose rows are graded are judgments, part of them for the gate alone.

    Args:
        products: Of the shop.
        pairs: Of it, graded or not; ungraded ones tell only which texts stand beside a query.
        recipe: Says how large a share of the queries is held out.
        queries: Real ones beside those of the pairs.
        source: The name of their file.
        forbidden: Queries that nothing may be learnt from; where pairs are graded, the gate judges by these.

    Raises:
        JudgmentError: As ``divide``.
    """
    graded = pairs.subset([row for row, pair in enumerate(pairs) if pair.grade is not None]) if pairs else None
    if pairs is None or not graded:
        return Material(products, queries, source, pairs, forbidden=forbidden)
    judged, held = divide(graded, forbidden, recipe.held_out, recipe.seed)
    return Material(
        products,
        queries,
        source,
        pairs,
        judged,
        held,
        forbidden,
        fingerprint([graded]),
        len(graded.by_query()),
        None if forbidden else (recipe.seed, recipe.held_out),
    )
