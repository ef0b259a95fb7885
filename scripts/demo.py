"""The demo: index the Icecat sample, measure three ways of searching, show where words alone go wrong.

Runs the commands a user would type, and prints them.
"""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

from rich.console import Console
from rich.table import Table

from aisle import SearchEngine, SearchRequest
from aisle.types import MODES

ROOT = Path(__file__).parent.parent
AISLE = str(Path(sys.executable).with_name("aisle"))
SHOP = "demo-out/icecat"
JUDGMENTS = "samples/icecat/ratings.csv"
QUERIES = (
    "notebook bag",
    "put tv on the wall",
    "keep laptop from being stolen",
    "ink for MFC-240C",
    "cellphone",
    "喷墨打印机墨盒",
    "無線滑鼠",
)


def aisle(*arguments: str) -> None:
    """Run one command of Aisle in the project's root, and show it."""
    Console().print(f"\n$ aisle {' '.join(arguments)}", style="bold cyan", highlight=False, soft_wrap=True)
    done = subprocess.run([AISLE, *arguments], cwd=ROOT, check=False)
    if done.returncode:
        sys.exit(done.returncode)


def show(engine: SearchEngine, query: str) -> None:
    """One query answered by words and by meaning, side by side."""
    table = Table(title=f"“{query}”", title_justify="left", title_style="bold", show_lines=True)
    table.add_column("words alone (bm25)", ratio=1)
    table.add_column("meaning (dense)", ratio=1)
    table.add_column("both (hybrid)", ratio=1)
    rankings = [engine.search(SearchRequest(query, mode=mode, k=3)) for mode in MODES]
    for place in range(3):
        table.add_row(*(found.hits[place].product.title if place < len(found.hits) else "" for found in rankings))
    Console().print(table)


def main() -> None:
    start = time.monotonic()
    aisle("index", "samples/icecat/products.jsonl.gz", "--out", SHOP)
    aisle("evaluate", SHOP, "--judgments", JUDGMENTS, "--metrics", "nDCG@10", "R@100", "judged@10")
    Console().print("\nSearches that words alone get wrong:", style="bold")
    with SearchEngine.open(ROOT / SHOP) as engine:
        for query in QUERIES:
            show(engine, query)
    Console().print(
        f"\nDone in {time.monotonic() - start:.0f} s. Try: .venv/bin/aisle search {SHOP} 'your own words'", style="bold"
    )


if __name__ == "__main__":
    main()
