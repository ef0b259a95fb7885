"""What a training learns from beside the shop's own pairs, and how all of it becomes a lesson. No model, no PyTorch."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from aisle.judgments.pairs import PairSet
from aisle.training.relevance.data import Ids, Lesson, lesson
from aisle.training.relevance.earlier import Earlier
from aisle.training.relevance.negatives import with_negatives
from aisle.training.relevance.recipe import TrainingRecipe
from aisle.training.relevance.smoothing import softened


@dataclass(frozen=True, slots=True)
class Extras:
    """Each may be missing.

    Attributes:
        earlier: A shop that is learnt again, and not to be forgotten.
        negatives: Products that nobody judged, to stand below what was judged for the same query.
    """

    earlier: Earlier | None = None
    negatives: PairSet | None = None

    def lesson(
        self,
        train: Sequence[PairSet],
        validation: PairSet,
        recipe: TrainingRecipe,
        ids_of: Callable[[Sequence[str]], list[Ids]],
    ) -> Lesson:
        """What one training learns from; negatives only of its own queries.

        Args:
            train: Pairs to learn from.
            validation: Pairs that say when to stop, as raters graded them.
            recipe: How grades are softened and texts are changed.
            ids_of: Texts to token ids.
        """
        share = recipe.fit.smooth
        taught = [with_negatives(softened(part, share), self.negatives) for part in train]
        again = [softened(self.earlier.learnt, share)] if self.earlier is not None else []
        return lesson(taught, validation, recipe.description, ids_of, recipe.augment, again)
