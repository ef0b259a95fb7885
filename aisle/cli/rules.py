"""`aisle rules check`: what in a file of rules can never work or contradicts itself, for one index."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import click

from aisle.cli.options import json_option
from aisle.cli.output import print_json, print_table


@click.group()
def rules() -> None:
    """A merchant's rules: pin, boost, bury, filter, redirect, synonyms, block, and the safety list."""


@rules.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.argument("rules_file", metavar="RULES", type=click.Path(path_type=Path))
@json_option
@click.pass_context
def check(context: click.Context, folder: Path, rules_file: Path, as_json: bool) -> None:
    """Check the rules in RULES against the index in DIR: rules that can never fire, and rules that contradict.

    Exit code 1 if one of the findings is an error.

    Example: aisle rules check shop rules.toml
    """
    from aisle.build import check_index, stored_recipe
    from aisle.indexes.lance import LanceIndex
    from aisle.rules import COLUMNS, finding_rows, read_rules
    from aisle.rules import check as check_rules

    check_index(folder)
    read = read_rules(rules_file)
    index = LanceIndex.open(folder / "lance", stored_recipe(folder).index)
    try:
        found = check_rules(read, read.today(datetime.now(UTC)), index)
    finally:
        index.close()
    errors = sum(finding.severity == "error" for finding in found)
    if as_json:
        print_json({"rules": len(read.rules), "errors": errors, "findings": [asdict(finding) for finding in found]})
    else:
        note = f"{len(read.rules)} rules, {errors} errors, {len(found) - errors} warnings"
        print_table(f"Checked {rules_file}", list(COLUMNS), finding_rows(found), [note])
    context.exit(1 if errors else 0)
