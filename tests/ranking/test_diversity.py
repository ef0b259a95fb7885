"""Diversity: MMR and the determinant beside slow obvious versions, caps by their definition, and nothing ever lost."""

import math
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aisle.config import DiversitySettings as Diversity
from aisle.config import Recipe
from aisle.errors import RecipeError
from aisle.ranking.diversity import STAGE, UNIT, collapse, diversify, steepness
from aisle.ranking.diversity_kernel import (
    BRAND,
    CATEGORY,
    COSINE,
    SHRINK,
    Determinant,
    MarginalRelevance,
    similarity,
)
from aisle.ranking.fusion import lift, reorder
from aisle.types import Part, Product

METHODS = ("none", "mmr", "dpp")


def scored_of(scores):
    return [(product_id, score, {"bm25": Part(score, 1, score)}) for product_id, score in scores.items()]


def shop(seed, count):
    """Scored products with fields and vectors; families, brands and categories repeat."""
    rng = np.random.default_rng(seed)
    scores = sorted(rng.integers(0, 20, count) / 20 + 0.05, reverse=True)  # with ties
    ids = [f"p{place}" for place in rng.permutation(count)]
    products = {
        i: Product(
            i,
            "title",
            brand=str(rng.choice(["HP", "hp ", "Epson", ""])),
            category=tuple("abc"[: rng.integers(0, 4)]),
            family=str(rng.choice(["f1", "f2", "f3", i])),
            attributes={"seller": str(rng.choice(["s1", "s2"]))},
        )
        for i in ids
    }
    vectors = {i: rng.normal(size=6).astype(np.float32) for i in ids}
    return scored_of(dict(zip(ids, scores, strict=True))), products, vectors


def ids_of(scored):
    return [item[0] for item in scored]


# --- the order -------------------------------------------------------------------------------------------


def test_hand_worked_mmr():
    # Two alike (a, b: cosine 1) and one unlike (c: cosine 0), no brands: only the vectors say anything.
    scored = scored_of({"a": 1.0, "b": 0.95, "c": 0.9, "d": 0.2})
    vectors = {"a": np.array([1, 0, 0]), "b": np.array([1, 0, 0]), "c": np.array([0, 1, 0]), "d": np.array([0, 0, 1])}
    # At .5 with unit .1: b .5 * 9.5 - .5 * 1 = 4.25, c .5 * 9 - 0 = 4.5, d .5 * 2 = 1. So c before b.
    got = diversify(scored, {}, vectors, Diversity("mmr", strength=0.5))
    assert ids_of(got) == ["a", "c", "b", "d"]
    assert [item[1] for item in got] == [1.0, 0.95, 0.9, 0.2]
    assert got[1][2][STAGE] == Part(pytest.approx(4.5), 2, pytest.approx(0.05))
    assert got[2][2][STAGE] == Part(pytest.approx(4.25), 3, pytest.approx(-0.05))
    assert STAGE not in got[0][2]  # it did not move
    # At .3 relevance wins: b .7 * 9.5 - .3 = 6.35, c .7 * 9 = 6.3.
    assert ids_of(diversify(scored, {}, vectors, Diversity("mmr", strength=0.3))) == ["a", "b", "c", "d"]


def slow_mmr(relevance, alike, strength):
    chosen = []
    while len(chosen) < len(relevance):
        best, best_value = None, -math.inf
        for i in range(len(relevance)):
            if i not in chosen:
                nearest = max((alike[i][j] for j in chosen), default=0.0)
                value = (1 - strength) * relevance[i] - strength * nearest
                if value > best_value + 1e-12:
                    best, best_value = i, value
        chosen.append(best)
    return chosen


def slow_determinant(relevance, alike, strength):
    """Each time the product with which the determinant of the kernel is largest, by numpy's own determinant."""
    quality = np.exp(np.asarray(relevance) * (1 - strength) / (2 * strength))
    shrunk = (1 - SHRINK) * alike + SHRINK * np.eye(len(alike))
    kernel = quality[:, None] * shrunk * quality[None, :]
    chosen = []
    while len(chosen) < len(relevance):
        best, best_value = None, -math.inf
        for i in range(len(relevance)):
            if i not in chosen:
                sign, value = np.linalg.slogdet(kernel[np.ix_([*chosen, i], [*chosen, i])])
                assert sign > 0
                if value > best_value + 1e-9:
                    best, best_value = i, value
        chosen.append(best)
    return chosen


