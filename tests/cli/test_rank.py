"""`aisle rank` on real rows: what it writes, what it refuses, and that grades are not looked at."""

import csv
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from aisle.cli.evaluate import evaluate
from aisle.cli.main import cli, run
from aisle.cli.rank import rank
from aisle.encoders.load import load_encoder
from aisle.errors import ArtifactError, JudgmentError
from aisle.evaluate.pools import mean_ndcg
from aisle.indexes import segment
from aisle.judgments import read_judgments, read_run, write_judgments
from aisle.judgments.pairs import read_pairs
from aisle.ranking.pool_bm25 import PoolBm25
from aisle.rerankers.load import LOADERS

PAIRS = """\
id,query,product_title,product_description,median_relevance
478578,surround sound speakers,Philips SPA2600/00 speaker set 5.1 channels,SPA2600 Multi-media Speaker 5.1,4
130423,surround sound speakers,"Philips 50"" Pixel Plus 2 Flat TV 127 cm (50"")",,1
77487293,nintendo,Bigben Interactive Switch Pack III Hardshell case Nintendo Black,,4
1579374,surround sound speakers,Philips In-Ear Headphones SHE5920/00,Patented virtual surround sound design.,2
77192151,nintendo,"Alienware AW510H Headset Head-band Black,White",,1
3932626,nintendo,Bigben Interactive My Sims Case EAMS801,,1
77192151,surround sound speakers,"Alienware AW510H Headset Head-band Black,White",,3
279672,surround sound speakers,Philips MMS321 Multimedia Speaker 2.0,Stunning sound and style,4
"""
NO_IDS = "\n".join(line.partition(",")[2] for line in PAIRS.splitlines()) + "\n"
SPEAKERS = ["478578", "130423", "1579374", "77192151", "279672"]


