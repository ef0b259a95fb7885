"""Shoppers' behaviour in alert rules: numbers by hand, a ranking that got worse, references of a training set."""

import datetime as dt
import json
import random

import numpy as np
import pytest
from click.testing import CliRunner

from aisle.cli.main import cli
from aisle.errors import ArtifactError, InputError, JudgmentError, RecipeError
from aisle.monitor.behaviour import Clicks, Shoppers, behaviour, clicks_of
from aisle.monitor.experiments import INTERLEAVED, PageLine, Shown
from aisle.monitor.experiments import line_of as experiment_line
from aisle.monitor.quality import quality
from aisle.monitor.records import line_of as record_line
from aisle.monitor.reference import Reference, load_reference
from aisle.monitor.rules import parse_rules
from aisle.monitor.summary import BEHAVIOUR
from aisle.monitor.trained import trained_queries
from aisle.monitor.watch import Watch, replay
from aisle.serve.alarms import check_monitoring, firing, open_monitoring
from aisle.serve.security.event import Event, Hasher, Item, StoredEvent, line_of
from aisle.serve.security.event_files import last_events
from aisle.serve.shoppers import shoppers_in
from tests.monitor.conftest import RATINGS, START, search

LOOKS = (1.0, 0.7, 0.5, 0.4, 0.3)
RULE = """
[[rule]]
name = "fewer clicks"
metric = "{metric}"
comparison = "<"
threshold = {threshold}
window_s = 7200
minimum = 200
"""


def page(second, query, ids, clicked=(), teams=(), user="u"):
    """An impression and its clicks."""
    moment = START + dt.timedelta(seconds=second)
    items = tuple(
        Item(one, place, team=team)
        for place, (one, team) in enumerate(zip(ids, teams or [""] * len(ids), strict=True), start=1)
    )
    same = {"query": query, "user": user, "request_id": f"r{second}-{user}"}
    yield StoredEvent(moment, Event("impression", items, **same))
    for one in clicked:
        yield StoredEvent(moment + dt.timedelta(milliseconds=500), Event("click", (Item(one),), **same))


def shopping(grades, best_first, first=0, pages=600):
    """Simulated shoppers on real judgments: they look as LOOKS says and click what is good."""
    generator = np.random.default_rng(first)
    queries = sorted(query for query, products in grades.items() if len(products) >= 10)[:4]
    for number in range(pages):
        query = queries[number % len(queries)]
        some = random.Random(query).sample(sorted(grades[query]), 10)
        ids = sorted(some, key=lambda one: grades[query][one] * (-1 if best_first else 1))[:5]
        clicked = [
            one
            for place, one in enumerate(ids)
            if generator.random() < LOOKS[place] * (0.02 + 0.25 * grades[query][one])
        ]
        yield from page(first + number, query, ids, clicked, user=f"u{first + number}")


def kept(folder, events):
    """Events as a service keeps them."""
    folder.mkdir(parents=True, exist_ok=True)
    hasher = Hasher(folder.parent)
    for one in events:
        with (folder / f"{one.time:%Y-%m-%d}.jsonl").open("ab") as file:
            file.write(line_of(one.event, one.time, hasher))
    return folder


def logged(folder, records):
    folder.mkdir(parents=True)
    (folder / "2026-11-29.jsonl").write_bytes(b"".join(map(record_line, records)))
    return folder


def test_numbers_by_hand():
    shoppers = Shoppers([*page(0, "hub", "ab", "a"), *page(1, "hub", "ab"), *page(2, "cable", "cd", "d")])
    assert behaviour("clicks.rate", shoppers) == (2 / 3, 3)
    assert behaviour("drift.clicks.rate", shoppers, Clicks(100, 0.5)) == (pytest.approx(1 / 6), 3)
    assert behaviour("drift.clicks.rate", shoppers) == (None, 3)
    assert behaviour("clicks.ndcg", shoppers) == (None, 3)  # one ranking: nothing tells where shoppers look
    assert behaviour("interleaving.p", shoppers) == (None, 0)
    for name in BEHAVIOUR:
        assert behaviour(name, Shoppers()) == (None, 0)
    with pytest.raises(InputError, match="propensities 1, 2"):
        behaviour("clicks.ndcg", Shoppers(shoppers.events, propensities=(1.0, 2.0)))


