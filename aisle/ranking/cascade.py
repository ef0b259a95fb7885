"""Re-ranks the first products of a list, in steps: as deep as it pays and as the deadline allows. Or only reads them.

Knows lists, scores and a clock; what scores a product is given. Whatever goes wrong, there is an order: products that
were not re-ranked keep the previous one below those that were, and their parts say why.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from aisle.errors import AisleError, BudgetError, LlmError
from aisle.ranking.clock import Clock
from aisle.ranking.early_stop import may_stop
from aisle.ranking.fusion import reorder
from aisle.ranking.listed import Scored, behind
from aisle.types import Part, Stage

LOG = logging.getLogger("aisle")
STAGE, LEARNT = "rerank", "learnt"
STEP = 10
"""Products between two looks at the clock."""
Score = Callable[[Sequence[str]], Sequence[float | None]]
"""From product ids to a re-ranker's scores; None for a product that is gone."""


@dataclass(frozen=True, slots=True)
class Reranked:
    """The list in its new order, how many products the re-ranker read, and what was left out and why."""

    scored: Sequence[Scored]
    read: int
    left_out: str | None = None


class Pace:
    """How long a product takes a re-ranker that must be given all of them at once, remembered from search to search.

    The slowest of late counts. What took less than a tenth of it knew the list or the texts: that promises nothing.
    """

    def __init__(self) -> None:
        self.each_ms = 0.0

    def took(self, count: int, ms: float) -> None:
        """So many products were read in so many milliseconds."""
        each = ms / max(count, STEP)  # a few carry what a list costs whatever its length
        if each >= 0.1 * self.each_ms:
            self.each_ms = max(each, 0.9 * self.each_ms)

    def affordable(self, count: int, left_ms: float) -> int:
        """How many of so many products can be read in the time that is left, in whole steps; all before any was timed.

        One step is read as long as any time is left, so that the pace is measured anew.
        """
        if left_ms <= 0:
            return 0
        if self.each_ms * count <= left_ms:
            return count
        return min(count, max(STEP, int(left_ms / self.each_ms) // STEP * STEP))


def rerank(
    scored: Sequence[Scored],
    score: Score,
    depth: int,
    k: int,
    slack: float,
    clock: Clock,
    step: int | Pace = STEP,
) -> Reranked:
    """Order the first ``depth`` products by a re-ranker.

    Args:
        scored: Best first.
        score: Product ids to the re-ranker's scores; None for a product that is gone.
        depth: At most so many are read.
        k: Places that the page shows; with ``slack`` it may end early (`may_stop`).
        slack: 0 always reads to the full depth.
        clock: Once its deadline is spent, or would be by one more step, no more are read.
        step: Products between two looks at the clock; where a score depends on the other products ``depth``, or the
            pace that says how many can be read at once.
    """
    head = list(scored[:depth])
    before = _level(head)
    had = _read(head, score, clock, step, lambda after: may_stop(before, after, k, slack))
    rest = behind(scored, depth, [*(item for item, _ in had.found), *had.waiting(head)])
    ordered = reorder(rest, STAGE, [value for _, value in had.found])
    return Reranked(ordered, had.done, had.note(head))


def read(scored: Sequence[Scored], score: Score, depth: int, clock: Clock, step: int | Pace = STEP) -> Reranked:
    """Let a re-ranker read the first ``depth`` products for what orders them afterwards.

    Order and scores stay as they are. A part "rerank" keeps the re-ranker's score and the place that it gives among
    those read, and adds nothing.

    Args:
        scored: Best first.
        score: As `rerank`; so are ``depth``, ``clock`` and ``step``.
        depth: At most so many are read.
        clock: Once its deadline is spent, no more are.
        step: Products between two looks at the clock.
    """
    head = list(scored[:depth])
    had = _read(head, score, clock, step, lambda after: False)
    best = sorted(had.found, key=lambda one: (-one[1], one[0][0]))
    said = {item[0]: Part(value, rank, 0.0) for rank, (item, value) in enumerate(best, start=1)}
    known = [
        (key, value, parts | {STAGE: said[key]}) if key in said else (key, value, parts)
        for key, value, parts in head[: had.done]
    ]
    return Reranked(behind(scored, depth, [*known, *had.waiting(head)]), had.done, had.note(head))


def scores_read(hits: Iterable[tuple[str, Mapping[Stage, Part]]]) -> dict[str, float]:
    """The re-ranker's score of each product that it has read, by id, from the products' parts."""
    return {product_id: parts[STAGE].score for product_id, parts in hits if STAGE in parts}


@dataclass(frozen=True, slots=True)
class _Read:
    """What came of reading: the products still there with their scores, how many were asked for, why not the rest."""

    found: list[tuple[Scored, float]]
    done: int
    reason: str | None

    def waiting(self, head: Sequence[Scored]) -> list[Scored]:
        """Those that were not read; where that was not meant, each says why."""
        if self.reason is None:
            return list(head[self.done :])
        told = f"{STAGE} (not read: {self.reason})"
        return [(key, value, parts | {told: Part(0.0, None, 0.0)}) for key, value, parts in head[self.done :]]

    def note(self, head: Sequence[Scored]) -> str | None:
        """For the ranking's ``degraded``."""
        return None if self.reason is None else f"{STAGE}: {self.done} of {len(head)} products, {self.reason}"


def _read(
    head: Sequence[Scored], score: Score, clock: Clock, step: int | Pace, enough: Callable[[Sequence[float]], bool]
) -> _Read:
    """Ask for scores step by step, until all are known, or enough, or the time is spent, or the re-ranker fails."""
    found: list[tuple[Scored, float]] = []
    after: list[float] = []
    done, slowest = 0, 0.0
    while done < len(head) and not enough(after):
        size = step if isinstance(step, int) else 0 if done else step.affordable(len(head), clock.left_ms)
        if clock.left_ms <= slowest or not size:
            return _Read(found, done, f"the deadline of {clock.deadline_ms:g} ms was spent")
        began, start = clock.left_ms, time.perf_counter()
        part = head[done : done + size]
        try:
            scores = score([item[0] for item in part])
        except Exception as error:
            LOG.warning("a re-ranker failed: %s", error)
            return _Read(found, done, f"it failed: {_reason(error)}")
        if isinstance(step, Pace):
            step.took(len(part), 1000 * (time.perf_counter() - start))
        if clock.deadline_ms is not None:
            slowest = max(slowest, began - clock.left_ms)
        known = [value for value in scores if value is not None]
        if not all(map(math.isfinite, known)):
            return _Read(found, done, "it failed: a score that is no number")
        low = min(known, default=0.0)
        for item, value in zip(part, scores, strict=True):
            after.append(low if value is None else value)
            if value is not None:
                found.append((item, value))
        done += len(part)
    return _Read(found, done, None)


def _reason(error: Exception) -> str:
    """For whoever searched; what another server said, and where it is, is the operator's to read in the log."""
    if isinstance(error, LlmError) and not isinstance(error, BudgetError):
        return error.kind
    reason = error.received if isinstance(error, AisleError) else f"{type(error).__name__}: {error}"
    return " ".join(reason.split())[:200]


def _level(head: Sequence[Scored]) -> list[float]:
    """The scores before, without the step by which a learnt combination stands above what it did not read.

    The step says nothing of relevance; left in, a line through the scores would promise nothing below it.
    """
    scores = [score for _, score, _ in head]
    read = sum(LEARNT in parts for _, _, parts in head)
    step = scores[read - 1] - scores[read] if 0 < read < len(head) else 0.0
    return [score - step for score in scores[:read]] + scores[read:]
