"""`fit.matryoshka`: the loss over the first numbers of vectors by hand, and short vectors that rank better for it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import tomli_w

torch = pytest.importorskip("torch")

from aisle.errors import RecipeError  # noqa: E402
from aisle.evaluate.pools import mean_ndcg  # noqa: E402
from aisle.training.relevance.fit import Fit  # noqa: E402
from aisle.training.relevance.lists import Chunk  # noqa: E402
from aisle.training.relevance.model import TunedEncoder  # noqa: E402
from aisle.training.relevance.objective import Objective  # noqa: E402
from aisle.training.relevance.recipe import FitSettings, load_recipe  # noqa: E402
from tests.training.tiny import planted, tiny_encoder  # noqa: E402

pytestmark = [pytest.mark.train, pytest.mark.filterwarnings("default")]
PLAIN = FitSettings(epochs=12, queries=15, per_query=8, rate=3e-3, threads=1, seed=5, in_batch=0.0, precision="fp32")
SHORT = 4


def test_each_length_counts_as_much_as_the_whole_by_hand():
    chance = np.random.default_rng(0)
    rows = chance.normal(size=(2 + 3, 8))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    chunks = [Chunk(0, (0, 1), (1.0, 0.0)), Chunk(1, (1, 2), (0.0, 1.0))]
    settings = replace(PLAIN, matryoshka=(4, 2), scale=20.0)
    found = Objective(settings, planted().train).losses(
        torch.tensor(rows, dtype=torch.float64), None, None, chunks, {0: 0, 1: 1, 2: 2}
    )
    assert list(found) == ["listwise", "first 4", "first 2"]
    for name, dim in (("listwise", 8), ("first 4", 4), ("first 2", 2)):
        short = rows[:, :dim] / np.linalg.norm(rows[:, :dim], axis=1, keepdims=True)
        logits = 20 * short[:2] @ short[2:].T
        wanted = [(logits[0, [0, 1]], 0), (logits[1, [1, 2]], 1)]
        by_hand = np.mean([np.log(np.exp(scores).sum()) - scores[best] for scores, best in wanted])
        assert float(found[name]) == pytest.approx(by_hand, rel=1e-6)


def ranked(settings: FitSettings, folder) -> float:
    """NDCG@10 of the lists that were learnt, by the first numbers alone."""
    folder.mkdir()
    lesson = planted()
    fit = Fit(TunedEncoder(tiny_encoder()), lesson, settings, folder)
    fit.run(lambda *_: None)
    parts = [fit.model.vectors(ids)[:, :SHORT] for ids in (lesson.queries, lesson.texts)]
    queries, texts = (part / np.linalg.norm(part, axis=1, keepdims=True) for part in parts)
    groups, levels, scores = {}, [], []
    for number, (row, graded) in enumerate(zip(lesson.train.texts, lesson.train.levels, strict=True)):
        groups[str(number)] = range(len(levels), len(levels) + len(row))
        levels += graded
        scores += [float(queries[number] @ texts[text]) for text in row]
    return float(mean_ndcg(groups, np.array(levels), np.array(scores)))


def test_the_first_numbers_alone_rank_better_for_it(tmp_path):
    plain = ranked(PLAIN, tmp_path / "plain")
    taught = ranked(replace(PLAIN, matryoshka=(SHORT,)), tmp_path / "taught")
    assert taught > plain + 0.02


def test_a_length_that_is_none_is_told(tmp_path):
    fit = Fit(TunedEncoder(tiny_encoder()), planted(), replace(PLAIN, matryoshka=(32,)), tmp_path)
    with pytest.raises(RecipeError, match=r"fit\.matryoshka with 32\n.*lengths below 32"):
        fit.run(lambda *_: None)
    with pytest.raises(RecipeError, match=r"fit\.matryoshka.*received"):
        load_recipe(None, ["fit.matryoshka=[0]"])


def test_it_is_off_and_survives_being_written(tmp_path):
    assert load_recipe(None).fit.matryoshka == ()
    recipe = load_recipe(None, ["fit.matryoshka=[64, 128]"])
    (tmp_path / "recipe.toml").write_text(tomli_w.dumps(recipe.to_dict()), encoding="utf-8")
    assert load_recipe(str(tmp_path / "recipe.toml")) == recipe
