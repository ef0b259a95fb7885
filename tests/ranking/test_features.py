"""Features against values written out by hand, and against the index that they come from."""

import math

import numpy as np
import pytest

from aisle.config import IndexSettings
from aisle.indexes import segment
from aisle.indexes.lance import LanceIndex
from aisle.query.constraint import Constraint
from aisle.ranking.feature_values import RatingPrior, ShopperContext, coverage, position, prior_of, shrunk
from aisle.ranking.features import FEATURES, NAMES, Asked, Words, _words, rank_features
from aisle.ranking.fusion import fuse, lift
from aisle.ranking.learnt import for_everybody
from aisle.rerankers.head import wording
from aisle.types import Compare, Offer, Product, Record, SearchRequest

WORDS = Words(segment, wording)
PRODUCTS = (
    Product(
        "a",
        "Acme red mouse",
        "A mouse with a cable.",
        "Acme",
        ("Computer Mouse",),
        {"date_released": "2020-01-01"},
        10.0,
    ),
    Product("b", "Mouse mat", brand="Pad Co", price=1000.0, rating=5.0, rating_count=1, available=True),
    Product("c", "Wireless keyboard and mouse", rating=4.0, rating_count=90, available=False),
    Product("d", "Lamp", offers=(Offer("x", price=20.0),), attributes={"release_date": 2021.0}),
)
ANGLES = {"a": 0.2, "b": 0.5, "c": 0.9, "d": 1.4}
QUERY = np.array([1.0, 0.0], np.float32)


def vector(angle):
    return np.array([math.cos(angle), math.sin(angle)], np.float32)


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    found = LanceIndex.create(tmp_path_factory.mktemp("index") / "lance", IndexSettings(), {"text": 2})
    found.upsert([Record(product, "", {"text": vector(ANGLES[product.id])}) for product in PRODUCTS])
    found.optimize()
    yield found
    found.close()


def searched(index, text, ids=None):
    """The fused ranking of the index, as the engine makes it."""
    request = SearchRequest(text)
    found = index.search(request, {"text": QUERY}, 10)
    scored = fuse(found.lists, {"bm25": 0.35, "dense:text": 0.65})
    return request, [item for item in scored if ids is None or item[0] in ids]


def table(index, text="red mouse", **known):
    request, scored = searched(index, text)
    rating = known.pop("rating", None)
    found = rank_features(index, Asked(request, QUERY, **known), scored, WORDS, rating)
    return {
        product.id: dict(zip(NAMES, row, strict=True))
        for product, row in zip(found.products, found.values, strict=True)
    }


def test_names_are_declared_once_and_every_sign_is_one_of_three():
    assert len(set(NAMES)) == len(NAMES) == len(FEATURES)
    assert {feature.sign for feature in FEATURES} == {-1, 0, 1}
    signs = {feature.name: feature.sign for feature in FEATURES}
    assert (signs["rating"], signs["contradicted"], signs["price"]) == (1, -1, 0)


def test_the_fusion_and_the_index_are_repeated_exactly(index):
    request, scored = searched(index, "red mouse")
    found = rank_features(index, Asked(request, QUERY), scored, WORDS)
    rows = dict(zip(found.ids, found.values, strict=True))
    assert found.ids == tuple(item[0] for item in scored)
    assert found.values.dtype == np.float32
    fields = index.features(["a", "b", "c", "d"], request, {"text": QUERY})
    for product_id, score, parts in scored:
        row = dict(zip(NAMES, rows[product_id], strict=True))
        assert row["fused"] == pytest.approx(score)
        assert row["cosine"] == pytest.approx(math.cos(ANGLES[product_id]), abs=1e-5)
        assert row["rank:dense"] == pytest.approx(-math.log(parts["dense:text"].rank))
        title = dict(zip(fields["product_id"].to_pylist(), fields["bm25:title"].to_pylist(), strict=True))
        assert row["bm25:title"] == pytest.approx(title[product_id] / max(title.values()))
    assert math.isnan(dict(zip(NAMES, rows["d"], strict=True))["rank:bm25"])  # BM25 did not find the lamp


