"""Keys, scopes, sessions and limits against a server that really runs."""

import datetime as dt
import os

import httpx
import pytest

from aisle.errors import AccessError, ArtifactError
from tests.serve.security.conftest import bearer


def test_without_keys_this_machine_may_do_everything_and_nobody_else(serve):
    with serve() as (client, _):
        assert client.get("/admin").json() == {"who": "local"}
        assert client.post("/products", content=b"abc").json() == {"bytes": 3}
        for name in ("X-Forwarded-For", "Forwarded", "Via"):  # a proxy on this machine speaks for others
            answer = client.get("/search", headers={name: "203.0.113.9"})
            assert answer.status_code == 401
            assert "another machine" in answer.json()["error"]["message"]


def test_with_a_key_nobody_gets_in_without_one(serve):
    with serve() as (client, security):
        security.keys.create("web", ["search"])
        answer = client.get("/search")
        assert answer.status_code == 401
        assert answer.headers["www-authenticate"].startswith("Bearer")
        assert answer.json()["error"]["code"] == "unauthorized"
        assert "x-request-id" in answer.headers


def test_a_key_opens_its_scopes_and_no_others(serve):
    with serve() as (client, security):
        key, text = security.keys.create("web", ["search"])
        _, writer = security.keys.create("importer", ["write"])
        _, admin = security.keys.create("root", ["admin"])
        assert client.get("/search", headers=bearer(text)).json() == {"who": key.id, "kind": "key"}
        assert client.get("/search", headers={"X-API-Key": text}).status_code == 200
        refused = client.post("/products", headers=bearer(text), content=b"x")
        assert refused.status_code == 403
        assert "no scope 'write'" in refused.json()["error"]["message"]
        assert client.get("/search", headers=bearer(writer)).status_code == 403
        assert client.post("/products", headers=bearer(writer), content=b"x").status_code == 200
        assert client.get("/admin", headers=bearer(writer)).status_code == 403
        assert client.get("/admin", headers=bearer(admin)).status_code == 200
        assert client.get("/search", headers=bearer(admin)).status_code == 200


def test_revoked_expired_and_changed_keys_are_refused_at_once(serve):
    with serve() as (client, security):
        key, text = security.keys.create("web", ["search"])
        assert client.get("/search", headers=bearer(text)).status_code == 200
        changed = text[:-1] + ("A" if text[-1] != "A" else "B")
        assert client.get("/search", headers=bearer(changed)).status_code == 401
        security.keys.revoke(key.id)
        answer = client.get("/search", headers=bearer(text))
        assert answer.status_code == 401
        assert "is revoked" in answer.json()["error"]["message"]
        assert client.get("/search").status_code == 401  # the last key is gone; the service stays closed


def test_a_key_that_has_ended_is_refused(serve):
    with serve() as (_, security):
        key, text = security.keys.create("web", ["search"], dt.datetime.now(dt.UTC) + dt.timedelta(days=1))
        later = dt.datetime.now(dt.UTC) + dt.timedelta(days=1, seconds=1)
        assert security.keys.verify(text).id == key.id
        with pytest.raises(AccessError, match="is expired"):
            security.keys.verify(text, later)


def test_a_key_has_its_rate_and_says_what_is_left(serve):
    with serve(limits={"per_minute": 60, "burst": 3}) as (client, security):
        _, text = security.keys.create("web", ["search"])
        _, other = security.keys.create("other", ["search"])
        answers = [client.get("/search", headers=bearer(text)) for _ in range(4)]
        assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
        assert answers[0].headers["ratelimit-policy"] == '"minute";q=60;w=60'
        assert answers[0].headers["ratelimit"].startswith('"minute";r=2;t=')
        assert answers[3].headers["retry-after"] == "1"
        assert answers[3].json()["error"]["code"] == "rate_limited"
        assert client.get("/search", headers=bearer(other)).status_code == 200


def test_a_daily_quota_ends_with_the_day(serve):
    with serve() as (client, security):
        _, text = security.keys.create("web", ["search"], per_day=2)
        answers = [client.get("/search", headers=bearer(text)) for _ in range(3)]
        assert [answer.status_code for answer in answers] == [200, 200, 429]
        now = dt.datetime.now(dt.UTC)
        midnight = (now + dt.timedelta(days=1)).replace(hour=0, minute=0, second=0, microsecond=0)
        assert abs(int(answers[2].headers["retry-after"]) - (midnight - now).total_seconds()) < 60


def test_wrong_keys_make_an_address_wait(serve):
    with serve(limits={"failures_per_minute": 3}) as (client, security):
        _, text = security.keys.create("web", ["search"])
        statuses = [client.get("/search", headers=bearer(f"aisle_{n:012x}_{'x' * 43}")).status_code for n in range(5)]
        assert statuses == [401, 401, 401, 429, 429]
        assert client.get("/search", headers=bearer(text)).status_code == 200  # a right key still works


def test_search_without_a_key_where_it_is_allowed(serve):
    with serve(anonymous=["search"], limits={"anonymous_per_minute": 2}) as (client, security):
        security.keys.create("web", ["write"])
        assert client.get("/search").json()["kind"] == "anonymous"
        assert client.post("/products", content=b"x").status_code == 403
        assert client.get("/search").status_code == 429