def test_click_ndcg_is_that_of_the_command_by_the_references_propensities(grades):
    events = list(shopping(grades, best_first=True))
    expected = quality(events, LOOKS).ndcg.interval
    found = clicks_of(Shoppers(events), LOOKS)
    assert (found.ndcg, found.queries) == (expected.mean, expected.n) == (pytest.approx(0.95, abs=0.1), 4)
    now = behaviour("drift.clicks.ndcg", Shoppers(events), Clicks(600, 0.5, 0.9, 4, LOOKS))
    assert now == (pytest.approx(expected.mean - 0.9), 600)


def test_interleaving_by_the_log_of_experiments_and_by_teams():
    shown = (Shown("x", "a"), Shown("y", "b"))
    lines = [PageLine(START, "new", INTERLEAVED, f"r{n}-u", f"u{n}", "hub", shown) for n in range(6)]
    clicks = [
        StoredEvent(START, Event("click", (Item("y" if n < 5 else "x"),), request_id=f"r{n}-u", user=f"u{n}"))
        for n in range(6)
    ]
    by_log = Shoppers(clicks, lines)
    assert behaviour("interleaving.share", by_log) == (5 / 6, 6)
    assert behaviour("interleaving.p", by_log) == (pytest.approx(14 / 64), 6)  # 2 (6 + 1) / 2^6
    events = [one for n in range(4) for one in page(n, "hub", "xy", "y", "ab", user=f"u{n}")]
    assert behaviour("interleaving.share", Shoppers(events)) == (1.0, 4)


@pytest.mark.parametrize(("metric", "threshold"), [("drift.clicks.rate", -0.1), ("drift.clicks.ndcg", -0.15)])
def test_a_ranking_that_got_worse_is_noticed(grades, metric, threshold):
    before = clicks_of(Shoppers(list(shopping(grades, best_first=True))), LOOKS)
    reference = Reference((1), "", "", (), (), {}, (), clicks=before)
    rules = parse_rules(RULE.format(metric=metric, threshold=threshold))
    records = [search(second) for second in range(0, 3_600, 60)]
    for best_first, states in ((True, []), (False, ["firing"])):
        events = list(shopping(grades, best_first, first=1_000))
        between = lambda since, until, events=events: Shoppers([one for one in events if since <= one.time < until])  # noqa: E731
        told = replay(rules, records, reference, 600.0, between)
        assert [one.state for one in told] == states
    assert told[0].requests >= 200
    assert told[0].value < threshold


def test_what_shoppers_do_is_not_looked_at_each_time(grades):
    rules = parse_rules(RULE.format(metric="clicks.rate", threshold=1.1))
    events, looks = list(shopping(grades, best_first=True)), []

    def between(since, until):
        looks.append((since, until))
        return Shoppers(events if until >= START + dt.timedelta(minutes=3) else [])

    watch = Watch(rules, shoppers=between)
    for minute in range(61):
        watch.at(START + dt.timedelta(minutes=minute), [])
    assert [(until - START).total_seconds() / 60 for _, until in looks] == [
        0,
        1,
        2,
        3,
        33,
    ]  # enough, then a quarter of two hours
    assert [one.rule.name for one in watch.firing] == ["fewer clicks"]
    assert watch.window_s == 0


