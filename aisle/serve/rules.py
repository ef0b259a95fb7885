"""The merchant's rules as a file that is read and replaced whole while the service runs.

Every worker looks at the file now and then, so that what one wrote acts in all of them. Knows files and rules, no HTTP.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path
from typing import Any

import tomli_w

from aisle.engine import SearchEngine
from aisle.errors import RecipeError
from aisle.rules import Finding, RuleSet, check, parse_rules, rules_of
from aisle.serve.security.files import locked, replace_private

NAME = "rules.toml"
MAX_BYTES = 2_000_000


class Changed(Exception):
    """The rules are not those that the caller knows."""


class Unfit(Exception):
    """The rules can be read, but not all of them can work.

    Args:
        findings: What is wrong.
    """

    def __init__(self, findings: tuple[Finding, ...]) -> None:
        self.findings = findings
        super().__init__(f"{len(findings)} findings")


@dataclass(frozen=True, slots=True)
class Stored:
    """The rules as they stand: the text of the file, and its fingerprint ("" where there is none)."""

    text: str
    version: str

    @property
    def data(self) -> Mapping[str, Any]:
        """The rules as plain data; dates stay dates."""
        return tomllib.loads(self.text)


class RulesFile:
    """A file of rules.

    Args:
        path: That of the recipe, or one beside the index.
        seen: Fingerprint of what the engine has read already.
    """

    def __init__(self, path: Path, seen: str = "") -> None:
        self.path = path
        self.seen = seen

    def read(self) -> Stored:
        """What stands in the file now."""
        try:
            text = self.path.read_text(encoding="utf-8-sig")
        except FileNotFoundError:
            return Stored("", "")
        return Stored(text, blake2b(text.encode(), digest_size=8).hexdigest())

    def replace(
        self, given: str | Mapping[str, Any], engine: SearchEngine, known: str | None, *, force: bool
    ) -> tuple[Stored, tuple[Finding, ...]]:
        """Put other rules in the file, and into the engine.

        Args:
            given: TOML, or the same as plain data.
            engine: Whose catalogue they are for.
            known: Fingerprint of the rules that the caller means to replace; None whatever they are.
            force: Whether rules with errors are taken, too.

        Raises:
            Changed: Somebody else has replaced them since.
            RecipeError: They cannot be read.
            Unfit: One of the findings is an error.
        """
        text = given if isinstance(given, str) else _toml(given)
        if len(text.encode(errors="replace")) > MAX_BYTES:
            raise RecipeError(f"rules of {len(text):,} characters", allowed=f"{MAX_BYTES:,} bytes")
        rules = parse_rules(text)
        found = check(rules, rules.today(datetime.now(UTC)), engine.index)
        if not force and any(finding.severity == "error" for finding in found):
            raise Unfit(found)
        with locked(self.path):
            if known is not None and self.read().version != known:
                raise Changed
            replace_private(self.path, text.encode())
            stored = self.read()
            self._take(stored, rules, engine)
        return stored, found

    def follow(self, engine: SearchEngine) -> bool:
        """Take over what stands in the file if it is not what was read last; says whether it was.

        Raises:
            RecipeError: It cannot be read; the rules before stay in force.
        """
        stored = self.read()
        if stored.version == self.seen:
            return False
        self.seen = stored.version  # once, also where it cannot be read
        self._take(stored, parse_rules(stored.text, str(self.path)), engine)
        return True

    def give(self, engine: SearchEngine) -> None:
        """Put what stands in the file into an engine that has not read it.

        Raises:
            RecipeError: It cannot be read.
        """
        stored = self.read()
        self._take(stored, parse_rules(stored.text, str(self.path)), engine)

    def _take(self, stored: Stored, rules: RuleSet, engine: SearchEngine) -> None:
        engine.stages.set_rules(rules)
        self.seen = stored.version


def _toml(data: Mapping[str, Any]) -> str:
    """The TOML of rules as JSON has them.

    Raises:
        RecipeError: They cannot be read.
    """
    rules_of(data)  # what is wrong is said of the JSON
    try:
        return tomli_w.dumps(data)
    except (TypeError, ValueError) as error:  # null
        raise RecipeError(f"rules: {error}", allowed="no null: leave the setting out") from None
