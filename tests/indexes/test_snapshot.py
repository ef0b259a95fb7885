"""A snapshot in memory: every answer is the one that the table gives by itself, and none is of an older version."""

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from aisle.config import IndexSettings
from aisle.filters import parse_filter
from aisle.indexes.connection import open_version
from aisle.indexes.lance import LanceIndex
from aisle.indexes.latest import FINE_NS, SETTLED_NS, Latest
from aisle.indexes.snapshot import Words
from aisle.indexes.snapshots import MIN_READS, Snapshots
from aisle.types import Product, Record, SearchRequest

TITLES = [
    "wireless mouse",
    "wireless keyboard black",
    "black mouse pad",
    "手机壳 黑色",
    "手机 128GB",
    "usb cable black",
]
TEXTS = ["wireless mouse", "mouse", "black", "手机", "壳", "cable wireless", "zzz", "黑色手机", "keyboard zzz"]
QUERY = np.array([0.8, 0.6], np.float32)


def record(number: int, title: str) -> Record:
    angle = number / 3
    vector = {"text": np.array([np.cos(angle), np.sin(angle)], np.float32)} if number != 4 else {}
    product = Product(
        f"p{number}",
        title,
        brand=["HP", "Sony", "hp"][number % 3],
        category=("Computers", ["Mice", "Keyboards"][number % 2]),
        attributes={"colour": ("red", "Black")[: number % 3]} if number % 3 else {},
        price=10.0 * number,
        available=[True, False, None][number % 3],
        identifiers=(f"LC5{number}C",),
    )
    return Record(product, f"hash-{number}", vector)


@pytest.fixture
def index(tmp_path: Path):
    opened = LanceIndex.create(tmp_path / "lance", IndexSettings(), {"text": 2})
    opened.upsert([record(n, title) for n, title in enumerate(TITLES * 3)])
    opened.delete(["p7"])
    opened.upsert([record(2, "black mouse pad, wireless")])
    yield opened
    opened.close()


def answers(index: LanceIndex) -> list[object]:
    """What every kind of read gives."""
    found: list[object] = []
    for text in TEXTS:
        for asked in (None, parse_filter("brand = HP"), parse_filter("price < 60")):
            request = SearchRequest(text, filter=asked)
            for depth in (5, 100):
                lists = index.search(request, {"text": QUERY}, depth).lists
                found.append({stage: [(i, round(score, 5)) for i, score in hits] for stage, hits in lists.items()})
            table = index.features(["p2", "p6", "p7", "p16"], request, {"text": QUERY})
            found.append(
                [[round(v, 4) if isinstance(v, float) else v for v in row.values()] for row in table.to_pylist()]
            )
        found.append(index.words.has(text))
    ids = ["p2", "p7", "p16", "nobody", "p4"]
    found.append(index.get(ids))
    stored = index.stored(ids)
    found.append(
        [(i, r.product, r.text_hash, {n: v.tolist() for n, v in r.vectors.items()}) for i, r in stored.items()]
    )
    found.append(index.lookup(["lc52c", "lc57c", "p3", "none"], None, 3))
    found.append(index.lookup(["lc52c"], parse_filter("price > 1000"), 3))
    fields = ["brand", "category", "price", "available", "id", "title", "colour", "family"]
    for asked in (None, parse_filter("price < 60"), parse_filter("brand = HP"), parse_filter('"colour" = Red')):
        for among in (None, [], ids, [f"p{number}" for number in range(9)]):
            found.append(index.facets(fields, asked, 100, among))
    return found


def test_every_answer_is_that_of_the_table(index):
    most, index.snapshots.most = index.snapshots.most, 0
    plain = answers(index)
    assert index.snapshots.latest() is None
    index.snapshots.most = most
    made = index.snapshots.make()
    assert made is not None
    assert made.size == 17
    assert index.snapshots.latest() is made
    assert answers(index) == plain
    index.optimize()
    assert index.snapshots.latest() is None  # its words can be searched in memory now, as those of another one
    index.snapshots.make()
    folded = answers(index)
    index.snapshots._made, index.snapshots.most = None, 0
    assert answers(index) == folded


