"""What to compare later windows of a log with, as one JSON file: scores, lengths, words and some masked queries.

Made of a window of a log, or of the queries that a model was trained with.
"""

from __future__ import annotations

import datetime as dt
import json
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from aisle.errors import ArtifactError, MetricError
from aisle.monitor.behaviour import Clicks
from aisle.monitor.drift import MOST, Mmd, Psi, Unseen, Vectors, count_words, mmd, psi, unseen
from aisle.monitor.records import Record, kept_query
from aisle.monitor.summary import DRIFT

KIND = "aisle monitor reference"
VERSION = 1
KEPT = 20_000
"""Scores and lengths that are kept at most."""
T = TypeVar("T")
Encode = Callable[[Sequence[str]], Vectors]


@dataclass(frozen=True, slots=True)
class Drift:
    """A window against the reference; each part is None where one side says nothing of it."""

    searches: int
    score: Psi | None
    length: Psi | None
    unseen: Unseen | None
    queries: Mmd | None = None


@dataclass(frozen=True)
class Reference:
    """What searches were like.

    Attributes:
        searches: That it was made of.
        since: The first.
        until: The last.
        scores: Of the first products, a sample.
        lengths: Characters of the queries, a sample.
        words: Word to how often.
        queries: A sample, masked, for the vectors.
        encode: Texts to vectors, for the drift of queries; None leaves that out.
        clicks: What shoppers did then; None where their events were not looked at.
    """

    searches: int
    since: str
    until: str
    scores: tuple[float, ...]
    lengths: tuple[int, ...]
    words: Mapping[str, int]
    queries: tuple[str, ...]
    encode: Encode | None = None
    clicks: Clicks | None = None

    @classmethod
    def of(cls, records: Sequence[Record], seed: int = 0) -> Reference:
        """The reference that a log is; samples are drawn with this seed.

        Raises:
            ArtifactError: There are no searches.
        """
        found = [record for record in records if record.searched]
        if not found:
            raise ArtifactError("the log holds no search to be a reference", fix="name a log with searches")
        scores = _some([record.scores[0] for record in found if record.scores], KEPT, np.random.default_rng(seed))
        asked = cls.of_queries([record.query for record in found if record.query], seed)
        return replace(
            asked,
            searches=len(found),
            since=_text(found[0].time),
            until=_text(found[-1].time),
            scores=tuple(scores),
        )

    @classmethod
    def of_queries(cls, queries: Sequence[str], seed: int = 0) -> Reference:
        """The reference that queries alone are, such as those of a training set: lengths, words, queries, no scores.

        They are masked as the log of requests masks them.
        """
        asked = [kept_query(query) for query in queries]
        generator = np.random.default_rng(seed)
        return cls(
            searches=len(asked),
            since="",
            until="",
            scores=(),
            lengths=tuple(_some([len(query) for query in asked], KEPT, generator)),
            words=dict(sorted(count_words(asked).items())),
            queries=tuple(_some(asked, MOST, generator)),
        )

    def drift(self, records: Sequence[Record], seed: int = 0) -> Drift:
        """How far a window is from it; the vectors only where there is an encoder."""
        found = [record for record in records if record.searched]
        asked = [record.query for record in found if record.query]
        vectors = None
        if self.encode is not None and len(asked) > 1 and len(self.queries) > 1:
            some = _some(asked, MOST, np.random.default_rng(seed))
            vectors = mmd(self.encode(self.queries), self.encode(some), seed=seed)
        return Drift(len(found), self._scores(found), self._lengths(asked), self._unseen(asked), vectors)

    def drift_of(self, name: str, records: Sequence[Record]) -> tuple[float | None, int]:
        """One number of it by its name, and the searches it is of.

        Raises:
            MetricError: There is no such name.
        """
        found = [record for record in records if record.searched]
        asked = [record.query for record in found if record.query]
        if name == "drift.score":
            part = self._scores(found)
            return (None if part is None else part.value), len(found)
        if name == "drift.length":
            part = self._lengths(asked)
            return (None if part is None else part.value), len(asked)
        if name == "drift.unseen":
            new = self._unseen(asked)
            return (None if new is None else new.share), len(asked)
        if name == "drift.queries":
            apart = self.drift(found).queries
            return (None if apart is None else apart.p), len(asked)
        raise MetricError(f"no drift {name!r}", allowed=", ".join(DRIFT))

    def _scores(self, found: Sequence[Record]) -> Psi | None:
        return psi(self.scores, [record.scores[0] for record in found if record.scores])

    def _lengths(self, asked: Sequence[str]) -> Psi | None:
        return psi(self.lengths, [len(query) for query in asked])

    def _unseen(self, asked: Sequence[str]) -> Unseen | None:
        return unseen(self.words, count_words(asked))

    def save(self, path: Path) -> None:
        """Write it, readable by the owner alone: rare queries can tell of a person even when they are masked."""
        data: dict[str, Any] = {
            "kind": KIND,
            "version": VERSION,
            "searches": self.searches,
            "since": self.since,
            "until": self.until,
            "scores": list(self.scores),
            "lengths": list(self.lengths),
            "words": dict(self.words),
            "queries": list(self.queries),
            "clicks": None if self.clicks is None else asdict(self.clicks),
        }
        part = path.with_name(f".{path.name}.{os.getpid()}")
        file = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(file, "w", encoding="utf-8", errors="replace") as out:
            json.dump(data, out, ensure_ascii=False, allow_nan=False)
        part.replace(path)


def load_reference(path: Path, encode: Encode | None = None) -> Reference:
    """A reference from its file.

    Args:
        path: Of the file.
        encode: Texts to vectors, for the drift of queries.

    Raises:
        ArtifactError: The file cannot be read, or is no reference.
    """
    fix = "make one with `aisle monitor LOG --save-reference REF`"
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        if data["kind"] != KIND or data["version"] != VERSION:
            raise ValueError("of another kind or version")
        return Reference(
            searches=int(data["searches"]),
            since=str(data["since"]),
            until=str(data["until"]),
            scores=tuple(float(score) for score in data["scores"]),
            lengths=tuple(int(length) for length in data["lengths"]),
            words={str(word): int(count) for word, count in data["words"].items()},
            queries=tuple(str(query) for query in data["queries"]),
            encode=encode,
            clicks=_clicks(data.get("clicks")),
        )
    except OSError as error:
        raise ArtifactError(f"cannot read the reference {str(path)!r}: {error.strerror or error}", fix=fix) from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        reason = f"{type(error).__name__}: {error}" if not isinstance(error, ValueError) else str(error)
        raise ArtifactError(f"{str(path)!r} is no reference for monitoring ({reason})", fix=fix) from None


def _clicks(kept: Mapping[str, Any] | None) -> Clicks | None:
    if kept is None:
        return None
    rate, ndcg = (None if kept[name] is None else float(kept[name]) for name in ("rate", "ndcg"))
    return Clicks(
        pages=int(kept["pages"]),
        rate=rate,
        ndcg=ndcg,
        queries=int(kept["queries"]),
        propensities=tuple(float(one) for one in kept["propensities"]),
    )


def _some(values: Sequence[T], most: int, generator: np.random.Generator) -> list[T]:
    """All values, or so many drawn at random, in their order."""
    if len(values) <= most:
        return list(values)
    return [values[int(at)] for at in np.sort(generator.choice(len(values), most, replace=False))]


def _text(time: dt.datetime) -> str:
    return time.isoformat(timespec="seconds")
