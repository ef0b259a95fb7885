"""Training a cross-encoder on judged pairs, from an encoder's layers or on from another one. Needs aisle[train]."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from aisle.artifacts import MANIFEST, read_kind, read_manifest
from aisle.encoders.graph import Real, Whole
from aisle.encoders.onnx import OnnxEncoder
from aisle.encoders.weights import read_weights
from aisle.judgments.pairs import PairSet, pair_text
from aisle.rerankers.combination import CROSS
from aisle.rerankers.cross_encoder import ARCHITECTURE, OnnxCrossEncoder
from aisle.rerankers.cross_export import read_cross_encoder, write_cross_encoder
from aisle.rerankers.head import FORMAT, KIND
from aisle.training.gate import Check
from aisle.training.relevance.adapters import keep_adapter
from aisle.training.relevance.candidate import Candidate, Note, Report
from aisle.training.relevance.cross_model import CrossModel, begin
from aisle.training.relevance.data import Lesson, cosines, others_of
from aisle.training.relevance.earlier import forgetting, not_forgotten
from aisle.training.relevance.encoder_route import base_folder
from aisle.training.relevance.evidence import evidence
from aisle.training.relevance.extras import Extras
from aisle.training.relevance.fit import Outcome
from aisle.training.relevance.recipe import FitSettings, TrainingRecipe
from aisle.training.relevance.reranking import rerank_time
from aisle.training.relevance.rounds import Along, Scored, rounds
from aisle.training.relevance.soup import fitted
from aisle.training.tracking import Tracker, tracked
from aisle.types import Array


class CrossRoute:
    """One training with everything that its steps share.

    Args:
        recipe: How; its base is "embedded", the folder of an encoder, or that of a cross-encoder.
        more: Further judgments to learn from, before those of the shop.
        work: A folder for checkpoints.
        report: Told of each step.
        note: Told, in words, of what is happening.
        trackers: Told of each step of each training.
        extras: What is learnt beside the shop's pairs.

    Raises:
        ArtifactError: The recipe's base is neither.
    """

    def __init__(
        self,
        recipe: TrainingRecipe,
        more: Sequence[PairSet],
        work: Path,
        report: Report,
        note: Note,
        trackers: Sequence[Tracker] = (),
        extras: Extras | None = None,
    ) -> None:
        self.more, self.work, self.report, self.note, self.trackers = more, work, report, note, trackers
        self.extras = extras or Extras()
        cross = recipe.cross
        settings = replace(
            recipe.fit, rate=cross.rate, loss=cross.loss, epochs=cross.epochs, in_batch=0.0, keep=0.0, late=0.0
        )
        self.recipe = replace(recipe, fit=settings, more_epochs=cross.more_epochs)
        self.base = _cross_folder(recipe.base) or base_folder(recipe.base)
        if read_kind(self.base) == KIND:
            self.weights = read_cross_encoder(self.base)
            self._ids = OnnxCrossEncoder(self.base).tokenizer.ids
        else:
            weights = read_weights(self.base)
            self._ids = OnnxEncoder(self.base).tokenizer(cross.max_tokens).ids
            self.weights = begin(weights, cross.readings, settings.seed, cross.max_tokens, cross.query_tokens)
        self.weights = replace(self.weights, details={**self.weights.details, "description": recipe.description})
        self._start: dict[str, Tensor] | None = None

    def make(self, pairs: PairSet) -> Candidate:
        """Train, and gather what the gate needs.

        Args:
            pairs: Of the shop, with grades.
        """
        scored, outcome, folder = self.scored(pairs)
        held = scored.pairs.subset(np.flatnonzero(scored.judged).tolist())
        checks: tuple[Check, ...] = (rerank_time(OnnxCrossEncoder(folder), pairs, self.recipe.max_rerank_ms),)
        training: dict[str, Any] = {"validation": outcome.to_dict()}
        if (earlier := self.extras.earlier) is not None:
            shop = earlier.held
            training["forgetting"] = forgetting(earlier, self.before(shop), self.score(folder, shop))
            checks = (not_forgotten(training["forgetting"], self.recipe.max_forgotten), *checks)
        return Candidate(
            folder,
            ARCHITECTURE,
            evidence(held, self.before(held), scored.score[scored.judged], self.recipe.description),
            None,
            checks,
            {"all": len(pairs.by_query()), "held out": len(held.by_query())},
            training,
        )

    def scored(self, pairs: PairSet) -> tuple[Scored, Outcome, Path]:
        """Train; the scores of pairs that were held out, how it went and the folder of what is kept."""
        self._learn_from_more(pairs)
        return rounds(pairs, self.recipe, self, self.note)

    def along(self, pairs: PairSet) -> None:
        """Take part in every training of `scored` in another process, which writes and scores."""
        self._learn_from_more(pairs)
        rounds(pairs, self.recipe, Along(self._fit), self.note)

    def _learn_from_more(self, pairs: PairSet) -> None:
        """The weights that every training begins with: those of the base, taught by the other judgments."""
        self.work.mkdir(exist_ok=True)
        kept = others_of(self.more, pairs)
        if kept:
            self.note(f"learning from {sum(map(len, kept)):,} pairs of other files first")
            settings = replace(self.recipe.fit, epochs=self.recipe.more_epochs, choose=False, seeds=1)
            model, _ = self._fit(kept, kept[0].subset([]), "more", settings)
            self._start = {name: value.detach().clone() for name, value in model.trained().items()}

    def train(
        self, sets: Sequence[PairSet], validation: PairSet, name: str, settings: FitSettings
    ) -> tuple[Path, Outcome]:
        """Train a cross-encoder and write its folder."""
        model, outcome = self._fit(sets, validation, name, settings)
        folder = self.work / name / "folder"
        keep_adapter(model, self.recipe.peft, read_manifest(self.base, read_kind(self.base), 1).fingerprint, folder)
        self.write(model, folder)
        return folder, outcome

    def write(self, model: CrossModel, folder: Path) -> None:
        """Write a cross-encoder's folder as it is served."""
        arithmetic = Whole() if self.recipe.cross.precision == "int8" else Real(small_rows=True)
        write_cross_encoder(model.weights(), folder, arithmetic)

    def score(self, folder: Path, pairs: PairSet) -> Array:
        """The scores of a cross-encoder's folder."""
        texts = [pair_text(pair, self.recipe.description) for pair in pairs]
        return OnnxCrossEncoder(folder).score_pairs([pair.query for pair in pairs], texts)

    def before(self, pairs: PairSet) -> Array:
        """What ranked before: the cosines of the encoder, or the cross-encoder, that the training began with."""
        if read_kind(self.base) == KIND:
            return self.score(self.base, pairs)
        return cosines(OnnxEncoder(self.base).encode, pairs, self.recipe.description)

    def _fit(
        self, train: Sequence[PairSet], validation: PairSet, name: str, settings: FitSettings
    ) -> tuple[CrossModel, Outcome]:
        settings = replace(settings, rate=self.recipe.peft.learning_rate(settings.rate))
        told = partial(tracked, self.report, self.trackers)
        return fitted(self._begin, self.lesson(train, validation), settings, self.work / name, told, self.note)

    def _begin(self, settings: FitSettings) -> CrossModel:
        model = self.new_model(settings)
        if self._start is not None:
            model.load_state_dict(self._start, strict=False)
        return model

    def lesson(self, train: Sequence[PairSet], validation: PairSet) -> Lesson:
        """What a training learns from."""
        return self.extras.lesson(train, validation, self.recipe, self._ids)

    def new_model(self, settings: FitSettings) -> CrossModel:
        """As a training begins."""
        return CrossModel(self.weights, settings.dropout, self.recipe.peft, settings.seed)


def _cross_folder(spec: str) -> Path | None:
    """The folder of a cross-encoder, where the name is that of one, or of a combination with one."""
    folder = Path(spec).expanduser()
    if (folder / CROSS / MANIFEST).is_file():  # beside the other signals of a combination
        folder = folder / CROSS
    if not (folder / MANIFEST).is_file() or read_kind(folder) != KIND:
        return None
    return folder if read_manifest(folder, KIND, FORMAT).details.get("architecture") == ARCHITECTURE else None
