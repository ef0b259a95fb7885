"""Events: nothing personal reaches the disk, nothing acknowledged is lost, a user's are found and deleted."""

import asyncio
import datetime as dt
import json
import multiprocessing
import os
import resource
import signal

import pytest

from aisle.errors import RequestError
from aisle.monitor.experiments import PageLine, read_experiments
from aisle.monitor.experiments import line_of as page_line
from aisle.monitor.follow import Follower
from aisle.monitor.records import Record, read_log
from aisle.monitor.records import line_of as record_line
from aisle.serve.faults import Fault
from aisle.serve.security.event import _TEXT_CHARS, Event, Hasher, Item, line_of
from aisle.serve.security.event_files import Deleted, day_file, days, delete_user, expire, read_events
from aisle.serve.security.events import EventStore


def today() -> dt.date:
    """Asked for when it is needed: a run may cross midnight."""
    return dt.datetime.now(dt.UTC).date()


@pytest.fixture
def store(tmp_path):
    held = EventStore(tmp_path, keep_days=90, queue=1_000)
    yield held
    held.close()


def click(product="p1", **more):
    return Event("click", (Item(product, position=3),), **more)


def test_what_was_told_is_what_is_read(store, tmp_path):
    given = Event(
        "impression",
        (Item("p1", 1, score=0.5, propensity=0.25, team="a"), Item("p2", 2, price=9.95, quantity=2)),
        query="hp 301 ink",
        user="customer 1",
        session="visit 1",
        request_id="r1",
        ranking="abc",
        variant="b",
        extra={"page": 2, "device": "phone", "logged_in": True},
    )
    store.add_now([given])
    (read,) = read_events(tmp_path / "events")
    assert read.event.items == given.items
    assert (read.event.type, read.event.query, read.event.ranking) == ("impression", "hp 301 ink", "abc")
    assert (read.event.variant, read.event.request_id, read.event.extra) == ("b", "r1", given.extra)
    assert abs((dt.datetime.now(dt.UTC) - read.time).total_seconds()) < 60
    assert len(read.event.user) == len(read.event.session) == 32


def test_nothing_personal_reaches_the_disk(store, tmp_path):
    store.add_now(
        [
            click(
                query="call 13800138000 or anna@example.com",
                user="anna@example.com",
                session="13800138000",
                extra={"note": "card 4111 1111 1111 1111"},
            )
        ]
    )
    content = day_file(tmp_path / "events", today().isoformat()).read_text()
    for personal in ("13800138000", "anna", "4111"):
        assert personal not in content
    assert "<phone>" in content
    assert "<card>" in content


@pytest.mark.parametrize("before", [480, 490, 499])
def test_nothing_of_what_is_masked_is_left_where_a_text_is_cut(store, tmp_path, before):
    for end in range(_TEXT_CHARS - 20, _TEXT_CHARS):
        store.add_now([click(query=f"{'x' * before} 5500005555555559", extra={"note": f"{'x' * end} 13800138000"})])
    content = day_file(tmp_path / "events", today().isoformat()).read_text()
    assert "55000" not in content
    assert "1380" not in content


def test_a_user_is_the_same_hash_here_and_another_elsewhere(tmp_path):
    ours, again, theirs = Hasher(tmp_path / "a"), Hasher(tmp_path / "a"), Hasher(tmp_path / "b")
    assert ours("user", "x") == again("user", "x") != theirs("user", "x")
    assert ours("user", "x") != ours("session", "x")
    assert ours("user", "") == ""
    assert (tmp_path / "a" / "events.salt").stat().st_mode & 0o077 == 0


@pytest.mark.parametrize(
    ("event", "message"),
    [
        (Event("view"), "event type 'view'"),
        (Event("click", (Item(""),)), "product id of 0 characters"),
        (Event("click", (Item("a\nb"),)), r"U\+000A"),
        (Event("click", (Item("a", score=float("nan")),)), "not finite"),
        (Event("click", (Item("a", propensity=0.0),)), "propensity"),
        (Event("click", (Item("a", position=-1),)), "position -1"),
        (Event("click", user="u" * 300), "user of 300 characters"),
        (Event("click", extra={"A-b": 1}), "extra value 'A-b'"),
        (Event("click", extra={"a": float("inf")}), "finite"),
        (Event("click", tuple(Item(str(n)) for n in range(501))), "501 items"),
    ],
)
def test_what_is_no_event_is_refused_before_anything_is_kept(store, tmp_path, event, message):
    with pytest.raises(RequestError, match=message):
        store.add_now([click(), event])
    assert list(read_events(tmp_path / "events")) == []


