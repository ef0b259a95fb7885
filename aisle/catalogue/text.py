"""Text of a catalogue cell to clean text: tags, entities, mojibake, then the same normalisation as for queries.

Knows nothing of columns or products. Cleaning clean text changes nothing.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable
from functools import lru_cache

from aisle.language.normalise import STEPS, compatible, normalise, single_blanks, visible

_INLINE_WORDS = """
    a abbr acronym b bdi bdo big cite code dfn em font i ins kbd mark q s samp small span strike strong sub sup tt u
    var wbr
"""
_INLINE = frozenset(_INLINE_WORDS.split())
_BLOCK_WORDS = """
    address applet area article aside audio base blockquote body br button canvas caption center col colgroup data
    dd del details dialog dir div dl dt embed fieldset figcaption figure footer form frame h1 h2 h3 h4 h5 h6 head
    header hr html iframe img input label legend li link main map menu meta nav noscript object ol optgroup option p
    param picture pre section select source summary svg path table tbody td template textarea tfoot th thead time
    title tr track ul video
"""
_BLOCK = frozenset(_BLOCK_WORDS.split())
_DROPPED = re.compile(r"<(script|style)\b[^<>]*>.*?(?:</\1\s*>|$)", re.IGNORECASE | re.DOTALL)
_COMMENT = re.compile(r"<!--.*?(?:-->|$)|<!doctype[^<>]*>|<!\[cdata\[|\]\]>|<\?xml[^<>]*>", re.IGNORECASE | re.DOTALL)
_TAG = re.compile(r"</?([a-zA-Z][a-zA-Z0-9]*)(?::[\w-]+)?(?:[\s/][^<>]*)?>")
_CUT_TAG = re.compile(r"</?([a-zA-Z][a-zA-Z0-9]*)(?:\s[^<>]*=[^<>]*)?$")
_AMPERSANDS = re.compile(r"&(?:amp;|#0*38;|#x0*26;)+", re.IGNORECASE)
_ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9a-fA-F]{1,6}|[a-zA-Z][a-zA-Z0-9]{1,30});")
_LINE_BREAKS = re.compile(r"[\r\n\u2028\u2029]+")
_ROUNDS = 12
_CACHED_LENGTH = 100  # attribute values repeat, descriptions do not


def strip_tags(text: str) -> str:
    """Without HTML tags: block tags become line breaks, inline ones nothing; scripts and styles go with content."""
    if "<" not in text:
        return text
    text = _COMMENT.sub(" ", _DROPPED.sub(" ", text))
    return _CUT_TAG.sub(lambda m: " " if _known(m[1]) else m[0], _TAG.sub(_replace_tag, text))


def decode_entities(text: str) -> str:
    """Character references decoded, those escaped twice too; an "&" that starts none stays."""
    if "&" not in text:
        return text
    return _ENTITY.sub(lambda m: html.unescape(m[0]), _AMPERSANDS.sub("&", text))


def fix_mojibake(text: str) -> str:
    """Text decoded with the wrong encoding somewhere on its way, repaired (ftfy)."""
    if text.isascii():
        return text
    import ftfy

    return str(ftfy.fix_encoding(text))


Counter = Callable[[str, str, str], None]
"""``count(rule, before, after)``: called for each rule that changes a text."""
_RULES: tuple[tuple[str, Callable[[str], str]], ...] = (
    ("html tags", strip_tags),
    ("html entities", decode_entities),
    ("mojibake", fix_mojibake),
    *STEPS,
)


def clean_text(text: str, count: Counter | None = None) -> str:
    """One line of clean text; idempotent."""
    if _is_plain(text):
        return text
    text, changes = _cached(text) if len(text) <= _CACHED_LENGTH else _clean(text)
    if count is not None:
        for rule, before, after in changes:
            count(rule, before, after)
    return text


def _clean(text: str) -> tuple[str, tuple[tuple[str, str, str], ...]]:
    """Clean text, and what each rule changed."""
    changes: list[tuple[str, str, str]] = []
    for _ in range(_ROUNDS):
        start = text
        for rule, step in _RULES:
            after = step(text)
            if after != text:
                changes.append((rule, text, after))
            text = after
        if text == start:
            return text, tuple(changes)
    # Nested beyond reason: no markup characters, so no further rounds.
    return normalise(text.translate(_NO_MARKUP)), tuple(changes)


@lru_cache(maxsize=65536)
def _cached(text: str) -> tuple[str, tuple[tuple[str, str, str], ...]]:
    return _clean(text)


def clean_lines(text: str, count: Counter | None = None) -> list[str]:
    """Clean text with the line structure that tags and line breaks give it, for finding repeated lines.

    Joined by blanks and cleaned once more they are what ``clean_text`` gives.
    """
    if _is_plain(text):
        return [text] if text else []
    for _ in range(_ROUNDS):
        start = text
        for rule, step in _RULES[:3]:
            after = step(text)
            if after != text and count is not None:
                count(rule, text, after)
            text = after
        if text == start:
            break
    lines = [clean_text(line, count) for line in _LINE_BREAKS.split(text)]
    return [line for line in lines if line]


@lru_cache(maxsize=65536)
def clean_name(name: str) -> str:
    """An attribute's name: visible, NFKC, single blanks; units stay as written."""
    for _ in range(4):
        before = name
        name = single_blanks(visible(compatible(name)))
        if name == before:
            break
    return name


_NO_MARKUP = str.maketrans("<>&", "   ")
_PLAIN = re.compile(r"[A-Za-z][A-Za-z.,;:!?()/+*_-]*(?: [A-Za-z.,;:!?()/+*_-]+)*")


def _is_plain(text: str) -> bool:
    """Quick check: ASCII letters and plain punctuation only, so that no rule can apply."""
    return _PLAIN.fullmatch(text) is not None


def _known(name: str) -> bool:
    return name.lower() in _INLINE or name.lower() in _BLOCK


def _replace_tag(match: re.Match[str]) -> str:
    name = match[1].lower()
    if name in _INLINE:
        return ""
    if name in _BLOCK or ":" in match[0].split()[0] or match[0].startswith("</"):
        return "\n"
    # An unknown name is a tag if it has attributes; otherwise it may be a placeholder in angle brackets.
    return "\n" if "=" in match[0] else match[0]
