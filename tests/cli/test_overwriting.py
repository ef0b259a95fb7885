"""No command writes over what it reads: refused by name, link and hard link, every file byte for byte as it was."""

import gzip
import os
from pathlib import Path

import pytest
from click.testing import CliRunner

from aisle.cli.main import cli
from aisle.cli.overwriting import refuse_other_kind, refuse_overwriting
from aisle.errors import InputError

PAIRS = "query,id,title,relevance\nusb hub,1,Belkin hub,3\nusb hub,2,Wine rack,0\nred sofa,3,Sofa red,\n"
FILES = {
    "q.csv": PAIRS,
    "other.csv": PAIRS,
    "ratings.csv": "query,docid,ann,bob\nusb hub,1,3,2\n",
    "judge.toml": "[llm]\n",
    "catalogue.csv": "id,title\n1,Belkin hub\n",
    "store.jsonl": '{"query": "usb hub", "product_id": "1", "grade": 3.0, "judge": "ann", "at": 1.0}\n',
    "a.trec": "hub Q0 1 1 2 a\n",
    "b.trec": "hub Q0 2 1 2 b\n",
    "shop/manifest.json": "{}",
    "shop/recipe.toml": "",
    "shop.state/events/2026-11-30.jsonl": "{}\n",
    "beir/queries.jsonl": '{"_id": "1", "text": "usb hub"}\n',
    "beir/qrels/test.tsv": "query-id\tcorpus-id\tscore\n1\t1\t3\n",
    "clean/products.jsonl.gz": "",
}

REFUSED = [
    "augment text q.csv --out q.csv",
    "augment text q.csv --held-out other.csv --out other.csv",
    "augment text q.csv --brands other.csv --out other.csv",
    "check-labels q.csv --out q.csv",
    "check-labels q.csv --cleaned q.csv",
    "check-labels q.csv --weights q.csv",
    "check-labels q.csv --against other.csv --out other.csv",
    "check-labels q.csv --ratings ratings.csv --rater ann --out ratings.csv",
    "check-labels q.csv --out new.csv --weights new.csv",
    "choose --pairs q.csv --count 1 --out q.csv",
    "choose --run a.trec --run b.trec --judgments q.csv --catalogue other.csv --out a.trec",
    "choose --run a.trec --run b.trec --judgments q.csv --catalogue other.csv --out q.csv",
    "choose --run a.trec --run b.trec --judgments q.csv --catalogue other.csv --out other.csv",
    "judge queue q.csv --store q.csv --rater ann",
    "judge adjudicate ratings.csv --rater ann --rater bob --out ratings.csv",
    "judge adjudicate ratings.csv --rater ann --rater bob --pairs q.csv --out q.csv",
    "judge adjudicate ratings.csv --rater ann --rater bob --pairs q.csv --out new.csv --open q.csv",
    "judge examine judge.toml --anchors q.csv --people q.csv",
    "judge llm judge.toml q.csv --out q.csv --people new.csv",
    "judge llm judge.toml q.csv --out new.jsonl --people q.csv",
    "judge clicks shop --anchors q.csv --out q.csv",
    "judge clicks shop --out shop.state/events/2026-11-30.jsonl",
    "synthesise q.csv --out q.csv",
    "synthesise shop --like q.csv --out q.csv",
    "synthesise shop --held-out q.csv --out q.csv",
    "synthesise shop --out shop/manifest.json",
    "evaluate a.trec --judgments q.csv --report q.csv",
    "evaluate a.trec --judgments q.csv --report a.trec",
    "compare a.trec b.trec --judgments q.csv --report b.trec",
    "run shop --queries q.csv --out q.csv",
    "run shop --queries beir --out beir/queries.jsonl",
    "run shop --queries beir --out beir/qrels/test.tsv",
    "run shop --queries q.csv --out shop/recipe.toml",
    "rank --pairs other.csv --pairs q.csv --model bm25 --out q.csv",
    "exposure shop --judgments q.csv --html q.csv",
    "explain shop hub 1 --html shop/manifest.json",
    "catalogue clean clean/products.jsonl.gz --out clean",
    "monitor --trained-on q.csv --save-reference q.csv",
    "monitor shop.state/events --save-reference shop.state/events/2026-11-30.jsonl",
]


OTHER_KIND = [
    "augment text q.csv --out a.trec",
    "check-labels q.csv --out catalogue.csv",
    "check-labels q.csv --cleaned judge.toml",
    "check-labels q.csv --weights store.jsonl",
    "choose --pairs q.csv --count 1 --out a.trec",
    "judge queue q.csv --store other.csv --rater ann",
    "judge adjudicate ratings.csv --rater ann --rater bob --out store.jsonl",
    "judge llm judge.toml q.csv --out other.csv --people new.csv",
    "judge clicks shop --out judge.toml",
    "synthesise shop --out catalogue.csv",
    "run shop --queries q.csv --out other.csv",
    "rank --pairs q.csv --model bm25 --out other.csv",
    "evaluate a.trec --judgments q.csv --report b.trec",
    "compare a.trec b.trec --judgments q.csv --report judge.toml",
    "exposure shop --judgments q.csv --html other.csv",
    "explain shop hub 1 --html q.csv",
]


@pytest.fixture
def work(tmp_path, monkeypatch):
    for name, text in FILES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("command", REFUSED)
def test_an_output_that_is_an_input_is_refused_and_nothing_is_touched(work, command):
    before = contents(work)
    result = CliRunner().invoke(cli, command.split())
    assert isinstance(result.exception, InputError), result.exception
    said = str(result.exception)
    assert "which is read" in said or "are one file" in said
    assert "to fix: name another --" in said
    assert contents(work) == before


