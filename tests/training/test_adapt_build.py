"""`adapt` from end to end on real products: a folder that search and training take, a verdict, nothing left."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from aisle.cli.main import cli
from aisle.encoders.embedded import FOLDER
from aisle.encoders.load import load_encoder
from aisle.encoders.onnx import OnnxEncoder

torch = pytest.importorskip("torch")

from aisle.artifacts import Manifest, write_manifest  # noqa: E402
from aisle.errors import ArtifactError, CatalogueError  # noqa: E402
from aisle.training.adapt.build import adapt  # noqa: E402
from aisle.training.adapt.recipe import AdaptRecipe, load_adapt_recipe  # noqa: E402
from aisle.training.runs import runs  # noqa: E402

pytestmark = [pytest.mark.train, pytest.mark.filterwarnings("default")]

SHORT = ["fit.batch=10", "fit.max_tokens=12", "fit.threads=1", "fit.rate=3e-4", "fit.track=none", "held_out=0.1"]


class StoppedError(Exception):
    """Ctrl-C, as it were."""


@pytest.fixture(scope="module")
def small(icecat):
    """The first 12 queries of Icecat with six judged products each."""
    return icecat.subset([row for rows in list(icecat.by_query().values())[:12] for row in rows[:6]])


@pytest.fixture(scope="module")
def texts(small) -> list[str]:
    return list(dict.fromkeys(pair.title for pair in small))


@pytest.fixture(scope="module")
def adapted(small, texts, tmp_path_factory):
    return adapt(texts, load_adapt_recipe(None, SHORT), tmp_path_factory.mktemp("adapted") / "shop", judged=small)


def details(folder: Path) -> dict:
    return json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["details"]


def test_the_folder_is_an_encoder_with_its_story(adapted, texts):
    vectors = load_encoder(str(adapted.folder)).encode(texts[:5], "product")
    before = OnnxEncoder(FOLDER).encode(texts[:5], "product")
    near = (vectors * before).sum(1)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-3)
    assert ((near > 0.5) & (near < 0.9999)).all(), "it moved, and not far"
    story = details(adapted.folder)
    assert story["han_offset"] == details(FOLDER)["han_offset"]
    assert (story["judged"], story["promoted"]) == (True, adapted.verdict.promoted)
    assert story["recipe"] == load_adapt_recipe(None, SHORT).to_dict()
    assert story["base_fingerprint"] == OnnxEncoder(FOLDER).fingerprint
    found = json.loads((adapted.folder / "metrics.json").read_text(encoding="utf-8"))["training"]
    assert found["texts"] + found["apart"] == len(texts)
    assert found["loss"]["epochs"][-1] < found["loss"]["before"]
    card = (adapted.folder / "README.md").read_text(encoding="utf-8")
    assert "TSDAE" in card
    assert "promoted" in card
    assert load_adapt_recipe(adapted.folder / "recipe.toml") == load_adapt_recipe(None, SHORT)
    assert not list(adapted.folder.parent.glob(".shop*")), "nothing is left beside it"


def test_the_gate_judges_by_every_judged_query_against_the_base(adapted, small):
    levels, found = small.levels(), adapted.candidate.evidence
    telling = {query: rows for query, rows in small.by_query().items() if len({levels[row] for row in rows}) > 1}
    for folder, said in ((FOLDER, found.current), (adapted.folder, found.candidate)):
        encoder, by_hand, scored = OnnxEncoder(folder), {}, []
        for query, rows in telling.items():
            titles = encoder.encode([small[row].title for row in rows], "product")
            scores = titles @ encoder.encode([small[rows[0]].query], "query")[0]
            scored.append(scores.tolist())
            gains, discount = 2.0 ** levels[rows] - 1, 1 / np.log2(np.arange(len(rows)) + 2)
            best = np.sort(gains)[::-1] @ discount
            by_hand[query] = gains[np.argsort(-scores, kind="stable")] @ discount / best
        assert said == pytest.approx(by_hand)
    assert [pytest.approx(scores, abs=1e-5) for scores in scored] == found.scores, "the last were the candidate's"
    assert adapted.verdict.queries == len(telling)
    assert adapted.verdict.difference.mean == pytest.approx(
        np.mean(list(found.candidate.values())) - np.mean(list(found.current.values()))
    )


def test_judgments_change_nothing_but_the_verdict_and_a_resumed_run_is_the_unbroken_one(adapted, texts, tmp_path):
    out, recipe, told = tmp_path / "shop", load_adapt_recipe(None, [*SHORT, "fit.save_every=1"]), []

    def stop(step: int, *_: object) -> None:
        if step == 3:
            raise StoppedError("Ctrl-C")

    with pytest.raises(StoppedError, match="Ctrl-C"):
        adapt(texts, recipe, out, report=stop)
    assert not out.exists()
    with pytest.raises(ArtifactError, match="an interrupted run"):
        adapt(texts, recipe, out)
    with pytest.raises(ArtifactError, match="was of other data or another recipe"):
        adapt(texts[:-1], recipe, out, resume=True)
    (run,) = runs(tmp_path)
    assert (run.state, run.data) == ("interrupted", details(adapted.folder)["data_sha256"])
    again = adapt(texts, recipe, out, resume=True, note=told.append)
    assert "going on after step 3" in told
    for name in ("model.onnx", "tokenizer.json", "han.json"):
        assert (again.folder / name).read_bytes() == (adapted.folder / name).read_bytes()
    assert not again.judged
    assert not again.verdict.promoted
    assert details(out)["judged"] is False
    assert "not judged" in (out / "README.md").read_text(encoding="utf-8")
    with pytest.raises(ArtifactError, match="is finished"):
        adapt(texts, recipe, out, resume=True)


def test_a_training_and_another_adaptation_begin_with_it(adapted, texts, tmp_path):
    from aisle.training.relevance.encoder_route import EncoderRoute
    from aisle.training.relevance.recipe import load_recipe

    recipe = load_recipe("encoder", [f"base={adapted.folder}"])
    route = EncoderRoute(recipe, [], tmp_path, lambda *_: None, lambda _: None)
    ids = route.before.tokenizer(64).ids(texts[:5])
    own = route.new_model(recipe.fit).vectors(ids)
    served = OnnxEncoder(adapted.folder).encode(texts[:5], "product")
    assert ((own * served).sum(1) > 0.9).all()
    more = load_adapt_recipe(None, [*SHORT, "method=mlm", f"base={adapted.folder}"])
    found = adapt(texts, more, tmp_path / "second")
    assert found.candidate.training["method"] == "mlm"
    assert details(found.folder)["base"] == str(adapted.folder)
    with pytest.raises(ArtifactError, match="is the encoder that is to be adapted"):
        adapt(texts, load_adapt_recipe(None, [f"base={found.folder}"]), found.folder)


def test_what_is_no_encoder_is_not_replaced_and_too_few_texts_leave_nothing(texts, tmp_path):
    (tmp_path / "index").mkdir()
    write_manifest(tmp_path / "index", Manifest("index", 1, {}))
    with pytest.raises(ArtifactError, match="is of kind 'index'"):
        adapt(texts, AdaptRecipe(), tmp_path / "index")
    with pytest.raises(CatalogueError, match="3 distinct texts"):
        adapt(texts[:3], AdaptRecipe(), tmp_path / "new")
    with pytest.raises(ArtifactError, match="no Aisle encoder"):
        adapt(texts, load_adapt_recipe(None, [f"base={tmp_path}"]), tmp_path / "new")
    assert [path.name for path in tmp_path.iterdir()] == ["index"]


@pytest.fixture
def shop(small, tmp_path) -> Path:
    """A catalogue and judgments of it as files."""
    products = {pair.doc_id: pair.title for pair in small}
    lines = [json.dumps({"id": key, "title": title}) for key, title in products.items()]
    (tmp_path / "products.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    rows = [f'"{pair.query}",{pair.doc_id},{pair.grade:g}' for pair in small]
    (tmp_path / "ratings.csv").write_text("\n".join(["query,docid,rating", *rows]) + "\n", encoding="utf-8")
    return tmp_path


def test_the_command_adapts_to_a_catalogue_and_says_whether_it_is_better(shop):
    changes = [part for change in SHORT for part in ("--set", change)]
    given = ["adapt", str(shop / "products.jsonl"), "--out", str(shop / "model"), "--method", "mlm", *changes]
    found = CliRunner().invoke(cli, [*given, "--judgments", str(shop / "ratings.csv"), "--json"])
    assert found.exit_code == 0, found.output
    said = json.loads(found.stdout)
    assert (said["judged"], said["training"]["method"]) == (True, "mlm")
    assert said["queries"] == {"judged": 12}
    (run,) = runs(shop)
    assert run.state == ("promoted" if said["verdict"]["promoted"] else "not promoted")
    assert run.changed().keys() <= {"method", *(change.split("=")[0] for change in SHORT)}
    plain = CliRunner().invoke(cli, given)
    assert plain.exit_code == 0, plain.output
    assert "not judged, and so not promoted" in plain.stdout
    indexed = CliRunner().invoke(
        cli, ["index", str(shop / "products.jsonl"), "--out", str(shop / "index"), "--encoder", str(shop / "model")]
    )
    assert indexed.exit_code == 0, indexed.output
    assert "was not promoted" in indexed.stderr


def test_the_command_refuses_what_it_cannot_use(shop):
    def refused(*arguments: str) -> str:
        found = CliRunner().invoke(cli, ["adapt", *arguments])
        assert found.exit_code != 0
        return str(found.exception) + found.output

    catalogue, out = str(shop / "products.jsonl"), str(shop / "model")
    assert "none.jsonl" in refused(str(shop / "none.jsonl"), "--out", out)
    assert "which is read" in refused(catalogue, "--out", catalogue)
    assert "'gpl'" in refused(catalogue, "--out", out, "--method", "gpl")
    assert "fit.epochs" in refused(catalogue, "--out", out, "--set", "fit.epochs=0")
    assert "none.csv" in refused(catalogue, "--out", out, "--judgments", str(shop / "none.csv"))
    assert not (shop / "model").exists()
