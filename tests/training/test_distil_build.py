"""`distil` from end to end on real products: a folder that search takes, a verdict, no held-out query, nothing left."""

from __future__ import annotations

import gzip
import json
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

torch = pytest.importorskip("torch")

from aisle.artifacts import Manifest, write_manifest  # noqa: E402
from aisle.encoders.cosines import cosines  # noqa: E402
from aisle.encoders.load import load_encoder  # noqa: E402
from aisle.encoders.onnx import OnnxEncoder  # noqa: E402
from aisle.errors import ArtifactError, RecipeError  # noqa: E402
from aisle.evaluate.pools import pool_ndcg  # noqa: E402
from aisle.judgments.pairs import PairSet  # noqa: E402
from aisle.judgments.split import query_key  # noqa: E402
from aisle.rerankers.load import load_reranker  # noqa: E402
from aisle.training.distil import teachers  # noqa: E402
from aisle.training.distil.build import PROVENANCE, Told, distil, honest  # noqa: E402
from aisle.training.distil.material import Material, material_of, pair_products  # noqa: E402
from aisle.training.distil.recipe import load_distil_recipe  # noqa: E402
from aisle.training.runs import runs  # noqa: E402
from aisle.types import Product  # noqa: E402
from tests.training.test_tracking import needs_tensorboard, scalars, tracked_in  # noqa: E402

pytestmark = [pytest.mark.train, pytest.mark.filterwarnings("default")]

SHORT = [
    "layers=1",
    "held_out=0.3",
    "pairs.made=20",
    "pairs.dense=2",
    "pairs.words=2",
    "pairs.chance=1",
    "fit.epochs=1",
    "fit.max_tokens=12",
    "fit.threads=1",
    "fit.rate=3e-4",
    "fit.vectors=1",
    "label_epochs=1",
]


class StoppedError(Exception):
    """Ctrl-C, as it were."""


@pytest.fixture(scope="module")
def small(icecat) -> PairSet:
    """The first 30 queries of Icecat with six judged products each."""
    return icecat.subset([row for rows in list(icecat.by_query().values())[:30] for row in rows[:6]])


def material(pairs: PairSet, changes=()) -> Material:
    return material_of(pair_products([pairs]), pairs, load_distil_recipe(None, [*SHORT, *changes]))


@pytest.fixture(scope="module")
def distilled(small, tmp_path_factory):
    out = tmp_path_factory.mktemp("distilled") / "student"
    return distil(material(small), ["embedded", "bm25"], load_distil_recipe(None, SHORT), out)


def provenance(folder: Path) -> list[dict]:
    return [json.loads(line) for line in gzip.decompress((folder / PROVENANCE).read_bytes()).decode().splitlines()]


def test_the_folder_is_an_encoder_with_its_story(distilled):
    encoder = load_encoder(str(distilled.folder))
    vectors = encoder.encode(["usb hub"], "query")
    assert np.linalg.norm(vectors[0]) == pytest.approx(1, abs=1e-3)
    assert load_reranker(distilled.folder).score("usb hub", [Product("1", "USB Hub")]).shape == (1,)
    manifest = json.loads((distilled.folder / "manifest.json").read_text(encoding="utf-8"))["details"]
    assert manifest["teachers"] == ["embedded", "bm25"]
    assert (manifest["student"], manifest["recipe"]["layers"]) == ("embedded", 1)
    assert manifest["promoted"] == distilled.verdict.promoted
    assert "## Teaching" in (distilled.folder / "README.md").read_text(encoding="utf-8")
    assert json.loads((distilled.folder / "metrics.json").read_text(encoding="utf-8"))["training"]["layers"] == 1
    assert not list(distilled.folder.parent.glob(".student*")), "nothing is left beside it"


