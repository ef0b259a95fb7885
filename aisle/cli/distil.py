"""`aisle distil`: texts and teachers in, a small encoder and a verdict out. Parses, calls, prints."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from aisle.cli.options import json_option, named_columns, pair_column_option, track_option
from aisle.cli.output import print_json, print_table, progress_bar
from aisle.cli.overwriting import refuse_replacing
from aisle.errors import RecipeError

if TYPE_CHECKING:
    from aisle.judgments.pairs import PairSet
    from aisle.training.distil.build import Distilled
    from aisle.training.distil.recipe import DistilRecipe
    from aisle.types import Product


@click.command()
@click.option(
    "--teacher",
    "teachers",
    required=True,
    multiple=True,
    metavar="MODEL[,MODEL]",
    help="A trained model, a cross-encoder, 'embedded' or 'bm25'; several are averaged.",
)
@click.option("--student", default="embedded", show_default=True, metavar="DIR|embedded", help="The encoder to teach.")
@click.option("--catalogue", type=click.Path(path_type=Path), help="Catalogue file to make pairs from.")
@click.option("--pairs", "pair_file", type=click.Path(path_type=Path), help="query, title; grades are judgments.")
@click.option("--queries", type=click.Path(path_type=Path), help="Real queries, such as a log, one a line.")
@click.option("--judgments", type=click.Path(path_type=Path), help="Graded products of the catalogue.")
@click.option("--held-out", type=click.Path(path_type=Path), help="Queries for the gate alone: never learnt from.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder of the model.")
@click.option("--against", type=click.Path(path_type=Path), help="Encoder to beat; else the student on labels alone.")
@click.option("--cache", type=click.Path(path_type=Path), help="Folder that keeps teachers' scores for other runs.")
@click.option("--recipe", type=click.Path(path_type=Path), help="Settings in TOML; docs/distillation.md.")
@click.option("--set", "changes", multiple=True, metavar="KEY=VALUE", help="Change one setting, such as layers=3.")
@track_option("fit.track")
@click.option("--resume", is_flag=True, help="Go on with an interrupted run of the same data, teachers and settings.")
@click.option("--force", is_flag=True, help="Promote whatever the gate says; the model records it.")
@pair_column_option
@json_option
def distil(
    teachers: tuple[str, ...],
    student: str,
    catalogue: Path | None,
    pair_file: Path | None,
    queries: Path | None,
    judgments: Path | None,
    held_out: Path | None,
    out: Path,
    against: Path | None,
    cache: Path | None,
    recipe: Path | None,
    changes: tuple[str, ...],
    track: tuple[str, ...],
    resume: bool,
    force: bool,
    columns: tuple[str, ...],
    as_json: bool,
) -> None:
    """Teach a small encoder what slower models say of unlabelled pairs, and say whether it beats labels alone.

    Pairs are made from the catalogue: real queries where there are any, queries made from products, and texts found by
    words, by meaning and by chance. Without judgments nothing shows whether the student is better, and it is not
    promoted. Exit code 0 whether promoted or not.

    Example: aisle distil --teacher model,bm25 --catalogue samples/icecat/products.jsonl.gz
    --judgments samples/icecat/ratings.csv --out small --set layers=3
    """
    from aisle.training.distil.build import Told
    from aisle.training.distil.build import distil as run
    from aisle.training.distil.material import material_of
    from aisle.training.distil.recipe import load_distil_recipe

    loaded = load_distil_recipe(recipe, [*changes, *track])
    refuse_replacing(out, [catalogue, pair_file, queries, judgments, held_out, against, recipe])
    asked = [text for _, text in _queries(queries)]
    forbidden = [text for _, text in _queries(held_out)]
    pairs = _pairs(catalogue, pair_file, judgments, named_columns(columns), loaded)
    products = _products(catalogue, pairs)
    source = queries.name if queries is not None else ""
    material = material_of(products, pairs, loaded, queries=asked, source=source, forbidden=forbidden)
    names = [name.strip() for given in teachers for name in given.split(",") if name.strip()]
    with progress_bar() as progress:

        def report(step: int, steps: int, _: Mapping[str, float]) -> None:
            progress("training", step, steps)

        distilled = run(
            material,
            names,
            loaded,
            out,
            student=student,
            against=against,
            cache=cache,
            force=force,
            resume=resume,
            told=Told(report, lambda text: click.echo(text, err=True), progress),
        )
    if as_json:
        print_json(distilled.to_dict())
    else:
        _print(distilled)


def _queries(path: Path | None) -> list[tuple[str, str]]:
    from aisle.judgments import read_queries

    return read_queries(path) if path is not None else []


def _pairs(
    catalogue: Path | None,
    file: Path | None,
    judgments: Path | None,
    columns: Mapping[str, str],
    recipe: DistilRecipe,
) -> PairSet | None:
    """What the files say of queries and texts that stand together, graded or not."""
    if (catalogue is None) == (file is None):
        raise RecipeError("the texts are to come from one file", allowed="--catalogue FILE or --pairs FILE")
    if file is not None:
        from aisle.judgments.pairs import read_pairs

        if judgments is not None:
            raise RecipeError(
                "--judgments goes with --catalogue", fix="a pairs file has its grades in it: leave --judgments out"
            )
        return read_pairs(file, columns)
    if judgments is None or catalogue is None:
        return None
    from aisle.training.relevance.catalogue import judged_products

    return judged_products(catalogue, judgments, recipe.description, note=partial(click.echo, err=True))


def _products(catalogue: Path | None, pairs: PairSet | None) -> list[Product]:
    from aisle.training.distil.material import catalogue_products, pair_products

    return catalogue_products(catalogue) if catalogue is not None else pair_products([pairs] if pairs else [])


def _print(distilled: Distilled) -> None:
    from aisle.training.distil.card import told
    from aisle.training.gate import format_verdict

    rows = [
        ["teachers", ", ".join(distilled.teachers)],
        *([f"queries, {name}", f"{count:,}"] for name, count in distilled.candidate.queries.items()),
        ["seconds", f"{distilled.seconds:.0f}"],
    ]
    notes = [*format_verdict(distilled.verdict), *told(distilled.candidate.training)]
    print_table(f"Distilled {distilled.folder}", ["", ""], rows, notes)
