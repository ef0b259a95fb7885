"""Changed queries and texts for the steps of a training: token ids, drawn by a seed. Knows texts, no model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from random import Random

from aisle.augment.change import Change
from aisle.augment.settings import AugmentSettings, drawn
from aisle.augment.text.clutter import Stuffed
from aisle.augment.text.table import CHANGES

Ids = list[int]


class Noise:
    """What stands in a step for a query or a text that is to be changed there.

    Args:
        settings: Which changes, and how often.
        queries: By the number that a lesson gives them.
        texts: The same.
        ids_of: Texts to token ids.
    """

    def __init__(
        self,
        settings: AugmentSettings,
        queries: Sequence[str],
        texts: Sequence[str],
        ids_of: Callable[[Sequence[str]], list[Ids]],
    ) -> None:
        self.settings, self._queries, self._texts, self._ids_of = settings, queries, texts, ids_of

    def query(self, number: int, seed: str) -> Ids | None:
        """The token ids of a query after a change; None where it stays as it is."""
        return self._changed(self.settings.query, self._queries[number], f"{seed}:query:{number}", CHANGES)

    def text(self, number: int, seed: str, query: int) -> Ids | None:
        """The token ids of a text in the list of a query after a change; None where it stays as it is."""
        changes: Mapping[str, Change] = CHANGES
        if "stuffed" in self.settings.title:
            changes = {**CHANGES, "stuffed": Stuffed(self._queries, self._queries[query])}
        return self._changed(self.settings.title, self._texts[number], f"{seed}:text:{number}", changes)

    def _changed(self, shares: Mapping[str, float], text: str, seed: str, changes: Mapping[str, Change]) -> Ids | None:
        found = drawn(shares, text, Random(seed), changes) if shares else None
        return None if found is None else self._ids_of([found[0]])[0]
