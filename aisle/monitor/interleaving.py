"""Team-draft interleaving (Radlinski, Kurup and Joachims, CIKM 2008): two rankings on one page, judged by clicks.

Each shopper sees both, so it needs far fewer pages than an A/B test for the same difference.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from random import Random
from typing import Literal

from scipy.stats import binomtest

from aisle.evaluate import sign_flip_p
from aisle.monitor.pages import Page

A, B = "a", "b"
Deed = Literal["clicked", "carted", "bought"]


@dataclass(frozen=True, slots=True)
class Drafted:
    """A product of an interleaved page; ``team`` is "a", "b", or "" where only one ranking had products left."""

    id: str
    team: str


def team_draft(a: Sequence[str], b: Sequence[str], k: int, random: Random) -> tuple[Drafted, ...]:
    """Interleave two rankings.

    As two captains choose teams: in each round both choose their best product that is not yet chosen, and a coin says
    who chooses first. When one ranking has no product left, the other's follow without a team: their clicks say
    nothing.

    Args:
        a: Product ids, best first.
        b: Product ids, best first.
        k: Products of the page.
        random: Tosses the coins; seeded with the request's id, a page can be drawn again.
    """
    page: list[Drafted] = []
    chosen: set[str] = set()
    rankings = {A: list(dict.fromkeys(a)), B: list(dict.fromkeys(b))}
    at = {A: 0, B: 0}
    sizes = {A: 0, B: 0}

    def left(team: str) -> bool:
        ranking = rankings[team]
        while at[team] < len(ranking) and ranking[at[team]] in chosen:
            at[team] += 1
        return at[team] < len(ranking)

    while len(page) < k and left(A) and left(B):
        first = A if sizes[A] < sizes[B] else B
        team = first if sizes[A] != sizes[B] else A if random.random() < 0.5 else B
        page.append(Drafted(rankings[team][at[team]], team))
        chosen.add(page[-1].id)
        sizes[team] += 1
    for team in (A, B):
        while len(page) < k and left(team):
            page.append(Drafted(rankings[team][at[team]], ""))
            chosen.add(page[-1].id)
    return tuple(page)


@dataclass(frozen=True, slots=True)
class Preference:
    """Which ranking shoppers preferred.

    Attributes:
        wins: Shoppers who clicked more of B.
        losses: Shoppers who clicked more of A.
        ties: Shoppers with as many of both; those without a click are not counted.
        share: wins / (wins + losses); None without either.
        sign_p: Two-sided sign test: a fair coin for each shopper who is no tie.
        permutation_p: Two-sided permutation test of the sum of differences, which counts how much too.
    """

    wins: int
    losses: int
    ties: int
    share: float | None
    sign_p: float
    permutation_p: float


def preference(pages: Sequence[Page], deed: Deed = "clicked", seed: int = 0) -> Preference:
    """Compare the teams of interleaved pages, B against A.

    Each shopper counts once (`Page.who`): pages of one are not independent.
    """
    differences: dict[str, int] = defaultdict(int)
    for page in pages:
        done: set[str] = getattr(page, deed)
        for place in page.places:
            if place.id in done and place.team in (A, B):
                differences[page.who] += 1 if place.team == B else -1
    values = list(differences.values())
    wins, losses = sum(value > 0 for value in values), sum(value < 0 for value in values)
    decided = wins + losses
    return Preference(
        wins,
        losses,
        len(values) - decided,
        wins / decided if decided else None,
        float(binomtest(wins, decided).pvalue) if decided else 1.0,
        sign_flip_p(values, seed=seed)[0],
    )
