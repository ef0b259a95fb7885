"""Texts of shoppers and sellers as data within a prompt.

What a stranger wrote must not end its own quotation, look like a turn of the conversation or hide from a reader: angle
brackets become others, which takes every tag and every control token of the usual chat templates (``<|im_end|>``,
``</s>``, ``<start_of_turn>``); so do the brackets of ``[INST]``; white space is single blanks, so that no line begins
anew; what cannot be seen is dropped. A text can still say "ignore what you were told"; the prompt says what to make of
that, and only probabilities of fixed words or numbers of a list are read of the answer.
"""

from __future__ import annotations

import re

from aisle.language.normalise import single_blanks, visible
from aisle.rerankers.llm.spec import LlmSpec
from aisle.types import Product

_BRACKETS = str.maketrans({"<": "‹", ">": "›", "＜": "‹", "＞": "›"})
_COMMAND = re.compile(r"\[(/?[A-Z_]{2,})\]")
_LABELS = {
    "en": {
        "title": "title", "brand": "brand", "category": "category", "description": "description",
        "attributes": "attributes", "price": "price",
    },
    "zh": {
        "title": "标题", "brand": "品牌", "category": "类目", "description": "描述",
        "attributes": "属性", "price": "价格",
    },
}  # fmt: skip


def quoted(text: str, characters: int) -> str:
    """One line of at most so many characters that cannot be taken for anything but text."""
    found = _COMMAND.sub(r"(\1)", single_blanks(visible(text.translate(_BRACKETS))))
    return found if len(found) <= characters else found[: characters - 1].rstrip() + "…"


def product_lines(product: Product, spec: LlmSpec, language: str) -> str:
    """What the model reads of a product: a line for each field that has a value, of so many characters in all."""
    values = {
        "title": product.title,
        "brand": product.brand,
        "category": " / ".join(product.category),
        "description": product.description,
        "attributes": "; ".join(f"{name}: {_plain(value)}" for name, value in product.attributes.items()),
        "price": "" if product.price is None else f"{product.price:g} {product.currency or ''}",
    }
    lines, left = [], spec.characters
    for field in spec.fields:
        text = quoted(values[field], left) if left > 1 else ""
        if text:
            lines.append(f"{_LABELS[language][field]}: {text}")
            left -= len(text)
    return "\n".join(lines)


def _plain(value: object) -> str:
    return ", ".join(map(str, value)) if isinstance(value, tuple) else str(value)
