"""What a model reads of a product, field by field, so that words can be taken out and it can be asked again.

An encoder reads rendered text; a re-ranker reads products. Knows nothing of which words matter.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Protocol

import numpy as np

from aisle.catalogue.render import Renderer
from aisle.explain.values import Model
from aisle.filters.fields import CATEGORY_SEPARATOR
from aisle.types import Array, Encoder, Product, Reranker

Fields = Mapping[str, str]
"""Field to the text of it that the model reads, in order."""


class Reader(Protocol):
    """A model that scores a query and a product's fields."""

    @property
    def model(self) -> Model:
        """Whose scores these are."""
        ...

    def fields(self, product: Product) -> dict[str, str]:
        """What is read of a product."""
        ...

    def scores(self, pairs: Sequence[tuple[str, Fields]]) -> Array:
        """Scores of queries with fields, ``(n,)``; higher is better."""
        ...


class EncoderReader:
    """The cosine of the query's and the rendered product's vectors, as dense retrieval has it.

    Words are taken out of the rendered text: what the token budget cut off does not move up in their place.
    """

    model: Model = "encoder"

    def __init__(self, encoder: Encoder, renderer: Renderer) -> None:
        self.encoder = encoder
        self._renderer = renderer
        settings = renderer.settings
        self._shorter = [
            (field, Renderer(replace(settings, fields=settings.fields[: n + 1]), encoder.count_tokens))
            for n, field in enumerate(settings.fields)
        ]

    def fields(self, product: Product) -> dict[str, str]:
        """The rendered text in pieces, in order; one piece "text" where it does not fall apart by fields."""
        whole = self._renderer.text(product)
        found: dict[str, str] = {}
        before = ""
        for field, renderer in self._shorter:
            text = renderer.text(product)
            if not (text.startswith(before) and whole.startswith(text)):  # a field whose text depends on later ones
                return {"text": whole}
            found[field] = text[len(before) :].strip()
            before = text
        return {field: text for field, text in found.items() if text}

    def scores(self, pairs: Sequence[tuple[str, Fields]]) -> Array:
        """Cosines, ``(n,)``; each distinct text is encoded once."""
        texts = [" ".join(text for text in fields.values() if text) for _, fields in pairs]
        queries = _places(query for query, _ in pairs)
        products = _places(texts)
        left = self.encoder.encode(list(queries), "query")
        right = self.encoder.encode(list(products), "product")
        rows = [queries[query] for query, _ in pairs]
        return np.asarray(np.einsum("ij,ij->i", left[rows], right[[products[text] for text in texts]]), np.float32)


class RerankerReader:
    """A re-ranker's own score of the product with other fields.

    Args:
        reranker: Any.
        product: The product: what is no field here (attributes, price) stays as it is.
    """

    model: Model = "reranker"

    def __init__(self, reranker: Reranker, product: Product) -> None:
        self.reranker = reranker
        self._product = product

    def fields(self, product: Product) -> dict[str, str]:
        """Title, brand, category and description; a re-ranker may not read all of them."""
        category = CATEGORY_SEPARATOR.join(product.category)
        found = {"title": product.title, "brand": product.brand, "category": category}
        found["description"] = product.description
        return {field: text for field, text in found.items() if text}

    def scores(self, pairs: Sequence[tuple[str, Fields]]) -> Array:
        """Scores, ``(n,)``; one call of the re-ranker for each distinct query."""
        found = np.empty(len(pairs), np.float32)
        rows: dict[str, list[int]] = {}
        for row, (query, _) in enumerate(pairs):
            rows.setdefault(query, []).append(row)
        for query, own in rows.items():
            found[own] = self.reranker.score(query, [self._changed(pairs[row][1]) for row in own])
        return found

    def _changed(self, fields: Fields) -> Product:
        category = fields.get("category", "")
        return replace(
            self._product,
            title=fields.get("title", ""),
            brand=fields.get("brand", ""),
            category=tuple(category.split(CATEGORY_SEPARATOR)) if category else (),
            description=fields.get("description", ""),
        )


def _places(texts: Iterable[str]) -> dict[str, int]:
    return {text: place for place, text in enumerate(dict.fromkeys(texts))}
