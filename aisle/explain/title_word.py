"""Would one more word of the query in its title have put the product above the next one? Tried, not supposed.

The changed product is rendered and encoded (or re-ranked) again, which is exact. What the word adds to BM25 is taken
from a product whose title has it, since only a new index could tell. Knows an engine's parts, not how it searches.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from aisle.explain.change import Fusion
from aisle.explain.cut import word_key, words_of
from aisle.explain.linear import Again
from aisle.explain.reading import Reader
from aisle.explain.stages import is_bm25
from aisle.explain.values import Change
from aisle.indexes.segment import product_tokens
from aisle.ranking.word_statistics import K1, B
from aisle.types import Hit, Index, Product, SearchRequest, Stage

RERANK = "rerank"
MOST = 6
"""Words of a query that are tried."""
MOST_EXAMPLES = 20


@dataclass(frozen=True, slots=True)
class Trial:
    """What a title with one more word is tried with.

    Attributes:
        request: As the engine searched it.
        hits: The ranking from rank 1.
        fusion: From the same ranking.
        reader: The model that gives ``stage`` its raw scores.
        stage: "dense:text", or the stage of the re-ranker; None where no model takes part.
        index: For what a word in the title is worth to BM25.
        field_weights: The title's among them.
        again: The linear learnt combination that decided; None where none did.
        title_bm25: What the title already gives, weighted: in a longer title its words count a little less.
    """

    request: SearchRequest
    hits: Sequence[Hit]
    fusion: Fusion
    reader: Reader
    stage: Stage | None
    index: Index
    field_weights: Mapping[str, float]
    title_bm25: float = 0.0
    again: Again | None = None


def word_changes(trial: Trial, own: Hit, above: Hit) -> list[Change]:
    """Words of the query that the title lacks and that alone would be enough, the highest new score first."""
    words = lacking_words(trial.request.text, own.product.title)
    if not words or any(stage == "diversity" for stage in (*own.parts, *above.parts)):
        return []
    raw = _raw(trial, own, words)
    found = []
    for word in words:
        added = {} if trial.stage is None else {trial.stage: raw[word]}
        gain = 0.0
        if trial.stage != RERANK and (stage := next(filter(is_bm25, trial.fusion.best), None)):
            gain = _bm25_gain(trial, own, word)
            part = own.parts.get(stage)
            lost = trial.title_bm25 * _diluted(trial.hits, own)
            added[stage] = (part.score if part else 0.0) + gain - lost
        mine, other = _then(trial, own, above, word, added)
        if mine > other:
            found.append(Change("word", name=word, now=own.score, needed=mine, against=other, estimated=gain > 0))
    return sorted(found, key=lambda change: -change.needed)


def lacking_words(query: str, title: str) -> list[str]:
    """The words of a query that a title has not: neither as words nor, for BM25, as its tokens."""
    has, tokens = {word.key for word in words_of(title)}, set(product_tokens(title))
    words = {word.key: query[word.start : word.end] for word in words_of(query) if word.key not in has}
    return [word for word in words.values() if not set(product_tokens(word)) <= tokens][:MOST]


def _then(trial: Trial, own: Hit, above: Hit, word: str, raw: Mapping[Stage, float]) -> tuple[float, float]:
    """The final scores of both where the word gives these raw scores."""
    if trial.stage == RERANK:
        return own.score + raw[RERANK] - own.parts[RERANK].score, above.score
    if trial.again is not None:
        raised = trial.fusion.raised(trial.again.read, own.product_id, raw)
        return trial.again.then(raised, _with_word(own, word))
    return trial.fusion.then(own, above, raw)


def _raw(trial: Trial, own: Hit, words: Sequence[str]) -> dict[str, float]:
    """The model's raw scores of the product with each word at the end of its title."""
    if trial.stage is None:
        return {}
    pairs = []
    for word in words:
        pairs.append((trial.request.text, trial.reader.fields(_with_word(own, word))))
    return dict(zip(words, map(float, trial.reader.scores(pairs)), strict=True))


def _with_word(own: Hit, word: str) -> Product:
    return replace(own.product, title=f"{own.product.title} {word}")


def _bm25_gain(trial: Trial, own: Hit, word: str) -> float:
    """What the word adds to BM25 in a title that is as long, or longer; 0 where no product of the ranking has it.

    A piece of a word that the catalogue lacks counts less than by itself: 0, so that nothing is promised.
    """
    weight = trial.field_weights.get("title", 0.0)
    key = word_key(word)
    if any(one.instead and word in one.because for one in trial.request.expansions):
        return 0.0
    examples = [
        hit.product for hit in trial.hits if sum(found.key == key for found in words_of(hit.product.title)) == 1
    ][:MOST_EXAMPLES]
    if not weight or not examples:
        return 0.0
    wanted = len(product_tokens(f"{own.product.title} {word}"))
    lengths = {product.id: len(product_tokens(product.title)) for product in examples}
    longer = {product_id: length for product_id, length in lengths.items() if length >= wanted}
    example = min(longer, key=longer.__getitem__) if longer else max(lengths, key=lengths.__getitem__)
    table = trial.index.features([example], replace(trial.request, text=word, expansions=()), {})
    return weight * float(table["bm25:title"][0].as_py() or 0.0)


def _diluted(hits: Sequence[Hit], own: Hit) -> float:
    """The share that one more token takes from what a title's words give, if each stands there once."""
    lengths = [len(product_tokens(hit.product.title)) for hit in hits[:MOST_EXAMPLES]]
    average = sum(lengths) / len(lengths)
    before, after = (
        1 + K1 * (1 - B + B * length / average)
        for length in (len(product_tokens(own.product.title)), len(product_tokens(own.product.title)) + 1)
    )
    return 1 - before / after
