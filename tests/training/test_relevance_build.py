"""`train` from end to end on real judgments: a folder that search takes, a verdict, nothing half-written."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

torch = pytest.importorskip("torch")

from aisle.encoders.load import load_encoder  # noqa: E402
from aisle.errors import ArtifactError, JudgmentError  # noqa: E402
from aisle.judgments.split import query_key  # noqa: E402
from aisle.training.relevance.build import base_folder, train  # noqa: E402
from aisle.training.relevance.catalogue import judged_products  # noqa: E402
from aisle.training.relevance.data import shares  # noqa: E402
from aisle.training.relevance.recipe import load_recipe  # noqa: E402

pytestmark = [pytest.mark.train, pytest.mark.filterwarnings("default")]

ICECAT = Path(__file__).parent.parent.parent / "samples" / "icecat"
SHORT = ["fit.epochs=1", "fit.max_tokens=16", "fit.mixtures=[]"]


@pytest.fixture(scope="module")
def pairs():
    return judged_products(ICECAT / "products.jsonl.gz", ICECAT / "ratings.csv", False)


@pytest.fixture(scope="module")
def small(pairs):
    """Enough queries for a held-out share, few texts of each, so that a run takes seconds."""
    found = [row for rows in pairs.by_query().values() for row in rows[:: max(1, len(rows) // 5)]]
    return pairs.subset(found)


@pytest.fixture(scope="module")
def trained(small, tmp_path_factory):
    out = tmp_path_factory.mktemp("models") / "shop"
    return train(small, [], load_recipe(None, SHORT), out)


def test_the_folder_is_an_encoder_with_its_story(trained, small):
    encoder = load_encoder(str(trained.folder))
    vectors = encoder.encode(["usb hub", "手机"], "query")
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    manifest = json.loads((trained.folder / "manifest.json").read_text(encoding="utf-8"))
    metrics = json.loads((trained.folder / "metrics.json").read_text(encoding="utf-8"))
    assert manifest["details"]["architecture"] == "encoder"
    assert manifest["details"]["promoted"] == trained.verdict.promoted == metrics["verdict"]["promoted"]
    assert len(manifest["details"]["data_sha256"]) == 64
    assert load_recipe(str(trained.folder / "recipe.toml")) == load_recipe(None, SHORT)
    assert "## Verdict" in (trained.folder / "README.md").read_text(encoding="utf-8")
    assert load_encoder("embedded").fingerprint != encoder.fingerprint
    assert not list(trained.folder.parent.glob(".shop*")), "nothing is left beside it"


def test_few_queries_are_judged_each_once(trained, small):
    # Fewer than 400: cross-validation, so every query with two levels is judged by a model that never saw it.
    levels = small.levels()
    telling = [query for query, rows in small.by_query().items() if len({levels[row] for row in rows}) > 1]
    assert trained.verdict.queries == len(telling) == trained.queries["judged by"]


def test_shares_do_not_leak(pairs):
    divided = shares(pairs, 0.1, 0.2, 0)
    train_keys, held_keys = ({query_key(pair.query) for pair in part} for part in (divided.train, divided.held_out))
    assert held_keys
    assert not train_keys & held_keys
    assert {query_key(pair.query) for pair in pairs} & held_keys == held_keys


def test_a_foreign_folder_is_left_alone(small, tmp_path):
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "a.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(ArtifactError, match="exists and is no model"):
        train(small, [], load_recipe(None, SHORT), tmp_path / "notes")
    assert (tmp_path / "notes" / "a.txt").read_text(encoding="utf-8") == "mine"


def test_a_folder_of_another_kind_is_left_alone(small, tmp_path):
    manifest = {"kind": "index", "format": 1, "fingerprint": {}}
    (tmp_path / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    with pytest.raises(ArtifactError, match="is of kind 'index'"):
        train(small, [], load_recipe(None, SHORT), tmp_path)
    assert json.loads((tmp_path / "manifest.json").read_text(encoding="utf-8")) == manifest


def test_too_few_queries_are_said_before_anything_is_made(small, tmp_path):
    few = small.subset([row for rows in list(small.by_query().values())[:19] for row in rows])
    with pytest.raises(JudgmentError, match=r"judgments of 19 queries\nallowed: 20 or more"):
        train(few, [], load_recipe(None, SHORT), tmp_path / "model")
    assert not list(tmp_path.iterdir())


def test_a_base_that_is_none_is_refused(tmp_path):
    with pytest.raises(ArtifactError, match="is no Aisle encoder"):
        base_folder(str(tmp_path))


def test_resuming_with_other_settings_is_refused(small, tmp_path):
    def stop(*_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(small, [], load_recipe(None, SHORT), tmp_path / "model", report=stop)
    assert not (tmp_path / "model").exists()
    with pytest.raises(ArtifactError, match="was of other data or another recipe"):
        train(small, [], load_recipe(None, [*SHORT, "seed=1"]), tmp_path / "model", resume=True)


def test_the_command(tmp_path):
    from aisle.cli.main import cli

    lines = ["query,title,relevance"]
    for number in range(40):
        lines += [f"thing {number},thing {number} new,2", f"thing {number},other {number + 1},0"]
    (tmp_path / "pairs.csv").write_text("\n".join(lines), encoding="utf-8")
    given = ["train", "--pairs", str(tmp_path / "pairs.csv"), "--out", str(tmp_path / "model"), "--json"]
    given += [word for change in SHORT for word in ("--set", change)]
    result = CliRunner().invoke(cli, given)
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["verdict"]["promoted"] is False  # cosine has them all right already
    assert found["queries"]["judged by"] == 40
