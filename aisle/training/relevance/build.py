"""`train`: judged pairs in, a model folder with its verdict out; whole or not at all, resumable.

The folder is a model as `aisle search`, `rank` and `index` take it, with what made it: recipe, fingerprint of the data,
metrics, verdict, card. Few pairs get a task head, more a tuned encoder with what words and neighbours say beside it;
the latter needs aisle[train].
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from aisle.artifacts import one_writer, refuse_other, swap_in
from aisle.encoders import onnx
from aisle.errors import ArtifactError, JudgmentError, RecipeError
from aisle.judgments.pairs import PairSet
from aisle.rerankers import head
from aisle.rerankers.load import load_reranker
from aisle.training.gate import MustPass, Terms, Verdict, judge
from aisle.training.relevance.candidate import Candidate, Note, Report
from aisle.training.relevance.card import card
from aisle.training.relevance.data import MIN_QUERIES, fingerprint, weights_told
from aisle.training.relevance.earlier import divide
from aisle.training.relevance.extras import Extras
from aisle.training.relevance.head_route import HeadRoute
from aisle.training.relevance.recipe import TrainingRecipe
from aisle.training.relevance.refusals import refuse_few, refuse_without_torch
from aisle.training.tracking import AUTO, NONE, Tracker, tracking
from aisle.training.tracking import FOLDER as TRACKING
from aisle.training.workplace import finish, workplace
from aisle.types import Product, Reranker

if TYPE_CHECKING:
    from aisle.training.relevance.cross_route import CrossRoute
    from aisle.training.relevance.encoder_route import EncoderRoute

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
    replay: PairSet | None = None,
    negatives: PairSet | None = None,
    must_pass: Sequence[tuple[str, str, str]] = (),
    force: bool = False,
    resume: bool = False,
    began: Callable[[bytes], None] | None = None,
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
        replay: Of an earlier shop, with grades, that the recipe's base learnt from: a share of its queries is learnt
            again beside those of ``pairs``, the others say what is forgotten.
        negatives: Products that nobody judged, as `mine` finds them; learnt from with the queries that are learnt.
        must_pass: ``(query, better text, worse text)`` whose order is beyond dispute.
        force: Promote whatever the gate says; recorded.
        resume: Go on with an interrupted training of the same data and recipe.
        began: Where other processes take part by `train_along`: told what that asks for, once nothing is refused.
        report: Told of each step.
        note: Told, in words, of what is happening.

    Raises:
        ArtifactError: ``out`` is something else than a model, what is to be resumed was of other data or is finished,
            or an interrupted training that is not to be resumed would be lost.
        JudgmentError: Too few queries.
        OptionalDependencyError: PyTorch is missing.
        RecipeError: A head is made, which takes neither an earlier shop, nor negatives, nor other processes; or a step
            has no room.
    """
    start = time.monotonic()
    note, report = note or (lambda _: None), report or (lambda *_: None)
    given = [pairs, *more]
    for one in given:
        for told in weights_told(one).values():
            note(f"weights of {one.source}: {told['not 1']:,} pairs not 1, {told['left out']:,} of them left out")
    model, given = _given(pairs, more, recipe)
    pairs, *more = (one.counting() for one in given)
    if model != "head":
        refuse_without_torch()
        refuse_few(pairs)
    elif began is not None:
        raise RecipeError(
            "a task head in several processes, which one fits in seconds",
            fix="start it without the launcher, or train an encoder: --set model=encoder",
        )
    refuse_other(out, [onnx.KIND, head.KIND], "model")
    extras = _extras(pairs, recipe, model, replay, negatives)
    sets = [*given, *(found for found in (replay, negatives) if found is not None)]
    out.parent.mkdir(parents=True, exist_ok=True)
    with one_writer(out):
        data = fingerprint(sets)
        work = _workplace(out, data, recipe, resume)
        if began is not None:
            began(_learnt(data, recipe))
        settings = {"data_sha256": data, "recipe": recipe.to_dict()}
        spec = NONE if model == "head" and recipe.fit.track == AUTO else recipe.fit.track
        with tracking(spec, work / TRACKING, out.name, settings) as trackers:
            job = _Job(model, pairs, more, recipe, work, extras)
            candidate, took = _make(job, report, note, trackers, estimated=began is None)
        terms = Terms(
            must_pass=check_orders(load_reranker(candidate.folder), must_pass),
            latency_ratio=candidate.latency_ratio,
            max_latency_ratio=recipe.max_latency_ratio,
            force=force,
            seed=recipe.seed,
        )
        verdict = judge(candidate.evidence, terms, candidate.checks)
        trained = Trained(out, verdict, candidate, time.monotonic() - start, took)
        _finish(trained, recipe, data, sets)
        if (work / TRACKING).exists():
            (work / TRACKING).rename(candidate.folder / TRACKING)
        swap_in(candidate.folder, out)
        shutil.rmtree(work)
    return trained


