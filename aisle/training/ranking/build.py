"""`train_ranking`: tables of judged candidates in, a model folder with its verdict out; whole or not at all.

The folder is what ``LearntRanking.load`` reads, with what made it: recipe, metrics, verdict, plots, card.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from aisle.artifacts import one_writer, refuse_other, swap_in, write_text
from aisle.errors import JudgmentError
from aisle.ranking.feature_values import RatingPrior
from aisle.ranking.features import FEATURES
from aisle.ranking.learnt import KIND, LearntRanking
from aisle.training.gate import Verdict
from aisle.training.ranking.card import card
from aisle.training.ranking.crossfit import CrossFit, cross_fit, fit_chosen
from aisle.training.ranking.data import QueryTable, fingerprint, telling
from aisle.training.ranking.evidence import must_pass_scores, verdict_of
from aisle.training.ranking.importance import Importance, dependence, importance
from aisle.training.ranking.plots import dependence_svg, importance_svg
from aisle.training.ranking.recipe import RankingRecipe

Note = Callable[[str], None]
_DECLARED = {feature.name: feature for feature in FEATURES}


@dataclass(frozen=True)
class TrainedRanking:
    """What a training came to.

    ``data`` is a hash of all tables; ``importance`` has the features that the model reads.
    """

    folder: Path
    model: LearntRanking
    verdict: Verdict
    importance: tuple[Importance, ...]
    queries: int
    with_relevant: int
    judged: int
    candidates: int
    data: str
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "model": str(self.folder),
            "architecture": "linear and trees" if self.model.trees else "linear",
            "seconds": round(self.seconds, 1),
            "queries": {"all": self.queries, "with a relevant product": self.with_relevant},
            "judged": self.judged,
            "candidates": self.candidates,
            "data_sha256": self.data,
            "importance": [asdict(row) for row in self.importance],
            "verdict": self.verdict.to_dict(),
        }

    def meaning(self, name: str) -> str:
        """What a feature is."""
        return _DECLARED[name].meaning

    def sign(self, name: str) -> str:
        """``+``, ``-`` or nothing."""
        return {1: "+", -1: "-", 0: ""}[_DECLARED[name].sign]

    def plot_of(self, name: str) -> str:
        """The file of a feature's plot in the folder ``plots``."""
        return f"{name.replace(':', '_')}.svg"


def train_ranking(
    tables: Iterable[QueryTable],
    recipe: RankingRecipe,
    out: Path,
    *,
    rating: RatingPrior | None = None,
    made_with: Mapping[str, str] | None = None,
    must_pass: Sequence[tuple[str, str, str]] = (),
    latency_ratio: float | None = None,
    force: bool = False,
    note: Note | None = None,
) -> TrainedRanking:
    """Fit a ranking, judge it on queries it never saw, and write its folder.

    Args:
        tables: One for each judged query.
        recipe: How.
        out: The model folder; a learnt ranking that is there already is replaced when the new one is complete.
        rating: What few ratings were drawn towards when the features were made.
        made_with: What the features came from, for the manifest's fingerprint.
        must_pass: ``(query, better product id, worse product id)`` whose order is beyond dispute.
        latency_ratio: Time for a query, with it over without it; None where not measured.
        force: Promote whatever the gate says; recorded.
        note: Told, in words, of what is happening.

    Raises:
        ArtifactError: ``out`` is something else than a learnt ranking.
        IndexLockedError: Another process is writing it.
        RecipeError: The recipe names a feature that is not declared.
    """
    start = time.monotonic()
    note = note or (lambda _: None)
    refuse_other(out, [KIND], "learnt ranking")
    given = list(tables)
    out.parent.mkdir(parents=True, exist_ok=True)
    with one_writer(out):
        note(f"cross-validation over {len(given):,} queries")
        found = _held_out(given, recipe, rating, note)
        note("fitting to all of them")
        model = fit_chosen(given, recipe, rating)
        checked = must_pass_scores(model, given, must_pass)
        verdict = verdict_of(given, found, recipe, checked, latency_ratio, force)
        note("measuring what each feature matters")
        rows = tuple(importance(given, model, found, recipe.seed))
        judged = sum(int(np.isfinite(table.grades).sum()) for table in given)
        counts = (len(given), len(telling(given)), judged, sum(len(table.product_ids) for table in given))
        trained = TrainedRanking(
            out, model, verdict, rows, *counts, data=fingerprint(given), seconds=time.monotonic() - start
        )
        part = out.with_name(f".{out.name}.training")
        shutil.rmtree(part, ignore_errors=True)
        _write(part, trained, given, recipe, made_with or {})
        swap_in(part, out)
    return trained


def _held_out(
    tables: Sequence[QueryTable], recipe: RankingRecipe, rating: RatingPrior | None, note: Note
) -> CrossFit | None:
    try:
        return cross_fit(tables, recipe, rating)
    except JudgmentError:
        count = "1 query is" if len(tables) == 1 else f"{len(tables)} queries are"
        note(
            f"{count} too few to hold any out: nothing can show whether the "
            "ranking is better; for that judge two queries of different words at the least"
        )
        return None


def _write(
    part: Path,
    trained: TrainedRanking,
    tables: Sequence[QueryTable],
    recipe: RankingRecipe,
    made_with: Mapping[str, str],
) -> None:
    """The folder, its manifest last."""
    import tomli_w

    (part / "plots").mkdir(parents=True)
    write_text(part / "plots" / "importance.svg", importance_svg(trained.importance))
    lines = {row.name: dependence(tables, trained.model, row.name, recipe.seed) for row in trained.importance}
    plotted = {name: line for name, line in lines.items() if line is not None}
    for name, line in plotted.items():
        write_text(part / "plots" / trained.plot_of(name), dependence_svg(line, trained.meaning(name)))
    write_text(part / "recipe.toml", tomli_w.dumps(recipe.to_dict()))
    write_text(part / "metrics.json", json.dumps(trained.to_dict(), indent=2, ensure_ascii=False) + "\n")
    write_text(part / "README.md", card(trained, recipe, plotted))
    details = {
        "name": trained.folder.name,
        "recipe": recipe.to_dict(),
        "data_sha256": trained.data,
        "promoted": trained.verdict.promoted,
        "forced": trained.verdict.forced,
    }
    trained.model.save(part, made_with, details)
