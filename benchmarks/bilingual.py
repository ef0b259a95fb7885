"""How well one encoder serves Chinese and English shops, beside an English-only one.

    python benchmarks/bilingual.py [--data ../shared/data] [--encoder embedded|DIR] [--english DIR] [--failures]

`--english` is a folder made by `python scripts/export_minilm.py --out DIR`; without it the English columns are left
out. Data that is not there is left out too, and named. `--limit N` cuts everything to try the script, and records
nothing. Needs no PyTorch.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import bilingual_measures as measures
from bilingual_measures import Encoders, Row
from icecat_quality import ROOT, SAMPLE, cell, short
from record import record
from rich.cells import set_cell_size

from aisle.encoders.embedded import EmbeddedEncoder
from aisle.encoders.load import EMBEDDED
from aisle.encoders.onnx import OnnxEncoder
from aisle.errors import AisleError
from aisle.evaluate import bootstrap_mean, detectable_difference, sign_flip_p
from aisle.evaluate.statistics import Interval
from aisle.training.bilingual import sources

INPUTS = ROOT / "data"
TAIWAN = INPUTS / "held_out" / "titles_tw.tsv"
WORST = 40
SAME = 1e-12
NOTES = (
    "Brackets: 95% percentile bootstrap over queries. Difference: encoder minus English-only, query by query; p: paired"
    " sign-flip permutation test, two-sided.",
    "Chinese search: multicpr_mini, whole corpus; 1/rank of the first title with label 1 down to rank 10, else 0."
    " Label 0 is ignored: such a title counts as not relevant, like every unjudged one.",
    "Translation: a hit is the own translation strictly nearest among the candidates; a tie is a miss. Held-out pairs"
    " only are asked; each text occurs once among the candidates, whatever its case and its kind of characters.",
    f"nDCG@10: {measures.NDCG.definition}. Queries without any product of grade >= 1 are left out.",
    "Icecat: dense search of the whole catalogue, 1,000 deep, grades 0-3; unjudged products count as not relevant"
    " (unjudged = wrong) or are taken out of the ranking first (judged only).",
    "crowdflower: grade = median relevance - 1; homedepot: grade = relevance to the nearest integer (halves up) - 1;"
    " ranked inside each query's judged titles, so nothing is unjudged; equal cosines keep the file's order.",
    "Same product word: ecommerce_ner dev and test, distinct titles with a product word (HCCX); the share of a title's"
    " 5 nearest others that have one in common with it, as the exact string.",
    f"Speed: p50 over single queries, {measures.ROUNDS} rounds, the workloads in turns in one process; ratios to the"
    " English-only encoder on the Icecat queries.",
)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--encoder", default=EMBEDDED, help=f"{EMBEDDED!r} or an encoder's folder")
    parser.add_argument("--english", type=Path, help="the folder of an English-only encoder")
    parser.add_argument("--limit", type=int, help="so many queries, candidates and products; nothing is recorded")
    parser.add_argument("--failures", action="store_true", help=f"print the {WORST} worst Chinese queries, for reading")
    arguments = parser.parse_args()
    if arguments.limit is not None and arguments.limit < 1:
        parser.error(f"--limit {arguments.limit}: at least 1")
    try:
        measure(arguments)
    except AisleError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    return 0


def measure(arguments: argparse.Namespace) -> None:
    encoders = load(arguments.encoder, arguments.english)
    limit, chinese = arguments.limit, arguments.data / "multicpr_mini"
    numbers: dict[str, Any] = {
        "encoders": {name: {"folder": e.folder.name, "fingerprint": e.fingerprint} for name, e in encoders.items()},
        "notes": NOTES,
        "left_out": [] if arguments.english else ["English-only encoder: --english was not given"],
        "parts": {},
    }
    print("\n".join(NOTES))
    for message in numbers["left_out"]:
        print(f"left out: {message}")
    header(encoders)
    for part, needed, run in plan(encoders, arguments.data, limit):
        if not needed.exists():
            numbers["left_out"].append(f"{part}: no {needed.name}")
            print(f"\n{part}: left out, {str(needed)!r} is not there", flush=True)
            continue
        print(f"\n{part}", flush=True)
        found = numbers["parts"][part] = {}
        for row in run():
            found[row.name] = summarise(row)
            show(row.name, found[row.name])
    numbers["cosines"] = cosines(encoders)
    numbers["size"] = size(encoders)
    numbers["speed"] = speed(encoders, chinese)
    if arguments.failures and chinese.exists():
        failures(encoders["encoder"], chinese, limit)
    if limit is None:
        record("bilingual", numbers)
    else:
        print(f"\nnot recorded: everything was cut to {limit}")


def load(encoder: str, english: Path | None) -> Encoders:
    """The encoders by the names of the columns; folders of Aisle only, which need no PyTorch."""
    first = EmbeddedEncoder() if encoder == EMBEDDED else OnnxEncoder(Path(encoder))
    return {"encoder": first} if english is None else {"encoder": first, "english": OnnxEncoder(english)}


def plan(encoders: Encoders, data: Path, limit: int | None) -> list[tuple[str, Path, Callable[[], list[Row]]]]:
    """The parts that are means over queries: name, what each needs, how to run it."""

    def pairs(held: Callable[[], tuple[list, list]]) -> Callable[[], list[Row]]:
        return lambda: measures.translation(encoders, *held(), limit)

    def on(part: Callable[..., list[Row]], name: str) -> tuple[Path, Callable[[], list[Row]]]:
        return data / name, partial(part, encoders, data / name, limit)

    return [
        ("Chinese search, multicpr_mini", *on(measures.chinese_search, "multicpr_mini")),
        ("Translation, held-out Shopify categories", INPUTS / "categories.tsv.gz", pairs(category_pairs)),
        ("Translation, held-out Tatoeba sentences", INPUTS / "tatoeba.tsv.gz", pairs(sentence_pairs)),
        ("Translation, noisy traditional titles", TAIWAN, pairs(title_pairs)),
        ("English, Icecat", SAMPLE / "products.jsonl.gz", lambda: measures.icecat(encoders, limit)),
        ("English, crowdflower", *on(measures.crowdflower, "crowdflower")),
        ("English, homedepot, first 600 queries", *on(measures.homedepot, "homedepot")),
        ("Chinese titles, ecommerce_ner", *on(measures.neighbours, "ecommerce_ner")),
    ]


def category_pairs() -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    held, others = ([(term.zh[0], term.en[0]) for term in sources.categories(INPUTS, part)] for part in (True, False))
    return held, others


def sentence_pairs() -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    return sources.sentences(INPUTS, True), sources.sentences(INPUTS, False)


def title_pairs() -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    held = [(row["title"], row["title_en"]) for row in sources.rows(TAIWAN)]
    return held, [(title.zh, title.en) for title in sources.shop_titles(INPUTS)]


# --- means and tables ------------------------------------------------------------------------------------


def summarise(row: Row) -> dict[str, Any]:
    """Means with intervals, and the paired difference where there are two encoders."""
    found: dict[str, Any] = {"queries": len(row.values["encoder"])}
    found |= {name: plain(bootstrap_mean(values)) for name, values in row.values.items()}
    if "english" in row.values:
        pairs = zip(row.values["encoder"], row.values["english"], strict=True)
        differences = [0.0 if abs(a - b) < SAME else a - b for a, b in pairs]
        p, exact = sign_flip_p(differences)
        found["difference"] = {
            **plain(bootstrap_mean(differences)),
            "p": p,
            "p_exact": exact,
            "detectable": detectable_difference(differences),
            "wins": sum(value > 0 for value in differences),
            "losses": sum(value < 0 for value in differences),
        }
    return {**found, "note": row.note}


def plain(interval: Interval) -> dict[str, float]:
    return {"mean": interval.mean, "low": interval.low, "high": interval.high}


def header(encoders: Encoders) -> None:
    two = f"{'English-only':<20}{'difference':<24}{'p':<8}" if "english" in encoders else ""
    print(f"\n{'':<34}{'queries':>8}  {'encoder':<20}{two}")


def show(name: str, found: dict[str, Any]) -> None:
    line = f"  {name:<32}{found['queries']:>8}  {cell(found['encoder']):<20}"
    if "difference" in found:
        difference = found["difference"]
        line += f"{cell(found['english']):<20}{cell(difference):<24}{short(difference['p'], 4):<8}"
    print(f"{line}{found['note']}", flush=True)


def cosines(encoders: Encoders) -> dict[str, dict[str, float]]:
    found = measures.cosines(encoders)
    print("\nCosines")
    for pair, values in found.items():
        print(f"  {set_cell_size(pair, 40)}  " + "".join(f"{short(values[name]):<20}" for name in encoders))
    return found


def size(encoders: Encoders) -> dict[str, dict[str, float]]:
    found = {name: measures.sizes(encoder) for name, encoder in encoders.items()}
    print("\nSize in MB (10^6 bytes)")
    for name, label in (("folder_mb", "folder"), ("model_mb", "model.onnx")):
        print(f"  {label:<40}  " + "".join(f"{found[column][name]:<20.1f}" for column in encoders))
    return found


def speed(encoders: Encoders, chinese: Path) -> dict[str, Any]:
    queries = list(measures.read_shop(chinese).queries.values()) if chinese.exists() else []
    found = measures.latency(encoders, queries)
    print("\nSpeed, one query at a time")
    for name, row in found.items():
        ratio = f", {row['times_english']:.2f} times English-only" if row["times_english"] else ""
        print(
            f"  {name:<32}{row['timed']:>8}  p50 {row['p50_ms']:.2f} ms{ratio}, {row['mean_tokens']:.1f} tokens a query"
        )
    return found


def failures(encoder: OnnxEncoder, folder: Path, limit: int | None) -> None:
    """For reading on the screen: other people's rows, so never in the results."""
    print("\nWorst queries of dense search: rank of the relevant title, its cosine, the top title's cosine")
    for query, rank, own, top, title in measures.worst_answers(encoder, folder, WORST, limit):
        print(f"  {rank:>5}  {short(own)}  {short(top)}  {query}  |  {title}")


if __name__ == "__main__":
    sys.exit(main())
