"""Text to ids: what is not Chinese as the WordPiece file alone cuts it, Chinese by words, one frame around both."""

from __future__ import annotations

import gzip
import json
import math
import re
import unicodedata
from collections.abc import Sequence
from pathlib import Path

import pytest
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors

from aisle.encoders.embedded import FOLDER
from aisle.encoders.tokenise import BilingualTokenizer, WordPieceTokenizer
from aisle.errors import ArtifactError
from aisle.language.chinese import simplify
from aisle.training.bilingual import sources

ROOT = Path(__file__).parents[2]
PIECES = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "i", "##phone", "5", "##g", "case", "for", "!", "-", "red"]
PAD, UNK, CLS, SEP, EYE, PHONE, FIVE, G, CASE, FOR, BANG, DASH, RED = range(13)
WORDS = {"[UNK]": -20.0, "手": -6.0, "机": -6.0, "壳": -7.0, "红": -6.0, "手机": -5.0, "手机壳": -11.0, "新款": -8.0}
OFFSET = 100
SHOU, JI, KE, HONG, SHOUJI, SHOUJIKE, NEW = (OFFSET + number for number in range(1, 8))
ENOUGH = 1_000


def write_english(path: Path, pieces: Sequence[str] = PIECES, framed: bool = True) -> None:
    vocab = {piece: number for number, piece in enumerate(pieces)}
    tokenizer = Tokenizer(models.WordPiece(vocab, unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    if framed:
        specials = [("[CLS]", vocab["[CLS]"]), ("[SEP]", vocab["[SEP]"])]
        tokenizer.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=specials)
    tokenizer.save(str(path))


def write_han(path: Path, words: dict[str, float] = WORDS) -> None:
    Tokenizer(models.Unigram(list(words.items()), unk_id=0, byte_fallback=False)).save(str(path))


@pytest.fixture
def folder(tmp_path) -> Path:
    write_english(tmp_path / "tokenizer.json")
    write_han(tmp_path / "han.json")
    return tmp_path


@pytest.fixture
def small(folder) -> BilingualTokenizer:
    return BilingualTokenizer(folder, OFFSET, ENOUGH)


@pytest.fixture(scope="module")
def offset() -> int:
    return json.loads((FOLDER / "manifest.json").read_text(encoding="utf-8"))["details"]["han_offset"]


@pytest.fixture(scope="module")
def real(offset) -> BilingualTokenizer:
    return BilingualTokenizer(FOLDER, offset, ENOUGH)


@pytest.fixture(scope="module")
def english() -> Tokenizer:
    return Tokenizer.from_file(str(FOLDER / "tokenizer.json"))


@pytest.fixture(scope="module")
def titles() -> list[str]:
    return [title.zh for title in sources.shop_titles(ROOT / "data")]


# --- by hand, with files of a dozen pieces ----------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("", []),
        ("red case", [RED, CASE]),
        ("手机", [SHOUJI]),
        ("手机壳", [SHOUJIKE]),  # -11 is more than 手机 + 壳 = -12 and 手 + 机 + 壳 = -19
        ("手机红", [SHOUJI, HONG]),
        ("机手", [JI, SHOU]),
        ("手機壳", [SHOUJIKE]),
        ("手機殼", [SHOUJIKE]),
        ("紅手機", [HONG, SHOUJI]),
        ("iPhone手机壳", [EYE, PHONE, SHOUJIKE]),
        ("手机壳iPhone", [SHOUJIKE, EYE, PHONE]),
        ("5G手机", [FIVE, G, SHOUJI]),
        ("5G 手机", [FIVE, G, SHOUJI]),
        ("红 手机", [HONG, SHOUJI]),
        ("手机\u3000\n 壳", [SHOUJI, KE]),
        ("红-手机!", [HONG, DASH, SHOUJI, BANG]),
        ("手机 case for 手机", [SHOUJI, CASE, FOR, SHOUJI]),
    ],
)
def test_english_by_the_one_file_and_chinese_by_the_other(small, text, pieces):
    assert small.pieces([text]) == [pieces]
    assert small.ids([text]) == [[CLS, *pieces, SEP]]


@pytest.mark.parametrize(
    "text",
    [
        "【新款】iPhone手机壳",
        "新款iPhone手机壳🔥",
        "🔥🔥新款★iPhone｜手机壳～",
        "《新款》，iPhone：「手机壳」！",
        "新款…iPhone·手机壳",
    ],
)
def test_ornaments_around_chinese_are_blanks(small, text):
    assert small.pieces([text]) == [[NEW, EYE, PHONE, SHOUJIKE]]


