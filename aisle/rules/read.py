"""Rules from a TOML file, or from the same as plain data: every setting checked, every error with the rule's name.

Knows how rules are written; whether they make sense together and for a catalogue is `aisle.rules.check`'s to say.
"""

from __future__ import annotations

import dataclasses
import tomllib
from collections.abc import Mapping
from datetime import date, datetime
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BeforeValidator, ConfigDict, Field, StringConstraints, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from aisle.errors import FilterError, RecipeError
from aisle.filters import parse_filter
from aisle.language.synonyms import Synonyms
from aisle.rules.phrases import has_words
from aisle.rules.rule import REASON, Change, Pin, Rule, RuleSet, Safety, When, time_zone
from aisle.types import Filter

T = TypeVar("T")
_FORBID = ConfigDict(extra="forbid")
FIX = "correct it in the file; docs/rules.md shows every setting"
_EXAMPLES = {
    "name": 'a text in quotes, of at most 100 characters, such as "black-week-tvs"',
    "when": 'when = { query = ["tv", "television"], match = "words" }, or when = { match = "any" }',
    "from": "a date such as 2026-11-23",
    "until": "a date such as 2026-11-30",
    "pin": 'ids in quotes, such as ["12345", { id = "67890", place = 4 }]',
    "boost": 'such as { filter = "brand = Sony", by = 0.2 }, with by above 0 and at most 10',
    "bury": 'such as { filter = "price < 20", by = 0.3 }, with by above 0 and at most 10',
    "redirect": "a path such as /campaign/black-week, or an address that begins with https:// or http://",
    "block": 'ids in quotes, such as ["12345"]',
    "products": 'ids in quotes, such as ["12345"]',
    "synonyms": 'such as ["telly, tv"], or ["trainers => sneakers"]',
    "priority": "a whole number",
}


def _day(value: object) -> object:
    """A date, or its text as JSON has it; not a number, which would be taken for seconds since 1970."""
    if isinstance(value, str):
        return date.fromisoformat(value)
    if isinstance(value, datetime) or not isinstance(value, date):
        raise ValueError("is not a date")
    return value


_Text = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=500, pattern=r"^[^\x00-\x1f]*$")
]
_Name = Annotated[
    str, StringConstraints(strip_whitespace=True, min_length=1, max_length=100, pattern=r"^[^\x00-\x1f]*$")
]
_Day = Annotated[date, BeforeValidator(_day)]
_Url = Annotated[str, StringConstraints(max_length=2_000, pattern=r"^(https?://[^/\s\\]|/([^/\s\\]|$))[^\s\\]*$")]
"""A path of this site or an address: no script, and no ``//host`` that would leave the site unseen."""


def _pin(value: object) -> object:
    return {"id": value} if isinstance(value, str) else value


@dataclass(frozen=True, config=_FORBID)
class _When:
    query: list[_Text] = Field(default_factory=list)
    match: Literal["exact", "phrase", "words", "any"] = "words"


@dataclass(frozen=True, config=_FORBID)
class _Pin:
    id: _Text
    place: Annotated[int, Field(strict=True, ge=1, le=1_000)] | None = None


@dataclass(frozen=True, config=_FORBID)
class _Change:
    filter: str
    by: Annotated[float, Field(strict=True, gt=0, le=10, allow_inf_nan=False)]


@dataclass(frozen=True, config=_FORBID)
class _Rule:
    name: _Name
    when: _When
    start: _Day | None = Field(default=None, alias="from")
    until: _Day | None = None
    priority: Annotated[int, Field(strict=True, ge=-1_000_000, le=1_000_000)] = 0
    pin: list[Annotated[_Pin, BeforeValidator(_pin)]] = Field(default_factory=list, max_length=1_000)
    boost: _Change | None = None
    bury: _Change | None = None
    filter: str | None = None
    redirect: _Url | None = None
    synonyms: list[_Text] = Field(default_factory=list)
    block: list[_Text] = Field(default_factory=list)


@dataclass(frozen=True, config=_FORBID)
class _Safety:
    products: list[_Text] = Field(default_factory=list)
    filter: str | None = None
    queries: list[_Text] = Field(default_factory=list)
    reason: _Text = REASON


_RULE, _SAFETY = TypeAdapter(_Rule), TypeAdapter(_Safety)


def read_rules(path: Path) -> RuleSet:
    """Read a file of rules.

    Raises:
        RecipeError: It cannot be read, is not TOML, or a setting is wrong; names the rule and the setting.
    """
    allowed = "a TOML file in UTF-8 with rules as in docs/rules.md"
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise RecipeError(f"the rules {str(path)!r} are not UTF-8", allowed=allowed) from None
    except OSError as error:
        raise RecipeError(f"cannot read the rules {str(path)!r}: {error.strerror or error}", allowed=allowed) from None
    return parse_rules(text, str(path))


def parse_rules(text: str, source: str = "rules") -> RuleSet:
    """Read rules from TOML.

    Args:
        text: As in the file.
        source: Named in errors.

    Raises:
        RecipeError: The text is not TOML, or a setting is wrong.
    """
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"{source}: not valid TOML: {error}", fix=FIX) from None
    return rules_of(data, source)


