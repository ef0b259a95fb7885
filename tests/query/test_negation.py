import pytest

from aisle.query.negation import mentions, negated_in

NAMES = ("handle", "handles", "black", "黑色", "糖", "线", "sugar")
WORDS = ("无线",)


def name_at(text):
    def at(start):
        return max((start + len(name) for name in NAMES if text.startswith(name, start)), default=None)

    return at


def refused(text):
    found = negated_in(text, name_at(text), lambda word: word in WORDS)
    return [(text[one.start : one.end], text[slice(*one.target)]) for one in found]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("mug without handle", [("without handle", "handle")]),
        ("mug without a handle", [("without a handle", "handle")]),
        ("mug w/o handles blue", [("w/o handles", "handles")]),
        ("case not black", [("not black", "black")]),
        ("sugar not black tea", [("not black", "black")]),
        ("bag without shoulder strap for men", [("without shoulder strap", "shoulder strap")]),
        ("laptop without os and bag", [("without os", "os")]),
        ("no drill curtain rod", []),  # drill has no name here, and no is often no refusal
        ("no sugar tea", [("no sugar", "sugar")]),
        ("nothing", []),
        ("不带盖子的杯子", [("不带盖子", "盖子")]),
        ("不要黑色", [("不要黑色", "黑色")]),
        ("无糖饼干", [("无糖", "糖")]),
        ("无线耳机", []),
        ("除了黑色以外的手机", [("除了黑色以外", "黑色")]),
        ("without", []),
        ("mug without handle not black", [("without handle", "handle"), ("not black", "black")]),
    ],
)
def test_what_is_refused(text, expected):
    assert refused(text) == expected


@pytest.mark.parametrize(
    ("title", "name", "yes"),
    [
        ("Mug with handle", "handle", True),
        ("Mug with two handles", "handle", True),
        ("Mug without handle", "handle", False),
        ("Mug without a handle", "handle", False),
        ("Sugar-free gum", "sugar", False),
        ("Gum with sugar", "sugar", True),
        ("不带盖杯子", "盖", False),
        ("保温杯带盖子", "盖子", True),
        ("Mug", "handle", False),
    ],
)
def test_a_title_that_refuses_does_not_mention(title, name, yes):
    assert mentions(title, name) is yes
