"""Which products go with a device: what the shop says, and what follows from it.

    MFC-240C -> LC1000C    stated: its attribute lists "MFC-240C"
             -> LC-1000CBP inferred: the same cartridge in another pack, by LC1000C's list

Knows devices and products; how a query names a device is for `aisle.knowledge.asked`, places in a ranking for others.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal, Self

from aisle.knowledge.devices import base_of, is_strong, series_of
from aisle.knowledge.learning import learn
from aisle.knowledge.tables import POSTING, Tables
from aisle.types import Product

Level = Literal["stated", "inferred"]
FILE = "compatibility.json"
"""The file's name in an index folder."""
MAX_FITS = 1_000
"""No device has more products: a code with more is a word that every shop has."""
_GENERIC = frozenset(
    {"pro", "plus", "color", "colour", "series", "printer", "all", "in", "one", "the", "mono", "digital"}
)


@dataclass(frozen=True, slots=True)
class Device:
    """A device: its folded code, and a word that must be in its series or brand where the code is but a number."""

    code: str
    word: str = ""


@dataclass(frozen=True, slots=True)
class Fit:
    """That a product goes with a device, and who says so.

    ``certainty`` from 0 to 1 is 1 where the shop states it of this device. Else it is how often the shop's own
    statements bear out what ``rule`` infers: "variant" (240CN for 240C), "series" (C52x for C524), "named" (the code
    stands in the title), or a rule of `aisle.knowledge.siblings`. ``field`` and ``text`` are the statement's, in the
    product ``via``, the product itself where it is its own.
    """

    product_id: str
    level: Level
    certainty: float
    field: str
    text: str
    rule: str
    via: str

    def told(self) -> str:
        """For people: 'stated in attributes.compatibility: "MFC-240C"'."""
        where = f'{self.field}: "{self.text}"'
        if self.level == "stated":
            return f"stated in {where}"
        other = f" of {self.via}" if self.via != self.product_id else ""
        return f"inferred ({self.rule}, certainty {self.certainty:.2f}) from {where}{other}"