def test_words_by_hand(index):
    rows = table(index)
    # "red mouse": both words in a's title, the first of them second; in b's title one of two, first
    assert (rows["a"]["coverage"], rows["b"]["coverage"], rows["d"]["coverage"]) == (1.0, 0.5, 0.0)
    assert rows["a"]["position"] == pytest.approx(-math.log(2))
    assert rows["b"]["position"] == 0.0
    assert math.isnan(rows["d"]["position"])
    assert rows["b"]["length"] == pytest.approx(-math.log(3))
    assert rows["a"]["query:words"] == 2
    assert rows["a"]["wording"] == pytest.approx(wording("red mouse", ["Acme red mouse A mouse with a cable."])[0])
    assert rows["a"]["wording:title"] == pytest.approx(wording("red mouse", ["Acme red mouse"])[0])


def test_a_category_says_what_a_title_leaves_out():
    products = [Product("a", "Mate 60 Pro", category=("Electronics", "Mobile phones")), Product("b", "Mate 60 Pro")]
    found = _words("mobile phones", products, {}, WORDS, ("wording", "wording:title"))
    assert found["wording"] == pytest.approx(
        wording("mobile phones", ["Mate 60 Pro Electronics Mobile phones", "Mate 60 Pro"])
    )
    assert found["wording"][0] == pytest.approx(1.0)
    assert found["wording"][1] < 0.3
    assert found["wording:title"][0] == found["wording:title"][1] == found["wording"][1]


def test_coverage_and_position_without_words():
    assert math.isnan(coverage([], ["a"]))
    assert math.isnan(position(["x"], ["a"]))


def test_neighbours_are_the_cosine_to_the_mean_of_the_first_five(index):
    rows = table(index)
    mean = np.mean([vector(angle) for angle in ANGLES.values()], axis=0)  # four products: all are among the first five
    for product_id, angle in ANGLES.items():
        assert rows[product_id]["neighbours"] == pytest.approx(vector(angle) @ mean / np.linalg.norm(mean), abs=1e-5)


def test_an_exact_identifier_is_a_feature_and_its_bonus_is_not_in_the_fusion(index):
    request, scored = searched(index, "red mouse")
    plain = {item[0]: item[1] for item in scored}
    found = rank_features(index, Asked(request, QUERY), lift(scored, "identifier", ["d"]), WORDS)
    rows = {i: dict(zip(NAMES, row, strict=True)) for i, row in zip(found.ids, found.values, strict=True)}
    assert found.ids[0] == "d"
    assert [rows[i]["identifier"] for i in "abcd"] == [0, 0, 0, 1]
    assert rows["d"]["fused"] == pytest.approx(plain["d"])


def test_demands_by_hand(index):
    cheap = Constraint("price", "under 50", Compare("price", "<", 50.0), 0.5)
    acme = Constraint("brand", "acme", Compare("brand", "=", "Acme"), 1.0)
    rows = table(index, constraints=(cheap, acme))
    # a: both met; b: both contradicted; c: nothing known; d: its offer costs 20, no brand
    assert [rows[i]["satisfied"] for i in "abcd"] == pytest.approx([1.0, 0.0, 0.0, 0.5 / 1.5])
    assert [rows[i]["contradicted"] for i in "abcd"] == pytest.approx([0.0, 1.0, 0.0, 0.0])
    assert [rows[i]["price:fit"] for i in "abcd"] == pytest.approx([0.5, -0.5, 0.0, 0.5])
    assert [rows[i]["brand"] for i in "abcd"] == pytest.approx([1.0, -1.0, 0.0, 0.0])


def test_without_demands_the_querys_words_name_brand_and_category(index):
    rows = table(index, "acme mouse")
    assert (rows["a"]["brand"], rows["b"]["brand"]) == (1.0, 0.0)
    assert math.isnan(rows["c"]["brand"])  # it has none
    assert rows["a"]["category"] == 0.5  # "mouse" names it, "acme" does not
    for name in ("satisfied", "contradicted", "price:fit"):
        assert math.isnan(rows["a"][name])


