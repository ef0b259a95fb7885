"""The queue of a rater, in a real terminal too; adjudication; one file for the page and the terminal."""

import csv
import json
import os
import pty
import select
import subprocess
import sys
import termios
from pathlib import Path

import pytest
from click.testing import CliRunner

from aisle.catalogue.clean import clean
from aisle.cli.main import cli
from aisle.config import CatalogueSettings
from aisle.engine import SearchEngine
from aisle.errors import InputError, JudgmentError
from aisle.improve.judging.adjudicate import add_to_queue, adjudicate, write_decided
from aisle.improve.judging.queue import Plan, Session, pooled, queue
from aisle.judgments import read_judgments
from aisle.judgments.given import Judged, JudgmentFile, key_of
from aisle.judgments.pairs import TextPair, read_pairs

FILE = Path(__file__).parent.parent / "data" / "judging" / "icecat_raters.csv"
RATERS = ("agent_1_rating", "agent_2_rating", "agent_3_rating")
CATALOGUE = Path(__file__).parent.parent / "data" / "catalogue" / "icecat.jsonl"


@pytest.fixture(scope="module")
def pairs():
    found = read_pairs(FILE, {"id": "docid", "title": "name", "relevance": "final_rating"})
    assert len(found) == 523
    return found.items


def call(*args, text=""):
    return CliRunner().invoke(cli, list(map(str, args)), input=text, catch_exceptions=False)


def queries_of(items):
    """Queries in order, one entry for each change."""
    found = []
    for one in items:
        if not found or found[-1] != one.query:
            found.append(one.query)
    return found


def test_the_order_is_the_raters_own_and_queries_stay_together(pairs):
    ann, again, ben, other = (
        queue(pairs, (), (), Plan(rater, seed)) for rater, seed in (("ann", 0), ("ann", 0), ("ben", 0), ("ann", 1))
    )
    assert ann == again
    assert sorted(one.doc_id for one in ann) == sorted(one.doc_id for one in pairs)
    assert len({tuple(ann), tuple(ben), tuple(other), tuple(pairs)}) == 4
    assert len(queries_of(ann)) == 22


def test_anchors_are_mixed_in_the_same_for_all(pairs):
    anchors, rest = pairs[:200], pairs[200:]
    ann, ben = (queue(rest, anchors, (), Plan(rater, share=0.1)) for rater in ("ann", "ben"))
    known = {(one.query, one.doc_id) for one in anchors}
    mixed = [{(one.query, one.doc_id) for one in items} & known for items in (ann, ben)]
    assert mixed[0] == mixed[1]
    assert len(mixed[0]) == round(0.1 * len(rest)) == 32
    assert len(queue(pairs, anchors, (), Plan("ann", share=0.1))) == len(pairs)  # an anchor among the pairs comes once


def test_what_is_judged_is_not_asked_again(pairs):
    some = pairs[:30]
    mine = [Judged(one.query.upper(), one.doc_id, 1, "ann") for one in some[:4]]
    others = [Judged(one.query, one.doc_id, 1, name) for one in some[10:15] for name in ("ben", "cy", "llm:m:1")]
    others += [Judged(one.query, one.doc_id, 1, name) for one in some[15:18] for name in ("ben", "llm:m:1")]
    assert {one.doc_id for one in queue(some, (), [*mine, *others], Plan("ann"))} == {one.doc_id for one in some[4:]}
    left = queue(some, some[10:11], [*mine, *others], Plan("ann", share=0.04, each=2))
    assert {one.doc_id for one in left} == {
        one.doc_id for one in some[4:] if one not in some[11:15]
    }  # the anchor stays
    with pytest.raises(InputError, match="a rater named 'llm:mine'"):
        Plan("llm:mine")
    with pytest.raises(InputError, match="a share of 2"):
        Plan("ann", share=2)


def test_a_session_keeps_takes_back_and_skips(tmp_path, pairs):
    store = JudgmentFile(tmp_path / "judgments.jsonl")
    items = queue(pairs[:4], (), (), Plan("ann"))
    session = Session(items, store, "ann")
    assert not session.undo()
    session.grade(3)
    session.skip()
    session.grade(1)
    assert session.undo()
    assert session.current == items[2]
    session.grade(0)
    assert [(one.product_id, one.grade) for one in store.read()] == [(items[0].doc_id, 3), (items[2].doc_id, 0)]
    assert (session.graded, session.skipped, session.left) == (2, 1, 1)
    assert session.undo()
    assert session.undo()  # the skipped one comes back
    assert session.current == items[1]
    with pytest.raises(InputError, match="grade 4"):
        session.grade(4)
    again = Session(queue(pairs[:4], (), store.read(), Plan("ann")), store, "ann")
    assert again.left == 3
    assert again.current == items[1]


