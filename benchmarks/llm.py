"""The plumbing of language models, end to end: Icecat's judgments through a real server that answers by a cosine.

    python benchmarks/llm.py [--queries N]

nDCG@10 inside each query's judged titles, for every kind of re-ranker, beside the cosine itself: the order must be the
same, so the numbers must be. It says nothing of how well a language model ranks. Answers are kept in a store, asked for
twice, so that the second round must ask nothing.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from record import record

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from aisle.encoders.embedded import FOLDER  # noqa: E402
from aisle.evaluate.pools import mean_ndcg  # noqa: E402
from aisle.rerankers.cosine import CosineReranker  # noqa: E402
from aisle.rerankers.llm.load import of_spec  # noqa: E402
from aisle.rerankers.llm.spec import spec_of  # noqa: E402
from aisle.training.relevance.catalogue import judged_products  # noqa: E402
from aisle.types import Product  # noqa: E402
from tests.llm.server import LlmServer  # noqa: E402

SAMPLE = ROOT / "samples" / "icecat"
KINDS: dict[str, dict[str, Any]] = {
    "pointwise": {},
    "graded": {"kind": "graded"},
    "pointwise, qwen3": {"prompt": "qwen3", "llm": {"api": "completions"}},
    "pairwise, sliding, 10 passes": {"kind": "pairwise"},
    "listwise, windows of 20": {"kind": "listwise"},
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--queries", type=int, default=20, help="the first so many of Icecat's")
    given = parser.parse_args()
    pairs = judged_products(SAMPLE / "products.jsonl.gz", SAMPLE / "ratings.csv", False)
    rows = [row for found in list(pairs.by_query().values())[: given.queries] for row in found]
    pairs = pairs.subset(rows)
    levels, groups = pairs.levels(), pairs.by_query()
    cosines = scores(CosineReranker(FOLDER), pairs)
    found: dict[str, Any] = {"the cosine itself": {"ndcg": mean_ndcg(groups, levels, cosines)}}
    with LlmServer() as server, tempfile.TemporaryDirectory() as folder:
        for name, changes in KINDS.items():
            llm = {"endpoint": server.url, "model": "judge", "store": f"{folder}/{name}"} | changes.get("llm", {})
            spec = spec_of({"fields": ["title"]} | changes | {"llm": llm})
            rounds = []
            for _ in range(2):
                model = of_spec(spec)
                began = time.perf_counter()
                ranked = scores(model, pairs)
                rounds.append((time.perf_counter() - began, model.client.cost()))
                model.client.close()
            found[name] = {
                "ndcg": mean_ndcg(groups, levels, ranked),
                "queries_in_the_same_order": same(groups, ranked, cosines),
                "requests": rounds[0][1].requests,
                "requests_again": rounds[1][1].requests,
                "seconds": round(rounds[0][0], 1),
                "seconds_again": round(rounds[1][0], 2),
                "failures": dict(rounds[0][1].failures),
            }
            print(name, found[name], flush=True)
    record("llm", {"notes": " ".join(__doc__.split()), "queries": len(groups), "pairs": len(pairs), "kinds": found})
    return 0


def scores(model: Any, pairs: Any) -> Any:
    found = np.empty(len(pairs), np.float32)
    for rows in pairs.by_query().values():
        found[rows] = model.score(pairs[rows[0]].query, [Product(pairs[row].doc_id, pairs[row].title) for row in rows])
    return found


def same(groups: Any, one: Any, other: Any) -> int:
    """Queries whose texts stand in one order; texts of equal cosine may stand either way."""
    count = 0
    for rows in groups.values():
        order = sorted(rows, key=lambda row: -one[row])
        count += all(other[a] >= other[b] - 1e-6 for a, b in itertools.pairwise(order))
    return count


if __name__ == "__main__":
    sys.exit(main())
