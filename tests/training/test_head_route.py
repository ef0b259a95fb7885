"""`train` of few judgments: a task head, a verdict that promises nothing it cannot show, and no PyTorch."""

from __future__ import annotations

import json
import math
import sys
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner

from aisle.cli.main import cli, run
from aisle.encoders.embedded import EmbeddedEncoder
from aisle.errors import ArtifactError, JudgmentError
from aisle.evaluate.pools import pool_ndcg
from aisle.judgments.pairs import PairSet, pair_text, read_pairs
from aisle.rerankers.head import HEAD_FILE, HeadReranker, TaskHead, wording
from aisle.rerankers.load import load_reranker
from aisle.training.relevance import build
from aisle.training.relevance.build import train
from aisle.training.relevance.recipe import load_recipe
from aisle.types import Product

THINGS = ("usb hub", "wine rack", "desk lamp", "hp toner", "phone case", "tea pot", "hair dryer", "garden hose")
EIGHT = [
    ("usb hub", "USB hub with 4 ports", 3),
    ("usb hub", "USB cable", 1),
    ("usb hub", "Wall clock", 0),
    ("usb hub", "Hub cap for cars", 0),
    ("手机", "华为手机 5G", 3),
    ("手机", "手机壳", 1),
    ("手机", "Coffee machine", 0),
    ("手机", "Mobile phone", 2),
]


def many(queries: int) -> list[tuple[str, str, int]]:
    """Three texts for each query; of every sixth query all grades are alike."""
    rows = []
    for number in range(queries):
        thing = f"{THINGS[number % len(THINGS)]} {number}"
        other = THINGS[(number + 3) % len(THINGS)]
        grades = (1, 1, 1) if number % 6 == 5 else (2, 1, 0)
        rows += list(zip([thing] * 3, [f"{thing} new", f"{thing} cover", f"{other} {number}"], grades, strict=True))
    return rows


