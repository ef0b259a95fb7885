"""Aisle: product search that understands what shoppers mean.

>>> from aisle import Product, SearchEngine, SearchRequest
>>> engine = SearchEngine.build([Product("1", "Running shoes")], "shop")    # doctest: +SKIP
>>> engine.search(SearchRequest("trainers")).hits[0].product.title          # doctest: +SKIP
'Running shoes'
"""

from aisle.config import Recipe
from aisle.engine import SearchEngine
from aisle.errors import AisleError
from aisle.filters import parse_filter, parse_sort
from aisle.metrics import Metric
from aisle.types import Encoder, Hit, Index, Judgment, Product, Ranking, Reranker, SearchRequest

__all__ = [
    "Product",
    "SearchEngine",
    "SearchRequest",
    "Ranking",
    "Hit",
    "Recipe",
    "Judgment",
    "Metric",
    "parse_filter",
    "parse_sort",
    "Encoder",
    "Reranker",
    "Index",
    "AisleError",
]
