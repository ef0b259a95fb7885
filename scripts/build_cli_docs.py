"""Write docs/cli.md from the commands' own help, so that it cannot be out of date.

    python scripts/build_cli_docs.py

The tests fail when the file differs from what this makes.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from aisle.cli.main import cli

TARGET = Path(__file__).parent.parent / "docs" / "cli.md"


def commands(group: click.Group, path: str) -> Iterator[tuple[str, click.Command]]:
    """Every command with its full name, groups before what is in them."""
    for name, command in sorted(group.commands.items()):
        yield f"{path} {name}", command
        if isinstance(command, click.Group):
            yield from commands(command, f"{path} {name}")


def render() -> str:
    """The page."""
    parts = [
        "# Commands",
        "Made by `scripts/build_cli_docs.py` from the commands' own help. Exit status: 0 done, 1 the input or an "
        "artifact is wrong (at most three lines on standard error), 2 wrong usage, 130 interrupted.",
    ]
    root = click.Context(cli, info_name="aisle", terminal_width=100, max_content_width=100, **cli.context_settings)
    for name, command in commands(cli, "aisle"):
        context = click.Context(command, parent=root, info_name=name.removeprefix("aisle "))
        parts += [f"## `{name}`", f"```text\n{command.get_help(context)}\n```"]
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    TARGET.write_text(render(), encoding="utf-8")
    print(f"wrote {TARGET}")
