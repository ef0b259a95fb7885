"""An estimate of which words carry a cosine, cheap enough to stand beside every hit: no text is encoded again.

A text's vector is roughly a mean of what its words say. Adding a little of a word's own vector ``w`` to the text's
``t`` changes its cosine with the query ``q`` by ``w q - (w t)(t q)`` to first order; that is the estimate. How far it
agrees with taking words out is measured in docs/explanations.md.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from threading import Lock

import numpy as np

from aisle.explain.cut import words_of
from aisle.explain.occlude import choose, ranked, spellings
from aisle.explain.reading import Fields
from aisle.explain.values import Words
from aisle.types import Array, Encoder

REMEMBERED = 50_000
"""Words' vectors kept: about 80 MB at 384 dimensions."""


class NearWords:
    """Estimates for one encoder; remembers the vectors of words, which recur from product to product.

    Args:
        encoder: The index's.
        size: Words remembered; the least recently used are forgotten first.
    """

    def __init__(self, encoder: Encoder, size: int = REMEMBERED) -> None:
        self.encoder = encoder
        self.size = size
        self._vectors: OrderedDict[str, Array] = OrderedDict()
        self._lock = Lock()

    def estimate(self, query: str, query_vector: Array, fields: Fields, text_vector: Array, most: int = 60) -> Words:
        """Estimate the words of one product.

        Args:
            query: As the engine reads it.
            query_vector: ``(dim,)``, of length 1.
            fields: What the encoder read of the product.
            text_vector: ``(dim,)``, the stored one.
            most: Words of the product to look at.

        Returns:
            Effects in no unit: only their order and relative size mean something.
        """
        cosine = float(text_vector @ query_vector)
        asked = {word.key: query[word.start : word.end] for word in words_of(query)}
        words = spellings(fields)
        tried = choose(words, asked, most)
        of_product = self._pull(tried, text_vector, query_vector, cosine)
        of_query = self._pull(list(asked), query_vector, text_vector, cosine)
        return Words(
            model="encoder",
            score=cosine,
            query=ranked({asked[key]: pull for key, pull in zip(asked, of_query, strict=True)}),
            product=ranked({words[key]: pull for key, pull in zip(tried, of_product, strict=True)}),
            unmeasured=len(words) - len(tried),
            estimated=True,
        )

    def _pull(self, keys: Sequence[str], own: Array, other: Array, cosine: float) -> list[float]:
        if not keys:
            return []
        vectors = self._of(keys)
        return [float(pull) for pull in vectors @ other - (vectors @ own) * cosine]

    def _of(self, keys: Sequence[str]) -> Array:
        with self._lock:
            known = {key: self._vectors[key] for key in keys if key in self._vectors}
            for key in known:
                self._vectors.move_to_end(key)
        fresh = [key for key in dict.fromkeys(keys) if key not in known]
        if fresh:
            known |= dict(zip(fresh, self.encoder.encode(fresh, "product"), strict=True))
            with self._lock:
                self._vectors |= {key: known[key] for key in fresh}
                while len(self._vectors) > self.size:
                    self._vectors.popitem(last=False)
        return np.stack([known[key] for key in keys])
