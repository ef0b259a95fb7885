"""What is remembered between reads is never older than the last write, also one of another process."""

from aisle.config import IndexSettings
from aisle.indexes.kept import Kept
from aisle.indexes.lance import LanceIndex
from aisle.types import Product, Record
from tests.contracts.rows import vectors


def record(product_id, title, seed):
    return Record(Product(product_id, title), f"hash {title}", {"text": vectors(1, seed)[0]})


def test_a_newer_version_empties_it():
    kept = Kept(10)
    assert kept.among(1, ["a"]) == {}
    kept.keep(1, {"a": 1, "b": 2})
    assert kept.among(1, ["b", "c"]) == {"b": 2}
    assert kept.among(2, ["b"]) == {}


def test_what_was_read_before_a_newer_version_is_not_kept_for_it():
    kept = Kept(10)
    kept.among(1, ["a"])
    kept.among(2, ["a"])  # another thread saw a write meanwhile
    kept.keep(1, {"a": "old"})
    assert kept.among(2, ["a"]) == {}


def test_the_oldest_make_room():
    kept = Kept(2)
    kept.among(1, [])
    kept.keep(1, {"a": 1})
    kept.keep(1, {"b": 2, "c": 3})
    assert kept.among(1, ["a", "b", "c"]) == {"b": 2, "c": 3}


def test_a_reader_sees_what_another_wrote_since_it_read(tmp_path):
    writer = LanceIndex.create(tmp_path / "index", IndexSettings(), {"text": 16})
    writer.upsert([record("1", "red shirt", 1), record("2", "blue hat", 2)])
    reader = LanceIndex.open(tmp_path / "index", IndexSettings())
    before = reader.stored(["1", "2"])
    assert [before[i].product.title for i in ("1", "2")] == ["red shirt", "blue hat"]
    assert not reader.words.has("linen trousers")
    assert reader.count() == 2
    writer.upsert([record("1", "linen trousers", 3)])
    writer.delete(["2"])
    after = reader.stored(["1", "2"])
    assert list(after) == ["1"]
    assert (after["1"].product.title, after["1"].text_hash) == ("linen trousers", "hash linen trousers")
    assert after["1"].vectors["text"].tolist() == vectors(1, 3)[0].tolist()
    assert reader.count() == 1
    assert LanceIndex.open(tmp_path / "index", IndexSettings()).words.has("linen trousers")
    writer.close()


def test_vectors_that_are_kept_cannot_be_written_to(tmp_path):
    index = LanceIndex.create(tmp_path / "index", IndexSettings(), {"text": 16, "image": 16})
    index.upsert([record("1", "red shirt", 1), Record(Product("2", "hat"), "h", {"image": vectors(1, 5)[0]})])
    found = index.stored(["2", "1", "none"])
    assert list(found) == ["2", "1"]
    assert set(found["2"].vectors) == {"image"}
    assert found["2"].vectors["image"].tolist() == vectors(1, 5)[0].tolist()
    assert not found["1"].vectors["text"].flags.writeable
    index.close()
