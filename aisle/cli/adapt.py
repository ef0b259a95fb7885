"""`aisle adapt`: a catalogue in, an encoder that learnt its texts out. Parses, calls, prints."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from aisle.cli.options import json_option, scale_option, scales_of, track_option
from aisle.cli.output import print_json, print_table, progress_bar
from aisle.cli.overwriting import refuse_replacing

if TYPE_CHECKING:
    from aisle.training.adapt.build import Adapted


@click.command()
@click.argument("catalogue", type=click.Path(path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder of the encoder.")
@click.option(
    "--method", type=click.Choice(["tsdae", "mlm"]), help="Write texts again (default), or name hidden words."
)
@click.option("--judgments", type=click.Path(path_type=Path), help="Graded products of it, for the verdict alone.")
@click.option("--recipe", type=click.Path(path_type=Path), help="Settings in TOML; docs/adapting.md.")
@click.option("--set", "changes", multiple=True, metavar="KEY=VALUE", help="Change one setting, such as fit.epochs=3.")
@track_option("fit.track")
@click.option("--resume", is_flag=True, help="Go on with an interrupted run of the same catalogue and settings.")
@scale_option
@json_option
def adapt(
    catalogue: Path,
    out: Path,
    method: str | None,
    judgments: Path | None,
    recipe: Path | None,
    changes: tuple[str, ...],
    track: tuple[str, ...],
    resume: bool,
    scales: tuple[str, ...],
    as_json: bool,
) -> None:
    """Train an encoder on the texts of CATALOGUE, without any label, and write it as a folder.

    The folder is an encoder: index --encoder, or train --set base=. With judgments the gate says whether it ranks
    better than the encoder it began as; without, it is not judged and not promoted. Exit code 0 either way.

    Example: aisle adapt samples/icecat/products.jsonl.gz --judgments samples/icecat/ratings.csv --out adapted
    """
    from aisle.training.adapt.build import adapt as run
    from aisle.training.adapt.recipe import load_adapt_recipe
    from aisle.training.distil.material import catalogue_products, distinct
    from aisle.training.relevance.catalogue import judged_products

    chosen = [f"method={method}"] if method is not None else []
    loaded = load_adapt_recipe(recipe, [*changes, *track, *chosen])
    refuse_replacing(out, [catalogue, judgments, recipe, Path(loaded.base).expanduser()])
    scale = scales_of(scales, 1)[0]
    judged = None
    if judgments is not None:
        note = partial(click.echo, err=True)
        judged = judged_products(catalogue, judgments, loaded.description, scale, note)
    _, texts = distinct(catalogue_products(catalogue), loaded.description)
    with progress_bar() as progress:

        def report(step: int, steps: int, losses: Mapping[str, float]) -> None:
            progress("training", step, steps)
            if "held_out" in losses:
                click.echo(f"step {step:,} of {steps:,}: loss on texts kept apart {losses['held_out']:.4f}", err=True)

        adapted = run(
            texts,
            loaded,
            out,
            judged=judged,
            resume=resume,
            report=report,
            note=lambda text: click.echo(text, err=True),
        )
    if as_json:
        print_json(adapted.to_dict())
    else:
        _print(adapted)


def _print(adapted: Adapted) -> None:
    from aisle.training.adapt.card import told, verdict

    training = adapted.candidate.training
    rows = [["method", training["method"]], ["texts", f"{training['texts']:,}"]]
    rows += [[f"queries, {name}", f"{count:,}"] for name, count in adapted.candidate.queries.items()]
    rows += [["seconds", f"{adapted.seconds:.0f}"]]
    print_table(f"Adapted {adapted.folder}", ["", ""], rows, [*verdict(adapted), *told(training)])
