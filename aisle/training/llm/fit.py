"""Steps of LoRA on the yes/no logit; resumable. A step depends on the seed and its number alone.

Knows token ids, targets and a model; no prompts, no judgments. What is trained is what the re-ranker reads: the
log-odds of the "yes" tokens against the "no" tokens right after the prompt.
"""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from aisle.llm.local import left_padded
from aisle.training.llm.recipe import TuneSettings

CHECKPOINT = "checkpoint.pt"
Report = Callable[[int, int, Mapping[str, float]], None]


@dataclass(frozen=True, slots=True)
class Prompts:
    """Finished prompts and how much each is a "yes", from 0 to 1."""

    ids: Sequence[Sequence[int]]
    targets: Sequence[float]

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True, slots=True)
class Words:
    """Token ids of "yes" and of "no", and of padding."""

    yes: Sequence[int]
    no: Sequence[int]
    pad: int


class Fit:
    """One run.

    Args:
        model: With its adapter; only that is trained.
        words: What is read of its answer.
        train: What it learns from.
        settings: How.
        folder: Where the checkpoint is.
    """

    def __init__(self, model: Any, words: Words, train: Prompts, settings: TuneSettings, folder: Path) -> None:
        self.model, self.words, self.train, self.settings, self.folder = model, words, train, settings, folder
        self.trained = {name: value for name, value in model.named_parameters() if value.requires_grad}
        self._optimiser = torch.optim.AdamW(self.trained.values(), lr=settings.rate, weight_decay=settings.decay)
        self._epoch_steps = math.ceil(len(train) / settings.batch)
        self.steps = self._epoch_steps * settings.epochs
        self.done = 0

    @property
    def parameters(self) -> int:
        """How many numbers are trained."""
        return sum(value.numel() for value in self.trained.values())

    def resume(self, signature: str) -> bool:
        """Go on from the checkpoint, if it is of the same data and settings; returns whether it does."""
        path = self.folder / CHECKPOINT
        if not path.exists():
            return False
        found = torch.load(path, weights_only=True, map_location=self.model.device)
        if found["signature"] != signature:
            return False
        with torch.no_grad():
            for name, value in self.trained.items():
                value.copy_(found["adapter"][name])
        self._optimiser.load_state_dict(found["optimiser"])
        self.done = found["done"]
        return True

    def save(self, signature: str) -> None:
        """Write the checkpoint, whole or not at all."""
        part = self.folder / f".{CHECKPOINT}.part"
        state = {
            "adapter": {name: value.detach() for name, value in self.trained.items()},
            "optimiser": self._optimiser.state_dict(),
            "done": self.done,
            "signature": signature,
        }
        torch.save(state, part)
        part.replace(self.folder / CHECKPOINT)

    def run(self, signature: str, report: Report) -> None:
        """Train to the last step."""
        drawn, batches = -1, list[list[int]]()
        while self.done < self.steps:
            number, at = divmod(self.done, self._epoch_steps)
            if number != drawn:
                drawn, batches = number, self.batches(number)
            loss = self.step(batches[at], self.done)
            self.done += 1
            if self.done % self.settings.save_every == 0 or self.done == self.steps:
                self.save(signature)
            report(self.done, self.steps, {"loss": loss})

    def batches(self, number: int) -> list[list[int]]:
        """The rows of each step of a pass, in random order."""
        order = list(range(len(self.train)))
        random.Random(f"{self.settings.seed}:{number}").shuffle(order)
        return [order[start : start + self.settings.batch] for start in range(0, len(order), self.settings.batch)]

    def parts(self, rows: Sequence[int]) -> list[Sequence[int]]:
        """The rows of a step that are in memory together."""
        size = self.settings.micro_batch
        return [rows[start : start + size] for start in range(0, len(rows), size)]

    def step(self, rows: Sequence[int], step: int) -> float:
        """Learn from the rows as the step of that number; returns the loss."""
        settings = self.settings
        torch.manual_seed(settings.seed * 1_000_003 + step)
        self.model.train()
        for group in self._optimiser.param_groups:
            group["lr"] = settings.rate * self._share(step)
        self._optimiser.zero_grad(set_to_none=True)
        total = 0.0
        for part in self.parts(rows):
            wanted = torch.tensor([self.train.targets[row] for row in part], device=self.model.device)
            odds = log_odds(self.model, [self.train.ids[row] for row in part], self.words)
            loss = nn.functional.binary_cross_entropy_with_logits(odds, wanted, reduction="sum") / len(rows)
            loss.backward()
            total += float(loss.detach())
        nn.utils.clip_grad_norm_(self.trained.values(), 1.0)
        self._optimiser.step()
        return total

    def _share(self, step: int) -> float:
        warm = max(1, int(self.steps * self.settings.warm_up))
        if step < warm:
            return (step + 1) / warm
        return max(0.0, 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, self.steps - warm))))


def log_odds(model: Any, ids: Sequence[Sequence[int]], words: Words) -> Tensor:
    """The log-odds of "yes" against "no" after each prompt, ``(n,)`` float32."""
    padded, mask, positions = left_padded(ids, words.pad, model.device)
    given = model(input_ids=padded, attention_mask=mask, position_ids=positions, logits_to_keep=1, use_cache=False)
    last: Tensor = given.logits[:, -1].float()
    return last[:, list(words.yes)].logsumexp(1) - last[:, list(words.no)].logsumexp(1)


def measured(model: Any, prompts: Prompts, words: Words, batch: int) -> list[float]:
    """The log-odds of all prompts, without gradients."""
    model.eval()
    found: list[float] = []
    with torch.inference_mode():
        for start in range(0, len(prompts), batch):
            found += log_odds(model, prompts.ids[start : start + batch], words).tolist()
    return found
