"""Text to token ids: English WordPiece alone, or with Chinese beside it.

For an encoder that reads both, runs of Chinese characters go to a unigram model over words and characters (`han.json`),
everything else to the English WordPiece (`tokenizer.json`), unchanged: a text without Chinese is cut as it always was.
Knows no vectors.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import regex

from aisle.errors import ArtifactError
from aisle.language.chinese import simplify

if TYPE_CHECKING:
    from tokenizers import Tokenizer

ENGLISH_FILE, HAN_FILE = "tokenizer.json", "han.json"
UNKNOWN = "[UNK]"
HAN_RUN = regex.compile(r"\p{Han}+")
_ORNAMENT = regex.compile(r"[\p{So}\p{Sk}\p{Cs}【】《》〈〉「」『』〔〕（）［］，。、！？；：“”‘’…—～·|｜★☆◆●■▲]+")
"""What sellers put around Chinese words and English never had: blanks to the encoder."""
_WIDE = {0xFF01 + place: 0x21 + place for place in range(94) if chr(0x21 + place).isalnum()}
"""Full-width letters and digits, as Chinese input methods leave them, to what they are."""


class WordPieceTokenizer:
    """Ids of `tokenizer.json`.

    Args:
        folder: Where it is.
        max_tokens: The longest sequence ``ids`` gives, the two special tokens included.

    Raises:
        ArtifactError: The file is missing or damaged.
    """

    def __init__(self, folder: Path, max_tokens: int) -> None:
        self._counter, self._tokenizer = _read(folder / ENGLISH_FILE), _read(folder / ENGLISH_FILE)
        self._tokenizer.enable_truncation(max_tokens)

    def ids(self, texts: Sequence[str]) -> list[list[int]]:
        """Each text's ids, special tokens included, cut to ``max_tokens``."""
        return [found.ids for found in self._tokenizer.encode_batch_fast(list(texts))]

    def count(self, text: str) -> int:
        """How many ids the whole text takes, the two special ones included."""
        return len(self._counter.encode(text).ids)


class BilingualTokenizer:
    """Ids of `tokenizer.json` for what is not Chinese, ids from ``han_offset`` on for what is.

    Args:
        folder: Where both files are.
        han_offset: The id of the first Chinese row.
        max_tokens: The longest sequence ``ids`` gives, the two special tokens included.

    Raises:
        ArtifactError: A file is missing or damaged.
    """

    def __init__(self, folder: Path, han_offset: int, max_tokens: int) -> None:
        self._english = _read(folder / ENGLISH_FILE)
        self._han = _read(folder / HAN_FILE)
        self._offset = han_offset
        self._max_tokens = max_tokens
        frame = self._english.encode_batch_fast([""])[0].ids
        if len(frame) != 2:
            raise ArtifactError(
                f"{str(folder / ENGLISH_FILE)!r} puts {len(frame)} special tokens around a text",
                allowed="two, such as [CLS] and [SEP]",
                fix="make the encoder again",
            )
        self._first, self._last = frame
        self._unknown = _unknown(self._english, folder / ENGLISH_FILE)
        self._han_unknown = _unknown(self._han, folder / HAN_FILE)

    def ids(self, texts: Sequence[str]) -> list[list[int]]:
        """Each text's ids, special tokens included, cut to ``max_tokens``."""
        return [self._frame(pieces[: self._max_tokens - 2]) for pieces in self.pieces(texts)]

    def count(self, text: str) -> int:
        """How many ids the whole text takes, the two special ones included."""
        return len(self.pieces([text])[0]) + 2

    def pieces(self, texts: Sequence[str]) -> list[list[int]]:
        """Each text's ids, without special tokens and uncut; full-width letters are read as letters."""
        runs = [_runs(text.translate(_WIDE)) for text in texts]
        english = self._pieces(self._english, [part for text in runs for part, han in text if not han])
        han = self._pieces(self._han, [part for text in runs for part, han in text if han])
        found: list[list[int]] = []
        for text in runs:
            ids: list[int] = []
            for _, is_han in text:
                ids.extend(map(self._han_id, next(han)) if is_han else next(english))
            found.append(ids)
        return found

    def _frame(self, pieces: list[int]) -> list[int]:
        return [self._first, *pieces, self._last]

    def _han_id(self, number: int) -> int:
        return self._unknown if number == self._han_unknown else self._offset + number

    @staticmethod
    def _pieces(tokenizer: Tokenizer, parts: list[str]) -> Iterator[list[int]]:
        return (found.ids for found in tokenizer.encode_batch_fast(parts, add_special_tokens=False))


def _runs(text: str) -> list[tuple[str, bool]]:
    """The text in pieces: ``(piece, whether it is Chinese)``."""
    if text.isascii() or HAN_RUN.search(text) is None:
        return [(text, False)]
    text = _ORNAMENT.sub(" ", simplify(text))
    found: list[tuple[str, bool]] = []
    last = 0
    for run in HAN_RUN.finditer(text):
        between = text[last : run.start()]
        if between and not between.isspace():
            found.append((between, False))
        found.append((run[0], True))
        last = run.end()
    if text[last:].strip():
        found.append((text[last:], False))
    return found


def _read(path: Path) -> Tokenizer:
    from tokenizers import Tokenizer

    try:
        return Tokenizer.from_file(str(path))
    except Exception as error:  # tokenizers raises nothing narrower
        raise ArtifactError(f"cannot read {str(path)!r}: {error}", fix="make the encoder again") from None


def _unknown(tokenizer: Tokenizer, path: Path) -> int:
    number = tokenizer.token_to_id(UNKNOWN)
    if number is None:
        raise ArtifactError(f"{str(path)!r} has no {UNKNOWN}", fix="make the encoder again")
    return int(number)
