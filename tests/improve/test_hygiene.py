"""Suspects, duplicates and raters on real rows of the Icecat sample."""

import csv
import gzip
import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from aisle.encoders.embedded import EmbeddedEncoder
from aisle.errors import InputError
from aisle.improve.hygiene.check import CheckSettings, check, places
from aisle.improve.hygiene.duplicates import conflict, contradictions, leaks, spellings
from aisle.improve.hygiene.grader import GraderSettings, out_of_fold
from aisle.improve.hygiene.neighbours import PRIOR, neighbour_names, neighbours
from aisle.improve.hygiene.raters import disagreements, variances
from aisle.improve.hygiene.signals import NAMES, signals
from aisle.judgments.pairs import PairSet, Scale, TextPair, read_pairs

SAMPLE = Path(__file__).parents[2] / "samples" / "icecat"
QUERIES = 16


@pytest.fixture(scope="module")
def pairs():
    """The judged products of the queries with the most judgments of both ends, with their titles."""
    with (SAMPLE / "ratings.csv").open(encoding="utf-8", newline="") as file:
        rated = [(row["query"], row["docid"], float(row["rating"])) for row in csv.DictReader(file)]
    wanted = {product for _, product, _ in rated}
    titles = {}
    with gzip.open(SAMPLE / "products.jsonl.gz", "rt", encoding="utf-8") as lines:
        for line in lines:
            product = json.loads(line)
            if str(product["id"]) in wanted:
                titles[str(product["id"])] = product["title"]
    both = {}
    for query, _, grade in rated:
        both.setdefault(query, []).append(grade)
    least = {query: min(grades.count(0.0), grades.count(3.0)) for query, grades in both.items()}
    kept = set(sorted(least, key=lambda query: (-least[query], query))[:QUERIES])
    items = tuple(
        TextPair(query.replace(" ", "_"), query, product, titles[product], grade=grade)
        for query, product, grade in rated
        if query in kept and product in titles
    )
    return PairSet(items, Scale(0, 3), "icecat")


@pytest.fixture(scope="module")
def encode():
    kept, encoder = {}, EmbeddedEncoder(1)

    def encoded(texts, kind):
        new = [text for text in dict.fromkeys(texts) if (kind, text) not in kept]
        if new:
            kept.update({(kind, text): row for text, row in zip(new, encoder.encode(new, kind), strict=True)})
        return np.stack([kept[kind, text] for text in texts])

    return encoded


@pytest.fixture(scope="module")
def found(pairs, encode):
    return signals(pairs, encode)


# --- signals and neighbours ----------------------------------------------------------------------------------


def test_signals_are_what_their_names_say(pairs, found, encode):
    assert found.table.shape == (len(pairs), len(NAMES))
    row = 5
    one = dict(zip(found.names, found.table[row], strict=True))
    query, title = encode([pairs[row].query], "query")[0], encode([pairs[row].title], "product")[0]
    assert one["cosine"] == pytest.approx(float(query @ title), abs=1e-6)
    same = [other for other, pair in enumerate(pairs) if pair.query == pairs[row].query]
    assert one["cosine_above"] == pytest.approx(one["cosine"] - found.table[same, 0].mean())
    assert one["description"] == 0
    assert one["description_cosine"] == one["cosine"]
    vectors, words = found.alike[found.group[row]]
    assert np.diag(words) == pytest.approx(1)
    assert np.diag(vectors) == pytest.approx(1, abs=1e-5)


def test_a_pairs_own_grade_is_never_looked_at(found, pairs):
    place, scale = places(pairs)
    known = np.ones(len(place))
    before = neighbours(found, place, known, len(scale))
    changed = place.copy()
    changed[7] = 3 - changed[7]
    whole = np.bincount(place, minlength=4), np.bincount(changed, minlength=4)
    after = neighbours(found, changed, known, len(scale))
    # only the shares of all queries, which count for PRIOR judgments, know of it
    assert np.abs(after[7] - before[7]).max() <= PRIOR * np.abs(whole[0] - whole[1]).max() / len(place)
    beside = next(row for row in found.rows[found.group[7]] if row != 7)
    assert np.abs(after[beside] - before[beside]).max() > 0.01


def test_neighbours_by_hand(found, pairs):
    place, scale = places(pairs)
    rows = found.rows[0]
    known = np.zeros(len(place))
    known[rows[:3]] = 1.0
    table = neighbours(found, place, known, len(scale))
    names = neighbour_names(len(scale))
    share = np.bincount(place[rows[:3]], minlength=4) / 3
    assert table[rows[3], : len(scale)] == pytest.approx((PRIOR * share + 3 * share) / (PRIOR + 3), abs=1e-6)
    vectors, _ = found.alike[0]
    for level in range(4):
        alike = [vectors[3, other] for other in range(3) if place[rows[other]] == level]
        assert table[rows[3], names.index(f"nearest_{level}")] == pytest.approx(max(alike, default=0.0))
    assert table[rows[3], -1] == pytest.approx(math.log(4))


