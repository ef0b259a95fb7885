"""Pairs from files of every kind, on real rows of the Icecat sample and in the layouts that such files have."""

import csv
import gzip
import io
import json
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aisle.errors import JudgmentError
from aisle.judgments import read_judgments, write_judgments
from aisle.judgments.pairs import DESCRIPTION_CHARACTERS, PairSet, Scale, TextPair, pair_text, read_pairs
from aisle.types import Judgment

CSV = """\
id,query,product_title,product_description,median_relevance,relevance_variance
478578,surround sound speakers,Philips SPA2600/00 speaker set 5.1 channels,SPA2600 Multi-media Speaker 5.1,4,0.471
130423,surround sound speakers,"Philips 50"" Pixel Plus 2 Flat TV 127 cm (50"")",,1,0
1723896,garmin,"Case Logic 3.5"" GPS Case 8.89 cm (3.5"") Black EVA (Ethylene Vinyl Acetate)","3.5"" GPS Case",1,0
1579374,surround sound speakers,Philips In-Ear Headphones SHE5920/00,"Patented, ""virtual"" surround sound.",2.5,
"""
ROWS = [
    ("surround_sound_speakers", "478578", 4.0),
    ("surround_sound_speakers", "130423", 1.0),
    ("garmin", "1723896", 1.0),
    ("surround_sound_speakers", "1579374", 2.5),
]


@pytest.fixture
def file(tmp_path):
    def write(content, name="pairs.csv"):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
        return path

    return write


def as_jsonl(text):
    """The same rows as objects, numbers as numbers where they are some."""
    for row in csv.DictReader(io.StringIO(text)):
        yield {key: json.loads(cell) if cell and cell.strip("0123456789.") == "" else cell for key, cell in row.items()}


def named(pairs):
    return [(pair.query_id, pair.doc_id, pair.grade) for pair in pairs]


# --- formats -----------------------------------------------------------------------------------------------


def test_a_table(file):
    path = file(CSV)
    pairs = read_pairs(path)
    assert pairs[0] == TextPair(
        "surround_sound_speakers",
        "surround sound speakers",
        "478578",
        "Philips SPA2600/00 speaker set 5.1 channels",
        "SPA2600 Multi-media Speaker 5.1",
        4.0,
        0.471,
    )
    assert pairs[1].title == 'Philips 50" Pixel Plus 2 Flat TV 127 cm (50")'
    assert (pairs[1].description, pairs[-1].variance) == ("", None)
    assert named(pairs) == ROWS
    assert (pairs.scale, pairs.source, pairs.numbered, len(pairs)) == (Scale(1.0, 4.0), str(path), False, 4)
    assert pairs[1:3] == pairs.items[1:3]


@pytest.mark.parametrize("delimiter", ["\t", ";"])
def test_other_delimiters(file, delimiter):
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter).writerows(csv.reader(io.StringIO(CSV)))
    assert read_pairs(file(out.getvalue())).items == read_pairs(file(CSV, "comma.csv")).items


@pytest.mark.parametrize("pack", [lambda text: text.encode(), lambda text: gzip.compress(text.encode())])
def test_json_lines(file, pack):
    text = "\n".join(json.dumps(row) for row in as_jsonl(CSV)) + "\n\n"
    assert read_pairs(file(pack(text), "pairs.jsonl")).items == read_pairs(file(CSV)).items


def test_json_lines_that_lack_keys_and_have_others(file):
    lines = [
        {"query": "小孩咳嗽感冒", "title": "小孩感冒过后久咳嗽该吃什么药", "label": "1", "tags": ["a", "b"]},
        {"query": "国产手机", "title": "国产手机排行榜2014前十名", "label": None},
        {"query": "国产手机", "title": "国产手机", "label": 2, "desc": "第1页"},
    ]
    pairs = read_pairs(file("\n".join(json.dumps(line, ensure_ascii=False) for line in lines)))
    assert named(pairs) == [("小孩咳嗽感冒", "0", 1.0), ("国产手机", "1", None), ("国产手机", "2", 2.0)]
    assert (pairs[2].description, pairs.numbered) == ("第1页", True)


def test_only_a_column_id_names_texts(file):
    header = "id,product_uid,product_title,search_term,relevance\n"
    rows = "16,100005,Delta Vero Faucet,rain shower head,2.33\n17,100005,Delta Vero Faucet,shower only faucet,2.67\n"
    with_id = read_pairs(file(header + rows))
    assert named(with_id) == [("rain_shower_head", "16", 2.33), ("shower_only_faucet", "17", 2.67)]
    without = read_pairs(file((header + rows).replace("id,product_uid", "row,product_uid", 1)))
    assert [(pair.doc_id, without.numbered) for pair in without] == [("0", True), ("1", True)]
    chosen = read_pairs(file(header + rows), {"id": "product_uid"})
    assert [pair.doc_id for pair in chosen] == ["100005", "100005"]


