"""`aisle experiment`: what came of a service's experiment. Parses, calls, prints."""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from aisle.cli.keys import index_argument, state_option
from aisle.cli.options import json_option
from aisle.cli.output import print_json, print_table
from aisle.cli.quality import day
from aisle.errors import ArtifactError, InputError

if TYPE_CHECKING:
    from aisle.monitor.outcome import Explored, Interleaved, Outcome, Shadowed, Split


@click.command()
@index_argument
@click.option("--name", default="", help="Of the experiment; the latest if not given.")
@click.option("--since", metavar="DAY", help="First day, such as 2026-11-29 (UTC).")
@click.option("--until", metavar="DAY", help="Last day.")
@state_option
@json_option
def experiment(index: Path, name: str, since: str | None, until: str | None, state: Path | None, as_json: bool) -> None:
    """Say what came of an experiment: a shadow's differences, an A/B test, interleaved pages, a place to explore.

    Pages come from the service's own log; clicks, carts and purchases from the events that carry a search's request
    id. Each p value is for one look at the end: who looks every day and stops when it pleases finds too much.

    Example: aisle experiment shop --name new-weights --since 2026-11-01
    """
    from aisle.monitor.experiments import read_experiments
    from aisle.monitor.outcome import names_of, outcome
    from aisle.serve.experiment.settings import FOLDER
    from aisle.serve.security.event_files import read_events
    from aisle.serve.settings import state_folder

    home = state_folder(index, state)
    if not (home / FOLDER).is_dir():
        raise ArtifactError(
            f"no experiment was logged in {str(home)!r}",
            fix="name the index that is served, or --state; [experiment] in aisle.toml starts one (docs/monitoring.md)",
        )
    first, last = _day(since, "--since"), _day(until, "--until")
    log = read_experiments(home / FOLDER, _start(first), _start(last and last + dt.timedelta(days=1)))
    names = names_of(log.pages, log.shadows)
    if not names:
        raise InputError("no search took part in an experiment in these days", fix="leave --since and --until out")
    if name and name not in names:
        raise InputError(f"no experiment {name!r}", allowed=", ".join(names))
    found = outcome(name or next(iter(names)), log.pages, log.shadows, read_events(home / "events", first))
    if as_json:
        print_json({"torn": log.torn, "experiments": names, **_finite(asdict(found))})
        return
    _print(found, names, log.torn)


def _print(found: Outcome, names: Mapping[str, int], torn: int) -> None:
    click.echo(f"experiment {found.experiment}, served: {', '.join(found.indexes)}")
    if len(found.indexes) > 1:
        click.echo("another index was served meanwhile: what is below mixes them")
    others = [name for name in names if name != found.experiment]
    if others:
        click.echo(f"also logged: {', '.join(others)}")
    if torn:
        click.echo(f"{torn:,} lines are none")
    if found.shadow is not None:
        _print_shadow(found.shadow)
    if found.split is not None:
        _print_split(found.split)
    if found.interleaved is not None:
        _print_interleaved(found.interleaved)
    if found.explored is not None:
        _print_explored(found.explored)
    if found.orphans:
        click.echo(f"{found.orphans:,} products of events belong to no page of this experiment")


def _print_shadow(of: Shadowed) -> None:
    rows = []
    if of.overlap is not None:
        rows.append([f"overlap@{of.k}", f"{of.overlap.mean:.4f}", f"{of.overlap.low:.4f} to {of.overlap.high:.4f}"])
    if of.correlation is not None:
        tau = of.correlation
        rows.append([f"Kendall's tau@{of.k}", f"{tau.mean:.4f}", f"{tau.low:.4f} to {tau.high:.4f}"])
    rows.append(["same first product", f"{of.same_first:.2%}", ""])
    for name, (median, late) in of.latency.items():
        rows.append([f"{name}, ms", f"{median:.1f}", f"p95 {late:.1f}"])
    notes = [f"{of.failed:,} were not answered, {of.degraded:,} had something left out where they were served"]
    notes += [f"overlap {value:.2f}: {query}" for query, value in of.different if value < 1]
    print_table(f"Shadow: {of.searches:,} searches scored", ["", "value", "95%"], rows, notes)


def _print_split(of: Split) -> None:
    rows = []
    for deed, rates in of.rates.items():
        change = of.differences.get(deed)
        rows.append(
            [
                deed,
                *(f"{rates[variant]:.2%}" if variant in rates else "-" for variant in ("a", "b")),
                "-" if change is None else f"{change.difference:+.4f} ({change.low:+.4f} to {change.high:+.4f})",
                "-" if change is None else f"{change.p:.4f}",
                "-" if change is None else f"{change.detectable:.4f}",
            ]
        )
    planned = "the share was changed" if of.mismatch_p is None else f"p {of.mismatch_p:.4f}"
    notes = [f"users: a {of.users['a']:,}, b {of.users['b']:,} (as planned? {planned})"]
    notes += [f"{of.failed:,} pages of b were served by a: the candidate did not answer"] * bool(of.failed)
    title = f"A/B: {of.pages['a']:,} pages of a (served), {of.pages['b']:,} of b (candidate)"
    print_table(title, ["share of pages", "a", "b", "b - a (95%)", "p", "detectable"], rows, notes)


def _print_interleaved(of: Interleaved) -> None:
    rows = [
        [
            deed,
            f"{one.wins:,}",
            f"{one.losses:,}",
            f"{one.ties:,}",
            "-" if one.share is None else f"{one.share:.2%}",
            f"{one.sign_p:.4f}",
            f"{one.permutation_p:.4f}",
        ]
        for deed, one in of.preferences.items()
    ]
    title = f"Interleaved: {of.pages:,} pages, {of.shoppers:,} shoppers; b is the candidate"
    print_table(title, ["shoppers who", "more of b", "more of a", "ties", "for b", "sign p", "permutation p"], rows)


def _print_explored(of: Explored) -> None:
    rows = []
    for name, estimates in (("served", of.served), ("candidate", of.candidate)):
        if estimates is None:
            continue
        ways = (("IPS", estimates.ips), ("self-normalised", estimates.snips), ("doubly robust", estimates.dr))
        rows += [
            [f"{name}, {way}", f"{one.value:.4f}", f"{one.low:.4f} to {one.high:.4f}", f"{one.effective:,.0f}"]
            for way, one in ways
            if one is not None
        ]
    notes = [f"{of.explored:,} of {of.pages:,} pages showed another product there"]
    if of.difference is None:
        notes.append('no candidate: with how = "shadow" beside it, one is judged by the same pages')
    else:
        value, low, high = of.difference
        notes.append(f"candidate - served: {value:+.4f} ({low:+.4f} to {high:+.4f}), {of.judged:,} pages")
    print_table("Clicks a page in the slot", ["if it showed", "value", "95%", "effective pages"], rows, notes)


def _start(day: dt.date | None) -> dt.datetime | None:
    return None if day is None else dt.datetime(day.year, day.month, day.day, tzinfo=dt.UTC)


def _finite(value: Any) -> Any:
    """Plain data with null for numbers that are none: one page has no interval."""
    if isinstance(value, Mapping):
        return {name: _finite(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _day(text: str | None, option: str) -> dt.date | None:
    """A day that others can follow."""
    found = day(text, option)
    if found is not None and found.year > 9000:
        raise InputError(f"{option} {text!r} is no day", allowed="such as 2026-11-29")
    return found
