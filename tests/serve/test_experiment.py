"""Experiments in a running service: a silent shadow, split users, interleaved pages, a place to explore, the report."""

import json
import shutil
from collections import Counter
from pathlib import Path

import pytest
from click.testing import CliRunner
from fastapi.testclient import TestClient

from aisle.cli.main import cli
from aisle.config import Recipe
from aisle.engine import SearchEngine
from aisle.errors import ArtifactError, RecipeError
from aisle.monitor.experiments import read_experiments
from aisle.serve.app import Outside, create_app
from aisle.serve.experiment.arms import Arms
from aisle.serve.experiment.settings import ExperimentSettings
from aisle.serve.experiment.shadow import Scored, ShadowSender
from aisle.serve.processes.plan import Plan
from aisle.serve.security import Security, SecuritySettings
from aisle.serve.settings import read_config
from aisle.types import SearchRequest
from tests.serve.test_processes import Service, until

QUERIES = ("usb cable", "notebook", "laser printer", "hdmi", "wireless mouse", "ink cartridge", "monitor 24", "toner")
WORDS = '[search.weights]\nbm25 = 1.0\n"dense:text" = 0.0\n[ranking]\nlearnt = ""\n'


def ids(answer):
    return [hit["product"]["id"] for hit in answer["hits"]]


@pytest.fixture(scope="module")
def other(built):
    """A recipe that ranks by words alone."""
    path = built.parent / "words.toml"
    path.write_text(WORDS)
    return path


class Running:
    """An app with an experiment, as a worker runs it."""

    def __init__(self, folder, encoder, tmp_path, **table):
        config = tmp_path / "aisle.toml"
        explore = table.pop("explore", {})
        lines = [f"{name} = {json.dumps(value)}" for name, value in table.items()]
        lines += [f"explore.{name} = {json.dumps(value)}" for name, value in explore.items()]
        config.write_text('[serve]\nstate = "state"\n[experiment]\n' + "\n".join(lines) + "\n")
        self.state = tmp_path / "state"
        self.plan = Plan(folder, read_config(config), None, tmp_path)
        self.engine = SearchEngine.open(folder, encoder=encoder)
        self.security = Security(self.state, SecuritySettings())
        outside = Outside(
            security=self.security,
            tables=self.plan.config.tables,
            suggestions=False,
            candidate=self.plan.candidate(self.engine),
            shadow=tmp_path / "shadow.sock",
        )
        self.app = create_app(self.engine, self.plan.config.settings, outside)

    def __enter__(self):
        self.client = TestClient(self.app, client=("127.0.0.1", 50_000), base_url="http://127.0.0.1").__enter__()
        return self

    def __exit__(self, *_):
        self.client.__exit__(None, None, None)
        self.security.close()
        self.engine.close()

    def search(self, query, **body):
        response = self.client.post("/v1/search", json={"query": query, **body})
        assert response.status_code == 200, response.text
        return response

    def report(self, *arguments):
        run = CliRunner().invoke(cli, ["experiment", "shop", "--state", str(self.state), "--json", *arguments])
        assert run.exception is None, run.exception
        return json.loads(run.output)


def candidate_ids(engine, other, query, k=10):
    ranking = engine.with_recipe(Recipe.load(other, engine.recipe)).search(SearchRequest(query, k=k))
    return [hit.product_id for hit in ranking.hits]


def served_ids(engine, query, k=10):
    return [hit.product_id for hit in engine.search(SearchRequest(query, k=k)).hits]


