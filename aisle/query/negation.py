"""What a query does not want: "without handle", "no sugar", 不带盖, 无糖.

    mug without handle -> handle        无线鼠标 -> nothing: 无线 (wireless) is a word of its own

Knows the words that negate in English and Chinese and how far they reach; which names there are is asked of the caller.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import regex

from aisle.query.keys import key_of, known_forms, spans, tokens_of

_ENGLISH = regex.compile(
    r"\b(?:(?P<sure>without(?:\s(?:a|an|any|the))?|w/o|excluding|except(?:\sfor)?|other\sthan|but\snot)|not|non|no)[\s-]+",
    regex.IGNORECASE,
)
_CHINESE = regex.compile(r"(?P<sure>不带|不要|不含|没有|除了)|不是|无|非|免")
_PHRASE = regex.compile(r"[\p{Latin}\p{N}][\p{Latin}\p{N}'-]*(?:\s[\p{Latin}\p{N}][\p{Latin}\p{N}'-]*)?")
_STOP = regex.compile(r"\b(?:and|or|for|with|without|in|on|from|under|over|by|to|of|at)\b", regex.IGNORECASE)
_HAN_PHRASE = regex.compile(r"(?:(?!的|不|以外|之外|和|或)[\p{Han}\p{Latin}\p{N}]){1,6}")
_REFUSES = regex.compile(
    r"(?:\b(?:without(?:\s(?:a|an|any))?|w/o|no|non|not)[\s-]+|不带|不含|没有|无|免)$", regex.IGNORECASE
)
_FREE = regex.compile(r"(?:[\s-]free|less)\b", regex.IGNORECASE)
_AFTER_EXCEPT = regex.compile(r"以外|之外")


@dataclass(frozen=True, slots=True)
class Negated:
    """Something not wanted: the whole phrase's place, and the place of what it names."""

    start: int
    end: int
    target: tuple[int, int]


def negated_in(text: str, name_at: Callable[[int], int | None], is_word: Callable[[str], bool]) -> list[Negated]:
    """What a normalised text does not want, in order.

    Words that negate nearly always ("without", 不带) take what follows, known or not; those that often do not ("no
    drill", 无) only what has a name.

    Args:
        text: Normalised.
        name_at: Where the longest known name that begins at a place ends, or None.
        is_word: Whether a Chinese text is a word by itself, so that nothing in it negates.
    """
    found: list[Negated] = []
    for match in sorted((*_ENGLISH.finditer(text), *_CHINESE.finditer(text)), key=lambda m: m.start()):
        if found and match.start() < found[-1].end:
            continue
        end = name_at(match.end())
        chinese = match.re is _CHINESE
        if end is not None and chinese and is_word(text[match.start() : end]):
            continue
        if end is None:
            if not match["sure"]:
                continue
            end = _reach(text, match.end(), chinese)
        if end is not None:
            tail = _AFTER_EXCEPT.match(text, end)
            found.append(Negated(match.start(), tail.end() if tail else end, (match.end(), end)))
    return found


def _reach(text: str, start: int, chinese: bool) -> int | None:
    """How far an unknown name goes: two words or six characters, not beyond a word that begins something else."""
    phrase = (_HAN_PHRASE if chinese else _PHRASE).match(text, start)
    if phrase is None:
        return None
    stop = None if chinese else _STOP.search(text, start, phrase.end())
    end = stop.start() if stop else phrase.end()
    end = start + len(text[start:end].rstrip())
    return end if end > start else None


def mentions(title: str, name: str) -> bool:
    """Whether a title has a name, in singular or plural, without refusing it: not "mug without handle" for handle."""
    wanted = key_of(name)
    tokens = tokens_of(title)
    for span in spans(tokens):
        if known_forms(span.key, (wanted,)):
            before = title[: tokens[span.first].start]
            after = title[tokens[span.last - 1].end :]
            if not _REFUSES.search(before) and not _FREE.match(after):
                return True
    return False