def write(path, rows):
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["id", "query", "title", "description"], *rows])
    return path


CHINESE = [["1", "手机壳", "透明硅胶手机壳\x1b[31m红", "防摔"], ["2", "手机壳", "手机充电器", ""]]


def test_the_terminal_by_keys_in_chinese(tmp_path):
    file, store = write(tmp_path / "pairs.csv", CHINESE), tmp_path / "s" / "judgments.jsonl"
    command = ("judge", "queue", file, "--store", store, "--rater", "安", "--language", "zh")
    first = call(*command, text="9x3q")
    assert first.exit_code == 0, first.output
    assert "\x1b" not in first.output.replace("\x1b[1m", "").replace("\x1b[0m", "").replace("\x1b[2m", "")
    assert "正是所求" in first.output
    assert "手机壳" in first.output
    assert "1 judged, 0 skipped, 1 left" in first.output
    second = call(*command, text="su0u0u0")  # skipped, back, 0, back, 0, back at the end, 0
    assert "1 judged, 0 skipped, 0 left" in second.output
    lines = [json.loads(line) for line in store.read_text(encoding="utf-8").splitlines()]
    assert [(one["judge"], one.get("withdrawn", False)) for one in lines] == [("安", False)] * 2 + [
        ("安", True),
        ("安", False),
    ] * 2
    order = queue(read_pairs(file).items, (), (), Plan("安"))
    assert [(one.product_id, one.grade) for one in JudgmentFile(store).read()] == [
        (order[0].doc_id, 3), (order[1].doc_id, 0),
    ]  # fmt: skip
    assert "0 judged, 0 skipped, 0 left" in call(*command).output


def test_a_real_terminal(tmp_path):
    """Keys without Enter, through a pseudo-terminal; then Ctrl-C, which loses nothing."""
    file, store = write(tmp_path / "pairs.csv", [*CHINESE, ["3", "手机壳", "皮套", ""]]), tmp_path / "judgments.jsonl"
    ours, theirs = pty.openpty()
    program = [sys.executable, "-c", "from aisle.cli.main import run; run()", "judge", "queue", str(file)]
    process = subprocess.Popen(
        [*program, "--store", str(store), "--rater", "ann"],
        stdin=theirs, stdout=theirs, stderr=theirs, close_fds=True, env=os.environ | {"LANG": "zh_CN.UTF-8"},
    )  # fmt: skip
    os.close(theirs)
    said, prompts, keys = b"", 0, [b"2", b"1", b"\x03"]
    while process.poll() is None:
        if select.select([ours], [], [], 0.05)[0]:
            try:
                said += os.read(ours, 4096)
            except OSError:
                break
        listens = not termios.tcgetattr(ours)[3] & termios.ICANON  # a key before that is thrown away
        if listens and said.count(b" > ") > prompts:
            os.write(ours, keys[prompts])
            prompts += 1
    assert process.wait(30) == 130, said.decode()
    os.close(ours)
    text = said.decode()
    assert "手机充电器" in text
    assert "interrupted" in text
    assert [one.grade for one in JudgmentFile(store).read()] == [2, 1]


