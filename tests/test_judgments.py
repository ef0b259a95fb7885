import gzip
import random

import numpy as np
import pytest
import pytrec_eval
from hypothesis import given
from hypothesis import strategies as st

from aisle.errors import JudgmentError
from aisle.judgments import (
    align,
    folds,
    query_key,
    read_judgments,
    read_queries,
    read_run,
    refuse_unknown,
    run_name,
    scan_queries,
    split,
    write_judgments,
    write_run,
)
from aisle.judgments.runs import decreasing
from aisle.types import Judgment

CSV = "query,docid,rating\nusb hub,007,3\nusb hub,12,0\n电饭煲,9,2.5\n"


@pytest.fixture
def file(tmp_path):
    def write(content, name="judgments.csv"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode("utf-8"))
        return path

    return write


# --- judgments ---------------------------------------------------------------------------------------------


def test_a_csv_file(file):
    judgments = read_judgments(file(CSV))
    assert list(judgments) == [
        Judgment("usb_hub", "usb hub", "007", 3.0),
        Judgment("usb_hub", "usb hub", "12", 0.0),
        Judgment("电饭煲", "电饭煲", "9", 2.5),
    ]
    assert judgments.queries == {"usb_hub": "usb hub", "电饭煲": "电饭煲"}


@pytest.mark.parametrize(
    "content",
    [
        "\ufeff" + CSV,
        CSV.replace("\n", "\r\n"),
        CSV.rstrip("\n"),
        "\n" + CSV.replace("\n", "\n\n"),
        CSV.replace(",", "\t"),
        CSV.replace(",", ";"),
        CSV.replace("query,docid,rating", '"Query","Doc_ID","Relevance"'),
        CSV.replace("query,docid,rating", "search_term,product-id,label"),
        gzip.compress(CSV.encode()),
        "rating,note,docid,query\n3,x,007,usb hub\n0,,12,usb hub\n2.5,,9,电饭煲\n",
    ],
    ids=["bom", "crlf", "no-newline", "blank-lines", "tab", "semicolon", "quoted", "synonyms", "gzip", "order"],
)
def test_the_same_in_other_clothes(file, content, tmp_path):
    assert read_judgments(file(content, "other")) == read_judgments(file(CSV))


def test_two_columns_of_one_name_that_is_not_read(file):
    assert len(read_judgments(file("query,docid,rating,note,note\na,1,1,x,y\n"))) == 1


def test_text_is_not_trimmed_and_quotes_are_understood(file):
    judgments = read_judgments(file('query,docid,rating\n usb  hub ,A 1,3\n"tv, 10"" ""big""",2,1\n10" tv,3,1\n'))
    assert list(judgments.queries) == ["_usb__hub_", 'tv,_10"_"big"', '10"_tv']
    assert judgments.queries["_usb__hub_"] == " usb  hub "
    assert judgments[0].product_id == "A 1"


def test_tsv_keeps_inches(file):
    judgments = read_judgments(file('query\tdocid\trating\n10" tv\t1\t1\n"big" tv\t2\t1\n"a ""b"""\t3\t1\n', "j.tsv"))
    assert list(judgments.queries.values()) == ['10" tv', '"big" tv', 'a "b"']


def test_query_ids(file):
    judgments = read_judgments(file("query_id,query,product_uid,relevance\n7,usb hub,a,1\n8,usb hub,a,2\n"))
    assert [(item.query_id, item.query, item.grade) for item in judgments] == [("7", "usb hub", 1), ("8", "usb hub", 2)]


def test_trec_qrels(file):
    judgments = read_judgments(file("1 0 d1 3\n1 0 d2 -1\n\nx\t0\t007\t0\n", "qrels.txt"))
    assert list(judgments) == [Judgment("1", "", "d1", 3), Judgment("1", "", "d2", -1), Judgment("x", "", "007", 0)]


