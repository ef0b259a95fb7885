"""Explanation: why a product stands where it stands, as a value, in words, as JSON and as a page."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from aisle.errors import InputError
from aisle.explain.page import render_page
from aisle.explain.sentences import sentences
from aisle.explain.stages import stage_label
from aisle.explain.values import LANGUAGES, Absence, Contribution, Counterfactual, Language, Words
from aisle.filters.write import format_filter
from aisle.query.constraint import Verdict
from aisle.types import Product


@dataclass(frozen=True, slots=True)
class Explanation:
    """Why a product stands where it stands, or why it is not there.

    Attributes:
        query: As the shopper wrote it.
        product: The product.
        rank: From 1; None where the ranking lacks it.
        score: The final score; None where the ranking lacks it. The contributions add up to it.
        contributions: In the order in which the stages ran.
        verdicts: One for each demand of the query.
        words: What carried the model's score; None where no model scored, or nobody measured.
        counterfactual: Against the next product up; None for the first.
        absence: Why it is not in the ranking; None where it is.
        notes: What the search itself had to say: corrections, stages left out.
    """

    query: str
    product: Product
    rank: int | None
    score: float | None
    contributions: tuple[Contribution, ...] = ()
    verdicts: tuple[Verdict, ...] = ()
    words: Words | None = None
    counterfactual: Counterfactual | None = None
    absence: Absence | None = None
    notes: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON, with the same names as the attributes."""
        return {
            "query": self.query,
            "product_id": self.product.id,
            "title": self.product.title,
            "rank": self.rank,
            "score": self.score,
            "contributions": [
                dataclasses.asdict(item) | {"label": stage_label(item.stage, "en"), "details": dict(item.details)}
                for item in self.contributions
            ],
            "verdicts": [
                {
                    "kind": item.constraint.kind,
                    "text": item.constraint.text,
                    "filter": format_filter(item.constraint.filter),
                    "certainty": item.constraint.certainty,
                    "status": item.status,
                    "found": [list(pair) for pair in item.found],
                }
                for item in self.verdicts
            ],
            "words": dataclasses.asdict(self.words) if self.words else None,
            "counterfactual": dataclasses.asdict(self.counterfactual) if self.counterfactual else None,
            "absence": dataclasses.asdict(self.absence) if self.absence else None,
            "notes": list(self.notes),
        }

    def in_words(self, language: Language = "en") -> str:
        """Sentences for people, a line for each part.

        Raises:
            InputError: The language is another one.
        """
        _check(language)
        return "\n".join(sentences(self, language))

    def to_html(self, language: Language = "en") -> str:
        """A page by itself: nothing is loaded from elsewhere, and everything of the catalogue is escaped.

        Raises:
            InputError: The language is another one.
        """
        _check(language)
        return render_page(self, language)


def _check(language: str) -> None:
    if language not in LANGUAGES:
        raise InputError(f"language {language!r}", allowed=", ".join(LANGUAGES))
