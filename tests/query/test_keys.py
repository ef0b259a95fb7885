import re

import pytest

from aisle.query.keys import all_forms, key_of, known_forms, longest_matches, spans, tokens_of
from tests.query.rows import icecat


@pytest.mark.parametrize(
    "same",
    [
        ("TP-Link", "tp link", "TPLINK"),
        ("Levi's", "levis", "LEVIS"),
        ("Nestlé", "nestle"),
        ("AT&T", "at t"),
        ("ワイヤレス", "ワイヤレス"),
    ],
)
def test_one_key_however_written(same):
    assert len({key_of(text) for text in same}) == 1


def test_tokens_keep_their_place():
    text = "红色 TP-Link 5G路由器"
    assert [text[token.start : token.end] for token in tokens_of(text)] == [
        *("红", "色", "TP", "Link", "5G", "路", "由", "器")
    ]


def test_a_chinese_character_counts_alone_only_when_it_stands_alone():
    assert "红" not in {span.key for span in spans(tokens_of("红裙子"))}
    assert "红" in {span.key for span in spans(tokens_of("红 dress"))}


def test_longest_matches_like_a_slow_search_over_real_titles():
    """The slow way: try every pair of word places, longest first, with text alone."""
    known = {"toner", "tonercartridge", "cartridgeoriginal", "black", "originalblack"}
    for product in icecat(150):
        tokens = tokens_of(product.title)
        words = re.findall(r"[^\W_]+", product.title.casefold())
        if words != [token.key for token in tokens]:
            continue  # accents and the like
        taken, expected = set(), []
        for size in range(len(words), 0, -1):
            for start in range(len(words) - size + 1):
                place = set(range(start, start + size))
                if "".join(words[start : start + size]) in known and not place & taken:
                    taken |= place
                    expected.append((start, start + size))
        found = longest_matches(spans(tokens), lambda span: span.key in known)
        assert [(span.first, span.last) for span in found] == sorted(expected)


def test_all_forms_finds_what_known_forms_finds():
    known = {"dress", "cable", "headphones", "usb", "红色"}
    forms = all_forms(known)
    for word in ["dress", "dresses", "cable", "cables", "headphone", "headphones", "usb", "红色", "cabl", "dresse"]:
        assert forms.get(word) == next(iter(known_forms(word, known)), None)
