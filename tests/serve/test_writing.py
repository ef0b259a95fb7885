"""Changes through the queue and the socket: many callers, one commit, order kept, no answer before it is there."""

import asyncio
import resource
import threading

import pytest

from aisle.catalogue.render import Renderer
from aisle.indexes.lance import LanceIndex
from aisle.serve.pool import Busy
from aisle.serve.writing.apply import Applier
from aisle.serve.writing.change import GONE, Delete, Patch, Put, WriterGone
from aisle.serve.writing.client import WriteClient
from aisle.serve.writing.queue import WriteQueue
from aisle.serve.writing.server import WriteServer
from aisle.types import Product


@pytest.fixture
def applier(engine, folder):
    index = LanceIndex.open(folder / "lance", engine.recipe.index)
    return Applier(index, engine.encoder, Renderer(engine.recipe.render, engine.encoder.count_tokens))


def product(number, price=1.0):
    return Product(f"w{number}", f"Zorbulon {number}", price=price, family=f"w{number}")


def test_changes_of_a_batch_are_made_in_their_order(applier):
    changes = [
        Put(product(1)),
        Patch("w1", {"price": 2.0}),
        Put(product(2)),
        Delete("w2"),
        Patch("w2", {"price": 9.0}),
        Patch("w1", {"price": 3.0}),
        Put(Product("w3", " ")),
    ]
    before = applier.index.version
    statuses = [outcome.status for outcome in applier.apply(changes)]
    assert statuses == ["created", "updated", "created", "deleted", "missing", "updated", "refused"]
    assert applier.index.version == before + 1
    assert [one and one.price for one in applier.index.get(["w1", "w2", "w3"])] == [3.0, None, None]
    applier.index.close()


def test_an_untouched_product_is_not_written_again(applier):
    applier.apply([Put(product(1))])
    before = applier.index.version
    assert applier.apply([Put(product(1)), Patch("w1", {"price": 1.0})])[1].status == "unchanged"
    assert applier.index.version == before
    applier.index.close()


def test_what_waits_becomes_one_commit_and_everybody_gets_their_own_outcomes(applier):
    first, go = threading.Event(), threading.Event()
    real, sizes = applier.apply, []

    def slowly(changes):
        sizes.append(len(changes))
        first.set()
        assert go.wait(10)
        return real(changes)

    applier.apply = slowly
    queue = WriteQueue(applier, limit=5, optimize_after=10_000)
    begun = queue.put([Put(product(0))])
    assert first.wait(10)
    waiting = [queue.put([Put(product(n)), Delete(f"none{n}")]) for n in (1, 2)]
    with pytest.raises(Busy, match="busy"):
        queue.put([Put(product(9))])
    go.set()
    assert begun.result(10)[0].status == "created"
    for n, future in zip((1, 2), waiting, strict=True):
        assert [(one.id, one.status) for one in future.result(10)] == [(f"w{n}", "created"), (f"none{n}", "missing")]
    assert sizes == [1, 4]
    queue.end()
    with pytest.raises(WriterGone, match="ending"):
        queue.put([])


def test_a_commit_that_fails_is_acknowledged_to_nobody_and_fails_no_neighbour(applier):
    real = applier.apply

    def fail(changes):
        if any(change.id == "w13" for change in changes):
            raise OSError(28, "No space left on device")
        return real(changes)

    applier.apply = fail
    queue = WriteQueue(applier, limit=100, optimize_after=10_000)

    async def run():
        good, bad = queue.apply([Put(product(1))]), queue.apply([Put(product(13))])
        return await asyncio.gather(good, bad, return_exceptions=True)

    good, bad = asyncio.run(run())
    assert good[0].status == "created"
    assert isinstance(bad, WriterGone)
    assert "No space left" in str(bad)
    assert applier.index.get(["w13"]) == (None,)
    queue.end()


