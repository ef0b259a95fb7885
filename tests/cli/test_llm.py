"""A language model through the commands: ranking, searching and measuring with it, what it costs, and when it fails."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from aisle.cli.main import cli
from aisle.config import Recipe
from aisle.engine import SearchEngine
from aisle.errors import BudgetError, LlmError
from aisle.provenance import ranked_with
from aisle.types import Product, SearchRequest, Sort
from tests.llm import server as faults
from tests.llm.conftest import judge, server
from tests.llm.server import LlmServer

__all__ = ["judge", "server"]

TITLES = [
    "USB hub with four ports", "Wireless mouse", "USB cable two metres", "Garden chair", "USB stick 64 GB", "Desk lamp",
    "Powered hub for USB devices", "Hub cap for wheels", "Mouse pad", "USB hub black", "Docking station", "Ink",
    "Printer with USB",
]  # fmt: skip
PRODUCTS = [Product(f"p{number:02}", title) for number, title in enumerate(TITLES)]
PAIRS = "id,query,title,relevance\n1,usb hub,Desk lamp,0\n2,usb hub,USB hub black,3\n3,usb hub,USB cable,1\n"
SPEC = """
fields = ["title"]
{more}
[llm]
endpoint = "{url}"
model = "judge"
backoff_s = 0.01
retries = 1
{llm}
[llm.price]
input_per_million = 10.0
"""


def write(folder, server, more="", llm="", name="llm.toml"):
    path = folder / name
    path.write_text(SPEC.format(url=server.url, more=more, llm=llm), encoding="utf-8")
    return path


def call(*args):
    return CliRunner().invoke(cli, list(map(str, args)), catch_exceptions=False)


def ask(*args):
    result = call(*args, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    folder = tmp_path_factory.mktemp("llm") / "shop"
    SearchEngine.build(PRODUCTS, folder).close()
    return folder


@pytest.fixture
def pairs(tmp_path):
    (tmp_path / "pairs.csv").write_text(PAIRS)
    return tmp_path / "pairs.csv"


def opened(shop, spec, more=""):
    file = spec.parent / "recipe.toml"
    file.write_text(f'[search]\nrerank_depth = 12\n{more}[ranking]\nmodel = "{spec.name}"\n', encoding="utf-8")
    return SearchEngine.open(shop, Recipe.load(file))


def by_judge(judge, ids, query="usb hub"):
    titles = {product.id: product.title for product in PRODUCTS}
    return sorted(ids, key=lambda product: -judge.cosine(query, f"title: {titles[product]}"))


# --- commands ----------------------------------------------------------------------------------------------


def test_rank_orders_by_the_model_and_says_what_it_cost(server, judge, pairs, tmp_path):
    spec = write(tmp_path, server, llm='store = "kept.sqlite"')
    out = tmp_path / "out.trec"
    found = ask("rank", "--pairs", pairs, "--model", spec, "--out", out)
    assert [line.split()[2] for line in out.read_text().splitlines()] == ["2", "3", "1"]
    assert (found["cost"]["requests"], found["cost"]["kept"], found["cost"]["unanswered"]) == (3, 0, 0)
    tokens = found["cost"]["tokens_in"]
    assert tokens > 300
    assert found["cost"]["money"] == pytest.approx(tokens / 100_000)
    again = ask("rank", "--pairs", pairs, "--model", tmp_path, "--out", out)  # the folder names it too
    assert (again["cost"]["requests"], again["cost"]["kept"]) == (0, 3)
    table = call("rank", "--pairs", pairs, "--model", spec, "--out", out).output
    assert "answered from the store" in table
    spent = ask("llm", "cost", spec)
    assert (spent["spent"]["requests"], spent["spent"]["kept"], spent["spent"]["tokens_in"]) == (3, 6, tokens)
    assert spent["budget"] == {"requests": 0, "tokens": 0, "money": 0.0}
    assert "no limit" in call("llm", "cost", spec).output


def test_rank_ends_with_the_reason_when_there_is_no_answer(server, pairs, tmp_path):
    spec = write(tmp_path, server, llm="[llm.budget]\nrequests = 2")
    with pytest.raises(BudgetError, match="2 of 2 requests are spent"):
        call("rank", "--pairs", pairs, "--model", spec, "--out", tmp_path / "o")
    assert not (tmp_path / "o").exists()


def test_search_run_and_evaluate_take_it(server, judge, shop, tmp_path):
    spec = write(tmp_path, server, llm='store = "kept.sqlite"')
    found = ask("search", shop, "usb hub", "-k", "13", "--model", spec)
    hits = [hit["product_id"] for hit in found["hits"]]
    assert hits == by_judge(judge, hits)
    assert "rerank" in found["hits"][0]["parts"]
    asked = len(server.bodies)
    (tmp_path / "judged.csv").write_text("query,docid,rating\nusb hub,p09,3\nusb hub,p03,0\nusb hub,p00,3\n")
    out = tmp_path / "run.trec"
    assert call("run", shop, "--queries", tmp_path / "judged.csv", "--out", out, "--model", spec).exit_code == 0
    assert [line.split()[2] for line in out.read_text().splitlines()][:13] == hits
    measured = ask("evaluate", shop, "--judgments", tmp_path / "judged.csv", "--model", spec, "--metrics", "nDCG@10")
    assert measured["modes"]["hybrid"]["metrics"]["nDCG@10"]["wrong"]["mean"] > 0.5
    assert len(server.bodies) <= asked + 3  # other modes may find products that this one did not


@pytest.mark.parametrize("kind", ["pointwise", "graded", "pairwise", "listwise"])
def test_check_asks_one_small_question_and_estimates(server, pairs, tmp_path, kind):
    spec = write(tmp_path, server, f'kind = "{kind}"')
    found = ask("llm", "check", spec, "--pairs", "1000", "--per-query", "50", "--sample", pairs)
    assert len(server.bodies) == 1
    trial, estimate = found["trial"], found["estimate"]
    assert trial["logprobs"] is (None if kind == "listwise" else True)
    assert trial["read"] == [1, 2] if kind == "listwise" else trial["read"] > 0.5
    assert trial["latency_ms"] > 0
    requests = {"pointwise": 1000, "graded": 1000, "pairwise": 20 * 2 * (50 * 10 - 55), "listwise": 20 * 2 * 4}[kind]
    assert estimate["requests"] == requests
    mean = estimate["tokens_in"] / requests
    assert 0.7 * trial["tokens_in"] < mean < (8 if kind == "listwise" else 1.3) * trial["tokens_in"]
    assert estimate["money"] == pytest.approx(estimate["tokens_in"] / 100_000)
    again = ask("llm", "check", spec)
    assert again["spent"]["requests"] == 1  # kept in memory: of this process alone
    assert len(server.bodies) == 2


def test_check_tells_a_server_without_probabilities(server, judge, tmp_path):
    judge.spoken = True
    printed = call("llm", "check", write(tmp_path, server)).output
    assert "no: answers are read as text" in printed
    assert "very short products" in printed
    server.faults.extend([faults.status(503)] * 2)
    with pytest.raises(LlmError, match="answered 503"):
        call("llm", "check", write(tmp_path, server))


# --- the cascade -------------------------------------------------------------------------------------------


def test_a_server_that_fails_leaves_the_order_before(server, shop, tmp_path, caplog):
    request = SearchRequest("usb hub", k=13)
    with SearchEngine.open(shop) as plain:
        before = [hit.product_id for hit in plain.search(request).hits]
    with opened(shop, write(tmp_path, server)) as engine:
        for fault, kind, said in (
            (faults.status(401, "who are you"), "status 401", "answered 401: who are you"),
            (faults.status(500), "status 500", "answered 500: busy (2 attempts)"),
            (faults.raw(b"<html>"), "not JSON", "sent a web page"),
            (faults.close, "connection", "connection to the language model"),
        ):
            caplog.clear()
            server.faults.extend([fault] * 40)
            ranking = engine.search(request)
            server.faults.clear()
            assert [hit.product_id for hit in ranking.hits] == before
            (told,) = ranking.degraded
            assert told == f"rerank: 0 of 12 products, it failed: {kind}"
            assert said in caplog.text
        assert engine.search(request).degraded == ()  # and when it is there again, it is asked again


def test_a_failure_midway_leaves_what_was_read_above(server, judge, shop, tmp_path):
    request = SearchRequest("usb hub", k=13)
    with opened(shop, write(tmp_path, server, llm="concurrency = 1\n[llm.budget]\nrequests = 11")) as engine:
        ranking = engine.search(request)
    ids = [hit.product_id for hit in ranking.hits]
    assert ids[:10] == by_judge(judge, ids[:10])
    assert "10 of 12 products, it failed: the budget for language models is used up" in ranking.degraded[0]


@pytest.mark.parametrize("kind", ["pointwise", "listwise"])
def test_the_search_deadline_reaches_the_model(judge, shop, tmp_path, kind):
    with LlmServer(judge, delay=20.0) as slow, opened(shop, write(tmp_path, slow, f'kind = "{kind}"')) as engine:
        engine.search(SearchRequest("usb hub", sort=(Sort("price"),)))  # the encoder is loaded
        ranking = engine.search(SearchRequest("usb hub", k=13, deadline_ms=3_000.0))
        assert len(ranking.hits) == 13
        assert "0 of 12 products" in ranking.degraded[0]
        assert ranking.timings_ms["rerank"] < 20_000  # it did not wait for the answer


def test_a_list_is_given_whole_and_asked_once(server, judge, shop, tmp_path):
    spec = write(tmp_path, server, 'kind = "listwise"\nwindow = 13')
    with opened(shop, spec) as engine:
        first = engine.search(SearchRequest("usb hub", k=6))
        assert len(server.bodies) == 2  # both orders of one list, not two of each ten products
        second = engine.search(SearchRequest("usb hub", k=6, offset=6))
        assert len(server.bodies) == 2
    hits = [hit.product_id for ranking in (first, second) for hit in ranking.hits]
    assert hits == by_judge(judge, hits)


def test_a_recipe_finds_the_file_beside_it(server, shop, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path.parent)
    with opened(shop, write(tmp_path, server)) as engine:
        assert Path(engine.recipe.ranking.model) == tmp_path / "llm.toml"
        assert engine.search(SearchRequest("usb hub")).degraded == ()
    assert len(server.bodies) == 12


def test_what_was_learnt_of_a_ranking_knows_the_settings_of_its_model(server, tmp_path):
    recipe = Recipe.from_dict({"ranking": {"model": str(write(tmp_path, server))}})
    made = ranked_with(recipe)
    assert ranked_with(recipe) == made
    write(tmp_path, server, 'kind = "graded"')
    assert ranked_with(recipe)["model"] != made["model"]
