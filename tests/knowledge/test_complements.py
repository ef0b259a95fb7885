"""What goes with what in a few baskets, counted by hand."""

import json

import pytest

from aisle.errors import ArtifactError, InputError
from aisle.knowledge import complements
from aisle.knowledge.compatibility import Compatibility
from aisle.knowledge.complements import Complements, for_device
from aisle.types import Product
from tests.knowledge.shop import SHOP

BASKETS = [
    ["kettle", "tea", "milk"],
    ["kettle", "tea", "milk"],
    ["kettle", "tea"],
    ["kettle", "milk"],
    ["milk", "bread"],
    ["milk", "bread"],
    ["milk"],
    ["milk", "tea", "milk"],
    ["jam"],
    ["jam", "kettle"],
]
# Of 10 baskets: kettle 5, tea 4, milk 7, bread 2, jam 2. Kettle with tea 3, with milk 3, with jam 1 (chance).


@pytest.fixture(scope="module")
def learnt() -> Complements:
    return Complements.learn(iter(BASKETS))


def test_counts(learnt):
    assert learnt.baskets == 10
    assert learnt.counts == {"kettle": 5, "tea": 4, "milk": 7, "bread": 2, "jam": 2}
    assert learnt.pairs["kettle"] == {"tea": 3, "milk": 3}
    assert learnt.pairs["bread"] == {"milk": 2}
    assert "jam" not in learnt.pairs


def test_scores_by_hand(learnt):
    tea, milk = learnt.of("kettle", shrink=2.0, discount=0.5)
    assert (tea.product_id, milk.product_id) == ("tea", "milk")
    assert tea.score == pytest.approx((3 + 2 * 0.4) / 7 / 0.4**0.5)
    assert milk.score == pytest.approx((3 + 2 * 0.7) / 7 / 0.7**0.5)
    assert tea.lift == pytest.approx(3 / (5 * 0.4))
    assert tea.told() == "bought together 3 times, 1.5 times as often as by chance"


def test_discount_goes_from_share_to_lift(learnt):
    often, lifted = learnt.of("milk", shrink=0.0, discount=0.0), learnt.of("milk", shrink=0.0, discount=1.0)
    assert [(c.product_id, c.score) for c in often] == [
        ("kettle", pytest.approx(3 / 7)),
        ("tea", pytest.approx(3 / 7)),
        ("bread", pytest.approx(2 / 7)),
    ]
    assert lifted[0].product_id == "bread"
    assert lifted[0].score == pytest.approx(lifted[0].lift) == pytest.approx(10 * 2 / (7 * 2))


def test_limits(learnt):
    assert [c.product_id for c in learnt.of("kettle", 1, discount=1.0)] == ["tea"]
    assert learnt.of("unknown") == learnt.of("jam") == []
    with pytest.raises(InputError, match="discount 2"):
        learnt.of("kettle", discount=2)
    assert Complements.learn([]).of("kettle") == []


def test_memory_is_bounded(monkeypatch):
    monkeypatch.setattr(complements, "MAX_PAIRS", 3)
    learnt = Complements.learn(BASKETS)
    assert sum(map(len, learnt.pairs.values())) <= 6
    assert "tea" in learnt.pairs["kettle"]  # the pair met first and most often stays
    monkeypatch.setattr(complements, "MAX_BASKET", 2)
    assert Complements.learn([["a", "b", "c"], ["a", "b", "c"]]).pairs == {"a": {"b": 2}, "b": {"a": 2}}


def test_saved_and_loaded(learnt, tmp_path):
    path = tmp_path / "complements.json"
    learnt.save(path)
    again = Complements.load(path)
    assert again.of("kettle") == learnt.of("kettle")
    path.write_text("{}", "utf-8")
    with pytest.raises(ArtifactError, match="cannot read"):
        Complements.load(path)


def test_a_printer_goes_with_its_cartridges():
    shop = Compatibility.learn(SHOP)
    by_id = {product.id: product for product in SHOP}
    assert [c.product_id for c in for_device(by_id["printer"], shop)] == ["cyan", "magenta", "blister", "yellow"]
    assert [c.product_id for c in for_device(by_id["laser"], shop)] == ["black"]
    assert for_device(by_id["cyan"], shop) == []
    stand = Product("stand", "Brother MFC-240C stand", brand="Brother", attributes={"compatibility": "MFC-240C"})
    assert for_device(stand, Compatibility.learn([*SHOP, stand])) == []  # it says itself what it is for
    assert for_device(by_id["chair1"], shop) == []
    assert for_device(by_id["printer"], shop, 1)[0].told() == 'stated in attributes.compatibility: "MFC-240C"'


@pytest.mark.parametrize(
    "damage",
    [
        {"baskets": 0},
        {"baskets": 3},
        {"counts": []},
        {"counts": {"kettle": 5}},
        {"counts": {"kettle": "5", "tea": 4, "milk": 7, "bread": 2, "jam": 2}},
        {"pairs": {"kettle": {"tea": 0}}},
        {"pairs": {"kettle": ["tea"]}},
        {"pairs": {"coffee": {"tea": 3}}},
    ],
)
def test_a_damaged_file_is_one_error(learnt, tmp_path, damage):
    path = tmp_path / "complements.json"
    learnt.save(path)
    path.write_text(json.dumps(json.loads(path.read_text()) | damage))
    with pytest.raises(ArtifactError, match="learn them again"):
        Complements.load(path)
