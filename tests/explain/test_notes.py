"""What the engine says of a search, in Chinese: each note is made by the part that says it, none is left in English."""

import re

import pytest

from aisle.config import Recipe
from aisle.engine import MAX_QUERY_CHARS, SearchEngine
from aisle.explain import explain
from aisle.explain.notes import UNHEEDED, in_language
from aisle.explain.stages import stage_label
from aisle.filters import parse_filter
from aisle.query.constraint import Constraint
from aisle.query.relax import Step, said
from aisle.ranking.cascade import read
from aisle.ranking.clock import Clock
from aisle.types import Part, SearchRequest
from tests.explain.shop import PRODUCTS

QUOTED = re.compile(r"ranking\.demands|off|BM25|“[^”]*”|hama|mouse|black|under|[a-z]* -> ")


@pytest.mark.parametrize("setting", ["off", "boost", "filter"])
def test_an_explanation_in_chinese_has_no_english_note(encoder, tmp_path, setting):
    recipe = Recipe.from_dict({"ranking": {"demands": setting}})
    with SearchEngine.build(PRODUCTS, tmp_path / "shop", recipe, encoder=encoder) as shop:
        for query in ("hama mouse under 20", "黑色鼠标", "hama mouse " + "black " * MAX_QUERY_CHARS):
            notes = explain(shop, SearchRequest(query), "m2").notes
            told = [in_language(note, "zh") for note in notes]
            assert all(re.search("[一-鿿]", one) for one in told), told
            assert not [one for one in told if re.search(r"[A-Za-z]{2}", QUOTED.sub("", one))], told
            assert [in_language(note, "en") for note in notes] == list(notes)
        found = explain(shop, SearchRequest("hama mouse under 20"), "m2")
        assert (UNHEEDED in found.notes) == (setting == "off")
        assert ("搜索说明：搜索词里的要求只作说明" in found.in_words("zh")) == (setting == "off")


def test_what_was_given_up_names_the_demands():
    price = Constraint("price", "under 5", parse_filter("price<5"), 0.9)
    brand = Constraint("brand", "hama", parse_filter("brand=hama"), 0.9)
    told = in_language(said(Step((), (price, brand))), "zh")
    assert told == "没有商品符合全部条件；已放宽：价格 (under 5)、品牌 (hama)"


def test_a_reranker_that_fails_or_has_no_time_is_told_in_chinese():
    def fails(ids):
        raise ValueError("no disk")

    scored = [(name, 1.0, {"bm25": Part(1.0, 1, 1.0)}) for name in "abc"]
    failed = read(scored, fails, 3, Clock(None))
    assert in_language(failed.left_out, "zh") == "重排模型：3 件商品中读了 0 件，运行失败：ValueError: no disk"
    late = read(scored, fails, 3, Clock(1e-6))
    assert in_language(late.left_out, "zh") == "重排模型：3 件商品中读了 0 件，1e-06 毫秒的时限已用完"


def test_a_script_that_no_encoder_reads_and_a_spent_deadline(engine):
    (unread,) = [note for note in engine.search(SearchRequest("แมวหมาปลา")).degraded if note.startswith("meaning")]
    assert in_language(unread, "zh") == "语义模型读不懂泰文，因此只按关键词搜索"
    hurried = engine.search(SearchRequest("wireless mouse", deadline_ms=1e-6)).degraded
    assert hurried
    assert not [one for note in hurried if re.search("[a-z]{3}", one := in_language(note, "zh"))]


def test_an_unknown_note_stays_as_it_is():
    assert in_language("something new", "zh") == "something new"
    assert stage_label("rerank (not read: it failed: no disk)", "zh") == "重排模型未读取（运行失败：no disk）"
