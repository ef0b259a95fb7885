"""What a check of rules finds: values that print as a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

Severity = Literal["error", "warning"]
COLUMNS = ("rule", "severity", "what is wrong", "what to do")
SAFETY = "[safety]"
"""Stands for a rule's name where the safety list is meant."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong with a rule, and what to do.

    An "error" is something that can never happen as written; a "warning" may be meant, or may pass with the catalogue.
    """

    rule: str
    severity: Severity
    problem: str
    fix: str


def finding_rows(findings: Sequence[Finding]) -> list[list[str]]:
    """A row for each finding, under ``COLUMNS``."""
    return [[one.rule, one.severity, one.problem, one.fix] for one in findings]