def test_the_command_compares_with_what_shoppers_did_before(grades, tmp_path):
    looks = ",".join(map(str, LOOKS))
    for name, best_first in (("usual", True), ("same", True), ("worse", False)):
        kept(tmp_path / name / "events", shopping(grades, best_first, first=len(name)))
        logged(tmp_path / name / "requests", [search(second) for second in range(700)])
    reference, rules = tmp_path / "reference.json", tmp_path / "rules.toml"
    rules.write_text(RULE.format(metric="drift.clicks.ndcg", threshold=-0.15))

    def run(name, *more):
        folder = tmp_path / name
        return CliRunner().invoke(
            cli, ["monitor", str(folder / "requests"), "--events", str(folder / "events"), *map(str, more)]
        )

    assert run("usual", "--propensities", looks, "--save-reference", reference).exit_code == 0
    assert load_reference(reference).clicks.propensities == LOOKS
    ruled = ("--reference", reference, "--rules", rules)
    assert run("same", *ruled).exit_code == 0
    fallen = run("worse", *ruled, "--json")
    assert fallen.exit_code == 3, fallen.output
    told = json.loads(fallen.output)
    assert told["alerts"][0]["metric"] == "drift.clicks.ndcg"
    assert told["clicks"]["ndcg"] < load_reference(reference).clicks.ndcg - 0.15
    assert "drift.NAME" in run("worse", "--reference", reference).output
    blind = CliRunner().invoke(cli, ["monitor", str(tmp_path / "same" / "requests"), "--rules", str(rules)])
    assert "drift.clicks.ndcg needs events of shoppers" in str(blind.exception)
    with pytest.raises(ArtifactError, match="no events are kept"):
        CliRunner().invoke(
            cli,
            ["monitor", str(tmp_path / "same" / "requests"), "--events", str(tmp_path / "none")],
            catch_exceptions=False,
        )


def test_a_service_tells_what_fires(grades, tmp_path):
    state = tmp_path / "shop.state"
    kept(state / "events", shopping(grades, best_first=False))
    before = clicks_of(Shoppers(list(shopping(grades, best_first=True, first=1))), LOOKS)
    Reference(1, "", "", (), (), {}, (), clicks=before).save(tmp_path / "reference.json")
    (tmp_path / "rules.toml").write_text(RULE.format(metric="drift.clicks.rate", threshold=-0.1))
    table = {"rules": str(tmp_path / "rules.toml"), "reference": str(tmp_path / "reference.json")}
    monitoring = open_monitoring(state, table)
    assert firing(state) is None
    monitoring.alarms.look(START - dt.timedelta(hours=1))
    assert firing(state).alerts == []
    now = START + dt.timedelta(minutes=30)
    (notice,) = monitoring.alarms.look(now)
    assert notice.value < -0.1
    found = firing(state)
    assert (found.at, found.alerts[0]["name"]) == (now, "fewer clicks")
    assert monitoring.alarms.look(now + dt.timedelta(minutes=1)) == []
    assert len(firing(state).alerts) == 1  # it lasts
    monitoring.close()
    Reference(1, "", "", (), (), {}, ()).save(tmp_path / "reference.json")
    with pytest.raises(RecipeError, match="needs a reference that shoppers' events went into"):
        check_monitoring(table)


def test_of_many_events_the_latest_are_read(tmp_path):
    folder = kept(tmp_path / "events", [one for n in range(0, 200_000, 20_000) for one in page(n, "hub", "ab", "a")])
    assert len(list(folder.glob("*.jsonl"))) == 3
    end = START + dt.timedelta(days=3)
    found = last_events(folder, START, end, 7)
    assert [one.event.type for one in found] == ["click", *["impression", "click"] * 3]
    assert found[-1].time == START + dt.timedelta(seconds=180_000.5)
    assert len(last_events(folder, START + dt.timedelta(seconds=70_000), end, 1_000)) == 12
    assert len(shoppers_in(tmp_path, START, START + dt.timedelta(seconds=70_000)).events) == 8
    assert shoppers_in(tmp_path / "nothing", START, end) == Shoppers([], ())


# --- references of a training set ----------------------------------------------------------------------------


