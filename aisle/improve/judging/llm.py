"""A language model as a judge: every pair asked in both orders of the rubric, and sure only where all answers agree.

What it is not sure of, and what it left unanswered, is for people. Knows pairs and the client, no anchors.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from statistics import fmean
from typing import Any

from aisle.errors import BudgetError, LlmError
from aisle.improve.judging.prompts import asked_for_grade
from aisle.improve.judging.queue import LLM
from aisle.improve.judging.spec import JudgeSpec
from aisle.judgments.pairs import TextPair
from aisle.llm.client import LlmClient
from aisle.llm.question import Answer, Question
from aisle.rerankers.llm.pointwise import SPOKEN_TOKENS
from aisle.rerankers.llm.reading import first_word, weights

AT_ONCE = 64
"""Pairs that are asked together: after each lot there is something to show and to keep."""
_PROBES = (TextPair("1", "usb hub", "1", "USB hub", "Four ports"), TextPair("2", "手机壳", "2", "手机壳", "透明"))


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a judge says of a pair.

    Attributes:
        pair: The pair.
        grades: Of each answer, None of one that could not be read: for each sample the rubric from the best grade down,
            then from the worst up.
        grade: Where all agree; None where it is for people.
        why: It is: "orders" or "samples" that differ, "unread", "unanswered"; "" where all agree.
    """

    pair: TextPair
    grades: tuple[int | None, ...]
    grade: int | None
    why: str


class LlmJudge:
    """Judges pairs.

    Args:
        spec: How.
        client: The model.
    """

    def __init__(self, spec: JudgeSpec, client: LlmClient) -> None:
        self.spec, self.client = spec, client

    @property
    def described(self) -> dict[str, Any]:
        """All that a grade depends on: model, settings of its answers, every word of the prompts."""
        spec = self.spec
        probes = [
            [message.text for message in asked_for_grade(pair, spec, rising, sample)]
            for pair in _PROBES
            for sample in range(min(spec.samples, 2))
            for rising in self._orders
        ]
        plain = {"count": spec.count, "language": spec.language, "fields": list(spec.fields), "swap": spec.swap}
        limits = {"characters": spec.characters, "samples": spec.samples}
        return {"model": dict(self.client.backend.identity), "prompts": probes} | plain | limits

    @property
    def fingerprint(self) -> str:
        """16 hexadecimal digits of `described`."""
        text = json.dumps(self.described, sort_keys=True, ensure_ascii=False, default=str)
        return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()

    @property
    def name(self) -> str:
        """Under which its judgments stand."""
        return f"{LLM}{self.spec.llm.model.rsplit('/', 1)[-1]}:{self.fingerprint[:8]}"

    def judge(
        self, pairs: Sequence[TextPair], report: Callable[[int, int], None] = lambda done, total: None
    ) -> Iterator[list[Verdict]]:
        """Judge pairs in lots; what was answered is kept by the client's store.

        Args:
            pairs: Any number.
            report: Told how many are done, of how many.

        Yields:
            The verdicts of each lot, in order.

        Raises:
            BudgetError: The budget is used up. The lots before were given.
            LlmError: A whole lot has no answer, or none that can be read.
        """
        done = 0
        for start in range(0, len(pairs), AT_ONCE):
            lot = pairs[start : start + AT_ONCE]
            results = self.client.ask([question for pair in lot for question in self._questions(pair)])
            each = len(results) // len(lot)
            found = [self._verdict(pair, results[at * each : at * each + each]) for at, pair in enumerate(lot)]
            unread = sum(isinstance(one, Answer) and self._read(one) is None for one in results)
            if unread:
                self.client.unclear(unread)
            errors = [one for one in results if isinstance(one, LlmError)]
            over = next((one for one in errors if isinstance(one, BudgetError)), None)
            if over is not None:
                raise over
            if len(errors) == len(results):
                raise errors[0]
            if unread == len(results):
                said = next(one.text for one in results if isinstance(one, Answer))
                raise LlmError(
                    f"none of {unread:,} answers could be read, such as {said[:80]!r}",
                    "unclear",
                    fix="a model that thinks first needs that switched off in llm.extra",
                )
            done += len(lot)
            report(done, len(pairs))
            yield found

    @property
    def _orders(self) -> tuple[bool, ...]:
        return (False, True) if self.spec.swap else (False,)

    def _questions(self, pair: TextPair) -> list[Question]:
        logprobs = self.spec.llm.logprobs
        watch = tuple(str(grade) for grade in self.spec.scale)
        return [
            Question(
                asked_for_grade(pair, self.spec, rising, sample),
                max_tokens=1 if logprobs else SPOKEN_TOKENS,
                choices=logprobs,
                watch=watch,
            )
            for sample in range(self.spec.samples)
            for rising in self._orders
        ]

    def _read(self, answer: Answer) -> int | None:
        """The likeliest grade of the first token's candidates; of a text alone its first word."""
        shares = weights(answer.choices, [(str(grade),) for grade in self.spec.scale])
        if shares is not None:
            return max(self.spec.scale, key=lambda grade: shares[grade])
        word = first_word(answer.text)
        return int(word) if word.isdecimal() and int(word) < self.spec.count else None

    def _verdict(self, pair: TextPair, results: Sequence[Answer | LlmError]) -> Verdict:
        read = tuple(self._read(one) if isinstance(one, Answer) else None for one in results)
        if any(isinstance(one, LlmError) for one in results):
            return Verdict(pair, read, None, "unanswered")
        if None in read:
            return Verdict(pair, read, None, "unread")
        if len(set(read)) == 1:
            return Verdict(pair, read, read[0], "")
        width = len(self._orders)
        swapped = any(len(set(read[at : at + width])) > 1 for at in range(0, len(read), width))
        return Verdict(pair, read, None, "orders" if swapped else "samples")


@dataclass(frozen=True, slots=True)
class OrderEffect:
    """What the order of the rubric does, over the pairs that were read in both.

    ``shift`` is the mean grade with the best grade first less that with the worst first.
    """

    pairs: int
    same: float
    shift: float


def order_effect(verdicts: Sequence[Verdict]) -> OrderEffect | None:
    """Of verdicts of a judge that swaps; None where nothing was read in both orders."""
    down, up = [], []
    for verdict in verdicts:
        for first, second in zip(verdict.grades[::2], verdict.grades[1::2], strict=False):
            if first is not None and second is not None:
                down.append(first)
                up.append(second)
    if not down:
        return None
    same = sum(a == b for a, b in zip(down, up, strict=True)) / len(down)
    return OrderEffect(len(down), same, fmean(down) - fmean(up))