def test_names_of_columns_are_compared_without_case_and_marks(file):
    pairs = read_pairs(file('QID,"Search-Term",Product Title,Median Relevance\n7,usb hub,Xerox USB HUB Kit,3\n'))
    assert pairs[0] == TextPair("7", "usb hub", "0", "Xerox USB HUB Kit", grade=3.0)


def test_columns_that_are_said_win_over_the_usual_ones(file):
    text = "query,title,Long Name,relevance,votes\nusb hub,Kit,Xerox USB HUB Kit,9,3\n"
    pairs = read_pairs(file(text), {"title": "long_name", "relevance": "votes"})
    assert (pairs[0].title, pairs[0].grade, pairs[0].description) == ("Xerox USB HUB Kit", 3.0, "")
    swapped = read_pairs(file(text), {"query": "title", "title": "query"})
    assert (swapped[0].query, swapped[0].title) == ("Kit", "usb hub")


# --- grades ------------------------------------------------------------------------------------------------


def test_levels_begin_at_the_least_grade(file):
    pairs = read_pairs(file(CSV), need_grades=True)
    assert pairs.levels().tolist() == [3.0, 0.0, 0.0, 1.5]
    assert pairs.levels().dtype == np.float64
    declared = read_pairs(file(CSV), scale=Scale(0, 4))
    assert declared.levels().tolist() == [4.0, 1.0, 1.0, 2.5]
    assert declared.scale == Scale(0, 4)


def test_rows_without_a_grade(file):
    pairs = read_pairs(file(CSV.replace(",1,0\n", ",,\n", 1)))
    assert pairs[1].grade is None
    assert math.isnan(pairs.levels()[1])
    assert [judgment.product_id for judgment in pairs.judgments()] == ["478578", "1723896", "1579374"]


def test_a_file_without_grades(file):
    pairs = read_pairs(file('q\ttext\nusb hub\tXerox USB HUB Kit 10" x 2\n'))
    assert pairs.scale is None
    assert np.isnan(pairs.levels()).all()
    assert len(pairs.judgments()) == 0


def test_by_query_and_subset(file):
    pairs = read_pairs(file(CSV))
    assert pairs.by_query() == {"surround_sound_speakers": [0, 1, 3], "garmin": [2]}
    part = pairs.subset([2, 3])
    assert named(part) == [ROWS[2], ROWS[3]]
    assert part.levels().tolist() == [0.0, 1.5]
    assert part.scale == pairs.scale
    assert isinstance(part, PairSet)


def test_judgments_go_out_and_come_back(file, tmp_path):
    judgments = read_pairs(file(CSV)).judgments()
    assert judgments[0] == Judgment("surround_sound_speakers", "surround sound speakers", "478578", 3.0)
    write_judgments(tmp_path / "levels.csv", judgments)
    assert read_judgments(tmp_path / "levels.csv").items == judgments.items


def test_equal_grades_matter_only_where_grades_are_needed(file):
    path = file("query,title,label\na,b,1\na,c,1\n")
    assert read_pairs(path).levels().tolist() == [0.0, 0.0]
    with pytest.raises(JudgmentError, match=r"all grades in '.*pairs\.csv' are 1"):
        read_pairs(path, need_grades=True)


# --- what is refused ---------------------------------------------------------------------------------------

HEAD = "id,query,title,relevance\n"


