"""`/dashboard`: traffic and quality, from the metrics of all processes and what this one remembers."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import APIRouter, Request, Response

from aisle.serve.access import needs
from aisle.serve.alarms import MonitorSettings, firing
from aisle.serve.metrics import Metrics
from aisle.serve.pages.judging import agreements
from aisle.serve.pages.page import Pages
from aisle.serve.pages.quality import DAYS, Quality
from aisle.serve.pages.recent import Minute
from aisle.serve.pages.rendering import PageRoute, Shown
from aisle.serve.parts import Shop
from aisle.serve.routes.health import state_of
from aisle.serve.routes.running import run

router = APIRouter(dependencies=[needs("admin")], route_class=PageRoute, include_in_schema=False)
HEIGHT, STEP = 80, 10


@dataclass(frozen=True, slots=True)
class Latency:
    """Times of a stage in milliseconds; percentiles are estimated within the buckets of a histogram."""

    name: str
    count: int
    mean: float
    p50: float
    p95: float


@dataclass(frozen=True, slots=True)
class Bar:
    """A minute as a bar of a chart, in its own units; ``zero`` is the part that found nothing."""

    x: int
    height: float
    zero: float
    label: str


class Samples:
    """Metrics as numbers.

    Args:
        text: In Prometheus' format.
    """

    def __init__(self, text: str) -> None:
        from prometheus_client.parser import text_string_to_metric_families

        self._found: dict[str, list[tuple[Mapping[str, str], float]]] = {}
        for family in text_string_to_metric_families(text):
            for sample in family.samples:
                self._found.setdefault(sample.name, []).append((sample.labels, sample.value))

    def total(self, name: str) -> float:
        """The sum over all labels."""
        return sum(value for _, value in self._found.get(name, ()))

    def by(self, name: str, *labels: str) -> list[tuple[tuple[str, ...], float]]:
        """Sums by some labels, the largest first."""
        sums: dict[tuple[str, ...], float] = {}
        for given, value in self._found.get(name, ()):
            key = tuple(given.get(label, "") for label in labels)
            sums[key] = sums.get(key, 0.0) + value
        return sorted(sums.items(), key=lambda item: (-item[1], item[0]))

    def latencies(self, name: str, label: str) -> list[Latency]:
        """A histogram in seconds, by a label, the slowest in all first."""
        buckets: dict[str, dict[float, float]] = {}
        for given, value in self._found.get(f"{name}_bucket", ()):
            own = buckets.setdefault(given.get(label, ""), {})
            own[float(given["le"])] = own.get(float(given["le"]), 0.0) + value
        counts, sums = dict(self.by(f"{name}_count", label)), dict(self.by(f"{name}_sum", label))
        found = []
        for of, cumulative in buckets.items():
            count, seconds = counts.get((of,), 0.0), sums.get((of,), 0.0)
            if count:
                p50, p95 = (1_000 * quantile(sorted(cumulative.items()), share) for share in (0.5, 0.95))
                found.append(Latency(of, int(count), 1_000 * seconds / count, p50, p95))
        return sorted(found, key=lambda one: -one.mean * one.count)


def quantile(buckets: Sequence[tuple[float, float]], share: float) -> float:
    """A quantile of a histogram, linear within the bucket it falls into; the last bound where it is beyond it.

    Args:
        buckets: Upper bound to how many values are at most that, by the bound; the last is infinite.
        share: From 0 to 1.
    """
    wanted = share * buckets[-1][1]
    low, below = 0.0, 0.0
    for bound, count in buckets:
        if count >= wanted and count > below:
            return low if bound == float("inf") else low + (bound - low) * (wanted - below) / (count - below)
        low, below = bound, count
    return low


@router.get("/dashboard")
async def dashboard(request: Request, shop: Shop) -> Response:
    """Numbers of the service."""
    pages: Pages = request.app.state.pages
    metrics: Metrics = request.app.state.metrics
    trouble = await shop.writer.trouble()
    samples = Samples((await run(request, shop, lambda: metrics.text(trouble))).decode())
    judged = await run(request, shop, shop.judgments.read)
    searches, minutes = samples.total("aisle_searches_total"), pages.recent.minutes()
    quality: Quality = request.app.state.quality
    grades = await run(request, shop, lambda: pages.grades(judged))
    table = shop.tables.get("monitor", {})
    values: dict[str, Any] = {
        "health": await state_of(shop),
        "requests": samples.total("aisle_requests_total"),
        "searches": searches,
        "zero": _share(samples.total("aisle_searches_zero_total"), searches),
        "degraded": _share(samples.total("aisle_searches_incomplete_total"), searches),
        "cut": _share(samples.total("aisle_searches_cut_total"), searches),
        "refused": sum(value for key, value in samples.by("aisle_requests_total", "status") if key == ("429",)),
        "by_route": samples.by("aisle_requests_total", "route", "status")[:20],
        "by_degraded": samples.by("aisle_searches_degraded_total", "what"),
        "by_mode": samples.by("aisle_searches_total", "mode"),
        "routes": samples.latencies("aisle_request_seconds", "route")[:12],
        "stages": samples.latencies("aisle_stage_seconds", "stage"),
        "bars": bars(minutes),
        "most": max((one.searches for one in minutes), default=0),
        "minutes": [one for one in minutes if one.searches or one.refused][::-1][:15],
        "height": HEIGHT,
        "step": STEP,
        "recent": pages.recent.searches(),
        "judged": len(judged),
        "raters": len({one.judge for one in judged}),
        "agreements": agreements(judged),
        "answers": await quality.of_answers(shop, grades, len(judged), pages.settings.judged_queries),
        "acts": await quality.of_acts(shop),
        "days": DAYS,
        "rules_named": bool(table.get("rules")),
        "firing": await run(request, shop, lambda: firing(shop.state)),
        "late": dt.datetime.now(dt.UTC) - dt.timedelta(seconds=60 + 3 * MonitorSettings.from_dict(table).every_s),
        "clock": clock,
    }
    return pages.renderer.show(request, Shown("dashboard.html", values))


def clock(seconds: float) -> str:
    """A moment as the time of day, in UTC."""
    return f"{dt.datetime.fromtimestamp(seconds, dt.UTC):%H:%M} UTC"


def bars(minutes: Sequence[Minute]) -> list[Bar]:
    """The minutes of an hour as bars of one chart."""
    most = max((one.searches for one in minutes), default=0) or 1
    return [
        Bar(
            x=place * STEP,
            height=round(HEIGHT * one.searches / most, 2),
            zero=round(HEIGHT * one.zero / most, 2),
            label=f"{one.start // 60 % 24:02}:{one.start % 60:02} UTC: {one.searches}",
        )
        for place, one in enumerate(minutes)
    ]


def _share(part: float, whole: float) -> float:
    return part / whole if whole else 0.0
