"""The packaged lexicon is what scripts/build_lexicon.py makes of the inputs, and one thing is one concept."""

from __future__ import annotations

import gzip
import importlib.util
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest

from aisle.language.lexicon import PACKAGED, Lexicon

SCRIPT = Path(__file__).parents[2] / "scripts" / "build_lexicon.py"
PHONE = {"手机", "移动电话", "cell phone", "mobile phone"}


@pytest.fixture(scope="module")
def script() -> ModuleType:
    spec = importlib.util.spec_from_file_location("build_lexicon", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def made(script, tmp_path_factory) -> Iterator[Path]:
    path = tmp_path_factory.mktemp("lexicon") / "lexicon.tsv.gz"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(script, "TARGET", path)
        assert script.main() == 0
        yield path


@pytest.fixture(scope="module")
def concepts() -> list[list[list[str]]]:
    lines = gzip.decompress(PACKAGED.read_bytes()).decode().removesuffix("\n").split("\n")
    return [[column.split("|") if column else [] for column in line.split("\t")] for line in lines]


def test_the_same_inputs_give_the_packaged_bytes(made):
    # The table first: its difference can be read.
    assert gzip.decompress(made.read_bytes()) == gzip.decompress(PACKAGED.read_bytes())
    assert made.read_bytes() == PACKAGED.read_bytes()


def test_every_concept_has_four_columns_and_a_name_in_chinese_and_english(concepts):
    assert len(concepts) > 30_000
    assert {len(columns) for columns in concepts} == {4}
    assert all(zh and en for zh, en, _, _ in concepts)
    assert all(name == name.strip() and name for columns in concepts for column in columns for name in column)


def test_a_phone_is_one_concept_by_all_its_names(concepts):
    having = [{name for column in columns for name in column} for columns in concepts]
    having = [names for names in having if names & PHONE]
    assert len(having) == 1
    assert having[0] >= PHONE
    for name in sorted(PHONE):
        assert {other.name for other in Lexicon().expansions(name)} >= PHONE - {name}
        assert {other.weight for other in Lexicon().expansions(name)} == {1.0}


def merged(script: ModuleType, monkeypatch, entries) -> list[tuple[list[str], list[str]]]:
    monkeypatch.setattr(script, "entries", lambda: iter([(rank, script.entry(zh, en)) for rank, zh, en in entries]))
    return [(list(found["zh"]), list(found["en"])) for found in script.merge()]


def test_concepts_that_share_both_languages_become_one(script, monkeypatch):
    rows = [(0, "手机|移动电话", "cell phone"), (0, "手機|智能手机", "Cell-Phones|smartphone"), (0, "壳", "case")]
    expected = [(["手机", "移动电话", "智能手机"], ["cell phone", "Cell-Phones", "smartphone"]), (["壳"], ["case"])]
    assert merged(script, monkeypatch, rows) == expected


def test_a_later_concept_that_shares_one_language_is_left_out(script, monkeypatch):
    rows = [(0, "鼠标", "mouse"), (1, "老鼠", "mice|mouse"), (1, "鼠标", "pointer"), (1, "键盘", "keyboard")]
    assert merged(script, monkeypatch, rows) == [(["鼠标"], ["mouse"]), (["键盘"], ["keyboard"])]


def test_terms_written_for_aisle_may_share_a_name(script, monkeypatch):
    rows = [(0, "鼠标", "mouse"), (0, "老鼠", "mouse"), (1, "（仅注）", "note"), (1, "only", "latin")]
    assert merged(script, monkeypatch, rows) == [(["鼠标"], ["mouse"]), (["老鼠"], ["mouse"])]


def test_wordnet_adds_no_name_to_what_is_known(script, monkeypatch):
    rows = [(0, "鼠标", "mouse"), (2, "鼠标|滑鼠器", "mouse|computer mouse")]
    assert merged(script, monkeypatch, rows) == [(["鼠标"], ["mouse"])]
