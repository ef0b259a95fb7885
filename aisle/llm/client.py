"""Asks a language model what was not asked before. Keeps every answer, counts every cost.

Knows two back ends, a server and a local model, by one small protocol.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from aisle.errors import BudgetError, LlmError
from aisle.llm.cost import Cost
from aisle.llm.question import Answer, Question
from aisle.llm.server import Server, Told
from aisle.llm.settings import LlmSettings
from aisle.llm.store import Store, key_of


class Backend(Protocol):
    """What answers."""

    @property
    def identity(self) -> Mapping[str, Any]:
        """What an answer depends on beside the question."""
        ...

    def ask(self, questions: Sequence[Question], until: float, told: Told) -> None:
        """Tell each question's answer, or why there is none, as they come."""
        ...

    def close(self) -> None:
        """Let go of connections and memory."""
        ...


class LlmClient:
    """One language model; many threads may use it.

    Args:
        backend: What answers.
        store: Where answers are kept.
        settings: Of both.
    """

    def __init__(self, backend: Backend, store: Store, settings: LlmSettings) -> None:
        self.backend, self.store, self.settings = backend, store, settings
        self._before = store.spent(settings.price.currency)

    def ask(
        self, questions: Sequence[Question], seconds: float | None = None, fresh: bool = False
    ) -> tuple[Answer | LlmError, ...]:
        """Ask all; each gets its answer or the error that it met, in order.

        What was answered before is read from the store, and the same question is asked once. An answer is kept as soon
        as it comes: after a kill the same call goes on where it was.

        Args:
            questions: Any number.
            seconds: The deadline, if it is nearer than the settings'.
            fresh: Ask again what was answered before; the store keeps the first answer.

        Raises:
            ArtifactError: The store cannot be used.
        """
        limit = self.settings.deadline_s or math.inf
        until = time.monotonic() + min(limit, math.inf if seconds is None else max(seconds, 0.0))
        identity = self.backend.identity
        keys = [key_of(identity, question) for question in questions]
        found: dict[bytes, Answer | LlmError] = {}
        if not fresh:
            found.update(self.store.answers(list(dict.fromkeys(keys))))
        known = sum(key in found for key in keys)
        missing = {key: question for key, question in zip(keys, questions, strict=True) if key not in found}
        asked = list(missing)

        def told(place: int, result: Answer | LlmError) -> None:
            if isinstance(result, Answer):
                self.store.keep(asked[place], result)
            found[asked[place]] = result

        if missing:
            self.backend.ask(list(missing.values()), until, told)
        failed = sum(isinstance(found[key], LlmError) for key in asked)
        if known or failed:
            self.store.add({"kept": known, "unanswered": failed})
        return tuple(found[key] for key in keys)

    def answers(self, questions: Sequence[Question], seconds: float | None = None) -> tuple[Answer, ...]:
        """Ask all and want all.

        Raises:
            LlmError: A question got no answer; what the others got is kept for the next time.
            BudgetError: The budget is used up.
            ArtifactError: The store cannot be used.
        """
        results = self.ask(questions, seconds)
        good = tuple(result for result in results if isinstance(result, Answer))
        errors = [result for result in results if isinstance(result, LlmError)]
        if errors:
            more = f"; {len(errors):,} of {len(results):,} questions have no answer" if len(results) > 1 else ""
            raise _with(errors[0], more)
        return good

    def unclear(self, count: int) -> None:
        """Count answers that could not be read."""
        self.store.add({}, ["unclear"] * count)

    def cost(self) -> Cost:
        """What this client has spent since it was opened, with all others that use its store meanwhile."""
        now, before = self.store.spent(self.settings.price.currency), self._before
        names = ("requests", "kept", "tokens_in", "tokens_out", "money", "retries", "unanswered", "bounded")
        failures = {kind: count - before.failures.get(kind, 0) for kind, count in now.failures.items()}
        return Cost(
            **{name: getattr(now, name) - getattr(before, name) for name in names},
            currency=now.currency,
            failures={kind: count for kind, count in failures.items() if count},
        )

    def spent(self) -> Cost:
        """What was ever spent through its store: what the budget is of."""
        return self.store.spent(self.settings.price.currency)

    def close(self) -> None:
        """Let go of the back end and the store."""
        self.backend.close()
        self.store.close()


def _with(error: LlmError, more: str) -> LlmError:
    """The same error, saying more; another object, since several callers may hold the first."""
    said = error.received + more
    return BudgetError(said) if isinstance(error, BudgetError) else LlmError(said, error.kind, fix=error.fix)


def open_llm(settings: LlmSettings) -> LlmClient:
    """Open the language model that settings name.

    Raises:
        RecipeError: The endpoint is no address, or the key is not in the environment.
        ArtifactError: The store or the local model cannot be opened.
        OptionalDependencyError: A local model needs aisle[train].
    """
    store = Store(Path(settings.store) if settings.store else None)
    if not settings.local:
        return LlmClient(Server(settings, store), store, settings)
    from aisle.llm.local import LocalModel

    return LlmClient(LocalModel(settings, store), store, settings)
