"""The log of requests: what a line keeps, what numbers say, when rules are breached, how alerts are sent."""

import datetime as dt
import http.server
import json
import socket
import threading
from pathlib import Path

import pytest

from aisle.errors import ArtifactError, MetricError, RecipeError
from aisle.monitor.records import line_of, read_log, record_of
from aisle.monitor.rules import parse_rules, read_rules
from aisle.monitor.summary import RATES, measure, quantile, summarise
from aisle.monitor.watch import Notice, Watch, replay
from aisle.monitor.webhook import Webhook
from tests.monitor.conftest import START, search

RULE = """
[[rule]]
name = "nothing found"
metric = "zero_rate"
comparison = ">"
threshold = 0.2
window_s = 60
minimum = 10
"""


def write(path, records):
    path.write_bytes(b"".join(line_of(record) for record in records))
    return path


# --- lines ---------------------------------------------------------------------------------------------------


def test_a_line_says_all_and_is_read_again():
    record = search(
        0.5,
        request_id="a1",
        method="POST",
        total_ms=12.5,
        queue_ms=0.25,
        stages={"bm25": 3.0, "dense": 4.5},
        mode="hybrid",
        cut=2,
        degraded=("rerank: deadline",),
        scores=(0.9, 0.8),
        index_version=7,
        variant="b",
    )
    assert record_of(line_of(record)) == record


def test_personal_data_never_reaches_a_line():
    line = line_of(search(0, query="cable for jane.doe@example.com 13812345678", request_id="13812345678"))
    assert b"jane" not in line
    assert b"13812345678" not in line
    assert record_of(line).query == "cable for <email> <phone>"


@pytest.mark.parametrize("before", range(470, 501))
def test_nothing_of_what_is_masked_is_left_where_a_query_is_cut(before):
    for personal in ("5500005555555559", "11010519491231002X", "zweite.person@example.com"):
        line = line_of(search(0, query=f"{'x' * before} {personal}", degraded=(f"rerank: refused {personal}",)))
        assert personal[:9].encode() not in line


def test_ids_that_read_like_personal_data_stay_two():
    one, other = (record_of(line_of(search(0, request_id=name))).request_id for name in ("13800138000", "13800138001"))
    assert one != other
    assert one == record_of(line_of(search(0, request_id="13800138000"))).request_id
    assert "138001" not in one + other


def test_long_queries_and_endless_scores_are_cut():
    record = record_of(line_of(search(0, query="x" * 600, scores=(float("nan"), *range(40)))))
    assert len(record.query) == 500
    assert record.scores == tuple(range(19))  # the first 20, of which one is no number


def test_a_folder_is_read_in_the_order_of_time_and_torn_lines_are_counted(tmp_path):
    write(tmp_path / "2026-11-29.jsonl", [search(5), search(2)])
    write(tmp_path / "2026-11-30.jsonl", [search(86_400)])
    (tmp_path / "notes.jsonl").write_text("not a day\n")
    with (tmp_path / "2026-11-30.jsonl").open("ab") as file:
        file.write(b'{"v":1,"time"\n' + line_of(search(86_401))[:-1])  # torn by a crash, and one not yet ended
    log = read_log(tmp_path)
    assert [(record.time - START).total_seconds() for record in log.records] == [2, 5, 86_400]
    assert log.torn == 1
    assert len(read_log(tmp_path, since=START + dt.timedelta(seconds=3)).records) == 2
    assert len(read_log(tmp_path, until=START + dt.timedelta(seconds=5)).records) == 1


def test_what_is_no_log_is_refused(tmp_path):
    (tmp_path / "file.txt").write_text("hello\n")
    with pytest.raises(ArtifactError, match="no record of requests"):
        read_log(tmp_path / "file.txt")
    with pytest.raises(ArtifactError, match="no log of requests"):
        read_log(tmp_path)


# --- numbers -------------------------------------------------------------------------------------------------


