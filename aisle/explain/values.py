"""What an explanation is made of: frozen values. How they come about and how they read is not known here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from aisle.types import Scalar, Stage

Language = Literal["en", "zh"]
LANGUAGES: tuple[Language, ...] = ("en", "zh")
Model = Literal["encoder", "reranker", "bm25"]


@dataclass(frozen=True, slots=True)
class Contribution:
    """What one stage added to the score.

    ``details`` are named parts of the raw ``score`` that add up to it within rounding: the fields of BM25, the signals
    of a learnt ranking; none where nobody split it.
    """

    stage: Stage
    score: float
    rank: int | None
    contribution: float
    details: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True, slots=True)
class Effect:
    """A word or a field, and how much lower a score is without it; below 0 where it pulls the score down.

    ``effect`` is of the model's score. ``bm25`` is the same of the BM25 score, None where it was not measured.
    """

    name: str
    effect: float
    bm25: float | None = None


@dataclass(frozen=True, slots=True)
class Words:
    """What carried the model's score: words of the query, words and fields of the product, the largest effect first.

    Attributes:
        model: Whose score it is.
        score: The score with everything in place.
        query: Each word of the query.
        product: Words of what the model reads of the product, wherever they stand in it.
        fields: The product's fields that the model reads.
        unmeasured: Words of the product that were left out to bound the time.
        estimated: Whether the effects were estimated from the words alone and not measured by taking them out.
    """

    model: Model
    score: float
    query: tuple[Effect, ...]
    product: tuple[Effect, ...]
    fields: tuple[Effect, ...] = ()
    unmeasured: int = 0
    estimated: bool = False


ChangeKind = Literal["score", "word", "demand", "without", "identifier", "unread"]


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that alone would have put the product above the one before it.

    ==============  =========================================================================================
    ``score``       ``stage`` would have had to give at least ``needed`` instead of ``now`` (raw scores)
    ``word``        the title would have had to have the word ``name`` too; ``needed`` is the final score then
    ``demand``      the demand ``name`` would have had to be met; ``needed`` is the final score then
    ``without``     ``stage`` would have had to stay out; ``needed`` is the other product's final score then
    ``identifier``  the query names the other product exactly
    ``unread``      the re-ranker read the other product and not this one
    ==============  =========================================================================================

    ``now`` of all but "score" is this product's final score, ``against`` the other one's then: a raw score above the
    best one makes less of all others. ``estimated`` says that a part of ``needed`` was not computed from the changed
    product but taken from one like it (BM25 of a word in a title).
    """

    kind: ChangeKind
    stage: Stage = ""
    name: str = ""
    now: float = 0.0
    needed: float = 0.0
    against: float = 0.0
    estimated: bool = False


@dataclass(frozen=True, slots=True)
class Counterfactual:
    """What would have had to differ for a product to rank above the next one up.

    ``gap`` is the other product's score less this one's; at 0 ids decide. Each of ``changes`` is enough by itself;
    without any no single change that was tried is. ``sorted_by`` names fields where not relevance decides.
    """

    above_id: str
    above_title: str
    gap: float
    changes: tuple[Change, ...]
    sorted_by: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Shortfall:
    """A retrieval stage's raw score of a product that did not get in, and the lowest that did."""

    stage: Stage
    score: float
    lowest: float


@dataclass(frozen=True, slots=True)
class Absence:
    """Why a product is not in the ranking.

    Attributes:
        searched: How many products the ranking was searched to.
        filtered: Conditions of the request's filter that it fails, with the values it has for their fields.
        shortfalls: Stages that had better products enough, with the product's own score.
        cut: How many candidates were left out as too unlikely.
        refused: Why the query is not answered at all.
    """

    searched: int
    filtered: tuple[tuple[str, tuple[tuple[str, Scalar], ...]], ...] = ()
    shortfalls: tuple[Shortfall, ...] = ()
    cut: int = 0
    refused: str | None = None
