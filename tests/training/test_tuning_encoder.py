"""Trials of encoders: each fold's queries are judged by an encoder that learnt from the others alone."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("optuna")

from aisle.errors import RecipeError  # noqa: E402
from aisle.judgments.pairs import read_pairs  # noqa: E402
from aisle.judgments.split import query_key  # noqa: E402
from aisle.training.relevance import encoder_route, extras  # noqa: E402
from aisle.training.relevance.recipe import load_recipe  # noqa: E402
from aisle.training.tuning.search import SearchSettings, tune  # noqa: E402
from aisle.training.tuning.space import read_space  # noqa: E402
from aisle.training.tuning.trials import EncoderTrial, inner  # noqa: E402

pytestmark = [pytest.mark.train, pytest.mark.filterwarnings("default")]

RECIPE = load_recipe("encoder", ["fit.epochs=8", "fit.max_tokens=8", "fit.queries=8", "fit.threads=1"])


@pytest.fixture(scope="module")
def pairs(tmp_path_factory):
    lines = ["query,title,relevance"]
    for number in range(16):
        lines += [f"thing {number},other {number} new,2", f"thing {number},thing {number} used,0"]
    path = tmp_path_factory.mktemp("pairs") / "pairs.csv"
    path.write_text("\n".join(lines), encoding="utf-8")
    return read_pairs(path, {}, need_grades=True)


def test_the_rate_is_searched_and_the_gate_is_kept_out(pairs, tmp_path, monkeypatch):
    seen = []
    whole = extras.lesson

    def kept(train, *rest):
        seen.append({query_key(pair.query) for part in train for pair in part})
        return whole(train, *rest)

    monkeypatch.setattr(extras, "lesson", kept)
    path = tmp_path / "space.toml"
    path.write_text("[fit.rate]\nchoices = [1e-9, 1e-3]\n", encoding="utf-8")
    found = tune(pairs, RECIPE, read_space(str(path), RECIPE), tmp_path / "out", SearchSettings(3, 2, 0))
    tried_on = inner(pairs, RECIPE)
    every = {query_key(pair.query) for pair in tried_on}
    assert len(seen) == 6
    for one, other in zip(seen[::2], seen[1::2], strict=True):
        assert one | other == every, "what one fold holds out the other learns from"
        assert not one & other
    assert found.trials[0].values == {"fit.rate": 1e-9}
    worth = {tried.values["fit.rate"]: tried.mean for tried in found.trials}
    before = encoder_route.EncoderRoute(RECIPE, [], tmp_path, lambda *_: None, lambda _: None).before
    cosine = before.encode(["other 3 new", "thing 3 used"], "product") @ before.encode(["thing 3"], "query")[0]
    assert cosine[0] < cosine[1], "the judgments say the opposite of the encoder"
    assert worth[1e-9] == pytest.approx(np.mean([1 / np.log2(3)] * len(every)), abs=0.02)
    if 1e-3 in worth:
        assert worth[1e-3] > worth[1e-9]
        assert found.recipe.fit.rate == 1e-3
    assert found.recipe.judged_by == "share"


def test_a_recipe_whose_validation_chooses_is_refused(pairs, tmp_path):
    trial = EncoderTrial(pairs, 2, 0, tmp_path)
    with pytest.raises(RecipeError, match=r"fit\.choose=true in a recipe to tune"):
        next(trial.run(load_recipe("encoder", ["fit.choose=true"])))
