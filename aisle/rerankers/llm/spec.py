"""The file that names a language model as a re-ranker: settings only, in TOML."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

from pydantic import ConfigDict, Field, TypeAdapter
from pydantic.dataclasses import dataclass

from aisle.config import checked, settings_of
from aisle.errors import RecipeError
from aisle.llm.settings import BudgetSettings, LlmSettings, PriceSettings
from aisle.rerankers.slow import FILE

_STRICT = ConfigDict(extra="forbid")
_FIELDS = Literal["title", "brand", "category", "description", "attributes", "price"]


@dataclass(frozen=True, config=_STRICT)
class LlmSpec:
    """How a language model re-ranks.

    Attributes:
        llm: Which model, where it is, what it may cost.
        kind: "pointwise" asks of each product yes or no, "graded" a grade, "pairwise" which of two is better,
            "listwise" for an order of many.
        prompt: "rubric" for any model that follows instructions, "qwen3" for the exact prompt of Qwen3-Reranker.
        instruction: What a good result is, instead of the prompt's own words.
        language: Of the prompt; "auto" is that of the query, Chinese or else English.
        fields: What the model reads of a product, in order.
        characters: It reads so many at most.
        grades: Of "graded": from 0 to one less.
        shots: So many judged examples stand before the question.
        judgments: Pairs file that they come from.
        relevant: From this grade on, as the file writes it, an example is a "yes"; None is the middle of its scale.
        swap: Whether pairs and lists are shown in both orders.
        order: Of "pairwise": every pair, or passes from the end to the beginning.
        passes: So many, which bring so many products to their places.
        window: Of "listwise": products in one list.
        step: How far the window moves.
    """

    llm: LlmSettings
    kind: Literal["pointwise", "graded", "pairwise", "listwise"] = "pointwise"
    prompt: Literal["rubric", "qwen3"] = "rubric"
    instruction: str = Field(default="", max_length=4_000)
    language: Literal["auto", "en", "zh"] = "auto"
    fields: tuple[_FIELDS, ...] = Field(default=("title", "brand", "category", "description"), min_length=1)
    characters: int = Field(default=600, ge=20, le=100_000)
    grades: int = Field(default=4, ge=2, le=10)
    shots: int = Field(default=0, ge=0, le=64)
    judgments: str = ""
    relevant: float | None = None
    swap: bool = True
    order: Literal["all", "sliding"] = "sliding"
    passes: int = Field(default=10, ge=1)
    window: int = Field(default=20, ge=2, le=100)
    step: int = Field(default=10, ge=1, le=99)

    def requests(self, products: int) -> int:
        """How many questions one query with so many products takes at most."""
        twice = 2 if self.swap else 1
        if self.kind in ("pointwise", "graded"):
            return products
        if self.kind == "listwise":
            return twice * (1 + max(0, -(-(products - self.window) // self.step)))
        if self.order == "all":
            return twice * products * (products - 1) // 2
        return twice * sum(products - 1 - done for done in range(min(self.passes, max(products - 1, 0))))


def read_spec(path: Path) -> LlmSpec:
    """Read the file, or that in a folder; files that it names are found beside it.

    Raises:
        RecipeError: It cannot be read, or a setting is wrong or contradicts another.
    """
    file = path / FILE if path.is_dir() else path
    try:
        data = tomllib.loads(file.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"cannot read {str(file)!r}: {error}", allowed="a TOML file; see docs/llm.md") from None
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"{file}: not valid TOML: {error}", fix="see docs/llm.md") from None
    spec = spec_of(data, str(file))
    folder = file.absolute().parent
    judgments = str(folder / Path(spec.judgments).expanduser()) if spec.judgments else ""
    return replace(spec, llm=spec.llm.beside(folder), judgments=judgments)


def spec_of(data: dict[str, Any], source: str = "llm") -> LlmSpec:
    """Check plain data.

    Raises:
        RecipeError: A setting is wrong or contradicts another.
    """
    spec = checked(_ADAPTER, data, source, _ALLOWED)
    whole = spec.prompt == "qwen3"
    wrong = ""
    if whole and spec.kind != "pointwise":
        wrong = f'prompt = "qwen3" answers yes or no, kind = "{spec.kind}" wants more'
    elif whole and not spec.llm.local and spec.llm.api != "completions":
        wrong = 'prompt = "qwen3" is a finished prompt, which a chat server would wrap once more; api = "completions"'
    elif not whole and not spec.llm.local and spec.llm.api != "chat":
        wrong = 'prompt = "rubric" is a conversation; api = "chat"'
    elif spec.shots and (whole or spec.kind in ("pairwise", "listwise")):
        wrong = f'shots = {spec.shots} need kind = "pointwise" or "graded" and prompt = "rubric"'
    elif spec.shots and not spec.judgments:
        wrong = f"shots = {spec.shots} need judgments, a file of graded pairs"
    elif spec.step >= spec.window:
        wrong = f"step = {spec.step} must be less than window = {spec.window}, or lists would not overlap"
    elif spec.llm.adapter and not spec.llm.local:
        wrong = 'an adapter needs endpoint = "local"; a server loads its own'
    if wrong:
        raise RecipeError(f"{source}: {wrong}", fix="see docs/llm.md")
    return spec


_ADAPTER = TypeAdapter(LlmSpec)
_ALLOWED = settings_of(
    {
        (): LlmSpec,
        ("llm",): LlmSettings,
        ("llm", "price"): PriceSettings,
        ("llm", "budget"): BudgetSettings,
    }
)