def test_many_at_once_are_all_kept(store, tmp_path):
    async def all_of_them():
        await asyncio.gather(*(store.add([click(f"p{n}", session=f"s{n}")]) for n in range(200)))

    asyncio.run(all_of_them())
    assert {read.event.items[0].id for read in read_events(tmp_path / "events")} == {f"p{n}" for n in range(200)}


def test_more_than_may_wait_is_refused(tmp_path):
    store = EventStore(tmp_path, 90, queue=3)
    with pytest.raises(Fault, match="more requests are waiting") as refused:
        store.add_now([click()] * 4)
    assert refused.value.status == 429
    store.close()
    with pytest.raises(Fault, match="more requests are waiting"):
        store.add_now([click()])


def _add(folder, number):
    store = EventStore(folder, 90, 1_000)
    for n in range(50):
        store.add_now([click(f"{number}-{n}")])
    store.close()


def test_processes_add_to_the_same_day(tmp_path):
    fork = multiprocessing.get_context("fork")
    workers = [fork.Process(target=_add, args=(tmp_path, number)) for number in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len({read.event.items[0].id for read in read_events(tmp_path / "events")}) == 150
    assert len(days(tmp_path / "events")) == 1


def _tell(folder, end):
    store = EventStore(folder, 90, 1_000)
    for n in range(100_000):
        store.add_now([click(f"p{n}")])
        end.send(n)


def test_a_kill_loses_nothing_that_was_acknowledged(tmp_path):
    fork = multiprocessing.get_context("fork")
    end, theirs = fork.Pipe(duplex=False)
    writer = fork.Process(target=_tell, args=(tmp_path, theirs))
    writer.start()
    theirs.close()
    told = [end.recv() for _ in range(40)]
    os.kill(writer.pid, signal.SIGKILL)
    writer.join()
    while end.poll():
        try:
            told.append(end.recv())
        except EOFError:
            break
    end.close()
    kept = [read.event.items[0].id for read in read_events(tmp_path / "events")]
    assert kept[: len(told)] == [f"p{n}" for n in told]


def test_a_torn_line_is_passed_over_and_the_next_is_whole(store, tmp_path, caplog):
    store.add_now([click("p1")])
    with day_file(tmp_path / "events", today().isoformat()).open("ab") as file:
        file.write(b'{"v":1,"time":"20')  # as a crash of the machine leaves it
    assert [read.event.items[0].id for read in read_events(tmp_path / "events")] == ["p1"]
    store.add_now([click("p2")])
    assert [read.event.items[0].id for read in read_events(tmp_path / "events")] == ["p1", "p2"]
    assert "1 lines that are no events" in caplog.text


def test_a_full_disk_keeps_nothing_of_what_it_refuses(tmp_path):
    store = EventStore(tmp_path, 90, 1_000)
    store.add_now([click("p1")])
    path = day_file(tmp_path / "events", today().isoformat())
    before = path.read_bytes()
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (len(before) + 40, limits[1]))
    try:
        with pytest.raises(Fault, match="could not be written") as refused:
            asyncio.run(store.add([click("p2", query="x" * 100)]))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    assert refused.value.status == 503
    assert path.read_bytes() == before
    store.add_now([click("p3")])
    assert [read.event.items[0].id for read in read_events(tmp_path / "events")] == ["p1", "p3"]
    store.close()


def test_days_are_kept_as_long_as_they_should_be(tmp_path):
    folder = tmp_path / "events"
    folder.mkdir()
    for age in (0, 1, 29, 30, 31, 400):
        day_file(folder, (today() - dt.timedelta(days=age)).isoformat()).write_bytes(b"{}\n")
    (folder / "notes.jsonl").write_bytes(b"not a day\n")
    assert expire(folder, 30, today()) == 3
    assert [(today() - day).days for day, _ in days(folder)] == [29, 1, 0]
    assert (folder / "notes.jsonl").exists()


def test_a_service_deletes_old_days_by_itself(store, tmp_path):
    (tmp_path / "events").mkdir()
    old = day_file(tmp_path / "events", (today() - dt.timedelta(days=91)).isoformat())
    old.write_bytes(b"{}\n")
    store.add_now([click()])
    store.close()
    assert not old.exists()


