"""Threads for what would block the event loop, behind a queue that never grows past its length.

What does not fit is refused at once, with the time after which asking again makes sense. Equal jobs that wait at the
same time are done once. A job whose askers have all gone is not begun. Jobs of one group may be taken together, for
work that is cheaper a batch at a time; narrow ones leave threads to the others. Knows nothing of what the jobs are.
"""

from __future__ import annotations

import asyncio
import math
import threading
import time
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, Generic, TypeVar

R = TypeVar("R")
A = TypeVar("A")
_SMOOTHING = 0.05
"""How much the latest job counts in the mean duration."""


class Busy(Exception):
    """Too much is waiting.

    Args:
        retry_after: Whole seconds after which a place is likely.
    """

    def __init__(self, retry_after: int) -> None:
        self.retry_after = retry_after
        super().__init__(f"busy for about {retry_after} s")


class Closed(Exception):
    """The pool takes no more jobs."""


@dataclass(frozen=True, slots=True)
class Group(Generic[R, A]):
    """Jobs that may be done together.

    Args:
        work: Answers requests in order; an answer may be an exception, which is that request's alone.
        size: At most so many at a time.
        narrow: They gain nothing by running beside each other, as what computes on one core does: never more at the
            same time than the pool's ``narrow``, whatever group they are of.
    """

    work: Callable[[Sequence[R]], Sequence[A | Exception]]
    size: int = 1
    narrow: bool = False


@dataclass(frozen=True, slots=True)
class Done(Generic[A]):
    """An answer, how long it waited for a thread, and whether it was an equal request's."""

    answer: A
    waited_ms: float
    shared: bool


@dataclass(eq=False, slots=True)
class _Lane:
    width: int
    running: int = 0
    waiting: int = 0


@dataclass(eq=False)
class _Job:
    group: Group[Any, Any]
    request: Any
    key: Hashable | None
    since: float
    lane: _Lane
    waiting: dict[asyncio.Future[Any], asyncio.AbstractEventLoop] = field(default_factory=dict)
    started: float = 0.0


