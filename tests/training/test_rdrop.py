"""R-Drop: the divergence by hand, both passes really different, the same in parts, resumable, and refused alone."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from aisle.errors import RecipeError
from aisle.training.relevance.recipe import FitSettings, load_recipe

torch = pytest.importorskip("torch")

from aisle.encoders.weights import EncoderWeights  # noqa: E402
from aisle.training.relevance.cross_model import CrossModel, begin  # noqa: E402
from aisle.training.relevance.fit import Fit  # noqa: E402
from aisle.training.relevance.model import TunedEncoder  # noqa: E402
from aisle.training.relevance.rdrop import disagreement, twice  # noqa: E402
from tests.training.tiny import planted, tiny_encoder  # noqa: E402

pytestmark = [pytest.mark.train, pytest.mark.filterwarnings("default")]

SETTINGS = FitSettings(
    epochs=2, queries=4, per_query=4, rate=3e-3, threads=1, save_every=1, track="none", dropout=0.2, r_drop=1.0
)


@pytest.fixture(scope="module")
def base() -> EncoderWeights:
    return tiny_encoder()


def encoder_fit(base, folder, settings=SETTINGS) -> Fit:
    folder.mkdir(exist_ok=True)
    return Fit(TunedEncoder(base, settings.dropout), planted(), settings, folder)


def cross_fit(base, folder, settings=SETTINGS) -> Fit:
    folder.mkdir(exist_ok=True)
    settings = replace(settings, in_batch=0.0, loss="pairwise")
    model = CrossModel(begin(base, ("late", "match", "mean"), 0, 16, 4), settings.dropout)
    return Fit(model, planted(), settings, folder)


def test_disagreement_is_the_mean_of_both_divergences():
    one, other = [[1.0, 0.0, -2.0], [0.5, 3.0, 99.0]], [[0.0, 0.5, 1.0], [0.5, 1.0, -99.0]]
    mask = torch.tensor([[True, True, True], [True, True, False]])
    total = 0.0
    for left, right, there in zip(one, other, (3, 2), strict=True):
        p, q = ([math.exp(x) / sum(map(math.exp, row[:there])) for x in row[:there]] for row in (left, right))
        total += sum(a * math.log(a / b) for a, b in zip(p, q, strict=True)) / 2
        total += sum(b * math.log(b / a) for a, b in zip(p, q, strict=True)) / 2
    found = disagreement(torch.tensor(one, dtype=torch.float64), torch.tensor(other, dtype=torch.float64), mask)
    assert float(found) == pytest.approx(total / 2)
    scores = torch.tensor(one, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda s: disagreement(s, torch.tensor(other, dtype=torch.float64), mask), scores)


@pytest.mark.parametrize("made", [encoder_fit, cross_fit])
def test_a_step_is_the_mean_of_two_passes_and_their_disagreement(base, tmp_path, made):
    fit = made(base, tmp_path)
    fit.model.train()
    chunks = fit.batches(0)[0]
    step = fit.study.step(chunks, "0:0")
    both = twice(step, 3.0)
    assert len(both.lengths) == 2 * len(step.lengths)
    torch.manual_seed(4)
    rows = both.encode(range(len(both.lengths))).detach()
    one, other = rows[: len(step.lengths)], rows[len(step.lengths) :]
    assert not torch.allclose(one, other), "each pass has a dropout of its own"
    found = both.losses(rows)
    for name, value in step.losses(one).items():
        assert float(found[name]) == pytest.approx((float(value) + float(step.losses(other)[name])) / 2)
    # The lists' scores anew, each by itself.
    apart = []
    for row in range(len(chunks)):
        shares = []
        for half in (one, other):
            scores, mask = step.listed(half)
            shares.append(torch.softmax(scores[row][mask[row]].double(), 0))
        p, q = shares
        apart.append(float((p * (p / q).log()).sum() + (q * (q / p).log()).sum()) / 2)
    assert max(apart) > 0
    assert float(found["r_drop"]) == pytest.approx(3.0 * sum(apart) / len(apart), rel=1e-4)


def test_the_scores_of_lists_are_the_scaled_cosines(base, tmp_path):
    fit = encoder_fit(base, tmp_path)
    chunks = fit.batches(0)[0]
    step = fit.study.step(chunks, "0:0")
    fit.model.eval()
    with torch.no_grad():
        scores, mask = step.listed(step.encode(range(len(step.lengths))).float())
        for row, chunk in enumerate(chunks):
            query = fit.model([fit.task.queries[chunk.query]])
            texts = fit.model([fit.task.texts[text] for text in chunk.texts])
            wanted = 20 * (texts @ query[0])
            torch.testing.assert_close(scores[row][mask[row]], wanted, atol=0.15, rtol=0)  # bf16


def test_it_brings_the_passes_together(base, tmp_path):
    """The same training with and without: the divergence that is left, at equal weights of everything else."""
    left = []
    for name, weight in (("without", 1e-9), ("with", 20.0)):
        seen = []
        settings = replace(SETTINGS, epochs=8, r_drop=weight)
        encoder_fit(base, tmp_path / name, settings).run(lambda s, n, losses, seen=seen: seen.append(losses["r_drop"]))
        left.append(sum(seen[-8:]) / weight)
    assert left[1] < 0.5 * left[0]


@pytest.mark.parametrize("made", [encoder_fit, cross_fit])
def test_in_parts_it_is_the_same_gradient(base, tmp_path, made):
    """Dropout draws other numbers in parts: only without it the two are the same, so the model has none here."""
    whole, parts = (made(base, tmp_path / str(n), replace(SETTINGS, accumulate=n, precision="fp32")) for n in (1, 3))
    for fit in (whole, parts):
        fit.model.eval()
        fit._backward(fit.batches(0)[0])
    for name, value in whole.model.trained().items():
        if value.grad is not None:
            torch.testing.assert_close(parts.model.trained()[name].grad, value.grad, atol=1e-5, rtol=1e-3)


def test_an_interrupted_run_ends_with_the_same_weights(base, tmp_path):
    def stop(step, *_):
        if step == 5:
            raise KeyboardInterrupt

    whole = encoder_fit(base, tmp_path / "whole")
    whole.run(lambda *_: None)
    with pytest.raises(KeyboardInterrupt):
        encoder_fit(base, tmp_path / "parts").run(stop)
    resumed = encoder_fit(base, tmp_path / "parts")
    assert resumed.resume() == 5
    resumed.run(lambda *_: None)
    now = resumed.model.trained()
    assert all(torch.equal(value, now[name]) for name, value in whole.model.trained().items())


def test_without_dropout_it_is_refused():
    with pytest.raises(RecipeError, match="r_drop with a dropout above 0"):
        load_recipe(None, ["fit.r_drop=1"])
    assert load_recipe(None, ["fit.r_drop=1", "fit.dropout=0.1"]).fit.r_drop == 1
