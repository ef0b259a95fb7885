"""The categories of a shop, and which of them a query names: "jackets" is all under Clothing > Jackets.

A name is a category's own (the last part of its path), in singular or plural, one of several in one ("Tops & Tees"),
or another name of it in the lexicon (夹克). Of several names in a query the longest counts; of several categories of
one name the one whose parents the query names too, else the one with most products. Knows paths and names, no index.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path as FilePath

import regex

from aisle.artifacts import write_text
from aisle.errors import ArtifactError
from aisle.language.lexicon import Lexicon
from aisle.language.names import find_names, fold_name, other_numbers
from aisle.query.constraint import Constraint
from aisle.types import Or, Product, Under
from aisle.words import Expansion

Path = tuple[str, ...]

FILE, FORMAT = "taxonomy.json", 1
"""The file's name in an index folder, and its format."""
MAX_CATEGORIES = 50_000
"""More distinct paths than this are not categories but titles: what comes later is left out."""
MAX_PATHS = 5
"""A name of more categories than this says too little; the largest of them are taken."""
WHOLE, PART = 0.9, 0.6
"""How sure it is that a category is meant whose name is the whole query, or a part of it."""
_JOINED = regex.compile(r"\s*(?:[&/,、，]|\band\b|\bund\b|\bet\b|\by\b|和|与)\s*", regex.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Named:
    """Categories that a query names: the words that do, the paths, largest first, and how sure that reading is."""

    text: str
    paths: tuple[Path, ...]
    certainty: float


class Taxonomy:
    """The category tree of a catalogue: `learn`, `category_of`, `named`, `below`.

    Args:
        counts: How many products have each path as theirs.
        lexicon: Other names of categories; None for none.
    """

    def __init__(self, counts: Mapping[Path, int], lexicon: Lexicon | None = None) -> None:
        self.lexicon = lexicon
        self.counts = dict(counts)
        self.sizes: Counter[Path] = Counter()
        """How many products are at or below each path."""
        for path, count in counts.items():
            for depth in range(1, len(path) + 1):
                self.sizes[path[:depth]] += count

    @classmethod
    def learn(cls, products: Iterable[Product], lexicon: Lexicon | None = None) -> Taxonomy:
        """The tree of the products' own categories."""
        counts: Counter[Path] = Counter()
        for product in products:
            count_category(counts, product)
        return cls(counts, lexicon)

    def save(self, path: FilePath) -> None:
        """Write one JSON file, complete or not at all."""
        found = [[list(category), count] for category, count in sorted(self.counts.items())]
        write_text(path, json.dumps({"format": FORMAT, "categories": found}, ensure_ascii=False) + "\n")

    @classmethod
    def load(cls, path: FilePath, lexicon: Lexicon | None = None) -> Taxonomy:
        """Read what ``save`` wrote.

        Raises:
            ArtifactError: The file is missing, damaged or of another format.
        """
        try:
            data = json.loads(path.read_text(encoding="utf-8"))
            if data["format"] != FORMAT:
                raise ValueError(f"format {data['format']!r}")
            return cls({tuple(map(str, category)): int(count) for category, count in data["categories"]}, lexicon)
        except (OSError, ValueError, TypeError, KeyError) as error:
            raise ArtifactError(f"cannot read {str(path)!r}: {error!r}", fix="index the catalogue again") from None

    def category_of(self, text: str) -> Path | None:
        """The category that a query names, None where it names none; see this file's head."""
        named = self.named(text)
        return named.paths[0] if named else None

    def named(self, text: str) -> Named | None:
        """The categories that a query names, with certainty.

        Args:
            text: Normalised, simplified.
        """
        found = find_names(text, self._names)
        best: tuple[tuple[int, int], str, list[Path]] | None = None
        for match in found:
            paths = list(dict.fromkeys(path for name in match.names for path in self._names[name]))
            said = [(self._said(path, text), self.sizes[path]) for path in paths]
            most = max(parents for parents, _ in said)
            kept = [path for path, (parents, _) in zip(paths, said, strict=True) if parents == most]
            key = (len(match.written) + 100 * most, -match.start)
            if best is None or key > best[0]:
                best = key, match.written, kept
        if best is None:
            return None
        paths = sorted(best[2], key=lambda path: (-self.sizes[path], path))[:MAX_PATHS]
        rest = fold_name(text)
        for name in {best[1], *(part for path in paths for part in path[:-1])}:
            rest = rest.replace(fold_name(name), " ")
        return Named(best[1], tuple(paths), PART if regex.search(r"[\p{L}\p{N}]", rest) else WHOLE)

    def below(self, path: Path) -> tuple[Path, ...]:
        """All categories under one, the largest first."""
        return tuple(
            sorted(
                (other for other in self.sizes if len(other) > len(path) and other[: len(path)] == path),
                key=lambda other: (-self.sizes[other], other),
            )
        )

    def expansions(self, named: Named, limit: int = 12) -> tuple[Expansion, ...]:
        """Names of the categories below those named, to search for beside them; the largest ``limit`` of them."""
        under = sorted({other for path in named.paths for other in self.below(path)}, key=lambda p: (-self.sizes[p], p))
        names = dict.fromkeys(name for path in under for name in _parts(path[-1]))
        own = {fold_name(named.text), *(fold_name(name) for path in named.paths for name in _parts(path[-1]))}
        kept = [name for name in names if fold_name(name) not in own][:limit]
        return tuple(Expansion(name, "", 1.0, named.text) for name in kept)

    def constraint(self, named: Named) -> Constraint:
        """The demand as a constraint: the category path begins with one of the named ones."""
        parts = tuple(Under(path) for path in named.paths)
        return Constraint("category", named.text, parts[0] if len(parts) == 1 else Or(parts), named.certainty)

    def _said(self, path: Path, text: str) -> int:
        """How many parents of a path the query names too."""
        folded = f" {fold_name(text)} "
        return sum(
            any(f" {form} " in folded or (not form.isascii() and form in folded) for form in _forms(part))
            for part in path[:-1]
        )

    @cached_property
    def _names(self) -> dict[str, list[Path]]:
        """The categories of each name: those whose own name it is; else whose last word; else whose other name."""
        own: dict[str, list[Path]] = {}
        last: dict[str, list[Path]] = {}
        for path in self.sizes:
            for part in _parts(path[-1]):
                own.setdefault(fold_name(part), []).append(path)
                if head := _without_parents(part, path[:-1]):
                    last.setdefault(fold_name(head), []).append(path)
        names = _first(own, last)
        return _first(names, self._translated(names)) if self.lexicon else names

    def _translated(self, names: Mapping[str, list[Path]]) -> dict[str, list[Path]]:
        found: dict[str, list[Path]] = {}
        for name, paths in names.items():
            for other in self.lexicon.expansions(name) if self.lexicon else ():
                if fold_name(other.because) == name:
                    found.setdefault(fold_name(other.name), []).extend(paths)
        return found


def count_category(counts: Counter[Path], product: Product) -> None:
    """Count a product under its path, if it has one and there are not too many paths already."""
    if product.category and (product.category in counts or len(counts) < MAX_CATEGORIES):
        counts[product.category] += 1


def _first(names: Mapping[str, list[Path]], others: Mapping[str, list[Path]]) -> dict[str, list[Path]]:
    """All names, and of others those that are none of them in singular or plural."""
    taken = {form for name in names for form in (name, *other_numbers(name))}
    return {name: list(dict.fromkeys(paths)) for name, paths in others.items() if name not in taken} | dict(names)


def _without_parents(name: str, parents: Path) -> str:
    """A name without its parents' words, as "Clothing Tops" under "Clothing" is Tops; "" where its last word is one."""
    known = {form for part in parents for word in part.split() for form in _forms(word)}
    words = name.split()
    left = [word for word in words if fold_name(word) not in known]
    return " ".join(left) if left and len(left) < len(words) and left[-1] == words[-1] else ""


def _parts(name: str) -> tuple[str, ...]:
    """A category's name, and where it joins several, each of them."""
    parts = [part for part in _JOINED.split(name) if part]
    return tuple(dict.fromkeys((" ".join(name.split()), *(parts if len(parts) > 1 else ()))))


def _forms(name: str) -> frozenset[str]:
    return frozenset(form for part in _parts(name) for form in (fold_name(part), *other_numbers(fold_name(part))))
