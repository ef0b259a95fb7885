"""`make demo` as a stranger runs it, in the environment that is there, into a folder of the test."""

import os
import re
import signal
import subprocess
from pathlib import Path

import httpx
import pytest

from aisle.engine import SearchEngine
from aisle.types import SearchRequest

ROOT = Path(__file__).parent.parent
MAKE = ["make", "--no-print-directory", "-o", ".venv/.ready", "demo"]
"""``-o``: the environment is not made again."""
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def out(tmp_path_factory):
    return tmp_path_factory.mktemp("demo") / "icecat"


def test_demo_ends_by_itself_with_an_index_and_figures(out):
    done = subprocess.run(
        [*MAKE, f"ARGS=--once --out {out}"], cwd=ROOT, capture_output=True, text=True, timeout=900, check=False
    )
    assert done.returncode == 0, done.stderr[-2_000:]
    assert f"$ aisle index samples/icecat/products.jsonl.gz --out {out}" in done.stdout
    measured = dict(re.findall(r"^\W*(bm25|dense|hybrid)\W+(?:\d+\W+)??(0?\.\d+)", done.stdout, re.MULTILINE))
    assert set(measured) == {"bm25", "dense", "hybrid"}, done.stdout
    assert 0.2 < float(measured["bm25"]) < float(measured["hybrid"]) < 1
    assert "Searches that words alone get wrong:" in done.stdout
    with SearchEngine.open(out) as engine:
        assert engine.index.count() == 19_406
        best = engine.search(SearchRequest("put tv on the wall", mode="dense", k=1)).hits[0].product.title
    shown = " ".join(re.sub(r"[│┃]", " ", done.stdout).split())
    assert best.split()[0] in shown.partition("“put tv on the wall”")[2]
    assert "Done in " in done.stdout
    assert "aisle serve" not in done.stdout


def test_demo_serves_the_page_at_the_address_that_it_prints(out):
    """After the one above: what it has encoded is there, so that this takes seconds."""
    process = subprocess.Popen(
        [*MAKE, f"ARGS=--out {out}"], cwd=ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        address = next(filter(None, (re.search(r"icecat: (http://127\.0\.0\.1:\d+)", line) for line in process.stdout)))
        page = httpx.get(f"{address[1]}/?q=notebook+bag", timeout=60)
        assert page.status_code == 200
        assert "Aisle: Icecat" in page.text
        assert page.text.count('class="tile"') == 24
    finally:
        os.killpg(process.pid, signal.SIGINT)  # as Ctrl-C does: the whole foreground group
        process.communicate(timeout=60)
