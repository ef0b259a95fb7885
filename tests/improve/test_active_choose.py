"""Which pairs are chosen: against a slow obvious version, and on real rows."""

import csv
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from aisle.encoders.embedded import EmbeddedEncoder
from aisle.errors import InputError
from aisle.improve.active.choose import STRATEGIES, choose, pool_of, reviews
from aisle.improve.active.design import disagreement, entropy, informative, spread_out
from aisle.improve.active.expected_change import expected_change
from aisle.improve.active.ranker import BIAS_SPREAD, QUERY_SPREAD, SPREAD, fit, standard, untaught
from aisle.judgments.pairs import PairSet, Scale, read_pairs

PHONES = Path(__file__).parents[2] / "samples" / "phones" / "judgments.csv"


@pytest.fixture(scope="module")
def pairs():
    found = read_pairs(PHONES)
    kept = list(dict.fromkeys(pair.query for pair in found))[:8]
    return PairSet(tuple(pair for pair in found if pair.query in kept)[:120], Scale(0, 2), "phones")


@pytest.fixture(scope="module")
def pool(pairs):
    graded = [pair if row % 4 == 0 else replace(pair, grade=None) for row, pair in enumerate(pairs)]
    return pool_of(PairSet(tuple(graded), pairs.scale, "phones"), EmbeddedEncoder(1).encode)


# --- by hand ---------------------------------------------------------------------------------------------------


def test_entropy_and_disagreement_by_hand():
    assert entropy(np.array([[0.5, 0.5], [1.0, 0.0]])) == pytest.approx([np.log(2), 0])
    sure = [np.array([[1.0, 0.0]]), np.array([[0.0, 1.0]])]
    assert disagreement(sure) == pytest.approx([np.log(2)])  # each member is sure of another grade
    unsure = [np.array([[0.5, 0.5]])] * 2
    assert disagreement(unsure) == pytest.approx([0])  # all are unsure alike: a grade would teach none of them


def test_what_is_chosen_is_unlike_what_is_chosen_already():
    vectors = np.array([[1, 0], [1, 0], [0, 1], [0.6, 0.8]])
    value = np.array([1.0, 0.9, 0.5, 0.6])
    assert spread_out(value, vectors, np.zeros(4, bool), 3) == [0, 2, 3]
    assert spread_out(value, vectors, np.array([True, False, False, False]), 2) == [1, 2]
    assert spread_out(value, vectors, np.ones(4, bool), 2) == []


def ideal(gains, cutoff):
    return sum(gain / np.log2(place + 2) for place, gain in enumerate(sorted(gains, reverse=True)[:cutoff]))


def test_the_expected_change_is_that_of_every_grade_written_out():
    generator = np.random.default_rng(0)
    chance = generator.dirichlet([0.5] * 3, 9)
    group = np.array([0, 1, 0, 0, 1, 1, 0, 2, 0])
    gains = [0, 1, 3]
    found = expected_change(chance, group, cutoff=2)
    for row, own in enumerate(chance):
        same = [other for other in range(9) if group[other] == group[row]]
        now = ideal([float(chance[other] @ gains) for other in same], 2)
        then = 0.0
        for level, likely in enumerate(own):
            known = [gains[level] if other == row else float(chance[other] @ gains) for other in same]
            then += likely * ideal(known, 2)
        assert found[row] == pytest.approx((then - now) / now)
    assert found[7] == pytest.approx(0)  # alone in its query: it stays first whatever it is
    sure = expected_change(np.eye(3), np.zeros(3, int))
    assert sure == pytest.approx(0)


def test_a_text_that_cannot_change_its_place_is_worth_less_than_an_unsure_one_that_can():
    """The first one is as unsure of its grade, but above all others whatever it is."""
    chance = np.array([[0, 0, 0.5, 0.5], [0.5, 0.5, 0, 0], [0.4, 0.6, 0, 0], [1.0, 0, 0, 0]])
    found = expected_change(chance, np.zeros(4, int))
    assert entropy(chance)[0] == entropy(chance)[1]
    assert found[0] == 0 < found[1]


def slow(design, group, chance, judged, count):
    """The same choice by inverting the whole precision for every candidate."""
    queries = int(group.max()) + 1
    rows = np.concatenate([design, np.ones((len(design), 1)), np.eye(queries)[group]], axis=1)
    spread = [SPREAD] * design.shape[1] + [BIAS_SPREAD] + [QUERY_SPREAD] * queries
    place = np.linspace(0, 1, chance.shape[1])
    told = [float(np.cov(place, aweights=row, ddof=0)) for row in chance]
    above = np.stack([design[one] - design[group == group[one]].mean(0) for one in range(len(design))])

    def unsure(known):
        precision = np.diag(1 / np.array(spread) ** 2)
        for one in known:
            precision += told[one] * np.outer(rows[one], rows[one])
        covariance = np.linalg.inv(precision)[: design.shape[1], : design.shape[1]]
        return np.mean([line @ covariance @ line for line in above])

    known = [int(one) for one in np.flatnonzero(judged)]
    chosen = []
    for _ in range(count):
        left = [one for one in range(len(design)) if one not in known]
        best = min(left, key=lambda one: unsure([*known, one]))
        known.append(best)
        chosen.append(best)
    return chosen


