"""What a learnt ranking is fitted to: each judged query's candidates with features and grades. Knows arrays only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray

from aisle.errors import InputError, JudgmentError
from aisle.judgments.split import folds
from aisle.metrics import Metric
from aisle.ranking.features import NAMES
from aisle.types import Array, Judgment

Doubles = NDArray[np.float64]
NDCG = Metric.parse("nDCG@10")
_FUSED, _IDENTIFIER = NAMES.index("fused"), NAMES.index("identifier")


@dataclass(frozen=True)
class QueryTable:
    """One query's candidates, in the order that fusion gives them.

    Attributes:
        query_id: Names the query.
        query: Its text.
        product_ids: ``n`` of them.
        features: ``(n, k)`` as ``aisle.ranking.features`` declares them.
        grades: ``(n,)`` from 0; NaN where a candidate is not judged.
        judged: Every judged product of the query with its grade, found or not: what nDCG is measured against.
    """

    query_id: str
    query: str
    product_ids: tuple[str, ...]
    features: Array
    grades: Doubles
    judged: Mapping[str, float]

    def __post_init__(self) -> None:
        count = len(self.product_ids)
        if self.features.shape != (count, len(NAMES)) or self.grades.shape != (count,):
            raise InputError(
                f"query {self.query[:60]!r}: features of shape {self.features.shape} and grades of shape "
                f"{self.grades.shape} for {count} candidates",
                allowed=f"({count}, {len(NAMES)}) and ({count},)",
            )

    @property
    def fused(self) -> Doubles:
        """``(n,)`` the fusion's score, which is the ranking in use."""
        return self.features[:, _FUSED].astype(np.float64)

    @property
    def lifted(self) -> NDArray[np.bool_]:
        """Candidates whose exact identifier is asked for: the search puts them first, whatever a model says."""
        return np.asarray(self.features[:, _IDENTIFIER] > 0)


def turns(tables: Sequence[QueryTable], count: int, seed: int) -> list[NDArray[np.bool_]]:
    """Which tables are held out in each turn of a cross-validation by query; spellings of one query stay together.

    Raises:
        JudgmentError: There are not two turns with queries on both sides.
    """
    named = [Judgment(table.query_id, table.query, "", 0.0) for table in tables]
    held = [set(fold.test.queries) for fold in folds(named, count, seed)]
    masks = [np.array([table.query_id in asked for table in tables], bool) for asked in held]
    masks = [mask for mask in masks if mask.any() and not mask.all()]
    if len(masks) < 2:
        raise JudgmentError(
            f"judgments of {len(tables)} queries", allowed="enough for two folds by query", fix="judge more queries"
        )
    return masks


def telling(tables: Sequence[QueryTable]) -> list[QueryTable]:
    """Those that nDCG is measured on: with a relevant product."""
    return [table for table in tables if any(grade >= 1 for grade in table.judged.values())]


def fingerprint(tables: Sequence[QueryTable]) -> str:
    """A hash of every query, product, feature and grade in order."""
    digest = sha256()
    for table in tables:
        digest.update(repr((table.query_id, table.query, table.product_ids, sorted(table.judged.items()))).encode())
        digest.update(np.ascontiguousarray(table.features).tobytes())
        digest.update(np.ascontiguousarray(table.grades).tobytes())
    return digest.hexdigest()