def write(path, rows):
    lines = ["query,title,relevance", *(",".join(map(str, row)) for row in rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def pairs_of(folder, rows):
    return read_pairs(write(folder / "pairs.csv", rows), need_grades=True)


def read(folder, name):
    return json.loads((folder / name).read_text(encoding="utf-8"))


DEFAULT = load_recipe(None, [])


# --- few queries -------------------------------------------------------------------------------------------


def test_eight_pairs_give_a_head_that_is_not_promoted(tmp_path):
    said = []
    found = train(pairs_of(tmp_path, EIGHT), [], DEFAULT, tmp_path / "model", note=said.append)
    assert found.candidate.architecture == "head"
    assert not found.verdict.promoted
    assert not found.verdict.forced
    assert found.verdict.queries == 0
    assert "better" in found.verdict.failed
    assert dict(found.candidate.queries) == {"all": 2, "held out": 0}
    assert said[-1] == (
        "2 queries are too few to hold any out: nothing can show whether the model is better; for that judge "
        "20 queries or more"
    )
    assert not list(tmp_path.glob(".model*")), "nothing is left beside it"


def test_the_folder_tells_its_story(tmp_path):
    found = train(pairs_of(tmp_path, EIGHT), [], DEFAULT, tmp_path / "model")
    folder = tmp_path / "model"
    assert found.folder == folder
    manifest, metrics = read(folder, "manifest.json"), read(folder, "metrics.json")
    details = manifest["details"]
    assert (manifest["kind"], details["architecture"], details["name"]) == ("reranker", "head", "model")
    assert details["promoted"] is details["forced"] is metrics["verdict"]["promoted"] is False
    assert len(details["data_sha256"]) == 64
    assert metrics["architecture"] == "head"
    assert [(part["pairs"], part["queries"]) for part in metrics["data"]] == [(8, 2)]
    assert metrics["training"]["weights"].keys() == {"cosine", "wording", "centred"}
    assert load_recipe(str(folder / "recipe.toml")) == DEFAULT
    card = (folder / "README.md").read_text(encoding="utf-8")
    for part in (
        "# model",
        "A task head",
        "## Verdict",
        "- not promoted",
        "8 pairs, 2 queries",
        "weights of the signals",
    ):
        assert part in card


def test_the_folder_scores_as_its_head_does(tmp_path):
    pairs = pairs_of(tmp_path, EIGHT)
    train(pairs, [], DEFAULT, tmp_path / "model")
    model = load_reranker(tmp_path / "model")
    assert isinstance(model, HeadReranker)
    head, encoder = TaskHead.load(tmp_path / "model" / HEAD_FILE), EmbeddedEncoder(threads=1)
    for query, rows in pairs.by_query().items():
        titles = [pairs[row].title for row in rows]
        asked = np.repeat(encoder.encode([query.replace("_", " ")], "query"), len(rows), axis=0)
        wanted = head.score(asked, encoder.encode(titles, "product"), wording(query.replace("_", " "), titles))
        found = model.score(query.replace("_", " "), [Product(title, title) for title in titles])
        np.testing.assert_allclose(found, wanted, atol=1e-6)


def test_a_long_description_is_read_as_it_was_learnt(tmp_path):
    description = " ".join(f"word{number} usb port cable" for number in range(40))
    lines = ["query,title,description,relevance"]
    lines += [f"usb hub,Hub {number},{description},{number % 3}" for number in range(8)]
    (tmp_path / "pairs.csv").write_text("\n".join(lines), encoding="utf-8")
    pairs = read_pairs(tmp_path / "pairs.csv", need_grades=True)
    train(pairs, [], load_recipe(None, ["description=true"]), tmp_path / "model")
    head, encoder = TaskHead.load(tmp_path / "model" / HEAD_FILE), EmbeddedEncoder(threads=1)
    learnt = [pair_text(pair, description=True) for pair in pairs]
    asked = np.repeat(encoder.encode(["usb hub"], "query"), len(pairs), axis=0)
    wanted = head.score(asked, encoder.encode(learnt, "product"), wording("usb hub", learnt))
    products = [Product(pair.doc_id, pair.title, pair.description) for pair in pairs]
    np.testing.assert_allclose(load_reranker(tmp_path / "model").score("usb hub", products), wanted, atol=1e-5)


def test_the_command(tmp_path):
    path = write(tmp_path / "pairs.csv", EIGHT)
    given = ["train", "--pairs", str(path), "--out", str(tmp_path / "model")]
    result = CliRunner().invoke(cli, [*given, "--json"])
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert (found["architecture"], found["verdict"]["promoted"]) == ("head", False)
    assert found["queries"] == {"all": 2, "held out": 0}
    assert "too few to hold any out" in result.stderr
    table = CliRunner().invoke(cli, given)
    assert table.exit_code == 0, table.output
    assert "not promoted: nDCG@10 not measured, for no query was held out" in table.stdout
    assert found["verdict"]["mean_candidate"] is found["verdict"]["p"] is found["verdict"]["difference"]["mean"] is None
    assert "weights of the signals: cosine 1.000, wording" in table.stdout


def test_it_needs_no_pytorch(tmp_path, monkeypatch):
    for name in [name for name in sys.modules if name == "torch" or name.startswith("torch.")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "torch", None)
    train(pairs_of(tmp_path, EIGHT), [], DEFAULT, tmp_path / "model")
    assert load_reranker(tmp_path / "model").score("usb hub", [Product("1", "USB hub")]).shape == (1,)


# --- enough queries ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("queries", [20, 30])
def test_every_query_with_two_levels_is_judged(tmp_path, queries):
    found = train(pairs_of(tmp_path, many(queries)), [], DEFAULT, tmp_path / "model")
    alike = queries // 6
    assert found.candidate.architecture == "head"
    assert found.verdict.queries == queries - alike
    assert dict(found.candidate.queries) == {"all": queries, "held out": queries}
    assert len(found.candidate.evidence.scores) == queries - alike
    assert 0 < found.verdict.mean_current <= 1


def test_a_query_is_judged_by_a_head_that_did_not_learn_from_it(tmp_path):
    """With its grades turned around, what is said of that query stays as it was: its scores never saw them."""
    rows = many(24)
    turned = [(query, title, 2 - grade if query == rows[0][0] else grade) for query, title, grade in rows]
    scores = []
    for number, given in enumerate((rows, turned)):
        folder = tmp_path / str(number)
        folder.mkdir()
        scores.append(train(pairs_of(folder, given), [], DEFAULT, folder / "model").candidate.evidence.scores)
    assert scores[0][0] == scores[1][0]
    assert scores[0] != scores[1]


def test_what_is_judged_against_is_the_cosine(tmp_path):
    from aisle.encoders.cosines import cosines
    from aisle.evaluate.pools import pool_ndcg

    pairs = pairs_of(tmp_path, many(24))
    found = train(pairs, [], DEFAULT, tmp_path / "model")
    scores = cosines(EmbeddedEncoder(threads=1).encode, [pair.query for pair in pairs], [pair.title for pair in pairs])
    assert found.candidate.evidence.current == pool_ndcg(pairs.by_query(), pairs.levels(), scores)


# --- what is chosen ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("queries", "model", "made"),
    [
        (24, "auto", "head"),  # 72 pairs
        (334, "auto", "combination"),  # 1,002
        (333, "auto", "head"),  # 999
        (334, "head", "head"),
        (24, "encoder", "encoder"),
        (24, "combination", "combination"),
    ],
)
def test_the_number_of_judgments_chooses_where_the_recipe_does_not(tmp_path, queries, model, made):
    assert build._model(pairs_of(tmp_path, many(queries)), load_recipe(None, [f"model={model}"])) == made


def test_many_pairs_of_few_queries_give_a_head(tmp_path):
    rows = [(f"thing {number % 19}", f"text {number}", number % 3) for number in range(1_200)]
    assert build._model(pairs_of(tmp_path, rows), DEFAULT) == "head"


def test_an_encoder_of_few_queries_is_refused(tmp_path):
    pytest.importorskip("torch")
    for model in ("encoder", "combination"):
        with pytest.raises(JudgmentError, match="judgments of 2 queries") as caught:
            train(pairs_of(tmp_path, EIGHT), [], load_recipe(None, [f"model={model}"]), tmp_path / "model")
        assert "20 or more" in caught.value.allowed
        assert "--set model=head" in caught.value.fix
    assert [path.name for path in tmp_path.iterdir()] == ["pairs.csv"]


def test_further_files_say_what_wording_counts_but_for_the_queries_of_the_shop(tmp_path):
    pairs, said = pairs_of(tmp_path, EIGHT), []
    train(pairs, [pairs], DEFAULT, tmp_path / "same", note=said.append)  # all of its queries are the shop's
    train(pairs, [], DEFAULT, tmp_path / "none")
    assert not [line for line in said if "wording" in line]
    assert (tmp_path / "same" / HEAD_FILE).read_bytes() == (tmp_path / "none" / HEAD_FILE).read_bytes()
    others = PairSet(tuple(replace(pair, query=f"{pair.query} please") for pair in pairs), pairs.scale, "others.csv")
    train(pairs, [others], DEFAULT, tmp_path / "told", note=said.append)
    assert any("weighing the wording by" in line and "others.csv" in line for line in said)


# --- the gate, and what stands there already ---------------------------------------------------------------


def test_force_promotes_and_is_recorded(tmp_path):
    found = train(pairs_of(tmp_path, EIGHT), [], DEFAULT, tmp_path / "model", force=True)
    assert found.verdict.promoted
    assert found.verdict.forced
    details = read(tmp_path / "model", "manifest.json")["details"]
    assert details["promoted"] is details["forced"] is True
    assert "promoted by force" in (tmp_path / "model" / "README.md").read_text(encoding="utf-8")


def test_resuming_is_accepted_and_changes_nothing(tmp_path):
    pairs = pairs_of(tmp_path, EIGHT)
    for name, resume in (("a", False), ("b", True)):
        train(pairs, [], DEFAULT, tmp_path / name, resume=resume)
    assert (tmp_path / "a" / HEAD_FILE).read_bytes() == (tmp_path / "b" / HEAD_FILE).read_bytes()


def test_an_interrupted_one_goes_on_with_the_same_data_only(tmp_path):
    def stop(_):
        raise KeyboardInterrupt

    pairs = pairs_of(tmp_path, EIGHT)
    with pytest.raises(KeyboardInterrupt):
        train(pairs, [], DEFAULT, tmp_path / "model", note=stop)
    assert not (tmp_path / "model").exists()
    with pytest.raises(ArtifactError, match="was of other data or another recipe"):
        train(pairs, [], load_recipe(None, ["seed=1"]), tmp_path / "model", resume=True)
    assert train(pairs, [], DEFAULT, tmp_path / "model", resume=True).candidate.architecture == "head"


def test_a_finished_one_is_not_made_again_by_resuming(tmp_path):
    pairs = pairs_of(tmp_path, EIGHT)
    train(pairs, [], DEFAULT, tmp_path / "model")
    before = (tmp_path / "model" / "manifest.json").read_bytes()
    with pytest.raises(ArtifactError, match="is finished: there is no interrupted run of it") as caught:
        train(pairs, [], DEFAULT, tmp_path / "model", resume=True)
    assert caught.value.fix == "leave --resume out to make it again and replace it"
    assert (tmp_path / "model" / "manifest.json").read_bytes() == before
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model", "pairs.csv"]


@pytest.mark.parametrize("kept", ["on_all/checkpoint.pt", "folder/manifest.json", "scores/teacher.jsonl"])
def test_what_took_long_is_not_lost_without_a_word(tmp_path, kept):
    def stop(_):
        raise KeyboardInterrupt

    pairs, work = pairs_of(tmp_path, EIGHT), tmp_path / ".model.training"
    for _ in range(2):  # nothing to lose in the first: it begins anew
        with pytest.raises(KeyboardInterrupt):
            train(pairs, [], DEFAULT, tmp_path / "model", note=stop)
    (work / kept).parent.mkdir()
    (work / kept).write_text("precious", encoding="utf-8")
    for recipe in (DEFAULT, load_recipe(None, ["seed=1"])):
        with pytest.raises(ArtifactError, match=r"an interrupted run of '.*model' lies in '.*training'") as caught:
            train(pairs, [], recipe, tmp_path / "model")
        assert caught.value.fix.startswith("add --resume to go on with it")
    assert (work / kept).read_text(encoding="utf-8") == "precious"
    train(pairs, [], DEFAULT, tmp_path / "model", resume=True)
    assert not work.exists()


def test_ctrl_c_names_the_option_that_goes_on(tmp_path, monkeypatch, capsys):
    def stop(*_, **__):
        raise KeyboardInterrupt

    path = write(tmp_path / "pairs.csv", EIGHT)
    monkeypatch.setattr("aisle.training.relevance.build.fingerprint", stop)
    monkeypatch.setattr(sys, "argv", ["aisle", "train", "--pairs", str(path), "--out", str(tmp_path / "model")])
    with pytest.raises(SystemExit, match=r"^130$"):
        run()
    assert capsys.readouterr().err.strip().endswith("goes on where it can, with --resume where it has that option")


def test_orders_that_must_hold_are_checked(tmp_path):
    pairs = pairs_of(tmp_path, EIGHT)
    orders = [("usb hub", "Wall clock", "USB hub with 4 ports"), ("usb hub", "USB hub with 4 ports", "Wall clock")]
    found = [train(pairs, [], DEFAULT, tmp_path / "model", must_pass=[order]) for order in orders]
    names = [verdict.failed for verdict in (one.verdict for one in found)]
    assert set(names[0]) - set(names[1]) == {"must-pass"}


def test_an_older_model_is_replaced(tmp_path):
    out = tmp_path / "model"
    train(pairs_of(tmp_path, EIGHT), [], DEFAULT, out)
    before = read(out, "manifest.json")["details"]["data_sha256"]
    (out / "stale.txt").write_text("old", encoding="utf-8")
    train(pairs_of(tmp_path, EIGHT[:-1]), [], DEFAULT, out)
    assert read(out, "manifest.json")["details"]["data_sha256"] != before
    assert not (out / "stale.txt").exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["model", "pairs.csv"]


def test_an_empty_folder_is_taken_and_a_foreign_one_left_alone(tmp_path):
    pairs = pairs_of(tmp_path, EIGHT)
    (tmp_path / "empty").mkdir()
    train(pairs, [], DEFAULT, tmp_path / "empty")
    assert load_reranker(tmp_path / "empty")
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "a.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(ArtifactError, match="exists and is no model"):
        train(pairs, [], DEFAULT, tmp_path / "notes")
    assert (tmp_path / "notes" / "a.txt").read_text(encoding="utf-8") == "mine"
    (tmp_path / "index").mkdir()
    (tmp_path / "index" / "manifest.json").write_text('{"kind": "index"}', encoding="utf-8")
    with pytest.raises(ArtifactError, match="is of kind 'index'"):
        train(pairs, [], DEFAULT, tmp_path / "index")
    assert read(tmp_path / "index", "manifest.json") == {"kind": "index"}


# --- classes, scales, time ---------------------------------------------------------------------------------


def test_four_classes_are_learnt_as_such_and_judged_by_their_gains(tmp_path):
    names = {2: "Exact", 1: "Substitute", 0: "Irrelevant"}
    pairs = pairs_of(tmp_path, [(query, title, names[grade]) for query, title, grade in many(24)])
    found = train(pairs, [], DEFAULT, tmp_path / "model").candidate.evidence
    head = TaskHead.load(tmp_path / "model" / HEAD_FILE)
    assert (head.grades.tolist(), head.gains.tolist()) == ([0, 1, 2, 3], [0, 0.01, 0.1, 1])
    worth = {3: math.log2(2), 2: math.log2(1.1), 0: 0.0}
    levels = np.array([worth[int(pair.grade)] for pair in pairs])
    judged = [rows for rows in pairs.by_query().values() if len(set(levels[rows])) > 1]
    scores = np.zeros(len(levels), np.float32)
    for one, rows in zip(found.scores, judged, strict=True):
        scores[rows] = one
    assert found.candidate == pool_ndcg(pairs.by_query(), levels, scores)


def test_an_encoder_learns_classes_by_what_they_are_worth(tmp_path):
    rows = [(query, title, "ISE"[grade]) for query, title, grade in many(24)]
    pairs = pairs_of(tmp_path, rows)
    model, given = build._given(pairs, [pairs], load_recipe(None, ["model=encoder"]))
    assert model == "encoder"
    for one in given:
        np.testing.assert_allclose(np.unique(np.exp2(one.levels()) - 1), [0, 0.1, 1], atol=1e-12)
    assert build._given(pairs, [], DEFAULT) == ("head", [pairs])


def test_the_time_of_re_ranking_is_measured_and_that_of_encoding_is_not_called_passed(tmp_path):
    for most, passed in ((1e6, True), (1e-6, False)):
        recipe = load_recipe(None, [f"max_rerank_ms={most}"])
        checks = {
            check.name: check
            for check in train(pairs_of(tmp_path, EIGHT), [], recipe, tmp_path / "model").verdict.checks
        }
        assert checks["re-ranking"].passed is passed
        assert checks["re-ranking"].reason.startswith("8 texts take ")
        assert (checks["latency"].passed, checks["latency"].reason) == (None, "not measured")
    assert "passed  latency" not in (tmp_path / "model" / "README.md").read_text(encoding="utf-8")
