"""`aisle tune` with task heads, on real judgments: resumable, seeded, and never with the gate's queries. No PyTorch."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner

from aisle.errors import ArtifactError, RecipeError
from aisle.evaluate.pools import pool_ndcg
from aisle.judgments.split import query_key
from aisle.training.relevance.data import shares
from aisle.training.relevance.head_route import HeadRoute
from aisle.training.relevance.recipe import load_recipe
from aisle.training.tuning.search import SearchSettings, tune
from aisle.training.tuning.space import Range, read_space, with_values
from aisle.training.tuning.trials import HeadTrial, divided, inner

optuna = pytest.importorskip("optuna")
pytestmark = pytest.mark.filterwarnings("default")

SPACE = "[head.correction_spread]\nlow = 0.03\nhigh = 3.0\nlog = true\n[head.rank]\nlow = 2\nhigh = 8\n"
RECIPE = load_recipe("head", ["head.choose_from=100000"])  # nothing is chosen: a fit takes a fraction of a second


class StoppedError(Exception):
    """Ctrl-C, as it were."""


@pytest.fixture(scope="module")
def pairs(icecat):
    """The first 30 queries with six texts of each."""
    groups = list(icecat.by_query().values())[:30]
    return icecat.subset([row for rows in groups for row in rows[:: max(1, len(rows) // 6)][:6]])


@pytest.fixture(scope="module")
def space(tmp_path_factory):
    path = tmp_path_factory.mktemp("space") / "space.toml"
    path.write_text(SPACE, encoding="utf-8")
    return read_space(str(path), RECIPE)


@pytest.fixture(scope="module")
def tuned(pairs, space, tmp_path_factory):
    return tune(pairs, RECIPE, space, tmp_path_factory.mktemp("search") / "out", SearchSettings(6, 2, 1))


def outcome(found):
    return [(dict(tried.values), tried.mean, tried.pruned) for tried in found.trials]


def test_the_first_trial_is_the_recipe_itself_and_the_best_is_kept(tuned):
    assert len(tuned.trials) == 6
    assert tuned.trials[0].values == {"head.correction_spread": 0.3, "head.rank": 8}  # 16, at the nearest end
    whole = [tried for tried in tuned.trials if not tried.pruned]
    assert tuned.trials[tuned.best - 1].mean == max(tried.mean for tried in whole)
    assert all(tried.folds == 2 for tried in whole)
    kept = load_recipe(str(tuned.folder / "best.toml"))
    assert kept == tuned.recipe
    best = with_values(RECIPE, tuned.trials[tuned.best - 1].values)
    assert kept == replace(best, name="head-tuned", judged_by="share")
    told = json.loads((tuned.folder / "trials.json").read_text(encoding="utf-8"))
    assert [row["values"] for row in told["trials"]] == [dict(tried.values) for tried in tuned.trials]
    assert sorted(path.name for path in tuned.folder.iterdir()) == [
        "about.json",
        "best.toml",
        "study.db",
        "trials.json",
    ]


def test_a_trial_is_worth_what_heads_fitted_by_hand_are(tuned, pairs, tmp_path):
    recipe = with_values(RECIPE, tuned.trials[1].values)
    tried_on = inner(pairs, recipe)
    route = HeadRoute(recipe, tmp_path, lambda _: None)
    features = route.features(tried_on)
    values = {}
    for learnt, held in divided(tried_on, 2, 1):
        head = route.fit(tried_on, np.array(learnt), *features)
        part = tried_on.subset(held)
        values |= pool_ndcg(part.by_query(), part.levels(), head.score(*(found[held] for found in features)))
    assert tuned.trials[1].mean == pytest.approx(np.mean(list(values.values())))


def test_no_trial_sees_a_query_of_the_gate(pairs):
    gate = {query_key(pair.query) for pair in shares(pairs, RECIPE.validation, RECIPE.held_out, RECIPE.seed).held_out}
    tried_on = inner(pairs, RECIPE)
    keys = {query_key(pair.query) for pair in tried_on}
    assert gate
    assert not gate & keys
    assert gate | keys == {query_key(pair.query) for pair in pairs}
    for learnt, held in divided(tried_on, 3, 0):
        assert not {query_key(tried_on[row].query) for row in learnt} & {query_key(tried_on[row].query) for row in held}


def test_the_gate_of_a_tuned_recipe_judges_by_the_queries_that_no_trial_saw(tuned, pairs, tmp_path):
    made = HeadRoute(tuned.recipe, tmp_path, lambda _: None).make(pairs)
    gate = shares(pairs, RECIPE.validation, RECIPE.held_out, RECIPE.seed).held_out
    assert made.queries["held out"] == len(gate.by_query())
    assert set(made.evidence.candidate) <= set(gate.by_query())
    assert not set(made.evidence.candidate) & set(inner(pairs, RECIPE).by_query())


@pytest.mark.parametrize("stop_at", [1, 4])
def test_an_interrupted_search_goes_on_as_if_it_had_not_been(tuned, pairs, space, tmp_path, monkeypatch, stop_at):
    settings = SearchSettings(6, 2, 1)
    run, calls = HeadTrial.run, []

    def stopping(self, recipe):
        calls.append(recipe)
        for values in run(self, recipe):
            yield values
            if len(calls) == stop_at + 1:  # after the first fold of a trial
                raise StoppedError("Ctrl-C")

    with monkeypatch.context() as patch:
        patch.setattr(HeadTrial, "run", stopping)
        with pytest.raises(StoppedError, match="Ctrl-C"):
            tune(pairs, RECIPE, space, tmp_path / "out", settings)
    said = []
    found = tune(pairs, RECIPE, space, tmp_path / "out", settings, lambda trial, *_: said.append(trial))
    assert said == list(range(stop_at + 1, 7))
    assert outcome(found) == outcome(tuned)


def test_a_finished_search_can_be_lengthened(tuned, pairs, space):
    longer = tune(pairs, RECIPE, space, tuned.folder, SearchSettings(7, 2, 1))
    assert outcome(longer)[:6] == outcome(tuned)
    assert len(longer.trials) == 7


def test_another_seed_tries_other_recipes(tuned, pairs, space, tmp_path):
    other = tune(pairs, RECIPE, space, tmp_path / "out", SearchSettings(2, 2, 2))
    assert other.trials[0].values == tuned.trials[0].values
    assert other.trials[1].values != tuned.trials[1].values


def test_hopeless_trials_are_pruned_before_their_last_fold(pairs, space, tmp_path, monkeypatch):
    """Worth falls from trial to trial: from the fifth on each is below the median after its first fold."""
    calls = []

    def falling(self, recipe):
        calls.append(recipe)
        yield {"a": 1 - len(calls) / 100}
        yield {"b": 1 - len(calls) / 100}

    monkeypatch.setattr(HeadTrial, "run", falling)
    found = tune(pairs, RECIPE, space, tmp_path / "out", SearchSettings(8, 2, 0))
    assert [tried.pruned for tried in found.trials] == [False] * 4 + [True] * 4
    assert [tried.folds for tried in found.trials] == [2] * 4 + [1] * 4
    assert found.best == 1


def test_another_search_in_the_folder_is_refused(tuned, pairs, space, tmp_path):
    with pytest.raises(ArtifactError, match="is of other data, another recipe, space, seed or number of folds"):
        tune(pairs, RECIPE, space, tuned.folder, SearchSettings(6, 2, 9))
    (tmp_path / "mine.txt").write_text("mine", encoding="utf-8")
    with pytest.raises(ArtifactError, match="exists and is no search"):
        tune(pairs, RECIPE, space, tmp_path, SearchSettings(2, 2, 0))
    with pytest.raises(RecipeError, match=r"model=auto in a recipe to tune\nallowed: head, encoder, combination"):
        tune(pairs, load_recipe(None), space, tmp_path / "out", SearchSettings(2, 2, 0))


# --- spaces ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["encoder", "head"])
def test_the_packaged_spaces_are_of_real_settings_around_the_defaults(name):
    found = read_space(name, load_recipe(name))
    start = found.start(load_recipe(name))
    assert with_values(load_recipe(name), start) == load_recipe(name)
    assert set(found.distributions()) == set(start)
    assert all(key.startswith(("fit.", "head.")[name == "head"]) for key in start)


def test_whole_numbers_stay_whole(space):
    kinds = {name: type(found).__name__ for name, found in space.distributions().items()}
    assert kinds == {"head.correction_spread": "FloatDistribution", "head.rank": "IntDistribution"}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[fit.speed]\nlow = 1\nhigh = 2", "'fit.speed' of the space .* cannot be tuned"),
        ("[held_out]\nlow = 0.1\nhigh = 0.2", "'held_out' of the space .* cannot be tuned"),
        ("[fit.seed]\nlow = 1\nhigh = 2", "'fit.seed' of the space .* cannot be tuned"),
        ("[fit.rate]\nlow = 0.1\nhigh = 2.0", r"setting 'fit.rate'.*received 2"),
        ("[fit.rate]\nlow = 0.2\nhigh = 0.1", "low is above high"),
        ("[fit.rate]\nlow = 0.1", "either low and high, or choices"),
        ("[fit.rate]\nlow = 0.1\nhigh = 0.2\nchoices = [0.1]", "either low and high, or choices"),
        ("[fit.in_batch]\nlow = 0.0\nhigh = 1.0\nlog = true", "log needs a low above 0"),
        ("[fit.loss]\nchoices = ['hinge']", "received 'hinge'"),
        ("[fit.rate]\nlow = 0.1\nhigh = 0.2\nmax = 3", "max"),
        ("rate = 3", "rate of the space is no table"),
        ("[fit", "cannot read the space"),
        ("", "has no setting"),
    ],
)
def test_what_is_wrong_with_a_space_is_said(tmp_path, text, message):
    path = tmp_path / "space.toml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(RecipeError, match=message):
        read_space(str(path), load_recipe("encoder"))


def test_a_space_that_is_none_is_said():
    with pytest.raises(RecipeError, match=r"no space 'mine'\nallowed: encoder, head, or a TOML file"):
        read_space("mine", RECIPE)


def test_a_range_is_checked_where_it_is_made():
    assert Range(low=1, high=2).choices == ()


def test_the_command(tmp_path):
    from aisle.cli.main import cli

    lines = ["query,title,relevance"]
    for number in range(20):
        lines += [f"thing {number},thing {number} new,2", f"thing {number},other {number + 1},0"]
    (tmp_path / "pairs.csv").write_text("\n".join(lines), encoding="utf-8")
    given = ["tune", "--pairs", str(tmp_path / "pairs.csv"), "--recipe", "head", "--trials", "2", "--folds", "2"]
    given += ["--out", str(tmp_path / "search")]
    result = CliRunner().invoke(cli, [*given, "--json"])
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert len(found["trials"]) == 2
    assert found["queries"] == {"tried on": 16, "kept for the gate": 4}
    assert "trial 2 of 2: head." in result.stderr
    again = CliRunner().invoke(cli, given)
    assert again.exit_code == 0, again.output
    assert "2 recipes on 16 queries" in again.stdout
    rows = [line.split()[1] for line in again.stdout.splitlines() if line.startswith("│")]
    assert sorted(filter(str.isdigit, rows)) == ["1", "2"]
    assert f"trial {found['best']} against trial 1, where it began" in again.stdout
    assert [one["number"] for one in found["trials"]] == [1, 2]
    assert "4 queries were kept for the gate" in again.stdout
    refused = CliRunner().invoke(cli, [*given, "--scale", "1:2"])
    assert "the grade 0\nallowed: 1 to 2, as declared" in str(refused.exception)
    declared = [*given[:-1], str(tmp_path / "other"), "--scale", "0:4", "--json"]
    assert json.loads(CliRunner().invoke(cli, declared).stdout)["trials"] != found["trials"]
