"""How a ranking spreads attention over brands, sellers and price bands, against how relevant each of them is.

Knows runs, groups of products and merits (grades or probabilities), so it can look at any system. A shop decides what
is fair; this shows what its ranking does.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aisle.errors import JudgmentError, MetricError
from aisle.evaluate.evaluation import Run
from aisle.evaluate.groups import NONE
from aisle.evaluate.statistics import Interval
from aisle.metrics import TREATMENT_MEANING, TREATMENTS, Gain, Treatment
from aisle.types import Judgment

Merits = Mapping[str, Mapping[str, float]]
"""Query to product to how much it deserves to be seen, 0 or more; a product that is not there is not judged."""
Groups = Mapping[str, Mapping[str, str]]
"""Kind, such as "brand", to product to its group; one that is not there belongs to `groups.NONE`."""

RESAMPLES = 2_000
_BLOCK = 2_000_000  # numbers drawn at a time

DEFINITIONS = {
    "exposure": "a group's share of the weights 1/log2(rank+1) of the products shown, averaged over queries",
    "relevance": "a group's share of the gains of all judged products, averaged over the same queries",
    "ideal": "its exposure if the relevant judged products were shown in order of gain, equal ones taking turns",
    "catalogue": "its share of the catalogue's products",
    "ratio": "exposure / relevance: above 1, the group is seen more than its relevance alone would bring",
    "treatment_ratio": "the group's ratio over that of all others together (disparate treatment; Singh and Joachims "
    "2018)",
    "disparity": "half the sum over groups of |exposure - relevance|: the share of exposure that would have to move "
    "(inequity of amortized attention; Biega et al. 2018)",
    "interval": f"95% percentile bootstrap over queries, {RESAMPLES:,} resamples, seeded; a disparity's leans upwards, "
    "since chance also sets groups apart",
}

Matrix = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class GroupExposure:
    """One brand, seller or price band. Shares are 0 to 1; ``ratio`` is None for a group without relevance.

    ``shown`` counts the queries that show it, ``relevant`` those that it has a relevant product for.
    """

    group: str
    catalogue: float
    relevance: float
    ideal: float
    exposure: Interval
    ratio: Interval | None
    shown: int
    relevant: int

    @property
    def treatment_ratio(self) -> float | None:
        """The ratio over that of all other groups together; None where either has no relevance or no exposure."""
        seen, worth = self.exposure.mean, self.relevance
        if min(worth, 1 - worth, 1 - seen) <= 1e-12:
            return None
        return (seen / worth) / ((1 - seen) / (1 - worth))


@dataclass(frozen=True, slots=True)
class KindExposure:
    """All groups of one kind under one treatment of unjudged products, the most relevant first.

    ``ideal_disparity`` is what the ideal order would have: a first place cannot be shared, so it is not 0.
    """

    kind: str
    treatment: Treatment
    groups: tuple[GroupExposure, ...]
    disparity: Interval
    ideal_disparity: float


@dataclass(frozen=True, slots=True)
class ExposureReport:
    """What a run does with attention.

    Attributes:
        kinds: One for each kind of group and treatment.
        cutoff: How many places count as seen.
        queries: Queries with a relevant product and results; the means are over them.
        skipped: Judged queries without a relevant product.
        missing: Queries with a relevant product and no results: they show nobody, and are left out.
        unjudged: Queries whose shown products are all unjudged; left out where unjudged products are removed.
    """

    kinds: tuple[KindExposure, ...]
    cutoff: int
    queries: int
    skipped: int
    missing: int
    unjudged: int

    def of(self, kind: str, treatment: Treatment = "wrong") -> KindExposure:
        """The groups of a kind under a treatment.

        Raises:
            MetricError: The report has no such kind.
        """
        for found in self.kinds:
            if (found.kind, found.treatment) == (kind, treatment):
                return found
        known = ", ".join(dict.fromkeys(item.kind for item in self.kinds))
        raise MetricError(f"no exposure of {kind!r}, unjudged {treatment!r}", allowed=known)

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON: counts, definitions, and for each kind and treatment its groups."""
        kinds: dict[str, dict[str, Any]] = {}
        for found in self.kinds:
            kinds.setdefault(found.kind, {})[found.treatment] = {
                "disparity": asdict(found.disparity),
                "ideal_disparity": found.ideal_disparity,
                "groups": [asdict(group) | {"treatment_ratio": group.treatment_ratio} for group in found.groups],
            }
        return {
            "cutoff": self.cutoff,
            "counts": {name: getattr(self, name) for name in ("queries", "skipped", "missing", "unjudged")},
            "definitions": DEFINITIONS | {f"unjudged {name}": text for name, text in TREATMENT_MEANING.items()},
            "kinds": kinds,
        }


