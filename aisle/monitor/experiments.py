"""The log of experiments: what a search showed that took part in one, and how a candidate compares that is not shown.

One JSON object a line, one file a day. Queries are masked before they are a line; a user is the same keyed hash as in
the events. Knows nothing of the server that writes it.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from scipy.stats import kendalltau

from aisle.monitor.records import encoded, kept_id, kept_query, log_files, whole_lines

VERSION = 1
MOST_ITEMS = 200
A, B, INTERLEAVED, EXPLORED = "a", "b", "interleaved", "explored"


@dataclass(frozen=True, slots=True)
class Shown:
    """A product of a page, with its team of an interleaving and its propensity of standing there."""

    id: str
    team: str = ""
    propensity: float | None = None


@dataclass(frozen=True, slots=True)
class PageLine:
    """A page that was shown.

    Attributes:
        time: When it was answered, with its zone.
        experiment: Its name.
        variant: "a", "b", "interleaved" or "explored".
        request_id: As in the answer's header.
        user: A keyed hash, or nothing.
        query: Masked.
        items: Of the page, by position from ``first``.
        first: Position of the first of them.
        share: Of the users whom the candidate was meant for.
        slot: Position of the place for exploration; 0 without one.
        pool: Products that might have stood in the slot, the ranking's own first.
        index: That was served.
        failed: Whether the candidate could not answer, so that the served ranking did.
    """

    time: dt.datetime
    experiment: str
    variant: str
    request_id: str = ""
    user: str = ""
    query: str = ""
    items: tuple[Shown, ...] = ()
    first: int = 1
    share: float = 0.0
    slot: int = 0
    pool: tuple[str, ...] = ()
    index: str = ""
    failed: bool = False


@dataclass(frozen=True, slots=True)
class ShadowLine:
    """What a candidate would have shown instead of a page.

    Attributes:
        time: When it was scored, with its zone.
        experiment: Its name.
        request_id: As in the answer's header.
        query: Masked.
        k: Products that are compared.
        served: Ids that were shown, at most ``k``.
        candidate: Ids of the candidate, best first, deeper than ``k``.
        served_ms: The stages of the search that was served.
        candidate_ms: Those of the candidate's.
        index: That was served.
        degraded: What the search that was served had left out: it is no fair opponent then.
        failed: Why the candidate did not answer, "" where it did.
    """

    time: dt.datetime
    experiment: str
    request_id: str = ""
    query: str = ""
    k: int = 10
    served: tuple[str, ...] = ()
    candidate: tuple[str, ...] = ()
    served_ms: float = 0.0
    candidate_ms: float = 0.0
    index: str = ""
    degraded: bool = False
    failed: str = ""

    @property
    def overlap(self) -> float:
        """Products among the first k of both, of k or as many as the longer list has; 1 where both are empty."""
        mine, theirs = set(self.served[: self.k]), set(self.candidate[: self.k])
        return len(mine & theirs) / max(len(mine), len(theirs)) if mine or theirs else 1.0

    @property
    def correlation(self) -> float | None:
        """Kendall's tau-b of the first k; see `rank_correlation`."""
        return rank_correlation(self.served[: self.k], self.candidate[: self.k])

    @property
    def same_first(self) -> bool:
        """Whether both begin with the same product."""
        return self.served[:1] == self.candidate[:1]


def rank_correlation(a: Sequence[str], b: Sequence[str]) -> float | None:
    """Kendall's tau-b over the products of both lists; one that a list does not have stands behind all that it has.

    None where there are fewer than two products, or nothing to compare.
    """
    both = sorted(set(a) | set(b))
    if len(both) < 2:
        return None
    places = [{product: place for place, product in enumerate(ids)} for ids in (a, b)]
    value = float(kendalltau(*([of.get(product, len(of)) for product in both] for of in places)).statistic)
    return value if value == value else None  # not a number where all are tied


