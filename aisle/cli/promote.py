"""`aisle promote` and `aisle rollback`: which index and which models a service serves. Parses, calls, prints."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import TYPE_CHECKING

import click

from aisle.cli.options import json_option
from aisle.cli.output import print_json
from aisle.cli.verdicts import not_promoted, say_if_not_promoted
from aisle.errors import ArtifactError

if TYPE_CHECKING:
    from aisle.serve.settings import Config
    from aisle.serve.versions import Promotion

config_option = click.option(
    "--config",
    "config_file",
    type=click.Path(path_type=Path),
    help="aisle.toml of the service: the index must be fit to be searched with its recipe.",
)
of_option = click.option(
    "--of",
    "index",
    metavar="DIR",
    type=click.Path(path_type=Path),
    help="It is a model of this index's recipe: a re-ranker, a calibration or a learnt ranking.",
)


@click.command()
@click.argument("candidate", metavar="INDEX|MODEL", type=click.Path(path_type=Path))
@click.argument("name", metavar="DIR", type=click.Path(path_type=Path))
@config_option
@click.option(
    "--since",
    type=click.DateTime(["%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d"]),
    help="When the catalogue of INDEX was read (UTC unless said): changes over the API since then are carried over. "
    "By default since INDEX was begun.",
)
@of_option
@click.option("--force", is_flag=True, help="Serve a model although its gate did not promote it.")
@json_option
def promote(
    candidate: Path,
    name: Path,
    config_file: Path | None,
    since: dt.datetime | None,
    index: Path | None,
    force: bool,
    as_json: bool,
) -> None:
    """Serve INDEX as DIR from now on, without a pause: a service of DIR answers every request, from one of the two.

    DIR is a link to the index that is served; a folder becomes one at the first promotion, for which the service must
    be stopped. What the service changed since INDEX was begun is carried over. `aisle rollback DIR` goes back.

    With --of SHOP it is a model that becomes DIR, which the recipe of SHOP names; it must fit the index, and its gate
    must have promoted it.

    Example: aisle index products.csv --out shop-2 && aisle promote shop-2 shop

    Example: aisle promote model-2 model --of shop --config aisle.toml
    """
    if force and index is None:
        raise click.UsageError("--force is of a model: with --of")
    if index is not None:
        from aisle.serve.models import promote_model

        if since is not None:
            raise click.UsageError("--since is of an index: a model carries nothing over")
        if not force and not_promoted(candidate):
            raise ArtifactError(
                f"{str(candidate)!r} was not promoted when it was trained",
                allowed="a model that its gate promoted, or --force",
                fix="see its README.md for the reason",
            )
        _print(promote_model(candidate, name, index, _config(config_file)), name, as_json)
        return
    from aisle.serve.versions import promote as run

    if since is not None and since.tzinfo is None:
        since = since.replace(tzinfo=dt.UTC)
    config = _config(config_file)
    _print_index(run(candidate, name, config, since.timestamp() if since is not None else None), name, config, as_json)


@click.command()
@click.argument("name", metavar="DIR", type=click.Path(path_type=Path))
@config_option
@of_option
@json_option
def rollback(name: Path, config_file: Path | None, index: Path | None, as_json: bool) -> None:
    """Serve the index again that was served as DIR before; what was changed since is carried over to it.

    With --of SHOP it is a model of the recipe of SHOP.

    Example: aisle rollback shop
    """
    if index is not None:
        from aisle.serve.models import roll_back_model

        _print(roll_back_model(name, index, _config(config_file)), name, as_json)
        return
    from aisle.serve.versions import roll_back

    config = _config(config_file)
    _print_index(roll_back(name, config), name, config, as_json)


def _config(path: Path | None) -> Config | None:
    from aisle.serve.settings import read_config

    return read_config(path) if path is not None else None


def _print_index(done: Promotion, name: Path, config: Config | None, as_json: bool) -> None:
    """What was done, and what models of the index's recipe its gates did not promote."""
    from aisle.build import stored_recipe

    stored = stored_recipe(done.served)
    ranking = (stored if config is None else config.recipe_over(stored)).ranking
    say_if_not_promoted(ranking.model, ranking.learnt)
    _print(done, name, as_json)


def _print(done: Promotion, name: Path, as_json: bool) -> None:
    if as_json:
        before = str(done.before) if done.before is not None else None
        print_json({"served": str(done.served), "before": before, "carried": done.carried})
        return
    instead = f" instead of {done.before.name}" if done.before is not None else ""
    carried = f"; {done.carried:,} changed products carried over" if done.carried else ""
    click.echo(f"{name}: {done.served.name}{instead}{carried}")
