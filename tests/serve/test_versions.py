"""Promotion and rollback: the link, what is carried over, and a service under load that never mixes two indexes."""

import asyncio
import json
import shutil
import subprocess
import threading
from collections import Counter
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from fastapi.testclient import TestClient

from aisle.engine import SearchEngine
from aisle.errors import ArtifactError, IndexLockedError
from aisle.serve.app import Outside, create_app
from aisle.serve.processes.plan import Plan
from aisle.serve.settings import Config, Settings
from aisle.serve.versions import promote, roll_back
from aisle.serve.writing.change import Delete, Patch, Put, WriterGone
from aisle.serve.writing.open import open_queue
from aisle.serve.writing.turn import Replaced, switching
from tests.serve.test_processes import AISLE, Service, until

QUERIES = ("usb cable", "notebook", "printer ink", "hdmi", "无线 mouse")


@pytest.fixture(scope="session")
def two(tmp_path_factory, products, encoder):
    """Two indexes of the same products, each with its own mark in every title."""
    folder = tmp_path_factory.mktemp("versions")
    for number in (1, 2):
        marked = [replace(one, title=f"{one.title} mark{number}") for one in products[:40]]
        SearchEngine.build(marked, folder / f"shop-{number}", encoder=encoder).close()
    return folder


@pytest.fixture
def home(two, tmp_path):
    return Path(shutil.copytree(two, tmp_path / "home"))


def titles(folder, encoder, ids):
    with SearchEngine.open(folder, encoder=encoder) as engine:
        return [one and one.title for one in engine.index.get(ids)]


def changed(name, encoder, changes):
    """Changes as the service's writer makes them."""
    with SearchEngine.open(name.resolve(), encoder=encoder) as engine:
        queue = open_queue(name.resolve(), engine.recipe, encoder, Settings(), name=name)
    try:
        return [one.status for one in queue.put(changes).result(60)]
    finally:
        queue.end()


def test_a_name_leads_to_what_was_promoted_and_back(home, encoder):
    name = home / "shop"
    assert promote(home / "shop-1", name).before is None
    assert str(name.readlink()) == "shop-1"  # relative: both can be moved together
    done = promote(home / "shop-2", name)
    assert (done.served, done.before, done.carried) == (home / "shop-2", home / "shop-1", 0)
    assert name.resolve() == home / "shop-2"
    with pytest.raises(ArtifactError, match="is served already"):
        promote(home / "shop-2", name)
    assert roll_back(name).served == home / "shop-1" == name.resolve()
    with pytest.raises(ArtifactError, match=r"nothing was served as .* before 'shop-1'"):
        roll_back(name)
    assert promote(home / "shop-2", name).before == home / "shop-1"
    assert roll_back(name).served == home / "shop-1"


def test_changes_are_carried_over_both_ways(home, encoder, products):
    name = home / "shop"
    promote(home / "shop-1", name)
    first, second, third = (one.id for one in products[:3])
    changes = [
        Patch(first, {"title": "Patched before"}),
        Delete(second),
        Put(replace(products[50], title="Put before")),
    ]
    assert changed(name, encoder, changes) == ["updated", "deleted", "created"]
    assert promote(home / "shop-2", name, since=0.0).carried == 3
    found = titles(name, encoder, [first, second, products[50].id, third])
    assert found == ["Patched before", None, "Put before", f"{products[2].title} mark2"]
    assert changed(name, encoder, [Delete(first), Patch(third, {"title": "Patched after"})]) == ["deleted", "updated"]
    roll_back(name)
    found = titles(name, encoder, [first, second, products[50].id, third, products[4].id])
    assert found == [None, None, "Put before", "Patched after", f"{products[4].title} mark1"]


def test_changes_that_the_candidate_has_from_its_catalogue_are_not_carried_over(home, encoder, products):
    name = home / "shop"
    promote(home / "shop-1", name)
    changed(name, encoder, [Patch(products[0].id, {"title": "Older"})])
    with SearchEngine.open(home / "shop-2", encoder=encoder) as engine:  # as `aisle index` begins
        later = open_queue(home / "shop-2", engine.recipe, encoder, Settings(), lock=True)
        later.end()
    assert promote(home / "shop-2", name).carried == 0
    assert titles(name, encoder, [products[0].id]) == [f"{products[0].title} mark2"]


def test_nothing_is_written_to_an_index_whose_place_another_has_taken(home, encoder, products):
    name = home / "shop"
    promote(home / "shop-1", name)
    with SearchEngine.open(home / "shop-1", encoder=encoder) as engine:
        queue = open_queue(home / "shop-1", engine.recipe, encoder, Settings(), name=name)
    with switching(name):  # a commit waits for the switch, and is not made after it
        waiting = queue.put([Patch(products[0].id, {"title": "Too late"})])
        assert not waiting.done()
        name.unlink()
        name.symlink_to("shop-2")
    with pytest.raises(Replaced, match="another index stands"):
        waiting.result(60)
    queue.end()
    assert titles(home / "shop-1", encoder, [products[0].id]) == [f"{products[0].title} mark1"]


def test_a_folder_becomes_a_link_unless_a_service_writes_to_it(home, encoder):
    name = home / "shop"
    (home / "shop-1").rename(name)
    with SearchEngine.open(name, encoder=encoder) as engine:
        queue = open_queue(name, engine.recipe, encoder, Settings(), lock=True)
        with pytest.raises(IndexLockedError, match="is a folder that is in use"):
            promote(home / "shop-2", name)
        queue.end()
    assert promote(home / "shop-2", name).before == home / "shop-1"
    assert roll_back(name).served == home / "shop-1"


