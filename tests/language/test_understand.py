"""Queries understood for a catalogue that says which words it has: other names are its own, and weigh little."""

import math

import pytest

from aisle.language.synonyms import Synonyms
from aisle.language.understand import MAX_EXPANSIONS, Understanding, told
from tests.language.lexicons import small_lexicon


class Words:
    """A catalogue of a few words, all Chinese ones unknown by sound."""

    def __init__(self, *words):
        self.words = words

    def cut(self, text):
        return [text]

    def has(self, text):
        return text.casefold() in self.words

    def having(self, texts):
        return {text for text in texts if self.has(text)}

    def has_word(self, word):
        return False

    def sounding(self, sound, *, loosely=False):
        return ()


@pytest.fixture(scope="module")
def lexicon(tmp_path_factory):
    return small_lexicon(tmp_path_factory.mktemp("lexicon"))


def understanding(lexicon, *words, rules="", expansion_weight=0.25, synonym_weight=0.5):
    return Understanding(
        Words(*words), lexicon, Synonyms.parse(rules), pinyin=True, expansion_weight=expansion_weight,
        synonym_weight=synonym_weight,
    )  # fmt: skip


def weights(understood):
    return {expansion.name: expansion.weight for expansion in understood.expansions}


def test_other_names_are_those_that_the_catalogue_has_in_its_number(lexicon):
    understood = understanding(lexicon, "手机", "耳机", "cell phones", "mobile phone", "headphones").read("手機 耳机")
    assert understood.text == "手机 耳机"
    second = pytest.approx(0.125 / math.sqrt(2))  # of English
    assert weights(understood) == {"cell phones": 0.125, "mobile phone": second, "headphones": 0.25}
    assert told(understood.expansions) == ("手机 also as cell phones, mobile phone", "耳机 also as headphones")


def test_the_names_of_a_thing_weigh_less_than_the_thing(lexicon):
    everything = (
        "cell phone",
        "cell phones",
        "mobile phone",
        "携帯電話",
        "スマホ",
        "移动电话",
        "手机",
        "苹果",
        "mouse",
        "ratón",
        "鼠标",
    )
    for text in ("手机", "mouse", "苹果 手机"):
        by_thing = {}
        for expansion in understanding(lexicon, *everything).read(text).expansions:
            by_thing[expansion.because] = by_thing.get(expansion.because, 0) + expansion.weight
        assert by_thing
        assert all(weight <= 0.25 + 1e-9 for weight in by_thing.values())


def test_names_of_what_the_catalogue_does_not_call_so_share_a_words_weight(lexicon):
    """苹果 has no other name here that is there; 手机 is there under two English names and a Chinese one."""
    words = ("cell phone", "mobile phone", "移动电话", "耳机", "headphones")
    second = pytest.approx(1 / 3 / math.sqrt(2))
    found = weights(understanding(lexicon, *words).read("手机 耳机"))
    assert found == {"cell phone": pytest.approx(1 / 3), "mobile phone": second, "移动电话": pytest.approx(1 / 3),
                     "headphones": 0.25}  # fmt: skip
    ruled = understanding(lexicon, "handset", "phone", rules="手机, handset, phone").read("手机")
    assert weights(ruled) == {"handset": 0.5, "phone": 0.5}  # a shop's own names are all alike


def test_a_word_in_another_number_is_there(lexicon):
    """ "cell phones" would find what is called a cell phone by its spelling."""
    assert weights(understanding(lexicon, "cell phone", "手机").read("cell phones")) == {"手机": 0.25}
    assert weights(understanding(lexicon, "手机").read("cell phones")) == {"手机": 1.0}


def test_the_shops_rules_go_before_the_lexicon(lexicon):
    words = ("手机", "耳机", "cell phone", "handset", "headphones")
    understood = understanding(lexicon, *words, rules="手机, handset").read("手机 耳机")
    assert weights(understood) == {"handset": 0.5, "headphones": 0.25}


def test_a_weight_of_nothing_leaves_them_out(lexicon):
    words = ("手机", "cell phone", "handset")
    off = understanding(lexicon, *words, rules="手机, handset", expansion_weight=0.0)
    assert weights(off.read("手机")) == {"handset": 0.5}
    off = understanding(lexicon, *words, rules="手机, handset", synonym_weight=0.0)
    assert weights(off.read("手机")) == {"cell phone": 0.25}


def test_what_the_query_says_itself_is_no_other_name(lexicon):
    assert weights(understanding(lexicon, "cell phone", "手机").read("苹果手机 cell phone")) == {}


def test_a_long_text_is_searched_as_it_stands(lexicon):
    text = "手机 " * 50
    assert understanding(lexicon, "cell phone").read(text).expansions == ()


def test_their_number_is_limited(lexicon):
    names = [f"name {n}" for n in range(60)]
    rules = f"thing => {', '.join(names)}"
    understood = understanding(lexicon, *names, rules=rules).read("thing")
    assert len(understood.expansions) == MAX_EXPANSIONS
