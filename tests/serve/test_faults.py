"""What goes wrong around the service: damaged files, a full disk, clients that hang up, a language model away."""

import json
import os
import random
import re
import resource
import shutil
import signal
import socket
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import httpx
import pytest
from fastapi.testclient import TestClient

from aisle.encoders import embedded
from aisle.engine import SearchEngine
from aisle.serve.app import Outside, create_app
from aisle.serve.faults import unexpected
from aisle.serve.settings import Settings
from aisle.serve.writing.journal import Journal
from tests.serve.test_processes import AISLE, Service, until


def test_what_a_panic_in_lance_says_is_an_index_that_cannot_be_read():
    said = 'task 1489 panicked with message "the offset + length of the sliced Buffer cannot exceed the length"'
    assert (unexpected(RuntimeError(said)).status, unexpected(RuntimeError(said)).code) == (503, "index_unreadable")
    assert unexpected(RuntimeError(f"about {said}")).status == 500


def harm(folder, pattern, how):
    """Damage files of an index."""
    for path in sorted((folder / "lance").rglob(pattern)):
        if path.is_file():
            path.unlink() if how == "gone" else path.write_bytes(
                bytes(path.stat().st_size) if how == "zero" else b"LANC"
            )


@pytest.mark.parametrize(
    ("pattern", "how"),
    [
        ("data/*.lance", "gone"),
        ("data/*.lance", "cut"),
        ("*.manifest", "zero"),
    ],
)
def test_a_damaged_index_is_told_at_the_start_in_a_few_lines(folder, pattern, how):
    harm(folder, pattern, how)
    done = subprocess.run(
        [*AISLE, "serve", str(folder), "--port", "0", "--workers", "1"], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "index" in done.stderr


def test_damaged_knowledge_is_told_at_the_start(folder):
    path = folder / "compatibility.json"
    path.write_bytes(path.read_bytes()[:100])
    done = subprocess.run(
        [*AISLE, "serve", str(folder), "--port", "0", "--workers", "1"], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert f"cannot read {str(path.resolve())!r}" in done.stderr
    assert "index the catalogue again" in done.stderr


def test_knowledge_that_is_damaged_later_is_told_to_the_log_and_its_path_to_no_client(client, folder, caplog):
    (folder / "compatibility.json").write_bytes(b"{")
    answer = client.get("/v1/search", params={"q": "cartridge for hl-2030"})
    assert (answer.status_code, answer.json()["error"]["code"]) == (503, "artifact_error")
    assert answer.json()["error"]["message"].startswith("cannot read 'compatibility.json'")
    assert str(folder) not in answer.text
    assert str(folder / "compatibility.json") in caplog.text


@pytest.mark.parametrize(
    ("pattern", "how"), [("data/*.lance", "gone"), ("data/*.lance", "zero"), ("*.manifest", "cut")]
)
def test_damage_while_serving_is_told_in_health_and_answers(engine, folder, tmp_path, pattern, how):
    app = create_app(engine, Settings(state=str(tmp_path / "state")), Outside(suggestions=False))
    with TestClient(app, raise_server_exceptions=False) as client:
        assert client.get("/health/ready").status_code == 200
        harm(folder, pattern, how)
        ready = client.get("/health/ready")
        assert ready.status_code == 503
        assert ready.json()["parts"]["index"].startswith("cannot be read")
        answer = client.get("/v1/search", params={"q": "printer cartridge"})
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "index_unreadable")
        assert "lance" not in answer.text.lower()
        assert client.get("/health/live").status_code == 200


def test_a_worker_that_cannot_start_again_is_told_and_the_others_answer(folder, tmp_path):
    """Its model is damaged: `/health/ready` of the other worker and the log say which part, why, and what to do."""
    model = Path(shutil.copytree(embedded.FOLDER, tmp_path / "model"))
    config = tmp_path / "aisle.toml"
    config.write_text('[ranking]\nmodel = "model"\n')
    service = Service(folder, "--config", str(config))
    writer = service.writer(folder)
    workers = service.children() - {writer}
    assert len(workers) == 2

    def told(part):
        ready = service.client.get("/health/ready")
        assert ready.status_code == 200  # requests should come: they are answered
        assert service.client.get("/v1/search", params={"q": "printer cartridge"}).status_code == 200
        return ready.json()["parts"].get(part, "ok")

    manifest = (model / "manifest.json").read_bytes()
    (model / "manifest.json").unlink()
    victim = workers.pop()
    service.client.close()  # its connection may be the victim's
    os.kill(victim, signal.SIGKILL)
    service.client = httpx.Client(base_url=service.address, timeout=300)
    until(lambda: "cannot start" in told("worker 1") + told("worker 2"))
    (name,) = (name for name in ("worker 1", "worker 2") if told(name) != "ok")
    assert told(name).startswith("cannot start, and is tried again: ")
    assert "'model' has no manifest.json" in told(name)
    assert "to fix: " in told(name)
    assert str(tmp_path) not in json.dumps(service.client.get("/health/ready").json())
    assert told("writer") == "ok"
    down = re.search(r"^aisle_processes_down (\S+)$", service.client.get("/metrics").text, re.MULTILINE)
    assert float(down[1]) == 1
    (model / "manifest.json").write_bytes(manifest)
    until(lambda: told(name) == "ok")
    recipe = (folder / "recipe.toml").read_bytes()
    (folder / "recipe.toml").write_text("[encoder\n")
    os.kill(writer, signal.SIGKILL)
    until(lambda: "cannot start" in told("writer"))
    assert told("writer").startswith("gone: changes are not taken, searches are; cannot start, and is tried again: ")
    assert "recipe.toml" in told("writer")
    (folder / "recipe.toml").write_bytes(recipe)
    until(lambda: told("writer") == "ok")
    assert service.client.put("/v1/products/new", json={"title": "New"}).status_code == 201
    code, errors = service.end()
    assert code == 0
    assert "Traceback" not in errors
    assert f"{name} (process {victim}) ended with -9; it is started again" in errors
    assert re.search(
        rf"ERROR supervisor \d+: {name} \(process \d+\) cannot start, and is tried again: .*manifest", errors
    )
    assert re.search(rf"INFO supervisor \d+: {name} \(process \d+\) is ready", errors)


def test_a_full_disk_loses_nothing_acknowledged_and_searches_go_on(folder, encoder, tmp_path):
    """Files of more than 2 MB cannot be written: a commit with much text fails, smaller ones do not."""
    limit = 2_000_000
    service = Service(folder, workers=1, preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit)))
    chance = random.Random(1)
    noise = ["".join(chance.choices("abcdefghijklmnopqrstuvwxyz0123456789", k=150_000)) for _ in range(20)]
    lines = "".join(
        json.dumps({"id": f"big{n}", "title": "Big", "description": text}) + "\n" for n, text in enumerate(noise)
    )
    assert service.client.put("/v1/products/small1", json={"title": "Small one"}).status_code == 201
    told = [json.loads(line) for line in service.client.post("/v1/products:bulk", content=lines).text.splitlines()]
    assert told[-1]["done"] is False
    assert told[-1]["error"]["code"] == "not_written"
    assert told[-1]["durable_to_line"] == 0
    assert str(tmp_path) not in told[-1]["error"]["message"]
    ready = service.client.get("/health/ready")
    assert ready.status_code == 200  # searches are answered
    assert ready.json()["parts"]["writer"].startswith("failing: changes could not be written (")
    assert str(tmp_path) not in ready.text
    assert "\naisle_writer_failing 1.0\n" in service.client.get("/metrics").text
    assert service.client.put("/v1/products/small2", json={"title": "Small two"}).status_code == 201
    assert service.client.get("/health/ready").json()["parts"]["writer"] == "ok"
    assert "\naisle_writer_failing 0.0\n" in service.client.get("/metrics").text
    assert service.client.get("/v1/search", params={"q": "small two"}).json()["hits"][0]["product"]["id"] == "small2"
    code, _ = service.end()
    assert code == 0
    with SearchEngine.open(folder, encoder=encoder) as engine:
        assert all(engine.index.get(["small1", "small2"]))
        assert engine.index.get(["big0", "big19"]) == (None, None)