def test_ornaments_in_a_text_without_chinese_stay_what_they_were(small):
    assert small.pieces(["red🔥", "【red】", "☆"]) == [[UNK], [UNK, RED, UNK], [UNK]]


def test_unknown_characters_are_the_english_unknown(small):
    # 𠮷 is outside the vocabulary and outside the basic plane; a run of unknown characters is one piece.
    assert small.pieces(["手𠮷机", "𠮷", "𠮷𠮷龘", "手机Ж", "ケース手机"]) == [
        [SHOU, UNK, JI],
        [UNK],
        [UNK],
        [SHOUJI, UNK],
        [UNK, SHOUJI],
    ]


def test_texts_in_a_batch_do_not_mix(small):
    texts = ["手机", "", "red", "iPhone手机壳", "!!", "红"]
    assert small.ids(texts) == [small.ids([text])[0] for text in texts]
    assert small.ids([]) == []


@pytest.mark.parametrize("text", ["iPhone手机壳 red case 手机", "red case for red case", "手机手机手机手机", "𠮷", ""])
def test_a_text_is_cut_inside_its_frame(folder, small, text):
    (whole,) = small.ids([text])
    assert small.count(text) == len(whole)
    for limit in range(2, len(whole) + 3):
        (cut,) = BilingualTokenizer(folder, OFFSET, limit).ids([text])
        assert cut == ([CLS, *whole[1 : limit - 1], SEP] if limit < len(whole) else whole)
        assert BilingualTokenizer(folder, OFFSET, limit).count(text) == len(whole)


def test_english_alone_is_cut_the_same(folder):
    text = "red case for iPhone!"
    expected = [CLS, RED, CASE, FOR, EYE, PHONE, BANG, SEP]
    assert WordPieceTokenizer(folder, ENOUGH).ids([text, ""]) == [expected, [CLS, SEP]]
    cut = WordPieceTokenizer(folder, 5)
    assert cut.ids([text]) == BilingualTokenizer(folder, OFFSET, 5).ids([text]) == [[*expected[:4], SEP]]
    assert cut.count(text) == len(expected)


# --- the shipped files on real texts ----------------------------------------------------------------------


def test_real_english_texts_have_the_ids_of_the_wordpiece_file(real, english):
    with gzip.open(ROOT / "samples" / "icecat" / "products.jsonl.gz", "rt", encoding="utf-8") as file:
        rows = [json.loads(next(file)) for _ in range(2_000)]
    texts = [f"{row['title']} {row.get('description') or ''}" for row in rows]
    texts += [title.en for title in sources.shop_titles(ROOT / "data")]
    texts += ["", " ", "😀 mouse ★", "crème brûlée", "x" * 300, "“quoted” – 5 µm · ½", "[SEP]"]
    assert real.ids(texts) == [english.encode(text).ids for text in texts]
    assert [real.count(text) for text in texts[:50]] == [len(english.encode(text).ids) for text in texts[:50]]


def test_the_english_in_real_chinese_titles_is_cut_as_without_the_chinese(real, english, offset, titles):
    plain = [title for title in titles if re.fullmatch(r"[\x20-\x7e\u4e00-\u9fff]+", title)]
    assert len(plain) > 1_000
    for title, pieces in zip(plain, real.pieces(plain), strict=True):
        latin = re.sub(r"[\u4e00-\u9fff]+", " ", simplify(title))  # 隨身碟 is U盘
        alone = english.encode(latin, add_special_tokens=False).ids
        unknown = english.token_to_id("[UNK]")
        assert [number for number in pieces if number < offset and number != unknown] == alone, title


def test_chinese_runs_are_cut_into_the_likeliest_words(real, offset, titles):
    model = json.loads((FOLDER / "han.json").read_text(encoding="utf-8"))["model"]
    words = [word for word, _ in model["vocab"]]
    score = dict(model["vocab"])
    runs = [run for title in titles[:60] for run in re.findall(r"[\u4e00-\u9fff]+", title)]
    runs = [run for run in runs if all(c in score for c in run)]
    assert len(runs) > 100
    for run, pieces in zip(runs, real.pieces(runs), strict=True):
        found = [words[number - offset] for number in pieces]
        assert "".join(found) == run
        assert math.isclose(sum(score[word] for word in found), likeliest(run, score), rel_tol=1e-6), run


