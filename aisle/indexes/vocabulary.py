"""The words of a catalogue, so that a query word it does not have can be taken for one that it has; Chinese apart.

A file beside the table, one word a line, only ever appended to: a write's words are there before its products are, and
readers follow it as it grows. Words of products since deleted stay. Knows words, no products.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from pathlib import Path

from aisle.indexes.appended import AppendedLines
from aisle.indexes.segment import query_tokens
from aisle.language.script import has_han

MAX_CORRECTIONS = 20


class Vocabulary:
    """The words in a file, and which of them a misspelt word may have meant."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._words: set[str] = set()
        self._list: list[str] = []
        self._file = AppendedLines(path)
        self._reading = threading.Lock()

    def add(self, texts: Iterable[str]) -> None:
        """Note the words of these texts. Call with the writer's lock held, before the products are written."""
        self._follow()
        words = (word for word in query_tokens("\n".join(texts)) if word.isalpha() and not has_han(word))
        fresh = [word for word in words if word not in self._words]
        if not fresh:
            return
        self._file.append(fresh)
        self._follow()

    def __contains__(self, word: str) -> bool:
        self._follow()
        return word in self._words

    def corrections(self, word: str, distance: int) -> Sequence[str]:
        """The nearest words of the catalogue, or the word itself where it has it or has nothing near.

        Only words that begin with the same letter count if there are any: that letter is rarely the wrong one
        (Pollock and Zamora, "Automatic spelling correction in scientific and scholarly text", CACM 1984).

        Args:
            word: As `query_tokens` gives it.
            distance: The most letters that may be inserted, deleted, replaced or swapped with their neighbour.
        """
        self._follow()
        if word in self._words:
            return [word]
        from rapidfuzz import process
        from rapidfuzz.distance import OSA

        near = process.extract(word, self._list, scorer=OSA.distance, score_cutoff=distance, limit=None)
        if not near:
            return [word]
        best = min(found for _, found, _ in near)
        closest = sorted(other for other, found, _ in near if found == best)
        return ([other for other in closest if other[0] == word[0]] or closest)[:MAX_CORRECTIONS]

    def _follow(self) -> None:
        """Read what was appended since the last time, whole lines only."""
        with self._reading:  # searches run in many threads
            fresh = [word for word in self._file.fresh() if word and word not in self._words]
            self._words.update(fresh)
            self._list.extend(fresh)
