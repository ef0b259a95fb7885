"""Sentences and the page: what they say, in both languages, and that nothing of a catalogue is obeyed as HTML."""

from html.parser import HTMLParser

import pytest

from aisle.errors import InputError
from aisle.explain import explain
from aisle.explain.explanation import Explanation
from aisle.explain.stages import stage_label
from aisle.explain.values import Change, Contribution, Counterfactual, Effect, Words
from aisle.query.constraint import Constraint, Verdict
from aisle.types import Compare, Product, SearchRequest

SHOE = Product("s", "Red shoe", brand="Nike", attributes={"colour": "red"}, price=40.0)
PRICE = Constraint("price", "under 50", Compare("price", "<", 50.0), 1.0)
WATER = Constraint("attribute", "waterproof", Compare("attributes.waterproof", "=", True), 1.0)
FOUND = Explanation(
    query="red shoe under 50",
    product=SHOE,
    rank=12,
    score=0.85,
    contributions=(
        Contribution("bm25", 12.0, 3, 0.25, (("title", 9.0), ("brand", 3.0))),
        Contribution("dense:text", 0.7, 1, 0.5),
        Contribution("asked:price", 1.0, None, 0.12),
        Contribution("rule:sale", -0.02, None, -0.02),
        Contribution("relevance", 0.83, None, 0.0),
    ),
    verdicts=(Verdict(PRICE, "satisfied", (("price", 40.0),)), Verdict(WATER, "unknown", ())),
    words=Words("encoder", 0.7, (Effect("shoe", 0.2, 8.0), Effect("red", -0.1, 4.0)), (Effect("shoe", 0.3),)),
    counterfactual=Counterfactual(
        "t",
        "Blue shoe",
        0.05,
        (
            Change("score", "dense:text", now=0.7, needed=0.7701),
            Change("word", name="blue", now=0.85, needed=0.95, against=0.9),
        ),
    ),
)


def test_english_sentences():
    assert FOUND.in_words().splitlines() == [
        "“Red shoe” is 12th for “red shoe under 50” with a score of 0.8500: 0.2500 from matching words (BM25 12.0; 3rd "
        "by this alone; title 75%, brand 25%) + 0.5000 from meaning of the text (cosine 0.7000; 1st by this alone) + "
        "0.1200 from the demand on the price − 0.0200 from the shop's rule “sale”. Estimated probability "
        "of relevance: 0.8300.",
        "Asked for “under 50”: price is 40; met.",
        "Asked for “waterproof”: nothing is said of waterproof; unknown.",
        "The cosine of 0.7000 rests, in the query, on “shoe” (0.2000 lower without it).",
        "The cosine of 0.7000 rests, in the product, on “shoe” (0.3000 lower without it).",
        "Without the word BM25 would lose: “shoe” 8.000, “red” 4.000.",
        "The next one up is “Blue shoe”, by 0.0500. This one would be above it with cosine of at least 0.771 "
        "instead of 0.700; or if its title also said “blue” (scoring 0.950 against 0.900).",
    ]


def test_chinese_sentences():
    assert FOUND.in_words("zh").splitlines() == [
        "搜索“red shoe under 50”时，“Red shoe”排第 12 位，得分 0.8500：关键词匹配贡献 0.2500（BM25 得分 12.0；"
        "单看此项排第 3；标题占 75%、品牌占 25%），语义相近贡献 0.5000（余弦相似度 0.7000；"
        "单看此项排第 1），对价格的要求贡献 0.1200，店铺规则“sale”扣减 0.0200。"
        "相关概率估计：0.8300。",
        "要求“under 50”：价格为 40，符合。",
        "要求“waterproof”：商品信息未注明waterproof，无法判断。",
        "从搜索词看，语义相似度（0.7000）主要来自“shoe”（去掉后下降 0.2000）。",
        "从商品信息看，语义相似度（0.7000）主要来自“shoe”（去掉后下降 0.3000）。",
        "去掉后关键词得分（BM25）的降幅：“shoe” 8.000、“red” 4.000。",
        "前一位是“Blue shoe”，高出 0.0500。只要余弦相似度不低于 0.771（现为 0.700），或者标题里再写上“blue”"
        "（得分 0.950，高于对方的 0.900），本商品就会排到它前面。",
    ]


def test_stages_without_a_line_of_their_own_are_named_all_the_same():
    assert stage_label("something new", "zh") == "something new"
    assert stage_label("rule:summer sale", "en") == "the shop's rule “summer sale”"
    assert stage_label("asked:colour", "zh") == "对颜色的要求"
    assert stage_label("asked:warranty", "en") == "the demand on warranty"
    assert stage_label("rerank (not read: it failed: no disk)", "en") == (
        "not read by the re-ranking model (it failed: no disk)"
    )
    assert "matching words alone" in stage_label("bm25 (script not read by the encoder)", "en")


def test_another_language_is_refused():
    with pytest.raises(InputError, match="language 'fr'"):
        FOUND.in_words("fr")
    with pytest.raises(InputError, match="language 'fr'"):
        FOUND.to_html("fr")


class Tags(HTMLParser):
    """Collects elements and text."""

    def __init__(self):
        super().__init__()
        self.tags, self.text = [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        assert not any(name.startswith("on") or name in ("src", "href") for name, _ in attrs)

    def handle_data(self, data):
        self.text.append(data)


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_page_escapes_the_catalogue_and_loads_nothing(engine, language):
    found = explain(engine, SearchRequest('mouse <img src=x onerror="alert(2)">'), "x1")
    page = Tags()
    page.feed(found.to_html(language))
    assert not {"script", "img", "link", "iframe"} & set(page.tags)
    text = "".join(page.text)
    assert "<script>alert(1)</script>" in text
    assert all(line in text for line in found.in_words(language).splitlines())


def test_strong_words_are_marked():
    html = FOUND.to_html()
    assert '<mark style="background: rgba(47,125,82,0.58)">shoe</mark>' in html
    assert "rgba(178,59,55" in html
