"""From products to tables of what goes with which devices, in one pass.

What a product states itself comes first. One that states nothing in an attribute is told by its siblings, and by codes
of known devices in its title. How far each of these ways is right is measured on the products that do state something,
each left out in turn; a way that is right less often than not is not used. Knows products, no queries.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from aisle.filters.fields import ATTRIBUTE_PREFIX
from aisle.knowledge.devices import base_of, fold, is_device_code, is_series, is_strong, mentions
from aisle.knowledge.siblings import RULES, Groups, agreement, keys, own_codes
from aisle.knowledge.statements import Statement, Statements
from aisle.knowledge.tables import Tables
from aisle.types import Product

MIN_CERTAINTY = 0.5
PRIOR, PRIOR_PRODUCTS = 0.7, 4
"""A way to infer is taken to be right this often, as if seen on so many products, until it was seen on more."""
SERIES_CERTAINTY = 0.9
"""How sure it is that a series (C52x) holds the model asked for (C524). The shop says so, but not of this model."""
MAX_SIBLINGS = 20
MAX_TITLES = 300_000
"""So many titles are kept while learning, to see which codes of devices are in titles; 300,000 take about 40 MB."""
MAX_TITLES_OF_A_CODE = 30
"""A code in more titles that do not say what they are for is a kind (HD15), not a device."""
MIN_ACCESSORY_PRODUCTS, MIN_LIFT = 3, 2.0
"""A word names accessories if so many of them have it, and so many times as often as other
products, the devices among them apart."""
MAX_SERIES_SHARE = 0.1
"""A word that stands before numbers of devices for so many products, of those with it, names a series or brand."""

_WORD = re.compile(r"(?<![^\W\u3040-\u9fff])(?<!-)[^\W\d_\u3040-\u9fff]{3,}(?![^\W\u3040-\u9fff])(?!-)")
_RUN = re.compile(r"[\u3040-\u30ff\u3400-\u9fff]{2,}")
_FUNCTION = frozenset({"for", "not", "does", "per", "and", "the", "with", "from", "use", "für", "pour", "para", "voor"})
_TEXT_FIELDS = ("title", "description")
_DESCRIPTION_CHARACTERS = 300


def learn(products: Iterable[Product]) -> Tables:
    """Tables of everything that the products say and imply; see this file's head."""
    seen = Seen()
    for product in products:
        seen.add(product)
    return seen.tables()


def words_of(text: str) -> frozenset[str]:
    """Folded words of a text, no parts of codes; of Chinese and Japanese, pairs of neighbouring characters."""
    found = set(_WORD.findall(text.casefold()))
    for run in _RUN.findall(text):
        found |= {run[i : i + 2] for i in range(len(run) - 1)}
    return frozenset(found)


@dataclass
class Seen:
    """What is kept of each product while passing: `add` each, then `tables`."""

    ids: list[str] = field(default_factory=list)
    brands: list[str] = field(default_factory=list)
    titles: list[str] = field(default_factory=list)
    statements: Statements = field(default_factory=Statements)
    groups: Groups = field(default_factory=Groups)
    told: int = 0
    identified: dict[str, list[int]] = field(default_factory=dict)
    words_of_told: Counter[str] = field(default_factory=Counter)
    words_of_others: Counter[str] = field(default_factory=Counter)

    def add(self, product: Product) -> None:
        """Take a clean product."""
        place = len(self.ids)
        self.ids.append(product.id)
        self.brands.append(fold(product.brand))
        if place < MAX_TITLES:
            self.titles.append(product.title)
            for code in {fold(name) for name in product.identifiers if not name.isdigit()}:
                if is_device_code(code):
                    self.identified.setdefault(code, []).append(place)
        for rule, key in keys(product, own_codes(product.title)):
            self.groups.add(place, rule, key)
        told = self.statements.add(product)
        self.told += told
        words = words_of(f"{product.title} {product.description[:_DESCRIPTION_CHARACTERS]}")
        (self.words_of_told if told else self.words_of_others).update(words)

    def tables(self) -> Tables:
        """What all of them say and imply."""
        return _tables(self)


