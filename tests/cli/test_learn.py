"""`aisle learn --model`: the score of a re-ranker within the combination, from the command line to searches with it."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import numpy as np
import pytest

from aisle.config import RenderSettings
from aisle.encoders.embedded import EmbeddedEncoder
from aisle.engine import SearchEngine
from aisle.rerankers.head import write_head, zero_shot
from aisle.rerankers.load import load_reranker
from aisle.types import Product
from tests.llm.server import LlmServer
from tests.test_cli_end_to_end import aisle, ask

THINGS = ("guitar", "camera", "phone", "lamp", "desk", "mouse")
TITLES = [f"{thing}{more}" for thing in THINGS for more in ("", " black", " bag", " bag for travel", " strap red")]
PRODUCTS = [Product(str(number), title) for number, title in enumerate(TITLES)]
QUERIES = [f"{thing} {more}" for thing in THINGS for more in ("bag", "black", "strap", "for travel")]


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """An index beside two re-rankers that want what has least of the query's wording, and judgments as one of them."""
    home, encoder = tmp_path_factory.mktemp("learn"), EmbeddedEncoder()
    SearchEngine.build(PRODUCTS, home / "shop", encoder=encoder).close()
    for name, weight in (("head", -5.0), ("other", -4.0)):
        contrary = replace(zero_shot(encoder.dim), wording=weight)
        write_head(home / name, contrary, "embedded", encoder, RenderSettings(("title",), 64), {})
    model, rows = load_reranker(home / "head"), ["query,docid,rating"]
    for text in QUERIES:
        near = [product for product in PRODUCTS if text.split()[0] in product.title]
        best = near[int(np.argmax(model.score(text, near)))].id
        rows += [f"{text},{product.id},{2 * (product.id == best)}" for product in near]
    (home / "judgments.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return home / "shop"


SETTINGS = ("--set", "rounds=0", "--set", "choose=false", "--set", "depth=20")


def learn(shop, model, out):
    return aisle(
        "learn", shop, "--judgments", shop.parent / "judgments.csv", "--model", model, "--out", out, *SETTINGS, "--json"
    )


@pytest.fixture(scope="module")
def learnt(shop):
    done = learn(shop, shop.parent / "head", shop.parent / "combination")
    assert done.returncode == 0
    (shop.parent / "recipe.toml").write_text("[ranking]\nlearnt = 'combination'\nmodel = 'head'\n", encoding="utf-8")
    (shop.parent / "alone.toml").write_text("[ranking]\nlearnt = 'combination'\n", encoding="utf-8")
    return shop.parent / "combination", json.loads(done.stdout), done.stderr.decode()


def test_what_is_learnt_is_searched_with(shop, learnt):
    folder, made, said = learnt
    assert said.splitlines()[-1] == (
        "it reads the score that head gives the first 50 products: search with that as [ranking] model; "
        "the verdict holds if that model learnt nothing from these judgments"
    )
    assert {row["name"]: row["weight"] for row in made["importance"]}["rerank"] > 0
    found = ask("search", shop, "guitar bag", "--recipe", shop.parent / "recipe.toml")
    parts = [list(hit["parts"]) for hit in found["hits"]]
    assert all(names.index("rerank") < names.index("learnt") for names in parts)
    assert {hit["parts"]["rerank"]["contribution"] for hit in found["hits"]} == {0}
    named = ask("search", shop, "guitar bag", "--recipe", shop.parent / "alone.toml", "--model", shop.parent / "head")
    assert [hit["product_id"] for hit in named["hits"]] == [hit["product_id"] for hit in found["hits"]]
    judged = ("--judgments", shop.parent / "judgments.csv", "--metrics", "nDCG@10")
    with_it, without = (
        ask("evaluate", shop, *judged, *more)["modes"]["hybrid"]["metrics"]["nDCG@10"]["wrong"]["mean"]
        for more in (("--recipe", shop.parent / "recipe.toml"), ())
    )
    assert with_it > without + 0.1
    why = aisle("explain", shop, "guitar bag", found["hits"][1]["product_id"], "--recipe", shop.parent / "recipe.toml")
    assert why.returncode == 0
    assert "the re-ranking model" in why.stdout.decode()
    assert (folder / "README.md").read_text(encoding="utf-8").count("re-ranker that the manifest names") == 1


def test_another_reranker_or_none_is_refused_in_one_error(shop, learnt, tmp_path):
    alone, searching = shop.parent / "alone.toml", ("search", shop, "guitar bag", "--recipe")
    none = aisle(*searching, alone)
    assert none.returncode == 1
    assert "reads the score of a re-ranker (head), and this search has none" in none.stderr.decode()
    assert "set [ranking] model (or --model) to it" in none.stderr.decode()
    other = aisle(*searching, alone, "--model", shop.parent / "other")
    assert other.returncode == 1
    assert "and this search has other" in other.stderr.decode()
    deeper = tmp_path / "deeper.toml"
    deeper.write_text(
        f"[search]\nrerank_depth = 7\n[ranking]\nlearnt = '{learnt[0]}'\nmodel = '{shop.parent / 'head'}'\n",
        encoding="utf-8",
    )
    refused = aisle(*searching, deeper)
    assert refused.returncode == 1
    assert "of the first 50 products, and this search would have it read 7" in refused.stderr.decode()


def test_what_cannot_be_learnt_with_leaves_nothing_and_loses_nothing(shop, learnt, tmp_path):
    wrong = learn(shop, "./nowhere", tmp_path / "out")
    assert wrong.returncode == 1
    assert "no such re-ranker: './nowhere' is not a folder" in wrong.stderr.decode()
    assert not (tmp_path / "out").exists()
    shutil.copytree(shop.parent / "head", tmp_path / "head")
    over = learn(shop, tmp_path / "head", tmp_path / "head")
    assert over.returncode == 1
    assert load_reranker(tmp_path / "head").score("guitar", PRODUCTS[:1]).shape == (1,)
    shutil.copytree(learnt[0], tmp_path / "older")
    shutil.copytree(shop.parent / "head", tmp_path / "older" / "head")
    inside = learn(shop, tmp_path / "older" / "head", tmp_path / "older")
    assert inside.returncode == 1
    assert "would be replaced" in inside.stderr.decode()
    assert (tmp_path / "older" / "head" / "manifest.json").is_file()


def test_a_language_model_can_be_learnt_with_and_may_fall_silent(shop, tmp_path):
    with LlmServer() as server:
        spec = tmp_path / "judge.toml"
        llm = f'[llm]\nmodel = "judge"\nendpoint = "{server.url}"\nbackoff_s = 0.01\n'
        spec.write_text(f'kind = "pointwise"\nfields = ["title"]\n{llm}', encoding="utf-8")
        done = learn(shop, spec, tmp_path / "learnt")
        assert done.returncode == 0, done.stderr
        assert "judge.toml" in done.stderr.decode().splitlines()[-1]
        ranking = f"[ranking]\nlearnt = '{tmp_path / 'learnt'}'\nmodel = '{spec}'\n"
        (tmp_path / "recipe.toml").write_text(ranking, encoding="utf-8")
        terms = json.loads((tmp_path / "learnt" / "ranking.json").read_text(encoding="utf-8"))["terms"]
        assert terms["rerank"]["weight"] > 0
        found = ask("search", shop, "camera strap", "--recipe", tmp_path / "recipe.toml")
        assert all(0 <= hit["parts"]["rerank"]["score"] <= 1 for hit in found["hits"])
    silent = ask("search", shop, "phone strap", "--recipe", tmp_path / "recipe.toml")
    assert [note.partition(":")[0] for note in silent["degraded"]] == ["rerank"]
    assert all("learnt" in hit["parts"] for hit in silent["hits"])
