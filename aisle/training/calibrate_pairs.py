"""Tables to calibrate from where there is no catalogue: pairs of a query and a text, each query's texts its candidates.

Knows pairs and an encoder. What a calibration learns of such pools holds for pools made the same way.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from aisle.judgments.pairs import PairSet
from aisle.ranking.cascade import STAGE as RERANK
from aisle.ranking.cut_features import Overlap, candidate_features
from aisle.ranking.fusion import fuse
from aisle.ranking.pool_bm25 import PoolBm25, Segmenter
from aisle.training.calibrate import QueryTable
from aisle.types import Array, Encoder, Part, Product


def pair_tables(
    pairs: PairSet,
    encoder: Encoder,
    segment: Segmenter,
    overlap: Overlap,
    weights: Mapping[str, float],
    reranked: Array | None = None,
) -> tuple[QueryTable, ...]:
    """One table for each query, its candidates in the order that the fusion of cosine and BM25 gives them.

    Args:
        pairs: With grades; rows without one are left out, after they have served as candidates.
        encoder: Reads titles; wording is looked for in titles and descriptions.
        segment: What cuts text for BM25.
        overlap: What measures wording.
        weights: Of the stages, as a recipe has them.
        reranked: A re-ranker's score of each pair, ``(n,)``: a feature, which leaves the order as it is.
    """
    texts = [pair.title for pair in pairs]
    bm25 = PoolBm25(texts, segment=segment).score([pair.query for pair in pairs], range(len(pairs)))
    distinct = list(dict.fromkeys(texts))
    place = {text: number for number, text in enumerate(distinct)}
    encoded = encoder.encode(distinct, "product")
    tables = []
    for rows in pairs.by_query().values():
        query = pairs[rows[0]].query
        vector: Array = encoder.encode([query], "query")[0]
        cosines = encoded[[place[texts[row]] for row in rows]] @ vector
        lists = {
            "bm25": _best_first({row: float(bm25[row]) for row in rows if bm25[row] > 0}),
            "dense:text": _best_first(dict(zip(rows, map(float, cosines), strict=True))),
        }
        scored = list(fuse(lists, weights))
        order = [int(item[0]) for item in scored]
        if reranked is not None:
            read = [Part(float(reranked[row]), None, 0.0) for row in order]
            scored = [
                (key, score, parts | {RERANK: part}) for (key, score, parts), part in zip(scored, read, strict=True)
            ]
        products = [Product(str(row), pairs[row].title, pairs[row].description) for row in order]
        vectors = encoded[[place[texts[row]] for row in order]]
        features = candidate_features(query, vector, scored, products, vectors, overlap)
        graded = [number for number, row in enumerate(order) if pairs[row].grade is not None]
        grades = np.array([pairs[order[number]].grade for number in graded], np.float64)
        tables.append(QueryTable(query, features[graded], grades))
    return tuple(tables)


def _best_first(scores: Mapping[int, float]) -> list[tuple[str, float]]:
    return [(str(row), score) for row, score in sorted(scores.items(), key=lambda item: (-item[1], str(item[0])))]
