"""`tune`: a recipe, ranges and judgments in, the best recipe out; resumable. Optuna chooses what is tried next.

Knows neither encoders nor heads: a `Trial` says what a recipe is worth.
"""

from __future__ import annotations

import json
import logging
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from aisle.artifacts import one_writer, write_text
from aisle.errors import ArtifactError, OptionalDependencyError, RecipeError
from aisle.evaluate.statistics import paired_difference
from aisle.judgments.pairs import PairSet
from aisle.training.relevance.data import fingerprint
from aisle.training.relevance.recipe import TrainingRecipe
from aisle.training.tuning.space import Space, Value, with_values
from aisle.training.tuning.trials import EncoderTrial, HeadTrial, Trial, Values, inner

BEST, STUDY, ABOUT, TRIALS = "best.toml", "study.db", "about.json", "trials.json"
_TUNED = ("head", "encoder", "combination")
_STARTUP, _UNPRUNED = 8, 4
"""Trials at random before the search learns from them; trials that no other one is pruned against."""
Told = Callable[[int, int, str], None]
"""``told(trial, trials, what came of it)``."""


@dataclass(frozen=True, slots=True)
class Tried:
    """One recipe and what it was worth.

    Attributes:
        number: Of the trial, from 1, which is the recipe that the search began with.
        values: Of the settings.
        mean: nDCG@10, the mean over the queries of the folds that were run.
        folds: How many were run; fewer than all where it was pruned.
        seconds: It took.
    """

    number: int
    values: Mapping[str, Value]
    mean: float
    folds: int
    seconds: float
    pruned: bool


@dataclass(frozen=True, slots=True)
class Tuned:
    """What a search came to.

    Attributes:
        folder: With the study and the best recipe.
        recipe: The best one.
        trials: All of them.
        best: Number of the best one, from 1.
        difference: Of the best one and the first, by query: mean, interval, p, smallest detectable difference. The best
            of many looks better than it is; only the gate's queries, which no trial saw, say what it is worth.
        queries: Tried on, and kept for the gate.
    """

    folder: Path
    recipe: TrainingRecipe
    trials: tuple[Tried, ...]
    best: int
    difference: Mapping[str, float | None]
    queries: Mapping[str, int]

    def to_dict(self) -> dict[str, Any]:
        """As plain data."""
        return {
            "folder": str(self.folder),
            "best": self.best,
            "recipe": self.recipe.to_dict(),
            "difference": dict(self.difference),
            "queries": dict(self.queries),
            "trials": [
                {
                    "number": tried.number,
                    "values": dict(tried.values),
                    "ndcg@10": round(tried.mean, 6),
                    "folds": tried.folds,
                    "seconds": round(tried.seconds, 2),
                    "pruned": tried.pruned,
                }
                for tried in self.trials
            ],
        }


@dataclass(frozen=True, slots=True)
class SearchSettings:
    """How long and how thoroughly is searched.

    Attributes:
        trials: In all, those of an interrupted search counted.
        folds: Of the cross-validation by query that says what a recipe is worth.
        seed: Of the search and of the folds.
    """

    trials: int = 20
    folds: int = 3
    seed: int = 0


def tune(
    pairs: PairSet,
    recipe: TrainingRecipe,
    space: Space,
    out: Path,
    settings: SearchSettings,
    told: Told | None = None,
) -> Tuned:
    """Search the space for a better recipe; a search of the same data, recipe and space in ``out`` is gone on with.

    The queries that a gate will judge by, `held_out` of all, are kept out of every trial.

    Args:
        pairs: Of the shop, with grades.
        recipe: To begin with; "head" or not decides what is tried.
        space: What may change.
        out: A folder for the study and the best recipe.
        settings: How long.
        told: Told of each trial.

    Raises:
        ArtifactError: ``out`` holds something else, or a search of other data.
        JudgmentError: Too few queries.
        RecipeError: The recipe leaves open what is to be made, or makes something else.
        OptionalDependencyError: Optuna is missing, or PyTorch where an encoder is tuned.
    """
    try:
        import optuna  # noqa: F401  told now, before anything is read
    except ImportError:
        raise OptionalDependencyError("optuna", "train", "tuning a recipe") from None
    if recipe.model not in _TUNED:
        raise RecipeError(f"model={recipe.model} in a recipe to tune", allowed=", ".join(_TUNED))
    tried_on = inner(pairs, recipe)
    out.mkdir(parents=True, exist_ok=True)
    with one_writer(out):
        _same_search(out, pairs, recipe, space, settings)
        work = out / ".trials"
        work.mkdir(exist_ok=True)
        make = HeadTrial if recipe.model == "head" else EncoderTrial
        search = _Search(make(tried_on, settings.folds, settings.seed, work), recipe, space, settings)
        with _quiet():
            trials, worth = search.run(out, told or (lambda *_: None))
        shutil.rmtree(work)
        found = _result(out, recipe, trials, worth)
        queries = {"tried on": len(tried_on.by_query()), "kept for the gate": _kept(pairs, tried_on)}
        tuned = replace(found, queries=queries)
        _write(tuned)
    return tuned


