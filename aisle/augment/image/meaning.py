"""What a text says of an image that a change must not undo: a colour that is asked for, a side, something to be read.

A rule by words, no look at the picture: lettering that no word tells of is not noticed. Knows no image.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import regex

from aisle.language.names import fold_name, other_numbers
from aisle.query.concepts import Concepts

_LATIN = regex.compile(r"\p{Latin}+")
_HAN = regex.compile(r"\p{Han}+")
_READ_WORDS = """
    book notebook magazine newspaper poster sign letter lettering logo text slogan quote graphic monogram initial
    label sticker decal keyboard keypad calculator clock watch remote phone smartphone laptop tablet monitor tv
    television card map calendar puzzle banner flag number name jersey packaging box bottle cereal snack
    supplement vitamin cosmetic shampoo game dvd cd vinyl toner cartridge ruler tape scale thermometer gauge
    license plate
"""
_READ = frozenset(_READ_WORDS.split())
_SIDED_WORDS = """
    left right lefthanded righthanded handed glove mitt guitar violin bass ukulele golf scissors shears door lock
    hinge faucet steering headlight fender mirror mouse screw bolt thread drill router stairlift asymmetric
    asymmetrical shoulder prosthesis orthosis brace chess trackpad
"""
_SIDED = frozenset(_SIDED_WORDS.split())
_READ_CHINESE = (
    "书|杂志|报纸|海报|字母|文字|印字|刺绣字|标志|标牌|标签|贴纸|键盘|计算器|钟|手表|腕表|遥控|手机|电脑|平板|电视|日历|"
    "地图|拼图|对联|春联|旗|号码|卡片|包装|礼盒|药|零食|化妆|洗发|游戏|尺|秤|温度计|车牌"
)
_SIDED_CHINESE = (
    "左|右|手套|吉他|提琴|贝斯|高尔夫|剪刀|门锁|车门|合页|铰链|方向盘|大灯|后视镜|鼠标|螺丝|螺纹|钻头|单肩|斜肩|不对称"
)
_NO_FLIP = regex.compile(f"{_READ_CHINESE}|{_SIDED_CHINESE}")
_COLOUR_ITSELF = regex.compile(r"(?i)\bcolou?r(?:s|ed|ful)?\b|色|彩")
PHRASE = 3
"""Words of the longest name of a colour that is looked for."""


@dataclass(frozen=True, slots=True)
class Meaning:
    """What may be done to an image by what is said of it.

    Attributes:
        known: Whether there is a word at all.
        colour: Whether a colour is meant.
        sided: Whether its mirror image would be another thing, or could not be read.
    """

    known: bool
    colour: bool
    sided: bool


def meaning_of(text: str) -> Meaning:
    """What a query, or a title with its category, says.

    Args:
        text: Normalised, simplified; "" where nothing is known.
    """
    latin = _LATIN.findall(fold_name(text))
    han = _HAN.findall(text)
    phrases = [" ".join(latin[i:j]) for i in range(len(latin)) for j in range(i + 1, min(i + PHRASE, len(latin)) + 1)]
    colour = any(map(_concepts().is_colour, phrases)) or _COLOUR_ITSELF.search(text) is not None
    return Meaning(
        bool(any(len(word) > 2 for word in latin) or any(len(run) > 1 for run in han)),
        colour or any(_chinese_colour(run) for run in han),
        any({word, *other_numbers(word)} & (_READ | _SIDED) for word in latin) or _NO_FLIP.search(text) is not None,
    )


def _chinese_colour(run: str) -> bool:
    """Whether a name of a colour is in a run; 黑 of 黑裙 stands alone."""
    return any(character in "黑白红蓝绿黄紫灰粉棕橙金银褐青" for character in run)


@cache
def _concepts() -> Concepts:
    return Concepts()
