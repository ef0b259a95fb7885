"""Look at a catalogue file without cleaning it: format, columns, what they would feed, how full they are.

Knows the first rows only.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from aisle.catalogue.clean import SAMPLE_ROWS, describe_format
from aisle.catalogue.columns import column_map
from aisle.catalogue.hints import file_hints
from aisle.catalogue.source import open_source
from aisle.catalogue.values import is_missing
from aisle.config import CatalogueSettings

_EXAMPLES = 3
_LENGTH = 60


@dataclass(frozen=True, slots=True)
class ColumnInfo:
    """One column: the field it feeds ("attributes" if none), the share of rows with a value, first values."""

    name: str
    field: str
    filled: float
    examples: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Inspection:
    """What the first rows of a file say. ``broken`` counts sampled rows that cannot be read."""

    source: str
    format: str
    encoding: str
    rows_sampled: int
    broken: int
    columns: tuple[ColumnInfo, ...]
    hints: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return asdict(self)


def inspect(path: Path, settings: CatalogueSettings) -> Inspection:
    """Read the first rows of a catalogue and say how they would be understood; ``-`` is standard input.

    Raises:
        CatalogueError: The file cannot be read, or a field of the mapping does not exist.
    """
    with open_source(path) as source:
        columns = column_map(settings.columns)
        sample = []
        for row in source.rows():
            sample.append(row)
            if len(sample) >= SAMPLE_ROWS:
                break
        names: dict[str, int] = {}
        examples: dict[str, dict[str, None]] = {}
        for row in sample:
            for name, value in (row.values or {}).items():
                names.setdefault(name, 0)
                if is_missing(value):
                    continue
                names[name] += 1
                seen = examples.setdefault(name, {})
                if len(seen) < _EXAMPLES:
                    seen[_shorten(value)] = None
        columns.learn(names)
        readable = sum(row.values is not None for row in sample)
        hints = [*file_hints(source, columns, settings, sample)]
        if "title" not in columns.fields:
            hints.insert(0, "no column looks like a product title: name it with --column title=COLUMN")
        return Inspection(
            source=source.name,
            format=describe_format(source),
            encoding=source.encoding,
            rows_sampled=len(sample),
            broken=len(sample) - readable,
            columns=tuple(
                ColumnInfo(name, columns.role(name), filled / max(readable, 1), tuple(examples.get(name, ())))
                for name, filled in names.items()
            ),
            hints=tuple(hints),
        )


def _shorten(value: object) -> str:
    text = " ".join(str(value).split()).encode("utf-8", "replace").decode("utf-8")
    return text if len(text) <= _LENGTH else text[: _LENGTH - 1] + "…"
