"""The nouns of Aisle and the protocols between its parts.

Everything here is a frozen value or a protocol. Nothing here reads files, computes scores or knows a back end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from aisle.words import CatalogueWords, Expansion

if TYPE_CHECKING:
    import pyarrow as pa

Array = NDArray[np.float32]
Mode = Literal["bm25", "dense", "hybrid"]
MODES: tuple[Mode, ...] = ("bm25", "dense", "hybrid")
AttributeValue = str | float | bool | tuple[str, ...]
Progress = Callable[[str, int, int | None], None]
"""``progress(stage, done, total)``; total is None while unknown."""


# --- catalogue -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Offer:
    """One seller's or one variant's price and stock for a product."""

    id: str
    price: float | None = None
    currency: str | None = None
    stock: int | None = None
    available: bool | None = None
    attributes: Mapping[str, AttributeValue] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Product:
    """One product of a catalogue, after cleaning.

    ``price`` is in major units (49.95, not 4995); ``currency`` is an ISO 4217 code, or None when the catalogue
    does not say. ``rating`` is on the catalogue's own scale. ``category`` is a path, root first. ``family`` names
    the group of variants and near-duplicates a product belongs to; a product alone is its own family.
    ``identifiers`` are GTINs, SKUs and model numbers as the catalogue writes them.
    """

    id: str
    title: str
    description: str = ""
    brand: str = ""
    category: tuple[str, ...] = ()
    attributes: Mapping[str, AttributeValue] = field(default_factory=dict)
    price: float | None = None
    currency: str | None = None
    rating: float | None = None
    rating_count: int | None = None
    available: bool | None = None
    stock: int | None = None
    images: tuple[str, ...] = ()
    identifiers: tuple[str, ...] = ()
    family: str = ""
    offers: tuple[Offer, ...] = ()


# --- filters and requests --------------------------------------------------------------------------------

Comparison = Literal["=", "!=", "<", "<=", ">", ">="]
Scalar = str | float | bool


@dataclass(frozen=True, slots=True)
class Compare:
    """``field op value``. A product without the field matches no comparison, not even ``!=``."""

    field: str
    op: Comparison
    value: Scalar


@dataclass(frozen=True, slots=True)
class In:
    """``field IN (a, b, ...)``."""

    field: str
    values: tuple[Scalar, ...]


@dataclass(frozen=True, slots=True)
class Under:
    """``category UNDER 'a > b'``: the category path begins with ``path``."""

    path: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Exists:
    """``EXISTS field``: the product has a value for the field."""

    field: str


@dataclass(frozen=True, slots=True)
class Not:
    """``NOT expression``: every product that the expression does not match, fields missing included."""

    part: Filter


@dataclass(frozen=True, slots=True)
class And:
    """All parts match. Without parts it matches every product."""

    parts: tuple[Filter, ...]


@dataclass(frozen=True, slots=True)
class Or:
    """Any part matches. Without parts it matches no product."""

    parts: tuple[Filter, ...]


Filter = Compare | In | Under | Exists | Not | And | Or


@dataclass(frozen=True, slots=True)
class Sort:
    """Order by a field; products without the field come last in either direction, ties go by id."""

    field: str
    descending: bool = False


@dataclass(frozen=True, slots=True)
class Shopper:
    """What is known of the shopper; stages that do not use it ignore it.

    ``viewed``: ids of products viewed lately, latest first; ``price_band``: lowest and highest price usually looked at.
    """

    id: str | None = None
    locale: str | None = None
    currency: str | None = None
    segments: tuple[str, ...] = ()
    viewed: tuple[str, ...] = ()
    price_band: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class SearchRequest:
    """One search, the same for the command line, the service and batch runs.

    An empty or blank ``text`` browses: every product that passes the filter, by ``sort`` or by id. ``k`` and
    ``offset`` count products. ``deadline_ms`` is a budget in milliseconds: stages that can be left out (dense
    retrieval beside BM25, re-ranking) are left out once it is spent, and the ranking says so; ``waited_ms`` of it were
    over before the search began. The engine adds ``expansions``: other names that BM25 searches for too.
    """

    text: str
    filter: Filter | None = None
    sort: tuple[Sort, ...] = ()
    offset: int = 0
    k: int = 10
    mode: Mode = "hybrid"
    deadline_ms: float | None = None
    waited_ms: float = 0.0
    shopper: Shopper = Shopper()
    expansions: tuple[Expansion, ...] = ()


# --- results ---------------------------------------------------------------------------------------------

Stage = str  # "identifier", "bm25", "dense:text", "browse", "rerank", ...


class Part(NamedTuple):
    """What one stage contributed to a hit. A tuple, since a search makes thousands of them.

    ``score`` is the stage's own, ``rank`` the place (from 1) that it gave, ``contribution`` what the final score got.
    """

    score: float
    rank: int | None
    contribution: float


@dataclass(frozen=True, slots=True)
class Hit:
    """A product in a ranking, with the evidence for its place. ``rank`` counts from 1 over the whole ranking."""

    rank: int
    product: Product
    score: float
    parts: Mapping[Stage, Part]

    @property
    def product_id(self) -> str:
        """The product's id."""
        return self.product.id