@pytest.fixture
def work(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write("pairs.csv", PAIRS)
    return tmp_path


def write(name, text):
    Path(name).write_text(text, encoding="utf-8")


def call(command, *args):
    return CliRunner().invoke(command, args, standalone_mode=False, catch_exceptions=False)


def ranked(*args, out="out.trec"):
    """The run that the command writes, and what it prints as JSON."""
    printed = json.loads(call(rank, "--out", out, "--json", *args).stdout)
    return {query: list(hits) for query, hits in read_run(Path(out)).items()}, printed


def best_first(scores):
    return [name for name, _ in sorted(scores.items(), key=lambda item: -item[1])]


class LongestText:
    """Prefers long titles and descriptions; remembers what it was asked."""

    def __init__(self):
        self.asked = []

    def score(self, query, products):
        self.asked.append((query, [product.id for product in products]))
        return np.array([len(product.title) + len(product.description) for product in products], np.float32)


@pytest.fixture
def reranker(work, monkeypatch):
    (work / "judge").mkdir()
    manifest = {"kind": "reranker", "format": 1, "fingerprint": {}, "details": {"architecture": "longest"}}
    write("judge/manifest.json", json.dumps(manifest))
    model = LongestText()
    monkeypatch.setitem(LOADERS, "longest", lambda folder: model)
    return model


# --- scores ------------------------------------------------------------------------------------------------


def test_an_encoder_orders_by_cosine(work):
    found, printed = ranked("--pairs", "pairs.csv", "--model", "embedded")
    encoder = load_encoder("embedded")
    pairs = read_pairs(Path("pairs.csv"))
    for query, rows in pairs.by_query().items():
        asked = encoder.encode([pairs[rows[0]].query], "query")[0]
        cosines = {pairs[row].doc_id: float(encoder.encode([pairs[row].title], "product")[0] @ asked) for row in rows}
        assert [name for name, _ in found[query]] == best_first(cosines)
        assert dict(found[query]) == pytest.approx(cosines, abs=2e-6)
    counts = {key: printed[key] for key in ("run", "model", "pairs_files", "queries", "pairs", "graded")}
    expected = {"run": "out.trec", "model": "embedded", "pairs_files": ["pairs.csv"]}
    assert counts == expected | {"queries": 2, "pairs": 8, "graded": 8}


def test_the_folder_of_an_encoder_is_the_same_encoder(work):
    import aisle.encoders

    folder = Path(aisle.encoders.__file__).parent / "bilingual"
    assert (
        ranked("--pairs", "pairs.csv", "--model", folder)[0] == ranked("--pairs", "pairs.csv", "--model", "embedded")[0]
    )


def test_bm25_is_that_of_all_titles(work):
    found, _ = ranked("--pairs", "pairs.csv", "--model", "bm25")
    pairs = read_pairs(Path("pairs.csv"))
    bm25 = PoolBm25([pair.title for pair in pairs], segment=segment)
    speakers = pairs.by_query()["surround_sound_speakers"]
    scores = bm25.score(["surround sound speakers"] * 5, speakers)
    # no title has the words "surround", "sound" or "speakers": equal scores, so the order of the rows
    assert scores.tolist() == [0.0] * 5
    assert [name for name, _ in found["surround_sound_speakers"]] == SPEAKERS
    assert [name for name, _ in found["nintendo"]] == ["77487293", "77192151", "3932626"]
    assert found["nintendo"][0][1] == pytest.approx(bm25.score(["nintendo"], [2])[0], abs=1e-5)
    written = [float(line.split()[4]) for line in Path("out.trec").read_text().splitlines()]
    assert all(np.diff(written[:5]) < 0)


def test_a_reranker_is_asked_once_a_query(reranker):
    found, _ = ranked("--pairs", "pairs.csv", "--model", "judge")
    assert reranker.asked == [
        ("surround sound speakers", SPEAKERS),
        ("nintendo", ["77487293", "77192151", "3932626"]),
    ]
    rows = list(csv.DictReader(PAIRS.splitlines()))
    lengths = {
        row["id"]: len(row["product_title"]) + len(row["product_description"])
        for row in rows
        if row["query"] == "nintendo"
    }
    assert [name for name, _ in found["nintendo"]] == best_first(lengths)


@pytest.mark.parametrize("model", ["bm25", "embedded", "judge"])
def test_grades_are_not_looked_at(reranker, model):
    found, _ = ranked("--pairs", "pairs.csv", "--model", model)
    turned = [[*row[:-1], str(5 - int(row[-1]))] for row in list(csv.reader(PAIRS.splitlines()))[1:]]
    for name, rows in (("turned.csv", turned), ("bare.csv", [[*row[:-1], ""] for row in turned])):
        with Path(name).open("w", encoding="utf-8", newline="") as out:
            csv.writer(out).writerows([PAIRS.splitlines()[0].split(","), *rows])
        assert ranked("--pairs", name, "--model", model)[0] == found


@pytest.mark.parametrize("label", ["Exact", "n/a", "perfect"])
def test_labels_that_are_none_are_not_even_read(work, label):
    found, _ = ranked("--pairs", "pairs.csv", "--model", "bm25")
    write("odd.csv", PAIRS.replace(",3\n", f",{label}\n"))
    rows = [json.dumps(row | {"median_relevance": [label]}) for row in csv.DictReader(PAIRS.splitlines())]
    write("odd.jsonl", "\n".join(rows))
    for name in ("odd.csv", "odd.jsonl"):
        again, printed = ranked("--pairs", name, "--model", "bm25")
        assert again == found
        assert (printed["graded"], printed["to_evaluate"]) == (None, [])
    shown = call(rank, "--pairs", "odd.csv", "--model", "bm25", "--out", "out.trec").stdout
    assert "cannot be read" in shown


def test_a_cut_off_label_cell_is_not_missed(work):
    found, _ = ranked("--pairs", "pairs.csv", "--model", "bm25")
    write("short.csv", PAIRS.replace(",3\n", "\n"))
    assert ranked("--pairs", "short.csv", "--model", "bm25")[0] == found


@pytest.mark.parametrize("model", ["bm25", "embedded"])
def test_json_lines_without_ids_number_the_rows(work, model):
    rows = csv.DictReader(NO_IDS.splitlines())
    write("pairs.jsonl", "".join(json.dumps(row) + "\n" for row in rows))
    numbered, _ = ranked("--pairs", "pairs.jsonl", "--model", model)
    named, _ = ranked("--pairs", "pairs.csv", "--model", model)
    ids = [row["id"] for row in csv.DictReader(PAIRS.splitlines())]
    assert {query: [(ids[int(name)], score) for name, score in hits] for query, hits in numbered.items()} == named


def test_columns_by_name(work):
    write("odd.csv", PAIRS.replace("query,product_title", "wanted,what"))
    want, _ = ranked("--pairs", "pairs.csv", "--model", "bm25")
    for columns in (
        ["--column", "query=wanted", "--column", "title=what"],
        ["--column=title=what", "--column=query=wanted"],
    ):
        assert ranked("--pairs", "odd.csv", *columns, "--model", "bm25")[0] == want
        assert ranked(*columns, "--pairs", "odd.csv", "--model", "bm25")[0] == want


# --- several files -----------------------------------------------------------------------------------------


def test_two_files_with_ids_make_one_run(work):
    lines = PAIRS.splitlines(keepends=True)
    write("a.csv", "".join(lines[:4]))
    write("b.csv", "".join([lines[0], *lines[4:]]))
    together, printed = ranked("--pairs", "a.csv", "--pairs", "b.csv", "--model", "bm25")
    whole, _ = ranked("--pairs", "pairs.csv", "--model", "bm25")
    assert together == whole
    assert len(printed["to_evaluate"]) == 2


def test_files_that_cannot_be_told_apart_are_refused(work):
    write("numbered.csv", NO_IDS)
    with pytest.raises(JudgmentError, match=r"'numbered\.csv' has no column id: its rows are numbered"):
        call(rank, "--pairs", "pairs.csv", "--pairs", "numbered.csv", "--model", "bm25", "--out", "o")
    write("same.csv", "id,query,title\n279672,surround sound speakers,another\n")
    for other, message in (
        ("same.csv", r"id '279672' of query 'surround_sound_speakers' is in 'pairs\.csv' and in 'same\.csv'"),
        ("pairs.csv", r"id '478578' of query .* is in 'pairs\.csv' and in 'pairs\.csv'"),
    ):
        with pytest.raises(JudgmentError, match=message):
            call(rank, "--pairs", "pairs.csv", "--pairs", other, "--model", "bm25", "--out", "o")
    write("x.csv", "qid,id,query,title\n1,1,usb hub,Xerox USB HUB Kit\n")
    write("y.csv", "qid,id,query,title\n1,2,garmin,Case Logic GPS Case\n")
    with pytest.raises(JudgmentError, match=r"query_id '1' is 'usb hub' in 'x\.csv', but 'garmin' in 'y\.csv'"):
        call(rank, "--pairs", "x.csv", "--pairs", "y.csv", "--model", "bm25", "--out", "o")
    assert not Path("o").exists()


# --- what to do next ---------------------------------------------------------------------------------------


def test_the_command_it_names_measures_what_pool_ndcg_measures(work):
    _, printed = ranked("--pairs", "pairs.csv", "--model", "embedded")
    gain = "nDCG(gain=1:0,2:1,3:3,4:7)@10"
    command = f"aisle evaluate out.trec --judgments pairs.csv --metrics '{gain}'"
    assert printed["to_evaluate"] == [command]
    measured = json.loads(call(evaluate, "out.trec", "--judgments", "pairs.csv", "--metrics", gain, "--json").stdout)
    assert measure(measured, gain) == pytest.approx(pool_mean())
    assert (
        f"to evaluate: {command}"
        in call(rank, "--pairs", "pairs.csv", "--model", "embedded", "--out", "out.trec").stdout
    )


def pool_mean():
    pairs = read_pairs(Path("pairs.csv"))
    encoder = load_encoder("embedded")
    queries = encoder.encode([pair.query for pair in pairs], "query")
    scores = (queries * encoder.encode([pair.title for pair in pairs], "product")).sum(1)
    return mean_ndcg(pairs.by_query(), pairs.levels(), scores)


def measure(printed, metric):
    return printed["metrics"][metric]["wrong"]["mean"]


def test_other_files_become_judgments_first(work):
    write("pairs.csv", PAIRS.replace("id,query", "id,item_query").replace("3\n", "2.5\n"))
    _, printed = ranked("--pairs", "pairs.csv", "--column", "query=item_query", "--model", "bm25")
    (note,) = printed["to_evaluate"]
    assert note.endswith("; then aisle evaluate out.trec --judgments levels.csv")
    code = note.removeprefix("in Python, ").partition("; then")[0]
    eval(code, {"Path": Path, "read_pairs": read_pairs, "write_judgments": write_judgments})
    assert read_judgments(Path("levels.csv"))[-1].grade == 3.0
    assert read_judgments(Path("levels.csv"))[3].grade == 1.0


def test_classes_are_evaluated_by_what_they_are_worth(work):
    lines = ["id,query,title,esci_label", "1,usb hub,HP Stand,E", "2,usb hub,Xerox USB HUB Kit,S", "3,usb hub,USB,C"]
    write("esci.csv", "\n".join(lines))
    found, printed = ranked("--pairs", "esci.csv", "--model", "bm25")
    assert [name for name, _ in found["usb_hub"]] == ["2", "3", "1"]
    assert printed["to_evaluate"] == ["aisle evaluate out.trec --judgments esci.csv"]
    best = 1 + 0.1 / np.log2(3) + 0.01 / 2
    wanted = pytest.approx((0.1 + 0.01 / np.log2(3) + 1 / 2) / best)
    measured = call(evaluate, "out.trec", "--judgments", "esci.csv", "--metrics", "nDCG@10", "--json").stdout
    assert measure(json.loads(measured), "nDCG(gain=0:0,1:0.01,2:0.1,3:1)@10") == wanted

    write("named.csv", "\n".join(lines).replace("query", "wanted"))
    _, printed = ranked("--pairs", "named.csv", "--column", "query=wanted", "--model", "bm25")
    code = printed["to_evaluate"][0].removeprefix("in Python, ").partition("; then")[0]
    eval(code, {"Path": Path, "read_pairs": read_pairs, "write_judgments": write_judgments})
    measured = call(evaluate, "out.trec", "--judgments", "levels.csv", "--metrics", "nDCG@10", "--json").stdout
    assert measure(json.loads(measured), "nDCG@10") == wanted


def test_levels_from_zero_need_no_gain_table(work):
    write("zero.csv", "id,query,title,label\n1,usb hub,Xerox USB HUB Kit,1\n2,usb hub,HP Notebook Stand,0\n")
    _, printed = ranked("--pairs", "zero.csv", "--model", "bm25", out="my run.trec")
    assert printed["to_evaluate"] == ["aisle evaluate 'my run.trec' --judgments zero.csv"]


def test_another_product_column_is_not_taken_for_the_id(work):
    write("uid.csv", "id,product_uid,query,title,label\n1,9,usb hub,Xerox USB HUB Kit,1\n2,8,usb hub,Stand,0\n")
    _, printed = ranked("--pairs", "uid.csv", "--model", "bm25")
    assert "write_judgments" in printed["to_evaluate"][0]


def test_without_all_grades_there_is_no_note(work):
    write("part.csv", PAIRS.replace(",4\n", ",\n", 1))
    found, printed = ranked("--pairs", "part.csv", "--model", "bm25")
    assert (printed["graded"], printed["to_evaluate"]) == (7, [])
    assert sum(map(len, found.values())) == 8


# --- what is refused ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("model", ["none", ".", "pairs.csv", "BM25", "some/model"])
def test_no_such_model(work, model):
    with pytest.raises(ArtifactError, match=r"is no model: no folder with manifest\.json") as caught:
        call(rank, "--pairs", "pairs.csv", "--model", model, "--out", "o")
    allowed = "bm25, embedded, the folder of an Aisle encoder or re-ranker, or the TOML file of a language model"
    assert caught.value.allowed == allowed


@pytest.mark.parametrize(
    ("manifest", "message"),
    [
        ('{"kind": "index"}', "'other' is of kind 'index'"),
        ("[]", "'other' is of kind 'unknown'"),
        ("{", r"cannot read 'other/manifest\.json'"),
        ('{"kind": "encoder"}', r"cannot read 'other/manifest\.json'"),
        ('{"kind": "reranker", "format": 1, "fingerprint": {}, "details": {}}', "has the architecture 'None'"),
    ],
)
def test_folders_that_are_no_model(work, manifest, message):
    (work / "other").mkdir()
    write("other/manifest.json", manifest)
    with pytest.raises(ArtifactError, match=message):
        call(rank, "--pairs", "pairs.csv", "--model", "other", "--out", "o")


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (["title"], "--column 'title' is not MEANING=NAME"),
        (["title="], "--column 'title=' is not MEANING=NAME"),
        (["title=a", "title=b"], "--column names both 'a' and 'b' as the title"),
        (["colour=a"], "a pair has no 'colour'"),
        (["title=name"], r"pairs\.csv: no column 'name' for the title"),
    ],
)
def test_columns_that_say_nothing(work, columns, message):
    with pytest.raises(JudgmentError, match=message):
        call(
            rank, "--pairs", "pairs.csv", *(f"--column={column}" for column in columns), "--model", "bm25", "--out", "o"
        )


@pytest.mark.parametrize(
    ("args", "status", "message"),
    [
        (["--pairs", "none.csv", "--model", "bm25", "--out", "o"], 1, "error: cannot read pairs from 'none.csv'"),
        (["--pairs", "pairs.csv", "--model", "none", "--out", "o"], 1, "error: 'none' is no model"),
        (["--pairs", "pairs.csv", "--model", "bm25", "--out", "no/o"], 1, "error: cannot write 'no/o'"),
        (["--pairs", "pairs.csv", "--model", "bm25"], 2, "error: Missing option '--out'"),
        (["--pairs", "pairs.csv", "--model", "bm25", "--out", "o", "--column"], 2, "requires an argument"),
    ],
)
def test_the_command_ends_with_a_short_message(work, monkeypatch, capsys, args, status, message):
    monkeypatch.setattr(sys, "argv", ["aisle", "rank", *args])
    with pytest.raises(SystemExit, match=f"^{status}$"):
        run()
    captured = capsys.readouterr()
    assert message in captured.err
    assert len(captured.err.splitlines()) <= 3
    assert captured.out == ""


def test_it_is_among_the_commands():
    assert cli.commands["rank"] is rank
