"""Aisle: product search that understands what shoppers mean.

`SearchEngine.build`, `open`, `search` and `save` are the few verbs; README.md has an example that runs.
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
