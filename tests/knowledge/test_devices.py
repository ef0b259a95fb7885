"""Lists of devices as shops write them; the expected devices are read off by hand."""

import pytest

from aisle.knowledge.devices import base_of, is_device_code, is_series, is_strong, mentions, series_of


def said(text: str) -> list[str]:
    return [" ".join((*mention.words, mention.code)) for mention in mentions(text)]


@pytest.mark.parametrize(
    ("text", "devices"),
    [
        ("MFC-240C, MFC240C", ["mfc240c"]),
        ("DCP-130C/MFC-240C", ["dcp130c", "mfc240c"]),
        ("MF9170/9130/8450", ["mf9170", "mf9130", "mf8450"]),
        ("DCP130C/330C/350 - MFC885CW/5860C", ["dcp130c", "dcp330c", "dcp350", "mfc885cw", "mfc5860c"]),
        ("1720/1720dn", ["1720", "1720dn"]),
        ("dc5700/5750\\ndc5800/5850", ["dc5700", "dc5750", "dc5800", "dc5850"]),
        ("HP Designjet 5000, 5500", ["hp designjet 5000", "hp designjet 5500"]),
        ("HP DeskJet 3325 / HP OfficeJet 4212", ["hp deskjet 3325", "hp officejet 4212"]),
        ("HP DesignJet 30, 90, and 130 Printer series", ["hp designjet 30", "hp designjet 90", "hp designjet 130"]),
        ("- Stylus C82/CX5200", ["stylus c82", "stylus cx5200"]),
        ("LaserJet 43/51/52XX", ["laserjet 43xx", "laserjet 51xx", "laserjet 52xx"]),
        ("C522, 524, C53x", ["c522", "c524", "c53x"]),
        ("Lexmark T654n (30G0312)", ["lexmark t654n", "lexmark 30g0312"]),
        ("NetDirector B020-Series", ["netdirector b020"]),
        ("Stylus Pro 7800X", ["stylus pro 7800x"]),
    ],
)
def test_devices_of_a_list(text, devices):
    assert said(text) == devices


@pytest.mark.parametrize(
    "text",
    [
        "USB 1.1/2.0, Windows XP/Vista",
        "500 sheets, 24 pages",
        "16 GB, 19 inch, 3m, 10ft",
        "4800 x 1200 dpi",
        "EF 100-400 mm",
        "0012502055891",
        "notebook, iPad",
    ],
)
def test_what_is_no_device(text):
    assert said(text) == []


def test_the_part_that_says_so_is_kept():
    assert [mention.written for mention in mentions("DCP-130C; HP  LaserJet 1010/1012")] == [
        "DCP-130C",
        "HP LaserJet 1010/1012",
        "HP LaserJet 1010/1012",
    ]


def test_a_long_list_ends():
    assert len(mentions(", ".join(f"MFC-{number}C" for number in range(1_000, 3_000)))) == 500


def test_forms_of_codes():
    assert series_of("c524n") == ("c52x", "c5xx")
    assert base_of("mfc240cn") == base_of("mfc240c") == "mfc240"
    assert is_series("43xx")
    assert not is_series("mfc240c")
    assert [code for code in ("mfc240c", "3100cn", "1010", "a51") if is_strong(code)] == ["mfc240c", "3100cn"]
    assert not is_device_code("2x4gb")
