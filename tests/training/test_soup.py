"""Several seeds in one model, against trainings run one by one."""

from __future__ import annotations

from dataclasses import replace

import pytest

torch = pytest.importorskip("torch")

from aisle.errors import RecipeError  # noqa: E402
from aisle.training.relevance.fit import Fit  # noqa: E402
from aisle.training.relevance.model import TunedEncoder  # noqa: E402
from aisle.training.relevance.recipe import FitSettings, load_recipe  # noqa: E402
from aisle.training.relevance.soup import fitted  # noqa: E402
from tests.training.tiny import planted, tiny_encoder  # noqa: E402

pytestmark = [pytest.mark.train, pytest.mark.filterwarnings("default")]

FAST = FitSettings(
    epochs=2, queries=8, per_query=4, rate=3e-3, threads=1, seed=5, seeds=3, precision="fp32", track="none"
)


class StoppedError(Exception):
    """Ctrl-C, as it were."""


def begin(settings):
    return TunedEncoder(tiny_encoder(), settings.dropout)


def soup(folder, settings=FAST, stop_in=""):
    folder.parent.mkdir(exist_ok=True)
    seen: list[tuple[str, int]] = []

    def report(name):
        def told(step, steps, losses):
            seen.append((name, step))
            if name == stop_in and step == 3:
                raise StoppedError("enough")

        return told

    if stop_in:
        with pytest.raises(StoppedError, match="enough"):
            fitted(begin, planted(), settings, folder, report, lambda _: None)
        return None, None, seen
    return *fitted(begin, planted(), settings, folder, report, lambda _: None), seen


def test_the_weights_are_the_mean_of_one_training_for_each_seed(tmp_path):
    made, outcome, seen = soup(tmp_path / "model")
    alone = []
    for seed in (5, 6, 7):
        (tmp_path / str(seed)).mkdir()
        fit = Fit(begin(FAST), planted(), replace(FAST, seed=seed, seeds=1), tmp_path / str(seed))
        outcomes = fit.run(lambda *_: None)
        alone.append(fit)
        if seed == 5:
            assert (outcome.before, outcome.epochs) == (outcomes.before, outcomes.epochs)
    for name, value in made.trained().items():
        each = [fit.model.trained()[name] for fit in alone]
        torch.testing.assert_close(value, torch.stack(each).mean(0), atol=1e-6, rtol=1e-5)
    assert any(not torch.equal(each.model.trained()[name], alone[0].model.trained()[name]) for each in alone[1:])
    assert outcome.after == pytest.approx(Fit(made, planted(), FAST, tmp_path).validate())
    assert list(dict.fromkeys(name for name, _ in seen)) == ["model", "model-seed2", "model-seed3"]


@pytest.mark.parametrize("stop_in", ["model", "model-seed2"])
def test_an_interrupted_one_ends_with_the_same_weights(tmp_path, stop_in):
    whole, outcome, _ = soup(tmp_path / "whole" / "model")
    soup(tmp_path / "parts" / "model", stop_in=stop_in)
    again, same, seen = soup(tmp_path / "parts" / "model")
    assert same == outcome
    assert all(torch.equal(value, again.trained()[name]) for name, value in whole.trained().items())
    assert seen[0] == (stop_in, 4)


def test_what_has_no_mean_is_refused():
    with pytest.raises(RecipeError, match=r"peft\.method full or last with fit\.seeds above 1"):
        load_recipe(None, ["fit.seeds=2", "peft.method=lora"])
    assert load_recipe(None, ["fit.seeds=2", "peft.method=last"]).fit.seeds == 2
