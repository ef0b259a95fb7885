"""The unjudged products that decide between two runs: listed, sampled, and the verdict once they are judged.

Knows runs and judgments; no catalogue and no engine.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from aisle.errors import JudgmentError
from aisle.improve.active.verdict import Estimate, Question, draw, effects, estimate, inclusion, question
from aisle.improve.review import row
from aisle.judgments.files import read_text, write_lines
from aisle.judgments.matching import Run, align
from aisle.judgments.read import Judgments
from aisle.metrics import Metric

COLUMNS = ("query_id", "query", "id", "title", "description", "chance", "why")


@dataclass(frozen=True, slots=True)
class Telling:
    """An unjudged product.

    Attributes:
        query: Its id in the judgments, or its name in the runs.
        product: Its id.
        effect: By how much B's mean nDCG less A's may move with its grade: one standard deviation.
        apart: B's discount of it less A's.
        chance: With which it was drawn; 1 where the list is the top by effect.
    """

    query: str
    product: str
    effect: float
    apart: float
    chance: float


def questions(first: Run, second: Run, judgments: Judgments, metric: Metric) -> list[Question]:
    """The judged queries, with both runs' products down to the metric's cut-off and all that are judged.

    Raises:
        JudgmentError: The metric is not nDCG with a cut-off, or no judged query is in either run.
    """
    if metric.name != "nDCG" or metric.cutoff is None:
        raise JudgmentError(f"metric {metric}", allowed="nDCG with a cut-off, such as nDCG@10")
    gains: dict[str, dict[str, float]] = {}
    for one in judgments:
        gains.setdefault(one.query_id, {})[one.product_id] = metric.gain(one.grade)
    before, after = (align(run, judgments) for run in (first, second))
    found = [
        question(query, _products(before, query), _products(after, query), known, metric.cutoff)
        for query, known in gains.items()
        if query in before or query in after
    ]
    if not found:
        raise JudgmentError("no judged query is in the runs", fix="see that queries are named alike in all three files")
    return found


def _products(run: Run, query: str) -> list[str]:
    return [product for product, _ in run.get(query, ())]


def telling(asked: Sequence[Question], cutoff: int, count: int, seed: int | None = None) -> list[Telling]:
    """The products to judge, the most telling first.

    Args:
        asked: Of `questions`.
        cutoff: How many places count.
        count: How many products.
        seed: Of a sample by effect, which an unbiased estimate needs; None lists those with the greatest effect.
    """
    effect = effects(asked, cutoff)
    every = np.concatenate(effect)
    chance = inclusion(every, count)
    if seed is None:
        rows = np.argsort(-every, kind="stable")[:count]
        chance = np.ones(len(every))
    else:
        rows = draw(chance, seed)
        rows = rows[np.argsort(-every[rows], kind="stable")]
    starts = np.cumsum([0, *(len(one) for one in effect)])
    found = []
    for which in rows[every[rows] > 0]:
        number = int(np.searchsorted(starts, which, "right")) - 1
        one, place = asked[number], int(which - starts[number])
        found.append(
            Telling(one.query, one.ids[place], float(every[which]), float(one.apart[place]), float(chance[which]))
        )
    return found


def verdict(asked: Sequence[Question], cutoff: int, drawn: Mapping[tuple[str, str], float]) -> Estimate:
    """B less A from all grades; those of drawn products count by their chances, the others as judged anyway.

    Args:
        asked: Of `questions`, with the grades of today.
        cutoff: How many places count.
        drawn: Query and product to the chance with which it was drawn.

    Raises:
        JudgmentError: A drawn product has no grade: what was drawn and not judged would count for nothing.
    """
    judged = {
        (one.query, product)
        for one in asked
        for product, gain in zip(one.ids, one.gain, strict=True)
        if not np.isnan(gain)
    }
    lacking = [pair for pair in drawn if pair not in judged]
    if lacking:
        query, product = lacking[0]
        raise JudgmentError(
            f"{len(lacking):,} of {len(drawn):,} drawn products have no grade, such as {product!r} of {query[:60]!r}",
            allowed="all of them judged, and queries named as in the drawn file",
            fix="judge the rest of the file, or see that the judgments name queries by its query_id",
        )
    chances = [np.array([drawn.get((one.query, product), 1.0) for product in one.ids]) for one in asked]
    return estimate(asked, chances, cutoff)


def write_drawn(
    path: Path, chosen: Sequence[Telling], texts: Mapping[str, tuple[str, str]], names: Mapping[str, str]
) -> None:
    """Write a queue for `aisle judge` whose column ``chance`` `read_drawn` reads back.

    Args:
        path: The file.
        chosen: What to judge.
        texts: Product to title and description.
        names: Query id to the query's text.

    Raises:
        JudgmentError: The file cannot be written, or a product has no title.
    """
    lines = [row(COLUMNS)]
    for one in chosen:
        if one.product not in texts:
            raise JudgmentError(
                f"product {one.product!r} of query {one.query[:60]!r} is not in the catalogue",
                fix="name the catalogue that the runs are of",
            )
        title, description = texts[one.product]
        why = f"its grade may move the difference by {one.effect:.5f}"
        name = names.get(one.query, one.query)
        lines.append(row((one.query, name, one.product, title, description, f"{one.chance:.12g}", why)))
    write_lines(path, lines)


def read_drawn(path: Path) -> dict[tuple[str, str], float]:
    """Query and product to the chance with which it was drawn.

    Raises:
        JudgmentError: The file is none that `write_drawn` wrote.
    """
    found: dict[tuple[str, str], float] = {}
    reader = csv.DictReader(io.StringIO(read_text(path, "a queue"), newline=""))
    if not {"query_id", "id", "chance"} <= set(reader.fieldnames or ()):
        raise JudgmentError(f"{str(path)!r} has no column chance", allowed="a file that aisle choose --sample wrote")
    for cells in reader:
        try:
            chance = float(cells["chance"])
        except (TypeError, ValueError):
            chance = 0.0
        if not 0 < chance <= 1:
            raise JudgmentError(f"{path}, line {reader.line_num}: chance {cells['chance']!r}", allowed="above 0, to 1")
        found[cells["query_id"], cells["id"]] = chance
    return found
