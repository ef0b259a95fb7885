import pytest

from aisle.filters.write import format_filter
from aisle.language.normalise import normalise
from aisle.query.price import prices_in

ASKED = [
    ("shoes under 50", "price < 50", None),
    ("shoes under $1,250.50", "price < 1250.5", "USD"),
    ("laptop less than 1000 dollars", "price < 1000", "USD"),
    ("up to €40 headphones", "price <= 40", "EUR"),
    ("50 pounds sterling under £20", "price < 20", "GBP"),
    ("gifts over $20", "price > 20", "USD"),
    ("at least 100 usd", "price >= 100", "USD"),
    ("$20-30 toys", "price >= 20 AND price <= 30", "USD"),
    ("between 50 and 100 euros", "price >= 50 AND price <= 100", "EUR"),
    ("from 50 to 100 usd", "price >= 50 AND price <= 100", "USD"),
    ("gift 50-100", "price >= 50 AND price <= 100", None),
    ("headphones around 100 euro", "price >= 80 AND price <= 120", "EUR"),
    ("50 dollars or less", "price <= 50", "USD"),
    ("phone below 2k", "price < 2000", None),
    ("200元以内手机", "price <= 200", "CNY"),
    ("手机200-300元", "price >= 200 AND price <= 300", "CNY"),
    ("200元左右的耳机", "price >= 160 AND price <= 240", "CNY"),
    ("不超过500元", "price <= 500", "CNY"),
    ("1000元以上的相机", "price >= 1000", "CNY"),
    ("一百到两百块的鞋", "price >= 100 AND price <= 200", "CNY"),
    ("oppo不过500元的手机", "price <= 500", "CNY"),
    ("打码机30一70元", "price >= 30 AND price <= 70", "CNY"),
    ("手机壳20块", "price >= 16 AND price <= 24", "CNY"),
    ("三百五十元以下", "price <= 350", "CNY"),
    ("1.5万元以下 相机", "price <= 15000", "CNY"),
    ("¥99以下", "price <= 99", "CNY"),
]


@pytest.mark.parametrize(("text", "filter", "currency"), ASKED)
def test_prices(text, filter, currency):
    (found,) = prices_in(normalise(text))
    assert (format_filter(found.filter), found.currency) == (filter, currency)


@pytest.mark.parametrize(
    "text",
    [
        "3块装 肥皂",
        "纱布 1块/袋",
        "cheap phones", "under 50 inch tv", "nike air max 90", "up to 8 players", "over 60 gifts", "18-55 lens",
        "iphone 11 pro max 256", "100元宝", "under armour", "usb 3.0 hub", "hp 15-dy", "1-3岁", "5米以内",
        "below 10 kg", "8-port switch", "between two ferns", "6-12 month baby", "window 10", "under 50% cotton",
    ],
)  # fmt: skip
def test_no_prices(text):
    assert prices_in(normalise(text)) == []


def test_the_place_of_a_price_is_all_of_its_words():
    text = normalise("red shoes price under $50 for men")
    (found,) = prices_in(text)
    assert text[found.start : found.end] == "price under $50"


def test_a_currency_makes_it_surer_and_a_bare_range_least_sure():
    sure, likely, possible = (prices_in(text)[0].certainty for text in ("under $50", "under 50", "50-100"))
    assert sure > likely > possible
