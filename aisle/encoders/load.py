"""From the name in a recipe or on the command line to an encoder.

Knows which kinds there are, and nothing of how they work.
"""

from __future__ import annotations

import re
from pathlib import Path

from aisle.artifacts import MANIFEST
from aisle.errors import ArtifactError
from aisle.types import Encoder

EMBEDDED = "embedded"
INSIDE = "encoder"
"""Where a model that combines signals has its encoder."""
HUB_NAME = re.compile(r"\w[\w.-]*/\w[\w.-]*")
"""OWNER/NAME: whatever else is no folder would only be looked for in vain."""


def load_encoder(spec: str) -> Encoder:
    """Load the encoder that a recipe names.

    ========================================  =============================================
    ``embedded``                              the one inside the package
    a folder with a ``manifest.json``         an Aisle encoder: ONNX, no PyTorch
    the folder of a combination               the encoder inside it
    another folder                            a sentence-transformers or Hugging Face model
    OWNER/NAME                                a model of the Hugging Face hub, downloaded
    ========================================  =============================================

    Raises:
        ArtifactError: The folder or the name leads to no encoder.
        OptionalDependencyError: The encoder needs aisle[train].
    """
    if spec == EMBEDDED:
        from aisle.encoders.embedded import EmbeddedEncoder

        return EmbeddedEncoder()
    folder = Path(spec).expanduser()
    if spec.strip() and (folder / MANIFEST).is_file() and (folder / INSIDE / MANIFEST).is_file():
        folder = folder / INSIDE
    if (folder / MANIFEST).is_file():
        from aisle.encoders.onnx import OnnxEncoder

        return OnnxEncoder(folder)
    if not spec.strip() or not (folder.is_dir() or HUB_NAME.fullmatch(spec)):
        raise ArtifactError(
            f"no such encoder: {spec!r} is not a folder, and no OWNER/NAME",
            allowed=f"{EMBEDDED!r}, the folder of an encoder, or the OWNER/NAME of a Hugging Face model",
            fix="check the path or the name",
        )
    from aisle.encoders.hub import SentenceTransformerEncoder

    return SentenceTransformerEncoder(str(folder) if folder.is_dir() else spec)
