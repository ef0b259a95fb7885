"""The training loop of the bilingual encoder: distillation, contrast and anchors in every step; resumable.

A step has four parts: Chinese names and sentences that must land where the teacher puts their English; queries and
titles that must find each other, in Chinese and across; English texts that must stay where they are. Each step draws
its batch from the seed and its own number, and a checkpoint holds the memory of titles and the hard ones found, so that
a resumed run sees what an uninterrupted one would have.
"""

from __future__ import annotations

import json
import math
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from aisle.training.bilingual.compose import Example
from aisle.training.bilingual.losses import alignment, contrast
from aisle.training.bilingual.model import Student

Ids = list[int]
CHECKPOINT = "checkpoint.pt"
SAME, ALIKE = 0.9, 0.7
"""Teacher's vectors nearer than this mean the same: they are not each other's negatives; in the search for
hard ones, nearer than the second number."""
HARD_PLACES = (3, 24)
"""The first few places are left out: they often are answers that nobody noted."""


@dataclass(frozen=True, slots=True)
class Settings:
    """How long, how fast and in which proportions."""

    steps: int = 1_000
    start: int = 0
    horizon: int = 1_000
    """The rates rise, and fall to nothing, over so many steps; a stage may begin later than they do and end before."""
    seed: int = 7
    names: int = 160
    sentences: int = 24
    pairs: int = 72
    anchors: int = 48
    row_rate: float = 1e-3
    body_rate: float = 5e-5
    warm_up: float = 0.05
    anchor_weight: float = 4.0
    split: float = 0.08
    """How often a word is read as its parts."""
    further: int = 1_024
    """Negatives beside those of the batch: the teacher's vectors at random, and the last titles of the student."""
    hard: int = 0
    """Titles added to each batch that the student takes for answers and that are none."""
    mine_every: int = 500
    words: bool = False
    """Whether a search compares both parts of a vector, or meaning alone."""
    save_every: int = 200
    threads: int = 2


FIRST = Settings(steps=1_400, horizon=3_200)
SECOND = Settings(steps=800, horizon=2_000, seed=8, row_rate=8e-4, hard=32)
THIRD = Settings(steps=1_200, start=800, horizon=2_000, seed=9, row_rate=8e-4, hard=32, words=True)
"""The stages: composed titles above all; the long tail of written ones with hard negatives; the same, searched by
meaning and words together, to the end of the rates."""


@dataclass(frozen=True, slots=True)
class Aligned:
    """Texts and the teacher's vectors of what they mean, ``(n, dim)``; ``weight`` of each in the draw."""

    ids: list[Ids]
    vectors: np.ndarray
    weight: np.ndarray


@dataclass(frozen=True, slots=True)
class Pairs:
    """Queries and titles; rows of ``title_vectors`` and ``query_vectors`` are zero where there is no English.

    ``keys`` says what a title is of: titles with the same key are never each other's negatives from memory. The weights
    are cumulated, those of the first stage and those of the second.
    """

    examples: list[Example]
    query_ids: list[Ids]
    title_ids: list[Ids]
    query_vectors: np.ndarray
    title_vectors: np.ndarray
    keys: np.ndarray
    weight: np.ndarray
    later_weight: np.ndarray

    def later_gain(self, row: int) -> float:
        """The weight of one pair in the second stage."""
        return float(self.later_weight[row] - (self.later_weight[row - 1] if row else 0.0))

    def later(self) -> Pairs:
        """The same pairs, drawn as in the second stage."""
        return replace(self, weight=self.later_weight)


@dataclass(frozen=True, slots=True)
class Corpus:
    """Everything a run draws from."""

    names: Aligned
    sentences: Aligned
    anchors: Aligned
    pairs: Pairs

    def later(self) -> Corpus:
        """What the second stage draws from."""
        return replace(self, pairs=self.pairs.later())


