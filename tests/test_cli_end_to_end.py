"""The real command on about 200 real products and on ugly input: exit codes, messages, leftovers, runs.

The entry point runs in this process where that makes no difference, since starting one costs a second; the run is
read by pytrec_eval and ir_measures.
"""

import csv
import gzip
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import defaultdict
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from aisle.cli.main import run

SAMPLE = Path(__file__).parent.parent / "samples" / "icecat"
AISLE = [sys.executable, "-c", "from aisle.cli.main import run; run()"]
PHONES = ["小米手机", "华为手机", "三星手机", "苹果手机", "电饭煲", "羊毛手套"]


def here(args, stdin, cwd, encoding):
    """What the entry point does, with streams as a process has them."""
    streams = [io.TextIOWrapper(io.BytesIO(data), encoding=encoding) for data in (stdin or b"", b"", b"")]
    with pytest.MonkeyPatch.context() as patch:
        for name, stream in zip(("stdin", "stdout", "stderr"), streams, strict=True):
            patch.setattr(sys, name, stream)
        patch.setattr(sys, "argv", ["aisle", *args])
        if cwd:
            patch.chdir(cwd)
        status = 0
        try:
            run()
        except SystemExit as stop:
            status = stop.code
        for stream in streams[1:]:
            stream.flush()
    return subprocess.CompletedProcess(args, status, streams[1].buffer.getvalue(), streams[2].buffer.getvalue())


def aisle(*args, stdin=None, cwd=None, encoding="utf-8"):
    """The finished command; whatever happened, no traceback and a short message."""
    done = here([str(arg) for arg in args], stdin, cwd, encoding)
    errors = done.stderr.decode()
    assert "Traceback" not in errors, errors
    assert "a fault in Aisle" not in errors, errors
    if done.returncode:
        assert 1 <= len(errors.splitlines()) <= 3, errors
        assert not done.stdout
    return done


def ask(*args, **kwargs):
    """The one JSON object of a command that works."""
    done = aisle(*args, "--json", **kwargs)
    assert done.returncode == 0, done.stderr.decode()
    answer = json.loads(done.stdout)
    assert isinstance(answer, dict)
    return answer


def refused(status, message, *args, **kwargs):
    done = aisle(*args, **kwargs)
    assert (done.returncode, message in done.stderr.decode()) == (status, True), done.stderr.decode()


def ids(answer):
    return [hit["product_id"] for hit in answer["hits"]]


def jsonl(path, rows):
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture(scope="module")
def rows():
    """200 products, those that the judgments grade among them first, with their prices and EANs."""
    with (SAMPLE / "ratings.csv").open(encoding="utf-8", newline="") as file:
        judged = {row["docid"] for row in csv.DictReader(file)}
    with gzip.open(SAMPLE / "products.jsonl.gz", "rt", encoding="utf-8") as file:
        every = [json.loads(line) for line in file]
    every.sort(key=lambda row: (str(row["id"]) not in judged, str(row["id"])))
    wanted = [row for row in every if "LC51C" in row["title"]]
    return [*wanted, *[row for row in every if row not in wanted][: 200 - len(wanted)]]


@pytest.fixture(scope="module")
def shop(rows, tmp_path_factory):
    folder = tmp_path_factory.mktemp("shop")
    catalogue = jsonl(folder / "products.jsonl", rows)
    ask("index", catalogue, "--out", folder / "index")
    assert sorted(path.name for path in folder.iterdir()) == ["index", "products.jsonl"]
    return folder / "index"


# --- usage and messages ---


@pytest.mark.parametrize(
    ("status", "message", "args"),
    [
        (2, "Missing argument", ["search"]),
        (2, "aisle search --help", ["search", "x", "y", "--nonsense"]),
        (2, "not a valid integer", ["search", "x", "y", "-k", "many"]),
        (2, "is not one of", ["search", "x", "y", "--mode", "magic"]),
        (2, "No such command", ["serch"]),
        (2, "--judgments", ["evaluate", "x"]),
        (1, "no such folder", ["search", "nowhere", "y"]),
        (1, "'nowhere.csv'", ["index", "nowhere.csv", "--out", "x"]),
        (1, "not FIELD=NAME", ["index", "nowhere.csv", "--out", "x", "--column", "title"]),
        (1, "--encoder is empty", ["index", "nowhere.csv", "--out", "x", "--encoder", ""]),
        (1, "not a folder", ["index", "nowhere.csv", "--out", "x", "--encoder", "./nowhere"]),
    ],
)
def test_wrong_usage_is_2_and_wrong_input_is_1(tmp_path, status, message, args):
    refused(status, message, *args, cwd=tmp_path)
    assert not list(tmp_path.iterdir())


