"""`aisle events` and `aisle audit`: what a service keeps of shoppers and of changes. Parses, calls, prints."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from pathlib import Path

import click

from aisle.cli.keys import index_argument, state_option
from aisle.cli.options import json_option
from aisle.cli.output import print_json, print_table
from aisle.errors import ArtifactError


@click.group()
def events() -> None:
    """Shoppers' events of a service: counted, deleted by user, deleted by age.

    Example: aisle events list shop
    """


@events.command("list")
@index_argument
@state_option
@json_option
def list_events(index: Path, state: Path | None, as_json: bool) -> None:
    """Count the events kept, by day and type.

    Example: aisle events list shop
    """
    from aisle.serve.security.event import TYPES
    from aisle.serve.security.event_files import days, read_events

    folder = _folder(index, state)
    counts = {day: Counter(one.event.type for one in read_events(folder, day, day)) for day, _ in days(folder)}
    if as_json:
        print_json({"days": {day.isoformat(): dict(count) for day, count in counts.items()}})
        return
    rows = [[day.isoformat(), *(f"{count[kind]:,}" for kind in TYPES)] for day, count in counts.items()]
    print_table(f"Events of {folder}", ["day", *TYPES], rows)


@events.command()
@index_argument
@click.option("--user", required=True, help="The shop's id of the user, as it was sent.")
@state_option
@json_option
def delete(index: Path, user: str, state: Path | None, as_json: bool) -> None:
    """Delete all events of a user, those of the same visits before signing in, and the searches they name in the logs.

    The deletion is written to the audit log, without the user's name. Backups are not reached.

    Example: aisle events delete shop --user customer-4711
    """
    from aisle.serve.security.audit import AuditLog
    from aisle.serve.security.event import Hasher
    from aisle.serve.security.event_files import delete_user

    folder = _folder(index, state)
    hasher = Hasher(folder.parent)
    deleted = delete_user(folder, hasher, user)
    AuditLog(folder.parent / "audit").write(
        "command line", "events.delete_user", hasher("user", user), after={"events": deleted.events}
    )
    if as_json:
        print_json({"events": deleted.events, "days": deleted.days, "requests": deleted.requests})
    else:
        click.echo(
            f"deleted {deleted.events:,} events of {deleted.days:,} days, {deleted.requests:,} lines of other logs"
        )


@events.command()
@index_argument
@click.option("--keep-days", type=click.IntRange(min=1), required=True, help="Days to keep, today included.")
@state_option
@json_option
def expire(index: Path, keep_days: int, state: Path | None, as_json: bool) -> None:
    """Delete the days before the last so many; a running service does this by itself.

    Example: aisle events expire shop --keep-days 30
    """
    from aisle.serve.security.event_files import expire as run

    days = run(_folder(index, state), keep_days, dt.datetime.now(dt.UTC).date())
    if as_json:
        print_json({"days": days})
    else:
        click.echo(f"deleted {days:,} days")


@click.group()
def audit() -> None:
    """The audit log of a service's changes.

    Example: aisle audit verify shop
    """


@audit.command()
@index_argument
@state_option
@json_option
def verify(index: Path, state: Path | None, as_json: bool) -> None:
    """See that no entry was changed or taken out; prints the hash of the last, to be kept elsewhere.

    Example: aisle audit verify shop
    """
    from aisle.serve.security.audit import AuditLog
    from aisle.serve.settings import state_folder

    found = AuditLog(state_folder(index, state) / "audit").verify()
    if as_json:
        print_json({"entries": found.entries, "torn": found.torn, "head": found.head})
    elif not found.entries:
        click.echo("no entries: nothing has been changed over this service yet")
    else:
        torn = f", {found.torn:,} lines torn by a crash" if found.torn else ""
        click.echo(f"{found.entries:,} entries in one chain{torn}; the last is {found.head}")


def _folder(index: Path, state: Path | None) -> Path:
    """The folder of events.

    Raises:
        ArtifactError: There is none.
    """
    from aisle.serve.settings import state_folder

    folder = state_folder(index, state) / "events"
    if not folder.is_dir():
        raise ArtifactError(
            f"no events are kept in {str(folder.parent)!r}", fix="name the index that is served, or --state"
        )
    return folder
