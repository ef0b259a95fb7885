r"""Filter text to filters, by recursive descent.

::

    or          := and ("OR" and)*
    and         := unary ("AND" unary)*
    unary       := "NOT" unary | "(" or ")" | "*" | "EXISTS" field | comparison
    comparison  := field ("=" | "!=" | "<" | "<=" | ">" | ">=") value
                 | field ["NOT"] "IN" "(" value ("," value)* ")"
                 | field "BETWEEN" number "AND" number
                 | field ":" number ".." number        either may be left out
                 | "category" "UNDER" value            path parts separated by ">" (or "\>" for the sign itself)

Knows nothing of indexes: whether an attribute exists is theirs to say.
"""

from __future__ import annotations

import math
from typing import cast

import regex

from aisle.errors import FilterError
from aisle.filters.fields import ATTRIBUTE_PREFIX, PRODUCT_FIELDS, TEXT_FIELDS, check_value, resolve, squeeze
from aisle.filters.lexer import Token, fail, tokens
from aisle.types import And, Compare, Comparison, Exists, Filter, In, Not, Or, Scalar, Sort, Under

MAX_DEPTH = 50
MAX_CONDITIONS = 2_000
_COMPARISONS = ("=", "!=", "<", "<=", ">", ">=")
_NUMBER = regex.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")
_RANGE = regex.compile(r"(?P<low>.*?)\.\.(?P<high>.*)")
_PATH = regex.compile(r"(?<!\\)(?:\\\\)*\K>")


def parse_filter(text: str) -> Filter:
    """Parse a filter expression.

    Raises:
        FilterError: The text is no filter; says at which column and shows an example.
    """
    parser = _Parser(text)
    if parser.ended():
        fail(text, 1, "the filter is empty")
    found = parser.any_of(0)
    if not parser.ended():
        parser.unexpected("AND, OR or the end")
    return found


def parse_sort(text: str) -> tuple[Sort, ...]:
    """Parse ``FIELD[:asc|desc],...``, such as ``price:desc,id``.

    Raises:
        FilterError: The text is no sort order.
    """
    parser = _Parser(text, "for example: price:desc,id")
    found = [parser.sort_key()]
    while parser.take_symbol(","):
        found.append(parser.sort_key())
    if not parser.ended():
        parser.unexpected("a comma or the end")
    return tuple(found)


def parse_field(text: str) -> str:
    """Read a field's name as it stands (``weight (kg)``), or in backquotes as filters and sort orders have it.

    Raises:
        FilterError: A backquote is not closed, or something stands behind it.
    """
    if not text.lstrip().startswith("`"):
        return text
    parser = _Parser(text, "for example: brand, or `weight (kg)`")
    name = parser.field()
    if not parser.ended():
        parser.unexpected("the end")
    return name


