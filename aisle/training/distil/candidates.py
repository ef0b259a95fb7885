"""The texts of each query: near by the student's vectors and by BM25, drawn by chance, and those it came with.

Knows queries, texts and vectors; no teacher. Every pair says what found it.
"""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aisle.ranking.pool_bm25 import Segmenter
from aisle.training.distil.queries import Asked
from aisle.training.distil.recipe import PairSettings
from aisle.types import Array

_CHUNK = 128
"""Queries compared with the whole catalogue at a time."""


@dataclass(frozen=True, slots=True)
class Listed:
    """A query with the numbers of its texts, each once, and what found each.

    That is "own" (it was made from it), "beside" (in a file of pairs), "dense", "words" or "chance".
    """

    asked: Asked
    texts: tuple[int, ...]
    found_by: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Near:
    """Vectors of a catalogue's distinct texts, ``(texts, dim)``, and of queries, ``(queries, dim)``; unit rows."""

    texts: Array
    queries: Array


def lists(
    asked: Sequence[Asked],
    texts: Sequence[str],
    known: Mapping[int, Sequence[int]],
    near: Near,
    settings: PairSettings,
    *,
    segment: Segmenter,
) -> list[Listed]:
    """For each query the texts that teachers are asked about.

    Args:
        asked: The queries.
        texts: The distinct texts of the catalogue.
        known: A query's place in ``asked`` to texts it came with: the title that it was made from, a file's pairs.
        near: Vectors in the order of both.
        settings: How many texts are drawn from how many best ones.
        segment: What cuts text for BM25.
    """
    dense = _nearest(near, settings.depth) if settings.dense else [[] for _ in asked]
    words = _by_words(asked, texts, settings.depth, segment) if settings.words else [[] for _ in asked]
    found = []
    for place, query in enumerate(asked):
        chance = random.Random(f"{settings.seed}:{query.text}")
        drawn: dict[int, str] = {}
        for text in known.get(place, ()):
            drawn.setdefault(text, "beside" if query.kind == "real" else "own")
        for ranked, count, name in ((dense[place], settings.dense, "dense"), (words[place], settings.words, "words")):
            fresh = [text for text in ranked if text not in drawn]
            for text in chance.sample(fresh, min(count, len(fresh))):
                drawn[text] = name
        for text in chance.sample(range(len(texts)), min(settings.chance, len(texts))):
            drawn.setdefault(text, "chance")
        if len(drawn) > 1:
            found.append(Listed(query, tuple(drawn), tuple(drawn.values())))
    return found


def _nearest(near: Near, depth: int) -> list[list[int]]:
    found: list[list[int]] = []
    for start in range(0, len(near.queries), _CHUNK):
        found += _best(near.queries[start : start + _CHUNK] @ near.texts.T, depth)
    return found


def _by_words(asked: Sequence[Asked], texts: Sequence[str], depth: int, segment: Segmenter) -> list[list[int]]:
    from aisle.ranking.pool_bm25 import PoolBm25

    bm25 = PoolBm25(texts, segment=segment)
    found: list[list[int]] = []
    for start in range(0, len(asked), _CHUNK):
        found += _best(bm25.against_all([query.text for query in asked[start : start + _CHUNK]]), depth, least=0.0)
    return found


def _best(scores: Array, depth: int, least: float = float("-inf")) -> list[list[int]]:
    """The columns of each row's highest scores above ``least``, best first; equal ones by column."""
    found = []
    for row in scores:
        top = np.argpartition(-row, depth)[:depth] if depth < len(row) else np.arange(len(row))
        top = top[np.lexsort((top, -row[top]))]
        found.append([int(text) for text in top if row[text] > least])
    return found


def write_provenance(
    path: Path, listed: Sequence[Listed], ids: Sequence[str], scores: Sequence[NDArray[np.float64]]
) -> None:
    """A line for each query: of which kind it is and what it was made from; its texts' ids, what found them, scores.

    Args:
        path: Gzipped JSON Lines; equal pairs give equal bytes.
        listed: The pairs.
        ids: Of the texts.
        scores: Of the teachers together, one row for each list.
    """
    with path.open("wb") as file, gzip.GzipFile("", "wb", fileobj=file, mtime=0) as packed:
        for one, scored in zip(listed, scores, strict=True):
            line: dict[str, Any] = {"query": one.asked.text, "kind": one.asked.kind, "source": one.asked.source}
            line |= {"ids": [ids[text] for text in one.texts], "found_by": one.found_by}
            line["scores"] = [round(float(score), 4) for score in scored]
            packed.write((json.dumps(line, ensure_ascii=False) + "\n").encode("utf-8", "surrogatepass"))
