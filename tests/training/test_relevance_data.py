"""From pairs to lists: nothing leaks, nothing is lost, and every epoch sees everything once. No PyTorch."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from aisle.errors import JudgmentError
from aisle.judgments.pairs import PairSet, Scale, TextPair
from aisle.judgments.split import query_key
from aisle.training.relevance.data import cosines, fingerprint, lesson, shares, without_queries_of
from aisle.training.relevance.lists import epoch, lists_of
from aisle.training.relevance.must_pass import read_must_pass


def test_icecat_as_pairs(icecat):
    assert len(icecat) == 2_416
    assert len(icecat.by_query()) == 89
    assert icecat.scale == Scale(0.0, 3.0)
    assert Counter(icecat.levels().tolist()).keys() == {0.0, 1.0, 2.0, 3.0}
    assert all(pair.title and not pair.description for pair in icecat)


def test_shares_have_no_query_in_common_and_lose_none(icecat):
    found = shares(icecat, 0.2, 0.3, seed=1)
    parts = [found.train, found.validation, found.held_out]
    keys = [{query_key(pair.query) for pair in part} for part in parts]
    assert not keys[0] & keys[1] | keys[0] & keys[2] | keys[1] & keys[2]
    assert {pair for part in parts for pair in part} == set(icecat)
    assert sum(map(len, parts)) == len(icecat)
    assert all(part.scale == icecat.scale for part in parts)
    assert shares(icecat, 0.2, 0.3, seed=2).held_out != found.held_out
    assert not len(shares(icecat, 0.2, 0.0, seed=1).held_out)


def test_too_few_queries_are_said(icecat):
    one = icecat.subset([row for row, pair in enumerate(icecat) if pair.query == icecat[0].query])
    with pytest.raises(JudgmentError, match="1 queries leave none for"):
        shares(one, 0.1, 0.2, seed=0)


def pair(query: str, title: str, grade: float) -> TextPair:
    return TextPair(query, query, title, title, grade=grade)


def test_spellings_of_a_held_out_query_are_taken_out_of_other_shops():
    held = PairSet((pair("USB hub", "a", 1),), Scale(0, 1), "held")
    more = PairSet((pair("hubs (usb)", "b", 1), pair("usb cable", "c", 0)), Scale(0, 1), "more")
    assert [found.query for found in without_queries_of(more, held)] == ["usb cable"]


def test_lessons_share_texts_and_stretch_scales():
    shop = PairSet((pair("q", "a", 1), pair("q", "b", 4), pair("r", "a", 4)), Scale(1, 4), "shop")
    more = PairSet((pair("s", "b", 3), pair("s", "c", 2), pair("s", "d", 1)), Scale(1, 3), "more")
    check = PairSet((pair("t", "c", 4), pair("t", "e", 1)), Scale(1, 4), "check")
    found = lesson([shop, more], check, False, lambda texts: [[ord(c) for c in text] for text in texts])
    names = ["".join(map(chr, ids)) for ids in found.texts]
    assert sorted(names) == ["a", "b", "c", "d", "e"]
    read = [
        {names[text]: level for text, level in zip(row, levels, strict=True)}
        for row, levels in zip(found.train.texts, found.train.levels, strict=True)
    ]
    assert read == [{"a": 0, "b": 3}, {"a": 3}, {"b": 3, "c": 1.5, "d": 0}]
    assert found.train.top == 3
    asked = [found.queries[i] for i in [*found.train_queries, *found.validation_queries]]
    assert ["".join(map(chr, ids)) for ids in asked] == ["q", "r", "s", "t"]


def test_a_text_judged_twice_counts_by_its_mean():
    found = lists_of([[0, 1, 2]], [7, 8, 7], np.array([3.0, 1.0, 2.0]))
    assert found.texts == ((7, 8),)
    assert found.levels == ((2.5, 1.0),)


def test_an_epoch_has_every_text_once_in_even_parts():
    lists = lists_of([range(10), range(10, 13)], list(range(13)), np.arange(13.0))
    chunks = epoch(lists, 4, "0:0")
    assert Counter(text for chunk in chunks for text in chunk.texts) == Counter(range(13))
    assert sorted(len(chunk.texts) for chunk in chunks) == [3, 3, 3, 4]
    assert all(level == text for chunk in chunks for text, level in zip(chunk.texts, chunk.levels, strict=True))
    assert epoch(lists, 4, "0:0") == chunks != epoch(lists, 4, "0:1")


def test_cosines_are_those_of_each_pair():
    pairs = PairSet((pair("q", "a", 0), pair("r", "b", 0), pair("q", "b", 1)), Scale(0, 1), "x")
    table = {"q": [1, 0], "r": [0.6, 0.8], "a": [0, 1], "b": [0.8, 0.6]}
    asked: list[tuple[str, ...]] = []

    def encode(texts, kind):
        asked.append((kind, *texts))
        return np.array([table[text] for text in texts], np.float32)

    np.testing.assert_allclose(cosines(encode, pairs, False), [0, 0.96, 0.8], atol=1e-6)
    assert asked == [("query", "q", "r"), ("product", "a", "b")]


def test_the_fingerprint_is_of_the_data():
    one, two = (PairSet((pair("q", "a", grade),), Scale(0, 1), "x") for grade in (0, 1))
    assert fingerprint([one]) == fingerprint([one]) != fingerprint([two])
    assert fingerprint([one, two]) != fingerprint([two, one])


def test_must_pass_tables(tmp_path):
    path = tmp_path / "must.csv"
    path.write_text('query,better,worse,why\n手机,小米手机,"手机壳, 透明",no case\n', encoding="utf-8")
    assert read_must_pass(path) == [("手机", "小米手机", "手机壳, 透明")]
    path.write_text("query\tworse\tbetter\nusb hub\tUSB cable\tUSB 3.0 hub\n", encoding="utf-8")
    assert read_must_pass(path) == [("usb hub", "USB 3.0 hub", "USB cable")]
    path.write_text("query,better\na,b\n", encoding="utf-8")
    with pytest.raises(JudgmentError, match="has no column worse"):
        read_must_pass(path)
    path.write_text("query,better,worse\na,b,\n", encoding="utf-8")
    with pytest.raises(JudgmentError, match=r"line 2: a cell is empty"):
        read_must_pass(path)
