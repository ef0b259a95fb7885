"""What every way of training comes to: a model's folder, not yet judged, and the evidence for it. No PyTorch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from aisle.training.gate import Check, Evidence

Report = Callable[[int, int, Mapping[str, float]], None]
"""``report(step, steps, losses and, at the end of an epoch, validation nDCG@10)``."""
Note = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Candidate:
    """A model that was trained and is to be judged.

    Attributes:
        folder: Complete but for its story: recipe, metrics, card.
        architecture: "encoder", "combination" or "head".
        evidence: From queries that it did not learn from, or that a model trained alike did not.
        latency_ratio: Time for encoding a query over what it was; None where nothing changed.
        checks: Further ones for the gate.
        queries: How many served for what.
        training: How it went, for people and machines.
    """

    folder: Path
    architecture: str
    evidence: Evidence
    latency_ratio: float | None = None
    checks: tuple[Check, ...] = ()
    queries: Mapping[str, int] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
