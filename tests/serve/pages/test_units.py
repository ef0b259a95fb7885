"""Parts of the page that know no app: hand calculations, reference libraries, round trips."""

import string
import tomllib
from urllib.parse import parse_qsl, urlsplit

import numpy as np
import pytest
from prometheus_client import CollectorRegistry, Counter, Histogram, generate_latest

from aisle.config import Recipe
from aisle.errors import RecipeError
from aisle.judgments.given import Judged, JudgmentFile, judged_by
from aisle.serve.facts import Facts
from aisle.serve.pages import language
from aisle.serve.pages.dashboard import Samples, bars, quantile
from aisle.serve.pages.grades import Grades
from aisle.serve.pages.judging import agreements, pool
from aisle.serve.pages.recent import Minute, Recent
from aisle.serve.pages.rendering import FOLDER
from aisle.serve.pages.settings import PageSettings
from aisle.serve.pages.setups import AS_SERVED, WORDS_ALONE, Setup
from aisle.serve.pages.sign_in import local
from aisle.serve.pages.tiles import is_web, pieces, price_text
from aisle.serve.pages.wanted import Wanted
from aisle.types import And, Compare, In, Judgment, Offer, Or, Product, Sort, Under

FACETS = ("brand", "category", "available", "attributes.colour")


def test_an_address_says_the_same_search_again():
    given = [
        ("q", "ink & toner"), ("mode", "dense"), ("sort", "price:desc"), ("min", "1,5"), ("max", "20"),
        ("f.brand", "HP"), ("f.brand", "A&B=C"), ("f.category", "Office > Ink"), ("f.available", "true"), ("page", "3"),
    ]  # fmt: skip
    wanted = Wanted.read(given, FACETS)
    again = Wanted.read(parse_qsl(urlsplit(wanted.address(page=3)).query), FACETS)
    assert again == wanted
    assert wanted.filter == And(
        (
            In("brand", ("HP", "A&B=C")),
            Or((Under(("Office", "Ink")),)),
            In("available", (True,)),
            Compare("price", ">=", 1.5),
            Compare("price", "<=", 20.0),
        )
    )
    request = wanted.request(24)
    assert (request.offset, request.k, request.mode, request.sort) == (48, 24, "dense", (Sort("price", True),))
    assert Wanted.read(parse_qsl(urlsplit(wanted.address()).query), FACETS).page == 1


def test_what_cannot_be_meant_is_passed_over():
    given = [
        ("mode", "x"),
        ("sort", "id; DROP"),
        ("page", "-1"),
        ("page", "7"),
        ("f.title", "a"),
        ("min", "nan"),
        ("max", "-1"),
    ]
    wanted = Wanted.read(given, FACETS)
    assert (wanted.mode, wanted.sort, wanted.page, wanted.chosen, wanted.filter) == ("hybrid", "", 1, {}, None)
    assert wanted.wrong_prices == ["nan", "-1"]
    assert Wanted.read([("page", "9" * 30)], FACETS).page == 1


def test_pieces_are_the_text_with_its_marks():
    marked = {"text": "usb hub, usb", "ranges": [[0, 3], [9, 12]], "cut": [False, True]}
    assert pieces(marked) == [("usb", True), (" hub, ", False), ("usb", True), ("…", False)]
    assert pieces({"text": "a", "ranges": []}) == [("a", False)]


def test_the_price_of_a_product_with_offers_alone():
    offers = (Offer("a", 1234.5, "EUR"), Offer("b", 2000.0, "EUR"))
    assert price_text(Product("1", "x", offers=offers)) == "1,234.50 EUR"
    assert price_text(Product("1", "x")) == ""
    assert price_text(Product("1", "x", price=0.0)) == "0.00"


@pytest.mark.parametrize(
    ("address", "fine"),
    [
        ("https://shop.example/a.jpg", True), ("http://shop.example:8/a?b=c", True), ("javascript:alert(1)", False),
        ("JAVASCRIPT:alert(1)", False), ("data:text/html,x", False), ("//shop.example/a", False), ("https://", False),
        ("https://a\n.example", False), ('https://a.example/"onload="', False), ("http://[::1", False), ("", False),
    ],
)  # fmt: skip
def test_addresses_of_pictures(address, fine):
    assert is_web(address) is fine


@pytest.mark.parametrize(
    ("address", "goes"),
    [
        ("/judge?q=1", "/judge?q=1"), ("//evil.example", "/"), ("/\\evil.example", "/"), ("https://evil.example", "/"),
        ("/a\r\nSet-Cookie: x", "/"), ("", "/"), ("evil", "/"), ("/搜索", "/"),
    ],
)  # fmt: skip
def test_nobody_is_sent_elsewhere_after_signing_in(address, goes):
    assert local(address) == goes