class _Parser:
    def __init__(self, text: str, example: str | None = None) -> None:
        self.text = text
        self.example = example
        self.tokens = tokens(text)
        self.at = 0
        self.conditions = 0

    @property
    def here(self) -> Token:
        return self.tokens[self.at]

    def ended(self) -> bool:
        return self.here.kind == "end"

    def take(self) -> Token:
        token = self.here
        self.at += token.kind != "end"
        return token

    def take_symbol(self, *symbols: str) -> Token | None:
        return self.take() if self.here.is_symbol(*symbols) else None

    def take_word(self, *words: str) -> bool:
        return self.take() is not None if self.here.is_word(*words) else False

    def unexpected(self, wanted: str, fix: str | None = None) -> None:
        token = self.here
        found = "the text ends" if token.kind == "end" else f"found {token.text[:40]!r}"
        fail(self.text, token.column, f"{found} where {wanted} is expected", fix=fix or self.example)

    def expect(self, symbol: str, wanted: str) -> None:
        if not self.take_symbol(symbol):
            self.unexpected(wanted)

    # --- the grammar, outermost first ---

    def any_of(self, depth: int) -> Filter:
        parts = [self.all_of(depth)]
        while self.take_word("OR"):
            parts.append(self.all_of(depth))
        return parts[0] if len(parts) == 1 else Or(tuple(parts))

    def all_of(self, depth: int) -> Filter:
        parts = [self.unary(depth)]
        while self.take_word("AND"):
            parts.append(self.unary(depth))
        return parts[0] if len(parts) == 1 else And(tuple(parts))

    def unary(self, depth: int) -> Filter:
        if depth > MAX_DEPTH:
            fail(self.text, self.here.column, "parentheses and NOT are nested too deep", allowed=f"{MAX_DEPTH} levels")
        if self.here.is_word("NOT") and not self.names_a_field():
            self.take()
            return Not(self.unary(depth + 1))
        if self.take_symbol("("):
            inner = self.any_of(depth + 1)
            self.expect(")", "a closing parenthesis")
            return inner
        if self.take_symbol("*"):
            return And(())
        if self.here.is_word("EXISTS") and not self.names_a_field():
            self.take()
            return Exists(self.field())
        return self.comparison()

    def names_a_field(self) -> bool:
        """Whether the keyword here is an attribute's name after all: ``not = 5``."""
        return self.tokens[self.at + 1].is_symbol(*_COMPARISONS, ":")

    def comparison(self) -> Filter:
        self.conditions += 1
        if self.conditions > MAX_CONDITIONS:
            fail(self.text, self.here.column, "too many conditions", allowed=f"{MAX_CONDITIONS:,}; lists use IN (...)")
        column = self.here.column
        field = self.field()
        if operator := self.take_symbol(*_COMPARISONS):
            return self.compare(field, operator.text, self.value(field), column)
        if self.here.is_word("NOT", "IN"):
            negated = self.take_word("NOT")
            if not self.take_word("IN"):
                self.unexpected("IN")
            found = In(field, self.values(field, column))
            return Not(found) if negated else found
        if self.take_word("BETWEEN"):
            low = self.value(field)
            if not self.take_word("AND"):
                self.unexpected("AND")
            return And((self.compare(field, ">=", low, column), self.compare(field, "<=", self.value(field), column)))
        if self.take_symbol(":"):
            return self.range(field, column)
        if self.here.is_word("UNDER"):
            return self.under(field)
        self.unexpected("a comparison such as = or <", fix=f"for example: {field} = red")
        raise AssertionError

    def under(self, field: str) -> Under:
        if field != "category":
            fail(self.text, self.here.column, f"UNDER works on category only, not on {field!r}")
        self.take()
        token = self.operand()
        path = tuple(part for raw in _PATH.split(token.text) if (part := _unescape_path(squeeze(raw))))
        if not path:
            fail(self.text, token.column, "the category path is empty", fix='category UNDER "Electronics > Phones"')
        return Under(path)

    def range(self, field: str, column: int) -> Filter:
        token = self.operand()
        match = _RANGE.fullmatch(token.text)
        if match is None or not (match["low"] or match["high"]):
            fail(self.text, token.column, f"{token.text[:40]!r} is no range", fix=f"{field}:10..20, or {field} = ...")
        bounds = [(">=", match["low"]), ("<=", match["high"])]
        parts = tuple(self.compare(field, op, bound, column) for op, bound in bounds if bound)
        return parts[0] if len(parts) == 1 else And(parts)

    def compare(self, field: str, op: str, value: Scalar, column: int) -> Compare:
        return Compare(field, cast(Comparison, op), self.checked(field, op, value, column))

    def checked(self, field: str, op: str, value: Scalar, column: int) -> Scalar:
        try:
            return check_value(field, op, value)
        except FilterError as error:
            raise FilterError(
                f"filter, column {column}: {error.received}", allowed=error.allowed, fix=error.fix
            ) from None

    def values(self, field: str, column: int) -> tuple[Scalar, ...]:
        self.expect("(", "an opening parenthesis")
        found = [self.checked(field, "=", self.value(field), column)]
        while self.take_symbol(","):
            found.append(self.checked(field, "=", self.value(field), column))
        self.expect(")", "a comma or a closing parenthesis")
        return tuple(found)

    def value(self, field: str) -> Scalar:
        token = self.operand()
        attribute, name = resolve(field)
        if token.kind == "string" or (not attribute and name in TEXT_FIELDS):
            return token.text
        if token.text.lower() in {"true", "false"}:
            return token.text.lower() == "true"
        if _NUMBER.fullmatch(token.text):
            number = float(token.text)
            if not math.isfinite(number):
                fail(self.text, token.column, f"{token.text[:40]} is too large a number")
            return number
        return token.text

    def operand(self) -> Token:
        token = self.here
        if token.kind not in {"word", "string"} or token.is_word("AND", "OR", "NOT"):
            self.unexpected("a value")
        self.take()
        if token.kind == self.here.kind == "word" and not self.here.is_word("AND", "OR"):
            both = f"{token.text} {self.here.text}"[:60]
            self.unexpected("AND, OR or the end", fix=f'a value with blanks needs quotes: "{both}"')
        return token

    def field(self) -> str:
        token = self.here
        if token.kind not in {"word", "string", "name"} or not squeeze(token.text):
            self.unexpected("a field name")
        if token.kind == "word" and _NUMBER.fullmatch(token.text):
            self.unexpected("a field name", fix=f"an attribute called {token.text[:20]!r} needs backquotes")
        self.take()
        name = squeeze(token.text)
        if name.casefold() in PRODUCT_FIELDS:
            return name.casefold()
        if name.startswith(ATTRIBUTE_PREFIX):
            bare = name[len(ATTRIBUTE_PREFIX) :].strip()
            if not bare:
                fail(self.text, token.column, "the attribute has no name")
            collides = bare in PRODUCT_FIELDS or bare.startswith(ATTRIBUTE_PREFIX)
            return ATTRIBUTE_PREFIX + bare if collides else bare
        return name

    def sort_key(self) -> Sort:
        name = self.field()
        descending = False
        if self.take_symbol(":"):
            if not self.here.is_word("ASC", "DESC"):
                self.unexpected("asc or desc")
            descending = self.take().is_word("DESC")
        return Sort(name, descending)


def _unescape_path(part: str) -> str:
    return part.replace("\\>", ">").replace("\\\\", "\\")
