import json
import resource

import pytest

from aisle.artifacts import MANIFEST, Manifest, read_manifest, swap_in, write_manifest, write_text
from aisle.errors import ArtifactError


def test_manifest_round_trip(tmp_path):
    write_manifest(tmp_path, Manifest("index", 1, {"encoder": "x"}, {"products": 3}))
    got = read_manifest(tmp_path, "index", 1)
    assert (got.kind, got.fingerprint, got.details) == ("index", {"encoder": "x"}, {"products": 3})
    assert got.created
    assert got.aisle


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (None, "has no manifest.json: not an Aisle index"),
        ("{", "cannot read"),
        (json.dumps({"kind": "reranker", "format": 1, "fingerprint": {}}), "of kind 'reranker'"),
        (json.dumps({"kind": "index", "format": 99, "fingerprint": {}}), "has format 99"),
        ("[]", "cannot read"),
    ],
)
def test_a_folder_that_is_not_one(tmp_path, content, match):
    if content is not None:
        (tmp_path / MANIFEST).write_text(content)
    with pytest.raises(ArtifactError, match=match):
        read_manifest(tmp_path, "index", 1)


def test_no_folder(tmp_path):
    with pytest.raises(ArtifactError, match="no such folder"):
        read_manifest(tmp_path / "none", "index", 1)


def test_a_swap_replaces_the_whole_folder(tmp_path):
    new, final = tmp_path / ".x.building", tmp_path / "x"
    for folder, text in ((new, "new"), (final, "old")):
        folder.mkdir()
        write_text(folder / "file", text)
    (final / "left").write_text("over")
    swap_in(new, final)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["x"]
    assert [(path.name, path.read_text()) for path in final.iterdir()] == [("file", "new")]


def test_a_disk_that_is_full_keeps_the_old_file_and_leaves_no_half_of_the_new_one(tmp_path):
    path = tmp_path / "file"
    write_text(path, "old")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, hard))  # the kernel refuses what a full disk would
    try:
        with pytest.raises(OSError, match="File too large"):
            write_text(path, "new" * 100)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert [one.name for one in tmp_path.iterdir()] == ["file"]
    assert path.read_text() == "old"
