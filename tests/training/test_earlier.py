"""Learning a second shop without forgetting the first: what is learnt again, what the report says, what is refused."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from aisle.errors import JudgmentError, RecipeError
from aisle.evaluate.pools import pool_ndcg
from aisle.judgments.pairs import PairSet, Scale, TextPair
from aisle.judgments.split import query_key
from aisle.training.relevance.build import train
from aisle.training.relevance.data import fingerprint, shares
from aisle.training.relevance.earlier import Earlier, divide, forgetting, not_forgotten, told
from aisle.training.relevance.recipe import FitSettings, load_recipe


def shop(names: range, source: str = "first") -> PairSet:
    """Two texts for each query, one of them right."""
    found = [
        TextPair(f"q{name}", f"thing {name}", f"{name}-{grade}", f"{'other' * (1 - grade)} thing {name}", grade=grade)
        for name in names
        for grade in (0, 1)
    ]
    return PairSet(tuple(found), Scale(0, 1), source)


def keys(pairs: PairSet) -> set[str]:
    return {query_key(pair.query) for pair in pairs}


# --- how the earlier shop is divided ----------------------------------------------------------------------------


def test_no_query_is_learnt_again_and_held_or_the_new_shops():
    first, second = shop(range(40)), shop(range(30, 60), "second")
    found = divide(first, second, load_recipe(None))
    assert keys(found.learnt) | keys(found.held) == keys(first) - keys(second)
    assert not keys(found.learnt) & keys(found.held)
    assert found.known is None


def story(folder: Path, pairs: PairSet, changes: list[str]) -> str:
    recipe = load_recipe(None, changes).to_dict()
    details = {"recipe": recipe, "shop_sha256": fingerprint([pairs])}
    (folder / "manifest.json").write_text(json.dumps({"kind": "encoder", "details": details}), encoding="utf-8")
    return str(folder)


def test_what_the_model_before_was_judged_by_is_held(tmp_path):
    first, second = shop(range(60)), shop(range(100, 130), "second")
    base = story(tmp_path, first, ["judged_by=share", "held_out=0.6", "seed=3"])
    found = divide(first, second, load_recipe(None, [f"base={base}", "held_out=0.1"]))
    assert found.known is False
    assert keys(found.held) == keys(shares(first, 0.1, 0.6, 3).held_out)


def test_a_model_that_learnt_from_every_query_is_told(tmp_path):
    first, second = shop(range(60)), shop(range(100, 130), "second")
    base = story(tmp_path, first, ["held_out=0.6", "seed=3"])  # 60 queries: each in its turn, the last one on all
    found = divide(first, second, load_recipe(None, [f"base={base}"]))
    assert found.known is True
    assert keys(found.held) == keys(shares(first, 0.1, 0.2, 0).held_out)


def test_a_model_of_other_judgments_tells_nothing(tmp_path):
    base = story(tmp_path, shop(range(59)), ["judged_by=share"])
    assert divide(shop(range(60)), shop(range(100, 130)), load_recipe(None, [f"base={base}"])).known is None


def test_an_earlier_shop_with_the_new_ones_queries_alone_shows_nothing():
    with pytest.raises(JudgmentError, match="is left to show what is forgotten"):
        divide(shop(range(40)), shop(range(50)), load_recipe(None))


# --- the report -------------------------------------------------------------------------------------------------


def test_forgetting_is_the_paired_difference_on_what_is_held():
    held = shop(range(10))
    right = held.levels().astype(np.float32)
    half = np.where(np.arange(20) < 8, 1 - right, right).astype(np.float32)  # four queries of ten turned round
    found = forgetting(Earlier(shop(range(20, 30)), held, False), right, half)
    loss = 0.4 * (1 - 1 / np.log2(3))
    assert found["before"] == 1
    assert found["after"] == pytest.approx(1 - loss)
    assert found["difference"]["mean"] == pytest.approx(-loss)
    assert (found["queries"], found["known"], found["learnt_again"]) == (10, False, 20)
    assert found["difference"]["low"] < -loss < found["difference"]["high"] <= 0
    line = told(found)
    assert line.startswith("earlier shop: nDCG@10 1.000 -> .852, -.148 [")
    assert "10 queries never learnt from; the smallest detectable difference is" in line


@pytest.mark.parametrize(("most", "passed"), [(0.0301, True), (0.0299, False)])
def test_more_than_is_allowed_is_refused(most, passed):
    found = {"difference": {"mean": -0.03, "low": -0.05, "high": -0.01}, "detectable": 0.02, "queries": 7}
    check = not_forgotten(found, most)
    assert check.passed is passed
    assert check.reason.startswith("-.030 [-.050, -.010] on 7 queries of it, ")
    assert check.reason.endswith("the smallest detectable difference is .020")


# --- what is refused --------------------------------------------------------------------------------------------


def test_a_head_forgets_nothing(tmp_path):
    with pytest.raises(RecipeError, match=r"beside a task head, which leaves its encoder as it is"):
        train(shop(range(40)), [], load_recipe("head"), tmp_path / "m", replay=shop(range(50, 90)))
    assert not list(tmp_path.iterdir())


@pytest.mark.train
def test_a_step_of_one_list_has_no_room(tmp_path):
    recipe = load_recipe("encoder", ["fit.queries=1"])
    with pytest.raises(RecipeError, match=r"fit.queries=1 leaves no room"):
        train(shop(range(40)), [], recipe, tmp_path / "m", replay=shop(range(50, 90)))


def test_lists_of_the_earlier_shop_in_a_step():
    assert [FitSettings(replay=share).replayed for share in (0, 0.01, 0.25, 0.99)] == [0, 1, 4, 15]


# --- steps ------------------------------------------------------------------------------------------------------


@pytest.fixture
def tiny():
    torch = pytest.importorskip("torch")
    from aisle.training.relevance.fit import Fit
    from aisle.training.relevance.model import TunedEncoder
    from tests.training.tiny import planted, tiny_encoder

    settings = FitSettings(epochs=2, queries=4, per_query=4, rate=3e-3, threads=1, save_every=1, track="none")
    base, task = tiny_encoder(), replace(planted(), replayed=5)
    before = torch.get_num_threads()

    def made(folder, **changes):
        folder.mkdir(exist_ok=True)
        return Fit(TunedEncoder(base), task, replace(settings, **changes), folder)

    yield made
    torch.set_num_threads(before)
    torch.use_deterministic_algorithms(False)


@pytest.mark.train
def test_every_step_has_its_share_and_every_own_list_comes_once(tiny, tmp_path):
    fit = tiny(tmp_path, replay=0.5)
    own = Counter(text for row in range(10) for text in [(row, text) for text in fit.task.train.texts[row]])
    again = Counter()
    for number in range(5):
        steps = fit.batches(number)
        assert all(sum(chunk.query >= 10 for chunk in step) == 2 for step in steps)
        seen = Counter((c.query, text) for step in steps for c in step if c.query < 10 for text in c.texts)
        assert seen == own
        again.update(chunk.query for step in steps for chunk in step if chunk.query >= 10)
    # Passes over the five lists of the earlier shop go on from one epoch to the next, so that none is left behind.
    pieces = Counter({row: -(-len(fit.task.train.texts[row]) // 4) for row in range(10, 15)})
    turns = sum(again.values()) / sum(pieces.values())
    assert all(np.floor(turns) <= again[row] / pieces[row] <= np.ceil(turns) for row in pieces)
    assert fit.batches(1) == fit.batches(1) != fit.batches(0)


@pytest.mark.train
def test_without_a_share_the_earlier_shop_is_never_learnt_from(tiny, tmp_path):
    assert all(chunk.query < 10 for step in tiny(tmp_path, replay=0.0).batches(0) for chunk in step)


@pytest.mark.train
def test_the_pull_is_half_the_squared_distance_to_the_first_weights(tiny, tmp_path):
    fit = tiny(tmp_path, anchor=0.7)
    first = {name: value.detach().clone().double() for name, value in fit.model.trained().items()}
    pulls, wanted = [], [0.0]

    def report(step, steps, losses):
        pulls.append(losses["anchor"])
        now = fit.model.trained()
        wanted.append(
            0.35 * sum(float(((now[name].detach().double() - old) ** 2).sum()) for name, old in first.items())
        )

    fit.run(report)
    assert pulls == pytest.approx(wanted[:-1], rel=1e-4)
    free = tiny(tmp_path / "free", anchor=0.0)
    free.run(lambda *_: None)
    distances = []
    for run in (fit, free):
        now = {name: value.detach().double() for name, value in run.model.trained().items()}
        distances.append(sum(float(((now[name] - old) ** 2).sum()) for name, old in first.items()))
    assert distances[0] < 0.75 * distances[1]


@pytest.mark.train
@pytest.mark.parametrize("stop_at", [3, 7])
def test_an_interrupted_run_ends_with_the_same_weights(tiny, tmp_path, stop_at):
    torch = pytest.importorskip("torch")
    changes = {"replay": 0.5, "anchor": 0.1, "dropout": 0.1}

    def stop(step, *_):
        if step == stop_at:
            raise KeyboardInterrupt

    whole = tiny(tmp_path / "whole", **changes)
    whole.run(lambda *_: None)
    with pytest.raises(KeyboardInterrupt):
        tiny(tmp_path / "parts", **changes).run(stop)
    resumed = tiny(tmp_path / "parts", **changes)
    assert resumed.resume() == stop_at
    resumed.run(lambda *_: None)
    now = resumed.model.trained()
    assert all(torch.equal(value, now[name]) for name, value in whole.model.trained().items())


@pytest.mark.train
def test_a_shop_that_would_be_forgotten_is_kept(tmp_path):
    """The second shop's judgments say nothing of the first one's queries, but move the weights they share."""
    torch = pytest.importorskip("torch")
    from aisle.training.relevance.data import Lesson
    from aisle.training.relevance.fit import Fit
    from aisle.training.relevance.lists import Lists, lists_of
    from aisle.training.relevance.model import TunedEncoder
    from tests.training.tiny import planted, tiny_encoder

    first = planted()
    wanted = [[(query * 7 + 3 + step * 2) % 15 for step in range(5)] for query in range(15)]
    levels = np.array([3.0, 0, 0, 0, 0] * 15)
    second = lists_of(
        [range(row * 5, row * 5 + 5) for row in range(15)], [text for row in wanted for text in row], levels
    )
    both = Lists(second.texts + first.train.texts, second.levels + first.train.levels)
    queries = [*first.queries, *([2, number, 3] for number in range(40, 55))]
    asked = [*range(15, 30), *range(15)]
    task = Lesson(queries, first.texts, both, first.train, asked, range(15), replayed=15)
    threads, base = torch.get_num_threads(), tiny_encoder()
    settings = FitSettings(epochs=12, queries=4, per_query=5, rate=3e-3, threads=1, track="none")
    (tmp_path / "first").mkdir()
    before = Fit(TunedEncoder(base), first, settings, tmp_path / "first")
    learnt = before.run(lambda *_: None).after
    kept = {}
    for name, changes in {
        "plain": {"replay": 0.0},
        "replay": {"replay": 0.5},
        "pull": {"replay": 0.0, "anchor": 5.0},
    }.items():
        model = TunedEncoder(base)
        model.load_state_dict(before.model.trained(), strict=False)
        (tmp_path / name).mkdir()
        run = Fit(model, task, replace(settings, **changes), tmp_path / name)
        kept[name] = run.run(lambda *_: None).after
    torch.set_num_threads(threads)
    torch.use_deterministic_algorithms(False)
    assert learnt > kept["replay"] - 0.02
    assert kept["plain"] < learnt - 0.03
    assert kept["replay"] > kept["plain"] + 0.03
    assert kept["pull"] > kept["plain"]


# --- from end to end --------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def shops(icecat) -> list[PairSet]:
    """Icecat's queries as two shops of 30, with a few texts of each."""
    rows = [found[:: max(1, len(found) // 4)] for found in list(icecat.by_query().values())[:60]]
    return [icecat.subset([row for some in rows[part::2] for row in some]) for part in (0, 1)]


SHORT = [
    "held_out=0.4",
    "model=encoder",
    "judged_by=share",
    "fit.epochs=1",
    "fit.max_tokens=16",
    "fit.track=none",
    "fit.threads=1",
]


@pytest.mark.train
@pytest.mark.filterwarnings("default")
def test_a_second_shop_is_learnt_and_the_first_one_is_reported(shops, tmp_path):
    pytest.importorskip("torch")
    from aisle.cli.main import cli
    from aisle.encoders.onnx import OnnxEncoder

    first, second = shops
    train(first, [], load_recipe(None, SHORT), tmp_path / "first")
    path = tmp_path / "pairs.jsonl"
    lines = [
        {"query_id": pair.query_id, "query": pair.query, "id": pair.doc_id, "title": pair.title, "grade": pair.grade}
        for pair in second
    ]
    path.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")
    changes = [f"base={tmp_path / 'first'}", "max_forgotten=0", "fit.rate=1e-3", *SHORT]
    trained = train(second, [], load_recipe(None, changes), tmp_path / "second", replay=first)
    found = trained.candidate.training["forgetting"]
    held = shares(first, 0.1, 0.4, 0).held_out
    groups, levels = held.by_query(), held.levels()
    for name, folder in (("before", "first"), ("after", "second")):
        encoder = OnnxEncoder(tmp_path / folder)
        texts = encoder.encode([pair.title for pair in held], "product")
        asked = encoder.encode([pair.query for pair in held], "query")
        scores = (texts * asked).sum(1)
        by_hand = list(pool_ndcg(groups, levels, scores).values())
        assert found[name] == pytest.approx(np.mean(by_hand), abs=1e-3)
        assert found["queries"] == len(by_hand)
    assert found["known"] is False
    (check,) = [check for check in trained.verdict.checks if check.name == "earlier shop"]
    assert check.passed is (found["after"] >= found["before"])
    metrics = json.loads((tmp_path / "second" / "metrics.json").read_text(encoding="utf-8"))
    assert metrics["training"]["forgetting"] == found
    assert [part["pairs"] for part in metrics["data"]] == [len(second), len(first)]
    assert told(found) in (tmp_path / "second" / "README.md").read_text(encoding="utf-8")
    # The command reads the file: it holds the new shop's own queries, so that there is nothing to forget.
    given = ["train", "--pairs", str(path), "--out", str(tmp_path / "third"), "--replay", str(path)]
    given += [word for change in [*SHORT, f"base={tmp_path / 'second'}"] for word in ("--set", change)]
    result = CliRunner().invoke(cli, given)
    assert isinstance(result.exception, JudgmentError)
    assert str(result.exception).startswith(f"no query of {path}")