def test_the_informative_choice_is_that_of_a_slow_version(pool):
    rows = np.concatenate(pool.found.rows[:3])
    design, group = pool.design[rows], pool.found.group[rows]
    chance = pool.chance(pool.ranker)[rows]
    judged = pool.judged[rows]
    expected = slow(design, group, chance, judged, 6)
    assert informative(design, group, chance, judged, 6) == expected


def test_everything_is_chosen_once_where_all_is_wanted(pool):
    for strategy in STRATEGIES:
        rows = choose(pool, strategy, 10_000)
        assert sorted(rows) == np.flatnonzero(~pool.judged).tolist(), strategy
        assert choose(pool, strategy, 5) == choose(pool, strategy, 5)
        assert len(choose(pool, strategy, 5)) == 5


def test_the_choice_by_queries_works_off_one_after_the_other(pool):
    rows = choose(pool, "queries", 30)
    asked = pool.found.group[rows]
    assert (np.diff(asked) != 0).sum() == len(set(asked.tolist())) - 1


def test_what_cannot_be_chosen_is_said(pool):
    with pytest.raises(InputError, match="no strategy 'best'"):
        choose(pool, "best", 3)
    with pytest.raises(InputError, match="0 of "):
        choose(pool, "random", 0)
    with pytest.raises(InputError, match="5 of 0 unjudged"):
        choose(replace(pool, judged=np.ones(len(pool.judged), bool)), "random", 5)


def test_each_reason_is_that_of_its_strategy(pool, pairs):
    values = expected_change(pool.chance(pool.ranker), pool.found.group)
    rows = choose(pool, "expected-change", 3)
    judged = [int(pool.judged[pool.found.group == pool.found.group[row]].sum()) for row in rows]
    assert [one.reason for one in reviews(pool, pairs, rows, "expected-change")] == [
        f"choice {number}: its grade is expected to change the query's best order by {values[row]:.4f} nDCG, "
        f"{count} judged of this query"
        for number, (row, count) in enumerate(zip(rows, judged, strict=True), start=1)
    ]
    assert values[rows[0]] == values[~pool.judged].max()
    said = {name: reviews(pool, pairs, choose(pool, name, 2, 5), name, 5)[0].reason for name in STRATEGIES}
    assert len({reason.split(":")[1][:20] for reason in said.values()}) == len(STRATEGIES)
    assert "rankers disagree about its grade (0." in said["committee"]
    assert "drawn by chance" in said["random"]


# --- the ranker ------------------------------------------------------------------------------------------------


def test_untaught_it_ranks_by_the_cosine_and_taught_it_explains_the_grades(pool, pairs):
    design, group = standard(pool.found), pool.found.group
    assert design.mean(0) == pytest.approx(0, abs=1e-9)
    scale = sorted({pair.grade for pair in pairs})
    levels = len(scale)
    before = untaught(design.shape[1], len(pool.found.rows), levels)
    assert np.array_equal(np.argsort(before.score(design)), np.argsort(pool.found.table[:, 0]))
    place = np.searchsorted(scale, [pair.grade for pair in pairs])
    taught = fit(design, place, group, len(pool.found.rows), levels)
    own = np.arange(len(place)), place
    assert np.log(taught.chance(design, group)[own]).mean() > np.log(before.chance(design, group)[own]).mean() + 0.1
    assert taught.chance(design, group).sum(1) == pytest.approx(1)
    with pytest.raises(InputError, match="allowed: 0 to 0"):
        fit(design, place, group, len(pool.found.rows), 1)


def test_without_any_grade_there_is_a_choice(pairs):
    bare = PairSet(tuple(replace(pair, grade=None) for pair in pairs), None, "phones")
    pool = pool_of(bare, EmbeddedEncoder(1).encode)
    rows = choose(pool, "informative", 8)
    assert len({int(pool.found.group[row]) for row in rows}) > 1
    queue = reviews(pool, bare, rows)
    assert queue[0].pair == bare[rows[0]]
    assert queue[0].reason.startswith("choice 1: ")


# --- the command -----------------------------------------------------------------------------------------------


