"""A ranking that is made as it is read: whatever is asked of it, the answer is that of the list it stands for."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from aisle.order import Found, names_of, on_one_scale
from aisle.ranking.fusion import fuse
from aisle.ranking.listed import Listed, behind, ids_of, without
from aisle.types import Part

IDS = [f"p{number}" for number in range(12)]
_SCORES = st.sampled_from([0.0, 0.25, 0.5, 1.0, 2.0])
_LISTS = st.dictionaries(
    st.sampled_from(["bm25", "dense:text", "browse"]), st.dictionaries(st.sampled_from(IDS), _SCORES), min_size=1
)


def ordered(scores):
    return sorted(scores.items(), key=lambda item: (-item[1], item[0]))


def fused(lists):
    return fuse({stage: ordered(scores) for stage, scores in lists.items()}, {"bm25": 0.5}, 60)


@given(_LISTS, st.integers(-14, 14), st.integers(-14, 14), st.sampled_from([1, 2, -1, None]))
def test_places_and_slices_are_those_of_a_list(lists, start, stop, step):
    ranking = fused(lists)
    whole = list(ranking)
    assert (len(ranking), ids_of(ranking)) == (len(whole), [item[0] for item in whole])
    assert ranking[start:stop:step] == whole[start:stop:step]
    assert ranking == whole
    if -len(whole) <= start < len(whole):
        assert ranking[start] == whole[start]
    else:
        with pytest.raises(IndexError, match="out of range"):
            ranking[start]


@given(_LISTS, st.integers(0, 14), st.integers(0, 14), st.sets(st.sampled_from(IDS)))
def test_what_stands_behind_and_what_is_left_out(lists, first, second, ids):
    ranking = fused(lists)
    whole = list(ranking)
    new = [("new", 9.0, {"learnt": Part(1.0, 1, 9.0)})]
    once, want = behind(ranking, first, new), [*new, *whole[first:]]
    assert isinstance(once, Listed)
    assert list(once) == want == behind(whole, first, new)
    twice, want = behind(once, second, []), want[second:]
    assert (list(twice), ids_of(twice)) == (want, [item[0] for item in want])
    taken, rest = without(twice, ids)
    assert taken == {item[0]: item for item in want if item[0] in ids}
    assert list(rest) == [item for item in want if item[0] not in ids] == without(want, ids)[1]
    assert list(behind(rest, 1, new)) == [*new, *list(rest)[1:]]


@given(st.dictionaries(st.sampled_from(IDS), _SCORES), st.integers(0, 14))
def test_columns_are_a_sequence_of_pairs(scores, depth):
    names = names_of(IDS)
    rows = np.flatnonzero([name in scores for name in names])
    found = Found.best(names, rows, np.array([scores[names[row]] for row in rows], np.float32), depth)
    want = ordered(scores)[:depth]
    assert list(found) == want
    assert found == tuple(want)
    assert list(found[1:3]) == want[1:3]
    assert [found[place] for place in range(len(want))] == want


def test_lists_with_the_same_names_are_taken_as_they_are_and_others_get_names_in_common():
    names = names_of(["b", "a", "c", "a"])
    assert names.tolist() == ["a", "b", "c"]
    one = Found(names, np.array([2, 0]), np.array([2.0, 1.0]))
    other = Found(names, np.array([1]), np.array([0.5]))
    shared, found = on_one_scale([one, other])
    assert shared is names
    assert found == [one, other]
    shared, found = on_one_scale([one, [("z", 3.0), ("a", 1.0)]])
    assert shared.tolist() == ["a", "c", "z"]
    assert [list(items) for items in found] == [[("c", 2.0), ("a", 1.0)], [("z", 3.0), ("a", 1.0)]]


def test_fusing_columns_is_fusing_pairs():
    names = names_of(IDS)
    rng = np.random.default_rng(0)
    lists = {}
    for stage in ("bm25", "dense:text"):
        rows = np.sort(rng.choice(len(names), 8, replace=False))
        lists[stage] = Found.best(names, rows, rng.integers(0, 4, 8).astype(np.float32))
    assert fuse(lists, {}) == fuse({stage: list(items) for stage, items in lists.items()}, {})
