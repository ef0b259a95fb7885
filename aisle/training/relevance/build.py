"""`train`: judged pairs in, a model folder with its verdict out; whole or not at all, resumable.

The folder is a model as `aisle search`, `rank` and `index` take it, with what made it: recipe, fingerprint of the data,
metrics, verdict, card. Few pairs get a task head, more a tuned encoder with the words' signals beside it; the latter
needs aisle[train].
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from aisle.artifacts import MANIFEST, one_writer, read_kind, swap_in, write_text
from aisle.encoders import onnx
from aisle.errors import ArtifactError, JudgmentError, OptionalDependencyError, RecipeError
from aisle.judgments.pairs import PairSet
from aisle.rerankers import head
from aisle.rerankers.load import load_reranker
from aisle.training.gate import MustPass, Verdict, judge
from aisle.training.relevance.candidate import Candidate, Note, Report
from aisle.training.relevance.card import card
from aisle.training.relevance.data import MIN_QUERIES, fingerprint
from aisle.training.relevance.head_route import HeadRoute
from aisle.training.relevance.recipe import TrainingRecipe
from aisle.training.tracking import AUTO, NONE, Tracker, tracking
from aisle.training.tracking import FOLDER as TRACKING
from aisle.training.workplace import workplace
from aisle.types import Product, Reranker

FEW_PAIRS = 1000
"""Below so many judged pairs a recipe that leaves the choice fits a head: an encoder would learn them by heart."""


@dataclass(frozen=True, slots=True)
class Trained:
    """What a training came to; ``took``: what it was thought to take, and what it took, in time and memory."""

    folder: Path
    verdict: Verdict
    candidate: Candidate
    seconds: float
    took: Mapping[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "model": str(self.folder),
            "architecture": self.candidate.architecture,
            "seconds": round(self.seconds, 1),
            "queries": dict(self.candidate.queries),
            "training": dict(self.candidate.training),
            "verdict": self.verdict.to_dict(),
            **({"took": dict(self.took)} if self.took else {}),
        }


def train(
    pairs: PairSet,
    more: Sequence[PairSet],
    recipe: TrainingRecipe,
    out: Path,
    *,
    must_pass: Sequence[tuple[str, str, str]] = (),
    force: bool = False,
    resume: bool = False,
    report: Report | None = None,
    note: Note | None = None,
) -> Trained:
    """Train a model on judged pairs, judge it on queries it never saw, and write its folder.

    Args:
        pairs: Of the shop that the model is for, with grades.
        more: Further judgments to learn from first; queries of ``pairs`` are taken out of them. Of them a head learns
            what the wording counts before any pair is seen.
        recipe: How.
        out: The model folder; one that is there already is replaced when the new one is complete.
        must_pass: ``(query, better text, worse text)`` whose order is beyond dispute.
        force: Promote whatever the gate says; recorded.
        resume: Go on with an interrupted training of the same data and recipe.
        report: Told of each step.
        note: Told, in words, of what is happening.

    Raises:
        ArtifactError: ``out`` is something else than a model, or what is to be resumed was of other data.
        JudgmentError: Too few queries.
        OptionalDependencyError: PyTorch is missing.
    """
    start = time.monotonic()
    note, report = note or (lambda _: None), report or (lambda *_: None)
    model = _model(pairs, recipe)
    if model != "head":
        _refuse_without_torch()
        _refuse_few(pairs)
    _refuse_foreign(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    with one_writer(out):
        data = fingerprint([pairs, *more])
        work = _workplace(out, data, recipe, resume)
        settings = {"data_sha256": data, "recipe": recipe.to_dict()}
        spec = NONE if model == "head" and recipe.fit.track == AUTO else recipe.fit.track
        with tracking(spec, work / TRACKING, out.name, settings) as trackers:
            job = _Job(model, pairs, more, recipe, work)
            candidate, took = _make(job, report, note, trackers)
        found = candidate.evidence
        verdict = judge(
            found.current,
            found.candidate,
            scores=found.scores,
            trivial=found.trivial,
            must_pass=check_orders(load_reranker(candidate.folder), must_pass),
            latency_ratio=candidate.latency_ratio,
            max_latency_ratio=recipe.max_latency_ratio,
            further=candidate.checks,
            force=force,
            seed=recipe.seed,
        )
        trained = Trained(out, verdict, candidate, time.monotonic() - start, took)
        _finish(trained, recipe, data, [pairs, *more])
        if (work / TRACKING).exists():
            (work / TRACKING).rename(candidate.folder / TRACKING)
        swap_in(candidate.folder, out)
        shutil.rmtree(work)
    return trained


def _model(pairs: PairSet, recipe: TrainingRecipe) -> str:
    """What the recipe asks for; where it leaves the choice, what so many judgments can teach."""
    if recipe.model != "auto":
        return recipe.model
    few = len(pairs) < FEW_PAIRS or len(pairs.by_query()) < MIN_QUERIES
    return "head" if few else "combination"


@dataclass(frozen=True, slots=True)
class _Job:
    """What is to be made of what, and where."""

    model: str
    pairs: PairSet
    more: Sequence[PairSet]
    recipe: TrainingRecipe
    work: Path


def _make(job: _Job, report: Report, note: Note, trackers: Sequence[Tracker]) -> tuple[Candidate, Mapping[str, Any]]:
    """Train; beside the candidate what that was thought to take and what it took."""
    if job.model == "head":
        return HeadRoute(job.recipe, job.work, note, job.more).make(job.pairs), {}
    from aisle.training.relevance.compute import Compute
    from aisle.training.relevance.encoder_route import Beside, EncoderRoute
    from aisle.training.relevance.plan import estimate

    if job.model == "cross-encoder":
        from aisle.training.relevance.cross_route import CrossRoute

        return CrossRoute(job.recipe, job.more, job.work, report, note, trackers).make(job.pairs), {}
    combine = job.model in ("combination", "full")
    route = EncoderRoute(job.recipe, job.more, job.work, report, note, trackers)
    if job.model == "full":
        from aisle.training.relevance.cross_route import CrossRoute

        cross = CrossRoute(job.recipe, job.more, job.work / "cross", report, note, trackers)
        scored, _, folder = cross.scored(job.pairs)
        return route.make(job.pairs, combine, Beside(folder, scored.score)), {}
    thought = estimate(route, job.pairs, combine)
    note(f"estimate: {thought.told()}")
    start = time.monotonic()
    candidate = route.make(job.pairs, combine)
    took = {"seconds": time.monotonic() - start, "memory": Compute.of(job.recipe.fit).peak_bytes()}
    return candidate, {"estimate": thought.to_dict(), "measured": took}


def estimate_training(pairs: PairSet, more: Sequence[PairSet], recipe: TrainingRecipe) -> Mapping[str, Any]:
    """What a training would take, from a few of its steps; nothing is kept.

    Args:
        pairs: As for `train`.
        more: As for `train`.
        recipe: As for `train`.

    Returns:
        "seconds", "memory" in bytes, "steps", "parts", "device", "utilisation", and "told", all in a line. A head has
        "told" alone.

    Raises:
        JudgmentError: Too few queries.
        OptionalDependencyError: PyTorch is missing.
        RecipeError: What is made has a cross-encoder in it.
    """
    model = _model(pairs, recipe)
    if model == "head":
        return {"model": model, "told": "a task head takes seconds and less than 1 GiB"}
    if model not in ("encoder", "combination"):
        raise RecipeError(f"no estimate of model={model}", allowed="head, encoder or combination")
    _refuse_without_torch()
    _refuse_few(pairs)
    from aisle.training.relevance.encoder_route import EncoderRoute
    from aisle.training.relevance.plan import estimate

    with TemporaryDirectory() as work:
        route = EncoderRoute(recipe, more, Path(work), lambda *_: None, lambda _: None)
        found = estimate(route, pairs, model == "combination")
    return {"model": model, **found.to_dict(), "told": found.told()}


def check_orders(model: Reranker, wanted: Sequence[tuple[str, str, str]]) -> list[MustPass]:
    """Each pair of texts whose order is beyond dispute, with the model's scores."""
    found = []
    for query, better, worse in wanted:
        high, low = model.score(query, [Product("better", better), Product("worse", worse)])
        found.append(MustPass(query, better, worse, float(high), float(low)))
    return found


