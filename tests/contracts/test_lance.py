"""The embedded index meets the contract, and survives being killed."""

import json
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from aisle.config import IndexSettings
from aisle.errors import ArtifactError, IndexLockedError, RecipeError
from aisle.indexes.lance import LanceIndex
from aisle.types import SearchRequest

from .index_contract import PRODUCTS, IndexContract, found_ids, titled
from .rows import DIM, records

ROOT = Path(__file__).parents[2]
VECTORS = {"text": DIM}


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    index = LanceIndex.create(tmp_path_factory.mktemp("filled") / "index", IndexSettings(), VECTORS)
    everything = records(PRODUCTS)
    index.upsert(everything[:200])
    index.optimize()
    index.upsert(everything[200:300])
    index.upsert(everything[300:])
    yield index
    index.close()


class TestLance(IndexContract):
    @pytest.fixture
    def make(self, tmp_path):
        made = []

        def make(settings=None):
            made.append(LanceIndex.create(tmp_path / f"index-{len(made)}", settings or IndexSettings(), VECTORS))
            return made[-1]

        yield make
        for index in made:
            index.close()

    @pytest.fixture
    def reader_of(self):
        return lambda index: LanceIndex.open(index.folder, index.settings)


def write_in_another_process(folder, *arguments):
    return subprocess.Popen(
        [sys.executable, "-W", "error", "-m", "tests.contracts.crash_writer", str(folder), *map(str, arguments)],
        cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def test_a_second_writer_is_refused_and_told_who_writes(tmp_path):
    index = LanceIndex.create(tmp_path / "index", IndexSettings(), VECTORS)
    with pytest.raises(IndexLockedError, match=rf"process {os.getpid()}.*\n.*wait"):
        LanceIndex.open(tmp_path / "index", IndexSettings(), writable=True)
    reader = LanceIndex.open(tmp_path / "index", IndexSettings())
    assert reader.count() == 0
    with pytest.raises(IndexLockedError, match="another writer"):
        reader.upsert(titled("x"))
    other = write_in_another_process(tmp_path / "index", 1, 0)
    _, complaint = other.communicate(timeout=60)
    assert other.returncode != 0
    assert f"process {os.getpid()}" in complaint
    index.close()
    reader.upsert(titled("x"))
    assert reader.count() == 1
    reader.close()


def test_a_reader_goes_on_while_another_process_writes(tmp_path):
    folder = tmp_path / "index"
    LanceIndex.create(folder, IndexSettings(), VECTORS).close()
    reader = LanceIndex.open(folder, IndexSettings())
    writer = write_in_another_process(folder, 8, 4)
    for line in writer.stdout:
        acknowledged = json.loads(line)
        assert reader.count() >= acknowledged["written"]
        assert reader.get([acknowledged["last"]])[0] is not None
        assert len(found_ids(reader, "product", depth=500)) >= min(500, acknowledged["written"])
    _, complaint = writer.communicate(timeout=60)
    assert (writer.returncode, complaint) == (0, "")


@pytest.mark.parametrize("seed", [0, 1, *(pytest.param(more, marks=pytest.mark.slow) for more in (2, 3))])
def test_every_acknowledged_write_survives_kill_9(tmp_path, seed):
    folder = tmp_path / "index"
    LanceIndex.create(folder, IndexSettings(), VECTORS).close()
    rng = random.Random(seed)
    acknowledged = 0
    for _ in range(2):
        writer = write_in_another_process(folder, 1_000, 3)
        stop_after = rng.randint(1, 6)
        for count, line in enumerate(writer.stdout, start=1):
            acknowledged = json.loads(line)["written"]
            if count == stop_after:
                break
        with pytest.raises(subprocess.TimeoutExpired):  # somewhere in the middle of the next write or optimisation
            writer.wait(timeout=rng.uniform(0.001, 0.15))
        writer.send_signal(signal.SIGKILL)
        rest, _ = writer.communicate(timeout=60)
        acknowledged = max([acknowledged, *(json.loads(line)["written"] for line in rest.splitlines())])

        index = LanceIndex.open(folder, IndexSettings(), writable=True)
        ids = list(index.ids())
        assert len(ids) == len(set(ids)) == index.count()
        assert {f"p{n}" for n in range(acknowledged)} <= set(ids)
        assert all(product is not None for product in index.get([f"p{n}" for n in range(acknowledged)]))
        assert len(found_ids(index, "product", depth=5_000)) == len(ids)
        index.optimize()
        assert set(index.ids()) == set(ids)
        assert len(found_ids(index, "product", depth=5_000)) == len(ids)
        index.close()


def test_killing_while_making_an_index_leaves_none(tmp_path):
    folder = tmp_path / "index"
    (tmp_path / ".index.creating" / "products.lance").mkdir(parents=True)  # what a kill in create leaves
    with pytest.raises(ArtifactError, match="no index"):
        LanceIndex.open(folder, IndexSettings())
    LanceIndex.create(folder, IndexSettings(), VECTORS).close()
    assert [path.name for path in tmp_path.iterdir()] == ["index"]


def test_a_damaged_index_is_an_error_with_a_cure(tmp_path):
    folder = tmp_path / "index"
    LanceIndex.create(folder, IndexSettings(), VECTORS).close()
    for file in (folder / "products.lance" / "_versions").iterdir():
        file.write_bytes(b"no manifest")
    with pytest.raises(ArtifactError, match=r"cannot read the index.*\n.*make it again"):
        LanceIndex.open(folder, IndexSettings())


def test_settings_must_fit_the_index(tmp_path):
    folder = tmp_path / "index"
    with pytest.raises(RecipeError, match=r"'colour'.*\n.*title"):
        LanceIndex.create(folder, IndexSettings(field_weights={"colour": 1.0}), VECTORS)
    assert not folder.exists()
    index = LanceIndex.create(folder, IndexSettings(field_weights={"title": 1.0, "brand": 1.0}), VECTORS)
    index.upsert(records(PRODUCTS[:10]))
    index.close()
    with pytest.raises(ArtifactError, match="exists"):
        LanceIndex.create(folder, IndexSettings(), VECTORS)
    with pytest.raises(ArtifactError, match=r"no text field 'description'.*\n.*title, brand"):
        LanceIndex.open(folder, IndexSettings(field_weights={"title": 1.0, "description": 1.0}))
    narrower = LanceIndex.open(folder, IndexSettings(field_weights={"title": 2.0}))
    assert narrower.search(SearchRequest(PRODUCTS[0].title, mode="bm25"), {}, 1).lists["bm25"][0][0] == PRODUCTS[0].id
    narrower.close()


def test_nothing_is_printed(tmp_path):
    done = write_in_another_process(tmp_path / "new", 3, 2)
    _, complaint = done.communicate(timeout=120)
    assert (done.returncode, complaint) == (0, "")
