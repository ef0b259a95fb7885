"""A/B tests: who sees which variant, whether the split came out as planned, and what the difference is."""

from __future__ import annotations

import hashlib
import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy.stats import chi2, t

from aisle.errors import InputError
from aisle.monitor.pages import Page

MISMATCH_P = 0.001
"""Below it a split is not as planned; so strict since it is looked at again and again (Fabijan et al. 2019)."""


def variant_of(user: str, experiment: str, shares: Mapping[str, float], salt: str = "") -> str:
    """The variant of a user: the same each time, independent from one experiment to the next.

    The first 64 bits of SHA-256 of salt, experiment and user, each with its length, as a number from 0 to 1.

    Args:
        user: Or a visit.
        experiment: Its name.
        shares: Variant to weight, in this order; a variant whose share grows keeps its users.
        salt: Kept secret where users may choose their names.

    Raises:
        InputError: There is no variant, or a weight is not above 0.
    """
    total = math.fsum(shares.values())
    if not shares or not math.isfinite(total) or min(shares.values()) <= 0:
        raise InputError(f"shares {dict(shares)}", allowed="one or more variants with weights above 0")
    parts = (part.encode("utf-8", "surrogatepass") for part in (salt, experiment, user))
    key = b"".join(len(part).to_bytes(8, "big") + part for part in parts)
    draw = int.from_bytes(hashlib.sha256(key).digest()[:8], "big") / 2**64 * total
    reached = 0.0
    for variant, share in shares.items():
        reached += share
        if draw < reached:
            return variant
    return variant


def mismatch_p(counts: Mapping[str, int], shares: Mapping[str, float]) -> float:
    """Chi-squared test whether users came to the variants as planned (sample ratio mismatch).

    Below `MISMATCH_P` something loses users of one variant, and no difference should be believed.

    Raises:
        InputError: Somebody has a variant that is not planned.
    """
    unknown = sorted(set(counts) - set(shares))
    if unknown:
        raise InputError(f"users of variant {unknown[0]!r}", allowed=", ".join(shares))
    users, total = sum(counts.values()), math.fsum(shares.values())
    if not users or len(shares) < 2:
        return 1.0
    expected = {variant: users * share / total for variant, share in shares.items()}
    value = math.fsum((counts.get(variant, 0) - of) ** 2 / of for variant, of in expected.items())
    return float(chi2.sf(value, len(shares) - 1))


def per_user(pages: Sequence[Page], value: Callable[[Page], float]) -> dict[str, dict[str, float]]:
    """Variant to user to the mean of a value over their pages; who saw two variants is in none.

    A user is what was drawn, so a user is what counts once.
    """
    found: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    variants: dict[str, set[str]] = defaultdict(set)
    for page in pages:
        variants[page.who].add(page.variant)
        found[page.variant][page.who].append(value(page))
    return {
        variant: {who: math.fsum(of) / len(of) for who, of in users.items() if len(variants[who]) == 1}
        for variant, users in found.items()
    }


@dataclass(frozen=True, slots=True)
class TwoSamples:
    """B - A of two groups of users.

    Attributes:
        difference: Of the means.
        low: Of the 95% interval.
        high: Of the 95% interval.
        p: Welch's t test, two-sided.
        detectable: The smallest true difference found with 80% probability at alpha .05.
        sizes: Users of A and B.
    """

    difference: float
    low: float
    high: float
    p: float
    detectable: float
    sizes: tuple[int, int]


def two_samples(a: Sequence[float], b: Sequence[float], alpha: float = 0.05) -> TwoSamples:
    """Compare groups of users; for the same queries under two rankings use `aisle.evaluate.paired_difference`.

    Raises:
        InputError: A group has fewer than two users.
    """
    if min(len(a), len(b)) < 2:
        raise InputError(f"groups of {len(a)} and {len(b)} users", allowed="at least 2 in each")
    one, other = (np.asarray(values, dtype=np.float64) for values in (a, b))
    errors = [float(values.var(ddof=1)) / len(values) for values in (one, other)]
    error, difference = math.sqrt(sum(errors)), float(other.mean() - one.mean())
    if error == 0:
        return TwoSamples(difference, difference, difference, float(difference == 0), 0.0, (len(a), len(b)))
    freedom = sum(errors) ** 2 / (errors[0] ** 2 / (len(a) - 1) + errors[1] ** 2 / (len(b) - 1))
    reach = float(t.ppf(1 - alpha / 2, freedom))
    return TwoSamples(
        difference,
        difference - reach * error,
        difference + reach * error,
        float(2 * t.sf(abs(difference) / error, freedom)),
        (reach + float(t.ppf(0.8, freedom))) * error,
        (len(a), len(b)),
    )