def test_a_writer_whose_disk_is_full_says_so_until_the_disk_takes_files_again(applier):
    queue = WriteQueue(applier, limit=100, optimize_after=10_000)

    async def run():
        assert await queue.trouble() == ""
        soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (10, hard))  # the kernel refuses what a full disk would
        try:
            with pytest.raises(WriterGone, match="No space left"):
                await queue.apply([Put(product(1))])
            said = await queue.trouble()
            assert (await queue.apply([Delete("nobody")]))[0].status == "missing"  # nothing is written for that
            assert said == await queue.trouble()
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        assert await queue.trouble() == ""
        assert (await queue.apply([Put(product(1))]))[0].status == "created"
        return said

    said = asyncio.run(run())
    assert said == "failing: changes could not be written ([Errno 28] No space left on device)"
    assert not list(applier.index.folder.parent.glob(".probe"))
    queue.end()


def test_a_writer_that_fails_for_another_reason_says_so_until_a_change_is_made(applier):
    queue = WriteQueue(applier, limit=100, optimize_after=10_000)
    journal = applier.journal.path
    journal.mkdir()

    async def run():
        with pytest.raises(WriterGone, match="Is a directory"):
            await queue.apply([Put(product(1))])
        said = await queue.trouble()
        journal.rmdir()
        assert await queue.trouble() == said
        await queue.apply([Put(product(1))])
        assert await queue.trouble() == ""
        return said

    said = asyncio.run(run())
    assert said.startswith("failing: changes could not be written")
    assert "changes.jsonl" in said
    assert str(journal.parent) not in said
    queue.end()


def test_fresh_products_are_folded_in_when_nothing_waits(applier, monkeypatch):
    monkeypatch.setattr("aisle.serve.writing.queue.SETTLE_S", 0.01)
    folded = threading.Event()
    real = applier.optimize
    applier.optimize = lambda: (real(), folded.set())
    queue = WriteQueue(applier, limit=100, optimize_after=3)
    queue.put([Put(product(n)) for n in range(3)]).result(10)
    assert folded.wait(30)
    queue.end()


def test_many_small_changes_are_folded_in_though_they_never_pause(applier, monkeypatch):
    monkeypatch.setattr("aisle.serve.writing.queue.MANY_COMMITS", 3)
    monkeypatch.setattr("aisle.serve.writing.queue.OVERDUE", 5)
    folded, real = [], applier.optimize
    applier.optimize = lambda: (folded.append(queue.commits), real())
    queue = WriteQueue(applier, limit=100, optimize_after=10_000)
    for number in range(12):
        assert queue.put([Put(product(number))]).result(10)[0].status == "created"
    assert queue.put([Put(product(0))]).result(10)[0].status == "unchanged"
    assert folded == [5, 10]
    queue.end()


def test_workers_write_through_a_socket_and_survive_a_new_writer(engine, folder, tmp_path):
    path = tmp_path / "w.sock"

    def new_queue():
        index = LanceIndex.open(folder / "lance", engine.recipe.index)
        renderer = Renderer(engine.recipe.render, engine.encoder.count_tokens)
        return WriteQueue(Applier(index, engine.encoder, renderer), 1_000, 10_000)

    async def run():
        server = WriteServer(new_queue(), path)
        await server.start()
        assert path.stat().st_mode & 0o777 == 0o600
        clients = [WriteClient(path, 5.0, 1_000) for _ in range(2)]
        found = await asyncio.gather(*(clients[n % 2].apply([Put(product(n))]) for n in range(10)))
        assert [one[0].status for one in found] == ["created"] * 10
        # the writer dies without a word while something is asked, and another one comes
        for writer in server._connections.values():
            writer.close()
        await server.stop()
        await server.queue.close()
        asked = asyncio.ensure_future(clients[0].apply([Patch("w3", {"price": 7.0})]))
        await asyncio.sleep(0.3)
        assert not asked.done()
        other = WriteServer(new_queue(), path)
        await other.start()
        assert (await asked)[0].status == "updated"
        assert await clients[1].trouble() == ""
        await other.stop()
        assert await clients[1].trouble() == GONE
        for client in clients:
            await client.close()
        await other.queue.close()

    asyncio.run(run())
    assert engine.index.get(["w3"])[0].price == 7.0


def test_without_a_writer_a_change_fails_and_says_that_it_is_not_acknowledged(tmp_path):
    client = WriteClient(tmp_path / "none.sock", 0.2, 10)
    with pytest.raises(WriterGone, match=r"no writer for 0\.2 s"):
        asyncio.run(client.apply([Delete("1")]))