@pytest.mark.parametrize(("method", "slow"), [("mmr", slow_mmr), ("dpp", slow_determinant)])
@pytest.mark.parametrize("strength", [0.1, 0.4, 0.8, 1.0])
def test_the_order_is_that_of_a_slow_obvious_version(method, slow, strength):
    for seed in range(8):
        scored, products, vectors = shop(seed, 12)
        ids = ids_of(scored)
        alike = similarity([products[i] for i in ids], [vectors[i] for i in ids])
        shares = [item[1] / scored[0][1] / UNIT for item in scored]
        want = [ids[place] for place in slow(shares, alike, strength)]
        assert ids_of(diversify(scored, products, vectors, Diversity(method, strength))) == want


def test_the_gain_of_the_determinant_is_the_growth_of_its_logarithm():
    scored, products, vectors = shop(3, 9)
    alike = similarity([products[i] for i in ids_of(scored)], [vectors[i] for i in ids_of(scored)])
    relevance = np.linspace(1, 0, 9)
    marginal = Determinant(relevance, alike, 0.5)
    kernel = np.exp(relevance / 2)[:, None] * ((1 - SHRINK) * alike + SHRINK * np.eye(9)) * np.exp(relevance / 2)
    chosen = []
    for step in (4, 0, 7, 2):
        before = np.linalg.slogdet(kernel[np.ix_(chosen, chosen)])[1] if chosen else 0.0
        for other in {*range(9)} - {*chosen}:
            after = np.linalg.slogdet(kernel[np.ix_([*chosen, other], [*chosen, other])])[1]
            assert marginal.values[other] == pytest.approx(0.5 * (after - before))
        marginal.choose(step)
        chosen.append(step)


def test_the_first_product_is_the_most_relevant_at_any_strength():
    scored, products, vectors = shop(5, 10)
    for method in METHODS:
        assert diversify(scored, products, vectors, Diversity(method, 1.0))[0][0] == scored[0][0]


def test_more_strength_brings_more_distance():
    scored, products, vectors = shop(8, 60)
    for method in ("mmr", "dpp"):
        distance = []
        for strength in (0.0, 0.5, 1.0):
            top = ids_of(diversify(scored, products, vectors, Diversity(method, strength)))[:10]
            alike = similarity([products[i] for i in top], [vectors[i] for i in top])
            distance.append(1 - (alike.sum() - 10) / 90)
        assert distance[0] < distance[1] < distance[2]


# --- likeness --------------------------------------------------------------------------------------------


def test_similarity_by_hand():
    one = Product("1", "", brand="HP", category=("ink", "black"), family="x")
    two = Product("2", "", brand=" hp", category=("ink", "colour", "cyan"), family="y")
    variant = Product("3", "", brand="Epson", category=("paper",), family="x")
    a, b = np.array([1.0, 0.0], np.float32), np.array([3.0, 4.0], np.float32)
    alike = similarity([one, two, variant, None], [a, b, b, None])
    # cosine 3/5; same brand; one shared level of 2 and 3.
    assert alike[0, 1] == pytest.approx(COSINE * 0.6 + BRAND + CATEGORY / math.sqrt(6))
    assert alike[0, 2] == pytest.approx(1.0)  # one family, whatever else differs
    assert alike[1, 2] == alike[1, 0]
    assert list(alike[3]) == [0, 0, 0, 1]
    assert np.array_equal(alike, alike.T)


def test_what_no_product_has_does_not_count():
    products = [Product("1", "", brand="HP"), Product("2", "", brand="HP")]
    alike = similarity(products, [np.array([1, 0]), np.array([0, 1])])
    assert alike[0, 1] == pytest.approx(BRAND / (COSINE + BRAND))
    assert similarity(products, [None, None])[0, 1] == pytest.approx(1.0)
    assert np.array_equal(similarity([None, None], [None, None]), np.eye(2))


@pytest.mark.parametrize("seed", range(5))
def test_similarities_are_inner_products(seed):
    scored, products, vectors = shop(seed, 25)
    alike = similarity([products[i] for i in ids_of(scored)], [vectors[i] for i in ids_of(scored)])
    assert np.linalg.eigvalsh(alike).min() > -1e-9
    assert np.diag(alike) == pytest.approx(np.ones(25))


def test_mmr_before_anything_is_chosen_is_relevance():
    assert list(MarginalRelevance(np.array([3.0, 1.0]), np.eye(2), 0.5).values) == [1.5, 0.5]


# --- caps ------------------------------------------------------------------------------------------------


