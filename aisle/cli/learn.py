"""`aisle learn`: judgments in, a learnt combination of an index's signals and a verdict out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from aisle.cli.options import json_option, judgments_option, recipe_of, recipe_option
from aisle.cli.output import print_json, print_table
from aisle.cli.overwriting import refuse_replacing
from aisle.cli.verdicts import say_if_not_promoted


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@judgments_option
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder of the learnt combination.")
@click.option(
    "--shoppers",
    "shoppers_file",
    type=click.Path(path_type=Path),
    help="Who asked: query_id, viewed, price_low, price_high as CSV, TSV or JSON Lines; adds their features.",
)
@click.option(
    "--model",
    metavar="DIR|FILE|NAME",
    help="Learn what the score of this re-ranker counts, too; a search then needs it as [ranking] model. Take one that "
    "learnt nothing from these judgments.",
)
@click.option("--set", "changes", multiple=True, metavar="KEY=VALUE", help="A setting of docs/learnt_ranking.md.")
@click.option("--force", is_flag=True, help="Promote whatever the gate says; the folder records it.")
@recipe_option
@json_option
@click.pass_context
def learn(context: click.Context, /, folder: Path, judgments: Path, out: Path, **_: Any) -> None:
    """Learn how much words, meaning, wording and ratings count for the index in DIR, and say whether it ranks better.

    The folder is `learnt` in `[ranking]` of a recipe. Every query is held out once; exit code 0 whatever the verdict.
    The same words asked by two shoppers are two query_ids.

    Example: aisle learn shop --judgments samples/icecat/ratings.csv --out combination
    """
    from aisle.config import DiversitySettings, with_changes
    from aisle.engine import SearchEngine
    from aisle.judgments import read_judgments, read_shoppers
    from aisle.learn_ranking import learn_ranking
    from aisle.training.gate import format_verdict
    from aisle.training.ranking.recipe import RankingRecipe

    given = context.params
    shoppers_file, recipe_file, model = given["shoppers_file"], given["recipe_file"], given["model"] or ""
    refuse_replacing(out, [folder, judgments, recipe_file, shoppers_file, Path(model) if model else None])
    recipe = recipe_of(folder, recipe_file)
    settings = RankingRecipe.from_dict(with_changes({}, given["changes"]), "--set")
    shoppers = read_shoppers(shoppers_file) if shoppers_file is not None else None
    bare = replace(
        recipe.ranking, learnt="", model=model, calibration="", rules="", diversity=DiversitySettings()
    )  # what comes after it; the recipe's own re-ranker would, too
    recipe = replace(recipe, ranking=bare)
    say_if_not_promoted(model)
    with SearchEngine.open(folder, recipe) as engine:
        made = learn_ranking(
            engine,
            read_judgments(judgments).by_gain(),
            settings,
            out,
            shoppers=shoppers,
            force=given["force"],
            note=lambda text: click.echo(text, err=True),
        )
    if given["as_json"]:
        print_json(made.to_dict())
        return
    rows = [
        [row.name, made.sign(row.name), f"{row.weight:+.2f}", f"{row.permutation:+.4f}", made.meaning(row.name)]
        for row in made.importance
    ]
    print_table(
        f"Learnt {made.folder} from {made.judged:,} judgments of {made.queries:,} queries",
        ["feature", "sign", "weight", "nDCG@10 lost without", "what it is"],
        rows,
        format_verdict(made.verdict),
    )