def merits_of(judgments: Iterable[Judgment], gain: Gain | None = None) -> dict[str, dict[str, float]]:
    """Gains of judged products, query by query: 2^grade-1 as in nDCG, unless told otherwise.

    Raises:
        JudgmentError: A product has two grades for one query.
        MetricError: As `Gain`.
    """
    worth = gain or Gain()
    merits: dict[str, dict[str, float]] = {}
    for judgment in judgments:
        own, value = merits.setdefault(judgment.query_id, {}), worth(judgment.grade)
        if own.setdefault(judgment.product_id, value) != value:
            raise JudgmentError(
                f"query {judgment.query_id[:80]!r}, product {judgment.product_id[:80]!r} has two grades",
                fix="keep one grade for each query and product",
            )
    return merits


def exposure(run: Run, groups: Groups, merits: Merits, *, cutoff: int = 10, seed: int = 0) -> ExposureReport:
    """Compare what each group is shown with what it deserves.

    A product at rank r gets ``1/log2(r+1)`` of attention, as in nDCG. Each query counts the same, whatever it returns.

    Args:
        run: Query id to ``(product id, score)``, best first; the order counts, the scores do not.
        groups: What to look at, such as `aisle.evaluate.groups.groups_of` makes of a catalogue.
        merits: How relevant products are: `merits_of` judgments, or a model's probabilities.
        cutoff: How many places are seen.
        seed: Of the bootstrap.

    Raises:
        JudgmentError: No query has both a relevant product and results.
        MetricError: The cut-off is below 1, or there are no groups.
    """
    if cutoff < 1:
        raise MetricError(f"cut-off {cutoff}", allowed="1 or more")
    if not groups:
        raise MetricError("there are no groups to look at", fix="use a catalogue with brands, prices or sellers")
    deserving = [query for query, own in merits.items() if any(merit > 0 for merit in own.values())]
    shown = {query: [product for product, _ in run.get(query, ())] for query in deserving}
    queries = [query for query in deserving if shown[query]]
    if not queries:
        raise JudgmentError(
            f"of {len(merits)} judged queries none has both a relevant product and results in the run",
            allowed="a run that names queries by the judgments' query_id, or by their text with white space as _",
        )
    ranked: dict[Treatment, dict[str, list[str]]] = {
        "wrong": {query: shown[query][:cutoff] for query in queries},
        "removed": {query: [item for item in shown[query] if item in merits[query]][:cutoff] for query in queries},
    }
    kinds = tuple(
        _kind(kind, treatment, ranked[treatment], groups[kind], merits, seed)
        for kind in groups
        for treatment in TREATMENTS
        if any(ranked[treatment].values())
    )
    unjudged = sum(not items for items in ranked["removed"].values())
    return ExposureReport(
        kinds, cutoff, len(queries), len(merits) - len(deserving), len(deserving) - len(queries), unjudged
    )