class Trainer:
    """Trains a student on a corpus.

    Args:
        student: Changed in place.
        corpus: What to draw from.
        pieces: For each Chinese row the rows it falls into when read as its parts.
        settings: See `Settings`.
        folder: Where the checkpoint and the log go.
    """

    def __init__(
        self, student: Student, corpus: Corpus, pieces: Sequence[Ids], settings: Settings, folder: Path
    ) -> None:
        self.student, self.corpus, self.settings, self.folder = student, corpus, settings, folder
        self._pieces = pieces
        rows = [*student.words.parameters(), *student.characters.parameters()]
        body = [p for name, p in student.bert.named_parameters() if p.requires_grad]
        self._optimiser = torch.optim.AdamW(
            [
                {"params": rows, "lr": settings.row_rate, "weight_decay": 0.0},
                {"params": body, "lr": settings.body_rate, "weight_decay": 0.01},
            ],
            betas=(0.9, 0.98),
            fused=True,
        )
        self._schedule = torch.optim.lr_scheduler.LambdaLR(self._optimiser, self._rate)
        self._done = 0
        self._hard: dict[int, Ids] | None = None
        self._memory = torch.empty(0, int(student.english.weight.shape[1]))
        self._memory_keys = torch.empty(0, dtype=torch.long)

    def _rate(self, step: int) -> float:
        settings = self.settings
        step += settings.start
        warm = max(1, int(settings.horizon * settings.warm_up))
        if step < warm:
            return (step + 1) / warm
        return 0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * min(1.0, (step - warm) / max(1, settings.horizon - warm))))

    def resume(self) -> int:
        """Go on from the checkpoint in the folder, if there is one; returns the steps done."""
        path = self.folder / CHECKPOINT
        if path.exists():
            found = torch.load(path, weights_only=True)
            self.student.load_state_dict(found["student"], strict=False)
            self._optimiser.load_state_dict(found["optimiser"])
            self._schedule.load_state_dict(found["schedule"])
            self._done = found["done"]
            self._hard, self._memory, self._memory_keys = found["hard"], found["memory"], found["memory_keys"]
        return self._done

    def save(self) -> None:
        """Write the checkpoint; a kill leaves the old one or the new one."""
        part = self.folder / f".{CHECKPOINT}.part"
        state = {
            "student": self.student.state(),
            "optimiser": self._optimiser.state_dict(),
            "schedule": self._schedule.state_dict(),
            "done": self._done,
            "hard": self._hard,
            "memory": self._memory,
            "memory_keys": self._memory_keys,
        }
        torch.save(state, part)
        part.replace(self.folder / CHECKPOINT)

    def run(self, report: Callable[[int, dict[str, float]], None]) -> None:
        """Train to the end; ``report(step, mean losses since the last report)`` is called at every save."""
        settings = self.settings
        torch.set_num_threads(settings.threads)
        torch.manual_seed(settings.seed)
        self.student.train()
        sums: dict[str, float] = {}
        start, counted = time.monotonic(), 0
        while self._done < settings.steps:
            if settings.hard and (self._hard is None or self._done % settings.mine_every == 0):
                self._hard = mine(self.student, self.corpus.pairs)
            losses = self._step(random.Random(f"{settings.seed}:{self._done}"))
            self._done += 1
            counted += 1
            for name, value in losses.items():
                sums[name] = sums.get(name, 0.0) + value
            if self._done % settings.save_every == 0 or self._done == settings.steps:
                means = {name: value / counted for name, value in sums.items()}
                means["seconds_a_step"] = (time.monotonic() - start) / counted
                self.save()
                with (self.folder / "log.jsonl").open("a", encoding="utf-8") as log:
                    log.write(json.dumps({"step": self._done, **{k: round(v, 5) for k, v in means.items()}}) + "\n")
                report(self._done, means)
                self.student.train()
                sums, start, counted = {}, time.monotonic(), 0

    def _step(self, chance: random.Random) -> dict[str, float]:
        settings, corpus = self.settings, self.corpus
        names = _draw(corpus.names.weight, settings.names, chance)
        sentences = _draw(corpus.sentences.weight, settings.sentences, chance)
        anchors = _draw(corpus.anchors.weight, settings.anchors, chance)
        pairs = self._draw_pairs(chance)
        hard = [chance.choice(found) for i in pairs if (found := (self._hard or {}).get(i))][: settings.hard]
        texts = [
            *(self._split(corpus.names.ids[i], chance) for i in names),
            *(self._split(corpus.sentences.ids[i], chance) for i in sentences),
            *(corpus.anchors.ids[i] for i in anchors),
            *(self._split(corpus.pairs.query_ids[i], chance) for i in pairs),
            *(self._split(corpus.pairs.title_ids[i], chance) for i in pairs),
            *(corpus.pairs.title_ids[i] for i in hard),
        ]
        with torch.autocast("cpu", torch.bfloat16):
            vectors = self.student.by_length(texts)
        meaning = vectors.chunk(2, dim=-1)[0]
        joined, vectors = self.student.joined(vectors) if settings.words else meaning, meaning
        counts = [len(names), len(sentences), len(anchors), len(pairs), len(pairs), len(hard)]
        name, sentence, anchor, query, title, _ = vectors.split(counts)
        searched = joined.split(counts)[3:]
        same = self._same(pairs)
        losses = {
            "names": _both(name, corpus.names, names, chance, settings.further),
            "sentences": _both(sentence, corpus.sentences, sentences, chance, settings.further),
            "anchors": alignment(anchor, _rows(corpus.anchors.vectors, anchors)) * settings.anchor_weight,
            "search": self._search_loss(pairs, same, hard, searched),
            **self._across_losses(pairs, same, query, title, chance),
        }
        loss = torch.stack(list(losses.values())).sum()
        self._optimiser.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_([p for p in self.student.bert.parameters() if p.requires_grad], 1.0)
        self._optimiser.step()
        self._schedule.step()
        return {key: float(value.detach()) for key, value in losses.items()}

    def _draw_pairs(self, chance: random.Random) -> Ids:
        """Half the batch at random, half as neighbours of the first: composed neighbours are of one thing."""
        pairs, settings = self.corpus.pairs, self.settings
        found: dict[int, None] = {}
        while len(found) < settings.pairs:
            first = _draw(pairs.weight, 1, chance)[0]
            for number in (first, first + 1):
                if number < len(pairs.examples) and len(found) < settings.pairs:
                    found[number] = None
        return list(found)

    def _search_loss(self, pairs: Ids, same: Tensor, hard: Ids, vectors: Sequence[Tensor]) -> Tensor:
        """Queries find their titles among the batch, hard titles and the last ones."""
        corpus = self.corpus.pairs
        query, title, near = vectors
        keys = torch.from_numpy(corpus.keys[pairs])
        others = torch.cat([near, self._memory])
        their_keys = torch.cat([torch.from_numpy(corpus.keys[hard]), self._memory_keys])
        loss = contrast(query, title, same, others, keys[:, None] == their_keys)
        self._memory = torch.cat([title.detach(), self._memory])[: self.settings.further]
        self._memory_keys = torch.cat([keys, self._memory_keys])[: self.settings.further]
        return loss

    def _same(self, pairs: Ids) -> Tensor:
        """``(n, n)``: whether the title of the second pair answers the query of the first."""
        examples = [self.corpus.pairs.examples[i] for i in pairs]
        return torch.tensor(
            [[a.satisfied_by(b) or a.title == b.title or a.query == b.query for b in examples] for a in examples]
        )

    def _across_losses(
        self, pairs: Ids, same: Tensor, query: Tensor, title: Tensor, chance: random.Random
    ) -> dict[str, Tensor]:
        """Chinese queries and titles near the English that says the same, by meaning alone."""
        corpus, further = self.corpus.pairs, self.settings.further
        keys = torch.from_numpy(corpus.keys[pairs])
        losses: dict[str, Tensor] = {}
        english = _rows(corpus.title_vectors, pairs)
        has = english.abs().sum(1) > 0
        if int(has.sum()) > 1:
            some = _draw(corpus.weight, further, chance)
            more = _rows(corpus.title_vectors, some)
            other = (keys[has][:, None] == torch.from_numpy(corpus.keys[some])) | (more.abs().sum(1) == 0)
            mine = same[has][:, has]
            losses["across"] = 0.5 * contrast(query[has], english[has], mine, more, other)
            losses["titles"] = contrast(title[has], english[has], mine, more, other)
            losses["title_places"] = alignment(title[has], english[has])
        asked = _rows(corpus.query_vectors, pairs)
        has = asked.abs().sum(1) > 0
        if has.any():
            losses["queries"] = alignment(query[has], asked[has])
        return losses

    def _split(self, ids: Ids, chance: random.Random) -> Ids:
        offset, rate = self.student.offset, self.settings.split
        found: Ids = []
        for number in ids:
            if number >= offset and chance.random() < rate:
                found.extend(offset + part for part in self._pieces[number - offset])
            else:
                found.append(number)
        return found


