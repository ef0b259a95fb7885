"""A language model asked which of two products is better, in both orders (PRP; Qin et al. 2023).

Every pair, or passes from the end of the list to its beginning in which the better of two neighbours moves up, as in a
bubble sort: so many passes bring so many products to their places.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence

import numpy as np

from aisle.llm.client import LlmClient
from aisle.llm.question import Question
from aisle.rerankers.llm.pointwise import SPOKEN_TOKENS, UNKNOWN, check_clear
from aisle.rerankers.llm.prompts import of_two
from aisle.rerankers.llm.reading import chance_of_first
from aisle.rerankers.llm.spec import LlmSpec
from aisle.types import Array, Product

_WATCHED = ("A", "B", " A", " B")
Pair = tuple[int, int]


class PairwiseLlm:
    """Meets ``SlowReranker``; a score is a product's share of wins, or its place.

    Args:
        spec: Of kind "pairwise".
        client: The model.
    """

    together = True

    def __init__(self, spec: LlmSpec, client: LlmClient) -> None:
        self.spec, self.client = spec, client

    def score(self, query: str, products: Sequence[Product]) -> Array:
        """Score products, given best first, into ``(n,)`` float32, from 0 to 1; higher is better."""
        return self.score_within(query, products, math.inf)

    def score_within(self, query: str, products: Sequence[Product], seconds: float) -> Array:
        """Score products before so many seconds have passed.

        Raises:
            LlmError: A pair got no answer in time, or most answers could not be read. Answers that came are kept.
        """
        until = time.monotonic() + min(seconds, self.spec.llm.deadline_s or math.inf)
        count = len(products)
        if count < 2:
            return np.ones(count, np.float32)
        if self.spec.order == "all":
            pairs = [(one, other) for one in range(count) for other in range(one + 1, count)]
            wins = np.zeros(count)
            for (one, other), chance in zip(pairs, self._chances(query, products, pairs, until), strict=True):
                wins[one] += chance
                wins[other] += 1 - chance
            return (wins / (count - 1)).astype(np.float32)
        order = list(range(count))
        for done in range(min(self.spec.passes, count - 1)):
            for place in range(count - 1, done, -1):
                pair = (order[place - 1], order[place])
                if self._chances(query, products, [pair], until)[0] < UNKNOWN:
                    order[place - 1], order[place] = pair[1], pair[0]
        scores = np.empty(count, np.float32)
        scores[order] = (count - np.arange(count)) / count
        return scores

    def questions(self, query: str, products: Sequence[Product], pairs: Sequence[Pair]) -> list[Question]:
        """What is asked of some pairs of places: a pair as it is, then turned round."""
        logprobs = self.spec.llm.logprobs
        asked = []
        for one, other in pairs:
            for first, second in ((one, other), (other, one)) if self.spec.swap else ((one, other),):
                turns = of_two(query, products[first], products[second], self.spec)
                length = 1 if logprobs else SPOKEN_TOKENS
                asked.append(Question(turns, max_tokens=length, choices=logprobs, watch=_WATCHED))
        return asked

    def _chances(self, query: str, products: Sequence[Product], pairs: Sequence[Pair], until: float) -> list[float]:
        """How likely the first of each pair is the better; the mean of both orders."""
        answers = self.client.answers(self.questions(query, products, pairs), until - time.monotonic())
        read = [chance_of_first(answer) for answer in answers]
        check_clear(self.client, answers, [value is not None for value in read])
        found = [UNKNOWN if value is None else value for value in read]
        if not self.spec.swap:
            return found
        return [(found[at] + 1 - found[at + 1]) / 2 for at in range(0, len(found), 2)]
