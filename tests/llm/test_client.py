"""The client against a real server: answers, faults, limits, deadlines."""

from __future__ import annotations

import json
import math
import socket
import time
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import openai
import pytest

from aisle.errors import LlmError, RecipeError
from aisle.llm import Answer, Question, open_llm
from aisle.llm.server import MAX_BODY
from tests.llm import server as faults
from tests.llm.asking import client, question, settings
from tests.llm.server import LlmServer

GOOD = {"choices": [{"message": {"content": "yes"}, "finish_reason": "stop"}], "usage": None}


def only(asked, *questions, **more):
    (found,) = asked.ask(list(questions) or [question()], **more)
    return found


def counted(asked):
    cost = asked.cost()
    return cost.requests, cost.retries, dict(cost.failures), cost.unanswered


# --- the protocol ------------------------------------------------------------------------------------------


def test_the_server_is_one_that_the_official_client_accepts(server):
    with openai.OpenAI(base_url=server.url, api_key="x") as official:
        compare(official, server)


def compare(official, server):
    asked = question()
    turns = [{"role": message.role, "content": message.text} for message in asked.messages]
    theirs = official.chat.completions.create(
        model="judge", messages=turns, logprobs=True, top_logprobs=20, max_tokens=1, temperature=0
    )
    ours = only(client(server))
    top = theirs.choices[0].logprobs.content[0].top_logprobs
    assert ours.text == theirs.choices[0].message.content
    assert ours.choices == {found.token: found.logprob for found in top}
    assert sum(map(math.exp, ours.choices.values())) == pytest.approx(1)
    assert [found.id for found in official.models.list()] == ["judge"]
    assert server.bodies[0] == server.bodies[1]  # we ask in the words of the official client
    prompt = "<Query>: usb hub\n<Document>: Xerox USB HUB Kit<|im_end|>"
    theirs = official.completions.create(model="judge", prompt=prompt, logprobs=20, max_tokens=1, temperature=0)
    ours = only(client(server, api="completions"), Question(prompt=prompt, choices=True))
    assert ours.choices == theirs.choices[0].logprobs.top_logprobs[0]
    assert server.bodies[2] == server.bodies[3]


def test_tokens_and_money_are_what_the_server_counts(server):
    asked = client(server, price={"input_per_million": 100.0, "output_per_million": 1000.0, "per_request": 0.5})
    answer = only(asked)
    cost = asked.cost()
    assert (cost.tokens_in, cost.tokens_out) == (answer.tokens_in, answer.tokens_out)
    assert answer.tokens_in > 50
    assert cost.money == pytest.approx(answer.tokens_in / 10_000 + 3 / 1000 + 0.5)
    assert (cost.requests, cost.bounded, cost.currency) == (1, 0, "USD")


def test_a_server_that_counts_nothing_is_charged_the_most_it_can_have_taken(server):
    server.faults.append(faults.raw(GOOD))
    asked = client(server)
    assert only(asked).text == "yes"
    cost = asked.cost()
    assert cost.tokens_in == question().size + 64 + 2 * 16
    assert (cost.tokens_out, cost.bounded) == (1, 1)


def test_extra_fields_and_other_names_are_sent(server):
    extra = {"chat_template_kwargs": {"enable_thinking": False}}
    only(client(server, extra=extra, max_tokens_name="max_completion_tokens", logprobs=False), question(max_tokens=8))
    body = server.bodies[0]
    assert body["chat_template_kwargs"] == {"enable_thinking": False}
    assert body["max_completion_tokens"] == 8
    assert not {"max_tokens", "logprobs", "top_logprobs"} & body.keys()


