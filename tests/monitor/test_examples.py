"""The settings and rules that are shipped: read as a service reads them, and each fires on what it is for, else not."""

import datetime as dt
import shutil
from pathlib import Path

import pytest

from aisle.monitor.behaviour import Shoppers, clicks_of
from aisle.monitor.reference import Reference
from aisle.monitor.rules import read_rules
from aisle.monitor.watch import replay
from aisle.serve.alarms import check_monitoring, open_monitoring
from aisle.serve.settings import read_config
from tests.monitor.conftest import START, search
from tests.monitor.test_behaviour import LOOKS, kept, page, shopping

SHIPPED = Path(__file__).parent.parent.parent / "ops" / "monitor"
NOW = START + dt.timedelta(hours=2)


def looked(home, settings):
    """The alerts of a service's first look."""
    table = read_config(settings).tables["monitor"]
    check_monitoring(table)
    monitoring = open_monitoring(home / "shop.state", table)
    try:
        return {notice.rule.name: notice for notice in monitoring.alarms.look(NOW)}
    finally:
        monitoring.close()


def interleaved(first, liked, other):
    """Shoppers who click one team's product: of a hundred so many, the other's the rest."""
    for number in range(300):
        team = liked if number % 100 < 90 else other
        yield from page(first + number, "hub", "xy", "x" if team == "a" else "y", "ab", user=f"i{number}")


def test_rules_of_what_shoppers_do_fire_when_it_gets_worse_and_not_before(grades, tmp_path):
    example = Path(shutil.copytree(SHIPPED, tmp_path / "monitor"))
    good = [*shopping(grades, best_first=True, pages=2_400), *interleaved(3_000, *"ba")]
    usual = clicks_of(Shoppers(good), LOOKS)
    Reference(1, "", "", (), (), {}, (), clicks=usual).save(example / "reference.json")
    for name, best_first, teams in (("same", True, "ba"), ("worse", False, "ab")):
        events = [*shopping(grades, best_first, first=1, pages=2_400), *interleaved(3_000, *teams)]
        kept(tmp_path / name / "shop.state" / "events", events)
    assert looked(tmp_path / "same", example / "aisle.toml") == {}
    found = looked(tmp_path / "worse", example / "aisle.toml")
    assert list(found) == [rule.name for rule in read_rules(example / "quality.toml")]
    lost = found["the candidate loses"]
    assert (round(lost.value, 2), lost.requests) == (0.1, 300)
    assert found["fewer clicks"].requests == 2_700
    assert all(notice.rule.fix for notice in found.values())


BAD = {
    "errors": {"status": 500},
    "slow": {"total_ms": 900.0},
    "shedding": {"status": 429},
    "nothing found": {"total": 0},
    "degraded": {"degraded": ("rerank: the deadline of 80 ms was spent",)},
}


@pytest.mark.parametrize("name", BAD)
def test_rules_of_requests_fire_on_a_bad_hour_and_not_on_a_good_one(name):
    rules = read_rules(SHIPPED / "rules.toml")
    assert [rule.name for rule in rules] == list(BAD)
    assert replay(rules, [search(second) for second in range(0, 4_000, 2)]) == []
    bad = [search(second, **BAD[name]) for second in range(0, 4_000, 2)]
    assert [(notice.rule.name, notice.state) for notice in replay(rules, bad)] == [(name, "firing")]
