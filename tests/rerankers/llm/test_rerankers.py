"""The four kinds against a server that judges by the embedded encoder's cosine: they must give the cosine's order."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pytest

from aisle.encoders.embedded import FOLDER
from aisle.errors import BudgetError, LlmError, RecipeError
from aisle.evaluate.pools import mean_ndcg
from aisle.judgments import read_judgments
from aisle.judgments.pairs import PairSet, Scale, TextPair
from aisle.rerankers.cosine import CosineReranker
from aisle.rerankers.llm.listwise import windows
from aisle.rerankers.llm.load import load_llm, of_spec
from aisle.rerankers.llm.spec import read_spec, spec_of
from aisle.rerankers.load import load_reranker
from aisle.rerankers.slow import SlowReranker
from aisle.types import Product, Reranker
from tests.llm import server as faults
from tests.llm.server import LlmServer

SAMPLE = Path(__file__).parents[3] / "samples" / "icecat"
QUERIES = ("surround sound speakers", "nintendo", "gps watch", "nintendo switch")
FIELDS = ("title",)


@pytest.fixture(scope="module")
def slice_():
    """Four queries of Icecat's judgments, with the titles of the catalogue."""
    known = [judgment for judgment in read_judgments(SAMPLE / "ratings.csv") if judgment.query in QUERIES]
    with gzip.open(SAMPLE / "products.jsonl.gz", "rt", encoding="utf-8") as file:
        titles = {row["id"]: row["title"] for row in map(json.loads, file)}
    items = [
        TextPair(one.query_id, one.query, one.product_id, titles[one.product_id], grade=one.grade)
        for one in known
        if one.product_id in titles
    ]
    return PairSet(tuple(items), Scale(0, 3), "icecat")


def reranker(server, **changes):
    llm = {"model": "judge", "endpoint": server.url, "backoff_s": 0.01, "timeout_s": 10.0} | changes.pop("llm", {})
    return of_spec(spec_of({"llm": llm, "fields": list(FIELDS)} | changes))


def scored(model, pairs):
    scores = np.empty(len(pairs), np.float32)
    for rows in pairs.by_query().values():
        products = [Product(pairs[row].doc_id, pairs[row].title) for row in rows]
        scores[rows] = model.score(pairs[rows[0]].query, products)
    return scores


def orders(pairs, scores):
    return {query: sorted(rows, key=lambda row: -scores[row]) for query, rows in pairs.by_query().items()}


KINDS = {
    "pointwise": {},
    "graded": {"kind": "graded"},
    "qwen3": {"prompt": "qwen3", "llm": {"api": "completions"}},
    "all pairs": {"kind": "pairwise", "order": "all"},
    "sliding pairs": {"kind": "pairwise", "passes": 12},
    "listwise": {"kind": "listwise", "window": 20},
}


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_gives_the_order_of_the_judge_behind_the_server(server, slice_, kind):
    """And with it its nDCG: the text reached it whole, and its answers came back to the right products."""
    wanted = scored(CosineReranker(FOLDER), slice_)
    few = slice_ if "pairs" not in kind else slice_.subset(range(12))
    model = reranker(server, **KINDS[kind])
    assert isinstance(model, SlowReranker)
    assert isinstance(model, Reranker)
    found = scored(model, few)
    assert orders(few, found) == orders(few, wanted[: len(few)])
    assert found.min() >= 0
    assert found.max() <= 1
    levels = few.levels()
    assert mean_ndcg(few.by_query(), levels, found) == mean_ndcg(few.by_query(), levels, wanted[: len(few)])
    assert mean_ndcg(few.by_query(), levels, found) < 1  # an order that could have been another
    most = max(model.spec.requests(len(rows)) for rows in few.by_query().values())
    assert model.client.cost().requests <= most * len(few.by_query())


def test_the_numbers_are_those_of_the_judge(server, slice_):
    pairs = slice_.subset(range(5))
    cosines = scored(CosineReranker(FOLDER), pairs)
    chances = 1 / (1 + np.exp(-12 * (cosines - 0.4)))
    np.testing.assert_allclose(scored(reranker(server), pairs), chances, atol=1e-4)
    weights = np.exp(-4 * (np.arange(4) - 3 * cosines[:, None]) ** 2)
    grades = (weights / weights.sum(1, keepdims=True)) @ np.arange(4) / 3
    np.testing.assert_allclose(scored(reranker(server, kind="graded"), pairs), grades, atol=1e-4)


def test_answers_without_probabilities_are_read_as_text(server, slice_, judge):
    judge.spoken = True
    pairs = slice_.subset(range(12))
    cosines = scored(CosineReranker(FOLDER), pairs)
    for logprobs in (True, False):
        found = scored(reranker(server, llm={"logprobs": logprobs}), pairs)
        assert found.tolist() == [float(cosine > 0.4) for cosine in cosines]
    assert server.bodies[-1]["max_tokens"] == 8
    found = scored(reranker(server, kind="pairwise", order="all", llm={"logprobs": False}), pairs)
    assert orders(pairs, found) == orders(pairs, cosines)