def _tables(seen: Seen) -> Tables:
    statements, attributes = seen.statements.found()
    place_of = {product_id: place for place, product_id in enumerate(seen.ids)}
    postings, fields, texts, series = _postings(statements, place_of, seen.brands)
    for kind in _kinds(seen.titles, postings):
        del postings[kind]
    listed = _listed(statements, place_of)
    telling = {numbers[i] for numbers in postings.values() for i in range(0, len(numbers), 4)}
    accessories = frozenset(
        _accessories(seen, _series_words(postings, series), _device_titles(seen, postings, telling))
    )
    named, right = _named(seen, accessories, postings, listed)
    certainties = {"series": SERIES_CERTAINTY, "variant": _variants(postings), "named": _smoothed(*right)}
    certainties |= {rule: _smoothed(*agreement(seen.groups, rule, listed)) for rule in RULES}
    siblings, rules = _siblings(seen.groups, certainties, telling, listed)
    return Tables(
        products=tuple(seen.ids),
        fields=fields,
        texts=texts,
        series=series,
        devices={code: tuple(numbers) for code, numbers in postings.items()},
        named=named if certainties["named"] >= MIN_CERTAINTY else {},
        siblings=siblings,
        rules=rules,
        certainties=certainties,
        accessories=accessories,
        own=dict(_own(seen, accessories, postings)),
        attributes=attributes,
    )


def _postings(
    statements: Sequence[Statement], place_of: Mapping[str, int], brands: Sequence[str]
) -> tuple[dict[str, list[int]], tuple[str, ...], tuple[str, ...], tuple[tuple[str, ...], ...]]:
    postings: dict[str, list[int]] = {}
    fields: dict[str, int] = {}
    texts: dict[str, int] = {}
    series: dict[tuple[str, ...], int] = {}
    for statement in statements:
        place = place_of[statement.product_id]
        where = statement.field if statement.field in _TEXT_FIELDS else ATTRIBUTE_PREFIX + statement.field
        for mention in statement.mentions:
            context = _context(mention.words, brands[place])
            postings.setdefault(mention.code, []).extend(
                (
                    place,
                    fields.setdefault(where, len(fields)),
                    texts.setdefault(mention.written, len(texts)),
                    series.setdefault(context, len(series)),
                )
            )
    return postings, tuple(fields), tuple(texts), tuple(series)


