"""How long a smaller model, or a front of them, will take and how much memory it will need. Needs aisle[train].

A few steps of each training are taken by a copy. One model is made as the first plan says, but not trained; it and the
original are timed on a few pairs. What other plans' models take follows from their layers and tokens.
"""

from __future__ import annotations

import dataclasses
import shutil
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from aisle.compress.material import Material
from aisle.compress.measure import scored, times
from aisle.compress.model import graph_inputs
from aisle.compress.plan import Plan
from aisle.compress.recover import Recovery
from aisle.compress.recovery_settings import RecoverySettings
from aisle.compress.shrink import Shrinking, refuse_unfit
from aisle.compress.teach import course_of
from aisle.rerankers.load import load_reranker
from aisle.training.relevance.compute import CPU, give_back, memory_now, peak_rss
from aisle.training.relevance.forecast import Estimate, forward_operations, timed, utilisation
from aisle.training.relevance.model import seed_everything

_PAIRS, _TOKENS = 96, 8_192
"""Pairs that are scored, and tokens of what the whole model is asked about, which fill a batch."""


def forecast(shrinking: Shrinking, plans: Sequence[Plan], measured: bool, rounds: int) -> Estimate:
    """What making the models, and measuring them beside the original, will take; what they become is not touched.

    Args:
        shrinking: The model, and the shop's material.
        plans: Of the models; layers are to be trained for at least one.
        measured: Whether they will be measured on the pairs.
        rounds: Of timing.

    Raises:
        RecipeError: A plan does not suit the model.
    """
    for plan in plans:
        refuse_unfit(shrinking.model, plan)
    work = shrinking.work / "estimate"
    quiet = dataclasses.replace(shrinking, work=work, note=lambda _: None, facts={})
    parts = {"teaching": 0.0, "steps": 0.0, "checkpoints": 0.0}
    before, start = memory_now(CPU), time.perf_counter()
    quiet.make(dataclasses.replace(plans[0], recovery=RecoverySettings(epochs=0)), work / "made")
    parts["making"] = (time.perf_counter() - start) * len(plans)
    more = float(peak_rss() - before)  # than is there when it is made
    if measured:
        before = memory_now(CPU)
        whole, made = (_served(folder, quiet.material, rounds) for folder in (quiet.model.folder, work / "made"))
        more = max(more, (memory_now(CPU) - before) / 2 * (len(plans) + 1))  # all are there while they are timed
        share = _shares(quiet, plans)
        parts["measuring"] = whole + made * sum(share) / share[0]
    operations, steps, known = 0.0, 0, dict[str, NDArray[np.float32]]()
    trainings = [training for plan in plans for training in quiet.trainings(plan)]
    for number, (one, own) in enumerate(trainings):
        found = _training(one, own, work / str(number), known)
        parts |= {name: parts[name] + seconds for name, seconds in found.parts.items()}
        operations, steps = operations + found.operations, steps + found.steps
        give_back()
    memory = max(peak_rss(), round(memory_now(CPU) + more))
    shutil.rmtree(work)
    told = utilisation(CPU, operations / (parts["steps"] or 1.0))  # of a single pair there are no steps
    return Estimate(sum(parts.values()), memory, steps, parts, str(CPU.device), told)


@dataclass(frozen=True, slots=True)
class _Training:
    """Of one student: seconds of its parts, operations and number of its steps."""

    parts: dict[str, float]
    operations: float
    steps: int


def _training(one: Shrinking, plan: Plan, folder: Path, known: dict[str, NDArray[np.float32]]) -> _Training:
    """Measure a few steps.

    Args:
        one: What has layers learn again.
        plan: Its own.
        folder: For a checkpoint.
        known: Zeros in place of what the whole model says of texts, of pairs. It is asked once for all students, and
            steps take as long whatever it says.
    """
    settings = plan.recovery
    seed_everything(settings.seed, settings.threads)
    course = course_of(one.model, one.cut(plan), one.material, folder)
    parts = {"teaching": 0.0, "steps": 0.0, "checkpoints": 0.0}
    if course.learnt_from not in known:
        order = np.random.default_rng(0).permutation(len(course.lengths))
        some = order[: 1 + np.searchsorted(np.cumsum(np.array(course.lengths)[order]), _TOKENS)].tolist()
        start = time.perf_counter()
        said = course.said(some)
        parts["teaching"] = (time.perf_counter() - start) * len(course.lengths) / len(some)
        known[course.learnt_from] = np.zeros((len(course.lengths), *said.shape[1:]), np.float32)
    run = Recovery(course.student, course.lesson(known[course.learnt_from]), settings, folder)
    lengths = [[course.lengths[row] for row in rows] for rows in run.batches]
    work = [3 * forward_operations(course.student, each) for each in lengths]
    if work:
        run.step(run.batches[int(np.argmax(work))])  # what needs the most memory
        parts["steps"] = timed(work, lambda place: run.step(run.batches[place]), CPU) * sum(work)
        start = time.perf_counter()
        run.save()
        parts["checkpoints"] = (time.perf_counter() - start) * (1 + (len(work) - 1) // settings.save_every)
    return _Training(parts, sum(work), len(work))


def _served(folder: Path, material: Material, rounds: int) -> float:
    """Seconds to load a model twice, to score all pairs, and to re-rank as often as is timed."""
    start = time.perf_counter()
    model = load_reranker(folder)
    loading = time.perf_counter() - start
    rows: list[int] = []
    for found in material.pairs.by_query().values():
        rows += found if len(rows) < _PAIRS else []
    start = time.perf_counter()
    scored(model, dataclasses.replace(material, pairs=material.pairs.subset(rows)))
    scoring = (time.perf_counter() - start) * len(material.pairs) / len(rows)
    once = times({"": folder}, material, 1)[""].p50 / 1000
    return 2 * loading + scoring + once * (rounds + 1)


def _shares(shrinking: Shrinking, plans: Sequence[Plan]) -> list[float]:
    """What a text costs a model of each plan, of what it costs the whole: layers and tokens."""
    model, texts = shrinking.model, shrinking.material.pair_texts()
    pairs = [texts[row] for row in shrinking.material.sample(_PAIRS)]
    runs = graph_inputs(model, pairs, [text for _, text in pairs], shrinking.work / "tokenizer")
    tokens = np.array([run["input_ids"].shape[1] for run in runs])
    layers, most = model.shape.layers, model.shape.max_tokens
    read = [np.minimum(tokens, plan.max_tokens or most).mean() / tokens.mean() for plan in plans]
    return [(plan.layers or layers) / layers * share for plan, share in zip(plans, read, strict=True)]
