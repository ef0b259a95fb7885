"""The whole explanation of one product, and a page's explanations, from an engine.

Knows the engine's public parts; what each part of an explanation means is in the other files.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from aisle.catalogue.render import Renderer
from aisle.engine import SearchEngine
from aisle.errors import InputError
from aisle.explain.absent import absence
from aisle.explain.asked import Asked, asked_of
from aisle.explain.change import Fusion, changes, decider
from aisle.explain.cut import word_key
from aisle.explain.details import bm25_by_field, bm25_by_word
from aisle.explain.explanation import Explanation
from aisle.explain.hit import Details, explain_hit, filter_constraints
from aisle.explain.learnt import learnt_by_feature
from aisle.explain.linear import Again
from aisle.explain.near import NearWords
from aisle.explain.notes import UNHEEDED
from aisle.explain.occlude import occlude, ranked, spellings
from aisle.explain.reading import EncoderReader, Reader, RerankerReader
from aisle.explain.stages import is_bm25
from aisle.explain.title_word import Trial, word_changes
from aisle.explain.values import Counterfactual, Effect, Words
from aisle.query.constraint import Constraint, verdict
from aisle.rerankers.listwise import among, together
from aisle.rerankers.slow import SlowReranker
from aisle.types import Hit, Product, Ranking, SearchRequest

DENSE, RERANK = "dense:text", "rerank"


def explain(
    engine: SearchEngine,
    request: SearchRequest,
    product_id: str,
    constraints: Sequence[Constraint] | None = None,
    details: Details | None = None,
) -> Explanation:
    """Explain why a product stands where it stands for a request, or why it is not there.

    The ranking is searched to the recipe's ``depth`` from its first product, whatever page the request asks for, and
    without its deadline. Takes about one search and one encoding a word: tenths of a second.

    Args:
        engine: Where to search.
        request: As for `SearchEngine.search`.
        product_id: The product.
        constraints: The query's demands; None takes those that the engine reads, for verdicts also where the recipe
            does not heed them. The request's filter comes after them.
        details: What the raw scores of other stages than BM25 are made of, for this product.

    Raises:
        InputError: The index has no such product.
        RequestError: As `SearchEngine.search`.
        FilterError: As `SearchEngine.search`.
    """
    (product,) = engine.index.get([product_id])
    if product is None:
        raise InputError(f"the index has no product {product_id!r}", fix="take an id that aisle search prints")
    wide = replace(request, offset=0, k=max(engine.recipe.search.depth, request.offset + request.k), deadline_ms=None)
    ranking = engine.search(wide)
    read = asked_of(engine, wide, ranking.hits)
    asked, heeded = read.request, read.constraints if constraints is None else constraints
    demands = read.shown if constraints is None else constraints
    hit = next((hit for hit in ranking.hits if hit.product_id == product_id), None)
    notes = (*ranking.rewrites, *ranking.degraded, *([UNHEEDED] if demands and not heeded else []))
    meant = any(DENSE in one.parts or RERANK in one.parts for one in ranking.hits)
    reader = _reader(engine, asked.text, product, hit, ranking) if asked.text and meant else None
    words = _words(engine, reader, asked, product) if asked.text else None
    if hit is None:
        verdicts = tuple(verdict(demand, product) for demand in demands)
        missing = absence(engine, asked, product, ranking)
        return Explanation(request.text, product, None, None, (), verdicts, words, None, missing, notes)
    by_field = _by_field(engine, asked, [hit])
    conditions = (*demands, *filter_constraints(request.filter))
    by_feature = learnt_by_feature(engine, asked, read.constraints, ranking.hits, product_id)
    split = {**by_field.get(product_id, {}), **by_feature, **(details or {})}
    plain = explain_hit(request.text, hit, conditions, split)
    against = None
    if hit.rank > 1:
        above = ranking.hits[hit.rank - 2]
        against = _against(engine, read, reader, (hit, above), ranking, heeded)
    return replace(plain, words=words, counterfactual=against, notes=notes)


def explain_page(
    engine: SearchEngine,
    ranking: Ranking,
    constraints: Sequence[Constraint] | None = None,
    near: NearWords | None = None,
) -> tuple[Explanation, ...]:
    """Explain every hit of a page: contributions with BM25 by field, and verdicts; one look at the index for all.

    Args:
        engine: That the ranking came from.
        ranking: Its hits are explained.
        constraints: The query's demands; None takes those that the engine reads.
        near: Adds estimates of the words that carry the cosine; keep it from page to page, as it remembers words.
    """
    read = asked_of(engine, ranking.request, ranking.hits)
    asked, demands = read.request, read.shown if constraints is None else constraints
    by_field = _by_field(engine, asked, ranking.hits)
    conditions = (*demands, *filter_constraints(ranking.request.filter))
    pages = [explain_hit(ranking.request.text, hit, conditions, by_field.get(hit.product_id)) for hit in ranking.hits]
    if near is None or not asked.text or not pages:
        return tuple(pages)
    reader = EncoderReader(engine.encoder, Renderer(engine.recipe.render, engine.encoder.count_tokens))
    query = engine.encoder.encode([asked.text], "query")[0]
    stored = engine.index.stored([hit.product_id for hit in ranking.hits])
    for place, hit in enumerate(ranking.hits):
        vector = stored[hit.product_id].vectors.get("text") if hit.product_id in stored else None
        if vector is not None:
            words = near.estimate(asked.text, query, reader.fields(hit.product), vector)
            pages[place] = replace(pages[place], words=words)
    return tuple(pages)


def _reader(engine: SearchEngine, text: str, product: Product, hit: Hit | None, ranking: Ranking) -> Reader:
    """The model whose score decided: the re-ranker where it has ordered the product, else the encoder.

    One that looks at the whole list sees all that it has read, also what was cut off or folded away afterwards,
    whatever is changed of the product.
    A language model is not asked dozens of times for an explanation: the encoder's words stand in for its own.
    """
    reranker = None if isinstance(engine.reranker, SlowReranker) else engine.reranker
    if reranker is not None and RERANK in map(decider, ranking.hits if hit is None else [hit]):
        if together(reranker):
            there = {one.product_id: one.product for one in ranking.hits}
            gone = [one for one in ranking.reranked if one not in there]
            there |= {one.id: one for one in engine.index.get(gone) if one is not None}
            reranker = among(reranker, text, [there[one] for one in ranking.reranked if one in there])
        return RerankerReader(reranker, product)
    return EncoderReader(engine.encoder, Renderer(engine.recipe.render, engine.encoder.count_tokens))


def _by_field(
    engine: SearchEngine, asked: SearchRequest, hits: Sequence[Hit]
) -> dict[str, dict[str, dict[str, float]]]:
    """Product id to the BM25 stage to fields; only of hits that have the stage."""
    stages = {hit.product_id: next(filter(is_bm25, hit.parts), None) for hit in hits}
    ids = [product_id for product_id, stage in stages.items() if stage]
    if not ids:
        return {}
    found = bm25_by_field(engine.index, asked, ids, engine.recipe.index.field_weights)
    return {product_id: {str(stages[product_id]): fields} for product_id, fields in found.items()}


def _words(engine: SearchEngine, reader: Reader | None, asked: SearchRequest, product: Product) -> Words:
    """Of the model that scored; where none did, of BM25, to which a word of the query is worth what it finds."""
    if asked.mode == "dense" and reader is not None:
        return occlude(reader, asked.text, product)
    by_word = bm25_by_word(engine.index, asked, product.id, engine.recipe.index.field_weights)
    if reader is None:
        fields = bm25_by_field(engine.index, asked, [product.id], engine.recipe.index.field_weights)[product.id]
        spelt = spellings({"query": asked.text})
        return Words("bm25", sum(fields.values()), ranked({spelt[key]: drop for key, drop in by_word.items()}), ())
    words = occlude(reader, asked.text, product)
    query = tuple(Effect(item.name, item.effect, by_word.get(word_key(item.name))) for item in words.query)
    return replace(words, query=query)


def _against(
    engine: SearchEngine,
    read: Asked,
    reader: Reader | None,
    pair: tuple[Hit, Hit],
    ranking: Ranking,
    constraints: Sequence[Constraint],
) -> Counterfactual:
    own, above = pair
    asked, gap = read.request, above.score - own.score
    if asked.sort or not asked.text:
        fields = tuple(sort.field for sort in asked.sort) or ("id",)
        return Counterfactual(above.product_id, above.product.title, gap, (), fields)
    fusion = Fusion.of(ranking.hits, engine.recipe.search)
    again = Again.of(engine, read, ranking.hits, own, above)
    found = changes(own, above, ranking.hits, fusion, constraints, again)
    stage = None if reader is None else RERANK if reader.model == "reranker" else DENSE
    barred = any(change.kind in ("identifier", "unread") for change in found)
    tried = decider(own) in (None, stage) if again is None else again.retitled
    if reader is not None and not barred and tried:
        weights = engine.recipe.index.field_weights
        title: Mapping[str, float] = bm25_by_field(engine.index, asked, [own.product_id], weights)[own.product_id]
        title_bm25 = title.get("title", 0.0)
        trial = Trial(asked, ranking.hits, fusion, reader, stage, engine.index, weights, title_bm25, again)
        prices = {word for demand in read.shown if demand.kind == "price" for word in demand.text.split()}
        found += [change for change in word_changes(trial, own, above) if change.name not in prices]  # no title says so
    return Counterfactual(above.product_id, above.product.title, gap, tuple(found))