def test_split_users_see_one_ranking_each_and_the_report_tells(built, encoder, other, tmp_path):
    with Running(built, encoder, tmp_path, name="words", how="split", share=0.5, recipe=str(other)) as running:
        seen, events = {}, []
        for number in range(40):
            query = QUERIES[number % len(QUERIES)]
            response = running.search(query, user=f"user{number}")
            answer = response.json()
            variant = answer["experiment"]["variant"]
            assert answer["experiment"]["name"] == "words"
            expected = candidate_ids(running.engine, other, query) if variant == "b" else None
            assert ids(answer) == (expected or served_ids(running.engine, query))
            assert running.search(query, user=f"user{number}").json()["experiment"]["variant"] == variant
            seen[f"user{number}"] = variant
            if variant == "b" and ids(answer):
                click = {"type": "click", "request_id": response.headers["x-request-id"], "user": f"user{number}"}
                events.append(click | {"items": [{"id": ids(answer)[0]}]})
        assert "experiment" not in running.search("usb cable").json()  # nobody knows whose it is
        assert "experiment" not in running.search("usb cable", user="user1", explain=True).json()
        assert "experiment" not in running.search("usb cable", user="user1", sort="price").json()
        assert running.client.post("/v1/events", json={"events": events}).status_code == 202
        assert running.client.get("/metrics").text.count("aisle_searches_variant_total{") == 2
    counts = Counter(seen.values())
    assert min(counts.values()) >= 8
    found = running.report()
    split = found["split"]
    assert (found["experiment"], found["orphans"], split["failed"]) == ("words", 0, 0)
    assert split["users"] == dict(counts)
    assert split["pages"] == {variant: 2 * count for variant, count in counts.items()}
    assert split["rates"]["clicked"]["a"] == 0
    assert split["rates"]["clicked"]["b"] == pytest.approx(0.5 * len(events) / counts["b"])
    lines = read_experiments(running.state / "experiments").pages
    assert not {line.user for line in lines} & set(seen)  # hashes alone
    text = CliRunner().invoke(cli, ["experiment", "shop", "--state", str(running.state)]).output
    assert f"users: a {counts['a']}, b {counts['b']}" in text


def test_interleaved_pages_hold_both_rankings_and_pages_fit_together(built, encoder, other, tmp_path):
    with Running(built, encoder, tmp_path, name="words", how="interleave", share=1.0, recipe=str(other)) as running:
        teams, events = Counter(), []
        for number, query in enumerate(QUERIES * 2):
            response = running.search(query, user=f"user{number}", k=10)
            answer = response.json()
            both = {"a": served_ids(running.engine, query, 30), "b": candidate_ids(running.engine, other, query, 30)}
            for hit in answer["hits"]:
                assert hit["product"]["id"] in both.get(hit.get("team"), both["a"] + both["b"])
                teams[hit.get("team", "")] += 1
            first = running.search(query, user=f"user{number}", k=4).json()
            second = running.search(query, user=f"user{number}", k=6, offset=4).json()
            assert ids(first) + ids(second) == ids(answer)
            assert [hit["rank"] for hit in second["hits"]] == list(range(5, 5 + len(second["hits"])))
            clicked = [hit["product"]["id"] for hit in answer["hits"] if hit.get("team") == "b"][:1]
            if clicked:
                kinds = ("click", "purchase") if number % 2 else ("click",)
                request = response.headers["x-request-id"]
                events += [{"type": kind, "request_id": request, "items": [{"id": clicked[0]}]} for kind in kinds]
        assert running.client.post("/v1/events", json={"events": events}).status_code == 202
    assert min(teams["a"], teams["b"]) > 30
    found = running.report()["interleaved"]
    clicked = sum(event["type"] == "click" for event in events)
    assert (found["preferences"]["clicked"]["wins"], found["preferences"]["clicked"]["losses"]) == (clicked, 0)
    assert found["preferences"]["clicked"]["sign_p"] == pytest.approx(2 * 0.5**clicked)
    assert found["preferences"]["bought"]["wins"] == len(events) - clicked
    assert found["shoppers"] == 16


