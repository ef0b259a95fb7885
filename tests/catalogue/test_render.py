"""The renderer: declared order, nothing twice, and a budget counted by the encoder's own tokens."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from aisle.catalogue.render import RENDERER_VERSION, Renderer
from aisle.config import RenderSettings
from aisle.encoders.embedded import EmbeddedEncoder
from aisle.errors import RecipeError
from aisle.types import Product

COUNT = EmbeddedEncoder().count_tokens
MOUSE = Product(
    id="1",
    title="M185 mouse",
    brand="Logitech",
    category=("Computers", "Mice"),
    description="A wireless mouse  with\na small receiver.",
    attributes={"product_colour": "Grey", "buttons": 3.0, "wireless": True, "wired": False, "ports": ("USB", "PS/2")},
    identifiers=("910-002238",),
    price=19.99,
    stock=7,
)


def words(text: str) -> int:
    """A budget that can be counted by hand."""
    return len(text.split())


def render(product: Product, *fields: str, max_tokens: int = 96, count=COUNT) -> str:
    return Renderer(RenderSettings(fields or RenderSettings().fields, max_tokens), count).text(product)


def test_fields_come_in_the_declared_order():
    assert render(MOUSE) == "M185 mouse Logitech Computers Mice A wireless mouse with a small receiver."
    assert render(MOUSE, "category", "identifiers", "title") == "Computers Mice 910-002238 M185 mouse"


def test_attributes_come_sorted_by_name():
    assert render(MOUSE, "attributes") == "buttons 3 ports USB, PS/2 product colour Grey wireless"
    assert render(MOUSE, "attributes.product_colour", "attributes.none") == "product colour Grey"
    assert render(MOUSE, "attributes.ports", "attributes").startswith("ports USB, PS/2 buttons 3 product colour")


@pytest.mark.parametrize(
    ("title", "brand", "expected"),
    [
        ("Logitech M185", "Logitech", "Logitech M185"),
        ("LOGITECH M185", "Logitech", "LOGITECH M185"),
        ("HPE server, by hp", "HP", "HPE server, by hp"),
        ("HPE server", "HP", "HPE server HP"),
        ("Mouse (C++)", "C++", "Mouse (C++)"),
        ("小米手机 12", "小米", "小米手机 12"),
        ("M185", "", "M185"),
    ],
)
def test_a_brand_in_the_title_is_not_repeated(title, brand, expected):
    assert render(replace(MOUSE, title=title, brand=brand), "title", "brand") == expected


def test_a_brand_is_kept_where_the_title_is_no_field():
    product = replace(MOUSE, title="Logitech M185")
    assert render(product, "brand", "category") == "Logitech Computers Mice"


def test_a_description_that_the_title_repeats_is_left_out():
    product = replace(MOUSE, description="m185 MOUSE")
    assert render(product, "title", "description") == "M185 mouse"


@pytest.mark.parametrize("budget", [8, 9, 10, 11, 12])
def test_the_cut_is_the_longest_run_of_words_within_the_budget(budget):
    whole = "M185 mouse Logitech Computers Mice A wireless mouse with a small receiver."
    assert render(MOUSE, max_tokens=budget, count=words) == " ".join(whole.split()[:budget])


def test_the_encoder_counts_the_budget():
    product = replace(MOUSE, description="mouse " * 500)
    text = render(product, "description", max_tokens=32)
    assert text == " ".join(["mouse"] * 30)  # [CLS] and [SEP] take two
    assert COUNT(text) == 32


def test_chinese_is_cut_between_characters():
    text = render(replace(MOUSE, title="无线鼠标" * 50), "title", max_tokens=12)
    assert text == "无线鼠标" * 5  # two tokens each: 无线 and 鼠标


def test_a_single_endless_word_is_cut_too():
    text = render(replace(MOUSE, title="e\u0301x-" * 2000), "title", max_tokens=20)
    assert 0 < COUNT(text) <= 20
    assert not text.endswith("e")  # a letter keeps its accent


def test_a_huge_description_costs_no_more_than_the_budget():
    read = 0

    def count(text: str) -> int:
        nonlocal read
        read += len(text)
        return COUNT(text)

    render(replace(MOUSE, description="a long story " * 100_000), count=count)
    assert read < 20_000


def test_a_product_without_text_is_empty():
    assert render(Product(id="1", title="")) == ""


def test_price_and_stock_change_nothing():
    cheaper = replace(MOUSE, price=1.0, stock=0, available=False, rating=1.0, rating_count=3, currency="EUR")
    every = ("title", "brand", "category", "description", "identifiers", "attributes")
    assert render(cheaper, *every) == render(MOUSE, *every)


@pytest.mark.parametrize("field", ["price", "name", "attributes.", "Title", ""])
def test_an_unknown_field_is_an_error(field):
    with pytest.raises(RecipeError, match="unknown field") as caught:
        Renderer(RenderSettings(("title", field)), COUNT)
    assert "attributes.NAME" in str(caught.value)


def test_hash_and_fingerprint_follow_what_they_name():
    renderer = Renderer(RenderSettings(), COUNT)
    assert len(renderer.hash("a")) == 32
    assert renderer.hash("a") == Renderer(RenderSettings(("title",)), COUNT).hash("a") != renderer.hash("b")
    assert renderer.fingerprint == f"{RENDERER_VERSION}:96:title,brand,category,description"
    assert Renderer(RenderSettings(max_tokens=64), COUNT).fingerprint != renderer.fingerprint


def test_half_a_surrogate_pair_can_be_rendered_and_hashed():
    renderer = Renderer(RenderSettings(), COUNT)
    text = renderer.text(replace(MOUSE, title="\ud83d mouse"))
    assert renderer.hash(text) != renderer.hash("mouse")


@settings(max_examples=150, deadline=None)
@given(
    st.text(alphabet=st.sampled_from("ab -,.é小米テ한😀\u0301\n"), max_size=300),
    st.text(max_size=60),
    st.integers(8, 40),
)
def test_any_text_fits_and_is_a_beginning_of_the_uncut_one(title, description, budget):
    product = Product(id="1", title=title, description=description)
    whole = render(product, max_tokens=8192)
    text = render(product, max_tokens=budget)
    assert whole.startswith(text)
    assert COUNT(text) <= budget
    assert text == whole or COUNT(whole) > budget