def test_the_command_writes_what_to_judge_next(pairs, tmp_path):
    from click.testing import CliRunner

    from aisle.cli.choose import choose as command

    path, queue = tmp_path / "pairs.csv", tmp_path / "next.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["query", "id", "title", "relevance"])
        for row, pair in enumerate(pairs):
            writer.writerow([pair.query, pair.doc_id, pair.title, "" if row % 2 else pair.grade])
    given = ["--pairs", str(path), "--count", "7", "--out", str(queue), "--json"]
    told = json.loads(CliRunner().invoke(command, given, catch_exceptions=False).stdout)
    assert told["judged"] == (len(pairs) + 1) // 2
    assert [one["row"] % 2 for one in told["chosen"]] == [1] * 7
    assert [pair.doc_id for pair in read_pairs(queue)] == [one["id"] for one in told["chosen"]]
    refused = CliRunner().invoke(command, ["--count", "7"])
    assert "one of --pairs and --run is needed" in str(refused.exception)
    refused = CliRunner().invoke(command, ["--pairs", str(path), "--run", "x.trec"])
    assert "both --pairs and --run are given" in str(refused.exception)
    given += ["--strategy", "expected-change"]
    told = json.loads(CliRunner().invoke(command, given, catch_exceptions=False).stdout)
    assert all("expected to change the query's best order by 0." in one["why"] for one in told["chosen"])


def test_ids_with_white_space_are_found_in_the_catalogue(tmp_path):
    """A run writes "sku 1" as sku_1; the queue has the catalogue's own id, so that what it brings is found again."""
    from click.testing import CliRunner

    from aisle.cli.choose import choose as command

    (tmp_path / "a.trec").write_text("usb_hub Q0 sku_1 1 2 a\nusb_hub Q0 sku_2 2 1 a\n")
    (tmp_path / "b.trec").write_text("usb_hub Q0 sku_2 1 2 b\nusb_hub Q0 sku_3 2 1 b\n")
    (tmp_path / "j.csv").write_text("query,docid,rating\nusb hub,sku 1,3\n")
    (tmp_path / "c.csv").write_text("id,title\nsku 1,Belkin\nsku 2,Sitecom\nsku 3,Other\nsku_3,Hama\n")
    runs = [
        option for name in "ab" for option in ("--run", str(tmp_path / f"{name}.trec"))
    ] + ["--judgments", str(tmp_path / "j.csv")]  # fmt: skip
    queue = tmp_path / "next.csv"
    more = ["--catalogue", str(tmp_path / "c.csv"), "--sample", "--count", "2", "--out", str(queue)]
    CliRunner().invoke(command, [*runs, *more], catch_exceptions=False)
    assert [(pair.doc_id, pair.title) for pair in read_pairs(queue)] == [("sku_3", "Hama"), ("sku 2", "Sitecom")]
    (tmp_path / "j.csv").write_text("query,docid,rating\nusb hub,sku 1,3\nusb hub,sku 2,3\nusb hub,sku_3,0\n")
    drawn = CliRunner().invoke(command, [*runs, "--drawn", str(queue), "--json"], catch_exceptions=False)
    assert json.loads(drawn.stdout)["judged"] == 3


def test_the_command_lists_what_decides_between_two_runs(tmp_path):
    from click.testing import CliRunner

    from aisle.cli.choose import choose as command

    (tmp_path / "a.trec").write_text("hub Q0 1 1 2 a\nhub Q0 2 2 1 a\n")
    (tmp_path / "b.trec").write_text("hub Q0 2 1 2 b\nhub Q0 3 2 1 b\n")
    (tmp_path / "j.csv").write_text("query,docid,rating\nhub,1,3\n")
    (tmp_path / "c.csv").write_text("id,title\n1,Belkin hub\n2,Sitecom hub\n3,Hama hub\n")
    runs = [
        "--run",
        str(tmp_path / "a.trec"),
        "--run",
        str(tmp_path / "b.trec"),
        "--judgments",
        str(tmp_path / "j.csv"),
    ]
    told = json.loads(CliRunner().invoke(command, [*runs, "--json"], catch_exceptions=False).stdout)
    assert [one["product"] for one in told["chosen"]] == ["3", "2"]
    queue = tmp_path / "next.csv"
    more = ["--catalogue", str(tmp_path / "c.csv"), "--sample", "--count", "2", "--out", str(queue)]
    assert CliRunner().invoke(command, [*runs, *more], catch_exceptions=False).exit_code == 0
    assert [pair.title for pair in read_pairs(queue)] == ["Hama hub", "Sitecom hub"]
    (tmp_path / "j.csv").write_text("query,docid,rating\nhub,1,3\nhub,2,3\nhub,3,0\n")
    told = json.loads(
        CliRunner().invoke(command, [*runs, "--drawn", str(queue), "--json"], catch_exceptions=False).stdout
    )
    ideal = 7 + 7 / np.log2(3)
    assert told["difference"] == pytest.approx((7 - (7 + 7 / np.log2(3))) / ideal)
    assert told["judged"] == 3
