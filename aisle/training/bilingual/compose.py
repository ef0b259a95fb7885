"""Pseudo-titles with queries and English twins, composed from terms: what a shop's own titles would teach.

A composed title piles words up as sellers do: brand, qualities, the thing by one or several of its names, sizes,
slogans, with or without blanks. A query names the thing and some of its qualities, often by another name. Both come
with the English that says the same, so one pair teaches search within Chinese and across. One brand in five is made
up, so that letters count where no word is known. Seeded; knows terms, no model.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import regex

from aisle.training.bilingual.sources import Term, Title

_WORDS = regex.compile(r"\p{Han}+|[[\p{L}\p{N}]--\p{Han}][[\p{L}\p{N}.\-]--\p{Han}]*", regex.VERSION1)
_HAN = regex.compile(r"\p{Han}")
_SYLLABLES = tuple(c + v + e for c in "bcdfghjklmnprstvwxyz" for v in "aeiou" for e in ("", "n", "r", "x", "l"))
_UNITS = (
    "ml",
    "g",
    "kg",
    "cm",
    "mm",
    "寸",
    "米",
    "升",
    "L",
    "W",
    "V",
    "件装",
    "个装",
    "只",
    "片",
    "码",
    "支",
    "包",
    "岁",
)
_ENGLISH_UNIT = {
    "寸": "inch", "米": "m", "升": "L", "件装": "pcs", "个装": "pcs", "只": "pcs", "片": "pieces",
    "码": "size", "支": "pcs", "包": "packs", "岁": "years old",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Example:
    """A query and a title it should find, in both languages; English ones may be empty.

    ``thing`` names the noun and ``wanted`` the qualities the query asks for, ``has`` those of the title: a title of the
    same thing with all that is wanted is no negative.
    """

    query: str
    title: str
    query_en: str
    title_en: str
    thing: int = -1
    wanted: frozenset[str] = frozenset()
    has: frozenset[str] = frozenset()

    def satisfied_by(self, other: Example) -> bool:
        """Whether the other's title answers this query, as far as composition knows."""
        return self.thing >= 0 and self.thing == other.thing and self.wanted <= other.has


class Composer:
    """Makes examples from terms.

    Args:
        nouns: Things, with the weight of each.
        attributes: Qualities.
        brands: Brands.
        slogans: Words that sellers add, ``(zh, en)``.
        seed: The same seed and terms give the same examples.
    """

    def __init__(
        self,
        nouns: Sequence[tuple[Term, float]],
        attributes: Sequence[Term],
        brands: Sequence[Term],
        slogans: Sequence[tuple[str, str]],
        seed: int,
    ) -> None:
        self._random = random.Random(seed)
        self._nouns = [term for term, _ in nouns]
        self._weights = [weight for _, weight in nouns]
        self._slogans = slogans
        self._attributes = _by_field(attributes)
        self._brands = _by_field(brands)
        self._all_attributes, self._all_brands = list(attributes), list(brands)
        self._characters = sorted({c for term in brands for name in term.zh for c in name if _HAN.match(c)})
        self._near: dict[str, list[int]] = defaultdict(list)
        for number, term in enumerate(self._nouns):
            self._near[term.field].append(number)

    def examples(self, count: int, again: float = 0.35) -> list[Example]:
        """``count`` examples; with probability ``again`` an example is of the same thing as the one before it."""
        chance = self._random
        found: list[Example] = []
        things = iter(chance.choices(range(len(self._nouns)), self._weights, k=count))
        thing = next(things)
        while len(found) < count:
            found.append(self._example(thing))
            if chance.random() > again:
                thing = next(things, thing)
        return found

    def _example(self, thing: int) -> Example:
        chance, noun = self._random, self._nouns[thing]
        attributes = self._some(
            self._attributes, self._all_attributes, noun.field, chance.choice((0, 1, 1, 2, 2, 3, 4))
        )
        made_up = self._made_up() if chance.random() < 0.2 else None
        brand = (
            []
            if made_up
            else self._some(self._brands, self._all_brands, noun.field, 1 if chance.random() < 0.45 else 0)
        )
        sizes = [self._size() for _ in range(chance.choice((0, 0, 1, 1, 2)))]
        slogans = chance.sample(self._slogans, chance.choice((0, 1, 2, 3, 4)))
        names = [chance.choice(noun.zh)]
        if chance.random() < 0.3:
            names = list(noun.zh[:3])
        qualities = [(chance.choice(t.zh), chance.choice(t.en), t.en[0]) for t in [*brand, *attributes]]
        if made_up:
            qualities.insert(0, (made_up, made_up if made_up.isascii() else "", made_up))
        pieces = [zh for zh, _, _ in qualities] + [size for size, _ in sizes] + [zh for zh, _ in slogans]
        first = pieces[:1] if (brand or made_up) and chance.random() < 0.7 else []
        rest = pieces[len(first) :]
        chance.shuffle(rest)
        cut = chance.randint(0, len(rest))
        if chance.random() < 0.2:  # a related thing in the same title
            rest.append(chance.choice(self._nouns[chance.choice(self._near[noun.field])].zh))
        title = _join([*first, *rest[:cut], *names, *rest[cut:]], chance)
        english = [en for _, en, _ in qualities if en] + [chance.choice(noun.en)]
        english += [en for _, en in sizes] + [en for _, en in slogans[:2]]
        wanted = [quality for quality in qualities if chance.random() < 0.4][:3]
        sized = [size for size in sizes if chance.random() < 0.25]
        query = self._query([zh for zh, _, _ in wanted] + [zh for zh, _ in sized], chance.choice(noun.zh))
        query_en = " ".join([*(en for _, en, _ in wanted if en), chance.choice(noun.en), *(en for _, en in sized)])
        has = frozenset(key for _, _, key in qualities) | {size for size, _ in sizes}
        asked = frozenset(key for _, _, key in wanted) | {size for size, _ in sized}
        return Example(query, title, "" if made_up in asked else query_en, " ".join(english), thing, asked, has)

    def _made_up(self) -> str:
        """A brand that nobody knows: only its letters can tell that query and title mean the same one."""
        chance = self._random
        if chance.random() < 0.6:
            return "".join(chance.choices(self._characters, k=chance.choice((2, 2, 3))))
        parts = chance.choices(_SYLLABLES, k=chance.choice((2, 2, 3)))
        return "".join(parts)

    def _query(self, qualities: list[str], noun: str) -> str:
        chance = self._random
        chance.shuffle(qualities)
        words = [*qualities, noun] if chance.random() < 0.75 else [noun, *qualities]
        return ("" if chance.random() < 0.8 else " ").join(words)

    def _some(
        self, by_field: Mapping[str, Sequence[Term]], every: Sequence[Term], field: str, count: int
    ) -> list[Term]:
        chance = self._random
        near = by_field.get(field, ())
        return [chance.choice(near if near and chance.random() < 0.8 else every) for _ in range(count)]

    def _size(self) -> tuple[str, str]:
        chance = self._random
        kind = chance.random()
        if kind < 0.5:
            number, unit = chance.choice((chance.randint(1, 30), chance.randint(1, 60) * 10)), chance.choice(_UNITS)
            english = _ENGLISH_UNIT.get(unit, unit)
            return f"{number}{unit}", f"{number}{english}" if english == unit else f"{number} {english}"
        letters = "".join(chance.choices("ABCDEFGHKLMNPRSTVXZ", k=chance.choice((1, 1, 2, 2, 3))))
        code = letters + chance.choice(("", "", "-")) + str(chance.randint(1, 9999))
        return (code, code) if chance.random() < 0.8 else (f"{chance.randint(2, 200)}*{chance.randint(2, 200)}",) * 2


