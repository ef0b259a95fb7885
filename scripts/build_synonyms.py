"""Make aisle/augment/text/synonyms.tsv.gz: pairs of names of one thing, in one language, that are safe to exchange.

    python scripts/build_synonyms.py

The lexicon is for finding more, so its names are looser than synonyms: pants and slacks, outlet and mercantile
establishment. Kept are pairs of names that mean one concept alone and that the embedded encoder puts together.
"""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np

from aisle.augment.text.synonyms import Renamed
from aisle.encoders.embedded import EmbeddedEncoder
from aisle.language.lexicon import PACKAGED, Lexicon

TARGET = Path(__file__).parent.parent / "aisle" / "augment" / "text" / "synonyms.tsv.gz"
AT_LEAST = 0.75
"""Cosine of two names: see docs/augmentation_chinese.md for what is right above and below."""
BATCH = 512


def main() -> None:
    """Write the table."""
    lexicon = Lexicon()
    lines = gzip.decompress(PACKAGED.read_bytes()).decode().split("\n")
    names = {
        name.lower(): None
        for line in lines
        for column in line.split("\t")[:2]
        if "|" in column
        for name in column.split("|")
        if name
    }
    change = Renamed("synonyms", (lexicon,))
    pairs = {
        (name, other.name.lower()): None
        for name in names
        for other in lexicon.expansions(name)
        if other.because == name and change.fits(other, name)
    }
    wanted = list(dict.fromkeys(name for pair in pairs for name in pair))
    print(f"{len(pairs):,} pairs of {len(wanted):,} names", flush=True)
    encoder = EmbeddedEncoder(threads=1)
    place = {name: i for i, name in enumerate(wanted)}
    vectors = np.concatenate([encoder.encode(wanted[i : i + BATCH], "query") for i in range(0, len(wanted), BATCH)])
    kept = sorted(pair for pair in pairs if vectors[place[pair[0]]] @ vectors[place[pair[1]]] >= AT_LEAST)
    TARGET.write_bytes(gzip.compress("\n".join("\t".join(pair) for pair in kept).encode(), mtime=0))
    print(f"{TARGET.name}: {len(kept):,} pairs")


if __name__ == "__main__":
    main()
