"""Slips of the hand and spellings by ear, in words of Latin letters. Codes, sizes and short words are left alone.

    adjacent-key   charger -> chargwr        transposed   charger -> chrager
    missing-letter charger -> chager         doubled-letter charger -> charrger
    phonetic       philips -> filips         typos        one of the first four, as often as people make them

The grade keeps: the shopper meant the word that was there. Knows no catalogue, so a slip may give another word
("sink" for "silk"); that is what shoppers type, too.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from random import Random

import regex

from aisle.augment.change import BOTH, Effect, Side
from aisle.augment.text.words import pick, replaced, spelled

LEAST = 4
"""Letters of a word that may be misspelt."""
_ROWS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
_SHIFT = (0.0, 0.25, 0.75)
_REACH = 1.2
"""Keys whose middles are nearer, in widths of a key, are neighbours: 1 beside, 1.03 or 1.12 above or below."""


def _neighbours() -> dict[str, str]:
    place = {
        letter: (column + _SHIFT[row], float(row))
        for row, keys in enumerate(_ROWS)
        for column, letter in enumerate(keys)
    }
    return {
        one: "".join(
            other
            for other, (x, y) in place.items()
            if other != one and (x - place[one][0]) ** 2 + (y - place[one][1]) ** 2 <= _REACH**2
        )
        for one in place
    }


KEYS = _neighbours()
"""Letter to those beside it on an English keyboard."""

Misspell = Callable[[str, Random], str | None]


def adjacent_key(word: str, rng: Random) -> str | None:
    """The letter of a key beside, never for the first: people seldom miss that one (Yannakoudakis, Fawthrop 1983)."""
    at = pick([place for place in range(1, len(word)) if word[place].lower() in KEYS], rng)
    if at is None:
        return None
    found = rng.choice(KEYS[word[at].lower()])
    return word[:at] + (found.upper() if word[at].isupper() else found) + word[at + 1 :]


def transposed(word: str, rng: Random) -> str | None:
    """Two letters side by side the other way round, not the first one."""
    at = pick([place for place in range(1, len(word) - 1) if word[place].lower() != word[place + 1].lower()], rng)
    return None if at is None else word[:at] + word[at + 1] + word[at] + word[at + 2 :]


def missing_letter(word: str, rng: Random) -> str | None:
    """A letter less, not the first one."""
    at = rng.randrange(1, len(word))
    return word[:at] + word[at + 1 :]


def doubled_letter(word: str, rng: Random) -> str | None:
    """A letter twice."""
    at = rng.randrange(len(word))
    return word[: at + 1] + word[at].lower() + word[at + 1 :]


_BY_EAR = tuple(
    (regex.compile(heard, regex.IGNORECASE), spelt)
    for heard, spelt in (
        ("ph", "f"), ("(?<=.)ck", "k"), ("(?<=[aeiou])k$", "ck"), ("c(?=[eiy])", "s"), ("(?<!s)c(?=[aou])", "k"),
        ("qu", "kw"), ("x", "ks"),
        ("^kn", "n"), ("^wr", "r"), ("wh", "w"), ("tion", "shun"), ("ough", "uff"), ("(?<=.)ight", "ite"),
        ("(?<=.)ie", "ei"), ("(?<=.)ei", "ie"), ("(?<=.)ee", "ea"), ("(?<=.)ea", "ee"), ("(?<=.)oo", "u"),
        ("(?<=.)ou", "ow"), ("(?<=.)ai", "ay"), ("(?<=.)er$", "or"), ("(?<=.)or$", "er"), ("(?<=.)ar$", "er"),
        ("(?<=.)le$", "el"), ("(?<=.)el$", "le"), ("(?<=.)y$", "ie"), ("(?<=.)ance", "ence"), ("(?<=.)ence", "ance"),
        ("(?<=.)able", "ible"), ("(?<=.)ible", "able"), ("(?<=.)z", "s"), ("(?<=[aeiou])s(?=[aeiou])", "z"),
        (r"(?<=.)([bdfglmnprt])\1", r"\1"), ("(?<=[^aeiou])e$", ""),
    )
)  # fmt: skip
"""What sounds alike and is spelt otherwise."""


def by_ear(word: str, rng: Random) -> str | None:
    """One of the places that are spelt otherwise than they sound, spelt as heard."""
    fitting = [(found, spelt) for heard, spelt in _BY_EAR for found in heard.finditer(word)]
    chosen = pick(fitting, rng)
    if chosen is None:
        return None
    found, spelt = chosen
    new = found.expand(spelt)
    return word[: found.start()] + (new.capitalize() if found.group()[:1].isupper() else new) + word[found.end() :]


@dataclass(frozen=True, slots=True)
class Misspelt:
    """One word of a text misspelt, in one of some ways.

    Attributes:
        name: By which recipes and provenance call it.
        ways: Functions of a word, each with how often it is taken; one that finds nothing gives way to the others.
    """

    name: str
    ways: tuple[tuple[Misspell, float], ...]
    effect: Effect = "keeps"
    sides: frozenset[Side] = BOTH

    def apply(self, text: str, rng: Random) -> str | None:
        """The changed text; None where there is no word to misspell."""
        candidates = spelled(text, LEAST)
        rng.shuffle(candidates)
        for word in candidates:
            ways = list(self.ways)
            while ways:
                (at,) = rng.choices(range(len(ways)), [share for _, share in ways])
                way, _ = ways.pop(at)
                found = way(word.text, rng)
                if found and found != word.text:
                    return replaced(text, word, found)
        return None


SLIPS: tuple[tuple[Misspell, float], ...] = (
    (missing_letter, 0.35), (doubled_letter, 0.2), (adjacent_key, 0.3), (transposed, 0.15)
)  # fmt: skip
"""The kinds of single slips, about as often as they are counted in typed English: left out, put in, another, swapped
(Damerau 1964; Kukich 1992 reviews counts that differ widely)."""
