"""One model of several trainings that differ by their seed alone: the mean of their weights. PyTorch.

A model soup (Wortsman et al. 2022, "Model soups: averaging weights of multiple fine-tuned models improves accuracy
without increasing inference time"): trainings that begin with the same weights end near enough to one another for their
mean to be a model, of the size of one. Knows a model and what it learns from, no recipe.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor

from aisle.training.relevance.candidate import Note, Report
from aisle.training.relevance.cross_model import CrossModel
from aisle.training.relevance.data import Lesson
from aisle.training.relevance.fit import Fit, Outcome
from aisle.training.relevance.model import TunedEncoder
from aisle.training.relevance.recipe import FitSettings

Model = TypeVar("Model", bound=TunedEncoder | CrossModel)


def fitted(
    begin: Callable[[FitSettings], Model],
    task: Lesson,
    settings: FitSettings,
    folder: Path,
    report: Callable[[str], Report],
    note: Note,
) -> tuple[Model, Outcome]:
    """Train once for each seed and average; goes on where it was interrupted.

    Args:
        begin: A model as a training begins with it.
        task: What to learn from.
        settings: How; ``seeds`` says how often.
        folder: Where the checkpoints are.
        report: Of a training by its name.
        note: Told, in words, of what is happening.

    Returns:
        The model; how the first training went, with the validation of the mean where there are several.
    """
    total: dict[str, Tensor] = {}
    outcomes = []
    for number in range(settings.seeds):
        place = folder / f"seed{number + 1}" if number else folder
        place.mkdir(exist_ok=True)
        each = replace(settings, seed=settings.seed + number)
        model = begin(each)
        run = Fit(model, task, each, place)
        if done := run.resume():
            note(f"going on after step {done:,}")
        outcomes.append(run.run(report(folder.name if place == folder else f"{folder.name}-{place.name}")))
        if settings.seeds > 1:
            for name, value in model.trained().items():
                total[name] = total[name] + value.detach() if name in total else value.detach().clone()
    if not total:
        return model, outcomes[0]
    with torch.no_grad():
        for name, value in model.trained().items():
            value.copy_(total[name] / settings.seeds)
    return model, replace(outcomes[0], after=run.validate())
