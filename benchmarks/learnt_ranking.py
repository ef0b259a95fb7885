"""What learnt ranking brings over hybrid search, whole catalogue, every query held out once (five folds by query).

    python benchmarks/learnt_ranking.py --work DIR [--models DIR] [--data ../shared/data] [--only SHOP ...]

Icecat is in the repository; CrowdFlower and 600 queries of Home Depot are measured where their data is (see
benchmarks/fusion.py for what is a product there). nDCG@10 with gain 2^grade - 1 and discount log2(rank + 1), unjudged
products counted as wrong and removed. Trees are chosen, and everything is fitted, within the training folds. The
defaults were chosen on Icecat's folds and not changed for the other shops. With --models, the folder that
`python benchmarks/relevance.py --work DIR --only icecat` filled, the encoder of a fold (trained without its queries)
re-ranks as the feature "rerank". An encoder of another fold did learn from the queries that are held out, and its
scores of its own fold teach the weight of that feature: one number, of little matter. DIR keeps the indexes and models.
"""

from __future__ import annotations

import argparse
import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import fusion
import numpy as np
from record import record

from aisle.catalogue.render import Renderer
from aisle.config import RenderSettings
from aisle.encoders.onnx import OnnxEncoder
from aisle.engine import SearchEngine
from aisle.evaluate import PairedDifference
from aisle.judgments.split import folds
from aisle.learn_ranking import gather
from aisle.provenance import made_with
from aisle.ranking.features import FEATURES, NAMES
from aisle.rerankers.load import load_reranker
from aisle.training.gate import format_verdict
from aisle.training.ranking.build import train_ranking
from aisle.training.ranking.crossfit import Scores, cross_fit, fused, measured
from aisle.training.ranking.data import QueryTable
from aisle.training.ranking.evidence import difference
from aisle.training.ranking.fit import fit
from aisle.training.ranking.recipe import RankingRecipe
from aisle.types import Array, Judgment, Product

TREATMENTS = ("removed", "wrong")
PLAIN = RankingRecipe(rounds=0, choose=False)
SIGNED = tuple(feature.name for feature in FEATURES if feature.sign)
VARIANTS: dict[str, RankingRecipe] = {
    "linear": PLAIN,
    "linear, unjudged left out": RankingRecipe(rounds=0, choose=False, unjudged=0.0),
    "linear, unjudged .02": RankingRecipe(rounds=0, choose=False, unjudged=0.02),
    "linear, unjudged .3": RankingRecipe(rounds=0, choose=False, unjudged=0.3),
    "linear, unjudged as wrong as judged": RankingRecipe(rounds=0, choose=False, unjudged=1.0),
    "linear, fusion and wording": RankingRecipe(rounds=0, choose=False, linear=("fused", "wording")),
    "linear, without neighbours": RankingRecipe(rounds=0, choose=False, linear=("fused", "cosine:share", "wording")),
    "linear, every feature with a sign": RankingRecipe(rounds=0, choose=False, linear=SIGNED),
    "linear, every feature": RankingRecipe(rounds=0, choose=False, linear=NAMES),
    "linear, then 60 trees": RankingRecipe(choose=False),
    "linear, then 120 trees": RankingRecipe(choose=False, rounds=120),
    "fusion, then 60 trees": RankingRecipe(choose=False, linear=("fused",)),
    "fusion, then 120 trees": RankingRecipe(choose=False, linear=("fused",), rounds=120),
    "linear, every feature, then 60 trees": RankingRecipe(choose=False, linear=NAMES),
    "chosen within the training folds (default)": RankingRecipe(),
    "linear, first 20 products": RankingRecipe(rounds=0, choose=False, depth=20),
    "linear, first 50 products": RankingRecipe(rounds=0, choose=False, depth=50),
    "linear, first 100 products": RankingRecipe(rounds=0, choose=False, depth=100),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--models", type=Path)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--only", nargs="*", choices=["icecat", "crowdflower", "homedepot"])
    given = parser.parse_args()
    given.work.mkdir(parents=True, exist_ok=True)
    numbers: dict[str, Any] = {"notes": " ".join(__doc__.split()), "shops": {}}
    tables: dict[str, list[QueryTable]] = {}
    for name, products, judgments in fusion.shops(given.data):
        if given.only and name not in given.only:
            continue
        with SearchEngine.build(products, given.work / f"index_{name}") as engine:
            tables[name] = list(gather(engine, judgments, PLAIN.depth))
            numbers["shops"][name] = variants(name, tables[name])
            trained = train_ranking(
                tables[name],
                RankingRecipe(),
                given.work / f"ranking_{name}",
                made_with=made_with(engine.encoder, engine.recipe),
            )
            print(*format_verdict(trained.verdict), sep="\n", flush=True)
            if name == "icecat" and given.models:
                numbers["shops"][name] |= with_models(engine, judgments, tables[name], given.models)
    for name, row in transfers(tables).items():
        numbers["shops"][name] = row
    record("learnt_ranking", numbers)


