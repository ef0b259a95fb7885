"""Monitoring inside a service: the settings `[monitor]`, the log of requests, and alert rules looked at as it grows.

Each worker writes to the log; one of them, whoever holds a lock, reads what all wrote and sends alerts.
"""

from __future__ import annotations

import asyncio
import dataclasses
import datetime as dt
import fcntl
import json
import logging
import os
import threading
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import ConfigDict, Field, TypeAdapter
from pydantic.dataclasses import dataclass

from aisle.config import checked
from aisle.errors import RecipeError
from aisle.monitor.follow import Follower
from aisle.monitor.reference import load_reference
from aisle.monitor.rules import read_rules
from aisle.monitor.watch import Notice, Watch, blind
from aisle.monitor.webhook import Webhook
from aisle.serve.facts import Observer
from aisle.serve.request_log import FOLDER, RequestLog
from aisle.serve.security.files import private_folder, replace_private
from aisle.serve.shoppers import shoppers_in
from aisle.serve.traces import Traces, open_traces

LOG = logging.getLogger("aisle.serve")
TOKEN = "AISLE_WEBHOOK_TOKEN"
FIRING = "alerts.json"
"""What fires, beside the index: written at each look."""
UNSENT = 200
"""Alerts that wait for a webhook that does not answer; the oldest are left out."""


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class MonitorSettings:
    """`[monitor]` of the configuration.

    Attributes:
        log: Whether requests are logged, masked, to ``STATE/requests``.
        keep_days: Older days are deleted.
        max_bytes: Of a day; what comes then is not logged.
        rules: File of alert rules; empty: none are looked at.
        reference: Window to compare with, for rules of drift.
        webhook: Where alerts go; empty: to the service's own log only. A bearer token may stand in AISLE_WEBHOOK_TOKEN.
        every_s: Seconds between looks.
        traces: Whether requests are sent as spans of OpenTelemetry.
    """

    log: bool = True
    keep_days: int = Field(default=30, ge=1)
    max_bytes: int = Field(default=1 << 30, ge=1)
    rules: str = ""
    reference: str = ""
    webhook: str = ""
    every_s: float = Field(default=60.0, ge=0.05, le=3_600, allow_inf_nan=False)
    traces: bool = False

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], source: str = "configuration") -> MonitorSettings:
        """Settings from plain data.

        Raises:
            RecipeError: A setting is unknown, of the wrong type or out of range, or rules have no log to look at.
        """
        settings = checked(_ADAPTER, dict(data), f"{source}: [monitor]", lambda _: _NAMES)
        if settings.rules and not settings.log:
            raise RecipeError(f"{source}: [monitor]: rules look at the log, which is off", fix="set log = true")
        if settings.webhook and not settings.rules:
            raise RecipeError(f"{source}: [monitor]: a webhook without rules", fix="name a file of rules")
        return settings


_ADAPTER = TypeAdapter(MonitorSettings)
_NAMES = ", ".join(field.name for field in dataclasses.fields(MonitorSettings))