def test_a_full_disk_refuses_rules_and_judgments_in_clear_words_and_leaves_nothing_behind(client, tmp_path):
    rules = '[[rule]]\nname = "hub"\nwhen = { query = ["usb hub"] }\nredirect = "/hubs"\n'
    judged = {"judgments": [{"query": "usb hub", "product_id": "1", "grade": 3}]}

    def ask():
        return [
            client.put("/v1/rules", content=rules, headers={"content-type": "application/toml"}),
            client.post("/v1/judgments", json=judged),
        ]

    state = client.app.state.parts.state
    before = {path.name for path in state.iterdir()}
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, hard))  # the kernel refuses what a full disk would
    try:
        answers = ask()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    for answer in answers:
        assert (answer.status_code, answer.json()["error"]["code"]) == (503, "not_written")
        assert answer.json()["error"]["message"] == "not acknowledged: File too large"
        assert "Retry-After" in answer.headers
    assert {path.name for path in state.iterdir()} - before <= {".rules.toml.lock", "judgments.jsonl"}
    assert client.get("/v1/judgments").json()["total"] == 0
    assert [answer.status_code for answer in ask()] == [200, 201]
    for name in ("rules.toml", ".rules.toml.lock", "judgments.jsonl"):  # whose judgments they are is in them
        assert (state / name).stat().st_mode & 0o777 == 0o600, name


