"""What a recipe's `[ranking]` does to one search: before anything is searched, and with what was found.

    read     a merchant's rules for the query, its demands, the device it asks something for, the category it names
    arrange  knowledge, demands, learnt combination, re-ranker (or its score within it), boosts, identifiers, cut-off
    finish   diversity, pins
    safe     the safety list, on the page

Every stage takes a list of scored products and gives one; none loses what it adds: a hit's parts sum to its score.
Knows an index and settings; which lists were fused is the engine's.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from aisle.config import Recipe
from aisle.indexes import segment
from aisle.knowledge import asked as devices
from aisle.knowledge.taxonomy import Named
from aisle.known import Known
from aisle.language.lexicon import Lexicon
from aisle.provenance import made_with, ranked_with, reranked_with, same_making, same_reranker
from aisle.query.boost import boost
from aisle.query.constraint import Constraint
from aisle.query.parse import Asked as Demands
from aisle.query.parse import read_demands
from aisle.query.relax import Step, relaxations
from aisle.ranking.calibration import Calibration, Doubles
from aisle.ranking.cascade import scores_read
from aisle.ranking.clock import Clock
from aisle.ranking.cut_features import candidate_features
from aisle.ranking.cutoff import cut
from aisle.ranking.diversity import diversify, steepness
from aisle.ranking.features import Asked as FeaturesAsked
from aisle.ranking.features import Words, rank_features, shopper_context
from aisle.ranking.fusion import lift, reorder
from aisle.ranking.identifiers import identifier_keys
from aisle.ranking.learnt import EMBEDDED, RERANK, LearntRanking, for_everybody
from aisle.ranking.listed import Scored, behind
from aisle.rerankers.head import wording
from aisle.rerankers.load import load_reranker
from aisle.reranking import Reranking
from aisle.rules import (
    Active,
    RuleSet,
    active,
    apply_boosts,
    apply_pins,
    expansions,
    fit,
    meets_in_index,
    read_rules,
    record,
    remove_blocked,
    retrieval_filter,
)
from aisle.shelf import TEXT, Shelf
from aisle.types import And, Array, Encoder, Filter, Index, Product, Reranker, SearchRequest
from aisle.words import Expansion

MAX_QUERY_CHARS = 2_000
"""A longer query is cut, and the ranking says so: nobody types it, and the encoder reads 256 tokens at most."""
MAX_IDENTIFIER_HITS = 20
"""A key that more products carry than this is a word, not an identifier."""
DENSE = f"dense:{TEXT}"
REFIT_S = 60.0
WORDS = Words(segment, wording)


@dataclass(frozen=True, slots=True)
class Reading:
    """What is known of a query before it is searched.

    ``text`` is what is searched for by words and meaning, ``steps`` the demands that are filters: the first step that
    finds something is taken.
    """

    text: str
    active: Active = field(default_factory=Active)
    demands: Demands | None = None
    devices: tuple[devices.Asked, ...] = ()
    category: Named | None = None
    expansions: tuple[Expansion, ...] = ()
    steps: tuple[Step, ...] = (Step((), ()),)

    @property
    def told(self) -> tuple[str, ...]:
        """Demands for people to read: "brand HP (0.95)"."""
        found = [f"{c.kind}: {c.text} ({c.certainty:.2f})" for c in (self.demands.constraints if self.demands else ())]
        found += [f"without: {name}" for name in (self.demands.unwanted if self.demands else ())]
        found += [f"category: {' > '.join(path)}" for path in (self.category.paths if self.category else ())]
        return (*found, *(f"for the device {one.text} ({one.certainty:.2f})" for one in self.devices))


@dataclass(frozen=True, slots=True)
class Context:
    """One search on its way: what every stage may look at.

    Attributes:
        request: With the text that is searched, and the filter of `Stages.filter`.
        reading: Of the query.
        vector: Of the text, ``(dim,)``; None where only words were searched.
        clock: Once its deadline is spent, what can be left out is.
        shelf: The products, fetched once.
    """

    request: SearchRequest
    reading: Reading
    vector: Array | None
    clock: Clock
    shelf: Shelf


@dataclass(frozen=True, slots=True)
class Arranged:
    """The final order, what was left out and why, how many the cut-off dropped, and the ids that a re-ranker read."""

    scored: Sequence[Scored]
    left_out: tuple[str, ...] = ()
    dropped: int = 0
    read: tuple[str, ...] = ()


class Stages:
    """The stages that a recipe switches on, over one index.

    Args:
        index: Of the catalogue.
        encoder: That of the index.
        recipe: Says which stages, and how.
        reranker: Instead of the one that the recipe names.
        lexicon: Other names of things.
        folder: Of the index, where it keeps what the catalogue taught; None where there is none.
        now: The time; rules ask for the day.

    Raises:
        ArtifactError: A folder that the recipe names cannot be read, or the index lacks what a stage needs.
        FingerprintError: The calibration or the learnt combination was made with another encoder or fusion, or the
            combination reads the score of another re-ranker, or of one where there is none.
        RecipeError: The rules cannot be read.
    """

    def __init__(
        self,
        index: Index,
        encoder: Encoder,
        recipe: Recipe,
        reranker: Reranker | None,
        lexicon: Lexicon,
        folder: Path | None,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        settings = recipe.ranking
        self.index, self.encoder, self.recipe, self.settings = index, encoder, recipe, settings
        self.known, self.now = Known(index, folder, lexicon), now
        given = reranker is not None
        if reranker is None and settings.model:
            reranker = load_reranker(settings.model)
        self._reranking = Reranking(reranker, recipe.search) if reranker is not None else None
        self.reranked_with = reranked_with(recipe, given) if reranker is not None else None
        self._written = read_rules(Path(settings.rules)) if settings.rules else RuleSet()
        self.rules: RuleSet | None = fit(self._written, index) if settings.rules else None
        self._fitted = time.monotonic()
        if self.rules is not None:
            _ = self.rules.conditions, self.rules.refusals  # made now, not in the first search
        wanted = made_with(encoder, recipe)
        self.learnt = _learnt(settings.learnt, wanted, self.reranked_with) if settings.learnt else None
        self._combining_ms = 0.0
        self.calibration = Calibration.load(Path(settings.calibration)) if settings.calibration else None
        self._threshold = 0.0
        if self.calibration is not None:
            wanted |= ranked_with(recipe, given)
            same_making("calibration", settings.calibration, self.calibration.fingerprint, wanted)
            if settings.cut > 0:
                self._threshold = self.calibration.threshold(settings.cut, guaranteed=settings.cut_guaranteed)
        self._cuts = self._threshold > 0 or (self.calibration is not None and settings.least_best > 0)
        self._meets = meets_in_index(index)

    @property
    def reranker(self) -> Reranker | None:
        """What re-ranks, if anything does."""
        return self._reranking.reranker if self._reranking is not None else None

    def read(self, request: SearchRequest, text: str) -> Reading:
        """What a query means for the stages.

        Args:
            request: As it came.
            text: The query as understood: normalised, simplified, corrected; blank for a browse.
        """
        rules = self._fitted_rules()
        acting = (
            active(rules, request.text[:MAX_QUERY_CHARS], rules.today(self.now()), text)
            if rules is not None
            else Active()
        )
        if not text or acting.refused is not None:
            return Reading(text, acting)
        settings, known = self.settings, self.known
        demands = read_demands(text, known.facts) if settings.demands != "off" else None
        both = request.mode == "hybrid"  # who asks for words or meaning alone wants to see just these
        wanted = known.devices(text) if settings.compatibility > 0 and both else ()
        named = known.category(text) if settings.category > 0 and both else None
        steps: tuple[Step, ...] = (Step((), ()),)
        if demands is not None and settings.demands == "filter":
            steps = relaxations(demands.constraints, settings.certain)
        searched = (demands.searched if demands is not None else "") or text
        weight = self.recipe.search.synonym_weight
        named_too = expansions(acting, text) if weight > 0 else ()
        more = tuple(replace(found, weight=weight * found.weight) for found in named_too)
        return Reading(searched, acting, demands, wanted, named, more, steps)

    def demanded(self, text: str, reading: Reading) -> tuple[Constraint, ...]:
        """What a query demands of brand, colour, size and price, whether the recipe heeds it or not."""
        if reading.demands is not None:
            return reading.demands.constraints
        facts = self.known.facts_if_any if text and reading.active.refused is None else None
        return read_demands(text, facts).constraints if facts is not None else ()

    def set_rules(self, rules: RuleSet) -> None:
        """Rules that act from the next search on, instead of those that the recipe names."""
        fitted = fit(rules, self.index)
        _ = fitted.conditions, fitted.refusals  # made now, not in the next search
        self._written, self._fitted = rules, time.monotonic()
        self.rules = fitted

    def _fitted_rules(self) -> RuleSet | None:
        """The rules, fitted anew once a minute where they ask for fields that no product had: one may have by now."""
        if self.rules is not None and self.rules.absent and time.monotonic() - self._fitted > REFIT_S:
            self._fitted = time.monotonic()
            self.rules = fit(self._written, self.index)
        return self.rules

    def filter(self, request: SearchRequest, reading: Reading, step: Step) -> Filter | None:
        """What a product must pass to be found: the shopper's filter, certain demands, rules and the safety list."""
        parts = [part for part in (request.filter, step.filter) if part is not None]
        asked = None if not parts else parts[0] if len(parts) == 1 else And(tuple(parts))
        return retrieval_filter(asked, reading.active)

    def arrange(self, scored: Sequence[Scored], context: Context) -> Arranged:
        """Bring what was fused, best first, into its order by relevance, and cut off what is too unlikely."""
        request, reading, clock, shelf = context.request, context.reading, context.clock, context.shelf
        left_out: list[str] = []
        read: tuple[str, ...] = ()
        wanted, dropped = reading.demands, 0
        if reading.devices or reading.category is not None:
            if clock.spent:
                left_out.append(f"knowledge: the deadline of {clock.deadline_ms:g} ms was spent")
            else:
                scored = self._knowledge(scored, context)
                clock.lap("knowledge")
        if wanted is not None and (wanted.constraints or wanted.unwanted):
            there = shelf.products(item[0] for item in scored)
            scored = boost(scored, there, wanted.constraints, self.settings.demand_weight, wanted.unwanted)
            clock.lap("demands")
        ordered, within = self._cuts or not request.sort, False
        if self.learnt is not None and request.mode == "hybrid" and scored and ordered:
            if clock.spent:
                left_out.append(f"learnt: the deadline of {clock.deadline_ms:g} ms was spent")
            else:
                within = RERANK in self.learnt.reads
                scored, unread = self._combined(self.learnt, scored, context)
                left_out += [unread] if unread else []
                clock.lap("learnt")
        if self._reranking is not None and ordered and not within:
            reranked = self._reranking.order(scored, reading.text, request.offset + request.k, clock, shelf)
            scored, deep = reranked.scored, self.recipe.search.rerank_depth
            read = tuple(product_id for product_id, _, parts in scored[:deep] if RERANK in parts)
            left_out += [reranked.left_out] if reranked.left_out else []
            clock.lap("rerank")
        if reading.active.boosts and not request.sort:
            scored = apply_boosts(scored, reading.active, self._meets)
            clock.lap("rules")
        if self.recipe.search.identifiers:
            scored = lift(scored, "identifier", self._identified(request, reading))  # an exact name wins over all that
            clock.lap("identifier")
        if self.calibration is not None and self._cuts:
            searched = request.mode == "hybrid" and any(DENSE in parts for _, _, parts in scored)
            if context.vector is None or not searched or left_out:
                reason = "a stage was left out" if left_out else "by words or meaning alone"
                left_out.append(f"cut-off: it does not know such a ranking ({reason})")
            else:
                scored, dropped = self._cut(self.calibration, scored, reading.text, context.vector, shelf)
                clock.lap("cut-off")
        return Arranged(scored, tuple(left_out), dropped, read)

    def finish(self, scored: Sequence[Scored], context: Context) -> Sequence[Scored]:
        """Variety and pins: what follows an order by relevance."""
        request, reading, shelf = context.request, context.reading, context.shelf
        settings, acting = self.settings.diversity, reading.active
        if reading.demands is not None and any(c.kind == "brand" for c in reading.demands.constraints):
            settings = replace(settings, per_brand=0)  # who names a brand wants that brand
        if settings.active and not request.sort:
            head = scored[: settings.window]
            ids = [item[0] for item in head]
            vectors = shelf.vectors(ids) if settings.method != "none" else {}
            exact = sum("identifier" in parts for _, _, parts in scored)
            scored = diversify(scored, shelf.products(ids), vectors, settings, steepness(head), exact)
            context.clock.lap("diversity")
        if acting.pins and not request.sort:
            pinned = [pin.product_id for _, pin in acting.pins]
            known = self._meets(request.filter or And(()), pinned)
            scored = apply_pins(scored, acting, known)
            context.clock.lap("rules")
        return scored

    def safe(self, page: Sequence[Scored], products: Mapping[str, Product], reading: Reading) -> list[Scored]:
        """What of a page may be shown, with the rules that acted on the whole of it: nothing comes after this.

        Retrieval has kept the rest out already; here it is checked again, product by product.
        """
        if self.rules is None:
            return list(page)
        return record(remove_blocked(page, products, reading.active), reading.active)

    def _knowledge(self, scored: Sequence[Scored], context: Context) -> Sequence[Scored]:
        """What is in the category named and what fits the device asked for, each by a share of the best score fused."""
        request, reading = context.request, context.reading
        best = scored[0][1] if scored else 0.0
        if reading.category is not None:
            scored = self.known.under(scored, request, reading.category, context.vector, self.settings.category)
        if reading.devices:
            scale = best / scored[0][1] if best > 0 else 1.0
            scored = self.known.fitting(scored, request, reading.devices, scale * self.settings.compatibility)
        return scored

    def _combined(
        self, learnt: LearntRanking, scored: Sequence[Scored], context: Context
    ) -> tuple[Sequence[Scored], str | None]:
        """The first candidates in the combination's order, and what a re-ranker whose score it reads did not read."""
        demands = context.reading.demands.constraints if context.reading.demands is not None else ()
        head: Sequence[Scored] = scored[: learnt.depth]
        unread, known = None, None
        if self._reranking is not None and RERANK in learnt.reads:
            clock = context.clock.keeping(min(self._combining_ms, context.clock.left_ms / 2))
            found = self._reranking.read(head, context.reading.text, clock, context.shelf)
            head, unread = found.scored, found.left_out
            known = scores_read((product_id, parts) for product_id, _, parts in head)
            context.clock.lap("rerank")
        start = time.perf_counter()
        shopper = shopper_context(context.request.shopper, learnt.reads, context.shelf.records)
        asked = FeaturesAsked(context.request, context.vector, demands, shopper, known)
        records = context.shelf.records(item[0] for item in head)
        table = rank_features(self.index, asked, head, WORDS, learnt.rating, learnt.reads, records)
        scores = dict(zip(table.ids, map(float, learnt.score(table.values)), strict=True))
        there = [item for item in head if item[0] in scores]
        self._combining_ms = 1000 * (time.perf_counter() - start)  # what a deadline leaves to it in the next search
        return reorder(behind(scored, learnt.depth, there), "learnt", [scores[item[0]] for item in there]), unread

    def _identified(self, request: SearchRequest, reading: Reading) -> list[str]:
        """Products that the query names exactly; not a device that something is asked for."""
        not_meant = devices.device_keys(reading.devices)
        keys = [key for key in identifier_keys(request.text) if key not in not_meant]
        if not keys:
            return []
        found = self.index.lookup(keys, request.filter, MAX_IDENTIFIER_HITS + 1)
        ids: dict[str, None] = {}
        for key in keys:
            carriers = found.get(key, ())
            if len(carriers) <= MAX_IDENTIFIER_HITS:
                ids |= dict.fromkeys(carriers)
        return list(ids)

    def cut_features(
        self, text: str, vector: Array, scored: Sequence[Scored], shelf: Shelf | None = None
    ) -> tuple[list[Scored], Doubles]:
        """What the cut-off looks at: the first ``cut_depth`` candidates that still exist, and their features."""
        shelf = shelf or Shelf(self.index)
        part = scored[: self.settings.cut_depth or None]
        ids = [item[0] for item in part]
        products, vectors = shelf.products(ids), shelf.vectors(ids)
        head = [item for item in part if item[0] in vectors]
        rows = np.array([vectors[item[0]] for item in head], np.float32).reshape(len(head), len(vector))
        return head, candidate_features(text, vector, head, [products[item[0]] for item in head], rows, wording)

    def _cut(
        self, calibration: Calibration, scored: Sequence[Scored], text: str, vector: Array, shelf: Shelf
    ) -> tuple[list[Scored], int]:
        head, features = self.cut_features(text, vector, scored, shelf)
        least = self.settings.least_best
        found = cut(head, calibration.relevant(features), self._threshold, least)
        return found.kept, len(scored) - len(found.kept)


def _learnt(name: str, wanted: Mapping[str, str], reranked: Mapping[str, str] | None) -> LearntRanking:
    """The combination of a name, if it is of such signals and of such a re-ranker."""
    if name == EMBEDDED:
        return for_everybody()
    found = LearntRanking.load(Path(name))
    made = found.details.get("fingerprint", {})
    same_making("learnt combination", name, made, wanted)
    if RERANK in found.reads:
        same_reranker(name, made, reranked)
    return found
