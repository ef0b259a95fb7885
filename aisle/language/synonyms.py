"""A shop's own synonyms: a text file of rules, one a line.

    # what a shop adds to the packaged lexicon
    手机, 移动电话, cell phone
    trainers => sneakers, running shoes

Commas alone: each name stands for all others. With ``=>``: what is left also finds what is right, not the reverse.
Knows the rules, no catalogue.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from aisle.errors import RecipeError
from aisle.language.chinese import simplify
from aisle.language.names import find_names, fold_name
from aisle.language.normalise import normalise
from aisle.words import Expansion

ARROW = "=>"


class Synonyms:
    """Rules, and which of them a query calls for.

    Args:
        rules: What is written, and what that also finds, each normalised.
    """

    def __init__(self, rules: Sequence[tuple[str, Sequence[str]]] = ()) -> None:
        self._others: dict[str, dict[str, None]] = {}
        for name, others in rules:
            self._others.setdefault(fold_name(name), {}).update(dict.fromkeys(others))

    @classmethod
    def load(cls, path: Path) -> Synonyms:
        """Read a file of rules.

        Raises:
            RecipeError: It cannot be read, or a line is no rule; the line is named.
        """
        return cls.parse(_text(path), str(path))

    @classmethod
    def parse(cls, text: str, source: str = "synonyms") -> Synonyms:
        """Read rules.

        Args:
            text: As in the file.
            source: Named in errors.

        Raises:
            RecipeError: A line is no rule.
        """
        rules: list[tuple[str, Sequence[str]]] = []
        for number, line in enumerate(text.splitlines(), start=1):
            rule = line.partition("#")[0].strip()
            if rule:
                rules += _rule(rule, f"{source}, line {number}: {line.strip()!r}")
        return cls(rules)

    def expansions(self, text: str) -> tuple[Expansion, ...]:
        """What else the names in a text find, in the order of the text, each with a weight of 1.

        Args:
            text: Normalised, simplified.
        """
        found: dict[tuple[str, str], Expansion] = {}
        for match in find_names(text, self._others):
            own = {fold_name(match.written), *match.names}
            for other in (other for name in match.names for other in self._others[name]):
                if fold_name(other) not in own:
                    found.setdefault((fold_name(other), match.written), Expansion(other, "", 1.0, match.written))
        return tuple(found.values())


def read_synonyms(path: Path) -> str:
    """The text of a file of rules, once they have been found right.

    Raises:
        RecipeError: It cannot be read, or a line is no rule.
    """
    text = _text(path)
    Synonyms.parse(text, str(path))
    return text


def _text(path: Path) -> str:
    allowed = "UTF-8 text with lines such as: 手机, 移动电话, cell phone"
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise RecipeError(f"the synonyms {str(path)!r} are not UTF-8", allowed=allowed) from None
    except OSError as error:
        reason = error.strerror or error
        raise RecipeError(
            f"cannot read the synonyms {str(path)!r}: {reason}",
            allowed=allowed,
            fix="correct `synonyms` in [search] of the recipe",
        ) from None


def _rule(rule: str, where: str) -> list[tuple[str, Sequence[str]]]:
    sides = rule.split(ARROW)
    names = [[simplify(normalise(name)) for name in side.replace("，", ",").split(",")] for side in sides]
    problem = (
        f"{len(sides) - 1} arrows"
        if len(sides) > 2
        else "an empty name"
        if any(not name for side in names for name in side)
        else "one name, which stands for nothing else"
        if len(sides) == 1 and len(names[0]) < 2
        else None
    )
    if problem is not None:
        raise RecipeError(
            f"{where} has {problem}",
            allowed="two or more names with commas between them, or: names => other names",
            fix="correct the line, or begin it with # to leave it out",
        )
    if len(sides) == 2:
        return [(name, names[1]) for name in names[0]]
    return [(name, [other for other in names[0] if other != name]) for name in names[0]]
