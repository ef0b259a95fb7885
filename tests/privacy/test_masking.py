"""The labelled lists, the product texts, and how masking treats text around what it finds."""

import csv
import json
from itertools import pairwise
from pathlib import Path

import pytest

from aisle.privacy import KINDS, Finding, find_personal, mask, mask_values

LISTS = Path(__file__).parent.parent / "data" / "masking"
CORE = ("email", "phone", "card")


def rows(name):
    return [json.loads(line) for line in (LISTS / f"{name}.jsonl").read_text("utf-8").splitlines()]


def spans(row):
    place = 0
    for kind, piece in row["personal"]:
        start = row["text"].index(piece, place)
        place = start + len(piece)
        yield kind, start, place


def test_nearly_all_emails_phones_and_cards_of_the_labelled_lists_are_found():
    wanted = hit = 0
    for row in rows("first") + rows("second"):
        found = find_personal(row["text"])
        for kind, start, end in spans(row):
            if kind in CORE:
                covered = {at for one in found if one.kind == kind for at in range(one.start, one.end)}
                wanted += 1
                hit += covered.issuperset(range(start, end))
    assert wanted == 120
    assert hit / wanted > 0.98


@pytest.mark.parametrize("kind", sorted(set(KINDS) - set(CORE)))
def test_every_other_kind_is_found_where_it_is_labelled(kind):
    labelled = [
        (row, start, end) for row in rows("first") + rows("second") for k, start, end in spans(row) if k == kind
    ]
    missed = [
        row["text"] for row, start, end in labelled if Finding(start, end, kind) not in find_personal(row["text"])
    ]
    assert len(labelled) >= 3
    assert missed == []


def test_titles_model_numbers_and_eans_are_left_alone():
    with (LISTS / "titles.tsv").open(encoding="utf-8") as file:
        texts = [row["text"] for row in csv.DictReader(file, delimiter="\t")]
    alarms = [text for text in texts if find_personal(text)]
    assert len(texts) == 200
    assert len(alarms) / len(texts) < 0.02, alarms


def test_labelled_texts_without_personal_data_are_left_alone():
    clean = [row["text"] for row in rows("first") + rows("second") if not row["personal"]]
    assert len(clean) == 42
    assert [text for text in clean if mask(text) != text] == ["05718888123 4"]  # a landline by its digits


def test_what_is_found_becomes_a_placeholder_and_the_rest_stays():
    text = "张三，手机１３８００１３８０００，zhang@qq.com，要 Brother MFC-240C 墨盒"
    assert mask(text) == "张三，手机<phone>，<email>，要 Brother MFC-240C 墨盒"


def test_spans_count_characters_of_the_text_as_given():
    text = "a\u200bb ４１１１\u200b１１１１１１１１１１１１ c"  # nothing visible between the digits
    (found,) = find_personal(text)
    assert found.kind == "card"
    assert text[found.start : found.end] == "４１１１\u200b１１１１１１１１１１１１"


@pytest.mark.parametrize("row", rows("first") + rows("second"), ids=lambda row: row["text"][:24])
def test_masking_again_changes_nothing(row):
    once = mask(row["text"])
    assert mask(once) == once


@pytest.mark.parametrize(
    ("bare", "named"),
    [
        ("0037332134998", "phone 0037332134998"),  # a UPC until somebody says phone
        ("4006381333931", "card 4006381333931"),
        ("123456789", "ssn 123456789"),
        ("E12345678", "护照 E12345678"),
        ("912 345 678", "tel 912 345 678"),
    ],
)
def test_a_word_before_a_number_decides(bare, named):
    assert mask(bare) == bare
    if bare not in ("0037332134998", "4006381333931"):
        assert mask(named).endswith(">")


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ("4111111111111111", "4111111111111112"),
        ("DE89370400440532013000", "DE89370400440532013001"),
        ("440524188001010014", "440524188001010015"),
        ("A123456(3)", "A123456(4)"),
    ],
)
def test_a_wrong_check_digit_is_another_number(right, wrong):
    assert mask(right).startswith("<")
    assert mask(wrong) == wrong


def test_a_long_text_is_masked_wherever_its_pieces_are_cut():
    text = "padding " * 20 + "call 13800138000 or mail a.person@example.com; " * 500
    masked = mask(text)
    assert masked.count("<phone>") == 500
    assert masked.count("<email>") == 500
    assert "138" not in masked
    assert "@" not in masked


def test_strings_inside_values_are_masked_and_keys_stay():
    given = {"a@b.com": ["+49 30 1234567", 5, None, {"note": "x@y.org"}], "ok": True}
    assert mask_values(given) == {"a@b.com": ["<phone>", 5, None, {"note": "<email>"}], "ok": True}


def test_findings_never_overlap_and_are_in_order():
    text = "ship to 12 Main Street, Springfield, IL 62704, 212-555-0198, a@b.com 4111 1111 1111 1111 10.0.0.1"
    found = find_personal(text)
    assert [one.kind for one in found] == ["address", "phone", "email", "card", "ip"]
    assert all(left.end <= right.start for left, right in pairwise(found))
