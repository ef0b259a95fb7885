"""What becomes a token: English exactly as ICU cuts it, Chinese by pairs and characters."""

import lancedb
import pytest

from aisle.indexes.segment import ICU, product_tokens, query_characters, query_tokens
from tests.contracts.rows import real_products


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("小米手机", ["小米", "米手", "手机"]),
        ("LC-51C don't Größe 10.5 a_b 😀 The THE", ["lc", "51c", "don't", "grosse", "10.5", "a_b", "the"]),
        ("iPhone手机壳", ["iphone", "手机", "机壳"]),
        ("5G手机 256G 25kg装", ["5g", "手机", "256g", "25kg", "装"]),
        ("华为P40-Pro手机", ["华为", "p40", "pro", "手机"]),
        ("U盘 T恤", ["u", "盘", "t", "恤"]),
        ("行動電源", ["移动", "动电", "电源"]),
        ("コードレス掃除機", ["コードレス", "扫除", "除机"]),
        ("", []),
    ],
)
def test_words_of_a_query(text, words):
    assert query_tokens(text) == words


def test_products_have_the_characters_too():
    assert product_tokens("手机壳 手机 盘") == ["手机", "机壳", "手", "机", "壳", "手机", "手", "机", "盘"]
    assert query_characters("手机壳 5g手机 盘") == ["手", "机", "壳"]
    assert query_characters("phone") == []


def test_every_query_finds_the_text_it_is_a_part_of():
    title = "小米手机13Pro 6.73英寸 藍牙耳機 スマホケース"
    for start in range(len(title)):
        for end in range(start + 1, len(title) + 1):
            if all(query.isspace() or "㐀" <= query <= "鿿" for query in title[start:end]):
                assert set(query_tokens(title[start:end])) <= set(product_tokens(title)), title[start:end]


def test_english_is_what_icu_makes_of_it():
    for product in real_products():
        for text in (product.title, product.description, *product.category):
            assert product_tokens(text) == [token.text for token in lancedb.tokenize(text, **ICU)]
