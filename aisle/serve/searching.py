"""One search for a client: the ranking, and with it facets, highlights, a spelling hint, explanations, as JSON.

Runs in a thread of the pool. Queries that wait together are encoded together where the encoder gains by that. What the
time does not suffice for is left out, and the answer says so. Knows engines, no HTTP.
"""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from aisle.catalogue.store import product_to_dict
from aisle.encoders.onnx import OnnxEncoder
from aisle.engine import SearchEngine
from aisle.errors import FingerprintError
from aisle.explain import NearWords, explain_page
from aisle.indexes.facets import without_field
from aisle.indexes.lance import LanceIndex
from aisle.indexes.segment import query_tokens
from aisle.query.category import category_asked
from aisle.rerankers.slow import SlowReranker
from aisle.serve.experiment.trial import Part, Tried
from aisle.serve.highlight import fields, highlight, words_to_mark
from aisle.serve.parts import Parts
from aisle.serve.pool import Group
from aisle.serve.redact import public
from aisle.types import Facets, FacetValue, Hit, Ranking, SearchRequest

MAX_CORRECTED = 64
"""Characters of a query's words that a hint is looked for."""


@dataclass(frozen=True)
class Ask:
    """A search and what is wanted beside it. Equal ones have equal answers.

    Attributes:
        request: Its deadline is counted from ``since``, not from when a thread has time.
        facets: Fields to count.
        fields: Of each product; none: all.
        highlight: Whether to say where the query's words are.
        explain: Whether to say why each hit is there.
        part: Of an experiment.
        since: When the request came, `time.monotonic`.
    """

    request: SearchRequest
    facets: tuple[str, ...] = ()
    fields: tuple[str, ...] = ()
    highlight: bool = False
    explain: bool = False
    part: Part | None = None
    since: float = field(default=0.0, compare=False)

    @property
    def waited_ms(self) -> float:
        """Milliseconds since the request came."""
        return (time.monotonic() - self.since) * 1_000

    def begun(self) -> SearchRequest:
        """The request as it is searched now: its deadline has been running since it came."""
        return replace(self.request, waited_ms=self.waited_ms)


@dataclass(frozen=True, slots=True)
class Found:
    """An answer as JSON, the ranking it tells of, the index it is from, and what an experiment did to it."""

    body: bytes
    ranking: Ranking
    index_version: int
    index: str = ""
    tried: Tried | None = None


