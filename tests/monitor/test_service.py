"""A real service writes the log, looks at rules and tells a real webhook; `aisle monitor` reads what it wrote."""

import datetime as dt
import http.server
import json
import multiprocessing
import threading
import time

import pytest
from click.testing import CliRunner
from fastapi.testclient import TestClient

from aisle.cli.main import cli
from aisle.encoders.embedded import EmbeddedEncoder
from aisle.engine import SearchEngine
from aisle.errors import RecipeError
from aisle.monitor.follow import Follower
from aisle.monitor.records import line_of, read_log
from aisle.monitor.rules import parse_rules
from aisle.monitor.watch import Watch
from aisle.serve.alarms import Alarms, MonitorSettings, check_monitoring, open_monitoring
from aisle.serve.app import Outside, create_app
from aisle.serve.facts import Facts
from aisle.serve.request_log import RequestLog
from aisle.serve.settings import Settings
from aisle.types import Product
from tests.monitor.conftest import START, search

PRODUCTS = [
    Product("1", "USB 3.0 hub, 4 ports"),
    Product("2", "Wireless headphones, black"),
    Product("3", "HDMI cable 2 m"),
]
RULES = """
[[rule]]
name = "busy"
metric = "searches"
comparison = ">="
threshold = 2
minimum = 1
severity = "critical"
"""


class Receiver(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self.send_response(200)
        self.end_headers()
        self.server.got.append(body)
        self.server.came.set()

    def log_message(self, *args):
        pass


@pytest.fixture
def receiver():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    server.got, server.came = [], threading.Event()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture(scope="module")
def shop(tmp_path_factory):
    folder = tmp_path_factory.mktemp("monitor") / "shop"
    SearchEngine.build(PRODUCTS, folder, encoder=EmbeddedEncoder()).close()
    return folder


def test_a_service_logs_and_tells_and_the_command_reads_it(shop, tmp_path, receiver):
    rules = tmp_path / "rules.toml"
    rules.write_text(RULES)
    table = {"rules": str(rules), "webhook": f"http://127.0.0.1:{receiver.server_port}/", "every_s": 0.1}
    state = tmp_path / "state"
    with SearchEngine.open(shop) as engine:
        app = create_app(engine, Settings(state=str(state)), Outside(tables={"monitor": table}, suggestions=False))
        with TestClient(app) as client:
            first = client.post("/v1/search", json={"query": "usb hub for jane@example.com"})
            assert client.post("/v1/search", json={"query": "headphones"}).status_code == 200
            assert client.get("/health/live").status_code == 200
            assert client.get("/v1/products/none").status_code == 404
            assert receiver.came.wait(20)
    (alert,) = receiver.got[0]["alerts"]
    assert (alert["name"], alert["state"], alert["severity"], alert["value"]) == ("busy", "firing", "critical", 2.0)
    assert receiver.got[0]["service"] == "state"
    records = read_log(state / "requests").records
    assert [record.status for record in records] == [200, 200, 404]
    assert records[0].request_id == first.headers["x-request-id"]
    assert records[0].query == "usb hub for <email>"
    assert records[0].shown == len(first.json()["hits"])
    assert records[0].scores[0] == pytest.approx(first.json()["hits"][0]["score"], rel=1e-4)
    assert set(records[0].stages) >= {"bm25", "dense"}
    (file,) = (state / "requests").glob("*.jsonl")
    assert file.stat().st_mode & 0o777 == 0o600

    run = CliRunner().invoke(cli, ["monitor", str(state / "requests"), "--rules", str(rules), "--json"])
    assert run.exit_code == 3
    found = json.loads(run.output)
    assert (found["requests"], found["searches"]) == (3, 2)
    assert found["alerts"][0]["name"] == "busy"
    assert found["values"]["error_rate"] == 0.0


def log_of(folder, records):
    folder.mkdir()
    (folder / "2026-11-29.jsonl").write_bytes(b"".join(line_of(record) for record in records))
    return str(folder)


def invoke(*arguments):
    return CliRunner().invoke(cli, ["monitor", *map(str, arguments)])


def test_the_command_compares_with_a_reference(tmp_path, queries):
    usual = log_of(tmp_path / "usual", [search(i, query=query, scores=(i % 9,)) for i, query in enumerate(queries * 2)])
    other = log_of(tmp_path / "other", [search(i, query="红米 手机壳", scores=(20.0,)) for i in range(60)])
    reference, rules = tmp_path / "reference.json", tmp_path / "rules.toml"
    assert invoke(usual, "--save-reference", reference).exit_code == 0
    rules.write_text(RULES.replace("searches", "drift.unseen").replace("= 2", "= 0.5"))
    assert invoke(usual, "--reference", reference, "--rules", rules).exit_code == 0
    run = invoke(other, "--reference", reference, "--rules", rules)
    assert run.exit_code == 3
    assert "new words: 壳 " not in run.output
    assert "手机 60" in run.output
    assert "busy" in run.output
    early = invoke(other, "--reference", reference, "--rules", rules, "--until", "2026-11-29T08:00")
    assert early.exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--webhook", "http://a/"), "there are no rules"),
        (("--encoder", "embedded"), "drift needs a window"),
        (("--since", "yesterday"), "--since 'yesterday' is no moment"),
        (("--rules", "none.toml"), "cannot read the rules"),
        (("--reference", "none.json"), "cannot read the reference"),
    ],
)
def test_wrong_options_are_refused(tmp_path, arguments, said):
    log = log_of(tmp_path / "log", [search(0)])
    assert said in str(invoke(log, *arguments).exception)


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ({"colour": 1}, "colour"),
        ({"keep_days": 0}, "keep_days"),
        ({"rules": "r.toml", "log": False}, "which is off"),
        ({"webhook": "http://a/"}, "a webhook without rules"),
        ({"rules": "drift.toml"}, "drift.score needs a reference"),
    ],
)
def test_wrong_settings_are_refused(tmp_path, monkeypatch, table, said):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "drift.toml").write_text(RULES.replace("searches", "drift.score"))
    with pytest.raises(RecipeError, match=said):
        open_monitoring(tmp_path, table)
    with pytest.raises(RecipeError, match=said):
        check_monitoring(table)
    assert not (tmp_path / "requests").exists()


