"""Who asked, from files of every kind; what cannot be meant is one clear error."""

import gzip
import json

import pytest

from aisle.errors import JudgmentError
from aisle.judgments import read_shoppers
from aisle.types import Shopper

WANTED = {
    "1": Shopper(viewed=("17", "4-b", "9"), price_band=(20.0, 80.5)),
    "red shoe": Shopper(viewed=("17",)),
    "3": Shopper(price_band=(5.0, 5.0)),
    "4": Shopper(),
}
CSV = """\
query_id,viewed,price_low,price_high
1,17 4-b|9,20,80.5
red shoe,17,,
3,,5,5
4,,,
"""
JSONL = [
    {"query_id": 1, "viewed": ["17", "4-b", 9], "price_low": 20, "price_high": "80.5"},
    {"query_id": "red shoe", "viewed": " | 17 ", "price_low": None},
    {"query_id": "3", "price_low": 5.0, "price_high": 5},
    {"query_id": "4", "viewed": None},
]


@pytest.mark.parametrize(
    "content",
    [
        CSV,
        CSV.replace(",", "\t"),
        CSV.replace(",", ";").replace("\n", "\r\n"),
        b"\xef\xbb\xbf" + CSV.encode(),
        gzip.compress(CSV.encode()),
        CSV.replace("query_id,viewed,price_low,price_high", 'QueryID,"Viewed Products",Min-Price,max_price'),
        "".join(json.dumps(row) + "\n" for row in JSONL),
        "\n".join(json.dumps(row) for row in JSONL),
    ],
    ids=["comma", "tab", "semicolon", "byte-order mark", "gzip", "other names", "JSON Lines", "no last line end"],
)
def test_a_file_of_any_kind_says_the_same(file, content):
    assert read_shoppers(file(content)) == WANTED


def test_columns_may_be_few_and_in_any_order(file):
    assert read_shoppers(file("viewed,qid\na b,7\n")) == {"7": Shopper(viewed=("a", "b"))}
    assert read_shoppers(file("high,low,qid\n9,2,7\n")) == {"7": Shopper(price_band=(2.0, 9.0))}
    listed = read_shoppers(file('{"qid": "7", "viewed": ["an id", "a|b"]}'))
    assert listed == {"7": Shopper(viewed=("an id", "a|b"))}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "is empty"),
        ("query_id,viewed\n", "has a header but no shoppers"),
        (
            "query,docid,rating\nred,1,2\n",
            "the columns 'query', 'docid', 'rating' say of no query what its shopper viewed",
        ),
        ("query_id,price_low\n1,2\n", "say of no query"),
        ("viewed,price_low,price_high\n1,2,3\n", "say of no query"),
        ('{"query_id": "1", "seen": ["2"]}', "say of no query"),
        ("query_id,viewed\n1,2\n,3\n", "line 3: the query_id is empty"),
        ("query_id,viewed\n1,2\n1,3\n", "line 3: query_id '1' stands at line 2 already"),
        ("query_id,viewed,price_low,price_high\n1,2\n", r"line 2: 2 column\(s\) where at least 4 are needed"),
        ("query_id,price_low,price_high\n1,80,20\n", r"line 2: the price band is \(80.0, 20.0\)"),
        ("query_id,price_low,price_high\n1,0,20\n", "line 2: the price band is"),
        ("query_id,price_low,price_high\n1,nan,20\n", "line 2: the price band is"),
        ("query_id,price_low,price_high\n1,5,inf\n", "line 2: the price band is"),
        ("query_id,price_low,price_high\n1,5,\n", "line 2: the prices '5' and ''"),
        ("query_id,price_low,price_high\n1,5,cheap\n", "line 2: the prices '5' and 'cheap'"),
        ("query_id,viewed,price_low\n1,2,5\n", "line 2: the prices '5' and ''"),
        ("query_id,viewed\n1," + " ".join(map(str, range(51))) + "\n", "line 2: 51 products viewed lately"),
        ('{"query_id": "1", "viewed": ["2", ""]}', "line 1: a product viewed lately is no text or blank"),
        ('{"query_id": "1", "viewed": ["2", null]}', "line 1: a product viewed lately is no text or blank"),
        ('{"query_id": "1", "viewed": {"id": 2}}', "line 1: the viewed is \"{'id': 2}\""),
        ('{"query_id": "1", "viewed": [["2"]]}', "line 1: the viewed product is"),
        ('{"query_id": "1", "viewed": "2", "price_low": true}', "line 1: the price_low is 'True'"),
        ('{"query_id": "1", "viewed": "2"}\n[1]\n', r"line 2: '\[1\]'"),
        ('{"query_id": "1", "viewed": "2"\n', 'line 1: \'{"query_id"'),
        (b"query_id,viewed\n1,\xff\n", "line 2: not UTF-8"),
        ('query_id,viewed\n1,"2\n', "line 2: unexpected end of data"),
    ],
)
def test_what_cannot_be_meant_is_one_error(file, content, said):
    with pytest.raises(JudgmentError, match=said):
        read_shoppers(file(content))


def test_what_is_said_of_wrong_values_does_not_repeat_what_was_viewed(file):
    rows = "query_id,viewed,price_low,price_high\n1,{},80,20\n"
    for viewed in ("secret-1", " ".join(f"secret-{number}" for number in range(51))):
        with pytest.raises(JudgmentError) as told:
            read_shoppers(file(rows.format(viewed)))
        assert "secret" not in str(told.value)


def test_a_file_that_is_not_there_is_told(tmp_path):
    with pytest.raises(JudgmentError, match=r"cannot read shoppers from .*nowhere\.csv"):
        read_shoppers(tmp_path / "nowhere.csv")
