"""How much a grade counts in the losses of encoders and cross-encoders: against texts repeated, loops, and a run."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from aisle.training.relevance.cross_model import CrossModel, begin  # noqa: E402
from aisle.training.relevance.data import Lesson  # noqa: E402
from aisle.training.relevance.fit import Fit  # noqa: E402
from aisle.training.relevance.lists import Lists, epoch  # noqa: E402
from aisle.training.relevance.losses import (  # noqa: E402
    cosent,
    in_batch,
    lambdaloss,
    listmle,
    listwise,
    pairwise,
    pointwise,
)
from aisle.training.relevance.model import TunedEncoder  # noqa: E402
from aisle.training.relevance.objective import Objective, counts_of  # noqa: E402
from aisle.training.relevance.recipe import FitSettings  # noqa: E402
from tests.training.tiny import planted, tiny_encoder  # noqa: E402

pytestmark = [pytest.mark.train, pytest.mark.filterwarnings("default")]

SCORES = torch.tensor([2.0, 0.5, -1.0], dtype=torch.float64)
LEVELS = torch.tensor([3.0, 1.0, 0.0], dtype=torch.float64)
COUNTS = torch.tensor([1.0, 3.0, 2.0], dtype=torch.float64)
EXACT = FitSettings(
    epochs=4, queries=4, per_query=4, rate=3e-3, threads=1, seed=5, precision="fp32", device="cpu", track="none"
)


def row(values):
    return values[None, :], torch.ones(1, len(values), dtype=torch.bool)


def by_loops(scores, levels, counts):
    """Pairwise, pointwise and cosent of one list, written out."""
    rows = list(zip(scores.tolist(), levels.tolist(), counts.tolist(), strict=True))
    pairs = [(s, t, 2**a - 2**b, u * v) for s, a, u in rows for t, b, v in rows if a > b]
    of_pairs = sum(gap * both * math.log1p(math.exp(t - s)) for s, t, gap, both in pairs)
    chances = [(1 / (1 + math.exp(-s)), a / 3, u) for s, a, u in rows]
    of_texts = -sum(u * (a * math.log(p) + (1 - a) * math.log(1 - p)) for p, a, u in chances)
    of_all = math.log(1 + sum(both * math.exp(t - s) for s, t, _, both in pairs))
    return of_pairs / sum(gap for _, _, gap, _ in pairs), of_texts / len(rows), of_all


def test_the_loss_of_a_text_or_of_two_is_multiplied_by_what_they_count():
    (scores, mask), (levels, _), (counts, _) = (row(part) for part in (SCORES, LEVELS, COUNTS))
    found = (
        pairwise(scores, levels, mask, counts),
        pointwise(scores, levels, mask, 3.0, counts),
        cosent(scores, levels, mask, counts),
    )
    assert [float(value) for value in found] == pytest.approx(by_loops(SCORES, LEVELS, COUNTS))


def test_what_a_pair_or_a_text_counts_multiplies_its_part_of_lambdaloss_and_listmle():
    (scores, mask), (levels, _), (counts, _) = (row(part) for part in (SCORES, LEVELS, COUNTS))
    ones = torch.ones_like(counts)
    for loss, factor in ((lambdaloss, 4), (listmle, 2)):
        twice = float(loss(scores, levels, mask, 2 * ones))
        assert twice == pytest.approx(factor * float(loss(scores, levels, mask)))
    by_text = [math.log(1 + math.exp(0.5 - 2.0) + math.exp(-1.0 - 2.0)), math.log(1 + math.exp(-1.0 - 0.5))]
    assert float(listmle(scores, levels, mask, counts)) == pytest.approx((1.0 * by_text[0] + 3.0 * by_text[1]) / 2)


def test_a_text_that_counts_two_is_two_texts_in_its_list():
    (scores, mask), (levels, _), (counts, _) = (row(part) for part in (SCORES, LEVELS, COUNTS))
    (many, there), (graded, _) = (row(torch.repeat_interleave(part, COUNTS.long())) for part in (SCORES, LEVELS))
    share = float(COUNTS.mean())
    assert float(listwise(scores, levels, mask, counts)) == pytest.approx(
        share * (float(listwise(many, graded, there)) - math.log(share))  # a list of twos is as one of ones, twice
    )
    assert float(listwise(scores, levels, mask, counts)) != pytest.approx(share * float(listwise(scores, levels, mask)))


@pytest.mark.parametrize(
    "loss",
    [listwise, pairwise, lambdaloss, listmle, cosent, lambda s, v, m, c=None: pointwise(s, v, m, 3.0, c)],
)
def test_what_counts_one_counts_as_before(loss):
    (scores, mask), (levels, _) = row(SCORES), row(LEVELS)
    ones = torch.ones_like(scores)
    assert float(loss(scores, levels, mask, ones)) == pytest.approx(float(loss(scores, levels, mask)))


def test_a_list_counts_what_its_texts_count_in_the_mean_and_a_place_without_a_text_nothing():
    scores = torch.tensor([[2.0, 0.5, -1.0], [0.3, 0.1, 99.0]], dtype=torch.float64)
    levels = torch.tensor([[3.0, 1.0, 0.0], [0.0, 2.0, 0.0]], dtype=torch.float64)
    mask = torch.tensor([[True, True, True], [True, True, False]])
    counts = torch.tensor([[0.5, 0.5, 0.5], [0.1, 0.3, 1.0]], dtype=torch.float64)
    first = float(listwise(scores[:1], levels[:1], mask[:1]))
    heard = math.log(0.5 * math.exp(0.3) + 1.5 * math.exp(0.1)) - 0.1  # of the second list, whose one gain is the text
    assert float(listwise(scores, levels, mask, counts)) == pytest.approx((0.5 * first + 0.2 * heard) / 2)


def test_in_batch_positives_count_what_their_grade_does():
    scores = torch.tensor([[1.0, 2.0], [4.0, 0.0], [3.0, 3.0]], dtype=torch.float64)
    wanted, ignored = torch.tensor([0, 0, -1]), torch.zeros(3, 2, dtype=torch.bool)
    by_hand = [-math.log(math.exp(a) / (math.exp(a) + math.exp(b))) for a, b in ((1, 2), (4, 0))]
    counts = torch.tensor([0.2, 1.0, 9.0], dtype=torch.float64)
    found = float(in_batch(scores, wanted, ignored, counts))
    assert found == pytest.approx((0.2 * by_hand[0] + by_hand[1]) / 2)


def weighed(task: Lesson, weight_of) -> Lesson:
    """The lesson with a weight of each text."""
    lists = task.train
    weights = tuple(
        tuple(weight_of(query, place) for place in range(len(texts))) for query, texts in enumerate(lists.texts)
    )
    return replace(task, train=Lists(lists.texts, lists.levels, weights))


def cross_encoder():
    return CrossModel(begin(tiny_encoder(), ("mean", "match"), 0, 16, 4))


def after(task, settings, folder, make=lambda: TunedEncoder(tiny_encoder())):
    folder.mkdir()
    fit = Fit(make(), task, settings, folder)
    fit.run(lambda *_: None)
    return fit, {name: value.detach().clone() for name, value in fit.model.trained().items()}


def apart(one, other):
    return max(float((one[name] - other[name]).abs().max()) for name in one)


@pytest.mark.parametrize("loss", ["listwise", "pairwise", "cross-encoder"])
def test_what_counts_next_to_nothing_teaches_nothing(tmp_path, loss):
    """A third of the lists have their grades the other way round: at next to no weight it does not matter."""
    make = {"make": cross_encoder} if loss == "cross-encoder" else {}
    task = planted()
    settings = replace(EXACT, loss="pointwise" if make else loss, epochs=2, in_batch=0.0)

    def learnt(name, turned, weight):
        rows = enumerate(task.train.levels)
        levels = tuple(row[::-1] if turned and query % 3 == 0 else row for query, row in rows)
        lists = replace(task, train=replace(task.train, levels=levels))
        told = weighed(lists, lambda query, _: weight if query % 3 == 0 else 1.0)
        return after(told, settings, tmp_path / name, **make)[1]

    assert apart(learnt("right", False, 1e-12), learnt("wrong", True, 1e-12)) < 1e-3
    assert apart(learnt("heard", False, 1.0), learnt("misled", True, 1.0)) > 1e-2


def test_chunks_carry_the_weights_of_their_texts():
    lists = Lists(((7, 8, 9), (7,)), ((3.0, 0.0, 1.0), (2.0,)), ((0.7, 0.8, 0.9), (0.5,)))
    chunks = epoch(lists, 2, "0:0")
    carried = [pair for one in chunks if not one.query for pair in zip(one.texts, one.weights, strict=True)]
    assert dict(carried) == {7: 0.7, 8: 0.8, 9: 0.9}
    found = counts_of([chunk for chunk in chunks if chunk.query or len(chunk.texts) == 2], torch.device("cpu"))
    assert found is not None
    assert sorted(found.reshape(-1).tolist())[-1] == 1.0  # where there is no text
    assert counts_of(epoch(replace(lists, weights=()), 2, "0:0"), torch.device("cpu")) is None


@pytest.mark.parametrize("loss", ["listwise", "pairwise", "pointwise"])
def test_parts_of_a_step_add_up_to_the_whole(tmp_path, loss):
    """Lists one by one, each at its share, give the gradient of all at once."""
    settings = replace(EXACT, loss=loss, in_batch=0.0, epochs=1)
    task = weighed(planted(), lambda query, place: 0.25 + (query * 3 + place) % 5)
    _, whole = after(task, settings, tmp_path / "whole")
    _, parts = after(task, replace(settings, accumulate=3), tmp_path / "parts")
    assert apart(whole, parts) < 1e-4
    assert Objective(settings, task.train).separable


def test_weights_reach_the_combination(tmp_path):
    """Of the wrong third the signals' weights know nothing either."""
    from aisle.judgments.pairs import PairSet, Scale, TextPair
    from aisle.training.relevance.rounds import Scored, weigh

    items, signals = [], []
    for query in range(30):
        wrong = query % 3 == 0
        for place in range(4):
            level = 3 - place if wrong else place
            items.append(TextPair(f"q{query}", f"q{query}", str(place), "t", grade=level, weight=0.01 if wrong else 1))
            signals.append([0.5, place / 3])
    turn = np.array([query % 2 for query in range(30) for _ in range(4)])
    pairs = PairSet(tuple(items), Scale(0, 3), "x")
    rows = np.array(signals) + np.random.default_rng(0).normal(size=(120, 2)) * 0.01
    _, told = weigh(Scored(pairs, rows[:, 0].astype(np.float32), turn, turn == 1), rows)
    flat = PairSet(tuple(replace(pair, weight=1.0) for pair in items), Scale(0, 3), "x")
    _, spoilt = weigh(Scored(flat, rows[:, 0].astype(np.float32), turn, turn == 1), rows)
    assert told[1] > spoilt[1] > 0
