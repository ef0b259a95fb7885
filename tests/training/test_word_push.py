"""The fast gradient method against word rows that are moved themselves, by a dense gradient."""

from __future__ import annotations

from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")

from aisle.training.relevance.cross_model import CrossModel, begin  # noqa: E402
from aisle.training.relevance.fit import Fit  # noqa: E402
from aisle.training.relevance.model import TunedEncoder  # noqa: E402
from aisle.training.relevance.recipe import FitSettings  # noqa: E402
from tests.training.tiny import planted, tiny_encoder  # noqa: E402

pytestmark = [pytest.mark.train, pytest.mark.filterwarnings("default")]

EXACT = FitSettings(epochs=1, queries=8, per_query=4, rate=3e-3, threads=1, seed=5, precision="fp32", track="none")
SIZE = 0.05


def encoder():
    return TunedEncoder(tiny_encoder())


def cross_encoder():
    return CrossModel(begin(tiny_encoder(), ("late", "mean"), 0, 48, 16))


def moved(fit) -> dict:
    """The gradient of the first step, of length 1 at most as it is clipped."""
    fit.step(fit.batches(0)[0], 0)
    return {name: value.grad.clone() for name, value in fit.model.trained().items() if value.grad is not None}


@pytest.mark.parametrize("make", [encoder, cross_encoder])
def test_the_step_adds_the_gradient_at_rows_moved_up_the_loss(tmp_path, make):
    settings = replace(EXACT, in_batch=0.0, loss="pairwise") if make is cross_encoder else EXACT
    pushed = Fit(make(), planted(), replace(settings, fgm=SIZE), tmp_path)
    found = moved(pushed)
    assert not pushed._push(torch.arange(80)).any(), "the words are where they were"

    fit = Fit(make(), planted(), settings, tmp_path)
    rows = getattr(fit.model, "layers", fit.model).rows.requires_grad_(True)
    chunks = fit.batches(0)[0]
    first = fit._backward(chunks)
    slope = rows.grad.clone()
    reached = slope.abs().sum(1) > 0
    assert 3 < reached.sum() < len(rows)
    with torch.no_grad():
        rows += SIZE * rows[reached].norm() * slope / slope.norm()
    second = fit._backward(chunks)
    assert sum(second.values()) > sum(first.values())  # up the loss
    wanted = {name: value.grad for name, value in fit.model.trained().items() if value.grad is not None}
    length = torch.stack([value.square().sum() for value in wanted.values()]).sum().sqrt()
    assert wanted.keys() == found.keys()
    for name, value in wanted.items():
        torch.testing.assert_close(found[name], value / max(1.0, float(length)), atol=2e-6, rtol=2e-4, msg=name)


def test_nothing_is_left_of_it(tmp_path):
    model = encoder()
    before = model.rows.clone()
    Fit(model, planted(), replace(EXACT, fgm=SIZE), tmp_path).run(lambda *_: None)
    assert model.push is None
    assert torch.equal(model.rows, before)
