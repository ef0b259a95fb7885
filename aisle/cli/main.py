"""The `aisle` command: gathers the verbs and turns deliberate errors into short messages."""

from __future__ import annotations

import sys

import click

from aisle.errors import AisleError


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="aisle", prog_name="aisle")
def cli() -> None:
    """Product search that understands what shoppers mean."""


def run() -> None:
    """Entry point: exit 1 on a deliberate error, 2 on wrong usage, 130 on Ctrl-C."""
    try:
        cli(standalone_mode=False)
    except AisleError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(1)
    except click.exceptions.Abort:
        click.echo("interrupted", err=True)
        sys.exit(130)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
