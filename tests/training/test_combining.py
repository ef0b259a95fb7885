"""What a combination weighs beside its cosine: signals of changed texts, weights fitted to them, echoes left out."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from aisle.encoders.embedded import FOLDER
from aisle.indexes import segment
from aisle.judgments.pairs import PairSet, read_pairs
from aisle.ranking.word_statistics import WordStatistics
from aisle.rerankers.echoes import Echoes
from aisle.rerankers.word_trees import WordTrees
from aisle.training.combine import fit_weights
from aisle.training.relevance.combining import Combining
from aisle.training.relevance.recipe import load_recipe
from aisle.training.relevance.rounds import Scored, weigh
from aisle.training.relevance.word_trees import WordTeacher

PHONES = Path(__file__).parent.parent.parent / "samples" / "phones"
CHANGES = ["augment.query={typos=0.5}", "augment.title={stuffed=0.5}"]


class Untrained:
    """Writes the packaged encoder, whatever it is given to learn from; a real one, that learns nothing."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def train(self, sets, validation, name, settings):
        out = self.folder / name / "folder"
        shutil.copytree(FOLDER, out)
        return out, None

    def score(self, folder, pairs):
        raise AssertionError("a combination scores by itself")


@pytest.fixture(scope="module")
def pairs() -> PairSet:
    return read_pairs(PHONES / "judgments.csv", need_grades=True)


def made(tmp_path: Path, pairs: PairSet, *settings: str):
    recipe = load_recipe("combination", list(settings))
    found = Combining(Untrained(tmp_path), pairs, [], recipe)
    folder, _ = found.train([pairs], pairs.subset([]), "model", recipe.fit)
    return found, folder


def test_weights_are_fitted_to_changed_texts_as_to_queries_of_their_own(pairs):
    rows = np.random.default_rng(0).random((len(pairs), 3))
    changed = np.random.default_rng(1).random((len(pairs), 3))
    turn = np.arange(len(pairs)) % 2
    for query_rows in pairs.by_query().values():
        turn[query_rows] = query_rows[0] % 2
    scored = Scored(pairs, rows.astype(np.float32), turn, turn >= 0)
    twins = [replace(pair, query_id=f"{pair.query_id} changed") for pair in pairs]
    scores, kept = weigh(scored, rows, changed)

    def wanted(chosen):
        both = replace(pairs, items=(*(pairs[row] for row in chosen), *(twins[row] for row in chosen)))
        signals = np.concatenate([rows[chosen], changed[chosen]])
        return fit_weights(signals, both.levels(), list(both.by_query().values()), both.weights())

    np.testing.assert_allclose(kept, wanted(np.arange(len(pairs))), rtol=1e-6)
    for number in (0, 1):
        own, others = np.flatnonzero(turn == number), np.flatnonzero(turn != number)
        np.testing.assert_allclose(scores[own], rows[own] @ wanted(others), rtol=1e-4)
    assert np.abs(kept - weigh(scored, rows)[1]).max() > 1e-3


def test_the_changed_half_is_what_the_changed_pairs_would_get(pairs, tmp_path):
    plain, folder = made(tmp_path / "plain", pairs)
    names = ("cosine", "wording", "bm25", "trees", "neighbours")
    assert plain.names == names
    assert not plain.changes
    whole = plain.score(folder, pairs)
    assert whole.shape == (len(pairs), 5)
    changing = Combining(Untrained(tmp_path), pairs, [], load_recipe("combination", CHANGES))
    assert changing.changes
    both = changing.score(folder, pairs)
    np.testing.assert_array_equal(both[:, :5], whole)
    changed = changing._changed(pairs)
    assert changed == changing._changed(pairs)
    np.testing.assert_array_equal(both[:, 5:], plain.score(folder, changed))
    moved = sum(one.query != other.query for one, other in zip(pairs, changed, strict=True))
    stuffed = sum(one.title != other.title for one, other in zip(pairs, changed, strict=True))
    assert 0 < moved < len(pairs)
    assert len(pairs) / 3 < stuffed < 2 * len(pairs) / 3
    for rows in changed.by_query().values():
        assert len({changed[row].query for row in rows}) == 1, "a query is changed alike beside all of its texts"
    clean = Combining(Untrained(tmp_path), pairs, [], load_recipe("combination", [
        *CHANGES, "augment.lists=clean", "augment.consistency=1"]))  # fmt: skip
    assert clean.score(folder, pairs).shape == (len(pairs), 5)


