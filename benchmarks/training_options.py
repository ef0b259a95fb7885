"""What options of `aisle train` bring on CrowdFlower: R-Drop, softened grades, hard negatives from an index, a moving
average of the weights, adversarial weights and word vectors, vectors held to what they were, other losses.

    python benchmarks/training_options.py --work DIR [--folds 2] [--only OPTION ...] [--whole] [--name NAME]

An encoder is trained for one epoch on four fifths of CrowdFlower's queries, once as the recipe has it and once with
each option, and judged by the fifth that is left; as many fifths as --folds says. nDCG@10 inside the judged texts, as
benchmarks/relevance.py, of the 8-bit files; differences are to the training without an option, and that to no training.
Hard negatives come from an index of all of CrowdFlower's titles. --whole also ranks all of these titles for every
query, unjudged ones counting as wrong, where negatives should help most. DIR keeps models and scores; what is there is
only read again. Needs aisle[train].
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from record import record
from relevance import line, shop, told, versus

from aisle.cli.train import hard_negatives
from aisle.config import Recipe
from aisle.encoders.embedded import FOLDER
from aisle.encoders.onnx import OnnxEncoder
from aisle.engine import SearchEngine
from aisle.evaluate.pools import pool_ndcg
from aisle.judgments.pairs import PairSet
from aisle.training.relevance.data import turns
from aisle.training.relevance.encoder_route import EncoderRoute
from aisle.training.relevance.extras import Extras
from aisle.training.relevance.recipe import TrainingRecipe, load_recipe
from aisle.types import Product

BASE = ["fit.epochs=1", "fit.threads=1", "fit.track=none"]
OPTIONS: Mapping[str, list[str]] = {
    "no option": [],
    "dropout .1": ["fit.dropout=0.1"],
    "dropout .1, R-Drop 1": ["fit.dropout=0.1", "fit.r_drop=1"],
    "grades softened by the variance": ["fit.smooth=1"],
    "hard negatives": ["negatives.depth=100"],
    "moving average": ["fit.average=0.95"],
    "adversarial weights": ["fit.adversarial=0.001"],
    "adversarial word vectors": ["fit.fgm=0.02"],
    "four seeds in one": ["fit.seeds=4"],
    "lambdaloss": ["fit.loss=lambdaloss"],
    "listmle": ["fit.loss=listmle"],
    "vectors kept": ["fit.keep=1"],
}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--folds", type=int, default=2)
    parser.add_argument("--only", nargs="*", choices=list(OPTIONS), default=list(OPTIONS))
    parser.add_argument("--whole", action="store_true")
    parser.add_argument("--name", default="training_options", help="of the file in benchmarks/results")
    given = parser.parse_args()
    given.work.mkdir(parents=True, exist_ok=True)
    pairs = shop(given.data, "crowdflower")
    held = [np.flatnonzero(rows).tolist() for rows in turns(pairs, 0)[: given.folds]]
    numbers: dict[str, Any] = {"notes": " ".join(__doc__.split()), "folds": given.folds, "rows": {}}
    print("| what | queries | before | after | difference, 95% | p | detectable | |\n" + "|---" * 8 + "|", flush=True)
    found: dict[str, dict[str, float]] = {}
    for name in given.only:
        recipe = load_recipe("encoder", [*BASE, *OPTIONS[name]])
        mined = hard_negatives(indexed(pairs, given.work), pairs, recipe) if name == "hard negatives" else None
        places = [given.work / f"{re.sub('[^a-zA-Z]', '', name)}{fold}" for fold in range(len(held))]
        folders = [trained(place, pairs, rows, recipe, mined) for place, rows in zip(places, held, strict=True)]
        for label, rank in (("", inside), *([(", whole", whole)] if given.whole else [])):
            found.setdefault("zero-shot" + label, ranked([FOLDER] * len(held), held, pairs, rank))
            found[name + label] = ranked(folders, held, pairs, rank)
            plain = found.get("no option" + label)
            before = found["zero-shot" + label] if plain is None or name == "no option" else plain
            after = found[name + label]
            values = {"english": list(before.values()), "encoder": [after[query] for query in before]}
            numbers["rows"][name + label] = row = versus(values)
            print(line(name + label, row), flush=True)
    record(given.name, numbers)
    return 0


def trained(place: Path, pairs: PairSet, held: list[int], recipe: TrainingRecipe, mined: PairSet | None) -> Path:
    """The folder of an encoder that did not learn from the rows that are held, nor from negatives of their queries."""
    folder = place / "model" / "folder"
    if not (folder / "manifest.json").exists():
        rest = pairs.subset(sorted(set(range(len(pairs))) - set(held)))
        place.mkdir(exist_ok=True)
        route = EncoderRoute(recipe, [], place, told, print, extras=Extras(negatives=mined))
        route.train([rest], rest.subset([]), "model", recipe.fit)
    return folder


def indexed(pairs: PairSet, work: Path) -> Path:
    """An index of all titles."""
    folder = work / "index"
    if not (folder / "manifest.json").exists():
        titles = dict.fromkeys(pair.title for pair in pairs)
        products = [Product(str(row), title) for row, title in enumerate(titles)]
        SearchEngine.build(products, folder, Recipe()).close()
    return folder


def ranked(folders: list[Path], held: list[list[int]], pairs: PairSet, rank: Any) -> dict[str, float]:
    """nDCG@10 of every query, by the model that did not learn from it."""
    found: dict[str, float] = {}
    for folder, rows in zip(folders, held, strict=True):
        found |= rank(OnnxEncoder(folder), pairs.subset(rows), pairs)
    return found


def inside(encoder: OnnxEncoder, held: PairSet, pairs: PairSet) -> dict[str, float]:
    """Within the judged texts."""
    texts = {text: row for row, text in enumerate(dict.fromkeys(pair.title for pair in held))}
    asked = {text: row for row, text in enumerate(dict.fromkeys(pair.query for pair in held))}
    vectors, queries = encoder.encode(list(texts), "product"), encoder.encode(list(asked), "query")
    scores = [queries[asked[pair.query]] @ vectors[texts[pair.title]] for pair in held]
    return pool_ndcg(held.by_query(), held.levels(), np.array(scores))


def whole(encoder: OnnxEncoder, held: PairSet, pairs: PairSet) -> dict[str, float]:
    """Among all titles, those that are not judged for the query as good as the worst."""
    titles = list(dict.fromkeys(pair.title for pair in pairs))
    vectors = encoder.encode(titles, "product")
    levels = held.levels()
    found = {}
    for query_id, rows in held.by_query().items():
        graded = {held[row].title: float(levels[row]) for row in rows}
        every = np.array([graded.get(title, 0.0) for title in titles])
        scores = vectors @ encoder.encode([held[rows[0]].query], "query")[0]
        found |= pool_ndcg({query_id: range(len(titles))}, every, scores)
    return found


if __name__ == "__main__":
    sys.exit(main())