def test_chances_are_of_folds_that_did_not_see_the_pair(found, pairs):
    place, scale = places(pairs)
    settings = GraderSettings(folds=4, rounds=40, leaves=7)
    chance = out_of_fold(found, place, len(scale), settings)
    assert chance.sum(1) == pytest.approx(1)
    assert np.array_equal(chance, out_of_fold(found, place, len(scale), settings))
    own = chance[np.arange(len(place)), place]
    assert own.mean() > 0.4  # four levels; a model that saw its own pairs has above .9 here
    assert own.mean() < 0.85
    with pytest.raises(InputError, match="40 graded pairs"):
        out_of_fold(found, place[:40], len(scale), settings)


# --- suspects ------------------------------------------------------------------------------------------------


def moved(pairs, share, seed=0):
    """So many grades at the other end of the scale, and which."""
    rows = np.random.default_rng(seed).choice(len(pairs), round(share * len(pairs)), replace=False)
    items = list(pairs)
    for row in rows:
        items[row] = replace(items[row], grade=0.0 if items[row].grade >= 2 else 3.0)
    return PairSet(tuple(items), pairs.scale, pairs.source), set(rows.tolist())


def test_moved_grades_stand_first(pairs, encode):
    wrong, rows = moved(pairs, 0.05)
    result = check(wrong, encode, CheckSettings(grader=GraderSettings(rounds=60, leaves=7)))
    order = np.argsort(-result.suspicion)
    hits = [int(result.rows[row]) in rows for row in order]
    assert sum(hits[: len(rows)]) >= 0.3 * len(rows)  # by chance 5%
    assert result.distance == 2
    suspect = result.suspects[0]
    assert wrong[suspect.row].grade == suspect.grade
    assert abs(suspect.likeliest - suspect.grade) >= 2
    assert f"graded {suspect.grade:g}, chance" in suspect.reason
    assert [one.suspicion for one in result.suspects] == sorted(
        (one.suspicion for one in result.suspects), reverse=True
    )
    assert all(one.suspicion > 0 for one in result.suspects)


def test_many_errors_leave_suspects_too(pairs, encode):
    wrong, rows = moved(pairs, 0.2)
    settings = CheckSettings(grader=GraderSettings(rounds=60, leaves=7, repeats=1))
    adapted, fixed = check(wrong, encode, settings), check(wrong, encode, replace(settings, threshold=1.8))
    assert fixed.threshold == 1.8 > adapted.threshold > 0
    some, few = ({one.row for one in found.suspects} for found in (adapted, fixed))
    assert few < some
    assert len(some & rows) > 2 * len(few & rows)
    assert len(some & rows) > 0.5 * len(some)  # by chance a fifth


def test_pairs_without_a_grade_are_left_out_and_rows_are_those_of_the_file(pairs, encode):
    wrong, _ = moved(pairs, 0.05)
    gap = PairSet((replace(wrong[0], grade=None), *wrong.items), wrong.scale, wrong.source)
    settings = CheckSettings(grader=GraderSettings(rounds=20, leaves=7))
    plain, shifted = check(wrong, encode, settings), check(gap, encode, settings)
    assert [one.row + 1 for one in plain.suspects] == [one.row for one in shifted.suspects]
    with pytest.raises(InputError, match="no pair has a grade"):
        check(PairSet((replace(wrong[0], grade=None),), None, ""), encode, settings)
    with pytest.raises(InputError, match="a distance of 4 levels"):
        check(wrong, encode, replace(settings, distance=4))


def test_suspects_may_count_less(pairs, encode):
    wrong, _ = moved(pairs, 0.05)
    light = PairSet(tuple(replace(pair, weight=0.5) for pair in wrong), wrong.scale, wrong.source)
    found = check(light, encode, CheckSettings(grader=GraderSettings(rounds=20, leaves=7)))
    suspects = {one.row for one in found.suspects}
    assert suspects
    for row, (pair, before) in enumerate(zip(found.weighed(light, 0.25), light, strict=True)):
        assert pair == replace(before, weight=before.weight * (0.25 if row in suspects else 1))
    with pytest.raises(InputError, match="a weight of 2 for suspects"):
        found.weighed(light, 2)


# --- duplicates ----------------------------------------------------------------------------------------------


def some(*rows):
    items = tuple(
        TextPair(query.replace(" ", "_"), query, str(number), title, grade=grade)
        for number, (query, title, grade) in enumerate(rows)
    )
    return PairSet(items, Scale(0, 3), "some")


DOUBLE = some(
    ("usb hub", "Belkin USB 2.0 Hub 4-Port black", 3.0),
    ("usb hub", "Belkin USB 2.0 hub, 4-port, black", 0.0),
    ("usb hub", "Logitech wireless keyboard K120", 0.0),
    ("USB hubs", "Sitecom hub", 2.0),
    ("keyboard", "Logitech wireless keyboard K120", 3.0),
)


