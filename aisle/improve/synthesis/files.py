"""Synthetic pairs as a table that `aisle train --pairs` reads, each row with where it comes from."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from aisle.artifacts import write_text
from aisle.improve.synthesis.synthesise import SyntheticPair
from aisle.judgments.pairs import DESCRIPTION_CHARACTERS
from aisle.judgments.write import csv_line

COLUMNS = ("query", "id", "title", "description", "relevance", "source", "template", "how", "effect", "seed")


def write_synthetic(path: Path, pairs: Iterable[SyntheticPair]) -> int:
    """Write a table, a row for each pair; a query and a product stand together once. Returns the number of rows."""
    lines = [csv_line(COLUMNS)]
    seen: set[tuple[str, str]] = set()
    for pair in pairs:
        key = ("_".join(pair.query.split()), pair.product.id)
        if key in seen:
            continue
        seen.add(key)
        about = " ".join(pair.product.description.split())[:DESCRIPTION_CHARACTERS]
        made = (pair.source, pair.template, pair.how, pair.effect, str(pair.seed))
        lines.append(csv_line([pair.query, pair.product.id, pair.product.title, about, f"{pair.grade:g}", *made]))
    write_text(path, "".join(lines))
    return len(seen)
