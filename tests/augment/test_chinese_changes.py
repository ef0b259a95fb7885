"""Mistakes in Chinese against pypinyin, OpenCC and an edit distance of another library; each does as it is named."""

from __future__ import annotations

import gzip
from collections import Counter
from random import Random

import pytest
from opencc import OpenCC
from pypinyin import Style, pinyin
from rapidfuzz.distance import OSA

from aisle.augment.text import characters as table
from aisle.augment.text import chinese_errors as chinese
from aisle.augment.text.characters import characters
from aisle.augment.text.table import CHANGES
from aisle.errors import ArtifactError
from aisle.language.lexicon import Lexicon

QUERIES = ("小米手机壳防摔", "不锈钢保温杯 500ml", "iphone手机充电器", "儿童雨鞋防滑", "录音笔 16GB", "真皮沙发垫")
SLIPS = ("same-sound", "near-sound", "like-shape", "missing-character", "doubled-character", "swapped-characters")


def changed(name, text, draws=40):
    found = (CHANGES[name].apply(text, Random(seed)) for seed in range(draws))
    return {text for text in found if text is not None}


def one_substituted(text, found):
    """The character before and after, where exactly one was exchanged."""
    assert len(text) == len(found)
    ((before, after),) = [(a, b) for a, b in zip(text, found, strict=True) if a != b]
    return before, after


def sounds(character):
    """All readings of a character without tones, of any context."""
    return set(pinyin(character, style=Style.NORMAL, heteronym=True)[0])


@pytest.mark.parametrize("name", SLIPS)
def test_a_slip_is_one_edit_and_leaves_numbers_and_latin_words(name):
    for text in QUERIES:
        for found in changed(name, text):
            assert OSA.distance(text, found) == 1, (text, found)
            kept = [c for c in text if c.isascii()]
            assert [c for c in found if c.isascii()] == kept


def test_characters_of_the_same_sound():
    pairs = [one_substituted(text, found) for text in QUERIES for found in changed("same-sound", text)]
    assert len(pairs) > 60
    assert all(sounds(before) & sounds(after) for before, after in pairs)


def test_characters_of_a_near_sound_differ_by_what_is_confused():
    def loosely(sound):
        for one, other in (("zh", "z"), ("ch", "c"), ("sh", "s"), ("n", "l")):
            if sound.startswith(one):
                sound = other + sound[len(one) :]
                break
        return sound[:-1] if sound.endswith(("ang", "eng", "ing")) else sound

    pairs = [one_substituted(text, found) for text in QUERIES for found in changed("near-sound", text)]
    assert len(pairs) > 20
    for before, after in pairs:
        assert {*map(loosely, sounds(before))} & {*map(loosely, sounds(after))}, (before, after)
        assert characters().sound[before] != characters().sound[after]


@pytest.mark.parametrize(("one", "other"), ["未末", "己已", "酒洒", "折拆", "土士", "很狠", "抱拖"])
def test_characters_that_people_take_for_one_another_look_alike(one, other):
    assert other in characters().alike[one]
    assert one in characters().alike[other]
    assert "手" not in characters().alike[one]


def test_what_is_missing_leaves_no_other_name():
    lexicon = Lexicon()
    assert "手机壳" in lexicon
    assert "手机" in lexicon
    found = changed("missing-character", "小米手机壳防摔")
    assert found == {"小米手壳防摔"} or found <= {"小米手壳防摔", "小米机壳防摔"}
    assert "小米手机防摔" not in found, "a phone is no phone case"
    assert "手机贴膜" in lexicon
    assert "手机膜" in lexicon
    assert changed("missing-character", "手机贴膜") == {"机贴膜", "手贴膜"}, "手机膜 is another name"


def test_swapped_characters_are_of_one_name():
    assert changed("swapped-characters", "录音笔") == {"音录笔", "录笔音"}
    assert changed("doubled-character", "录音笔") == {"录录音笔", "录音音笔", "录音笔笔"}


def test_a_mistake_makes_no_other_thing_of_it():
    lexicon = Lexicon()
    for text in QUERIES:
        for name in ("same-sound", "near-sound", "like-shape"):
            for found in changed(name, text):
                at = next(i for i, (a, b) in enumerate(zip(text, found, strict=True)) if a != b)
                pairs = {found[at - 1 : at + 1], found[at : at + 2]}
                assert not any(len(pair) == 2 and not pair.isascii() and pair in lexicon for pair in pairs), found


def test_numbers_sizes_and_negations_stay():
    for name in (*SLIPS, "chinese-errors"):
        assert changed(name, "三双大无") == set()
    for found in changed("chinese-errors", "不含糖饼干两盒", 100):
        assert Counter(found)["不"] == 1
        assert "两" in found


def test_mistakes_come_as_often_as_they_are_weighed():
    """Of many draws, shares by an independent classification; places where none can be made move them a little."""
    text = "小米手机保护壳"
    kinds = Counter()
    for seed in range(600):
        found = CHANGES["chinese-errors"].apply(text, Random(seed))
        if found is None:
            continue
        if len(found) > len(text):
            kinds["doubled"] += 1
        elif len(found) < len(text):
            kinds["missing"] += 1
        elif Counter(found) == Counter(text):
            kinds["swapped"] += 1
        else:
            before, after = one_substituted(text, found)
            kinds["same" if sounds(before) & sounds(after) else "other"] += 1
    total = kinds.total()
    assert 0.4 < kinds["same"] / total < 0.7
    assert 0.05 < kinds["swapped"] / total < 0.25
    assert kinds["doubled"] / total < 0.15
    assert sum(weight for _, weight in chinese.TYPED) == pytest.approx(1.0)


def test_traditional_characters_come_back_the_same():
    for text in QUERIES:
        found = CHANGES["traditional"].apply(text, Random(0))
        if found is not None:
            assert found != text
            assert OpenCC("t2s").convert(found) == text
    assert CHANGES["traditional"].apply("手机壳", Random(0)) == "手機殼"
    assert CHANGES["traditional"].apply("usb hub", Random(0)) is None


def test_a_word_in_the_letters_it_is_typed_with():
    assert changed("pinyin-letters", "手机壳") == {"shoujike"}
    assert changed("pinyin-letters", "iphone手机") == {"iphone shouji"}
    assert changed("pinyin-letters", "usb hub") == set()


def test_japanese_is_left_alone():
    for name in (*SLIPS, "traditional", "pinyin-letters"):
        assert changed(name, "コードレス掃除機") == set()


def test_a_damaged_table_says_so(tmp_path):
    for content in (b"no gzip", gzip.compress("字\tx\t".encode()), gzip.compress("字".encode())):
        path = tmp_path / "characters.tsv.gz"
        path.write_bytes(content)
        table.characters.cache_clear()
        with pytest.raises(ArtifactError, match="cannot read the table of characters"):
            characters(path)
