"""The demo: index the Icecat sample, measure three ways of searching, show where words alone go wrong.

Runs the same commands a user would type, and prints them.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).parent.parent
AISLE = str(Path(sys.executable).with_name("aisle"))
SHOP = "demo-out/icecat"
JUDGMENTS = "samples/icecat/ratings.csv"
QUERIES = (
    "notebook bag",
    "put tv on the wall",
    "keep laptop from being stolen",
    "cellphone",
)


def aisle(*arguments: str, capture: bool = False) -> str:
    """Run one command of Aisle in the project's root, showing it unless its output is wanted."""
    if not capture:
        Console().print(f"\n$ aisle {' '.join(arguments)}", style="bold cyan", highlight=False)
    done = subprocess.run([AISLE, *arguments], cwd=ROOT, stdout=subprocess.PIPE if capture else None, text=True)
    if done.returncode:
        sys.exit(done.returncode)
    return done.stdout if capture else ""


def titles(query: str, mode: str) -> list[str]:
    """The first three titles."""
    answer = json.loads(aisle("search", SHOP, query, "--mode", mode, "-k", "3", "--json", capture=True))
    return [hit["title"] for hit in answer["hits"]]


def show(query: str) -> None:
    """One query answered by words and by meaning, side by side."""
    table = Table(title=f"“{query}”", title_justify="left", title_style="bold", show_lines=True)
    table.add_column("words alone (bm25)", ratio=1)
    table.add_column("meaning (dense)", ratio=1)
    table.add_column("both (hybrid)", ratio=1)
    rows = [titles(query, mode) for mode in ("bm25", "dense", "hybrid")]
    for place in range(3):
        table.add_row(*(column[place] if place < len(column) else "" for column in rows))
    Console().print(table)


def main() -> None:
    start = time.monotonic()
    aisle("index", "samples/icecat/products.jsonl.gz", "--out", SHOP)
    aisle("evaluate", SHOP, "--judgments", JUDGMENTS, "--metrics", "nDCG@10", "R@100", "judged@10")
    Console().print("\nSearches that words alone get wrong:", style="bold")
    for query in QUERIES:
        show(query)
    Console().print(
        f"\nDone in {time.monotonic() - start:.0f} s. Try: .venv/bin/aisle search {SHOP} 'your own words'", style="bold"
    )


if __name__ == "__main__":
    main()
