"""The loop on a tiny encoder: it learns, an interruption changes nothing, and what is no better is not kept."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from aisle.training.relevance.recipe import FitSettings

torch = pytest.importorskip("torch")

from aisle.encoders.weights import EncoderWeights  # noqa: E402
from aisle.training.relevance.data import Lesson  # noqa: E402
from aisle.training.relevance.fit import Fit  # noqa: E402
from aisle.training.relevance.lists import lists_of  # noqa: E402
from aisle.training.relevance.model import TunedEncoder  # noqa: E402
from tests.training.tiny import tiny_encoder  # noqa: E402

pytestmark = [pytest.mark.train, pytest.mark.filterwarnings("default")]

DIM, ROWS = 32, 40
FAST = FitSettings(
    epochs=4,
    queries=4,
    per_query=4,
    rate=3e-3,
    threads=1,
    patience=9,
    mixtures=(0.5,),
    save_every=1,
    seed=5,
    loss="pairwise",
    in_batch=0.3,
    choose=True,
)


class StoppedError(Exception):
    """Ctrl-C, as it were."""


@pytest.fixture(scope="module")
def base() -> EncoderWeights:
    return tiny_encoder(2, ROWS)


def planted() -> Lesson:
    """Query token q (5..19) wants the text with token q + 20, which nothing but judgments tells."""
    texts = [[2, 20 + number, 3] for number in range(5, 20)]
    queries = [[2, number, 3] for number in range(5, 20)]
    groups, text_of, levels = [], [], []
    for query in range(15):
        rows = []
        for step in range(6):
            rows.append(len(text_of))
            text_of.append((query + step * 2) % 15)
            levels.append(3.0 if step == 0 else 0.0)
        groups.append(rows)
    lists = lists_of(groups, text_of, np.array(levels))
    return Lesson(queries, texts, lists, lists, range(15), range(15))


def run(base, folder, settings=FAST, stop_at: int = 0):
    folder.mkdir(exist_ok=True)
    fit = Fit(TunedEncoder(base, settings.dropout), planted(), settings, folder)
    resumed = fit.resume()
    seen = []

    def report(step, steps, losses):
        seen.append((step, dict(losses)))
        if step == stop_at:
            raise StoppedError("Ctrl-C")

    if stop_at:
        with pytest.raises(StoppedError, match="Ctrl-C"):
            fit.run(report)
        return fit, None, seen, resumed
    return fit, fit.run(report), seen, resumed


def weights(fit) -> dict:
    return {name: value.detach().clone() for name, value in fit.model.trained().items()}


def same(left: dict, right: dict) -> bool:
    return all(torch.equal(left[name], right[name]) for name in left)


@pytest.mark.parametrize("loss", ["listwise", "pairwise", "pointwise", "cosent"])
def test_it_learns_what_only_judgments_tell(base, tmp_path, loss):
    _, outcome, seen, _ = run(base, tmp_path, replace(FAST, loss=loss, epochs=12))
    assert outcome.before < 0.75
    assert outcome.after > outcome.before + 0.2
    assert outcome.after >= max(outcome.epochs)
    assert loss in seen[0][1]
    log = [json.loads(line) for line in (tmp_path / "log.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [line["validation"] for line in log] == pytest.approx(outcome.epochs, abs=1e-5)


def test_two_runs_of_one_seed_are_equal_and_another_seed_is_another(base, tmp_path):
    first, second, third = (
        run(base, tmp_path / name, replace(FAST, seed=seed))[0] for name, seed in (("a", 5), ("b", 5), ("c", 6))
    )
    assert same(weights(first), weights(second))
    assert not same(weights(first), weights(third))


@pytest.mark.parametrize(
    "extra",
    [{}, {"average": 0.9, "adversarial": 0.01, "fgm": 0.02, "keep": 0.5, "dropout": 0.1, "late": 0.5}],
)
@pytest.mark.parametrize("stop_at", [2, 4, 7, 9])  # an epoch is 8 steps
def test_an_interrupted_run_ends_with_the_same_weights(base, tmp_path, stop_at, extra):
    settings = replace(FAST, **extra)
    whole, outcome, seen, _ = run(base, tmp_path / "whole", settings)
    run(base, tmp_path / "parts", settings, stop_at)
    resumed, again, later, done = run(base, tmp_path / "parts", settings)
    # The report comes after the checkpoint of its step.
    assert done == stop_at
    assert [step for step, _ in later] == [step for step, _ in seen][stop_at:]
    assert again == outcome
    assert same(weights(whole), weights(resumed))


def test_training_that_only_harms_keeps_the_first_weights(base, tmp_path):
    before = {name: value.detach().clone() for name, value in TunedEncoder(base).trained().items()}
    task = planted()
    upside_down = replace(task.train, levels=tuple(tuple(3 - level for level in row) for row in task.train.levels))
    harmed = Fit(TunedEncoder(base), replace(task, train=upside_down), replace(FAST, in_batch=0.0), tmp_path)
    outcome = harmed.run(lambda *_: None)
    assert max(outcome.epochs) < outcome.before
    assert (outcome.best, outcome.after) == (0, outcome.before)
    assert same(before, weights(harmed))


def test_it_stops_when_validation_gets_no_better(base, tmp_path):
    _, outcome, _, _ = run(base, tmp_path, replace(FAST, rate=1e-9, epochs=50, patience=2))
    assert len(outcome.epochs) == 2


def test_where_nothing_is_to_choose_the_last_weights_are_kept(base, tmp_path):
    """The judgments are upside down, so validation would have kept the first weights, and stopped early."""
    task = planted()
    upside_down = replace(task.train, levels=tuple(tuple(3 - level for level in row) for row in task.train.levels))
    settings = replace(FAST, choose=False, in_batch=0.0, patience=1)
    fit = Fit(TunedEncoder(base), replace(task, train=upside_down), settings, tmp_path)
    seen = []
    outcome = fit.run(lambda step, steps, losses: seen.append((step, weights(fit))))
    assert max(outcome.epochs) < outcome.before
    assert (outcome.mixture, outcome.best, len(outcome.epochs)) == (1, 4, 4)
    assert outcome.after == outcome.epochs[-1]
    assert [step for step, _ in seen] == list(range(1, 33))
    assert same(weights(fit), seen[-1][1])


def test_the_last_weights_are_the_moving_average_where_there_is_one(base, tmp_path):
    fit = Fit(TunedEncoder(base), planted(), replace(FAST, choose=False, average=0.9), tmp_path)
    seen = []
    outcome = fit.run(lambda *_: seen.append(weights(fit)))
    # Polyak's average of the weights after each step, written out.
    name = next(iter(seen[0]))
    mean = seen[0][name]
    for done, step in enumerate(seen[1:], start=1):
        share = min(0.9, (done + 1) / (done + 10))
        mean = share * mean + (1 - share) * step[name]
    torch.testing.assert_close(weights(fit)[name], mean, atol=1e-5, rtol=1e-4)
    assert outcome.after == pytest.approx(fit.validate())


def test_without_validation_none_is_reported(base, tmp_path):
    task = planted()
    nothing = replace(task, validation=lists_of([], [], np.empty(0)), validation_queries=())
    seen = []
    fit = Fit(TunedEncoder(base), nothing, replace(FAST, choose=False), tmp_path)
    outcome = fit.run(lambda step, steps, losses: seen.append(dict(losses)))
    assert len(seen) == 32
    assert not any("validation" in losses for losses in seen)
    assert "validation" not in (tmp_path / "log.jsonl").read_text(encoding="utf-8")
    assert (outcome.before, outcome.epochs, outcome.after) == (0, (0, 0, 0, 0), 0)


def test_validation_that_tells_nothing_is_as_good_as_none(base, tmp_path):
    task = planted()
    alike = replace(task.validation, levels=tuple((0.0,) * len(row) for row in task.validation.levels))
    outcome = Fit(TunedEncoder(base), replace(task, validation=alike), FAST, tmp_path).run(lambda *_: None)
    assert outcome.mixture == 1