def line_of(record: PageLine | ShadowLine) -> bytes:
    """A record as a line with its end: masked, cut, empty fields left out."""
    kept: dict[str, object] = {
        "request_id": kept_id(record.request_id),
        "experiment": record.experiment,
        "query": kept_query(record.query),
        "index": record.index,
    }
    if isinstance(record, PageLine):
        kept |= {
            "variant": record.variant,
            "user": record.user,
            "items": [_item(shown) for shown in record.items[:MOST_ITEMS]],
            "first": record.first if record.first != 1 else 0,
            "share": record.share,
            "slot": record.slot,
            "pool": list(record.pool[:MOST_ITEMS]),
            "failed": record.failed,
        }
    else:
        kept |= {
            "k": record.k,
            "served": list(record.served),
            "candidate": list(record.candidate),
            "served_ms": round(record.served_ms, 3),
            "candidate_ms": round(record.candidate_ms, 3),
            "degraded": record.degraded,
            "failed": record.failed,
        }
    short = {name: value for name, value in kept.items() if value not in ("", 0, False, [])}
    what = "page" if isinstance(record, PageLine) else "shadow"
    head = {"v": VERSION, "what": what, "time": record.time.isoformat(timespec="milliseconds")}
    return encoded(head | short)


def record_of(line: bytes) -> PageLine | ShadowLine:
    """What a line keeps.

    Raises:
        ValueError: It is no such line.
    """
    try:
        kept = json.loads(line)
        if kept["v"] != VERSION:
            raise ValueError(f"version {kept['v']}")
        time = dt.datetime.fromisoformat(kept["time"])
        texts = {name: str(kept.get(name, "")) for name in ("experiment", "request_id", "query", "index")}
        if kept["what"] == "page":
            return PageLine(
                time=time,
                variant=str(kept["variant"]),
                user=str(kept.get("user", "")),
                items=tuple(Shown(*item) for item in kept.get("items", ())),
                first=int(kept.get("first", 1)),
                share=float(kept.get("share", 0.0)),
                slot=int(kept.get("slot", 0)),
                pool=tuple(map(str, kept.get("pool", ()))),
                failed=bool(kept.get("failed", False)),
                **texts,
            )
        return ShadowLine(
            time=time,
            k=int(kept.get("k", 0)),
            served=tuple(map(str, kept.get("served", ()))),
            candidate=tuple(map(str, kept.get("candidate", ()))),
            served_ms=float(kept.get("served_ms", 0.0)),
            candidate_ms=float(kept.get("candidate_ms", 0.0)),
            degraded=bool(kept.get("degraded", False)),
            failed=str(kept.get("failed", "")),
            **texts,
        )
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"no line of an experiment: {error}") from None


@dataclass(frozen=True, slots=True)
class ExperimentLog:
    """Lines in the order of time, and how many were none."""

    pages: tuple[PageLine, ...]
    shadows: tuple[ShadowLine, ...]
    torn: int = 0


def read_experiments(folder: Path, since: dt.datetime | None = None, until: dt.datetime | None = None) -> ExperimentLog:
    """The lines of some days' files.

    Args:
        folder: Of daily files.
        since: Lines from this moment on.
        until: Lines before this moment.

    Raises:
        ArtifactError: There is no such log.
    """
    pages: list[PageLine] = []
    shadows: list[ShadowLine] = []
    torn = 0
    for file in log_files(folder, since.astimezone(dt.UTC).date() if since else None):
        for line in whole_lines(file):
            try:
                record = record_of(line)
            except ValueError:
                torn += 1
                continue
            if (since is None or record.time >= since) and (until is None or record.time < until):
                if isinstance(record, PageLine):
                    pages.append(record)
                else:
                    shadows.append(record)
    pages.sort(key=lambda one: one.time)  # several workers write to one file
    shadows.sort(key=lambda one: one.time)
    return ExperimentLog(tuple(pages), tuple(shadows), torn)


def _item(shown: Shown) -> list[object]:
    if shown.propensity is not None:
        return [shown.id, shown.team, round(shown.propensity, 9)]
    return [shown.id, shown.team] if shown.team else [shown.id]
