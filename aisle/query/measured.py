"""In which units a catalogue's attributes measure, learned by comparing them with the measures in titles.

Where titles say 39.6 cm (15.6") and ``display_diagonal`` 15.6, the attribute is in inches, though nothing in the
catalogue says so. Knows products, no queries.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping

from aisle.language.normalise import normalise
from aisle.query.columns import Column
from aisle.query.facts import Measured
from aisle.query.measures import DIMENSIONS, Measure, convert, measures_in, near, units_of
from aisle.query.names import field_of
from aisle.types import AttributeValue, Product

MIN_AGREEMENT = 0.5
MIN_TITLES = 5
MIN_DIFFERENT = 3
"""An attribute that agrees with titles only in the number 1 counts pieces, it measures nothing."""
STRENGTH = 2.0
"""So many titles that disagree are added to each estimate."""
PRIOR = 0.7
"""What a text with its unit in it counts as, by so many titles, before titles say more."""


def learn_measured(sample: Iterable[Product], columns: Mapping[str, Column]) -> tuple[Measured, ...]:
    """The attributes that measure, by name."""
    texts = {name: found for name, column in columns.items() if (found := _texts(column))}
    together: Counter[tuple[str, str]] = Counter()  # of attribute and dimension
    agree: Counter[tuple[str, str]] = Counter()  # of attribute and unit
    numbers: defaultdict[tuple[str, str], set[float]] = defaultdict(set)
    for product in sample:
        in_title = list(measures_in(normalise(product.title)))
        if not in_title:
            continue
        by_dimension: defaultdict[str, list[Measure]] = defaultdict(list)
        for measure in in_title:
            by_dimension[measure.dimension].append(measure)
        for name, value in product.attributes.items():
            if isinstance(value, str) and name in texts:
                one = texts[name].get(value)
                options = {one.dimension: [(one.number, one.unit)]} if one else {}
            elif isinstance(value, int | float) and not isinstance(value, bool) and value > 0:
                options = {
                    dimension: [(float(value), unit) for unit in units_of(dimension)] for dimension in by_dimension
                }
            else:
                continue
            for dimension, pairs in options.items():
                if dimension not in by_dimension:
                    continue
                together[name, dimension] += 1
                for number, unit in pairs:
                    if any(near(measure, number, unit) for measure in by_dimension[dimension]):
                        agree[name, unit] += 1
                        if len(numbers[name, unit]) < MIN_DIFFERENT:
                            numbers[name, unit].add(number)
    best: dict[str, Measured] = {}
    for (name, unit), count in agree.items():
        if name in texts or count < MIN_TITLES or len(numbers[name, unit]) < MIN_DIFFERENT:
            continue
        share = count / (together[name, DIMENSIONS[unit]] + STRENGTH)
        if share >= MIN_AGREEMENT and (name not in best or share > best[name].agreement):
            best[name] = Measured(field_of(name), unit, round(share, 4))
    for name, found in texts.items():
        unit = Counter(measure.unit for measure in found.values()).most_common(1)[0][0]
        agreed = sum(count for (other, _), count in agree.items() if other == name)
        share = (agreed + STRENGTH * PRIOR) / (together[name, DIMENSIONS[unit]] + STRENGTH)
        numbers_of_texts = tuple(
            (text, round(convert(measure.number, measure.unit, unit), 6)) for text, measure in sorted(found.items())
        )
        if share >= MIN_AGREEMENT:
            best[name] = Measured(field_of(name), unit, round(min(share, 1.0), 4), numbers_of_texts)
    return tuple(best[name] for name in sorted(best))


def unit_certainties(sample: Iterable[Product], measured: Iterable[Measured]) -> dict[str, float]:
    """For each unit P(some measured attribute agrees | a measure in this unit is in the title), with few titles lower.

    A product without the attribute counts against it, as a filter would lose it.
    """
    by_dimension: defaultdict[str, list[Measured]] = defaultdict(list)
    for one in measured:
        by_dimension[one.dimension].append(one)
    said: Counter[str] = Counter()
    met: Counter[str] = Counter()
    for product in sample:
        attributes = {field_of(name): value for name, value in product.attributes.items()}
        for measure in measures_in(normalise(product.title)):
            said[measure.unit] += 1
            met[measure.unit] += any(_agrees(measure, one, attributes) for one in by_dimension[measure.dimension])
    return {unit: round(met[unit] / (count + STRENGTH), 4) for unit, count in sorted(said.items())}


def _agrees(measure: Measure, measured: Measured, attributes: Mapping[str, AttributeValue]) -> bool:
    value = attributes.get(measured.field)
    if isinstance(value, str) and measured.texts:
        number = dict(measured.texts).get(value)
        return number is not None and near(measure, number, measured.unit)
    if isinstance(value, int | float) and not isinstance(value, bool) and not measured.texts:
        return near(measure, float(value), measured.unit)
    return False


def _texts(column: Column) -> dict[str, Measure]:
    """The texts of an attribute that are measures, where most of them are, all of one dimension."""
    found: dict[str, Measure] = {}
    for text in column.texts:
        measures = list(measures_in(normal := normalise(text)))
        if len(measures) == 1 and measures[0].start == 0 and measures[0].end == len(normal):
            found[text] = measures[0]
    dimensions = {measure.dimension for measure in found.values()}
    covered = sum(column.texts[text] for text in found)
    return found if len(dimensions) == 1 and 2 * covered > column.products else {}
