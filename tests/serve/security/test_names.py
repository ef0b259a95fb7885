"""Ids, file names, sizes, addresses to listen on."""

import pytest

from aisle.errors import AccessError, RequestError
from aisle.serve.security import check_bind
from aisle.serve.security.names import inside, valid_id, valid_name


@pytest.mark.parametrize("text", ["78314049", "MFC-240C", "a b", "商品-1", "../x", "a/b", "o'brien; DROP TABLE"])
def test_ids_are_any_visible_text(text):
    assert valid_id(text) == text


@pytest.mark.parametrize("text", ["", " a", "a\n", "a\x00b", "a\u202eb", "a\u200bb", "\ud800", "x" * 257])
def test_what_is_no_id(text):
    with pytest.raises(RequestError, match="id "):
        valid_id(text)


@pytest.mark.parametrize("text", ["rules.toml", "模型-1", "a b.json"])
def test_plain_names(text, tmp_path):
    assert inside(tmp_path, text) == tmp_path / text


@pytest.mark.parametrize(
    "text",
    [
        "",
        ".",
        "..",
        "../x",
        "/etc/passwd",
        "a/b",
        "a\\b",
        ".hidden",
        "C:x",
        "x\x00.txt",
        "con",
        "NUL.txt",
        "-rf",
        "~root",
        "a" * 201,
        "a.",
        "*",
        "..%2f/x",
        "\u202etxt.exe",
    ],
)
def test_names_that_lead_elsewhere(text):
    with pytest.raises(RequestError, match="file name "):
        valid_name(text)


def test_a_link_out_of_the_folder_is_refused(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "link").symlink_to("/etc/passwd")
    with pytest.raises(RequestError, match="leads out of its folder"):
        inside(tmp_path / "in", "link")


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost", "[::1]"])
def test_this_machine_needs_no_keys(host):
    check_bind(host, protected=False)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "192.168.1.5", "8.8.8.8", "no-such-host.invalid"])
def test_others_need_keys(host):
    check_bind(host, protected=True)
    with pytest.raises(AccessError, match="there are no keys") as refused:
        check_bind(host, protected=False)
    assert "aisle keys create" in str(refused.value)