def _refuse_without_torch() -> None:
    try:
        import torch  # noqa: F401  told now, before anything is read
    except ImportError:
        raise OptionalDependencyError("torch", "train", "training an encoder") from None


def _refuse_few(pairs: PairSet) -> None:
    queries = len(pairs.by_query())
    if queries < MIN_QUERIES:
        raise JudgmentError(
            f"judgments of {queries} queries",
            allowed=f"{MIN_QUERIES} or more to train an encoder",
            fix="judge more queries, or fit a task head: --set model=head",
        )


def _refuse_foreign(out: Path) -> None:
    """An empty folder and an older model may be replaced; an index, or anything else, never is."""
    kinds = (onnx.KIND, head.KIND)
    if (out / MANIFEST).is_file():
        kind = read_kind(out)
        if kind not in kinds:
            raise ArtifactError(
                f"{str(out)!r} is of kind {kind!r}", allowed=f"a folder of kind {' or '.join(kinds)}, or a new one"
            )
    elif out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise ArtifactError(
            f"{str(out)!r} exists and is no model", fix="name a folder that does not exist yet, or an older model"
        )


def _workplace(out: Path, data: str, recipe: TrainingRecipe, resume: bool) -> Path:
    """The folder beside ``out`` with checkpoints; a resumed run must be of the same data and recipe."""
    refusal = ArtifactError(
        f"the interrupted training of {str(out)!r} was of other data or another recipe",
        fix="give it the same files and settings, or leave --resume out to begin anew",
    )
    work = out.with_name(f".{out.name}.training")
    return workplace(work, {"data": data, "recipe": recipe.to_dict()}, resume, refusal)


def _finish(trained: Trained, recipe: TrainingRecipe, data: str, sets: Sequence[PairSet]) -> None:
    """Recipe, metrics and card into the folder; its manifest, with all of it, last."""
    import tomli_w

    part = trained.candidate.folder
    sources = [{"file": found.source, "pairs": len(found), "queries": len(found.by_query())} for found in sets]
    metrics = trained.to_dict() | {"data": sources}
    write_text(part / "recipe.toml", tomli_w.dumps(recipe.to_dict()))
    write_text(part / "metrics.json", json.dumps(metrics, indent=2, ensure_ascii=False) + "\n")
    write_text(part / "README.md", card(trained, recipe, sources, data))
    manifest = json.loads((part / MANIFEST).read_text(encoding="utf-8"))
    manifest["details"] |= {
        "name": trained.folder.name,
        "architecture": trained.candidate.architecture,
        "recipe": recipe.to_dict(),
        "data_sha256": data,
        "promoted": trained.verdict.promoted,
        "forced": trained.verdict.forced,
    }
    write_text(part / MANIFEST, json.dumps(manifest, indent=2, ensure_ascii=False) + "\n")
