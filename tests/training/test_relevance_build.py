"""`train` of an encoder from end to end on real judgments: a folder that search takes, a verdict, nothing half-written.

Heads are in test_head_route, and what needs no PyTorch with them.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

torch = pytest.importorskip("torch")

from aisle.encoders.load import load_encoder  # noqa: E402
from aisle.errors import ArtifactError, JudgmentError  # noqa: E402
from aisle.indexes import segment  # noqa: E402
from aisle.judgments.split import query_key  # noqa: E402
from aisle.ranking.word_statistics import WordStatistics  # noqa: E402
from aisle.rerankers.combination import Combination, CombinationReranker, word_signals  # noqa: E402
from aisle.rerankers.load import load_reranker  # noqa: E402
from aisle.rerankers.word_trees import WordTrees  # noqa: E402
from aisle.training.combine import fit_weights  # noqa: E402
from aisle.training.relevance.build import train  # noqa: E402
from aisle.training.relevance.catalogue import judged_products  # noqa: E402
from aisle.training.relevance.data import shares  # noqa: E402
from aisle.training.relevance.encoder_route import EncoderRoute, base_folder  # noqa: E402
from aisle.training.relevance.recipe import load_recipe  # noqa: E402
from aisle.types import Product  # noqa: E402

pytestmark = [pytest.mark.train, pytest.mark.filterwarnings("default")]

ICECAT = Path(__file__).parent.parent.parent / "samples" / "icecat"
SHORT = ["model=encoder", "fit.epochs=1", "fit.max_tokens=16", "fit.mixtures=[]"]
COMBINED = ["model=combination", *SHORT[1:]]


def of_queries(pairs, start, stop):
    """The pairs of some queries, by their place in the file."""
    return pairs.subset([row for rows in list(pairs.by_query().values())[start:stop] for row in rows])


def keys_of(pairs):
    return {query_key(pair.query) for pair in pairs}


@pytest.fixture
def lessons(monkeypatch):
    """What each training of an encoder was given: the keys of its queries, and of those that validate."""
    found = []

    def kept(route, train, validation, *rest):
        found.append(({key for part in train for key in keys_of(part)}, keys_of(validation)))
        return whole(route, train, validation, *rest)

    whole = EncoderRoute._fit
    monkeypatch.setattr(EncoderRoute, "_fit", kept)
    return found


@pytest.fixture(scope="module")
def pairs():
    return judged_products(ICECAT / "products.jsonl.gz", ICECAT / "ratings.csv", False)


@pytest.fixture(scope="module")
def small(pairs):
    """Enough queries for a held-out share, few texts of each, so that a run takes seconds."""
    found = [row for rows in pairs.by_query().values() for row in rows[:: max(1, len(rows) // 5)]]
    return pairs.subset(found)


@pytest.fixture(scope="module")
def smaller(small):
    """The first 30 queries of those, for what needs several trainings."""
    return of_queries(small, 0, 30)


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
    assert set(metrics["took"]) == {"estimate", "measured"}
    assert metrics["took"]["estimate"]["steps"] > 0
    assert metrics["took"]["measured"]["seconds"] < metrics["seconds"]
    parts = {path.name for path in (trained.folder / "tracking" / "tensorboard").iterdir()}
    assert parts == {"model", *(f"turn{number}" for number in range(1, 6))}
    assert "## Verdict" in (trained.folder / "README.md").read_text(encoding="utf-8")
    assert load_encoder("embedded").fingerprint != encoder.fingerprint
    assert not list(trained.folder.parent.glob(".shop*")), "nothing is left beside it"


def test_few_queries_are_judged_each_once(trained, small):
    # Fewer than 400: cross-validation, so every query with two levels is judged by a model that never saw it.
    levels = small.levels()
    telling = [query for query, rows in small.by_query().items() if len({levels[row] for row in rows}) > 1]
    assert trained.verdict.queries == len(telling) == len(trained.candidate.evidence.candidate)
    assert trained.candidate.queries == {"all": 89, "held out": 89}


def test_each_query_is_held_out_of_one_training_and_the_last_one_has_all(smaller, lessons, tmp_path):
    said = []
    train(smaller, [], load_recipe(None, SHORT), tmp_path / "model", note=said.append)
    said = [line for line in said if not line.startswith("estimate:")]
    every = keys_of(smaller)
    assert len(lessons) == len(said) == 6
    assert lessons[5] == (every, set())
    held = [every - learnt for learnt, _ in lessons[:5]]
    assert sorted(key for part in held for key in part) == sorted(every)
    assert said[5] == "training 6 of 6: on all queries"


def test_where_validation_chooses_it_is_none_of_what_is_learnt_or_held_out(small, lessons, tmp_path):
    chosen = load_recipe(None, [*SHORT, "fit.choose=true"])
    found = train(small, [], chosen, tmp_path / "model")
    assert all(learnt and checked and not learnt & checked for learnt, checked in lessons)
    held = [keys_of(small) - learnt - checked for learnt, checked in lessons]
    assert sorted(key for part in held[:5] for key in part) == sorted(keys_of(small))
    assert not held[5]
    assert len(found.candidate.training["validation"]["epochs"]) == 1


# --- combinations ------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def combined(smaller, tmp_path_factory):
    out = tmp_path_factory.mktemp("models") / "shop"
    return train(smaller, [], load_recipe(None, COMBINED), out)


def test_a_combination_is_a_reranker_with_an_encoder_inside(combined, smaller):
    manifest = json.loads((combined.folder / "manifest.json").read_text(encoding="utf-8"))
    metrics = json.loads((combined.folder / "metrics.json").read_text(encoding="utf-8"))
    assert manifest["kind"] == "reranker"
    assert manifest["details"]["architecture"] == combined.candidate.architecture == "combination"
    weights = metrics["training"]["weights"]
    assert list(weights) == ["cosine", "wording", "bm25", "trees", "neighbours"]
    assert weights["cosine"] == 1
    kept = Combination.load(combined.folder / "combination.json")
    assert kept.weights == weights
    assert kept.words == WordStatistics.of([pair.title for pair in smaller], segment)
    assert combined.verdict.queries == len(combined.candidate.evidence.candidate)
    assert [check.name for check in combined.verdict.checks][-1] == "re-ranking"
    assert not list(combined.folder.parent.glob(".shop*")), "nothing is left beside it"


def signals_of(model, folder, query, titles):
    """Every signal of a combination, ``(n, 5)``, the neighbours written out."""
    vectors, words = model.encoder.encode(titles, "product"), model.combination.words
    cosine = vectors @ model.encoder.encode([query], "query")[0]
    mean = vectors[np.argsort(-cosine, kind="stable")[:10]].mean(0)
    trees = WordTrees.load(folder).score(query, titles, words)
    near = vectors @ (mean / np.linalg.norm(mean))
    return np.column_stack([cosine, word_signals(words, query, titles), trees, near])


def test_it_scores_and_encodes(combined):
    encoder = load_encoder(str(combined.folder))
    assert encoder.fingerprint != load_encoder("embedded").fingerprint
    model = load_reranker(combined.folder)
    assert isinstance(model, CombinationReranker)
    titles = ["USB hub with 4 ports", "HP toner cartridge"]
    found = model.score("usb hub", [Product(title, title) for title in titles])
    wanted = signals_of(model, combined.folder, "usb hub", titles) @ list(model.combination.weights.values())
    np.testing.assert_allclose(found, wanted, atol=1e-6)


def test_an_index_takes_the_encoder_inside(combined, tmp_path):
    from aisle.cli.main import cli

    rows = [{"id": "1", "title": "USB hub with 4 ports"}, {"id": "2", "title": "HP toner cartridge"}]
    (tmp_path / "shop.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    model, index = str(combined.folder), str(tmp_path / "index")
    for given in (
        ["index", str(tmp_path / "shop.jsonl"), "--out", index, "--encoder", model],
        ["search", index, "toner", "--model", model, "--json"],
    ):
        result = CliRunner().invoke(cli, given)
        assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["hits"][0]["product_id"] == "2"


# --- many queries, further judgments -----------------------------------------------------------------------


def test_of_many_queries_a_share_is_held_out(small, lessons, tmp_path, monkeypatch):
    monkeypatch.setattr("aisle.training.relevance.recipe.FEW_QUERIES", 30)
    recipe = load_recipe(None, [*COMBINED, "validation=0.2"])
    found = train(small, [], recipe, tmp_path / "model")
    divided = shares(small, 0.2, recipe.held_out, recipe.seed)
    held = set(divided.held_out.by_query())
    assert found.candidate.queries == {"all": 89, "held out": len(held)}
    assert set(found.candidate.evidence.candidate) <= held
    assert 0 < found.verdict.queries == len(found.candidate.evidence.candidate) < 89
    ((learnt, checked),) = lessons
    assert (learnt, checked) == (keys_of(divided.train), keys_of(divided.validation))
    assert not keys_of(divided.held_out) & (learnt | checked)
    # The weights that the held-out queries are judged with are those of the validation queries alone.
    model = load_reranker(tmp_path / "model")

    def signals(part):
        rows = np.zeros((len(part), 5))
        for at in part.by_query().values():
            query, titles = part[at[0]].query, [part[row].title for row in at]
            rows[at] = signals_of(model, tmp_path / "model", query, titles)
        return rows

    checked_rows, held_rows = signals(divided.validation), signals(divided.held_out)
    weights = fit_weights(checked_rows, divided.validation.levels(), list(divided.validation.by_query().values()))
    wanted = held_rows @ weights
    groups = divided.held_out.by_query()
    for query, scores in zip(found.candidate.evidence.candidate, found.candidate.evidence.scores, strict=True):
        assert scores == pytest.approx(wanted[groups[query]].tolist(), abs=1e-3)
    # Those that are kept learnt from both.
    both = np.concatenate([checked_rows, held_rows])
    start = len(checked_rows)
    rows = [*divided.validation.by_query().values(), *([start + row for row in at] for at in groups.values())]
    levels = np.concatenate([divided.validation.levels(), divided.held_out.levels()])
    assert list(model.combination.weights.values()) == pytest.approx(fit_weights(both, levels, rows), abs=1e-2)


def test_further_judgments_are_learnt_first_without_the_queries_of_the_shop(small, lessons, tmp_path):
    shop, other = of_queries(small, 0, 24), of_queries(small, 16, 40)
    said = []
    train(shop, [other], load_recipe(None, SHORT), tmp_path / "model", note=said.append)
    said = [line for line in said if not line.startswith("estimate:")]
    rest = [pair for pair in other if query_key(pair.query) not in keys_of(shop)]
    assert 0 < len(rest) < len(other)
    assert said[0] == f"learning from {len(rest)} pairs of other files first"
    assert lessons[0] == (keys_of(rest), set())
    assert len(lessons) == 7
    assert all(learnt <= keys_of(shop) for learnt, _ in lessons[1:])
    metrics = json.loads((tmp_path / "model" / "metrics.json").read_text(encoding="utf-8"))
    assert [part["pairs"] for part in metrics["data"]] == [len(shop), len(other)]


def test_further_judgments_of_the_same_queries_alone_are_not_learnt(small, lessons, tmp_path):
    said = []
    shop = of_queries(small, 0, 24)
    train(shop, [shop], load_recipe(None, SHORT), tmp_path / "model", note=said.append)
    assert len(lessons) == 6
    assert not any("other files" in line for line in said)


# --- what is refused ---------------------------------------------------------------------------------------


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
    few = of_queries(small, 0, 19)
    with pytest.raises(JudgmentError, match=r"judgments of 19 queries\nallowed: 20 or more"):
        train(few, [], load_recipe(None, SHORT), tmp_path / "model")
    assert not list(tmp_path.iterdir())


def test_a_base_that_is_none_is_refused(tmp_path):
    with pytest.raises(ArtifactError, match="is no Aisle encoder"):
        base_folder(str(tmp_path))


def test_an_interrupted_training_is_gone_on_with_and_not_lost(small, tmp_path):
    def stop(step, *_):
        if step == 2:
            raise KeyboardInterrupt

    recipe, said = load_recipe(None, [*SHORT, "fit.save_every=1", "judged_by=share"]), []
    with pytest.raises(KeyboardInterrupt):
        train(small, [], recipe, tmp_path / "model", report=stop)
    assert not (tmp_path / "model").exists()
    with pytest.raises(ArtifactError, match="was of other data or another recipe"):
        train(small, [], load_recipe(None, [*SHORT, "seed=1"]), tmp_path / "model", resume=True)
    with pytest.raises(ArtifactError, match=r"an interrupted run of '.*model' lies in .*\nto fix: add --resume"):
        train(small, [], recipe, tmp_path / "model")
    with pytest.raises(KeyboardInterrupt):
        train(small, [], recipe, tmp_path / "model", resume=True, note=said.append, report=lambda step, *_: stop(2))
    assert "going on after step 2" in said


def test_the_command(tmp_path):
    from aisle.cli.main import cli

    lines = ["query,title,relevance"]
    for number in range(40):
        lines += [f"thing {number},thing {number} new,2", f"thing {number},other {number + 1},0"]
    (tmp_path / "pairs.csv").write_text("\n".join(lines), encoding="utf-8")
    given = ["train", "--pairs", str(tmp_path / "pairs.csv"), "--out", str(tmp_path / "model"), "--json"]
    given += [word for change in COMBINED for word in ("--set", change)]
    result = CliRunner().invoke(cli, given)
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["verdict"]["promoted"] is False  # cosine has them all right already
    assert found["queries"] == {"all": 40, "held out": 40}
    assert found["verdict"]["queries"] == 40
    assert list(found["training"]["weights"]) == ["cosine", "wording", "bm25", "trees", "neighbours"]
    assert "training 6 of 6: on all queries" in result.stderr
