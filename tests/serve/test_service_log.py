"""The service's own log as JSON lines: every line of every process of a real `aisle serve`, without secrets."""

import datetime as dt
import io
import json
import logging
import os
import signal
import socket
import subprocess
import sys

import httpx
import pytest
from fastapi.testclient import TestClient

from aisle.errors import RecipeError
from aisle.serve.facts import FactsMiddleware
from aisle.serve.redact import SecretFilter, public
from aisle.serve.service_log import JsonLines
from aisle.serve.settings import Settings
from tests.serve.test_processes import AISLE, until

MAIL = "jane.doe@example.com"


class Logging:
    """`aisle serve` whose log goes to a file, as JSON."""

    def __init__(self, folder, config, *args):
        self.path = config.with_suffix(".log")
        command = [*AISLE, "serve", str(folder), "--port", "0", "--config", str(config), *args]
        with self.path.open("w") as file:
            self.process = subprocess.Popen(command, stdout=file, stderr=subprocess.STDOUT)
        self.address = until(lambda: self.saying("is served"))[0]["address"]

    def lines(self):
        """All that it said, each line as JSON."""
        text = self.path.read_text()
        return [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]

    def saying(self, what):
        return [line for line in self.lines() if what in line["message"]]

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(300)


def test_every_line_of_every_process_is_json(folder, tmp_path):
    (tmp_path / "rules.toml").write_text(
        '[[rule]]\nname = "busy"\nmetric = "searches"\ncomparison = ">="\nthreshold = 1\nminimum = 1\n'
    )
    config = tmp_path / "aisle.toml"
    config.write_text('[serve]\nlog_format = "json"\nworkers = 1\n[monitor]\nrules = "rules.toml"\nevery_s = 0.2\n')
    service = Logging(folder, config)
    started = dt.datetime.now(dt.UTC)
    with httpx.Client(base_url=service.address, timeout=300) as client:
        assert client.get("/v1/search", params={"q": f"usb {MAIL}"}).status_code == 200
        until(lambda: service.saying("alert busy firing"))
        host, port = service.address.removeprefix("http://").split(":")
        with socket.create_connection((host, int(port)), timeout=300) as connection:
            connection.sendall(b"no http\r\n\r\n")  # uvicorn warns of it
            assert connection.recv(100)
        until(lambda: service.saying("Invalid HTTP request"))
        lock = folder / "lance" / "writer.lock"
        writer = int(lock.read_text())
        os.kill(writer, signal.SIGKILL)
        until(lambda: service.saying("is ready"))
    assert service.end() == 0
    lines = service.lines()
    for line in lines:
        assert line.keys() >= {"time", "level", "logger", "message", "process", "pid"}
        moment = dt.datetime.fromisoformat(line["time"])
        assert moment.utcoffset() == dt.timedelta(0)
        assert abs((moment - started).total_seconds()) < 3_600
    (ended,) = service.saying("it is started again")
    assert (ended["process"], ended["pid"]) == ("supervisor", service.process.pid)
    assert (ended["level"], ended["logger"]) == ("WARNING", "aisle.serve")
    assert f"writer (process {writer}) ended with -9" in ended["message"]
    (alert,) = service.saying("alert busy firing")
    assert alert["process"] == "worker"
    assert alert["pid"] not in (service.process.pid, writer)
    (broken,) = service.saying("Invalid HTTP request")
    assert (broken["logger"], broken["pid"]) == ("uvicorn.error", alert["pid"])
    assert MAIL not in service.path.read_text()


def test_a_start_that_is_refused_is_a_line_too(folder, tmp_path):
    config = tmp_path / "aisle.toml"
    config.write_text('[serve]\nlog_format = "json"\n[ranking]\nmodel = "./none"\n')
    done = subprocess.run(
        [*AISLE, "serve", str(folder), "--port", "0", "--config", str(config)],
        capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert (done.returncode, done.stdout) == (1, "")
    (line,) = map(json.loads, done.stderr.splitlines())
    assert (line["level"], line["process"]) == ("ERROR", "supervisor")
    assert "no such re-ranker" in line["message"]
    assert "to fix: check the path" in line["message"]


def formatted(**fields):
    """A record as a handler with our filter and formatter writes it."""
    given = {"name": "aisle.serve", "level": logging.ERROR, "pathname": "x.py", "lineno": 1, "msg": "", "args": None}
    more = fields.pop("extra", {})
    record = logging.LogRecord(**(given | {"exc_info": None} | fields))
    vars(record).update(more)
    SecretFilter().filter(record)
    return JsonLines("worker").format(record)


def test_an_error_is_one_line_without_what_is_secret():
    try:
        raise ValueError(f"no\nsuch user {MAIL}, password=hunter2hunter2")
    except ValueError:
        text = formatted(
            msg="a fault for %s, “手机”", args=(MAIL,), exc_info=sys.exc_info(), extra={"request_id": "f00d"}
        )
    assert "\n" not in text
    line = json.loads(text)
    assert (line["level"], line["logger"], line["message"]) == ("ERROR", "aisle.serve", "a fault for <email>, “手机”")
    assert (line["process"], line["pid"], line["request_id"]) == ("worker", os.getpid(), "f00d")
    assert line["exception"].startswith("Traceback (most recent call last):\n")
    assert "such user <email>, password=<secret>" in line["exception"]
    assert "request_id" not in json.loads(formatted(msg="started"))
    assert "exception" not in json.loads(formatted(msg="started"))


def test_a_fault_is_told_with_the_id_of_the_request_and_the_answer_has_it():
    async def faulty(scope, receive, send):
        raise RuntimeError(f"no one foresaw {MAIL}")

    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines("worker"))
    handler.addFilter(SecretFilter())
    logging.getLogger("aisle.serve").addHandler(handler)
    try:
        answer = TestClient(FactsMiddleware(faulty, [])).get("/v1/search")
    finally:
        logging.getLogger("aisle.serve").removeHandler(handler)
    line = json.loads(stream.getvalue())
    assert (answer.status_code, line["request_id"]) == (500, answer.json()["error"]["request_id"])
    assert "RuntimeError: no one foresaw <email>" in line["exception"]


def test_text_is_the_default_and_other_formats_are_refused():
    assert Settings().log_format == "text"
    with pytest.raises(RecipeError, match="log_format"):
        Settings.from_dict({"log_format": "xml"})


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("'/srv/my shop/model' has no manifest.json", "'model' has no manifest.json"),
        ("cannot read /var/lib/a/ranking.json: none", "cannot read ranking.json: none"),
        (
            "lance error: Not found: var/lib/y.lance, /root/.cargo/a/b.rs:12:3",
            "lance error: Not found: y.lance, b.rs:12:3",
        ),
        ("chmod 600 /srv/keys.json for jane.doe@example.com", "chmod 600 keys.json for <email>"),
        ("password=hunter2hunter2 at http://host/a/b and/or 2/3", "password=<secret> at http://host/a/b and/or 2/3"),
    ],
)
def test_what_strangers_may_read_has_no_secret_and_no_path(said, told):
    assert public(said) == told
