"""Which encoding a text file has, from its first bytes; and decoding line by line when single lines differ.

Knows nothing of formats.
"""

from __future__ import annotations

import codecs
import io
from collections.abc import Callable, Iterator
from typing import BinaryIO

from aisle.catalogue.rows import ReadNotes

MAX_LINE = 64 << 20  # characters; longer than any real row, short enough for memory


def find_encoding(sample: bytes) -> str:
    """The encoding of a file whose first bytes these are.

    A byte order mark decides, or zero bytes that only UTF-16 has; else UTF-8 unless most lines with bytes above 127 are
    not; then GB 18030 if it yields Chinese characters, else Windows-1252.
    """
    for mark, name in (
        (codecs.BOM_UTF8, "utf-8-sig"),
        (codecs.BOM_UTF16_LE, "utf-16"),
        (codecs.BOM_UTF16_BE, "utf-16"),
    ):
        if sample.startswith(mark):
            return name
    if wide := _utf16_without_mark(sample[:4096]):
        return wide
    lines = [line for line in sample.split(b"\n") if not line.isascii()]
    if not lines:
        return "utf-8"
    if len(lines) > 1 and not sample.endswith(b"\n"):
        lines = lines[:-1]  # the sample may end inside a character
    elif len(lines) == 1 and _decodes(lines[0], "utf-8", final=False):
        return "utf-8"
    good = sum(_decodes(line, "utf-8") for line in lines)
    return "utf-8" if good * 2 >= len(lines) else legacy_encoding(b"\n".join(lines))


def _utf16_without_mark(head: bytes) -> str | None:
    """UTF-16 if zero bytes are the same half of a character, line ends among them, and nearly all can be printed.

    Text of other encodings has none but by accident; Chinese has them in its digits, delimiters and line ends alone.
    """
    low, high = head[1::2].count(0), head[::2].count(0)
    if not low and not high:
        return None
    name = "utf-16-le" if low > high else "utf-16-be"
    text = head[: len(head) // 2 * 2].decode(name, errors="replace")
    printed = sum(character.isprintable() or character in "\t\r\n" for character in text)
    ends = "\n" in text or b"\n" not in head
    return name if ends and min(low, high) * 20 <= max(low, high) and printed >= 0.98 * len(text) else None


def legacy_encoding(data: bytes) -> str:
    """GB 18030 if the bytes make Chinese text in it, else Windows-1252."""
    try:
        text = codecs.getincrementaldecoder("gb18030")().decode(data)
    except UnicodeDecodeError:
        return "cp1252"
    beyond = [c for c in text if c > "\x7f"]
    # Both bytes of the everyday characters (GB 2312) are above 160; French or German seldom has two such in a row.
    everyday = sum(_is_gb2312(c) for c in beyond)
    return "gb18030" if beyond and everyday >= 0.7 * len(beyond) else "cp1252"


def _is_gb2312(character: str) -> bool:
    try:
        return len(character.encode("gb2312")) == 2
    except UnicodeEncodeError:
        return False


def _decodes(data: bytes, encoding: str, *, final: bool = True) -> bool:
    try:
        codecs.getincrementaldecoder(encoding)().decode(data, final)
    except UnicodeDecodeError:
        return False
    return True


def text_lines(open_bytes: Callable[[], BinaryIO], encoding: str, notes: ReadNotes, newline: str) -> Iterator[str]:
    r"""Lines with their line ends. A line that is not valid UTF-8 in a UTF-8 file is decoded by itself and counted.

    ``newline`` is as for ``open``: "" ends lines at any line break, "\n" only there.
    """
    errors = "surrogateescape" if encoding.startswith("utf-8") else "replace"
    with io.TextIOWrapper(open_bytes(), encoding=encoding, errors=errors, newline=newline) as text:
        while line := text.readline(MAX_LINE):
            if errors == "surrogateescape" and not line.isascii() and _has_surrogates(line):
                data = line.encode("utf-8", errors="surrogateescape")
                line = data.decode(legacy_encoding(data), errors="replace")
                notes.redecoded_lines += 1
            yield line


def _has_surrogates(line: str) -> bool:
    try:
        line.encode("utf-8")
    except UnicodeEncodeError:
        return True
    return False