def test_one_tile_a_family_on_each_page():
    families = {"a": "f", "b": "f", "c": "f", "d": "g", "e": "h", "f": "g"}
    products = {i: Product(i, "", family=family) for i, family in families.items()}
    scored = scored_of({i: 1 - place / 100 for place, i in enumerate(families)})
    got = diversify(scored, products, {}, Diversity(per_family=1, page=3))
    assert ids_of(got) == ["a", "d", "e", "b", "f", "c"]  # the last page has no other family left
    assert [item[1] for item in got] == [item[1] for item in scored]
    assert got[1][2][STAGE] == Part(pytest.approx(0.97), 2, pytest.approx(0.02))


def slow_capped(ids, shares, alike, products, chosen):
    """MMR under caps in so many words: of all that may come next, the one of the highest value."""
    order = []
    while len(order) < len(ids):
        page = [products[ids[j]] for j in order[len(order) - len(order) % chosen.page :]]
        left = [i for i in range(len(ids)) if i not in order]
        value = {
            i: (1 - chosen.strength) * shares[i] / UNIT
            - chosen.strength * max((alike[i][j] for j in order), default=0.0)
            for i in left
        }
        best = max(left, key=lambda i: (value[i], -i))
        fitting = [
            i
            for i in left
            if sum(other.family == products[ids[i]].family for other in page) < chosen.per_family
            and shares[i] >= shares[best] - chosen.margin
        ]
        order.append(best if best in fitting or not fitting else max(fitting, key=lambda i: (value[i], -i)))
    return [ids[i] for i in order]


@pytest.mark.parametrize("margin", [0.1, 0.5, 1.0])
def test_caps_and_variety_together_are_those_of_a_slow_obvious_version(margin):
    for seed in range(8):
        scored, products, vectors = shop(seed, 20)
        ids = ids_of(scored)
        alike = similarity([products[i] for i in ids], [vectors[i] for i in ids])
        shares = [item[1] / scored[0][1] for item in scored]
        chosen = Diversity("mmr", 0.6, per_family=1, page=5, margin=margin)
        want = slow_capped(ids, shares, alike, products, chosen)
        assert ids_of(diversify(scored, products, vectors, chosen)) == want


def test_a_cap_passes_over_only_for_what_is_nearly_as_relevant():
    products = {i: Product(i, "", brand=brand) for i, brand in {"a": "HP", "b": "HP", "c": "x", "d": "y"}.items()}
    scored = scored_of({"a": 2.0, "b": 1.8, "c": 1.5, "d": 0.2})
    # shares 1, .9, .75, .1: c is .15 below b.
    assert ids_of(diversify(scored, products, {}, Diversity(per_brand=1, margin=0.16))) == ["a", "c", "b", "d"]
    assert ids_of(diversify(scored, products, {}, Diversity(per_brand=1, margin=0.14))) == ["a", "b", "c", "d"]
    assert ids_of(diversify(scored, products, {}, Diversity(per_brand=1, margin=1.0))) == ["a", "c", "d", "b"]


def test_sellers_are_read_from_their_field():
    sellers = {"a": "s", "b": "S ", "c": "t", "d": None}
    products = {i: Product(i, "", attributes={"shop": s} if s else {}) for i, s in sellers.items()}
    scored = scored_of({"a": 1.0, "b": 0.99, "c": 0.98, "d": 0.97})
    settings = Diversity(per_seller=1, seller_field="attributes.shop")
    assert ids_of(diversify(scored, products, {}, settings)) == ["a", "c", "d", "b"]
    assert ids_of(diversify(scored, products, {}, Diversity(per_seller=1))) == ["a", "b", "c", "d"]


def test_given_relevance_decides_instead_of_scores():
    scored = scored_of({"a": 9.0, "b": 8.9, "c": 8.8})
    products = {i: Product(i, "", family=f) for i, f in {"a": "f", "b": "f", "c": "g"}.items()}
    caps = Diversity(per_family=1)
    assert ids_of(diversify(scored, products, {}, caps)) == ["a", "c", "b"]
    assert ids_of(diversify(scored, products, {}, caps, {"a": 0.9, "b": 0.8, "c": 0.1})) == ["a", "b", "c"]
    assert ids_of(diversify(scored, products, {}, caps, {"a": 0.9, "b": 0.8})) == ["a", "b", "c"]
    # The order is the ranking's; relevance says how steeply it falls.
    assert ids_of(diversify(scored, {}, {}, Diversity("mmr", 0.5), {"a": 0.1, "b": 0.5, "c": 0.9})) == ["a", "b", "c"]
    assert ids_of(diversify(scored, products, {}, caps, {"b": 0.9, "c": 0.85})) == ["a", "b", "c"]  # .9, .85, 0
    assert ids_of(diversify(scored, products, {}, caps, {"a": 0.0, "b": 0.0})) == ["a", "c", "b"]  # nothing to lose


