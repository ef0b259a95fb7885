import pytest

from aisle.language.normalise import normalise
from aisle.query.measures import Measure, convert, measures_in, near


@pytest.mark.parametrize(
    ("number", "unit", "to", "by_hand"),
    [
        (15.6, "inch", "cm", 39.624),  # 15.6 * 2.54
        (10, "ft", "m", 3.048),
        (2, "lb", "g", 907.18474),
        (1, "TB", "GB", 1000),
        (1.5, "L", "ml", 1500),
        (2, "kWh", "Wh", 2000),
    ],
)
def test_units_by_hand(number, unit, to, by_hand):
    assert convert(number, unit, to) == pytest.approx(by_hand)
    assert convert(by_hand, to, unit) == pytest.approx(number)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ('laptop 15.6" 16gb', [(15.6, "inch"), (16, "GB")]),
        ("10-ft hdmi cable", [(10, "ft")]),
        ("3米数据线", [(3, "m")]),
        ("1/2 inch drill", [(0.5, "inch")]),
        ("1-1/2 in pipe fitting 5 1/2 inch", [(5.5, "inch")]),
        ("5 1/2 inch nail", [(5.5, "inch")]),
        ("5 megapixel camera", [(5, "MP")]),
        ("花架间隔50厘米以上", [(50, "cm")]),
        ("iphone 11", []),
        ("model 15.6x", []),
        ("4G router", []),
    ],
)
def test_measures_in_normalised_text(text, found):
    text = normalise(text)
    assert [(measure.number, measure.unit) for measure in measures_in(text)] == found


def test_tolerance_is_wider_across_units():
    assert near(Measure(15.6, "inch"), 15.6, "inch")
    assert not near(Measure(15.6, "inch"), 15.4, "inch")  # 1.3% off
    assert near(Measure(6, "ft"), 1.8, "m")  # 1.6% off
    assert near(Measure(1, "TB"), 1024, "GB")
    assert not near(Measure(10, "ft"), 3.3, "m")