def test_a_client_that_hangs_up_in_the_middle_of_an_import_keeps_what_was_acknowledged(folder, encoder, tmp_path):
    config = tmp_path / "aisle.toml"
    config.write_text("[serve]\nbulk_batch = 50\ngrace_s = 300\n")
    service = Service(folder, "--config", str(config), workers=1)
    host, port = service.address.removeprefix("http://").split(":")
    lines = [json.dumps({"id": f"h{n}", "title": f"Hung {n}"}).encode() + b"\n" for n in range(70)]
    with socket.create_connection((host, int(port)), timeout=300) as connection:
        connection.sendall(b"POST /v1/products:bulk HTTP/1.1\r\nHost: localhost\r\nContent-Length: 999999\r\n\r\n")
        connection.sendall(b"".join(lines))
        told = b""
        while b'"lines":[1,50]' not in told:
            piece = connection.recv(65_536)
            assert piece, told
            told += piece
    assert service.client.get("/v1/products/h49").status_code == 200
    assert service.client.put("/v1/products/after", json={"title": "After"}).status_code == 201
    assert service.end()[0] == 0
    with SearchEngine.open(folder, encoder=encoder) as engine:
        assert all(engine.index.get([f"h{n}" for n in range(50)]))


@pytest.fixture
def silent():
    """An address that takes connections and never answers."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        held, stop = [], threading.Event()
        listening.settimeout(0.1)

        def accept():
            while not stop.is_set():
                try:
                    held.append(listening.accept()[0])
                except TimeoutError:
                    continue

        thread = threading.Thread(target=accept)
        thread.start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/v1"
        stop.set()
        thread.join()
        for connection in held:
            connection.close()


@pytest.mark.parametrize("kind", ["slow", "dead"])
def test_a_language_model_that_is_away_leaves_the_order_before_it(folder, encoder, tmp_path, silent, kind):
    endpoint = silent if kind == "slow" else "http://127.0.0.1:9/v1"
    spec = tmp_path / "llm.toml"
    limits = "timeout_s = 0.5\ndeadline_s = 1\nretries = 0\n"
    spec.write_text(f'kind = "pointwise"\n[llm]\nendpoint = "{endpoint}"\nmodel = "m"\n{limits}')
    with SearchEngine.open(folder, encoder=encoder) as engine:
        recipe = replace(engine.recipe, ranking=replace(engine.recipe.ranking, model=str(spec)))
    with (
        SearchEngine.open(folder, recipe, encoder=encoder) as asked,
        SearchEngine.open(folder, encoder=encoder) as plain,
    ):
        found = {}
        for name, engine in (("asked", asked), ("plain", plain)):
            app = create_app(engine, Settings(state=str(tmp_path / name)), Outside(suggestions=False))
            with TestClient(app) as client:
                body = {"query": "printer cartridge", "k": 5, "deadline_ms": 3_000}
                found[name] = client.post("/v1/search", json=body)
                if name == "asked":
                    rerank = client.post(
                        "/v1/rerank", json={"model": "aisle", "query": "ink", "documents": ["ink", "tea"]}
                    )
    assert found["asked"].status_code == 200
    ids = {name: [hit["product"]["id"] for hit in answer.json()["hits"]] for name, answer in found.items()}
    assert ids["asked"] == ids["plain"]
    assert any(said.startswith("rerank") for said in found["asked"].json()["degraded"]), found["asked"].json()[
        "degraded"
    ]
    assert "127.0.0.1" not in found["asked"].text  # where the model is, is nobody's business
    assert (rerank.status_code, rerank.json()["error"]["code"]) == (503, "llm_error")


class Together(BaseHTTPRequestHandler):
    """A language model that says nothing until two queries are asked at the same time."""

    queries = ("printer cartridge", "wireless mouse")
    asking: ClassVar[list[str]] = []
    met = threading.Event()

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        query = next(query for query in self.queries if query in body)
        self.asking.append(query)
        if set(self.asking) == set(self.queries):
            self.met.set()
        self.met.wait(3)
        self.asking.remove(query)
        self.send_error(500)

    def log_message(self, *_):
        pass


def test_searches_that_wait_for_a_language_model_do_not_wait_for_each_other(folder, encoder, tmp_path):
    spec = tmp_path / "llm.toml"
    with ThreadingHTTPServer(("127.0.0.1", 0), Together) as server, ThreadPoolExecutor(3) as threads:
        threads.submit(server.serve_forever)
        limits = "timeout_s = 5\ndeadline_s = 10\nretries = 0\n"
        endpoint = f"http://127.0.0.1:{server.server_port}/v1"
        spec.write_text(f'kind = "pointwise"\n[llm]\nendpoint = "{endpoint}"\nmodel = "m"\n{limits}')
        with SearchEngine.open(folder, encoder=encoder) as engine:
            recipe = replace(engine.recipe, ranking=replace(engine.recipe.ranking, model=str(spec)))
        with SearchEngine.open(folder, recipe, encoder=encoder) as engine:
            app = create_app(engine, Settings(state=str(tmp_path / "state")), Outside(suggestions=False))
            with TestClient(app) as client:
                asked = [threads.submit(client.get, f"/v1/search?q={query}") for query in Together.queries]
                assert [one.result(60).status_code for one in asked] == [200, 200]
        server.shutdown()
    assert Together.met.is_set()


def test_a_clock_that_is_set_back_hides_no_change_from_a_promotion(tmp_path, monkeypatch):
    journal = Journal(tmp_path)
    for now, one in ((1_000.0, "a"), (5_000.0, "b"), (1_100.0, "c")):
        monkeypatch.setattr("aisle.serve.writing.journal.time.time", lambda now=now: now)
        journal.add([one])
    assert journal.since(4_000.0).ids == ("b", "c")
    first = journal.since(0.0)
    journal.add(["d", "a"])
    with journal.path.open("ab") as file:
        file.write(b'{"time": 1, "ids": ["torn')
    journal.add(["e"])
    assert journal.since(0.0, first.end).ids == ("d", "a", "e")


def test_a_clock_that_is_set_changes_nothing_of_how_long_it_runs(reading, monkeypatch):
    monkeypatch.setattr("time.time", lambda: 0.0)
    assert 0 <= reading.get("/health/live").json()["seconds"] < 86_400