class Alarms:
    """Looks at the rules from time to time, in the one process that holds the lock.

    Args:
        folder: Of the log of requests.
        watch: The rules.
        webhook: Where alerts go; None: to the service's log only.
        every_s: Seconds between looks.
    """

    def __init__(self, folder: Path, watch: Watch, webhook: Webhook | None, every_s: float) -> None:
        self.folder, self.watch, self.webhook, self.every_s = folder, watch, webhook, every_s
        self._unsent: list[Notice] = []
        self._follower: Follower | None = None
        self._lock: int | None = None
        self._end = threading.Event()

    async def run(self) -> None:
        """Look again and again, until cancelled."""
        while True:
            await asyncio.sleep(self.every_s)
            try:
                await asyncio.to_thread(self.look)
            except Exception:  # the next look may go better
                LOG.exception("the alert rules cannot be looked at")

    def look(self, now: dt.datetime | None = None) -> list[Notice]:
        """Look once: what began or ended, nothing where another process does this."""
        if not self._mine():
            return []
        now = now or dt.datetime.now(dt.UTC)
        if self._follower is None:
            self._follower = Follower(self.folder, self.watch.window_s)
        notices = self.watch.at(now, self._follower.records(now))
        self._tell(now)
        for notice in notices:
            value = "no value" if notice.value is None else f"{notice.value:g}"
            LOG.warning("alert %s %s: %s, now %s", notice.rule.name, notice.state, notice.rule, value)
        if self.webhook is not None:
            self._unsent = (self._unsent + notices)[-UNSENT:]
            delivery = self.webhook.send(self._unsent, self.folder.parent.name, self._end.wait)
            if delivery.ok:
                if self._unsent:
                    LOG.info("%d alerts sent to the webhook", len(self._unsent))
                self._unsent = []
            else:
                LOG.warning("%d alerts wait: the webhook %s", len(self._unsent), delivery.error)
        return notices

    def close(self) -> None:
        """End a pause between tries, and let another process look."""
        self._end.set()
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    def _tell(self, now: dt.datetime) -> None:
        """Leave what fires now for the page, which any process may show."""
        told = {"at": now.isoformat(timespec="seconds"), "alerts": [one.to_dict() for one in self.watch.firing]}
        replace_private(self.folder.parent / FIRING, json.dumps(told, ensure_ascii=False).encode())

    def _mine(self) -> bool:
        if self._lock is not None:
            return True
        private_folder(self.folder)
        file = os.open(self.folder / ".alarms.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
            return False
        self._lock = file
        return True


@dataclasses.dataclass(frozen=True)
class Firing:
    """The alerts that last, as `Notice.to_dict` tells them, and when somebody looked."""

    at: dt.datetime
    alerts: Sequence[Mapping[str, Any]]


def firing(state: Path) -> Firing | None:
    """What fired at the last look; None where nobody looked yet."""
    try:
        told = json.loads((state / FIRING).read_bytes())
    except (OSError, ValueError):
        return None
    return Firing(dt.datetime.fromisoformat(told["at"]), told["alerts"])


@dataclasses.dataclass(frozen=True)
class Monitoring:
    """What a worker does for monitoring; each part is None where it is off."""

    log: RequestLog | None
    alarms: Alarms | None
    traces: Traces | None

    @property
    def observers(self) -> list[Observer]:
        """Those to be told of each request."""
        return [part for part in (self.traces, self.log) if part is not None]  # the log has the trace's id

    def close(self) -> None:
        """Write what waits, and end."""
        if self.alarms is not None:
            self.alarms.close()
        if self.log is not None:
            self.log.close()
        if self.traces is not None:
            self.traces.close()


def open_monitoring(state: Path, table: Mapping[str, Any]) -> Monitoring:
    """Monitoring as the configuration's table `[monitor]` says.

    Args:
        state: Folder of what is kept beside the index.
        table: Of the configuration.

    Raises:
        RecipeError: A setting or a rule is wrong.
        ArtifactError: The reference is none.
        OptionalDependencyError: Traces are wanted and OpenTelemetry is not installed.
    """
    settings = MonitorSettings.from_dict(table)
    alarms, traces = _alarms(state / FOLDER, settings), open_traces() if settings.traces else None
    log = RequestLog(state / FOLDER, settings.keep_days, settings.max_bytes) if settings.log else None
    return Monitoring(log, alarms, traces)


def check_monitoring(table: Mapping[str, Any]) -> None:
    """See before anything is started that the table `[monitor]` and its files are right.

    Raises:
        RecipeError: A setting or a rule is wrong.
        ArtifactError: The reference is none.
        OptionalDependencyError: Traces are wanted and OpenTelemetry is not installed.
    """
    settings = MonitorSettings.from_dict(table)
    _alarms(Path(FOLDER), settings)
    if settings.traces:
        open_traces().close()


def _alarms(folder: Path, settings: MonitorSettings) -> Alarms | None:
    if not settings.rules:
        return None
    rules = read_rules(Path(settings.rules).expanduser())
    reference = load_reference(Path(settings.reference).expanduser()) if settings.reference else None
    silent = blind(rules, reference, vectors=False, events=True)
    if silent is not None:
        rule, why = silent
        vectors = " (a service does not encode queries for it)" if why == "needs vectors" else ""
        raise RecipeError(
            f"[monitor]: rule {rule.name!r}: {rule.metric} {why}{vectors}",
            fix="look at it with `aisle monitor` from time to time"
            if vectors
            else "set monitor.reference; `aisle monitor LOG --save-reference REF` makes one, with --events for clicks",
        )
    webhook = Webhook(settings.webhook, token=os.environ.get(TOKEN, "")) if settings.webhook else None
    interleaved = any(rule.metric.startswith("interleaving.") for rule in rules)
    watch = Watch(rules, reference, partial(shoppers_in, folder.parent, experiments=interleaved))
    return Alarms(folder, watch, webhook, settings.every_s)
