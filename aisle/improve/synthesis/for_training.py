"""Synthetic pairs for one training: of the shop's own catalogue, with no query that the training judges by.

What judges is out twice: none of the shop's queries is made in any spelling, and where a share of them is held out for
good, the shape of queries is learned from the others alone. Where every query is held out in its turn, the packaged
shape is taken, which knows none of them.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

from aisle.engine import SearchEngine
from aisle.errors import JudgmentError
from aisle.improve.synthesis.files import write_synthetic
from aisle.improve.synthesis.grading import TOP
from aisle.improve.synthesis.shape import QueryShape, learn_shape
from aisle.improve.synthesis.synthesise import Synthesiser, SynthesisSettings, facts_of, stored_products
from aisle.judgments.pairs import PairSet, Scale, read_pairs
from aisle.training.relevance.build import FEW_PAIRS
from aisle.training.relevance.data import shares
from aisle.training.relevance.recipe import TrainingRecipe
from aisle.types import Progress

SYNTHETIC = "synthetic.csv"
"""In the model's folder: the table as `aisle synthesise` writes it, each row with where it comes from."""


def pairs_for_training(
    engine: SearchEngine, shop: PairSet, recipe: TrainingRecipe, progress: Progress | None = None
) -> tuple[PairSet, str]:
    """Make pairs of an open index for a training of the shop, and the table of them.

    Args:
        engine: Of the shop's catalogue.
        shop: With grades; its queries decide whether the model is promoted.
        recipe: Says which queries are held out.
        progress: Told how many queries were searched for.

    Raises:
        JudgmentError: No query came out of it.
    """
    asked = _not_held_out(shop, recipe)
    shape = _shape(asked, engine) if asked else None
    settings = SynthesisSettings(seed=recipe.seed)
    found = Synthesiser(engine, shape).by_templates(settings, [pair.query for pair in shop], progress)
    if not found.pairs:
        raise JudgmentError("no query of the catalogue finds its product", fix="leave --synthesise out")
    with TemporaryDirectory() as folder:
        file = Path(folder) / SYNTHETIC
        write_synthetic(file, found.pairs)
        read = read_pairs(file, scale=Scale(0, TOP), need_grades=True)
        return PairSet(read.items, read.scale, SYNTHETIC), file.read_text(encoding="utf-8")


def _not_held_out(shop: PairSet, recipe: TrainingRecipe) -> list[str]:
    """The queries that no turn and no share holds out."""
    head = recipe.model == "head" or len(shop) < FEW_PAIRS  # of which every query is held out, however many there are
    if head or recipe.in_turns(len(shop.by_query())):
        return []
    divided = shares(shop, recipe.validation, recipe.held_out, recipe.seed)
    return list(dict.fromkeys(pair.query for pair in divided.train))


def _shape(queries: Sequence[str], engine: SearchEngine) -> QueryShape:
    return learn_shape(queries, stored_products(engine), facts_of(engine))
