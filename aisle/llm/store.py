"""Answers on disk and what was spent for them, in one SQLite file that several processes may use at once.

An answer is written when it comes, so that a process that is killed has kept all it paid for. The budget is checked
and charged in one statement: an upper bound before the request, corrected after it, so that it is never exceeded,
whoever else is asking. What a killed process had under way stays charged at its bound.
"""

from __future__ import annotations

import fcntl
import json
import sqlite3
import weakref
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from hashlib import blake2b
from pathlib import Path
from threading import Lock
from typing import Any

from aisle.errors import ArtifactError
from aisle.llm.cost import Cost
from aisle.llm.question import Answer, Question
from aisle.llm.settings import BudgetSettings

FORMAT = 1
_BUSY_MS = 30_000
_AT_ONCE = 500
_TABLES = """
CREATE TABLE IF NOT EXISTS answers (key BLOB PRIMARY KEY, answer TEXT NOT NULL, at TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS spent (
    one INTEGER PRIMARY KEY CHECK (one = 1),
    requests INTEGER NOT NULL, kept INTEGER NOT NULL, tokens_in INTEGER NOT NULL, tokens_out INTEGER NOT NULL,
    money REAL NOT NULL, retries INTEGER NOT NULL, unanswered INTEGER NOT NULL, bounded INTEGER NOT NULL
);
CREATE TABLE IF NOT EXISTS failures (kind TEXT PRIMARY KEY, count INTEGER NOT NULL) WITHOUT ROWID;
INSERT OR IGNORE INTO spent VALUES (1, 0, 0, 0, 0, 0, 0, 0, 0);
"""
_ROOM = """
UPDATE spent SET requests = requests + 1, tokens_in = tokens_in + :tokens_in, tokens_out = tokens_out + :tokens_out,
    money = money + :money
WHERE (:most_requests = 0 OR requests + 1 <= :most_requests)
    AND (:most_tokens = 0 OR tokens_in + tokens_out + :tokens_in + :tokens_out <= :most_tokens)
    AND (:most_money = 0 OR money + :money <= :most_money)
"""
_COUNTED = ("kept", "tokens_in", "tokens_out", "money", "retries", "unanswered", "bounded")


class Store:
    """A file of answers and sums.

    Args:
        path: The file, made if it is not there; None keeps everything in memory.

    Raises:
        ArtifactError: The file cannot be opened, or is something else.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self._lock = Lock()
        try:
            if path is not None:
                path.parent.mkdir(parents=True, exist_ok=True)
            self._connection = sqlite3.connect(
                path or ":memory:", timeout=_BUSY_MS / 1000, isolation_level=None, check_same_thread=False
            )
            self._end = weakref.finalize(self, self._connection.close)
            with _alone(path):  # several processes may open a new store at once, and WAL does not wait
                format = self._connection.execute("PRAGMA user_version").fetchone()[0]
                if format == 0:
                    self._connection.execute("PRAGMA journal_mode = WAL")
                    for statement in _TABLES.split(";"):
                        self._connection.execute(statement)
                    self._connection.execute(f"PRAGMA user_version = {FORMAT}")
            if format not in (0, FORMAT):
                raise ArtifactError(
                    f"the store {str(path)!r} has format {format}", allowed=f"format {FORMAT}", fix="name another file"
                )
            self._connection.execute("PRAGMA synchronous = NORMAL")
        except (sqlite3.Error, OSError) as error:
            raise _broken(path, error) from None

    def close(self) -> None:
        """Let go of the file."""
        self._end()

    def answers(self, keys: Sequence[bytes]) -> dict[bytes, Answer]:
        """Those of the questions that were answered before, by key."""
        found: dict[bytes, Answer] = {}
        for start in range(0, len(keys), _AT_ONCE):
            part = keys[start : start + _AT_ONCE]
            marks = ",".join("?" * len(part))
            for key, text in self._run(f"SELECT key, answer FROM answers WHERE key IN ({marks})", tuple(part)):
                found[key] = Answer(**json.loads(text), kept=True)
        return found

    def keep(self, key: bytes, answer: Answer) -> None:
        """Keep an answer; one that is there already stays."""
        plain = {
            "text": answer.text,
            "choices": dict(answer.choices),
            "tokens_in": answer.tokens_in,
            "tokens_out": answer.tokens_out,
            "truncated": answer.truncated,
        }
        now = datetime.now(UTC).isoformat(timespec="seconds")
        self._run("INSERT OR IGNORE INTO answers VALUES (?, ?, ?)", (key, json.dumps(plain), now))

    def charge(self, budget: BudgetSettings, tokens_in: int, tokens_out: int, money: float) -> bool:
        """Charge one request at its upper bound, if that stays within the budget; returns whether it does."""
        given = {"tokens_in": tokens_in, "tokens_out": tokens_out, "money": money}
        most = {"most_requests": budget.requests, "most_tokens": budget.tokens, "most_money": budget.money}
        with self._lock:
            try:
                return self._connection.execute(_ROOM, given | most).rowcount == 1
            except sqlite3.Error as error:
                raise _broken(self.path, error) from None

    def charge_local(self, tokens_in: int, tokens_out: int) -> None:
        """Count what a model here answered; it costs no money and has no budget."""
        self.charge(BudgetSettings(), tokens_in, tokens_out, 0.0)

    def add(self, counts: Mapping[str, float], failures: Iterable[str] = ()) -> None:
        """Add to the sums, by the names of `Cost`; amounts below 0 correct a charge."""
        unknown = counts.keys() - set(_COUNTED)
        assert not unknown, unknown
        if counts:
            changes = ", ".join(f"{name} = {name} + :{name}" for name in counts)
            self._run(f"UPDATE spent SET {changes}", dict(counts))
        for kind in failures:
            self._run("INSERT INTO failures VALUES (?, 1) ON CONFLICT (kind) DO UPDATE SET count = count + 1", (kind,))

    def spent(self, currency: str) -> Cost:
        """All that was spent through this file."""
        names = ("requests", *_COUNTED)
        row = self._run(f"SELECT {', '.join(names)} FROM spent", ())[0]
        failures = dict(self._run("SELECT kind, count FROM failures", ()))
        return Cost(**dict(zip(names, row, strict=True)), currency=currency, failures=failures)

    def _run(self, statement: str, values: Any) -> list[Any]:
        with self._lock:
            try:
                return self._connection.execute(statement, values).fetchall()
            except sqlite3.Error as error:
                raise _broken(self.path, error) from None


def key_of(identity: Mapping[str, Any], question: Question) -> bytes:
    """What makes a question the same one: the model, where it is, the prompt and every parameter of the answer."""
    asked = {
        "messages": [[message.role, message.text] for message in question.messages],
        "prompt": question.prompt,
        "max_tokens": question.max_tokens,
        "choices": question.choices,
        "watch": list(question.watch),
        "whole": question.whole,
    }
    text = json.dumps({"identity": identity, "asked": asked}, sort_keys=True, ensure_ascii=True, default=str)
    return blake2b(text.encode(), digest_size=20).digest()


@contextmanager
def _alone(path: Path | None) -> Iterator[None]:
    """No other process makes this store meanwhile."""
    if path is None:
        yield
        return
    with path.with_name(f".{path.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _broken(path: Path | None, error: Exception) -> ArtifactError:
    return ArtifactError(
        f"cannot use the store of answers {str(path)!r}: {error}",
        fix="check that the disk has room and may be written to, or name another file as llm.store",
    )