def test_beir(file, tmp_path):
    file('{"_id": "q1", "text": "usb hub", "metadata": {}}\n{"_id": "q2", "text": "tv"}\n', "beir/queries.jsonl")
    qrels = file("query-id\tcorpus-id\tscore\nq1\td1\t2\nq9\td1\t1\n", "beir/qrels/test.tsv")
    file("query-id\tcorpus-id\tscore\nq2\td1\t1\n", "beir/qrels/train.tsv")
    assert list(read_judgments(qrels)) == [Judgment("q1", "usb hub", "d1", 2), Judgment("q9", "", "d1", 1)]
    assert read_judgments(tmp_path / "beir").queries == {"q1": "usb hub", "q9": "", "q2": "tv"}
    with pytest.raises(JudgmentError, match=r"names query 'q9' by its id only"):
        read_queries(tmp_path / "beir")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "is empty"),
        (" \n\n", "is empty"),
        ("query,docid,rating\n", "a header but no judgments"),
        ("query,docid,rating\na,1,1\na,2\n", r"line 3: 2 column\(s\) where at least 3 are needed: 'a,2'"),
        ("query,docid,rating\na,1,high\n", "line 2: the rating 'high' is not a number"),
        ("query,docid,rating\na,1,\n", "line 2: the rating '' is not a number"),
        ("query,docid,rating\na,1,nan\n", "the rating 'nan'"),
        ("query,docid,rating\na,1,1e999\n", "the rating '1e999'"),
        ("query,docid,rating\na,1,1_0\n", "the rating '1_0'"),
        ("query,docid,rating\n,1,1\n", "line 2: the query is empty"),
        ("query,docid,rating\na, ,1\n", "line 2: the product id is empty"),
        ("query_id,query,docid,rating\n,a,1,1\n", "line 2: the query_id is empty"),
        ('query,docid,rating\n"a,1,1\nb,2,2\n', "line 2: unexpected end of data"),
        ('query,docid,rating\nx,1,1\n"a" b,1,1\n', "line 3: ',' expected after"),
        ("query,docid,rating\na,1,1\nb,1,2\na,1,3\n", r"line 4: query 'a', product '1' is rated 3, but 1 at .*line 2"),
        ("query_id,query,docid,rating\n1,a,1,1\n1,b,2,1\n", "query_id '1' is 'b', but 'a' at .*line 2"),
        ("1 0 d1 3\n1 0 d2\n", "line 2: 3 columns"),
        ("1 0 d1 3\n1 0 d2 x\n", "line 2: the rating 'x'"),
        ("title,docid,rating\na,1,1\n", "no judgments format recognised in the first line 'title,docid,rating'"),
        ("query_id,query\n1,a\n", "columns recognised: query_id, query"),
        ("query,docid,rating,rating\na,1,1,3\n", "2 columns are named 'rating' in the first line"),
        ('query\tdocid\trating\t"Query"\na\t1\t1\tb\n', "2 columns are named 'query'"),
        (b"query,docid,rating\na,1,1\n\xff\xfe,1,1\n", "line 3: not UTF-8"),
        (gzip.compress(CSV.encode())[:-12], "cannot read judgments"),
    ],
)
def test_what_cannot_be_read_says_where(file, content, reason):
    with pytest.raises(JudgmentError, match=reason) as caught:
        read_judgments(file(content))
    assert len(str(caught.value).splitlines()) <= 3


def test_missing_file_and_folder(tmp_path):
    with pytest.raises(JudgmentError, match="No such file"):
        read_judgments(tmp_path / "none.csv")
    with pytest.raises(JudgmentError, match=r"has no qrels/\*.tsv"):
        read_judgments(tmp_path)


def test_equal_repeats_are_counted(file):
    judgments = read_judgments(file("query,docid,rating\na,1,1\na,1,1.0\nb,1,2\na,1,1\n"))
    assert (len(judgments), judgments.repeated) == (2, 2)


def test_texts_that_a_run_cannot_tell_apart_are_one_query(file):
    path = file("query,docid,rating\na b,1,1\na\u00a0b,2,2\na_b,1,1\n")
    assert read_judgments(path).queries == {"a_b": "a b"}
    assert (len(read_judgments(path)), read_judgments(path).repeated) == (2, 1)