# --- faults that pass --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (faults.status(429), "status 429"),
        (faults.status(500), "status 500"),
        (faults.status(503), "status 503"),
        (faults.close, "connection"),
        (faults.cut, "connection"),
        (faults.raw(b"<html><body>Bad gateway</body></html>", "text/html"), "not JSON"),
        (faults.raw(b'{"choices": [{"mess'), "not JSON"),
        (faults.raw(b""), "not JSON"),
        (faults.raw(b"[" * 100_000), "not JSON"),
        (faults.raw({"choices": []}), "wrong shape"),
        (faults.raw([]), "wrong shape"),
        (faults.raw({"choices": [{"message": {"content": 5}}]}), "wrong shape"),
        (faults.raw({"error": {"message": "overloaded"}}), "wrong shape"),
        (
            faults.raw({"choices": [{"message": {"content": "a"}, "logprobs": {"content": [{"token": 1}]}}]}),
            "wrong shape",
        ),
    ],
)
def test_what_may_pass_is_asked_again(server, fault, kind):
    server.faults.extend([fault, fault])
    asked = client(server)
    answer = only(asked)
    assert isinstance(answer, Answer)
    assert answer.choices
    assert counted(asked) == (3, 2, {kind: 2}, 0)


def test_it_gives_up_after_so_many_attempts(server):
    server.faults.extend([faults.status(503, "loading the model")] * 3)
    asked = client(server, retries=2)
    error = only(asked)
    assert isinstance(error, LlmError)
    assert (error.kind, server.faults) == ("status 503", faults.deque())
    assert "answered 503: loading the model (3 attempts)" in str(error)
    assert counted(asked) == (3, 2, {"status 503": 3}, 1)
    server.faults.append(faults.status(500))
    with pytest.raises(LlmError, match="answered 500: busy"):
        client(server, retries=0).answers([question(title="other")])


def test_a_slow_answer_and_a_drip_end_at_the_time_out(server):
    for fault in (faults.hang, faults.drip):
        server.faults.append(fault)
        asked = client(server, timeout_s=0.3, retries=0)
        error = only(asked)
        assert error.kind == "timeout"
        assert "no answer within 0.3 s" in str(error)
        assert asked.cost().bounded == 1  # who knows what it took


def test_retry_after_is_waited_for_by_all(server):
    server.faults.append(faults.status(429, headers=[("Retry-After", "0.4")]))
    asked = client(server, concurrency=1)
    began = time.monotonic()
    answers = asked.answers([question(title=f"hub {n}") for n in range(3)])
    assert time.monotonic() - began >= 0.4
    assert len(answers) == 3
    when = format_datetime(datetime.now(UTC) + timedelta(seconds=100), usegmt=True)
    for value in ("100", when):
        server.faults.append(faults.status(429, headers=[("Retry-After", value)]))
        error = only(client(server, deadline_s=2.0))
        assert error.kind == "status 429"
        assert "to ask again would pass the deadline" in str(error)


def test_the_deadline_is_of_the_whole_call(judge):
    with LlmServer(judge, delay=0.2) as server:
        asked = client(server, concurrency=2)
        found = asked.ask([question(title=f"hub {n}") for n in range(20)], seconds=0.5)
        answered = [one for one in found if isinstance(one, Answer)]
        assert len(answered) <= len(server.bodies) <= 6  # two at a time, each 0.2 s
        assert {one.kind for one in found if isinstance(one, LlmError)} <= {"deadline", "timeout"}
        again = asked.ask([question(title=f"hub {n}") for n in range(20)], seconds=60)
        assert all(isinstance(one, Answer) for one in again)
        assert sum(one.kept for one in again) == len(answered)


def test_so_many_at_a_time_and_no_more(judge):
    with LlmServer(judge, delay=0.05) as server:
        client(server, concurrency=3).answers([question(title=f"hub {n}") for n in range(12)])
        assert server.most == 3


# --- faults that stay --------------------------------------------------------------------------------------


