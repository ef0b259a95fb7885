"""Changed texts within a training: what a step sees, what it loses, and that a break or a division changes nothing."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from zlib import crc32

import numpy as np
import pytest

from aisle.augment.settings import AugmentSettings, drawn
from aisle.augment.text.table import CHANGES
from aisle.judgments.pairs import PairSet, Scale, TextPair
from aisle.training.relevance.data import lesson
from aisle.training.relevance.lists import epoch
from aisle.training.relevance.noise import Noise
from aisle.training.relevance.recipe import FitSettings

torch = pytest.importorskip("torch")

from aisle.training.relevance.fit import Fit  # noqa: E402
from aisle.training.relevance.model import TunedEncoder  # noqa: E402
from aisle.training.relevance.study import apart, items  # noqa: E402
from tests.training.tiny import tiny_encoder  # noqa: E402

pytestmark = [pytest.mark.train, pytest.mark.filterwarnings("default")]

ROWS = 5_000
THINGS = ("mouse", "keyboard", "monitor", "speaker", "charger", "printer", "scanner", "cabinet")
FAST = FitSettings(epochs=2, queries=4, per_query=4, rate=3e-3, threads=1, save_every=1, seed=5, precision="fp32")
NOISY = AugmentSettings({"typos": 0.5, "order": 0.2}, {"typos": 0.3, "dropped": 0.3}, 1.5)


@pytest.fixture(scope="module")
def base():
    return tiny_encoder(2, ROWS)


def ids_of(texts):
    """A word a token."""
    return [[2, *[crc32(word.encode()) % (ROWS - 5) + 5 for word in text.split()], 3] for text in texts]


def pairs(names=THINGS) -> PairSet:
    rows = [
        TextPair(
            name, f"{name} black", f"{name}{at}", f"{other} number black edition", grade=float(3 if at == 0 else at % 2)
        )
        for number, name in enumerate(names)
        for at, other in enumerate((name, names[(number + 1) % len(names)], names[(number + 3) % len(names)]))
    ]
    return PairSet(tuple(rows), Scale(0, 3), "made")


def task(augment, validation=None):
    shop = pairs()
    return lesson([shop], validation or shop.subset([]), False, ids_of, augment)


def fitted(base, folder, augment, settings=FAST, stop_at=0):
    folder.mkdir(exist_ok=True)
    fit = Fit(TunedEncoder(base), task(augment), settings, folder)
    fit.resume()
    seen = []

    def report(step, steps, losses):
        seen.append(losses)
        if step == stop_at:
            raise KeyboardInterrupt

    if stop_at:
        with pytest.raises(KeyboardInterrupt):
            fit.run(report)
    else:
        fit.run(report)
    return fit, seen


def weights(fit):
    return {name: value.detach().clone() for name, value in fit.model.trained().items()}


def same(one, other):
    return all(torch.equal(one[name], other[name]) for name in one)


def test_changes_are_drawn_by_their_shares():
    noise = Noise(AugmentSettings({"typos": 0.25}), [f"{name} black" for name in THINGS], ["desk"], ids_of)
    found = [noise.query(number, str(seed)) for number in range(8) for seed in range(250)]
    assert np.mean([ids is not None for ids in found]) == pytest.approx(0.25, abs=0.03)
    assert noise.text(0, "1", 0) is None, "nothing is said of titles"
    shop = {tuple(ids) for ids in ids_of([f"{name} black" for name in THINGS])}
    assert not shop & {tuple(ids) for ids in found if ids is not None}
    rng_of = [drawn({"order": 1.0}, "red mouse", Random(seed)) for seed in range(3)]
    assert rng_of == [("mouse red", CHANGES["order"])] * 3


def test_a_step_has_the_changed_items_in_their_places_and_what_they_were_behind(base, tmp_path):
    fit = Fit(TunedEncoder(base), task(NOISY), FAST, tmp_path)
    chunks = fit.batches(0)[0]
    clean, _ = items(fit.task, chunks)
    step = fit.study.step(chunks, "5:0")
    again = fit.study.step(chunks, "5:0")
    other = fit.study.step(chunks, "5:1")
    rows = step.encode(range(len(step.lengths)))
    assert torch.equal(rows, again.encode(range(len(step.lengths))))
    assert rows.shape != (now := other.encode(range(len(other.lengths)))).shape or not torch.equal(rows, now)
    was = fit.model.by_length(clean)
    moved = [at for at in range(len(clean)) if not torch.allclose(rows[at], was[at], atol=1e-6)]
    assert 0 < len(moved) < len(clean)
    assert len(step.lengths) == len(clean) + len(moved)
    assert torch.allclose(rows[len(clean) :], was[moved], atol=1e-6)
    # 1 - cosine in the mean, of unit rows, times its weight
    wanted = 1.5 * (1 - (rows[moved] * was[moved]).sum(1)).mean()
    assert float(step.losses(rows)["consistency"].detach()) == pytest.approx(float(wanted), abs=1e-5)
    # the ranking losses are those of the changed rows, as a lesson of nothing else gives them
    bare = Fit(TunedEncoder(base), task(None), FAST, tmp_path).study.step(chunks, "5:0")
    assert float(bare.losses(rows[: len(clean)])["listwise"]) == float(step.losses(rows)["listwise"])


def test_clean_lists_leave_the_ranking_losses_as_they_are(base, tmp_path):
    fit = Fit(TunedEncoder(base), task(replace(NOISY, lists="clean")), FAST, tmp_path)
    bare = Fit(TunedEncoder(base), task(None), FAST, tmp_path)
    chunks = fit.batches(0)[0]
    step, plain = fit.study.step(chunks, "5:0"), bare.study.step(chunks, "5:0")
    losses = step.losses(step.encode(range(len(step.lengths))))
    for name, value in plain.losses(plain.encode(range(len(plain.lengths)))).items():
        assert float(losses[name]) == pytest.approx(float(value), abs=1e-5)
    assert float(losses["consistency"]) > 0


def test_only_the_changed_vector_is_moved():
    clean = torch.nn.functional.normalize(torch.tensor([[1.0, 0.0]]), dim=1).requires_grad_()
    changed = torch.nn.functional.normalize(torch.tensor([[1.0, 1.0]]), dim=1).requires_grad_()
    for first, second, clean_first in ((clean, changed, True), (changed, clean, False)):
        loss = apart(first, second, clean_first)
        assert float(loss) == pytest.approx(1 - 0.5**0.5, abs=1e-6)
        assert torch.autograd.grad(loss, [changed])[0].abs().sum() > 0
        assert torch.autograd.grad(apart(first, second, clean_first), [clean], allow_unused=True)[0] is None


@pytest.mark.parametrize("stop_at", [1, 3])
def test_an_interrupted_run_ends_with_the_same_weights(base, tmp_path, stop_at):
    whole, seen = fitted(base, tmp_path / "whole", NOISY)
    assert all("consistency" in losses for losses in seen)
    fitted(base, tmp_path / "parts", NOISY, stop_at=stop_at)
    resumed, _ = fitted(base, tmp_path / "parts", NOISY)
    assert same(weights(whole), weights(resumed))
    bare, _ = fitted(base, tmp_path / "bare", None)
    assert not same(weights(whole), weights(bare))
    off, _ = fitted(base, tmp_path / "off", AugmentSettings())
    assert same(weights(off), weights(bare)), "settings that change nothing change nothing"


def test_a_step_in_parts_has_the_gradient_of_the_whole_step(base, tmp_path):
    for separable in (
        FAST,
        replace(FAST, in_batch=0.0, loss="pairwise"),
    ):  # consistency is not, whatever the others are
        grads = []
        for accumulate in (1, 3):
            fit = Fit(TunedEncoder(base), task(NOISY), replace(separable, accumulate=accumulate), tmp_path)
            fit._backward(fit.batches(0)[0])
            grads.append({name: value.grad for name, value in fit.model.trained().items()})
        for name, value in grads[0].items():
            assert torch.allclose(value, grads[1][name], atol=1e-5), name


def test_what_says_when_to_stop_is_never_changed(base, tmp_path):
    everything = AugmentSettings({"typos": 1.0}, {"typos": 1.0})
    noisy = Fit(TunedEncoder(base), task(everything, pairs()), FAST, tmp_path)
    clean = Fit(TunedEncoder(base), task(None, pairs()), FAST, tmp_path)
    assert noisy.validate() == clean.validate()
    assert [len(chunk.texts) for chunk in epoch(noisy.task.train, 4, "0")] == [3] * len(THINGS)
