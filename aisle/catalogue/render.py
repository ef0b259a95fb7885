"""A product becomes the text that an encoder reads: fields in a declared order, cut at a token budget.

Knows nothing of encoders but how they count tokens. Price, stock and ratings are no fields here, so that a change of
them never asks for a new vector.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator
from hashlib import blake2b

import regex

from aisle.config import RenderSettings
from aisle.errors import RecipeError
from aisle.types import AttributeValue, Product

RENDERER_VERSION = "1"
"""Part of every index's fingerprint; raise it whenever the same product and settings give another text."""

FIELDS = ("title", "brand", "category", "description", "identifiers", "attributes")
_ATTRIBUTE = "attributes."
_CHARACTERS_PER_TOKEN = 6
"""A first guess only, a little above English's 5; the encoder's own count decides."""
_CJK = r"[\p{Han}\p{Hiragana}\p{Katakana}]"
_BOUNDARY = regex.compile(rf"(?<=\S)(?=\s)|(?<={_CJK}\p{{M}}*+)(?=[^\s\p{{M}}])|(?<=\S)(?={_CJK})|(?<=\S)\Z")
_WORD = regex.compile(r"[\p{Latin}\p{N}]")
_GRAPHEME = regex.compile(r"\X")


class Renderer:
    """Turns products into texts of at most ``settings.max_tokens`` tokens.

    Args:
        settings: Which fields, in which order, and the budget.
        count_tokens: How many tokens a text takes of the encoder's input.

    Raises:
        RecipeError: A field is unknown.
    """

    def __init__(self, settings: RenderSettings, count_tokens: Callable[[str], int]) -> None:
        for field in settings.fields:
            if field not in FIELDS and not (field.startswith(_ATTRIBUTE) and field != _ATTRIBUTE):
                raise RecipeError(
                    f"setting 'render.fields': unknown field {field!r}",
                    allowed=f"{', '.join(FIELDS)}, attributes.NAME",
                    fix="correct the field, or leave it out",
                )
        self.settings = settings
        self._count = count_tokens
        self._named = {field.removeprefix(_ATTRIBUTE) for field in settings.fields if field.startswith(_ATTRIBUTE)}

    @property
    def fingerprint(self) -> str:
        """Changes whenever the same product could get another text."""
        return f"{RENDERER_VERSION}:{self.settings.max_tokens}:{','.join(self.settings.fields)}"

    def text(self, product: Product) -> str:
        """The product's fields in order, joined by blanks; what exceeds the budget is cut at the end of a word.

        Chinese and Japanese, written without blanks, are cut between characters. Brand and description
        are left out when the title is a field and has them already, word for word.
        """
        parts = (part for field in self.settings.fields for part in self._parts(product, field))
        return self._cut(" ".join(" ".join(parts).split()))

    def hash(self, text: str) -> str:
        """32 hexadecimal digits that change with the text or the renderer's version."""
        return blake2b(f"{RENDERER_VERSION}\0{text}".encode(errors="surrogatepass"), digest_size=16).hexdigest()

    def _parts(self, product: Product, field: str) -> Iterator[str]:
        if field == "title":
            yield product.title
        elif field == "brand":
            if not ("title" in self.settings.fields and _contains(product.title, product.brand)):
                yield product.brand
        elif field == "category":
            yield from product.category
        elif field == "description":
            if not ("title" in self.settings.fields and _contains(product.title, product.description)):
                yield product.description
        elif field == "identifiers":
            yield from product.identifiers
        elif field == "attributes":
            for name in sorted(product.attributes.keys() - self._named):
                yield from _attribute(name, product.attributes[name])
        else:
            name = field.removeprefix(_ATTRIBUTE)
            if name in product.attributes:
                yield from _attribute(name, product.attributes[name])

    def _cut(self, text: str) -> str:
        """The longest beginning, ending with a word, that fits the budget."""
        budget = self.settings.max_tokens
        window = budget * _CHARACTERS_PER_TOKEN
        while (tokens := self._count(text[:window])) <= budget:
            if window >= len(text):
                return text
            window *= 2
        head = text[:window]
        words = [match.start() for match in _BOUNDARY.finditer(head)]
        return self._longest(head, words, tokens) or self._longest(
            head, [match.end() for match in _GRAPHEME.finditer(head)], tokens
        )

    def _longest(self, text: str, ends: list[int], tokens: int) -> str:
        """The longest ``text[:end]`` within the budget; empty when none is. The whole text has ``tokens``.

        Counting is the slow part, so the search tries the place where the budget would end if tokens were spread
        evenly between the two nearest places known, which needs about half the counts of bisection.
        """
        budget = self.settings.max_tokens
        fits, exceeds = -1, len(ends)
        start, fitting, end, exceeding = 0, 0, len(text), tokens
        while exceeds - fits > 1:
            guess = start + (end - start) * (budget - fitting) // (exceeding - fitting)
            middle = min(max(bisect_right(ends, guess) - 1, fits + 1), exceeds - 1)
            tokens = self._count(text[: ends[middle]])
            if tokens <= budget:
                fits, start, fitting = middle, ends[middle], tokens
            else:
                exceeds, end, exceeding = middle, ends[middle], tokens
        return text[: ends[fits]] if fits >= 0 else ""


def _contains(title: str, part: str) -> bool:
    """Whether the title has the part as whole words, whatever its case; in scripts without blanks, anywhere."""
    title, part = title.casefold(), part.casefold()
    at = title.find(part) if part else -1
    while at >= 0:
        before, after = title[at - 1 : at], title[at + len(part) : at + len(part) + 1]
        if not _WORD.fullmatch(before) and not _WORD.fullmatch(after):
            return True
        at = title.find(part, at + 1)
    return False


def _attribute(name: str, value: AttributeValue) -> Iterator[str]:
    """As "name value"; a true one is its name, a false one is left out."""
    name = name.replace("_", " ")
    if value is True:
        yield name
    elif isinstance(value, tuple):
        yield f"{name} {', '.join(value)}"
    elif isinstance(value, float):
        yield f"{name} {value:g}"
    elif isinstance(value, str):
        yield f"{name} {value}"
