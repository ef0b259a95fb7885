"""The suite on pairs and on a search, against values worked out by hand and against ``pool_ndcg``."""

import math
from random import Random

import numpy as np
import pytest

from aisle.augment.text.deletion import Deleted
from aisle.encoders.cosines import cosines
from aisle.encoders.kept import KeptVectors
from aisle.encoders.load import load_encoder
from aisle.errors import InputError, MetricError
from aisle.evaluate.pools import mean_ndcg, pool_ndcg
from aisle.improve.robustness import (
    NoDescription,
    OnQueries,
    OnTitles,
    Stuffed,
    named,
    perturbed,
    robustness,
    search_robustness,
    standard,
    versus,
)
from aisle.improve.robustness.report import Measured, ratio, summarise
from aisle.improve.robustness.ties import chance_ndcg, shared_ndcg
from aisle.improve.robustness.writing import Rewritten, upper
from aisle.judgments.pairs import PairSet, Scale, TextPair
from aisle.judgments.read import Judgments
from aisle.metrics import Metric
from aisle.types import Judgment

USB = [("usb hub", "usb hub with 4 ports", 2), ("usb hub", "usb cable", 1), ("usb hub", "garden hose", 0)]
RACK = [("wine rack", "oak wine rack", 2), ("wine rack", "shoe rack", 1), ("wine rack", "dog bed", 0)]


def pair_set(rows, description=""):
    items = tuple(
        TextPair(query.replace(" ", "_"), query, str(row), title, description, grade=grade)
        for row, (query, title, grade) in enumerate(rows)
    )
    return PairSet(items, Scale(0, 2), "hand")


PAIRS = pair_set(USB + RACK)
LOUD = OnQueries(Rewritten("case", upper), repeats=False)


def shared_words(pairs):
    """How many words a title shares with its query, capitals and all."""
    return np.array([len(set(pair.query.split()) & set(pair.title.split())) for pair in pairs], np.float32)


def ndcg(levels, order):
    gains = [2 ** levels[row] - 1 for row in order]
    best = sorted((2**level - 1 for level in levels), reverse=True)
    return sum(g / math.log2(p + 2) for p, g in enumerate(gains)) / sum(
        g / math.log2(p + 2) for p, g in enumerate(best)
    )


# --- pairs -------------------------------------------------------------------------------------------------


def test_a_query_that_matches_nothing_any_more_falls_to_chance():
    report = robustness(shared_words, PAIRS, [LOUD])
    # in capitals no word is shared: all three texts are equal, and every place holds the mean gain (3 + 1 + 0) / 3
    chance = 4 / 3 * (1 + 1 / math.log2(3) + 1 / 2) / (3 + 1 / math.log2(3))
    (drop,) = report.drops
    assert report.clean.mean == pytest.approx(1.0)
    assert drop.mean == pytest.approx(chance)
    assert drop.difference.interval.mean == pytest.approx(chance - 1)
    assert report.score.mean == pytest.approx(chance)
    assert report.chance == pytest.approx(chance)
    assert report.lead_kept == pytest.approx(0.0, abs=1e-9)
    assert (drop.touched, drop.difference.losses, report.worst.name) == (2, 2, "case")
    assert drop.example == ("usb hub", "USB HUB")


def test_what_is_not_touched_counts_with_no_change():
    only_rack = OnQueries(Rewritten("rack", lambda text, rng: "" if "usb" in text else "vino"))
    report = robustness(shared_words, PAIRS, [only_rack], seeds=(0, 1))
    (drop,) = report.drops
    assert drop.touched == 1
    assert drop.among_touched.mean == pytest.approx(2 * drop.difference.interval.mean)
    assert report.robust_values["usb_hub"] == report.clean_values["usb_hub"]


def test_each_perturbation_counts_the_same_and_idle_ones_not_at_all():
    nothing = OnQueries(Rewritten("nothing", lambda text, rng: None))
    same = OnQueries(Rewritten("blank", lambda text, rng: f"{text} "))
    report = robustness(shared_words, PAIRS, [LOUD, nothing, same], seeds=(0,))
    means = [drop.mean for drop in report.drops]
    assert [drop.name for drop in report.drops] == ["case", "blank"]
    assert report.idle == ("nothing",)
    assert report.robust == pytest.approx(sum(means) / 2)
    assert report.score.mean == pytest.approx(report.robust / report.clean.mean)
    assert report.to_dict()["worst"] == "case"
    gain = robustness(lambda pairs: -shared_words(pairs), PAIRS, [LOUD])  # wrong order, and then none
    assert gain.worst.difference.interval.mean > 0
    assert gain.to_dict()["worst"] is None