def repriced(number: int, title: str) -> Record:
    before = record(number, title)
    product = replace(before.product, price=before.product.price / 7, available=None, stock=3, rating=4.5)
    return replace(before, product=product)


def test_changed_prices_are_followed_and_change_no_score(index):
    index.optimize()
    before = index.snapshots.make()
    for number in (0, 5, 11):
        index.upsert([repriced(number, TITLES[number % 6])])
    followed = index.snapshots.latest()
    assert followed is not before
    assert followed.lasting is before.lasting
    found = answers(index)
    index.optimize()  # now LanceDB scores the rows as it does all others
    index.snapshots._made, index.snapshots.most = None, 0
    assert answers(index) == found


@pytest.mark.parametrize(
    "changed",
    [
        record(3, "other words"),
        replace(record(3, TITLES[3]), vectors={"text": QUERY}),
        replace(record(3, TITLES[3]), vectors={}),
        replace(record(3, TITLES[3]), product=replace(record(3, TITLES[3]).product, identifiers=("ZZ9X",))),
        record(40, TITLES[3]),
        None,
    ],
)
def test_what_changes_more_than_prices_is_read_anew(index, changed):
    index.optimize()
    index.snapshots.make()
    if changed is None:
        index.delete(["p3"])
    else:
        index.upsert([changed])
    assert index.snapshots.follow() is None
    index.upsert([repriced(0, TITLES[0])])
    assert index.snapshots.follow() is None
    assert index.snapshots.make() is index.snapshots.latest() is not None
    index.upsert([repriced(5, TITLES[5])])
    assert index.snapshots.follow() is index.snapshots.latest() is not None


def test_whoever_reads_after_a_change_of_price_follows_it(index):
    snapshots = index.snapshots
    snapshots.make()
    for number in (0, 1, 3, 4, 5, 0):
        index.upsert([repriced(number, TITLES[number])])
        assert index.get([f"p{number}"])[0].stock == 3
        assert snapshots._made is snapshots.latest() is not None


def test_rows_that_no_id_has_any_more_are_dropped(index, monkeypatch):
    monkeypatch.setattr("aisle.indexes.snapshot.MAX_FRESH", 4)
    index.optimize()
    index.snapshots.make()
    for turn in range(7):
        number = (0, 1, 3)[turn % 3]
        changed = repriced(number, TITLES[number])
        index.upsert([replace(changed, product=replace(changed.product, stock=turn))])
        followed = index.snapshots.follow()
        assert followed.size == 17 <= followed._table.num_rows <= 21
        assert followed.product(f"p{number}").stock == turn
    index.upsert([repriced(number, TITLES[number % 6]) for number in (0, 3, 5, 9, 11)])
    assert index.snapshots.follow() is None  # more at once than are followed


def test_a_row_number_is_never_given_twice(index):
    """What following relies on: where a number is still there, so is its row as it was, also after a roll back."""
    seen: dict[int, object] = {}
    for turn in range(4):
        version = index.version
        changed = repriced(0, TITLES[0])
        index.upsert([replace(changed, product=replace(changed.product, stock=turn))])
        if turn % 2:
            index.roll_back(version)
        rows = index._table.search().select(["product"]).with_row_id(True).to_arrow().to_pylist()
        for row in rows:
            assert seen.setdefault(row["_rowid"], row["product"]) == row["product"]


def test_a_snapshot_is_of_the_version_that_it_was_begun_at(index):
    snapshots = index.snapshots
    pinned = snapshots._pinned

    def changing(number):
        table = pinned(number)
        index.upsert([repriced(0, TITLES[0])])
        return table

    snapshots._pinned = changing
    made = snapshots.make()
    assert made.product("p0").stock is None
    assert snapshots.latest().product("p0").stock == 3


def test_a_write_is_seen_at_once_by_a_reader_with_a_snapshot(index):
    reader = LanceIndex.open(index.folder, IndexSettings())
    assert reader.snapshots.make() is not None
    for number in range(20, 30):
        index.upsert([record(number, f"trackball number{number}")])
        assert [i for i, _ in reader.search(SearchRequest(f"number{number}", mode="bm25"), {}, 5).lists["bm25"]] == [
            f"p{number}"
        ]
        assert reader.get([f"p{number}"]) == index.get([f"p{number}"]) != (None,)
        assert reader.lookup([f"lc5{number}c"]) == {f"lc5{number}c": (f"p{number}",)}
        index.delete([f"p{number}"])
        assert reader.get([f"p{number}"]) == (None,)
    reader.close()