def rules_of(data: Mapping[str, Any], source: str = "rules") -> RuleSet:
    """Rules from plain data, in the shape of the file (dates may be text, as in JSON).

    Raises:
        RecipeError: A setting is wrong.
    """
    settings = ("rule", "safety", "time_zone")
    for name in data:
        if name not in settings:
            raise RecipeError(f"{source}: unknown setting {name!r}", allowed=", ".join(settings), fix=FIX)
    tables = data.get("rule", [])
    if not isinstance(tables, list):
        raise RecipeError(f"{source}: setting 'rule' is no list", allowed="tables that each begin with [[rule]]")
    rules: dict[str, Rule] = {}
    for number, table in enumerate(tables, start=1):
        rule = _read_rule(table, source, number)
        if rule.name in rules:
            raise RecipeError(
                f"{source}: two rules have the name {rule.name!r}, the second is number {number}",
                fix="give each rule a name of its own: hits are explained by it",
            )
        rules[rule.name] = rule
    return RuleSet(tuple(rules.values()), _read_safety(data.get("safety", {}), source), _zone(data, source))


def _read_rule(table: Any, source: str, number: int) -> Rule:
    name = table.get("name") if isinstance(table, dict) else None
    where = f"{source}: rule {name!r}" if isinstance(name, str) and name.strip() else f"{source}: rule number {number}"
    written = _checked(_RULE, table, where)
    if written.when.match == "any" and written.when.query:
        raise RecipeError(
            f"{where}: setting 'when' names queries and match = 'any', which is every query",
            allowed=_EXAMPLES["when"],
            fix="leave out one of the two",
        )
    for place, line in enumerate(written.synonyms):
        Synonyms.parse(line, f"{where}: setting 'synonyms.{place}'")
    return Rule(
        name=written.name,
        when=When(tuple(written.when.query), written.when.match),
        start=written.start,
        end=written.until,
        priority=written.priority,
        pins=tuple(Pin(pin.id, pin.place or place) for place, pin in enumerate(written.pin, start=1)),
        boost=_change(written.boost, where, "boost"),
        bury=_change(written.bury, where, "bury"),
        filter=_filter(written.filter, where, "filter"),
        redirect=written.redirect or "",
        synonyms=tuple(written.synonyms),
        blocked=tuple(written.block),
    )


def _read_safety(table: Any, source: str) -> Safety:
    where = f"{source}: [safety]"
    written = _checked(_SAFETY, table, where)
    for place, text in enumerate(written.queries):
        if not has_words(text):  # an error, not a finding: it looks like protection and is none
            raise RecipeError(
                f"{where}: setting 'queries.{place}': {text!r} has no letters or digits, so it refuses nothing",
                fix="write the words of the query, or leave it out",
            )
    return Safety(
        tuple(written.products),
        _filter(written.filter, where, "filter"),
        tuple(written.queries),
        written.reason,
    )


def _zone(data: Mapping[str, Any], source: str) -> str:
    name = data.get("time_zone", "UTC")
    try:
        time_zone(name)
    except (KeyError, ValueError, TypeError, OSError):  # a name, no name, no text, a folder of names
        raise RecipeError(
            f"{source}: setting 'time_zone': {name!r} is no time zone", allowed="a name such as Europe/Berlin or UTC"
        ) from None
    return str(name)


def _change(written: _Change | None, where: str, setting: str) -> Change | None:
    if written is None:
        return None
    found = _filter(written.filter, where, f"{setting}.filter")
    assert found is not None
    return Change(found, written.by)


def _filter(text: str | None, where: str, setting: str) -> Filter | None:
    if text is None:
        return None
    try:
        return parse_filter(text)
    except FilterError as error:
        raise RecipeError(
            f"{where}: setting {setting!r}: {error.received}", allowed=error.allowed, fix=error.fix
        ) from None


def _checked(adapter: TypeAdapter[T], data: Any, where: str) -> T:
    try:
        return adapter.validate_python(data)
    except ValidationError as error:
        # a slip in a setting's name also leaves that setting missing: the name is what helps
        first = min(error.errors(), key=lambda one: one["type"] not in _UNKNOWN)
        path = first["loc"]
        setting = f"setting {'.'.join(map(str, path))!r} " if path else ""
        problem = _PROBLEMS.get(first["type"], f"is wrong: {first['msg']}")
        received = repr(first.get("input"))
        shown = f" (received {received if len(received) <= 80 else received[:77] + '...'})"
        allowed = _EXAMPLES.get(str(path[0])) if path else None
        if first["type"] in _UNKNOWN:
            problem, allowed = "does not exist", _settings(adapter, path[:-1])
        if first["type"] in _MISSING:
            shown = ""
        raise RecipeError(f"{where}: {setting}{problem}{shown}", allowed=allowed, fix=FIX) from None


_UNKNOWN = {"unexpected_keyword_argument", "extra_forbidden"}
_MISSING = {"missing", "missing_argument"}
_PROBLEMS = {
    **dict.fromkeys(_MISSING, "is missing"),
    "dataclass_type": "is no table",
    "list_type": "is no list",
    "int_type": "is no whole number",
    "float_type": "is no number",
    "string_type": "is no text in quotes",
    "string_too_short": "is empty",
    "string_pattern_mismatch": "cannot be used",
    "value_error": "is no date",
}
_TABLES: dict[str, type] = {"when": _When, "pin": _Pin, "boost": _Change, "bury": _Change}


def _settings(adapter: TypeAdapter[Any], path: tuple[int | str, ...]) -> str:
    """The settings that exist in the table where an unknown one was given."""
    table = _TABLES[str(path[0])] if path else _Rule if adapter is _RULE else _Safety
    return ", ".join("from" if f.name == "start" else f.name for f in dataclasses.fields(table))
