"""Made-up tables with a known answer, for the tests of learnt ranking."""

import numpy as np

from aisle.ranking.features import NAMES
from aisle.training.ranking.data import QueryTable


def tables(queries=40, candidates=40, seed=0, share_judged=0.6, **weights):
    """Grades 0 to 3 that follow the weighted features and noise; the fusion knows half of it.

    Unless weighted otherwise, a hidden quality shows in "fused" and in "wording".
    """
    generator = np.random.default_rng(seed)
    weights = weights or {"fused": 1.0, "wording": 1.0}
    found = []
    for number in range(queries):
        features = np.full((candidates, len(NAMES)), np.nan, np.float32)
        for name in ("fused", "cosine", "cosine:share", "wording", "neighbours", "length", "rating", "query:words"):
            features[:, NAMES.index(name)] = generator.normal(size=candidates)
        features[:, NAMES.index("identifier")] = 0.0
        features = features[np.argsort(-features[:, NAMES.index("fused")])]
        worth = sum(weight * features[:, NAMES.index(name)] for name, weight in weights.items())
        worth = worth + 0.3 * generator.normal(size=candidates)
        cuts = np.quantile(worth, [0.6, 0.8, 0.9])
        grades = np.searchsorted(cuts, worth).astype(float)
        grades[generator.random(candidates) > share_judged] = np.nan
        ids = tuple(f"p{number}-{place}" for place in range(candidates))
        judged = {name: float(grade) for name, grade in zip(ids, grades, strict=True) if np.isfinite(grade)}
        found.append(QueryTable(f"q{number}", f"query {WORDS[number % 26]}{number}", ids, features, grades, judged))
    return found


WORDS = "abcdefghijklmnopqrstuvwxyz"