def test_quality_by_hand(index):
    rows = table(index, rating=RatingPrior(3.0, 10.0))
    assert math.isnan(rows["a"]["rating"])
    assert rows["b"]["rating"] == pytest.approx((5 + 30) / 11)  # one vote of 5 says little
    assert rows["c"]["rating"] == pytest.approx((90 * 4 + 30) / 100)
    assert rows["c"]["popularity"] == pytest.approx(math.log(91))
    assert [rows[i]["available"] for i in "bc"] == [1, 0]
    assert math.isnan(rows["a"]["available"])
    assert rows["d"]["price"] == pytest.approx(math.log(21))
    assert rows["d"]["freshness"] - rows["a"]["freshness"] == pytest.approx(
        366 / 365.25, abs=1e-3
    )  # 2020 was a leap year
    assert math.isnan(rows["b"]["freshness"])


def test_shrinkage():
    assert shrunk(5.0, 0, RatingPrior(3.0)) == 3.0
    assert shrunk(5.0, None, RatingPrior(3.0, 1.0)) == 4.0
    assert shrunk(5.0, 7, None) == 5.0
    assert prior_of([Product("x", "x")]) is None
    assert prior_of(PRODUCTS) == RatingPrior(4.5)


def test_the_shoppers_context_by_hand(index):
    context = ShopperContext(np.stack([vector(0.2), vector(3.0)]), ("acme", "Other"), (5.0, 15.0))
    rows = table(index, shopper=context)
    assert [rows[i]["views"] for i in "ab"] == pytest.approx([1.0, math.cos(0.3)], abs=1e-5)
    assert [rows[i]["views:brand"] for i in "ab"] == [0.5, 0.0]
    assert rows["a"]["price:band"] == 0.0
    assert rows["b"]["price:band"] == pytest.approx(-math.log(1000 / 15))
    assert math.isnan(table(index)["a"]["views"])


def test_a_rerankers_scores_and_what_is_unknown(index):
    rows = table(index, rerank={"a": 0.25})
    assert rows["a"]["rerank"] == 0.25
    assert math.isnan(rows["b"]["rerank"])
    assert math.isnan(table(index)["a"]["rerank"])
    assert math.isnan(rows["a"]["image"])


def test_without_a_vector_nothing_is_said_of_meaning(index):
    request, scored = searched(index, "red mouse")
    found = rank_features(index, Asked(request), scored, WORDS)
    assert np.isnan(found.values[:, NAMES.index("cosine")]).all()


def test_a_product_deleted_since_it_was_found_has_no_row_and_nothing_gives_an_empty_table(index):
    request, scored = searched(index, "red mouse")
    gone = ("gone", 9.0, dict(scored[0][2]))
    assert "gone" not in rank_features(index, Asked(request, QUERY), [gone, *scored], WORDS).ids
    assert rank_features(index, Asked(request, QUERY), [], WORDS).values.shape == (0, len(NAMES))


@pytest.mark.parametrize(
    "reads",
    [
        ("fused", "wording", "neighbours"),
        ("cosine:share",),
        ("bm25:title", "length"),
        ("rating",),
        ("brand",),
        (),
        NAMES,
    ],
)
def test_what_is_read_is_the_same_alone_as_among_all(index, reads):
    request, scored = searched(index, "red mouse")
    whole = rank_features(index, Asked(request, QUERY), scored, WORDS)
    alone = rank_features(index, Asked(request, QUERY), scored, WORDS, reads=reads)
    columns = [NAMES.index(name) for name in reads]
    np.testing.assert_array_equal(alone.values[:, columns], whole.values[:, columns])
    assert alone.ids == whole.ids


def test_the_packaged_combination_reads_three_features_and_adds_them():
    packaged = for_everybody()
    assert packaged.reads == ("fused", "wording", "neighbours")
    values = np.full((1, len(NAMES)), np.nan, np.float32)
    values[0, [NAMES.index(name) for name in packaged.reads]] = (0.5, 0.25, 0.75)
    assert packaged.score(values)[0] == pytest.approx(3.0 * 0.5 + 3.2 * 0.25 + 1.9 * 0.75)
