"""`aisle events quality`: what shoppers' events say of the rankings. Parses, calls, prints."""

from __future__ import annotations

import datetime as dt
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from aisle.cli.keys import index_argument, state_option
from aisle.cli.options import json_option
from aisle.cli.output import print_json, print_table
from aisle.errors import ArtifactError, InputError

if TYPE_CHECKING:
    from aisle.monitor.quality import Quality


@click.command()
@index_argument
@click.option("--since", metavar="DAY", help="First day, such as 2026-11-29 (UTC).")
@click.option("--until", metavar="DAY", help="Last day.")
@click.option("--propensities", metavar="P1,P2,...", help="Of looking at positions 1, 2, ...; else estimated.")
@click.option("--share", "shares", multiple=True, metavar="VARIANT=WEIGHT", help="Planned; equal if not given.")
@state_option
@json_option
def quality(
    index: Path,
    since: str | None,
    until: str | None,
    propensities: str | None,
    shares: tuple[str, ...],
    state: Path | None,
    as_json: bool,
) -> None:
    """Say what shoppers did: click, cart, purchase, abandonment and reformulation rates, nDCG by clicks.

    Interleaved pages (items with teams) and two variants are compared where there are any.

    Example: aisle events quality shop --since 2026-11-01
    """
    from aisle.monitor.quality import quality as judge
    from aisle.serve.security.event_files import read_events

    folder = events_folder(index, state)
    planned = dict(_share(text) for text in shares) or None
    events = read_events(folder, day(since, "--since"), day(until, "--until"))
    found = judge(events, looks_of(propensities), planned)
    if as_json:
        print_json(asdict(found))
    else:
        _print(folder, found)


def _print(folder: Path, found: Quality) -> None:
    of = found.rates
    named = ("click", of.click), ("cart", of.cart), ("purchase", of.purchase), ("abandoned", of.abandoned)
    rows = [[name, _share_text(value)] for name, value in (*named, ("reformulated", of.reformulated))]
    if found.ndcg is not None and found.ndcg.interval is not None:
        at = found.ndcg.interval
        rows.append(["click nDCG@10", f"{at.mean:.4f} ({at.low:.4f} to {at.high:.4f}, {at.n:,} queries)"])
    notes = [f"{found.orphans:,} products of events belong to no page that is known"] if found.orphans else []
    notes.append(
        f"no click nDCG: {found.why}"
        if found.why
        else "looks at positions 1, 2, ...: " + ", ".join(f"{value:.2f}" for value in found.propensities)
    )
    if found.preference is not None:
        one = found.preference
        told = f"interleaving: {one.wins:,} shoppers for b, {one.losses:,} for a, {one.ties:,} ties"
        notes.append(f"{told}; sign test p {one.sign_p:.4f}, permutation p {one.permutation_p:.4f}")
    if found.variants is not None:
        test = found.variants
        a, b = test.users
        notes.append(f"users: {a} {test.users[a]:,}, {b} {test.users[b]:,} (as planned? p {test.mismatch_p:.4f})")
        for name, value in (("click", test.clicked), ("purchase", test.bought)):
            interval = f"{value.low:+.4f} to {value.high:+.4f}"
            notes.append(f"{name} rate, {b} - {a}: {value.difference:+.4f} ({interval}), p {value.p:.4f}")
    print_table(f"{folder}: {of.pages:,} pages, {of.empty:,} without products", ["share of pages", ""], rows, notes)


def _share_text(value: float | None) -> str:
    return "-" if value is None else f"{value:.2%}"


def events_folder(index: Path, state: Path | None) -> Path:
    """Where a service keeps shoppers' events.

    Raises:
        ArtifactError: None are kept there.
    """
    from aisle.serve.settings import state_folder

    folder = state_folder(index, state) / "events"
    if not folder.is_dir():
        raise ArtifactError(
            f"no events are kept in {str(folder.parent)!r}", fix="name the index that is served, or --state"
        )
    return folder


def looks_of(propensities: str | None) -> list[float] | None:
    """The option --propensities; None where it is not given.

    Raises:
        InputError: One is no number.
    """
    return None if propensities is None else [number(text, "--propensities") for text in propensities.split(",")]


def number(text: str, option: str) -> float:
    """A number of an option.

    Raises:
        InputError: It is none.
    """
    try:
        return float(text)
    except ValueError:
        raise InputError(f"{option}: {text!r} is no number", allowed="numbers such as 0.7") from None


def _share(text: str) -> tuple[str, Any]:
    name, equals, weight = text.rpartition("=")
    if not (name and equals):
        raise InputError(f"--share {text!r} is not VARIANT=WEIGHT", allowed="such as --share new=0.1")
    return name, number(weight, "--share")


def day(text: str | None, option: str) -> dt.date | None:
    """A day of an option; None where it is not given.

    Raises:
        InputError: It is none.
    """
    if text is None:
        return None
    try:
        return dt.date.fromisoformat(text)
    except ValueError:
        raise InputError(f"{option} {text!r} is no day", allowed="such as 2026-11-29") from None