def _kinds(titles: Sequence[str], postings: Mapping[str, Sequence[int]]) -> list[str]:
    """Codes in the titles of too many products that say nothing of them: HD15 is a plug, not a device."""
    counts: Counter[str] = Counter()
    for title in titles:
        for code in own_codes(title):
            if code in postings:
                counts[code] += 1
    return [code for code, count in counts.items() if count > MAX_TITLES_OF_A_CODE + len(postings[code]) // 4]


def _context(words: tuple[str, ...], brand: str) -> tuple[str, ...]:
    """The words before a number, two of them joined ("stylus pro", "styluspro"), and the brand."""
    joined = (one + other for one, other in pairwise(words))
    return tuple(dict.fromkeys(filter(None, (*words, *joined, brand))))


def _listed(statements: Iterable[Statement], place_of: Mapping[str, int]) -> dict[int, frozenset[str]]:
    """By product that lists devices in an attribute, their codes."""
    found: dict[int, set[str]] = {}
    for statement in statements:
        if statement.field not in _TEXT_FIELDS:
            codes = found.setdefault(place_of[statement.product_id], set())
            codes |= {mention.code for mention in statement.mentions}
    return {place: frozenset(codes) for place, codes in found.items()}


def _series_words(postings: Mapping[str, Sequence[int]], series: Sequence[tuple[str, ...]]) -> Counter[str]:
    """In the statements of how many products a word says whose number it is."""
    pairs = {(numbers[i], numbers[i + 3]) for numbers in postings.values() for i in range(0, len(numbers), 4)}
    return Counter(word for place, word in {(place, word) for place, number in pairs for word in series[number]})


def _device_titles(seen: Seen, postings: Mapping[str, Sequence[int]], telling: set[int]) -> list[frozenset[str]]:
    """The words of the titles of devices that are products here too and are for nothing themselves."""
    devices = {place for code, places in seen.identified.items() if code in postings for place in places}
    return [words_of(seen.titles[place]) for place in sorted(devices - telling) if place < len(seen.titles)]


def _accessories(seen: Seen, series: Mapping[str, int], devices: Sequence[frozenset[str]]) -> Iterator[str]:
    """Words that products which are for devices have much more often than others, brands and series left out."""
    others = len(seen.ids) - seen.told
    of_devices = Counter(word for words in devices for word in words)
    for word, count in seen.words_of_told.items():
        if count < MIN_ACCESSORY_PRODUCTS or word in _FUNCTION or series.get(word, 0) >= MAX_SERIES_SHARE * count:
            continue
        elsewhere = (seen.words_of_others[word] + 0.5) / (others + 1)
        elsewhere = max(elsewhere, of_devices[word] / (len(devices) + 1))
        if count / seen.told >= MIN_LIFT * elsewhere:
            yield word


def _named(
    seen: Seen,
    accessories: frozenset[str],
    postings: Mapping[str, Sequence[int]],
    listed: Mapping[int, frozenset[str]],
) -> tuple[dict[str, tuple[int, ...]], tuple[float, int]]:
    """Accessories with a known device's code in their title; and how far those that list devices list it too."""
    carriers: dict[str, list[int]] = {}
    for place, title in enumerate(seen.titles):
        if any(c.isdigit() for c in title) and words_of(title) & accessories:
            for mention in mentions(title):
                if place in seen.identified.get(mention.code, ()):
                    continue  # the device itself
                if is_strong(mention.code) and _told_by_another(postings.get(mention.code, ()), place):
                    carriers.setdefault(mention.code, []).append(place)
    shares = [code in listed[place] for code, places in carriers.items() for place in places if place in listed]
    named = {}
    for code, places in carriers.items():
        silent = [place for place in places if place not in listed]
        if silent and len(silent) <= MAX_TITLES_OF_A_CODE:
            named[code] = tuple(silent)
    return named, (sum(shares) / len(shares) if shares else 0.0, len(shares))


def _told_by_another(numbers: Sequence[int], place: int) -> bool:
    return any(numbers[i] != place for i in range(0, len(numbers), 4))


def _variants(postings: Mapping[str, Sequence[int]]) -> float:
    """Of the products that state a variant (MFC-240CN), how many state another one (MFC-240C) too."""
    groups: dict[str, list[set[int]]] = {}
    for code, numbers in postings.items():
        if not is_series(code):
            groups.setdefault(base_of(code), []).append({numbers[i] for i in range(0, len(numbers), 4)})
    shares = [
        len(one & other) / len(other)
        for variants in groups.values()
        for one in variants
        for other in variants
        if one is not other
    ]
    return _smoothed(sum(shares) / len(shares) if shares else 0.0, len(shares))


def _smoothed(mean: float, products: int) -> float:
    return round((mean * products + PRIOR * PRIOR_PRODUCTS) / (products + PRIOR_PRODUCTS), 4)


def _siblings(
    groups: Groups, certainties: Mapping[str, float], telling: set[int], listed: Mapping[int, frozenset[str]]
) -> tuple[dict[int, tuple[int, ...]], dict[int, str]]:
    """For each product that lists nothing, its siblings that tell something, by the surest rule that finds any."""
    siblings: dict[int, tuple[int, ...]] = {}
    rules: dict[int, str] = {}
    for rule in sorted(RULES, key=lambda rule: (-certainties[rule], RULES.index(rule))):
        if certainties[rule] < MIN_CERTAINTY:
            continue
        found: dict[int, set[int]] = {}
        for members in groups.of(rule):
            speaking = [member for member in members if member in telling]
            for member in members:
                if speaking and member not in listed and member not in siblings:
                    found.setdefault(member, set()).update(other for other in speaking if other != member)
        for member, others in found.items():
            if others:
                siblings[member] = tuple(sorted(others)[:MAX_SIBLINGS])
                rules[member] = rule
    return siblings, rules


def _own(
    seen: Seen, accessories: frozenset[str], postings: Mapping[str, Sequence[int]]
) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Of codes of devices that are products here too, the words for accessories in the titles of these."""
    for code, places in seen.identified.items():
        if code in postings:
            words = set().union(*(words_of(seen.titles[place]) & accessories for place in places))
            yield code, tuple(sorted(words))