def test_a_refusal_is_not_asked_again_and_spares_the_others(server):
    server.faults.append(faults.status(404, "no model named judge"))
    asked = client(server, concurrency=1)
    found = asked.ask([question(title=f"hub {n}") for n in range(5)])
    assert {one.kind for one in found} == {"status 404"}
    assert "check llm.endpoint" in str(found[0])
    assert counted(asked) == (1, 0, {"status 404": 1}, 5)
    assert asked.cost().tokens_in == 0
    server.faults.append(faults.status(400, "too long for the model"))  # of this one question only
    found = client(server, concurrency=1).ask([question(title=f"hub {n}") for n in range(3)])
    assert [type(one).__name__ for one in found] == ["LlmError", "Answer", "Answer"]
    server.faults.append(faults.status(429, "You exceeded your quota", error_code="insufficient_quota"))
    error = only(client(server))
    assert error.kind == "quota"
    assert "add credit" in str(error)


def test_empty_and_cut_answers_are_errors(server):
    empty = {"choices": [{"message": {"content": None}, "finish_reason": "stop"}], "usage": None}
    server.faults.append(faults.raw(empty))
    asked = client(server)
    error = only(asked)
    assert error.kind == "empty"
    assert "enable_thinking" in str(error)
    assert asked.cost().requests == 1
    cut = {"choices": [{"message": {"content": "[2] > [1"}, "finish_reason": "length"}], "usage": None}
    server.faults.extend([faults.raw(cut), faults.raw(cut)])
    error = only(asked, question(max_tokens=9, whole=True))
    assert error.kind == "truncated"
    assert "was cut at 9 tokens: '[2] > [1'" in str(error)
    assert only(asked, question(max_tokens=9)).truncated
    assert dict(asked.cost().failures) == {"empty": 1, "truncated": 1}


def test_a_flood_is_not_read_to_its_end(server):
    server.faults.append(faults.raw(b" " * (MAX_BODY + 1_000_000)))
    assert only(client(server)).kind == "too long"


def test_nobody_there():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
    asked = client(type("", (), {"url": url}), retries=1)
    error = only(asked)
    assert error.kind == "connection"
    assert f"connection to the language model at {url} failed" in str(error)
    assert (asked.cost().tokens_in, asked.cost().bounded) == (0, 0)


# --- the key -----------------------------------------------------------------------------------------------


def test_the_key_is_read_from_the_environment_and_goes_nowhere_else(judge, tmp_path, monkeypatch):
    secret = "sk-not-for-anyone-0123456789"
    monkeypatch.setenv("MY_KEY", secret)
    store = tmp_path / "answers.sqlite"
    with LlmServer(judge, key=secret) as server:
        asked = client(server, key_env="MY_KEY", store=str(store))
        assert only(asked).choices
        assert server.headers[0]["Authorization"] == f"Bearer {secret}"
        asked.close()
        assert not any(secret.encode() in path.read_bytes() for path in tmp_path.iterdir())
    with LlmServer(judge, key="another") as server:
        error = only(client(server, key_env="MY_KEY"))
        assert error.kind == "status 401"
        assert "Incorrect API key provided: ***" in str(error)
        assert "'MY_KEY'" in str(error)
        assert secret not in repr(error) + str(error.args)
    monkeypatch.delenv("MY_KEY")
    with pytest.raises(RecipeError, match=r"variable 'MY_KEY', named by llm\.key_env, is not set"):
        client(server, key_env="MY_KEY")


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("localhost:8000", "is no address"),
        ("ftp://x/v1", "is no address"),
        ("http://", "is no address"),
        ("http://me:secret@x/v1", "has a name, a password or a query in it"),
        ("http://x/v1?key=secret", "has a name, a password or a query in it"),
    ],
)
def test_addresses_that_are_refused(server, url, said):
    with pytest.raises(RecipeError, match=said) as caught:
        open_llm(settings(server, endpoint=url))
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("name", ["max_tokens", "n", "stream", "model"])
def test_extra_fields_cannot_get_round_the_budget(server, name):
    with pytest.raises(RecipeError, match=f"llm.extra sets '{name}'"):
        client(server, extra={name: 2})


def test_the_body_of_a_question_is_json_with_every_character(server):
    text = '‮ \U0001f600 \\ " 手机'
    only(client(server), question(title=text))
    assert text in json.dumps(server.bodies[0], ensure_ascii=False).replace('\\"', '"').replace("\\\\", "\\")