def test_a_training_set_is_a_reference(queries, tmp_path):
    reference = tmp_path / "reference.json"
    run = CliRunner().invoke(cli, ["monitor", "--trained-on", str(RATINGS), "--save-reference", str(reference)])
    assert run.exit_code == 0, run.output
    assert "89 queries" in run.output
    found = load_reference(reference)
    log = Reference.of([search(i, query=query) for i, query in enumerate(queries)])
    assert (found.lengths, found.words, found.queries) == (log.lengths, log.words, log.queries)
    assert (found.scores, found.searches) == ((), 89)
    same = found.drift([search(i, query=query) for i, query in enumerate(queries)])
    other = found.drift([search(i, query=f"红米 手机壳 {i}") for i in range(80)])
    assert (same.score, same.unseen.share) == (None, 0.0)
    assert same.length.p > 0.5 > 0.001 > other.length.p
    assert other.unseen.share > 0.9
    rules = tmp_path / "rules.toml"
    rules.write_text(RULE.format(metric="drift.score", threshold=0.1))
    log_folder = logged(tmp_path / "requests", [search(0)])
    refused = CliRunner().invoke(
        cli, ["monitor", str(log_folder), "--reference", str(reference), "--rules", str(rules)]
    )
    assert "drift.score needs scores" in str(refused.exception)


def test_queries_of_pairs_each_once_and_masked(tmp_path):
    rows = [("usb hub", "A hub"), ("usb hub", "Another"), ("mail anna@example.com", "A book")]
    lines, table = tmp_path / "pairs.jsonl", tmp_path / "pairs.csv"
    lines.write_text("".join(json.dumps({"query": query, "title": title}) + "\n" for query, title in rows))
    table.write_text("query,title\n" + "".join(f"{query},{title}\n" for query, title in rows))
    assert trained_queries(lines) == trained_queries(table) == ["usb hub", "mail anna@example.com"]
    assert Reference.of_queries(trained_queries(lines)).queries == ("usb hub", "mail <email>")
    qrels = tmp_path / "qrels.txt"
    qrels.write_text("1 0 p1 3\n2 0 p2 1\n")
    with pytest.raises(JudgmentError, match="holds no query's text"):
        trained_queries(qrels)
    (tmp_path / "odd.txt").write_text("nothing of this\nis known\n")
    with pytest.raises(JudgmentError, match=r"odd\.txt"):
        trained_queries(tmp_path / "odd.txt")


@pytest.mark.parametrize(
    "arguments", [(), ("--trained-on", "a.csv"), ("log", "--trained-on", "a", "--save-reference", "b")]
)
def test_a_log_or_a_training_set(arguments):
    with pytest.raises(InputError, match="what is to be looked at is not clear"):
        CliRunner().invoke(cli, ["monitor", *arguments], catch_exceptions=False)


def test_a_service_looks_for_interleavings_where_a_rule_asks(tmp_path):
    state = tmp_path / "shop.state"
    (state / "experiments").mkdir(parents=True)
    shown = (Shown("x", "a"), Shown("y", "b"))
    lines = [PageLine(START, "new", INTERLEAVED, f"r{n}", f"u{n}", "hub", shown) for n in range(9)]
    (state / "experiments" / "2026-11-29.jsonl").write_bytes(b"".join(map(experiment_line, lines)))
    late = START + dt.timedelta(seconds=5)
    kept(
        state / "events",
        [StoredEvent(late, Event("click", (Item("x"),), request_id=f"r{n}", user=f"u{n}")) for n in range(9)],
    )
    for metric, threshold, fires in (("interleaving.share", 0.4, True), ("clicks.rate", 0.4, False)):
        (tmp_path / "rules.toml").write_text(
            RULE.format(metric=metric, threshold=threshold).replace("minimum = 200", "minimum = 5")
        )
        monitoring = open_monitoring(state, {"rules": str(tmp_path / "rules.toml")})
        assert bool(monitoring.alarms.look(START + dt.timedelta(minutes=1))) is fires
        monitoring.close()
