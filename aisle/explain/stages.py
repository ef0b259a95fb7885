"""Names of stages, fields and demands for people to read, in English and Chinese. Knows words only.

A stage without a line here keeps its own name, so that new stages are explained before anybody writes a line.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from aisle.explain.values import Language

Text = Mapping[Language, str]

STAGES: Mapping[str, Text] = {
    "bm25": {"en": "matching words", "zh": "关键词匹配"},
    "dense:text": {"en": "meaning of the text", "zh": "语义相近"},
    "dense:image": {"en": "likeness of the picture", "zh": "图片相似"},
    "learnt": {"en": "the learnt combination", "zh": "学得的权重"},
    "rerank": {"en": "the re-ranking model", "zh": "重排模型"},
    "identifier": {"en": "an identifier that the query names", "zh": "型号或编码与搜索词一致"},
    "browse": {"en": "the order of browsing", "zh": "浏览顺序"},
    "compatible": {"en": "fitting the device that the query names", "zh": "适配所查机型"},
    "category": {"en": "the kind of product asked for", "zh": "品类相符"},
    "diversity": {"en": "variety on the page", "zh": "结果多样性调整"},
    "relevance": {"en": "estimated probability of relevance", "zh": "相关概率估计"},
}
"""Stage to label."""

FAMILIES: Mapping[str, Text] = {
    "asked": {"en": "the demand on {name}", "zh": "对{name}的要求"},
    "rule": {"en": "the shop's rule “{name}”", "zh": "店铺规则“{name}”"},
    "dense": {"en": "likeness of {name}", "zh": "{name}相似"},
}
"""Label of a stage named ``family:name``, where `STAGES` has none."""

MEASURES: Mapping[str, Text] = {
    "bm25": {"en": "BM25", "zh": "BM25 得分"},
    "dense:text": {"en": "cosine", "zh": "余弦相似度"},
    "dense:image": {"en": "cosine", "zh": "余弦相似度"},
    "rerank": {"en": "its score", "zh": "模型分"},
}
"""What a stage's raw score is, where that says something."""

KINDS: Mapping[str, Text] = {
    "brand": {"en": "the brand", "zh": "品牌"},
    "category": {"en": "the category", "zh": "品类"},
    "colour": {"en": "the colour", "zh": "颜色"},
    "size": {"en": "the size", "zh": "尺寸"},
    "price": {"en": "the price", "zh": "价格"},
    "attribute": {"en": "a property", "zh": "属性"},
    "compatible": {"en": "what it fits", "zh": "适配机型"},
    "without": {"en": "what it must not have", "zh": "排除项"},
}
"""Kind of a demand to what it is on."""

FIELDS: Mapping[str, Text] = {
    "title": {"en": "title", "zh": "标题"},
    "brand": {"en": "brand", "zh": "品牌"},
    "category": {"en": "category", "zh": "品类"},
    "description": {"en": "description", "zh": "描述"},
    "identifiers": {"en": "identifiers", "zh": "编码"},
    "attributes": {"en": "attributes", "zh": "属性"},
    "price": {"en": "price", "zh": "价格"},
    "currency": {"en": "currency", "zh": "货币"},
    "rating": {"en": "rating", "zh": "评分"},
    "rating_count": {"en": "number of ratings", "zh": "评价数"},
    "available": {"en": "availability", "zh": "是否有货"},
    "stock": {"en": "stock", "zh": "库存"},
    "text": {"en": "text", "zh": "文本"},
}
"""Field to its name."""

FEATURES: Mapping[str, Text] = {
    "fused": {"en": "words and meaning together", "zh": "关键词与语义"},
    "cosine:share": {"en": "meaning, as a share of the best", "zh": "语义相近程度"},
    "wording": {"en": "wording", "zh": "用词吻合"},
    "neighbours": {"en": "likeness to the first products", "zh": "与前列商品相似"},
    "rerank": {"en": "the re-ranking model", "zh": "重排模型"},
    "satisfied": {"en": "demands met", "zh": "符合的要求"},
    "contradicted": {"en": "demands not met", "zh": "不符合的要求"},
    "rating": {"en": "rating", "zh": "评分"},
    "views": {"en": "likeness to products viewed lately", "zh": "与近期浏览的商品相似"},
    "views:brand": {"en": "a brand viewed lately", "zh": "近期浏览的品牌"},
    "price:band": {"en": "the shopper's usual prices", "zh": "常看价位"},
}
"""Feature of a learnt combination to its name; others keep their own."""

_NOT_READ = "rerank (not read: "
SPENT = r"the deadline of (?P<ms>\S+) ms was spent"


def stage_label(stage: str, language: Language) -> str:
    """What a stage is, for the middle of a sentence."""
    if stage in STAGES:
        return STAGES[stage][language]
    if stage.startswith(_NOT_READ):
        reason = stage.removeprefix(_NOT_READ).removesuffix(")")
        if language == "en":
            return f"not read by the re-ranking model ({reason})"
        return f"重排模型未读取（{reason_label(reason, language)}）"
    if is_bm25(stage):
        only = {
            "en": "matching words alone, as the encoder does not read this script",
            "zh": "仅关键词匹配（语义模型不支持该文字）",
        }
        return only[language]
    family, colon, name = stage.partition(":")
    if colon and family in FAMILIES:
        return FAMILIES[family][language].format(name=KINDS[name][language] if name in KINDS else name)
    return stage


def reason_label(reason: str, language: Language) -> str:
    """Why something was not read; what a failing model said of it is quoted as it is."""
    if language == "en":
        return reason
    spent, failed = re.fullmatch(SPENT, reason), "it failed: "
    if spent is not None:
        return f"{spent['ms']} 毫秒的时限已用完"
    what = reason.removeprefix(failed).replace("a score that is no number", "得分不是数字")
    return f"运行失败：{what}" if reason.startswith(failed) else reason


def measure_label(stage: str, language: Language) -> str | None:
    """What a stage's raw score is; None where it says nothing beside the contribution."""
    known = MEASURES.get("bm25" if is_bm25(stage) else stage)
    return known[language] if known else None


def field_label(field: str, language: Language) -> str:
    """A product field's name; an attribute keeps the catalogue's own."""
    return FIELDS[field][language] if field in FIELDS else field.removeprefix("attributes.")


def detail_label(stage: str, name: str, language: Language) -> str:
    """What a part of a stage's raw score is of: a feature of the learnt combination, else a field."""
    if stage == "learnt" and name in FEATURES:
        return FEATURES[name][language]
    return field_label(name, language)


def is_bm25(stage: str) -> bool:
    """Whether a stage is BM25, also where it is all there is for a query's script."""
    return stage == "bm25" or stage.startswith("bm25 (")
