"""Make aisle/language/lexicon.tsv.gz from the pinned inputs in data/: things by their names in four languages.

    python scripts/build_lexicon.py

Head terms and shop terms written for Aisle come first, then the categories and attribute values of the Shopify
taxonomy, then the concrete nouns of the wordnets. Entries that share a Chinese and an English name become one; an entry
of a later source that shares only one of them with an earlier one is left out, since it would make a clear name
ambiguous, but for its Japanese and Spanish names where a single earlier one has its English name. Function words are no
names. Same inputs, same bytes.
"""

from __future__ import annotations

import gzip
import sys
from collections.abc import Iterator, Mapping
from hashlib import sha256
from pathlib import Path

import regex

from aisle.language.chinese import simplify
from aisle.training.bilingual.sources import rows

ROOT = Path(__file__).parent.parent
DATA, TARGET = ROOT / "data", ROOT / "aisle" / "language" / "lexicon.tsv.gz"
CONCRETE = frozenset(f"noun.{field}" for field in ("artifact", "food", "plant", "animal", "substance", "body"))
HAN = regex.compile(r"\p{Han}")
NOTE = regex.compile(r"\s*[(（][^)）]*[)）]")
MAX_WORDS = 5
FUNCTION_WORDS = frozenset({
    "a", "al", "am", "an", "and", "any", "are", "as", "at", "aus", "be", "bei", "but", "by", "can", "con", "dans",
    "das", "de", "del", "den", "der", "des", "die", "do", "du", "ein", "el", "en", "es", "est", "et", "for", "from",
    "fue", "go", "has", "he", "her", "him", "his", "i", "if", "il", "im", "in", "is", "it", "its", "la", "las",
    "le", "les", "lo", "los", "may", "me", "mit", "mon", "my", "ne", "no", "nos", "not", "o", "of", "off", "on",
    "or", "os", "ou", "our", "out", "par", "para", "pas", "per", "por", "pour", "que", "se", "she", "si", "sin",
    "so", "su", "sur", "te", "that", "the", "them", "they", "this", "to", "tu", "un", "und", "una", "une", "up",
    "us", "van", "von", "was", "we", "what", "who", "will", "with", "y", "you", "your", "zu",
})  # fmt: skip
"""Of the languages whose names stand in the table: in a query they name nothing, whatever else they may mean."""
LINES = ("Pixel", "Nescafe", "Accu-Chek", "CorningWare", "Pyrex", "Scotch", "Mobil 1", "Shell Helix", "Duplo")
"""Of brands' goods: who asks for Google does not mean every product with pixels."""
Entry = dict[str, dict[str, None]]


def names(text: str | None) -> dict[str, None]:
    """The names of a cell, notes in brackets removed, each once."""
    found = (NOTE.sub("", part).strip() for part in (text or "").split("|"))
    named = (name for name in found if name and name.casefold() not in FUNCTION_WORDS)
    return {name: None for name in named if len(name.split()) <= MAX_WORDS}


def entry(zh: str, en: str, ja: str = "", es: str = "") -> Entry:
    """One concept."""
    chinese = {simplify(name): None for name in names(zh) if HAN.search(name)}
    return {"zh": chinese, "en": names(en), "ja": names(ja), "es": names(es)}


def entries() -> Iterator[tuple[int, Entry]]:
    """All concepts with the rank of their source."""
    for row in rows(DATA / "lexicon" / "head_terms.tsv"):
        yield 0, entry(row["zh"], row["en"], row["ja"], row["es"])
    for path in sorted((DATA / "shop_terms").glob("*.tsv")):
        for row in rows(path):
            yield 0, entry("|".join(filter(None, (row["zh"], row["tw"]))), without_lines(row))
    for row in rows(DATA / "categories.tsv.gz"):
        yield 1, entry(row["zh"], row["en"], row["ja"], row["es"])
    for row in rows(DATA / "values.tsv.gz"):
        if row["en"].replace(" ", "").replace("-", "").isalpha() and row["en"] not in {"Other", "None"}:
            yield 1, entry(row["zh"], row["en"], row["ja"], row["es"])
    for row in rows(DATA / "wordnet.tsv.gz"):
        if row["field"] in CONCRETE:
            yield 2, entry(row["zh"], row["en"])


def without_lines(row: Mapping[str, str]) -> str:
    """The English names of a shop term, of a brand without those of its goods."""
    given = row["en"].split("|")
    return "|".join(name for name in given if row["kind"] != "brand" or name not in LINES or len(given) == 1)


def key(name: str) -> str:
    """A name without case, blanks, hyphens and English plural, so that "T-Shirts" is "t shirt"."""
    return singular(name.casefold().replace(" ", "").replace("-", ""))


def singular(name: str) -> str:
    """Without the -s of an English plural."""
    return name[:-1] if name.endswith("s") and not name.endswith("ss") else name


def merge() -> list[Entry]:
    """Concepts that share a Chinese and an English name as one; later ones that share half are left out."""
    found: list[Entry] = []
    by_zh: dict[str, list[int]] = {}
    by_en: dict[str, list[int]] = {}
    for rank, new in entries():
        if not new["zh"] or not new["en"]:
            continue
        zh = {number for name in new["zh"] for number in by_zh.get(name, ())}
        en = {number for name in new["en"] for number in by_en.get(key(name), ())}
        both = sorted(zh & en)
        if both:
            at = both[0]
            for language, more in new.items():
                if language not in {"zh", "en"} or rank < 2:
                    found[at][language] |= more
        elif rank and (zh or en):
            if rank == 1 and len(en) == 1:  # the same thing by its English name: it has other languages' names too
                for language in ("ja", "es"):
                    found[min(en)][language] |= new[language]
            continue
        else:
            at = len(found)
            found.append(new)
        for name in found[at]["zh"]:
            if at not in by_zh.setdefault(name, []):
                by_zh[name].append(at)
        for name in found[at]["en"]:
            if at not in by_en.setdefault(key(name), []):
                by_en[key(name)].append(at)
    return found


def main() -> int:
    lines = []
    for concept in merge():
        english: dict[str, str] = {}
        for name in concept["en"]:
            english.setdefault(singular(name.casefold()), name)
        cells = [concept["zh"], english.values(), concept["ja"], concept["es"]]
        lines.append("\t".join("|".join(cell) for cell in cells))
    content = gzip.compress(("\n".join(lines) + "\n").encode(), 9, mtime=0)
    TARGET.write_bytes(content)
    print(f"{TARGET.name}: {len(lines):,} concepts, {len(content):,} bytes, sha256 {sha256(content).hexdigest()}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
