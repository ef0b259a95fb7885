"""A shop that was learnt before: what of it is learnt again, and what its other queries say was forgotten.

Knows pairs, scores and the story in a model's folder; no models, no PyTorch.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from aisle.artifacts import MANIFEST
from aisle.errors import JudgmentError
from aisle.evaluate.pools import pool_ndcg
from aisle.judgments.pairs import PairSet
from aisle.training.gate import Check
from aisle.training.gate_checks import number, signed
from aisle.training.relevance.data import fingerprint, shares, without_queries_of
from aisle.training.relevance.evidence import against
from aisle.training.relevance.recipe import TrainingRecipe
from aisle.types import Array

CHECK = "earlier shop"


@dataclass(frozen=True, slots=True)
class Earlier:
    """The pairs of the earlier shop by what they are for; no query stands in both, and none is the new shop's.

    Attributes:
        learnt: Learnt again, beside the pairs of the new shop.
        held: Never learnt from now; their queries say what was forgotten.
        known: Whether the model that training begins with learnt from the held ones; None where that is not known.
    """

    learnt: PairSet
    held: PairSet
    known: bool | None


def divide(pairs: PairSet, shop: PairSet, recipe: TrainingRecipe) -> Earlier:
    """Divide by query: as the model that training begins with was judged, where its folder tells, else by the recipe.

    Args:
        pairs: Of the earlier shop, with grades.
        shop: The new one: a query that both have is the new one's alone.
        recipe: Its base, and how queries are divided.

    Raises:
        JudgmentError: No query of two grades is left to show what is forgotten.
    """
    known, by = None, recipe
    story = _story(Path(recipe.base).expanduser() / MANIFEST)
    if story.get("shop_sha256") == fingerprint([pairs]):
        said = {name: story["recipe"][name] for name in ("judged_by", "held_out", "seed") if name in story["recipe"]}
        old = replace(recipe, **said)
        known = old.in_turns(len(pairs.by_query()))  # then the model that is kept has learnt from every query
        by = recipe if known else old
    divided = shares(pairs.counting(), 0.0, by.held_out, by.seed)
    learnt, held = (without_queries_of(part, shop) for part in (divided.train, divided.held_out))
    if not pool_ndcg(held.by_query(), held.levels(), np.zeros(len(held))):
        raise JudgmentError(
            f"no query of {pairs.source} with texts of two grades is left to show what is forgotten",
            allowed="an earlier shop with queries that the new one lacks",
            fix="leave --replay out, or name more judgments",
        )
    return Earlier(learnt, held, known)


def forgetting(earlier: Earlier, before: Array, after: Array) -> dict[str, Any]:
    """nDCG@10 on the earlier shop's held-out queries, as plain data.

    Args:
        earlier: Its ``held`` pairs are those that are scored.
        before: By the model that training began with, ``(n,)``.
        after: By the one that is kept.
    """
    return against(earlier.held, before, after) | {"known": earlier.known, "learnt_again": len(earlier.learnt)}


def not_forgotten(found: Mapping[str, Any], most: float) -> Check:
    """Whether the mean loss on the earlier shop's held-out queries stays within what is allowed.

    The mean and not its interval: few queries would refuse everything. What they can tell stands beside it.
    """
    difference, detectable = found["difference"], found["detectable"]
    lost = -difference["mean"]
    reason = (
        f"{signed(difference['mean'])} [{signed(difference['low'])}, {signed(difference['high'])}] on "
        f"{found['queries']} queries of it, {'more than' if lost > most else 'at most'} {number(most)} may be lost"
    )
    if detectable is not None:
        reason += f"; the smallest detectable difference is {number(detectable)}"
    return Check(CHECK, bool(lost <= most), reason)


def told(found: Mapping[str, Any]) -> str:
    """The report in a line."""
    learnt = {
        True: "learnt by the model before",
        False: "never learnt from",
        None: "perhaps learnt by the model before",
    }
    difference, detectable = found["difference"], found["detectable"]
    return (
        f"earlier shop: nDCG@10 {number(found['before'])} -> {number(found['after'])}, {signed(difference['mean'])} "
        f"[{signed(difference['low'])}, {signed(difference['high'])}], p {number(found['p'], places=4)}, "
        f"{found['queries']} queries {learnt[found['known']]}"
        + ("" if detectable is None else f"; the smallest detectable difference is {number(detectable)}")
    )


def _story(manifest: Path) -> Mapping[str, Any]:
    """What a model's folder says of its training; nothing where it is no folder of `aisle train`."""
    try:
        found = json.loads(manifest.read_text(encoding="utf-8"))["details"]
    except (OSError, ValueError, KeyError, TypeError):
        return {}
    return found if isinstance(found, dict) and isinstance(found.get("recipe"), dict) else {}
