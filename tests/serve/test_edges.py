"""Edges where something acknowledged could be lost, or an answer break off."""

import json

import pytest

from aisle.catalogue.render import Renderer
from aisle.judgments.given import Judged, JudgmentFile
from aisle.serve.writing.apply import Applier
from aisle.serve.writing.change import Put
from aisle.serve.writing.journal import Journal
from aisle.types import Product


def test_a_change_that_the_journal_refused_was_not_made_and_is_noted_when_it_is(folder, engine, monkeypatch):
    applier = Applier(engine.index, engine.encoder, Renderer(engine.recipe.render, engine.encoder.count_tokens))
    change = Put(Product("new", "Zorbulon teleporter", family="new"))
    with monkeypatch.context() as full:

        def no_space(*_):
            raise OSError(28, "No space left on device")

        full.setattr(Journal, "add", no_space)
        with pytest.raises(OSError, match="No space left"):
            applier.apply([change])
    assert engine.index.stored(["new"]) == {}
    assert applier.apply([change])[0].status == "created"
    assert applier.journal.since().ids == ("new",)


def test_a_line_that_is_being_written_is_read_the_next_time(tmp_path):
    journal = Journal(tmp_path)
    journal.add(["a"])
    whole = journal.path.read_bytes()
    journal.add(["b"])
    both = journal.path.read_bytes()
    journal.path.write_bytes(both[: len(whole) + 12])
    first = journal.since()
    assert first.ids == ("a",)
    journal.path.write_bytes(both)
    assert journal.since(begin=first.end).ids == ("b",)
    assert journal.since(begin=first.last).ids == ("a", "b")  # noted before it is made: read again under the lock


@pytest.mark.parametrize("value", ["NaN", "Infinity", "1e999", "[NaN]"])
def test_what_is_no_number_is_refused_wherever_it_stands(client, value):
    for method, address, body in (
        ("PATCH", "/v1/products/2101957", f'{{"price": {value}}}'),
        ("PATCH", "/v1/products/2101957", f'{{"attributes": {{"weight": {value}}}}}'),
        ("PUT", "/v1/products/new", f'{{"title": "thing", "attributes": {{"weight": {value}}}}}'),
    ):
        response = client.request(method, address, content=body, headers={"Content-Type": "application/json"})
        assert 400 <= response.status_code < 500, (method, body, response.text)
    put = f'{{"id": "n1", "title": "thing", "attributes": {{"w": {value}}}}}'
    patch = f'{{"op": "patch", "id": "n2", "price": {value}}}'
    answer = client.post("/v1/products:bulk", content=f'{put}\n{patch}\n{{"id": "good", "title": "thing"}}\n')
    *batches, last = map(json.loads, answer.text.splitlines())
    assert last == {"done": True, "lines": 3}
    assert [error["line"] for batch in batches for error in batch["errors"]] == [1, 2]
    assert client.get("/v1/products/good").status_code == 200


def test_judgments_outlive_torn_lines_and_keep_every_query(tmp_path):
    file = JudgmentFile(tmp_path / "judgments.jsonl")
    file.add([Judged("usb\u2028hub", "1", 2.0, "anna")])
    with file.path.open("ab") as torn:
        torn.write('{"query": "手机'.encode()[:-1])
    file.add([Judged("手机", "2", 1.0, "anna")])
    assert [one.query for one in file.read()] == ["usb\u2028hub", "手机"]


def test_an_integer_beyond_all_floats_is_a_bad_filter(client):
    body = '{"query": "cable", "filter": {"field": "price", "op": "<", "value": 1' + "0" * 400 + "}}"
    response = client.post("/v1/search", content=body, headers={"Content-Type": "application/json"})
    assert (response.status_code, response.json()["error"]["allowed"]) == (400, "numbers below 1e308")
