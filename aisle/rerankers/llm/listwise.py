"""A language model asked for the order of a list, in windows from the end to the beginning (RankGPT; Sun et al. 2023).

With ``swap`` a window is shown as it is and from its end; a product's place is the mean of both, so that a model that
likes what stands first gains nothing. Numbers that an answer forgets keep their order below those that it names.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence

import numpy as np

from aisle.llm.client import LlmClient
from aisle.llm.question import Question
from aisle.rerankers.llm.pointwise import check_clear
from aisle.rerankers.llm.prompts import of_many
from aisle.rerankers.llm.reading import order_of
from aisle.rerankers.llm.spec import LlmSpec
from aisle.types import Array, Product

_TOKENS_A_NUMBER, _TOKENS_AROUND = 6, 16
"""Room for an answer: `[12] > ` is at most six tokens."""


class ListwiseLlm:
    """Meets ``SlowReranker``; a score is a place.

    Args:
        spec: Of kind "listwise".
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
            LlmError: A list got no answer in time, or most answers could not be read. Answers that came are kept.
        """
        until = time.monotonic() + min(seconds, self.spec.llm.deadline_s or math.inf)
        count = len(products)
        order = list(range(count))
        for start, end in windows(count, self.spec.window, self.spec.step):
            shown = [products[place] for place in order[start:end]]
            order[start:end] = [order[start + place] for place in self._order(query, shown, until)]
        scores = np.empty(count, np.float32)
        scores[order] = (count - np.arange(count)) / max(count, 1)
        return scores

    def questions(self, query: str, shown: Sequence[Product]) -> list[Question]:
        """What is asked of one window: the list as it is, then from its end."""
        length = _TOKENS_A_NUMBER * len(shown) + _TOKENS_AROUND
        ways = [list(shown), list(reversed(shown))] if self.spec.swap else [list(shown)]
        return [Question(of_many(query, way, self.spec), max_tokens=length) for way in ways]

    def _order(self, query: str, shown: Sequence[Product], until: float) -> list[int]:
        """Places of a window, the best first."""
        count = len(shown)
        answers = self.client.answers(self.questions(query, shown), until - time.monotonic())
        read = [order_of(answer, count) for answer in answers]
        check_clear(self.client, answers, [found is not None for found in read])
        total = np.zeros(count)
        for turned, found in enumerate(read):
            if found is not None:
                places = [count - 1 - place for place in found] if turned else found
                total[places] += np.arange(count)
        return [int(place) for place in np.argsort(total, kind="stable")]


def windows(count: int, width: int, step: int) -> list[tuple[int, int]]:
    """Begin and end of each window, the last part of the list first."""
    found = []
    end = count
    while end > 1:
        start = max(0, end - width)
        found.append((start, end))
        if start == 0:
            break
        end -= step
    return found
