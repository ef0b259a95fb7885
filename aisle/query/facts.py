"""What a catalogue teaches about its own words: which are brands, colours, sizes, categories, and how surely.

    CatalogueFacts.terms["black"] = (Term("colour", {"product_colour": ("Black",)}, ..., certainty 0.93),)

Values and their file; `aisle.query.learn` makes them. Knows no queries.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast, get_args

from aisle.artifacts import write_text
from aisle.errors import ArtifactError
from aisle.query.constraint import Kind
from aisle.query.measures import DIMENSIONS
from aisle.types import Scalar

FORMAT = 1

CORRECTED = ("brand", "colour")
MIN_CORRECTED = 5
"""Names of these kinds and of at least so many letters are recognised with one letter wrong."""

UNCHECKABLE = 0.5
"""At most so certain is a reading that no product can confirm, for want of a field that holds such values."""


@dataclass(frozen=True, slots=True)
class Term:
    """What one name can mean.

    ``values`` are the catalogue's stored values by field that it stands for; for a category the field is "category" and
    each value a path joined by `` > ``; empty where no field holds such values. ``name`` is how the catalogue writes it
    most often, ``products`` how many have one of the values. ``certainty`` is P(a product has one of the values | the
    name is in its title), smoothed.
    """

    kind: Kind
    name: str
    values: Mapping[str, tuple[Scalar, ...]]
    products: int
    certainty: float


@dataclass(frozen=True, slots=True)
class Measured:
    """An attribute that holds a measure: its unit, and the share of titles' measures that it agrees with.

    ``texts`` are its values with the number each holds, where the catalogue writes them as text with units ("2 m");
    none where it holds plain numbers.
    """

    field: str
    unit: str
    agreement: float
    texts: tuple[tuple[str, float], ...] = ()

    @property
    def dimension(self) -> str:
        """What it measures: "length", "data", ..."""
        return DIMENSIONS[self.unit]


@dataclass(frozen=True, slots=True)
class CatalogueFacts:
    """All that was learned from one catalogue.

    ``terms`` are by key (`aisle.query.keys`). ``units`` says for each unit P(a measured attribute agrees | a measure in
    this unit is in the title). ``size_fields`` are the attributes called size; ``words`` are the Latin words of titles
    from `MIN_CORRECTED` letters on, by key; ``currencies`` are ISO 4217 codes; ``priced`` counts products with a price;
    ``correctable`` are the keys that a misspelt word may be meant for.
    """

    products: int = 0
    priced: int = 0
    currencies: tuple[str, ...] = ()
    terms: Mapping[str, tuple[Term, ...]] = field(default_factory=dict)
    measured: tuple[Measured, ...] = ()
    units: Mapping[str, float] = field(default_factory=dict)
    size_fields: tuple[str, ...] = ()
    words: frozenset[str] = frozenset()
    correctable: tuple[str, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        names = (key for key, terms in self.terms.items() if any(term.kind in CORRECTED for term in terms))
        object.__setattr__(self, "correctable", tuple(key for key in names if len(key) >= MIN_CORRECTED))

    def save(self, path: Path) -> None:
        """Write one JSON file; readers see the old or the new one, never a part."""
        terms = {
            key: [[t.kind, t.name, {f: list(v) for f, v in t.values.items()}, t.products, t.certainty] for t in several]
            for key, several in self.terms.items()
        }
        data = {
            "format": FORMAT,
            "products": self.products,
            "priced": self.priced,
            "currencies": self.currencies,
            "terms": terms,
            "measured": [[m.field, m.unit, m.agreement, m.texts] for m in self.measured],
            "units": dict(self.units),
            "size_fields": self.size_fields,
            "words": " ".join(sorted(self.words)),
        }
        write_text(path, json.dumps(data, ensure_ascii=False, separators=(",", ":")) + "\n")

    @classmethod
    def load(cls, path: Path) -> CatalogueFacts:
        """Read what ``save`` wrote.

        Raises:
            ArtifactError: There is no such file, it is damaged, or of another format.
        """
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
            if data["format"] != FORMAT:
                raise ArtifactError(
                    f"{str(path)!r} has format {data['format']!r}",
                    allowed=f"format {FORMAT}",
                    fix="index the catalogue again with this version of Aisle",
                )
            return _facts(data)
        except FileNotFoundError:
            raise ArtifactError(f"no such file: {str(path)!r}", fix="index the catalogue again") from None
        except (OSError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise ArtifactError(
                f"cannot read {str(path)!r}: {error!r}", fix="remove it and index the catalogue again"
            ) from None


def _facts(data: Any) -> CatalogueFacts:
    kinds = get_args(Kind)
    terms: dict[str, tuple[Term, ...]] = {}
    for key, several in data["terms"].items():
        read = []
        for kind, name, values, products, certainty in several:
            if kind not in kinds:
                raise ValueError(f"kind {kind!r}")
            read.append(Term(cast(Kind, kind), name, {f: tuple(v) for f, v in values.items()}, products, certainty))
        terms[key] = tuple(read)
    return CatalogueFacts(
        products=int(data["products"]),
        priced=int(data["priced"]),
        currencies=tuple(data["currencies"]),
        terms=terms,
        measured=tuple(Measured(f, u, a, tuple((t, n) for t, n in texts)) for f, u, a, texts in data["measured"]),
        units={str(unit): float(certainty) for unit, certainty in data["units"].items()},
        size_fields=tuple(data["size_fields"]),
        words=frozenset(data["words"].split()),
    )
