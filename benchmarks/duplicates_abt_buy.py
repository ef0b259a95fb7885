"""Precision, recall and F1 of the near-duplicate decision on Abt-Buy, as pairs and through the whole grouping.

    .venv/bin/python benchmarks/duplicates_abt_buy.py [--data ../shared/data/abt_buy] [--split test]

The labels say whether two shops' offers are the same product. Settings were chosen on train and valid only.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
from pathlib import Path

from aisle.catalogue.families import FamilyFinder
from aisle.catalogue.similar import same_product, signature
from aisle.language.normalise import normalise

_FIELD = re.compile(r"COL (name|description|price) VAL (.*?)(?= COL |$)")


def read(path: Path) -> list[tuple[str, str, bool]]:
    """(name in one shop, name in the other, same product) for each labelled pair."""
    pairs = []
    for line in path.read_text(encoding="utf-8").splitlines():
        left, right, label = line.split("\t")
        names = [normalise(dict(_FIELD.findall(side)).get("name", "").strip()) for side in (left, right)]
        pairs.append((names[0], names[1], label.strip() == "1"))
    return pairs


def scores(decided: list[bool], truth: list[bool]) -> dict[str, float]:
    hits = sum(d and t for d, t in zip(decided, truth, strict=True))
    precision, recall = hits / max(1, sum(decided)), hits / max(1, sum(truth))
    f1 = 2 * precision * recall / max(precision + recall, 1e-9)
    return {"precision": round(precision, 3), "recall": round(recall, 3), "f1": round(f1, 3), "pairs": len(truth)}


def as_pairs(pairs: list[tuple[str, str, bool]]) -> dict[str, float]:
    """Each labelled pair decided by itself."""
    return scores([same_product(signature(a), signature(b)) for a, b, _ in pairs], [same for *_, same in pairs])


def as_families(pairs: list[tuple[str, str, bool]]) -> dict[str, float]:
    """All names of the split grouped as one catalogue; a pair is decided the same when both are in one family."""
    names = sorted({f"a|{a}" for a, _, _ in pairs} | {f"b|{b}" for _, b, _ in pairs})
    finder = FamilyFinder()
    for name in names:
        finder.add(name, name[2:])
    family = finder.families()
    decided = [family.get(f"a|{a}", 1) == family.get(f"b|{b}", 2) for a, b, _ in pairs]
    return scores(decided, [same for *_, same in pairs])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data/abt_buy"))
    parser.add_argument("--split", choices=["train", "valid", "test"], default="test")
    options = parser.parse_args()
    path = options.data / f"{options.split}.txt"
    if not path.exists():
        sys.exit(f"{path} is missing: the Abt-Buy pairs are not part of this repository (research licence)")
    pairs = read(path)
    print(
        json.dumps(
            {"split": options.split, "as pairs": as_pairs(pairs), "through grouping": as_families(pairs)}, indent=1
        )
    )


if __name__ == "__main__":
    main()