def train_along(
    pairs: PairSet,
    more: Sequence[PairSet],
    recipe: TrainingRecipe,
    out: Path,
    began: bytes,
    *,
    replay: PairSet | None = None,
    negatives: PairSet | None = None,
) -> None:
    """Take part in what `train` does in the first of several processes; nothing is written.

    Args:
        pairs: As for `train`, and so are those that have the same names.
        more: Further judgments.
        recipe: How.
        out: The model folder: beside it are the checkpoints, on a disk that all processes see.
        began: What the first process told.
        replay: Of an earlier shop.
        negatives: Products that nobody judged.

    Raises:
        ArtifactError: Data or recipe are others than in the first process.
    """
    model, given = _given(pairs, more, recipe)
    sets = [*given, *(found for found in (replay, negatives) if found is not None)]
    if began != _learnt(fingerprint(sets), recipe):
        raise ArtifactError(
            "this process read other data or another recipe than the first one",
            fix="give every machine the same files and the same command",
        )
    pairs, *more = (one.counting() for one in given)
    job = _Job(model, pairs, more, recipe, _work(out), _extras(pairs, recipe, model, replay, negatives))
    encoder, cross = _routes(job, lambda *_: None, lambda _: None, ())
    for route in (cross, encoder):
        if route is not None:
            route.along(pairs)


BEGAN = 32
"""Bytes that the first process tells the others."""


def _learnt(data: str, recipe: TrainingRecipe) -> bytes:
    """What all processes have to learn."""
    return sha256(json.dumps([data, recipe.to_dict()], sort_keys=True).encode()).digest()


def _given(pairs: PairSet, more: Sequence[PairSet], recipe: TrainingRecipe) -> tuple[str, list[PairSet]]:
    """What is made; and the pairs by what their grades are worth, but for a head, which learns classes as such."""
    model = _model(pairs.counting(), recipe)
    return model, [one if model == "head" else one.by_gain() for one in (pairs, *more)]


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
    extras: Extras


def _extras(
    pairs: PairSet, recipe: TrainingRecipe, model: str, replay: PairSet | None, negatives: PairSet | None
) -> Extras:
    """What is learnt beside the pairs, the earlier shop divided; refused where it could not count."""
    if model == "head" and (replay is not None or negatives is not None):
        raise RecipeError(
            "an earlier shop or an index beside a task head, which leaves its encoder as it is and learns from judged"
            " pairs alone",
            fix="leave --replay and --index out, or train an encoder: --set model=encoder",
        )
    if replay is not None and recipe.fit.replay > 0 and not recipe.fit.replayed:
        raise RecipeError("fit.queries=1 leaves no room for an earlier shop", fix="--set fit.queries=2 or more")
    if recipe.fit.smooth > 0 and model != "head" and not any(pair.variance for pair in pairs):
        raise JudgmentError(
            f"fit.smooth={recipe.fit.smooth:g}, but {pairs.source} has no pair on which raters disagreed",
            allowed="a column relevance_variance, or --column variance=NAME",
        )
    earlier = None if replay is None else divide(replay.by_gain(), pairs, recipe)
    return Extras(earlier, None if negatives is None else negatives.by_gain())


def _make(
    job: _Job, report: Report, note: Note, trackers: Sequence[Tracker], estimated: bool
) -> tuple[Candidate, Mapping[str, Any]]:
    """Train; beside the candidate what that was thought to take, unless others take part, and what it took here."""
    if job.model == "head":
        return HeadRoute(job.recipe, job.work, note, job.more).make(job.pairs), {}
    from aisle.training.relevance.combining import Beside
    from aisle.training.relevance.compute import Compute
    from aisle.training.relevance.plan import estimate_routes

    encoder, cross = _routes(job, report, note, trackers)
    combine = job.model in ("combination", "full")
    thought = estimate_routes(encoder, cross, job.pairs, combine) if estimated else None
    if thought is not None:
        note(f"estimate: {thought.told()}")
    start = time.monotonic()
    if encoder is None:
        assert cross is not None
        candidate = cross.make(job.pairs)
    else:
        beside = None
        if cross is not None:
            scored, _, folder = cross.scored(job.pairs)
            beside = Beside(folder, scored.score)
        candidate = encoder.make(job.pairs, combine, beside)
    took = {"seconds": time.monotonic() - start, "memory": Compute.of(job.recipe.fit).peak_bytes()}
    return candidate, {**({"estimate": thought.to_dict()} if thought is not None else {}), "measured": took}


