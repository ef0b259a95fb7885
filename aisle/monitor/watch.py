"""Alert rules over time: when an alert begins, when it ends. The same code for a log and inside a service."""

from __future__ import annotations

import bisect
import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from aisle.monitor.records import Record
from aisle.monitor.reference import Reference
from aisle.monitor.rules import Rule
from aisle.monitor.summary import measure

STEP_S = 60.0


@dataclass(frozen=True, slots=True)
class Notice:
    """An alert that began or ended.

    Attributes:
        rule: Which.
        state: "firing" or "resolved".
        since: When the breach began.
        at: When this was seen.
        value: Of the metric then; None where there were too few requests.
        requests: That the value is of.
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
    """

    def __init__(self, rules: Sequence[Rule], reference: Reference | None = None) -> None:
        self.rules, self.reference = tuple(rules), reference
        self._since: dict[str, dt.datetime] = {}
        self._firing: set[str] = set()
        self._drifts: dict[str, tuple[dt.datetime, float | None, int]] = {}

    @property
    def window_s(self) -> float:
        """How far back the rules look."""
        return max((rule.window_s for rule in self.rules), default=0.0)

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
                    self._firing.discard(rule.name)
                    found.append(Notice(rule, "resolved", since, now, value, n))
                continue
            since = self._since.setdefault(rule.name, now)
            if rule.name not in self._firing and (now - since).total_seconds() >= rule.for_s:
                self._firing.add(rule.name)
                found.append(Notice(rule, "firing", since, now, value, n))
        return found

    def _value(self, rule: Rule, records: Sequence[Record], now: dt.datetime) -> tuple[float | None, int]:
        """The value of a rule; a drift costs more, so it is found anew when a quarter of its window has passed."""
        if not rule.drifts:
            return measure(rule.metric, rule.window_s).of(records)
        if self.reference is None:
            return None, 0
        before = self._drifts.get(rule.name)
        if before is None or (now - before[0]).total_seconds() >= rule.window_s / 4:
            before = self._drifts[rule.name] = (now, *self.reference.drift_of(rule.metric, records))
        return before[1], before[2]


def replay(
    rules: Sequence[Rule], records: Sequence[Record], reference: Reference | None = None, step_s: float = STEP_S
) -> list[Notice]:
    """What a service with these rules would have told, looking every ``step_s`` through a log.

    A log shorter than a window is one window: the first look is at the end of the log, or one step after its
    beginning, whichever is first; the last is just after its last record.

    Args:
        rules: To follow.
        records: In the order of time.
        reference: For rules of drift.
        step_s: Seconds between looks.
    """
    if not records:
        return []
    watch, found = Watch(rules, reference), []
    now, end = records[0].time, records[-1].time + dt.timedelta(milliseconds=1)
    while now < end:
        now = min(now + dt.timedelta(seconds=step_s), end)
        found += watch.at(now, records)
    return found


def summary_of(notices: Sequence[Notice]) -> Mapping[str, str]:
    """Rule to "firing" or "resolved", as the last notice of each says."""
    return {notice.rule.name: notice.state for notice in notices}
