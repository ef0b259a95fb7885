"""Training an encoder on judged pairs, alone or with the words' signals beside it. Needs aisle[train].

The encoder that is judged never learnt from the queries it is judged by: with few queries each is held out once in a
round of trainings, with many a share of them is.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from aisle.artifacts import MANIFEST, Manifest, write_manifest
from aisle.encoders.export import write_encoder
from aisle.encoders.load import EMBEDDED
from aisle.encoders.onnx import OnnxEncoder
from aisle.encoders.weights import read_weights
from aisle.errors import ArtifactError
from aisle.indexes import segment
from aisle.judgments.pairs import PairSet, pair_text
from aisle.ranking.word_statistics import WordStatistics
from aisle.rerankers.combination import (
    ARCHITECTURE,
    ENCODER,
    FILE,
    SIGNALS,
    Combination,
    CombinationReranker,
    fingerprint,
    word_signals,
)
from aisle.rerankers.head import FORMAT, KIND
from aisle.training.combine import fit_weights
from aisle.training.gate import Check
from aisle.training.relevance.candidate import Candidate, Note, Report
from aisle.training.relevance.data import FOLDS, cosines, lesson, shares, turns, without_queries_of
from aisle.training.relevance.evidence import evidence
from aisle.training.relevance.fit import Fit, Outcome
from aisle.training.relevance.model import TunedEncoder
from aisle.training.relevance.recipe import FitSettings, TrainingRecipe
from aisle.types import Array, Product

FEW_QUERIES = 400
"""Below so many queries a share of them proves nothing: every query is held out once instead."""
_TIMED = 200
RERANKED = 50
"""Texts whose re-ranking is timed: as many as a search re-ranks."""
Doubles = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class _Scored:
    """Pairs with the cosines of encoders that did not learn from them.

    Rows of one ``turn`` were held out together; those that are ``judged`` show whether the model is better.
    """

    pairs: PairSet
    cosine: Array
    turn: NDArray[np.int64]
    judged: NDArray[np.bool_]


class EncoderRoute:
    """One training with everything that its steps share.

    Args:
        recipe: How.
        more: Further judgments to learn from, before those of the shop.
        work: A folder for checkpoints.
        report: Told of each step.
        note: Told, in words, of what is happening.

    Raises:
        ArtifactError: The recipe's base is no Aisle encoder.
    """

    def __init__(self, recipe: TrainingRecipe, more: Sequence[PairSet], work: Path, report: Report, note: Note) -> None:
        self.recipe, self.more, self.work, self.report, self.note = recipe, more, work, report, note
        self.base = base_folder(recipe.base)
        self.weights = read_weights(self.base)
        self.before = OnnxEncoder(self.base)
        self._start: dict[str, Tensor] | None = None

    def make(self, pairs: PairSet, combine: bool) -> Candidate:
        """Train, and gather what the gate needs.

        Args:
            pairs: Of the shop, with grades.
            combine: Whether the words' signals are weighed beside the cosine.
        """
        self._learn_from_more(pairs)
        few = len(pairs.by_query()) < FEW_QUERIES
        scored, outcome, part = self._in_turns(pairs) if few else self._by_share(pairs)
        statistics = WordStatistics.of([pair_text(pair, self.recipe.description) for pair in pairs], segment)
        scores, weights = self._combined(scored, statistics) if combine else (scored.cosine, None)
        held = scored.pairs.subset(np.flatnonzero(scored.judged).tolist())
        now = cosines(self.before.encode, held, self.recipe.description)
        slowdown = self._slowdown(OnnxEncoder(part), pairs)  # before its folder moves into that of a combination
        checks: tuple[Check, ...] = ()
        training: dict[str, Any] = {"validation": outcome.to_dict()}
        folder = part
        if weights is not None:
            folder = self._write_combination(part, weights, statistics)
            training["weights"] = weights
            checks = (rerank_time(CombinationReranker(folder), pairs, self.recipe.max_rerank_ms),)
        return Candidate(
            folder,
            ARCHITECTURE if combine else "encoder",
            evidence(held, now, scores[scored.judged], self.recipe.description),
            slowdown,
            checks,
            {"all": len(pairs.by_query()), "held out": len(held.by_query())},
            training,
        )

    # --- encoders --------------------------------------------------------------------------------------------

    def _learn_from_more(self, pairs: PairSet) -> None:
        """The weights that every training begins with: those of the base, taught by the other judgments."""
        kept = [found for found in (without_queries_of(more, pairs) for more in self.more) if len(found)]
        if not kept:
            return
        self.note(f"learning from {sum(map(len, kept)):,} pairs of other files first")
        settings = replace(self.recipe.fit, epochs=self.recipe.more_epochs, choose=False)
        model, _ = self._fit(kept, kept[0].subset([]), "more", settings)
        self._start = {name: value.detach().clone() for name, value in model.trained().items()}

    def _in_turns(self, pairs: PairSet) -> tuple[_Scored, Outcome, Path]:
        """Every query held out once (cross-validation by query), and a last training on all of them."""
        cosine = np.zeros(len(pairs), np.float32)
        turn = np.zeros(len(pairs), np.int64)
        for number, rows in enumerate(turns(pairs, self.recipe.seed)):
            held, rest = (pairs.subset(np.flatnonzero(part).tolist()) for part in (rows, ~rows))
            self.note(f"training {number + 1} of {FOLDS + 1}: {len(held.by_query())} queries held out")
            _, part = self._train_on(rest, f"turn{number + 1}")
            cosine[rows] = cosines(OnnxEncoder(part).encode, held, self.recipe.description)
            turn[rows] = number
        self.note(f"training {FOLDS + 1} of {FOLDS + 1}: on all queries")
        outcome, part = self._train_on(pairs, "model")
        return _Scored(pairs, cosine, turn, np.ones(len(pairs), bool)), outcome, part

    def _by_share(self, pairs: PairSet) -> tuple[_Scored, Outcome, Path]:
        """One training; queries that it did not see say how to weigh signals (turn 0) and judge it (turn 1)."""
        divided = shares(pairs, self.recipe.validation, self.recipe.held_out, self.recipe.seed)
        model, outcome = self._fit([divided.train], divided.validation, "model", self.recipe.fit)
        part = self._write(model, self.work / "model" / "folder")
        unseen = {pair.query_id: 0 for pair in divided.validation} | {pair.query_id: 1 for pair in divided.held_out}
        found = pairs.subset([row for row, pair in enumerate(pairs) if pair.query_id in unseen])
        turn = np.array([unseen[pair.query_id] for pair in found])
        cosine = cosines(OnnxEncoder(part).encode, found, self.recipe.description)
        return _Scored(found, cosine, turn, turn == 1), outcome, part

    def _train_on(self, pairs: PairSet, name: str) -> tuple[Outcome, Path]:
        """On all of the pairs, but for those that choose where the recipe has them choose."""
        train, validation = pairs, pairs.subset([])
        if self.recipe.fit.choose:
            # Turns are drawn by the seed: what is left has none of its first draws, so another one divides it.
            divided = shares(pairs, self.recipe.validation, 0.0, self.recipe.seed + 1)
            train, validation = divided.train, divided.validation
        model, outcome = self._fit([train], validation, name, self.recipe.fit)
        return outcome, self._write(model, self.work / name / "folder")

    def _fit(
        self, train: Sequence[PairSet], validation: PairSet, name: str, settings: FitSettings
    ) -> tuple[TunedEncoder, Outcome]:
        model = TunedEncoder(self.weights, settings.dropout)
        if self._start is not None:
            model.load_state_dict(self._start, strict=False)
        folder = self.work / name
        folder.mkdir(exist_ok=True)
        ids = self.before.tokenizer(settings.max_tokens).ids
        run = Fit(model, lesson(train, validation, self.recipe.description, ids), settings, folder)
        done = run.resume()
        if done:
            self.note(f"going on after step {done:,}")
        return model, run.run(self.report)

    def _write(self, model: TunedEncoder, folder: Path) -> Path:
        """The folder of the encoder, without what a finished model says of itself."""
        old = self.weights.manifest.details
        details = {name: old[name] for name in ("han_offset", "scripts", "licence") if name in old}
        write_encoder(model.weights(), self.weights.shape, self.weights.tokenizers, folder, details, self.weights.words)
        return folder

    # --- combinations ----------------------------------------------------------------------------------------

    def _combined(self, scored: _Scored, statistics: WordStatistics) -> tuple[Array, dict[str, float]]:
        """The scores of all rows, each by weights that were fitted to other turns; and weights fitted to all rows."""
        pairs, levels = scored.pairs, scored.pairs.levels()
        signals = np.column_stack([scored.cosine.astype(np.float64), self._words(pairs, statistics)])
        scores = np.zeros(len(pairs), np.float32)
        for turn in np.unique(scored.turn):
            others = scored.turn != turn
            found = fit_weights(signals[others], levels[others], _groups(pairs, others))
            scores[~others] = signals[~others] @ found
        kept = fit_weights(signals, levels, list(pairs.by_query().values()))
        return scores, {name: float(value) for name, value in zip(SIGNALS, kept, strict=True)}

    def _words(self, pairs: PairSet, statistics: WordStatistics) -> Doubles:
        found = np.zeros((len(pairs), len(SIGNALS) - 1))
        for rows in pairs.by_query().values():
            texts = [pair_text(pairs[row], self.recipe.description) for row in rows]
            found[rows] = word_signals(statistics, pairs[rows[0]].query, texts)
        return found

    def _write_combination(self, part: Path, weights: dict[str, float], statistics: WordStatistics) -> Path:
        folder = self.work / "folder"
        folder.mkdir(exist_ok=True)
        (folder / MANIFEST).unlink(missing_ok=True)
        if (folder / ENCODER).exists():  # a run that was stopped here
            shutil.rmtree(folder / ENCODER)
        part.rename(folder / ENCODER)
        combination = Combination(weights, statistics, self.recipe.description)
        combination.save(folder / FILE)
        write_manifest(folder, Manifest(KIND, FORMAT, fingerprint(folder), {"architecture": ARCHITECTURE}))
        return folder

    # --- time ------------------------------------------------------------------------------------------------

    def _slowdown(self, after: OnnxEncoder, pairs: PairSet) -> float:
        """Median time of one query after training over that before, measured in turns."""
        asked = list(dict.fromkeys(pair.query for pair in pairs))[:_TIMED]
        times: dict[str, list[float]] = {"before": [], "after": []}
        for query in asked:
            for name, encoder in (("before", self.before), ("after", after)):
                start = time.perf_counter()
                encoder.encode([query], "query")
                times[name].append(time.perf_counter() - start)
        return float(np.median(times["after"]) / np.median(times["before"]))


def rerank_time(reranker: CombinationReranker, pairs: PairSet, most_ms: float) -> Check:
    """Whether re-ranking as many texts as a search does stays within its budget: the median of five queries."""
    texts = [Product(str(row), pair.title, pair.description) for row, pair in enumerate(pairs[:RERANKED])]
    found = []
    for query in list(dict.fromkeys(pair.query for pair in pairs))[:6]:  # the first one loads the model
        start = time.perf_counter()
        reranker.score(query, texts)
        found.append(1000 * (time.perf_counter() - start))
    median = float(np.median(found[1:] or found))
    passed = bool(median <= most_ms)
    limit = "at most" if passed else "more than the"
    return Check(
        "re-ranking", passed, f"{len(texts)} texts take {median:.0f} milliseconds, {limit} {most_ms:g} allowed"
    )


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


def _groups(pairs: PairSet, chosen: NDArray[np.bool_]) -> list[list[int]]:
    """For each query its places among the chosen rows."""
    place = np.cumsum(chosen) - 1
    return [[int(place[row]) for row in rows if chosen[row]] for rows in pairs.by_query().values()]