def test_monitoring_off_writes_nothing(tmp_path):
    monitoring = open_monitoring(tmp_path, {"log": False})
    assert (monitoring.log, monitoring.alarms, monitoring.observers) == (None, None, [])
    assert MonitorSettings().rules == ""


# --- the file of requests ------------------------------------------------------------------------------------


def facts(**fields):
    return Facts(**({"route": "/v1/search", "status": 200, "searched": True, "query": "usb hub"} | fields))


def test_old_days_are_deleted_and_a_full_day_is_left_out(tmp_path):
    folder = tmp_path / "requests"
    folder.mkdir()
    for day in ("2026-10-01", "2026-11-01"):
        (folder / f"{day}.jsonl").write_text("")
    log = RequestLog(folder, keep_days=30, most_bytes=600, clock=lambda: START)
    for number in range(20):
        log(facts(request_id=str(number)))
        deadline = time.monotonic() + 10
        while number == 0 and not (folder / "2026-11-29.jsonl").exists() and time.monotonic() < deadline:
            time.sleep(0.01)
    log.close()
    assert sorted(path.name for path in folder.glob("*.jsonl")) == ["2026-11-01.jsonl", "2026-11-29.jsonl"]
    kept = read_log(folder / "2026-11-29.jsonl").records
    assert len(kept) >= 1
    assert log.dropped == 20 - len(kept) > 0
    assert (folder / "2026-11-29.jsonl").stat().st_size <= 600


def test_a_clock_that_jumps_deletes_no_day(tmp_path):
    folder = tmp_path / "requests"
    folder.mkdir()
    (folder / "2026-10-01.jsonl").write_text("")
    log = RequestLog(folder, keep_days=30, clock=lambda: START)
    log._file._clock._wall -= 100 * 86_400  # the wall clock went 100 days ahead, not time
    log(facts())
    log.close()
    assert sorted(path.name for path in folder.glob("*.jsonl")) == ["2026-10-01.jsonl", "2026-11-29.jsonl"]


def test_a_key_that_was_pasted_as_a_query_is_not_written(tmp_path):
    log = RequestLog(tmp_path / "requests", clock=lambda: START)
    log(facts(query="aisle_0123456789ab_" + "abcdefgh" * 4))
    log.close()
    assert b"abcdefgh" not in (tmp_path / "requests" / "2026-11-29.jsonl").read_bytes()


def test_a_service_with_a_wrong_rule_does_not_start(shop, tmp_path):
    config = tmp_path / "aisle.toml"
    (tmp_path / "rules.toml").write_text(RULES.replace("searches", "sales"))
    config.write_text(f'[monitor]\nrules = "{tmp_path / "rules.toml"}"\n')
    run = CliRunner().invoke(cli, ["serve", str(shop), "--config", str(config), "--port", "0"])
    assert "rule 'busy': no measure 'sales'" in str(run.exception)


def test_a_folder_that_cannot_be_made_costs_no_request(tmp_path):
    (tmp_path / "requests").write_text("a file where the folder should be")
    log = RequestLog(tmp_path / "requests")
    log(facts())
    log.close()
    assert log.dropped == 1


def write_many(folder, worker):
    log = RequestLog(folder, clock=lambda: START)
    for number in range(1_500):  # more than are written at once
        log(facts(request_id=f"{worker}-{number}", query="x" * 300))
    log.close()


def test_several_workers_write_whole_lines(tmp_path):
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=write_many, args=(tmp_path / "requests", worker)) for worker in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
        assert worker.exitcode == 0
    log = read_log(tmp_path / "requests")
    assert log.torn == 0
    assert len({record.request_id for record in log.records}) == 3_000


def test_a_growing_log_is_followed(tmp_path):
    follower = Follower(tmp_path, 60)
    now = START + dt.timedelta(seconds=100)
    assert follower.records(now) == []
    path = tmp_path / "2026-11-29.jsonl"
    lines = [line_of(search(second)) for second in range(200)]
    path.write_bytes(b"".join(lines[:100]) + lines[100][:20])
    assert len(follower.records(now)) == 100  # a window and a minute's slack
    with path.open("ab") as file:
        file.write(lines[100][20:] + b"".join(lines[101:]))
    seconds = [(record.time - START).total_seconds() for record in follower.records(START + dt.timedelta(seconds=200))]
    assert seconds == list(range(80, 200))


def test_one_process_looks_and_another_takes_over(tmp_path, receiver):
    folder = tmp_path / "requests"
    folder.mkdir()
    first, second = (Alarms(folder, Watch(parse_rules(RULES)), None, 60) for _ in range(2))
    (folder / "2026-11-29.jsonl").write_bytes(b"".join(line_of(search(second)) for second in range(5)))
    now = START + dt.timedelta(seconds=10)
    assert [notice.state for notice in first.look(now)] == ["firing"]
    assert second.look(now) == []
    first.close()
    assert [notice.state for notice in second.look(now)] == ["firing"]
    second.close()
