"""From texts, queries and teachers to a trained student's folder and the evidence for it. Needs aisle[train]."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from aisle.encoders.export import write_encoder
from aisle.encoders.load import load_encoder
from aisle.encoders.onnx import OnnxEncoder
from aisle.encoders.weights import EncoderWeights, read_weights
from aisle.errors import JudgmentError, RecipeError
from aisle.indexes import segment
from aisle.indexes.segment import icu_words
from aisle.judgments.pairs import PairSet
from aisle.training.distil import teachers
from aisle.training.distil.candidates import Listed, Near, lists
from aisle.training.distil.fit import DistilFit, DistilLesson, Guide
from aisle.training.distil.forecast import forecast
from aisle.training.distil.material import Material, distinct, product_words
from aisle.training.distil.queries import Asked, made_queries, real_queries
from aisle.training.distil.recipe import DistilRecipe
from aisle.training.distil.student import with_layers
from aisle.training.loop import CHECKPOINT
from aisle.training.relevance.candidate import Candidate, Note, Report
from aisle.training.relevance.compute import CPU
from aisle.training.relevance.data import cosines, lesson
from aisle.training.relevance.encoder_route import base_folder
from aisle.training.relevance.evidence import NONE, evidence
from aisle.training.relevance.fit import Fit
from aisle.training.relevance.lists import Lists
from aisle.training.relevance.model import TunedEncoder
from aisle.training.relevance.recipe import FitSettings
from aisle.training.tracking import Tracker, tracked
from aisle.types import Product, Progress

_TIMED = 200
_COMPARED = 200
"""Lists on which the student's order is compared with the teachers'."""


@dataclass(frozen=True, slots=True)
class Taught:
    """The unlabelled pairs with what teachers say of them, and what else training on them needs.

    Attributes:
        products: One for each distinct text.
        texts: The texts, as the student reads them.
        listed: The pairs.
        scores: For each list the teachers' together, in standard deviations.
        near: Vectors of the texts and of each list's query, by the student as it was.
    """

    products: Sequence[Product]
    texts: Sequence[str]
    listed: Sequence[Listed]
    scores: Sequence[teachers.Doubles]
    near: Near


class Distiller:
    """One distillation with everything that its steps share.

    Args:
        student: "embedded" or the folder of an Aisle encoder.
        recipe: How.
        work: A folder for checkpoints.
        report: Told of each step.
        note: Told, in words, of what is happening.
        progress: Told how far teachers are.
        trackers: Told of each step of each training.

    Raises:
        ArtifactError: The student is no Aisle encoder.
        RecipeError: It has fewer layers than asked for.
    """

    def __init__(
        self,
        student: str,
        recipe: DistilRecipe,
        work: Path,
        report: Report,
        note: Note,
        progress: Progress,
        trackers: Sequence[Tracker] = (),
    ) -> None:
        self.recipe, self.work, self.report, self.note, self.progress = recipe, work, report, note, progress
        self.trackers = trackers
        self.took: dict[str, Any] = {}
        self.base = base_folder(student)
        whole = read_weights(self.base)
        self.weights: EncoderWeights = with_layers(whole, recipe.layers)
        self.before = OnnxEncoder(self.base)

    # --- pairs -------------------------------------------------------------------------------------------------

    def asked(self, material: Material, products: Sequence[Product]) -> list[Asked]:
        """Real queries, then made ones; none that is held out."""
        settings, held = self.recipe.pairs, material.held_out
        given = [(query, material.source) for query in material.queries]
        if material.pairs is not None:
            given += [(pair.query, Path(material.pairs.source).name) for pair in material.pairs]
        real = real_queries(given, held)
        made = made_queries(
            products, settings.made, settings.phrases, settings.seed, words=icu_words, held=held, like=real
        )
        found = [*real, *made]
        if not found:
            raise JudgmentError(
                "there are no queries to ask teachers about: none real, and the products give none",
                fix="give --queries FILE, or a catalogue with titles of several words",
            )
        leaked = next((one.text for one in found if one.text in held), None)
        assert leaked is None, leaked
        return found

    def taught(self, material: Material, specs: Sequence[str], cache: Path) -> Taught:
        """Make the pairs and ask the teachers.

        Args:
            material: Texts and queries.
            specs: Teachers by name.
            cache: Where their scores are kept.
        """
        products, texts = distinct(material.products, self.recipe.description)
        asked = self.asked(material, products)
        self.note(f"{len(asked):,} queries and {len(texts):,} texts: encoding")
        near = Near(self.before.encode(texts, "product"), self.before.encode([one.text for one in asked], "query"))
        known = self._known(material, asked, texts)
        listed = lists(asked, texts, known, near, self.recipe.pairs, segment=segment)
        place = {one.text: row for row, one in enumerate(asked)}
        near = replace(near, queries=near.queries[[place[one.asked.text] for one in listed]])
        self.note(f"{sum(len(one.texts) for one in listed):,} pairs for {len(specs)} teacher(s)")
        seen = {"product" + text: vector for text, vector in zip(texts, near.texts, strict=True)}
        seen |= {"query" + one.asked.text: vector for one, vector in zip(listed, near.queries, strict=True)}
        known_vectors = teachers.Seen(self.before.fingerprint, seen)
        each = []
        for spec in specs:
            teacher = teachers.load_teacher(spec, products, segment, known_vectors)
            each.append(teachers.scores(teacher, listed, products, cache, self.progress))
        return Taught(products, texts, listed, teachers.together(each, self.recipe.weights), near)

    def _known(self, material: Material, asked: Sequence[Asked], texts: Sequence[str]) -> dict[int, list[int]]:
        """The texts that each query came with."""
        number = {text: place for place, text in enumerate(texts)}
        beside: dict[str, list[int]] = {}
        for pair in material.pairs or ():
            words = product_words(Product(pair.doc_id, pair.title, pair.description), self.recipe.description)
            if words in number:
                beside.setdefault(pair.query, []).append(number[words])
        found: dict[int, list[int]] = {}
        for place, one in enumerate(asked):
            own = beside.get(one.text, []) if one.place is None else [one.place]
            if own:
                found[place] = own
        return found

    # --- students ----------------------------------------------------------------------------------------------

    def learn(self, taught: Taught, judged: PairSet | None) -> Path:
        """The folder of the student that learnt from the teachers."""
        settings = self.recipe.fit
        tokens = self.before.tokenizer(settings.max_tokens).ids
        levels = tuple(tuple(float(score) for score in row) for row in taught.scores)
        labelled = None
        if settings.labels > 0:
            if judged is None:
                raise RecipeError(
                    f"fit.labels={settings.labels:g} without judgments", fix="give judgments, or leave it at 0"
                )
            labelled = lesson([judged], judged.subset([]), self.recipe.description, tokens)
        task = DistilLesson(
            queries=tokens([one.asked.text for one in taught.listed]),
            texts=tokens(list(taught.texts)),
            lists=Lists(tuple(one.texts for one in taught.listed), levels),
            spread=spread(taught),
            guide=self._guide(taught) if settings.vectors > 0 else None,
            labelled=labelled,
        )
        folder = self.work / "distilled"
        folder.mkdir(exist_ok=True)
        if not (folder / CHECKPOINT).exists():
            thought = forecast(self.weights, task, settings, self.work / "estimate")
            self.note(f"the student's training: {thought.told()}")
            self.took["estimate"] = thought.to_dict()
        model = TunedEncoder(self.weights)
        run = DistilFit(model, task, settings, folder)
        done = run.resume()
        if done:
            self.note(f"going on after step {done:,}")
        start = time.monotonic()
        run.run(tracked(self.report, self.trackers, "distilled"))
        self.took["measured"] = {"seconds": time.monotonic() - start, "memory": CPU.peak_bytes(), "first step": done}
        return self._write(model, folder / "folder")

    def _guide(self, taught: Taught) -> Guide:
        if not self.recipe.guide:
            return Guide(taught.near.queries, taught.near.texts)
        encoder = load_encoder(self.recipe.guide)
        if encoder.dim != self.before.dim:
            raise RecipeError(
                f"the guide {self.recipe.guide!r} has {encoder.dim} dimensions", allowed=f"{self.before.dim}"
            )
        queries = encoder.encode([one.asked.text for one in taught.listed], "query")
        return Guide(queries, encoder.encode(taught.texts, "product"))

    def learn_labels(self, judged: PairSet) -> Path:
        """The folder of the same student, taught by labels alone as `aisle train` does."""
        given = self.recipe.fit
        settings = FitSettings(
            epochs=self.recipe.label_epochs,
            rate=self.recipe.label_rate,
            max_tokens=given.max_tokens,
            seed=given.seed,
            threads=given.threads,
            track="none",
        )
        folder = self.work / "labels"
        folder.mkdir(exist_ok=True)
        model = TunedEncoder(self.weights)
        tokens = self.before.tokenizer(given.max_tokens).ids
        task = lesson([judged], judged.subset([]), self.recipe.description, tokens)
        run = Fit(model, task, settings, folder)
        run.resume()
        run.run(tracked(self.report, self.trackers, "labels"))
        return self._write(model, folder / "folder")

    def _write(self, model: TunedEncoder, folder: Path) -> Path:
        old = self.weights.manifest.details
        details = {name: old[name] for name in ("han_offset", "scripts", "licence") if name in old}
        write_encoder(model.weights(), self.weights.shape, self.weights.tokenizers, folder, details, self.weights.words)
        return folder

    # --- evidence ----------------------------------------------------------------------------------------------

    def candidate(self, folder: Path, against: Path | None, taught: Taught, material: Material) -> Candidate:
        """What the gate needs: the student against the one that learnt from labels alone, on held-out queries."""
        student = OnnxEncoder(folder)
        found = NONE
        description = self.recipe.description
        counts = {"learnt from": len(taught.listed)}
        if material.held is not None and against is not None:
            now, then = (cosines(OnnxEncoder(one).encode, material.held, description) for one in (folder, against))
            found = evidence(material.held, then, now, description)
            counts["held out"] = len(material.held.by_query())
        training: dict[str, Any] = {
            "pairs": sum(len(one.texts) for one in taught.listed),
            "kinds": _counted([one.asked.kind for one in taught.listed]),
            "found_by": _counted([name for one in taught.listed for name in one.found_by]),
            "spread": spread(taught),
            "agreement": {"before": agreement(self.before, taught), "after": agreement(student, taught)},
            "layers": self.weights.shape.layers,
            "took": self.took,
        }
        asked = [one.asked.text for one in taught.listed[:_TIMED]]
        return Candidate(folder, "encoder", found, slowdown(self.before, student, asked), (), counts, training)


def spread(taught: Taught) -> float:
    """What one standard deviation of a query's scores is in cosines of the student as it was, in the mean."""
    each = [
        float((taught.near.texts[list(one.texts)] @ taught.near.queries[row]).std())
        for row, one in enumerate(taught.listed)
    ]
    return max(float(np.mean(each)), 1e-3)


