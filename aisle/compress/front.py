"""The front of quality, time and size: a grid of plans, each made and measured; and the pick of it for a budget.

A front's folder holds each model with its scores, ``front.json``, ``front.md`` and ``front.svg``. What is there already
is not made again. Times are measured last, all models in turns.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from aisle.artifacts import MANIFEST, write_text
from aisle.compress.material import Material
from aisle.compress.measure import beside, scores, times
from aisle.compress.model import folder_bytes
from aisle.compress.plan import AS_IT_IS, Plan
from aisle.compress.recovery_settings import RecoverySettings
from aisle.compress.shrink import Shrinking
from aisle.compress.timing import ROUNDS, TEXTS
from aisle.compress.took import Took
from aisle.errors import ArtifactError, RecipeError
from aisle.types import Array

FRONT_FILE, TABLE_FILE, PLOT_FILE, MODELS = "front.json", "front.md", "front.svg", "models"


@dataclass(frozen=True, slots=True)
class Point:
    """One model of a front.

    Attributes:
        label: Of its plan, or "as it is".
        folder: Under the front's folder; "" for the original.
        plan: None for the original.
        quality: nDCG@10 where pairs are graded, otherwise the concordance with the original; higher is better.
        difference: Of nDCG@10 from the original: mean, low and high of the 95% interval; None without grades.
        agreement: With the original's scores.
        size: In bytes.
        p50: Milliseconds to re-rank the texts, the median.
        least: The least.
        facts: What making it found.
    """

    label: str
    folder: str
    plan: Mapping[str, Any] | None
    quality: float
    difference: Mapping[str, float] | None
    agreement: Mapping[str, float]
    size: int
    p50: float
    least: float
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Front:
    """All points of one model.

    Attributes:
        model: The original's folder name.
        measure: What ``quality`` is.
        pairs: That quality and agreement were measured on.
        texts: Re-ranked in the times.
        points: The original first.
        took: What making it was thought to take, and took.
    """

    model: str
    measure: str
    pairs: int
    texts: int
    points: tuple[Point, ...]
    took: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """As plain data; `read_front` gives the same front back."""
        return asdict(self)

    def best(self) -> set[str]:
        """The labels of the points that no other one beats in time and quality at once."""
        return {
            one.label
            for one in self.points
            if not any(
                other.p50 <= one.p50
                and other.quality >= one.quality
                and (other.p50, -other.quality) != (one.p50, -one.quality)
                for other in self.points
            )
        }


def grid(layers: int, tokens: Sequence[int], recovery: RecoverySettings, dims: Sequence[int] = ()) -> list[Plan]:
    """Plans worth trying for a model of so many layers: fewer and fewer of them, at each limit of tokens.

    Args:
        layers: Of the model.
        tokens: Limits to try beside the model's own.
        recovery: How dropped layers are made up for.
        dims: Lengths of vectors to try, all layers kept.
    """
    keep = sorted({layers, *(round(layers * share) for share in (2 / 3, 1 / 2, 1 / 3))} - {0}, reverse=True)
    limits: list[int | None] = [None, *sorted(set(tokens), reverse=True)]
    found = [
        Plan(layers=None if kept == layers else kept, max_tokens=limit, recovery=recovery)
        for kept, limit in itertools.product(keep, limits)
    ]
    return [*found, *(Plan(dim=dim) for dim in dims), Plan(precision="static"), Plan(precision="float32")]


def make_front(shrinking: Shrinking, plans: Sequence[Plan], out: Path, rounds: int = ROUNDS) -> Front:
    """Make and measure a model for each plan; goes on where it was interrupted.

    Args:
        shrinking: The model and the shop's material; pairs are needed.
        plans: Of different labels.
        out: The front's folder.
        rounds: Of timing.

    Raises:
        ArtifactError: ``out`` holds something else, or the front of another model.
    """
    original = shrinking.model.folder
    _refuse_foreign(out, original, shrinking.material)
    run = Took.begin(shrinking, plans, True, rounds)
    before = _scores(out / "original.npy", original, shrinking.material)
    folders = {AS_IT_IS: original}
    found: dict[str, tuple[Plan, dict[str, Any], Array]] = {}
    for number, plan in enumerate(plans, 1):
        folder = out / MODELS / _name(plan)
        if not (folder / "facts.json").exists():
            shrinking.note(f"{number} of {len(plans)}: {plan.label}")
            facts = shrinking.make(plan, folder)
            write_text(folder / "facts.json", json.dumps(facts, ensure_ascii=False) + "\n")
        facts = json.loads((folder / "facts.json").read_text(encoding="utf-8"))
        after = _scores(out / f"{_name(plan)}.npy", folder, shrinking.material)
        folders[plan.label] = folder
        found[plan.label] = (plan, facts, after)
    shrinking.note(f"timing {len(folders)} models")
    timed = times(folders, shrinking.material, rounds)
    row = beside(shrinking.material, before, before, original)
    start = row.quality["before"] if row.quality else 1.0
    size = folder_bytes(original)
    points = [Point(AS_IT_IS, "", None, start, None, row.agreement, size, timed[AS_IT_IS].p50, timed[AS_IT_IS].least)]
    for label, (plan, facts, after) in found.items():
        row = beside(shrinking.material, before, after, folders[label])
        worth = row.quality["after"] if row.quality else row.agreement["concordance"]
        gap = {name: row.quality[name] for name in ("difference", "low", "high")} if row.quality else None
        place = str(folders[label].relative_to(out))
        took = timed[label]
        points.append(
            Point(label, place, plan.to_dict(), worth, gap, row.agreement, row.size, took.p50, took.least, facts)
        )
    measure = "nDCG@10" if row.quality else "concordance"
    front = Front(original.name, measure, len(shrinking.material.pairs), TEXTS, tuple(points), run.to_dict())
    write_front(front, out)
    return front


def write_front(front: Front, out: Path) -> None:
    """Write the table, the plot and, last, the numbers."""
    from aisle.compress.plot import front_svg

    write_text(out / TABLE_FILE, table(front))
    write_text(out / PLOT_FILE, front_svg(front))
    write_text(out / FRONT_FILE, json.dumps(front.to_dict(), indent=1, ensure_ascii=False) + "\n")


def read_front(folder: Path) -> Front:
    """Read what `make_front` wrote.

    Raises:
        ArtifactError: The folder is no finished front.
    """
    path = folder / FRONT_FILE
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        points = tuple(Point(**point) for point in data.pop("points"))
        return Front(**data, points=points)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ArtifactError(
            f"cannot read the front {str(path)!r}: {type(error).__name__} {error}",
            allowed="a folder made by aisle export MODEL --front",
            fix="make the front again: what is there already is kept",
        ) from None


def pick(front: Front, budget_ms: float) -> Point:
    """The best of those within the budget; of equals the fastest.

    Raises:
        RecipeError: None is as fast.
    """
    fitting = [point for point in front.points if point.p50 <= budget_ms and point.folder]
    if not fitting:
        fastest = min(front.points, key=lambda point: point.p50)
        raise RecipeError(
            f"no model of the front re-ranks {front.texts} texts in {budget_ms:g} milliseconds",
            allowed=f"{fastest.p50:.0f} or more: {fastest.label}",
            fix="name a larger --budget-ms, or make a front with smaller --tokens",
        )
    return max(fitting, key=lambda point: (point.quality, -point.p50))


def table(front: Front) -> str:
    """Markdown, the slowest first; those that nothing beats in both are in bold."""
    best = front.best()
    lines = [
        f"| model | {front.measure} | difference, 95% | ms for {front.texts} texts, p50 | least | MB |"
        " same order of two |",
        "|---|---|---|---|---|---|---|",
    ]
    for point in sorted(front.points, key=lambda point: -point.p50):
        gap = point.difference
        shown = f"{gap['difference']:+.4f} [{gap['low']:+.4f}, {gap['high']:+.4f}]" if gap else ""
        label = f"**{point.label}**" if point.label in best else point.label
        lines.append(
            f"| {label} | {point.quality:.4f} | {shown} | {point.p50:.1f} | {point.least:.1f} |"
            f" {point.size / 1e6:.1f} | {point.agreement['concordance']:.4f} |"
        )
    return "\n".join(lines) + "\n"


def _name(plan: Plan) -> str:
    from hashlib import blake2b

    about = json.dumps(plan.to_dict(), sort_keys=True)
    return blake2b(about.encode(), digest_size=6).hexdigest()


def _scores(path: Path, folder: Path, material: Material) -> Array:
    if path.exists():
        found: Array = np.load(path)
        if len(found) == len(material.pairs):
            return found
    found = scores(folder, material)
    np.save(path, found)
    return found


def _refuse_foreign(out: Path, original: Path, material: Material) -> None:
    """A front's folder is of one model and one material."""
    from hashlib import sha256

    about = repr((sha256((original / MANIFEST).read_bytes()).hexdigest(), material.pairs.items, material.texts))
    mark = sha256(about.encode("utf-8", "surrogatepass")).hexdigest()
    path = out / "about.txt"
    if out.exists() and any(out.iterdir()) and not (path.exists() and path.read_text(encoding="utf-8") == mark):
        raise ArtifactError(
            f"{str(out)!r} is no front of this model and these texts", fix="name another --out, or remove the folder"
        )
    (out / MODELS).mkdir(parents=True, exist_ok=True)
    write_text(path, mark)