def test_what_is_read_while_the_table_changes_is_read_again(index):
    snapshots = index.snapshots
    snapshots.make()
    seen: list[object] = []

    def read(known, _):
        seen.append(known)
        if known is not None:
            index.delete(["p0"])
        return "read"

    assert snapshots.reading(read) == "read"
    assert [known is not None for known in seen] == [True, False]


def test_an_index_made_anew_in_the_place_is_another_one_though_its_commits_count_alike(index, tmp_path):
    index.snapshots.make()
    assert index.get(["p0"])[0].title == "wireless mouse"
    fresh = LanceIndex.create(tmp_path / "fresh", IndexSettings(), {"text": 2})
    fresh.upsert([record(0, "new mouse")])
    while fresh.version < index.version:
        fresh.upsert([record(0, "new mouse")])
    fresh.close()
    version, folder = index.version, tmp_path / "lance" / "products.lance"
    folder.rename(tmp_path / "old")
    (tmp_path / "fresh" / "products.lance").rename(folder)
    assert index.version == version
    assert index.snapshots.latest() is None
    assert index.get(["p0"])[0].title == "new mouse"


def test_a_version_that_is_asked_for_gets_one(index):
    now = [100.0]
    snapshots = Snapshots(index._table, index._latest.state, partial(open_version, index.folder), clock=lambda: now[0])
    for _ in range(MIN_READS - 1):
        assert snapshots.latest() is None
    assert snapshots._thread is None
    snapshots.latest()
    snapshots.close()
    assert snapshots.latest() is not None
    index.upsert([record(30, "a new one")])
    snapshots._rest_until = now[0] + 5
    for _ in range(MIN_READS * 2):
        assert snapshots.latest() is None
    snapshots.close()
    assert snapshots.latest() is None  # it rests
    now[0] += 6
    snapshots.latest()
    snapshots.close()
    assert snapshots.latest().place("p30") is not None


def test_a_table_that_is_too_large_has_none(index):
    assert Snapshots(index._table, index._latest.state, partial(open_version, index.folder), most=5).make() is None


def test_words_know_fields_and_rows(index):
    table = index._table.search().select(["fts_title", "fts_brand"]).to_arrow()
    words = Words.of(table)
    titles = [set(text.split()) for text in table["fts_title"].to_pylist()]
    for tokens in (["wireless", "mouse"], ["wireless", "cable"], ["手机"], ["black"], ["hp"], ["hp", "mouse"], ["zzz"]):
        assert words.together(tokens, ["title"]) == any(set(tokens) <= title for title in titles)
    assert words.together(["hp"], ["title", "brand"])


def test_the_latest_version_is_asked_for_where_the_folder_changed_or_did_so_just_now(tmp_path):
    import os
    import time

    asked: list[int] = []

    def ask() -> int:
        asked.append(len(asked))
        return len(asked)

    latest = Latest(tmp_path, ask)
    assert [latest(), latest()] == [1, 2]  # the folder was made just now
    old = time.time_ns() - 2 * SETTLED_NS
    os.utime(tmp_path, ns=(old, old))
    assert [latest(), latest(), latest()] == [3, 3, 3]
    asked.clear()
    lately = (time.time_ns() - 10 * FINE_NS) // 10_000_000 * 10_000_000
    os.utime(tmp_path, ns=(lately, lately))
    assert [latest(), latest()] == [1, 2]  # may be of a clock that counts in seconds
    os.utime(tmp_path, ns=(lately + 1, lately + 1))
    assert [latest(), latest(), latest()] == [3, 3, 3]
    (tmp_path / "commit").touch()
    assert latest() == 4
    future = time.time_ns() + 10**12
    os.utime(tmp_path, ns=(future, future))
    assert [latest(), latest()] == [5, 6]  # a clock that was set back proves nothing
