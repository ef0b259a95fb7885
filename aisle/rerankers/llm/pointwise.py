"""A language model asked of each product alone: yes or no by its logit (Qwen3-Reranker), or a grade.

The score is the probability of "yes" against "no", or the mean of the grades by their probabilities as a share of the
highest; of an answer without probabilities it is the answer itself.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from aisle.errors import LlmError
from aisle.llm.client import LlmClient
from aisle.llm.question import Answer, Question
from aisle.rerankers.llm.examples import Examples
from aisle.rerankers.llm.prompts import of_one, qwen3
from aisle.rerankers.llm.reading import chance_of_yes, expected_grade
from aisle.rerankers.llm.spec import LlmSpec
from aisle.types import Array, Product

SPOKEN_TOKENS = 8
"""Room for an answer that is read as text."""
UNKNOWN = 0.5
"""The score of an answer that says nothing."""
WATCHED = ("yes", "no", "Yes", "No", " yes", " no", " Yes", " No", "是", "否")
"""Tokens whose probabilities are read."""


class PointwiseLlm:
    """Meets ``SlowReranker``; a product is scored alike in any company.

    Args:
        spec: Of kind "pointwise" or "graded".
        client: The model.
        examples: Where the prompt has some.
    """

    together = False

    def __init__(self, spec: LlmSpec, client: LlmClient, examples: Examples | None = None) -> None:
        self.spec, self.client, self._examples = spec, client, examples

    def score(self, query: str, products: Sequence[Product]) -> Array:
        """Score products into ``(n,)`` float32, from 0 to 1; higher is better."""
        return self.score_within(query, products, math.inf)

    def score_within(self, query: str, products: Sequence[Product], seconds: float) -> Array:
        """Score products before so many seconds have passed.

        Raises:
            LlmError: A product got no answer in time, or most answers could not be read. Answers that came are kept.
        """
        if not products:
            return np.empty(0, np.float32)
        answers = self.client.answers(self.questions(query, products), seconds)
        found = [self.read(answer) for answer in answers]
        check_clear(self.client, answers, [value is not None for value in found])
        return np.array([UNKNOWN if value is None else value for value in found], np.float32)

    def questions(self, query: str, products: Sequence[Product]) -> list[Question]:
        """What is asked: one question a product."""
        spec = self.spec
        shots = self._examples.choose(query, spec.shots) if self._examples is not None else []
        length = 1 if spec.llm.logprobs else SPOKEN_TOKENS
        watch = WATCHED if spec.kind == "pointwise" else tuple(str(grade) for grade in range(spec.grades))
        asked = []
        for product in products:
            if spec.prompt == "qwen3":
                prompt = qwen3(query, product, spec)
                asked.append(Question(prompt=prompt, max_tokens=length, choices=spec.llm.logprobs, watch=("yes", "no")))
            else:
                turns = of_one(query, product, spec, shots)
                asked.append(Question(turns, max_tokens=length, choices=spec.llm.logprobs, watch=watch))
        return asked

    def read(self, answer: Answer) -> float | None:
        """The score that an answer stands for."""
        if self.spec.kind == "pointwise":
            return chance_of_yes(answer, exact=self.spec.prompt == "qwen3")
        grade = expected_grade(answer, self.spec.grades)
        return None if grade is None else grade / (self.spec.grades - 1)


def check_clear(client: LlmClient, answers: Sequence[Answer], clear: Sequence[bool]) -> None:
    """Count the answers that could not be read, and refuse to go on where they are the most.

    Raises:
        LlmError: More than half could not be read.
    """
    unclear = [answer for answer, known in zip(answers, clear, strict=True) if not known]
    if unclear:
        client.unclear(len(unclear))
    if len(unclear) > len(answers) / 2:
        said = unclear[0].text or ", ".join(map(repr, list(unclear[0].choices)[:5]))
        raise LlmError(
            f"{len(unclear):,} of {len(answers):,} answers of the language model could not be read, such as "
            f"{said[:80]!r}",
            "unclear",
            fix="try `aisle llm check`; a model that thinks first needs that switched off in llm.extra",
        )
