"""What masking finds: a kind of personal data and where it stands in the text as it was given."""

from __future__ import annotations

from dataclasses import dataclass

KINDS = ("email", "iban", "id", "passport", "card", "phone", "address", "ip")
"""The kinds in order of precedence: where two overlap, the earlier stays. The placeholder is ``<kind>``."""


@dataclass(frozen=True, slots=True, order=True)
class Finding:
    """Characters ``start`` to ``end`` (exclusive) of a text are personal data of a kind."""

    start: int
    end: int
    kind: str