class Compatibility:
    """What a catalogue knows of devices: `learn`, `save`, `load`; `device`, `fitting`, `fits`."""

    def __init__(self, tables: Tables) -> None:
        self.tables = tables

    @classmethod
    def learn(cls, products: Iterable[Product]) -> Self:
        """Learn from clean products in one pass; see `aisle.knowledge.learning`."""
        return cls(learn(products))

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read what ``save`` wrote.

        Raises:
            ArtifactError: The file is missing, damaged or of another format.
        """
        return cls(Tables.load(path))

    def save(self, path: Path) -> None:
        """Write everything as one JSON file, complete or not at all."""
        self.tables.save(path)

    def device(self, code: str, words: Iterable[str] = ()) -> Device | None:
        """The device of a code; None where nothing is known of it.

        Args:
            code: Folded, as `aisle.knowledge.devices` reads it.
            words: Folded words beside it. Of a number or a short code the rarest of them that is known as a series or
                brand of this number must be among them; generic ones ("pro") do not count.
        """
        known = [numbers for numbers, _, _ in self._statements(code)]
        if not known:
            return Device(code) if code in self.tables.named else None
        if is_strong(code):
            return Device(code)
        contexts = {number for numbers in known for number in numbers[3::POSTING]}
        spoken = {word for number in contexts for word in self._series(number)}
        here = [word for word in words if word in spoken and word not in _GENERIC]
        return Device(code, min(here, key=lambda word: (self._spread[word], word))) if here else None

    def fits(self, product_id: str, device: Device) -> Fit | None:
        """Whether a product is known to go with a device; None where nothing says so."""
        return self._all(device).get(product_id)

    def fitting(self, device: Device) -> tuple[Fit, ...]:
        """The products known to go with a device, the surest first, ties by id; at most ``MAX_FITS``."""
        found = sorted(self._all(device).values(), key=lambda fit: (-fit.certainty, fit.product_id))
        return tuple(found[:MAX_FITS])

    def states(self, product_id: str) -> bool:
        """Whether a product lists devices itself, so that a device it does not list is one it is not for."""
        return product_id in self._listing

    def _all(self, device: Device) -> dict[str, Fit]:
        tables = self.tables
        found: dict[int, Fit] = {}
        for numbers, rule, certainty in self._statements(device.code):
            for i in range(0, len(numbers), POSTING):
                place, field, text, series = numbers[i : i + POSTING]
                if place not in found and (not device.word or device.word in self._series(series)):
                    level: Level = "inferred" if rule else "stated"
                    own = tables.products[place]
                    found[place] = Fit(own, level, certainty, tables.fields[field], tables.texts[text], rule, own)
        for fit in (*self._by_title(device, found), *self._by_siblings(found)):
            found.setdefault(self._places[fit.product_id], fit)
        return {fit.product_id: fit for fit in found.values()}

    def _statements(self, code: str) -> Iterator[tuple[tuple[int, ...], str, float]]:
        """Statements of this very code, of series that hold it, and of variants that differ in letters at the end."""
        devices, sure = self.tables.devices, self.tables.certainties
        if code in devices:
            yield devices[code], "", 1.0
        for series in series_of(code):
            if series in devices:
                yield devices[series], "series", sure["series"]
        base = base_of(code)
        for variant in self._variants.get(base, ()):
            if variant != code and not (
                base.isdigit() and is_strong(code)
            ):  # 3100 may be of another series than 3100cn
                yield devices[variant], "variant", sure["variant"]

    def _by_title(self, device: Device, found: dict[int, Fit]) -> Iterator[Fit]:
        for place in self.tables.named.get(device.code, ()):
            if place not in found:
                own = self.tables.products[place]
                yield Fit(own, "inferred", self.tables.certainties["named"], "title", device.code, "named", own)

    def _by_siblings(self, found: dict[int, Fit]) -> Iterator[Fit]:
        """Products of whose telling siblings at least half say that they go with the device."""
        votes: dict[int, list[int]] = {}
        for teller in found:
            for place in self._dependents.get(teller, ()):
                votes.setdefault(place, []).append(teller)
        tables = self.tables
        for place, tellers in votes.items():
            if place not in found and 2 * len(tellers) >= len(tables.siblings[place]):
                best = max(tellers, key=lambda teller: (found[teller].certainty, -teller))
                fit, rule = found[best], tables.rules[place]
                certainty = tables.certainties[rule] * fit.certainty
                yield Fit(tables.products[place], "inferred", certainty, fit.field, fit.text, rule, fit.product_id)

    def _series(self, number: int) -> tuple[str, ...]:
        return self.tables.series[number]

    @cached_property
    def _places(self) -> dict[str, int]:
        return {product_id: place for place, product_id in enumerate(self.tables.products)}

    @cached_property
    def _listing(self) -> frozenset[str]:
        attributes = {i for i, name in enumerate(self.tables.fields) if name not in ("title", "description")}
        return frozenset(
            self.tables.products[numbers[i]]
            for numbers in self.tables.devices.values()
            for i in range(0, len(numbers), POSTING)
            if numbers[i + 1] in attributes
        )

    @cached_property
    def _variants(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = {}
        for code in self.tables.devices:
            found.setdefault(base_of(code), []).append(code)
        return found

    @cached_property
    def _dependents(self) -> dict[int, list[int]]:
        found: dict[int, list[int]] = {}
        for place, tellers in self.tables.siblings.items():
            for teller in tellers:
                found.setdefault(teller, []).append(place)
        return found

    @cached_property
    def _spread(self) -> dict[str, int]:
        """In how many contexts a word of a series or brand is: "hp" in more than "laserjet"."""
        found: dict[str, int] = {}
        for context in self.tables.series:
            for word in context:
                found[word] = found.get(word, 0) + 1
        return found
