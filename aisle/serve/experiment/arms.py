"""How often a product was shown in the place for exploration and clicked there, by query, for Thompson sampling.

Read from the log of experiments and the events as both grow, so every worker knows what happened in all of them.
"""

from __future__ import annotations

import datetime as dt
import json
import logging
import threading
import time
from collections import OrderedDict
from pathlib import Path

from aisle.judgments.given import key_of
from aisle.monitor.experiments import EXPLORED, PageLine, record_of
from aisle.monitor.follow import Tail
from aisle.monitor.records import kept_query, log_files

LOG = logging.getLogger("aisle.serve")
LOOK_S = 30.0
MOST_PAGES = 100_000
"""Pages whose clicks are still waited for."""
MOST_ARMS = 500_000
DAYS = 30
"""Older days teach nothing."""


class Arms:
    """Counts of one experiment.

    Args:
        pages: Folder of the log of experiments.
        events: Folder of shoppers' events.
        experiment: Its name.
    """

    def __init__(self, pages: Path, events: Path, experiment: str) -> None:
        self.pages, self.events, self.experiment = pages, events, experiment
        self._tail = Tail()
        self._shown: OrderedDict[str, tuple[str, str]] = OrderedDict()
        self._clicked: set[str] = set()
        self._early: OrderedDict[str, set[str]] = OrderedDict()  # clicks whose page was not read yet
        self._counts: OrderedDict[tuple[str, str], list[int]] = OrderedDict()
        self._next = 0.0
        self._reading = threading.Lock()

    def of(self, query: str, product: str) -> tuple[int, int]:
        """How often a product was shown in the slot for a query, and clicked."""
        looks, clicks = self._counts.get((query_key(query), product), (0, 0))
        return looks, clicks

    def refresh(self) -> None:
        """Read what was added; nothing where another thread does, or where it was done a moment ago."""
        if time.monotonic() < self._next or not self._reading.acquire(blocking=False):
            return
        try:
            since = dt.datetime.now(dt.UTC).date() - dt.timedelta(days=DAYS)
            for path in log_files(self.pages, since):
                for line in self._tail.lines(path):
                    self._page(line)
            for path in log_files(self.events, since):
                for line in self._tail.lines(path):
                    self._event(line)
        except OSError as error:
            LOG.warning("what shoppers clicked cannot be read: %s", error.strerror or error)
        finally:
            self._next = time.monotonic() + LOOK_S
            self._reading.release()

    def _page(self, line: bytes) -> None:
        try:
            page = record_of(line)
        except ValueError:
            return
        if not isinstance(page, PageLine) or page.variant != EXPLORED or page.experiment != self.experiment:
            return
        if not page.slot or page.request_id in self._shown:
            return
        arm = (query_key(page.query), page.items[page.slot - page.first].id)
        self._shown[page.request_id] = arm
        self._counts.setdefault(arm, [0, 0])[0] += 1
        if arm[1] in self._early.pop(page.request_id, ()):
            self._click(page.request_id, arm)
        while len(self._shown) > MOST_PAGES:
            self._clicked.discard(self._shown.popitem(last=False)[0])
        while len(self._counts) > MOST_ARMS:
            self._counts.popitem(last=False)

    def _event(self, line: bytes) -> None:
        try:
            event = json.loads(line)
            request, clicked = event.get("request_id", ""), {item["id"] for item in event.get("items", ())}
            of_click = event.get("type") == "click"
        except (ValueError, TypeError, KeyError, AttributeError):
            return
        if not of_click or not isinstance(request, str):
            return
        arm = self._shown.get(request)
        if arm is None:  # both logs are written behind the answers: the page may come later
            self._early.setdefault(request, set()).update(clicked)
            while len(self._early) > MOST_PAGES:
                self._early.popitem(last=False)
        elif arm[1] in clicked:
            self._click(request, arm)

    def _click(self, request: str, arm: tuple[str, str]) -> None:
        if request not in self._clicked:
            self._clicked.add(request)
            if arm in self._counts:
                self._counts[arm][1] += 1


def query_key(query: str) -> str:
    """Queries that are one for counting, as the log keeps them."""
    return key_of(kept_query(query))
