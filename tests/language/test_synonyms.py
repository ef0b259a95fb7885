"""A shop's rules: what they find, and what a wrong line says."""

import pytest

from aisle.errors import RecipeError
from aisle.language.synonyms import Synonyms

RULES = """
# what we sell
手机, 移动电话, Cell Phone   # all equal
trainers => sneakers, running shoes
筆電 => 筆記型電腦
"""


def others(text, rules=RULES):
    return {(e.because, e.name) for e in Synonyms.parse(rules).expansions(text)}


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("手机", {("手机", "移动电话"), ("手机", "Cell Phone")}),
        ("new cell phones", {("cell phones", "手机"), ("cell phones", "移动电话")}),
        ("trainer", {("trainer", "sneakers"), ("trainer", "running shoes")}),
        ("sneakers", set()),
        ("笔电", {("笔电", "笔记本电脑")}),
        ("phone", set()),
    ],
)
def test_rules(text, found):
    assert others(text) == found


def test_rules_add_up():
    assert others("a", "a, b\na => c") == {("a", "b"), ("a", "c")}
    assert others("手机", "手机，移动电话") == {("手机", "移动电话")}
    assert others("a", "") == set()


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("phone", "one name"), ("a => b => c", "2 arrows"), ("a, , b", "an empty name"), ("=> b", "an empty name"),
        ("a =>", "an empty name"),
    ],
)  # fmt: skip
def test_a_bad_line_is_named_with_what_is_allowed(tmp_path, line, problem):
    path = tmp_path / "rules.txt"
    path.write_text(f"a, b\n{line}\n", encoding="utf-8")
    with pytest.raises(RecipeError, match=rf"rules\.txt, line 2.*{problem}(.|\n)*allowed: two or more names") as caught:
        Synonyms.load(path)
    assert line in str(caught.value)
    assert len(str(caught.value).splitlines()) == 3


def test_a_file_that_cannot_be_read(tmp_path):
    with pytest.raises(RecipeError, match=r"cannot read the synonyms(.|\n)*recipe"):
        Synonyms.load(tmp_path / "none.txt")
    (tmp_path / "latin.txt").write_bytes("café, coffee".encode("latin-1"))
    with pytest.raises(RecipeError, match="not UTF-8"):
        Synonyms.load(tmp_path / "latin.txt")
