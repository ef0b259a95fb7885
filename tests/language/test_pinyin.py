"""Corrections by sound, over a catalogue of a few words; each case judged by eye."""

import pytest

from aisle.config import IndexSettings
from aisle.indexes.catalogue_words import WordsOfTable
from aisle.indexes.lance import LanceIndex
from aisle.language.pinyin import correct, loose, syllables
from aisle.types import Product
from tests.contracts.rows import DIM, records

TITLES = [
    "小米手机 13 Pro 黑色", "华为手机 Mate 50", "苹果手机壳 透明", "索尼蓝牙耳机 WH-1000XM4", "华为蓝牙音箱",
    "美的电饭煲 5升", "南极人保暖内衣", "牛奶巧克力", "电磁炉 家用", "羽毛球拍", "Xiaomi Band 手环",
    "wireless keyboard", "可润面霜", "真丝睡衣",
]  # fmt: skip


@pytest.fixture(scope="module")
def words(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pinyin") / "index"
    index = LanceIndex.create(folder, IndexSettings(), {"text": DIM})
    index.upsert(records([Product(str(n), title) for n, title in enumerate(TITLES)]))
    index.optimize()
    assert isinstance(index.words, WordsOfTable)
    yield index.words
    index.close()


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("shouji", "手机"), ("ShouJi", "手机"), ("shou ji", "手机"), ("huawei shouji", "华为手机"),
        ("huaweishouji", "华为手机"), ("xiaomi shouji", "xiaomi 手机"), ("shoujike", "手机壳"),
        ("lanya erji", "蓝牙耳机"), ("黑色shouji", "黑色手机"), ("dianfanbao 5升", "电饭煲 5升"),
    ],
)  # fmt: skip
def test_pinyin_becomes_the_catalogues_words(words, written, meant):
    assert correct(written, words)[0] == meant


@pytest.mark.parametrize(
    ("written", "meant", "why"),
    [
        ("小米首机", "小米手机", ("首机 -> 手机 (same sound)",)),
        ("蓝压耳机", "蓝牙耳机", ("蓝压 -> 蓝牙 (same sound)",)),
        ("首机", "手机", ("首机 -> 手机 (same sound)",)),
        ("雨毛球拍", "羽毛球拍", ("雨毛 -> 羽毛 (same sound)",)),
        ("lanya 迩机", "蓝牙 耳机", ("lanya -> 蓝牙 (pinyin)", "迩机 -> 耳机 (same sound)")),
    ],
)
def test_homophones_become_the_catalogues_words(words, written, meant, why):
    assert correct(written, words) == (meant, why)


@pytest.mark.parametrize(
    "text",
    ["手机", "小米手机壳", "耳机", "雨衣", "wireless keyboard", "keybord", "iPhone 14", "LC51C", "shou", "ji", "13 pro",
     "", "可润", "女鞋", "电池", "sony", "xiaomi", "玛格丽特", "shou-ji", "a.shouji.b", "shouji2"],
)  # fmt: skip
def test_what_the_catalogue_or_the_language_has_stays(words, text):
    assert correct(text, words) == (text, ())


def test_a_word_with_a_meaning_of_its_own_is_not_pinyin(words):
    assert correct("shouji", words, lambda word: word == "shouji") == ("shouji", ())


def test_a_character_of_a_known_word_is_not_doubtful(words):
    assert correct("小米 首机带", words)[0] == "小米 手机带"
    assert correct("小米 首机带", words, lambda word: word == "首机带")[0] == "小米 首机带"


def test_sounds():
    assert syllables("重庆银行") == ("chong", "qing", "yin", "hang")
    assert loose(("zhuang", "nan", "xing")) == loose(("zuan", "lan", "xin")) == "zuanlanxin"
    assert loose(("lan", "ya")) != loose(("lan", "nai"))
