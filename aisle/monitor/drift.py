"""How far two samples are apart: PSI of numbers, MMD of vectors, the share of words never seen before.

Numbers in, numbers out; knows no logs.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import regex
from numpy.typing import NDArray
from scipy.special import gammaincc

from aisle.language.normalise import normalise

BINS = 10
SMOOTHING = 0.5
PERMUTATIONS = 500
MOST = 1_500
"""Vectors of each side that MMD looks at: its matrix has (2 MOST)^2 numbers, 72 MB."""
_WORD = regex.compile(r"\p{Han}+|[\p{L}\p{N}--\p{Han}]+", regex.V1)
_HAN = regex.compile(r"\p{Han}+")
Vectors = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Psi:
    """Population stability index, with what chance alone would make of it.

    Attributes:
        value: Of the index.
        expected: Its mean if nothing had changed: (bins - 1) (1/n + 1/m), first order (Yurdakul 2018).
        p: How probable a value at least this high is then, by chi-squared with bins - 1 degrees of freedom.
        bins: That there were.
    """

    value: float
    expected: float
    p: float
    bins: int


def psi(reference: Sequence[float], now: Sequence[float], bins: int = BINS) -> Psi | None:
    """Population stability index: the sum over bins of (a - e) ln(a / e).

    Bins end at the quantiles of the reference (nearest rank; a bin holds its upper end), fewer where values repeat; the
    outer ones are open. The share of a bin is (count + 0.5) / (n + 0.5 bins), on both sides, so that an empty bin is no
    infinity. Below .1 nothing, above .25 much has changed, by custom; with few requests chance alone exceeds both, so
    compare with ``expected``.

    Args:
        reference: Numbers from before.
        now: Numbers to compare.
        bins: At most.

    Returns:
        None where one side is empty or the reference has one value only.
    """
    edges = quantile_edges(reference, bins)
    if not len(edges) or not len(now):
        return None
    count = len(edges) + 1
    e, a = _shares(reference, edges), _shares(now, edges)
    value = float(np.sum((a - e) * np.log(a / e)))
    scale = 1 / len(reference) + 1 / len(now)
    return Psi(value, (count - 1) * scale, float(gammaincc((count - 1) / 2, value / scale / 2)), count)


def _shares(values: Sequence[float], edges: NDArray[np.float64]) -> NDArray[np.float64]:
    counts = np.bincount(np.searchsorted(edges, np.asarray(values, dtype=np.float64)), minlength=len(edges) + 1)
    return np.asarray((counts + SMOOTHING) / (len(values) + SMOOTHING * len(counts)), dtype=np.float64)


def quantile_edges(values: Sequence[float], bins: int = BINS) -> NDArray[np.float64]:
    """Upper ends of all bins but the last: quantiles by nearest rank, each once, none at the greatest value."""
    ordered = np.sort(np.asarray(values, dtype=np.float64))
    if not len(ordered):
        return ordered
    ranks = [math.ceil(len(ordered) * step / bins) - 1 for step in range(1, bins)]
    edges = np.unique(ordered[[max(0, rank) for rank in ranks]])
    return np.asarray(edges[edges < ordered[-1]])


@dataclass(frozen=True, slots=True)
class Mmd:
    """Squared maximum mean discrepancy, its permutation p value, the kernel's width and the vectors of each side."""

    value: float
    p: float
    width: float
    sizes: tuple[int, int]


def mmd(reference: Vectors, now: Vectors, *, seed: int = 0, permutations: int = PERMUTATIONS) -> Mmd | None:
    """Squared maximum mean discrepancy with the kernel exp(-|x - y|^2 / (2 width^2)) (Gretton et al. 2012).

    The unbiased estimate; the width is the median distance of the pooled vectors. Under "nothing changed" each vector
    could be of either side: ``p`` is the share of ``permutations`` random divisions, and the one observed, with at
    least the observed value. At most `MOST` vectors of each side are looked at, drawn at random.

    Returns:
        None where one side has fewer than two vectors.
    """
    generator = np.random.default_rng(seed)
    x, y = (_drawn(side, generator) for side in (reference, now))
    n, m = len(x), len(y)
    if n < 2 or m < 2:
        return None
    pooled = np.concatenate([x, y]).astype(np.float64)
    squares = np.sum(pooled**2, axis=1)
    distances = np.maximum(squares[:, None] + squares[None, :] - 2 * pooled @ pooled.T, 0.0)
    width = math.sqrt(float(np.median(distances[np.triu_indices(n + m, 1)])))
    kernel = np.exp(-distances / (2 * width**2)) if width > 0 else np.ones_like(distances)
    np.fill_diagonal(kernel, 0.0)
    sides = np.zeros((n + m, permutations + 1))
    sides[:n, 0] = 1.0
    for column in range(1, permutations + 1):
        sides[generator.permutation(n + m)[:n], column] = 1.0
    first = np.einsum("ij,ij->j", sides, kernel @ sides)
    degree = kernel.sum(axis=1)
    across = degree @ sides - first
    second = degree.sum() - first - 2 * across
    values = first / (n * (n - 1)) + second / (m * (m - 1)) - 2 * across / (n * m)
    edge = values[0] - 1e-12 * max(1.0, abs(values[0]))
    return Mmd(float(values[0]), float(np.mean(values >= edge)), width, (n, m))


def _drawn(side: Vectors, generator: np.random.Generator) -> Vectors:
    if len(side) <= MOST:
        return side
    return side[np.sort(generator.choice(len(side), MOST, replace=False))]


def words(text: str) -> list[str]:
    """The words of a query in one form; Chinese as pairs of neighbouring characters, a single one by itself."""
    found: list[str] = []
    for run in _WORD.findall(normalise(text).casefold()):
        if _HAN.fullmatch(run) and len(run) > 1:
            found += [run[at : at + 2] for at in range(len(run) - 1)]
        else:
            found.append(run)
    return found


def count_words(texts: Iterable[str]) -> Counter[str]:
    """How often each word occurs."""
    counts: Counter[str] = Counter()
    for text in texts:
        counts.update(words(text))
    return counts


@dataclass(frozen=True, slots=True)
class Unseen:
    """Words of now that the reference does not have.

    Attributes:
        share: Of all words, repeats counted.
        expected: If nothing had changed, the share of the reference's words that occur in it once (Good 1953).
        count: All words of now.
        most: The most frequent unseen ones, at most 20.
    """

    share: float
    expected: float
    count: int
    most: tuple[tuple[str, int], ...]


def unseen(reference: Mapping[str, int], now: Counter[str]) -> Unseen | None:
    """How many words are new; None where one side has no words.

    ``expected`` holds for windows up to the size of the reference.
    """
    total, of_now = sum(reference.values()), sum(now.values())
    if not total or not of_now:
        return None
    new = Counter({word: count for word, count in now.items() if word not in reference})
    once = sum(count == 1 for count in reference.values())
    most = tuple(sorted(new.items(), key=lambda item: (-item[1], item[0]))[:20])
    return Unseen(sum(new.values()) / of_now, once / total, of_now, most)
