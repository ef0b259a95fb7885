"""Grows trees over the words of judged pairs, in seconds on one core. Knows pairs and features; no PyTorch.

Each pair is a row with its level, not a place in a query's list: so a query of which one text is judged teaches as
much as any other, and trees that learnt from one shop carry over to another (docs/training.md).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from aisle.judgments.pairs import PairSet
from aisle.ranking.word_statistics import WordStatistics
from aisle.rerankers.pair_words import Doubles, of_pairs
from aisle.rerankers.word_trees import WordTrees, feature_names
from aisle.training.relevance.data import top_level

ROUNDS, LEAVES, RATE = 150, 31, 0.05
LEAST = 50
"""Rows of a leaf."""


class WordTeacher:
    """Grows trees for one shop; the features of further judgments are counted once.

    Args:
        more: Further judgments, without the queries of the shop; of all pairs the titles are read.
        words: How rare words are in the shop.
        seed: Of what each tree sees.
    """

    def __init__(self, more: Sequence[PairSet], words: WordStatistics, seed: int) -> None:
        self._words, self._seed = words, seed
        self._more = [self._table(pairs) for pairs in more if len(pairs)]

    def grow(self, pairs: PairSet) -> WordTrees:
        """Learn, by query and title, levels as shares of each set's highest one (least squares).

        Every row counts alike but for its own weight. Rows without a grade or of weight 0 are left out.
        """
        import lightgbm

        parts = [self._table(pairs), *self._more]
        features, levels, weights = (np.concatenate([part[at] for part in parts]) for at in range(3))
        data = lightgbm.Dataset(features, levels, weight=weights, feature_name=list(feature_names()))
        settings = {
            "objective": "regression",
            "learning_rate": RATE,
            "num_leaves": LEAVES,
            "min_data_in_leaf": LEAST,
            "lambda_l2": 5.0,
            "feature_fraction": 0.6,
            "bagging_fraction": 0.7,
            "bagging_freq": 1,
            "seed": self._seed,
            "num_threads": 1,
            "deterministic": True,
            "force_row_wise": True,
            "verbosity": -1,
        }
        return WordTrees(lightgbm.train(settings, data, ROUNDS).model_to_string())

    def _table(self, pairs: PairSet) -> tuple[Doubles, Doubles, Doubles]:
        """Features ``(n, k)``, levels from 0 to 1 and weights, ``(n,)`` each, of the rows that count."""
        levels, weights = pairs.levels() / top_level(pairs), pairs.weights()
        kept = [row for row in range(len(pairs)) if np.isfinite(levels[row]) and weights[row] > 0]
        some = [pairs[row] for row in kept]
        features = of_pairs([pair.query for pair in some], [pair.title for pair in some], self._words)
        return features, levels[kept], weights[kept]
