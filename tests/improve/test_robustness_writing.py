"""What each perturbation makes of a text."""

from random import Random

import pytest

from aisle.catalogue.text import clean_text
from aisle.improve.robustness import writing
from aisle.improve.robustness.perturbations import standard
from aisle.language.normalise import normalise

SUITE = {one.name: one for one in standard()}


def rewritten(name, text, seeds=20):
    return {SUITE[name].rewrite(text, seed) for seed in range(seeds)}


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("wine rack", "wine racks"),
        ("wine racks", "wine rack"),
        ("usb hub for mac", "usb hubs for mac"),
        ("battery", "batteries"),
        ("car batteries", "car battery"),
        ("toothbrush", "toothbrushes"),
        ("lunch boxes", "lunch box"),
        ("watch", "watches"),
        ("light bulb with remote", "light bulbs with remote"),
        ("yoga pants", None),
        ("dress", None),
        ("ps4", None),
        ("手机", None),
    ],
)
def test_the_thing_asked_for_in_the_other_number(before, after):
    assert rewritten("plural", before) == {after}


def test_blanks_lost_and_put_in():
    assert rewritten("joined", "usb hub mac") == {"usbhub mac", "usb hubmac"}
    assert rewritten("joined", "usb") == {None}
    assert rewritten("parted", "手机壳") == {"手 机壳", "手机 壳"}
    assert rewritten("parted", "usb hub") == {None}


def test_full_width_is_what_normalising_undoes():
    (wide,) = rewritten("full-width", "USB hub 3.0 手机")
    assert wide == "ＵＳＢ　ｈｕｂ　３．０　手机"
    assert normalise(wide) == "USB hub 3.0 手机"


def test_names_in_the_other_language_only_where_the_lexicon_is_sure():
    assert "red 沙发" in rewritten("mixed", "red sofa")
    assert rewritten("mixed", "mac") == {None}
    assert {"iphone 6 phone case", "iphone 6 phone cover"} <= rewritten("mixed", "iphone 6 手机壳")
    assert "couch" in rewritten("synonym", "sofa")


def test_words_around_keep_the_query_and_its_language():
    for found in rewritten("around", "usb hub"):
        assert "usb hub" in found
        assert found != "usb hub"
    assert all("手机" in found and found.replace("手机", "").isalpha() for found in rewritten("around", "手机"))


def test_html_is_what_cleaning_takes_out():
    for seed in range(20):
        found = writing.with_html('Salt & Pepper 10" Mill', Random(seed))
        assert "&amp;" in found
        assert clean_text(found) == clean_text('Salt & Pepper 10" Mill')


def test_chinese_has_its_own_mistakes_and_english_none_of_them():
    for name in ("chinese-typo", "pinyin", "parted"):
        assert rewritten(name, "usb hub") == {None}
        assert None not in rewritten(name, "手机壳")
    assert rewritten("pinyin", "手机壳") == {"shoujike"}
    for name in ("typo", "phonetic", "plural", "case"):
        assert rewritten(name, "手机壳") == {None}


def test_the_suite_says_what_it_touches():
    assert len(SUITE) == len(standard())
    assert [one.side for one in standard()] == ["query"] * 15 + ["title"] * 6
    assert not any(one.repeats for one in standard() if one.side == "title")
