"""Alert rules as a TOML file: which number of which window must not pass which threshold, and for how long.

::

    [[rule]]
    name = "slow"
    metric = "latency.total.p95"
    comparison = ">"
    threshold = 200
    window_s = 300
    minimum = 100
    for_s = 600
"""

from __future__ import annotations

import dataclasses
import operator
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import ConfigDict, Field, TypeAdapter
from pydantic.dataclasses import dataclass

from aisle.config import checked
from aisle.errors import MetricError, RecipeError
from aisle.monitor.summary import BEHAVIOUR, CLICK_DRIFT, DRIFT, measure

COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class Rule:
    """One alert rule.

    Attributes:
        name: Of the alert.
        metric: As `aisle monitor` prints it, such as ``zero_rate`` or ``latency.dense.p95``.
        comparison: With which the value of the metric stands to the threshold when the rule is breached.
        threshold: In the metric's unit: milliseconds, a share, requests a second.
        window_s: The value is that of the requests of so many seconds.
        minimum: Fewer requests (pages, shoppers) that the metric is of say nothing; a breach ends with them.
        for_s: The rule must be breached for so long without a break before there is an alert.
        severity: Handed on.
        fix: What to do then; handed on.
    """

    name: Annotated[str, Field(min_length=1, max_length=100)]
    metric: Annotated[str, Field(min_length=1)]
    comparison: Literal[">", ">=", "<", "<="]
    threshold: Annotated[float, Field(allow_inf_nan=False)]
    window_s: float = Field(default=300.0, gt=0, le=7 * 86_400, allow_inf_nan=False)
    minimum: int = Field(default=30, ge=0)
    for_s: float = Field(default=0.0, ge=0, le=7 * 86_400, allow_inf_nan=False)
    severity: Literal["info", "warning", "critical"] = "warning"
    fix: str = Field(default="", max_length=1_000)

    @property
    def drifts(self) -> bool:
        """Whether the metric is a drift, which needs a reference."""
        return self.metric in DRIFT or self.metric in CLICK_DRIFT

    @property
    def behaves(self) -> bool:
        """Whether the metric is of what shoppers do, which needs their events."""
        return self.metric in BEHAVIOUR

    def breached(self, value: float) -> bool:
        """Whether a value breaches the rule."""
        return COMPARISONS[self.comparison](value, self.threshold)

    def __str__(self) -> str:
        return f"{self.metric} {self.comparison} {self.threshold:g}"


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class _File:
    rule: Annotated[tuple[Rule, ...], Field(min_length=1, max_length=200)]


_ADAPTER = TypeAdapter(_File)
_NAMES = ", ".join(field.name for field in dataclasses.fields(Rule))


def parse_rules(text: str, source: str = "rules") -> tuple[Rule, ...]:
    """The rules of a TOML text.

    Raises:
        RecipeError: It is not TOML, a setting is unknown, wrong or missing, a metric does not exist, a name is twice.
    """
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"{source}: not valid TOML: {error}", fix="see docs/monitoring.md") from None

    def allowed(place: tuple[int | str, ...]) -> str:
        return f"in each [[rule]]: {_NAMES}" if len(place) > 1 else "one or more [[rule]]"

    rules = checked(_ADAPTER, data, source, allowed).rule
    seen: set[str] = set()
    for rule in rules:
        if not rule.drifts and not rule.behaves:
            try:
                measure(rule.metric, 1.0)
            except MetricError as error:
                raise RecipeError(f"{source}: rule {rule.name!r}: {error.received}", allowed=error.allowed) from None
        if rule.name in seen:
            raise RecipeError(f"{source}: two rules are named {rule.name!r}", fix="give each its own name")
        seen.add(rule.name)
    return rules


def read_rules(path: Path) -> tuple[Rule, ...]:
    """The rules of a file.

    Raises:
        RecipeError: It cannot be read, or as `parse_rules` says.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise RecipeError(f"the rules {str(path)!r} are not UTF-8", allowed="a TOML file in UTF-8") from None
    except OSError as error:
        raise RecipeError(
            f"cannot read the rules {str(path)!r}: {error.strerror or error}", allowed="a TOML file"
        ) from None
    return parse_rules(text, str(path))