def test_without_a_terminal_it_says_what_to_do(tmp_path):
    file, store = write(tmp_path / "pairs.csv", CHINESE), tmp_path / "judgments.jsonl"
    program = [sys.executable, "-c", "from aisle.cli.main import run; run()", "judge", "queue", str(file)]
    done = subprocess.run(
        [*program, "--store", str(store), "--rater", "ann"],
        input="1\n", capture_output=True, text=True, encoding="utf-8", start_new_session=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1
    first, *more = done.stderr.splitlines()
    assert first.startswith("error: no key can be read, since there is no terminal: ")
    assert more == [
        "allowed: a terminal to type in",
        "to fix: start it in a terminal, or judge on the page /judge of aisle serve, or by aisle judge llm",
    ]
    assert not store.exists()


def test_products_of_an_index_are_pooled_for_judging(tmp_path):
    few = CATALOGUE.read_text(encoding="utf-8").splitlines(keepends=True)[:15]
    (tmp_path / "few.jsonl").write_text("".join(few), encoding="utf-8")
    with clean(tmp_path / "few.jsonl", CatalogueSettings()) as cleaned:
        SearchEngine.build(cleaned, tmp_path / "shop").close()
    (tmp_path / "queries.txt").write_text("usb cable\nnotebook\n", encoding="utf-8")
    with SearchEngine.open(tmp_path / "shop") as engine:
        found = pooled(engine, [("1", "usb cable")], 3)
        assert 3 <= len(found) <= 6
        assert len({one.doc_id for one in found}) == len(found)
        assert all(one.title for one in found)
    store = tmp_path / "judgments.jsonl"
    options = ("--index", tmp_path / "shop", "--queries", tmp_path / "queries.txt", "--depth", "2")
    result = call("judge", "queue", *options, "--store", store, "--rater", "ann", text="33q")
    assert "2 judged" in result.output
    with pytest.raises(InputError, match="nothing to judge"):
        call("judge", "queue", "--store", store, "--rater", "ann")
    with pytest.raises(InputError, match="--highest 12"):
        call("judge", "queue", *options, "--store", store, "--rater", "ann", "--highest", "12")


# --- adjudication ------------------------------------------------------------------------------------------


def given(*grades, query="q", product="1", names=("ann", "ben", "cy", "dee")):
    return [Judged(query, product, grade, name) for name, grade in zip(names, grades, strict=False)]


@pytest.mark.parametrize(
    ("grades", "rule", "grade", "how"),
    [
        ((3,), "median", 3, "one rater"),
        ((2, 2, 2), "majority", 2, "all agree"),
        ((0, 3, 3), "median", 3, "median"),
        ((0, 1, 3, 3), "median", 1, "median"),
        ((0, 3, 3), "majority", 3, "majority"),
        ((0, 1, 3), "majority", None, "open"),
        ((0, 0, 3, 3), "majority", None, "open"),
        ((0, 1, 3), "mean", 4 / 3, "mean"),
    ],
)
def test_rules_by_hand(grades, rule, grade, how):
    (found,) = adjudicate(given(*grades), rule)
    assert (found.grade, found.how) == (grade, how)


def test_people_go_before_models_and_the_adjudicator_before_all():
    models = [Judged("Q", "1", 0, "llm:m:1"), Judged("q", "1", 0, "llm:m:2"), Judged("q", "2", 1, "llm:m:1")]
    first, second = adjudicate([*given(3, 2), *models])
    assert (first.grade, first.how, first.given["llm:m:1"]) == (2, "median", 0)
    assert (second.grade, second.how) == (1, "one rater")
    (found,) = adjudicate(given(0, 3, 3), "median", "ann", 2)
    assert (found.grade, found.how) == (0, "adjudicator")
    (found,) = adjudicate(given(0, 3, 3), "median", "", 3)
    assert (found.grade, found.how, found.spread) == (None, "open", 3)
    with pytest.raises(InputError, match="rule 'vote'"):
        adjudicate([], "vote")


def test_from_disagreement_to_judgments_that_evaluate_and_train_read(tmp_path, pairs):
    """Three raters, open pairs to a fourth in the terminal, and one file that both readers take."""
    table = write_pairs(tmp_path / "pairs.csv", pairs)
    options = [option for name in RATERS for option in ("--rater", name)]
    common = ("--open-from", 2, "--pairs", table, "--json")
    first = call(
        "judge", "adjudicate", FILE, *options, *common, "--out", tmp_path / "one.csv", "--open", tmp_path / "open.csv"
    )
    told = json.loads(first.stdout)
    with FILE.open(encoding="utf-8") as file:
        grades = {
            (key_of(row["query"]), row["docid"]): sorted(int(row[name]) for name in RATERS)
            for row in csv.DictReader(file)
        }
    far = {pair for pair, some in grades.items() if some[-1] - some[0] >= 2}
    assert (told["written"], told["open"]) == (len(grades) - len(far), len(far))
    written = read_judgments(tmp_path / "one.csv")
    assert {(key_of(one.query), one.product_id): one.grade for one in written} == {
        pair: some[1] for pair, some in grades.items() if pair not in far
    }
    assert [one.title for one in read_pairs(tmp_path / "one.csv", need_grades=True)][:1] == [
        next(one.title for one in pairs if (key_of(one.query), one.doc_id) not in far)
    ]
    waiting = read_pairs(tmp_path / "open.csv").items
    assert {(key_of(one.query), one.doc_id) for one in waiting} == far
    assert all(one.grade is None for one in waiting)
    store = tmp_path / "chief.jsonl"
    call("judge", "queue", tmp_path / "open.csv", "--store", store, "--rater", "chief", text="1" * len(far))
    second = call(
        "judge", "adjudicate", FILE, store, *options, *common, "--adjudicator", "chief", "--out", tmp_path / "two.csv"
    )
    assert json.loads(second.stdout)["open"] == 0
    final = {(key_of(one.query), one.product_id): one.grade for one in read_judgments(tmp_path / "two.csv")}
    assert len(final) == len(grades)
    assert {final[pair] for pair in far} == {1.0}
    with (tmp_path / "two.csv").open(encoding="utf-8") as file:
        row = next(row for row in csv.DictReader(file) if row["decided_by"] == "adjudicator")
    assert "chief=1" in row["given"]
    assert "agent_3_rating=" in row["given"]
    shown = call("judge", "adjudicate", FILE, *options, "--out", tmp_path / "three.csv")
    assert "all agree" in shown.output
    assert "more; --json has all" in shown.output


def write_pairs(path, pairs):
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["id", "query", "title"], *([one.doc_id, one.query, one.title] for one in pairs)])
    return path


