"""`train`: judged pairs in, a model folder with its verdict out; whole or not at all, resumable.

The folder is an encoder as `aisle index --encoder` and `aisle rank --model` take it, with what made it: recipe,
fingerprint of the data, metrics, verdict, card. Needs aisle[train].
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from aisle.artifacts import MANIFEST, one_writer, read_manifest, swap_in, write_text
from aisle.encoders.load import EMBEDDED
from aisle.encoders.onnx import FORMAT, KIND, OnnxEncoder
from aisle.errors import ArtifactError, JudgmentError, OptionalDependencyError
from aisle.evaluate.pools import pool_ndcg
from aisle.judgments.pairs import PairSet, pair_text
from aisle.judgments.split import folds
from aisle.training.gate import MustPass, Verdict, judge
from aisle.training.relevance.card import card
from aisle.training.relevance.data import (
    MIN_QUERIES,
    Lesson,
    Shares,
    cosines,
    fingerprint,
    lesson,
    shares,
    without_queries_of,
)
from aisle.training.relevance.recipe import TrainingRecipe

if TYPE_CHECKING:
    from aisle.training.relevance.fit import Outcome, Report

Note = Callable[[str], None]
FEW_QUERIES = 400
"""Below so many queries a share of them proves nothing: every query is held out once instead."""
FOLDS = 5
_TIMED = 200


@dataclass(frozen=True, slots=True)
class Trained:
    """What a training came to."""

    folder: Path
    verdict: Verdict
    outcome: Outcome
    seconds: float
    queries: Mapping[str, int]

    def to_dict(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "model": str(self.folder),
            "seconds": round(self.seconds, 1),
            "queries": dict(self.queries),
            "validation": self.outcome.to_dict(),
            "verdict": self.verdict.to_dict(),
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
    """Train an encoder on judged pairs, judge it on queries it never saw, and write its folder.

    Args:
        pairs: Of the shop that the model is for, with grades.
        more: Further judgments to learn from; queries held out in ``pairs`` are taken out of them.
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
    try:
        import torch  # noqa: F401  told now, before anything is read
    except ImportError:
        raise OptionalDependencyError("torch", "train", "training an encoder") from None
    start = time.monotonic()
    note, report = note or (lambda _: None), report or (lambda *_: None)
    _refuse_foreign(out)
    queries = pairs.by_query()
    if len(queries) < MIN_QUERIES:
        raise JudgmentError(
            f"judgments of {len(queries)} queries", allowed=f"{MIN_QUERIES} or more", fix="judge more queries"
        )
    out.parent.mkdir(parents=True, exist_ok=True)
    with one_writer(out):
        data = fingerprint([pairs, *more])
        work = _workplace(out, data, recipe, resume)
        run = _Run(recipe, more, work, report, note)
        few = len(queries) < FEW_QUERIES
        evidence = run.in_turns(pairs) if few else None
        divided = shares(pairs, recipe.validation, 0.0 if few else recipe.held_out, recipe.seed)
        model, outcome = run.fit(divided, "model")
        part = run.write(model, work / "folder")
        after = OnnxEncoder(part)
        evidence = evidence or run.compare(divided.held_out, after)
        verdict = judge(
            evidence.current,
            evidence.candidate,
            scores=evidence.scores,
            trivial=evidence.trivial,
            must_pass=check_orders(after, must_pass),
            latency_ratio=run.slowdown(after, pairs),
            max_latency_ratio=recipe.max_latency_ratio,
            force=force,
            seed=recipe.seed,
        )
        counts = {"all": len(queries), "train": len(divided.train.by_query())}
        counts |= {"validation": len(divided.validation.by_query()), "judged by": len(evidence.current)}
        trained = Trained(out, verdict, outcome, time.monotonic() - start, counts)
        _finish(part, trained, recipe, data, [pairs, *more])
        swap_in(part, out)
        shutil.rmtree(work)
    return trained


