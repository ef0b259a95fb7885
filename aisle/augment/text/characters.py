"""What is known of single Chinese characters: how often they occur, how they sound, which look alike.

Counts and looks come from a packaged table (`scripts/build_characters.py`), sounds from pypinyin. Read when first
asked.
"""

from __future__ import annotations

import gzip
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from aisle.errors import ArtifactError
from aisle.language.pinyin import loose, syllables

PACKAGED = Path(__file__).parent / "characters.tsv.gz"


@dataclass(frozen=True, slots=True)
class Characters:
    """Five thousand common characters.

    Attributes:
        counts: How often the words of a general dictionary have it.
        alike: Those that look like it, the most alike first.
        sound: Its usual toneless pinyin.
        same: Characters by their sound.
        near: Characters by the sound that is left when zh and z, ch and c, sh and s, n and l, -ng and -n are one.
    """

    counts: dict[str, int]
    alike: dict[str, str]
    sound: dict[str, str]
    same: dict[str, str]
    near: dict[str, str]


@cache
def characters(path: Path = PACKAGED) -> Characters:
    """Read the table.

    Raises:
        ArtifactError: It is missing or damaged.
    """
    try:
        lines = gzip.decompress(path.read_bytes()).decode().split("\n")
        rows = [line.split("\t") for line in lines]
        counts = {character: int(count) for character, count, _ in rows}
        alike = {character: others for character, _, others in rows}
    except (OSError, EOFError, ValueError) as error:
        raise ArtifactError(
            f"cannot read the table of characters {str(path)!r}: {error}",
            allowed="a gzipped table in UTF-8",
            fix="install Aisle again",
        ) from None
    sound = {character: syllables(character)[0] for character in counts}
    same: dict[str, str] = {}
    near: dict[str, str] = {}
    for character, spoken in sound.items():
        same[spoken] = same.get(spoken, "") + character
        key = loose([spoken])
        near[key] = near.get(key, "") + character
    return Characters(counts, alike, sound, same, near)