def sign_in(client, text):
    answer = client.post("/sign-in", data={"key": text})
    return answer, answer.text


def test_signing_in_by_key_and_out_again(serve):
    with serve() as (client, security):
        key, text = security.keys.create("judge", ["judge", "search"])
        answer, token = sign_in(client, text)
        cookie = answer.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=Strict" in cookie
        assert text not in cookie
        assert client.get("/search").json() == {"who": key.id, "kind": "session"}
        held = {"Cookie": "; ".join(f"{name}={value}" for name, value in client.cookies.items())}
        client.post("/sign-out", headers={"X-CSRF-Token": token})
        assert not client.cookies
        again = client.get("/search", headers=held)  # the old cookie is of no use to whoever kept it
        assert again.status_code == 401


def test_a_form_needs_its_token(serve):
    with serve() as (client, security):
        _, text = security.keys.create("judge", ["judge"])
        _, token = sign_in(client, text)
        assert client.post("/judge", data={"grade": "3"}).json()["error"]["code"] == "form_token"
        assert client.post("/judge", data={"grade": "3", "csrf_token": "x" + token}).status_code == 403
        assert client.post("/judge", data={"grade": "3", "csrf_token": token}).json()["grade"] == "3"
        assert client.post("/judge", data={"grade": "2"}, headers={"X-CSRF-Token": token}).status_code == 200


def test_a_revoked_key_ends_its_session(serve):
    with serve() as (client, security):
        key, text = security.keys.create("judge", ["search"])
        sign_in(client, text)
        assert client.get("/search").status_code == 200
        security.keys.revoke(key.id)
        assert client.get("/search").status_code == 401


def test_a_cookie_that_was_changed_or_made_by_another_service_is_none(serve, tmp_path):
    from aisle.serve.security.sessions import Sessions

    with serve() as (client, security):
        key, _ = security.keys.create("judge", ["search"])
        other = Sessions(tmp_path / "other.state", 8, False)
        foreign = other.cookie(other.begin(key.id)).partition(";")[0].partition("=")[2]
        ours = security.sessions.cookie(security.sessions.begin(key.id)).partition(";")[0].partition("=")[2]
        assert security.sessions.read(ours).key_id == key.id
        assert security.sessions.read(foreign) is None
        for place in range(0, len(ours) - 1, 7):
            changed = ours[:place] + ("A" if ours[place] != "A" else "B") + ours[place + 1 :]
            assert security.sessions.read(changed) is None
        assert client.get("/search", headers={"Cookie": f"aisle={foreign}"}).status_code == 401
        assert security.sessions.read(ours, now=4e9) is None


def test_keys_that_cannot_be_read_close_the_service(serve):
    with serve() as (client, security):
        _, text = security.keys.create("web", ["search"])
        path = security.state / "keys.json"
        path.write_text("{broken")
        assert client.get("/search", headers=bearer(text)).status_code == 503
        assert client.get("/search").status_code == 401  # closed, not open


@pytest.mark.parametrize("hosts", [[], ["127.0.0.1"]])
def test_keys_that_cannot_be_read_are_in_the_log_once_and_in_no_answer(serve, caplog, hosts):
    caplog.set_level("INFO", "aisle.serve")
    with serve(hosts=hosts) as (client, security):
        _, text = security.keys.create("web", ["search"])
        path = security.state / "keys.json"
        whole = path.read_bytes()
        for _ in range(2):
            caplog.clear()
            path.write_bytes(whole[:40])
            answers = [client.get("/search", headers=bearer(text)) for _ in range(3)]
            answers.append(client.post("/sign-in", data={"key": text}))
            assert {answer.status_code for answer in answers} == {503}
            assert {answer.json()["error"]["code"] for answer in answers} == {"keys_unreadable"}
            assert all(str(security.state) not in answer.text for answer in answers)
            (told,) = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
            assert told.startswith("nobody gets in by a key: cannot read ")
            assert str(path) in told
            path.write_bytes(whole)
            assert client.get("/search", headers=bearer(text)).status_code == 200
            assert "the keys can be read again" in caplog.text


def test_a_file_of_keys_that_others_can_read_is_refused(serve):
    with serve() as (client, security):
        _, text = security.keys.create("web", ["search"])
        path = security.state / "keys.json"
        path.chmod(0o644)
        os.utime(path)
        answer = client.get("/search", headers=bearer(text))
        assert answer.status_code == 503
        assert str(path) not in answer.text  # a client learns nothing of our folders
        with pytest.raises(ArtifactError, match="mode 0644"):
            security.keys.all()


def test_two_keys_in_one_request_count_as_the_first(serve):
    with serve() as (client, security):
        _, reader = security.keys.create("web", ["search"])
        _, admin = security.keys.create("root", ["admin"])
        headers = [("Authorization", f"Bearer {reader}"), ("X-API-Key", admin)]
        assert client.get("/admin", headers=httpx.Headers(headers)).status_code == 403
