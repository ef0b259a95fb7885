"""An explanation as one HTML page: nothing loaded from elsewhere, everything of the catalogue escaped.

Knows how to lay an explanation out, not how it came about. The page itself is ``explanation.html``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aisle.explain.cut import words_of
from aisle.explain.sentences import (
    REASONS,
    absence_sentence,
    change_phrase,
    counterfactual_sentence,
    details_phrase,
    number,
    sentences,
    value_text,
    words_sentences,
)
from aisle.explain.stages import field_label, stage_label
from aisle.explain.values import Language, Words
from aisle.pages import page_environment

if TYPE_CHECKING:
    from aisle.explain.explanation import Explanation

MOST_CHARACTERS = 700
"""Of a description on the page; what an encoder reads is shorter."""

HEADINGS: Mapping[Language, Mapping[str, str]] = {
    "en": {
        "title": "Why this product",
        "query": "Query",
        "place": "Place",
        "score": "Score",
        "absent": "not in the results",
        "contributions": "What made the score",
        "stage": "Stage",
        "raw": "Raw score",
        "rank": "Place by it alone",
        "added": "Added",
        "sum": "Sum",
        "demands": "What the query demands",
        "demand": "Demand",
        "says": "What the product says",
        "verdict": "Verdict",
        "satisfied": "met",
        "contradicted": "not met",
        "unknown": "unknown",
        "silent": "nothing",
        "words": "Which words carried the model's score",
        "legend": "Green words carry the score, red ones pull it down; the stronger, the more.",
        "next": "It would stand above the next one up",
        "in_words": "In words",
        "product": "Product",
    },
    "zh": {
        "title": "排序原因",
        "query": "搜索词",
        "place": "名次",
        "score": "得分",
        "absent": "不在结果中",
        "contributions": "得分构成",
        "stage": "环节",
        "raw": "原始分",
        "rank": "单项名次",
        "added": "贡献",
        "sum": "合计",
        "demands": "搜索要求核对",
        "demand": "要求",
        "says": "商品信息",
        "verdict": "结论",
        "satisfied": "符合",
        "contradicted": "不符合",
        "unknown": "无法判断",
        "silent": "未注明",
        "words": "哪些词影响了模型得分",
        "legend": "绿色的词提高得分，红色的词拉低得分，颜色越深影响越大。",
        "next": "满足以下任意一项即可超过前一位",
        "in_words": "文字说明",
        "product": "商品",
    },
}


def render_page(explanation: Explanation, language: Language) -> str:
    """The page."""
    environment = page_environment(Path(__file__).parent)
    environment.filters["number"] = number
    words, against = explanation.words, explanation.counterfactual
    conditions = [change for change in against.changes if change.kind not in REASONS] if against else []
    largest = max((abs(item.contribution) for item in explanation.contributions), default=0.0) or 1.0
    return environment.get_template("explanation.html").render(
        language=language,
        says=HEADINGS[language],
        explanation=explanation,
        contributions=[
            (item, stage_label(item.stage, language), details_phrase(item, language), abs(item.contribution) / largest)
            for item in explanation.contributions
        ],
        verdicts=[
            (item, [(field_label(field, language), value_text(value, language)) for field, value in item.found])
            for item in explanation.verdicts
        ],
        query=marked(explanation.query, _effects(words, "query")),
        texts=_texts(explanation, language),
        about_words=words_sentences(words, language) if words else [],
        changes=[change_phrase(change, language) for change in conditions],
        reason=counterfactual_sentence(against, language) if against and not conditions else "",
        absence=absence_sentence(explanation.absence, language) if explanation.absence else "",
        lines=sentences(explanation, language),
    )


def marked(text: str, effects: Mapping[str, float]) -> list[tuple[str, float]]:
    """The text in pieces, each with the strength of its word from -1 to 1: 1 is the strongest of all, 0 no effect."""
    largest = max(map(abs, effects.values()), default=0.0) or 1.0
    found, last = [], 0
    for word in words_of(text):
        if word.start > last:
            found.append((text[last : word.start], 0.0))
        found.append((text[word.start : word.end], round(effects.get(word.key, 0.0) / largest, 3)))
        last = word.end
    return [*found, (text[last:], 0.0)] if last < len(text) else found


def _effects(words: Words | None, of: str) -> dict[str, float]:
    if words is None:
        return {}
    items = words.query if of == "query" else words.product
    return {words_of(item.name)[0].key: item.effect for item in items}


def _texts(explanation: Explanation, language: Language) -> list[tuple[str, Any]]:
    product = explanation.product
    description = product.description[:MOST_CHARACTERS]
    fields = {"title": product.title, "brand": product.brand, "category": " > ".join(product.category)}
    effects = _effects(explanation.words, "product")
    texts = fields | {"description": description + ("…" if len(description) < len(product.description) else "")}
    return [(field_label(field, language), marked(text, effects)) for field, text in texts.items() if text]
