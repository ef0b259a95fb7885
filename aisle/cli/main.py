"""The `aisle` command: gathers the verbs and turns errors into short messages."""

from __future__ import annotations

import io
import os
import re
import sys

import click

from aisle.cli.adapt import adapt
from aisle.cli.augment import augment
from aisle.cli.augment_images import images
from aisle.cli.calibrate import calibrate
from aisle.cli.catalogue import catalogue
from aisle.cli.check_labels import check_labels
from aisle.cli.choose import choose
from aisle.cli.complements import complements
from aisle.cli.distil import distil
from aisle.cli.evaluate import compare, evaluate
from aisle.cli.events import audit, events
from aisle.cli.experiment import experiment
from aisle.cli.explain import explain
from aisle.cli.export import export
from aisle.cli.exposure import exposure
from aisle.cli.index import index
from aisle.cli.judge import judge
from aisle.cli.keys import keys
from aisle.cli.learn import learn
from aisle.cli.llm import llm
from aisle.cli.monitor import monitor
from aisle.cli.processes import one_process
from aisle.cli.promote import promote, rollback
from aisle.cli.quality import quality
from aisle.cli.rank import rank
from aisle.cli.rules import rules
from aisle.cli.runs import runs
from aisle.cli.search import run as run_queries
from aisle.cli.search import search
from aisle.cli.serve import serve
from aisle.cli.synthesise import synthesise
from aisle.cli.train import train
from aisle.cli.tune import tune
from aisle.errors import AisleError


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="aisle", prog_name="aisle")
def cli() -> None:
    """Product search that understands what shoppers mean."""
    one_process(click.get_current_context().invoked_subcommand)


for command in (
    catalogue,
    index,
    search,
    serve,
    promote,
    rollback,
    run_queries,
    explain,
    rank,
    evaluate,
    compare,
    synthesise,
    train,
    augment,
    export,
    tune,
    runs,
    distil,
    adapt,
    learn,
    complements,
    calibrate,
    choose,
    check_labels,
    llm,
    rules,
    exposure,
    judge,
    keys,
    events,
    audit,
    monitor,
    experiment,
):
    cli.add_command(command)
events.add_command(quality)
augment.add_command(images)


def run() -> None:
    """Entry point: exit 0 done, 1 on a deliberate error, 2 on wrong usage, 70 on a bug, 130 on Ctrl-C."""
    os.environ.setdefault("LANCE_LOG", "error")  # its warnings would stand among our messages
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal that cannot show a title shows `?` for it
    try:
        status = cli(prog_name="aisle", standalone_mode=False)
        if isinstance(status, int):  # click returns the code of an early end, such as that of `--help`
            sys.exit(status)
    except AisleError as error:
        _stop(str(error), 1)
    except (click.exceptions.Abort, KeyboardInterrupt):
        _stop("interrupted; the same command goes on where it can, with --resume where it has that option", 130)
    except click.exceptions.NoArgsIsHelpError as error:
        error.show()
        sys.exit(error.exit_code)
    except click.ClickException as error:
        context = getattr(error, "ctx", None)
        command = context.command_path if context else "aisle"
        _stop(f"{' '.join(error.format_message().split())}\nto fix: see `{command} --help`", error.exit_code)
    except BrokenPipeError:  # the reader of our output, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except OSError as error:
        _stop(f"{error.strerror or error}: {error.filename!r}" if error.filename else str(error), 1)
    except Exception as error:
        if str(error).startswith("lance error:") and not os.environ.get("AISLE_TRACEBACK"):
            _stop(f"the index cannot be read or written: {_reason(error)}\nto fix: {_LANCE_FIX}", 1)
        if os.environ.get("AISLE_TRACEBACK"):
            raise
        _stop(f"a fault in Aisle: {type(error).__name__}: {error}\nto fix: report it with AISLE_TRACEBACK=1 set", 70)


_LANCE_FIX = "see that the disk has room; if files of the index are damaged, remove its folder and index again"


def _reason(error: Exception) -> str:
    """What LanceDB says went wrong, without the place in its own source."""
    return re.sub(r", /\S+\.rs:\d+:\d+.*", "", str(error).removeprefix("lance error: "), flags=re.DOTALL)


def _stop(message: str, status: int) -> None:
    lines = message.splitlines()
    click.echo("\n".join([f"error: {lines[0][:500]}", *(line[:500] for line in lines[1:3])]), err=True)
    sys.exit(status)