def test_what_cannot_be_served_is_not_promoted(home, encoder, tmp_path):
    name = home / "shop"
    promote(home / "shop-1", name)
    (tmp_path / "none").mkdir()
    with pytest.raises(ArtifactError, match=r"no manifest\.json"):
        promote(tmp_path / "none", name)
    manifest = home / "shop-2" / "manifest.json"
    data = json.loads(manifest.read_text())
    data["fingerprint"]["encoder"] = "another"
    manifest.write_text(json.dumps(data))
    with pytest.raises(ArtifactError, match="was made with encoder another"):
        promote(home / "shop-2", name)
    shutil.rmtree(home / "shop-2" / "lance")
    assert name.resolve() == home / "shop-1"


def under_load(home, requests, switches, pause, rest=0.0):
    """A service during promotions and rollbacks: how many answers of each index, what was wrong, what was kept.

    Between two writes there is a pause, between two searches of one client a rest, in seconds: without any the load
    takes the processor that the switch needs.
    """
    name = home / "shop"
    promote(home / "shop-1", name)
    (home / "aisle.toml").write_text(
        "[serve]\ngrace_s = 300\nmax_wait_ms = 60000\n"
    )  # a writer that is late on a busy machine is waited for
    service = Service(name, "--config", str(home / "aisle.toml"))
    answered, wrong, kept, stop = Counter(), [], {}, threading.Event()

    def search():
        with httpx.Client(base_url=service.address, timeout=120) as client:
            number = 0
            while not stop.wait(rest):
                number += 1
                body = {"query": QUERIES[number % 5], "k": 5, "facets": ["brand"]}
                try:
                    response = client.post("/v1/search", json=body)
                except httpx.HTTPError as error:
                    wrong.append(repr(error))
                    continue
                if response.status_code != 200:
                    wrong.append(response.text)
                    continue
                found = response.json()
                marks = {hit["product"]["title"][-1] for hit in found["hits"] if "kept" not in hit["product"]["title"]}
                if len(marks) > 1 or not found["hits"] or marks - {found["index"][-1]}:
                    wrong.append(f"{found['index']}: {marks}")
                answered[found["index"]] += 1

    def write():
        with httpx.Client(base_url=service.address, timeout=120) as client:
            number = 0
            while not stop.wait(pause):
                number += 1
                response = client.put(f"/v1/products/kept{number}", json={"title": f"kept {number}"})
                if response.status_code in (200, 201):
                    kept[f"kept{number}"] = f"kept {number}"
                else:
                    wrong.append(response.text)

    threads = [threading.Thread(target=one) for one in (search, search, write)]
    for thread in threads:
        thread.start()
    try:
        for turn in range(switches):
            seen, wanted = answered.copy(), f"shop-{(turn + 1) % 2 + 1}"
            command = ["rollback", str(name)] if turn % 2 else ["promote", str(home / wanted), str(name)]
            done = subprocess.run([*AISLE, *command], capture_output=True, text=True, timeout=300)
            assert done.returncode == 0, done.stderr
            share = requests * (turn + 1) // switches
            until(lambda: answered[wanted] > seen[wanted] + 5 and sum(answered.values()) >= share, 600)  # noqa: B023
    finally:
        stop.set()
        for thread in threads:
            thread.join()
        code, errors = service.end()
    assert code == 0
    assert "Traceback" not in errors
    return answered, wrong, kept


def check(home, encoder, answered, wrong, kept):
    assert wrong == []
    assert set(answered) == {"shop-1", "shop-2"}
    assert len(kept) > 5
    assert titles(home / "shop", encoder, list(kept)) == list(kept.values())


def test_a_switch_under_load_fails_no_request_mixes_no_answer_and_loses_no_change(home, encoder):
    answered, wrong, kept = under_load(home, requests=200, switches=2, pause=0.1, rest=0.03)
    check(home, encoder, answered, wrong, kept)


@pytest.mark.slow
def test_ten_thousand_requests_during_promotions_and_rollbacks(home, encoder):
    answered, wrong, kept = under_load(home, requests=10_000, switches=8, pause=3.0)
    print(sum(answered.values()), dict(answered), len(kept))
    assert sum(answered.values()) >= 10_000
    check(home, encoder, answered, wrong, kept)


def test_an_index_that_cannot_be_opened_leaves_the_one_before_in_place(home, encoder):
    """Promoted by hand, past the look of `aisle promote`."""
    name = home / "shop"
    promote(home / "shop-1", name)
    plan = Plan(name, Config(), None, home)
    with plan.open() as engine:
        app = create_app(engine, Settings(), Outside(reopen=plan.open, folder=name))
        with TestClient(app) as client:
            shutil.rmtree(home / "shop-2" / "lance")
            name.unlink()
            name.symlink_to("shop-2")
            until(lambda: "promoted" in client.get("/health/ready").json()["parts"])
            ready = client.get("/health/ready")
            assert ready.status_code == 200
            assert ready.json()["parts"]["promoted"].startswith("shop-2 cannot be opened")
            assert client.get("/v1/search", params={"q": "usb"}).json()["index"] == "shop-1"
            with pytest.raises(WriterGone, match="another index stands"):
                asyncio.run(app.state.parts.writer.apply([Delete("x")]))
