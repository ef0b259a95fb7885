"""Filter text to tokens, each with its column. Knows no grammar."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NoReturn

import regex

from aisle.errors import FilterError

MAX_CHARS = 20_000
EXAMPLE = 'price < 500 AND brand IN ("HP", Dell) AND NOT colour = red'

Kind = Literal["word", "string", "name", "symbol", "end"]

_TOKEN = regex.compile(
    r"""(?P<blank>\s+)
      |"(?P<double>(?:[^"\\]|\\.)*)"
      |'(?P<single>(?:[^'\\]|\\.)*)'
      |`(?P<back>(?:[^`\\]|\\.)*)`
      |(?P<symbol><=|>=|!=|<>|==|[=<>≤≥≠(),:*])
      |(?P<word>[^\s"'`=<>≤≥≠!(),:;*]+)
    """,
    regex.VERBOSE | regex.DOTALL,
)
_SAME = {"<>": "!=", "==": "=", "≤": "<=", "≥": ">=", "≠": "!="}
_ESCAPE = regex.compile(r"\\(.)", regex.DOTALL)
_ESCAPED = {"n": "\n", "t": "\t"}


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of the text; ``text`` is without quotes and escapes, ``column`` counts from 1."""

    kind: Kind
    text: str
    column: int

    def is_word(self, *words: str) -> bool:
        """Whether this is one of the keywords, in any case."""
        return self.kind == "word" and self.text.upper() in words

    def is_symbol(self, *symbols: str) -> bool:
        """Whether this is one of the symbols."""
        return self.kind == "symbol" and self.text in symbols


def fail(text: str, column: int, problem: str, *, allowed: str | None = None, fix: str | None = None) -> NoReturn:
    """Raise a FilterError that shows where in the text the problem is."""
    start = max(0, column - 30)
    shown = ("..." if start else "") + text[start : column + 40] + ("..." if len(text) > column + 40 else "")
    raise FilterError(
        f"filter, column {column}: {problem}, in {shown!r}", allowed=allowed, fix=fix or f"for example: {EXAMPLE}"
    )


def tokens(text: str) -> list[Token]:
    """Split filter text.

    Raises:
        FilterError: The text is too long, a quote is not closed, or a character means nothing here.
    """
    if len(text) > MAX_CHARS:
        fail(text, 1, f"the text has {len(text):,} characters", allowed=f"at most {MAX_CHARS:,}")
    found: list[Token] = []
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            _unreadable(text, at)
        kind, piece = match.lastgroup, match.group(match.lastgroup or 0)
        if kind in {"double", "single"}:
            found.append(Token("string", _unescape(piece), at + 1))
        elif kind == "back":
            found.append(Token("name", _unescape(piece), at + 1))
        elif kind == "symbol":
            found.append(Token("symbol", _SAME.get(piece, piece), at + 1))
        elif kind == "word":
            found.append(Token("word", piece, at + 1))
        at = match.end()
    found.append(Token("end", "", len(text) + 1))
    return found


def _unescape(text: str) -> str:
    return _ESCAPE.sub(lambda match: _ESCAPED.get(match[1], match[1]), text)


def _unreadable(text: str, at: int) -> NoReturn:
    character = text[at]
    if character in "\"'`":
        fail(text, at + 1, f"the quote {character} is not closed", fix="close it, or write a backslash before it")
    fail(text, at + 1, f"{character!r} means nothing here", allowed="= != < <= > >= ( ) , AND OR NOT IN UNDER EXISTS")