def test_chinese_is_asked_in_chinese(server, judge):
    titles = ["手机壳 透明 硅胶", "小米手机 12", "猫粮 成猫 2kg", "蓝牙耳机", "手机保护套 华为"]
    products = [Product(str(number), title) for number, title in enumerate(titles)]
    wanted = sorted(titles, key=lambda title: -judge.cosine("手机壳", title))
    for kind in KINDS.values():
        scores = reranker(server, **kind).score("手机壳", products)
        assert sorted(titles, key=lambda title: -scores[titles.index(title)]) == wanted
    assert all("商品" in body["messages"][0]["content"] for body in server.bodies if "messages" in body)


# --- order swap, windows -----------------------------------------------------------------------------------


def test_a_model_that_likes_what_stands_first_gains_nothing(server, slice_, judge):
    judge.bias = 3.0
    pairs = slice_.subset(range(12))
    wanted = orders(pairs, scored(CosineReranker(FOLDER), pairs))
    fair = scored(reranker(server, kind="pairwise", order="sliding", passes=12), pairs)
    assert orders(pairs, fair) == wanted
    biased = scored(reranker(server, kind="pairwise", order="sliding", passes=12, swap=False), pairs)
    assert orders(pairs, biased) != wanted
    judge.bias = 0.02  # of a list's places
    fair = scored(reranker(server, kind="listwise"), pairs)
    biased = scored(reranker(server, kind="listwise", swap=False), pairs)
    assert discordant(pairs, fair, wanted) < discordant(pairs, biased, wanted)


def discordant(pairs, scores, wanted):
    (order,) = orders(pairs, scores).values()
    (right,) = wanted.values()
    place = {row: at for at, row in enumerate(right)}
    return sum(place[a] > place[b] for at, a in enumerate(order) for b in order[at + 1 :])


def test_passes_bring_as_many_to_their_places(server, slice_):
    pairs = slice_.subset(range(12))
    (wanted,) = orders(pairs, scored(CosineReranker(FOLDER), pairs)).values()
    model = reranker(server, kind="pairwise", passes=2)
    (found,) = orders(pairs, scored(model, pairs)).values()
    assert found[:2] == wanted[:2]
    assert found != wanted
    assert model.client.cost().requests + model.client.cost().kept == 2 * (11 + 10)


def test_windows_cover_the_list_from_its_end():
    assert windows(20, 20, 10) == [(0, 20)]
    assert windows(35, 20, 10) == [(15, 35), (5, 25), (0, 15)]
    assert windows(0, 20, 10) == windows(1, 20, 10) == []
    assert windows(5, 2, 1) == [(3, 5), (2, 4), (1, 3), (0, 2)]


def test_a_window_brings_the_best_up(server, slice_):
    pairs = slice_.subset(range(12))
    (wanted,) = orders(pairs, scored(CosineReranker(FOLDER), pairs)).values()
    model = reranker(server, kind="listwise", window=6, step=3)
    (found,) = orders(pairs, scored(model, pairs)).values()
    assert found[:3] == wanted[:3]  # what a window hands on to the next is half of it
    assert model.client.cost().requests == model.spec.requests(12) == 2 * 3


@pytest.mark.parametrize(
    ("said", "same"),
    [
        (lambda text: text.replace(" > ", ", "), True),
        (lambda text: f"Here you are: {text} > [99] > [1] > [1]", True),
        (lambda text: text.rpartition(" > ")[0], True),  # the last is forgotten
        (lambda text: text[:-1], True),
        (lambda text: "[12]", False),
    ],
)
def test_orders_that_are_not_quite_one(server, slice_, judge, said, same):
    judge.orders = said
    pairs = slice_.subset(range(12))
    wanted = orders(pairs, scored(CosineReranker(FOLDER), pairs))
    found = scored(reranker(server, kind="listwise", swap=False), pairs)
    assert (orders(pairs, found) == wanted) is same
    assert sorted(found) == pytest.approx(np.arange(1, 13) / 12)


# --- what goes wrong ---------------------------------------------------------------------------------------


def say(text):
    return faults.raw({"choices": [{"message": {"content": text}, "finish_reason": "stop"}], "usage": None})