@pytest.mark.parametrize("method", ["epsilon", "thompson"])
def test_a_place_to_explore_is_logged_with_its_propensities(built, encoder, tmp_path, method):
    explore = {"method": method, "epsilon": 0.5, "slot": 3, "depth": 8}
    with Running(built, encoder, tmp_path, name="place", explore=explore) as running:
        shown, clicks = Counter(), []
        for number in range(60):
            query = QUERIES[number % 2]
            whole = served_ids(running.engine, query, 8)
            response = running.search(query, k=5)
            answer = response.json()
            slot = answer["hits"][2]
            assert ids(answer)[:2] + ids(answer)[3:] == whole[:2] + whole[3:5]
            assert slot["product"]["id"] in (whole[2], *whole[5:])
            explored = slot["product"]["id"] != whole[2]
            if method == "epsilon":
                assert slot["propensity"] == pytest.approx(0.5 / 3 if explored else 0.5)
            shown[explored] += 1
            if explored and number % 2:
                clicks.append({"type": "click", "request_id": response.headers["x-request-id"]})
                clicks[-1] |= {"items": [{"id": slot["product"]["id"]}]}
        assert min(shown.values()) > 5
        assert "experiment" not in running.search("usb cable", k=2).json()  # no third place there
        assert "experiment" not in running.search("usb cable", k=5, offset=5).json()
        assert running.client.post("/v1/events", json={"events": clicks}).status_code == 202
        trial = running.app.state.parts.trial
        if method == "thompson":
            products = served_ids(running.engine, QUERIES[1], 8)

            def counted(query: str) -> tuple[float, float]:
                """Looks and clicks of the query's products, as the logs have them by now."""
                trial._arms._next = 0.0
                trial.refresh()
                arms = [trial._arms.of(query, one) for one in products]
                return sum(arm[0] for arm in arms), sum(arm[1] for arm in arms)

            until(lambda: sum(1 for _ in read_experiments(running.state / "experiments").pages) == 60, 30)
            until(lambda: counted(QUERIES[1])[1] >= len(clicks), 30)  # events are written behind the answer
            assert counted(QUERIES[1].upper()) == (30, len(clicks))
            (tmp_path / "later" / "pages").mkdir(parents=True)
            later = Arms(tmp_path / "later" / "pages", tmp_path / "later" / "events", trial._arms.experiment)
            for name in ("events", "pages"):  # the clicks are read before the pages
                shutil.copytree(getattr(trial._arms, name), tmp_path / "later" / name, dirs_exist_ok=True)
                later._next = 0.0
                later.refresh()
            assert [later.of(QUERIES[1], one) for one in products] == [
                trial._arms.of(QUERIES[1], one) for one in products
            ]
    found = running.report()["explored"]
    assert (found["pages"], found["explored"]) == (60, shown[True])
    lines = read_experiments(running.state / "experiments").pages
    clicked = {event["request_id"] for event in clicks}
    by_hand = [
        (line.request_id in clicked) * (line.items[2].id == line.pool[0]) / line.items[2].propensity for line in lines
    ]
    assert found["served"]["ips"]["value"] == pytest.approx(sum(by_hand) / 60)
    assert found["candidate"] is None


def test_a_candidate_with_its_own_index_shows_products_as_they_are_served(folder, encoder, tmp_path, products):
    """What was deleted is not shown, a new price is; what the candidate does not find is no answer of its own."""
    other_home = Path(shutil.copytree(folder, tmp_path / "shop-2"))
    gone, dearer = served_ids(SearchEngine.open(folder, encoder=encoder), "usb cable", 2)
    with Running(folder, encoder, tmp_path, name="index", how="split", share=0.99, index="shop-2") as running:
        assert running.plan.experiment().index == str(other_home)  # beside the configuration
        assert running.client.delete(f"/v1/products/{gone}").status_code == 200
        assert running.client.patch(f"/v1/products/{dearer}", json={"price": 4711.0}).status_code == 200
        answer = running.search("usb cable", user="somebody").json()
        assert answer["experiment"]["variant"] == "b"
        assert gone not in ids(answer)
        assert [hit["rank"] for hit in answer["hits"]] == list(range(1, len(answer["hits"]) + 1))
        (hit,) = [hit for hit in answer["hits"] if hit["product"]["id"] == dearer]
        assert hit["product"]["price"] == 4711.0
        # a candidate that breaks leaves everybody the served ranking, and is counted as what it is
        shutil.rmtree(other_home / "lance")
        running.app.state.parts.trial.candidate._engine.close()
        running.app.state.parts.trial.candidate._engine = None
        answer = running.search("notebook", user="somebody").json()
        assert ids(answer) == served_ids(running.engine, "notebook")
    assert running.report()["split"]["failed"] == 1


