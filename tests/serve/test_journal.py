"""The journal of changes stays short and keeps its promise; an index made anew waits for a commit under way."""

import json
import threading
import time

import pytest

from aisle.artifacts import swap_live
from aisle.build import index_identity
from aisle.serve.writing import journal as journals
from aisle.serve.writing.journal import Journal
from aisle.serve.writing.turn import Replaced, Turn


def written(folder, commits):
    journal = Journal(folder)
    lines = [json.dumps({"time": at, "ids": ids}) for at, ids in commits]
    journal.path.write_text("".join(f"\n{line}\n" for line in lines))
    return journal


def test_a_long_journal_keeps_the_last_change_of_each_product(tmp_path, monkeypatch):
    commits = [(100.0 + n, [f"p{n % 50}", f"q{n % 7}"]) for n in range(2_000)]
    commits.insert(1_000, (5.0, ["set back"]))  # the clock was set back: it counts as when it came
    journal = written(tmp_path, commits)
    before = {start: set(journal.since(start).ids) for start in (0.0, 1_099.0, 1_100.0, 2_080.0, 2_095.5, 2_099.0)}
    size = journal.path.stat().st_size
    monkeypatch.setattr(journals, "LONG", 1_000)
    grown = Journal(tmp_path)
    grown.add(["new"])
    assert grown.path.stat().st_size < size / 20
    for start, ids in before.items():
        assert set(grown.since(start).ids) == ids | {"new"}, start
    assert "set back" in grown.since(1_099.0).ids
    assert "set back" not in grown.since(1_100.0).ids
    small = grown.path.stat().st_size
    for number in range(20):  # not again and again
        grown.add([f"p{number}"])
    assert grown.path.read_bytes().count(b'"p3"') == 2
    assert grown.path.stat().st_size > small


def test_a_promotion_that_reads_places_keeps_it_as_it_is(tmp_path, monkeypatch):
    journal = written(tmp_path, [(100.0 + n, ["p"]) for n in range(500)])
    monkeypatch.setattr(journals, "LONG", 1_000)
    with journal.kept():
        first = journal.since(0.0)
        Journal(tmp_path).add(["later"])
        assert journal.since(0.0, first.last).ids == ("p", "later")
    Journal(tmp_path).add(["last"])
    assert journal.path.read_bytes().count(b'"p"') == 1


def shop_of(folder, text):
    (folder / "lance").mkdir(parents=True)
    (folder / "manifest.json").write_text(text)
    return folder


@pytest.mark.parametrize("linked", [False, True])
def test_an_index_made_anew_waits_for_the_commit_of_a_service(tmp_path, linked):
    home = shop_of(tmp_path / ("shop-1" if linked else "shop"), "{}")
    name = tmp_path / "shop"
    if linked:
        name.symlink_to("shop-1")
    turn = Turn(name, index_identity(name))
    new = shop_of(tmp_path / ".building", '{"new": 1}')
    swapped = threading.Event()

    def swap():
        swap_live(new, home)
        swapped.set()

    with turn.taken():
        thread = threading.Thread(target=swap)
        thread.start()
        time.sleep(0.3)
        assert not swapped.is_set()  # the commit is made to the index that stands there
        assert json.loads((home / "manifest.json").read_text()) == {}
    thread.join(10)
    assert swapped.is_set()
    assert json.loads((home / "manifest.json").read_text()) == {"new": 1}
    with pytest.raises(Replaced, match="another index stands"), turn.taken():
        pass