@pytest.mark.parametrize("format", ["csv", "tsv", "trec", "beir"])
@pytest.mark.parametrize("name", ["out", "out.gz"])
def test_written_judgments_read_back(tmp_path, format, name):
    judgments = [
        Judgment("usb_hub_", 'usb "hub" '.replace('"', ""), "007", 3),
        Judgment("q2", '10" tv, "big"', "x1", -1),
    ]
    write_judgments(tmp_path / name, judgments, format)
    texts = [item.query for item in judgments] if format != "trec" else ["", ""]
    expected = [
        Judgment(item.query_id, text, item.product_id, item.grade) for item, text in zip(judgments, texts, strict=True)
    ]
    assert list(read_judgments(tmp_path / name)) == expected


def test_texts_alone_need_no_id_column(tmp_path, file):
    judgments = read_judgments(file(CSV))
    write_judgments(tmp_path / "again.csv", judgments)
    assert (tmp_path / "again.csv").read_text(encoding="utf-8") == CSV
    with pytest.raises(JudgmentError, match=r"grade 2.5 .* whole grades"):
        write_judgments(tmp_path / "again.trec", judgments, "trec")
    assert not [path for path in tmp_path.iterdir() if "again.trec" in path.name]


words = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=8)


@given(st.lists(st.tuples(words, words.filter(str.strip), st.integers(-1, 4)), min_size=1, max_size=6))
def test_any_text_survives_a_csv_file(tmp_path_factory, found):
    judgments = {}
    for query, product, grade in found:
        judgments.setdefault((run_name(query), product), Judgment(run_name(query), query, product, grade))
    items = list({item.query_id: item for item in judgments.values()}.values())
    path = tmp_path_factory.mktemp("csv") / "j.csv"
    write_judgments(path, items)
    assert list(read_judgments(path)) == items


