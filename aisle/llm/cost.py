"""What asking cost: requests, tokens, money, and what went wrong. A value; who counts is elsewhere."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Cost:
    """What was spent.

    Attributes:
        requests: Attempts that were made, failed ones too.
        kept: Questions that the store answered.
        tokens_in: Of prompts; where the server does not say, an upper bound.
        tokens_out: Of answers, likewise.
        money: By the declared price.
        currency: Of it.
        retries: Attempts after a first one.
        failures: Kind to count: every attempt that failed, and every answer that could not be read.
        unanswered: Questions that got no answer in the end.
        bounded: Requests whose tokens nobody counted: their upper bound is charged.
    """

    requests: int = 0
    kept: int = 0
    tokens_in: int = 0
    tokens_out: int = 0
    money: float = 0.0
    currency: str = "USD"
    retries: int = 0
    failures: Mapping[str, int] = field(default_factory=dict)
    unanswered: int = 0
    bounded: int = 0

    def to_dict(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "requests": self.requests,
            "kept": self.kept,
            "tokens_in": self.tokens_in,
            "tokens_out": self.tokens_out,
            "money": round(self.money, 6),
            "currency": self.currency,
            "retries": self.retries,
            "failures": dict(sorted(self.failures.items())),
            "unanswered": self.unanswered,
            "bounded": self.bounded,
        }

    def rows(self) -> list[list[str]]:
        """For a table: name and value."""
        failures = ", ".join(f"{kind} {count:,}" for kind, count in sorted(self.failures.items())) or "none"
        return [
            ["requests", f"{self.requests:,}"],
            ["answered from the store", f"{self.kept:,}"],
            ["tokens in", f"{self.tokens_in:,}"],
            ["tokens out", f"{self.tokens_out:,}"],
            [f"money, {self.currency}", f"{self.money:.4f}"],
            ["retries", f"{self.retries:,}"],
            ["failures", failures],
            ["questions without an answer", f"{self.unanswered:,}"],
            ["requests charged by their upper bound", f"{self.bounded:,}"],
        ]
