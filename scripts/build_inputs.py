"""Make the pinned inputs of the encoder and the lexicon in data/ from the public sources.

Run rarely: the results are committed.

    python scripts/build_inputs.py --sources DIR

DIR holds the folders `shopify_taxonomy`, `wordnet`, `tatoeba_zh_en`, `thuocl` and `jd_catalogue_sql` as data/README.md
describes them. Word frequencies come from the dictionary of the PyPI package jieba. Same sources, same bytes.
"""

from __future__ import annotations

import argparse
import gzip
import re
import sys
from collections.abc import Iterable, Iterator
from hashlib import sha256
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

ROOT = Path(__file__).parent.parent
TARGET = ROOT / "data"
LANGUAGES = ("zh-CN", "en", "ja", "es")
HAN = re.compile(r"[\u4e00-\u9fff]")
LEMMA = re.compile(r"^[\u4e00-\u9fffA-Za-z0-9·\-]{1,12}$")
JIEBA = "0.42.1"


def write(name: str, header: str, rows: Iterable[tuple[str, ...]]) -> None:
    """Write a gzipped table whose bytes depend on the rows alone, and print its hash."""
    lines = [header, *("\t".join(row) for row in rows)]
    content = gzip.compress(("\n".join(lines) + "\n").encode(), 9, mtime=0)
    (TARGET / name).write_bytes(content)
    print(f"{name}: {len(lines) - 1:,} rows, {len(content):,} bytes, sha256 {sha256(content).hexdigest()}")


def taxonomy_entries(path: Path) -> Iterator[tuple[str, str]]:
    """``(id, text)`` of a file of the Shopify taxonomy."""
    for line in path.read_text(encoding="utf-8").splitlines():
        if line.startswith("gid://"):
            number, _, text = line.partition(" : ")
            yield number.strip().rsplit("/", 1)[-1], text.strip()


def categories(sources: Path) -> Iterator[tuple[str, ...]]:
    """Leaf names and paths in every language; the English path says where a category stands."""
    by_language = {
        language: dict(taxonomy_entries(sources / "shopify_taxonomy" / language / "categories.txt"))
        for language in LANGUAGES
    }
    for number, english in by_language["en"].items():
        paths = [by_language[language].get(number, "") for language in LANGUAGES]
        leaves = [path.rsplit(" > ", 1)[-1] for path in paths]
        yield (number, *leaves, english)


def values(sources: Path) -> Iterator[tuple[str, ...]]:
    """Attribute values in every language, and the English name of the attribute."""
    by_language = {
        language: dict(taxonomy_entries(sources / "shopify_taxonomy" / language / "attribute_values.txt"))
        for language in LANGUAGES
    }
    for number, english in by_language["en"].items():
        found = [by_language[language].get(number, "") for language in LANGUAGES]
        names = [text.rsplit(" [", 1)[0] for text in found]
        attribute = english.rsplit(" [", 1)[-1].rstrip("]")
        yield (number, *names, attribute)


def wordnet(sources: Path) -> Iterator[tuple[str, ...]]:
    """Synsets that both wordnets name: id, field, Chinese and English lemmas joined by ``|``, English definition."""
    folder = sources / "wordnet"
    chinese: dict[str, list[str]] = {}
    for line in (folder / "cow" / "wn-data-cmn.tab").read_text(encoding="utf-8").splitlines():
        parts = line.split("\t")
        if len(parts) == 3 and parts[1] == "cmn:lemma":
            lemma = parts[2].replace("+", "").replace("_", "").strip()
            if LEMMA.match(lemma) and HAN.search(lemma):
                chinese.setdefault(parts[0], []).append(lemma)
    to_ili = {}
    for line in (folder / "ili-map-pwn30.tab").read_text(encoding="utf-8").splitlines():
        ili, _, synset = line.partition("\t")
        to_ili[synset.strip()] = ili
    by_ili = {to_ili[synset]: lemmas for synset, lemmas in chinese.items() if synset in to_ili}
    for path in sorted((folder / "oewn").glob("*.yaml")):
        for ili, members, definition in synsets(path):
            if ili in by_ili and members:
                yield (ili, path.stem, "|".join(dict.fromkeys(by_ili[ili])), "|".join(members), definition)