def test_only_what_changed_is_scored_again_unless_texts_depend_on_each_other():
    sizes = []

    def score(pairs):
        sizes.append(len(pairs))
        return shared_words(pairs)

    only_rack = OnQueries(Rewritten("rack", lambda text, rng: None if "usb" in text else "vino"), repeats=False)
    alone = robustness(score, PAIRS, [only_rack])
    together = robustness(score, PAIRS, [only_rack], alone=False)
    assert sizes == [6, 3, 6, 6]
    assert alone.to_dict() == together.to_dict()


def test_seeds_are_averaged_and_repeat_exactly():
    chosen = named(("typo", "order", "around"), standard())
    one, other = (robustness(shared_words, PAIRS, chosen, seeds=(0, 1, 2)) for _ in range(2))
    assert one.to_dict() == other.to_dict()
    each = [robustness(shared_words, PAIRS, chosen[:1], seeds=(seed,)).drops[0].mean for seed in (0, 1, 2)]
    assert one.drops[0].mean == pytest.approx(sum(each) / 3)
    assert one.drops[0].seeds == 3


def test_the_given_pairs_stay_and_only_the_named_side_changes():
    before = PAIRS.items
    for one in standard():
        found = perturbed(PAIRS, one, 0)
        assert PAIRS.items is before
        for old, new in zip(PAIRS, found, strict=True):
            assert (old.query_id, old.doc_id, old.grade) == (new.query_id, new.doc_id, new.grade)
            assert old.title == new.title if one.side == "query" else old.query == new.query


def test_stuffing_moves_the_worst_text_above_the_best():
    stuffed = perturbed(PAIRS, Stuffed(), 0)
    assert [pair.title for pair in stuffed][:3] == ["usb hub with 4 ports", "usb cable", "garden hose usb hub"]
    report = robustness(shared_words, PAIRS, [Stuffed()])
    # best and worst tie at two words: they share the first two places, and the middle one is third
    tied = (1.5 * (1 + 1 / math.log2(3)) + 1 / 2) / (3 + 1 / math.log2(3))
    assert report.drops[0].mean == pytest.approx(tied)


def test_a_share_of_titles_and_descriptions_is_touched_and_one_title_has_one_fate():
    rows = [(f"query {query}", f"title number {title}", title % 3) for query in range(2) for title in range(400)]
    pairs = pair_set(rows, description="a description")
    for one in (OnTitles(Rewritten("case", upper)), NoDescription()):
        changed = one.changed(pairs, 0)
        assert 0.42 < len(changed) / len(pairs) < 0.58
        assert {row % 400 for row in changed if row < 400} == {row % 400 for row in changed if row >= 400}
    assert all(not pair.description for pair in NoDescription(share=1).changed(pairs, 0).values())


def test_a_change_that_does_not_keep_the_grade_is_refused():
    with pytest.raises(InputError, match="the change 'deletion' of a query: on grades it is 'unknown'"):
        OnQueries(Deleted())
    with pytest.raises(InputError, match="there is no perturbation 'typos'"):
        named(("typos",), standard())
    with pytest.raises(InputError, match="a share of 0 of the titles"):
        OnTitles(Rewritten("case", upper), share=0)


def test_pairs_of_one_grade_or_with_nothing_to_change_say_so():
    with pytest.raises(MetricError, match="no query can be measured"):
        robustness(shared_words, pair_set([("a b", "a", 1), ("a b", "b", 1)]), [LOUD])
    with pytest.raises(MetricError, match="no perturbation found anything to change"):
        robustness(shared_words, pair_set([("12", "12", 1), ("12", "13", 0)]), [LOUD])


# --- statistics ----------------------------------------------------------------------------------------------


def test_equal_scores_share_their_places_as_the_mean_over_all_orders():
    levels, scores = np.array([2.0, 0.0, 1.0, 3.0]), np.array([0.5, 0.5, 0.5, 0.1])
    from itertools import permutations

    orders = [ndcg(list(levels), [*head, 3]) for head in permutations(range(3))]
    assert shared_ndcg({"q": [0, 1, 2, 3]}, levels, scores, 10)["q"] == pytest.approx(sum(orders) / len(orders))
    all_orders = [ndcg(list(levels), order) for order in permutations(range(4))]
    assert chance_ndcg({"q": [0, 1, 2, 3]}, levels, 10) == pytest.approx(sum(all_orders) / len(all_orders))


def test_without_ties_it_is_the_pool_ndcg_of_the_other_pages():
    rng = np.random.default_rng(3)
    levels = rng.integers(0, 4, 300).astype(float)
    scores = rng.permutation(300).astype(float)
    scores[::17] = np.nan
    groups = {str(query): list(range(query, 300, 12)) for query in range(12)}
    ours, theirs = shared_ndcg(groups, levels, scores, 10), pool_ndcg(groups, levels, scores, 10)
    several_nan = {query for query, rows in groups.items() if np.isnan(scores[rows]).sum() > 1}
    for query in groups.keys() - several_nan:
        assert ours[query] == pytest.approx(theirs[query])