def test_spellings_of_one_query():
    (only,) = spellings(DOUBLE)
    assert only.queries == ("usb hub", "USB hubs")
    assert only.pairs == 4


def test_like_titles_with_unlike_grades(encode):
    seen = signals(DOUBLE, encode)
    (only,) = contradictions(seen, DOUBLE.levels(), 2)
    assert (only.first, only.second, only.apart) == (0, 1, 3)
    assert contradictions(seen, DOUBLE.levels(), 3.5) == []
    assert conflict(seen, DOUBLE.levels()).tolist() == [1, 0, -1, -1, -1]


def test_queries_on_two_sides():
    other = some(("hub usb", "BELKIN usb 2.0 hub 4-port Black", 1.0), ("mouse", "Logitech M90", 3.0))
    (only,) = leaks(DOUBLE, other)
    assert (only.query, only.other, only.pairs, only.same_titles) == ("usb hub", "hub usb", 4, 1)
    assert leaks(some(("tv", "Philips TV", 3.0)), other) == []


# --- raters --------------------------------------------------------------------------------------------------


def test_variances_are_those_of_the_raters():
    ratings = np.array([[2, 2, 3], [0, 0, 0], [0, 2, np.nan], [1, np.nan, np.nan]])
    assert variances(ratings)[:3] == pytest.approx([np.var([2, 2, 3]), 0, 1])
    assert math.isnan(variances(ratings)[3])
    with pytest.raises(InputError, match=r"ratings of shape \(4,\)"):
        variances(ratings[:, 0])


def test_queries_whose_raters_disagree_come_first_and_few_pairs_are_believed_less():
    queries = ["a"] * 20 + ["b"] + ["c"] * 20
    variance = np.array([0.6] * 20 + [1.0] + [0.1] * 20)
    first, second, third = disagreements(queries, variance)
    usual = variance.mean()
    assert [first.query, second.query, third.query] == ["a", "b", "c"]
    assert second.drawn == pytest.approx((1.0 + 5 * usual) / 6)
    assert second.variance == 1
    ratings = np.array([[0, 2, 2], [1, 1, 2]])
    (only,) = disagreements(["a", "a"], variances(ratings), ratings)
    assert only.split == 0.5
    assert disagreements(["a"], np.array([np.nan])) == []


# --- the command ---------------------------------------------------------------------------------------------


def test_the_command_writes_a_queue_and_what_is_left(pairs, tmp_path):
    from click.testing import CliRunner

    from aisle.cli.check_labels import check_labels

    wrong, rows = moved(pairs, 0.05)
    path, queue, kept = (tmp_path / name for name in ("pairs.csv", "queue.csv", "kept.csv"))
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["query", "id", "title", "relevance"])
        writer.writerows([pair.query, pair.doc_id, pair.title, pair.grade] for pair in wrong)
    weights = tmp_path / "weights.csv"
    given = [str(path), "--out", str(queue), "--cleaned", str(kept), "--weights", str(weights), "--json"]
    answer = CliRunner().invoke(check_labels, given, catch_exceptions=False)
    told = json.loads(answer.stdout)
    listed = {one["row"] for one in told["suspects"]}
    assert len(listed & rows) >= 0.3 * len(rows)
    assert told["distance"] == 2
    queued, left = read_pairs(queue), read_pairs(kept)
    assert all(pair.grade is None for pair in queued)  # nobody is led by the grade that is there
    assert [pair.doc_id for pair in queued][: len(listed)] == [one["id"] for one in told["suspects"]]
    assert len(left) == len(wrong) - len(listed)
    assert {pair.grade for pair in left} <= {0.0, 1.0, 2.0, 3.0}
    lighter = read_pairs(weights)
    assert [pair.grade for pair in lighter] == [pair.grade for pair in wrong]
    assert {row for row, pair in enumerate(lighter) if pair.weight == 0.25} == listed
    assert {pair.weight for pair in lighter} == {0.25, 1.0}
    assert "label_weight" not in kept.read_text(encoding="utf-8").partition("\n")[0]
    again = CliRunner().invoke(check_labels, [str(weights), "--weights", str(kept), "--weight", "0"])
    assert again.exit_code == 0
    assert {pair.weight for pair in read_pairs(kept)} <= {0.0, 0.25, 1.0}
    with queue.open(encoding="utf-8", newline="") as file:
        assert all(row["why"] for row in csv.DictReader(file))
    answer = CliRunner().invoke(check_labels, [str(path), "--middle", "--json"], catch_exceptions=False)
    assert listed < {one["row"] for one in json.loads(answer.stdout)["suspects"]}
    for option in ("--threshold", "--weight"):
        for value in ("nan", "inf"):
            refused = CliRunner().invoke(check_labels, [str(path), option, value])
            assert refused.exit_code == 2
            assert f"Invalid value for '{option}': {value} is" in refused.output
    table = CliRunner().invoke(check_labels, [str(path), "--limit", "3"], catch_exceptions=False)
    assert "Likely wrong by 2 levels or more" in table.stdout
