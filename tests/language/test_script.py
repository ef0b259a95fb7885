"""Scripts and languages of short texts, each judged by eye."""

import unicodedata

import pytest
import regex

from aisle.language.script import language_of, readable, scripts_of


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("小米手机", "zh"), ("iPhone 手机壳", "zh"), ("行動電源", "zh"), ("スマホ ケース", "ja"),
        ("猫のおもちゃ", "ja"),
        ("something to listen to music", "en"), ("LC51C", "en"), ("los angeles", "en"), ("suspicion", "en"),
        ("zapatos", "es"), ("funda para iphone", "es"), ("libro de la selva", "es"), ("camión", "es"),
        ("champú", "en"), ("niños", "es"), ("سماعات بلوتوث", "Arabic"), ("หูฟัง", "Thai"), ("אוזניות", "Hebrew"),
        ("हेडफ़ोन", "Devanagari"), ("наушники", "Cyrillic"), ("이어폰", "Hangul"), ("", ""), ("365 ー 😀", ""),
    ],
)  # fmt: skip
def test_languages(text, language):
    assert language_of(text) == language


def test_letters_are_counted_by_script():
    assert scripts_of("iPhone 14 手机壳 สาย") == {"Latin": 6, "Han": 3, "Thai": 3}
    assert scripts_of("日本のカメラ") == {"Han": 2, "Hiragana": 1, "Katakana": 3}
    assert scripts_of("Größe é") == {"Latin": 6}
    assert scripts_of("ⵣ") == {"Tifinagh": 1}


@pytest.mark.parametrize(
    ("text", "share"),
    [("เคส iPhone", 6 / 9), ("手机", 1.0), ("سماعات", 0.0), ("12345", 1.0), ("", 1.0)],
)
def test_what_an_encoder_can_read(text, share):
    assert readable(text, frozenset({"Latin", "Han"})) == pytest.approx(share)
    assert readable(text, None) == 1.0


COMPARED = "Latin Han Hiragana Katakana Cyrillic Greek Arabic Hebrew Thai Devanagari Bengali Tamil Hangul Georgian"


@pytest.mark.parametrize("script", COMPARED.split())
def test_letters_have_the_script_that_unicodes_own_table_gives_them(script):
    """The regex package has Unicode's table of scripts; here a letter's name tells, which needs no table."""
    letter = regex.compile(rf"(?=\p{{L}})\p{{{script}}}")
    for code in (*range(0x41, 0x3200), *range(0x4E00, 0xA000), *range(0xAC00, 0xAD00)):
        if letter.match(chr(code)) and (found := scripts_of(chr(code))):
            assert found == {script: 1}, hex(code)
        elif letter.match(chr(code)):
            assert unicodedata.name(chr(code), "").split(" ")[0] not in (script.upper(), "CJK"), hex(code)
