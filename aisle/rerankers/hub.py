"""Any Hugging Face cross-encoder, run by sentence-transformers and PyTorch. Needs aisle[train].

Only the model that is named is downloaded, and only if it is not a folder.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from aisle.errors import ArtifactError, OptionalDependencyError, first_line
from aisle.rerankers.cosine import product_text
from aisle.types import Array, Product

MAX_TOKENS = 256
"""Of a query and a product together: titles and the beginning of descriptions."""


class CrossEncoderReranker:
    """A cross-encoder by folder or by hub name, on a GPU when PyTorch finds one. It reads title and description.

    Args:
        name: A folder, or a name such as ``BAAI/bge-reranker-base``.

    Raises:
        ArtifactError: There is no such model, it cannot be loaded, or it gives more than one score a pair.
        OptionalDependencyError: sentence-transformers is not installed.
    """

    def __init__(self, name: str) -> None:
        try:
            from sentence_transformers import CrossEncoder
        except ImportError:
            raise OptionalDependencyError("sentence-transformers", "train", f"the re-ranker {name!r}") from None
        try:
            self._model = CrossEncoder(name)
        except Exception as error:  # a missing file, an unknown name, no network: each library has its own error
            raise ArtifactError(
                f"cannot load the re-ranker {name!r}: {first_line(error)}",
                allowed="'embedded', a folder that aisle train wrote, or a cross-encoder by folder or by hub name",
                fix="check the name; a name needs network access the first time",
            ) from None
        if self._model.num_labels != 1:
            raise ArtifactError(
                f"the re-ranker {name!r} gives {self._model.num_labels} scores a pair",
                allowed="a cross-encoder with one",
                fix="choose another model",
            )
        self._model.max_seq_length = min(self._model.max_seq_length or MAX_TOKENS, MAX_TOKENS)

    def score(self, query: str, products: Sequence[Product]) -> Array:
        """Score products into ``(n,)`` float32; higher is better."""
        if not products:
            return np.empty(0, np.float32)
        pairs = [(query, product_text(query, product, True)) for product in products]
        return np.asarray(self._model.predict(pairs, show_progress_bar=False, convert_to_numpy=True), np.float32)
