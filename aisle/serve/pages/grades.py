"""What is known of products for queries: the judgments given to the service and those of a file; nDCG by them.

Knows judgments and rankings as lists of ids, no engine.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from aisle.judgments.given import Judged, agreed, key_of
from aisle.metrics import Gain, ndcg
from aisle.types import Judgment

CUTOFF = 10


@dataclass(frozen=True, slots=True)
class Grades:
    """Grades by query.

    Attributes:
        by_query: Key of a query to the grade of each judged product.
        texts: Key to the query as it was first written, in the order in which they came.
    """

    by_query: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    texts: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, given: Sequence[Judged], file: Iterable[Judgment] = ()) -> Grades:
        """Grades of the service and of a file; where both know a product, the service's, which are newer."""
        grades: dict[str, dict[str, float]] = {}
        texts: dict[str, str] = {}
        for one in (*file, *agreed(given)):
            key = key_of(one.query)
            texts.setdefault(key, one.query)
            grades.setdefault(key, {})[one.product_id] = one.grade
        return cls(grades, texts)

    def of_query(self, query: str) -> Mapping[str, float]:
        """The grades of a query's products; none where it was not judged."""
        return self.by_query.get(key_of(query), {})

    def measurable(self, most: int) -> list[str]:
        """The first queries of which something relevant is known, as they were written."""
        return [text for text in self.texts.values() if self.ndcg(text, ()) is not None][:most]

    def ndcg(self, query: str, ids: Sequence[str]) -> float | None:
        """nDCG@10 of a ranking; None where nothing relevant is known of the query."""
        grades = self.of_query(query)
        if not any(grade > 0 for grade in grades.values()):
            return None
        ranked = [grades.get(product_id) for product_id in ids[:CUTOFF]]
        return ndcg(ranked, list(grades.values()), CUTOFF, Gain())