@given(
    st.binary(max_size=60)
    | st.text(max_size=60).map(lambda text: ("query,docid,rating\n" + text).encode("utf-8", "replace"))
)
def test_any_bytes_give_judgments_or_a_clear_error(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("fuzz") / "j.csv"
    path.write_bytes(content)
    for reader in (read_judgments, scan_queries, read_run):
        try:
            message = str(reader(path))[:0]
        except JudgmentError as error:
            message = str(error)
        assert len(message.splitlines()) <= 3


# --- queries -----------------------------------------------------------------------------------------------


def test_plain_queries_lose_their_line_ending_and_nothing_else(file):
    path = file("\ufeff usb  hub \r\n\r\ntv,\t10 inch\nusb\u2028x\n tv\n usb  hub \n \n", "queries.txt")
    found = scan_queries(path)
    assert found.queries == (
        ("_usb__hub_", " usb  hub "),
        ("tv,_10_inch", "tv,\t10 inch"),
        ("usb_x", "usb\u2028x"),
        ("_tv", " tv"),
        ("_", " "),
    )
    assert (found.empty_lines, found.repeated) == (1, 1)
    assert read_queries(path) == list(found.queries)


def test_commas_make_no_table(file):
    text = "tv, 10 inch, black\nquery, with, commas\nhdmi cable, 2 m, white\n"
    for name in ("queries.txt", "queries"):
        assert [query for _, query in read_queries(file(text, name))] == text.splitlines()
    assert read_queries(file("laptop, 15 inch\nhdmi\n", "queries.csv"))[0] == ("laptop,_15_inch", "laptop, 15 inch")


def test_a_judgments_file_under_any_name(file):
    expected = [("usb_hub", "usb hub"), ("电饭煲", "电饭煲")]
    for name in ("judgments.csv", "queries.txt", "x.gz"):
        assert read_queries(file(CSV, name)) == expected
    assert read_queries(file("qid,query,docid,rating\n07,b,1,1\n3,a,1,1\n07,b,2,1\n")) == [("07", "b"), ("3", "a")]
    assert read_queries(file("query_id\tquery\n2\tb \n1\ta\n", "queries.tsv")) == [("2", "b "), ("1", "a")]
    assert read_queries(file('{"_id": "1", "text": "a b"}\n', "queries.jsonl")) == [("1", "a b")]


@pytest.mark.parametrize(
    ("content", "name", "reason"),
    [
        ("1 0 d1 1\n2 0 d2 0\n", "qrels.txt", "TREC qrels file, which has ids but no query texts\nto fix: give a file"),
        ("1 Q0 d1 1 2.5 tag\n", "run.trec", "TREC run, which has ids"),
        ("query_id,docid,rating\n1,d,1\n", "j.csv", "names query '1' by its id only"),
        ("usb hub,1,3\ntv,2,0\n", "j.csv", "names no known columns"),
        ("\n\n", "q.txt", "is empty"),
        ('{"_id": "1", "text": "a"}\n{"_id": "2"}\n', "q.jsonl", "line 2"),
        ("query_id,query\n1,a\n1,b\n", "q.csv", "query_id '1' is both 'a' and 'b'"),
        ("query_id,query\n ,a\n", "q.csv", "line 2: the query_id is empty"),
    ],
)
def test_queries_without_texts_are_refused(file, content, name, reason):
    with pytest.raises(JudgmentError, match=reason):
        read_queries(file(content, name))


# --- runs --------------------------------------------------------------------------------------------------


def test_names_in_a_run(tmp_path):
    run = {" usb\u00a0hub\t": [("A 1", 2.0), ("b", 1.0)], "电饭煲": [("9", 1.0)], "nothing": []}
    write_run(tmp_path / "r.trec", run, tag="my tag")
    assert (tmp_path / "r.trec").read_text(encoding="utf-8") == (
        "_usb_hub_ Q0 A_1 1 2 my_tag\n_usb_hub_ Q0 b 2 1 my_tag\n电饭煲 Q0 9 1 1 my_tag\n"
    )
    assert read_run(tmp_path / "r.trec") == {"_usb_hub_": (("A_1", 2.0), ("b", 1.0)), "电饭煲": (("9", 1.0),)}


def test_a_run_is_immutable(tmp_path):
    write_run(tmp_path / "r.trec", {"a": [("1", 1.0)]})
    with pytest.raises(TypeError, match="does not support item assignment"):
        read_run(tmp_path / "r.trec")["a"] = ()


@pytest.mark.parametrize("name", ["r.trec", "r.trec.gz"])
def test_ties_keep_the_order_given_for_trec_eval_too(tmp_path, name):
    rng = random.Random(0)
    products = [f"d{number}" for number in range(200)]
    rng.shuffle(products)
    scores = [1 / (60 + place // 3) + 1e-12 * place for place in range(200)]
    write_run(tmp_path / name, {"q": list(zip(products, scores, strict=True))})
    found = read_run(tmp_path / name)["q"]
    assert [product for product, _ in found] == products
    assert all(a - b < 1e-5 for (_, a), b in zip(found, scores, strict=True))
    # a grade 1 at one place only: trec_eval's reciprocal rank says where it sees that product
    for place in (0, 1, 2, 99, 198, 199):
        evaluator = pytrec_eval.RelevanceEvaluator({"q": {products[place]: 1}}, {"recip_rank"})
        assert evaluator.evaluate({"q": dict(found)})["q"]["recip_rank"] == pytest.approx(1 / (place + 1))


floats = st.floats(width=64) | st.sampled_from([0.0, -0.0, 1.0, 1e-45, -1e-45, 1.2e-38, 3.5e38, -3.5e38, 1e300, -1e300])


@given(st.lists(floats, max_size=30))
def test_written_scores_strictly_decrease_as_32_bit_floats(scores):
    printed = np.array([float(f"{score:.9g}") for score in decreasing(scores)]).astype(np.float32)
    assert np.isfinite(printed).all()
    assert (printed[1:] < printed[:-1]).all()
    assert not ((np.abs(printed) > 0) & (np.abs(printed) < np.finfo(np.float32).tiny)).any()


def test_ties_are_read_as_trec_eval_reads_them(tmp_path):
    (tmp_path / "r.trec").write_text("q Q0 a 1 1.0 t\nq Q0 c 2 1.00000001 t\nq Q0 b 3 1.0 t\nq Q0 d 4 2 t\n")
    found = [product for product, _ in read_run(tmp_path / "r.trec")["q"]]
    assert found == ["d", "c", "b", "a"]  # c is above only as a double; by id it comes first among equals anyway
    for place, product in enumerate(found, start=1):
        evaluator = pytrec_eval.RelevanceEvaluator({"q": {product: 1}}, {"recip_rank"})
        run = {"q": {"a": 1.0, "c": 1.00000001, "b": 1.0, "d": 2.0}}
        assert evaluator.evaluate(run)["q"]["recip_rank"] == pytest.approx(1 / place)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "is empty"),
        ("q Q0 d 1 1.0\n", "line 1: 5 columns"),
        ("q Q0 d 1 1.0 t\nq Q0 d 2 0.5 t\n", "line 2: product 'd' occurs twice for query 'q'"),
        ("q Q0 d 1 one t\n", "line 1: the score 'one' is not a number"),
        ("q Q0 d 1 nan t\n", "the score 'nan'"),
    ],
)
def test_malformed_runs(file, content, reason):
    with pytest.raises(JudgmentError, match=reason):
        read_run(file(content, "r.trec"))


