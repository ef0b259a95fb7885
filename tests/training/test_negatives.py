"""Hard negatives: what is judged or too near is none, and what is mined is learnt with its query alone."""

from __future__ import annotations

import json

import numpy as np
import pytest
from click.testing import CliRunner

from aisle.errors import JudgmentError, RecipeError
from aisle.judgments.pairs import PairSet, Scale, TextPair
from aisle.training.relevance.build import train
from aisle.training.relevance.extras import Extras
from aisle.training.relevance.negatives import mine, with_negatives
from aisle.training.relevance.recipe import load_recipe
from aisle.types import Product

ANGLES = {"hub": 0, "right": 20, "less": 30, "substitute": 40, "twin": 5, "near": 28, "edge": 35, "far": 50, "away": 80}
"""Degrees between a text's vector and the query's."""


def encode(texts, kind):
    radians = np.radians([ANGLES[text.casefold()] for text in texts])
    return np.column_stack([np.cos(radians), np.sin(radians)]).astype(np.float32)


def judged(numbered: bool = False) -> PairSet:
    grades = {"right": 3, "less": 2, "substitute": 1}
    found = [TextPair("h", "hub", name, name, grade=grade) for name, grade in grades.items()]
    return PairSet(tuple(found), Scale(0, 3), "judged", numbered)


def products(*titles: str) -> list[Product]:
    return [Product(f"id-{title}", title) for title in titles]


def titles(pairs) -> list[str]:
    return [pair.title for pair in pairs]


RANKED = products("twin", "RIGHT", "near", "edge", "substitute", "far", "Far", "away")


def test_judged_ones_and_those_too_near_are_none():
    """Positives have half of level 3 or more: their mean cosine is (cos 20 + cos 30) / 2 = .903; .95 of it is 30.9°."""
    recipe = load_recipe(None, ["negatives.margin=0.95"])
    found = mine(judged(), lambda query: RANKED, encode, recipe, "index")
    assert titles(found.pairs) == ["edge", "far", "away"]
    assert (found.queries, found.near) == (1, 2)  # twin and near
    assert [pair.grade for pair in found.pairs] == [0, 0, 0]
    assert (found.pairs[0].query_id, found.pairs[0].doc_id) == ("h", "id-edge")
    assert found.told() == (
        "3 hard negatives for 1 queries; 2 products left out as too near to a judged one that is wanted"
    )


@pytest.mark.parametrize(
    ("margin", "wanted"), [(0.85, ["far", "away"]), (1.2, ["twin", "near", "edge", "far", "away"])]
)
def test_the_margin_says_how_near_they_may_be(margin, wanted):
    recipe = load_recipe(None, [f"negatives.margin={margin}", "negatives.per_query=9"])
    assert titles(mine(judged(), lambda query: RANKED, encode, recipe, "index").pairs) == wanted


def test_the_highest_ranked_ones_are_taken():
    recipe = load_recipe(None, ["negatives.per_query=2"])
    assert titles(mine(judged(), lambda query: RANKED, encode, recipe, "index").pairs) == ["edge", "far"]


def test_a_judged_product_is_known_by_its_id_unless_ids_are_row_numbers():
    renamed = [Product("substitute", "far"), Product("x", "away")]
    for numbered, wanted in ((False, ["away"]), (True, ["far", "away"])):
        found = mine(judged(numbered), lambda query: renamed, encode, load_recipe(None), "index")
        assert titles(found.pairs) == wanted


def test_a_query_without_a_positive_gets_none():
    pairs = judged()
    with pytest.raises(JudgmentError, match=r"index has no product that is no judged one"):
        mine(pairs.subset([2]), lambda query: RANKED, encode, load_recipe(None), "index")


def test_they_are_learnt_with_their_own_query_alone_as_worst():
    pairs = judged()
    other = PairSet(
        (TextPair("o", "other", "1", "a", grade=3), TextPair("o", "other", "2", "b", grade=0)), Scale(0, 3), "x"
    )
    mined = mine(pairs, lambda query: RANKED, encode, load_recipe(None), "index").pairs
    assert titles(with_negatives(pairs, mined)) == ["right", "less", "substitute", "edge", "far", "away"]
    assert with_negatives(other, mined) == other
    assert with_negatives(other, None) is other
    names: list[str] = []

    def ids_of(texts):
        names[:] = texts
        return [[len(text)] for text in texts]

    found = Extras(negatives=mined).lesson([pairs, other], pairs, load_recipe(None), ids_of)
    read = [
        {names[text]: level for text, level in zip(row, levels, strict=True)}
        for row, levels in zip(found.train.texts, found.train.levels, strict=True)
    ]
    assert read == [{"right": 3, "less": 2, "substitute": 1, "edge": 0, "far": 0, "away": 0}, {"a": 3, "b": 0}]
    assert [len(row) for row in found.validation.texts] == [3], "validation is of judged texts alone"


def test_a_head_takes_none(tmp_path):
    pairs = judged()
    with pytest.raises(RecipeError, match=r"an index beside a task head"):
        train(pairs, [], load_recipe("head"), tmp_path / "m", negatives=pairs)


@pytest.mark.train
@pytest.mark.filterwarnings("default")
def test_the_command_looks_in_an_index(tmp_path):
    pytest.importorskip("torch")
    from aisle.cli.main import cli

    things = ["usb hub", "toner", "keyboard", "monitor", "phone case", "webcam", "desk lamp", "office chair"]
    kinds = ["red", "blue", "small", "large"]
    rows = [{"id": f"{kind} {thing}", "title": f"{kind} {thing}"} for thing in things for kind in kinds]
    (tmp_path / "shop.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    lines = ["query,id,title,relevance"]
    for thing in things:
        for kind in kinds:
            lines += [f"{kind} {thing},{kind} {thing},{kind} {thing},2", f"{kind} {thing},x{thing},something else,0"]
    (tmp_path / "pairs.csv").write_text("\n".join(lines), encoding="utf-8")
    index, model = tmp_path / "index", tmp_path / "model"
    built = CliRunner().invoke(cli, ["index", str(tmp_path / "shop.jsonl"), "--out", str(index)])
    assert built.exit_code == 0, built.output
    given = ["train", "--pairs", str(tmp_path / "pairs.csv"), "--out", str(model), "--index", str(index), "--json"]
    settings = [
        "model=encoder",
        "judged_by=share",
        "fit.epochs=1",
        "fit.max_tokens=16",
        "fit.track=none",
        "fit.threads=1",
    ]
    settings += ["negatives.per_query=2", "negatives.margin=0.99"]
    given += [word for setting in settings for word in ("--set", setting)]
    result = CliRunner().invoke(cli, given)
    assert result.exit_code == 0, result.output
    data = json.loads((model / "metrics.json").read_text(encoding="utf-8"))["data"]
    assert data[1]["file"] == f"{index} (hard negatives)"
    assert data[1]["pairs"] == 64
    assert data[1]["queries"] == 32
    assert "64 hard negatives for 32 queries" in result.stderr
