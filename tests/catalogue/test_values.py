"""Cells to values, against written-out expectations."""

from __future__ import annotations

import math

import pytest

from aisle.catalogue.values import to_count, to_flag, to_id, to_number, to_price


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("1,299.00", (1299.0, None)),
        ("1.299,00 €", (1299.0, "EUR")),
        ("$12.50", (12.5, "USD")),
        ("12,50", (12.5, None)),
        ("¥1299", (1299.0, "CNY")),
        ("CNY 12", (12.0, "CNY")),
        ("12.50 USD", (12.5, "USD")),
        ("1,299", (1299.0, None)),
        ("1.299", (1.299, None)),
        ("1.299 €", (1299.0, "EUR")),
        ("1 299,00 kr", (1299.0, None)),
        ("CHF 1'299.50", (1299.5, "CHF")),
        ("1.234.567", (1234567.0, None)),
        ("12 - 15 EUR", (12.0, "EUR")),
        ("￥４，２９９．００", (4299.0, "CNY")),
        ("1.2万元", (12000.0, "CNY")),
        (12, (12.0, None)),
        ({"amount": "5", "currency": "GBP"}, (5.0, "GBP")),
        ("-5", (None, None)),
        ("1.5E+03", (1500.0, None)),
        ("1,5E+03 €", (1500.0, "EUR")),
        ("2E+02", (200.0, None)),
        ("$1.2995E+03", (1299.5, "USD")),
        ("5E-1", (0.5, None)),
        ("1E10", (None, None)),
        ("1e309", (None, None)),
        ("-1.5E+03", (None, None)),
        ("(5.00)", (None, None)),
        ("($5.00)", (None, "USD")),
        ("$(1,299.00)", (None, "USD")),
        ("-$5", (None, "USD")),
        ("5-", (None, None)),
        ("5.00- EUR", (None, "EUR")),
        ("5,- €", (5.0, "EUR")),
        ("12-15", (12.0, None)),
        ("99元(含税)", (99.0, "CNY")),
        ("12..5", (None, None)),
        ("12.5.1", (None, None)),
        ("12,15,20", (None, None)),
        ("0x10", (None, None)),
        ("1_000", (None, None)),
        ("1/2", (None, None)),
        ("5.99/100g", (5.99, None)),
        ("1,23,456.50", (123456.5, None)),
        ("1,234,567.89", (1234567.89, None)),
        ("12,999.00", (12999.0, None)),
        ("原价99 现价79", (79.0, None)),
        ("原价:¥99元,现仅售:¥79元", (79.0, "CNY")),
        ("特价 1.2万元 原价2万元", (12000.0, "CNY")),
        ("Was $99.00 Now $79.00", (79.0, "USD")),
        ("$99 sale price: $79", (79.0, "USD")),
        ("79 (was 99)", (79.0, None)),
        ("原价99", (99.0, None)),
        ("原价99 79", (None, None)),
        ("99 SALE 20%", (99.0, None)),
        ("现货 99", (99.0, None)),
        ("99 (sale ends 2026)", (99.0, None)),
        ("$99 SALE - only $79", (79.0, "USD")),
        ("99 SALE-79", (None, None)),
        ("was 99 EUR now EUR 79", (79.0, "EUR")),
        (math.nan, (None, None)),
        (math.inf, (None, None)),
        (10**400, (None, None)),
        (1e12, (None, None)),
        ("free", (None, None)),
        (True, (None, None)),
        (None, (None, None)),
    ],
)
def test_prices(cell: object, expected: tuple[float | None, str | None]) -> None:
    assert to_price(cell) == expected


def test_the_default_currency_settles_ambiguous_symbols() -> None:
    assert to_price("$5", "CAD") == (5.0, "CAD")
    assert to_price("$5", "EUR") == (5.0, "USD")
    assert to_price("¥5", "JPY") == (5.0, "JPY")


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("00123", "00123"),
        (123, "123"),
        (123.0, "123"),
        (1.5, "1.5"),
        (" a  b ", "a b"),
        (None, ""),
        ([], ""),
        ("n/a", ""),
    ],
)
def test_ids_are_text(cell: object, expected: str) -> None:
    assert to_id(cell) == expected


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("in stock", True), ("有货", True), ("https://schema.org/InStock", True), ("out of stock", False),
        ("售罄", False),
        ("preorder", True), (0, False), ("3", True), (True, True), ("maybe", None), (None, None), ("²", None),
    ],
)  # fmt: skip
def test_flags(cell: object, expected: bool | None) -> None:
    assert to_flag(cell) is expected


def test_numbers_and_counts() -> None:
    assert to_number("4.5 out of 5") == 4.5
    assert to_number("4,5") == 4.5
    assert to_number("4.5/5") == 4.5
    assert to_count("1,024") == 1024
    assert to_count("2E+02") == 200
    assert to_count("5-") is None
    assert to_count("(1,234)") == 1234  # of reviews: only a price in brackets is negative
    assert to_count(-1) is None
    assert to_number("no") is None


@pytest.mark.parametrize(
    ("text", "count"), [("1.2k", 1200), ("12K", 12_000), ("2万+", 20_000), ("3.5", None), ("7", 7)]
)
def test_short_counts(text, count):
    assert to_count(text) == count


@pytest.mark.parametrize(
    ("text", "price"),
    [("19.99 24.99", 19.99), ("¥199 299.50", 199_299.5), ("1 299,00 €", 1299.0), ("12 999 kr", 12_999.0)],
)
def test_blanks_in_prices(text, price):
    assert to_price(text)[0] == pytest.approx(price)
