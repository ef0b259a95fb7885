"""Metrics of the requests in Prometheus' format, of all workers where there are several.

Several processes share their numbers through files in a folder that `PROMETHEUS_MULTIPROC_DIR` names, which the
supervisor sets before a worker starts: so prometheus_client wants it.
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING

from aisle.monitor.records import incomplete
from aisle.serve.caches import CacheMetrics
from aisle.serve.facts import Facts
from aisle.serve.parts import Parts
from aisle.serve.processes.state import troubles_in

SHADOWED = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

    from aisle.monitor.experiments import ShadowLine

FOLDER = "PROMETHEUS_MULTIPROC_DIR"
BUCKETS = (0.005, 0.01, 0.02, 0.03, 0.04, 0.06, 0.08, 0.1, 0.15, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)
SCORES = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 2.0, 5.0)


class Metrics:
    """Counts requests as they are answered; an observer of `aisle.serve.facts`.

    Args:
        parts: Whose queue and index are looked at when the metrics are read.
    """

    def __init__(self, parts: Parts) -> None:
        from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

        self.parts = parts
        self.registry: CollectorRegistry = CollectorRegistry()
        own = self.registry
        self._requests = Counter("aisle_requests", "Requests.", ("route", "method", "status"), registry=own)
        self._seconds = Histogram("aisle_request_seconds", "To the answer.", ("route",), buckets=BUCKETS, registry=own)
        self._waited = Histogram("aisle_queue_seconds", "Waiting for a thread.", buckets=BUCKETS, registry=own)
        self._stages = Histogram("aisle_stage_seconds", "Of a search.", ("stage",), buckets=BUCKETS, registry=own)
        self._searches = Counter("aisle_searches", "Searches answered.", ("mode",), registry=own)
        self._zero = Counter("aisle_searches_zero", "Searches that found nothing.", registry=own)
        self._cut = Counter("aisle_searches_cut", "Searches with products cut off as too unlikely.", registry=own)
        self._degraded = Counter("aisle_searches_degraded", "Something left out.", ("what",), registry=own)
        self._incomplete = Counter("aisle_searches_incomplete", "A deadline or failure left some out.", registry=own)
        self._shared = Counter("aisle_searches_shared", "Searches answered with an equal one.", registry=own)
        self._scores = Histogram("aisle_top_score", "Score of the first product.", buckets=SCORES, registry=own)
        self._variants = Counter("aisle_searches_variant", "Searches of an experiment.", ("variant",), registry=own)
        self._shadow = ShadowMetrics(own)
        self._caches = CacheMetrics(parts, own)
        self._queue = Gauge("aisle_queue_waiting", "Requests waiting.", multiprocess_mode="livesum", registry=own)
        self._writes = Gauge("aisle_changes_waiting", "Changes not durable.", multiprocess_mode="livesum", registry=own)
        self._version = Gauge("aisle_index_version", "Of the products.", multiprocess_mode="livemax", registry=own)
        self._changed = Gauge(
            "aisle_index_changed_timestamp_seconds",
            "The last change.",
            multiprocess_mode="livemax",
            registry=own,
        )
        self._products = Gauge("aisle_index_products", "In the index.", multiprocess_mode="livemax", registry=own)
        self._failing = Gauge(
            "aisle_writer_failing",
            "1 where the latest changes could not be written, or there is no writer.",
            multiprocess_mode="livemostrecent",
            registry=own,
        )
        self._down = Gauge(
            "aisle_processes_down",
            "Workers and other processes that ended and are not back.",
            multiprocess_mode="livemostrecent",
            registry=own,
        )

    def __call__(self, facts: Facts) -> None:
        """Count one request."""
        self._requests.labels(facts.route, facts.method, str(facts.status)).inc()
        self._seconds.labels(facts.route).observe(facts.total_ms / 1_000)
        self._queue.set(self.parts.pool.waiting)
        self._writes.set(self.parts.writer.waiting)
        self._caches.look()
        if not facts.searched:
            return
        self._waited.observe(facts.queue_ms / 1_000)
        self._searches.labels(facts.mode).inc()
        for stage, ms in facts.stages.items():
            self._stages.labels(stage).observe(ms / 1_000)
        if facts.zero:
            self._zero.inc()
        if facts.cut:
            self._cut.inc()
        if facts.shared:
            self._shared.inc()
        if incomplete(facts.degraded):
            self._incomplete.inc()
        for what in facts.degraded:
            self._degraded.labels(what.partition(":")[0].partition(" ")[0]).inc()
        if facts.variant:
            self._variants.labels(facts.variant).inc()
        if facts.shadow:
            self._shadow.outcome(facts.shadow)
        if facts.scores:
            self._scores.observe(facts.scores[0])

    def text(self, trouble: str) -> bytes:
        """All of it, in Prometheus' text format.

        Args:
            trouble: Of the writer now; "" for none.
        """
        from prometheus_client import CollectorRegistry, generate_latest
        from prometheus_client.multiprocess import MultiProcessCollector

        self._look()
        self._failing.set(bool(trouble))
        folder = os.environ.get(FOLDER)
        if not folder:
            return generate_latest(self.registry)
        gathered = CollectorRegistry()
        MultiProcessCollector(gathered, folder)  # type: ignore[no-untyped-call]
        return generate_latest(gathered)

    def _look(self) -> None:
        """What no request changes, or other processes do."""
        self._caches.look()
        self._down.set(len(troubles_in(self.parts.processes)))
        index = self.parts.index
        self._version.set(index.version)
        self._products.set(index.count())
        newest = max((path.stat().st_mtime for path in index.folder.glob("*.lance/_versions")), default=time.time())
        self._changed.set(newest)


class ShadowMetrics:
    """What becomes of searches that a candidate is to score silently.

    Args:
        registry: None: one of its own, for a process that only counts.
    """

    def __init__(self, registry: CollectorRegistry | None) -> None:
        from prometheus_client import CollectorRegistry, Counter, Histogram

        own = CollectorRegistry() if registry is None else registry
        self._outcomes = Counter("aisle_shadow_searches", "Searches for a candidate.", ("outcome",), registry=own)
        self._seconds = Histogram("aisle_shadow_seconds", "The candidate's stages.", buckets=BUCKETS, registry=own)
        self._overlap = Histogram(
            "aisle_shadow_overlap", "Of the first products with those served.", buckets=SHADOWED, registry=own
        )

    def outcome(self, what: str) -> None:
        """Count a search that was sent, dropped (no room), late, failed or compared."""
        self._outcomes.labels(what).inc()

    def compared(self, line: ShadowLine) -> None:
        """Count a search that was scored."""
        self.outcome("compared")
        self._seconds.observe(line.candidate_ms / 1_000)
        self._overlap.observe(line.overlap)
