"""Training an encoder on judged pairs, alone or with what words and neighbours say beside it. Needs aisle[train]."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from aisle.artifacts import MANIFEST
from aisle.encoders.load import EMBEDDED
from aisle.encoders.onnx import OnnxEncoder
from aisle.encoders.weights import read_weights
from aisle.errors import ArtifactError
from aisle.judgments.pairs import PairSet
from aisle.rerankers.combination import ARCHITECTURE, CROSS, ENCODER, CombinationReranker
from aisle.training.gate import Check
from aisle.training.relevance.adapters import write_tuned
from aisle.training.relevance.candidate import Candidate, Note, Report
from aisle.training.relevance.combining import Beside, Combining
from aisle.training.relevance.data import Lesson, cosines, others_of
from aisle.training.relevance.earlier import forgetting, not_forgotten
from aisle.training.relevance.evidence import against, evidence
from aisle.training.relevance.extras import Extras
from aisle.training.relevance.fit import Outcome
from aisle.training.relevance.model import TunedEncoder
from aisle.training.relevance.recipe import FitSettings, TrainingRecipe
from aisle.training.relevance.reranking import rerank_time
from aisle.training.relevance.rounds import Along, rounds, weigh
from aisle.training.relevance.soup import fitted
from aisle.training.tracking import Tracker, tracked
from aisle.types import Array

TIMED = 200
"""Queries whose encoding is timed."""


class EncoderRoute:
    """One training with everything that its steps share.

    Args:
        recipe: How.
        more: Further judgments to learn from, before those of the shop.
        work: A folder for checkpoints.
        report: Told of each step.
        note: Told, in words, of what is happening.
        trackers: Told of each step of each training.
        extras: What is learnt beside the shop's pairs.

    Raises:
        ArtifactError: The recipe's base is no Aisle encoder.
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
        self.recipe, self.more, self.work, self.report, self.note = recipe, more, work, report, note
        self.trackers, self.extras = trackers, extras or Extras()
        self.base = base_folder(recipe.base)
        self.weights = read_weights(self.base)
        self.before = OnnxEncoder(self.base)
        self._start: dict[str, Tensor] | None = None

    def make(self, pairs: PairSet, combine: bool, beside: Beside | None = None) -> Candidate:
        """Train, and gather what the gate needs.

        Args:
            pairs: Of the shop, with grades.
            combine: Whether the signals of words and neighbours are weighed beside the cosine.
            beside: A cross-encoder whose scores are weighed, too.
        """
        more = others_of(self.more, pairs)
        self._learn_from(more)
        combining = Combining(self, pairs, more, self.recipe) if combine else None
        scored, outcome, part = rounds(pairs, self.recipe, self if combining is None else combining, self.note)
        scores, weights = scored.score, None
        if combining is not None:
            names = combining.names
            signals, changed = np.split(scored.signals.astype(np.float64), [len(names)], axis=1)
            if beside is not None:
                signals, names = np.column_stack([signals, beside.score]), (*names, CROSS)
            # What a cross-encoder says of changed texts nobody asked it.
            scores, kept = weigh(scored, signals, changed if combining.changes and beside is None else None)
            weights = {name: float(value) for name, value in zip(names, kept, strict=True)}
        held = scored.pairs.subset(np.flatnonzero(scored.judged).tolist())
        now = cosines(self.before.encode, held, self.recipe.description)
        slowdown = self._slowdown(OnnxEncoder(part), pairs)  # before its folder moves into that of a combination
        checks: tuple[Check, ...] = ()
        training: dict[str, Any] = {"validation": outcome.to_dict()}
        if (earlier := self.extras.earlier) is not None:
            shop = earlier.held
            then, after = (
                cosines(one.encode, shop, self.recipe.description) for one in (self.before, OnnxEncoder(part))
            )
            training["forgetting"] = forgetting(earlier, then, after)
            checks = (not_forgotten(training["forgetting"], self.recipe.max_forgotten),)
        folder = part
        if combining is not None and weights is not None:
            folder = combining.write(part, beside, weights, self.work)
            training["weights"] = weights
            if beside is not None:
                alone = {"cosine": scored.score[scored.judged], "cross": beside.score[scored.judged]}
                training["alone"] = {name: against(held, now, score) for name, score in alone.items()}
            checks += (rerank_time(CombinationReranker(folder, kept=0), pairs, self.recipe.max_rerank_ms),)
        return Candidate(
            folder,
            ARCHITECTURE if combine else "encoder",
            evidence(held, now, scores[scored.judged], self.recipe.description),
            slowdown,
            checks,
            {"all": len(pairs.by_query()), "held out": len(held.by_query())},
            training,
        )

    def along(self, pairs: PairSet) -> None:
        """Take part in every training of `make` in another process, which writes and scores."""
        self._learn_from(others_of(self.more, pairs))
        rounds(pairs, self.recipe, Along(self._fit), self.note)

    # --- encoders --------------------------------------------------------------------------------------------

    def _learn_from(self, kept: Sequence[PairSet]) -> None:
        """The weights that every training begins with: those of the base, taught by the other judgments."""
        if not kept:
            return
        self.note(f"learning from {sum(map(len, kept)):,} pairs of other files first")
        settings = replace(self.recipe.fit, epochs=self.recipe.more_epochs, choose=False, seeds=1)
        model, _ = self._fit(kept, kept[0].subset([]), "more", settings)
        self._start = {name: value.detach().clone() for name, value in model.trained().items()}

    def train(
        self, sets: Sequence[PairSet], validation: PairSet, name: str, settings: FitSettings
    ) -> tuple[Path, Outcome]:
        """Train an encoder and write its folder."""
        model, outcome = self._fit(sets, validation, name, settings)
        folder = self.work / name / "folder"
        self.write(model, folder)
        return folder, outcome

    def write(self, model: TunedEncoder, folder: Path) -> None:
        """Write an encoder's folder as it is served."""
        write_tuned(model, self.weights, folder)

    def score(self, folder: Path, pairs: PairSet) -> Array:
        """The cosines of an encoder's folder."""
        return cosines(OnnxEncoder(folder).encode, pairs, self.recipe.description)

    def _fit(
        self, train: Sequence[PairSet], validation: PairSet, name: str, settings: FitSettings
    ) -> tuple[TunedEncoder, Outcome]:
        settings = replace(settings, rate=self.recipe.peft.learning_rate(settings.rate))
        told = partial(tracked, self.report, self.trackers)
        return fitted(self._begin, self.lesson(train, validation), settings, self.work / name, told, self.note)

    def _begin(self, settings: FitSettings) -> TunedEncoder:
        model = self.new_model(settings)
        if self._start is not None:
            model.load_state_dict(self._start, strict=False)
        return model

    def lesson(self, train: Sequence[PairSet], validation: PairSet) -> Lesson:
        """What a training learns from."""
        ids = self.before.tokenizer(self.recipe.fit.max_tokens).ids
        return self.extras.lesson(train, validation, self.recipe, ids)

    def trained(self, pairs: PairSet, name: str) -> TunedEncoder:
        """An encoder trained on all of the pairs, in float."""
        return self._fit([pairs], pairs.subset([]), name, self.recipe.fit)[0]

    def new_model(self, settings: FitSettings) -> TunedEncoder:
        """As a training begins."""
        return TunedEncoder(self.weights, settings.dropout, self.recipe.peft, settings.seed)

    # --- time ------------------------------------------------------------------------------------------------

    def _slowdown(self, after: OnnxEncoder, pairs: PairSet) -> float:
        """Median time of one query after training over that before, measured in turns."""
        asked = list(dict.fromkeys(pair.query for pair in pairs))[:TIMED]
        times: dict[str, list[float]] = {"before": [], "after": []}
        for query in asked:
            for name, encoder in (("before", self.before), ("after", after)):
                start = time.perf_counter()
                encoder.encode([query], "query")
                times[name].append(time.perf_counter() - start)
        return float(np.median(times["after"]) / np.median(times["before"]))


def base_folder(spec: str) -> Path:
    """The folder of the encoder that training begins with; of a combination, the encoder inside.

    Raises:
        ArtifactError: It is neither "embedded" nor a folder of an Aisle encoder.
    """
    if spec == EMBEDDED:
        from aisle.encoders.embedded import FOLDER

        return FOLDER
    folder = Path(spec).expanduser()
    if (folder / MANIFEST).is_file() and (folder / ENCODER / MANIFEST).is_file():
        return folder / ENCODER
    if not (folder / MANIFEST).is_file():
        raise ArtifactError(
            f"base {spec!r} is no Aisle encoder",
            allowed="'embedded', or a folder made by aisle train, scripts/train_encoder.py or scripts/export_minilm.py",
            fix="check the path",
        )
    return folder