def test_an_unclear_answer_stands_in_the_middle_and_is_counted(server, slice_):
    server.faults.append(say("Hm."))
    pairs = slice_.subset(range(4))
    model = reranker(server, llm={"concurrency": 1})
    found = scored(model, pairs)
    assert found[0] == 0.5
    assert dict(model.client.cost().failures) == {"unclear": 1}
    server.faults.extend([say("Hm.")] * 4)
    with pytest.raises(LlmError, match=r"4 of 4 answers of the language model could not be read, such as 'Hm\.'"):
        scored(reranker(server, llm={"concurrency": 1}), pairs)
    for kind in ("pairwise", "listwise"):
        server.faults.extend([say("I cannot choose.")] * 2)
        with pytest.raises(LlmError, match="2 of 2 answers"):
            scored(reranker(server, kind=kind), slice_.subset(range(2)))


def test_what_was_answered_before_a_failure_is_kept(server, slice_, tmp_path):
    pairs = slice_.subset(range(10))
    llm = {"store": str(tmp_path / "s"), "budget": {"requests": 6}}
    with pytest.raises(BudgetError, match="6 of 6 requests are spent"):
        scored(reranker(server, llm=llm), pairs)
    more = reranker(server, llm=llm | {"budget": {"requests": 10}})
    assert orders(pairs, scored(more, pairs)) == orders(pairs, scored(CosineReranker(FOLDER), pairs))
    assert len(server.bodies) == 10


@pytest.mark.parametrize("kind", ["pointwise", "pairwise", "listwise"])
def test_seconds_are_kept_to(judge, slice_, kind):
    with LlmServer(judge, delay=0.3) as server:
        model = reranker(server, kind=kind, passes=1, llm={"concurrency": 2})
        products = [Product(pair.doc_id, pair.title) for pair in slice_.subset(range(8))]
        with pytest.raises(LlmError, match=r"deadline|no answer within"):
            model.score_within(QUERIES[0], products, 0.4 if kind != "listwise" else 0.1)
        assert len(server.bodies) <= 6
        assert len(model.score_within(QUERIES[0], products, 60.0)) == 8


def test_nothing_and_one(server):
    for kind in KINDS.values():
        model = reranker(server, **kind)
        assert model.score("usb hub", []).shape == (0,)
        assert model.score("usb hub", [Product("1", "USB hub")]).dtype == np.float32


# --- the file ----------------------------------------------------------------------------------------------

SPEC = """
kind = "graded"
shots = 4
judgments = "pairs.csv"
[llm]
endpoint = "{url}"
model = "judge"
store = "answers.sqlite"
"""
PAIRS = "query,title,relevance\nusb stick,Kingston stick,3\nusb stick,Lamp,0\nusb cable,Cable,3\nusb cable,Hub,1\n"


def test_a_file_or_its_folder_is_a_reranker(server, tmp_path, slice_):
    (tmp_path / "pairs.csv").write_text(PAIRS)
    for name in ("llm.toml", "other.toml"):
        (tmp_path / name).write_text(SPEC.format(url=server.url))
    pairs = slice_.subset(range(3))
    found = [scored(load_reranker(tmp_path / place), pairs).tolist() for place in ("llm.toml", "other.toml", ".")]
    assert found[0] == found[1] == found[2]
    assert len(server.bodies) == 3
    assert (tmp_path / "answers.sqlite").is_file()
    turns = server.bodies[0]["messages"]
    assert [turn["role"] for turn in turns] == ["system", *["user", "assistant"] * 4, "user"]
    assert {turn["content"] for turn in turns if turn["role"] == "assistant"} == {"0", "1", "3"}


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ('kind = "best"', r"setting 'kind': .* \(received 'best'\)"),
        ("shot = 4", r"setting 'shot': .*(\n.*)?allowed: llm, kind, prompt"),
        ('prompt = "qwen3"', 'wants more|api = "completions"'),
        ("step = 20", "step = 20 must be less than window = 20"),
        ('judgments = ""', "shots = 4 need judgments"),
        ("grades = 11", "setting 'grades'"),
        ('kind = "listwise"', "shots = 4 need kind"),
        ("x", "not valid TOML"),
    ],
)
def test_files_that_say_something_wrong(tmp_path, change, said):
    name = change.partition(" = ")[0]
    lines = [line for line in SPEC.format(url="http://x/v1").splitlines() if not line.startswith(f"{name} = ")]
    (tmp_path / "llm.toml").write_text("\n".join([change, *lines]))
    with pytest.raises(RecipeError) as caught:
        load_llm(tmp_path)
    import re

    assert re.search(said, str(caught.value)), str(caught.value)


def test_settings_of_the_model_are_checked_too(tmp_path):
    (tmp_path / "a.toml").write_text('[llm]\nendpoint = "http://x/v1"\nmodel = "m"\ntemprature = 1\n')
    with pytest.raises(RecipeError, match=r"setting 'llm\.temprature'") as caught:
        read_spec(tmp_path / "a.toml")
    assert "temperature" in str(caught.value.allowed)
    (tmp_path / "b.toml").write_text('kind = "pointwise"\n')
    with pytest.raises(RecipeError, match="setting 'llm'"):
        read_spec(tmp_path / "b.toml")
