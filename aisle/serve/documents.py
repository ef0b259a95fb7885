"""Texts that are no products, scored for a query: what `/v1/rerank` needs of a re-ranker."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from aisle.types import Array, Encoder, Product, Reranker


class EncoderReranker:
    """Cosines by an encoder that is loaded already, where no re-ranker is.

    Args:
        encoder: Of the index.
    """

    def __init__(self, encoder: Encoder) -> None:
        self.encoder = encoder

    def score(self, query: str, products: Sequence[Product]) -> Array:
        """Score products into ``(n,)`` float32 by their titles; higher is better."""
        if not products:
            return np.empty(0, np.float32)
        texts = self.encoder.encode([product.title for product in products], "product")
        return np.asarray(texts @ self.encoder.encode([query], "query")[0])


def score_documents(reranker: Reranker, query: str, texts: Sequence[str]) -> list[float]:
    """The relevance of each text, from 0 to 1: the re-ranker's score through the logistic function, so in its order."""
    documents = [Product(str(place), text) for place, text in enumerate(texts)]
    return [_logistic(float(score)) for score in reranker.score(query, documents)]


def _logistic(score: float) -> float:
    return 1 / (1 + math.exp(-score)) if score >= 0 else math.exp(score) / (1 + math.exp(score))
