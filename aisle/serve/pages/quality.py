"""What the dashboard says of quality: nDCG@10 of judged queries as they are served now, and what clicks say.

Both cost something, so they are found in the background, at most once a minute and only when something changed;
whoever looks waits two seconds at most and is told what was found before.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import logging
import time
from collections.abc import Awaitable, Callable, Hashable
from dataclasses import dataclass
from functools import partial
from typing import Generic, TypeVar

from aisle.engine import SearchEngine
from aisle.evaluate import Interval, bootstrap_mean
from aisle.monitor.behaviour import Clicks, clicks_of
from aisle.serve.pages.grades import CUTOFF, Grades
from aisle.serve.pages.page import over_engine
from aisle.serve.parts import Parts
from aisle.serve.pool import Busy, Closed
from aisle.serve.security.event_files import days
from aisle.serve.shoppers import shoppers_in
from aisle.types import SearchRequest

LOG = logging.getLogger("aisle.serve")
A = TypeVar("A")
EVERY_S = 60.0
WAIT_S = 2.0
DAYS = 7
"""Of shoppers' events that are looked at."""


@dataclass(frozen=True, slots=True)
class Found(Generic[A]):
    """A value, when it was found (seconds since 1970), and whether it is being found anew."""

    value: A
    at: float
    running: bool


class Slow(Generic[A]):
    """A value that takes long to find: found in the background, at most so often.

    Args:
        every_s: Seconds from the end of one look to the next, at least.
    """

    def __init__(self, every_s: float = EVERY_S) -> None:
        self.every_s = every_s
        self._key: Hashable = None
        self._value: tuple[A, float] | None = None
        self._task: asyncio.Future[None] | None = None
        self._next = 0.0

    async def get(self, key: Hashable, find: Callable[[], Awaitable[A]]) -> Found[A] | None:
        """What is known by now; None where nothing is yet.

        Args:
            key: Of what the value depends on: found anew when it is another one.
            find: Finds it.
        """
        if (self._task is None or self._task.done()) and key != self._key and time.monotonic() >= self._next:
            self._task = asyncio.ensure_future(self._find(key, find))
        running = False
        if self._task is not None:
            await asyncio.wait({self._task}, timeout=WAIT_S)
            running = not self._task.done()
        return None if self._value is None else Found(*self._value, running)

    async def _find(self, key: Hashable, find: Callable[[], Awaitable[A]]) -> None:
        try:
            self._value = (await find(), time.time())
            self._key = key
        except (Busy, Closed):
            LOG.info("the dashboard's quality is found later: shoppers' searches come first")
        except Exception:  # the page shows what it knows
            LOG.exception("the dashboard's quality cannot be found")
        self._next = time.monotonic() + self.every_s


@dataclass(frozen=True, slots=True)
class Answers:
    """nDCG@10 of judged queries: None where nothing relevant is known; and how many were judged in all."""

    interval: Interval | None
    judged: int


@dataclass(frozen=True, slots=True)
class Acts:
    """What shoppers' events of the last days say: how many there are, and the clicks on the pages that they tell of."""

    events: int
    clicks: Clicks


class Quality:
    """The quality of one service, as its dashboard shows it."""

    def __init__(self) -> None:
        self.answers: Slow[Answers] = Slow()
        self.acts: Slow[Acts] = Slow()

    async def of_answers(self, shop: Parts, grades: Grades, judged: int, most: int) -> Found[Answers] | None:
        """The judged queries, answered one by one so that shoppers' searches come between.

        Args:
            shop: Answers.
            grades: Of products.
            judged: Judgments given, which tell whether the grades have changed.
            most: Queries that are measured.
        """

        async def find() -> Answers:
            values: list[float] = []
            for text in grades.measurable(most):
                values.append(await shop.pool.call(partial(over_engine, shop, partial(_ndcg, grades, text))))
            interval = await shop.pool.call(lambda: bootstrap_mean(values)) if values else None
            return Answers(interval, len(grades.by_query))

        return await self.answers.get((id(shop.engine), shop.index.version, shop.rules.seen, judged), find)

    async def of_acts(self, shop: Parts) -> Found[Acts] | None:
        """The events of the last days; None until they are read."""
        folder = shop.state / "events"

        def find() -> Acts:
            now = dt.datetime.now(dt.UTC)
            shoppers = shoppers_in(shop.state, now - dt.timedelta(days=DAYS), now)
            return Acts(len(shoppers.events), clicks_of(shoppers))

        sizes = tuple((day, path.stat().st_size) for day, path in days(folder)[-DAYS:])
        if not sizes:
            return Found(Acts(0, Clicks()), time.time(), running=False)
        return await self.acts.get(sizes, lambda: asyncio.to_thread(find))


def _ndcg(grades: Grades, text: str, engine: SearchEngine) -> float:
    ranking = engine.search(SearchRequest(text, k=CUTOFF))
    return grades.ndcg(text, [hit.product_id for hit in ranking.hits]) or 0.0
