"""How long a student's training will take and how much memory it will need, before it starts. PyTorch.

A step of distillation is one of `aisle train` but for its loss, which costs next to nothing beside the layers: a few of
the latter are measured on the very lists.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from aisle.encoders.weights import EncoderWeights
from aisle.training.distil.fit import DistilLesson
from aisle.training.distil.recipe import StepSettings
from aisle.training.relevance.compute import CPU, give_back, memory_now, peak_rss
from aisle.training.relevance.data import Lesson
from aisle.training.relevance.forecast import Estimate, pace
from aisle.training.relevance.lists import Lists
from aisle.training.relevance.model import TunedEncoder
from aisle.training.relevance.recipe import FitSettings


def forecast(weights: EncoderWeights, task: DistilLesson, settings: StepSettings, folder: Path) -> Estimate:
    """What training will take; teachers, encoding and the gate are not in it. Takes seconds; a copy is trained.

    Args:
        weights: The student as it begins.
        task: What it will learn from.
        settings: How.
        folder: For a checkpoint, removed afterwards.
    """
    same = FitSettings(
        epochs=settings.epochs,
        queries=settings.queries,
        per_query=settings.per_query,
        save_every=settings.save_every,
        seed=settings.seed,
        threads=settings.threads,
        device=CPU.device.type,
        in_batch=0.0,
    )
    lessons = [Lesson(task.queries, task.texts, task.lists, Lists((), ()), range(len(task.queries)), ())]
    lessons += [task.labelled] if task.labelled is not None and settings.labels > 0 else []
    folder.mkdir(exist_ok=True)
    before = memory_now(CPU)
    model = TunedEncoder(weights)
    own = sum(value.numel() * value.element_size() for value in (*model.parameters(), *model.buffers()))
    each = [pace(model, one, same, folder) for one in lessons]  # a step learns from one batch of each
    del model
    give_back()
    shutil.rmtree(folder)
    steps = each[0].steps
    parts = {
        "steps": steps * sum(one.seconds / one.steps for one in each),
        "checkpoints": each[0].saving,
    }
    memory = before + own + each[0].weights_memory + sum(one.step_memory for one in each)
    utilisation = dict(each[0].utilisation)
    return Estimate(sum(parts.values()), max(memory, peak_rss()), steps, parts, str(CPU.device), utilisation)
