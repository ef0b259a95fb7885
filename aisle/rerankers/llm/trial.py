"""One small question to a language model, and what many would cost: before a whole catalogue is asked about."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from aisle.errors import LlmError
from aisle.judgments.pairs import TextPair
from aisle.llm.question import Answer, Question
from aisle.rerankers.llm.listwise import ListwiseLlm
from aisle.rerankers.llm.load import LlmReranker
from aisle.rerankers.llm.pairwise import PairwiseLlm
from aisle.rerankers.llm.pointwise import PointwiseLlm
from aisle.rerankers.llm.reading import chance_of_first, order_of
from aisle.types import Product

QUERY = "wireless mouse"
PRODUCTS = (Product("1", "Logitech M185 wireless mouse"), Product("2", "Desk lamp with dimmer"))


@dataclass(frozen=True, slots=True)
class Trial:
    """What a small question showed.

    Attributes:
        model: Its name.
        endpoint: Where it is.
        kind: How it re-ranks.
        latency_ms: From the question to the answer, without retries if there were none.
        text: The answer.
        logprobs: Whether the probabilities came that were asked for; None where none are asked for.
        read: What was read of the answer: a score or an order; None where nothing could be.
        tokens_in: Of the question.
        tokens_out: Of the answer.
        tokens_per_byte: Tokens of this question over its bytes; the estimate goes by it.
    """

    model: str
    endpoint: str
    kind: str
    latency_ms: float
    text: str
    logprobs: bool | None
    read: float | list[int] | None
    tokens_in: int
    tokens_out: int
    tokens_per_byte: float

    def to_dict(self) -> dict[str, Any]:
        """As plain data."""
        return {name: getattr(self, name) for name in self.__slots__}


@dataclass(frozen=True, slots=True)
class Estimate:
    """What so many pairs would take, if nothing was asked before and nothing fails."""

    pairs: int
    per_query: int
    requests: int
    tokens_in: int
    tokens_out: int
    money: float
    currency: str
    hours: float

    def to_dict(self) -> dict[str, Any]:
        """As plain data."""
        return {name: getattr(self, name) for name in self.__slots__}


def questions_of(reranker: LlmReranker, query: str, products: Sequence[Product]) -> list[Question]:
    """What a re-ranker asks first of some products."""
    if isinstance(reranker, PairwiseLlm):
        return reranker.questions(query, products, [(0, 1)])
    return reranker.questions(query, products)


def tried(reranker: LlmReranker) -> Trial:
    """Ask one small question, whether or not it was asked before.

    Raises:
        LlmError: There was no answer.
    """
    question = questions_of(reranker, QUERY, PRODUCTS)[0]
    began = time.perf_counter()
    (answer,) = reranker.client.ask([question], fresh=True)
    took = (time.perf_counter() - began) * 1000
    if isinstance(answer, LlmError):
        raise answer
    settings = reranker.client.settings
    read = _read(reranker, answer)
    return Trial(
        settings.model,
        settings.endpoint,
        reranker.spec.kind,
        round(took, 1),
        answer.text,
        bool(answer.choices) if question.choices else None,
        read,
        answer.tokens_in,
        answer.tokens_out,
        answer.tokens_in / question.size if answer.tokens_in else 1.0,
    )


def estimated(reranker: LlmReranker, trial: Trial, pairs: int, per_query: int, sample: Sequence[TextPair]) -> Estimate:
    """What ``pairs`` pairs would cost, ``per_query`` of one query together.

    Args:
        reranker: As it is set.
        trial: Gives latency, tokens per byte and tokens of an answer.
        pairs: How many in all.
        per_query: Products of one query.
        sample: Real pairs, of which the questions are made; without any the small question counts.
    """
    products = [Product(pair.doc_id, pair.title, pair.description) for pair in sample] or list(PRODUCTS[:1])
    spec = reranker.spec
    wide = 1 if isinstance(reranker, PointwiseLlm) else 2 if isinstance(reranker, PairwiseLlm) else spec.window
    wide = min(wide, max(per_query, 1))
    sizes = []
    for start in range(0, max(len(products), 1), wide):
        group = products[start : start + wide]
        group += [products[at % len(products)] for at in range(wide - len(group))]
        sizes += [question.size for question in questions_of(reranker, sample[start].query if sample else QUERY, group)]
    queries = math.ceil(pairs / max(per_query, 1))
    requests = queries * spec.requests(per_query)
    tokens_in = round(requests * trial.tokens_per_byte * sum(sizes) / len(sizes))
    each_out = trial.tokens_out * (wide / 2 if isinstance(reranker, ListwiseLlm) else 1)
    tokens_out = round(requests * each_out)
    settings = reranker.client.settings
    money = settings.price.of(tokens_in, tokens_out, requests)
    at_once = 1 if settings.local else settings.concurrency
    hours = requests * trial.latency_ms / 1000 / 3600 / at_once
    return Estimate(pairs, per_query, requests, tokens_in, tokens_out, money, settings.price.currency, hours)


def _read(reranker: LlmReranker, answer: Answer) -> float | list[int] | None:
    if isinstance(reranker, PointwiseLlm):
        return reranker.read(answer)
    if isinstance(reranker, PairwiseLlm):
        return chance_of_first(answer)
    order = order_of(answer, len(PRODUCTS))
    return None if order is None else [place + 1 for place in order]
