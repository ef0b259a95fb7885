"""The encoder that comes with the package: Chinese and English, 384 dimensions, int8, about 32 MB.

Knows only where the package keeps it; docs/encoder.md says how it was made.
"""

from __future__ import annotations

from pathlib import Path

from aisle.encoders.onnx import OnnxEncoder

FOLDER = Path(__file__).parent / "bilingual"


class EmbeddedEncoder(OnnxEncoder):
    """aisle-bilingual, read from the package: nothing is downloaded.

    all-MiniLM-L6-v2 taught to read Chinese: what means the same in both languages has nearly the same vector.

    Args:
        threads: Texts encoded at the same time; by default one for each core this process may use.
    """

    def __init__(self, threads: int | None = None) -> None:
        super().__init__(FOLDER, threads)
