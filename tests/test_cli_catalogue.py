"""The catalogue commands as a user calls them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from aisle.cli.catalogue import catalogue
from aisle.errors import CatalogueError, RecipeError

DATA = Path(__file__).parent / "data" / "catalogue"


def run(*arguments: str, stdin: bytes | None = None) -> str:
    result = CliRunner().invoke(catalogue, arguments, input=stdin, catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.stdout


def test_inspect_as_json() -> None:
    found = json.loads(run("inspect", str(DATA / "chinese.csv"), "--json"))
    assert (found["format"], found["encoding"], found["rows_sampled"]) == ("CSV", "utf-8", 8)
    fields = {column["name"]: column["field"] for column in found["columns"]}
    assert fields["商品标题"] == "title"
    assert (fields["价格"], fields["库存"]) == ("price", "stock")


def test_inspect_shows_a_table() -> None:
    shown = run("inspect", str(DATA / "icecat.jsonl"), "--price-unit", "minor")
    assert "short_descrip" in shown
    assert "JSON Lines" in shown


def test_clean_writes_everything(tmp_path: Path) -> None:
    out = tmp_path / "out"
    report = json.loads(run("clean", str(DATA / "chinese.csv"), "--out", str(out), "--json"))
    assert (report["rows_read"], report["valid"], report["rejected"], report["merged"]) == (8, 5, 2, 1)
    assert sorted(path.name for path in out.iterdir()) == [
        "products.jsonl.gz",
        "rejected.jsonl",
        "report.html",
        "report.json",
    ]
    assert json.loads((out / "report.json").read_text(encoding="utf-8"))["valid"] == 5
    rejected = [json.loads(line) for line in (out / "rejected.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [row["line"] for row in rejected] == [7, 10]
    page = (out / "report.html").read_text(encoding="utf-8")
    assert "&lt;p&gt;" in page
    assert "<p>骁龙8" not in page


def test_clean_shows_tables_and_reads_standard_input(tmp_path: Path) -> None:
    shown = run("clean", "-", "--out", str(tmp_path), "--column", "title=label", stdin=b"id,label\n1,One\n2,\n")
    assert "valid products" in shown
    assert "the title is missing" in shown


def test_errors_leave_nothing_behind(tmp_path: Path) -> None:
    out = tmp_path / "out"
    bad = tmp_path / "bad.csv"
    bad.write_text("id,title\n1,\n", encoding="utf-8")
    with pytest.raises(CatalogueError, match="no valid product"):
        run("clean", str(bad), "--out", str(out))
    with pytest.raises(RecipeError, match="is not FIELD=NAME"):
        run("clean", str(bad), "--out", str(out), "--column", "title")
    assert not out.exists()