def _kind(
    kind: str,
    treatment: Treatment,
    ranked: Mapping[str, Sequence[str]],
    group_of: Mapping[str, str],
    merits: Merits,
    seed: int,
) -> KindExposure:
    queries = [query for query, items in ranked.items() if items]
    names: dict[str, int] = {}
    spreads = (
        [_attention(ranked[query]) for query in queries],
        [merits[query] for query in queries],
        [_ideal_attention(merits[query], len(ranked[query])) for query in queries],
    )
    tables = [_table(spread, group_of, names) for spread in spreads]
    seen, worth, ideal = (np.pad(table, ((0, 0), (0, len(names) - table.shape[1]))) for table in tables)
    drawn_seen, drawn_worth = _resampled(seen, worth, seed)
    with np.errstate(divide="ignore", invalid="ignore"):
        ratios = drawn_seen / drawn_worth
    sizes = Counter(group_of.values())
    found = [
        GroupExposure(
            group=name,
            catalogue=sizes[name] / max(1, len(group_of)),
            relevance=float(worth[:, column].mean()),
            ideal=float(ideal[:, column].mean()),
            exposure=_interval(float(seen[:, column].mean()), drawn_seen[:, column], len(queries)),
            ratio=_ratio(seen[:, column], worth[:, column], ratios[:, column]),
            shown=int(np.count_nonzero(seen[:, column])),
            relevant=int(np.count_nonzero(worth[:, column])),
        )
        for name, column in names.items()
    ]
    apart = 0.5 * np.abs(drawn_seen - drawn_worth).sum(axis=1)
    return KindExposure(
        kind=kind,
        treatment=treatment,
        groups=tuple(sorted(found, key=lambda group: (-group.relevance, -group.exposure.mean, group.group))),
        disparity=_interval(_apart(seen, worth), apart, len(queries)),
        ideal_disparity=_apart(ideal, worth),
    )


def _attention(ranked: Sequence[str]) -> dict[str, float]:
    return {product: 1 / math.log2(rank + 1) for rank, product in enumerate(ranked, start=1)}


def _ideal_attention(merits: Mapping[str, float], places: int) -> dict[str, float]:
    """Attention by place in order of merit; products of equal merit share that of their places (Diaz et al. 2020)."""
    deserving = sorted((merit for merit in merits.values() if merit > 0), reverse=True)
    by_merit: dict[float, list[float]] = {}
    for rank, merit in enumerate(deserving, start=1):
        by_merit.setdefault(merit, []).append(1 / math.log2(rank + 1) if rank <= places else 0.0)
    each = {merit: math.fsum(weights) / len(weights) for merit, weights in by_merit.items()}
    return {product: each[merit] for product, merit in merits.items() if merit > 0}


def _table(spreads: Sequence[Mapping[str, float]], group_of: Mapping[str, str], names: dict[str, int]) -> Matrix:
    """Each query's shares by group, one row a query; new groups are appended to ``names``."""
    cells: list[tuple[int, int, float]] = []
    for row, spread in enumerate(spreads):
        total = math.fsum(spread.values())
        for product, amount in spread.items():
            if amount > 0:
                column = names.setdefault(group_of.get(product, NONE), len(names))
                cells.append((row, column, amount / total))
    table = np.zeros((len(spreads), len(names)))
    for row, column, share in cells:
        table[row, column] += share
    return table


def _resampled(seen: Matrix, worth: Matrix, seed: int) -> tuple[Matrix, Matrix]:
    """Mean shares over queries drawn with replacement, ``(resamples, groups)`` each; both of the same draws."""
    count = len(seen)
    generator = np.random.default_rng(seed)
    step = max(1, _BLOCK // count)
    parts: list[tuple[Matrix, Matrix]] = []
    for start in range(0, RESAMPLES, step):
        size = min(step, RESAMPLES - start)
        weights = generator.multinomial(count, np.full(count, 1 / count), size=size) / count
        parts.append((weights @ seen, weights @ worth))
    return np.vstack([part[0] for part in parts]), np.vstack([part[1] for part in parts])


def _interval(mean: float, drawn: Matrix, count: int) -> Interval:
    low, high = np.percentile(drawn, [2.5, 97.5])
    return Interval(mean, float(low), float(high), count)


def _ratio(seen: Matrix, worth: Matrix, drawn: Matrix) -> Interval | None:
    """Draws that miss all of a group's relevant queries say nothing of its ratio and are left out."""
    if not worth.any():
        return None
    known = drawn[np.isfinite(drawn)]
    return _interval(float(seen.mean() / worth.mean()), known, int(np.count_nonzero(worth)))


def _apart(one: Matrix, other: Matrix) -> float:
    return 0.5 * float(np.abs(one.mean(axis=0) - other.mean(axis=0)).sum())