def test_how_steeply_relevance_falls_is_read_where_half_is_half_as_good():
    fused = [("a", 1.0, {"bm25": Part(9.0, 1, 0.4), "dense:text": Part(0.6, 1, 0.6)})]
    fused += [("b", 0.5, {"dense:text": Part(0.5, 2, 0.5)}), ("c", 0.25, {"bm25": Part(2.0, 2, 0.25)})]
    assert steepness(fused) is None
    learnt = reorder(fused, "learnt", [5.0, 4.0])  # 1.25 + 5 - 4 and 1.25: of their shares nothing can be told
    wanted = {"a": 1.0, "b": 0.5, "c": 0.25}
    assert steepness(learnt) == pytest.approx(wanted)
    ruled = [(i, s + 2, parts | {"rule:x": Part(0.5, None, 2.0)}) for i, s, parts in learnt]
    assert steepness(ruled) == pytest.approx(wanted)
    assert steepness(lift(learnt, "identifier", ["b"])) == pytest.approx(wanted)
    assert steepness(reorder(learnt, "rerank", [0.9, 0.3])) == {"a": 0.9, "b": 0.3}
    within = reorder(
        [(i, s, parts | {"rerank": Part(0.3, 1, 0.0)}) for i, s, parts in fused], "learnt", [5.0, 4.0, 3.0]
    )
    assert steepness(within) == pytest.approx(wanted), "a score that a combination reads orders nothing"
    assert steepness([(i, s, parts | {"relevance": Part(0.7, None, 0.0)}) for i, s, parts in learnt])["c"] == 0.7


def test_the_first_products_can_be_kept():
    families = {"a": "f", "b": "f", "c": "f", "d": "g", "e": "h"}
    products = {i: Product(i, "", family=family) for i, family in families.items()}
    scored = scored_of({"a": 3.0, "b": 2.9, "c": 1.0, "d": 0.99, "e": 0.5})  # two lifted far above the rest
    caps = Diversity(per_family=1, page=3, margin=0.1)
    # c is above the cap by what is kept; d is nearly as relevant as it, e is not. Then a new page begins.
    assert ids_of(diversify(scored, products, {}, caps, keep=2)) == ["a", "b", "d", "c", "e"]
    assert diversify(scored, products, {}, caps, keep=9) == scored
    # How far the kept ones are lifted does not change what is nearly as relevant among the rest.
    lower = scored_of({"a": 3.0, "b": 2.9, "c": 1.0, "d": 0.8, "e": 0.5})
    assert diversify(lower, products, {}, caps, keep=2) == lower
    alike = dict.fromkeys(families, np.array([1.0, 0.0], np.float32)) | {"e": np.array([0.0, 1.0], np.float32)}
    for method in ("mmr", "dpp"):
        got = ids_of(diversify(scored, {}, alike, Diversity(method, 1.0), keep=2))
        assert got[:3] == ["a", "b", "e"]  # the only one unlike what is kept


def test_scores_below_zero():
    scored = scored_of({"a": -1.0, "b": -1.05, "c": -3.0})
    products = {i: Product(i, "", family=f) for i, f in {"a": "f", "b": "f", "c": "g"}.items()}
    assert ids_of(diversify(scored, products, {}, Diversity(per_family=1))) == ["a", "b", "c"]  # shares 1, .975, 0
    got = diversify(scored, products, {}, Diversity(per_family=1, margin=1.0))
    assert [(i, score) for i, score, _ in got] == [("a", -1.0), ("c", -1.05), ("b", -3.0)]


# --- what always holds -----------------------------------------------------------------------------------


@st.composite
def cases(draw):
    scored, products, vectors = shop(draw(st.integers(0, 10_000)), draw(st.integers(0, 30)))
    for product_id in draw(st.sets(st.sampled_from(ids_of(scored) or ["none"]), max_size=3)):
        (products if draw(st.booleans()) else vectors).pop(product_id, None)
    chosen = Diversity(
        method=draw(st.sampled_from(METHODS)),
        strength=draw(st.floats(0, 1)),
        window=draw(st.integers(1, 40)),
        per_family=draw(st.integers(0, 3)),
        per_brand=draw(st.integers(0, 3)),
        per_seller=draw(st.integers(0, 3)),
        page=draw(st.integers(1, 12)),
        margin=draw(st.sampled_from([0.0, 0.1, 1.0])),
    )
    return scored, products, vectors, chosen


