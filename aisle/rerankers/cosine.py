"""An encoder as a re-ranker: the cosine of the query and each product's text."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from aisle.encoders.kept import KeptVectors
from aisle.encoders.onnx import OnnxEncoder
from aisle.judgments.pairs import TextPair, pair_text
from aisle.types import Array, Encoder, Product


class CosineReranker:
    """A folder of kind "encoder", for an index that was made with another one.

    Args:
        folder: Of the encoder. Its manifest says whether it was trained to read descriptions.

    Raises:
        ArtifactError: The folder is missing, incomplete or of another kind.
    """

    def __init__(self, folder: Path) -> None:
        encoder = OnnxEncoder(folder)
        self.description = encoder.reads_description
        self.encoder: Encoder = KeptVectors(encoder)

    def score(self, query: str, products: Sequence[Product]) -> Array:
        """Score products into ``(n,)`` float32, the cosine; higher is better."""
        if not products:
            return np.empty(0, np.float32)
        texts = [product_text(query, product, self.description) for product in products]
        return np.asarray(self.encoder.encode(texts, "product") @ self.encoder.encode([query], "query")[0])


def product_text(query: str, product: Product, description: bool) -> str:
    """What models that were trained on pairs read of a product."""
    return pair_text(TextPair("", query, product.id, product.title, product.description), description)
