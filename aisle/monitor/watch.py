"""Alert rules over time: when an alert begins, when it ends. The same code for a log and inside a service."""

from __future__ import annotations

import bisect
import datetime as dt
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from aisle.monitor.behaviour import Shoppers, behaviour
from aisle.monitor.records import Record
from aisle.monitor.reference import Reference
from aisle.monitor.rules import Rule
from aisle.monitor.summary import measure

STEP_S = 60.0
ANEW_S = 3_600.0
"""What shoppers do is looked at so often at least, in windows of days."""
Looked = Callable[[dt.datetime, dt.datetime], Shoppers]


@dataclass(frozen=True, slots=True)
class Notice:
    """An alert that began or ended.

    Attributes:
        rule: Which.
        state: "firing" or "resolved".
        since: When the breach began.
        at: When this was seen.
        value: Of the metric then; None where there were too few requests.
        requests: That the value is of; of a rule of behaviour, pages or shoppers.
    """

    rule: Rule
    state: Literal["firing", "resolved"]
    since: dt.datetime
    at: dt.datetime
    value: float | None
    requests: int

    def to_dict(self) -> dict[str, Any]:
        """As JSON for a webhook."""
        return {
            "name": self.rule.name,
            "state": self.state,
            "severity": self.rule.severity,
            "metric": self.rule.metric,
            "comparison": self.rule.comparison,
            "threshold": self.rule.threshold,
            "value": self.value,
            "requests": self.requests,
            "window_s": self.rule.window_s,
            "since": self.since.isoformat(timespec="seconds"),
            "at": self.at.isoformat(timespec="seconds"),
            "fix": self.rule.fix,
        }


class Watch:
    """Follows rules through time; ask it at growing moments.

    Args:
        rules: To follow.
        reference: For rules of drift; without it they say nothing.
        shoppers: What they did between two moments, for rules of behaviour; without it they say nothing.
    """

    def __init__(
        self, rules: Sequence[Rule], reference: Reference | None = None, shoppers: Looked | None = None
    ) -> None:
        self.rules, self.reference, self.shoppers = tuple(rules), reference, shoppers
        self._since: dict[str, dt.datetime] = {}
        self._firing: dict[str, Notice] = {}
        self._kept: dict[str, tuple[dt.datetime, float | None, int]] = {}

    @property
    def firing(self) -> tuple[Notice, ...]:
        """The alerts that last, each as it began, in the order of the rules."""
        return tuple(self._firing[rule.name] for rule in self.rules if rule.name in self._firing)

    @property
    def window_s(self) -> float:
        """How far back the rules look at requests."""
        return max((rule.window_s for rule in self.rules if not rule.behaves), default=0.0)

    def at(self, now: dt.datetime, records: Sequence[Record]) -> list[Notice]:
        """What begins or ends now.

        Args:
            now: Later than at the last call.
            records: In the order of time; those of each rule's window before ``now`` count.
        """
        found = []
        times: dict[float, tuple[int, int]] = {}
        for rule in self.rules:
            if rule.window_s not in times:
                start = now - dt.timedelta(seconds=rule.window_s)
                first = bisect.bisect_left(records, start, key=lambda record: record.time)
                times[rule.window_s] = first, bisect.bisect_left(records, now, first, key=lambda record: record.time)
            first, end = times[rule.window_s]
            value, n = self._value(rule, records[first:end], now)
            breached = value is not None and n >= rule.minimum and rule.breached(value)
            if not breached:
                since = self._since.pop(rule.name, now)
                if rule.name in self._firing:
                    del self._firing[rule.name]
                    found.append(Notice(rule, "resolved", since, now, value, n))
                continue
            since = self._since.setdefault(rule.name, now)
            if rule.name not in self._firing and (now - since).total_seconds() >= rule.for_s:
                self._firing[rule.name] = Notice(rule, "firing", since, now, value, n)
                found.append(self._firing[rule.name])
        return found

    def forget(self) -> None:
        """Find every value anew at the next look."""
        self._kept.clear()

    def _value(self, rule: Rule, records: Sequence[Record], now: dt.datetime) -> tuple[float | None, int]:
        """The value of a rule; some cost more, so they are found anew when a quarter of their window has passed."""
        if not rule.drifts and not rule.behaves:
            return measure(rule.metric, rule.window_s).of(records)
        before = self._kept.get(rule.name)
        pause = min(rule.window_s / 4, ANEW_S) if rule.behaves else rule.window_s / 4
        if before is None or before[2] < rule.minimum or (now - before[0]).total_seconds() >= pause:
            before = self._kept[rule.name] = (now, *self._costly(rule, records, now))
        return before[1], before[2]

    def _costly(self, rule: Rule, records: Sequence[Record], now: dt.datetime) -> tuple[float | None, int]:
        if rule.behaves:
            if self.shoppers is None:
                return None, 0
            seen = self.shoppers(now - dt.timedelta(seconds=rule.window_s), now)
            return behaviour(rule.metric, seen, self.reference.clicks if self.reference is not None else None)
        return self.reference.drift_of(rule.metric, records) if self.reference is not None else (None, 0)


def blind(rules: Sequence[Rule], reference: Reference | None, vectors: bool, events: bool) -> tuple[Rule, str] | None:
    """The first rule that would never say anything, and what it needs; None where there is no such rule.

    Args:
        rules: To follow.
        reference: What drifts are compared with.
        vectors: Whether queries are encoded.
        events: Whether shoppers' events are looked at.
    """
    for rule in rules:
        if rule.behaves and not events:
            return rule, "needs events of shoppers"
        if not rule.drifts:
            continue
        if reference is None:
            return rule, "needs a reference"
        if rule.metric == "drift.queries" and not vectors:
            return rule, "needs vectors"
        if rule.metric == "drift.score" and not reference.scores:
            return rule, "needs scores, and the reference was made of queries alone"
        if rule.behaves and reference.clicks is None:
            return rule, "needs a reference that shoppers' events went into"
    return None


def replay(
    rules: Sequence[Rule],
    records: Sequence[Record],
    reference: Reference | None = None,
    step_s: float = STEP_S,
    shoppers: Looked | None = None,
) -> list[Notice]:
    """What a service with these rules would have told, looking every ``step_s`` through a log.

    A log shorter than a window is one window: the first look is at the end of the log, or one step after its
    beginning, whichever is first; the last is just after its last record.

    Args:
        rules: To follow.
        records: In the order of time.
        reference: For rules of drift.
        step_s: Seconds between looks.
        shoppers: For rules of behaviour.
    """
    if not records:
        return []
    watch, found = Watch(rules, reference, shoppers), []
    now, end = records[0].time, records[-1].time + dt.timedelta(milliseconds=1)
    while now < end:
        now = min(now + dt.timedelta(seconds=step_s), end)
        if now == end:
            watch.forget()  # the last word is of the whole last window
        found += watch.at(now, records)
    return found


def summary_of(notices: Sequence[Notice]) -> Mapping[str, str]:
    """Rule to "firing" or "resolved", as the last notice of each says."""
    return {notice.rule.name: notice.state for notice in notices}
