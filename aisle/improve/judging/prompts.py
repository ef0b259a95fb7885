"""The words in which a language model is asked for a grade by a rubric, in Chinese and English. Knows texts only."""

from __future__ import annotations

from aisle.improve.judging.spec import JudgeSpec
from aisle.judgments.pairs import TextPair
from aisle.llm.question import Message
from aisle.rerankers.llm.prompts import DATA, MAX_QUERY, language
from aisle.rerankers.llm.quote import product_lines, quoted
from aisle.types import Product

RUBRIC = {
    "en": (
        "not relevant: another kind of thing, or it contradicts what the query names",
        "related: an accessory, a part, or a thing for the same use that would hardly be bought instead",
        "a good substitute: the right kind of thing, with one wish of the query not met",
        "exactly what is asked for",
    ),
    "zh": (
        "不相关：另一类东西，或与查询所指明的内容相矛盾",
        "有关联：配件、零件，或用途相同但顾客几乎不会改买的东西",
        "很好的替代品：类别正确，但查询中有一项要求不符",
        "正是所求",
    ),
}
"""What the grades 0 to 3 mean unless a spec says it."""
_GOOD = {
    "en": "Judge how well the product answers the query, as a shopper who typed it would.",
    "zh": "请站在输入该查询的顾客的角度，判断商品与查询有多相符。",
}
_HEAD = {"en": "The grades:", "zh": "分数："}
_ANSWER = {
    "en": "Which grade does the product have? Answer with one digit from 0 to {top} and nothing else.",
    "zh": "该商品应得几分？只回答 0 到 {top} 之间的一个数字，不要其他内容。",
}
_SAMPLE = {"en": "You are rater {number}.", "zh": "你是第 {number} 位评判员。"}


def asked_for_grade(pair: TextPair, spec: JudgeSpec, rising: bool, sample: int) -> tuple[Message, ...]:
    """The conversation about one pair.

    Args:
        pair: Query and product; its grade is not looked at.
        spec: Of the judge.
        rising: Whether the rubric begins with the worst grade.
        sample: From 0; the first is not numbered.
    """
    tongue = language(pair.query, spec.shown)
    meanings = [spec.grades[str(grade)] for grade in spec.scale] if spec.grades else RUBRIC[tongue]
    lines = [f"{grade}: {meaning}" for grade, meaning in zip(spec.scale, meanings, strict=True)]
    if not rising:
        lines.reverse()
    head = [DATA[tongue], spec.instruction or _GOOD[tongue], _HEAD[tongue], *lines]
    if sample:
        head.append(_SAMPLE[tongue].format(number=sample + 1))
    head.append(_ANSWER[tongue].format(top=spec.count - 1))
    shown = product_lines(product_of(pair), spec.shown, tongue)
    user = f"<query>{quoted(pair.query, MAX_QUERY)}</query>\n<product>\n{shown}\n</product>"
    return Message("system", "\n".join(head)), Message("user", user)


def product_of(pair: TextPair) -> Product:
    """The product of a pair, as far as the pair tells."""
    return Product(pair.doc_id, pair.title, pair.description)
