"""The audit log: whole, in one chain, across processes and days; what was changed shows."""

import hashlib
import json
import multiprocessing
import shutil

import pytest

from aisle.errors import ArtifactError
from aisle.serve.content import content_hash
from aisle.serve.security import Security, SecuritySettings
from aisle.serve.security.audit import _SHOWN, AuditLog, Verified


@pytest.fixture
def log(tmp_path):
    return AuditLog(tmp_path / "audit")


def files(log):
    return sorted(log.folder.glob("*.jsonl"))


def test_an_entry_says_who_did_what_when_and_to_what(log):
    log.write("3f9c", "product.put", "p1", "r-1", before={"price": 1}, after={"price": 2})
    (entry,) = log.entries()
    assert (entry["who"], entry["action"], entry["target"], entry["request_id"]) == ("3f9c", "product.put", "p1", "r-1")
    assert entry["after"] == hashlib.sha256(b'{"price":2}').hexdigest()
    assert entry["before"] != entry["after"]
    assert entry["prev"] == hashlib.sha256(b"").hexdigest()
    assert files(log)[0].stat().st_mode & 0o077 == 0


def test_the_hash_is_of_the_content_not_of_its_order():
    assert content_hash({"a": 1, "b": [1, 2]}) == content_hash({"b": [1, 2], "a": 1}) != content_hash({"a": 1})
    assert content_hash(None) == ""


@pytest.mark.parametrize("harm", ["change", "remove", "swap", "garbage"])
def test_what_was_changed_shows(log, harm):
    for n in range(5):
        log.write("3f9c", "product.put", f"p{n}")
    assert log.verify().entries == 5
    lines = files(log)[0].read_bytes().splitlines(keepends=True)
    if harm == "change":
        lines[2] = lines[2].replace(b"p2", b"p9")
    elif harm == "remove":
        del lines[2]
    elif harm == "swap":
        lines[1], lines[2] = lines[2], lines[1]
    else:
        lines[2] = b"garbage\n"
    files(log)[0].write_bytes(b"".join(lines))
    with pytest.raises(ArtifactError, match="was changed before line"):
        log.verify()


def test_a_log_that_was_taken_away_is_no_empty_one(tmp_path):
    security = Security(tmp_path / "shop.state", SecuritySettings())
    security.close()
    log = security.audit
    assert log.verify() == Verified(entries=0, torn=0, head="")  # a service that nobody has written to
    log.write("a", "b", "c")
    assert log.verify().entries == 1
    for path in files(log):
        path.unlink()
    with pytest.raises(ArtifactError, match="every entry of the audit log was taken out"):
        log.verify()
    shutil.rmtree(log.folder)
    with pytest.raises(ArtifactError, match=r"there is no audit log in '.*shop\.state'"):
        log.verify()
    with pytest.raises(ArtifactError, match=r"there is no audit log in '.*shpo\.state'"):
        AuditLog(tmp_path / "shpo.state" / "audit").verify()


def test_nothing_of_what_is_masked_is_left_where_a_target_is_cut(log):
    for before in range(_SHOWN - 20, _SHOWN):
        log.write("a", "b", f"{'x' * before} 13800138000", request_id="13800138000")
    assert b"1380" not in files(log)[0].read_bytes()


def test_the_head_is_the_hash_of_the_last_line(log):
    log.write("a", "b", "c")
    assert log.verify().head == hashlib.sha256(files(log)[0].read_bytes().rstrip(b"\n")).hexdigest()


def test_a_line_torn_by_a_crash_is_counted_and_the_chain_goes_on(log):
    log.write("a", "b", "1")
    with files(log)[0].open("ab") as file:
        file.write(b'{"time":')
    log.write("a", "b", "2")
    log.write("a", "b", "3")
    found = log.verify()
    assert (found.entries, found.torn) == (3, 1)


def test_a_long_day_goes_on_in_another_file_and_the_chain_with_it(tmp_path):
    log = AuditLog(tmp_path / "audit", file_bytes=600)
    for n in range(30):
        log.write("a", "b", str(n))
    assert len(files(log)) > 9  # .10 comes after .9, not after .1
    assert [entry["target"] for entry in log.entries()] == [str(n) for n in range(30)]
    assert log.verify().entries == 30


def test_a_clock_set_back_does_not_break_the_chain(log):
    log.write("a", "b", "1")
    files(log)[0].rename(log.folder / "2099-01-01.jsonl")  # as if it had been written then
    log.write("a", "b", "2")
    assert log.verify().entries == 2


def _write(folder, number):
    for n in range(20):
        AuditLog(folder).write(str(number), "product.put", f"{number}-{n}")


def test_processes_make_one_chain(tmp_path):
    fork = multiprocessing.get_context("fork")
    workers = [fork.Process(target=_write, args=(tmp_path / "audit", number)) for number in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert AuditLog(tmp_path / "audit").verify().entries == 60


def test_personal_data_in_what_was_changed_is_masked(log):
    log.write("a", "user.delete", "anna@example.com")
    assert json.loads(files(log)[0].read_text())["target"] == "<email>"


def test_an_entry_longer_than_what_is_read_of_the_end(tmp_path):
    log = AuditLog(tmp_path / "audit")
    log.write("a", "b", "1")
    path = files(log)[0]
    entry = {**next(log.entries()), "note": "x" * 200_000}
    path.write_bytes(json.dumps(entry).encode() + b"\n")
    log.write("a", "b", "2")
    assert log.verify().entries == 2
