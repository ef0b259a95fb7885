"""The file of keys: what is in it, who may read it, several processes at once."""

import datetime as dt
import hashlib
import json
import multiprocessing
import stat

import pytest

from aisle.errors import AccessError, ArtifactError
from aisle.serve.security.keys import KeyStore


@pytest.fixture
def store(tmp_path):
    return KeyStore(tmp_path / "shop.state" / "keys.json")


def test_only_the_hash_is_kept(store, tmp_path):
    key, text = store.create("web", ["write", "search"])
    content = (tmp_path / "shop.state" / "keys.json").read_text()
    assert text.split("_", 2)[2] not in content  # the secret itself may have "_"
    assert json.loads(content)["keys"][0]["sha256"] == hashlib.sha256(text.encode()).hexdigest()
    assert key.scopes == ("search", "write")
    assert store.verify(text) == key


def test_the_file_is_its_owners(store, tmp_path):
    store.create("web", ["search"])
    assert stat.S_IMODE((tmp_path / "shop.state" / "keys.json").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "shop.state").stat().st_mode) == 0o700
    assert not list((tmp_path / "shop.state").glob(".keys.json.[0-9]*"))


def test_keys_differ_and_cannot_be_guessed_from_their_id(store):
    texts = {store.create(f"key {n}", ["search"])[1] for n in range(20)}
    assert len({text.split("_", 2)[2] for text in texts}) == 20
    assert all(len(text.split("_", 2)[2]) == 43 for text in texts)  # 32 bytes


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"name": "", "scopes": ["search"]}, "name of a key"),
        ({"name": "a\nb", "scopes": ["search"]}, "name of a key"),
        ({"name": "a", "scopes": []}, "without scopes"),
        ({"name": "a", "scopes": ["root"]}, "unknown scope 'root'"),
        ({"name": "a", "scopes": ["search"], "expires": dt.datetime(2020, 1, 1, tzinfo=dt.UTC)}, "expired"),
        ({"name": "a", "scopes": ["search"], "per_day": -1}, "-1 a day"),
    ],
)
def test_what_cannot_be_a_key(store, given, message):
    with pytest.raises(AccessError, match=message):
        store.create(**given)


@pytest.mark.parametrize("text", ["", "aisle_", "aisle_000000000000_" + "x" * 43, "x" * 10_000, "aisle_ä", "\ud800"])
def test_what_is_no_key_is_unknown(store, text):
    store.create("web", ["search"])
    with pytest.raises(AccessError, match="is unknown"):
        store.verify(text)


def test_all_keys_of_a_name_end_together(store):
    for _ in range(2):
        store.create("web", ["search"])
    kept, _ = store.create("other", ["search"])
    assert len(store.revoke("web")) == 2
    with pytest.raises(AccessError, match="no active key has the id or name 'web'"):
        store.revoke("web")
    assert [key.id for key in store.all() if not key.revoked] == [kept.id]


def _create(path, number):
    store = KeyStore(path)
    for n in range(10):
        store.create(f"{number}-{n}", ["search"])


def test_processes_lose_no_keys(tmp_path):
    path = tmp_path / "keys.json"
    fork = multiprocessing.get_context("fork")
    workers = [fork.Process(target=_create, args=(path, number)) for number in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len({key.name for key in KeyStore(path).all()}) == 30


def test_a_store_sees_what_another_changes(tmp_path):
    ours, theirs = KeyStore(tmp_path / "keys.json"), KeyStore(tmp_path / "keys.json")
    key, text = theirs.create("web", ["search"])
    assert ours.verify(text) == key
    theirs.revoke(key.id)
    with pytest.raises(AccessError, match="is revoked"):
        ours.verify(text)


def test_a_damaged_file_says_so(tmp_path):
    path = tmp_path / "keys.json"
    path.touch(mode=0o600)
    path.write_text('{"keys": [{"id": "x"}]}')
    with pytest.raises(ArtifactError, match="no file of keys"):
        KeyStore(path).all()
