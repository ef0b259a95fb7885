"""``normalise`` is idempotent on anything, and keeps what must be kept."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from aisle.language.normalise import fold_identifier, normalise

_PIECES = st.sampled_from(
    [*"0123456789", *" \t\n\"'”“″′‘’½¼.,-/x×()$€#", "10", "1,000", "in", "inch", "in.", "cm", "mm", "m", "GB",
    "Gb", "g", "W",
     "mAh", "英寸", "寸", "万像素", "升", "克", "™", "®", "１０", "＂", "㎏", "\u200b", "\ufeff", "\x00",
     "\u2044", "ft", "'", "black"]
)  # fmt: skip


@settings(max_examples=600, deadline=None)
@given(st.lists(_PIECES, max_size=14).map("".join))
@example('5½ "')
@example("10″10")
def test_idempotent_around_units(text: str) -> None:
    assert normalise(normalise(text)) == normalise(text)


@settings(max_examples=300, deadline=None)
@given(st.text(st.characters(), max_size=60))
def test_idempotent_and_clean_on_any_text(text: str) -> None:
    result = normalise(text)
    assert normalise(result) == result
    assert result == " ".join(result.split())
    assert not any(unicodedata.category(c) in {"Cc", "Cs"} for c in result)
    result.encode("utf-8")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Core™2 Duo", "Core 2 Duo"),
        ("HP® LaserJet™", "HP LaserJet"),
        ("ＡＢＣ　１２３", "ABC 123"),
        ("soft\u00adware zero\u200bwidth", "software zerowidth"),
        ("小米手机，黑色。", "小米手机,黑色。"),
        ("5½ cups", "5 1/2 cups"),
        ("10 ″", "10 inch"),
        ("Straße CASE", "Straße CASE"),
        ("नमस्‍ते", "नमस्‍ते"),
        ("", ""),
    ],
)
def test_examples(text: str, expected: str) -> None:
    assert normalise(text) == expected


def test_identifiers_fold_without_units() -> None:
    assert fold_identifier("LC-51 c") == "lc51c"
    assert fold_identifier("10 in") == "10in"
    assert fold_identifier("ＬＣ５１Ｃ™") == "lc51c"
