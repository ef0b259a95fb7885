"""A trained model through the commands that take one: `evaluate DIR --model` measures what `run --model` finds."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from click.testing import CliRunner

from aisle.cli.main import cli
from aisle.config import RenderSettings
from aisle.encoders.embedded import EmbeddedEncoder
from aisle.rerankers.head import write_head, zero_shot

TITLES = ["guitar", "guitar strings", "guitar bag", "camera", "camera bag", "camera tripod", "phone", "phone case"]
JUDGED = [("guitar", "guitar bag", 2), ("guitar", "guitar", 0), ("camera", "camera tripod", 2), ("camera", "camera", 0)]


def ask(*args):
    result = CliRunner().invoke(cli, [*map(str, args), "--json"], catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    """An index, judgments of it, and a head that wants what has least of the query's wording."""
    folder = tmp_path_factory.mktemp("shop")
    products = [{"id": str(number), "title": title} for number, title in enumerate(TITLES)]
    (folder / "products.jsonl").write_text("\n".join(map(json.dumps, products)), encoding="utf-8")
    pairs = ["query,title,relevance", *(f"{query},{title},{grade}" for query, title, grade in JUDGED)]
    (folder / "pairs.csv").write_text("\n".join(pairs), encoding="utf-8")
    judged = ["query,docid,rating", *(f"{query},{TITLES.index(title)},{grade}" for query, title, grade in JUDGED)]
    (folder / "judgments.csv").write_text("\n".join(judged), encoding="utf-8")
    ask("index", folder / "products.jsonl", "--out", folder / "index")
    encoder = EmbeddedEncoder()
    contrary = replace(zero_shot(encoder.dim), wording=-5.0)
    write_head(folder / "head", contrary, "embedded", encoder, RenderSettings(("title",), 64), {})
    return folder


def test_evaluate_re_ranks_with_the_model(shop):
    judgments = ("--judgments", shop / "judgments.csv")
    measured = ask("evaluate", shop / "index", *judgments, "--model", shop / "head", "--metrics", "nDCG@10")
    given = ("--queries", shop / "judgments.csv", "--out", shop / "head.trec", "--model", shop / "head")
    assert CliRunner().invoke(cli, ["run", str(shop / "index"), *map(str, given)]).exit_code == 0
    alone = ask("evaluate", shop / "head.trec", *judgments, "--metrics", "nDCG@10")
    plain = ask("evaluate", shop / "index", *judgments, "--metrics", "nDCG@10")

    def value(found):
        return found["metrics"]["nDCG@10"]["wrong"]["mean"]

    assert value(measured["modes"]["hybrid"]) == pytest.approx(value(alone))
    assert value(measured["modes"]["hybrid"]) != value(plain["modes"]["hybrid"])


def test_two_trainings_are_equal(shop):
    for name in ("one", "other"):
        ask("train", "--pairs", shop / "pairs.csv", "--out", shop / name)
    assert (shop / "one" / "head.npz").read_bytes() == (shop / "other" / "head.npz").read_bytes()


def test_a_run_cannot_be_re_ranked(shop):
    (shop / "a.trec").write_text("guitar Q0 1 1 2.0 a\n", encoding="utf-8")
    args = ["evaluate", shop / "a.trec", "--judgments", shop / "judgments.csv", "--model", shop / "head"]
    result = CliRunner().invoke(cli, list(map(str, args)))
    assert result.exit_code != 0
    assert "a TREC run is ranked already" in str(result.exception)
