"""`aisle serve`: an index as a service, until Ctrl-C. Parses, starts the processes, prints the address."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import click

from aisle.cli.options import model_option
from aisle.cli.verdicts import unpromoted
from aisle.errors import AisleError

LOG = logging.getLogger("aisle.serve")


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@model_option
@click.option("--config", "config_file", type=click.Path(path_type=Path), help="aisle.toml; see docs/service.md.")
@click.option("--host", help="Where to listen; the default is this machine alone, 127.0.0.1.")
@click.option("--port", type=int, help="8080 by default; 0 takes a free one.")
@click.option("--workers", type=int, help="Processes that answer; 0, the default: one for each core.")
@click.pass_context
def serve(
    context: click.Context,
    folder: Path,
    model: str | None,
    config_file: Path | None,
    host: str | None,
    port: int | None,
    workers: int | None,
) -> None:
    """Serve the index in DIR over HTTP: search, autocomplete, products and their changes, judgments, events, rules.

    The API describes itself at /docs. Ctrl-C or SIGTERM ends it when what was begun is finished.

    Example: aisle serve shop --port 8080
    """
    from aisle.build import check_index, stored_recipe
    from aisle.serve.processes.supervisor import Supervisor
    from aisle.serve.service_log import install_log
    from aisle.serve.settings import Config, read_config

    check_index(folder)
    config = read_config(config_file) if config_file is not None else Config()
    settings = config.settings.changed({"host": host, "port": port, "workers": workers})
    config = replace(config, settings=settings)
    install_log("supervisor", settings.log_format)
    ranking = config.recipe_over(stored_recipe(folder)).ranking
    for said in unpromoted(ranking.model if model is None else model, ranking.learnt):
        LOG.warning("%s", said)
    as_json = settings.log_format == "json"

    def started(address: str) -> None:
        if as_json:
            LOG.info("%s is served, the API is at /docs", folder, extra={"address": address})
        else:
            click.echo(f"{folder}: {address} (API: {address}/docs)")

    try:
        code = Supervisor(folder, config, model, started).run()
    except AisleError as error:
        if not as_json:
            raise
        LOG.error("%s", error)  # a line of the log, like all that it says
        code = 1
    context.exit(code)
