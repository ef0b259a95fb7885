"""What was answered is never asked again, not even after a kill; and no budget is exceeded, whoever asks."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from aisle.errors import ArtifactError, BudgetError
from aisle.llm import Answer, Message, Question
from aisle.llm.question import merged
from aisle.llm.settings import BudgetSettings
from aisle.llm.store import Store, key_of
from tests.llm import server as faults
from tests.llm.asking import client, question
from tests.llm.server import LlmServer

MANY = [question(title=f"hub {n}") for n in range(30)]


# --- answers -----------------------------------------------------------------------------------------------


def test_an_answer_is_the_same_when_it_is_read_again(server, tmp_path):
    store = str(tmp_path / "deep" / "answers.sqlite")
    first = client(server, store=store).answers(MANY)
    again = client(server, store=store)
    found = again.answers([*MANY, MANY[0]])
    assert [replace(answer, kept=False) for answer in found[:30]] == list(first)
    assert all(answer.kept for answer in found)
    assert len(server.bodies) == 30
    assert (again.cost().requests, again.cost().kept) == (0, 31)
    assert again.spent().requests == 30


def test_the_same_question_is_asked_once_in_a_call(server):
    asked = client(server)
    found = asked.answers([MANY[0], MANY[1], MANY[0]])
    assert found[0] == found[2]
    assert len(server.bodies) == 2


def test_another_model_prompt_or_parameter_is_another_question(server, tmp_path):
    store = str(tmp_path / "answers.sqlite")
    client(server, store=store).answers([question()])
    for changes, asked in (
        ({"model": "other"}, question()),
        ({"temperature": 0.5}, question()),
        ({"extra": {"seed": 1}}, question()),
        ({"top_logprobs": 5}, question()),
        ({"endpoint": server.url.replace("127.0.0.1", "localhost")}, question()),
        ({}, question(title="other")),
        ({}, question(max_tokens=2)),
        ({}, Question((Message("user", question().messages[0].text), question().messages[1]), choices=True)),
    ):
        before = len(server.bodies)
        client(server, store=store, **changes).ask([asked])
        assert len(server.bodies) == before + 1, changes
    client(server, store=store, concurrency=1, timeout_s=9.0, retries=0, key_env="").answers([question()])
    assert len(server.bodies) == 9  # how it is asked makes it no other question


def test_a_failure_is_asked_again(server, tmp_path):
    store = str(tmp_path / "answers.sqlite")
    server.faults.append(faults.status(400))
    client(server, store=store).ask([question()])
    assert isinstance(client(server, store=store).ask([question()])[0], Answer)


def test_fresh_asks_again(server):
    asked = client(server)
    asked.answers([question()])
    assert not asked.ask([question()], fresh=True)[0].kept
    assert len(server.bodies) == 2


ASK = """
import sys
sys.path.insert(0, sys.argv[3])
from tests.llm.asking import question, client
class There: url = sys.argv[1]
asked = client(There, store=sys.argv[2], concurrency=2)
asked.answers([question(title=f"hub {n}") for n in range(30)])
"""
ROOT = Path(__file__).parent.parent.parent


def test_after_a_kill_only_the_rest_is_asked(judge, tmp_path):
    store = tmp_path / "answers.sqlite"
    with LlmServer(judge, delay=0.05) as server:
        command = [sys.executable, "-c", ASK, server.url, str(store), str(ROOT)]
        process = subprocess.Popen(command)
        while len(server.bodies) < 10:
            assert process.poll() is None
            time.sleep(0.01)
        os.kill(process.pid, signal.SIGKILL)
        process.wait()
        time.sleep(0.2)  # what was under way ends
        asked = len(server.bodies)
        connection = sqlite3.connect(store)
        kept = connection.execute("SELECT count(*) FROM answers").fetchone()[0]
        connection.close()
        assert 8 <= kept < 30
        assert asked - kept <= 2  # the two under way were paid for and lost
        subprocess.run(command, check=True)
        assert len(server.bodies) == asked + 30 - kept


def test_two_processes_at_once_keep_one_store(judge, tmp_path):
    store = tmp_path / "answers.sqlite"
    with LlmServer(judge, delay=0.02) as server:
        command = [sys.executable, "-c", ASK, server.url, str(store), str(ROOT)]
        both = [subprocess.Popen(command) for _ in range(2)]
        assert [process.wait() for process in both] == [0, 0]
        opened = Store(store)
        assert opened.spent("USD").requests == len(server.bodies)
        assert sum(answer.kept for answer in client(server, store=str(store)).answers(MANY)) == 30


def test_a_file_that_is_no_store(tmp_path):
    (tmp_path / "text").write_text("no database at all, whatever its name says" * 50)
    with pytest.raises(ArtifactError, match=r"cannot use the store of answers .*not a database"):
        Store(tmp_path / "text")
    connection = sqlite3.connect(tmp_path / "newer")
    connection.execute("PRAGMA user_version = 9")
    connection.close()
    with pytest.raises(ArtifactError, match="has format 9"):
        Store(tmp_path / "newer")
    with pytest.raises(ArtifactError, match="cannot use the store"):
        Store(tmp_path / "text" / "below")


# --- the budget --------------------------------------------------------------------------------------------


def test_it_stops_before_a_request_too_many(server, tmp_path):
    asked = client(server, budget={"requests": 7}, store=str(tmp_path / "s"))
    found = asked.ask(MANY)
    assert len(server.bodies) == 7
    assert sum(isinstance(one, Answer) for one in found) == 7
    errors = [one for one in found if isinstance(one, BudgetError)]
    assert len(errors) == 23
    assert "7 of 7 requests are spent" in str(errors[0])
    with pytest.raises(BudgetError, match=r"is used up: .*; 23 of 30 questions have no answer"):
        asked.answers(MANY)
    more = client(server, budget={"requests": 30}, store=str(tmp_path / "s"))
    assert len(more.answers(MANY)) == 30
    assert len(server.bodies) == 30


def test_retries_are_requests_too(server):
    server.faults.extend([faults.status(500)] * 3)
    error = client(server, budget={"requests": 2}).ask([question()])[0]
    assert isinstance(error, BudgetError)
    assert len(server.bodies) == 2


@pytest.mark.parametrize("limit", ["tokens", "money"])
def test_tokens_and_money_are_never_more_than_the_limit(server, limit):
    bound = MANY[0].size + 64 + 2 * 16 + 1
    price = {"input_per_million": 1000.0, "output_per_million": 1000.0}
    most = {"tokens": 4 * bound, "money": 4 * bound / 1000}[limit]
    asked = client(server, budget={limit: most}, price=price)
    found = asked.ask(MANY)
    spent = asked.spent()
    total = spent.tokens_in + spent.tokens_out
    assert total <= 4 * bound
    assert spent.money == pytest.approx(total / 1000)
    answered = sum(isinstance(one, Answer) for one in found)
    assert answered > 4  # what a request did not need of its bound is given back
    used = next(one.tokens_in + one.tokens_out for one in found if isinstance(one, Answer))
    assert total + used + bound > 4 * bound  # and it did not stop long before


def test_many_at_once_do_not_exceed_it_together(tmp_path):
    stores = [Store(tmp_path / "s") for _ in range(4)]
    charged = []

    def spend(store):
        charged.extend(store.charge(BudgetSettings(tokens=1_000), 7, 3, 0.0) for _ in range(60))

    threads = [threading.Thread(target=spend, args=(store,)) for store in stores]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sum(charged) == 100
    spent = stores[0].spent("USD")
    assert (spent.requests, spent.tokens_in, spent.tokens_out) == (100, 700, 300)


def test_tokens_of_one_text_are_one_candidate():
    found = merged([("yes", -1.0), ("no", -2.0), ("yes", -3.0)])
    assert found["yes"] == pytest.approx(-0.8730719889570132)  # ln(e^-1 + e^-3)
    assert found["no"] == -2.0


def test_a_key_depends_on_everything_that_an_answer_does():
    one = Question((Message("user", "a"),), choices=True, watch=("yes",))
    keys = {
        key_of({"model": "m"}, one),
        key_of({"model": "n"}, one),
        key_of({"model": "m"}, replace(one, watch=("no",))),
        key_of({"model": "m"}, replace(one, choices=False)),
        key_of({"model": "m"}, replace(one, whole=True)),
        key_of({"model": "m"}, Question(prompt="a", choices=True, watch=("yes",))),
        key_of({"model": "m"}, Question(prompt="b", choices=True, watch=("yes",))),
    }
    assert len(keys) == 7
    assert key_of({"model": "m"}, replace(one)) in keys
