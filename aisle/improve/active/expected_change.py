"""How much nDCG each grade is worth: what the best ranking of a query is expected to gain once that grade is known.

Expected loss optimisation at the level of documents (Long, Chapelle, Zhang, Chang, Zheng, Tseng 2010, "Active Learning
for Ranking through Expected Loss Optimization"): a text that stays at its place whatever its grade turns out to be is
worth nothing, however unsure its grade is. Knows chances of grades, no texts and no model.
"""

from __future__ import annotations

import numpy as np

from aisle.improve.hygiene.signals import Doubles, Integers

CUTOFF = 10
"""Places that count."""


def expected_change(chance: Doubles, group: Integers, cutoff: int = CUTOFF) -> Doubles:
    """``(n,)`` of each pair, 0 or more, in nDCG.

    A query is ranked by expected gains 2^level - 1, which is the best that can be done by these chances. With one
    grade known it is ranked anew; the mean over the grades that may come out, less what it is worth now, over the ideal
    of the expected gains.

    Args:
        chance: ``(n, levels)`` of its grades.
        group: ``(n,)`` the number of its query.
        cutoff: How many places count.
    """
    gains = np.exp2(np.arange(chance.shape[1])) - 1
    expected = chance @ gains
    found = np.zeros(len(chance))
    for query in np.unique(group):
        rows = np.flatnonzero(group == query)
        discount = 1 / np.log2(np.arange(2, len(rows) + 2))
        discount[cutoff:] = 0
        now = -np.sort(-expected[rows]) @ discount
        known = np.tile(expected[rows], (len(rows), len(gains), 1))  # (text whose grade is known, its grade, texts)
        known[np.arange(len(rows)), :, np.arange(len(rows))] = gains
        then = -np.sort(-known, axis=2) @ discount
        found[rows] = np.maximum((chance[rows] * then).sum(1) - now, 0) / max(now, 1e-12)
    return found
