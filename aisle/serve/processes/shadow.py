"""The shadow: one process that scores a candidate for searches which were answered without it.

It has the lowest priority there is and a queue that never grows: what is too much or too old is dropped and counted.
Whatever becomes of it, the service goes on answering.
"""

from __future__ import annotations

import datetime as dt
import logging
import os
import signal
import socket
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace

from aisle.engine import SearchEngine
from aisle.errors import first_line
from aisle.monitor.experiments import PageLine, ShadowLine
from aisle.serve.daily import DailyLog
from aisle.serve.experiment.candidate import Candidate
from aisle.serve.experiment.settings import ExperimentSettings
from aisle.serve.experiment.shadow import MOST_BYTES, SOCKET, Scored
from aisle.serve.experiment.trial import open_log
from aisle.serve.metrics import ShadowMetrics
from aisle.serve.processes.plan import Plan
from aisle.serve.routes.search import SearchBody, request_of
from aisle.serve.service_log import install_log

LOG = logging.getLogger("aisle.serve")
NICENESS = 19
LISTEN_S = 0.5


def run_shadow(plan: Plan, ready: Callable[[], None]) -> int:
    """Score searches until told to end (SIGTERM).

    Args:
        plan: What to do.
        ready: Called once searches are taken.

    Returns:
        The exit code.

    Raises:
        AisleError: The candidate cannot be opened.
    """
    install_log("shadow", plan.config.settings.log_format)
    os.nice(NICENESS)
    end = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: end.set())
    settings = plan.experiment()
    path = plan.sockets / SOCKET
    path.unlink(missing_ok=True)
    served = plan.open()
    candidate = plan.tried(settings, served)
    candidate.engine(served)
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as listening:
        listening.bind(str(path))
        listening.settimeout(LISTEN_S)
        log = open_log(settings, plan.config.settings.state_folder(plan.folder))
        shadow = Shadow(settings, candidate, log, ShadowMetrics(None))
        thread = threading.Thread(target=shadow.work, args=(plan, served), name="aisle-shadow", daemon=True)
        thread.start()
        ready()
        while not end.is_set():
            try:
                shadow.take(listening.recv(MOST_BYTES + 1))
            except TimeoutError:
                continue
        shadow.end()
        thread.join(5)
        log.close()
    path.unlink(missing_ok=True)
    return 0


class Shadow:
    """Searches that wait to be scored, and the thread that scores them.

    Args:
        settings: Of the experiment.
        candidate: What is tried.
        log: Where its rankings go.
        metrics: What is counted.
    """

    def __init__(
        self,
        settings: ExperimentSettings,
        candidate: Candidate,
        log: DailyLog[PageLine | ShadowLine],
        metrics: ShadowMetrics,
    ) -> None:
        self.settings, self.candidate, self.log, self.metrics = settings, candidate, log, metrics
        self._waiting: deque[Scored] = deque()
        self._changed = threading.Condition()
        self._ended = False

    def take(self, message: bytes) -> None:
        """Take a search, or drop it where too many wait."""
        try:
            scored = Scored.of(message)
        except ValueError as error:
            LOG.error("%s", error)
            return
        with self._changed:
            if len(self._waiting) >= self.settings.queue:
                self.metrics.outcome("dropped")
                return
            self._waiting.append(scored)
            self._changed.notify()

    def end(self) -> None:
        """Score what is being scored, and no more."""
        with self._changed:
            self._ended = True
            self._changed.notify()

    def work(self, plan: Plan, served: SearchEngine) -> None:
        """Score what waits, one after the other; closes the engine."""
        home = plan.home()
        while True:
            with self._changed:
                while not self._waiting and not self._ended:
                    self._changed.wait()
                if self._ended:
                    served.close()
                    return
                scored = self._waiting.popleft()
            if (time.time() - scored.at) * 1_000 > self.settings.max_age_ms:
                self.metrics.outcome("late")
                continue
            line = ShadowLine(
                time=dt.datetime.now(dt.UTC),
                experiment=self.settings.name,
                request_id=scored.request_id,
                k=self.settings.k,
                served_ms=scored.served_ms,
                index=scored.index,
                degraded=scored.degraded,
            )
            try:
                if served.replaced or plan.home() != home:
                    served.close()
                    served, home = plan.open(), plan.home()
                body = SearchBody.model_validate_json(scored.body)
                k = min(body.k, self.settings.k)
                request = replace(request_of(body), k=max(k, self.settings.depth), deadline_ms=None)
                line = replace(line, query=body.query, k=k, served=tuple(scored.ids[:k]))
                _, ranking = self.candidate.search(served, request)
                line = replace(
                    line,
                    candidate=tuple(hit.product_id for hit in ranking.hits[: max(k, self.settings.depth)]),
                    candidate_ms=sum(ranking.timings_ms.values()),
                )
                self.metrics.compared(line)
            except Exception as error:  # one search, or an index that is being replaced
                LOG.error("the candidate of %r does not answer: %s", self.settings.name, first_line(error))
                self.metrics.outcome("failed")
                line = replace(line, failed=type(error).__name__)
            self.log.put(line)
