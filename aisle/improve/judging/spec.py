"""The file that names a language model as a judge: which model, by which rubric, and when it may judge. TOML."""

from __future__ import annotations

import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Literal

from pydantic import ConfigDict, Field, TypeAdapter
from pydantic.dataclasses import dataclass

from aisle.config import checked, settings_of
from aisle.errors import RecipeError
from aisle.llm.settings import BudgetSettings, LlmSettings, PriceSettings
from aisle.rerankers.llm.spec import LlmSpec

_STRICT = ConfigDict(extra="forbid")
_FIELDS = Literal["title", "description"]


@dataclass(frozen=True, config=_STRICT)
class PassSettings:
    """What a judge must show on anchors before it may judge.

    Attributes:
        kappa: The lower end of the 95% interval of the quadratically weighted kappa must reach this.
        anchors: So many anchors at least must have been judged.
        queries: Of so many queries at least: the interval draws queries.
        coverage: It must be sure of this share of the anchors.
        recall: The recall of each grade that has ``support`` anchors must reach this; 0 asks for none.
        support: Fewer anchors of a grade say nothing.
    """

    kappa: float = Field(default=0.6, ge=-1, le=1)
    anchors: int = Field(default=100, ge=2)
    queries: int = Field(default=10, ge=2)
    coverage: float = Field(default=0.5, ge=0, le=1)
    recall: float = Field(default=0.0, ge=0, le=1)
    support: int = Field(default=10, ge=1)


@dataclass(frozen=True, config=_STRICT)
class JudgeSpec:
    """How a language model judges.

    Attributes:
        llm: Which model, where it is, what it may cost.
        grades: The rubric: what each grade means, from "0" on without a gap; empty: the four of the page.
        instruction: What a good result is, instead of the prompt's own words.
        language: Of the prompt; "auto" is that of the query, Chinese or else English.
        fields: What the model reads of a product, in order.
        characters: It reads so many at most.
        swap: Whether each pair is asked twice, the rubric from the best grade down and from the worst up.
        samples: So often each; with temperature above 0 they differ. Every sample has its number in the prompt.
        preferences: On anchors: so many pairs of products of one query are asked which is better, in both orders.
        gate: When it may judge; ``[pass]`` in the file.
    """

    llm: LlmSettings
    grades: dict[str, str] = Field(default_factory=dict)
    instruction: str = Field(default="", max_length=4_000)
    language: Literal["auto", "en", "zh"] = "auto"
    fields: tuple[_FIELDS, ...] = Field(default=("title", "description"), min_length=1)
    characters: int = Field(default=600, ge=20, le=100_000)
    swap: bool = True
    samples: int = Field(default=1, ge=1, le=20)
    preferences: int = Field(default=40, ge=0)
    gate: PassSettings = Field(default_factory=PassSettings)

    @property
    def count(self) -> int:
        """How many grades there are."""
        return len(self.grades) or 4

    @property
    def scale(self) -> tuple[int, ...]:
        """The grades."""
        return tuple(range(self.count))

    @property
    def shown(self) -> LlmSpec:
        """As the prompts of the re-rankers want it."""
        return LlmSpec(
            llm=self.llm,
            kind="pairwise",
            instruction=self.instruction,
            language=self.language,
            fields=self.fields,
            characters=self.characters,
        )


def read_judge(path: Path) -> JudgeSpec:
    """Read the file; the store that it names is found beside it.

    Raises:
        RecipeError: It cannot be read, or a setting is wrong.
    """
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"cannot read {str(path)!r}: {error}", allowed="a TOML file; see docs/judging.md") from None
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"{path}: not valid TOML: {error}", fix="see docs/judging.md") from None
    if "pass" in data:
        data["gate"] = data.pop("pass")
    spec = checked(_ADAPTER, data, str(path), _ALLOWED)
    if spec.grades and (len(spec.grades) > 10 or set(spec.grades) != {str(place) for place in range(len(spec.grades))}):
        raise RecipeError(
            f"{path}: grades {', '.join(spec.grades)}", allowed="0, 1, ... without a gap, at most 9", fix="name each"
        )
    if len(spec.grades) == 1:
        raise RecipeError(f"{path}: one grade", allowed="two or more")
    if spec.llm.api != "chat":
        raise RecipeError(f"{path}: llm.api {spec.llm.api!r}", allowed="chat: the rubric is a conversation")
    return replace(spec, llm=spec.llm.beside(path.absolute().parent))


_ADAPTER = TypeAdapter(JudgeSpec)
_ALLOWED = settings_of(
    {
        (): JudgeSpec,
        ("gate",): PassSettings,
        ("llm",): LlmSettings,
        ("llm", "price"): PriceSettings,
        ("llm", "budget"): BudgetSettings,
    }
)
