"""What the engine says of a search, in the language of an explanation. Knows the sentences, not who says them.

The engine speaks English (and Chinese of a Chinese query's demands). A note without a pattern here stays as it is, so
that new ones are shown before anybody translates them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial

from aisle.explain.stages import KINDS, SPENT, reason_label, stage_label
from aisle.explain.values import Language

UNHEEDED = 'what the query demands is shown and not heeded: the recipe has ranking.demands = "off"'
_SCRIPTS: Mapping[str, str] = {
    "Latin": "拉丁字母", "Han": "汉字", "Hangul": "韩文", "Hiragana": "平假名", "Katakana": "片假名", "Thai": "泰文",
    "Arabic": "阿拉伯文", "Hebrew": "希伯来文", "Cyrillic": "西里尔字母", "Greek": "希腊字母", "Devanagari": "天城文",
}  # fmt: skip
_CAUSES: Mapping[str, str] = {
    "a stage was left out": "有环节被略去",
    "by words or meaning alone": "只按关键词或语义搜索",
}


def in_language(note: str, language: Language) -> str:
    """The note in that language, where it is known how to say it."""
    return note if language == "en" else _in_chinese(note)


def _in_chinese(note: str) -> str:
    for pattern, say in _CHINESE:
        found = pattern.fullmatch(note)
        if found is not None:
            return say(found)
    return note


def _form(text: str, found: re.Match[str]) -> str:
    return text.format(**found.groupdict())


def _kind(name: str) -> str:
    return KINDS[name]["zh"] if name in KINDS else name


def _demand(found: re.Match[str]) -> str:
    return f"{_kind(found['kind'])}：{found['text']}（{found['certainty']}）"


def _given_up(found: re.Match[str]) -> str:
    demands = re.sub(r"(^|, )([a-z]+) \(", lambda one: f"{'、' if one[1] else ''}{_kind(one[2])} (", found["demands"])
    return f"没有商品符合全部条件；已放宽：{demands}"


def _unread(found: re.Match[str]) -> str:
    return f"语义模型读不懂{_SCRIPTS.get(found['script'], found['script'])}，因此只按关键词搜索"


def _late(found: re.Match[str]) -> str:
    stage = {"knowledge": "商品知识", "dense": "语义相近"}.get(found["stage"]) or stage_label(found["stage"], "zh")
    return f"{stage}：{reason_label(found['reason'], 'zh')}，因此略去"


def _reranked(found: re.Match[str]) -> str:
    return f"重排模型：{found['all']} 件商品中读了 {found['done']} 件，{reason_label(found['reason'], 'zh')}"


def _said(pattern: str, text: str) -> tuple[re.Pattern[str], Callable[[re.Match[str]], str]]:
    return re.compile(pattern, re.DOTALL), partial(_form, text)


_CHINESE: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], str]], ...] = (
    _said(re.escape(UNHEEDED), '搜索词里的要求只作说明，不影响排序：配方中 ranking.demands = "off"'),
    _said(r"(?P<one>.+) also as (?P<names>.+)", "{one} 也按以下名称搜索：{names}"),
    _said(r"(?P<one>.+ -> .+) \(same sound\)", "{one}（同音）"),
    _said(r"(?P<one>.+ -> .+) \(similar sound\)", "{one}（近音）"),
    _said(r"query cut at (?P<count>\d+) characters", "搜索词过长，只取前 {count} 个字符"),
    (re.compile(rf"(?P<kind>{'|'.join(KINDS)}): (?P<text>.+) \((?P<certainty>[\d.]+)\)", re.DOTALL), _demand),
    _said(r"without: (?P<name>.+)", "排除：{name}"),
    _said(r"category: (?P<path>.+)", "品类：{path}"),
    _said(r"for the device (?P<name>.+) \((?P<certainty>[\d.]+)\)", "适配机型：{name}（{certainty}）"),
    (re.compile(r"nothing matched everything asked for; searched without (?P<demands>.+)", re.DOTALL), _given_up),
    (
        re.compile(r"meaning: the encoder does not read (?P<script>.+), so only words were searched"),
        _unread,
    ),
    (re.compile(rf"(?P<stage>knowledge|learnt|dense): (?P<reason>{SPENT})"), _late),
    (re.compile(r"rerank: (?P<done>\d+) of (?P<all>\d+) products, (?P<reason>.+)", re.DOTALL), _reranked),
    (
        re.compile(r"cut-off: it does not know such a ranking \((?P<cause>.+)\)"),
        lambda found: f"未作截断：截断规则不适用于这样的排序（{_CAUSES.get(found['cause'], found['cause'])}）",
    ),
)
"""Pattern of a whole note, and how it is said in Chinese."""
