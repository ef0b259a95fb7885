"""The pinned inputs in data/ as pairs, terms and titles. Knows their files and which part of them is held out."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b, sha256
from pathlib import Path
from typing import Literal

import regex

from aisle.errors import ArtifactError

HELD_OUT = 20
"""One in so many categories, attribute values and sentences is never trained on: the benchmark asks for them."""

_HAN = regex.compile(r"\p{Han}")
_NOTE = regex.compile(r"\s*[(（][^)）]*[)）]")


@dataclass(frozen=True, slots=True)
class Term:
    """One thing by its names in both languages; ``kind`` is noun, attr or brand, ``field`` where it belongs."""

    kind: str
    field: str
    zh: tuple[str, ...]
    en: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Title:
    """A product title with queries it answers and its English form."""

    zh: str
    queries: tuple[str, ...]
    en: str


def held_out(key: str) -> bool:
    """Whether a category, value or sentence belongs to the held-out part; by its id, so always the same."""
    return blake2b(key.encode(), digest_size=4).digest()[0] % HELD_OUT == 0


def rows(path: Path) -> Iterator[dict[str, str]]:
    """The rows of a tab-separated table with a header, gzipped or not.

    Raises:
        ArtifactError: The file is missing.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ArtifactError(
            f"cannot read {str(path)!r}: {error.strerror}", fix="run from a complete checkout"
        ) from None
    text = (gzip.decompress(content) if path.suffix == ".gz" else content).decode()
    yield from csv.DictReader(io.StringIO(text), delimiter="\t", quoting=csv.QUOTE_NONE)


def fingerprint(folder: Path) -> str:
    """A hash of all inputs of the encoder; the folders `lexicon` and `held_out` are none."""
    digest = sha256()
    for path in sorted(path for path in folder.rglob("*.tsv*") if path.parent.name not in {"lexicon", "held_out"}):
        digest.update(path.relative_to(folder).as_posix().encode() + b"\0" + sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def shop_terms(folder: Path) -> list[Term]:
    """The terms written for this project, Taiwan's own words among the Chinese ones."""
    found = []
    for path in sorted((folder / "shop_terms").glob("*.tsv")):
        for row in rows(path):
            zh, en = _names(row["zh"]) + _names(row["tw"] or ""), _names(row["en"])
            if zh and en:
                found.append(Term(row["kind"], path.stem, zh, en))
    return found


def shop_titles(folder: Path, stage: Literal[1, 2] = 1) -> list[Title]:
    """The titles written for this project: those of the first stage, or the long tail that the second adds."""
    found = []
    for path in sorted((folder / ("shop_titles" if stage == 1 else "shop_titles_2")).glob("*.tsv")):
        for row in rows(path):
            queries = _names(row["queries"])
            if row["title"] and queries and row["title_en"]:
                found.append(Title(row["title"].strip(), queries, row["title_en"].strip()))
    return found


def categories(folder: Path, held: bool = False) -> list[Term]:
    """Leaf categories of the Shopify taxonomy as nouns; ``held`` gives the held-out ones instead."""
    return [
        Term("noun", row["path"].split(" > ")[0], (row["zh"],), (row["en"],))
        for row in rows(folder / "categories.tsv.gz")
        if row["zh"] and _HAN.search(row["zh"]) and held_out(row["en"]) is held
    ]


def category_paths(folder: Path) -> list[str]:
    """English category paths that are not held out."""
    return [row["path"] for row in rows(folder / "categories.tsv.gz") if not held_out(row["en"])]


def values(folder: Path, held: bool = False) -> list[Term]:
    """Attribute values of the Shopify taxonomy, each once; ``held`` gives the held-out ones instead."""
    found: dict[tuple[str, str], Term] = {}
    for row in rows(folder / "values.tsv.gz"):
        if _HAN.search(row["zh"]) and held_out(row["en"]) is held and row["en"] != "Other":
            found.setdefault((row["zh"], row["en"]), Term("attr", row["attribute"], (row["zh"],), (row["en"],)))
    return list(found.values())


def wordnet(folder: Path) -> list[tuple[Term, str]]:
    """Synsets with their English definitions; the field is WordNet's (noun.artifact, ...)."""
    return [
        (Term("noun", row["field"], _names(row["zh"]), _names(row["en"])), row["definition"])
        for row in rows(folder / "wordnet.tsv.gz")
    ]


def sentences(folder: Path, held: bool = False) -> list[tuple[str, str]]:
    """Parallel sentences ``(zh, en)``, held out by the English one; trained on where neither side is held out."""
    pairs = [(row["zh"], row["en"]) for row in rows(folder / "tatoeba.tsv.gz")]
    asked = [(zh, en) for zh, en in pairs if held_out(en)]
    if held:
        return asked
    kept = {zh for zh, _ in asked}
    return [(zh, en) for zh, en in pairs if not held_out(en) and zh not in kept]


def goods(folder: Path) -> list[dict[str, str]]:
    """Products of litemall: title, brief, category."""
    return list(rows(folder / "goods.tsv.gz"))


def frequencies(folder: Path) -> dict[str, int]:
    """Chinese words and characters with how often they occur."""
    return {row["word"]: int(row["count"]) for row in rows(folder / "frequencies.tsv.gz")}


def _names(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for part in text.split("|") if (name := _NOTE.sub("", part).strip())))
