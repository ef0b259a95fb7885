"""What a whole training will take, from the pace of its fits: `aisle train --estimate`. PyTorch."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from aisle.indexes import segment
from aisle.judgments.pairs import PairSet, pair_text
from aisle.ranking.word_statistics import WordStatistics
from aisle.rerankers.combination import SIGNALS, word_signals
from aisle.training.combine import fit_weights
from aisle.training.relevance.compute import Compute, give_back, memory_now, peak_rss
from aisle.training.relevance.cross_route import CrossRoute
from aisle.training.relevance.data import FOLDS, others_of
from aisle.training.relevance.encoder_route import TIMED, EncoderRoute
from aisle.training.relevance.fit import Fit
from aisle.training.relevance.forecast import Estimate, forward_operations, operations, pace, validated
from aisle.training.relevance.reranking import RERANKED
from aisle.training.relevance.word_trees import WordTeacher

_RERANKS = 6
_SAMPLE, _SINGLE = 96, 8
"""Texts, and single queries, whose encoding is timed."""
_GROWN = 2000
"""Pairs of which trees are grown to see how long it takes."""


def estimate(route: EncoderRoute, pairs: PairSet, combine: bool) -> Estimate:
    """Measure a few steps of the training that is about to begin, and count how many like them there will be.

    What the weights are afterwards does not depend on it: a copy is trained. Takes seconds.

    Args:
        route: About to make a model of the pairs.
        pairs: Of the shop.
        combine: Whether signals of words and neighbours will be weighed.
    """
    compute = Compute.of(route.recipe.fit)
    in_turns = route.recipe.in_turns(len(pairs.by_query()))
    start = memory_now(compute)
    parts = {"encoding": _encoding(route, pairs, in_turns, combine)}
    served = memory_now(compute) - start  # of the graph that scores what is held out, while the weights are there
    if combine:
        parts["words"] = _words(route, pairs)
        if route.recipe.trees:
            parts["trees"] = _trees(route, pairs, in_turns)
    with _workplace(route) as work:
        return _fits(route, pairs, work, parts, served * (2 if combine else 1))


def estimate_cross(route: CrossRoute, pairs: PairSet, alone: bool) -> Estimate:
    """The same of a cross-encoder.

    Args:
        route: About to make a model of the pairs.
        pairs: Of the shop.
        alone: Whether it is compared with what ranked before; in a combination that is done of the whole.
    """
    compute = Compute.of(route.recipe.fit)
    in_turns = route.recipe.in_turns(len(pairs.by_query()))
    with _workplace(route) as work:
        route.write(route.new_model(route.recipe.fit), work / "served")
        give_back()
        start = memory_now(compute)
        parts = {"scoring": _scoring(route, work / "served", pairs, in_turns, alone)}
        return _fits(route, pairs, work, parts, memory_now(compute) - start)


def estimate_routes(encoder: EncoderRoute | None, cross: CrossRoute | None, pairs: PairSet, combine: bool) -> Estimate:
    """Of an encoder, of a cross-encoder, or of the former after the latter in one process."""
    found = [] if cross is None else [estimate_cross(cross, pairs, encoder is None)]
    found += [] if encoder is None else [estimate(encoder, pairs, combine)]
    if len(found) == 1:
        return found[0]
    first, then = found
    parts = {f"cross-encoder, {name}": seconds for name, seconds in first.parts.items()} | dict(then.parts)
    memory, steps = max(first.memory, then.memory), first.steps + then.steps
    return Estimate(first.seconds + then.seconds, memory, steps, parts, first.device, first.utilisation)


@contextmanager
def _workplace(route: EncoderRoute | CrossRoute) -> Iterator[Path]:
    work = route.work / "estimate"
    work.mkdir(parents=True, exist_ok=True)
    yield work
    shutil.rmtree(work)


def _fits(
    route: EncoderRoute | CrossRoute, pairs: PairSet, work: Path, parts: dict[str, float], served: int
) -> Estimate:
    """All trainings of a route, with what else it spends in ``parts`` and holds in ``served`` bytes."""
    recipe = route.recipe
    settings = recipe.fit
    compute = Compute.of(settings)
    in_turns = recipe.in_turns(len(pairs.by_query()))
    learnt = 1.0 - recipe.validation if not in_turns or settings.choose else 1.0
    learnt -= 0.0 if in_turns else recipe.held_out
    fits = FOLDS + 1 if in_turns else 1
    task = route.lesson([pairs], pairs.subset([]))
    before = memory_now(compute)
    model = route.new_model(settings)
    weights = sum(value.numel() * value.element_size() for value in (*model.parameters(), *model.buffers()))
    found = pace(model, task, settings, work)
    times = (FOLDS if in_turns else 1) * settings.seeds  # five of four fifths, and one of all
    whole, steps = found.operations * learnt * times, found.steps * learnt * times
    if not in_turns or settings.choose:
        checked = recipe.validation * fits * forward_operations(model, validated(model, task))
        whole += checked * (settings.epochs + 1) * settings.seeds
    more = others_of(route.more, pairs)
    if more:
        other = Fit(model, route.lesson(more, pairs.subset([])), settings, work)
        batches = other.batches(0)
        whole += sum(operations(model, other, chunks) for chunks in batches) * recipe.more_epochs
        steps += len(batches) * recipe.more_epochs
    parts["steps"] = whole * found.seconds_per_operation
    parts["checkpoints"] = found.saving * fits * settings.seeds
    start = time.perf_counter()
    route.write(model, work / "folder")
    parts["writing"] = (time.perf_counter() - start) * fits
    del model
    give_back()
    memory = before + weights + found.weights_memory + found.step_memory + served
    if compute.device.type == "cpu":
        memory = max(memory, peak_rss())
    return Estimate(sum(parts.values()), int(memory), round(steps), parts, str(compute.device), dict(found.utilisation))


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
    if combine and recipe.augment.changes:
        shares += 1.0 if in_turns else recipe.validation + recipe.held_out  # the same after a change
    reranked = _RERANKS * min(RERANKED, len(texts)) if combine else 0
    return each * (len(every) * shares + reranked) + single * 2 * min(len(asked), TIMED)


def _words(route: EncoderRoute, pairs: PairSet) -> float:
    """Of counting and weighing the words' signals, from a tenth of the queries."""
    groups = list(pairs.by_query().values())
    rows = [row for group in groups[:: max(1, len(groups) // 20)] for row in group]
    some = pairs.subset(rows)
    start = time.perf_counter()
    words = WordStatistics.of([pair_text(pair, route.recipe.description) for pair in some], segment)
    signals = np.zeros((len(some), len(SIGNALS)))
    for own in some.by_query().values():
        texts = [pair_text(some[row], route.recipe.description) for row in own]
        signals[own, 1:] = word_signals(words, some[own[0]].query, texts)
    for _ in range(FOLDS + 1):
        fit_weights(signals, some.levels(), list(some.by_query().values()))
    return (time.perf_counter() - start) * len(pairs) / len(rows)


def _trees(route: EncoderRoute, pairs: PairSet, in_turns: bool) -> float:
    """Of growing trees over words, from one that learns a part of the pairs."""
    some = pairs.subset(np.random.default_rng(0).permutation(len(pairs))[:_GROWN].tolist())
    words = WordStatistics.of([pair_text(pair, route.recipe.description) for pair in some], segment)
    start = time.perf_counter()
    WordTeacher([], words, 0).grow(some)
    each = (time.perf_counter() - start) / len(some)
    trainings = FOLDS + 1 if in_turns else 1
    return each * trainings * (len(pairs) + sum(map(len, others_of(route.more, pairs))))


def _scoring(route: CrossRoute, folder: Path, pairs: PairSet, in_turns: bool, alone: bool) -> float:
    """Of the pairs held out, by the cross-encoder as it is served and by what ranked before; and of the re-ranking."""
    recipe = route.recipe
    some = pairs.subset(np.random.default_rng(0).permutation(len(pairs))[:_SAMPLE].tolist())
    route.score(folder, some.subset(range(2)))
    start = time.perf_counter()
    route.score(folder, some)
    middle = time.perf_counter()
    route.before(some)
    now, before = middle - start, time.perf_counter() - middle
    scored, judged = (1.0, 1.0) if in_turns else (recipe.validation + recipe.held_out, recipe.held_out)
    pairs_scored = len(pairs) * scored + _RERANKS * min(RERANKED, len(pairs))
    return (now * pairs_scored + (before * len(pairs) * judged if alone else 0.0)) / len(some)