@pytest.mark.parametrize("name", ["./q.csv", "shop/../q.csv", "link.csv", "hard.csv", "folder/q.csv"])
def test_a_file_under_another_name_is_the_same(work, name):
    (work / "link.csv").symlink_to("q.csv")
    os.link(work / "q.csv", work / "hard.csv")
    (work / "folder").symlink_to(work)
    with pytest.raises(InputError, match=r"is the file 'q\.csv', which is read"):
        refuse_overwriting({"--out": Path(name)}, [Path("q.csv")])


def test_an_input_that_is_a_link_is_what_it_names(work):
    (work / "link.csv").symlink_to("q.csv")
    with pytest.raises(InputError, match=r"--out 'q\.csv' is the file 'link\.csv'"):
        refuse_overwriting({"--out": Path("q.csv")}, [None, Path("link.csv")])


def test_what_is_no_input_is_let_through(work):
    """Another file that is there, a new one beside the data, a device, a name that is no file."""
    refuse_overwriting({"--out": Path("other.csv"), "--cleaned": None}, [Path("q.csv"), Path("bm25"), Path("nowhere")])
    refuse_overwriting({"--out": Path("bm25")}, [Path("bm25")])
    refuse_overwriting({"--out": Path("beir/new.trec")}, [Path("beir")])
    refuse_overwriting({"--report": Path("shop/new.html")}, [Path("shop")])
    refuse_overwriting({"--out": Path("/dev/null"), "--weights": Path("/dev/null")}, [Path("/dev/null")])
    refuse_overwriting({"--out": Path("shop.state/weak.csv")}, [Path("shop"), Path("shop.state/events")])


@pytest.mark.parametrize("command", OTHER_KIND)
def test_a_file_of_another_kind_is_not_replaced_nor_added_to(work, command):
    before = contents(work)
    result = CliRunner().invoke(cli, command.split(), input="1q")
    assert isinstance(result.exception, InputError), result.exception
    assert "is there, and is no " in str(result.exception)
    assert contents(work) == before


@pytest.mark.parametrize(
    "command",
    [
        "train --pairs model/q.csv --out model",
        "train --pairs q.csv --must-pass model/q.csv --out model",
        "adapt model/catalogue.csv --out model",
        "adapt catalogue.csv --judgments model/q.csv --out model",
        "adapt catalogue.csv --set base=model/encoder --out model",
        "distil --teacher bm25 --catalogue catalogue.csv --judgments model/q.csv --out model",
        "learn shop --judgments model/q.csv --out model",
        "learn shop --judgments q.csv --shoppers model/q.csv --out model",
        "calibrate shop --judgments model/q.csv --out model",
        "export embedded --pairs model/q.csv --out model",
        "llm tune judge.toml --pairs model/q.csv --out model",
        "index model/catalogue.csv --out model",
        "index model/../model/catalogue.csv --out ./model",
    ],
)
def test_a_folder_that_is_replaced_holds_nothing_that_is_read(work, command):
    for name in ("manifest.json", "q.csv", "catalogue.csv", "encoder/manifest.json"):
        (work / "model" / name).parent.mkdir(parents=True, exist_ok=True)
        (work / "model" / name).write_text("x", encoding="utf-8")
    before = contents(work)
    result = CliRunner().invoke(cli, command.split())
    assert isinstance(result.exception, InputError), result.exception
    assert "would be replaced, and " in str(result.exception)
    assert contents(work) == before


@pytest.mark.parametrize(
    "command",
    [
        "augment text q.csv --out agreed.csv",
        "check-labels q.csv --out agreed.csv",
        "check-labels q.csv --cleaned agreed.csv",
        "choose --pairs q.csv --count 1 --out agreed.csv",
        "judge clicks shop --out agreed.csv",
        "synthesise catalogue.csv --out agreed.csv",
    ],
)
def test_what_people_decided_is_not_replaced(work, command):
    given = ["judge", "adjudicate", "ratings.csv", "--rater", "ann", "--rater", "bob", "--out", "agreed.csv"]
    for _ in range(2):  # an older one of its own is
        made = CliRunner().invoke(cli, given)
        assert made.exit_code == 0, made.exception
    before = contents(work)
    result = CliRunner().invoke(cli, command.split())
    assert isinstance(result.exception, InputError), result.exception
    assert "'agreed.csv' is there, and holds what people decided (column 'decided_by')" in str(result.exception)
    assert contents(work) == before


def test_an_older_file_of_the_same_kind_may_be_written_to(work):
    (work / "empty").touch()
    with gzip.open(work / "t.csv.gz", "wt", encoding="utf-8-sig") as file:
        file.write(PAIRS)
    for name in ("q.csv", "ratings.csv", "t.csv.gz", "empty", "new", "/dev/null"):
        refuse_other_kind({"--out": Path(name), "--cleaned": None}, "table")
    for name in ("store.jsonl", "empty", "new"):
        refuse_other_kind({"--out": Path(name)}, "store")
    refuse_other_kind({"--out": Path("a.trec")}, "run")
    (work / "page.html").write_text("<!doctype html>\n<html></html>\n", encoding="utf-8")
    refuse_other_kind({"--html": Path("page.html")}, "page")
    (work / "no.csv.gz").write_text(PAIRS, encoding="utf-8")  # not packed
    with pytest.raises(InputError, match=r"'no\.csv\.gz' is there, and is no table of queries"):
        refuse_other_kind({"--out": Path("no.csv.gz")}, "table")
    with pytest.raises(InputError, match="is no store of judgments"):
        refuse_other_kind({"--out": Path("shop/manifest.json")}, "store")
