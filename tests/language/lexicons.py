"""A lexicon of a few concepts, gzipped as the packaged one is."""

import gzip
from pathlib import Path

from aisle.language.lexicon import Lexicon

ROWS = Path(__file__).parent.parent / "data" / "lexicon.tsv"


def small_lexicon(folder: Path) -> Lexicon:
    path = folder / "lexicon.tsv.gz"
    path.write_bytes(gzip.compress(ROWS.read_bytes()))
    return Lexicon(path)
