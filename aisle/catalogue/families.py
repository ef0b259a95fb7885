"""Groups near-duplicates and variants into families, without ever removing a product.

Candidates come from MinHash over title words (Broder 1997) in bands, all in numpy, and from equal model codes;
``similar.same_product`` decides. Knows ids, titles and brands only. Linear in the number of products but for sorting.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from aisle.catalogue.similar import Signature, core_signature, same_product, signature
from aisle.language.normalise import fold_identifier

_BANDS, _ROWS = 16, 4  # a pair of Jaccard similarity .8 meets in a band with probability .9998, one of .4 with .34
_WINDOW = 8  # neighbours compared in a bucket: keeps large buckets linear
_MAX_TITLES_OF_A_CODE = 8
_MERSENNE = np.uint64((1 << 61) - 1)


class FamilyFinder:
    """Collects titles, then groups them."""

    def __init__(self) -> None:
        self._titles: list[str] = []
        self._ids: list[str] = []
        self._brands: list[str] = []

    def add(self, product_id: str, title: str, brand: str = "") -> None:
        """Take a product that has no family of its own."""
        self._ids.append(product_id)
        self._titles.append(title)
        self._brands.append(fold_identifier(brand))

    def families(self) -> dict[str, str]:
        """Product id to family id, for members of groups of at least two.

        The family id is the smallest product id of the group, so it does not depend on the order of rows.
        """
        by_core: dict[tuple[str, tuple[str, ...]], list[str]] = {}
        for product_id, title, brand in zip(self._ids, self._titles, self._brands, strict=True):
            by_core.setdefault((brand, signature(title).core), []).append(product_id)
        cores = sorted(by_core)  # any fixed order: the result must not depend on that of the rows
        common = _common_codes([core for _, core in cores])
        signatures = [core_signature(core, common, brand) for brand, core in cores]
        parent = list(range(len(cores)))
        for one, other in candidates(signatures):
            first, second = sorted((_root(parent, one), _root(parent, other)))
            if first == second or not same_product(signatures[one], signatures[other]):
                continue
            # The groups' first members must agree too: otherwise A-B, B-C, C-D ... would chain unlike products.
            if {first, second} == {one, other} or same_product(signatures[first], signatures[second]):
                parent[second] = first
        members: dict[int, list[str]] = {}
        for position, core in enumerate(cores):
            members.setdefault(_root(parent, position), []).extend(by_core[core])
        return {member: min(group) for group in members.values() if len(group) > 1 for member in group}


def _common_codes(cores: Sequence[tuple[str, ...]]) -> frozenset[str]:
    """Folded words in more titles than a model would be in: "rj45" or "62.5/125" tell kinds apart, not models."""
    counts: dict[str, int] = {}
    for core in cores:
        for code in core_signature(core).codes:
            counts[code] = counts.get(code, 0) + 1
    return frozenset(code for code, count in counts.items() if count > _MAX_TITLES_OF_A_CODE)


def candidates(signatures: Sequence[Signature]) -> Iterator[tuple[int, int]]:
    """Pairs of positions worth comparing, each once: the same code or the same MinHash band."""
    found = [np.zeros(0, dtype=np.int64)]
    for keys in _key_columns(signatures):
        found.append(_neighbours(keys))
        if len(found) >= 4:
            found = [np.unique(np.concatenate(found))]
    for pair in np.unique(np.concatenate(found)):
        yield divmod(int(pair), len(signatures))


def _key_columns(signatures: Sequence[Signature]) -> Iterator[NDArray[np.uint64]]:
    """Columns of 64-bit keys; products with an equal key meet. 0 means no key."""
    for shift in range(2):  # the first and the last code, without its last two characters
        chosen = [sorted(s.codes)[-shift] if s.codes else "" for s in signatures]
        yield np.array([_hash(code[: max(5, len(code) - 2)]) if code else 0 for code in chosen], dtype=np.uint64)
    yield from _bands(signatures)


def _bands(signatures: Sequence[Signature]) -> Iterator[NDArray[np.uint64]]:
    words = [sorted(set(s.core)) or [""] for s in signatures]
    table: dict[str, int] = {}
    flat = np.array([table.setdefault(w, _hash(w) & 0xFFFFFFFF) for ws in words for w in ws], dtype=np.uint64)
    starts = np.cumsum([0, *(len(ws) for ws in words[:-1])], dtype=np.int64) if words else np.zeros(0, dtype=np.int64)
    if not len(starts):
        return
    random = np.random.default_rng(1)
    for _ in range(_BANDS):
        key = np.zeros(len(words), dtype=np.uint64)
        for _ in range(_ROWS):
            a, b = (np.uint64(x) for x in random.integers(1, 1 << 29, size=2))
            low = np.minimum.reduceat((flat * a + b) % _MERSENNE, starts)
            key = key * np.uint64(0x9E3779B97F4A7C15) + low
        yield key | np.uint64(1)


def _neighbours(keys: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Pairs with an equal key that are near each other in the bucket, as ``one * n + other`` with one < other."""
    order = np.argsort(keys, kind="stable")
    ordered = keys[order]
    pairs = [np.zeros(0, dtype=np.int64)]
    for step in range(1, _WINDOW + 1):
        equal = np.flatnonzero((ordered[step:] == ordered[:-step]) & (ordered[step:] != 0))
        pairs.append(order[equal] * len(keys) + order[equal + step])  # a stable sort keeps one < other
    return np.concatenate(pairs)


def _root(parent: list[int], position: int) -> int:
    while parent[position] != position:
        parent[position] = parent[parent[position]]
        position = parent[position]
    return position


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "little")
