"""Which phrases a query has: by hand, and against a version that tries every phrase with every query."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aisle.rules.phrases import Phrase, PhraseIndex, has_words, readings


def fires(phrase, match, *texts):
    return bool(PhraseIndex([Phrase(phrase, match, 0)]).owners(readings(*texts)))


@pytest.mark.parametrize(
    ("phrase", "query", "exact", "phrase_", "words"),
    [
        ("tv", "tv", True, True, True),
        ("tv", "TVs", True, True, True),
        ("television", "Ｔｅｌｅｖｉｓｉｏｎ", True, True, True),
        ("tv", "sony tv 55 inch", False, True, True),
        ("sony tv", "tv from sony", False, False, True),
        ("sony tv", "my sony tv", False, True, True),
        ("sony tv", "sony", False, False, False),
        ("phone", "headphones", False, False, False),
        ("t-shirt", "T shirts", True, True, True),
        ("wifi", "wi-fi router", False, True, True),
        ("router wifi", "wi fi router", False, False, True),
        ("swatch", "men's watch", False, False, False),
        ("cafe", "café", True, True, True),
        ("125", "12 5", False, False, False),
        ("15 l", "1.5 l", False, False, False),
        ("手机", "手机", True, True, True),
        ("手机", "手 機", True, True, True),
        ("手机", "红色手机壳", False, True, True),
        ("手機", "红色手机壳", False, True, True),
        ("红色 手机", "手机红色", False, False, True),
        ("红手", "红色手机", False, False, False),
        ("行動電源", "红色移动电源", False, True, True),
        ("掃除機", "コードレス掃除機", False, True, True),
        ("ケース", "スーツケース", False, False, False),
        ("ケース", "iPhone ケース", False, True, True),
        ("iphone手机壳", "iPhone 手機殼", True, True, True),
        ("โทรศัพท์", "ซื้อโทรศัพท์มือถือ", False, True, True),
        ("ручка", "Синяя РУЧКА", False, True, True),
        ("!!", "!!", False, False, False),
        ("tv", "", False, False, False),
    ],
)
def test_hand_worked(phrase, query, exact, phrase_, words):
    got = tuple(fires(phrase, match, query) for match in ("exact", "phrase", "words"))
    assert got == (exact, phrase_, words)


def test_any_query_and_none():
    assert fires("", "any", "")
    assert fires("", "any", "anything")


def test_another_reading_of_the_query_counts():
    assert not fires("手机", "exact", "首机")
    assert fires("手机", "exact", "首机", "手机")


def test_only_what_has_letters_or_digits_can_be_found():
    assert [has_words(text) for text in ("tv", "手", "5", "", " ", "—!", "\u200b")] == [True] * 3 + [False] * 4


WORDS = ("red", "tv", "sony", "12", "5", "pen", "is", "手", "机", "红")


def slow_owners(phrases, query):
    """Every phrase tried with every query, over words that need no folding; each Chinese character is one word here.

    A run of the query's words equals a phrase if they are the same text without blanks, except between two numbers.
    """

    def joined(words):
        out = ""
        for word in words:
            out += (" " if out and out[-1].isdigit() and word[0].isdigit() else "") + word
        return out

    runs = {joined(query[i:j]) for i in range(len(query)) for j in range(i + 1, len(query) + 1)}
    found = set()
    for place, (words, match) in enumerate(phrases):
        one = joined(words)
        if (
            (match == "exact" and one == joined(query))
            or (match != "exact" and one in runs)
            or (match == "words" and all(word in runs for word in words))
        ):
            found.add(place)
    return found


_SOME_WORDS = st.lists(st.sampled_from(WORDS), min_size=1, max_size=4)
_PHRASES = st.lists(st.tuples(_SOME_WORDS, st.sampled_from(("exact", "phrase", "words"))), max_size=12)


@settings(deadline=None)
@given(_PHRASES, _SOME_WORDS)
def test_the_same_as_trying_every_phrase(phrases, query):
    index = PhraseIndex(Phrase(" ".join(words), match, place) for place, (words, match) in enumerate(phrases))
    assert index.owners(readings(" ".join(query))) == slow_owners(phrases, query)


def test_a_long_query_is_read_too():
    index = PhraseIndex([Phrase("手机", "words", 0), Phrase("black week tv", "words", 1)])
    assert index.owners(readings("电" * 1_000 + "手机" + "视" * 990)) == {0}
    assert index.owners(readings("tv " * 300 + "week" + " x" * 300 + " black")) == {1}