@dataclass(frozen=True, slots=True)
class _Evidence:
    """nDCG@10 by held-out query, before and after, and what shows a collapse."""

    current: dict[str, float]
    candidate: dict[str, float]
    scores: list[list[float]]
    trivial: dict[str, list[list[float]]]

    def __add__(self, other: _Evidence) -> _Evidence:
        trivial = {name: [*self.trivial.get(name, []), *found] for name, found in other.trivial.items()}
        return _Evidence(
            self.current | other.current, self.candidate | other.candidate, self.scores + other.scores, trivial
        )


class _Run:
    """One training with everything that its steps share."""

    def __init__(self, recipe: TrainingRecipe, more: Sequence[PairSet], work: Path, report: Report, note: Note) -> None:
        from aisle.encoders.weights import read_weights

        self.recipe, self.more, self.work, self.report, self.note = recipe, more, work, report, note
        self.base = base_folder(recipe.base)
        self.weights = read_weights(self.base)
        self.before = OnnxEncoder(self.base)

    def in_turns(self, pairs: PairSet) -> _Evidence:
        """Every query held out once (cross-validation by query), each time by a model that never saw it."""
        found = _Evidence({}, {}, [], {})
        for number, fold in enumerate(folds(pairs.judgments(), FOLDS, self.recipe.seed)):
            asked = set(fold.test.queries)
            held = pairs.subset([row for row, pair in enumerate(pairs) if pair.query_id in asked])
            rest = pairs.subset([row for row, pair in enumerate(pairs) if pair.query_id not in asked])
            if not len(held):
                continue
            self.note(f"fold {number + 1} of {FOLDS}: {len(held.by_query())} queries held out")
            other = self.recipe.seed + 1  # the folds were drawn by the seed: what is left has none of its first draws
            divided = shares(rest, self.recipe.validation, 0.0, other)
            model, _ = self.fit(replace(divided, held_out=held), f"fold{number + 1}")
            part = self.write(model, self.work / f"fold{number + 1}" / "folder")
            found += self.compare(held, OnnxEncoder(part))
        return found

    def fit(self, divided: Shares, name: str) -> tuple[Any, Outcome]:
        """Train on one division of the queries."""
        from aisle.training.relevance.fit import Fit
        from aisle.training.relevance.model import TunedEncoder

        model = TunedEncoder(self.weights, self.recipe.fit.dropout)
        folder = self.work / name
        folder.mkdir(exist_ok=True)
        run = Fit(model, self._lesson(divided), self.recipe.fit, folder)
        done = run.resume()
        if done:
            self.note(f"going on after step {done:,}")
        return model, run.run(self.report)

    def _lesson(self, divided: Shares) -> Lesson:
        kept = [without_queries_of(found, divided.validation, divided.held_out) for found in self.more]
        tokenizer = self.before.tokenizer(self.recipe.fit.max_tokens)
        return lesson([divided.train, *kept], divided.validation, self.recipe.description, tokenizer.ids)

    def write(self, model: Any, folder: Path) -> Path:
        """The folder of the encoder, without what a finished model says of itself."""
        from aisle.encoders.export import write_encoder

        old = self.weights.manifest.details
        details = {name: old[name] for name in ("han_offset", "scripts", "licence") if name in old}
        write_encoder(model.weights(), self.weights.shape, self.weights.tokenizers, folder, details, self.weights.words)
        return folder

    def compare(self, held: PairSet, after: OnnxEncoder) -> _Evidence:
        """Both encoders, as they would be served, on queries that neither learnt from."""
        if not len(held):
            raise JudgmentError("no query is left to judge by", fix="judge more queries")
        groups, levels = held.by_query(), held.levels()
        scores = cosines(after.encode, held, self.recipe.description)
        now = cosines(self.before.encode, held, self.recipe.description)
        length = np.array([len(pair_text(pair, self.recipe.description)) for pair in held], np.float64)
        current, candidate = pool_ndcg(groups, levels, now), pool_ndcg(groups, levels, scores)
        rows = [groups[query] for query in candidate]
        trivial = {"length of the text": length}  # not the place in the file: some are sorted by grade
        return _Evidence(
            current,
            candidate,
            [scores[row].tolist() for row in rows],
            {name: [values[row].tolist() for row in rows] for name, values in trivial.items()},
        )

    def slowdown(self, after: OnnxEncoder, pairs: PairSet) -> float:
        """Median time of one query after training over that before, measured in turns."""
        asked = list(dict.fromkeys(pair.query for pair in pairs))[:_TIMED]
        times: dict[str, list[float]] = {"before": [], "after": []}
        for query in asked:
            for name, encoder in (("before", self.before), ("after", after)):
                start = time.perf_counter()
                encoder.encode([query], "query")
                times[name].append(time.perf_counter() - start)
        return float(np.median(times["after"]) / np.median(times["before"]))


