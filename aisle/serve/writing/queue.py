"""The one thread that writes: takes all changes that wait, makes them in one commit, tells everybody at once.

While nothing waits it folds fresh products into the search structures, in the background. Meets `Writer` for the
process it is in.
"""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field

from aisle.errors import first_line
from aisle.serve.pool import Busy
from aisle.serve.redact import public
from aisle.serve.writing.apply import Applier
from aisle.serve.writing.change import GONE, Change, Outcome, WriterGone
from aisle.serve.writing.turn import Replaced

LOG = logging.getLogger("aisle.serve")
MAX_COMMIT = 2_048
"""Changes made in one commit at most."""
SETTLE_S = 1.0
"""So long nothing may be written before fresh products are folded in, unless that is overdue."""
MANY_COMMITS = 100
"""After so many commits it is time, however small they are: each leaves files that every later read and write opens."""
OVERDUE = 200
"""After so many commits without a pause the next changes wait until it is done."""


@dataclass(eq=False)
class _Batch:
    changes: Sequence[Change]
    done: Future[list[Outcome]] = field(default_factory=Future)


@dataclass(frozen=True, slots=True)
class _Failed:
    """Why the latest changes could not be written; where the disk was to blame, it is over once that takes a file."""

    said: str
    disk: bool


class WriteQueue:
    """Makes changes to an index in a thread of its own.

    Args:
        applier: Who makes them.
        limit: Changes that may wait.
        optimize_after: So many changed products are folded into the search structures.
    """

    def __init__(self, applier: Applier, limit: int, optimize_after: int) -> None:
        self.applier, self.limit, self.optimize_after = applier, limit, optimize_after
        self._batches: deque[_Batch] = deque()
        self._waiting = 0
        self._changed = threading.Condition()
        self._closed = False
        self._fresh, self._unfolded = 0, 0
        self.commits = 0
        self._failed: _Failed | None = None
        self._thread = threading.Thread(target=self._work, name="aisle-writer", daemon=True)
        self._thread.start()

    @property
    def waiting(self) -> int:
        """Changes that were taken and are not durable yet."""
        return self._waiting

    def put(self, changes: Sequence[Change]) -> Future[list[Outcome]]:
        """Take changes; the future is done when they are durable.

        Raises:
            Busy: Too many wait.
            WriterGone: The queue is closed.
        """
        batch = _Batch(changes)
        batch.done.set_running_or_notify_cancel()  # what was taken is made, whoever stops waiting for it
        with self._changed:
            if self._closed:
                raise WriterGone("the writer is ending")
            if self._waiting and self._waiting + len(changes) > self.limit:
                raise Busy(2)
            self._batches.append(batch)
            self._waiting += len(changes)
            self._changed.notify()
        return batch.done

    async def apply(self, changes: Sequence[Change]) -> list[Outcome]:
        """As `aisle.serve.writing.change.Writer`. Changes that were taken are made even if the caller is cancelled."""
        try:
            return await asyncio.shield(asyncio.wrap_future(self.put(changes)))
        except (Busy, WriterGone, asyncio.CancelledError):
            raise
        except Exception as error:  # a full disk, a damaged index
            raise WriterGone(f"{type(error).__name__}: {first_line(error)}") from None

    async def trouble(self) -> str:
        """As `aisle.serve.writing.change.Writer`."""
        if self._closed or not self._thread.is_alive():
            return GONE
        failed = self._failed
        if failed is not None and failed.disk and await asyncio.to_thread(self._disk_takes):
            self._failed = None if self._failed is failed else self._failed
        return "" if self._failed is None else self._failed.said

    async def close(self) -> None:
        """Make what was taken, and end."""
        await asyncio.to_thread(self.end)

    def end(self) -> None:
        """As ``close``, for those who have no event loop."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()
        self.applier.index.close()

    def _work(self) -> None:
        while (batches := self._take()) is not None:
            if not batches:
                self._optimize()
                continue
            changes = [change for batch in batches for change in batch.changes]
            try:
                outcomes = self.applier.apply(changes)
            except Replaced as error:
                for batch in batches:
                    self._tell(batch, error)
                continue
            except Exception as error:
                self._fail(batches, error)
                continue
            self.commits += 1
            changed = self._wrote(outcomes)
            self._fresh += changed
            self._unfolded += changed > 0
            at = 0
            for batch in batches:
                self._tell(batch, outcomes[at : at + len(batch.changes)])
                at += len(batch.changes)

    def _wrote(self, outcomes: Sequence[Outcome]) -> int:
        """How many changes were written; what changes nothing says nothing of the disk."""
        changed = sum(outcome.status not in ("unchanged", "missing", "refused") for outcome in outcomes)
        if changed:
            self._failed = None
        return changed

    def _disk_takes(self) -> bool:
        try:
            self.applier.try_disk()
        except OSError:
            return False
        return True

    def _fail(self, batches: Sequence[_Batch], error: Exception) -> None:
        """Nothing of a commit that failed was acknowledged. What one batch cannot do must not fail its neighbours."""
        if len(batches) == 1:
            LOG.error("changes could not be written", exc_info=error)
            self._failed = _Failed(
                public(f"failing: changes could not be written ({first_line(error)})"),
                not self._disk_takes(),
            )
            self._tell(batches[0], error)
            return
        for batch in batches:
            try:
                outcomes = self.applier.apply(batch.changes)
            except Exception as own:
                self._fail([batch], own)
            else:
                self._wrote(outcomes)
                self._tell(batch, outcomes)

    def _tell(self, batch: _Batch, answer: list[Outcome] | Exception) -> None:
        with self._changed:
            self._waiting -= len(batch.changes)
        if isinstance(answer, Exception):
            batch.done.set_exception(answer)
        else:
            batch.done.set_result(answer)

    def _take(self) -> list[_Batch] | None:
        """What waits, up to one commit; nothing where it is time to fold in; None at the end."""
        due = self._fresh >= self.optimize_after or self._unfolded >= MANY_COMMITS
        with self._changed:
            if self._unfolded >= OVERDUE and not self._closed:
                return []
            idle_since = time.monotonic()
            while not self._batches:
                if self._closed:
                    return None
                if due and time.monotonic() - idle_since >= SETTLE_S:
                    return []
                self._changed.wait(SETTLE_S if due else None)
            taken = [self._batches.popleft()]
            size = len(taken[0].changes)
            while self._batches and size + len(self._batches[0].changes) <= MAX_COMMIT:
                taken.append(self._batches.popleft())
                size += len(taken[-1].changes)
            return taken

    def _optimize(self) -> None:
        self._fresh, self._unfolded = 0, 0
        try:
            self.applier.optimize()
        except Replaced:
            return
        except Exception:  # the products are there, searching them is only slower
            LOG.exception("fresh products could not be folded into the search structures")
