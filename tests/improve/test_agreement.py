"""Agreement of Icecat's raters, equal to scikit-learn, statsmodels and krippendorff; intervals; anchors by hand."""

import csv
from pathlib import Path

import krippendorff
import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score, precision_recall_fscore_support
from statsmodels.stats.inter_rater import aggregate_raters, cohens_kappa
from statsmodels.stats.inter_rater import fleiss_kappa as fleiss
from statsmodels.stats.proportion import proportion_confint

from aisle.errors import InputError, JudgmentError
from aisle.evaluate.agreement import (
    Share,
    against_anchors,
    alpha_interval,
    fleiss_kappa,
    kappa_interval,
    krippendorff_alpha,
    weighted_kappa,
)
from aisle.improve.judging.ratings import Ratings, agreement, read_anchors, read_given
from aisle.judgments.given import Judged, JudgmentFile
from aisle.types import Judgment

FILE = Path(__file__).parent.parent / "data" / "judging" / "icecat_raters.csv"
COLUMNS = ("agent_1_rating", "agent_2_rating", "agent_3_rating")
SCALE = (0, 1, 2, 3)


@pytest.fixture(scope="module")
def ratings():
    return Ratings.of(read_given([FILE], COLUMNS))


@pytest.fixture(scope="module")
def gaps(ratings):
    """A third of the grades taken out."""
    grades = ratings.grades.copy()
    grades[np.random.default_rng(0).random(grades.shape) < 0.33] = np.nan
    return grades


def test_a_table_with_a_column_a_rater_is_read(ratings):
    with FILE.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(ratings.pairs) == 523
    assert ratings.raters == COLUMNS
    assert ratings.pairs[0] == (rows[0]["query"], rows[0]["docid"])
    assert ratings.grades[-1].tolist() == [float(rows[-1][name]) for name in COLUMNS]


@pytest.mark.parametrize("weights", ["none", "linear", "quadratic"])
def test_cohens_kappa_is_that_of_two_libraries(ratings, weights):
    for first, second in ((0, 1), (0, 2), (1, 2)):
        ours, theirs = ratings.grades[:, first].astype(int), ratings.grades[:, second].astype(int)
        found = weighted_kappa(ours, theirs, SCALE, weights)
        name = None if weights == "none" else weights
        assert found == pytest.approx(cohen_kappa_score(ours, theirs, labels=SCALE, weights=name), abs=1e-12)
        table = np.histogram2d(ours, theirs, bins=[np.arange(-0.5, 4)] * 2)[0]
        wt = None if name is None else np.abs(np.subtract.outer(SCALE, SCALE)) ** (1 if name == "linear" else 2)
        assert found == pytest.approx(cohens_kappa(table, weights=wt, return_results=False), abs=1e-12)


def test_fleiss_kappa_is_that_of_statsmodels(ratings, gaps):
    counts, _ = aggregate_raters(ratings.grades.astype(int), n_cat=4)
    assert fleiss_kappa(ratings.grades, SCALE) == pytest.approx(fleiss(counts), abs=1e-12)
    whole = ~np.isnan(gaps).any(1)
    counts, _ = aggregate_raters(gaps[whole].astype(int), n_cat=4)
    assert fleiss_kappa(gaps, SCALE) == pytest.approx(fleiss(counts), abs=1e-12)


@pytest.mark.parametrize("level", ["nominal", "ordinal", "interval"])
def test_alpha_is_that_of_krippendorff_with_and_without_gaps(ratings, gaps, level):
    for grades in (ratings.grades, gaps):
        theirs = krippendorff.alpha(grades.T, level_of_measurement=level, value_domain=SCALE)
        assert krippendorff_alpha(grades, SCALE, level) == pytest.approx(theirs, abs=1e-12)


def test_alpha_of_krippendorffs_own_example():
    """Four observers, twelve units, gaps; Krippendorff (2011), page 6: nominal .743, ordinal .815, interval .849."""
    none = np.nan
    rows = [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, none, none, none],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, none, 3],
        [none, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, none],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, none],
    ]
    units = np.array(rows).T
    found = [krippendorff_alpha(units, (1, 2, 3, 4, 5), level) for level in ("nominal", "ordinal", "interval")]
    assert found == pytest.approx([0.743, 0.815, 0.849], abs=5e-4)


def test_an_interval_is_that_of_drawing_whole_queries_one_by_one(ratings):
    ours, theirs = ratings.grades[:, 0], ratings.grades[:, 1]
    found = kappa_interval(ours, theirs, SCALE, "quadratic", ratings.groups)
    queries = list(dict.fromkeys(ratings.groups))
    of = {query: [at for at, group in enumerate(ratings.groups) if group == query] for query in queries}
    generator = np.random.default_rng(5)
    drawn = []
    for _ in range(600):
        units = [at for query in generator.choice(queries, len(queries)) for at in of[query]]
        drawn.append(weighted_kappa(ours[units], theirs[units], SCALE, "quadratic"))
    assert (found.units, found.groups) == (523, 22)
    assert (found.low, found.high) == pytest.approx(tuple(np.percentile(drawn, [2.5, 97.5])), abs=0.03)
    alone = kappa_interval(ours, theirs, SCALE, "quadratic")
    assert alone.groups == 523
    assert alone.high - alone.low < found.high - found.low  # products of a query are not independent
    assert alpha_interval(ratings.grades, SCALE, "ordinal", ratings.groups).low < krippendorff_alpha(
        ratings.grades, SCALE
    )