class Searches:
    """Answers searches over the parts' engine, whichever it is at the moment."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        sizes = {True: 1, False: parts.settings.batch}
        self._groups: dict[tuple[bool, bool], Group[Ask, Found]] = {
            (alone, computes): Group(self._work, size, narrow=computes)
            for alone, size in sizes.items()
            for computes in (True, False)
        }
        self._trials: Group[Ask, Found] = Group(self._try, 1)

    def group(self, ask: Ask) -> Group[Ask, Found]:
        """Who answers.

        The embedded encoder runs each text by itself: a vector must not depend on its neighbours. Searches compute,
        and are narrow, unless they wait for a slow re-ranker, which may be another server.
        """
        engine = self.parts.engine
        if ask.part is not None and not ask.part.served:
            return self._trials  # two rankings, and a candidate may wait where the served one does not
        return self._groups[isinstance(engine.encoder, OnnxEncoder), not isinstance(engine.reranker, SlowReranker)]

    def _work(self, asks: Sequence[Ask]) -> list[Found | Exception]:
        try:
            return self._together(self.parts.engine, asks)
        except FingerprintError as error:  # another index stands in the folder
            fresh = self.parts.reopened()
            return [error] * len(asks) if fresh is None else self._together(fresh, asks)

    def _try(self, asks: Sequence[Ask]) -> list[Found | Exception]:
        try:
            return [self._tried(self.parts.engine, ask) for ask in asks]
        except FingerprintError:  # another index stands in the folder
            fresh = self.parts.reopened()
            if fresh is None:
                raise
            return [self._tried(fresh, ask) for ask in asks]

    def _tried(self, engine: SearchEngine, ask: Ask) -> Found:
        trial, part = self.parts.trial, ask.part
        assert trial is not None
        assert part is not None
        tried = trial.answer(engine, ask.begun(), part)
        return replace(answer(tried.engine, ask, tried.ranking, tried), tried=tried)

    def _together(self, engine: SearchEngine, asks: Sequence[Ask]) -> list[Found | Exception]:
        found: list[Found | Exception] = []
        rankings = self._rankings(engine, asks)
        for ask, ranking in zip(asks, rankings, strict=True):
            try:
                found.append(ranking if isinstance(ranking, Exception) else answer(engine, ask, ranking))
            except FingerprintError:
                raise
            except Exception as error:
                found.append(error)
        return found

    def _rankings(self, engine: SearchEngine, asks: Sequence[Ask]) -> Iterator[Ranking | Exception]:
        if len(asks) > 1:
            try:
                yield from list(engine.search_batch([ask.begun() for ask in asks], len(asks)))
                return
            except FingerprintError:
                raise
            except Exception:  # one of them cannot be answered: each by itself
                pass
        for ask in asks:
            try:
                yield engine.search(ask.begun())
            except FingerprintError:
                raise
            except Exception as error:
                yield error


def answer(engine: SearchEngine, ask: Ask, ranking: Ranking, tried: Tried | None = None) -> Found:
    """What a client is told of a ranking."""
    degraded = [public(note) for note in ranking.degraded]
    spelling = hint(engine, ask.request.text)
    said: dict[str, Any] = {
        "query": ask.request.text,
        "mode": ask.request.mode,
        "index": engine.folder.name if engine.folder is not None else "",
        "total": ranking.total,
        "offset": ask.request.offset,
        "k": ask.request.k,
    }
    hits = [_hit(hit, ask) for hit in ranking.hits]
    if ask.part is not None:
        said["experiment"] = {"name": ask.part.experiment, "variant": ask.part.variant}
        for hit, shown in zip(hits, tried.shown if tried is not None else (), strict=False):
            hit |= {"team": shown.team} if shown.team else {}
            hit |= {"propensity": shown.propensity} if shown.propensity is not None else {}
    if ask.explain and not _late(ask, "explanation", degraded):
        for hit, why in zip(hits, explain_page(engine, ranking, near=NearWords(engine.encoder)), strict=True):
            hit["explanation"] = why.to_dict() | {"in_words": why.in_words()}
    if ask.highlight:
        meant = [other for one in spelling for other in one["searched_for"]]
        words = words_to_mark((ask.request.text, *meant, *map(_names, ranking.rewrites)))
        for hit, one in zip(hits, ranking.hits, strict=True):
            hit["highlight"] = highlight(one.product, words)
    said["hits"] = hits
    if ask.facets and not _late(ask, "facets", degraded):
        said["facets"] = _facets(facets_of(engine, ranking, ask.facets))
    said |= {
        "spelling": spelling,
        "rewrites": list(ranking.rewrites),
        "unmet": ranking.unmet,
        "category": category_asked(ranking),
        "cut": ranking.cut,
        "no_good_result": ranking.no_good_result,
        "redirect": ranking.redirect,
        "refused": ranking.refused,
        "degraded": degraded,
        "timings_ms": {stage: round(ms, 2) for stage, ms in ranking.timings_ms.items()},
    }
    version = engine.index.version if isinstance(engine.index, LanceIndex) else 0
    told = replace(ranking, degraded=tuple(degraded))
    return Found(to_json(said), told, version, str(said["index"]))


def _late(ask: Ask, what: str, degraded: list[str]) -> bool:
    """Whether the time is over for something, which is then noted."""
    deadline = ask.request.deadline_ms
    if deadline is None or ask.waited_ms < deadline:
        return False
    degraded.append(f"{what}: the deadline of {deadline:g} ms was spent")
    return True


def _hit(hit: Hit, ask: Ask) -> dict[str, Any]:
    product = product_to_dict(hit.product)
    told: dict[str, Any] = {
        "rank": hit.rank,
        "score": round(hit.score, 6),
        "product": fields(product, ask.fields) if ask.fields else product,
    }
    if ask.explain:
        told["parts"] = {
            stage: {"score": part.score, "rank": part.rank, "contribution": part.contribution}
            for stage, part in hit.parts.items()
        }
    return told


def _names(rewrite: str) -> str:
    """The words that a rewrite tells of: "手机 also as cell phone", "首机 -> 手机 (same sound)"."""
    for mark in (" also as ", " -> "):
        if mark in rewrite:
            return rewrite.partition(mark)[2].partition(" (")[0]
    return ""


def facets_of(engine: SearchEngine, ranking: Ranking, fields: Sequence[str]) -> Facets:
    """Values with their counts. None is below what the ranking itself holds.

    While a field is counted, what the filter asks of that field is left out, and a ranking goes so far down only: of a
    value that was chosen, fewer products may be among the first thousand of all than of its own first thousand.
    """
    request = replace(ranking.request, deadline_ms=None)
    counted = dict(engine.facets(request, fields, ranking=ranking).fields)
    chosen = [name for name in fields if request.text.strip() and without_field(request.filter, name) != request.filter]
    if chosen:
        own = engine.index.facets(chosen, among=ranking.ids).fields
        for name in chosen:
            counts = {one.value: one.count for one in counted[name]}
            for one in own[name]:
                counts[one.value] = max(one.count, counts.get(one.value, 0))
            ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
            counted[name] = tuple(FacetValue(value, count) for value, count in ordered)
    return Facets(counted)


def _facets(facets: Facets) -> dict[str, list[dict[str, Any]]]:
    return {
        name: [{"value": one.value, "count": one.count} for one in values] for name, values in facets.fields.items()
    }


def hint(engine: SearchEngine, text: str) -> list[dict[str, Any]]:
    """Words that the catalogue does not have, with those that were searched for instead."""
    index, settings = engine.index, engine.recipe.index
    if not isinstance(index, LanceIndex) or settings.fuzziness < 1:
        return []
    found = []
    for word in query_tokens(text[:MAX_CORRECTED]):
        if len(word) < settings.fuzzy_min_length or not word.isalpha() or word in index.words.vocabulary:
            continue
        near = index.words.vocabulary.corrections(word, settings.fuzziness)
        if list(near) != [word]:
            found.append({"word": word, "searched_for": list(near)})
    return found


def to_json(data: Any) -> bytes:
    """As UTF-8; half surrogate pairs, which JSON can hold and UTF-8 cannot, become question marks."""
    return json.dumps(data, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode(errors="replace")