def from_titles(titles: Sequence[Title], seed: int) -> list[Example]:
    """Each written title with one of its queries, and with a piece of itself as another."""
    chance = random.Random(seed)
    found: list[Example] = []
    for title in titles:
        found.extend(Example(query, title.zh, "", title.en) for query in title.queries)
        found.append(Example(fragment(title.zh, chance), title.zh, "", title.en))
    return found


def fragment(text: str, chance: random.Random) -> str:
    """A few words of a text as a query: Chinese in pieces of two to six characters, other words whole."""
    words = _WORDS.findall(text)
    if not words:
        return text
    at = chance.randrange(len(words))
    found = []
    for word in words[at : at + chance.randint(1, 3)]:
        if len(word) > 6 and regex.match(r"\p{Han}", word):
            length = chance.randint(2, 6)
            start = chance.randint(0, len(word) - length)
            word = word[start : start + length]
        found.append(word)
    return _glue(found, blanks=False)


def translated(texts: Iterable[str], names: Mapping[str, Sequence[str]], seed: int) -> list[Example]:
    """English titles with the words that have a Chinese name put into Chinese: cross-border pairs without a query.

    Args:
        texts: English titles.
        names: Lower-case English name, of up to four words, to its Chinese ones.
        seed: Which of several names is taken.
    """
    chance = random.Random(seed)
    found = []
    for text in texts:
        words = text.split()
        out: list[str] = []
        at = changed = 0
        while at < len(words):
            for length in (4, 3, 2, 1):
                name = " ".join(words[at : at + length]).lower().strip(",.;:()")
                zh = names.get(name) or names.get(name.removesuffix("s"))
                if zh and len(name) > 2:
                    out.append(chance.choice(zh))
                    at, changed = at + length, changed + 1
                    break
            else:
                out.append(words[at])
                at += 1
        if changed:
            found.append(Example(fragment(text, chance), _glue(out, chance.random() < 0.5), "", text))
    return found


def _by_field(terms: Iterable[Term]) -> dict[str, list[Term]]:
    found: dict[str, list[Term]] = defaultdict(list)
    for term in terms:
        found[term.field].append(term)
    return found


def _glue(words: Sequence[str], blanks: bool) -> str:
    """Words in one title, with blanks everywhere or only where two Latin ones meet."""
    text = ""
    for word in words:
        text += (" " if text and (blanks or (text[-1].isascii() and word[0].isascii())) else "") + word
    return text


def _join(pieces: Sequence[str], chance: random.Random) -> str:
    """Piled up as sellers do: mostly without blanks, words of Latin letters kept apart."""
    blanks = chance.choice((0.0, 0.0, 0.15, 0.5, 1.0))
    text = ""
    for piece in pieces:
        apart = text and (chance.random() < blanks or (text[-1].isascii() and piece[0].isascii()))
        text += (" " if apart else "") + piece
    return text