def mine(student: Student, pairs: Pairs) -> dict[int, Ids]:
    """For each Chinese query of a written title, titles that the student ranks high though they are no answer.

    Titles of places `HARD_PLACES` count, unless the teacher holds their English for nearly that of the right one.

    Returns:
        Row of the pair to rows of such titles.
    """
    written = [
        i
        for i, example in enumerate(pairs.examples)
        if example.thing < 0 and not example.query.isascii() and pairs.later_gain(i)
    ]
    first: dict[int, int] = {}
    for i in written:
        first.setdefault(int(pairs.keys[i]), i)
    titles = list(first.values())
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        title = student.joined(student.by_length([pairs.title_ids[i] for i in titles]))
        query = student.joined(student.by_length([pairs.query_ids[i] for i in written]))
    english = _rows(pairs.title_vectors, titles)
    place = {key: at for at, key in enumerate(first)}
    found: dict[int, Ids] = {}
    for start in range(0, len(written), 512):
        rows = written[start : start + 512]
        right = torch.tensor([place[int(pairs.keys[i])] for i in rows])
        scores = query[start : start + 512] @ title.T
        scores = scores.masked_fill(english[right] @ english.T > ALIKE, -2.0)
        scores[torch.arange(len(rows)), right] = -2.0
        best = scores.topk(min(HARD_PLACES[1], len(titles)), dim=1).indices[:, HARD_PLACES[0] :]
        for i, near in zip(rows, best.tolist(), strict=True):
            found[i] = [titles[at] for at in near]
    return found


def _both(student: Tensor, corpus: Aligned, rows: Ids, chance: random.Random, further: int) -> Tensor:
    """Near the teacher's vector, and nearer to it than to others that mean something else."""
    teacher = _rows(corpus.vectors, rows)
    more = _rows(corpus.vectors, [chance.randrange(len(corpus.vectors)) for _ in range(further)])
    loss = contrast(student, teacher, teacher @ teacher.T > SAME, more, teacher @ more.T > SAME)
    return alignment(student, teacher) + loss


def _rows(array: np.ndarray, rows: Ids) -> Tensor:
    return torch.from_numpy(array[rows].astype(np.float32))


def _draw(weight: np.ndarray, count: int, chance: random.Random) -> Ids:
    """``count`` different rows by cumulated weight."""
    found: dict[int, None] = {}
    top = float(weight[-1])
    while len(found) < min(count, len(weight)):
        found[int(np.searchsorted(weight, chance.random() * top, side="right"))] = None
    return list(found)