@pytest.mark.parametrize(
    ("run", "reason"),
    [
        ({"": [("1", 1.0)]}, "query ''"),
        ({"a b": [("1", 1.0)], "a_b": [("1", 1.0)]}, "and so is 'a b'"),
        ({"a": [("1", 1.0), ("1", 0.5)]}, "product '1' is empty or occurs twice"),
        ({"a": [("x y", 1.0), ("x_y", 0.5)]}, "product 'x_y' is empty or occurs twice"),
    ],
)
def test_runs_that_cannot_be_written(tmp_path, run, reason):
    with pytest.raises(JudgmentError, match=reason):
        write_run(tmp_path / "r.trec", run)
    assert not list(tmp_path.iterdir())


# --- matching ----------------------------------------------------------------------------------------------

BOTH = [
    Judgment("1", "usb hub ", "A 1", 1),
    Judgment("2", "tv", " 7", 1),
    Judgment("3", "1", "8", 1),
]
HITS = (("x", 1.0),)


@pytest.mark.parametrize(
    ("run", "expected"),
    [
        ({"1": HITS, "2": HITS}, {"1": HITS, "2": HITS}),
        ({"usb_hub_": HITS, "tv": HITS}, {"1": HITS, "2": HITS}),
        ({"usb hub ": HITS, "tv": HITS}, {"1": HITS, "2": HITS}),
        ({"1": (("a", 1.0),), "2": HITS}, {"1": (("a", 1.0),), "2": HITS}),  # 1 is not taken for query 3's text
        ({"usb_hub_": HITS, "tv": HITS, "1": (("b", 1.0),)}, {"1": HITS, "2": HITS, "3": (("b", 1.0),)}),
        ({"usb_hub_": HITS, "2": HITS}, {"1": HITS, "2": HITS}),
        ({"usb_hub": HITS, "2": HITS}, {"2": HITS, "usb_hub": HITS}),  # never trimmed
        ({"1": (("A_1", 2.0), ("A", 1.0)), "2": (("7", 1.0),)}, {"1": (("A 1", 2.0), ("A", 1.0)), "2": ((" 7", 1.0),)}),
        ({"2": (("_7", 1.0),)}, {"2": ((" 7", 1.0),)}),
    ],
)
def test_judgments_match_a_run_by_id_or_by_text(run, expected):
    assert align(run, BOTH) == expected


