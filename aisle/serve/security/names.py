"""Ids and file names from outside, checked before they name anything."""

from __future__ import annotations

import unicodedata
from pathlib import Path

from aisle.errors import RequestError

_ID_CHARS = 256
_NAME_BYTES = 200
_DEVICES = frozenset({"con", "prn", "aux", "nul", *(f"{port}{n}" for port in ("com", "lpt") for n in range(1, 10))})


def valid_id(text: str, what: str = "id") -> str:
    """An id of a product, a query or a user as it came: 1 to 256 characters, none of control, none invisible.

    Raises:
        RequestError: It is empty, too long, has such characters, or blanks around it.
    """
    if not 1 <= len(text) <= _ID_CHARS or text != text.strip():
        raise RequestError(
            f"{what} of {len(text)} characters: {text[:40]!r}", allowed=f"1 to {_ID_CHARS} characters, no blanks around"
        )
    _refuse_control(text, what)
    return text


def valid_name(text: str, what: str = "file name") -> str:
    """The name of one file or folder: no path, nothing hidden, nothing that a file system reads in a special way.

    Raises:
        RequestError: It is a path, begins with a dot, is too long, or has other characters.
    """
    _refuse_control(text, what)
    stem = text.partition(".")[0].casefold()
    if (
        not text
        or len(text.encode("utf-8", "replace")) > _NAME_BYTES
        or text.startswith((".", "-", "~"))
        or text.endswith((".", " "))
        or any(character in '/\\:*?"<>|' for character in text)
        or stem in _DEVICES
    ):
        raise RequestError(
            f"{what} {text[:60]!r}", allowed=f'a plain name of at most {_NAME_BYTES} bytes without / \\ : * ? " < > |'
        )
    return text


def inside(folder: Path, name: str, what: str = "file name") -> Path:
    """The path of a name in a folder; links that lead out of it are refused too.

    Raises:
        RequestError: The name is no plain name, or leads out of the folder.
    """
    path = folder / valid_name(name, what)
    if path.resolve().parent != folder.resolve():
        raise RequestError(f"{what} {name[:60]!r} leads out of its folder", allowed="a plain name")
    return path


def _refuse_control(text: str, what: str) -> None:
    if text.isascii() and text.isprintable():
        return
    for character in text:
        if unicodedata.category(character) in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp"):
            raise RequestError(
                f"{what} {text[:40]!r} has the character U+{ord(character):04X}",
                allowed="no control characters, none invisible",
            )
