"""Make aisle/augment/text/characters.tsv.gz: common Chinese characters, how often they occur, and which look like them.

    python scripts/build_characters.py [--font FILE]

A character counts as often as the words of data/frequencies.tsv.gz that have it. Which look alike is computed, not
copied from a list: every character is drawn by WenQuanYi Micro Hei (Apache-2.0), slightly blurred, and compared with
every other by the correlation of the two pictures. Same font, same bytes.
"""

from __future__ import annotations

import argparse
import gzip
from collections import Counter
from pathlib import Path

import numpy as np
import regex
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from aisle.language.chinese import simplify
from aisle.training.bilingual.sources import rows

ROOT = Path(__file__).parent.parent
TARGET = ROOT / "aisle" / "augment" / "text" / "characters.tsv.gz"
FONT = Path("/usr/share/fonts/truetype/wqy/wqy-microhei.ttc")
HAN = regex.compile(r"\p{Han}")
CHARACTERS = 5_000
LIKE = 6
"""So many that look like a character at most."""
AT_LEAST = 0.60
"""Correlation of two pictures from which characters look alike; see docs/augmentation_chinese.md for what it finds."""
SIZE = 48


def frequencies() -> Counter[str]:
    """How often a simplified character occurs in the words of the dictionary."""
    found: Counter[str] = Counter()
    for row in rows(ROOT / "data" / "frequencies.tsv.gz"):
        for character in row["word"]:
            if HAN.fullmatch(character) and ord(character) < 0xA000:
                found[character] += int(float(row["count"]))
    return Counter({c: n for c, n in found.most_common(CHARACTERS * 2) if simplify(c) == c})


def pictures(characters: list[str], font: Path) -> np.ndarray:
    """One unit row a character: its drawing, blurred, without its mean."""
    drawn = ImageFont.truetype(str(font), SIZE)
    out = np.empty((len(characters), SIZE * SIZE), dtype=np.float32)
    for row, character in enumerate(characters):
        image = Image.new("L", (SIZE, SIZE))
        left, top, right, bottom = drawn.getbbox(character)
        place = ((SIZE - (right - left)) / 2 - left, (SIZE - (bottom - top)) / 2 - top)
        ImageDraw.Draw(image).text(place, character, fill=255, font=drawn)
        out[row] = np.asarray(image.filter(ImageFilter.GaussianBlur(1.5)), dtype=np.float32).ravel()
    out -= out.mean(axis=1, keepdims=True)
    units: np.ndarray = out / np.linalg.norm(out, axis=1, keepdims=True)
    return units


def main() -> None:
    """Write the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--font", type=Path, default=FONT)
    counts = frequencies().most_common(CHARACTERS)
    characters = [character for character, _ in counts]
    drawn = pictures(characters, parser.parse_args().font)
    lines = []
    for row, (character, count) in enumerate(counts):
        likeness = drawn @ drawn[row]
        likeness[row] = -1
        best = [int(i) for i in np.argsort(-likeness, kind="stable")[:LIKE] if likeness[i] >= AT_LEAST]
        lines.append("\t".join((character, str(count), "".join(characters[i] for i in best))))
    TARGET.write_bytes(gzip.compress("\n".join(lines).encode(), mtime=0))
    alike = sum(bool(line.split("\t")[2]) for line in lines)
    print(f"{TARGET.name}: {len(lines):,} characters, {alike:,} with others that look like them")


if __name__ == "__main__":
    main()
