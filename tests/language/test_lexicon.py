"""Which names a text has, and what else they are called."""

import gzip
import time

import pytest

from aisle.errors import ArtifactError
from aisle.language.lexicon import Lexicon
from aisle.language.names import find_names, other_numbers
from tests.language.lexicons import small_lexicon


@pytest.fixture(scope="module")
def lexicon(tmp_path_factory):
    return small_lexicon(tmp_path_factory.mktemp("lexicon"))


def others(lexicon, text):
    return {(e.because, e.name) for e in lexicon.expansions(text)}


@pytest.mark.parametrize(
    ("text", "because", "names"),
    [
        ("手机", "手机", {"移动电话", "cell phone", "mobile phone", "携帯電話", "スマホ", "teléfono móvil"}),
        ("红色手机壳", "手机壳", {"phone case", "スマホケース", "funda"}),
        ("black Phone Cases", "Phone Cases", {"手机壳", "スマホケース", "funda"}),
        ("headphone", "headphone", {"耳机", "ヘッドホン", "auriculares"}),
        ("telefono movil", "telefono movil", {"手机", "移动电话", "cell phone", "mobile phone", "携帯電話", "スマホ"}),
        ("スマホ", "スマホ", {"手机", "移动电话", "cell phone", "mobile phone", "携帯電話", "teléfono móvil"}),
        ("男士T恤短袖", "T恤", {"t-shirt", "Tシャツ", "camiseta"}),
    ],
)
def test_other_names(lexicon, text, because, names):
    assert others(lexicon, text) == {(because, name) for name in names}


@pytest.mark.parametrize(
    "text",
    ["", "zebra", "phone", "スマホスタンド", "红色", "chargers2", "mousepad", "手表", "套", "THE"],
    ids=repr,
)
def test_what_is_no_name_or_one_of_too_much_has_no_others(lexicon, text):
    assert lexicon.expansions(text) == ()


def test_one_character_is_a_name_alone_but_not_inside_a_word(lexicon):
    assert others(lexicon, "红 手机壳") >= {("红", "red")}
    assert not any(because == "红" for because, _ in others(lexicon, "红糖"))


def test_an_ambiguous_name_shares_its_weight(lexicon):
    weights = {e.name: e.weight for e in lexicon.expansions("mouse")}
    assert weights == {"鼠标": 0.5, "マウス": 0.5, "ratón": 0.5, "老鼠": 0.5, "ネズミ": 0.5}
    assert {e.weight for e in lexicon.expansions("苹果")} == {1 / 3}


def test_a_word_is_known_in_either_number(lexicon):
    assert "Cell Phones" in lexicon
    assert "headphone" in lexicon
    assert "shouji" not in lexicon
    assert "" not in lexicon
    assert other_numbers("case") == ("cases", "casees")
    assert other_numbers("boxes") == ("boxe", "box")
    assert other_numbers("glass") == ("glasss", "glasses")
    assert other_numbers("手机") == other_numbers("tv") == other_numbers("mp3") == ()


def test_names_do_not_overlap_and_the_longest_wins():
    known = {"手机", "手机壳", "机壳", "wireless mouse", "mouse", "mouse pad"}
    assert [n.written for n in find_names("iPhone14手机壳 wireless mouse pad", known)] == ["手机壳", "wireless mouse"]


def test_without_a_file_nothing_has_another_name(tmp_path):
    lexicon = Lexicon(tmp_path / "none.tsv.gz")
    assert lexicon.expansions("手机") == ()
    assert "phone" not in lexicon


def test_a_damaged_file_is_an_error_with_the_cure(tmp_path):
    path = tmp_path / "lexicon.tsv.gz"
    path.write_bytes(gzip.compress(b"a\tb")[:-4])
    with pytest.raises(ArtifactError, match=r"cannot read the lexicon(.|\n)*install Aisle again"):
        Lexicon(path).expansions("x")


def test_loading_is_quick(tmp_path):
    lines = (f"词{n}|字{n}\tname {n}|word {n}\t名{n}\tnombre {n}" for n in range(25_000))
    path = tmp_path / "lexicon.tsv.gz"
    path.write_bytes(gzip.compress("\n".join(lines).encode()))
    best = min(_seconds(path) for _ in range(3))
    assert best < 0.3, "0.04 s where it was written (docs/languages.md)"


def _seconds(path):
    start = time.perf_counter()
    assert "name 24999" in Lexicon(path)
    return time.perf_counter() - start


@pytest.mark.parametrize("word", ["el", "la", "no", "in", "as", "at", "on", "may", "de"])
def test_a_function_word_names_nothing(word):
    assert Lexicon().expansions(word) == ()
    assert not [found for found in Lexicon().expansions(f"shirt {word} collar") if found.because == word]


@pytest.mark.parametrize(("asked", "english"), [("zapatillas blancas", "sneaker"), ("3Dプリンター", "3D printer")])
def test_names_of_a_later_source_come_to_the_thing_that_an_earlier_one_has(asked, english):
    assert english in {found.name for found in Lexicon().expansions(asked)}
