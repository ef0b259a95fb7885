"""One experiment as a worker runs it: which searches take part, what they are answered, what is logged of them.

A search takes part if its page is one that an experiment can change: words asked for, ordered by relevance, nothing
explained. Whatever goes wrong with the candidate, the shopper gets the ranking that is served. Knows no HTTP.
"""

from __future__ import annotations

import datetime as dt
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from random import Random

from aisle.engine import SearchEngine
from aisle.errors import FingerprintError, first_line
from aisle.monitor.experiments import EXPLORED, INTERLEAVED, A, B, PageLine, ShadowLine, Shown, line_of
from aisle.monitor.explore import Explored, explore, thompson
from aisle.monitor.interleaving import Drafted, team_draft
from aisle.monitor.split import variant_of
from aisle.serve.daily import DailyLog
from aisle.serve.experiment.arms import Arms
from aisle.serve.experiment.candidate import Candidate
from aisle.serve.experiment.settings import FOLDER, ExperimentSettings
from aisle.serve.security.event import Hasher
from aisle.types import Hit, Ranking, SearchRequest

LOG = logging.getLogger("aisle.serve")
MOST_DEEP = 500
"""Products from the first of the ranking to the last of a page: a deeper page is not interleaved."""


@dataclass(frozen=True, slots=True)
class Part:
    """What a search takes part in.

    Attributes:
        experiment: Its name.
        variant: "a", "b", "interleaved" or "explored".
        seed: Of its coins; the same shopper sees the same page of two rankings again.
    """

    experiment: str
    variant: str
    seed: str = ""

    @property
    def served(self) -> bool:
        """Whether it is answered as if there were no experiment."""
        return self.variant == A


@dataclass(frozen=True, slots=True)
class Tried:
    """An answer: the ranking, the engine for what is asked beside it, and what the experiment did.

    Attributes:
        engine: Whose facets and index are told of.
        ranking: The page.
        shown: Its products, with teams and propensities.
        slot: Position of the place for exploration; 0 without one.
        pool: Products that might stand there.
        failed: Whether the candidate did not answer.
    """

    engine: SearchEngine
    ranking: Ranking
    shown: tuple[Shown, ...] = ()
    slot: int = 0
    pool: tuple[str, ...] = ()
    failed: bool = False


