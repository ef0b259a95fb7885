"""A trained model through the commands that take one: `evaluate DIR --model` measures what `run --model` finds."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace

import pytest
from click.testing import CliRunner

from aisle.cli.main import cli
from aisle.config import RenderSettings
from aisle.encoders.embedded import FOLDER, EmbeddedEncoder
from aisle.rerankers.head import TaskHead, write_head, zero_shot

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


def said(*args):
    result = CliRunner().invoke(cli, list(map(str, args)))
    return result.stderr + (str(result.exception) if result.exception else "")


def test_a_model_that_was_not_promoted_is_not_used_without_a_word(shop, tmp_path):
    for name, more in (("refused", ()), ("forced", ("--force",))):
        ask("train", "--pairs", shop / "pairs.csv", "--out", tmp_path / name, *more)
    encoder = tmp_path / "encoder"
    shutil.copytree(FOLDER, encoder)
    manifest = json.loads((encoder / "manifest.json").read_text(encoding="utf-8"))
    manifest["details"]["promoted"] = False
    (encoder / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    ranked = ("rank", "--pairs", shop / "pairs.csv", "--out", tmp_path / "out.trec", "--model")
    indexed = ("index", shop / "products.jsonl", "--out", tmp_path / "shop", "--encoder")
    for name, args in {
        "refused": ("search", shop / "index", "guitar", "--model", tmp_path / "refused"),
        "refused ": (*ranked, tmp_path / "refused"),
        "encoder": (*indexed, encoder),
    }.items():
        line = f"note: {tmp_path / name.strip()} was not promoted; its README.md says why\n"
        assert said(*args).count(line) == 1
    for args in (("search", shop / "index", "guitar", "--model", tmp_path / "forced"), (*ranked, "embedded")):
        assert "note:" not in said(*args)


def test_a_model_that_was_not_promoted_is_served_by_force_only(shop, tmp_path):
    ask("train", "--pairs", shop / "pairs.csv", "--out", tmp_path / "model-2")
    recipe = f'[ranking]\nmodel = "{tmp_path / "model"}"\n'
    (tmp_path / "aisle.toml").write_text(recipe, encoding="utf-8")
    args = ("promote", tmp_path / "model-2", tmp_path / "model", "--of", shop / "index")
    args += ("--config", tmp_path / "aisle.toml")
    assert "was not promoted when it was trained\nallowed: a model that its gate promoted, or --force" in said(*args)
    assert not (tmp_path / "model").exists()
    assert said(*args, "--force") == ""
    assert (tmp_path / "model").resolve() == tmp_path / "model-2"
    assert "--force is of a model" in said("promote", shop / "index", tmp_path / "served", "--force")


@pytest.mark.parametrize("name", ["nope", "llm.toml", "models/llm.toml", "a/b/c", "./nope"])
def test_a_name_that_can_be_none_is_refused_before_anything_is_asked_for(shop, tmp_path, monkeypatch, name):
    def ask_the_hub(*_):
        raise AssertionError("the hub was asked")

    monkeypatch.setattr("aisle.rerankers.hub.CrossEncoderReranker.__init__", ask_the_hub)
    monkeypatch.setattr("aisle.encoders.hub.SentenceTransformerEncoder.__init__", ask_the_hub)
    found = said("search", shop / "index", "guitar", "--model", name)
    assert f"no such re-ranker: '{name}' is not a folder, and no OWNER/NAME\nallowed: 'embedded', a folder" in found
    assert "is no model" in said("rank", "--pairs", shop / "pairs.csv", "--model", name, "--out", tmp_path / "o")
    if not name.endswith(".toml"):
        found = said("index", shop / "products.jsonl", "--out", tmp_path / "new", "--encoder", name)
        assert f"no such encoder: '{name}' is not a folder, and no OWNER/NAME\nallowed: 'embedded', the" in found


# --- scales ------------------------------------------------------------------------------------------------


def head_of(shop, out, *args):
    ask("train", "--out", out, "--pairs", shop / "pairs.csv", *args)
    return TaskHead.load(out / "head.npz")


def test_a_declared_scale_reaches_the_model(shop, tmp_path):
    found = head_of(shop, tmp_path / "found")
    assert (found.grades.tolist(), found.gains.tolist()) == ([0, 2], [0, 3])
    declared = head_of(shop, tmp_path / "declared", "--scale", "-1:3")  # the file has the grades 0 and 2
    assert (declared.grades.tolist(), declared.gains.tolist()) == ([0, 1, 3, 4], [0, 1, 7, 15])
    same = head_of(shop, tmp_path / "same", "--scale", "0:2")
    assert same.gains.tolist() == found.gains.tolist()


def test_a_scale_is_of_its_file(shop, tmp_path):
    given = ("train", "--pairs", shop / "pairs.csv", "--pairs", shop / "pairs.csv", "--out", tmp_path / "model")
    assert said(*given, "--scale", "0:4", "--scale", "0:2").count("Error") == 0
    found = said(*given, "--scale", "0:4", "--scale", "1:2")
    assert "the grade 0\nallowed: 1 to 2, as declared" in found
    assert "3 times --scale for 2 files" in said(*given, *["--scale", "0:2"] * 3)
    assert "the scale '4'\nallowed: LOW:HIGH" in said(*given, "--scale", "4")
    judged = ("--catalogue", shop / "products.jsonl", "--judgments", shop / "judgments.csv")
    found = said("train", *judged, "--out", tmp_path / "judged", "--scale", "1:2")
    assert "the grade 0\nallowed: 1 to 2, as declared" in found
    assert ask("train", *judged, "--out", tmp_path / "judged", "--scale", "0:2", "--json")["architecture"] == "head"


def test_four_classes_make_a_head_that_is_worth_their_gains(shop, tmp_path):
    lines = (shop / "pairs.csv").read_text(encoding="utf-8").replace("relevance", "esci_label")
    lines = lines.replace(",2", ",Exact").replace(",0", ",s")
    (tmp_path / "pairs.csv").write_text(lines, encoding="utf-8")
    head = head_of(tmp_path, tmp_path / "model")
    assert (head.grades.tolist(), head.gains.tolist()) == ([0, 1, 2, 3], [0, 0.01, 0.1, 1])
    lines = (shop / "judgments.csv").read_text(encoding="utf-8").replace(",2", ",Exact").replace(",0", ",s")
    (tmp_path / "judgments.csv").write_text(lines, encoding="utf-8")
    judged = ("--catalogue", shop / "products.jsonl", "--judgments", tmp_path / "judgments.csv")
    ask("train", *judged, "--out", tmp_path / "judged")
    assert TaskHead.load(tmp_path / "judged" / "head.npz").gains.tolist() == [0, 0.01, 0.1, 1]
    assert "a scale from 0 to 2 for" in said("train", *judged, "--out", tmp_path / "x", "--scale", "0:2")


def test_a_run_cannot_be_re_ranked(shop):
    (shop / "a.trec").write_text("guitar Q0 1 1 2.0 a\n", encoding="utf-8")
    args = ["evaluate", shop / "a.trec", "--judgments", shop / "judgments.csv", "--model", shop / "head"]
    result = CliRunner().invoke(cli, list(map(str, args)))
    assert result.exit_code != 0
    assert "a TREC run is ranked already" in str(result.exception)
