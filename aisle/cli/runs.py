"""`aisle runs`: what has been trained below a folder, and two trainings side by side."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from aisle.cli.options import json_option
from aisle.cli.output import print_json, print_table

if TYPE_CHECKING:
    from aisle.training.runs import Difference, Run


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--compare", "compared", nargs=2, metavar="A B", help="Two of them, by name: what differs.")
@json_option
def runs(folder: Path, compared: tuple[str, str] | None, as_json: bool) -> None:
    """List the models trained below DIR and the trainings that were interrupted, each with what made it.

    Example: aisle runs models --compare shop shop-tuned
    """
    from aisle.training.runs import compare, find
    from aisle.training.runs import runs as read

    found = read(folder)
    if compared is None:
        if as_json:
            print_json({"runs": [run.to_dict() for run in found]})
        else:
            _print(folder, found)
        return
    one, other = (find(found, name) for name in compared)
    difference = compare(one, other)
    if as_json:
        print_json({"a": one.to_dict(), "b": other.to_dict(), **difference.to_dict()})
    else:
        _print_difference(one, other, difference)


def _print(folder: Path, found: list[Run]) -> None:
    rows = [
        [
            run.name,
            run.state,
            run.architecture,
            run.data[:8],
            _number(run.metrics.get("mean_candidate")),
            _number(run.metrics.get("difference.mean"), sign=True),
            _whole(run.metrics.get("queries")),
            _whole(run.metrics.get("seconds")),
            " ".join(f"{name}={value}" for name, value in run.changed().items() if name != "name"),
        ]
        for run in found
    ]
    columns = ["name", "verdict", "model", "data", "nDCG@10", "difference", "queries", "seconds", "settings"]
    notes = [f"{run.name}: stopped after {_log(run.log)}" for run in found if run.log]
    print_table(f"{len(rows)} trainings below {folder}", columns, rows, notes)


def _print_difference(one: Run, other: Run, difference: Difference) -> None:
    rows = [[name, *(_value(value) for value in pair)] for name, pair in difference.settings.items()]
    rows += [[name, *(_value(value) for value in pair)] for name, pair in difference.metrics.items()]
    notes = [] if difference.same_data else ["they learnt from different judgments: their metrics are not comparable"]
    print_table(f"{one.name} and {other.name}", ["", one.name, other.name], rows, notes)


def _log(log: Any) -> str:
    return ", ".join(f"{name} {value}" for name, value in log.items())


def _number(value: float | None, sign: bool = False) -> str:
    return "" if value is None else f"{value:{'+' if sign else ''}.4f}"


def _whole(value: float | None) -> str:
    return "" if value is None else f"{value:,.0f}"


def _value(value: Any) -> str:
    return "" if value is None else f"{value:.5g}" if isinstance(value, float) else str(value)