class Trial:
    """The experiment of a service, in one worker.

    Args:
        settings: Of it.
        state: Folder beside the index: the secret of the hashes, the log, the events.
        candidate: What is tried; None where nothing is shown of one.
    """

    def __init__(self, settings: ExperimentSettings, state: Path, candidate: Candidate | None) -> None:
        self.settings, self.candidate = settings, candidate
        self._hasher = Hasher(state)
        self._log: DailyLog[PageLine | ShadowLine] = open_log(settings, state)
        learns = settings.explore.method == "thompson"
        self._arms = Arms(state / FOLDER, state / "events", settings.name) if learns else None

    def assign(self, request: SearchRequest, request_id: str, *, explain: bool = False) -> Part | None:
        """What a search takes part in; None: nothing, it is answered as ever."""
        if not request.text.strip() or request.sort or explain or request.k < 1:
            return None
        settings, user = self.settings, request.shopper.id or ""
        if settings.explores:
            deep = request.offset == 0 and request.k >= settings.explore.slot and request.k < settings.explore.depth
            return Part(settings.name, EXPLORED, request_id) if deep else None
        if not user or not settings.shows:
            return None
        shares = {B: settings.share, A: 1 - settings.share}  # this order: who saw b still does when its share grows
        variant = variant_of(self._hasher("user", user), settings.name, {k: v for k, v in shares.items() if v > 0})
        if settings.how == "split":
            return Part(settings.name, variant)
        if variant == A or request.offset + request.k > MOST_DEEP:
            return None
        return Part(settings.name, INTERLEAVED, f"{settings.name}\0{self._hasher('user', user)}\0{request.text}")

    def answer(self, served: SearchEngine, request: SearchRequest, part: Part) -> Tried:
        """Answer a search that takes part.

        Raises:
            AisleError: The engine that is served cannot answer.
        """
        if part.variant == EXPLORED:
            return self._explored(served, request, part)
        if part.variant == INTERLEAVED:
            return self._interleaved(served, request, part)
        if part.variant == B:
            found = self._candidates(served, request)
            if found is not None:
                return Tried(*found, plain(found[1]))
        ranking = served.search(request)
        return Tried(served, ranking, plain(ranking), failed=part.variant == B)

    def note(self, request_id: str, index: str, request: SearchRequest, part: Part, tried: Tried) -> None:
        """Log an answered search; never waits."""
        self._log.put(
            PageLine(
                time=dt.datetime.now(dt.UTC),
                experiment=self.settings.name,
                variant=part.variant,
                request_id=request_id,
                user=self._hasher("user", request.shopper.id or ""),
                query=request.text,
                items=tried.shown,
                first=request.offset + 1,
                share=self.settings.share if self.settings.shows else 0.0,
                slot=tried.slot,
                pool=tried.pool,
                index=index,
                failed=tried.failed,
            )
        )

    def refresh(self) -> None:
        """Learn from what was clicked since; takes a while, and is to be called beside the requests."""
        if self._arms is not None:
            self._arms.refresh()

    def close(self) -> None:
        """Write what waits, and let go of the candidate."""
        self._log.close()
        if self.candidate is not None:
            self.candidate.close()

    def _candidates(self, served: SearchEngine, request: SearchRequest) -> tuple[SearchEngine, Ranking] | None:
        """The candidate's engine and answer; None where it has none."""
        if self.candidate is None:
            return None
        try:
            return self.candidate.search(served, request)
        except Exception as error:
            if isinstance(error, FingerprintError) and not self.settings.index:
                raise  # the index that is served was replaced: the search is made again
            LOG.error("the candidate of %r does not answer: %s", self.settings.name, first_line(error))
            return None

    def _interleaved(self, served: SearchEngine, request: SearchRequest, part: Part) -> Tried:
        deep = replace(request, offset=0, k=request.offset + request.k)
        ours = served.search(deep)
        found = None
        if ours.redirect is None and ours.refused is None:
            found = self._candidates(served, deep)
        page = slice(request.offset, request.offset + request.k)
        if found is None:
            failed = ours.redirect is None and ours.refused is None
            ranking = replace(ours, request=request, hits=ours.hits[page])
            return Tried(served, ranking, plain(ranking), failed=failed)
        theirs = found[1]
        hits: dict[str, dict[str, Hit]] = {
            "a": {hit.product_id: hit for hit in ours.hits},
            "b": {hit.product_id: hit for hit in theirs.hits},
        }
        drafted = team_draft(list(hits["a"]), list(hits["b"]), deep.k, Random(part.seed))[page]
        shown = [replace(_of(hits, one), rank=place) for place, one in enumerate(drafted, start=request.offset + 1)]
        unmet = ours.unmet if ours.unmet == theirs.unmet else None
        ranking = replace(ours, request=request, hits=tuple(shown), total=max(ours.total, len(drafted)), unmet=unmet)
        return Tried(served, ranking, tuple(Shown(one.id, one.team) for one in drafted))

    def _explored(self, served: SearchEngine, request: SearchRequest, part: Part) -> Tried:
        settings = self.settings.explore
        found = served.search(replace(request, k=settings.depth))
        by_id = {hit.product_id: hit for hit in found.hits}
        ids, coins = list(by_id), Random(part.seed)
        if self._arms is None:
            drawn = explore(ids, request.k, settings.epsilon, settings.slot, coins, settings.depth)
        else:
            arms, text = self._arms, request.text
            drawn = thompson(
                ids,
                request.k,
                settings.slot,
                lambda product: arms.of(text, product),
                coins,
                floor=settings.epsilon,
                depth=settings.depth,
            )
        hits = tuple(replace(by_id[one], rank=place) for place, one in enumerate(drawn.ids, start=1))
        return Tried(
            served,
            replace(found, request=request, hits=hits),
            tuple(Shown(one, propensity=chance) for one, chance in zip(drawn.ids, drawn.propensities, strict=True)),
            drawn.slot,
            _pool(ids, request.k, drawn),
        )


def open_log(settings: ExperimentSettings, state: Path) -> DailyLog[PageLine | ShadowLine]:
    """The log of experiments in a service's state."""
    return DailyLog(state / FOLDER, line_of, "the log of experiments", settings.keep_days, settings.max_bytes)


def plain(ranking: Ranking) -> tuple[Shown, ...]:
    """The products of a page that is as it was ranked."""
    return tuple(Shown(hit.product_id) for hit in ranking.hits)


def _of(hits: dict[str, dict[str, Hit]], one: Drafted) -> Hit:
    """The hit of the team that chose it; of whichever ranking has it where none did."""
    team = hits[one.team] if one.team else hits["a"] if one.id in hits["a"] else hits["b"]
    return team[one.id]


def _pool(ids: Sequence[str], k: int, drawn: Explored) -> tuple[str, ...]:
    return (ids[drawn.slot - 1], *ids[k:]) if drawn.slot else ()