@pytest.mark.parametrize(
    ("content", "options", "message"),
    [
        (HEAD + "1,a,b,1\n2,,c,2\n", {}, "line 3: the query is empty"),
        (HEAD + '1,a,"two\nlines",1\n2,a, ,2\n', {}, "line 4: the title is empty"),
        (HEAD + ",a,b,1\n", {}, "line 2: the id is empty"),
        ("qid,query,title\n,a,b\n", {}, "line 2: the query_id is empty"),
        (HEAD + "1,a,b,1\n2,a,c,2\n1,a,d,3\n", {}, "line 4: id '1' of query 'a' stands at line 2 already"),
        ("qid,query,title\n1,a,b\n1,c,b\n", {}, "line 3: query_id '1' is 'c', but 'a' at line 2"),
        (HEAD + "1,a,b,good\n", {}, "line 2: the relevance 'good' is not a number"),
        (HEAD + "1,a,b,nan\n", {}, "line 2: the relevance 'nan' is not a number"),
        ("query,title,variance\na,b,none\n", {}, "line 2: the variance 'none' is not a number"),
        (HEAD + "1,a,b,1\n2,a,c,5\n", {"scale": Scale(1, 4)}, "line 3: the grade 5\nallowed: 1 to 4, as declared"),
        (HEAD + "1,a,b,1\n2,a,c,\n", {"need_grades": True}, "line 3: there is no grade"),
        ("query,title\na,b\n", {"need_grades": True}, "has no grades: none of its columns"),
        ("query,title,title,relevance\na,b,c,1\n", {}, "2 columns are named 'title' in the first line"),
        ("query;title;Relevance;relevance\na;b;1;2\n", {}, "2 columns are named 'Relevance' in the first line"),
        ("query,price\na,b\n", {}, "no column is known as the title; there are 'query', 'price'"),
        ("just some words\n", {}, "no column is known as the query; there are 'just some words'"),
        (HEAD, {}, "has a header but no pairs"),
        (HEAD + "1,a\n", {}, r"line 2: 2 column\(s\) where at least 4 are needed"),
        (HEAD, {"columns": {"colour": "id"}}, "a pair has no 'colour'\nallowed: query_id, query, id, title"),
        (HEAD, {"columns": {"title": "name"}}, "no column 'name' for the title\nallowed: one of 'id', 'query', 't"),
        ("query\rtitle\ra\rb", {}, "is no header: new-line character"),
        ('{"query": "a", "title": "b"}\nno json\n', {}, "line 2: 'no json'\nallowed: lines such as"),
        ('{"query": "a", "title": "b"}\n[1]\n', {}, r"line 2: '\[1\]'"),
        ('{"query": "a"}\n', {}, "no column is known as the title"),
        ('{"query": "a", "title": "b"}\n{"query": "a"}\n', {}, "line 2: the title is empty"),
        ('{"query": "a", "title": ["b"]}\n', {}, "line 1: 'title' is .*\nallowed: a text or a number"),
        ('{"query": "a", "title": "b", "label": true}\n', {}, "line 1: 'label' is 'True'"),
        ('{"query": "a", "title": "b", "label": NaN}\n', {}, "line 1: the relevance 'nan' is not a number"),
        ('{"query": "a\\ud83d", "title": "b"}\n', {}, "line 1: 'query' holds half of a character"),
        ("", {}, "is empty"),
    ],
)
def test_refused(file, content, options, message):
    with pytest.raises(JudgmentError, match=message) as caught:
        read_pairs(file(content), **options)
    assert len(str(caught.value).splitlines()) <= 3


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(JudgmentError, match="cannot read pairs from"):
        read_pairs(tmp_path / "none.csv")


@pytest.mark.parametrize("ends", [(4, 1), (math.nan, 1), (0, math.inf)])
def test_a_scale_is_two_numbers(ends):
    with pytest.raises(JudgmentError, match="a scale of grades from"):
        Scale(*ends)


CELLS = st.text(st.characters(codec="utf-8", exclude_characters="\r\n\t\x00"), min_size=1).filter(str.strip)


@settings(deadline=None)  # each example writes and reads two files
@given(st.lists(st.tuples(CELLS, CELLS, CELLS), min_size=1, max_size=5))
def test_texts_come_back_as_they_are(tmp_path_factory, rows):
    folder = tmp_path_factory.mktemp("pairs")
    table, lines = folder / "pairs.csv", folder / "pairs.jsonl"
    with table.open("w", encoding="utf-8", newline="") as out:
        csv.writer(out, quoting=csv.QUOTE_ALL).writerows([("query", "title", "description"), *rows])
    keys = ("query", "title", "description")
    lines.write_text("".join(json.dumps(dict(zip(keys, row, strict=True))) + "\n" for row in rows), encoding="utf-8")
    for path in (table, lines):
        assert [(pair.query, pair.title, pair.description) for pair in read_pairs(path)] == rows


# --- text --------------------------------------------------------------------------------------------------


def test_text_of_a_pair():
    pair = TextPair("q", "q", "1", "Case Logic GPS Case", ' 3.5" GPS Case ')
    assert pair_text(pair) == "Case Logic GPS Case"
    assert pair_text(pair, description=True) == 'Case Logic GPS Case 3.5" GPS Case'
    assert pair_text(TextPair("q", "q", "1", "Case", " "), description=True) == "Case"


def test_a_long_description_is_cut_at_a_blank_or_between_chinese_characters():
    english = TextPair("q", "q", "1", "Kit", "hub " * 200)
    text = pair_text(english, description=True)
    assert text == "Kit " + "hub " * (DESCRIPTION_CHARACTERS // 4 - 1) + "hub"
    chinese = pair_text(TextPair("q", "q", "1", "手机", "壳" * 400), description=True)
    assert chinese == "手机 " + "壳" * DESCRIPTION_CHARACTERS