@settings(max_examples=150, deadline=None)
@given(cases())
def test_nothing_is_lost_and_contributions_add_up(case):
    scored, products, vectors, chosen = case
    before = [(i, score, dict(parts)) for i, score, parts in scored]
    got = diversify(scored, products, vectors, chosen)
    assert scored == before
    assert sorted(ids_of(got)) == sorted(ids_of(scored))
    assert got[chosen.window :] == scored[chosen.window :]
    assert [item[1] for item in got] == [item[1] for item in scored]  # so they never rise
    for place, (product_id, score, parts) in enumerate(got, start=1):
        assert score == pytest.approx(sum(part.contribution for part in parts.values()))
        assert (STAGE in parts) == (scored[place - 1][0] != product_id)
        if STAGE in parts:
            assert parts[STAGE].rank == place
            assert math.isfinite(parts[STAGE].score)
    assert diversify(scored, products, vectors, chosen) == got


@settings(max_examples=150, deadline=None)
@given(cases())
def test_a_page_is_above_a_cap_only_where_nothing_in_reach_would_fit(case):
    scored, products, vectors, chosen = case
    got = diversify(scored, products, vectors, chosen)[: chosen.window]
    shares = {i: score / scored[0][1] for i, score, _ in scored[: chosen.window]}
    lowest = min(shares.values(), default=0)

    def keys(product_id):
        product = products.get(product_id)
        return (
            [
                (kind, value, cap)
                for kind, value, cap in (
                    ("family", product.family, chosen.per_family),
                    ("brand", product.brand.strip().casefold(), chosen.per_brand),
                    ("seller", product.attributes["seller"], chosen.per_seller),
                )
                if value and cap
            ]
            if product
            else []
        )

    assert lowest >= 0
    for place, product_id in enumerate(ids_of(got)):
        page = ids_of(got)[place - place % chosen.page : place]
        counts = Counter((kind, value) for other in page for kind, value, _ in keys(other))
        if any(counts[kind, value] >= cap for kind, value, cap in keys(product_id)):
            for other in ids_of(got)[place + 1 :]:
                fits = all(counts[kind, value] < cap for kind, value, cap in keys(other))
                assert not fits or shares[other] < shares[product_id] - chosen.margin + 1e-9


@settings(max_examples=60, deadline=None)
@given(cases())
def test_without_strength_and_caps_nothing_moves(case):
    scored, products, vectors, chosen = case
    still = Diversity(chosen.method, 0.0, chosen.window, page=chosen.page)
    assert not still.active
    assert diversify(scored, products, vectors, still) == scored
    roomy = Diversity(chosen.method, 0.0, chosen.window, 99, 99, 99, chosen.page)
    assert roomy.active
    assert diversify(scored, products, vectors, roomy) == scored


# --- one tile for a family -------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(cases())
def test_collapsing_hides_only_what_another_stands_for(case):
    scored, products, _, _ = case
    shown, variants = collapse(scored, products)
    hidden = [product_id for ids in variants.values() for product_id in ids]
    assert sorted(ids_of(shown) + hidden) == sorted(ids_of(scored))
    assert shown == [item for item in scored if item[0] not in hidden]
    assert set(variants) <= set(ids_of(shown))
    places = {product_id: place for place, product_id in enumerate(ids_of(scored))}
    for first, others in variants.items():
        assert {products[i].family for i in (first, *others)} == {products[first].family}
        assert all(places[one] < places[two] for one, two in pairwise((first, *others)))
    families = [products[i].family for i in ids_of(shown) if i in products]
    assert len(families) == len(set(families))


def test_products_without_a_family_are_never_hidden():
    scored = scored_of({"a": 2.0, "b": 1.0})
    assert collapse(scored, {i: Product(i, "") for i in "ab"}) == (scored, {})
    assert collapse(scored, {}) == (scored, {})


# --- settings --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("setting", "wrong"),
    [("method", "best"), ("strength", 1.5), ("margin", -0.1), ("window", 0), ("page", 0), ("per_brand", -1)],
)
def test_a_wrong_setting_is_refused(setting, wrong):
    with pytest.raises(RecipeError, match=f"ranking.diversity.{setting}"):
        Recipe.from_dict({"ranking": {"diversity": {setting: wrong}}})