def variants(name: str, tables: Sequence[QueryTable]) -> dict[str, Any]:
    """Each variant against hybrid."""
    return {
        label: compared(f"{name}: hybrid -> {label}", tables, fused(tables), at_depth(tables, recipe))
        for label, recipe in VARIANTS.items()
    }


def at_depth(tables: Sequence[QueryTable], recipe: RankingRecipe) -> list[Any]:
    """Held-out scores; what lies below the depth keeps its place below."""
    found = []
    for scores in cross_fit(tables, recipe).scores:
        below = scores.copy()
        low = scores.min(initial=0.0) - 1
        below[recipe.depth :] = [low - place for place in range(len(scores[recipe.depth :]))]
        found.append(below)
    return found


def with_models(
    engine: SearchEngine, judgments: Sequence[Judgment], tables: Sequence[QueryTable], models: Path
) -> dict[str, Any]:
    """The same with the scores of the encoder that did not learn from a query, against hybrid and against without."""
    turn = {query: number for number, fold in enumerate(folds(judgments, 5, 0)) for query in fold.test.queries}
    column = NAMES.index("rerank")
    few_then_trees = RankingRecipe(choose=False)
    without = {"": cross_fit(tables, RankingRecipe()).scores, ", no choice": cross_fit(tables, few_then_trees).scores}
    found = {}
    deep = dataclasses.replace(engine.recipe.search, rerank_depth=PLAIN.depth)  # all of them are read
    engine = engine.with_recipe(dataclasses.replace(engine.recipe, search=deep))
    for kind, made in (("titles", load_reranker), ("whole text", WholeText)):
        rerankers = [made(models / f"icecat{number}") for number in range(5)]
        full = list(gather(engine, judgments, PLAIN.depth, reranker_of=lambda query: rerankers[turn[query]]))  # noqa: B023
        alone = [table.features[:, column].astype(float) for table in full]
        rows: dict[str, tuple[Scores, Scores]] = {f"hybrid -> encoder ({kind}) alone": (fused(tables), alone)}
        for name, recipe in (("", RankingRecipe()), (", no choice", few_then_trees)):
            also = cross_fit(full, recipe).scores
            rows[f"hybrid -> learnt with encoder ({kind}{name})"] = (fused(tables), also)
            rows[f"learnt -> learnt with encoder ({kind}{name})"] = (without[name], also)
        for label, (before, after) in rows.items():
            found[label] = compared(f"icecat: {label}", tables, before, after)
    return found


class WholeText:
    """An encoder folder as a re-ranker that reads what an index made with it would: title, brand, category, text."""

    def __init__(self, folder: Path) -> None:
        self.encoder = OnnxEncoder(folder)
        self.renderer = Renderer(RenderSettings(), self.encoder.count_tokens)

    def score(self, query: str, products: Sequence[Product]) -> Array:
        texts = [self.renderer.text(product) for product in products]
        return np.asarray(self.encoder.encode(texts, "product") @ self.encoder.encode([query], "query")[0])


def transfers(tables: dict[str, list[QueryTable]]) -> dict[str, Any]:
    """A linear part fitted to one shop, on another, untouched."""
    found = {}
    for one in tables:
        model = fit(tables[one], PLAIN)
        for other in tables:
            if one != other:
                scores = [model.score(table.features) for table in tables[other]]
                label = f"{one}'s linear part on {other}"
                found[label] = compared(label, tables[other], fused(tables[other]), scores)
    return found


def compared(label: str, tables: Sequence[QueryTable], before: Scores, after: Scores) -> dict[str, Any]:
    """Both means and the paired difference, for both treatments of unjudged products; printed as a row."""
    row: dict[str, Any] = {}
    shown = [label]
    for treatment in TREATMENTS:
        means = [mean(measured(tables, scores, treatment)) for scores in (before, after)]
        found = difference(tables, before, after, treatment)
        row[treatment] = {"before": means[0], "after": means[1], **told(found)}
        shown.append(
            f"{means[0]:.3f} -> {means[1]:.3f}, {found.interval.mean:+.3f} [{found.interval.low:+.3f}, "
            f"{found.interval.high:+.3f}], p {found.p:.4f}, detectable {found.detectable or 0:.3f}"
        )
    print("| " + " | ".join(shown) + " |", flush=True)
    return row


def told(found: PairedDifference) -> dict[str, Any]:
    return dataclasses.asdict(found.interval) | {"p": found.p, "detectable": found.detectable}


def mean(values: dict[str, float]) -> float:
    return sum(values.values()) / len(values)


if __name__ == "__main__":
    main()
