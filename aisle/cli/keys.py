"""`aisle keys`: make, list and end the API keys of a service. Parses, calls, prints."""

from __future__ import annotations

import datetime as dt
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from aisle.cli.options import json_option
from aisle.cli.output import print_json, print_table
from aisle.errors import AccessError

if TYPE_CHECKING:
    from aisle.serve.security.keys import ApiKey, KeyStore

index_argument = click.argument("index", metavar="DIR", type=click.Path(path_type=Path))
state_option = click.option(
    "--state", type=click.Path(path_type=Path), help="Folder of keys and events; default: DIR.state beside the index."
)
_UNITS = {"h": "hours", "d": "days", "w": "weeks"}


@click.group()
def keys() -> None:
    """API keys of a service: who may search, write, judge or administer.

    Example: aisle keys create shop --name website --scope search
    """


@keys.command()
@index_argument
@click.option("--name", required=True, help="Whose key it is, for the list and the audit log.")
@click.option(
    "--scope", "scopes", multiple=True, required=True, help="search, write, judge or admin (all); repeatable."
)
@click.option("--expires", metavar="TIME", help="Such as 90d, 12h, 8w or 2027-01-31 (UTC); default: never.")
@click.option("--per-minute", default=0, help="Requests a minute; default: the service's setting.")
@click.option("--per-day", default=0, help="Requests a day; default: the service's setting.")
@state_option
@json_option
def create(
    index: Path,
    name: str,
    scopes: tuple[str, ...],
    expires: str | None,
    per_minute: int,
    per_day: int,
    state: Path | None,
    as_json: bool,
) -> None:
    """Make a key and show it, this once: only its hash is kept.

    Example: aisle keys create shop --name importer --scope write --expires 90d
    """
    key, text = _store(index, state).create(name, scopes, _time(expires), per_minute, per_day)
    if as_json:
        print_json({"key": text, **_shown(key, "active", None)})
    else:
        click.echo(text)
        click.echo(f"key {key.id} for {name!r}: {', '.join(key.scopes)}; it is not shown again", err=True)


@keys.command("list")
@index_argument
@state_option
@json_option
def list_keys(index: Path, state: Path | None, as_json: bool) -> None:
    """Show every key with its scopes, state, end and last use; never the key itself.

    Example: aisle keys list shop
    """
    from aisle.serve.security.limits import RateTable
    from aisle.serve.settings import state_folder

    folder = state_folder(index, state)
    held = _store(index, state).all()
    now = dt.datetime.now(dt.UTC)
    table = RateTable(folder / "limits.bin") if (folder / "limits.bin").exists() else None
    found = [_shown(key, key.state(now), table.last_seen(f"key:{key.id}") if table else None) for key in held]
    if table is not None:
        table.close()
    if as_json:
        print_json({"keys": found})
        return
    columns = ["id", "name", "scopes", "state", "created", "expires", "last used"]
    rows = [[_minute(str(key[column.replace(" ", "_")])) for column in columns] for key in found]
    print_table(f"{len(found)} keys of {folder}", columns, rows)


@keys.command()
@index_argument
@click.argument("which", metavar="ID|NAME")
@state_option
@json_option
def revoke(index: Path, which: str, state: Path | None, as_json: bool) -> None:
    """End a key, or all keys of a name, at once and in every worker; it stays in the list.

    Example: aisle keys revoke shop 3f9c1a2b4d5e
    """
    ended = _store(index, state).revoke(which)
    if as_json:
        print_json({"revoked": [key.id for key in ended]})
    else:
        for key in ended:
            click.echo(f"revoked {key.id} ({key.name})")


def _minute(text: str) -> str:
    """A time to the minute, other text as it is, "-" for none."""
    return re.sub(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d).*", r"\1 \2", text) or "-"


def _store(index: Path, state: Path | None) -> KeyStore:
    from aisle.serve.security.keys import KeyStore
    from aisle.serve.settings import state_folder

    return KeyStore(state_folder(index, state) / "keys.json")


def _time(text: str | None) -> dt.datetime | None:
    """When a key ends.

    Raises:
        AccessError: The text is no time.
    """
    if text is None:
        return None
    span = re.fullmatch(r"(\d{1,5})([hdw])", text)
    if span:
        return dt.datetime.now(dt.UTC) + dt.timedelta(**{_UNITS[span[2]]: int(span[1])})
    try:
        time = dt.datetime.fromisoformat(text)
    except ValueError:
        raise AccessError(
            f"--expires {text!r} is no time", allowed="90d, 12h, 8w, or a date such as 2027-01-31"
        ) from None
    return time if time.tzinfo else time.replace(tzinfo=dt.UTC)


def _shown(key: ApiKey, state: str, seen: float | None) -> dict[str, Any]:
    used = dt.datetime.fromtimestamp(seen, dt.UTC).isoformat(timespec="seconds") if seen else ""
    return {
        "id": key.id,
        "name": key.name,
        "scopes": " ".join(key.scopes),
        "state": state,
        "created": key.created,
        "expires": key.expires,
        "last_used": used,
        "per_minute": key.per_minute,
        "per_day": key.per_day,
    }
