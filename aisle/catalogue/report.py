"""What cleaning did: counts and examples per rule, as a value that prints as a table, JSON or HTML.

Knows nothing of how the rules work.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

EXAMPLES = 5
_EXAMPLE_LENGTH = 160


@dataclass(frozen=True, slots=True)
class Example:
    """One case of a rule: where, and what it was before and after."""

    where: str
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class RuleResult:
    """How many values a rule changed, with the first examples."""

    count: int
    examples: tuple[Example, ...]


@dataclass(frozen=True, slots=True)
class Suspicion:
    """A product whose category disagrees with those of similar products; nothing was changed."""

    product_id: str
    title: str
    category: str
    suggested: str
    score: float


@dataclass(frozen=True, slots=True)
class CleaningReport:
    """The result of one cleaning; ``rows_read == valid + rejected + merged``.

    ``families`` counts the groups of at least two products, ``family_members`` the products in them; ``suspicious``
    the flagged categories, of which ``suspicions`` holds the most suspicious. ``reasons`` counts rejected rows.
    """

    source: str
    format: str
    encoding: str
    rows_read: int
    valid: int
    rejected: int
    merged: int
    families: int
    family_members: int
    suspicious: int
    rules: Mapping[str, RuleResult]
    columns: Mapping[str, tuple[str, ...]]
    reasons: Mapping[str, int]
    suspicions: tuple[Suspicion, ...] = ()
    boilerplate: tuple[tuple[str, int], ...] = ()
    hints: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """The report as plain JSON values."""
        return asdict(self)


@dataclass(slots=True)
class RuleCounter:
    """Collects counts and the first examples while cleaning; ``where`` names the value being cleaned."""

    where: str = ""
    counts: dict[str, int] = field(default_factory=dict)
    examples: dict[str, list[Example]] = field(default_factory=dict)

    def __call__(self, rule: str, before: str, after: str) -> None:
        """Count one application of a rule."""
        self.counts[rule] = self.counts.get(rule, 0) + 1
        kept = self.examples.setdefault(rule, [])
        if len(kept) < EXAMPLES:
            start = _first_difference(before, after)
            kept.append(Example(self.where, _shorten(before, start), _shorten(after, start)))

    def results(self) -> dict[str, RuleResult]:
        """Counts and examples by rule, most frequent first."""
        rules = sorted(self.counts, key=lambda rule: (-self.counts[rule], rule))
        return {rule: RuleResult(self.counts[rule], tuple(self.examples[rule])) for rule in rules}


def _first_difference(before: str, after: str) -> int:
    for position, (one, other) in enumerate(zip(before, after, strict=False)):
        if one != other:
            return position
    return min(len(before), len(after))


def _shorten(text: str, around: int) -> str:
    """The part of a text around a position, without halves of surrogate pairs, which no file could hold."""
    start = max(0, around - 40)
    part = text[start : start + _EXAMPLE_LENGTH].encode("utf-8", "replace").decode("utf-8")
    return ("…" if start else "") + part + ("…" if start + _EXAMPLE_LENGTH < len(text) else "")
