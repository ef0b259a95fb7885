"""Queries behind titles, and titles that end so by themselves."""

from __future__ import annotations

import json

import pytest

from aisle.errors import ArtifactError
from aisle.indexes import segment
from aisle.ranking.word_statistics import WordStatistics
from aisle.rerankers.combination import Combination
from aisle.rerankers.echoes import Echoes

SHOP = ("HP 301 black ink cartridge", "Canon black ink", "Epson grey ink", "USB hub white", "Hub 2.0", "Red hub 3.0")


@pytest.fixture
def echoes() -> Echoes:
    return Echoes.of(SHOP)


@pytest.mark.parametrize(
    ("query", "text", "left"),
    [
        ("usb hub", "Garden hose usb hub", "Garden hose"),
        ("USB  hub", "Garden hose usb HUB  usb hub ", "Garden hose"),
        ("usb hub", "Garden hose usbhub", "Garden hose usbhub"),
        ("hub", "Red usbhub", "Red usbhub"),
        ("usb hub", "USB hub", "USB hub"),
        ("usb hub", "USB hub usb hub", "USB hub"),
        ("usb hub", "usb hub  for a garden", "usb hub  for a garden"),
        ("手机壳", "红色手机壳", "红色手机壳"),
        ("手机壳", "红色钱包 手机壳 手机壳", "红色钱包"),
        ("usb hub", "Garden hose  usb   hub", "Garden hose"),
        ("", "Garden hose", "Garden hose"),
        ("hub", "\u0130 hub", "\u0130 hub"),
        ("!", "Garden hose !", "Garden hose"),
    ],
)
def test_a_text_without_the_query_at_its_end(echoes, query, text, left):
    assert echoes.without(query, text) == left


@pytest.mark.parametrize(
    ("query", "text", "left"),
    [
        ("ink cartridge", "Brother black  ink cartridge", "Brother black  ink cartridge"),  # "black ink": two texts
        ("INK cartridge", "Brother BLACK ink cartridge", "Brother BLACK ink cartridge"),
        ("ink cartridge", "Brother grey ink cartridge", "Brother grey"),  # "grey ink": one text
        ("ink cartridge", "Logitech mouse ink cartridge", "Logitech mouse"),
        ("ink", "Brother black ink ink", "Brother black ink"),  # what is said twice is an echo
        ("black ink", "Brother ink hub, black ink", "Brother ink hub, black ink"),
        ("black ink", "Brother ink black set, black ink", "Brother ink black set,"),
        ("3.0", "Hub white 3.0", "Hub white"),
        ("ink", "Kodak  black ink", "Kodak  black ink"),
        ("cartridge", "HP 302 ink cartridge", "HP 302 ink"),  # two titles end with ink
        ("set", "Canon black set", "Canon black set"),  # two titles have black, and none ends with it
        ("set", "Canon grey set", "Canon grey"),  # one has grey
        ("set", "USB hub set", "USB hub set"),  # three have hub, none ends with it
        ("set", "Hub white set", "Hub white"),
    ],
)
def test_an_end_as_the_shop_writes_it_stays(echoes, query, text, left):
    assert echoes.without(query, text) == left


def test_the_same_title_twice_is_one():
    assert Echoes.of(["red hub", "red hub"]) == Echoes({})
    assert Echoes.of(["red hub hub", "old red hub"]) == Echoes({"red": frozenset({"hub"})}, frozenset({"red"}))


def test_they_are_kept_with_a_combination(echoes, tmp_path):
    words = WordStatistics.of(SHOP, segment)
    path = tmp_path / "combination.json"
    Combination({"cosine": 1.0, "wording": 0.2, "bm25": 0.1}, words, echoes=echoes).save(path)
    assert Combination.load(path).echoes == echoes
    again = Echoes.of(reversed(SHOP))
    before = path.read_bytes()
    Combination({"cosine": 1.0, "wording": 0.2, "bm25": 0.1}, words, echoes=again).save(path)
    assert path.read_bytes() == before
    data = json.loads(before)
    for broken in ([], "black ink", {"follow": {"black": 3}, "inner": []}, {"follow": {}}, {"follow": [], "inner": []}):
        path.write_text(json.dumps(data | {"echoes": broken}))
        with pytest.raises(ArtifactError, match=r"combination\.json"):
            Combination.load(path)
    path.write_text(json.dumps({name: value for name, value in data.items() if name != "echoes"}))
    assert Combination.load(path).echoes is None