def test_a_queue_for_people_grows_and_nothing_comes_twice(tmp_path):
    path = tmp_path / "queue.csv"
    pair = TextPair("手机_壳", "手机 壳", "1", '15" 壳,\r\n红', "a\rb")
    assert add_to_queue(path, []) == 0
    assert not path.exists()
    assert add_to_queue(path, [(pair, "orders")]) == 1
    assert add_to_queue(path, [(pair, "unread"), (TextPair("x", "x", "2", "t"), "unread")]) == 1
    assert [(one.query, one.title) for one in read_pairs(path)] == [("手机 壳", '15" 壳, 红'), ("x", "t")]
    other = write(tmp_path / "pairs.csv", CHINESE)
    with pytest.raises(JudgmentError, match="is no queue"):
        add_to_queue(other, [(pair, "orders")])


def test_what_cannot_be_written_is_said(tmp_path):
    decided = adjudicate(given(0, 1, 3), "majority")
    with pytest.raises(JudgmentError, match="nothing is decided"):
        write_decided(tmp_path / "out.csv", decided)
    with pytest.raises(JudgmentError, match="is not among the pairs"):
        write_decided(tmp_path / "out.csv", adjudicate(given(1)), [TextPair("q", "q", "2", "t")])
    with pytest.raises(InputError, match="--open without --pairs"):
        call("judge", "adjudicate", FILE, "--out", tmp_path / "o", "--open", tmp_path / "p")


@pytest.mark.parametrize("mark", [",", ";", "\t"])
def test_a_table_of_rater_columns_alone(tmp_path, mark):
    table = tmp_path / "raters.csv"
    lines = ["query,docid,a,b,note", "usb hub,1,3,2,x", "usb hub,2,0,0,", "tv,7,1,,y"]
    table.write_text("\n".join(lines).replace(",", mark) + "\n", encoding="utf-8")
    plain = json.loads(call("judge", "agreement", table, "--rater", "a", "--rater", "b", "--json").stdout)
    assert (plain["pairs"], plain["raters"], plain["shared"]) == (3, {"a": 3, "b": 2}, 2)
    out = tmp_path / "out.csv"
    call("judge", "adjudicate", table, "--rater", "a", "--rater", "b", "--out", out)
    assert [(one.query, one.product_id, one.grade) for one in read_judgments(out)] == [
        ("usb hub", "1", 2), ("usb hub", "2", 0), ("tv", "7", 1),
    ]  # fmt: skip
    table.write_text("query,title,a,b\nusb hub,x,3,2\n", encoding="utf-8")
    with pytest.raises(JudgmentError, match=r"do not name the query and the product(.|\n)*allowed: query, docid"):
        call("judge", "agreement", table, "--rater", "a", "--rater", "b")
    table.write_text("query,docid,a,a,b\nusb hub,1,3,2,1\n", encoding="utf-8")
    with pytest.raises(JudgmentError, match="2 columns are named 'a'"):
        call("judge", "agreement", table, "--rater", "a", "--rater", "b")