def test_numbers_by_hand():
    records = [search(second, total_ms=10.0 * (second + 1), stages={"dense": second + 1.0}) for second in range(10)]
    records[0] = search(0, total_ms=10.0, total=0, shown=0)
    late = "rerank: 4 of 50 products, the deadline of 20 ms was spent"
    records[1] = search(1, total_ms=20.0, cut=3, degraded=("cut-off: not known", late), stages={"dense": 2.0})
    records[3] = search(3, total_ms=40.0, degraded=("query cut at 2000 characters",), stages={"dense": 4.0})
    records += [search(10, status=500, searched=False), search(20, status=429, searched=False)]
    summary = summarise(records)
    assert (summary.requests, summary.searches, summary.seconds) == (12, 10, 20.0)
    assert summary.values["throughput"] == 12 / 20
    assert summary.values["error_rate"] == 1 / 12
    assert summary.values["shed_rate"] == 1 / 12
    assert summary.values["zero_rate"] == 1 / 10
    assert summary.values["cut_rate"] == 1 / 10
    assert summary.values["degraded_rate"] == 1 / 10  # a query that was cut is no deadline
    assert summary.values["latency.total.p50"] == 50.0
    assert summary.values["latency.total.p95"] == 100.0
    assert summary.values["latency.dense.p50"] == 6.0  # of 2 .. 10, the fifth of nine
    assert summary.degraded == {"cut-off": 1, "query": 1, "rerank": 1}
    assert summary.stages == ("dense",)


def test_a_quantile_is_the_nearest_rank():
    assert quantile([15, 20, 35, 40, 50], 30) == 20  # the example of Wikipedia's "Percentile", nearest rank
    assert quantile([15, 20, 35, 40, 50], 40) == 20
    assert quantile([15, 20, 35, 40, 50], 50) == 35
    assert quantile([], 50) is None


def test_no_requests_say_nothing():
    summary = summarise([])
    assert all(summary.values[name] is None for name in RATES)
    assert measure("requests", 60).of([]) == (0.0, 0)
    assert measure("throughput", 60).of([]) == (0.0, 0)


@pytest.mark.parametrize("name", ["latency.p95", "latency.total.p0", "score.last.p5", "zero", "latency.total.p100"])
def test_an_unknown_number_is_refused(name):
    with pytest.raises(MetricError, match="no measure"):
        measure(name, 1)


# --- rules ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[[rule", "not valid TOML"),
        ("", "rule.*Field required"),
        (RULE + "tresh = 1", "tresh"),
        (RULE.replace(">", "above"), "comparison"),
        (RULE.replace("zero_rate", "zero"), "rule 'nothing found': no measure 'zero'"),
        (RULE.replace("0.2", "nan"), "threshold"),
        (RULE.replace("60", "0"), "window_s"),
        (RULE + RULE, "two rules are named 'nothing found'"),
    ],
)
def test_a_wrong_rule_is_refused(text, said):
    with pytest.raises(RecipeError, match=said):
        parse_rules(text)


def test_too_few_requests_are_no_breach():
    zeros = [search(second, total=0) for second in range(9)]
    assert replay(parse_rules(RULE), zeros) == []
    (notice,) = replay(parse_rules(RULE), [*zeros, search(9, total=0)])
    assert (notice.state, notice.value, notice.requests) == ("firing", 1.0, 10)


def test_an_alert_comes_after_its_time_and_ends():
    rules = parse_rules(RULE + "for_s = 120")
    # one search a second; nothing is found from second 300 to 599
    records = [search(second, total=0 if 300 <= second < 600 else 10) for second in range(900)]
    fired, ended = replay(rules, records)
    # the window up to second 360 is the first with more than a fifth; two minutes later is 480
    assert (fired.state, fired.since, fired.at) == (
        "firing",
        START + dt.timedelta(seconds=360),
        START + dt.timedelta(seconds=480),
    )
    assert (ended.state, ended.at) == ("resolved", START + dt.timedelta(seconds=660))


