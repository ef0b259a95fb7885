"""Suspicious categories on a made-up catalogue whose errors are known, and what must never be flagged."""

from __future__ import annotations

import random

from aisle.catalogue.categories import suspicious

_KINDS = {
    ("Home", "Lamps"): "lamp light bulb shade bright",
    ("Home", "Chairs"): "chair seat wooden leg stool",
    ("Garden", "Hoses"): "hose water garden nozzle tap",
}


def _catalogue(size: int) -> tuple[list[str], list[tuple[str, ...]]]:
    chance = random.Random(3)
    paths = [chance.choice(list(_KINDS)) for _ in range(size)]
    titles = [" ".join([*chance.sample(_KINDS[path].split(), 4), str(i)]) for i, path in enumerate(paths)]
    return titles, paths


def test_wrong_categories_are_found_and_right_ones_left_alone() -> None:
    titles, paths = _catalogue(300)
    assert suspicious(titles, paths) == []
    wrong = list(paths)
    moved = [i for i in range(300) if paths[i] == ("Home", "Lamps")][:5]
    for i in moved:
        wrong[i] = ("Garden", "Hoses")
    flags = suspicious(titles, wrong)
    assert sorted(flag.position for flag in flags) == moved
    assert {flag.suggested for flag in flags} == {("Home", "Lamps")}
    assert [flag.score for flag in flags] == sorted((flag.score for flag in flags), reverse=True)


def test_a_parent_category_is_not_wrong() -> None:
    titles, paths = _catalogue(300)
    vague = [("Home",) if i % 40 == 0 and path[0] == "Home" else path for i, path in enumerate(paths)]
    assert suspicious(titles, vague) == []


def test_a_rare_category_counts_as_its_parent() -> None:
    titles, paths = _catalogue(300)
    lamp = next(i for i, path in enumerate(paths) if path == ("Home", "Lamps"))
    paths[lamp] = ("Garden", "Gnomes")
    assert [flag.position for flag in suspicious(titles, paths)] == [lamp]


def test_small_catalogues_and_missing_categories_give_nothing() -> None:
    titles, paths = _catalogue(100)
    assert suspicious(titles, paths) == []
    assert suspicious(["a"] * 300, [()] * 300) == []
    assert suspicious([], []) == []
