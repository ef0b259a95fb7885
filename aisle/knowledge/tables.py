"""What is known of devices and products: plain tables in one JSON file. Knows how they are written, not used."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from aisle.artifacts import write_text
from aisle.errors import ArtifactError

FORMAT = 1
POSTING = 4
"""A statement is four numbers: the places of its product, field, text and series in the tables of their names."""


@dataclass(frozen=True)
class Tables:
    """Statements by device, siblings by product, and what was measured of the ways to infer.

    Attributes:
        products: Ids.
        fields: Names of the fields that say something; of attributes with ``attributes.`` before.
        texts: The parts of fields that name devices.
        series: Folded words that say whose number a number is: series and brand.
        devices: By folded code, its statements as ``POSTING`` numbers each, one after the other.
        named: By folded code, places of products that name it in their title without saying that they are for it.
        siblings: By the place of a product that states nothing in an attribute, those that say it for it.
        rules: By the same place, why they are siblings.
        certainties: By rule, how often what it infers is stated too.
        accessories: Folded words for kinds of products that are for devices.
        own: By code of a device, those of these words that are in the title of the device itself.
        attributes: Names of the attributes that list devices.
    """

    products: tuple[str, ...]
    fields: tuple[str, ...]
    texts: tuple[str, ...]
    series: tuple[tuple[str, ...], ...]
    devices: Mapping[str, tuple[int, ...]]
    named: Mapping[str, tuple[int, ...]]
    siblings: Mapping[int, tuple[int, ...]]
    rules: Mapping[int, str]
    certainties: Mapping[str, float]
    accessories: frozenset[str]
    own: Mapping[str, tuple[str, ...]]
    attributes: tuple[str, ...]

    def save(self, path: Path) -> None:
        """Write the tables: readers see the old file or the new one, never a part."""
        data: dict[str, Any] = {"format": FORMAT}
        for field in fields(self):
            value = getattr(self, field.name)
            data[field.name] = sorted(value) if isinstance(value, frozenset) else value
        write_text(path, json.dumps(data, ensure_ascii=False, separators=(",", ":")) + "\n")

    @classmethod
    def load(cls, path: Path) -> Tables:
        """Read what ``save`` wrote.

        Raises:
            ArtifactError: The file is missing, damaged or of another format.
        """
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
            if data.pop("format") != FORMAT:
                raise ValueError("another format")
            tables = cls(
                products=tuple(data.pop("products")),
                fields=tuple(data.pop("fields")),
                texts=tuple(data.pop("texts")),
                series=tuple(tuple(words) for words in data.pop("series")),
                devices={code: tuple(numbers) for code, numbers in data.pop("devices").items()},
                named={code: tuple(places) for code, places in data.pop("named").items()},
                siblings={int(place): tuple(others) for place, others in data.pop("siblings").items()},
                rules={int(place): rule for place, rule in data.pop("rules").items()},
                certainties=data.pop("certainties"),
                accessories=frozenset(data.pop("accessories")),
                own={code: tuple(words) for code, words in data.pop("own").items()},
                attributes=tuple(data.pop("attributes")),
            )
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise ArtifactError(
                f"cannot read {str(path)!r}: {error}",
                allowed=f"compatibility of format {FORMAT}, as indexing writes it",
                fix="index the catalogue again",
            ) from None
        return tables
