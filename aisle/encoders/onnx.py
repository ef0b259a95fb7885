"""Text to unit vectors by a folder with an ONNX graph and a tokenizer; no PyTorch.

Knows nothing of how the graph was made: it takes ``input_ids`` (1, tokens) without padding and gives ``embedding``
(1, dim) of length 1. Each text is a run of its own, several at a time on a thread each. In a batch a vector would
depend on its neighbours, because int8 activations take their range from everything in a run (cosine .992 between
alone and in company); and from 31 tokens on a batch is no faster, at 20 tokens by a sixth (docs/encoder.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from hashlib import blake2b
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from aisle.artifacts import Manifest, read_manifest
from aisle.cores import cores
from aisle.encoders.runtime import ONNX, Run, open_graph
from aisle.encoders.tokenise import BilingualTokenizer, WordPieceTokenizer
from aisle.errors import ArtifactError

if TYPE_CHECKING:
    from aisle.types import Array

KIND, FORMAT = "encoder", 1
MODEL_FILE = "model.onnx"
_CHUNK = 1024
"""Texts tokenised at a time: bounds the memory that token lists take, whatever the caller passes."""
_GROUP = 16
"""Texts handed to a thread at a time: small enough that Ctrl-C is answered soon."""


class OnnxEncoder:
    """A sentence encoder in a folder of kind "encoder".

    A text's vector depends on nothing but the text: the same bits alone, in any company and in any order.

    Args:
        folder: Where ``manifest.json``, ``model.onnx`` and ``tokenizer.json`` are.
        threads: Texts encoded at the same time; by default one for each core this process may use. Several
            processes may share the cores: no thread spins while it waits.

    Raises:
        ArtifactError: The folder is missing, incomplete or of another kind.
    """

    def __init__(self, folder: Path, threads: int | None = None) -> None:
        self.folder = folder
        self.threads = threads or cores()
        self._manifest: Manifest = read_manifest(folder, KIND, FORMAT)
        for name, size in self._manifest.details["sizes"].items():
            path = folder / name
            if not path.is_file() or path.stat().st_size != size:
                raise ArtifactError(f"{str(path)!r} is missing or incomplete", fix="make the encoder again")

    @property
    def dim(self) -> int:
        """Length of a vector."""
        return int(self._manifest.details["dim"])

    @property
    def max_tokens(self) -> int:
        """The longest input in tokens, the two special ones included; the rest of a text is not read."""
        return int(self._manifest.details["max_tokens"])

    @property
    def scripts(self) -> frozenset[str] | None:
        """The scripts it reads, as Unicode names them; None where the folder does not say."""
        scripts = self._manifest.details.get("scripts")
        return None if scripts is None else frozenset(scripts)

    @property
    def reads_description(self) -> bool:
        """Whether it was trained on descriptions beside titles."""
        return bool(self._manifest.details.get("recipe", {}).get("description", False))

    @property
    def runtime(self) -> str:
        """What runs the graph, as the folder says: ONNX Runtime unless it was exported for another."""
        return str(self._manifest.details.get("runtime", ONNX))

    @property
    def fingerprint(self) -> str:
        """A hash of the hashes in the manifest: model, tokenizers and pooling."""
        made_of = sorted(self._manifest.fingerprint.items())
        return blake2b(repr(made_of).encode(), digest_size=16).hexdigest()

    def encode(self, texts: Sequence[str], kind: Literal["query", "product"]) -> Array:
        """Encode texts into ``(n, dim)`` float32 with rows of length 1, in the order given.

        Args:
            texts: Any text; the empty one has a vector too. What exceeds ``max_tokens`` is not read.
            kind: Queries and products are treated alike.
        """
        vectors = np.empty((len(texts), self.dim), np.float32)
        for start in range(0, len(texts), _CHUNK):
            ids = self._tokenizer.ids([_valid(text) for text in texts[start : start + _CHUNK]])
            self._run(ids, vectors[start : start + len(ids)])
        return vectors

    def count_tokens(self, text: str) -> int:
        """How many tokens the whole text takes, the two special ones included."""
        return self._tokenizer.count(_valid(text))

    def _run(self, ids: Sequence[list[int]], out: Array) -> None:
        """Fill the rows of ``out``, longest text first so that the threads finish together."""
        graph = self._graph

        def run(group: Sequence[int]) -> None:
            for row in group:
                (out[row],) = graph({"input_ids": np.array([ids[row]], np.int64)})

        if len(ids) == 1 or self.threads == 1:
            run(range(len(ids)))
            return
        order = sorted(range(len(ids)), key=lambda row: -len(ids[row]))
        size = min(_GROUP, -(-len(order) // self.threads))
        pool = ThreadPoolExecutor(self.threads)
        try:
            for done in [pool.submit(run, order[at : at + size]) for at in range(0, len(order), size)]:
                done.result()
        finally:
            pool.shutdown(cancel_futures=True)

    def tokenizer(self, max_tokens: int) -> WordPieceTokenizer | BilingualTokenizer:
        """What makes this encoder's token ids, cut to ``max_tokens`` or the model's own limit."""
        offset = self._manifest.details.get("han_offset")
        limit = min(max_tokens, self.max_tokens)
        if offset is None:
            return WordPieceTokenizer(self.folder, limit)
        return BilingualTokenizer(self.folder, int(offset), limit)

    @cached_property
    def _tokenizer(self) -> WordPieceTokenizer | BilingualTokenizer:
        return self.tokenizer(self.max_tokens)

    @cached_property
    def _graph(self) -> Run:
        return open_graph(self.folder / MODEL_FILE, self.runtime, self.threads)


def _valid(text: str) -> str:
    """The text with half surrogate pairs, which JSON can hold and UTF-8 cannot, as question marks."""
    return text if text.isascii() else text.encode(errors="replace").decode()
