"""What the suite does to queries and to the texts beside them; judgments stay as they are.

Knows pairs and changes of text, no model. Every change keeps the grade: the shopper means the same, and the product is
the same whatever its title has become. What is random follows from the seed, the perturbation and the text alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from random import Random
from typing import Protocol

from aisle.augment.change import Change, Side
from aisle.augment.text.chinese_errors import TYPED, ChineseMistake, PinyinLetters
from aisle.augment.text.deletion import Truncated
from aisle.augment.text.order import Reordered
from aisle.augment.text.synonyms import Renamed
from aisle.augment.text.typos import SLIPS, Misspelt, by_ear
from aisle.augment.text.units import Abbreviations, Units
from aisle.errors import InputError
from aisle.improve.robustness import writing
from aisle.improve.robustness.writing import OtherLanguage, Rewritten
from aisle.judgments.pairs import PairSet, TextPair

SHARE = 0.5
"""Of the titles that a perturbation of titles touches: dirt that lies on all of them alike moves no ranking."""


class Perturbation(Protocol):
    """One way in which the same judgments are asked again.

    Attributes:
        name: By which reports call it.
        side: What it changes.
        repeats: Whether it is drawn again under each seed. What changes titles is not: a query has many of them, which
            average by themselves, and each new one has to be read by the model.
    """

    @property
    def name(self) -> str:
        """By which reports call it."""
        ...

    @property
    def side(self) -> Side:
        """What it changes."""
        ...

    @property
    def repeats(self) -> bool:
        """Whether it is drawn again under each seed."""
        ...

    def changed(self, pairs: PairSet, seed: int) -> dict[int, TextPair]:
        """The rows that become others, as they become; ids, grades and their order stay."""
        ...


@dataclass(frozen=True, slots=True)
class OnQueries:
    """A change of every query that it finds something to change in."""

    change: Change
    repeats: bool = True

    def __post_init__(self) -> None:
        _check(self.change, "query")

    @property
    def name(self) -> str:
        """That of the change."""
        return self.change.name

    @property
    def side(self) -> Side:
        """Queries."""
        return "query"

    def rewrite(self, query: str, seed: int) -> str | None:
        """The query as it becomes; None where it stays."""
        found = self.change.apply(query, _chance(seed, self.name, query))
        return None if found is None or not found.strip() or found == query else found

    def changed(self, pairs: PairSet, seed: int) -> dict[int, TextPair]:
        """The rows of the queries that become others."""
        known: dict[str, str | None] = {}
        rows = {}
        for row, pair in enumerate(pairs):
            if pair.query not in known:
                known[pair.query] = self.rewrite(pair.query, seed)
            query = known[pair.query]
            if query is not None:
                rows[row] = replace(pair, query=query)
        return rows


@dataclass(frozen=True, slots=True)
class OnTitles:
    """A change of a share of all titles, drawn at random; a title that stands under two queries has one fate."""

    change: Change
    share: float = SHARE

    def __post_init__(self) -> None:
        _check(self.change, "title")
        if not 0 < self.share <= 1:
            raise InputError(f"a share of {self.share:g} of the titles", allowed="above 0, at most 1")

    @property
    def name(self) -> str:
        """That of the change, marked as one of titles."""
        return f"{self.change.name}@title"

    @property
    def side(self) -> Side:
        """Titles."""
        return "title"

    @property
    def repeats(self) -> bool:
        """One draw."""
        return False

    def changed(self, pairs: PairSet, seed: int) -> dict[int, TextPair]:
        """The rows whose titles become others."""
        rows = {}
        for row, pair in enumerate(pairs):
            rng = _chance(seed, self.name, pair.title)
            if rng.random() < self.share:
                title = self.change.apply(pair.title, rng)
                if title is not None and title.strip() and title != pair.title:
                    rows[row] = replace(pair, title=title)
        return rows


@dataclass(frozen=True, slots=True)
class NoDescription:
    """A share of the products without their descriptions; it touches nothing where no model reads them."""

    name: str = "no-description@title"
    side: Side = "title"
    repeats: bool = False
    share: float = SHARE

    def changed(self, pairs: PairSet, seed: int) -> dict[int, TextPair]:
        """The rows that have no description any more."""
        return {
            row: replace(pair, description="")
            for row, pair in enumerate(pairs)
            if pair.description.strip() and _chance(seed, self.name, pair.title).random() < self.share
        }


@dataclass(frozen=True, slots=True)
class Stuffed:
    """The query's own words appended to every title of the lowest grade that its query has: an attack, no accident.

    Queries whose texts are graded all alike, and rows without a grade, are left alone.
    """

    name: str = "stuffed@title"
    side: Side = "title"
    repeats: bool = False
    times: int = 1

    def changed(self, pairs: PairSet, seed: int) -> dict[int, TextPair]:
        """The rows of the least relevant titles."""
        rows = {}
        for group in pairs.by_query().values():
            graded = [(row, grade) for row in group if (grade := pairs[row].grade) is not None]
            lowest = min((grade for _, grade in graded), default=0.0)
            if all(grade == lowest for _, grade in graded):
                continue
            for row, grade in graded:
                if grade == lowest:
                    pair = pairs[row]
                    rows[row] = replace(pair, title=" ".join([pair.title, *[pair.query] * self.times]))
        return rows


def standard() -> tuple[Perturbation, ...]:
    """The suite: what shoppers type, then what catalogues contain.

    Synonyms are the lexicon's, not those that ``augment`` replaces: an encoder has chosen these, and would be tested on
    what it knows.
    """
    lexicon = writing.packaged_lexicon()
    queries: tuple[Perturbation, ...] = (
        OnQueries(Misspelt("typo", SLIPS)),
        OnQueries(Misspelt("phonetic", ((by_ear, 1.0),))),
        OnQueries(Rewritten("case", writing.upper), repeats=False),
        OnQueries(Reordered()),
        OnQueries(Rewritten("plural", writing.other_number), repeats=False),
        OnQueries(Renamed("synonym", (lexicon,))),
        OnQueries(Units()),
        OnQueries(Abbreviations()),
        OnQueries(Rewritten("joined", writing.joined)),
        OnQueries(Rewritten("parted", writing.parted)),
        OnQueries(Rewritten("full-width", writing.full_width), repeats=False),
        OnQueries(OtherLanguage(lexicon)),
        OnQueries(Rewritten("around", writing.around)),
        OnQueries(ChineseMistake("chinese-typo", TYPED)),
        OnQueries(PinyinLetters("pinyin")),
    )
    titles: tuple[Perturbation, ...] = (
        OnTitles(Rewritten("case", writing.upper)),
        OnTitles(Misspelt("typo", SLIPS)),
        OnTitles(Truncated()),
        OnTitles(Rewritten("html", writing.with_html)),
        NoDescription(),
        Stuffed(),
    )
    return queries + titles


def named(names: tuple[str, ...], among: tuple[Perturbation, ...]) -> tuple[Perturbation, ...]:
    """Those of these names, in the order of the suite; all without any name.

    Raises:
        InputError: There is none of such a name.
    """
    known: Mapping[str, Perturbation] = {perturbation.name: perturbation for perturbation in among}
    unknown = next((name for name in names if name not in known), None)
    if unknown is not None:
        raise InputError(f"there is no perturbation {unknown!r}", allowed=", ".join(known))
    return tuple(known[name] for name in known if name in names) if names else among


def perturbed(pairs: PairSet, perturbation: Perturbation, seed: int) -> PairSet:
    """All pairs, some of them changed; the given set stays as it is."""
    rows = perturbation.changed(pairs, seed)
    return replace(pairs, items=tuple(rows.get(row, pair) for row, pair in enumerate(pairs)))


def _check(change: Change, side: Side) -> None:
    if change.effect != "keeps" or side not in change.sides:
        raise InputError(
            f"the change {change.name!r} of a {side}: on grades it is {change.effect!r}, on {sorted(change.sides)}",
            allowed="changes that keep the grade, on the side they are made for",
            fix="leave it out: the judgments would no longer hold",
        )


def _chance(seed: int, name: str, text: str) -> Random:
    return Random(f"{seed}|{name}|{text}")  # a text seed is hashed by SHA-512, alike everywhere