def _routes(
    job: _Job, report: Report, note: Note, trackers: Sequence[Tracker]
) -> tuple[EncoderRoute | None, CrossRoute | None]:
    """What trains an encoder, and what trains a cross-encoder, where the model has one."""
    from aisle.training.relevance.cross_route import CrossRoute
    from aisle.training.relevance.encoder_route import EncoderRoute

    alone, given = job.model == "cross-encoder", (report, note, trackers, job.extras)
    work = job.work if alone else job.work / "cross"
    cross = CrossRoute(job.recipe, job.more, work, *given) if alone or job.model == "full" else None
    return None if alone else EncoderRoute(job.recipe, job.more, job.work, *given), cross


def estimate_training(
    pairs: PairSet,
    more: Sequence[PairSet],
    recipe: TrainingRecipe,
    replay: PairSet | None = None,
    negatives: PairSet | None = None,
) -> Mapping[str, Any]:
    """What a training would take, from a few of its steps; nothing is kept.

    Args:
        pairs: As for `train`.
        more: As for `train`.
        recipe: As for `train`.
        replay: As for `train`.
        negatives: As for `train`.

    Returns:
        "seconds", "memory" in bytes, "steps", "parts", "device", "utilisation", and "told", all in a line. A head has
        "told" alone.

    Raises:
        JudgmentError: Too few queries.
        OptionalDependencyError: PyTorch is missing.
    """
    model, given = _given(pairs, more, recipe)
    pairs, *more = (one.counting() for one in given)
    extras = _extras(pairs, recipe, model, replay, negatives)
    if model == "head":
        return {"model": model, "told": "a task head takes seconds and less than 1 GiB"}
    refuse_without_torch()
    refuse_few(pairs)
    from aisle.training.relevance.plan import estimate_routes

    with TemporaryDirectory() as work:
        job = _Job(model, pairs, more, recipe, Path(work), extras)
        encoder, cross = _routes(job, lambda *_: None, lambda _: None, ())
        found = estimate_routes(encoder, cross, pairs, model in ("combination", "full"))
    return {"model": model, **found.to_dict(), "told": found.told()}


def check_orders(model: Reranker, wanted: Sequence[tuple[str, str, str]]) -> list[MustPass]:
    """Each pair of texts whose order is beyond dispute, with the model's scores."""
    found = []
    for query, better, worse in wanted:
        high, low = model.score(query, [Product("better", better), Product("worse", worse)])
        found.append(MustPass(query, better, worse, float(high), float(low)))
    return found


def _workplace(out: Path, data: str, recipe: TrainingRecipe, resume: bool) -> Path:
    """The folder beside ``out`` with checkpoints, of this data and recipe.

    In how many processes, and how they share the work, decides nothing that is learnt: it may be another.
    """
    settings = recipe.to_dict()
    settings["fit"].pop("parallel")
    return workplace(out, _work(out), {"data": data, "recipe": settings}, resume)


def _work(out: Path) -> Path:
    return out.with_name(f".{out.name}.training")


def _finish(trained: Trained, recipe: TrainingRecipe, data: str, sets: Sequence[PairSet]) -> None:
    """Recipe, metrics and card into the folder; its manifest, with all of it, last."""
    sources = [
        {"file": found.source, "pairs": len(found), "queries": len(found.by_query()), **weights_told(found)}
        for found in sets
    ]
    details = {
        "name": trained.folder.name,
        "architecture": trained.candidate.architecture,
        "recipe": recipe.to_dict(),
        "data_sha256": data,
        "shop_sha256": fingerprint(sets[:1]),
        "weights": {source["file"]: source["weights"] for source in sources if "weights" in source},
        "promoted": trained.verdict.promoted,
        "forced": trained.verdict.forced,
    }
    metrics = trained.to_dict() | {"data": sources}
    finish(trained.candidate.folder, recipe.to_dict(), metrics, card(trained, recipe, sources, data), details)
