"""Numbers of some requests, by name: latencies by stage, rates, scores, throughput.

A name such as ``latency.dense.p95`` is the same in the table, in JSON and in an alert rule.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from aisle.errors import MetricError
from aisle.monitor.records import Record

QUANTILES = (50, 95, 99)
RATES: Mapping[str, tuple[Callable[[Record], bool], Callable[[Record], bool]]] = {
    "error_rate": (lambda record: True, lambda record: record.status >= 500),
    "shed_rate": (lambda record: True, lambda record: record.status == 429),
    "left_rate": (lambda record: True, lambda record: record.status == 499),
    "zero_rate": (lambda record: record.searched, lambda record: record.zero),
    "cut_rate": (lambda record: record.searched, lambda record: record.cut > 0),
    "degraded_rate": (lambda record: record.searched, lambda record: record.incomplete),
}
"""Name to which requests count, and which of them are hit."""
RATE_MEANING: Mapping[str, str] = {
    "error_rate": "answers with status 500 and above, of all requests",
    "shed_rate": "requests refused with 429, of all requests",
    "left_rate": "clients that left before the answer, of all requests",
    "zero_rate": "searches that found nothing",
    "cut_rate": "searches with products cut off as too unlikely",
    "degraded_rate": "searches with something left out for a deadline or a failure",
}
DRIFT = ("drift.score", "drift.length", "drift.unseen", "drift.queries")
CLICK_DRIFT = ("drift.clicks.rate", "drift.clicks.ndcg")
BEHAVIOUR = ("clicks.rate", "clicks.ndcg", "interleaving.share", "interleaving.p", *CLICK_DRIFT)
"""What only events of shoppers tell; see `aisle.monitor.behaviour`."""
_LATENCY = re.compile(r"latency\.([a-z0-9_]+(?:\.[a-z0-9_]+)*)\.p(\d{1,2})")
_SCORE = re.compile(r"score\.(first|page)\.(?:p(\d{1,2})|mean)")
ALLOWED = (
    "requests, searches, throughput, " + ", ".join(RATES) + ", latency.total.p95 (total, queue or a stage; p1 to p99), "
    "score.first.p50, score.first.mean, score.page.p50, " + ", ".join((*DRIFT, *BEHAVIOUR))
)


@dataclass(frozen=True, slots=True)
class Measure:
    """A number over requests, by its name.

    ``name`` is as it was written; ``of`` gives the value and how many requests it is of (None, 0 where there are none).
    """

    name: str
    of: Callable[[Sequence[Record]], tuple[float | None, int]]


def measure(name: str, seconds: float) -> Measure:
    """The measure of a name; drifts are in `aisle.monitor.reference`, shoppers' behaviour in `aisle.monitor.behaviour`.

    Args:
        name: Such as ``zero_rate``.
        seconds: How long the requests took to come, for the throughput.

    Raises:
        MetricError: There is no such name.
    """
    if name in ("requests", "searches", "throughput"):
        searches = name == "searches"

        def count(records: Sequence[Record]) -> tuple[float | None, int]:
            n = sum(record.searched for record in records) if searches else len(records)
            return (n / seconds if seconds > 0 else None) if name == "throughput" else float(n), len(records)

        return Measure(name, count)
    if name in RATES:
        counted, hit = RATES[name]

        def rate(records: Sequence[Record]) -> tuple[float | None, int]:
            of = [record for record in records if counted(record)]
            return (sum(map(hit, of)) / len(of) if of else None), len(of)

        return Measure(name, rate)
    latency, score = _LATENCY.fullmatch(name), _SCORE.fullmatch(name)
    if latency and int(latency[2]) > 0:
        stage, share = latency[1], int(latency[2])

        def slow(records: Sequence[Record]) -> tuple[float | None, int]:
            values = [ms for record in records if (ms := _ms(record, stage)) is not None]
            return quantile(values, share), len(values)

        return Measure(name, slow)
    if score and score[2] != "0":
        first, percent = score[1] == "first", int(score[2]) if score[2] else None

        def level(records: Sequence[Record]) -> tuple[float | None, int]:
            values = [value for record in records for value in record.scores[: 1 if first else None]]
            if not values:
                return None, 0
            return (math.fsum(values) / len(values) if percent is None else quantile(values, percent)), len(values)

        return Measure(name, level)
    raise MetricError(f"no measure {name!r}", allowed=ALLOWED)


def quantile(values: Sequence[float], percent: int) -> float | None:
    """The smallest value that at least so many percent of all do not exceed (nearest rank); None without values."""
    if not values:
        return None
    return sorted(values)[max(0, math.ceil(len(values) * percent / 100) - 1)]


@dataclass(frozen=True, slots=True)
class Summary:
    """What some requests say.

    Attributes:
        requests: How many.
        searches: Of them, searches that were answered.
        seconds: From the first to the last.
        values: Name to number, None where nothing says.
        stages: Stages that searches had, those in which most time is spent first.
        histogram: Edges and counts of the first scores, ten equal bins from the least to the greatest.
        degraded: What was left out, and how often.
        versions: Index version to searches.
        variants: Variant to searches.
    """

    requests: int
    searches: int
    seconds: float
    values: Mapping[str, float | None]
    stages: tuple[str, ...]
    histogram: tuple[tuple[float, ...], tuple[int, ...]]
    degraded: Mapping[str, int]
    versions: Mapping[str, int]
    variants: Mapping[str, int]


def summarise(records: Sequence[Record]) -> Summary:
    """All numbers of requests that are in the order of time."""
    seconds = (records[-1].time - records[0].time).total_seconds() if records else 0.0
    searches = [record for record in records if record.searched]
    spent: dict[str, float] = {}
    for record in searches:
        for stage, ms in record.stages.items():
            spent[stage] = spent.get(stage, 0.0) + ms
    stages = tuple(sorted(spent, key=lambda stage: (-spent[stage], stage)))
    names = ["throughput", *RATES]
    names += [f"latency.{stage}.p{share}" for stage in ("total", "queue", *stages) for share in QUANTILES]
    names += [f"score.first.p{share}" for share in (5, 50, 95)] + ["score.first.mean"]
    return Summary(
        requests=len(records),
        searches=len(searches),
        seconds=seconds,
        values={name: measure(name, seconds).of(records)[0] for name in names},
        stages=stages,
        histogram=_histogram([record.scores[0] for record in searches if record.scores]),
        degraded=_counted(what.partition(":")[0].partition(" ")[0] for record in searches for what in record.degraded),
        versions=_counted(str(record.index_version) for record in searches),
        variants=_counted(record.variant for record in searches if record.variant),
    )


def _ms(record: Record, stage: str) -> float | None:
    if not record.searched:
        return None
    if stage in ("total", "queue"):
        return record.total_ms if stage == "total" else record.queue_ms
    return record.stages.get(stage)


def _counted(names: Iterable[str]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for name in names:
        counts[name] = counts.get(name, 0) + 1
    return dict(sorted(counts.items(), key=lambda item: (-item[1], item[0])))


def _histogram(values: Sequence[float], bins: int = 10) -> tuple[tuple[float, ...], tuple[int, ...]]:
    if not values:
        return (), ()
    low, high = min(values), max(values)
    width = (high - low) / bins
    if width <= 0:
        return (low, high), (len(values),)
    counts = [0] * bins
    for value in values:
        counts[min(bins - 1, int((value - low) / width))] += 1
    return tuple(low + width * step for step in range(bins + 1)), tuple(counts)
