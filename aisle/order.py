"""The order of a ranking: the highest score first, equal scores by id. Knows numbers and ids only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray


def best_first(ids: Sequence[str], scores: NDArray[np.floating[Any]]) -> list[int]:
    """The places of ids, ``(n,)``, in the order of a ranking.

    Args:
        ids: Distinct.
        scores: ``(n,)``, no NaN.
    """
    order = np.argsort(-scores, kind="stable")
    ranked = scores[order]
    places: list[int] = order.tolist()
    tied = np.concatenate(([False], ranked[1:] == ranked[:-1], [False])).astype(np.int8)
    steps = np.diff(tied)
    for start, end in zip(np.flatnonzero(steps == 1).tolist(), np.flatnonzero(steps == -1).tolist(), strict=True):
        places[start : end + 1] = sorted(places[start : end + 1], key=ids.__getitem__)
    return places
