"""A query and a text read together by a folder with an ONNX graph and a tokenizer; no PyTorch.

Knows nothing of how the graph was made: it takes ``input_ids`` and ``token_type_ids``, both (1, tokens), without
padding and gives ``score`` (1,). Each pair is a run of its own, several at a time on a thread each: a score depends on
nothing but its pair.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from pathlib import Path

import numpy as np

from aisle.artifacts import read_manifest
from aisle.cores import cores
from aisle.encoders.runtime import ONNX, Run, open_graph
from aisle.encoders.tokenise import BilingualTokenizer, WordPieceTokenizer
from aisle.errors import ArtifactError, FingerprintError
from aisle.rerankers.cosine import product_text
from aisle.rerankers.head import FORMAT, KIND
from aisle.types import Array, Product

ARCHITECTURE = "cross-encoder"
MODEL_FILE = "model.onnx"
Ids = list[int]


@dataclass(frozen=True, slots=True)
class Pair:
    """``[CLS] query [SEP] text [SEP]``: the ids of all, and where the text begins.

    What is before it has token type 0; the text and its [SEP] have type 1.
    """

    ids: Ids
    start: int

    def __len__(self) -> int:
        """How many tokens there are."""
        return len(self.ids)


_GROUP = 8
"""Pairs handed to a thread at a time."""


class PairTokenizer:
    """Texts to pairs of token ids.

    Args:
        tokenizer: Of single texts, with [CLS] and [SEP] around each.
        query_tokens: The query's own tokens are cut to so many.
        max_tokens: Of the whole; the text is cut to what the query leaves.
    """

    def __init__(self, tokenizer: WordPieceTokenizer | BilingualTokenizer, query_tokens: int, max_tokens: int) -> None:
        self._tokenizer, self._query_tokens, self._max_tokens = tokenizer, query_tokens, max_tokens

    def ids(self, texts: Sequence[str]) -> list[Ids]:
        """Single texts with their special tokens, for `pair`."""
        return self._tokenizer.ids([text.encode(errors="replace").decode() for text in texts])

    def pair(self, query: Ids, text: Ids) -> Pair:
        """Both in one."""
        return joined(query, text, self._query_tokens, self._max_tokens)


def joined(query: Ids, text: Ids, query_tokens: int, max_tokens: int) -> Pair:
    """Two texts with their special tokens as one pair; the query's and then all tokens are cut to so many."""
    first = [*query[:-1][: query_tokens + 1], query[-1]]
    room = max_tokens - len(first) - 1
    return Pair([*first, *text[1:-1][:room], text[-1]], len(first))


def fingerprint(folder: Path) -> dict[str, str]:
    """What a cross-encoder's folder is made of: a hash of each file that has a part in its scores."""
    names = sorted(
        path.name for path in (*folder.glob(MODEL_FILE), *folder.glob("tokenizer.json"), *folder.glob("han.json"))
    )
    return {name: sha256((folder / name).read_bytes()).hexdigest() for name in names}


class OnnxCrossEncoder:
    """A folder of kind "reranker" and architecture "cross-encoder".

    Args:
        folder: Where ``manifest.json``, ``model.onnx`` and ``tokenizer.json`` are.
        threads: Pairs scored at the same time; by default one for each core this process may use.

    Raises:
        ArtifactError: The folder is missing, incomplete or of another kind.
        FingerprintError: A file is not the one that its manifest was written for.
    """

    def __init__(self, folder: Path, threads: int | None = None) -> None:
        manifest = read_manifest(folder, KIND, FORMAT)
        if manifest.details.get("architecture") != ARCHITECTURE:
            raise ArtifactError(f"{str(folder)!r} is no complete {ARCHITECTURE}", fix="train it again")
        self.folder = folder
        self.threads = threads or cores()
        self.details: Mapping[str, object] = manifest.details
        if fingerprint(folder) != dict(manifest.fingerprint):
            raise FingerprintError(f"files of {str(folder)!r} are not those it was made with", fix="train it again")

    @property
    def description(self) -> bool:
        """Whether it reads descriptions beside titles."""
        return bool(self.details.get("description", False))

    def score(self, query: str, products: Sequence[Product]) -> Array:
        """Score products into ``(n,)`` float32; higher is better, 0 being neither relevant nor not."""
        return self.score_texts(query, [product_text(query, product, self.description) for product in products])

    def score_texts(self, query: str, texts: Sequence[str]) -> Array:
        """Score texts into ``(n,)`` float32."""
        return self.score_pairs([query] * len(texts), texts)

    def score_pairs(self, queries: Sequence[str], texts: Sequence[str]) -> Array:
        """Score each text for the query in the same place, ``(n,)`` float32."""
        asked = list(dict.fromkeys(queries))
        known = dict(zip(asked, self.tokenizer.ids(asked), strict=True))
        read = self.tokenizer.ids(texts)
        return self.score_ids(
            [self.tokenizer.pair(known[query], text) for query, text in zip(queries, read, strict=True)]
        )

    def score_ids(self, pairs: Sequence[Pair]) -> Array:
        """Score what `PairTokenizer.pair` gives, longest first so that the threads finish together."""
        scores = np.empty(len(pairs), np.float32)
        run = self._run

        def score(rows: Sequence[int]) -> None:
            for row in rows:
                pair = pairs[row]
                types = np.zeros((1, len(pair)), np.int64)
                types[0, pair.start :] = 1
                scores[row] = run({"input_ids": np.array([pair.ids], np.int64), "token_type_ids": types})[0]

        if len(pairs) < 2 or self.threads == 1:
            score(range(len(pairs)))
            return scores
        order = sorted(range(len(pairs)), key=lambda row: -len(pairs[row]))
        size = min(_GROUP, -(-len(order) // self.threads))
        pool = ThreadPoolExecutor(self.threads)
        try:
            for done in [pool.submit(score, order[at : at + size]) for at in range(0, len(order), size)]:
                done.result()
        finally:
            pool.shutdown(cancel_futures=True)
        return scores

    @cached_property
    def tokenizer(self) -> PairTokenizer:
        """What makes its token ids."""
        offset, most = self.details.get("han_offset"), int(str(self.details["max_tokens"]))
        single = (
            WordPieceTokenizer(self.folder, most)
            if offset is None
            else BilingualTokenizer(self.folder, int(str(offset)), most)
        )
        return PairTokenizer(single, int(str(self.details["query_tokens"])), most)

    @cached_property
    def _run(self) -> Run:
        return open_graph(self.folder / MODEL_FILE, str(self.details.get("runtime", ONNX)))