def test_a_breach_with_a_break_is_no_alert():
    rules = parse_rules(RULE + "for_s = 120")
    records = [search(second, total=0 if second // 60 in (1, 2, 4, 5) else 10) for second in range(600)]
    assert replay(rules, records) == []


def test_watching_step_by_step_is_the_same_as_a_replay():
    records = [search(second, total=0 if 100 <= second < 400 else 10) for second in range(900)]
    rules = parse_rules(RULE)
    watch, found = Watch(rules), []
    for minute in range(1, 16):
        found += watch.at(START + dt.timedelta(minutes=minute), records)
    assert found == replay(rules, records)[: len(found)]
    assert [notice.state for notice in found] == ["firing", "resolved"]


def test_the_shipped_rules_are_right():
    rules = read_rules(Path(__file__).parent.parent.parent / "ops" / "monitor" / "rules.toml")
    assert [rule.name for rule in rules] == ["errors", "slow", "shedding", "nothing found", "degraded"]
    assert replay(rules, [search(second, total_ms=20) for second in range(3_600)]) == []
    slow = replay(rules, [search(second, total_ms=400) for second in range(3_600)])
    assert [(notice.rule.name, notice.state) for notice in slow] == [("slow", "firing")]


# --- webhook -------------------------------------------------------------------------------------------------


class Receiver(http.server.BaseHTTPRequestHandler):
    """Answers with the statuses it was given, one after the other."""

    def do_POST(self):
        length = int(self.headers["content-length"])
        self.server.got.append((self.headers.get("authorization"), json.loads(self.rfile.read(length))))
        status = self.server.statuses.pop(0)
        if status == 0:
            threading.Event().wait(1.0)  # longer than the sender waits
            return
        self.send_response(status)
        self.send_header("location", "http://127.0.0.1:1/")
        self.end_headers()

    def log_message(self, *args):
        pass


@pytest.fixture
def receiver():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    server.got, server.statuses = [], []
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def notice():
    (rule,) = parse_rules(RULE)
    return Notice(rule, "firing", START, START, 0.5, 40)


@pytest.mark.parametrize(
    ("statuses", "tries", "error"),
    [
        ([200], 1, ""),
        ([503, 429, 204], 3, ""),
        ([0, 200], 2, ""),
        ([400], 1, "answered 400"),
        ([302], 1, "answered 302"),
        ([500, 500, 500], 3, "answered 500"),
    ],
)
def test_alerts_are_sent_and_sent_again(receiver, notice, statuses, tries, error):
    receiver.statuses += statuses
    pauses = []
    hook = Webhook(f"http://127.0.0.1:{receiver.server_port}/x", timeout_s=0.3, tries=3, pause_s=0.5, token="secret")
    delivery = hook.send([notice], "shop", pauses.append)
    assert (delivery.tries, delivery.error, delivery.ok) == (tries, error, not error)
    assert pauses == [0.5, 1.0][: tries - 1]
    authorization, body = receiver.got[0]
    assert authorization == "Bearer secret"
    assert body["service"] == "shop"
    assert body["alerts"][0]["name"] == "nothing found"
    assert body["alerts"][0]["value"] == 0.5
    assert body["alerts"][0]["since"] == "2026-11-29T08:00:00+00:00"


def test_nobody_there_is_told_and_no_error(notice):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    delivery = Webhook(f"http://127.0.0.1:{port}/", tries=2, pause_s=0).send([notice])
    assert (delivery.tries, delivery.status, delivery.ok) == (2, 0, False)
    assert "ConnectError" in delivery.error


@pytest.mark.parametrize("url", ["ftp://a/b", "file:///etc/passwd", "no address", "http://user:word@host/"])
def test_an_address_that_is_none_is_refused(url):
    with pytest.raises(RecipeError, match="webhook"):
        Webhook(url)
