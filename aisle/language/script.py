"""Which scripts and which language a text is written in, well enough for a shopper's few words.

Knows characters and a handful of Spanish words, no catalogue and no encoder. Scripts are named as Unicode names them:
"Latin", "Han", "Thai". Meant for text that `normalise` has been over (full-width letters are Latin there).
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Set
from functools import lru_cache
from typing import Protocol, runtime_checkable

import regex

_OF_NO_SCRIPT = frozenset(
    ("", "COMBINING", "MODIFIER", "SUPERSCRIPT", "SUBSCRIPT", "TURNED", "ROMAN", "KATAKANA-HIRAGANA", "MATHEMATICAL",
     "FEMININE", "MASCULINE", "MICRO", "OHM", "KELVIN", "ANGSTROM", "DOUBLE-STRUCK", "SCRIPT", "BLACK-LETTER",
     "VARIATION", "VERTICAL", "VEDIC", "SPACING")
)  # fmt: skip
_OTHERWISE_NAMED = {"CJK": "Han", "IDEOGRAPHIC": "Han", "FULLWIDTH": "Latin", "HALFWIDTH": "Katakana"}

_HAN = regex.compile(r"\p{Han}")
_KANA = regex.compile(r"[\p{Hiragana}\p{Katakana}]")
_WORD = regex.compile(r"[\p{Latin}\p{M}]+")

_ONLY_SPANISH = regex.compile(r"ñ|\p{Latin}(?:ci[oó]n(?:es)?|ión)\b", regex.IGNORECASE)
_ENGLISH_CION = frozenset({"scion", "scions", "coercion", "suspicion", "suspicions", "cion"})
_ACCENTS = regex.compile(r"[áéíóú]", regex.IGNORECASE)
_SPANISH = """
    para con mujer mujeres hombre hombres ninos ninas bebe negro blanco azul rojo verde zapato zapatos zapatillas ropa
    bolso funda cargador inalambrico barato barata ordenador movil telefono juguete juguetes cocina
"""
_STRONG = frozenset(_SPANISH.split())
_WEAK = frozenset(("de", "del", "la", "las", "el", "los", "y", "sin", "por", "una", "un", "unos", "unas", "al", "en"))


@runtime_checkable
class ReadsScripts(Protocol):
    """An encoder that says what it can read; one that says nothing is taken to read everything."""

    @property
    def scripts(self) -> frozenset[str] | None:
        """Scripts by Unicode's names ("Latin", "Han"); None is everything."""
        ...


def has_han(text: str) -> bool:
    """Whether there is a Chinese character in it."""
    return not text.isascii() and _HAN.search(text) is not None


def has_kana(text: str) -> bool:
    """Whether there is a Japanese syllable sign in it."""
    return not text.isascii() and _KANA.search(text) is not None


def joined(words: Iterable[str]) -> str:
    """Words as one writes them: Chinese ones without a blank between them."""
    text = ""
    for word in words:
        text += word if not text or (has_han(text[-1]) and has_han(word[0])) else f" {word}"
    return text


def scripts_of(text: str) -> Counter[str]:
    """How many letters (vowel signs included) the text has of each script."""
    found: Counter[str] = Counter()
    if text.isascii():
        letters = sum(map(str.isalpha, text))
        return Counter({"Latin": letters}) if letters else found
    for character, count in Counter(text).items():
        script = _script(character)
        if script:
            found[script] += count
    return found


@lru_cache(maxsize=8_192)
def _script(character: str) -> str:
    """The script of a letter or vowel sign, "" of others; Unicode's names begin with it: ARABIC LETTER ALEF."""
    if unicodedata.category(character)[0] not in "LM":
        return ""
    first = unicodedata.name(character, "").partition(" ")[0]
    return "" if first in _OF_NO_SCRIPT else _OTHERWISE_NAMED.get(first, first.capitalize())


def readable(text: str, scripts: Set[str] | None) -> float:
    """The share of a text's letters, from 0 to 1, that are of these scripts; 1 where there are no letters.

    Args:
        text: Any text.
        scripts: What an encoder reads; None reads everything.
    """
    if scripts is None:
        return 1.0
    found = scripts_of(text)
    total = found.total()
    return sum(found[script] for script in scripts) / total if total else 1.0


def language_of(text: str) -> str:
    """The language as "zh", "ja", "en" or "es"; for scripts of other languages the script's name; "" without letters.

    Kana make a text Japanese, other Chinese characters Chinese, also beside Latin words ("iPhone 手机壳"). Latin
    text is English unless it has letters or words that only Spanish has, or two that are rare elsewhere.
    """
    found = scripts_of(text)
    if not found:
        return ""
    if found["Hiragana"] or found["Katakana"]:
        return "ja"
    if found["Han"] or found["Bopomofo"]:
        return "zh"
    script = max(found, key=lambda name: found[name])
    if script != "Latin":
        return script
    return "es" if _is_spanish(text) else "en"


def _is_spanish(text: str) -> bool:
    text = text.casefold()
    words = _WORD.findall(text)
    if any(word not in _ENGLISH_CION for word in words if _ONLY_SPANISH.search(word)) or "¿" in text or "¡" in text:
        return True
    if any(word in _STRONG for word in words):
        return True
    return sum(word in _WEAK or _ACCENTS.search(word) is not None for word in words) >= 2