def synsets(path: Path) -> Iterator[tuple[str, list[str], str]]:
    """``(interlingual id, English lemmas, first definition)`` of an Open English WordNet file.

    Reads its regular layout line by line: a YAML parser takes minutes.
    """
    ili, definition, key = "", "", ""
    members: list[str] = []
    for line in [*path.read_text(encoding="utf-8").splitlines(), "end:"]:
        if not line.startswith(" "):
            if ili:
                yield ili, members, definition
            ili, members, definition, key = "", [], "", ""
        elif re.match(r"  \w", line):
            key, _, rest = line.strip().partition(":")
            if key == "ili":
                ili = rest.strip()
        elif line.startswith("  - "):
            text = line[4:].strip().strip("'\"")
            if key == "members":
                members.append(text)
            elif key == "definition":
                definition = definition or text
        elif key == "definition" and line.startswith("    ") and len(definition) < 200:
            definition += " " + line.strip().strip("'\"")


def tatoeba(sources: Path) -> Iterator[tuple[str, ...]]:
    """Parallel sentences: Chinese, English."""
    for line in (sources / "tatoeba_zh_en" / "cmn.txt").read_text(encoding="utf-8").splitlines():
        english, _, chinese = line.partition("\t")
        chinese = chinese.split("\t")[0]
        if english and chinese:
            yield chinese.strip(), english.strip()


def frequencies(sources: Path) -> Iterator[tuple[str, ...]]:
    """Chinese words with their number of occurrences: jieba's dictionary, then names of goods from THUOCL."""
    try:
        found = distribution("jieba")
    except PackageNotFoundError:
        sys.exit(f"error: jieba is not installed\nto fix: pip install jieba=={JIEBA}")
    if found.version != JIEBA:
        sys.exit(f"error: jieba {found.version} is installed\nallowed: {JIEBA}\nto fix: pip install jieba=={JIEBA}")
    counts: dict[str, int] = {}
    for line in Path(str(found.locate_file("jieba/dict.txt"))).read_text(encoding="utf-8").splitlines():
        word, count, *_ = line.split(" ")
        if HAN.search(word) and len(word) <= 6 and int(count) >= 3:
            counts[word] = int(count)
    for name in ("food", "IT", "car", "medical", "animal"):
        for line in (sources / "thuocl" / f"THUOCL_{name}.txt").read_text(encoding="utf-8").splitlines():
            word, _, _ = line.strip().partition("\t")
            if HAN.search(word) and len(word) <= 6:
                counts.setdefault(word.strip(), 3)
    yield from ((word, str(count)) for word, count in sorted(counts.items()))


def goods(sources: Path) -> Iterator[tuple[str, ...]]:
    """Products of litemall's demo shop: title, brief, category path."""
    path = sources / "jd_catalogue_sql" / "litemall_goods.tsv"
    for line in path.read_text(encoding="utf-8").splitlines()[1:]:
        _, name, brief, _, category, *_ = line.split("\t")
        yield name.strip(), brief.strip(), category.strip()


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sources", type=Path, required=True)
    sources = parser.parse_args().sources
    TARGET.mkdir(exist_ok=True)
    write("categories.tsv.gz", "id\tzh\ten\tja\tes\tpath", categories(sources))
    write("values.tsv.gz", "id\tzh\ten\tja\tes\tattribute", values(sources))
    write("wordnet.tsv.gz", "ili\tfield\tzh\ten\tdefinition", wordnet(sources))
    write("tatoeba.tsv.gz", "zh\ten", tatoeba(sources))
    write("frequencies.tsv.gz", "word\tcount", frequencies(sources))
    write("goods.tsv.gz", "title\tbrief\tcategory", goods(sources))
    return 0


if __name__ == "__main__":
    sys.exit(main())
