"""The file of words: what is corrected to what, and what a kill in the middle of a line leaves."""

import pytest

from aisle.indexes.vocabulary import Vocabulary


@pytest.fixture
def vocabulary(tmp_path):
    vocabulary = Vocabulary(tmp_path / "words.txt")
    vocabulary.add(["Wireless keyboard", "cable, label; a mouse and a house", "LC51C 手机"])
    return vocabulary


@pytest.mark.parametrize(
    ("word", "corrected"),
    [
        ("keyboard", ["keyboard"]),
        ("keybord", ["keyboard"]),
        ("keybaord", ["keyboard"]),
        ("cabel", ["cable"]),
        ("zouse", ["house", "mouse"]),
        ("mouse", ["mouse"]),
        ("kyebaord", ["kyebaord"]),
        ("zebra", ["zebra"]),
    ],
)
def test_corrections(vocabulary, word, corrected):
    assert vocabulary.corrections(word, 1) == corrected


def test_a_larger_distance_reaches_further_but_prefers_the_near(vocabulary):
    assert vocabulary.corrections("kyebaord", 2) == ["keyboard"]
    assert vocabulary.corrections("cabel", 2) == ["cable"]


def test_others_see_words_as_they_are_added(vocabulary):
    reader = Vocabulary(vocabulary.path)
    assert reader.corrections("tripd", 1) == ["tripd"]
    vocabulary.add(["a tripod"])
    assert reader.corrections("tripd", 1) == ["tripod"]


def test_half_a_line_from_a_kill_spoils_nothing(vocabulary):
    with vocabulary.path.open("ab") as file:
        file.write("hälf".encode()[:-3])
    writer = Vocabulary(vocabulary.path)
    assert writer.corrections("keybord", 1) == ["keyboard"]
    writer.add(["tripod"])
    assert Vocabulary(vocabulary.path).corrections("tripd", 1) == ["tripod"]
    assert vocabulary.corrections("tripd", 1) == ["tripod"]


def test_words_are_kept_once(vocabulary):
    before = vocabulary.path.read_text()
    vocabulary.add(["KEYBOARD keyboard mouse"])
    assert vocabulary.path.read_text() == before
    assert sorted(before.split()) == sorted(set(before.split()))
    assert "lc51c" not in before
