"""What a worker keeps in memory, as metrics: how often it was there when it was asked for, and how much it is.

Objects count for themselves; here their numbers become Prometheus', which are those of all workers together. An engine
that takes the place of another brings new objects, whose numbers begin at 0.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aisle.encoders.kept import KeptVectors
from aisle.rerankers.cached import CachedReranker
from aisle.rerankers.combination import CombinationReranker
from aisle.rerankers.cosine import CosineReranker
from aisle.serve.parts import Parts

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry


@dataclass(frozen=True, slots=True)
class Counted:
    """The numbers of one cache: ``of`` counts them, ``entries`` are in it now."""

    of: object
    hits: int = 0
    misses: int = 0
    entries: int = 0


def caches_of(parts: Parts) -> Iterator[tuple[str, Counted]]:
    """The caches of the engine that is served and of autocomplete, by name."""
    for name, one in parts.index.caches.items():
        yield name, Counted(one, one.hits, one.misses, one.entries)
    reranker = parts.engine.reranker
    if isinstance(reranker, CachedReranker):
        yield "scores", Counted(reranker, reranker.hits, reranker.misses, reranker.entries)
        reads = reranker.reranker
        if isinstance(reads, CosineReranker | CombinationReranker) and isinstance(reads.encoder, KeptVectors):
            vectors = reads.encoder
            yield "product_vectors", Counted(vectors, vectors.hits, vectors.misses, vectors.entries)
    if parts.suggestions is not None:
        known = parts.suggestions.known
        yield "suggestions", Counted(parts.suggestions, known.hits, known.misses, known.currsize)


class CacheMetrics:
    """Takes over what the caches have counted.

    Args:
        parts: Whose caches.
        registry: Of this process.
    """

    def __init__(self, parts: Parts, registry: CollectorRegistry) -> None:
        from prometheus_client import Counter, Gauge

        self.parts = parts
        self._hits = Counter("aisle_cache_hits", "It was there.", ("cache",), registry=registry)
        self._misses = Counter("aisle_cache_misses", "It was made or read anew.", ("cache",), registry=registry)
        self._entries = Gauge(
            "aisle_cache_entries", "In memory.", ("cache",), multiprocess_mode="livesum", registry=registry
        )
        self._seen: dict[str, Counted] = {}

    def look(self) -> None:
        """Add what was counted since the last look."""
        for name, now in caches_of(self.parts):
            before = self._seen.get(name)
            if before == now:
                continue
            if before is None or before.of is not now.of:
                before = Counted(now.of)
            self._hits.labels(name).inc(now.hits - before.hits)
            self._misses.labels(name).inc(now.misses - before.misses)
            self._entries.labels(name).set(now.entries)
            self._seen[name] = now
