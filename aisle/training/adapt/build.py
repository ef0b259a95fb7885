"""`adapt`: a catalogue's texts in, an encoder's folder out; whole or not at all, resumable.

The folder is an encoder as `aisle index`, `search` and the base of `aisle train` take it, with what made it: recipe,
fingerprint of the texts, metrics, verdict, card. Judgments are read for the verdict alone. Needs aisle[train].
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from aisle.artifacts import one_writer, refuse_other, swap_in
from aisle.encoders import onnx
from aisle.encoders.onnx import OnnxEncoder
from aisle.errors import ArtifactError
from aisle.judgments.pairs import PairSet
from aisle.training.adapt.card import card
from aisle.training.adapt.lesson import AdaptLesson, fingerprint, lesson, special_tokens
from aisle.training.adapt.recipe import AdaptRecipe
from aisle.training.gate import Terms, Verdict, judge
from aisle.training.relevance.candidate import Candidate, Note, Report
from aisle.training.relevance.data import cosines
from aisle.training.relevance.data import fingerprint as judged_fingerprint
from aisle.training.relevance.evidence import NONE, evidence
from aisle.training.relevance.refusals import refuse_without_torch
from aisle.training.tracking import FOLDER as TRACKING
from aisle.training.tracking import Tracker, tracked, tracking
from aisle.training.workplace import finish, workplace

PART = "adapted"
_COMPARED = 200
"""Texts whose vectors before and after are compared."""


@dataclass(frozen=True, slots=True)
class Adapted:
    """What an adaptation came to.

    Attributes:
        folder: Of the encoder.
        verdict: Of the gate; where nothing was judged, one that promotes nothing.
        judged: Whether there were judgments to judge by.
        candidate: What was judged.
        seconds: It took.
    """

    folder: Path
    verdict: Verdict
    judged: bool
    candidate: Candidate
    seconds: float

    def to_dict(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "model": str(self.folder),
            "architecture": self.candidate.architecture,
            "seconds": round(self.seconds, 1),
            "queries": dict(self.candidate.queries),
            "training": dict(self.candidate.training),
            "judged": self.judged,
            "verdict": self.verdict.to_dict(),
        }


def adapt(
    texts: Sequence[str],
    recipe: AdaptRecipe,
    out: Path,
    *,
    judged: PairSet | None = None,
    resume: bool = False,
    report: Report | None = None,
    note: Note | None = None,
) -> Adapted:
    """Train an encoder on a catalogue's texts, and judge it where there are judgments.

    Args:
        texts: What a model reads of each product, each once.
        recipe: How.
        out: The encoder's folder; one that is there already is replaced when the new one is complete.
        judged: Graded products of the catalogue, which nothing is learnt from.
        resume: Go on with an interrupted run of the same texts and recipe.
        report: Told of each step.
        note: Told, in words, of what is happening.

    Raises:
        ArtifactError: ``out`` is the base itself or something else than an encoder, the base is no Aisle encoder, what
            is to be resumed was of other texts or is finished, or an interrupted run that is not to be resumed would be
            lost.
        CatalogueError: Too few texts.
        OptionalDependencyError: PyTorch, or what a tracker needs, is missing.
        RecipeError: The base has no token that hides others, and the method wants one.
    """
    start = time.monotonic()
    note, report = note or (lambda _: None), report or (lambda *_: None)
    refuse_without_torch("adapting an encoder")
    from aisle.training.relevance.encoder_route import base_folder

    base = base_folder(recipe.base)
    if out.resolve() == base.resolve():
        raise ArtifactError(
            f"{str(out)!r} is the encoder that is to be adapted", allowed="another folder", fix="name another --out"
        )
    refuse_other(out, [onnx.KIND], "encoder")
    out.parent.mkdir(parents=True, exist_ok=True)
    with one_writer(out):
        before = OnnxEncoder(base)
        data = fingerprint(texts)
        about = {"data": data, "base": before.fingerprint, "recipe": recipe.to_dict()}
        run = _Run(recipe, base, before, report, note)
        task = run.lesson(texts)
        work = workplace(out, out.with_name(f".{out.name}.adapting"), about, resume)
        settings = {"data_sha256": data, "recipe": recipe.to_dict()}
        with tracking(recipe.fit.track, work / TRACKING, out.name, settings) as trackers:
            folder, training = run.train(task, work / PART, trackers)
        candidate = run.candidate(folder, training, texts, judged)
        verdict = judge(candidate.evidence, Terms())
        adapted = Adapted(out, verdict, judged is not None, candidate, time.monotonic() - start)
        details = {
            "name": out.name,
            "architecture": candidate.architecture,
            "base": recipe.base,
            "base_fingerprint": before.fingerprint,
            "recipe": recipe.to_dict(),
            "data_sha256": data,
            "judged": adapted.judged,
            "judgments_sha256": judged_fingerprint([judged]) if judged is not None else "",
            "promoted": verdict.promoted,
            "forced": verdict.forced,
        }
        finish(folder, recipe.to_dict(), adapted.to_dict(), card(adapted, recipe, data), details)
        if (work / TRACKING).exists():
            (work / TRACKING).rename(folder / TRACKING)
        swap_in(folder, out)
        shutil.rmtree(work)
    return adapted


@dataclass(frozen=True, slots=True)
class _Run:
    """What the steps of an adaptation share."""

    recipe: AdaptRecipe
    base: Path
    before: OnnxEncoder
    report: Report
    note: Note

    def lesson(self, texts: Sequence[str]) -> AdaptLesson:
        tokenizer = self.before.tokenizer(self.recipe.fit.max_tokens)
        return lesson(tokenizer.ids(texts), special_tokens(self.base), self.recipe)

    def train(self, task: AdaptLesson, folder: Path, trackers: Sequence[Tracker]) -> tuple[Path, dict[str, Any]]:
        """The folder of the encoder that learnt, and how that went."""
        from aisle.encoders.weights import read_weights
        from aisle.training.adapt.fit import AdaptFit
        from aisle.training.relevance.adapters import write_tuned
        from aisle.training.relevance.model import TunedEncoder

        weights = read_weights(self.base)
        model = TunedEncoder(weights, self.recipe.fit.dropout)
        folder.mkdir(exist_ok=True)
        fit = AdaptFit(model, task, self.recipe, folder)
        self.note(
            f"{len(task.texts):,} texts to learn from, {len(task.apart):,} kept apart, {len(task.words):,} different"
            f" tokens; {fit.steps:,} steps"
        )
        done = fit.resume()
        if done:
            self.note(f"going on after step {done:,}")
        outcome = fit.run(tracked(self.report, trackers, PART))
        write_tuned(model, weights, folder / "folder")
        training = {
            "method": self.recipe.method,
            "texts": len(task.texts),
            "apart": len(task.apart),
            "tokens": len(task.words),
            "steps": fit.steps,
            "loss": outcome.to_dict(),
        }
        return folder / "folder", training

    def candidate(
        self, folder: Path, training: Mapping[str, Any], texts: Sequence[str], judged: PairSet | None
    ) -> Candidate:
        """What the gate needs: the served file against the one that it was made from, on judged queries.

        The time of a query was not measured: layers and sizes are as they were.
        """
        after = OnnxEncoder(folder)
        some = texts[:: -(-len(texts) // _COMPARED)]
        near = (self.before.encode(some, "product") * after.encode(some, "product")).sum(1)
        found, counts = NONE, dict[str, int]()
        if judged is not None:
            held = judged.counting().by_gain()
            then, now = (cosines(one.encode, held, self.recipe.description) for one in (self.before, after))
            found, counts = evidence(held, then, now, self.recipe.description), {"judged": len(held.by_query())}
        told = {**training, "nearness": round(float(np.mean(near)), 4)}
        return Candidate(folder, "encoder", found, None, (), counts, told)
