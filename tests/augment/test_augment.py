"""Pairs in, changed pairs out: grades by hand, provenance, and held-out queries that stay untouched."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from click import UsageError
from click.testing import CliRunner

from aisle.augment.augment import augmented, lowered
from aisle.augment.settings import AugmentSettings
from aisle.augment.text.brands import BrandDropped, Brands, BrandSwapped
from aisle.augment.text.table import CHANGES
from aisle.cli.main import cli
from aisle.errors import JudgmentError, RecipeError
from aisle.judgments.pairs import PairSet, Scale, TextPair, read_pairs
from aisle.judgments.split import query_key
from aisle.training.relevance.recipe import TrainingRecipe, load_recipe

PAIRS = PairSet(
    (
        TextPair("1", "nike running shoes", "a", "Nike Air Zoom Running Shoes", grade=4),
        TextPair("1", "nike running shoes", "b", "Adidas Runfalcon Running Shoes", grade=2),
        TextPair("1", "nike running shoes", "c", "Puma Velocity Running Shoes", grade=3),
        TextPair("2", "wireless mouse", "d", "Logitech M185 Wireless Mouse", grade=4),
        TextPair("2", "wireless mouse", "e", "Mouse Pad with Wrist Rest", grade=1),
    ),
    Scale(1, 4),
    "pairs.csv",
)
BRANDS = Brands(("Nike", "Adidas"))


def test_a_changed_query_keeps_its_list_and_its_grades():
    found = augmented(PAIRS, {"query": [CHANGES["typos"]]}, 2, 7)
    assert len(found) == 10
    lists: dict[str, list[float | None]] = {}
    for item in found:
        lists.setdefault(item.pair.query, []).append(item.pair.grade)
        assert item.pair.query_id == item.pair.query.replace(" ", "_")
        assert item.provenance.how == ("typos@query",)
        assert (item.provenance.effect, item.provenance.seed) == ("keeps", 7)
    assert sorted(map(tuple, lists.values())) == [(4, 1), (4, 1), (4, 2, 3), (4, 2, 3)]
    assert [item.provenance.source for item in found[:3]] == ["1/a", "1/b", "1/c"]
    assert found == augmented(PAIRS, {"query": [CHANGES["typos"]]}, 2, 7)
    assert found != augmented(PAIRS, {"query": [CHANGES["typos"]]}, 2, 8)
    alone = augmented(PAIRS.subset([3, 4]), {"query": [CHANGES["typos"]]}, 2, 7)
    assert alone == [item for item in found if item.provenance.source.startswith("2/")]


def test_another_brand_lowers_what_was_exact_and_leaves_out_what_nobody_judged():
    found = augmented(PAIRS, {"query": [BrandSwapped(BRANDS)]}, 1, 0)
    # adidas running shoes: the Nike was a 4, now at most half of the way up, 1 + floor(3 / 2); the Puma was a 3 and was
    # of another brand before; the Adidas may be exact now: nobody said so. The mouse has no brand.
    assert [(item.pair.query, item.pair.doc_id, item.pair.grade) for item in found] == [
        ("adidas running shoes", "a", 2),
        ("adidas running shoes", "c", 2),
    ]
    assert {item.provenance.effect for item in found} == {"lowers"}
    assert lowered(1.0, Scale(1, 4)) == 1
    assert lowered(3.0, Scale(0, 3)) == 1


def test_what_only_a_judge_can_tell_has_no_grade():
    found = augmented(PAIRS, {"query": [BrandDropped(BRANDS, "query")]}, 1, 0)
    assert [(item.pair.query, item.pair.grade) for item in found] == [("running shoes", None)] * 3


def test_titles_are_changed_one_by_one_under_ids_of_their_own():
    found = augmented(PAIRS, {"title": [CHANGES["truncated"]]}, 1, 0)
    assert [item.pair.doc_id for item in found] == [f"{name}~truncated0" for name in "abcde"]
    for item, pair in zip(found, PAIRS, strict=True):
        assert pair.title.startswith(item.pair.title)
        assert pair.title != item.pair.title
        assert item.pair.grade == pair.grade


def test_a_held_out_query_is_refused_in_any_spelling_and_never_made():
    with pytest.raises(JudgmentError, match="'wireless mouse' is held out"):
        augmented(PAIRS, {"query": [CHANGES["typos"]]}, 1, 0, ["Mouse, wireless"])
    dropped = {"query": [BrandDropped(BRANDS, "query")]}
    assert augmented(PAIRS, dropped, 1, 0, ["usb hub"])
    assert augmented(PAIRS, dropped, 1, 0, ["Running Shoes"]) == []
    assert query_key("Running Shoes") == query_key("running shoes")


def test_wrong_changes_are_refused():
    with pytest.raises(JudgmentError, match="'truncated' changes no query"):
        augmented(PAIRS, {"query": [CHANGES["truncated"]]}, 1, 0)
    with pytest.raises(JudgmentError, match="0 copies of 1 changes"):
        augmented(PAIRS, {"query": [CHANGES["typos"]]}, 0, 0)


def test_the_command_writes_pairs_that_training_reads(tmp_path: Path):
    source = tmp_path / "pairs.csv"
    source.write_text(
        "id,query,title,relevance\n1,wireless mouse,Logitech Wireless Mouse M185,4\n2,wireless mouse,Mouse Pad,2\n"
        "3,wall clock,Kitchen Wall Clock White,4\n",
        encoding="utf-8",
    )
    out = tmp_path / "more.csv"
    given = ["augment", "text", str(source), "--out", str(out), "--change", "typos", "--copies", "2", "--json"]
    result = CliRunner().invoke(cli, given, catch_exceptions=False)
    assert '"pairs": 6' in result.output
    rows = list(csv.DictReader(out.read_text(encoding="utf-8").splitlines()))
    assert {row["how"] for row in rows} == {"typos@query"}
    assert {row["source"] for row in rows} == {"wireless_mouse/1", "wireless_mouse/2", "wall_clock/3"}
    read = read_pairs(out, need_grades=True)
    assert sorted(pair.grade for pair in read) == [2, 2, 4, 4, 4, 4]
    held = CliRunner().invoke(cli, [*given, "--held-out", str(source)])
    assert isinstance(held.exception, JudgmentError)
    for given in (["augment", "text", str(source)], ["augment", "text"]):
        listed = CliRunner().invoke(cli, [*given, "--list", "--json"], catch_exceptions=False)
        assert '"brand-swapped"' in listed.output
    missing = CliRunner().invoke(cli, ["augment", "text", "--out", str(tmp_path / "new.csv")])
    assert isinstance(missing.exception, SystemExit | UsageError)
    assert not (tmp_path / "new.csv").exists()


def test_a_doubtful_grade_stays_doubtful(tmp_path: Path):
    source, out = tmp_path / "pairs.csv", tmp_path / "more.csv"
    rows = "1,wireless mouse,A mouse,4,0.25\n2,wireless mouse,B lamp,1,\n"
    source.write_text(f"id,query,title,relevance,label_weight\n{rows}", encoding="utf-8")
    given = ["augment", "text", str(source), "--out", str(out), "--change", "typos"]
    CliRunner().invoke(cli, given, catch_exceptions=False)
    assert {pair.doc_id: pair.weight for pair in read_pairs(out, need_grades=True)} == {"1": 0.25, "2": 1.0}


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["--change", "nothing"], "no change 'nothing'"),
        (["--change", "truncated@query"], "no change 'truncated@query'"),
        (["--change", "brand-dropped"], "'brand-dropped' needs the shop's brands"),
    ],
)
def test_the_command_says_what_is_wrong(tmp_path: Path, given, said):
    source = tmp_path / "pairs.csv"
    source.write_text("id,query,title,relevance\n1,usb hub,Anker USB Hub,4\n", encoding="utf-8")
    result = CliRunner().invoke(cli, ["augment", "text", str(source), "--out", str(tmp_path / "o.csv"), *given])
    assert isinstance(result.exception, RecipeError)
    assert said in str(result.exception)


def test_settings_name_only_changes_that_keep_the_grade_on_their_side():
    for wrong in ({"query": {"deletion": 0.1}}, {"query": {"truncated": 0.1}}, {"title": {"nothing": 0.1}}):
        with pytest.raises(RecipeError, match="keeps the grade"):
            TrainingRecipe.from_dict({"augment": wrong})
    with pytest.raises(RecipeError, match=r"sum to 1\.2"):
        TrainingRecipe.from_dict({"augment": {"query": {"typos": 0.6, "order": 0.6}}})
    with pytest.raises(RecipeError, match="learns nothing"):
        TrainingRecipe.from_dict({"augment": {"query": {"typos": 0.6}, "lists": "clean"}})
    recipe = load_recipe(None, ["augment.query.typos=0.2", "augment.title={truncated=0.1}", "augment.consistency=1"])
    assert recipe.augment == AugmentSettings({"typos": 0.2}, {"truncated": 0.1}, 1)
    assert TrainingRecipe.from_dict(recipe.to_dict()) == recipe
    assert not TrainingRecipe().augment.changes, "off where nothing is said"
