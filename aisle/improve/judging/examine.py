"""Whether a language model may judge: what it says of anchors that people judged, kept with what it depends on."""

from __future__ import annotations

import datetime as dt
import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from aisle.artifacts import write_text
from aisle.errors import AccessError, ArtifactError, InputError
from aisle.evaluate.agreement import AgainstAnchors, Agreed, against_anchors, kappa_interval
from aisle.improve.judging.llm import LlmJudge, OrderEffect, Verdict, order_effect
from aisle.improve.judging.prompts import product_of
from aisle.improve.judging.ratings import anchored_to_dict
from aisle.improve.judging.spec import PassSettings
from aisle.judgments.given import key_of
from aisle.judgments.pairs import TextPair
from aisle.llm.question import Answer, Question
from aisle.rerankers.llm.pointwise import SPOKEN_TOKENS
from aisle.rerankers.llm.prompts import of_two
from aisle.rerankers.llm.reading import chance_of_first

FORMAT = 1


@dataclass(frozen=True, slots=True)
class Preferences:
    """Which of two products of a query is better, asked in both orders.

    Attributes:
        pairs: That were asked, whose anchors differ.
        consistent: Share where both orders name the same product.
        right: Of these, the share that names the one with the higher anchor.
        first: Share of all answers that name what stood first: a half without a liking for places.
    """

    pairs: int
    consistent: float
    right: float | None
    first: float


@dataclass(frozen=True, slots=True)
class Examination:
    """What a judge showed on anchors.

    Attributes:
        judge: Its name.
        fingerprint: Of model, prompts and rubric.
        day: When.
        anchors: Pairs that were asked.
        queries: Of them.
        coverage: Share that it was sure of; the figures below are of these.
        unsure: Why not, to how many.
        against: Precision and recall by grade.
        kappa: Weighted by the squared difference; its interval draws queries.
        order: What the rubric's order does; None without swap.
        preferences: None without pairs to ask.
        cost: What it took.
    """

    judge: str
    fingerprint: str
    day: str
    anchors: int
    queries: int
    coverage: float
    unsure: dict[str, int]
    against: AgainstAnchors
    kappa: Agreed
    order: OrderEffect | None
    preferences: Preferences | None
    cost: dict[str, Any]

    def failures(self, gate: PassSettings) -> list[str]:
        """Why it may not judge; empty where it may."""
        found = []
        if self.anchors < gate.anchors:
            found.append(f"{self.anchors:,} anchors, {gate.anchors:,} are needed")
        if self.queries < gate.queries:
            found.append(f"{self.queries:,} queries of anchors, {gate.queries:,} are needed")
        if self.coverage < gate.coverage:
            found.append(f"sure of {self.coverage:.0%} of the anchors, {gate.coverage:.0%} are needed")
        low = self.kappa.low
        if low is None or low < gate.kappa:
            shown = "no weighted kappa" if low is None else f"weighted kappa from {low:.3f} on"
            found.append(f"{shown}, {gate.kappa:g} is needed")
        for one in self.against.grades:
            recall = one.recall.value
            if gate.recall and one.recall.of >= gate.support and recall is not None and recall < gate.recall:
                found.append(f"recall {recall:.2f} of grade {one.grade:g}, {gate.recall:g} is needed")
        return found

    def to_dict(self) -> dict[str, Any]:
        """As plain data."""
        return asdict(self) | {"against": anchored_to_dict(self.against)}