@pytest.mark.parametrize(
    ("asked", "cookies", "accepted", "chosen"),
    [
        ("", "", "", "en"), ("", "", "zh-CN,zh;q=0.9,en;q=0.8", "zh"), ("", "", "de,en;q=0.7,zh;q=0.3", "en"),
        ("", "aisle-language=zh; a=b", "en", "zh"), ("en", "aisle-language=zh", "zh", "en"), ("xx", "", "zh", "zh"),
        ("", "aisle-language=../../etc", "en", "en"), ("", "", "zh;q=0", "en"), ("", "", "zh;q=x,en", "en"),
        ("", "\x00=;", "zh", "zh"),
    ],
)  # fmt: skip
def test_the_language_of_a_page(asked, cookies, accepted, chosen):
    assert language.choose_language(asked, cookies, accepted) == chosen


def test_both_languages_say_the_same_things():
    texts = language.read_texts(FOLDER)
    assert list(texts["en"]) == list(texts["zh"])
    assert not set(texts["en"]) & set(dir(dict))  # which a template would find instead
    for name, text in texts["en"].items():
        fields = {field for _, field, _, _ in string.Formatter().parse(text) if field is not None}
        other = {field for _, field, _, _ in string.Formatter().parse(texts["zh"][name]) if field is not None}
        assert fields == other or "one" in name, name
    templates = "".join(path.read_text("utf-8") for path in (FOLDER / "templates").rglob("*.html"))
    assert not [one for one in texts["en"] if one not in templates and not one.startswith(PREFIXES)]


PREFIXES = (
    "kind_",
    "sort_",
    "mode_",
    "choice_",
    "setting_",
    "grade_",
    "rules_",
    "severity_",
    "available_",
    "setup_",
    "found_",
    "fault_",
    "left_",
    "part_",
)


def test_agreement_is_that_of_the_formula():
    ours = [0, 1, 2, 3, 3, 1]
    theirs = [0, 2, 2, 3, 1, 1]
    judged = [Judged("q", str(i), grade, "anna") for i, grade in enumerate(ours)]
    judged += [Judged("Ｑ", str(i), grade, "bob") for i, grade in enumerate(theirs)]  # the same query, full width
    judged += [Judged("q", "9", 3, "anna"), Judged("other", "0", 3, "bob"), Judged("q", "0", 1, "")]
    (found,) = agreements(judged)
    table = np.zeros((4, 4))
    for a, b in zip(ours, theirs, strict=True):
        table[a, b] += 1 / 6
    weights = np.array([[(i - j) ** 2 for j in range(4)] for i in range(4)])
    kappa = 1 - (weights * table).sum() / (weights * np.outer(table.sum(1), table.sum(0))).sum()
    assert (found.first, found.second, found.pairs) == ("anna", "bob", 6)
    assert found.same == pytest.approx(4 / 6)
    assert found.kappa == pytest.approx(kappa)


def test_agreement_of_raters_who_gave_one_grade_is_not_known():
    judged = [Judged("q", str(i), 3, judge) for i in range(3) for judge in ("anna", "bob")]
    (found,) = agreements(judged)
    assert (found.same, found.kappa) == (1.0, None)
    assert agreements(judged[:2]) == []  # one pair


def test_a_pool_says_nothing_of_the_rankings():
    first, second = pool([["a", "b", "c"], ["c", "d"]], "q"), pool([["d", "c"], ["c", "b", "a"]], "Q")
    assert first == second
    assert sorted(first) == ["a", "b", "c", "d"]
    assert {tuple(pool([list("abcd")], str(i))) for i in range(20)} != {tuple("abcd")}


def test_a_judgment_that_was_taken_back_was_never_given(tmp_path):
    file = JudgmentFile(tmp_path / "judgments.jsonl")
    file.add([Judged("q", "1", 3, "anna"), Judged("q", "1", 2, "bob")])
    file.withdraw(Judged("Q", "1", 3, "anna"))
    assert [(one.judge, one.grade) for one in file.read()] == [("bob", 2)]
    file.add([Judged("q", "1", 0, "anna")])
    assert judged_by(file.read(), "anna") == {"q": {"1": 0}}


def test_ndcg_of_what_is_known():
    file = [Judgment("1", "USB hub", "a", 3), Judgment("1", "USB hub", "b", 1), Judgment("1", "USB hub", "c", 0)]
    grades = Grades.of([Judged("usb hub", "b", 2, "anna"), Judged("usb hub", "b", 3, "bob")], file)
    assert grades.of_query("usb HUB") == {"a": 3, "b": 2.5, "c": 0}
    gain_a, gain_b = 7, 2**2.5 - 1
    best = gain_a + gain_b / np.log2(3)
    assert grades.ndcg("usb hub", ["c", "b", "x", "a"]) == pytest.approx(
        (gain_b / np.log2(3) + gain_a / np.log2(5)) / best
    )
    assert grades.ndcg("other", ["a"]) is None
    assert Grades.of([Judged("q", "1", 0)]).ndcg("q", ["1"]) is None


