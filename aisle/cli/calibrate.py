"""`aisle calibrate`: judgments in, probabilities and a cut-off out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from aisle.cli.options import json_option, judgments_option, model_option, recipe_of, recipe_option
from aisle.cli.output import print_json, print_table, progress_bar
from aisle.cli.overwriting import refuse_missing_folder, refuse_overwriting, refuse_replacing
from aisle.cli.shoppers import say_if_unread, shoppers_of, shoppers_option
from aisle.cli.verdicts import say_if_not_promoted


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@judgments_option
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder of the calibration.")
@click.option(
    "--relevant", type=float, help="From this grade on a product is relevant; default: 1, of classes the best (3)."
)
@click.option(
    "--cut",
    type=click.FloatRange(0, 1, min_open=True),
    default=0.05,
    show_default=True,
    help="Share of the relevant products that may be cut.",
)
@click.option(
    "--plot",
    type=click.Path(path_type=Path),
    metavar="FILE.svg",
    help="Also draw how often the probabilities of held-out queries came true.",
)
@shoppers_option
@recipe_option
@model_option
@json_option
@click.pass_context
def calibrate(
    context: click.Context, /, folder: Path, judgments: Path, out: Path, cut: float, plot: Path | None, **_: Any
) -> None:
    """Calibrate the ranking of the index in DIR on judgments, so that its lists end where relevance does.

    The folder is `calibration` in `[ranking]` of a recipe; the rest of the recipe must stay as it was here.

    The calibration error is of queries that neither weights nor curves were fitted to, in ten bins of equally many
    products.

    Example: aisle calibrate shop --judgments samples/icecat/ratings.csv --out calibration
    """
    from aisle.artifacts import read_manifest
    from aisle.calibrate import calibrate as run
    from aisle.config import DiversitySettings
    from aisle.engine import SearchEngine
    from aisle.errors import ArtifactError
    from aisle.judgments import read_judgments
    from aisle.ranking.calib_reliability import ReliabilityBin, reliability_plot
    from aisle.ranking.calibration import FORMAT, KIND
    from aisle.training.calibrate import CalibrationSettings

    given = context.params
    recipe_file, shoppers_file, relevant = (given[name] for name in ("recipe_file", "shoppers_file", "relevant"))
    refuse_overwriting({"--plot": plot}, [folder, judgments, recipe_file, shoppers_file])
    refuse_missing_folder({"--plot": plot})
    refuse_replacing(out, [folder, judgments, recipe_file, shoppers_file])
    recipe = recipe_of(folder, recipe_file, given["model"])
    if out.is_file():
        raise ArtifactError(f"{str(out)!r} is a file", allowed="a new folder, or an older calibration")
    if out.is_dir() and any(out.iterdir()):
        read_manifest(out, KIND, FORMAT)  # another calibration may be replaced, nothing else
    bare = replace(recipe.ranking, calibration="", rules="", diversity=DiversitySettings())
    recipe = replace(recipe, ranking=bare)
    known = read_judgments(judgments)
    shoppers = shoppers_of(shoppers_file, {judgment.query_id: None for judgment in known})
    usual = float(len(known.gains) - 1) if known.gains else 1.0
    relevant = usual if relevant is None else relevant
    say_if_not_promoted(recipe.ranking.model, recipe.ranking.learnt)
    with SearchEngine.open(folder, recipe) as engine, progress_bar() as progress:
        say_if_unread(engine, shoppers)
        settings = CalibrationSettings(relevant_grade=relevant)
        made = run(engine, known, settings, progress, shoppers, lambda text: click.echo(text, err=True))
    made.save(out)
    if plot is not None:
        bins = [ReliabilityBin(**one) for one in made.details.get("reliability", ())]
        plot.write_bytes(reliability_plot({f"grade {made.relevant_grade:g} and more": bins}))
    guaranteed, plain = made.threshold(cut), made.threshold(cut, guaranteed=False)
    details = dict(made.details) | {"curve": made.kind, "threshold": guaranteed, "threshold_without_guarantee": plain}
    if given["as_json"]:
        print_json({"calibration": str(out), "cut": cut, **details})
        return
    shown = {name: value for name, value in details.items() if name not in ("reliability", "sample")}
    rows = [[name.replace("_", " "), f"{v:.3f}" if isinstance(v, float) else str(v)] for name, v in shown.items()]
    note = "too few queries to promise anything: nothing would be cut" if guaranteed == 0 else ""
    print_table(f"Calibrated {folder} into {out}", ["", ""], rows, [note] if note else [])
