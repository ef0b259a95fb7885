"""`distil`: texts and teachers in, a small encoder's folder with its verdict out; whole or not at all, resumable.

The folder is an encoder as `aisle search`, `rank` and `index` take it, with what made it: recipe, metrics, verdict,
card and ``unlabelled.jsonl.gz``, where every pair it learnt from says where it is from. Needs aisle[train].
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aisle.artifacts import MANIFEST, one_writer, refuse_other, swap_in
from aisle.encoders import onnx
from aisle.errors import OptionalDependencyError, RecipeError
from aisle.training.distil.candidates import write_provenance
from aisle.training.distil.card import card
from aisle.training.distil.material import Material, fingerprint_of
from aisle.training.distil.recipe import DistilRecipe
from aisle.training.gate import Check, Terms, Verdict, judge
from aisle.training.relevance.candidate import Candidate, Note, Report
from aisle.training.relevance.recipe import FEW_QUERIES
from aisle.training.tracking import FOLDER as TRACKING
from aisle.training.tracking import tracking
from aisle.training.workplace import finish, workplace
from aisle.types import Progress

if TYPE_CHECKING:
    from aisle.training.distil.route import Distiller, Taught

PROVENANCE = "unlabelled.jsonl.gz"


@dataclass(frozen=True, slots=True)
class Distilled:
    """What a distillation came to."""

    folder: Path
    verdict: Verdict
    candidate: Candidate
    teachers: tuple[str, ...]
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "model": str(self.folder),
            "architecture": "encoder",
            "teachers": list(self.teachers),
            "seconds": round(self.seconds, 1),
            "queries": dict(self.candidate.queries),
            "training": dict(self.candidate.training),
            "verdict": self.verdict.to_dict(),
        }


@dataclass(frozen=True, slots=True)
class Told:
    """Who hears of a run: of each step, in words of what is happening, and of how far teachers are."""

    report: Report = lambda *_: None
    note: Note = lambda _: None
    progress: Progress = lambda *_: None


def distil(
    material: Material,
    teachers: Sequence[str],
    recipe: DistilRecipe,
    out: Path,
    *,
    student: str = "embedded",
    against: Path | None = None,
    cache: Path | None = None,
    force: bool = False,
    resume: bool = False,
    told: Told | None = None,
) -> Distilled:
    """Teach a student what teachers say of unlabelled pairs, judge it on held-out queries, and write its folder.

    Args:
        material: Texts, queries, and judgments where there are any.
        teachers: Re-rankers as ``load_reranker`` names them, or ``bm25``.
        recipe: How.
        out: The model folder; one that is there already is replaced when the new one is complete.
        student: "embedded" or the folder of an Aisle encoder.
        against: The encoder that the gate compares with; else the same student is taught by the labels alone.
        cache: Where the teachers' scores are kept for other runs; else beside ``out`` until it is complete.
        force: Promote whatever the gate says; recorded.
        resume: Go on with an interrupted run of the same material, teachers and recipe.
        told: Who hears of it.

    Raises:
        ArtifactError: ``out`` is something else than an encoder, what is to be resumed was of other data or is
            finished, or an interrupted run that is not to be resumed would be lost.
        JudgmentError: There are no queries.
        RecipeError: Settings and teachers do not fit.
        OptionalDependencyError: PyTorch, or what a teacher or a tracker needs, is missing.
    """
    start, told = time.monotonic(), told or Told()
    if not teachers:
        raise RecipeError("no teacher", allowed="one or more models, such as --teacher embedded,bm25")
    try:
        from aisle.training.distil.route import Distiller
    except ImportError:
        raise OptionalDependencyError("torch", "train", "distillation") from None
    refuse_other(out, [onnx.KIND], "encoder")
    out.parent.mkdir(parents=True, exist_ok=True)
    with one_writer(out):
        data = fingerprint_of(material)
        work = _workplace(out, {"data": data, "teachers": list(teachers), "student": student}, recipe, resume)
        settings = {"data_sha256": data, "recipe": recipe.to_dict()}
        with tracking(recipe.fit.track, work / TRACKING, out.name, settings) as trackers:
            run = Distiller(student, recipe, work, told.report, told.note, told.progress, trackers)
            taught = run.taught(material, teachers, cache or work / "scores")
            told.note(f"the student learns from {len(taught.listed):,} lists")
            folder = run.learn(taught, material.judged)
            candidate = run.candidate(folder, _rival(run, material, against, told.note), taught, material)
        terms = Terms(
            latency_ratio=candidate.latency_ratio,
            max_latency_ratio=recipe.max_latency_ratio,
            force=force,
            seed=recipe.seed,
        )
        verdict = judge(candidate.evidence, terms, honest(teachers, material))
        distilled = Distilled(out, verdict, candidate, tuple(teachers), time.monotonic() - start)
        _finish(distilled, recipe, student, data, taught)
        if (work / TRACKING).exists():
            (work / TRACKING).rename(candidate.folder / TRACKING)
        swap_in(candidate.folder, out)
        shutil.rmtree(work)
    return distilled


def _rival(run: Distiller, material: Material, against: Path | None, note: Note) -> Path | None:
    """What the student has to beat: what was named, else itself after learning from the labels alone."""
    if against is not None or material.held is None:
        return against
    if material.judged is None or not len(material.judged):
        return run.base
    note("the same student learns from the labels alone")
    return run.learn_labels(material.judged)


def honest(teachers: Sequence[str], material: Material) -> tuple[Check, ...]:
    """A failed check for each teacher that learnt from the very judgments that the gate judges by.

    Known by the hash in its folder. One that learnt from them among others, or was made elsewhere, cannot be told.
    """
    if material.held is None:
        return ()
    found = []
    for name in teachers:
        manifest = Path(name).expanduser() / MANIFEST
        details = json.loads(manifest.read_text(encoding="utf-8"))["details"] if manifest.is_file() else {}
        if not material.data or details.get("data_sha256") != material.data:
            continue
        recipe = details.get("recipe", {})
        apart = material.divided == (recipe.get("seed"), recipe.get("held_out"))
        if not (apart and material.asked >= FEW_QUERIES):
            reason = f"{Path(name).name} learnt from the judgments it is judged by: train it without those queries"
            found.append(Check("teacher", False, reason))
    return tuple(found)


def _workplace(out: Path, about: Mapping[str, Any], recipe: DistilRecipe, resume: bool) -> Path:
    """The folder beside ``out`` with checkpoints; a resumed run must be of the same material, teachers and recipe."""
    work = out.with_name(f".{out.name}.distilling")
    return workplace(out, work, {**about, "recipe": recipe.to_dict()}, resume)


def _finish(distilled: Distilled, recipe: DistilRecipe, student: str, data: str, taught: Taught) -> None:
    """Provenance, recipe, metrics and card into the folder; its manifest, with all of it, last."""
    part = distilled.candidate.folder
    write_provenance(part / PROVENANCE, taught.listed, [product.id for product in taught.products], taught.scores)
    details = {
        "name": distilled.folder.name,
        "architecture": "encoder",
        "student": student,
        "teachers": list(distilled.teachers),
        "recipe": recipe.to_dict(),
        "data_sha256": data,
        "promoted": distilled.verdict.promoted,
        "forced": distilled.verdict.forced,
    }
    finish(part, recipe.to_dict(), distilled.to_dict(), card(distilled, recipe, student, data), details)