@dataclass(frozen=True, slots=True)
class Ranking:
    """The answer to a request.

    ``total`` is how many products were candidates (for a browse: how many pass the filter), ``ids`` all of them, best
    first (of a browse: none), ``cut`` how many more were left out as too unlikely. ``degraded`` names what was left out
    and why, ``timings_ms`` the time of each stage. ``rewrites`` says what was corrected, searched under other names too
    ("手机 also as cell phone"), read as a demand and given up; ``unmet`` which likely demands nothing meets down to the
    end of the page. ``reranked`` are those a re-ranker read, ``redirect`` is a rule's, ``refused`` why nothing is here.
    """

    request: SearchRequest
    hits: tuple[Hit, ...]
    total: int
    degraded: tuple[str, ...] = ()
    timings_ms: Mapping[str, float] = field(default_factory=dict)
    rewrites: tuple[str, ...] = ()
    cut: int = 0
    redirect: str | None = None
    refused: str | None = None
    ids: tuple[str, ...] = ()
    unmet: str | None = None
    reranked: tuple[str, ...] = ()

    @property
    def no_good_result(self) -> bool:
        """Whether there were candidates and none is likely enough to be relevant."""
        return self.cut > 0 and not self.total


@dataclass(frozen=True, slots=True)
class Candidates:
    """What was found: stage to ``(product id, raw score)``, best first, ties by id; ``total`` pass the filter."""

    lists: Mapping[Stage, Sequence[tuple[str, float]]]
    total: int


@dataclass(frozen=True, slots=True)
class FacetValue:
    """One value of a facet and how many products carry it."""

    value: str
    count: int


@dataclass(frozen=True, slots=True)
class Facets:
    """Counts by field, most frequent first, ties by value; a ``category`` path "a > b" counts its whole subtree."""

    fields: Mapping[str, tuple[FacetValue, ...]]


# --- judgments -------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Judgment:
    """A human (or other) grade of a product for a query; 0 means not relevant."""

    query_id: str
    query: str
    product_id: str
    grade: float


@dataclass(frozen=True, slots=True)
class Pair:
    """A query and a product text with a label, for training without a catalogue."""

    query: str
    text: str
    label: float


# --- protocols -------------------------------------------------------------------------------------------


@runtime_checkable
class Encoder(Protocol):
    """Text to unit vectors of length ``dim``."""

    @property
    def dim(self) -> int:
        """Length of a vector."""

    @property
    def fingerprint(self) -> str:
        """Changes whenever the same text could get another vector."""
        ...

    def encode(self, texts: Sequence[str], kind: Literal["query", "product"]) -> Array:
        """Encode texts into ``(n, dim)`` float32 with rows of length 1."""
        ...

    def count_tokens(self, text: str) -> int:
        """How many tokens the text takes of this encoder's input."""
        ...


@runtime_checkable
class Reranker(Protocol):
    """A second opinion on few products."""

    def score(self, query: str, products: Sequence[Product]) -> Array:
        """Score products into ``(n,)`` float32; higher is better."""
        ...


@dataclass(frozen=True, slots=True)
class Record:
    """A product as an index stores it: with the rendered text's hash and its named unit vectors, ``(dim,)`` each."""

    product: Product
    text_hash: str
    vectors: Mapping[str, Array]


class Index(Protocol):
    """Where products live; one contract suite tests every back end.

    A write is visible to the next read of the same object when the call returns, and durable from then on.
    """

    @property
    def words(self) -> CatalogueWords:
        """What the catalogue knows of words, for spelling."""
        ...

    def upsert(self, records: Sequence[Record]) -> None:
        """Insert products or replace those of the same id."""
        ...

    def delete(self, ids: Iterable[str]) -> int:
        """Delete products; unknown ids are ignored. Returns how many were deleted."""
        ...

    def search(self, request: SearchRequest, vectors: Mapping[str, Array], depth: int) -> Candidates:
        """Find up to ``depth`` candidates per stage.

        They are "bm25" (not in mode "dense") and "dense:NAME" for each named query vector ``(dim,)`` (not in
        mode "bm25"; the raw score is the cosine). All stages obey the filter exactly. For "bm25" the names in
        ``request.expansions`` count beside the text, by their weights.

        With blank text the only stage is "browse", ordered by ``request.sort``, then id; its scores count down.
        """
        ...

    def lookup(
        self, keys: Sequence[str], filter: Filter | None = None, limit: int = 20
    ) -> Mapping[str, tuple[str, ...]]:
        """Products with an identifier (id, own, in the title; as ``fold_identifier`` folds it): key to ids, sorted."""
        ...

    def get(self, ids: Sequence[str]) -> tuple[Product | None, ...]:
        """The stored products in the order asked for; None where there is none."""
        ...

    def stored(self, ids: Sequence[str]) -> Mapping[str, Record]:
        """What is stored under these ids, with text hash and vectors; unknown ids are absent."""
        ...

    def features(self, ids: Sequence[str], request: SearchRequest, vectors: Mapping[str, Array]) -> pa.Table:
        """One row per id, in order: "product_id", "bm25:FIELD" per text field, "dense:NAME" per vector (cosine).

        0 where a field does not match; null where the id is unknown.
        """
        ...

    def facets(
        self, fields: Sequence[str], filter: Filter | None = None, limit: int = 100, among: Sequence[str] | None = None
    ) -> Facets:
        """Count the values of fields over the products that pass the filter, with ``among`` those of these ids only.

        While a field is counted, what the filter's top-level AND asks of that field is left out (multi-select).
        """
        ...

    def count(self, filter: Filter | None = None) -> int:
        """How many products pass the filter."""
        ...

    def ids(self) -> Iterable[str]:
        """All product ids, in no particular order."""
        ...

    def optimize(self, *, wait: bool = True) -> None:
        """Fold recent writes into the search structures; reads go on meanwhile. ``wait=False`` returns at once."""
        ...

    def close(self) -> None:
        """Let go of files and background work."""
        ...
