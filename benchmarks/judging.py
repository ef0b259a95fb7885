"""Judging, measured: agreement of Icecat's raters against two libraries, the harness, the gate.

    python benchmarks/judging.py --data ../shared/data

Needs `icecat/individual_ratings.csv` in the folder of data, statsmodels and krippendorff. No language model is asked:
the judges behind the real HTTP server answer what one of Icecat's raters answered, so that what must come out is known.
"""

from __future__ import annotations

import argparse
import csv
import sys
import tempfile
from pathlib import Path

import krippendorff
import numpy as np
from record import record
from sklearn.metrics import cohen_kappa_score
from statsmodels.stats.inter_rater import aggregate_raters
from statsmodels.stats.inter_rater import fleiss_kappa as fleiss

sys.path.insert(0, str(Path(__file__).parent.parent))

from aisle.evaluate.agreement import kappa_interval, weighted_kappa
from aisle.improve.judging.examine import examine
from aisle.improve.judging.llm import LlmJudge
from aisle.improve.judging.ratings import Ratings, agreement, read_anchors, read_given
from aisle.improve.judging.spec import read_judge
from aisle.judgments.pairs import TextPair
from aisle.llm.client import open_llm
from tests.improve.raters import Rater
from tests.llm.server import LlmServer

RATERS = ("agent_1_rating", "agent_2_rating", "agent_3_rating")
SCALE = (0, 1, 2, 3)
SPEC = '[pass]\nkappa = 0.6\n[llm]\nendpoint = "{url}"\nmodel = "rater"\n{more}'
TRIALS = 100


def agreements(file: Path) -> dict:
    """Every figure, with the interval, and the same by the libraries."""
    ratings = Ratings.of(read_given([file], RATERS))
    found = agreement(ratings, SCALE, read_anchors(file)).to_dict()
    grades = ratings.grades
    theirs = {}
    for at, one in enumerate(RATERS):
        for other_at, other in list(enumerate(RATERS))[at + 1 :]:
            for weights in ("none", "linear", "quadratic"):
                theirs[f"{one}, {other}, {weights}"] = cohen_kappa_score(
                    grades[:, at], grades[:, other_at], weights=None if weights == "none" else weights
                )
    theirs["fleiss"] = fleiss(aggregate_raters(grades.astype(int), n_cat=4)[0])
    for level in ("nominal", "ordinal", "interval"):
        theirs[level] = krippendorff.alpha(grades.T, level_of_measurement=level, value_domain=SCALE)
    ours = {
        f"{two['first']}, {two['second']}, {name}": one["value"]
        for two in found["two"]
        for name, one in two["kappa"].items()
    }
    ours |= {"fleiss": found["fleiss"]["value"]} | {level: one["value"] for level, one in found["alpha"].items()}
    apart = max(abs(ours[name] - value) for name, value in theirs.items())
    return {"ours": found, "libraries": theirs, "largest difference": apart}


def anchors_of(file: Path, step: int) -> list[TextPair]:
    """Every so many-th pair whose title tells it apart within its query."""
    found: dict[tuple[str, str], TextPair] = {}
    with file.open(encoding="utf-8") as table:
        for row in csv.DictReader(table):
            title = " ".join(row["name"].split())
            one = TextPair(row["query"], row["query"], row["docid"], title, "", float(row["final_rating"]))
            found.setdefault((row["query"], title), one)
    return list(found.values())[::step]


def harness(file: Path, step: int) -> dict:
    """Each rater as a judge, through prompts and HTTP; then one who likes what stands first, and one who only talks."""
    anchors = anchors_of(file, step)
    judges = {name: (Rater(name, file), "") for name in RATERS}
    judges["agent_1_rating, 1 of 10 by the rubric's first line"] = (Rater(RATERS[0], file, likes_first=10), "")
    judges["agent_1_rating, without probabilities"] = (Rater(RATERS[0], file, spoken="{0}."), "logprobs = false")
    numbers = {}
    for name, (rater, more) in judges.items():
        with LlmServer(rater) as server, tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "judge.toml"
            path.write_text(SPEC.format(url=server.url, more=more), encoding="utf-8")
            spec = read_judge(path)
            found, _ = examine(LlmJudge(spec, open_llm(spec.llm)), anchors)
        given = [rater.grades[one.query, one.title] for one in anchors]
        truth = cohen_kappa_score([one.grade for one in anchors], given, weights="quadratic")
        numbers[name] = found.to_dict() | {"kappa of the table": truth, "failures": found.failures(spec.gate)}
        print(name, numbers[name]["kappa"], truth, numbers[name]["failures"])
    return numbers


def gate(file: Path) -> list[dict]:
    """How often judges of a known kappa pass, and how often the interval holds it, by the number of anchors.

    A judge is rater 1 with a share of the grades drawn at random from all grades; its kappa with the settled grades
    over all pairs is the truth. Anchors are 8 pairs each of queries drawn at random.
    """
    ratings = Ratings.of(read_given([file], (*RATERS, "final_rating")))
    right, rater = ratings.of_rater("final_rating"), ratings.of_rater(RATERS[0])
    of: dict[str, list[int]] = {}
    for at, query in enumerate(ratings.groups):
        of.setdefault(query, []).append(at)
    large = {query: places for query, places in of.items() if len(places) >= 8}
    generator = np.random.default_rng(20261129)
    rows = []
    for noise in (0.0, 0.1, 0.2, 0.3, 0.4):
        swapped = generator.random(len(rater)) < noise
        given = np.where(swapped, generator.permutation(rater), rater)
        pool = [at for places in large.values() for at in places]
        truth = weighted_kappa(right[pool], given[pool], SCALE, "quadratic")
        for queries in (10, 20, 40):
            passed = held = 0
            lows = []
            for _ in range(TRIALS):
                drawn = generator.choice(list(large), queries, replace=False)
                places = [at for query in drawn for at in generator.choice(large[query], 8, replace=False)]
                groups = [ratings.groups[at] for at in places]
                found = kappa_interval(right[places], given[places], SCALE, "quadratic", groups)
                passed += found.low >= 0.6
                held += found.low <= truth <= found.high
                lows.append(found.low)
            rows.append(
                {"noise": noise, "truth": truth, "queries": queries, "anchors": 8 * queries, "passes": passed / TRIALS,
                 "holds": held / TRIALS, "mean low": float(np.mean(lows))}
            )  # fmt: skip
            print(rows[-1])
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="the folder with icecat/")
    parser.add_argument("--step", type=int, default=12, help="every so many-th pair for the harness")
    arguments = parser.parse_args()
    file = arguments.data / "icecat" / "individual_ratings.csv"
    numbers = {"trials": TRIALS, "agreement": agreements(file)}
    print("largest difference from the libraries:", numbers["agreement"]["largest difference"])
    numbers["gate"] = gate(file)
    numbers["harness"] = harness(file, arguments.step)
    record("judging", numbers)


if __name__ == "__main__":
    main()
