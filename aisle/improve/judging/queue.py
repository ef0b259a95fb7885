"""What a rater judges next, and what becomes of the answer. Knows pairs and a file of judgments, no terminal.

The order is the rater's own, seeded; the products of a query come together, since a query has to be understood once.
Anchors, whose grades are known, stand among the others and look like them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b

from aisle.engine import SearchEngine
from aisle.errors import InputError
from aisle.judgments.given import Judged, JudgmentFile, key_of
from aisle.judgments.pairs import TextPair
from aisle.types import SearchRequest

LLM = "llm:"
"""Begins the name of every judge that is a language model."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What one rater is to judge.

    Attributes:
        rater: Who.
        seed: Another gives another order.
        share: Anchors for each pair that is to be judged, at most 1.
        each: A pair that so many people judged already is done; 0: everybody judges every pair.
    """

    rater: str
    seed: int = 0
    share: float = 0.1
    each: int = 0

    def __post_init__(self) -> None:
        if not self.rater.strip() or self.rater.startswith(LLM):
            raise InputError(f"a rater named {self.rater!r}", allowed=f"a name that does not begin with {LLM!r}")
        if not 0 <= self.share <= 1 or self.each < 0:
            raise InputError(f"a share of {self.share:g}, {self.each} raters", allowed="a share from 0 to 1, 0 or more")


def queue(
    pairs: Sequence[TextPair], anchors: Sequence[TextPair], judged: Iterable[Judged], plan: Plan
) -> tuple[TextPair, ...]:
    """The pairs that are left for a rater, in the rater's order.

    Which anchors are among them depends on the seed alone, so that all raters get the same.
    """
    chosen = sorted(anchors, key=lambda one: _draw(plan.seed, "anchor", key_of(one.query), one.doc_id))
    some = chosen[: round(plan.share * len(pairs))]
    known = {(key_of(one.query), one.doc_id) for one in some}
    everything = {(key_of(one.query), one.doc_id): one for one in (*some, *pairs)}
    mine: set[tuple[str, str]] = set()
    people: dict[tuple[str, str], int] = {}
    for one in judged:
        pair = (key_of(one.query), one.product_id)
        if one.judge == plan.rater:
            mine.add(pair)
        elif one.judge and not one.judge.startswith(LLM):
            people[pair] = people.get(pair, 0) + 1
    left = [
        (pair, one)
        for pair, one in everything.items()
        if pair not in mine and (pair in known or not plan.each or people.get(pair, 0) < plan.each)
    ]
    left.sort(key=lambda found: (_draw(plan.seed, plan.rater, found[0][0]), _draw(plan.seed, plan.rater, *found[0])))
    return tuple(one for _, one in left)


def _draw(seed: int, *parts: str) -> bytes:
    return blake2b("\0".join((str(seed), *parts)).encode(errors="replace"), digest_size=16).digest()


def pooled(engine: SearchEngine, queries: Iterable[tuple[str, str]], depth: int) -> tuple[TextPair, ...]:
    """The first products of each query, by words and by meaning, each once."""
    found: list[TextPair] = []
    for query_id, query in queries:
        ids: dict[str, None] = {}
        for mode in ("bm25", "dense"):
            hits = engine.search(SearchRequest(query, k=depth, mode=mode)).hits
            ids |= dict.fromkeys(hit.product_id for hit in hits)
        for product in engine.index.get(list(ids)):
            if product is not None:
                found.append(TextPair(query_id, query, product.id, product.title, product.description))
    return tuple(found)


class Session:
    """One rater at work: each answer is on the disk before the next pair comes.

    Args:
        items: Of `queue`.
        store: Where judgments go.
        rater: Who.
        highest: The highest grade; the lowest is 0.
    """

    def __init__(self, items: Sequence[TextPair], store: JudgmentFile, rater: str, highest: int = 3) -> None:
        self._todo = list(reversed(items))
        self._done: list[tuple[TextPair, Judged | None]] = []
        self._store, self._rater, self._highest = store, rater, highest

    @property
    def current(self) -> TextPair | None:
        """What is to be judged; None when nothing is left."""
        return self._todo[-1] if self._todo else None

    @property
    def left(self) -> int:
        """Pairs to go."""
        return len(self._todo)

    @property
    def graded(self) -> int:
        """Pairs judged in this session."""
        return sum(given is not None for _, given in self._done)

    @property
    def skipped(self) -> int:
        """Pairs passed over in this session; they come again in the next."""
        return len(self._done) - self.graded

    def grade(self, grade: int) -> None:
        """Keep a grade of the current pair.

        Raises:
            InputError: It is not on the scale, or nothing is left.
        """
        if not self._todo or not 0 <= grade <= self._highest:
            raise InputError(f"grade {grade} of {self.left:,} pairs", allowed=f"0 to {self._highest}, of a pair")
        pair = self._todo[-1]
        given = Judged(pair.query, pair.doc_id, float(grade), self._rater)
        self._store.add([given])
        self._done.append((self._todo.pop(), given))

    def skip(self) -> None:
        """Pass over the current pair."""
        if self._todo:
            self._done.append((self._todo.pop(), None))

    def undo(self) -> bool:
        """Take back the last answer of this session, so that its pair comes again; False where there is none."""
        if not self._done:
            return False
        pair, given = self._done.pop()
        if given is not None:
            self._store.withdraw(given)
        self._todo.append(pair)
        return True
