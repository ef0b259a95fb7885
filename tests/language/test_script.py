"""Scripts and languages of short texts, each judged by eye."""

import unicodedata

import pytest

from aisle.language.script import OTHER, SCRIPTS, language_of, readable, scripts_of


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
    assert scripts_of("ⵣ") == {OTHER: 1}


@pytest.mark.parametrize(
    ("text", "share"),
    [("เคส iPhone", 6 / 9), ("手机", 1.0), ("سماعات", 0.0), ("12345", 1.0), ("", 1.0)],
)
def test_what_an_encoder_can_read(text, share):
    assert readable(text, frozenset({"Latin", "Han"})) == pytest.approx(share)
    assert readable(text, None) == 1.0


def test_every_letter_has_the_script_that_unicode_names_it_after():
    names = {"CJK": "Han", **{name.upper(): name for name in SCRIPTS if name not in ("Han",)}}
    for code in (*range(0x41, 0x3000), *range(0x3041, 0x3200), *range(0x4E00, 0x4F00), *range(0xAC00, 0xAD00)):
        letter = chr(code)
        first = unicodedata.name(letter, "").split(" ")[0]
        if letter.isalpha() and first in names and scripts_of(letter):
            assert scripts_of(letter) == {names[first]: 1}, unicodedata.name(letter)
