"""The pair decision on pairs written out, and MinHash candidates against the exact Jaccard similarity."""

from __future__ import annotations

import pytest

from aisle.catalogue.families import candidates
from aisle.catalogue.similar import same_product, shared_code, signature


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("Acme Phone X100 64 GB black", "Acme Phone X100 128 GB silver", True),
        ("Acme Phone X100", "Acme Phone X200", False),
        ("HP 15 Original Black", "HP 85 Original Black", False),
        ("Lexmark 08A0476 toner cartridge", "Lexmark 12A0825 toner cartridge", False),
        ("Equip Cat.5e Patch Cable 3 m blue", "Equip Cat.6 Patch Cable 3 m blue", False),
        ("StarTech patch cable 3 ft red", "StarTech patch cable 6 ft blue", True),
        ("Belkin cush top for laptop F8N044SLV", "Belkin cushtop F8N044-SLV", True),
        ("Sony camera DSC-W150", "Sony Cyber-shot pink DSCW150R", True),
        ("Canon ink PFI-103 for IPF6100", "Canon printer iPF610", False),
        ("V-neck shirt size S", "V-neck shirt size XL", True),
        ("Red lamp", "Blue chair", False),
    ],
)
def test_pairs(one: str, other: str, same: bool) -> None:
    assert same_product(signature(one), signature(other)) is same
    assert same_product(signature(other), signature(one)) is same


def test_codes_with_endings() -> None:
    assert shared_code(frozenset({"dscw150"}), frozenset({"dscw150r"}))
    assert shared_code(frozenset({"mdrex32lp"}), frozenset({"ex32lp"}))
    assert not shared_code(frozenset({"ipf610"}), frozenset({"ipf6100"}))
    assert not shared_code(frozenset({"e6300"}), frozenset({"e6400"}))


def test_similar_titles_become_candidates() -> None:
    words = [f"word{'abcdefghijklmnopqrstuvwxyz'[i % 26]}{'xyz'[i % 3]}" for i in range(78)]
    titles = [" ".join(words[start : start + 9]) for start in range(0, 60, 5)]
    titles += [f"{title} extra" for title in titles]  # Jaccard similarity of each pair: 9 / 10
    signatures = [signature(title) for title in titles]
    found = set(candidates(signatures))
    assert {(i, i + 12) for i in range(12)} <= found
    assert all(one < other for one, other in found)
    unlike = {(i, j) for i, j in found if not set(signatures[i].core) & set(signatures[j].core)}
    assert not unlike
