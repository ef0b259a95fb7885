"""Where the embedded encoder fails: the failures of docs/encoder.md, found again.

    python benchmarks/encoder_failures.py [--all]

Held-out categories of Shopify's taxonomy: each Chinese name among 1,000 English ones, those of benchmarks/bilingual.py;
--all prints every one that is not nearest to its own name. Titles: queries that ask for more than a thing, among the
13,000 Chinese titles written for the encoder, most of which it has learnt from.
"""

from __future__ import annotations

import argparse
import sys

import numpy as np
from bilingual import INPUTS, category_pairs
from bilingual_measures import asked_among
from record import record

from aisle.encoders.embedded import EmbeddedEncoder
from aisle.training.bilingual import sources

CATEGORIES = (
    "大号", "男用短衬裤", "绒球装饰", "牙胶", "比色皿", "油炸面包丁", "秘鲁胡萝卜", "肉汁酱", "咖啡机过滤手柄", "滤锅",
    "家具套", "活页挂板", "插齿刀",
)  # fmt: skip
TITLES = ("iPhone 14 手机壳", "不含酒精的香水", "42码男鞋", "左撇子剪刀", "倍轻松", "小米", "充电保")
SHOWN = 3


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--all", action="store_true", help="every category that is not found first")
    given = parser.parse_args()
    encoder = EmbeddedEncoder()
    pairs, count = asked_among(*category_pairs())
    scores = (
        encoder.encode([zh for zh, _ in pairs[:count]], "query") @ encoder.encode([en for _, en in pairs], "product").T
    )
    order = np.argsort(-scores, axis=1, kind="stable")
    places = [int(np.flatnonzero(order[row] == row)[0]) + 1 for row in range(count)]
    failed = [row for row in range(count) if places[row] > 1 and (given.all or pairs[row][0] in CATEGORIES)]
    numbers: dict[str, object] = {
        "notes": " ".join((__doc__ or "").split()),
        "categories": {"asked": count, "candidates": len(pairs), "not first": sum(place > 1 for place in places)},
        "failures": {
            pairs[row][0]: {"expected": pairs[row][1], "place": places[row], "found": pairs[order[row][0]][1]}
            for row in failed
        },
    }
    print(f"{numbers['categories']}\n| query | expected | its place | found first |\n|---|---|---|---|")
    for row in failed:
        print(f"| {pairs[row][0]} | {pairs[row][1]} | {places[row]} | {pairs[order[row][0]][1]} |")
    titles = [title.zh for stage in (1, 2) for title in sources.shop_titles(INPUTS, stage)]
    best = np.argsort(-encoder.encode(TITLES, "query") @ encoder.encode(titles, "product").T, axis=1, kind="stable")
    numbers["titles"] = {query: [titles[i] for i in best[row][:SHOWN]] for row, query in enumerate(TITLES)}
    print("\n| query | found |\n|---|---|")
    for row, query in enumerate(TITLES):
        print(f"| {query} | {'; '.join(titles[i] for i in best[row][:SHOWN])} |")
    if not given.all:
        record("encoder_failures", numbers)
    return 0


if __name__ == "__main__":
    sys.exit(main())
