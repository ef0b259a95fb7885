"""What a whole training will take, from the pace of one of its fits: `aisle train --estimate`. PyTorch."""

from __future__ import annotations

import shutil
import time
from collections.abc import Sequence

import numpy as np

from aisle.indexes import segment
from aisle.judgments.pairs import PairSet, pair_text
from aisle.ranking.word_statistics import WordStatistics
from aisle.training.combine import fit_weights
from aisle.training.relevance.adapters import write_tuned
from aisle.training.relevance.compute import Compute, give_back, memory_now, peak_rss
from aisle.training.relevance.data import FOLDS, Lesson, lesson, without_queries_of
from aisle.training.relevance.encoder_route import RERANKED, TIMED, EncoderRoute
from aisle.training.relevance.fit import Fit
from aisle.training.relevance.forecast import Estimate, forward_operations, operations, pace

_RERANKS = 6
_SAMPLE, _SINGLE = 96, 8
"""Texts, and single queries, whose encoding is timed."""


def estimate(route: EncoderRoute, pairs: PairSet, combine: bool) -> Estimate:
    """Measure a few steps of the training that is about to begin, and count how many like them there will be.

    What the weights are afterwards does not depend on it: a copy is trained. Takes seconds.

    Args:
        route: About to make a model of the pairs.
        pairs: Of the shop.
        combine: Whether signals of the words will be weighed.
    """
    recipe = route.recipe
    settings = recipe.fit
    compute = Compute.of(settings)
    in_turns = recipe.in_turns(len(pairs.by_query()))
    learnt = 1.0 - recipe.validation if not in_turns or settings.choose else 1.0
    learnt -= 0.0 if in_turns else recipe.held_out
    fits = FOLDS + 1 if in_turns else 1
    start_memory = memory_now(compute)
    parts = {"encoding": _encoding(route, pairs, in_turns, combine)}
    served = (
        memory_now(compute) - start_memory
    )  # of the graph that scores what is held out, while the weights are there
    task = _task(route, [pairs])
    work = route.work / "estimate"
    work.mkdir(exist_ok=True)
    before = memory_now(compute)
    model = route.new_model(settings)
    weights = sum(value.numel() * value.element_size() for value in (*model.parameters(), *model.buffers()))
    found = pace(model, task, settings, work)
    whole = found.operations * learnt * (FOLDS if in_turns else 1)  # five of four fifths, and one of all
    steps = found.steps * learnt * (FOLDS if in_turns else 1)
    checked = recipe.validation * (fits if in_turns else 1) * forward_operations(model, [*task.queries, *task.texts])
    if not in_turns or settings.choose:
        whole += checked * (settings.epochs + 1)
    more = [kept for kept in (without_queries_of(part, pairs) for part in route.more) if len(kept)]
    if more:
        other = Fit(model, _task(route, more), settings, work)
        batches = other.batches(0)
        whole += sum(operations(model, other, chunks) for chunks in batches) * recipe.more_epochs
        steps += len(batches) * recipe.more_epochs
    parts["steps"] = whole * found.seconds_per_operation
    parts["checkpoints"] = found.saving * fits
    start = time.perf_counter()
    write_tuned(model, route.weights, work / "folder")
    parts["writing"] = (time.perf_counter() - start) * fits
    if combine:
        parts["words"] = _words(route, pairs)
    shutil.rmtree(work)
    del model
    give_back()
    memory = before + weights + found.weights_memory + found.step_memory + served * (2 if combine else 1)
    if compute.device.type == "cpu":
        memory = max(memory, peak_rss())
    return Estimate(sum(parts.values()), int(memory), round(steps), parts, str(compute.device), dict(found.utilisation))


def _task(route: EncoderRoute, sets: Sequence[PairSet]) -> Lesson:
    ids = route.before.tokenizer(route.recipe.fit.max_tokens).ids
    return lesson(sets, sets[0].subset([]), route.recipe.description, ids, route.recipe.augment)


def _encoding(route: EncoderRoute, pairs: PairSet, in_turns: bool, combine: bool) -> float:
    """Of the queries and texts held out, by the encoder before and the one after; and of what the gate times."""
    asked = list(dict.fromkeys(pair.query for pair in pairs))
    texts = list(dict.fromkeys(pair_text(pair, route.recipe.description) for pair in pairs))
    every = np.array([*asked, *texts], dtype=object)
    some = np.random.default_rng(0).choice(every, min(_SAMPLE, len(every)), replace=False).tolist()
    route.before.encode(some[:2], "product")  # loads the graph
    start = time.perf_counter()
    route.before.encode(some, "product")
    each = (time.perf_counter() - start) / len(some)
    start = time.perf_counter()
    for query in asked[:_SINGLE]:
        route.before.encode([query], "query")
    single = (time.perf_counter() - start) / len(asked[:_SINGLE])
    recipe = route.recipe
    shares = 2.0 if in_turns else recipe.validation + 2 * recipe.held_out
    reranked = _RERANKS * min(RERANKED, len(texts)) if combine else 0
    return each * (len(every) * shares + reranked) + single * 2 * min(len(asked), TIMED)


def _words(route: EncoderRoute, pairs: PairSet) -> float:
    """Of weighing the words' signals, from a tenth of the queries."""
    groups = list(pairs.by_query().values())
    rows = [row for group in groups[:: max(1, len(groups) // 20)] for row in group]
    some = pairs.subset(rows)
    start = time.perf_counter()
    statistics = WordStatistics.of([pair_text(pair, route.recipe.description) for pair in some], segment)
    signals = np.column_stack([np.zeros(len(some)), route.words(some, statistics)])
    for _ in range(FOLDS + 1):
        fit_weights(signals, some.levels(), list(some.by_query().values()))
    return (time.perf_counter() - start) * len(pairs) / len(rows)