def test_a_candidate_that_cannot_be_opened_is_refused_at_the_start(built, encoder, tmp_path):
    with pytest.raises(ArtifactError, match="nowhere"):
        Running(built, encoder, tmp_path, name="x", how="split", index="nowhere")


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"how": "split", "recipe": "r"}, "no name"),
        ({"name": "x", "how": "shadow"}, "there is no candidate"),
        ({"name": "x", "how": "sometimes"}, "'how'"),
        ({"name": "x", "how": "split", "recipe": "r", "explore": {"method": "epsilon"}}, "exploration beside 'split'"),
        ({"name": "x", "explore": {"method": "epsilon", "slot": 10, "depth": 10}}, "a depth below|explore.depth 10"),
        ({"name": "x", "share": 0}, "'share'"),
    ],
)
def test_wrong_settings_are_refused(table, said):
    with pytest.raises(RecipeError, match=said):
        ExperimentSettings.from_dict(table)


def test_a_shadow_nobody_listens_to_is_dropped_and_counted(built, encoder, other, tmp_path):
    with Running(built, encoder, tmp_path, name="s", how="shadow", share=1.0, recipe=str(other)) as running:
        assert "experiment" not in running.search("usb cable").json()
        assert 'aisle_shadow_searches_total{outcome="dropped"} 1.0' in running.client.get("/metrics").text
    sender = ShadowSender(tmp_path / "none.sock", 1.0)
    assert not sender.send(Scored("1", 0.0, "{}", ("1",), 1.0, "shop", False))
    sender.close()
    assert Scored.of(Scored("1", 0.0, "{}", ["1"], 1.0, "shop", False).message()).ids == ["1"]


def test_a_running_service_scores_a_shadow_and_its_answers_are_the_same(folder, encoder, other, tmp_path):
    config = tmp_path / "aisle.toml"
    config.write_text(f"""
[serve]
workers = 1
[monitor]
rules = "rules.toml"
[experiment]
name = "words"
how = "shadow"
share = 1.0
recipe = "{other}"
queue = 4
max_age_ms = 60000
[experiment.explore]
method = "epsilon"
epsilon = 0.5
slot = 2
depth = 8
""")
    (tmp_path / "rules.toml").write_text(
        '[[rule]]\nname = "a"\nmetric = "searches"\ncomparison = ">"\nthreshold = 1e9\n'
    )  # found beside the configuration, wherever the service is started
    with SearchEngine.open(folder, encoder=encoder) as engine:
        expected = {query: served_ids(engine, query, 3) for query in QUERIES}
        theirs = {query: candidate_ids(engine, other, query, 30) for query in QUERIES}
    service = Service(folder, "--config", str(config), "--workers", "1")
    metrics = "aisle_shadow_searches_total"
    state = folder.with_name("shop.state")

    def compared():
        text = service.client.get("/metrics").text
        return sum(float(line.split()[1]) for line in text.splitlines() if line.startswith(f'{metrics}{{outcome="comp'))

    try:
        until(lambda: service.client.post("/v1/search", json={"query": "usb"}).is_success and compared() >= 1)
        assert service.client.get("/health/ready").json()["ready"]
        for query in QUERIES:
            asked = service.client.post("/v1/search", json={"query": query, "k": 3})
            shown, whole = ids(asked.json()), expected[query]
            assert [shown[0], shown[2]] == [whole[0], whole[2]]
            service.client.post(
                "/v1/events",
                json={"events": [{"type": "click", "request_id": asked.headers["x-request-id"],
                                  "items": [{"id": shown[1]}]}]},
            )  # fmt: skip
            shadows = state / "experiments"
            until(lambda: any(shadows.glob("*.jsonl")), 120)  # noqa: B023
            until(lambda: any(one.query == query for one in read_experiments(shadows).shadows), 120)  # noqa: B023
    finally:
        code, errors = service.end()
    assert (code, "Traceback" in errors) == (0, False), errors
    log = read_experiments(state / "experiments")
    assert log.torn == 0
    lines = {line.query: line for line in log.shadows if line.query in QUERIES}
    assert set(lines) == set(QUERIES)
    for query, line in lines.items():
        assert list(line.candidate) == theirs[query]
        assert line.k == 3
        assert line.candidate_ms > 0
        assert not line.failed
    run = CliRunner().invoke(cli, ["experiment", str(folder), "--json"])
    found = json.loads(run.output)
    assert found["shadow"]["searches"] == len(log.shadows)
    assert found["explored"]["judged"] > 0  # the candidate is judged by the pages that explored
    assert found["explored"]["candidate"]["ips"]["n"] == found["explored"]["judged"]