def agreement(encoder: OnnxEncoder, taught: Taught) -> float:
    """Mean rank correlation (Spearman) of an encoder's cosines with the teachers' scores, over some of the lists."""
    from scipy.stats import rankdata

    step = max(1, len(taught.listed) // _COMPARED)
    rows = list(range(0, len(taught.listed), step))
    wanted = sorted({text for row in rows for text in taught.listed[row].texts})
    place = {text: at for at, text in enumerate(wanted)}
    texts = encoder.encode([taught.texts[text] for text in wanted], "product")
    queries = encoder.encode([taught.listed[row].asked.text for row in rows], "query")
    found = []
    for at, row in enumerate(rows):
        own = texts[[place[text] for text in taught.listed[row].texts]] @ queries[at]
        one, other = (teachers.standardised(rankdata(np.round(x, 6))) for x in (own, taught.scores[row]))
        if one.any() and other.any():
            found.append(float(np.mean(one * other)))
    return round(float(np.mean(found)), 4) if found else 0.0


def slowdown(before: OnnxEncoder, after: OnnxEncoder, asked: Sequence[str]) -> float:
    """Median time of one query by the student over that by what it was made from, measured in turns.

    Processor time: on a busy machine the longer of two runs is interrupted more often.
    """
    times: dict[str, list[float]] = {"before": [], "after": []}
    for query in asked:
        for name, encoder in (("before", before), ("after", after)):
            start = time.process_time()
            encoder.encode([query], "query")
            times[name].append(time.process_time() - start)
    return float(np.median(times["after"]) / np.median(times["before"]))


def _counted(names: Sequence[str]) -> dict[str, int]:
    return {name: names.count(name) for name in dict.fromkeys(names)}