# --- splits ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("USB hub", "usb hubs"),
        ("usb-hub", "Hub, USB!"),
        ("usb  hub ", "usb\u3000hub"),
        ("head phones", "headphones"),
        ("batteries aa", "AA battery"),
        ("tv cases", "tv case"),
        ("gift boxes", "gift box"),
        ("lenses", "lens"),
        ("小米 手机", "手机小米"),
        ("ＵＳＢ hub", "usb hub"),
        ("café", "cafe"),
    ],
)
def test_spellings_of_one_query_share_a_key(one, other):
    assert query_key(one) == query_key(other)


def test_other_queries_have_other_keys():
    queries = ["usb hub", "usb cable", "hub", "10 inch tv", "12 inch tv", "手机", "小米手机", "!!", "??", ""]
    assert len({query_key(query) for query in queries}) == len(queries)


def many():
    return [
        Judgment(run_name(text), text, str(product), 1)
        for number in range(400)
        for text in (f"thing {number} x", f"Things X, {number}")
        for product in range(2)
    ]


def test_splits_neither_leak_nor_depend_on_order():
    judgments = many()
    parts = split(judgments, {"train": 0.7, "dev": 0.1, "test": 0.2}, seed=3)
    assert [len(part) / len(judgments) for part in parts.values()] == pytest.approx([0.7, 0.1, 0.2], abs=0.05)
    keys = [{query_key(item.query) for item in part} for part in parts.values()]
    assert not keys[0] & keys[1] | keys[0] & keys[2] | keys[1] & keys[2]
    assert sorted(map(repr, judgments)) == sorted(repr(item) for part in parts.values() for item in part)
    shuffled = random.Random(1).sample(judgments, len(judgments))
    again = split(shuffled, {"train": 0.7, "dev": 0.1, "test": 0.2}, seed=3)
    assert all(set(parts[name]) == set(again[name]) for name in parts)
    alone = split(judgments[:40], {"train": 0.7, "dev": 0.1, "test": 0.2}, seed=3)
    assert set(alone["test"]) == set(parts["test"]) & set(judgments[:40])  # more queries move none
    assert split(judgments, {"train": 0.7, "dev": 0.1, "test": 0.2}, seed=4) != parts


def test_a_split_stays_what_it_was():
    """Held-out queries must stay held out in later versions."""
    parts = split([Judgment(text, text, "1", 1) for text in "abcdefghij"], {"train": 0.5, "test": 0.5})
    assert "".join(parts["test"].queries) == "abcdefh"


def test_folds_cover_everything_once():
    judgments = many()
    turns = folds(judgments, 4, seed=1)
    assert sum(len(turn.test) for turn in turns) == len(judgments)
    for turn in turns:
        assert len(turn.train) + len(turn.test) == len(judgments)
        assert not {query_key(item.query) for item in turn.train} & {query_key(item.query) for item in turn.test}
        assert 0.15 < len(turn.test) / len(judgments) < 0.35


@pytest.mark.parametrize("fractions", [{}, {"a": 0.5}, {"a": 1.5, "b": -0.5}])
def test_impossible_splits(fractions):
    with pytest.raises(JudgmentError, match="positive shares that sum to 1"):
        split(many(), fractions)
    with pytest.raises(JudgmentError, match="2 or more"):
        folds(many(), 1)


def test_products_that_are_found_under_other_white_space_are_known():
    assert refuse_unknown(["a_b", " c ", "d"], ["a b", "c", "d"], "it", renamed=True) == ""
    assert refuse_unknown(["a_b", "d"], ["a b", "d"], "it") == "not in it: 1 of 2 judged products, such as 'a_b'"
    with pytest.raises(
        JudgmentError, match=r"none of the 2 judged products is in it, such as 'x'\nallowed: .*: it is em"
    ):
        refuse_unknown(["x", "y", "x"], [], "it")
    with pytest.raises(JudgmentError, match=r"such as '12'; there it may be '012': zeros in front .* for 1, "):
        refuse_unknown(["x", "12", "0"], ["012", "00"], "it")
    assert refuse_unknown([], ["a"], "it") == ""
