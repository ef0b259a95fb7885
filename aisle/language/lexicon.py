"""Other names for what a query asks: 手机 is also a cell phone, between Chinese, English, Japanese and Spanish.

A lexicon is a gzipped table without a header: one concept a line, the columns zh (simplified), en, ja and es divided by
tabs, equal names within a column by ``|``; a column may be empty. Knows names, no catalogue.
"""

from __future__ import annotations

import gzip
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from aisle.errors import ArtifactError
from aisle.language.names import find_names, fold_name, other_numbers
from aisle.words import Expansion

PACKAGED = Path(__file__).parent / "lexicon.tsv.gz"
LANGUAGES = ("zh", "en", "ja", "es")
MAX_CONCEPTS = 3
"""A name of more concepts than this says too little about which is meant."""


@dataclass(frozen=True, slots=True)
class _Table:
    """The lines; the first line that has a name; and all of them for the few names that are in several."""

    lines: list[str]
    concepts: dict[str, int]
    several: dict[str, list[int]]


class Lexicon:
    """Concepts with their names in several languages; read when first asked.

    Args:
        path: The table; where there is none, nothing has another name.
    """

    def __init__(self, path: Path = PACKAGED) -> None:
        self.path = path
        self._reading = threading.Lock()

    def __contains__(self, name: str) -> bool:
        """Whether some concept has this name, in singular or plural."""
        folded = fold_name(name)
        return any(form in self._table.concepts for form in (folded, *other_numbers(folded)))

    def expansions(self, text: str) -> tuple[Expansion, ...]:
        """The other names of what a text names, in the order of the text.

        A name of several concepts shares its weight of 1 among them; one of more than ``MAX_CONCEPTS`` has no others.

        Args:
            text: Normalised, simplified.

        Raises:
            ArtifactError: The table is damaged.
        """
        found: dict[tuple[str, str], Expansion] = {}
        for match in find_names(text, self._table.concepts):
            concepts = sorted({concept for name in match.names for concept in self._having(name)})
            if len(concepts) > MAX_CONCEPTS:
                continue
            own = {fold_name(match.written), *match.names}
            for concept in concepts:
                for language, column in zip(LANGUAGES, self._table.lines[concept].split("\t"), strict=False):
                    for name in filter(None, column.split("|")):
                        if fold_name(name) not in own:
                            other = Expansion(name, language, 1 / len(concepts), match.written)
                            found.setdefault((fold_name(name), match.written), other)
        return tuple(found.values())

    def _having(self, name: str) -> Sequence[int]:
        return self._table.several.get(name) or (self._table.concepts[name],)

    @property
    def _table(self) -> _Table:
        with self._reading:
            return self._read

    @cached_property
    def _read(self) -> _Table:
        try:
            text = gzip.decompress(self.path.read_bytes()).decode()
        except FileNotFoundError:
            return _Table([], {}, {})
        except (OSError, EOFError, UnicodeDecodeError) as error:
            raise ArtifactError(
                f"cannot read the lexicon {str(self.path)!r}: {error}",
                allowed="a gzipped table in UTF-8",
                fix="install Aisle again",
            ) from None
        concepts: dict[str, int] = {}
        several: dict[str, list[int]] = {}
        for number, line in enumerate(fold_name(text).replace("\t", "|").split("\n")):
            for name in line.split("|"):
                first = concepts.setdefault(name, number)
                if first != number:
                    several.setdefault(name, [first]).append(number)
        concepts.pop("", None)
        return _Table(text.split("\n"), concepts, several)
