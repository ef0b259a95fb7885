"""What an answer means: a probability, a grade, an order. Pure functions of an `Answer`."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence

from aisle.llm.question import Answer

YES = ("yes", "是", "相关")
NO = ("no", "否", "不")
_THOUGHT = re.compile(r"^.*</think>", re.DOTALL)
_WORD = re.compile(r"[\"'`*\s.:：。]*([A-Za-z]+|\d+|[\u4e00-\u9fff]+)")
_BRACKETED = re.compile(r"\[(\d{1,6})\]")
_NUMBER = re.compile(r"\d{1,6}")


def weights(choices: Mapping[str, float], classes: Sequence[Sequence[str]], exact: bool = False) -> list[float] | None:
    """The probability of each class among them all, from the first token's candidates.

    A class that is not among the candidates is less likely than each of them: it gets the least of these, the most it
    can have. None where no class is there.

    Args:
        choices: Token to log-probability.
        classes: The words of each class.
        exact: Whether a token must be the word itself; else case, blanks and quotes around it do not matter.
    """
    known = {word: number for number, words in enumerate(classes) for word in words}
    found = [-math.inf] * len(classes)
    for token, value in choices.items():
        number = known.get(token if exact else token.strip(" \t\r\n\"'`*▁Ġ").casefold())
        if number is not None:
            high, low = max(found[number], value), min(found[number], value)
            found[number] = high if low == -math.inf else high + math.log1p(math.exp(low - high))
    if all(value == -math.inf for value in found):
        return None
    least = min(choices.values())
    found = [min(least, max(found)) if value == -math.inf else value for value in found]
    top = max(found)
    shares = [math.exp(value - top) for value in found]
    total = sum(shares)
    return [share / total for share in shares]


def chance_of_yes(answer: Answer, exact: bool = False) -> float | None:
    """The probability of "yes" against "no"; 1 or 0 of a text alone; None where the answer is neither."""
    found = weights(answer.choices, (("yes",), ("no",)) if exact else (YES, NO), exact)
    if found is not None:
        return found[0]
    word = first_word(answer.text)
    if word in ("yes", "y") or word.startswith(("是", "相关")):
        return 1.0
    return 0.0 if word in ("no", "n") or word.startswith(("不", "否")) else None


def expected_grade(answer: Answer, grades: int) -> float | None:
    """The mean of the grades by their probabilities; of a text alone its grade; None where there is none."""
    found = _present(answer.choices, [str(grade) for grade in range(grades)])
    if found:
        total = sum(found.values())
        return sum(int(grade) * share for grade, share in found.items()) / total
    word = first_word(answer.text)
    return float(word) if word.isdecimal() and int(word) < grades else None


def chance_of_first(answer: Answer) -> float | None:
    """The probability that the first of two is better; None where the answer names neither."""
    found = weights(answer.choices, (("a",), ("b",)))
    if found is not None:
        return found[0]
    return {"a": 1.0, "b": 0.0}.get(first_word(answer.text))


def order_of(answer: Answer, count: int) -> list[int] | None:
    """The places, from 0, of a list in the order that the answer gives; None where it names none of them.

    Numbers in brackets count where there are any. Numbers that are not of the list or come again are passed over;
    places that are missing follow in the list's own order.
    """
    text = _THOUGHT.sub("", answer.text)
    numbers = [int(number) for number in _BRACKETED.findall(text) or _NUMBER.findall(text)]
    named = list(dict.fromkeys(number - 1 for number in numbers if 1 <= number <= count))
    return [*named, *(place for place in range(count) if place not in named)] if named else None


def first_word(text: str) -> str:
    """The first word or number of an answer, in small letters, after what the model thought aloud; "" without one."""
    found = _WORD.match(_THOUGHT.sub("", text))
    return found[1].casefold() if found else ""


def _present(choices: Mapping[str, float], words: Sequence[str]) -> dict[str, float]:
    """The probabilities of those words that are among the candidates."""
    found: dict[str, float] = {}
    for token, value in choices.items():
        word = token.strip(" \t\r\n\"'`*▁Ġ")
        if word in words:
            found[word] = found.get(word, 0.0) + math.exp(value)
    return found
