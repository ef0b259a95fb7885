"""SearchEngine: an index, an encoder and a recipe that answer search requests.

Building lives in `aisle.build`; this file only opens and searches. It knows no command line and no file formats.
"""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from aisle.artifacts import swap_in
from aisle.build import build_index, check_index, check_made_with, index_identity, stored_recipe
from aisle.catalogue.render import Renderer
from aisle.config import Recipe
from aisle.encoders.load import load_encoder
from aisle.errors import ArtifactError, FilterError, FingerprintError
from aisle.indexes.facets import without_field
from aisle.indexes.lance import LanceIndex
from aisle.language.lexicon import Lexicon
from aisle.language.normalise import normalise
from aisle.language.script import ReadsScripts, readable, scripts_of
from aisle.language.synonyms import Synonyms
from aisle.language.understand import Understanding, Understood, told
from aisle.query.constraint import Constraint
from aisle.query.relax import said_to
from aisle.query.unmet import said_of_unmet
from aisle.ranking.clock import Clock
from aisle.ranking.fusion import fuse
from aisle.ranking.listed import Scored, ids_of
from aisle.ranking.sorting import order_by, worth_sorting
from aisle.retrieve import check_request, retrieve
from aisle.shelf import Shelf
from aisle.stages import MAX_QUERY_CHARS, Arranged, Context, Reading, Stages
from aisle.types import (
    Array,
    Encoder,
    Facets,
    FacetValue,
    Hit,
    Index,
    Mode,
    Product,
    Progress,
    Ranking,
    Reranker,
    SearchRequest,
)

WORDS_ONLY = "bm25 (script not read by the encoder)"
"""The stage of a query by words that was meant to be one by meaning too."""
MIN_READABLE = 0.5
"""Of a query's letters so many must be of scripts that the encoder reads."""