def base_folder(spec: str) -> Path:
    """The folder of the encoder that training begins with.

    Raises:
        ArtifactError: It is neither "embedded" nor a folder of an Aisle encoder.
    """
    if spec == EMBEDDED:
        from aisle.encoders.embedded import FOLDER

        return FOLDER
    folder = Path(spec).expanduser()
    if not (folder / MANIFEST).is_file():
        raise ArtifactError(
            f"base {spec!r} is no Aisle encoder",
            allowed="'embedded', or a folder made by aisle train, scripts/train_encoder.py or scripts/export_minilm.py",
            fix="check the path",
        )
    return folder


def check_orders(encoder: OnnxEncoder, wanted: Sequence[tuple[str, str, str]]) -> list[MustPass]:
    """Each pair of texts whose order is beyond dispute, with the encoder's scores."""
    if not wanted:
        return []
    queries, better, worse = zip(*wanted, strict=True)
    asked = encoder.encode(queries, "query")
    scores = [(asked * encoder.encode(texts, "product")).sum(1) for texts in (better, worse)]
    return [
        MustPass(query, good, bad, float(high), float(low))
        for (query, good, bad), high, low in zip(wanted, *scores, strict=True)
    ]


def _refuse_foreign(out: Path) -> None:
    """An empty folder and an older model may be replaced; an index, or anything else, never is."""
    if (out / MANIFEST).is_file():
        read_manifest(out, KIND, FORMAT)
    elif out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise ArtifactError(
            f"{str(out)!r} exists and is no model", fix="name a folder that does not exist yet, or an older model"
        )


def _workplace(out: Path, data: str, recipe: TrainingRecipe, resume: bool) -> Path:
    """The folder beside ``out`` with checkpoints; a resumed run must be of the same data and recipe."""
    work = out.with_name(f".{out.name}.training")
    about = json.dumps({"data": data, "recipe": recipe.to_dict()}, sort_keys=True)
    if resume and work.exists():
        found = (work / "about.json").read_text(encoding="utf-8") if (work / "about.json").exists() else ""
        if found != about:
            raise ArtifactError(
                f"the interrupted training of {str(out)!r} was of other data or another recipe",
                fix="give it the same files and settings, or leave --resume out to begin anew",
            )
        return work
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir()
    write_text(work / "about.json", about)
    return work


def _finish(part: Path, trained: Trained, recipe: TrainingRecipe, data: str, sets: Sequence[PairSet]) -> None:
    """Recipe, metrics and card into the folder; its manifest, with all of it, last."""
    import tomli_w

    sources = [{"file": found.source, "pairs": len(found), "queries": len(found.by_query())} for found in sets]
    metrics = trained.to_dict() | {"data": sources}
    write_text(part / "recipe.toml", tomli_w.dumps(recipe.to_dict()))
    write_text(part / "metrics.json", json.dumps(metrics, indent=2, ensure_ascii=False) + "\n")
    write_text(part / "README.md", card(trained, recipe, sources, data))
    manifest = json.loads((part / MANIFEST).read_text(encoding="utf-8"))
    manifest["details"] |= {
        "name": trained.folder.name,
        "architecture": "encoder",
        "recipe": recipe.to_dict(),
        "data_sha256": data,
        "promoted": trained.verdict.promoted,
        "forced": trained.verdict.forced,
    }
    write_text(part / MANIFEST, json.dumps(manifest, indent=2, ensure_ascii=False) + "\n")