@pytest.mark.parametrize("command", [("agreement",), ("adjudicate", "--out")])
def test_a_grade_off_the_scale_is_told_with_its_line(tmp_path, command):
    """Of every form of file."""
    table, one, trec, store = (tmp_path / name for name in ("t.csv", "ann.csv", "ben.qrels", "s.jsonl"))
    table.write_text("query,docid,a,b\nusb,1,3,2\nusb,2,9,0\n", encoding="utf-8")
    one.write_text("query,docid,rating\nusb,1,3\n\nusb,2,9\n", encoding="utf-8")
    trec.write_text("usb 0 1 3\nusb 0 2 -1\n", encoding="utf-8")
    JudgmentFile(store).add([Judged("usb", "2", 9, "cy"), Judged("usb", "1", 3, "cy"), Judged("tv", "1", 4, "cy")])
    out = [tmp_path / "out.csv"] if "--out" in command else []
    for given, place, grade in (
        ([table, "--rater", "a", "--rater", "b"], "t.csv, line 3, column 'a'", 9),
        ([one], "ann.csv, line 4", 9),
        ([trec], "ben.qrels, line 2", -1),
        ([store], "s.jsonl, line 1", 9),
    ):
        with pytest.raises(JudgmentError) as caught:
            call("judge", *command, *out, *given)
        told = str(caught.value)
        assert f"{place}: the grade {grade}\nallowed: 0" in told
        assert "--highest" in told
        assert not any(path.exists() for path in out)
    call("judge", *command, *out, table, "--rater", "a", "--rater", "b", "--highest", "9")


def test_a_grade_between_is_adjudicated_and_not_compared(tmp_path):
    weak = tmp_path / "weak.csv"
    weak.write_text("query,docid,rating\nusb,1,2.5\n", encoding="utf-8")
    call("judge", "adjudicate", weak, "--out", tmp_path / "out.csv")
    assert [one.grade for one in read_judgments(tmp_path / "out.csv")] == [2.5]
    with pytest.raises(JudgmentError, match=r"weak\.csv, line 2: the grade 2\.5(.|\n)*allowed: 0, 1, 2, 3"):
        call("judge", "agreement", weak)
    with pytest.raises(JudgmentError, match=r"weak\.csv, line 2: the grade 2\.5"):
        call("judge", "agreement", FILE, "--anchors", weak)
    with pytest.raises(InputError, match="--highest 0"):
        call("judge", "adjudicate", weak, "--out", tmp_path / "out.csv", "--highest", "0")


def test_agreement_by_the_command(tmp_path):
    options = [option for name in RATERS for option in ("--rater", name)]
    plain = json.loads(call("judge", "agreement", FILE, *options, "--json").stdout)
    assert plain["pairs"] == 523
    assert plain["alpha"]["ordinal"]["low"] < plain["alpha"]["ordinal"]["value"] < plain["alpha"]["ordinal"]["high"]
    shown = call("judge", "agreement", FILE, *options, "--anchors", FILE).output
    assert "Krippendorff's alpha, ordinal" in shown
    assert "agent_3_rating against the anchors" in shown
    typed = " ".join(options)
    for given in ([FILE], [FILE, "--json"]):
        with pytest.raises(JudgmentError, match=rf"nothing can be compared(.|\n)*look like raters: {typed}$"):
            call("judge", "agreement", *given)
    assert "icecat_raters against the anchors" in call("judge", "agreement", FILE, "--anchors", FILE).output
    alone = tmp_path / "ann.csv"
    alone.write_text("query,docid,rating,price,stock\nusb hub,1,3,19.9,2\nusb hub,2,0,5,80\n", encoding="utf-8")
    with pytest.raises(JudgmentError, match=r"read: ann 2(.|\n)*to fix: give another rater's file"):
        call("judge", "agreement", alone)
    with pytest.raises(JudgmentError, match=r"read: agent_1_rating 523(.|\n)*to fix: give another rater's file"):
        call("judge", "agreement", FILE, "--rater", RATERS[0])
