"""How well suspicious categories are found: a share of livostyle's categories is corrupted at random and searched for.

    .venv/bin/python benchmarks/categories_livostyle.py [--data ../shared/data/livostyle] [--share 0.05] [--top 30]

The catalogue's own errors are there too, so a flag on an uncorrupted product may be right: precision over the
corruptions alone is a lower bound, and the flags of the untouched catalogue are printed for checking by hand.
"""

from __future__ import annotations

import argparse
import json
import random
import sys
from pathlib import Path

from aisle.catalogue.categories import suspicious
from aisle.catalogue.clean import clean
from aisle.config import CatalogueSettings


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/livostyle"))
    parser.add_argument("--share", type=float, default=0.05)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--top", type=int, default=0, help="print this many flags of the untouched catalogue")
    options = parser.parse_args()
    file = options.data / "products.parquet"
    if not file.exists():
        sys.exit(f"{file} is missing: take it from arturayupov/womens-fashion-catalog-open-data (MIT)")
    with clean(file, CatalogueSettings(near_duplicates=False)) as catalogue:
        products = [(p.title, p.category) for p in catalogue]
    titles, paths = [t for t, _ in products], [c for _, c in products]
    original = suspicious(titles, paths)
    already = {flag.position for flag in original}
    for flag in original[: options.top]:
        own, other = " > ".join(paths[flag.position]), " > ".join(flag.suggested)
        print(f"{flag.score:.1f} | {titles[flag.position]} | {own} | {other}")
    rounds = []
    for seed in range(options.seeds):
        chance = random.Random(seed)
        chosen = set(chance.sample(range(len(paths)), round(options.share * len(paths))))
        others = sorted(set(paths))
        wrong = [
            chance.choice([o for o in others if o != path]) if i in chosen else path for i, path in enumerate(paths)
        ]
        flagged = {flag.position for flag in suspicious(titles, wrong)}
        hits = len(flagged & chosen)
        new = flagged - already
        rounds.append((hits / len(chosen), hits / max(1, len(flagged)), len(new & chosen) / max(1, len(new))))
    recall, lower, without = (round(sum(column) / len(rounds), 3) for column in zip(*rounds, strict=True))
    print(
        json.dumps(
            {
                "products": len(paths),
                "flags on the untouched catalogue": len(original),
                "share corrupted": options.share,
                "seeds": options.seeds,
                "recall of corruptions": recall,
                "precision, every other flag counted as wrong": lower,
                "precision, flags the untouched catalogue gets too left out": without,
            },
            indent=1,
        )
    )


if __name__ == "__main__":
    main()
