"""The service as it runs: several workers, one writer, kill -9 of either under load, an orderly end."""

import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import pytest

from aisle.engine import SearchEngine

AISLE = [sys.executable, "-c", "from aisle.cli.main import run; run()"]


class Service:
    """`aisle serve` on a free port."""

    def __init__(self, folder, *args, workers=2, preexec_fn=None):
        command = [*AISLE, "serve", str(folder), "--port", "0", "--workers", str(workers), *args]
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, preexec_fn=preexec_fn
        )
        line = self.process.stdout.readline()
        assert "http://" in line, self.process.stderr.read()
        self.address = line.split()[1]
        self.client = httpx.Client(base_url=self.address, timeout=300)

    def children(self):
        """Process ids of the writer and the workers."""
        found = set()
        for folder in Path("/proc").glob("[0-9]*"):
            try:
                parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
                if parent == self.process.pid and "spawn_main" in (folder / "cmdline").read_text():
                    found.add(int(folder.name))
            except OSError:
                continue
        return found

    def writer(self, folder):
        return int((folder / "lance" / "writer.lock").read_text())

    def end(self):
        self.client.close()
        self.process.send_signal(signal.SIGTERM)
        _, errors = self.process.communicate(timeout=300)
        return self.process.returncode, errors


def until(true, seconds=300):
    """Wait until something is true; what it was then."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            if found := true():
                return found
        except (httpx.HTTPError, ValueError, OSError):
            pass
        time.sleep(0.05)
    raise AssertionError("it never came to be")


def test_kills_under_load_lose_nothing_that_was_acknowledged(folder, encoder, tmp_path):
    config = tmp_path / "aisle.toml"
    config.write_text("[serve]\ngrace_s = 300\n")  # a writer that is late on a busy machine is waited for
    service = Service(folder, "--config", str(config))
    assert service.client.get("/health/ready").json()["parts"]["writer"] == "ok"
    acknowledged, searched, wrong, stop = set(), [], [], threading.Event()

    def write(first):
        with httpx.Client(base_url=service.address, timeout=120) as client:
            number = first
            while not stop.wait(0.02):
                try:
                    response = client.put(f"/v1/products/k{number}", json={"title": f"Zorbulon {number}"})
                except httpx.HTTPError:  # its worker was killed: not acknowledged
                    continue
                if response.status_code in (200, 201):
                    acknowledged.add(f"k{number}")
                    number += 2
                elif response.status_code not in (429, 503):
                    wrong.append(response.text)

    def search():
        with httpx.Client(base_url=service.address, timeout=120) as client:
            while not stop.wait(0.02):
                try:
                    response = client.get("/v1/search", params={"q": "usb cable", "k": 3})
                except httpx.HTTPError:
                    continue
                if response.status_code == 200 and len(response.json()["hits"]) == 3:
                    searched.append(time.monotonic())
                elif response.status_code not in (429, 503):
                    wrong.append(response.text)

    threads = [threading.Thread(target=write, args=(n,)) for n in (0, 1)] + [threading.Thread(target=search)]
    for thread in threads:
        thread.start()
    until(lambda: len(acknowledged) > 5)
    before = service.writer(folder)
    service.process.send_signal(signal.SIGSTOP)  # who would start another at once
    os.kill(before, signal.SIGKILL)
    gone = until(lambda: (found := service.client.get("/health/ready")).json()["parts"]["writer"] != "ok" and found)
    assert gone.status_code == 200
    assert gone.json()["parts"]["writer"] == "gone: changes are not taken, searches are"
    seen = len(searched)
    until(lambda: len(searched) > seen + 5)
    count = len(acknowledged)
    service.process.send_signal(signal.SIGCONT)
    until(lambda: service.writer(folder) != before and len(acknowledged) > count + 5)
    worker = next(pid for pid in service.children() if pid != service.writer(folder))
    os.kill(worker, signal.SIGKILL)
    count, seen = len(acknowledged), len(searched)
    until(lambda: len(service.children()) == 3 and worker not in service.children())
    until(lambda: len(acknowledged) > count + 5 and len(searched) > seen + 5)
    # a bulk import in the middle of which the writer is killed
    body = "".join(json.dumps({"id": f"b{n}", "title": f"Bulk {n}"}) + "\n" for n in range(1_200))
    told = []
    with service.client.stream("POST", "/v1/products:bulk", content=body) as answer:
        for line in answer.iter_lines():
            if not told:  # some of it is kept, the rest is under way
                os.kill(service.writer(folder), signal.SIGKILL)
            told.append(json.loads(line))
    assert len(told) > 1
    stop.set()
    for thread in threads:
        thread.join()
    assert wrong == []
    durable = told[-1].get("lines", told[-1].get("durable_to_line"))
    code, errors = service.end()
    assert code == 0
    assert "Traceback" not in errors
    with SearchEngine.open(folder, encoder=encoder) as engine:
        there = set(engine.index.ids())
    assert acknowledged <= there
    assert {f"b{n}" for n in range(durable)} <= there
    assert durable == 1_200, told[-1]


def test_an_end_finishes_what_was_begun(folder, encoder, tmp_path):
    config = tmp_path / "aisle.toml"
    config.write_text("[serve]\nbulk_batch = 50\ngrace_s = 300\n")
    service = Service(folder, "--config", str(config), workers=1)
    lines = [json.dumps({"id": f"b{n}", "title": f"Bulk {n}"}).encode() + b"\n" for n in range(60)]
    host, port = service.address.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=300) as connection:
        head = f"POST /v1/products:bulk HTTP/1.1\r\nHost: localhost\r\nContent-Length: {sum(map(len, lines))}\r\n\r\n"
        connection.sendall(head.encode() + b"".join(lines[:55]))
        told = b""
        while b'"lines":[1,50]' not in told:
            piece = connection.recv(65_536)
            assert piece, told
            told += piece
        service.process.send_signal(signal.SIGTERM)
        connection.sendall(b"".join(lines[55:]))
        while b'"done":true' not in told:
            piece = connection.recv(65_536)
            assert piece, told
            told += piece
    assert b'{"done":true,"lines":60}' in told
    service.client.close()
    _, errors = service.process.communicate(timeout=300)
    assert service.process.returncode == 0
    assert "Traceback" not in errors
    with SearchEngine.open(folder, encoder=encoder) as engine:
        assert engine.index.count() == 300


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["--host", "0.0.0.0"], "there are no keys"),
        (["--port", "70000"], "setting 'port'"),
        (["--model", "./none"], "no such re-ranker"),
    ],
)
def test_what_cannot_be_served_is_told_in_a_few_lines(folder, args, said):
    done = subprocess.run([*AISLE, "serve", str(folder), *args], capture_output=True, text=True, timeout=300)
    assert done.returncode == 1
    assert done.stderr.count(said) == 1
    assert "to fix: " not in done.stderr.splitlines()[0]
    assert "Traceback" not in done.stderr