class _Search:
    """Trials one after the other; what is tried next depends on the seed and on the trials that are finished alone."""

    def __init__(self, trial: Trial, recipe: TrainingRecipe, space: Space, settings: SearchSettings) -> None:
        self.trial, self.recipe, self.space, self.settings = trial, recipe, space, settings

    def run(self, out: Path, told: Told) -> tuple[list[Tried], dict[int, Values]]:
        """All trials, those done before among them; and by number the queries' values of those that were not pruned."""
        import optuna

        study = optuna.create_study(
            storage=f"sqlite:///{(out / STUDY).resolve()}",
            study_name="aisle",
            direction="maximize",
            load_if_exists=True,
            pruner=optuna.pruners.MedianPruner(n_startup_trials=_UNPRUNED),
        )
        for trial in study.get_trials(deepcopy=False):
            if not trial.state.is_finished():  # of a search that was stopped
                study.tell(trial.number, state=optuna.trial.TrialState.FAIL)
        while len(_finished(study)) < self.settings.trials:
            self._one(study, told)
        return self._all(study)

    def _one(self, study: Any, told: Told) -> None:
        import optuna

        number = len(_finished(study))
        study.sampler = optuna.samplers.TPESampler(
            seed=self.settings.seed * 1_000_003 + number, n_startup_trials=_STARTUP
        )
        if not number:
            study.enqueue_trial(self.space.start(self.recipe))
        trial = study.ask(self.space.distributions())
        recipe = with_values(self.recipe, trial.params)
        values: Values = {}
        start, pruned = time.perf_counter(), False
        for fold, found in enumerate(self.trial.run(recipe)):
            values |= found
            trial.report(_mean(values), fold)
            if fold + 1 < self.settings.folds and trial.should_prune():
                pruned = True
                break
        trial.set_user_attr("folds", fold + 1)
        trial.set_user_attr("seconds", time.perf_counter() - start)
        trial.set_user_attr("queries", values)
        state = optuna.trial.TrialState.PRUNED if pruned else None
        study.tell(trial, None if pruned else _mean(values), state)
        best = max(found.value for found in _finished(study) if found.value is not None)
        shown = ", ".join(f"{name}={_short(value)}" for name, value in trial.params.items())
        what = "pruned" if pruned else f"{_mean(values):.4f}"
        told(number + 1, self.settings.trials, f"{shown}: {what} (best {best:.4f})")

    def _all(self, study: Any) -> tuple[list[Tried], dict[int, Values]]:
        trials, worth = [], {}
        for number, trial in enumerate(_finished(study)):
            values = trial.user_attrs["queries"]
            pruned = trial.state.name == "PRUNED"
            folds, seconds = trial.user_attrs["folds"], trial.user_attrs["seconds"]
            trials.append(Tried(number + 1, trial.params, _mean(values), folds, seconds, pruned))
            if not pruned:
                worth[number] = values
        return trials, worth


def _finished(study: Any) -> list[Any]:
    return [trial for trial in study.get_trials(deepcopy=False) if trial.state.name in ("COMPLETE", "PRUNED")]


def _mean(values: Values) -> float:
    return float(np.mean(list(values.values())))


def _short(value: Value) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)


def _result(out: Path, recipe: TrainingRecipe, trials: list[Tried], worth: Mapping[int, Values]) -> Tuned:
    best = max(worth, key=lambda number: (trials[number].mean, -number))
    first = worth[0]
    found = paired_difference([worth[best][query] - first[query] for query in first])
    difference = {
        "mean": found.interval.mean,
        "low": found.interval.low,
        "high": found.interval.high,
        "p": found.p,
        "detectable": found.detectable,
    }
    changed = with_values(recipe, trials[best].values)
    # A gate that judged by every query would judge by those that chose the settings.
    kept = replace(changed, name=f"{recipe.name}-tuned", judged_by="share")
    return Tuned(out, kept, tuple(trials), best + 1, difference, {})


def _kept(pairs: PairSet, tried_on: PairSet) -> int:
    return len(pairs.by_query()) - len(tried_on.by_query())


def _same_search(out: Path, pairs: PairSet, recipe: TrainingRecipe, space: Space, settings: SearchSettings) -> None:
    """Whether what is in the folder may be gone on with; more trials are no other search."""
    about = json.dumps(
        {
            "data": fingerprint([pairs]),
            "recipe": recipe.to_dict(),
            "space": space.to_dict(),
            "folds": settings.folds,
            "seed": settings.seed,
        },
        sort_keys=True,
    )
    path = out / ABOUT
    if path.exists():
        if path.read_text(encoding="utf-8") != about:
            raise ArtifactError(
                f"the search in {str(out)!r} is of other data, another recipe, space, seed or number of folds",
                fix="give it the same, or another --out",
            )
    elif any(not found.name.startswith(".") for found in out.iterdir()):
        raise ArtifactError(f"{str(out)!r} exists and is no search", fix="name a folder that does not exist yet")
    write_text(path, about)


def _write(tuned: Tuned) -> None:
    import tomli_w

    write_text(tuned.folder / BEST, tomli_w.dumps(tuned.recipe.to_dict()))
    write_text(tuned.folder / TRIALS, json.dumps(tuned.to_dict(), indent=1, ensure_ascii=False) + "\n")


@contextmanager
def _quiet() -> Iterator[None]:
    """Optuna's own messages would stand among ours."""
    logger = logging.getLogger("optuna")
    before = logger.level
    logger.setLevel(logging.WARNING)
    try:
        yield
    finally:
        logger.setLevel(before)
