"""`aisle tune`: judgments and ranges in, the best recipe out. Parses, calls, prints."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from aisle.cli.options import json_option, named_columns, pair_column_option, scale_option, scales_of
from aisle.cli.output import print_json, print_table, progress_bar
from aisle.cli.train import pair_sets

if TYPE_CHECKING:
    from aisle.training.tuning.search import Tuned


@click.command()
@click.option("--pairs", "pair_file", type=click.Path(path_type=Path), help="query, title, relevance.")
@click.option("--catalogue", type=click.Path(path_type=Path), help="Catalogue file that the judgments are of.")
@click.option("--judgments", type=click.Path(path_type=Path), help="Graded products of that catalogue.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder of the search; it goes on there.")
@click.option("--recipe", metavar="NAME|FILE", default="combination", show_default=True, help="Where it begins.")
@click.option("--space", metavar="NAME|FILE", help="Ranges: encoder, head or a TOML file; by the recipe if left out.")
@click.option("--trials", default=20, show_default=True, type=click.IntRange(1, 10_000), help="Recipes to try, in all.")
@click.option("--folds", default=3, show_default=True, type=click.IntRange(2, 20), help="Of each one's validation.")
@click.option("--seed", default=0, show_default=True, help="Of the search and of the folds.")
@click.option("--set", "changes", multiple=True, metavar="KEY=VALUE", help="Change one setting of the recipe.")
@pair_column_option
@scale_option
@json_option
def tune(
    pair_file: Path | None,
    catalogue: Path | None,
    judgments: Path | None,
    out: Path,
    recipe: str,
    space: str | None,
    trials: int,
    folds: int,
    seed: int,
    changes: tuple[str, ...],
    columns: tuple[str, ...],
    scales: tuple[str, ...],
    as_json: bool,
) -> None:
    """Search for a training recipe that suits a shop's judgments, and write it to OUT/best.toml.

    No trial sees the queries that the gate of a training with that recipe judges by. The same command goes on with an
    interrupted search; more --trials lengthen a finished one. Exit code 0 whether anything better was found or not.

    Example: aisle tune --pairs pairs.csv --recipe head --trials 30 --out search
    """
    from aisle.training.relevance.recipe import load_recipe
    from aisle.training.tuning.search import SearchSettings
    from aisle.training.tuning.search import tune as run
    from aisle.training.tuning.space import read_space

    loaded = load_recipe(recipe, changes)
    ranges = read_space(space or ("head" if loaded.model == "head" else "encoder"), loaded)
    files = () if pair_file is None else (pair_file,)
    known = scales_of(scales, 1)
    pairs = pair_sets(files, catalogue, judgments, named_columns(columns), loaded.description, known)[0].counting()
    with progress_bar() as progress:

        def told(trial: int, trials: int, text: str) -> None:
            progress("trials", trial, trials)
            click.echo(f"trial {trial} of {trials}: {text}", err=True)

        found = run(pairs, loaded, ranges, out, SearchSettings(trials, folds, seed), told)
    if as_json:
        print_json(found.to_dict())
    else:
        _print(found)


def _print(tuned: Tuned) -> None:
    names = list(tuned.trials[0].values)
    rows = []
    for tried in sorted(tuned.trials, key=lambda tried: (tried.pruned, -tried.mean, tried.number)):
        values = [_shown(tried.values[name]) for name in names]
        worth = "pruned" if tried.pruned else f"{tried.mean:.4f}"
        rows.append([str(tried.number), *values, worth, f"{tried.seconds:.1f}"])
    found = tuned.difference
    detectable = "" if found["detectable"] is None else f", smallest detectable {found['detectable']:.4f}"
    print_table(
        f"Searched {tuned.folder}: {len(rows)} recipes on {tuned.queries['tried on']:,} queries",
        ["trial", *names, "nDCG@10", "seconds"],
        rows,
        [
            f"trial {tuned.best} against trial 1, where it began: {found['mean']:+.4f} "
            f"[{found['low']:+.4f}, {found['high']:+.4f}], p {found['p']:.4f}{detectable}; "
            "the best of many looks better than it is",
            f"{tuned.queries['kept for the gate']:,} queries were kept for the gate: "
            f"aisle train --recipe {tuned.folder / 'best.toml'} with the same judgments",
        ],
    )


def _shown(value: float | str | bool) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
