"""From the inputs in data/ to what a run draws from: vocabulary, first rows, pairs, and the teacher's vectors.

This is the recipe's list of ingredients with their weights. Knows the sources and the teacher, no training.
"""

from __future__ import annotations

import gzip
import json
import random
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path

import numpy as np

from aisle.encoders.tokenise import BilingualTokenizer
from aisle.training.bilingual import sources
from aisle.training.bilingual.compose import Composer, Example, from_titles, translated
from aisle.training.bilingual.sources import Term, Title
from aisle.training.bilingual.train import Aligned, Corpus, Pairs

Teacher = Callable[[Sequence[str]], np.ndarray]
Gloss = tuple[str, str, float]

SHOP_FIELDS = frozenset(
    f"noun.{field}" for field in ("artifact", "food", "plant", "animal", "substance", "body", "object")
)
DEPARTMENTS = {
    "Animals & Pet Supplies": "family_culture", "Apparel & Accessories": "clothing", "Arts & Entertainment":
    "family_culture", "Baby & Toddler": "family_culture", "Business & Industrial": "auto_sport_industry",
    "Cameras & Optics": "electronics", "Electronics": "electronics", "Food, Beverages & Tobacco": "kitchen_food",
    "Furniture": "home", "Hardware": "home", "Health & Beauty": "beauty_health", "Home & Garden": "home",
    "Luggage & Bags": "clothing", "Media": "family_culture", "Office Supplies": "family_culture",
    "Religious & Ceremonial": "family_culture", "Software": "electronics", "Sporting Goods": "auto_sport_industry",
    "Toys & Games": "family_culture", "Vehicles & Parts": "auto_sport_industry",
}  # fmt: skip
"""Root categories of the taxonomy to the departments of the written terms: qualities and brands come from the same."""


@dataclass(frozen=True, slots=True)
class Inputs:
    """All sources, read once."""

    terms: list[Term]
    titles: list[Title]
    long_tail: list[Title]
    categories: list[Term]
    values: list[Term]
    synsets: list[tuple[Term, str]]
    sentences: list[tuple[str, str]]
    written: list[tuple[str, tuple[str, ...]]]
    goods: list[dict[str, str]]
    slogans: list[tuple[str, str]]
    english_titles: list[str]
    chinese_titles: list[str]

    @classmethod
    def read(cls, folder: Path, catalogue: Path) -> Inputs:
        """Read the folder data/ and the shipped sample catalogue."""
        glosses = [
            (row["zh"], tuple(name for name in row["en"].split("|") if name))
            for path in sorted((folder / "glosses").glob("*.tsv"))
            for row in sources.rows(path)
            if row["zh"] and row["en"]
        ]
        goods = sources.goods(folder)
        return cls(
            terms=sources.shop_terms(folder),
            titles=sources.shop_titles(folder),
            long_tail=sources.shop_titles(folder, 2),
            categories=sources.categories(folder),
            values=sources.values(folder),
            synsets=sources.wordnet(folder),
            sentences=sources.sentences(folder),
            written=glosses,
            goods=goods,
            slogans=[(row["zh"], row["en"]) for row in sources.rows(folder / "noise.tsv")],
            english_titles=_catalogue_titles(catalogue),
            chinese_titles=[f"{row['title']} {row['brief']}".strip() for row in goods],
        )

    def weighted_texts(self) -> Iterable[tuple[str, float]]:
        """Chinese texts with the weight of their words in the choice of the vocabulary."""
        for term in self.terms:
            yield from ((name, 3.0) for name in term.zh)
        for term in [*self.categories, *self.values]:
            yield from ((name, 1.0) for name in term.zh)
        for title in self.titles:
            yield from ((text, 2.0) for text in (title.zh, *title.queries))
        for term, _ in self.synsets:
            yield from ((name, 0.5 if term.field in SHOP_FIELDS else 0.1) for name in term.zh)
        yield from ((zh, 0.05) for zh, _ in self.sentences)
        yield from ((text, 1.0) for text in self.chinese_titles)

    def glosses(self) -> Iterable[Gloss]:
        """``(Chinese name, English name, weight)`` of every dictionary."""
        for term in self.terms:
            yield from ((zh, en, 5.0) for zh in term.zh for en in term.en)
        for term in [*self.categories, *self.values]:
            yield from ((zh, en, 4.0) for zh in term.zh for en in term.en)
        for term, _ in self.synsets:
            yield from ((zh, en, 1.5 if term.field in SHOP_FIELDS else 1.0) for zh in term.zh for en in term.en[:2])
        for zh, names in self.written:
            yield from ((zh, en, 3.0 / (place + 1)) for place, en in enumerate(names))
        yield from ((zh, en, 4.0) for zh, en in self.slogans)


