"""Traditional Chinese to simplified, words of Taiwan included: 手機 and 行動電源 are searched as 手机 and 移动电源.

For what is searched and what an encoder reads; text that people see stays as it was written. The tables are those of
OpenCC (https://github.com/BYVoid/OpenCC).
"""

from __future__ import annotations

import re
import threading
from functools import cache, lru_cache
from typing import TYPE_CHECKING

from aisle.language.script import has_han, has_kana

if TYPE_CHECKING:
    from opencc import OpenCC

_making = threading.Lock()
_CACHED_LENGTH = 100
_SAME_WORDS = re.compile("(桌布|文件)")
"""To OpenCC a Taiwanese wallpaper on a screen and document; in shops a table cloth and paper, as everywhere."""

_MORE_WORDS = {
    "行动电源": "移动电源", "行动电话": "移动电话", "蓝芽": "蓝牙", "智慧型手机": "智能手机", "传输线": "数据线",
    "保护贴": "保护膜", "影印机": "复印机", "摄影机": "摄像机", "洗发精": "洗发水", "沐浴乳": "沐浴露",
    "卫生棉": "卫生巾",
    "原子笔": "圆珠笔", "脚踏车": "自行车", "泡面": "方便面", "优格": "酸奶", "凤梨": "菠萝", "奇异果": "猕猴桃",
    "马铃薯": "土豆", "保险套": "避孕套", "夹脚拖": "人字拖", "冷气机": "空调", "雷射": "激光",
}  # fmt: skip
"""What shops of Taiwan call things beyond OpenCC's own list, for text that traditional characters gave away."""
_MORE = re.compile("|".join(_MORE_WORDS))


def simplify(text: str) -> str:
    """Traditional Chinese as simplified, with the mainland's words where Taiwan has its own; idempotent.

    Simplified text stays as it is, also where Taiwan's words would be another's: only what traditional characters
    show to be traditional is converted. Japanese (any kana in it) stays too.
    """
    if not has_han(text) or has_kana(text):
        return text
    return _cached(text) if len(text) <= _CACHED_LENGTH else _simplified(text)


def one_script(text: str) -> str:
    """As ``simplify``, and Japanese with the Chinese forms of its characters: one form to compare, not to be read.

    So 掃除機 alone, which could be either, meets コードレス掃除機.
    """
    if has_han(text) and has_kana(text):
        return str(_converter("t2s").convert(text))
    return simplify(text)


@lru_cache(maxsize=4_096)
def _cached(text: str) -> str:
    return _simplified(text)


def _simplified(text: str) -> str:
    plain: str = _converter("t2s").convert(text)
    if plain == text:
        return text
    words = _converter("tw2sp")
    simplified = "".join(
        part if _SAME_WORDS.fullmatch(part) else words.convert(part) for part in _SAME_WORDS.split(text)
    )
    return _MORE.sub(lambda match: _MORE_WORDS[match[0]], simplified)


def _converter(name: str) -> OpenCC:
    with _making:  # converting is thread-safe, and one converter is enough
        return _made(name)


@cache
def _made(name: str) -> OpenCC:
    from opencc import OpenCC  # here, so that text without Chinese never waits for it

    return OpenCC(name)
