"""Every error Aisle raises on purpose, in one tree.

::

    AisleError
    ├── InputError                 something the user gave cannot be used
    │   ├── CatalogueError         a catalogue file or its columns
    │   ├── JudgmentError          a judgments, queries or run file
    │   ├── MetricError            the name of a metric
    │   ├── FilterError            a filter or sort expression
    │   ├── RequestError           a search request
    │   └── RecipeError            a recipe file or setting
    ├── ArtifactError              a folder on disk is missing, incomplete or of another kind
    │   └── FingerprintError       made by another encoder, renderer or normaliser
    ├── IndexLockedError           another process is writing
    ├── AccessError                a key, a token or an address to listen on is refused
    ├── LlmError                   a language model gave no usable answer
    │   └── BudgetError            the next request could exceed the budget
    └── OptionalDependencyError    a package that the base install leaves out

An error prints as at most three lines: what was received, what is allowed, what to do next.
"""

from __future__ import annotations


class AisleError(Exception):
    """Base of all deliberate errors.

    Args:
        received: What was found, with the offending value.
        allowed: What would have been accepted, if there is such a list or range.
        fix: What to do next.
    """

    def __init__(self, received: str, *, allowed: str | None = None, fix: str | None = None) -> None:
        self.received = received
        self.allowed = allowed
        self.fix = fix
        super().__init__(received)

    def __str__(self) -> str:
        lines = [self.received]
        if self.allowed:
            lines.append(f"allowed: {self.allowed}")
        if self.fix:
            lines.append(f"to fix: {self.fix}")
        return "\n".join(" ".join(line.split()) for line in lines)


class InputError(AisleError):
    """Something the user gave cannot be used."""


class CatalogueError(InputError):
    """A catalogue file cannot be read, mapped or cleaned."""


class JudgmentError(InputError):
    """A judgments, queries or run file cannot be read."""


class MetricError(InputError):
    """A metric's name cannot be parsed."""


class FilterError(InputError):
    """A filter or sort expression cannot be parsed, or names an unknown field."""


class RequestError(InputError):
    """A search request is out of range."""


class RecipeError(InputError):
    """A recipe file or one of its settings is wrong."""


class ArtifactError(AisleError):
    """A folder on disk is missing, incomplete or of another kind."""


class FingerprintError(ArtifactError):
    """An artifact was made by another encoder, renderer or normaliser than the one in use."""


class IndexLockedError(AisleError):
    """Another process holds the write lock of an index."""


class LlmError(AisleError):
    """A language model gave no usable answer.

    Args:
        received: What happened, with the offending value.
        kind: What it is counted as: "timeout", "connection", "status 429", "not JSON", "wrong shape", "empty",
            "truncated", "unclear", "too long", "deadline", "budget".
        fix: What to do next.
    """

    def __init__(self, received: str, kind: str, *, fix: str | None = None) -> None:
        super().__init__(received, fix=fix)
        self.kind = kind


class BudgetError(LlmError):
    """The next request could exceed the budget, so it was not made."""

    def __init__(self, received: str) -> None:
        super().__init__(received, "budget", fix="raise the limit in [llm.budget]; what was answered is kept")


class AccessError(AisleError):
    """A key, a token or an address to listen on is refused."""


class OptionalDependencyError(AisleError):
    """A package is needed that the base install leaves out."""

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        super().__init__(
            f"{purpose} needs the package {package!r}, which is not installed",
            fix=f"pip install 'aisle[{extra}]' (in this repository: make {extra}-env)",
        )


def first_line(error: Exception) -> str:
    """What another library's error says, in one line; its kind where it says nothing."""
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
