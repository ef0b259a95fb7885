"""TREC runs: ``query Q0 product rank score tag``, six columns separated by white space.

Knows nothing of judgments. trec_eval ignores the rank column: it sorts by score, read as a 32-bit float, and breaks
ties by product id, the greater first. So scores are written to decrease strictly even as 32-bit floats, and read runs
are sorted in the same way.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import MappingProxyType

import numpy as np

from aisle.errors import JudgmentError
from aisle.judgments.files import lines_of, read_text, write_lines
from aisle.judgments.matching import Run, run_name

_TINY = float(np.finfo(np.float32).tiny)
_LARGE = 3.0e38  # below the greatest 32-bit float, with room to step down from the lowest


def read_run(path: Path) -> Run:
    """Read a TREC run, plain or gzipped.

    Products are ordered by score, highest first, as 32-bit floats; ties go by product id, the greater first, which is
    what trec_eval does. The rank column is not used.

    Raises:
        JudgmentError: The file is unreadable, empty or malformed, or names a product twice for a query.
    """
    found: dict[str, dict[str, float]] = {}
    for number, line in enumerate(lines_of(read_text(path, "a run")), start=1):
        parts = line.split()
        if not parts:
            continue
        place = f"{path}, line {number}"
        if len(parts) != 6:
            raise JudgmentError(
                f"{place}: {len(parts)} columns: {line[:80]!r}",
                allowed="the six of a TREC run: query Q0 docid rank score tag",
            )
        query, _, product, _, text, _ = parts
        hits = found.setdefault(query, {})
        if product in hits:
            raise JudgmentError(f"{place}: product {product[:80]!r} occurs twice for query {query[:80]!r}")
        hits[product] = _parse_score(text, place)
    return MappingProxyType({query: _ordered(hits) for query, hits in found.items()})


def _parse_score(text: str, place: str) -> float:
    try:
        score = float(text)
    except ValueError:
        score = math.nan
    if math.isnan(score) or "_" in text:
        raise JudgmentError(f"{place}: the score {text[:40]!r} is not a number")
    return score


def _ordered(hits: dict[str, float]) -> tuple[tuple[str, float], ...]:
    with np.errstate(over="ignore"):
        single = {product: float(np.float32(score)) for product, score in hits.items()}
    by_id = sorted(hits.items(), reverse=True)
    return tuple(sorted(by_id, key=lambda hit: -single[hit[0]]))


def write_run(path: Path, run: Run, tag: str = "aisle") -> None:
    """Write a TREC run in the order given; a score that does not decrease is moved to the next lower 32-bit float.

    White space in query names, product ids and the tag becomes ``_``. A query without results leaves no line.

    Raises:
        JudgmentError: The file cannot be written, a name is empty, or two names become the same.
    """
    seen: dict[str, str] = {}
    for query in run:
        name = run_name(query)
        if not name or seen.setdefault(name, query) != query:
            other = f" and so is {seen[name]!r}" if name else ""
            raise JudgmentError(f"query {query!r} is {name!r} in a run{other}", fix="give the queries a query_id")
    write_lines(path, _lines(run, run_name(tag) or "aisle"))


def _lines(run: Run, tag: str) -> Iterator[str]:
    for query, hits in run.items():
        name, products = run_name(query), [run_name(product) for product, _ in hits]
        if "" in products or len(set(products)) < len(products):
            twice = next(product for product in products if not product or products.count(product) > 1)
            raise JudgmentError(
                f"query {query!r}: product {twice!r} is empty or occurs twice in a run",
                fix="give products ids that differ in more than white space, which a run writes as `_`",
            )
        scores = decreasing([score for _, score in hits])
        for rank, (product, score) in enumerate(zip(products, scores, strict=True), start=1):
            yield f"{name} Q0 {product} {rank} {score:.9g} {tag}\n"


def decreasing(scores: Sequence[float]) -> list[float]:
    """The scores as 32-bit floats that strictly decrease; nine digits tell neighbours apart.

    No value is subnormal, since some readers take those for 0. A score that is no number takes the next free place.
    """
    result: list[float] = []
    for given in scores:
        limited = min(max(given, -_LARGE), _LARGE) if not math.isnan(given) else _LARGE
        score = float(np.float32(limited))
        if result and score >= result[-1]:
            score = float(np.nextafter(np.float32(result[-1]), np.float32(-np.inf)))
        if 0 < abs(score) < _TINY:
            score = 0.0 if score > 0 else -_TINY
        result.append(score)
    return result