def test_a_clock_that_jumps_deletes_nothing(store, tmp_path, monkeypatch):
    (tmp_path / "events").mkdir()
    recent = day_file(tmp_path / "events", today().isoformat())
    recent.write_bytes(b"{}\n")
    store._clock._wall -= 400 * 86_400  # the wall clock went 400 days ahead, not time
    monkeypatch.setattr(store, "_keep_days", 1)
    old = day_file(tmp_path / "events", (today() - dt.timedelta(days=5)).isoformat())
    old.write_bytes(b"{}\n")
    store.add_now([click()])
    store.close()
    assert old.exists()


def test_a_user_is_deleted_with_the_visits_before_signing_in(store, tmp_path):
    store.add_now(
        [
            click("1", session="visit a"),  # before anna signed in
            click("2", session="visit a", user="anna"),
            click("3", session="visit b", user="anna"),
            click("4", session="visit b", user="ben"),  # the same computer
            click("5", session="visit c", user="ben"),
            click("6", session="visit d"),
            click("7"),
        ]
    )
    hasher = Hasher(tmp_path)
    assert delete_user(tmp_path / "events", hasher, "anna") == Deleted(events=3, days=1)
    assert [read.event.items[0].id for read in read_events(tmp_path / "events")] == ["4", "5", "6", "7"]
    assert delete_user(tmp_path / "events", hasher, "anna") == Deleted(events=0, days=0)
    store.add_now([click("8")])  # the store goes on with the file that took the old one's place
    assert len(list(read_events(tmp_path / "events"))) == 5


def test_a_users_searches_leave_the_other_logs_while_those_grow(store, tmp_path):
    """Lines are blanked in place: a reader that follows the file sees each other line once."""
    store.add_now([Event("click", (Item("1"),), user="anna", request_id="r1"), click("2", user="ben")])
    log, lines = tmp_path / "requests" / "2026-11-29.jsonl", []
    log.parent.mkdir()
    for number in range(4):
        now = dt.datetime(2026, 11, 29, 8, number, tzinfo=dt.UTC)
        lines.append(record_line(Record(now, f"r{number}", query=f"a search {number}\r of somebody")))
    log.write_bytes(b"".join(lines[:3]))
    follower = Follower(log.parent, 1e6)
    now = dt.datetime(2026, 11, 29, 9, tzinfo=dt.UTC)
    assert len(follower.records(now)) == 3
    tried = tmp_path / "experiments" / "2026-11-29.jsonl"
    tried.parent.mkdir()
    hasher = Hasher(tmp_path)
    asked = (("anna", "r2"), ("ben", "r9"))  # anna's second search was clicked by nobody
    pages = [PageLine(now, "x", "a", request, hasher("user", who), "a search") for who, request in asked]
    tried.write_bytes(b"".join(map(page_line, pages)))
    assert delete_user(tmp_path / "events", hasher, "anna") == Deleted(events=1, days=1, requests=3)
    with log.open("ab") as file:
        file.write(lines[3])
    assert [one.request_id for one in follower.records(now)] == ["r0", "r1", "r2", "r3"]  # what it had, and the new one
    assert [one.request_id for one in read_log(log.parent).records] == ["r0", "r3"]
    assert log.stat().st_size == sum(map(len, lines))
    assert b"search 1" not in log.read_bytes()
    assert b"search 2" not in log.read_bytes()
    assert [one.user for one in read_experiments(tried.parent).pages] == [hasher("user", "ben")]
    assert delete_user(tmp_path / "events", hasher, "ben") == Deleted(events=1, days=1, requests=1)  # by the name alone
    assert not read_experiments(tried.parent).pages


def test_days_can_be_chosen(tmp_path):
    hasher = Hasher(tmp_path)
    folder = tmp_path / "events"
    folder.mkdir()
    for day in (1, 2, 3):
        time = dt.datetime(2026, 11, day, 12, tzinfo=dt.UTC)
        day_file(folder, time.date().isoformat()).write_bytes(line_of(click(f"p{day}"), time, hasher))
    found = read_events(folder, dt.date(2026, 11, 2), dt.date(2026, 11, 2))
    assert [read.event.items[0].id for read in found] == ["p2"]


def test_lines_are_json_for_anyone(tmp_path):
    line = line_of(click(query="鼠标"), dt.datetime(2026, 11, 29, tzinfo=dt.UTC), Hasher(tmp_path))
    assert json.loads(line) == {
        "v": 1,
        "time": "2026-11-29T00:00:00.000+00:00",
        "type": "click",
        "query": "鼠标",
        "items": [{"id": "p1", "position": 3}],
    }
