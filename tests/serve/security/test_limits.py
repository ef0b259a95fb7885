"""Buckets and days against hand calculation, and across real processes."""

import multiprocessing
import time

import pytest

from aisle.errors import ArtifactError
from aisle.serve.security.limits import Limit, RateTable, headers_of

NOON = 1_800_000_000 - 1_800_000_000 % 86_400 + 43_200.0


@pytest.fixture
def table(tmp_path):
    held = RateTable(tmp_path / "limits.bin", slots=64)
    yield held
    held.close()


def test_a_bucket_refills_with_time(table):
    limit = Limit(per_minute=60, burst=2)  # one a second
    assert [table.hit("a", limit, now=NOON).allowed for _ in range(3)] == [True, True, False]
    refused = table.hit("a", limit, now=NOON + 0.5)
    assert (refused.allowed, refused.retry_after_s) == (False, 1)
    assert table.hit("a", limit, now=NOON + 1).allowed
    assert not table.hit("a", limit, now=NOON + 1).allowed
    assert [table.hit("a", limit, now=NOON + 100).allowed for _ in range(3)] == [True, True, False]  # never above full


def test_what_is_refused_costs_nothing(table):
    limit = Limit(per_minute=60, burst=1)
    assert table.hit("a", limit, now=NOON).allowed
    for _ in range(50):
        assert not table.hit("a", limit, now=NOON).allowed
    assert table.hit("a", limit, now=NOON + 1).allowed


def test_a_day_ends_at_midnight_utc(table):
    limit = Limit(per_day=2)
    assert [table.hit("a", limit, now=NOON).allowed for _ in range(3)] == [True, True, False]
    assert table.hit("a", limit, now=NOON).retry_after_s == 43_200
    assert not table.hit("a", limit, now=NOON + 43_199).allowed
    assert table.hit("a", limit, now=NOON + 43_200).allowed


def test_a_clock_that_jumps_neither_fills_nor_locks(table):
    limit = Limit(per_minute=60, burst=2, per_day=3)
    assert [table.hit("a", limit, now=NOON).allowed for _ in range(2)] == [True, True]
    assert not table.hit("a", limit, now=NOON - 3_600).allowed  # set back: nothing refilled
    assert table.hit("a", limit, now=NOON - 3_599).allowed  # and it goes on from there
    assert not table.hit("a", limit, now=NOON - 3_000).allowed  # the day is used up
    ahead = NOON + 400 * 86_400
    assert table.hit("a", limit, now=ahead).allowed
    assert table.hit("a", limit, now=NOON).allowed  # back again: not locked for 400 days


def test_a_clock_set_back_over_midnight_begins_no_new_day(table):
    limit, midnight = Limit(per_day=1), NOON + 43_200
    assert table.hit("a", limit, now=midnight + 60).allowed
    assert not table.hit("a", limit, now=midnight - 60).allowed
    assert not table.hit("a", limit, now=midnight + 120).allowed


def test_costs_count(table):
    limit = Limit(per_minute=60, burst=10, per_day=12)
    assert table.hit("a", limit, cost=8, now=NOON).remaining == 2
    assert not table.hit("a", limit, cost=3, now=NOON).allowed
    assert table.hit("a", limit, cost=2, now=NOON).day_remaining == 2


def test_headers_by_hand(table):
    limit = Limit(per_minute=120, burst=4, per_day=1_000)
    verdict = table.hit("a", limit, now=NOON)
    assert headers_of(limit, verdict) == {
        "RateLimit-Policy": '"minute";q=120;w=60, "day";q=1000;w=86400',
        "RateLimit": '"minute";r=3;t=1, "day";r=999;t=43200',
    }


def test_the_file_never_grows_and_names_that_come_often_stay(table):
    size = table.path.stat().st_size
    limit = Limit(per_day=1_000)
    for n in range(2_000):
        table.hit("regular", limit, now=NOON + n)
        table.hit(f"made up {n}", limit, now=NOON + n)
    assert table.path.stat().st_size == size
    assert table.hit("regular", limit, now=NOON + 2_000).day_remaining == 0  # never forgotten
    assert table.last_seen("regular") == NOON + 2_000
    assert table.last_seen("nobody") is None


def _hits(path, count, results):
    table = RateTable(path)
    results.put(sum(table.hit("shared", Limit(per_day=500)).allowed for _ in range(count)))
    table.close()


def test_processes_share_one_count(tmp_path):
    fork = multiprocessing.get_context("fork")
    results = fork.Queue()
    workers = [fork.Process(target=_hits, args=(tmp_path / "limits.bin", 300, results)) for _ in range(3)]
    for worker in workers:
        worker.start()
    allowed = [results.get(timeout=60) for _ in workers]
    for worker in workers:
        worker.join()
    assert sum(allowed) == 500


def test_another_file_is_refused(tmp_path):
    (tmp_path / "limits.bin").write_bytes(b"something else")
    with pytest.raises(ArtifactError, match="no table of rates"):
        RateTable(tmp_path / "limits.bin")


def test_counts_outlive_the_process_that_made_them(tmp_path):
    first = RateTable(tmp_path / "limits.bin")
    first.hit("a", Limit(per_day=1), now=time.time())
    first.close()
    second = RateTable(tmp_path / "limits.bin")
    assert not second.hit("a", Limit(per_day=1), now=time.time()).allowed
    second.close()
