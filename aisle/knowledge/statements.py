"""What products say of the devices they go with: in an attribute that lists devices, or after "for" in a title.

Which attributes list devices is found in the catalogue: by names that say so in several languages, or, whatever the
name, by values full of model codes among which are other products' own. Knows products, no queries.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from aisle.knowledge.devices import MAX_NUMBER, Mention, fold, is_strong, mentions
from aisle.language.identifiers import code_words, model_codes
from aisle.types import AttributeValue, Product

NAMED = re.compile(
    r"compat|kompat|suitable_for|(?<![a-z])fits|for_(?:model|device|printer)|works_with|geeignet|passend|geschikt|convient|"
    r"adapté|adatto|adecuado|適用|适用|兼容|適配|适配|适合|対応|互換",
    re.IGNORECASE,
)
"""Names of attributes that may list devices, in English, German, Dutch, French, Italian, Spanish, Chinese, Japanese."""
OTHERWISE = re.compile(
    r"electromagnetic|operating|(?:^|_)os(?:_|$)|screen|size|brand|power_plug|memory_card|mac_|ink_type|support",
    re.IGNORECASE,
)
"""Names with such a word speak of standards, sizes and software, not of devices."""

LEAD_IN = re.compile(
    r"(?:\bfor use (?:in|with)|\bfor|\bfits|\bworks with|\b[ck]ompatible (?:with|mit|avec|con)|\bfür|\bpassend für|"
    r"\bpour|\bpara|\bvoor|\badatto per|适用于|适用|兼容|适配|适合|用于)(?:\s+the)?[\s:：]*",
    re.IGNORECASE,
)
"""What stands before the devices that a product, or a query, is for."""

MIN_SHARE = 0.3
"""Of an attribute's values so many must name devices, if its name says that it lists them."""
MIN_LISTS, MIN_CODES, MIN_OWN, MIN_DENSITY = 5, 20, 0.02, 0.2
"""An attribute of another name: so many lists, distinct codes, share of the codes that are other products' own, and
share of the words that are codes, as in a list and not in a story."""
MAX_LISTS = 5_000
"""Of an attribute not yet known to list devices so many values are kept."""
_MAX_CARRIERS = 3  # a code in more titles than this is a kind (RJ45), not a model
_MAY_LIST = re.compile(r"[A-Za-z]\S*\d\S*\d.*[A-Za-z]\S*\d", re.DOTALL)  # two codes or more: cheaper than reading them
_TITLE_CHARACTERS = 120


@dataclass(frozen=True, slots=True)
class Statement:
    """What one product says in one field."""

    product_id: str
    field: str
    mentions: tuple[Mention, ...]


@dataclass
class Statements:
    """Collects statements in one pass over a catalogue: ``add`` each product, then ask ``found``."""

    sure: list[Statement] = field(default_factory=list)
    _named: dict[str, list[Statement]] = field(default_factory=dict)
    _other: dict[str, list[tuple[str, str]]] = field(default_factory=dict)
    _values: dict[str, int] = field(default_factory=dict)
    _carriers: dict[str, int] = field(default_factory=dict)

    def add(self, product: Product) -> bool:
        """Read one product; says whether it may state something."""
        named = [name for name in product.identifiers if not (name.isdigit() and len(name) > MAX_NUMBER)]
        apart = (name for name in named if name not in product.title)  # many repeat a part of it
        mine = frozenset(model_codes(" ".join((product.title, *apart))))
        for code in mine:
            self._carriers[code] = self._carriers.get(code, 0) + 1
        told = False
        for name, value in product.attributes.items():
            text = text_of(value)
            if not text or OTHERWISE.search(name):
                continue
            if NAMED.search(name):
                told |= self._add_named(product.id, name, text)
            elif _MAY_LIST.search(text) and len(set(model_codes(text)) - mine) >= 2:
                lists = self._other.setdefault(name, [])
                if len(lists) < MAX_LISTS:
                    lists.append((product.id, text))
        own = {fold(name) for name in named}
        for where, text in (("title", product.title), ("description", product.description)):
            if stated := tuple(mention for mention in after_lead_in(text) if mention.code not in own):
                self.sure.append(Statement(product.id, where, stated))
                told = True
        return told

    def _add_named(self, product_id: str, name: str, text: str) -> bool:
        self._values[name] = self._values.get(name, 0) + 1
        found = tuple(mentions(text))
        if found:
            self._named.setdefault(name, []).append(Statement(product_id, name, found))
        return bool(found)

    def found(self) -> tuple[list[Statement], tuple[str, ...]]:
        """All statements, and the attributes that hold them."""
        everything = list(self.sure)
        names: list[str] = []
        for name, statements in self._named.items():
            if len(statements) >= MIN_SHARE * self._values[name]:
                everything += statements
                names.append(name)
        for name, lists in self._other.items():
            if self._lists_devices([text for _, text in lists]):
                everything += [Statement(product_id, name, tuple(mentions(text))) for product_id, text in lists]
                names.append(name)
        return everything, tuple(sorted(names))

    def _lists_devices(self, texts: Iterable[str]) -> bool:
        texts = list(texts)
        lists = [model_codes(text) for text in texts]
        words = sum(len(code_words(text)) for text in texts)
        codes = {code for codes in lists for code in codes}
        own = sum(1 <= self._carriers.get(code, 0) <= _MAX_CARRIERS for code in codes)
        dense = sum(map(len, lists)) >= MIN_DENSITY * words
        return dense and len(lists) >= MIN_LISTS and len(codes) >= MIN_CODES and own >= MIN_OWN * len(codes)


def text_of(value: AttributeValue) -> str:
    """An attribute's text; "" for numbers and truth values."""
    if isinstance(value, tuple):
        return "\n".join(value)
    return value if isinstance(value, str) else ""


def after_lead_in(text: str) -> tuple[Mention, ...]:
    """The devices that running text names after "for" and the like.

    Running text has more numbers than lists do: a code counts when it needs no series, or when it has at least three
    digits and stands after a word with a capital or between Chinese characters ("for Phaser 6130", not "for 42 files").
    """
    found: dict[str, Mention] = {}
    for part in _parts(text):
        series: set[tuple[str, ...]] = set()
        for mention in mentions(part):
            if _is_name(mention, part) or mention.words in series:
                series.add(mention.words)
            elif not is_strong(mention.code):
                continue
            found.setdefault(mention.code, mention)
    return tuple(found.values())


def _parts(text: str) -> Iterator[str]:
    for match in LEAD_IN.finditer(text):
        yield re.split(r"[.。!?]\s|[.。]$|[(（]", text[match.end() : match.end() + _TITLE_CHARACTERS])[0]


def _is_name(mention: Mention, text: str) -> bool:
    if not mention.words or len(mention.code) < 3:
        return False
    return re.search(rf"\b[A-Z]\w*[ -]{re.escape(mention.code)}\b", text) is not None


def by_product(statements: Iterable[Statement]) -> Mapping[str, list[Statement]]:
    """Statements grouped by the product that makes them, in order."""
    groups: dict[str, list[Statement]] = {}
    for statement in statements:
        groups.setdefault(statement.product_id, []).append(statement)
    return groups
