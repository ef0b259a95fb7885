"""Numbers with units: found in normalised text, brought from one unit to another, compared with tolerance.

    15.6 inch = 39.6 cm    10 ft = 3.05 m    1 TB = 1000 GB

Knows text in the form of `aisle.language.units`, no catalogue.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import regex

_FACTORS: dict[str, dict[str, float]] = {
    "length": {"mm": 0.001, "cm": 0.01, "m": 1, "km": 1000, "inch": 0.0254, "ft": 0.3048, "yd": 0.9144},
    "weight": {"mg": 1e-6, "g": 0.001, "kg": 1, "oz": 0.028349523, "lb": 0.45359237},
    "volume": {"ml": 0.001, "cl": 0.01, "L": 1},
    "data": {"KB": 1e-6, "MB": 0.001, "GB": 1, "TB": 1000},
    "bit rate": {"Mbps": 1, "Gbps": 1000},
    "byte rate": {"MB/s": 1, "GB/s": 1000},
    "power": {"W": 1, "kW": 1000},
    "energy": {"Wh": 1, "kWh": 1000},
    "frequency": {"Hz": 1, "kHz": 1e3, "MHz": 1e6, "GHz": 1e9},
    "charge": {"mAh": 1},
    "voltage": {"V": 1},
    "current": {"A": 1},
    "pixels": {"MP": 1},
    "light": {"lm": 1},
    "sound": {"dB": 1},
    "speed": {"rpm": 1},
    "frames": {"fps": 1},
}
"""How many of a dimension's base unit each unit is. Decimal for data: shops write 1 TB for 1000 GB and for 1024 GB."""

DIMENSIONS = {unit: dimension for dimension, units in _FACTORS.items() for unit in units}

SAME_UNIT = 0.01
OTHER_UNIT = 0.03
"""Relative tolerances. Across units catalogues round: 6 ft is sold as 1.8 m (1.6% off), 1 TB as 1024 GB (2.4%)."""

_UNITS = "|".join(sorted(map(regex.escape, DIMENSIONS), key=len, reverse=True))
_MEASURE = regex.compile(
    rf"(?<![A-Za-z0-9_.,/#$€£¥-])(?:(?P<mixed>\d+)[ -](?=\d+/))?(?P<whole>\d+(?:\.\d+)?)(?:/(?P<part>[1-9]\d*))?"
    rf"[ -]?(?P<unit>{_UNITS})(?![A-Za-z0-9/])"
)


@dataclass(frozen=True, slots=True)
class Measure:
    """A number with a unit, and where a text has it."""

    number: float
    unit: str
    start: int = 0
    end: int = 0

    @property
    def dimension(self) -> str:
        """What is measured: "length", "data", ..."""
        return DIMENSIONS[self.unit]


def measures_in(text: str) -> Iterator[Measure]:
    """The measures of a normalised text, in order."""
    for match in _MEASURE.finditer(text):
        number = float(match["whole"]) / int(match["part"] or 1) + int(match["mixed"] or 0)
        if number > 0:
            yield Measure(number, match["unit"], match.start(), match.end())


def units_of(dimension: str) -> tuple[str, ...]:
    """The units that measure the same."""
    return tuple(_FACTORS[dimension])


def convert(number: float, unit: str, to: str) -> float:
    """A number in another unit of the same dimension."""
    factors = _FACTORS[DIMENSIONS[unit]]
    return number * factors[unit] / factors[to]


def window(measure: Measure, unit: str) -> tuple[float, float]:
    """The least and the greatest number in ``unit`` that still count as the measure."""
    number = convert(measure.number, measure.unit, unit)
    slack = SAME_UNIT if unit == measure.unit else OTHER_UNIT
    return number * (1 - slack), number * (1 + slack)


def near(measure: Measure, number: float, unit: str) -> bool:
    """Whether a number in ``unit`` counts as the measure."""
    low, high = window(measure, unit)
    return low <= number <= high