def test_signals_that_are_switched_off_are_not_there(pairs, tmp_path):
    bare, folder = made(tmp_path / "bare", pairs, "trees=false", "neighbours=false")
    assert bare.names == ("cosine", "wording", "bm25")
    assert not (folder.parent / "trees.txt").exists()
    assert bare.score(folder, pairs).shape == (len(pairs), 3)


def test_trees_and_all_signals_read_texts_without_their_echo(pairs, tmp_path):
    stuffed = replace(pairs, items=tuple(replace(pair, title=f"{pair.title} {pair.query}") for pair in pairs))
    ignoring, folder = made(tmp_path / "one", stuffed, "ignore_echo=true")
    _, other = made(tmp_path / "other", stuffed)
    bare = ignoring._texts_as_read(stuffed, Echoes.of([pair.title for pair in stuffed]))
    cut = sum(one.title == two.title for one, two in zip(bare, pairs, strict=True))
    assert len(pairs) / 3 < cut < len(pairs), "but for ends as the shop writes them"
    plain, folder_of_bare = made(tmp_path / "bare", pairs)
    as_read = WordTeacher([], ignoring.words, 0).grow(bare)
    assert WordTrees.load(folder.parent) == as_read, "grown from what is left without the echo"
    assert WordTrees.load(folder.parent) != WordTrees.load(other.parent)
    expected = Combining(Untrained(tmp_path), stuffed, [], load_recipe("combination"))
    as_read.save(folder_of_bare.parent)
    np.testing.assert_array_equal(ignoring.score(folder, stuffed), expected.score(folder_of_bare, bare))
    assert np.abs(ignoring.score(folder, stuffed) - plain.score(folder_of_bare, stuffed))[:, 0].max() > 0.05


def test_how_other_shops_write_is_told_by_their_own_titles(pairs, tmp_path):
    recipe = load_recipe("combination", ["ignore_echo=true"])
    others = replace(
        pairs, items=tuple(replace(pair, title=f"{row} zebra {pair.query}") for row, pair in enumerate(pairs))
    )
    part, _ = Combining(Untrained(tmp_path), pairs, [others], recipe).train([pairs], pairs.subset([]), "m", recipe.fit)
    words = WordStatistics.of([pair.title for pair in pairs], segment)
    here = Echoes.of([pair.title for pair in pairs])
    own = replace(pairs, items=tuple(replace(p, title=here.without(p.query, p.title), description="") for p in pairs))
    there = Echoes.of([pair.title for pair in others])
    read = replace(others, items=tuple(replace(p, title=there.without(p.query, p.title)) for p in others))
    bare = replace(others, items=tuple(replace(p, title=here.without(p.query, p.title)) for p in others))
    assert read.items != bare.items
    assert WordTrees.load(part.parent) == WordTeacher([read], words, recipe.fit.seed).grow(own)
    assert WordTrees.load(part.parent) != WordTeacher([bare], words, recipe.fit.seed).grow(own)


def test_queries_of_other_shops_are_not_spelt_by_the_words_of_this_one(pairs, tmp_path):
    words = WordStatistics.of([pair.title for pair in pairs], segment)
    word = max((w for w, texts in words.carriers.items() if w.isascii() and w.isalpha() and texts > 1), key=len)
    slip = word[:3] + word[4:]
    others = replace(pairs, items=tuple(replace(pair, query=f"{slip} {pair.title}") for pair in pairs))
    recipe = load_recipe("combination", ["correct=true"])
    helped = Combining(Untrained(tmp_path), pairs, [others], recipe)
    assert helped._as_read(others)[0].query != others[0].query
    part, _ = helped.train([pairs], pairs.subset([]), "helped", recipe.fit)
    wanted = WordTeacher([others], helped.words, recipe.fit.seed).grow(helped._as_read(pairs))
    assert WordTrees.load(part.parent) == wanted
    assert wanted != WordTeacher([helped._as_read(others)], helped.words, recipe.fit.seed).grow(helped._as_read(pairs))
