"""Says when re-ranking may end before its depth: when nothing further down can be expected among the first k.

Products come in the order of the score before. Of those re-ranked so far a line is fitted from the score before to the
re-ranker's, and the scatter about it taken; a product below is given up where even its place on the line plus ``slack``
times that scatter stays under the k-th best found. This is no proof: if the scatter is normal and the same further
down, one product in 740 at a slack of 3 is wrongly given up, and a re-ranker that disagrees with the score before
scatters so widely that nothing ends early. What it costs on real judgments is in docs/ranking.md.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

LEAST = 20
"""Fewer products say too little of the scatter."""


def may_stop(before: Sequence[float], after: Sequence[float], k: int, slack: float) -> bool:
    """Whether no product that is not yet re-ranked can be expected among the first ``k``.

    Args:
        before: Scores of all products to re-rank, best first, ``(n,)``.
        after: The re-ranker's scores of the first of them, ``(m,)``, m <= n.
        k: Places that matter.
        slack: Standard deviations of the scatter that a product below may surprise by; 0 or less never stops.
    """
    done = len(after)
    if slack <= 0 or done >= len(before) or done < max(LEAST, k):
        return done >= len(before)
    x, y = np.asarray(before[:done], np.float64), np.asarray(after, np.float64)
    spread = float(((x - x.mean()) ** 2).sum())
    slope = max(0.0, float(((x - x.mean()) * (y - y.mean())).sum()) / spread) if spread > 0 else 0.0
    scatter = float(np.sqrt(((y - y.mean() - slope * (x - x.mean())) ** 2).sum() / (done - 2)))
    away = before[done] - float(x.mean())
    unsure = np.sqrt(1 + 1 / done + (away**2 / spread if spread > 0 else 0.0))  # of a new point, not of the line
    highest = float(y.mean()) + slope * away + slack * scatter * float(unsure)
    return highest < float(np.partition(y, -k)[-k])
