"""Real queries of Icecat's judgments, as records of a log."""

import csv
import datetime as dt
from pathlib import Path

import pytest

from aisle.monitor.records import Record

RATINGS = Path(__file__).parent.parent.parent / "samples" / "icecat" / "ratings.csv"
START = dt.datetime(2026, 11, 29, 8, tzinfo=dt.UTC)


@pytest.fixture(scope="session")
def queries():
    with RATINGS.open(encoding="utf-8") as file:
        found = list(dict.fromkeys(row["query"] for row in csv.DictReader(file)))
    assert len(found) == 89
    return found


@pytest.fixture(scope="session")
def grades():
    """Query to product to grade."""
    found = {}
    with RATINGS.open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            found.setdefault(row["query"], {})[row["docid"]] = float(row["rating"])
    return found


def search(second, **fields):
    """A search that was answered so many seconds after the start."""
    given = {"status": 200, "searched": True, "total": 10, "shown": 10, "route": "/v1/search", "query": "usb hub"}
    return Record(START + dt.timedelta(seconds=second), **(given | fields))