def test_anchors_are_compared_as_scikit_learn_and_statsmodels_do(ratings):
    right = Ratings.of(read_given([FILE], ["final_rating"])).grades[:, 0]
    given = ratings.grades[:, 1]
    found = against_anchors(right, given, SCALE)
    precision, recall, _, support = precision_recall_fscore_support(right, given, labels=SCALE)
    assert [one.precision.value for one in found.grades] == pytest.approx(precision)
    assert [one.recall.value for one in found.grades] == pytest.approx(recall)
    assert [one.recall.of for one in found.grades] == support.tolist()
    assert found.same.value == pytest.approx((right == given).mean())
    for one in found.grades:
        theirs = proportion_confint(one.recall.hits, one.recall.of, method="wilson")
        assert one.recall.interval == pytest.approx(theirs)
    assert Share(0, 0).value is None
    assert Share(0, 0).interval == (0.0, 1.0)


def test_what_is_not_defined_is_none():
    assert weighted_kappa([3, 3], [3, 3], SCALE, "quadratic") is None
    assert weighted_kappa([3, np.nan], [np.nan, 3], SCALE, "linear") is None
    assert krippendorff_alpha([[1, 1], [1, 1]], SCALE) is None
    assert fleiss_kappa([[1, 1], [1, 1]], SCALE) is None
    one_query = kappa_interval([0, 1, 2], [0, 1, 1], SCALE, "linear", ["q"] * 3)
    assert (one_query.low, one_query.high, one_query.groups) == (None, None, 1)


def test_wrong_input_is_refused():
    with pytest.raises(InputError, match=r"the grade 1\.5"):
        weighted_kappa([0, 1.5], [0, 1], SCALE, "none")
    with pytest.raises(InputError, match="2 and 1 grades"):
        weighted_kappa([0, 1], [0], SCALE, "none")
    with pytest.raises(InputError, match="the scale 3, 1"):
        krippendorff_alpha([[1, 1]], (3, 1))
    with pytest.raises(InputError, match="1 rater"):
        fleiss_kappa([[1], [1]], SCALE)
    with pytest.raises(InputError, match="level 'ratio'"):
        krippendorff_alpha([[1, 1]], SCALE, "ratio")
    with pytest.raises(InputError, match="weights 'cubic'"):
        weighted_kappa([0], [0], SCALE, "cubic")
    with pytest.raises(JudgmentError, match="no column 'ann'"):
        read_given([FILE], ["ann"])


def test_a_report_of_files_of_every_form(tmp_path):
    store = JudgmentFile(tmp_path / "judgments.jsonl")
    store.add([Judged("手机 壳", str(n), n % 4, "安") for n in range(8)])
    store.add([Judged("手机 壳", "0", 3, "安"), Judged("手机 壳", "7", 2, ""), Judged("USB", "1", 0, "ben")])
    (tmp_path / "ben.csv").write_text("query,docid,rating\n" + "".join(f"手机 壳,{n},{n % 3}\n" for n in range(8)))
    given = read_given([tmp_path / "judgments.jsonl", tmp_path / "ben.csv"])
    found = agreement(Ratings.of(given), SCALE, [Judgment("手机_壳", "手机　壳", "1", 1), Judgment("x", "x", "1", 1)])
    assert (found.pairs, found.queries, found.shared, found.raters) == (9, 2, 8, {"ben": 9, "安": 8})
    ((two,),) = [found.two]
    ours, theirs = [0, 1, 2, 0, 1, 2, 0, 1], [3, 1, 2, 3, 0, 1, 2, 3]  # the last word of 安 on product 0 is 3
    assert two.same == 2 / 8
    assert two.kappa["linear"].value == pytest.approx(cohen_kappa_score(ours, theirs, labels=SCALE, weights="linear"))
    assert {name: of.same.of for name, (of, _) in found.anchors.items()} == {"ben": 1, "安": 1}
    assert found.to_dict()["anchors"]["安"]["against"]["same"] == 1.0
    (tmp_path / "again").mkdir()
    (tmp_path / "again" / "ben.csv").write_text("query,docid,rating\nusb,1,1\n")
    with pytest.raises(JudgmentError, match="would both be the rater 'ben'"):
        read_given([tmp_path / "ben.csv", tmp_path / "again" / "ben.csv"])
    (tmp_path / "pairs.csv").write_text("id,query,title,relevance\n7,usb,hub,0\n8,usb,lamp,2\n")
    assert [one.product_id for one in read_anchors(tmp_path / "pairs.csv")] == ["7", "8"]
    with pytest.raises(JudgmentError, match="no judgments format recognised"):
        read_anchors(FILE.parent / "README.md")
