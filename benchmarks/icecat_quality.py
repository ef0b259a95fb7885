"""How good search is on the whole Icecat catalogue: BM25, dense and hybrid, both treatments of unjudged products.

    python benchmarks/icecat_quality.py [--judgments samples/icecat/ratings.csv] [--index FOLDER] [--update-readme]

Indexes the sample with the default recipe (or searches an index that is there), answers every judged query 100 deep,
and compares the modes in pairs. `--update-readme` puts the table into README.md.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from pathlib import Path

from record import record

from aisle.catalogue.clean import clean
from aisle.cli.evaluate_index import run_modes
from aisle.config import CatalogueSettings
from aisle.engine import SearchEngine
from aisle.evaluate import compare, evaluate
from aisle.evaluate.plain import comparison_to_dict, evaluation_to_dict
from aisle.judgments import align, read_judgments, read_queries
from aisle.metrics import Metric

ROOT = Path(__file__).parent.parent
SAMPLE = ROOT / "samples" / "icecat"
METRICS = [Metric.parse(name) for name in ("nDCG@10", "R@100", "judged@10")]
TREATMENTS = ("wrong", "removed")
CHINESE_HEAD = "| 方式 | nDCG@10，未标注算错 | nDCG@10，只看已标注 | R@100，未标注算错 | judged@10 |\n"
MARKS = ("<!-- results: benchmarks/icecat_quality.py --update-readme -->\n", "<!-- end of results -->")


def short(value: float, digits: int = 3) -> str:
    return f"{value:.{digits}f}".removeprefix("0")


def cell(summary: dict[str, float]) -> str:
    return f"{short(summary['mean'])} [{short(summary['low'])}, {short(summary['high'])}]"


def markdown(numbers: dict) -> str:
    """The README's table, made of the recorded numbers alone."""
    lines = [
        "| mode | nDCG@10, unjudged = wrong | nDCG@10, judged only | R@100, unjudged = wrong | judged@10 |",
        "|---|---|---|---|---|",
    ]
    for mode, found in numbers["modes"].items():
        metrics = found["metrics"]
        cells = [metrics["nDCG@10"]["wrong"], metrics["nDCG@10"]["removed"], metrics["R@100"]["wrong"]]
        judged = short(metrics["judged@10"]["wrong"]["mean"], 2)
        lines.append(f"| {mode} | {' | '.join(map(cell, cells))} | {judged} |")
    conditions, counts = numbers["conditions"], next(iter(numbers["modes"].values()))["counts"]
    detectable = [short(numbers["pairs"]["bm25 -> hybrid"][treatment]["detectable"]) for treatment in TREATMENTS]
    lines += [
        "",
        f"Whole catalogue of {numbers['products']:,} products searched; {counts['queries']} queries "
        f"({counts['skipped']} more have no relevant product and are skipped); gain 2^grade-1, discount log2(rank+1), "
        "brackets are 95% bootstrap intervals. Smallest difference between BM25 and hybrid that so many queries can "
        "detect: "
        f"{detectable[0]} (unjudged = wrong), {detectable[1]} (judged only). `python benchmarks/icecat_quality.py`, "
        f"{conditions['date']}, {conditions['cores']} cores.",
    ]
    return "\n".join(lines) + "\n"


def update_readme(table: str) -> None:
    """Put the table into the English README, its rows under a Chinese head into the Chinese one."""
    rows = "".join(line + "\n" for line in table.splitlines()[1:] if line.startswith("|"))
    for name, content in (("README.md", table), ("README.zh.md", CHINESE_HEAD + rows)):
        path = ROOT / name
        text = path.read_text(encoding="utf-8")
        before, rest = text.split(MARKS[0])
        path.write_text(before + MARKS[0] + content + MARKS[1] + rest.split(MARKS[1])[1], encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--judgments", type=Path, default=SAMPLE / "ratings.csv")
    parser.add_argument("--index", type=Path, help="an index of the sample that is there already")
    parser.add_argument("--update-readme", action="store_true")
    arguments = parser.parse_args()
    judgments, queries = read_judgments(arguments.judgments), read_queries(arguments.judgments)
    with tempfile.TemporaryDirectory() as temporary:
        folder = arguments.index or Path(temporary) / "icecat"
        if not arguments.index:
            with clean(SAMPLE / "products.jsonl.gz", CatalogueSettings()) as cleaned:
                SearchEngine.build(cleaned, folder).close()
        with SearchEngine.open(folder) as engine:
            products = engine.index.count()
        runs = {mode: align(run, judgments) for mode, run in run_modes(folder, queries).items()}
    numbers = {
        "products": products,
        "modes": {mode: evaluation_to_dict(evaluate(run, judgments, METRICS)) for mode, run in runs.items()},
        "pairs": {},
    }
    for one, other in (("bm25", "dense"), ("bm25", "hybrid"), ("dense", "hybrid")):
        compared = comparison_to_dict(compare(runs[one], runs[other], judgments, METRICS[0]))
        compared["queries"] = compared["queries"][:10]  # the worst damage
        numbers["pairs"][f"{one} -> {other}"] = compared
    for found in numbers["modes"].values():
        del found["queries"]
    path = record("icecat_quality", numbers)
    table = markdown(json.loads(path.read_text(encoding="utf-8")))
    print(table)
    if arguments.update_readme:
        update_readme(table)


if __name__ == "__main__":
    main()
