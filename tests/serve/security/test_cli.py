"""`aisle keys`, `aisle events` and `aisle audit`, as they are typed."""

import datetime as dt
import json

import pytest
from click.testing import CliRunner

from aisle.cli.main import cli
from aisle.errors import AccessError, ArtifactError
from aisle.serve.security import Security, SecuritySettings
from aisle.serve.security.audit import AuditLog
from aisle.serve.security.event import Event, Item
from aisle.serve.security.events import EventStore
from aisle.serve.security.keys import KeyStore
from aisle.serve.security.limits import Limit, RateTable


@pytest.fixture
def shop(tmp_path):
    return tmp_path / "shop"


def aisle(*arguments):
    result = CliRunner().invoke(cli, [str(part) for part in arguments], catch_exceptions=False, standalone_mode=False)
    return result.stdout


def test_a_key_is_made_shown_once_listed_and_ended(shop):
    printed = aisle("keys", "create", shop, "--name", "web", "--scope", "search", "--expires", "90d").split()
    store = KeyStore(shop.with_name("shop.state") / "keys.json")
    key = store.verify(printed[0])
    assert (key.name, key.scopes) == ("web", ("search",))
    left = dt.datetime.fromisoformat(key.expires) - dt.datetime.now(dt.UTC)
    assert dt.timedelta(days=89, hours=23) < left <= dt.timedelta(days=90)
    listed = aisle("keys", "list", shop, "--json")
    assert printed[0].split("_", 2)[2] not in listed
    assert json.loads(listed)["keys"][0]["state"] == "active"
    assert json.loads(aisle("keys", "revoke", shop, "web", "--json")) == {"revoked": [key.id]}
    assert "revoked" in aisle("keys", "list", shop)


def test_the_last_use_of_a_key_is_shown(shop):
    key = json.loads(aisle("keys", "create", shop, "--name", "web", "--scope", "search", "--json"))
    table = RateTable(shop.with_name("shop.state") / "limits.bin")
    table.hit(f"key:{key['id']}", Limit(), now=1_800_000_000)
    table.close()
    (listed,) = json.loads(aisle("keys", "list", shop, "--json"))["keys"]
    assert listed["last_used"] == "2027-01-15T08:00:00+00:00"


def test_keys_can_be_kept_elsewhere(shop, tmp_path):
    aisle("keys", "create", shop, "--name", "web", "--scope", "admin", "--state", tmp_path / "elsewhere")
    assert len(KeyStore(tmp_path / "elsewhere" / "keys.json").all()) == 1
    assert not shop.with_name("shop.state").exists()


@pytest.mark.parametrize("text", ["soon", "5y", "2027-13-01"])
def test_an_end_that_is_no_time(shop, text):
    with pytest.raises(AccessError, match="is no time"):
        aisle("keys", "create", shop, "--name", "web", "--scope", "search", "--expires", text)


def test_events_are_counted_and_a_users_deleted(shop):
    state = shop.with_name("shop.state")
    store = EventStore(state, 90, 100)
    store.add_now([Event("click", (Item("p1"),), user="anna"), Event("purchase", (Item("p1"),), user="ben")])
    store.close()
    today = dt.datetime.now(dt.UTC).date().isoformat()
    assert json.loads(aisle("events", "list", shop, "--json")) == {"days": {today: {"click": 1, "purchase": 1}}}
    deleted = json.loads(aisle("events", "delete", shop, "--user", "anna", "--json"))
    assert deleted == {"events": 1, "days": 1, "requests": 0}
    assert json.loads(aisle("events", "list", shop, "--json")) == {"days": {today: {"purchase": 1}}}
    (entry,) = AuditLog(state / "audit").entries()
    assert entry["action"] == "events.delete_user"
    assert "anna" not in json.dumps(entry)
    assert json.loads(aisle("events", "expire", shop, "--keep-days", "1", "--json")) == {"days": 0}
    assert json.loads(aisle("audit", "verify", shop, "--json"))["entries"] == 1


def test_an_audit_log_that_is_not_there_is_an_error(shop, tmp_path):
    with pytest.raises(ArtifactError, match=r"there is no audit log in '.*typo\.state'"):
        aisle("audit", "verify", tmp_path / "typo")
    Security(shop.with_name("shop.state"), SecuritySettings()).close()
    assert aisle("audit", "verify", shop).startswith("no entries: ")


def test_no_events_are_no_mistake_of_ours(shop):
    with pytest.raises(ArtifactError, match="no events are kept"):
        aisle("events", "list", shop)
