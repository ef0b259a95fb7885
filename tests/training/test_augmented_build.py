"""`train` with changed texts and corrected queries from end to end on real judgments: what is kept, told and served."""

from __future__ import annotations

import tomllib
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("torch")

from aisle.judgments.pairs import PairSet, read_pairs
from aisle.rerankers.combination import CombinationReranker
from aisle.training.relevance.build import train
from aisle.training.relevance.recipe import TrainingRecipe, load_recipe

pytestmark = [pytest.mark.train, pytest.mark.filterwarnings("default")]

PHONES = Path(__file__).parent.parent.parent / "samples" / "phones"
CHANGES = [
    "augment.query={typos=0.5}",
    "augment.title={truncated=0.3,stuffed=0.2}",
    "augment.consistency=1",
    "correct=true",
    "fit.epochs=1",
    "fit.max_tokens=16",
    "fit.track=none",
    "judged_by=share",
    "validation=0.25",
    "held_out=0.3",
]


@pytest.fixture(scope="module")
def pairs() -> PairSet:
    found = read_pairs(PHONES / "judgments.csv", need_grades=True)
    return found.subset([row for rows in found.by_query().values() for row in rows[:: max(1, len(rows) // 4)]])


def test_a_model_says_what_it_learnt_from_and_reads_queries_in_the_spelling_of_its_shop(pairs, tmp_path):
    out = tmp_path / "model"
    recipe = load_recipe("combination", CHANGES)
    trained = train(pairs, (), recipe, out)
    assert trained.candidate.architecture == "combination"
    card = (out / "README.md").read_text(encoding="utf-8")
    assert "changed queries while training: typos 50%" in card
    assert "changed texts while training: truncated 30%, stuffed 20%" in card
    assert "consistency with the texts as they were: weight 1, lists changed" in card
    assert "in the spelling of a near one" in card
    kept = tomllib.loads((out / "recipe.toml").read_text(encoding="utf-8"))
    assert TrainingRecipe.from_dict(kept) == recipe
    served = CombinationReranker(out)
    assert served.combination.correct
    carriers = served.combination.words.carriers
    word = max(
        (word for word in carriers if word.isascii() and word.isalpha() and len(word) > 6), key=carriers.__getitem__
    )
    texts = [pair.title for pair in pairs[:5]]
    slip = word[:3] + word[4:]
    assert slip not in carriers
    np.testing.assert_array_equal(served.score_texts(slip, texts), served.score_texts(word, texts))