class SearchEngine:
    """Search over one catalogue: `build` or `open`, `search`, `save`.

    A context manager; leaving it closes the index.
    """

    def __init__(
        self,
        index: Index,
        encoder: Encoder,
        recipe: Recipe,
        reranker: Reranker | None = None,
        lexicon: Lexicon | None = None,
        folder: Path | None = None,
    ) -> None:
        self.index = index
        self.encoder = encoder
        self.recipe = recipe
        settings = recipe.search
        lexicon = lexicon or Lexicon()
        self.stages = Stages(index, encoder, recipe, reranker, lexicon, folder)
        self._understanding = Understanding(
            index.words,
            lexicon,
            Synonyms.load(Path(settings.synonyms)) if settings.synonyms else Synonyms(),
            pinyin=settings.pinyin,
            expansion_weight=settings.expansion_weight,
            synonym_weight=settings.synonym_weight,
        )
        self._lexicon, self._folder = lexicon, folder
        self._made = index_identity(folder) if folder is not None else None

    @property
    def folder(self) -> Path | None:
        """Where the index is; None where the engine was not made from a folder."""
        return self._folder

    @property
    def replaced(self) -> bool:
        """Whether another index stands in the folder than the one that was opened."""
        return self._folder is not None and index_identity(self._folder) != self._made

    @property
    def reranker(self) -> Reranker | None:
        """What re-ranks, if anything does."""
        return self.stages.reranker

    @classmethod
    def build(
        cls,
        products: Iterable[Product],
        folder: Path | str,
        recipe: Recipe | None = None,
        *,
        encoder: Encoder | None = None,
        progress: Progress | None = None,
    ) -> Self:
        """Index clean products into a folder and open it.

        An index that stands there already is brought up to date: what did not change is not encoded again, what
        is not among the products is deleted. An interrupted build goes on where it stopped.

        Raises:
            ArtifactError: The folder holds something else.
            IndexLockedError: Another process is writing to it.
        """
        recipe = recipe or Recipe()
        encoder = encoder or load_encoder(recipe.encoder)
        for warning in build_index(products, Path(folder), recipe, encoder, progress):
            warnings.warn(warning, stacklevel=2)
        return cls.open(folder, encoder=encoder)

    @classmethod
    def open(
        cls,
        folder: Path | str,
        recipe: Recipe | None = None,
        *,
        encoder: Encoder | None = None,
        reranker: Reranker | None = None,
        lexicon: Lexicon | None = None,
    ) -> Self:
        """Open an index for searching.

        Args:
            folder: What `build` or `aisle index` made.
            recipe: Settings to search with; None takes those the index was built with. Fusion and field weights
                may differ from these, the encoder and the renderer may not.
            encoder: An encoder already loaded.
            reranker: Re-ranks the first ``recipe.search.rerank_depth`` products.
            lexicon: Other names of things; None takes the packaged one.

        Raises:
            ArtifactError: The folder, or one that the recipe names, is not finished or of another kind.
            FingerprintError: The index, or what the recipe's `[ranking]` names, was made by another encoder, renderer,
                normaliser, segmenter or fusion.
            RecipeError: The synonyms or the rules that the recipe names cannot be read.
        """
        folder = Path(folder)
        check_index(folder)
        recipe = recipe or stored_recipe(folder)
        encoder = encoder or load_encoder(recipe.encoder)
        check_made_with(folder, encoder, Renderer(recipe.render, encoder.count_tokens))
        return cls(LanceIndex.open(folder / "lance", recipe.index), encoder, recipe, reranker, lexicon, folder)

    def save(self, folder: Path | str) -> None:
        """Copy the index to another folder, complete or not at all; files that its recipe names stay where they are.

        Raises:
            ArtifactError: The folder exists, or this engine was not made from a folder.
        """
        if self._folder is None:
            raise ArtifactError("this engine has no folder to copy", fix="make it with SearchEngine.build or open")
        folder = Path(folder)
        if folder.exists():
            raise ArtifactError(f"{str(folder)!r} exists", fix="name a folder that does not exist yet")
        part = folder.with_name(f".{folder.name}.building")
        shutil.rmtree(part, ignore_errors=True)
        shutil.copytree(self._folder, part)
        swap_in(part, folder)

    def with_recipe(self, recipe: Recipe) -> Self:
        """The same index searched with other settings; one of the two is to be closed."""
        return type(self)(self.index, self.encoder, recipe, None, self._lexicon, self._folder)

    def close(self) -> None:
        """Close the index."""
        self.index.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def search(self, request: SearchRequest) -> Ranking:
        """Answer one request.

        A blank query browses: all products that pass the filter, by ``request.sort``, then id. ``k`` of 0 gives
        no hits but the total; a ``k`` past the end gives what there is. With ``request.sort`` the products that
        BM25 found and the ``rerank_depth`` nearest by meaning are ordered by it, not by relevance.

        Raises:
            RequestError: ``k`` or ``offset`` is negative, or the mode unknown.
            FingerprintError: The index was replaced by another one since it was opened.
            FilterError: The filter or sort names a field that does not exist.
        """
        return self._ranking(request, self._find(request, None))

    def search_batch(self, requests: Sequence[SearchRequest], chunk: int = 256) -> Iterator[Ranking]:
        """Answer many requests in order; queries are encoded together, ``chunk`` at a time."""
        for request, found in self._find_all(requests, chunk):
            yield self._ranking(request, found)

    def run_batch(self, requests: Sequence[SearchRequest], chunk: int = 256) -> Iterator[tuple[tuple[str, float], ...]]:
        """The same answers as ``(product id, score)`` alone, best first: deep runs need no products fetched."""
        for request, found in self._find_all(requests, chunk):
            page = found.scored[request.offset : request.offset + request.k]
            yield tuple((product_id, score) for product_id, score, _ in page)

    def asked(self, request: SearchRequest) -> tuple[str, Array | None]:
        """What is searched for a request: the text as understood, and its vector ``(dim,)``.

        The vector is None where only words are searched: in mode "bm25", of a script that the encoder does not read,
        and of a blank query.
        """
        _, reading = self.read(request)
        if not reading.text or request.mode == "bm25" or self._unread(reading.text):
            return reading.text, None
        return reading.text, self.encoder.encode([reading.text], "query")[0]

    def facets(
        self, request: SearchRequest, fields: Sequence[str], limit: int = 100, ranking: Ranking | None = None
    ) -> Facets:
        """Count the values of fields over exactly the products that `search` ranks, whatever the page.

        With a cut-off these are the products that passed it, so that counts, total and list agree. While a field is
        counted, what the request's filter asks of that field alone is left out (multi-select).

        Args:
            request: What was asked.
            fields: What to count.
            limit: So many values of each at most.
            ranking: The answer to the request, where it is known: what is asked of no field is not searched again.

        Raises:
            FilterError: A field or the filter names an attribute that no product has.
        """
        counted: dict[str, tuple[FacetValue, ...]] = {}
        ranked = {request.filter: ranking.ids} if ranking is not None else {}
        _, reading = self.read(request)
        browsing = reading.active.refused is None and not reading.text
        for name in fields:
            asked = replace(request, filter=without_field(request.filter, name))
            if browsing:
                passing = self.stages.filter(asked, reading, reading.steps[0])
                counted |= self.index.facets([name], passing, limit).fields
                continue
            if asked.filter not in ranked:
                ranked[asked.filter] = tuple(ids_of(self.ranked(asked)))
            counted |= self.index.facets([name], None, limit, ranked[asked.filter]).fields
        return Facets(counted)

    def ranked(self, request: SearchRequest) -> Sequence[Scored]:
        """The whole ranking of a request, whatever its page: ``(product id, score, parts)``, best first."""
        return self._find(request, None).scored

    def _find_all(self, requests: Sequence[SearchRequest], chunk: int) -> Iterator[tuple[SearchRequest, _Found]]:
        for start in range(0, len(requests), chunk):
            part = requests[start : start + chunk]
            read = [self.read(request) for request in part]
            texts = [reading.text if reading.active.refused is None else "" for _, reading in read]
            wanted = [i for i, request in enumerate(part) if texts[i] and request.mode != "bm25"]
            wanted = [i for i in wanted if not self._unread(texts[i])]
            encoded = self.encoder.encode([texts[i] for i in wanted], "query")
            vectors = dict(zip(wanted, encoded, strict=True))
            for i, request in enumerate(part):
                yield request, self._find(request, vectors.get(i), read[i])

    def _understand(self, request: SearchRequest) -> Understood:
        text = normalise(request.text[:MAX_QUERY_CHARS])
        return self._understanding.read(text) if text else Understood(text)

    def read(self, request: SearchRequest) -> tuple[Understood, Reading]:
        """What is made of a request before anything is searched: corrections and other names, rules, demands."""
        understood = self._understand(request)
        return understood, self.stages.read(request, understood.text)

    def _unread(self, text: str) -> str | None:
        """The script that most of a text is in, if the encoder does not read most of it."""
        scripts = self.encoder.scripts if isinstance(self.encoder, ReadsScripts) else None
        if readable(text, scripts) >= MIN_READABLE:
            return None
        return scripts_of(text).most_common(1)[0][0]

    def _find(
        self, request: SearchRequest, vector: Array | None, read: tuple[Understood, Reading] | None = None
    ) -> _Found:
        """All candidates in their final order; what is not given is understood and encoded here."""
        check_request(request)
        if self.replaced:
            raise FingerprintError(
                f"the index {str(self._folder)!r} was replaced since it was opened",
                fix="open it again: the new one may be of another encoder or renderer",
            )
        clock = Clock(request.deadline_ms, request.waited_ms)
        settings = self.recipe.search
        understood, reading = read or self.read(request)
        clock.lap("understand")
        acting = reading.active
        degraded = [] if len(request.text) <= MAX_QUERY_CHARS else [f"query cut at {MAX_QUERY_CHARS} characters"]
        if acting.refused is not None:
            return _Found([], 0, tuple(degraded), (), clock, reading, Shelf(self.index), Arranged(()))
        text = reading.text
        unread = self._unread(text) if text and request.mode != "bm25" else None
        if unread:
            degraded.append(f"meaning: the encoder does not read {unread}, so only words were searched")
        mode: Mode = "bm25" if unread else request.mode
        names = (*understood.expansions, *reading.expansions) if mode != "dense" else ()
        clean = replace(request, text=text, expansions=names, mode=mode)
        told_of = [*understood.corrections, *told(names), *reading.told]
        for step in reading.steps:
            clean = replace(clean, filter=self.stages.filter(request, reading, step))
            try:
                found = retrieve(self.index, self.encoder, clean, vector, settings.depth, clock)
            except FilterError:
                if not step.kept:
                    raise
                continue  # an attribute that no product has any more since the catalogue was learnt from
            vector = found.vector
            if any(found.lists.values()):
                break
        told_of += [said_to(request.text, step)] if step.dropped else []
        degraded += found.left_out
        lists = {WORDS_ONLY if unread else stage: hits for stage, hits in found.lists.items()}
        scored = fuse(lists, settings.weights, settings.rrf_k if settings.fusion == "ranks" else None)
        total, arranged = found.total, Arranged(scored)
        context = Context(clean, reading, vector if mode != "bm25" else None, clock, Shelf(self.index))
        if text:
            clock.lap("fusion")
            arranged = self.stages.arrange(scored, context)
            scored = arranged.scored
            degraded += arranged.left_out
            if request.sort:
                by_id = {item[0]: item for item in scored if worth_sorting(item[2], settings.rerank_depth)}
                ordered = order_by(list(context.shelf.products(by_id).values()), request.sort)
                scored = [by_id[product.id] for product in ordered]
        scored = self.stages.finish(scored, context)
        total = len(scored) if text else total
        notes = tuple(degraded), tuple(told_of)
        return _Found(scored, total, *notes, clock, reading, context.shelf, arranged, step.dropped)

    def _ranking(self, request: SearchRequest, found: _Found) -> Ranking:
        hits = self._hits(found, request)
        found.clock.lap("fetch")
        acting = found.reading.active
        return Ranking(
            request=request,
            hits=hits,
            total=found.total,
            degraded=found.degraded,
            timings_ms=found.clock.laps,
            rewrites=found.rewrites,
            cut=found.arranged.dropped,
            reranked=found.arranged.read,
            redirect=acting.redirect,
            refused=acting.refused.reason if acting.refused is not None else None,
            ids=tuple(ids_of(found.scored)) if found.reading.text else (),
            unmet=self._unmet(found, request) if hits else None,
        )

    def _unmet(self, found: _Found, request: SearchRequest) -> str | None:
        """Demands that nothing down to the end of the page meets; what was given up has been said."""
        demands = found.reading.demands
        asked = [one for one in (demands.constraints if demands else ()) if one not in found.given_up]
        if not asked:
            return None
        shown = found.shelf.page([item[0] for item in found.scored[: request.offset + request.k]])
        return said_of_unmet(asked, list(shown.values()), request.text)

    def _hits(self, found: _Found, request: SearchRequest) -> tuple[Hit, ...]:
        page = found.scored[request.offset : request.offset + request.k]
        products = found.shelf.page([item[0] for item in page])
        places = {item[0]: place for place, item in enumerate(page, start=request.offset + 1)}
        return tuple(
            Hit(places[product_id], products[product_id], score, parts)
            for product_id, score, parts in self.stages.safe(page, products, found.reading)
            if product_id in products  # not deleted by another process since it was found
        )


@dataclass(frozen=True, slots=True)
class _Found:
    scored: Sequence[Scored]
    total: int
    degraded: tuple[str, ...]
    rewrites: tuple[str, ...]
    clock: Clock
    reading: Reading
    shelf: Shelf
    arranged: Arranged
    given_up: tuple[Constraint, ...] = ()