def test_the_ratio_of_means_is_drawn_for_both_at_once():
    upper_values, lower = np.array([0.5, 1.0, 0.2, 0.4]), np.array([1.0, 2.0, 0.4, 0.8])
    found = ratio(upper_values, lower)
    assert (found.mean, found.low, found.high) == pytest.approx((0.5, 0.5, 0.5))


def test_p_values_are_adjusted_over_the_perturbations():
    clean = {str(query): 0.5 for query in range(12)}
    lower = {query: value - 0.1 - int(query) / 100 for query, value in clean.items()}
    touched = (frozenset(clean),)
    report = summarise("nDCG@10", clean, [Measured(name, "query", (lower,), touched) for name in "abc"])
    raw = report.drops[0].difference.p
    assert raw == pytest.approx(2 / 2**12)
    assert [drop.adjusted_p for drop in report.drops] == pytest.approx([3 * raw] * 3)


def test_a_loss_halved():
    queries = [str(query) for query in range(20)]
    clean = dict.fromkeys(queries, 0.8)
    values = {size: dict.fromkeys(queries, 0.8 - size) for size in (0.2, 0.1)}
    reports = [
        summarise("nDCG@10", clean, [Measured("typo", "query", (values[size],), (frozenset(queries),))])
        for size in (0.2, 0.1)
    ]
    found = versus(*reports)
    assert (found.loss_a, found.loss_b, found.loss_left.mean) == pytest.approx((0.2, 0.1, 0.5))
    assert found.robust.interval.mean == pytest.approx(0.1)
    assert found.clean.interval.mean == 0.0
    with pytest.raises(MetricError, match="two reports of other queries"):
        versus(reports[0], robustness(shared_words, PAIRS, [LOUD]))


# --- a search ------------------------------------------------------------------------------------------------

GRADES = {"usb hub": {"1": 3.0, "2": 1.0, "3": 0.0}, "手机": {"4": 3.0, "5": 0.0}}
JUDGMENTS = Judgments(
    tuple(Judgment(query, query, product, grade) for query, own in GRADES.items() for product, grade in own.items())
)
QUERIES = [("usb_hub", "usb hub"), ("手机", "手机")]


def test_a_search_is_asked_again_in_other_words_and_measured_twice():
    asked = []

    def answer(queries):
        asked.append([text for _, text in queries])
        # in capitals the judged order turns round, and an unjudged product comes first
        return {
            key: [("9", 9.0), ("3", 3.0), ("2", 2.0), ("1", 1.0)] if text.isupper() else [("1", 3.0), ("2", 2.0)]
            for key, text in queries
        } | ({"手机": [("4", 1.0)]} if any(key == "手机" for key, _ in queries) else {})

    found = search_robustness(answer, QUERIES, JUDGMENTS, Metric.parse("nDCG@10"), perturbations=[LOUD])
    assert asked == [["usb hub", "手机"], ["USB HUB"]]
    gains = {"ideal": 7 + 1 / math.log2(3)}
    removed = (1 / math.log2(3) + 7 / 2) / gains["ideal"]
    wrong = (1 / 2 + 7 / math.log2(5)) / gains["ideal"]
    assert found["removed"].drops[0].difference.interval.mean == pytest.approx((removed - 1) / 2)
    assert found["wrong"].drops[0].difference.interval.mean == pytest.approx((wrong - 1) / 2 - 0.0)
    assert found["removed"].drops[0].among_touched.mean == pytest.approx(removed - 1)
    assert found["removed"].chance is None


# --- a real encoder ------------------------------------------------------------------------------------------


def test_the_embedded_encoder_under_the_whole_suite():
    encoder = KeptVectors(load_encoder("embedded"))

    def score(pairs):
        return cosines(encoder.encode, [pair.query for pair in pairs], [pair.title for pair in pairs])

    zh = [("手机壳", "华为手机保护壳", 2), ("手机壳", "小米手机", 1), ("手机壳", "花园水管", 0)]
    pairs = pair_set(USB + RACK + zh)
    report = robustness(score, pairs, seeds=(0,))
    assert report.clean.mean == pytest.approx(mean_ndcg(pairs.by_query(), pairs.levels(), score(pairs)))
    by_name = {drop.name: drop for drop in report.drops}
    assert {"typo", "case", "order", "plural", "joined", "parted", "full-width", "pinyin", "chinese-typo"} <= set(
        by_name
    )
    assert by_name["case"].difference.interval.mean == 0.0  # the encoder reads no capitals
    assert by_name["stuffed@title"].touched == 3
    assert Random(0).random() == pytest.approx(0.8444218515250481)  # what the draws rest on
