"""Any Hugging Face sentence encoder, run by sentence-transformers and PyTorch. Needs aisle[train].

Knows nothing of ONNX. Only the model that is named is downloaded, and only if it is not a folder.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from aisle.errors import ArtifactError, OptionalDependencyError, first_line

if TYPE_CHECKING:
    from aisle.types import Array

_HASH_BLOCK = 1 << 20


class SentenceTransformerEncoder:
    """A sentence-transformers model by folder or by hub name, on a GPU when PyTorch finds one.

    Queries and products get the prompts that the model defines for queries and documents, if it does.

    Args:
        name: A folder, or a name such as ``BAAI/bge-small-zh-v1.5``.

    Raises:
        ArtifactError: There is no such model, or it cannot be loaded.
        OptionalDependencyError: sentence-transformers is not installed.
    """

    def __init__(self, name: str) -> None:
        try:
            from sentence_transformers import SentenceTransformer
        except ImportError:
            raise OptionalDependencyError("sentence-transformers", "train", f"the encoder {name!r}") from None
        try:
            self._model = SentenceTransformer(name)
        except Exception as error:  # a missing file, an unknown name, no network: each library has its own error
            raise ArtifactError(
                f"cannot load the encoder {name!r}: {first_line(error)}",
                allowed="'embedded', the folder of a model, or the name of one on the Hugging Face hub",
                fix="check the name; a name needs network access the first time",
            ) from None
        self._fingerprint = _fingerprint(name, self._model)

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return int(self._model.get_embedding_dimension())

    @property
    def fingerprint(self) -> str:
        """A hash of the folder's files, or the name and commit of a hub model."""
        return self._fingerprint

    def encode(self, texts: Sequence[str], kind: Literal["query", "product"]) -> Array:
        """Encode texts into ``(n, dim)`` float32 with rows of length 1, in the order given.

        Args:
            texts: Any text; what exceeds the model's longest input is not read.
            kind: Chooses the model's own prompt.
        """
        if not texts:
            return np.empty((0, self.dim), np.float32)
        encode = self._model.encode_query if kind == "query" else self._model.encode_document
        vectors = encode(list(texts), normalize_embeddings=True, show_progress_bar=False, convert_to_numpy=True)
        return np.asarray(vectors, np.float32)

    def count_tokens(self, text: str) -> int:
        """How many tokens the whole text takes, special ones included, the document prompt not."""
        return len(self._model.tokenizer(text, truncation=False, verbose=False)["input_ids"])


def _fingerprint(name: str, model: object) -> str:
    digest = blake2b(digest_size=16)
    folder = Path(name)
    if not folder.is_dir():
        commit = getattr(model[0].auto_model.config, "_commit_hash", None)  # type: ignore[index]
        digest.update(f"{name}@{commit}".encode())
        return digest.hexdigest()
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        digest.update(f"\0{path.relative_to(folder).as_posix()}\0".encode())
        with path.open("rb") as file:
            while block := file.read(_HASH_BLOCK):
                digest.update(block)
    return digest.hexdigest()