def likeliest(run: str, score: dict[str, float]) -> float:
    """The score of the best way to cut a run, from the back."""
    best = {len(run): 0.0}
    for start in reversed(range(len(run))):
        ways = [(run[start:end], best[end]) for end in range(start + 1, len(run) + 1)]
        best[start] = max(score[word] + rest for word, rest in ways if word in score)
    return best[0]


def test_chinese_ids_start_at_the_offset_and_english_ones_end_before_it(real, english, offset, titles):
    han = Tokenizer.from_file(str(FOLDER / "han.json"))
    assert english.get_vocab_size() == offset
    assert real.pieces(["手机"]) == [[offset + han.token_to_id("手机")]]
    assert han.token_to_id("[UNK]") == 0
    used = {number for pieces in real.pieces(titles) for number in pieces}
    assert max(used) < offset + han.get_vocab_size()
    assert offset not in used, "the unknown character is the English [UNK]"


@pytest.mark.parametrize(
    ("traditional", "simplified"),
    [
        ("手機", "手机"),
        ("手機殼", "手机壳"),
        ("手機壳", "手机壳"),
        ("iPhone手機殼 紅色", "iPhone手机壳 红色"),
        ("行動電源", "移动电源"),
    ],
)
def test_traditional_is_read_as_simplified(real, traditional, simplified):
    assert real.ids([traditional]) == real.ids([simplified])
    assert real.count(traditional) == real.count(simplified)


@pytest.mark.parametrize("text", ["ＵＳＢ　ｈｕｂ", "ｉｐｈｏｎｅ１５", "Ｐ４０　手机壳", "ＬＥＤ灯１０Ｗ"])
def test_full_width_letters_and_digits_are_read_as_what_they_are(real, text):
    assert real.ids([text]) == real.ids([unicodedata.normalize("NFKC", text)])


def test_full_width_punctuation_stays_an_ornament(real):
    assert real.ids(["手机！（新款）"]) == real.ids(["手机 新款"])


def test_counts_are_the_lengths_of_uncut_ids(real, offset, titles):
    texts = [*titles[::20], "", "😀", "【】", "手机" * 400, "mouse " * 400]
    assert [real.count(text) for text in texts] == [len(pieces) + 2 for pieces in real.pieces(texts)]
    short = BilingualTokenizer(FOLDER, offset, 16)
    for text, cut in zip(texts, short.ids(texts), strict=True):
        assert len(cut) == min(16, short.count(text))


# --- files that cannot be used ----------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["tokenizer.json", "han.json"])
@pytest.mark.parametrize("damage", ["missing", "empty", "cut short", "no tokenizer"])
def test_a_missing_or_damaged_file_is_one_clear_error(folder, name, damage):
    path = folder / name
    content = path.read_bytes()
    if damage == "missing":
        path.unlink()
    else:
        path.write_bytes({"empty": b"", "cut short": content[: len(content) // 2], "no tokenizer": b'{"a": 1}'}[damage])
    with pytest.raises(ArtifactError, match=rf"cannot read '.*{re.escape(name)}'(.|\n)*make the encoder again"):
        BilingualTokenizer(folder, OFFSET, ENOUGH)
    if name == "tokenizer.json":
        with pytest.raises(ArtifactError, match=r"cannot read '.*tokenizer\.json'"):
            WordPieceTokenizer(folder, ENOUGH)


def test_a_file_without_the_unknown_piece_is_refused(folder):
    write_han(folder / "han.json", {"<unk>": -20.0, "手": -6.0})
    with pytest.raises(ArtifactError, match=r"han\.json' has no \[UNK\]"):
        BilingualTokenizer(folder, OFFSET, ENOUGH)
    write_english(folder / "tokenizer.json", ["[PAD]", "[CLS]", "[SEP]", "red"])
    with pytest.raises(ArtifactError, match=r"tokenizer\.json' has no \[UNK\]|cannot read '.*tokenizer\.json'"):
        BilingualTokenizer(folder, OFFSET, ENOUGH)


def test_an_english_file_without_its_frame_is_refused(folder):
    write_english(folder / "tokenizer.json", framed=False)
    with pytest.raises(ArtifactError, match=r"tokenizer\.json"):
        BilingualTokenizer(folder, OFFSET, ENOUGH)