def test_no_held_out_query_is_among_the_pairs_and_every_pair_has_its_source(distilled, small):
    given = material(small)
    held = {query_key(pair.query) for pair in given.held}
    learnt = {query_key(pair.query) for pair in given.judged}
    lines = provenance(distilled.folder)
    keys = {query_key(line["query"]) for line in lines}
    assert held
    assert not keys & held
    assert learnt <= keys
    assert {line["kind"] for line in lines} >= {"real", "title"}
    ids = {product.id for product in given.products}
    assert all(line["source"] in ids for line in lines if line["kind"] != "real")
    assert all(set(line["ids"]) <= ids for line in lines)
    assert {name for line in lines for name in line["found_by"]} == {"beside", "own", "dense", "words", "chance"}


def test_the_gate_compares_with_the_student_on_labels_alone_over_held_out_queries(distilled, small):
    given, levels = material(small), small.levels()
    telling = {
        query
        for query, rows in small.by_query().items()
        if len({levels[row] for row in rows}) > 1 and small[rows[0]].query in given.held_out
    }
    assert set(distilled.candidate.evidence.candidate) == telling
    made = cosines(OnnxEncoder(distilled.folder).encode, [pair.query for pair in small], [pair.title for pair in small])
    for query, value in pool_ndcg(small.by_query(), levels, made).items():
        assert query not in telling or distilled.candidate.evidence.candidate[query] == pytest.approx(value)
    assert distilled.verdict.queries == len(telling)


@pytest.fixture(scope="module")
def said(small, tmp_path_factory):
    """A second run, interrupted twice (in a teacher's scores and in training) and resumed."""
    out = tmp_path_factory.mktemp("again") / "student"
    recipe, given, told = load_distil_recipe(None, [*SHORT, "fit.save_every=1"]), material(small), []

    def stop_scoring(stage: str, done: int, _: int | None) -> None:
        if stage == "teacher bm25" and done == 25:
            raise StoppedError("Ctrl-C while scoring")

    def stop_training(step: int, *_: object) -> None:
        if step == 2:
            raise StoppedError("Ctrl-C while training")

    with pytest.raises(StoppedError, match="scoring"):
        distil(given, ["embedded", "bm25"], recipe, out, told=Told(progress=stop_scoring))
    with pytest.raises(StoppedError, match="training"):
        distil(given, ["embedded", "bm25"], recipe, out, resume=True, told=Told(report=stop_training))
    assert not out.exists()
    with pytest.raises(ArtifactError, match="was of other data or another recipe"):
        distil(given, ["bm25"], recipe, out, resume=True)
    return distil(given, ["embedded", "bm25"], recipe, out, resume=True, told=Told(note=told.append)), told


def test_a_resumed_run_ends_as_the_unbroken_one(distilled, said):
    again, told = said
    assert "going on after step 2" in told
    took = [found.candidate.training["took"] for found in (distilled, again)]
    assert took[0]["estimate"]["seconds"] > 0
    assert took[0]["estimate"]["memory"] > 50 * 2**20  # the packaged word rows alone have 80 MB in float32
    assert [found["measured"]["first step"] for found in took] == [0, 2]
    assert "estimate" not in took[1]  # it was told by the run that was interrupted
    for name in ("model.onnx", PROVENANCE):
        assert (again.folder / name).read_bytes() == (distilled.folder / name).read_bytes()
    assert again.candidate.evidence == distilled.candidate.evidence


def test_scores_are_taken_from_the_cache_by_another_student(small, tmp_path, monkeypatch):
    recipe = load_distil_recipe(None, SHORT)
    given = Material(pair_products([small]), ["usb hub", "laptop bag", "wireless mouse"])
    for number in (1, 2):
        if number == 2:
            monkeypatch.setattr(teachers._Words, "score", None)  # asking it again would fail
        found = distil(given, ["bm25"], recipe, tmp_path / str(number), cache=tmp_path / "cache")
    assert len(list((tmp_path / "cache").iterdir())) == 1
    assert not found.verdict.promoted, "without judgments nothing shows that it is better"
    assert found.verdict.queries == 0


