"""Re-ranks the first products of a list, in steps: as deep as it pays and as the deadline allows.

Knows lists, scores and a clock; what scores a product is given. Whatever goes wrong, there is an order: products that
were not re-ranked keep the previous one below those that were, and their parts say why.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from aisle.errors import AisleError, BudgetError, LlmError
from aisle.ranking.clock import Clock
from aisle.ranking.early_stop import may_stop
from aisle.ranking.fusion import reorder
from aisle.ranking.listed import Scored, behind
from aisle.types import Part

LOG = logging.getLogger("aisle")
STAGE, LEARNT = "rerank", "learnt"
STEP = 10
"""Products between two looks at the clock."""


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
    score: Callable[[Sequence[str]], Sequence[float | None]],
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
    found: list[tuple[Scored, float]] = []
    after: list[float] = []
    done, left_out = 0, None
    slowest = 0.0
    while done < len(head) and not may_stop(before, after, k, slack):
        size = step if isinstance(step, int) else 0 if done else step.affordable(len(head), clock.left_ms)
        if clock.left_ms <= slowest or not size:
            left_out = f"the deadline of {clock.deadline_ms:g} ms was spent"
            break
        began, start = clock.left_ms, time.perf_counter()
        part = head[done : done + size]
        try:
            scores = score([item[0] for item in part])
        except Exception as error:
            LOG.warning("a re-ranker failed: %s", error)
            left_out = f"it failed: {_reason(error)}"
            break
        if isinstance(step, Pace):
            step.took(len(part), 1000 * (time.perf_counter() - start))
        if clock.deadline_ms is not None:
            slowest = max(slowest, began - clock.left_ms)
        known = [value for value in scores if value is not None]
        if not all(map(math.isfinite, known)):
            left_out = "it failed: a score that is no number"
            break
        low = min(known, default=0.0)
        for item, value in zip(part, scores, strict=True):
            after.append(low if value is None else value)
            if value is not None:
                found.append((item, value))
        done += len(part)
    waiting, note = head[done:], None
    if left_out is not None:
        note = f"{STAGE}: {done} of {len(head)} products, {left_out}"
        told = f"{STAGE} (not read: {left_out})"
        waiting = [(key, value, parts | {told: Part(0.0, None, 0.0)}) for key, value, parts in waiting]
    rest = behind(scored, depth, [*(item for item, _ in found), *waiting])
    ordered = reorder(rest, STAGE, [value for _, value in found])
    return Reranked(ordered, done, note)


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
