"""Check digits against numbers that their issuers publish, and against a hand calculation."""

import pytest

from aisle.privacy import checks


@pytest.mark.parametrize(
    "number",
    [
        "4111111111111111",
        "5555555555554444",
        "2223003122003222",
        "378282246310005",
        "6011111111111117",
        "3530111333300000",
        "30569309025904",
        "6200000000000005",
    ],
)
def test_test_numbers_of_the_card_schemes(number):
    assert checks.card(number)
    for place in range(len(number)):  # Luhn finds every single wrong digit
        wrong = number[:place] + str((int(number[place]) + 1) % 10) + number[place + 1 :]
        assert not checks.luhn(wrong)


def test_luhn_by_hand():
    # 79927398713: from the right 3 + (1*2) + 7 + (8*2-9) + 9 + (3*2) + 7 + (2*2) + 9 + (9*2-9) + 7 = 70
    assert checks.luhn("79927398713")


def test_a_card_needs_a_scheme():
    assert checks.luhn("1111111111111117")
    assert not checks.card("1111111111111117")


@pytest.mark.parametrize("code", ["4006381333931", "9780306406157", "036000291452", "96385074", "10614141000415"])
def test_trade_items_of_gs1(code):
    assert checks.trade_item(code)
    assert not checks.trade_item(code[:-1] + str((int(code[-1]) + 1) % 10))


def test_books():
    assert checks.book("0306406152")
    assert checks.book("097522980X")
    assert not checks.book("0306406153")


def test_resident_ids_of_the_standard():
    assert checks.resident("11010519491231002X")  # the two examples of GB 11643-1999
    assert checks.resident("440524188001010014")
    assert not checks.resident("110105194912310021")
    assert not checks.resident("110105194913310020")  # there is no 13th month
    assert not checks.resident_shape("990105194912310020")  # no such province


@pytest.mark.parametrize(
    "account",
    ["GB29NWBK60161331926819", "DE89370400440532013000", "FR1420041010050500013M02606", "NO9386011117947"],
)
def test_ibans_of_the_registry(account):
    assert checks.iban(account)
    assert not checks.iban(account[:-1] + ("1" if account[-1] != "1" else "2"))
    assert not checks.iban(account + "0")


def test_hong_kong_identity_card_of_the_specification():
    assert checks.hong_kong_id("A", "123456", "3")
    assert checks.hong_kong_id("AB", "987654", "3")
    assert not checks.hong_kong_id("A", "123456", "4")
