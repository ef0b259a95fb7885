"""Which language the page is in, and what it says there. Knows requests by their headers alone."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from http.cookies import CookieError, SimpleCookie
from pathlib import Path

from aisle.explain.notes import in_language
from aisle.explain.values import LANGUAGES, Language

COOKIE = "aisle-language"
CODES: Mapping[Language, str] = {"en": "en", "zh": "zh-Hans"}
Texts = Mapping[str, str]


def read_texts(folder: Path) -> dict[Language, Texts]:
    """What the page says in each language: ``texts.LANGUAGE.toml``."""
    return {one: tomllib.loads((folder / f"texts.{one}.toml").read_text(encoding="utf-8")) for one in LANGUAGES}


def choose_language(asked: str, cookies: str, accepted: str) -> Language:
    """The language that was asked for in the address, else chosen before, else that the browser would rather have.

    Args:
        asked: Of the address, ``lang``; anything else than a language we have is passed over.
        cookies: The header.
        accepted: The header ``Accept-Language``.
    """
    for given in (asked, _cookie(cookies)):
        if (found := _known(given)) is not None:
            return found
    best: tuple[float, Language] | None = None
    for part in accepted[:500].split(","):
        name, _, weight = part.partition(";")
        found = _known(name)
        if found is not None and (best is None or _weight(weight) > best[0]):
            best = (_weight(weight), found)
    return best[1] if best is not None and best[0] > 0 else "en"


def told(note: str, language: Language) -> str:
    """What the engine says of a search, in the page's language where that is known."""
    return in_language(note, language)


def _known(name: str) -> Language | None:
    start = name.strip().lower().partition("-")[0]
    return next((one for one in LANGUAGES if one == start), None)


def _weight(text: str) -> float:
    name, _, value = text.strip().partition("=")
    try:
        return float(value) if name.strip() == "q" else 1.0
    except ValueError:
        return 0.0


def _cookie(header: str) -> str:
    try:
        found = SimpleCookie(header).get(COOKIE)
    except CookieError:
        return ""
    return found.value if found is not None else ""
