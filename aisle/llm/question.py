"""What is asked of a language model and what it says. Knows no server, no model and no file."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Role = Literal["system", "user", "assistant"]


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation."""

    role: Role
    text: str


@dataclass(frozen=True, slots=True)
class Question:
    """A prompt, and what is wanted of the answer.

    Attributes:
        messages: The conversation; or none, where ``prompt`` is given.
        prompt: A finished prompt with the model's own template in it, for a local model or ``api = "completions"``.
        max_tokens: The answer's length at most.
        choices: Whether the first token's candidates are wanted with their probabilities.
        watch: Words whose probability as the first token is wanted exactly; a server gives those among its top ones.
        whole: Whether an answer that was cut at ``max_tokens`` is an error.
    """

    messages: tuple[Message, ...] = ()
    prompt: str = ""
    max_tokens: int = 1
    choices: bool = False
    watch: tuple[str, ...] = ()
    whole: bool = False

    @property
    def size(self) -> int:
        """Bytes of the prompt in UTF-8: no byte-level tokeniser makes more tokens of it."""
        texts = [self.prompt, *(message.text for message in self.messages)]
        return sum(len(text.encode("utf-8", "surrogatepass")) for text in texts)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a model said.

    Attributes:
        text: The answer.
        choices: Candidates for the first token to their log-probability; empty where the server gives none.
        tokens_in: Of the prompt, as the server counts.
        tokens_out: Of the answer.
        truncated: Whether it was cut at ``max_tokens``.
        kept: Whether it was answered before and read from the store.
    """

    text: str
    choices: Mapping[str, float] = field(default_factory=dict)
    tokens_in: int = 0
    tokens_out: int = 0
    truncated: bool = False
    kept: bool = False


def merged(candidates: list[tuple[str, float]]) -> dict[str, float]:
    """Candidates by text; where several tokens have one text, their probabilities are added."""
    found: dict[str, float] = {}
    for text, value in candidates:
        if text not in found:
            found[text] = value
        else:
            high, low = max(found[text], value), min(found[text], value)
            found[text] = high + math.log1p(math.exp(low - high))
    return found
