"""What an embedded index knows of its catalogue's words; meets the protocol `aisle.words.CatalogueWords`."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence

from aisle.indexes.bm25 import WordSearch
from aisle.indexes.chinese_words import ChineseWords
from aisle.indexes.kept import Kept
from aisle.indexes.segment import icu_words, query_tokens
from aisle.language.script import has_han
from aisle.words import Sounding

MAX_HAD = 10_000
"""Names of which it is remembered whether a product has them: other names of things come again and again."""


class WordsOfTable:
    """The words in the two files beside a table, and the table's own search for what they leave open.

    Args:
        search: Asked whether a product has several words together; its vocabulary has the words that are not Chinese.
        chinese: The words that are.
    """

    def __init__(self, search: WordSearch, chinese: ChineseWords) -> None:
        self.search = search
        self.vocabulary = search.vocabulary
        self.chinese = chinese
        self._had: Kept[str, bool] = Kept(MAX_HAD)

    def add(self, texts: Iterable[str]) -> None:
        """Note the words of these texts. Call with the writer's lock held, before the products are written."""
        texts = list(texts)
        self.vocabulary.add(texts)
        self.chinese.add(texts)

    def cut(self, text: str) -> Sequence[str]:
        """The words of Chinese text as ICU's dictionary cuts it."""
        return icu_words(text)

    def has(self, text: str) -> bool:
        """Whether some product has every token of the text in one field."""
        return text in self.having([text])

    def having(self, texts: Collection[str]) -> Collection[str]:
        """Those of these texts of which some product has every token in one field."""
        version = self.search.snapshots.version()
        known = self._had.among(version, texts)
        new = {text: self._has(query_tokens(text)) for text in texts if text not in known}
        if new:
            self._had.keep(version, new)
            known |= new
        return [text for text, had in known.items() if had]

    def _has(self, tokens: Sequence[str]) -> bool:
        if not tokens:
            return True
        if any(token.isalpha() and not has_han(token) and token not in self.vocabulary for token in tokens):
            return False
        if any(map(has_han, tokens)) and not len(self.chinese):
            return False
        if len(tokens) == 1 and tokens[0] in self.vocabulary:
            return True
        return self.search.has_together(tokens)

    def has_word(self, word: str) -> bool:
        """Whether this is one of the Chinese words that ``sounding`` knows."""
        return word in self.chinese

    def sounding(self, sound: str, *, loosely: bool = False) -> Sequence[Sounding]:
        """The catalogue's Chinese words that sound like this; see `aisle.words.CatalogueWords`."""
        return self.chinese.sounding(sound, loosely=loosely)
