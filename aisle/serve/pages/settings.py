"""The settings of the page: `[page]` in aisle.toml as a frozen dataclass."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from pydantic import ConfigDict, Field, TypeAdapter
from pydantic.dataclasses import dataclass

from aisle.config import checked

PAGE = "page"


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class PageSettings:
    """What the page shows.

    Attributes:
        name: Of the shop, in the title.
        facets: Fields to narrow a search by; those without values are not shown.
        products: On a page of results.
        images: Load product pictures from where the catalogue says they are; otherwise they are links.
        judgments: A file of judgments beside those given on the page, for comparing; see docs/evaluation.md.
        judged_queries: So many judged queries are measured at most when two set-ups are compared.
    """

    name: str = "Aisle"
    facets: tuple[str, ...] = ("category", "brand", "available")
    products: int = Field(default=24, ge=1, le=100)
    images: bool = False
    judgments: str = ""
    judged_queries: int = Field(default=50, ge=1, le=1_000)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], source: str = "settings") -> PageSettings:
        """Settings from plain data.

        Raises:
            RecipeError: A setting is unknown, of the wrong type or out of range.
        """
        return checked(_ADAPTER, dict(data), f"{source}: [{PAGE}]", lambda _: _NAMES)


_ADAPTER = TypeAdapter(PageSettings)
_NAMES = ", ".join(field.name for field in dataclasses.fields(PageSettings))