def corpus(inputs: Inputs, tokenizer: BilingualTokenizer, teacher: Teacher, composed: int, seed: int) -> Corpus:
    """Everything a run draws from.

    Args:
        inputs: The sources.
        tokenizer: Of the student.
        teacher: English texts to unit vectors, ``(n, dim)``.
        composed: How many pseudo-titles to compose.
        seed: Of the composition.
    """
    anchors = _anchors(inputs)
    return Corpus(
        names=_names(inputs, tokenizer, teacher),
        sentences=_aligned(tokenizer, teacher, [(zh, en, 1.0) for zh, en in inputs.sentences]),
        anchors=_aligned(tokenizer, teacher, [(text, text, weight) for text, weight in anchors]),
        pairs=_pairs(_examples(inputs, composed, seed), tokenizer, teacher),
    )


def _names(inputs: Inputs, tokenizer: BilingualTokenizer, teacher: Teacher) -> Aligned:
    """Chinese names against the mean of the teacher's vectors of the English ones."""
    groups: dict[str, dict[str, float]] = defaultdict(dict)
    weights: dict[str, float] = {}

    def add(zh: str, english: Iterable[str], weight: float) -> None:
        for en in english:
            groups[zh][en] = max(groups[zh].get(en, 0.0), weight)
        weights[zh] = max(weights.get(zh, 0.0), weight)

    for term in inputs.terms:
        for zh in term.zh:
            add(zh, term.en, 3.0)
    for term in inputs.categories:
        add(term.zh[0], term.en, 1.5)
    for term in inputs.values:
        add(term.zh[0], term.en, 1.0)
    for term, _ in inputs.synsets:
        for zh in term.zh:
            add(zh, term.en[:3], 0.6 if term.field in SHOP_FIELDS else 0.25)
    for zh, names in inputs.written:
        add(zh, names, 0.7)
    for zh, en in inputs.slogans:
        add(zh, (en,), 2.0)
    english = list(dict.fromkeys(en for names in groups.values() for en in names))
    row = {en: number for number, en in enumerate(english)}
    vectors = teacher(english)
    targets = np.empty((len(groups), vectors.shape[1]), np.float32)
    for number, group in enumerate(groups.values()):
        mean = np.average(vectors[[row[en] for en in group]], axis=0, weights=list(group.values()))
        targets[number] = mean / np.linalg.norm(mean)
    return Aligned(tokenizer.ids(list(groups)), targets.astype(np.float16), np.cumsum([weights[zh] for zh in groups]))


