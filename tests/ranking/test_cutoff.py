import numpy as np
import pytest

from aisle.config import IndexSettings
from aisle.errors import InputError
from aisle.indexes.lance import LanceIndex
from aisle.ranking.cut_features import FEATURES, FIRST, candidate_features, look_up
from aisle.ranking.cutoff import cut
from aisle.ranking.fusion import fuse
from aisle.rerankers.head import wording
from aisle.types import Part, Product, Record

NAMES = list(FEATURES)


def listed(*names):
    return [(name, 10.0 - place, {"bm25": Part(1.0, 1, 1.0)}) for place, name in enumerate(names)]


def test_what_passes_keeps_its_order_and_its_score():
    scored = listed("a", "b", "c", "d")
    found = cut(scored, np.array([0.3, 0.9, 0.1, 0.5]), 0.3)
    assert [(item[0], item[1]) for item in found.kept] == [("a", 10.0), ("b", 9.0), ("d", 7.0)]
    assert (found.dropped_count, found.threshold, found.no_good_result) == (1, 0.3, False)
    assert found.kept[1][2]["relevance"] == Part(0.9, None, 0.0)
    assert found.probabilities.tolist() == [0.3, 0.9, 0.1, 0.5]
    assert "relevance" not in scored[1][2]  # the input stays as it was


def test_contributions_still_add_up_to_the_score():
    scored = fuse({"bm25": [("a", 3.0), ("b", 1.0)], "dense:text": [("b", 0.5), ("a", 0.4)]}, {})
    for _, score, parts in cut(scored, np.array([0.9, 0.8]), 0.5).kept:
        assert sum(part.contribution for part in parts.values()) == pytest.approx(score)


def test_no_good_result_where_nothing_passes():
    found = cut(listed("a", "b"), np.array([0.1, 0.2]), 0.3)
    assert (found.kept, found.dropped_count, found.no_good_result) == ([], 2, True)


def test_no_good_result_where_the_best_is_not_good_enough():
    chances = np.array([0.3, 0.4])
    assert cut(listed("a", "b"), chances, 0.2, least_best=0.41).no_good_result
    assert [item[0] for item in cut(listed("a", "b"), chances, 0.2, least_best=0.4).kept] == ["a", "b"]
    exact = [("a", 5.0, {"identifier": Part(1.0, 1, 5.0)}), *listed("b")]
    assert [item[0] for item in cut(exact, chances, 0.2, least_best=0.9).kept] == ["a"]


def test_no_candidates_are_no_bad_result():
    found = cut([], np.empty(0), 0.3)
    assert (found.kept, found.dropped_count, found.no_good_result) == ([], 0, False)


def test_a_threshold_of_0_keeps_all_that_was_looked_at():
    found = cut(listed("a", "b", "c"), np.array([0.0, 0.2]), 0.0)
    assert ([item[0] for item in found.kept], found.dropped_count) == (["a", "b"], 1)


def test_an_identifier_always_passes():
    scored = [("a", 5.0, {"identifier": Part(1.0, 1, 5.0)}), *listed("b")]
    assert [item[0] for item in cut(scored, np.array([0.01, 0.02]), 0.5).kept] == ["a"]


def test_more_probabilities_than_candidates_are_refused():
    with pytest.raises(InputError, match="2 probabilities for 1 candidates"):
        cut(listed("a"), np.array([0.1, 0.2]), 0.5)


# --- features ----------------------------------------------------------------------------------------------


def unit(rows):
    return rows / np.linalg.norm(rows, axis=-1, keepdims=True)


def query_of(n, dim=6, seed=0):
    """A query, its vector, its candidates, their products and their vectors."""
    rng = np.random.default_rng(seed)
    vectors, query = unit(rng.normal(size=(n, dim))), unit(rng.normal(size=dim))
    products = [Product(str(i), f"red shoe {i}" if i % 2 else f"hat {i}", "made for a red coat") for i in range(n)]
    scored = [(str(i), 5.0 - i, {"bm25": Part(float(n - i), None, 0.0)} if i % 3 else {}) for i in range(n)]
    return "red shoe", query, scored, products, vectors


def test_features_against_a_slow_obvious_version():
    text, query, scored, products, vectors = query_of(14)
    found = candidate_features(text, query, scored, products, vectors, wording)
    assert found.shape == (14, len(FEATURES))
    cosines = [float(np.dot(vector, query)) for vector in vectors]
    best_bm25 = max(part["bm25"].score for _, _, part in scored if "bm25" in part)
    for i, row in enumerate(found):
        others = [float(np.dot(vectors[i], vectors[j])) for j in range(FIRST) if j != i]
        among = [float(np.dot(vectors[j], vectors[k])) for j in range(FIRST) for k in range(FIRST)]
        bm25 = scored[i][2]["bm25"].score / best_bm25 if "bm25" in scored[i][2] else 0.0
        want = {
            "cosine": cosines[i],
            "gap": max(cosines) - cosines[i],
            "bm25": bm25,
            "title": float(wording(text, [products[i].title])[0]),
            "text": float(wording(text, [products[i].title + " " + products[i].description])[0]),
            "company": sum(others) / len(others),
            "rerank": 0.0,
            "best": max(cosines),
            "spread": float(np.std(sorted(cosines)[-FIRST:])),
            "agreement": sum(among) / len(among),
            "centre": sum(cosines[:FIRST]) / FIRST,
            "words": 2.0,
        }
        assert dict(zip(NAMES, row, strict=True)) == pytest.approx(want)


def test_what_was_not_re_ranked_has_the_lowest_score():
    text, query, scored, products, vectors = query_of(3)
    scored = [(name, score, parts | ({"rerank": Part(2.0 - i, i, 0.0)} if i < 2 else {})) for i, (name, score, parts) in
              enumerate(scored)]  # fmt: skip
    found = candidate_features(text, query, scored, products, vectors, wording)
    assert found[:, NAMES.index("rerank")].tolist() == [2.0, 1.0, 1.0]


def test_one_candidate_and_none():
    text, query, scored, products, vectors = query_of(1)
    found = candidate_features(text, query, scored, products, vectors, wording)
    assert np.isfinite(found).all()
    assert found[0, NAMES.index("company")] == 1.0
    empty = candidate_features(text, query, [], [], np.empty((0, 6), np.float32), wording)
    assert empty.shape == (0, len(FEATURES))


def test_lengths_that_do_not_fit_are_refused():
    text, query, scored, products, vectors = query_of(3)
    with pytest.raises(InputError, match="3 candidates, 2 products"):
        candidate_features(text, query, scored, products[:2], vectors, wording)


def test_looking_up_leaves_out_what_was_deleted_and_what_is_too_far_down(tmp_path):
    records = [
        Record(Product(name, name), "", {"text": np.eye(3, dtype=np.float32)[i]}) for i, name in enumerate("abd")
    ]
    index = LanceIndex.create(tmp_path / "index", IndexSettings(), {"text": 3})
    index.upsert(records)
    scored, products, vectors = look_up(index, listed("a", "c", "b", "d"), 3)
    assert [item[0] for item in scored] == [product.id for product in products] == ["a", "b"]
    assert vectors.tolist() == [[1, 0, 0], [0, 1, 0]]
    assert len(look_up(index, listed("a", "c", "b", "d"))[0]) == 3
    assert [len(part) for part in look_up(index, [])] == [0, 0, 0]
    index.close()
