"""Judgments that an index can be measured or taught by are of its own products. Knows engines and judgments."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from aisle.engine import SearchEngine
from aisle.judgments import refuse_unknown
from aisle.types import Judgment


def refuse_other_products(
    engine: SearchEngine, judgments: Iterable[Judgment], note: Callable[[str], None] | None, *, renamed: bool = False
) -> None:
    """Refuse judgments none of whose products the index has, and tell how many of them it lacks.

    Args:
        engine: Of the index.
        judgments: Of any of its queries.
        note: Told, in words, where it lacks some.
        renamed: As for `refuse_unknown`.

    Raises:
        JudgmentError: It has none of them.
    """
    where = "the index" if engine.folder is None else f"the index {str(engine.folder)!r}"
    judged = (judgment.product_id for judgment in judgments)
    said = refuse_unknown(judged, engine.index.ids(), where, renamed=renamed)
    if said and note is not None:
        note(f"note: {said}")