def _examples(inputs: Inputs, composed: int, seed: int) -> list[tuple[Example, float, float]]:
    """All query-title pairs with their weights in both stages.

    In the first a third of what is drawn is written, in the second three quarters.
    """
    nouns = [(term, 3.0) for term in inputs.terms if term.kind == "noun"]
    for term in inputs.categories:
        nouns.append((Term("noun", DEPARTMENTS.get(term.field, term.field), term.zh, term.en), 1.0))
    nouns += [(term, 0.3) for term, _ in inputs.synsets if term.field in SHOP_FIELDS]
    attributes = [term for term in inputs.terms if term.kind == "attr"]
    attributes += random.Random(seed).sample(inputs.values, min(len(inputs.values), len(attributes)))
    brands = [term for term in inputs.terms if term.kind == "brand"]
    composer = Composer(nouns, attributes, brands, inputs.slogans, seed)
    names: dict[str, list[str]] = defaultdict(list)
    for term in [*inputs.terms, *inputs.categories, *inputs.values]:
        for en in term.en:
            names[en.lower()].extend(term.zh)
    categories = [row["category"].split(" > ")[-1] for row in inputs.goods]
    goods = [Title(text, (last,), "") for text, last in zip(inputs.chinese_titles, categories, strict=True)]
    written = from_titles(inputs.titles, seed) + from_titles(inputs.titles, seed + 1)
    border = translated(inputs.english_titles, names, seed)
    tail = from_titles(inputs.long_tail, seed) + from_titles(inputs.long_tail, seed + 1)
    parts = [
        (composer.examples(composed), 1.0, 0.5),
        (written, 0.5, 0.5),
        (from_titles(goods, seed), 0.008, 0.008),
        (border, 0.15, 0.1),
        (tail, 0.0, 1.6),
    ]
    return [
        (example, first * composed / len(part), second * composed / len(part))
        for part, first, second in parts
        for example in part
    ]


def _pairs(weighted: Sequence[tuple[Example, float, float]], tokenizer: BilingualTokenizer, teacher: Teacher) -> Pairs:
    examples = [example for example, _, _ in weighted]
    return Pairs(
        examples=examples,
        query_ids=tokenizer.ids([example.query for example in examples]),
        title_ids=tokenizer.ids([example.title for example in examples]),
        query_vectors=_or_zero(teacher, [example.query_en for example in examples]),
        title_vectors=_or_zero(teacher, [example.title_en for example in examples]),
        keys=np.array([_key(example) for example in examples]),
        weight=np.cumsum([weight for _, weight, _ in weighted]),
        later_weight=np.cumsum([weight for _, _, weight in weighted]),
    )


def _key(example: Example) -> int:
    """What a title is of: the composed thing, or the title itself."""
    return (
        example.thing if example.thing >= 0 else int.from_bytes(blake2b(example.title.encode(), digest_size=7).digest())
    )


def _anchors(inputs: Inputs) -> list[tuple[str, float]]:
    """English that must stay where it is: catalogue titles, names, definitions, sentences."""
    found = [(text, 3.0) for text in inputs.english_titles]
    found += [(en, 1.0) for term in [*inputs.terms, *inputs.categories] for en in term.en]
    found += [(en, 0.3) for term in inputs.values for en in term.en]
    found += [(title.en, 3.0) for title in inputs.titles]
    found += [(definition, 0.2) for _, definition in inputs.synsets if definition]
    found += [(en, 0.3) for _, en in inputs.sentences]
    return found


def _aligned(tokenizer: BilingualTokenizer, teacher: Teacher, texts: Sequence[tuple[str, str, float]]) -> Aligned:
    vectors = teacher([meaning for _, meaning, _ in texts]).astype(np.float16)
    return Aligned(tokenizer.ids([text for text, _, _ in texts]), vectors, np.cumsum([w for _, _, w in texts]))


def _or_zero(teacher: Teacher, texts: Sequence[str]) -> np.ndarray:
    unique = list(dict.fromkeys(text for text in texts if text))
    row = {text: number for number, text in enumerate(unique)}
    vectors = teacher(unique)
    out = np.zeros((len(texts), vectors.shape[1]), np.float16)
    for number, text in enumerate(texts):
        if text:
            out[number] = vectors[row[text]]
    return out


def _catalogue_titles(path: Path) -> list[str]:
    """Title and description of each shipped English product, as the encoder is given them."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    texts = (f"{row.get('title') or ''} {row.get('description') or ''}" for row in rows)
    return list(dict.fromkeys(" ".join(text.split())[:400] for text in texts if text.strip()))
