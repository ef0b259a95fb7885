import pytest

from aisle.language.identifiers import code_words, model_codes


@pytest.mark.parametrize(
    ("title", "codes"),
    [
        ("Brother LC51C Original Cyan", ("lc51c",)),
        ("HP Pavilion dv7-1211ea Notebook 17 inch", ("dv71211ea",)),
        ("Philips SHE2650/00 In-Ear", ("she265000", "she2650")),
        ("Philips 42PFL6704D 42 inch class Full HD 1080p", ("42pfl6704d",)),
        ("Xerox 006R90321 toner", ("006r90321",)),
        ("华为P40Pro手机", ("p40pro",)),
        ("Kit XK-201 with XK201", ("xk201",)),
        # words of every shop, not codes
        ("USB3.0 hub, USB 2.0, Cat5e, DDR4, MP3, 802.11ac, RJ45", ()),
        ("500GB 10000mAh 2x4GB 100x200mm 1080p 3840x2160 16-bit", ()),
        ("iPhone 7, Galaxy S10, PS4 Pro", ()),
        ("", ()),
    ],
)
def test_model_codes(title, codes):
    assert model_codes(title) == codes


def test_code_words_keep_hyphens_and_leave_other_scripts():
    assert code_words("华为P40-Pro手机 5G") == ("P40-Pro", "5G")