def test_json_is_utf8_whatever_the_terminal_says(shop):
    answer = ask("search", shop, "手机 é", encoding="latin-1")
    assert answer["query"] == "手机 é"
    done = aisle("search", shop, "手机 é", encoding="latin-1")
    assert (done.returncode, done.stdout[:5]) == (0, b"?? \xe9 ")
    odd = subprocess.run([*AISLE, "search", str(shop), b"caf\xe9", "--json"], capture_output=True, timeout=60)
    assert json.loads(odd.stdout.decode("utf-8"))["query"] == "caf?"


# --- catalogues ---


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("empty.csv", b"", "is empty"),
        ("header.csv", b"id,title\n", "has no rows"),
        ("array.json", b"[]", "has no rows"),
        ("object.jsonl", b"{}", "it has no fields"),
        ("garbage.csv", bytes(range(256)) * 20, "neither text nor Parquet"),
        ("cut.csv.gz", gzip.compress(b"id,title\n1,abc\n")[:12], "compressed data"),
        ("cut.parquet", b"PAR1" + b"\0" * 100, "Parquet"),
        ("untitled.csv", b"id,weight\n1,2\n", "product title"),
    ],
)
def test_a_useless_catalogue_is_refused_and_leaves_nothing(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    refused(1, message, "index", name, "--out", "deep/down/index", cwd=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [name]


def test_ids_are_strings_as_written(tmp_path):
    pq.write_table(pa.table({"id": pa.array([2**53 + 1, 2**53, 7]), "title": ["a", "b", "c"]}), tmp_path / "p.csv")
    ask("index", tmp_path / "p.csv", "--out", tmp_path / "whole")
    assert ids(ask("search", tmp_path / "whole", "")) == ["7", "9007199254740992", "9007199254740993"]

    ugly = ["007", "7", "a/b", 'a"b', "a'b", "#1", "../../etc", "手机", "🎧", "A", "a"]
    jsonl(tmp_path / "ugly.jsonl", [{"id": name, "title": f"thing {place}"} for place, name in enumerate(ugly)])
    ask("index", tmp_path / "ugly.jsonl", "--out", tmp_path / "ugly")
    assert sorted(ids(ask("search", tmp_path / "ugly", "", "-k", 100))) == sorted(ugly)
    for name in ("007", "a'b", 'a"b'):
        quoted = name.replace('"', '\\"')
        assert ids(ask("search", tmp_path / "ugly", "", "--filter", f'id="{quoted}"')) == [name]


def test_chinese_titles_from_standard_input(tmp_path):
    text = "id,title\n" + "".join(f"{place},{title}\n" for place, title in enumerate(PHONES))
    ask("index", "-", "--out", tmp_path / "zh", stdin=text.encode("gb18030"))
    for mode in ("bm25", "hybrid"):
        assert set(ids(ask("search", tmp_path / "zh", "手机", "--mode", mode))[:4]) == {"0", "1", "2", "3"}


# --- where an index may go, and bringing it up to date ---


def test_an_index_never_replaces_something_else(tmp_path, rows):
    jsonl(tmp_path / "p.jsonl", rows[:3])
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign" / "letter.txt").write_text("dear", encoding="utf-8")
    before = sorted(tmp_path.rglob("*"))
    for out in ("foreign", "p.jsonl", "."):
        refused(1, "is not an Aisle index", "index", "p.jsonl", "--out", out, cwd=tmp_path)
    refused(1, "it is a file", "index", "p.jsonl", "--out", "p.jsonl/below", cwd=tmp_path)
    assert sorted(tmp_path.rglob("*")) == before


def test_an_update_keeps_links_and_removes_what_is_gone(tmp_path, rows):
    jsonl(tmp_path / "p.jsonl", rows[:30])
    ask("index", tmp_path / "p.jsonl", "--out", tmp_path / "real")
    (tmp_path / "link").symlink_to("real")
    dearer = [row | {"price": 12345} for row in rows[:20]]
    jsonl(tmp_path / "p.jsonl", dearer)
    ask("index", tmp_path / "p.jsonl", "--out", tmp_path / "link")
    answer = ask("search", tmp_path / "real", "", "-k", 100)
    assert ids(answer) == sorted(str(row["id"]) for row in dearer)
    assert len({hit["price"] for hit in answer["hits"]}) == 1

    (tmp_path / "r.toml").write_text('[render]\nfields = ["title"]\n', encoding="utf-8")
    refused(1, "index the catalogue again", "search", tmp_path / "real", "x", "--recipe", tmp_path / "r.toml")
    ask("index", tmp_path / "p.jsonl", "--out", tmp_path / "link", "--recipe", tmp_path / "r.toml")
    assert (tmp_path / "link").is_symlink()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "p.jsonl", "r.toml", "real"]
    assert ask("search", tmp_path / "real", "")["total"] == 20


def test_a_failed_update_leaves_the_index_as_it_was(shop, tmp_path):
    (tmp_path / "none.csv").write_text("id,title\n", encoding="utf-8")
    before = {path: path.stat().st_mtime_ns for path in shop.rglob("*")}
    refused(1, "has no rows", "index", tmp_path / "none.csv", "--out", shop)
    assert {path: path.stat().st_mtime_ns for path in shop.rglob("*")} == before


def test_a_damaged_index_says_so_and_is_made_again(shop, tmp_path):
    index, catalogue = tmp_path / "index", shop.parent / "products.jsonl"
    for damage, message in (
        (lambda: (index / "recipe.toml").write_bytes(b"\x01"), "is damaged"),
        (lambda: shutil.rmtree(index / "lance"), "no index"),
    ):
        shutil.copytree(shop, index)
        damage()
        refused(1, message, "search", index, "hp")
        ask("index", catalogue, "--out", index)
        assert ask("search", index, "")["total"] == 200
        shutil.rmtree(index)
    for damage, message in (
        (lambda: (index / "manifest.json").unlink(), "manifest.json"),
        (lambda: (index / "manifest.json").write_text('{"kind": "index", "format": 1, "fingerprint": null}'), "remove"),
        (lambda: shutil.rmtree(index / "lance" / "products.lance" / "data"), "remove its folder and index again"),
    ):
        shutil.copytree(shop, index)
        damage()
        refused(1, message, "search", index, "hp")
        shutil.rmtree(index)


@pytest.mark.slow
@pytest.mark.parametrize("sent", [signal.SIGINT, signal.SIGKILL])
def test_an_interrupted_index_is_finished_by_the_same_command(tmp_path, sent):
    with gzip.open(SAMPLE / "products.jsonl.gz", "rt", encoding="utf-8") as file:
        lines = [line for line, _ in zip(file, range(4000), strict=False)]
    (tmp_path / "p.jsonl").write_text("".join(lines), encoding="utf-8")
    command = [*AISLE, "index", "p.jsonl", "--out", "index"]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    while not (tmp_path / ".index.building" / "lance").exists() and process.poll() is None:
        time.sleep(0.05)
    refused(1, "another process is writing", "index", "p.jsonl", "--out", "index", cwd=tmp_path)
    (tmp_path / "other.toml").write_text('[render]\nfields = ["title"]\n', encoding="utf-8")
    refused(1, "another process", "index", "p.jsonl", "--out", "index", "--recipe", "other.toml", cwd=tmp_path)
    process.send_signal(sent)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == (130 if sent == signal.SIGINT else -sent)
    assert len(errors.splitlines()) <= 3
    assert not (tmp_path / "index").exists()
    ask("index", "p.jsonl", "--out", "index", cwd=tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["index", "other.toml", "p.jsonl"]
    assert ask("search", tmp_path / "index", "")["total"] == 4000


# --- recipes ---


@pytest.mark.parametrize(
    "text",
    [
        "[search.weights]\nbm25 = nan",
        "[search.weights]\nbm25 = -1.0",
        "[search]\nrrf_k = inf",
        "[index.field_weights]\ntitle = -1.0",
        "[render]\nfields = []",
        "[render]\nfields = ['colours']",
        "\x01",
    ],
)
def test_a_wrong_recipe_is_refused(shop, tmp_path, text):
    (tmp_path / "r.toml").write_text(text, encoding="utf-8")
    assert aisle("search", shop, "hp", "--recipe", tmp_path / "r.toml").returncode == 1


# --- searching ---


@pytest.mark.parametrize(
    "query",
    [
        "",
        " \t ",
        "notebook computer " * 600,
        "🎧📱",
        "!!! ?? -- \"' () []",
        "title:hp AND (x OR *:*)~2^5",
        "'; DROP TABLE--",
    ],
)
def test_any_query_has_an_answer(shop, query):
    answer = ask("search", shop, query)
    assert answer["query"] == query
    assert [hit["rank"] for hit in answer["hits"]] == list(range(1, 11))
    assert bool(answer["degraded"]) == (len(query) > 2000)


def test_pages_fit_and_parts_add_up(shop):
    whole = ask("search", shop, "wireless headphnes", "-k", 60)
    again = ask("search", shop, "wireless headphnes", "-k", 60)
    assert whole | {"timings_ms": 0} == again | {"timings_ms": 0}
    for hit in whole["hits"]:
        assert hit["score"] == pytest.approx(sum(part["contribution"] for part in hit["parts"].values()))
    paged = [
        hit for at in (0, 25, 50) for hit in ask("search", shop, "wireless headphnes", "-k", 25, "--offset", at)["hits"]
    ]
    assert paged[:60] == whole["hits"]
    assert "headphone" in whole["hits"][0]["title"].lower()
    assert ids(ask("search", shop, "hp", "-k", 0)) == []
    assert len(ids(ask("search", shop, "hp", "-k", 1_000_000))) == 200
    assert ids(ask("search", shop, "hp", "--offset", 1_000_000)) == []
    refused(1, "k is -1", "search", shop, "hp", "-k", -1)


def test_identifiers_come_first(shop, rows, tmp_path):
    row = next(row for row in rows if "LC51C" in row["title"])
    eans = [str(ean) for ean in (row["ean"] if isinstance(row["ean"], list) else [row["ean"]])]
    queries = ["LC51C", "lc-51c", "LC51C ink", str(row["id"]), *eans, eans[0].lstrip("0")]
    (tmp_path / "q.txt").write_text("\n".join(queries), encoding="utf-8")
    for mode in ("bm25", "dense", "hybrid"):
        assert ids(ask("search", shop, "lc-51c", "--mode", mode))[0] == str(row["id"]), mode
        asked = ("run", shop, "--queries", tmp_path / "q.txt", "--out", tmp_path / mode, "--mode", mode)
        assert aisle(*asked).returncode == 0
        found = read(tmp_path / mode)
        assert set(found) == {query.replace(" ", "_") for query in queries}
        assert {hits[0][0] for hits in found.values()} == {str(row["id"])}, mode


# --- runs ---


def read(path):
    """Query to (product, score), checking form, ranks and that scores fall even as 32-bit numbers."""
    found = defaultdict(list)
    for line in path.read_text(encoding="utf-8").split("\n")[:-1]:
        query, _, product, rank, score, _ = line.split(" ")
        found[query].append((product, float(score)))
        assert int(rank) == len(found[query])
    for hits in found.values():
        assert (np.diff(np.array([score for _, score in hits], np.float32)) < 0).all()
        assert len({product for product, _ in hits}) == len(hits)
    return found


def test_a_run_names_queries_by_their_raw_text(shop, tmp_path):
    text = "hp laptop\r\n  leading\r\ntrailing \r\ntab\there\r\n\r\nhp laptop\r\nHP laptop\r\nnb\u00a0sp\r\n#a,b\r\n"
    (tmp_path / "q.txt").write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert aisle("run", shop, "--queries", tmp_path / "q.txt", "--out", tmp_path / "r.trec").returncode == 0
    assert list(read(tmp_path / "r.trec")) == [
        "hp_laptop", "__leading", "trailing_", "tab_here", "HP_laptop", "nb_sp", "#a,b",
    ]  # fmt: skip
    (tmp_path / "q.csv").write_text("query_id,query,docid,rating\n7,hp laptop,1,2\n a b,ink,1,0\n", encoding="utf-8")
    assert aisle("run", shop, "--queries", tmp_path / "q.csv", "--out", tmp_path / "r.trec").returncode == 0
    assert list(read(tmp_path / "r.trec")) == ["7", "_a_b"]


def test_judgments_by_text_match_runs_by_id_and_by_text(tmp_path):
    (tmp_path / "by_text.csv").write_text("query,docid,rating\nusb hub,a,1\nink ,b,1\n", encoding="utf-8")
    (tmp_path / "by_id.csv").write_text("query_id,query,docid,rating\n7,usb hub,a,1\n8,ink ,b,1\n", encoding="utf-8")
    (tmp_path / "text.trec").write_text("usb_hub Q0 a 1 1 x\nink_ Q0 b 1 1 x\n", encoding="utf-8")
    (tmp_path / "id.trec").write_text("7 Q0 a 1 1 x\n8 Q0 b 1 1 x\n", encoding="utf-8")
    for name, judgments in (("text", "by_text"), ("text", "by_id"), ("id", "by_id")):
        answer = ask("evaluate", f"{name}.trec", "--judgments", f"{judgments}.csv", "--metrics", "MRR", cwd=tmp_path)
        assert answer["metrics"]["MRR"]["wrong"]["mean"] == 1, (name, judgments)


def test_a_run_can_go_to_a_device_or_a_link(shop, tmp_path):
    (tmp_path / "q.txt").write_text("hp\n", encoding="utf-8")
    (tmp_path / "link.trec").symlink_to("real.trec")
    (tmp_path / "real.trec").write_text("", encoding="utf-8")
    assert aisle("run", shop, "--queries", "q.txt", "--out", "link.trec", cwd=tmp_path).returncode == 0
    assert (tmp_path / "link.trec").is_symlink()
    assert list(read(tmp_path / "real.trec")) == ["hp"]
    os.mkfifo(tmp_path / "pipe")
    with subprocess.Popen(["cat", tmp_path / "pipe"], stdout=subprocess.PIPE) as reader:
        assert aisle("run", shop, "--queries", "q.txt", "--out", "pipe", cwd=tmp_path).returncode == 0
        assert reader.communicate(timeout=30)[0].decode() == (tmp_path / "real.trec").read_text(encoding="utf-8")
    assert (tmp_path / "pipe").is_fifo()


def test_evaluate_agrees_with_pytrec_eval_and_ir_measures(shop, tmp_path):
    import ir_measures
    import pytrec_eval

    judgments, trec_run = SAMPLE / "ratings.csv", tmp_path / "r.trec"
    assert aisle("run", shop, "--queries", judgments, "--out", trec_run).returncode == 0
    names = ["nDCG@10", "P@10", "R@100", "MRR@10"]
    answer = ask("evaluate", trec_run, "--judgments", judgments, "--metrics", *names)
    ours = {name: answer["metrics"][name]["wrong"]["mean"] for name in names}

    qrels = defaultdict(dict)
    with judgments.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            qrels["".join("_" if c.isspace() else c for c in row["query"])][row["docid"]] = int(row["rating"])
    qrels = {query: grades for query, grades in qrels.items() if max(grades.values()) >= 1}
    found = {query: dict(read(trec_run)[query]) for query in qrels}
    gains = {query: {product: 2**grade - 1 for product, grade in grades.items()} for query, grades in qrels.items()}
    trec = pytrec_eval.RelevanceEvaluator(gains, {"ndcg_cut_10"}).evaluate(found)
    assert ours["nDCG@10"] == pytest.approx(sum(trec[query]["ndcg_cut_10"] for query in qrels) / len(qrels))
    theirs = ir_measures.calc_aggregate(
        [ir_measures.parse_measure(name) for name in ("P@10", "R@100", "RR@10")],
        [
            ir_measures.Qrel(query, product, grade)
            for query, grades in qrels.items()
            for product, grade in grades.items()
        ],
        list(ir_measures.read_trec_run(str(trec_run))),
    )
    assert [ours["P@10"], ours["R@100"], ours["MRR@10"]] == pytest.approx([theirs[m] for m in theirs_order(theirs)])

    same = ask("compare", trec_run, trec_run, "--judgments", judgments)
    assert same["counts"]["a"] == same["counts"]["b"] == answer["counts"]


def theirs_order(theirs):
    """P, R, RR: the order of our names."""
    return sorted(theirs, key=lambda measure: ["P@10", "R@100", "RR@10"].index(str(measure)))