class Pool:
    """Threads behind a bounded queue.

    Args:
        threads: Jobs done at the same time.
        queue: Jobs that may wait.
        max_wait_s: A job that is expected to wait longer than this is refused, whatever the length of the queue.
        narrow: Narrow jobs done at the same time; None: as many as there are threads.
    """

    def __init__(self, threads: int, queue: int, max_wait_s: float, narrow: int | None = None) -> None:
        self.threads, self.queue, self.max_wait_s = threads, queue, max_wait_s
        self._lanes = {False: _Lane(threads), True: _Lane(min(narrow or threads, threads))}
        self._jobs: deque[_Job] = deque()
        self._by_key: dict[Hashable, _Job] = {}
        self._changed = threading.Condition()
        self._closed = False
        self._mean_s = 0.0
        self.running = 0
        self._threads = [threading.Thread(target=self._work, name=f"aisle-{n}", daemon=True) for n in range(threads)]
        for thread in self._threads:
            thread.start()

    @property
    def waiting(self) -> int:
        """Jobs in the queue."""
        return len(self._jobs)

    def expected_wait_s(self, narrow: bool = False) -> float:
        """How long a job that comes now will wait, by the latest ones' durations."""
        lane = self._lanes[narrow]
        everybody = (len(self._jobs) + (self.running >= self.threads)) / self.threads
        own = (lane.waiting + (lane.running >= lane.width)) / lane.width if narrow else 0.0
        return max(everybody, own) * self._mean_s

    def full(self, narrow: bool = False) -> int:
        """Seconds after which a place is likely, where a job that comes now is refused; else 0."""
        wait = self.expected_wait_s(narrow)
        if len(self._jobs) < self.queue and not (self._jobs and wait > self.max_wait_s):
            return 0
        return max(1, math.ceil(wait))

    async def call(self, work: Callable[[], A], key: Hashable | None = None) -> A:
        """Run a function in a thread; see `run`."""
        done: Done[A] = await self.run(Group(_call), work, key)
        return done.answer

    async def run(self, group: Group[R, A], request: R, key: Hashable | None = None) -> Done[A]:
        """Have a request answered by a thread. Cancelling gives the place in the queue back.

        Args:
            group: Who answers; requests of the same object may be taken together.
            request: What is asked.
            key: Requests of the same key have the same answer: one that waits is joined, one that was begun is not.

        Raises:
            Busy: The queue is full, or too slow.
            Closed: The pool is.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Done[A]] = loop.create_future()
        with self._changed:
            if self._closed:
                raise Closed("the pool takes no more jobs")
            job = self._by_key.get(key) if key is not None else None
            shared = job is not None
            if job is None:
                if seconds := self.full(group.narrow):
                    raise Busy(seconds)
                job = _Job(group, request, key, time.monotonic(), self._lanes[group.narrow])
                self._jobs.append(job)
                job.lane.waiting += 1
                if key is not None:
                    self._by_key[key] = job
                if job.lane.running < job.lane.width:  # otherwise who leaves it takes the job
                    self._changed.notify()
            job.waiting[future] = loop
        try:
            done = await future
        except asyncio.CancelledError:
            self._leave(job, future)
            raise
        return Done(done.answer, done.waited_ms, shared)

    def close(self, wait_s: float | None = None) -> None:
        """Take no more jobs, and wait until those taken are done."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        until = None if wait_s is None else time.monotonic() + wait_s
        for thread in self._threads:
            thread.join(None if until is None else max(0.0, until - time.monotonic()))

    def _leave(self, job: _Job, future: asyncio.Future[Any]) -> None:
        with self._changed:
            job.waiting.pop(future, None)
            if not job.waiting and not job.started and job in self._jobs:
                self._jobs.remove(job)
                job.lane.waiting -= 1
                self._forget(job)

    def _forget(self, job: _Job) -> None:
        if job.key is not None and self._by_key.get(job.key) is job:
            del self._by_key[job.key]

    def _work(self) -> None:
        while (jobs := self._take()) is not None:
            started = time.monotonic()
            try:
                answers = jobs[0].group.work([job.request for job in jobs])
            except Exception as error:
                answers = [error] * len(jobs)
            with self._changed:
                self.running -= 1
                jobs[0].lane.running -= 1
                each = (time.monotonic() - started) / len(jobs)
                self._mean_s += (each - self._mean_s) * (_SMOOTHING if self._mean_s else 1.0)
            for job, answer in zip(jobs, answers, strict=True):
                self._tell(job, answer)

    def _take(self) -> list[_Job] | None:
        """The next jobs, all of one group; None when the pool is closed and nothing waits."""
        with self._changed:
            while (first := self._next()) is None:
                if self._closed and not self._jobs:
                    self._changed.notify()  # another may be waiting for a lane that nobody comes back from
                    return None
                self._changed.wait()
            jobs = [first]
            if first.group.size > 1:
                same = (job for job in self._jobs if job.group is first.group and job is not first)
                jobs += islice(same, first.group.size - 1)
            for job in jobs:
                self._jobs.remove(job)
                job.started = time.monotonic()
                self._forget(job)  # what comes now may ask for what was written since this one looked
            first.lane.waiting -= len(jobs)
            first.lane.running += 1
            self.running += 1
            return jobs

    def _next(self) -> _Job | None:
        """The job that has waited longest of those whose lane is not full."""
        return next((job for job in self._jobs if job.lane.running < job.lane.width), None)

    def _tell(self, job: _Job, answer: Any) -> None:
        waited = (job.started - job.since) * 1_000
        for future, loop in list(job.waiting.items()):
            try:
                loop.call_soon_threadsafe(_settle, future, answer, waited)
            except RuntimeError:  # the loop was closed: nobody waits there any more
                continue


def _settle(future: asyncio.Future[Any], answer: Any, waited_ms: float) -> None:
    if future.done():
        return
    if isinstance(answer, Exception):
        future.set_exception(answer)
    else:
        future.set_result(Done(answer, waited_ms, False))


def _call(works: Sequence[Callable[[], Any]]) -> Sequence[Any]:
    return [work() for work in works]
