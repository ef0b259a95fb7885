"""The demo: index the Icecat sample, measure three ways of searching, show where words alone go wrong, serve the page.

Runs the commands a user would type, and prints them. ``--once`` ends by itself instead of serving,
``--out`` takes another folder for the index.
"""

from __future__ import annotations

import argparse
import os
import socket
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
JUDGMENTS = "samples/icecat/ratings.csv"
CONFIG = "scripts/demo.toml"
PORT = 8080
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


def serve(shop: str) -> None:
    """Serve the page until Ctrl-C, on port 8080 or, where that is taken, another one."""
    command = ["serve", shop, "--config", CONFIG, "--workers", "1"]
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", PORT))
        except OSError:
            command += ["--port", "0"]
    Console().print(f"\n$ aisle {' '.join(command)}", style="bold cyan", highlight=False, soft_wrap=True)
    Console().print(
        "Search, compare, judge and look at the dashboard at the address below. Ctrl-C ends it.", style="bold"
    )
    os.chdir(ROOT)
    os.execv(AISLE, [AISLE, *command])


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
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--once", action="store_true", help="end instead of serving the page")
    parser.add_argument("--out", default="demo-out/icecat", help="folder of the index (%(default)s)")
    asked = parser.parse_args()
    shop: str = asked.out
    start = time.monotonic()
    aisle("index", "samples/icecat/products.jsonl.gz", "--out", shop)
    aisle("evaluate", shop, "--judgments", JUDGMENTS, "--metrics", "nDCG@10", "R@100", "judged@10")
    Console().print("\nSearches that words alone get wrong:", style="bold")
    with SearchEngine.open(ROOT / shop) as engine:
        for query in QUERIES:
            show(engine, query)
    Console().print(
        f"\nDone in {time.monotonic() - start:.0f} s. Try: .venv/bin/aisle search {shop} 'your own words'", style="bold"
    )
    if not asked.once:
        serve(shop)


if __name__ == "__main__":
    main()
