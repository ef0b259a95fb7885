"""Shoppers' latest events and pages of experiments, as far as alert rules and the dashboard look at them."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

from aisle.monitor.behaviour import Shoppers
from aisle.monitor.experiments import read_experiments
from aisle.serve.experiment.settings import FOLDER
from aisle.serve.security.event_files import last_events

MOST = 50_000
"""Events that are read at most, the latest of the window: a busy shop has millions in a week."""


def shoppers_in(state: Path, since: dt.datetime, until: dt.datetime, experiments: bool = False) -> Shoppers:
    """What shoppers saw and did in a window; nothing where nothing is kept.

    Args:
        state: Folder of what a service keeps beside the index.
        since: From this moment on.
        until: Before this moment.
        experiments: Whether the log of experiments is read too, which is not short while one runs.
    """
    events = last_events(state / "events", since, until, MOST)
    log = state / FOLDER
    lines = read_experiments(log, since, until).pages if experiments and log.is_dir() else ()
    return Shoppers(events, lines)