def examine(
    judge: LlmJudge,
    anchors: Sequence[TextPair],
    seed: int = 0,
    report: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[Examination, list[Verdict]]:
    """Let a judge grade what people graded.

    Args:
        judge: The judge; it does not see the grades.
        anchors: Pairs with whole grades of its scale. Take those that raters agreed on, or adjudicated ones.
        seed: Of the pairs whose order is asked about.
        report: Told how many are done, of how many.

    Raises:
        InputError: An anchor has no grade or one outside the scale.
        LlmError: The model gave no answers, or the budget is used up.
    """
    strange = next((one for one in anchors if one.grade not in judge.spec.scale), None)
    if strange is not None or not anchors:
        what = f"the anchor {strange.title[:60]!r} has the grade {strange.grade}" if strange else "no anchors"
        raise InputError(
            what, allowed=f"whole grades from 0 to {judge.spec.count - 1}", fix="see [grades] of the judge"
        )
    verdicts = [one for lot in judge.judge(anchors, report) for one in lot]
    right = np.array([one.grade for one in anchors], np.float64)
    given = np.array([np.nan if one.grade is None else one.grade for one in verdicts])
    groups = [key_of(one.query) for one in anchors]
    preferences = _preferences(judge, anchors, seed)
    found = Examination(
        judge=judge.name,
        fingerprint=judge.fingerprint,
        day=dt.datetime.now(dt.UTC).date().isoformat(),
        anchors=len(anchors),
        queries=len(set(groups)),
        coverage=float((~np.isnan(given)).mean()),
        unsure=dict(Counter(one.why for one in verdicts if one.why)),
        against=against_anchors(right, given, judge.spec.scale),
        kappa=kappa_interval(right, given, judge.spec.scale, "quadratic", groups),
        order=order_effect(verdicts) if judge.spec.swap else None,
        preferences=preferences,
        cost=judge.client.cost().to_dict(),
    )
    return found, verdicts


def doubtful(anchors: Sequence[TextPair], verdicts: Sequence[Verdict], apart: float) -> list[tuple[TextPair, str]]:
    """Anchors that a judge is sure of and grades at least so far away: people may have erred; look again."""
    return [
        (anchor, "the judge differs from the anchor")
        for anchor, verdict in zip(anchors, verdicts, strict=True)
        if verdict.grade is not None and anchor.grade is not None and abs(verdict.grade - anchor.grade) >= apart
    ]


def _preferences(judge: LlmJudge, anchors: Sequence[TextPair], seed: int) -> Preferences | None:
    of: dict[str, list[TextPair]] = {}
    for one in anchors:
        of.setdefault(key_of(one.query), []).append(one)
    two = [pair for some in of.values() for pair in combinations(some, 2) if pair[0].grade != pair[1].grade]
    two = Random(seed).sample(two, min(judge.spec.preferences, len(two)))
    if not two:
        return None
    spec, logprobs = judge.spec.shown, judge.spec.llm.logprobs
    asked = [
        Question(
            of_two(first.query, product_of(first), product_of(second), spec),
            max_tokens=1 if logprobs else SPOKEN_TOKENS,
            choices=logprobs,
            watch=("A", "B", " A", " B"),
        )
        for one, other in two
        for first, second in ((one, other), (other, one))
    ]
    chances = [chance_of_first(one) if isinstance(one, Answer) else None for one in judge.client.ask(asked)]
    firsts: list[bool] = []
    right: list[bool] = []
    consistent = 0
    for at, (one, other) in enumerate(two):
        plain, turned = chances[2 * at], chances[2 * at + 1]
        if plain is None or turned is None:
            continue
        firsts += [plain > 0.5, turned > 0.5]
        if (plain > 0.5) != (turned > 0.5):
            consistent += 1
            right.append((plain > 0.5) == ((one.grade or 0) > (other.grade or 0)))
    pairs = len(firsts) // 2
    if not pairs:
        return None
    share = sum(right) / len(right) if right else None
    return Preferences(pairs, consistent / pairs, share, sum(firsts) / len(firsts))


# --- the record --------------------------------------------------------------------------------------------


def record_of(spec_file: Path) -> Path:
    """Where the examinations of a judge are kept: beside its file."""
    return spec_file.with_name(f"{spec_file.name.removesuffix('.toml')}.examined.json")


def keep(path: Path, examination: Examination, gate: PassSettings) -> None:
    """Add an examination to a record; one of the same fingerprint is replaced.

    Raises:
        ArtifactError: The record cannot be read or written.
    """
    kept = _read(path) | {
        examination.fingerprint: examination.to_dict() | {"failures": examination.failures(gate), "gate": asdict(gate)}
    }
    try:
        write_text(path, json.dumps({"format": FORMAT, "examinations": kept}, ensure_ascii=False, indent=1) + "\n")
    except OSError as error:
        raise ArtifactError(f"cannot write {str(path)!r}: {error.strerror or error}") from None


def admitted(path: Path, judge: LlmJudge, force: bool = False) -> str:
    """The name under which a judge may write judgments.

    What counts is the examination of this very model, prompt and rubric, under the spec's gate of today, which may have
    been raised since. With ``force`` any judge may, but its name says that it is unproven.

    Raises:
        AccessError: It was not examined, or did not pass.
        ArtifactError: The record cannot be read.
    """
    found = _read(path).get(judge.fingerprint)
    failures = ["it was not examined with this model, these prompts and this rubric"]
    if found is not None:
        failures = _restored(path, found).failures(judge.spec.gate)
    if not failures:
        return judge.name
    if force:
        return f"{judge.name}:unproven"
    raise AccessError(
        f"the judge {judge.name} may not judge: {'; '.join(failures)}",
        fix="see `aisle judge examine SPEC --anchors FILE`, or --force, which marks every judgment as unproven",
    )


def _restored(path: Path, kept: dict[str, Any]) -> Examination:
    """What decides of an examination; the rest is not needed."""
    try:
        against = kept["against"]
        rights = np.array(against["table"], np.int64)
        scale = tuple(against["scale"])
        first = np.repeat(np.repeat(scale, len(scale)), rights.ravel())
        second = np.repeat(np.tile(scale, len(scale)), rights.ravel())
        names = ("judge", "fingerprint", "day", "anchors", "queries", "coverage", "unsure", "cost")
        plain = {name: kept[name] for name in names}
        kappa = Agreed(**kept["kappa"])
        return Examination(
            **plain, against=against_anchors(first, second, scale), kappa=kappa, order=None, preferences=None
        )
    except (KeyError, TypeError, ValueError, InputError) as error:
        raise ArtifactError(f"{str(path)!r} holds no examination: {error}", fix="examine the judge again") from None


def _read(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise ArtifactError(f"cannot read {str(path)!r}: {error}", fix="remove it and examine again") from None
    if not isinstance(data, dict) or data.get("format") != FORMAT or not isinstance(data.get("examinations"), dict):
        raise ArtifactError(f"{str(path)!r} is no record of examinations", fix="remove it and examine again")
    return dict(data["examinations"])