def test_a_setup_changes_what_was_chosen_and_nothing_else():
    given = [
        ("a.mode", "dense"),
        ("a.learnt", "off"),
        ("a.diversity", "mmr"),
        ("a.demands", "../x"),
        ("a.model", "/etc"),
        ("b.mode", "bm25"),
    ]
    setup = Setup.read(given, "a", AS_SERVED)
    assert setup == Setup("dense", "off", "", "mmr")
    assert Setup.read(setup.parameters("a"), "a", WORDS_ALONE) == setup
    served = Recipe()
    changed = setup.recipe(served).to_dict()
    expected = served.to_dict()
    expected["ranking"]["learnt"], expected["ranking"]["diversity"]["method"] = "", "mmr"
    assert changed == expected
    assert AS_SERVED.recipe(served) == served


def test_quantiles_of_a_histogram_within_its_buckets():
    registry = CollectorRegistry()
    bounds = (0.01, 0.02, 0.05, 0.1, 0.5)
    histogram = Histogram("t_seconds", "x", ("stage",), buckets=bounds, registry=registry)
    counter = Counter("n", "x", ("route", "status"), registry=registry)
    times = np.random.default_rng(0).uniform(0.001, 0.5, 2_000)
    for time in times:
        histogram.labels("bm25").observe(time)
    counter.labels("/", "200").inc(3)
    counter.labels("/", "429").inc(2)
    samples = Samples(generate_latest(registry).decode())
    (found,) = samples.latencies("t_seconds", "stage")
    assert (found.name, found.count) == ("bm25", 2_000)
    assert found.mean == pytest.approx(1_000 * times.mean())
    for share, value in ((0.5, found.p50), (0.95, found.p95)):
        true = np.quantile(times, share)
        low = max([0, *(one for one in bounds if one < true)])
        high = min(one for one in bounds if one >= true)
        assert 1_000 * low <= value <= 1_000 * high
        assert value == pytest.approx(1_000 * true, rel=0.1)  # uniform within the bucket
    assert samples.total("n_total") == 5
    assert samples.by("n_total", "route") == [(("/",), 5)]
    assert quantile([(1.0, 0.0), (float("inf"), 4.0)], 0.5) == 1.0  # beyond the last bound


def test_the_last_hour_and_the_last_searches():
    recent, late = Recent(), ("dense: the deadline of 9 ms was spent",)
    recent(Facts(route="/", status=429))
    recent(
        Facts(route="/", status=200, searched=True, query="mail anna@example.com", mode="hybrid", total=0, total_ms=7)
    )
    recent(Facts(route="/", status=200, searched=True, query="hub", mode="bm25", total=3, total_ms=9, degraded=late))
    assert [one.query for one in recent.searches()] == ["hub", "mail <email>"]
    key = "aisle_0123456789ab_" + "k" * 43
    recent(Facts(route="/", status=200, searched=True, query=f"{'x' * 190} 5500005555555559", total=1))
    recent(Facts(route="/", status=200, searched=True, query=key, total=1, degraded=("rerank: of anna@example.com",)))
    shown = recent.searches()
    assert (shown[0].query, shown[0].degraded) == ("aisle_0123456789ab_<secret>", ("rerank: of <email>",))
    assert "5500" not in shown[1].query
    minutes = recent.minutes()
    assert len(minutes) == 60
    assert [one.start for one in minutes] == list(range(minutes[0].start, minutes[0].start + 60))
    sums = [sum(getattr(one, name) for one in minutes) for name in ("searches", "zero", "degraded", "refused")]
    assert sums == [4, 1, 1, 1]


def test_percentiles_and_bars():
    minute = Minute(61, 4, 1, times_ms=[4.0, 1.0, 3.0, 2.0])
    assert (minute.percentile(0.5), minute.percentile(0.95), Minute(0).percentile(0.5)) == (3.0, 4.0, 0.0)
    first, second = bars([Minute(60, 2), minute])
    assert (first.height, second.height, second.zero) == (40.0, 80.0, 20.0)
    assert (first.x, second.x, second.label) == (0, 10, "01:01 UTC: 4")


def test_settings_are_checked():
    table = tomllib.loads('name = "Shop"\nfacets = ["brand"]\nproducts = 12')
    assert PageSettings.from_dict(table) == PageSettings(name="Shop", facets=("brand",), products=12)
    with pytest.raises(RecipeError, match=r"\[page\].*colour"):
        PageSettings.from_dict({"colour": "red"})
