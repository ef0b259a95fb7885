"""Orders from tables of every kind; what cannot be meant is one clear error."""

import gzip

import pytest

from aisle.errors import JudgmentError
from aisle.judgments.baskets import read_baskets

WANTED = {"1": ("tea", "kettle"), "2": ("tea",), "3 b": ("jam, red", "tea")}
CSV = """\
order_id,product_id,price
1,tea,2
2,tea,2
1,kettle,20
1,tea,2
3 b,"jam, red",3

3 b, tea ,
"""


@pytest.mark.parametrize(
    "content",
    [
        CSV,
        CSV.replace(",", "\t").replace("jam\t red", "jam, red"),
        CSV.replace(",", ";").replace("jam; red", "jam, red").replace("\n", "\r\n"),
        b"\xef\xbb\xbf" + CSV.encode(),
        gzip.compress(CSV.encode()),
        CSV.replace("order_id,product_id", "InvoiceNo,Stock-Code"),
        CSV.replace("order_id,product_id,price", "session,Item ID,id"),
    ],
    ids=["comma", "tab", "semicolon", "byte-order mark", "gzip", "other names", "the surest name"],
)
def test_a_table_of_any_kind_says_the_same(file, content):
    assert read_baskets(file(content)) == WANTED


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("", "is empty"),
        ("order_id,product_id\n", "has a header but no orders"),
        ("1,tea\n2,tea\n", "do not say which product was in which order"),
        ("order_id,amount\n1,2\n", "'order_id', 'amount' do not say"),
        ("order_id,product_id\n1,tea\n,tea\n", "line 3: the order is empty"),
        ("order_id,product_id\n1,\n", "line 2: the product is empty"),
        ("order_id,product_id\n1\n", "line 2: 1 column"),
        ('order_id,product_id\n1,"tea\n', "line 2"),
        (b"order_id,product_id\n1,\xff\n", "line 2: not UTF-8"),
    ],
)
def test_what_cannot_be_meant_is_one_error(file, content, message):
    with pytest.raises(JudgmentError, match=message):
        read_baskets(file(content))


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(JudgmentError, match=r"cannot read orders from .*no such"):
        read_baskets(tmp_path / "no such")
