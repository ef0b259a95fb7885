"""Boosted trees over the words of a query and a text: what a text's grade is expected to be by its words alone.

Scores one pair like any other, whatever stands beside it; ``aisle.training.relevance.word_trees`` knows how trees were
grown. LightGBM's own text is what is kept; no pickle.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from aisle.errors import ArtifactError
from aisle.ranking.word_statistics import WordStatistics
from aisle.rerankers.pair_words import NAMES, Doubles, word_features

FILE = "trees.txt"


@dataclass(frozen=True)
class WordTrees:
    """``model`` is LightGBM's text of trees that read the features of ``aisle.rerankers.pair_words``."""

    model: str

    def score(self, query: str, texts: Sequence[str], words: WordStatistics) -> Doubles:
        """The grade that each text is expected to have, ``(n,)`` float64, 0 the lowest and 1 the highest there is."""
        return self.predict(word_features(query, texts, words))

    def predict(self, features: Doubles) -> Doubles:
        """The same of features, ``(n, len(NAMES))``."""
        if not len(features):
            return np.empty(0)
        return np.asarray(self._booster.predict(features, num_threads=1), np.float64)

    @cached_property
    def _booster(self) -> Any:
        import lightgbm

        return lightgbm.Booster(model_str=self.model)

    def save(self, folder: Path) -> None:
        """Write the file of a folder: equal trees give equal bytes."""
        (folder / FILE).write_text(self.model, encoding="utf-8")

    @classmethod
    def load(cls, folder: Path) -> WordTrees:
        """Read what ``save`` wrote.

        Raises:
            ArtifactError: The file is missing or damaged, or of trees that read something else.
        """
        import lightgbm

        try:
            found = cls((folder / FILE).read_text(encoding="utf-8"))
            names = tuple(found._booster.feature_name())
        except (OSError, ValueError, lightgbm.basic.LightGBMError) as error:
            raise ArtifactError(
                f"cannot read {str(folder / FILE)!r}: {type(error).__name__} {error}", fix="train it again"
            ) from None
        if names != feature_names():
            raise ArtifactError(f"the trees of {str(folder / FILE)!r} read other features", fix="train it again")
        return found


def feature_names() -> tuple[str, ...]:
    """The features' names as LightGBM takes them."""
    return tuple(name.replace(":", "_") for name in NAMES)
