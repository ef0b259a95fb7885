"""`aisle judge clicks`: shoppers' events to weak judgments. Parses, calls, prints."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import cast

import click

from aisle.cli.keys import index_argument, state_option
from aisle.cli.options import Number, json_option
from aisle.cli.output import print_json, print_table
from aisle.cli.overwriting import refuse_other_kind, refuse_overwriting
from aisle.cli.quality import day, events_folder, looks_of


@click.command()
@index_argument
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), help="CSV that evaluate, compare and train read."
)
@click.option(
    "--signal",
    type=click.Choice(["click", "cart", "purchase"]),
    default="click",
    show_default=True,
    help="What counts.",
)
@click.option("--method", type=click.Choice(["swaps", "em"]), default="swaps", show_default=True, help="Of the looks.")
@click.option("--propensities", metavar="P1,P2,...", help="Of looking at positions 1, 2, ...; else estimated.")
@click.option(
    "--positions", type=click.IntRange(1, 1000), default=10, show_default=True, help="That are used, from the first."
)
@click.option("--minimum", default=5.0, show_default=True, type=Number(0), help="Expected looks that a pair needs.")
@click.option(
    "--anchors", type=click.Path(path_type=Path), help="Judgments by people: grades are cut to agree with them."
)
@click.option("--since", metavar="DAY", help="First day, such as 2026-11-29 (UTC).")
@click.option("--until", metavar="DAY", help="Last day.")
@state_option
@json_option
def clicks(
    index: Path,
    out: Path,
    signal: str,
    method: str,
    propensities: str | None,
    positions: int,
    minimum: float,
    anchors: Path | None,
    since: str | None,
    until: str | None,
    state: Path | None,
    as_json: bool,
) -> None:
    """Make weak judgments of a service's events: clicks over expected looks, corrected for where products stood.

    Refused, with the reason, where the events cannot tell positions from products: no product stood at two positions.

    Example: aisle judge clicks shop --out weak.csv --since 2026-11-01
    """
    from aisle.improve.behaviour import Signal, grade_by, weak_labels, write_labels
    from aisle.improve.behaviour_looks import Method
    from aisle.improve.judging.ratings import read_anchors
    from aisle.monitor.pages import pages_of
    from aisle.serve.security.event_files import read_events

    folder = events_folder(index, state)
    refuse_overwriting({"--out": out}, [index, folder, anchors])
    refuse_other_kind({"--out": out}, "table")
    found = weak_labels(
        pages_of(read_events(folder, day(since, "--since"), day(until, "--until"))).pages,
        signal=cast(Signal, signal),
        propensities=looks_of(propensities),
        method=cast(Method, method),
        positions=positions,
        minimum=minimum,
    )
    graded = grade_by(found.labels, read_anchors(anchors)) if anchors else None
    write_labels(out, found, graded.cuts if graded else ())
    queries = len({one.query for one in found.labels})
    if as_json:
        plain = {name: value for name, value in asdict(found).items() if name != "labels"}
        print_json(
            plain | {"labels": len(found.labels), "queries": queries, "graded": asdict(graded) if graded else None}
        )
        return
    rows = [
        ["queries", f"{queries:,}"],
        [f"mean {signal} a look", f"{found.prior[0]:.3f}"],
        ["drawn to it with the weight of looks", f"{found.prior[1]:.1f}"],
        ["pairs that stood at two positions", f"{found.moved:,}"],
        [f"pairs with fewer than {minimum:g} looks, left out", f"{found.left_out:,}"],
        ["showings at further positions, left out", f"{found.beyond:,}"],
    ]
    if graded is not None:
        kappa = "-" if graded.kappa is None else f"{graded.kappa:.3f}"
        rows.append(["cuts to grades", ", ".join(f"{cut:.3f}" for cut in graded.cuts)])
        rows.append([f"kappa (quadratic) with people, other queries, {graded.pairs:,} pairs", kappa])
    notes = [f"looks ({found.method}): " + ", ".join(f"{value:.2f}" for value in found.propensities)]
    if graded is None:
        notes.append("ratings are 3 times the relevance; --anchors cuts them to grades")
    print_table(f"{out}: {len(found.labels):,} weak judgments", ["", ""], rows, notes)