def test_a_teacher_that_learnt_from_the_held_out_judgments_fails_the_gate(small, tmp_path):
    given = material(small)
    for name, data in (("knows", given.data), ("other", "0" * 64)):
        (tmp_path / name).mkdir()
        details = {"data_sha256": data, "recipe": {"seed": 0, "held_out": 0.3}}
        write_manifest(tmp_path / name, Manifest("reranker", 1, {}, details))
    found = honest([str(tmp_path / "knows"), str(tmp_path / "other"), "bm25"], given)
    assert [(check.name, check.passed) for check in found] == [("teacher", False)]
    assert "knows learnt from the judgments it is judged by" in found[0].reason
    # From 400 queries on `aisle train` with the same seed and share leaves the very same queries out.
    many = Material([], held=given.held, data=given.data, asked=400, divided=(0, 0.3))
    assert honest([str(tmp_path / "knows")], many) == ()
    assert len(honest([str(tmp_path / "knows")], Material([], held=given.held, data=given.data, asked=400))) == 1


def test_what_is_no_encoder_is_not_replaced_and_labels_need_judgments(small, tmp_path):
    (tmp_path / "index").mkdir()
    write_manifest(tmp_path / "index", Manifest("index", 1, {}))
    given = Material(pair_products([small]), ["usb hub", "laptop bag"])
    with pytest.raises(ArtifactError, match="is of kind 'index'"):
        distil(given, ["bm25"], load_distil_recipe(None, SHORT), tmp_path / "index")
    with pytest.raises(RecipeError, match="no teacher"):
        distil(given, [], load_distil_recipe(None, SHORT), tmp_path / "new")
    with pytest.raises(RecipeError, match=r"fit\.labels=1 without judgments"):
        distil(given, ["bm25"], load_distil_recipe(None, [*SHORT, "fit.labels=1"]), tmp_path / "new")


def test_the_command_distils_a_file_of_pairs(small, tmp_path):
    from aisle.cli.main import cli

    rows = ["id,query,title,relevance", *(f'{p.doc_id},"{p.query}","{p.title}",{p.grade:g}' for p in small[:90])]
    (tmp_path / "pairs.csv").write_text("\n".join(rows).replace('""', '"') + "\n", encoding="utf-8")
    given = ["--teacher", "embedded,bm25", "--pairs", str(tmp_path / "pairs.csv"), "--out", str(tmp_path / "model")]
    changes = [part for change in SHORT for part in ("--set", change)]
    tracked = {name for name in ("wandb", "mlflow") if find_spec(name)}
    track = ["--track", ",".join(tracked) or "none"]
    found = CliRunner().invoke(cli, ["distil", *given, *changes, *track, "--json"])
    assert found.exit_code == 0, found.output
    losses = tracked_in(tmp_path / "model" / "tracking")
    assert losses.keys() == tracked
    assert all({"distilled/listwise", "distilled/vectors", "labels/listwise"} <= names for names in losses.values())
    said = json.loads(found.stdout)
    assert said["teachers"] == ["embedded", "bm25"]
    assert said["training"]["layers"] == 1
    wrong = CliRunner().invoke(cli, ["distil", "--teacher", "bm25", "--out", str(tmp_path / "x")])
    assert "--catalogue FILE or --pairs FILE" in str(wrong.exception)


@needs_tensorboard
def test_losses_of_both_students_are_in_the_folder_step_by_step(distilled, said):
    again, _ = said
    for folder in (distilled.folder, again.folder):  # the second was interrupted, and logged its last step once
        kept = folder / "tracking" / "tensorboard"
        assert sorted(path.name for path in kept.iterdir()) == ["distilled", "labels"]
        listwise = scalars(kept / "distilled")["listwise"]
        assert [step for step, _ in listwise] == list(range(1, len(listwise) + 1))
        assert len(listwise) == distilled.candidate.training["took"]["estimate"]["steps"]
    assert scalars(folder / "tracking" / "tensorboard" / "labels")["in_batch"]


def test_of_its_settings_those_are_told_that_were_changed(distilled):
    (run,) = runs(distilled.folder.parent)
    assert {"layers", "held_out", "pairs.made", "label_epochs"} <= run.changed().keys()
    assert run.changed().keys() <= {change.split("=")[0] for change in SHORT}
