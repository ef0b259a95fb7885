"""How often drift of queries is found, and how often it is raised without any, by sample size, on real queries.

    python benchmarks/drift.py --data ../shared/data [--trials 200]

A reference of R queries and a window of N are drawn without repeats from real query lists: the same list (false
alarms) or two lists (detections). MMD on the embedded encoder's vectors at p < .01 (199 permutations), PSI of the
queries' lengths by its p < .01 and by the custom of value > .25, unseen words above their expectation (one-sided
binomial at p < .01, with Good's estimate as the rate). "mixed 20%": a fifth of the window is of the other list.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from record import record
from scipy.stats import binom

from aisle.encoders.embedded import EmbeddedEncoder
from aisle.monitor.drift import count_words, mmd, psi, unseen

SAMPLE = Path(__file__).parent.parent / "samples" / "icecat"
SIZES = (20, 40, 80, 160, 320)
POOL = 2_000
PAIRS = (
    ("homedepot", "homedepot", 1.0),
    ("taobao", "taobao", 1.0),
    ("homedepot", "crowdflower", 1.0),
    ("homedepot", "icecat", 1.0),
    ("homedepot", "crowdflower", 0.2),
    ("homedepot", "taobao", 0.2),
    ("crowdflower", "icecat", 1.0),
    ("taobao", "homedepot", 0.2),
)


def queries(data: Path) -> dict[str, list[str]]:
    """Each list's queries, once each."""

    def column(path: Path, name: str) -> list[str]:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return list(dict.fromkeys(row[name] for row in csv.DictReader(file)))

    taobao = (data / "taobao_queries" / "multicpr_train.query.txt").read_text(encoding="utf-8").splitlines()
    return {
        "icecat": column(SAMPLE / "ratings.csv", "query"),
        "crowdflower": column(data / "crowdflower" / "pairs.csv", "query"),
        "homedepot": column(data / "homedepot" / "pairs.csv", "search_term"),
        "taobao": list(dict.fromkeys(line.partition("\t")[2] for line in taobao if "\t" in line)),
    }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--trials", type=int, default=200)
    given = parser.parse_args()
    generator = np.random.default_rng(0)
    encoder = EmbeddedEncoder()
    texts: dict[str, list[str]] = {}
    vectors: dict[str, Any] = {}
    for name, found in queries(given.data).items():
        at = np.sort(generator.permutation(len(found))[:POOL])
        texts[name] = [found[int(row)] for row in at]
        vectors[name] = encoder.encode(texts[name], "query")
        print(f"{name}: {len(found):,} queries, {len(at):,} drawn", flush=True)
    rows = []
    for reference, now, share in PAIRS:
        for size in SIZES:
            found = trial_rates(texts, vectors, (reference, now, share), size, given.trials, generator)
            if found is None:
                continue
            rows.append({"reference": reference, "now": now, "share": share, "size": size, **found})
            print(rows[-1], flush=True)
    record("drift", {"notes": " ".join((__doc__ or "").split()), "trials": given.trials, "rows": rows})
    return 0


def trial_rates(
    texts: dict[str, list[str]],
    vectors: dict[str, Any],
    pair: tuple[str, str, float],
    size: int,
    trials: int,
    generator: np.random.Generator,
) -> dict[str, float] | None:
    """Share of trials in which each test raises an alarm; None where the lists are too short for the size."""
    reference, now, share = pair
    other = round(size * share) if now != reference else 0
    own = size - other
    if len(texts[reference]) < size + own or (other and len(texts[now]) < other):
        return None
    alarms: dict[str, list[bool]] = {"mmd": [], "psi p": [], "psi > .25": [], "unseen": []}
    for number in range(trials):
        mine = generator.permutation(len(texts[reference]))[: size + own]
        theirs = generator.permutation(len(texts[now]))[:other]
        before, after = texts_of(texts[reference], mine[:size]), texts_of(texts[reference], mine[size:])
        after += texts_of(texts[now], theirs)
        window = np.concatenate([vectors[reference][mine[size:]], vectors[now][theirs]])
        apart = mmd(vectors[reference][mine[:size]], window, seed=number, permutations=199)
        lengths = psi([len(text) for text in before], [len(text) for text in after])
        new = unseen(count_words(before), count_words(after))
        assert apart is not None
        assert new is not None
        alarms["mmd"].append(apart.p < 0.01)
        alarms["psi p"].append(lengths is not None and lengths.p < 0.01)
        alarms["psi > .25"].append(lengths is not None and lengths.value > 0.25)
        hits = round(new.share * new.count)
        alarms["unseen"].append(bool(binom.sf(hits - 1, new.count, new.expected) < 0.01))
    return {name: float(np.mean(raised)) for name, raised in alarms.items()}


def texts_of(texts: Sequence[str], rows: Sequence[int]) -> list[str]:
    """Those of some rows."""
    return [texts[int(row)] for row in rows]


if __name__ == "__main__":
    raise SystemExit(main())
