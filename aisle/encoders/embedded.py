"""The encoder that comes with the package: all-MiniLM-L6-v2 (English, 384 dimensions) in int8, about 23 MB.

Knows only where the package keeps it.
"""

from __future__ import annotations

from pathlib import Path

from aisle.encoders.onnx import OnnxEncoder

FOLDER = Path(__file__).parent / "minilm"


class EmbeddedEncoder(OnnxEncoder):
    """all-MiniLM-L6-v2, read from the package: nothing is downloaded.

    Args:
        threads: Texts encoded at the same time; by default one for each core this process may use.
    """

    def __init__(self, threads: int | None = None) -> None:
        super().__init__(FOLDER, threads)
