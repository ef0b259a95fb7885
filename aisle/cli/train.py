"""`aisle train`: judgments in, a model folder and a verdict out. Parses, calls, prints."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from aisle.cli.options import json_option, named_columns, pair_column_option, scale_option, scales_of, track_option
from aisle.cli.output import print_estimate, print_json, print_table, progress_bar
from aisle.cli.overwriting import refuse_replacing
from aisle.cli.processes import processes
from aisle.cli.synthesise import opened
from aisle.errors import RecipeError

if TYPE_CHECKING:
    from aisle.judgments.pairs import PairSet
    from aisle.judgments.scale import Scale
    from aisle.training.relevance.build import Trained
    from aisle.training.relevance.recipe import TrainingRecipe


@click.command()
@click.option("--pairs", "pair_files", multiple=True, type=click.Path(path_type=Path), help="query, title, relevance.")
@click.option("--catalogue", type=click.Path(path_type=Path), help="Catalogue file that the judgments are of.")
@click.option("--judgments", type=click.Path(path_type=Path), help="Graded products of that catalogue.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder of the model.")
@click.option("--recipe", metavar="NAME|FILE", help="A packaged training recipe or a TOML file; docs/training.md.")
@click.option("--set", "changes", multiple=True, metavar="KEY=VALUE", help="Change one setting, such as fit.epochs=3.")
@click.option("--estimate", is_flag=True, help="Only say how long it will take and how much memory; a few seconds.")
@track_option("fit.track")
@click.option("--replay", type=click.Path(path_type=Path), help="Pairs that the base learnt from, not to be forgotten.")
@click.option("--index", type=click.Path(path_type=Path), help="Index of the catalogue, to look for hard negatives in.")
@click.option(
    "--synthesise", type=click.Path(path_type=Path), help="Learn first from made queries of this INDEX|CATALOGUE."
)
@click.option("--resume", is_flag=True, help="Go on with an interrupted training of the same data and settings.")
@click.option(
    "--must-pass", type=click.Path(path_type=Path), help="Table of query, better, worse: texts whose order is certain."
)
@click.option("--force", is_flag=True, help="Promote whatever the gate says; the model records it.")
@pair_column_option
@scale_option
@json_option
def train(
    pair_files: tuple[Path, ...],
    catalogue: Path | None,
    judgments: Path | None,
    out: Path | None,
    recipe: str | None,
    changes: tuple[str, ...],
    estimate: bool,
    track: tuple[str, ...],
    replay: Path | None,
    index: Path | None,
    synthesise: Path | None,
    resume: bool,
    must_pass: Path | None,
    force: bool,
    columns: tuple[str, ...],
    scales: tuple[str, ...],
    as_json: bool,
) -> None:
    """Train a model on judgments and say whether it ranks better than the encoder it began as.

    Fewer than 1,000 judged pairs give a task head, more a tuned encoder with what words and neighbours say beside it.
    The first --pairs file (or the catalogue) is the shop: its queries decide whether the model is promoted. Further
    files are only learnt from. Grades are numbers on any scale, or Exact, Substitute, Complement, Irrelevant (E, S, C,
    I). Exit code 0 whether promoted or not.

    Several processes share the steps of an encoder or a cross-encoder: torchrun --nproc-per-node 2 -m aisle train ...,
    or accelerate launch (docs/tuning.md).

    To go on from a model of another shop without forgetting that: --set base=MODEL --replay ITS_PAIRS.csv.

    Example: aisle train --catalogue samples/icecat/products.jsonl.gz --judgments samples/icecat/ratings.csv --out model
    """
    from aisle.artifacts import write_text
    from aisle.improve.synthesis.for_training import SYNTHETIC
    from aisle.judgments.pairs import read_pairs
    from aisle.training.relevance.build import BEGAN, estimate_training, train_along
    from aisle.training.relevance.recipe import load_recipe

    with processes() as (group, way):
        # Another process than the first reads nothing before that one has refused nothing.
        began = group.awaited(BEGAN) if group is not None and group.rank else None
        loaded = load_recipe(recipe, [*changes, *track])
        refuse_replacing(out, [*pair_files, catalogue, judgments, replay, index, synthesise, must_pass])
        if loaded.fit.parallel == "auto":
            loaded = replace(loaded, fit=replace(loaded.fit, parallel=way))
        named = named_columns(columns)
        declared = scales_of(scales, sum(file is not None for file in (judgments, *pair_files, replay)))
        sets = pair_sets(pair_files, catalogue, judgments, named, loaded.description, declared)
        before = read_pairs(replay, named, declared[-1], need_grades=True) if replay else None
        negatives = hard_negatives(index, sets[0].by_gain(), loaded) if index else None
        made = synthetic_pairs(synthesise, sets[0], loaded) if synthesise else None
        sets += [made[0]] if made else []
        if estimate:
            if group is not None:
                raise RecipeError("--estimate in several processes", fix="start it without the launcher")
            thought = estimate_training(sets[0], sets[1:], loaded, before, negatives)
            print_estimate(thought, as_json)
            return
        if out is None:
            raise RecipeError("--out is missing", allowed="the folder of the model, or --estimate alone")
        if began is not None:
            train_along(sets[0], sets[1:], loaded, out, began, replay=before, negatives=negatives)
            return
        given = _Given(sets, before, negatives, must_pass)
        trained = _train(given, loaded, out, force, resume, None if group is None else group.begin)
        if made is not None:
            write_text(trained.folder / SYNTHETIC, made[1])
        if as_json:
            print_json(trained.to_dict())
        else:
            _print(trained)


@dataclass(frozen=True, slots=True)
class _Given:
    """What is learnt from, and what must hold."""

    sets: Sequence[PairSet]
    replay: PairSet | None
    negatives: PairSet | None
    must_pass: Path | None


def _train(
    given: _Given,
    recipe: TrainingRecipe,
    out: Path,
    force: bool,
    resume: bool,
    began: Callable[[bytes], None] | None,
) -> Trained:
    """Train, and say on standard error how far it is."""
    from aisle.training.relevance.build import train as run
    from aisle.training.relevance.must_pass import read_must_pass

    with progress_bar() as progress:

        def report(step: int, steps: int, losses: Mapping[str, float]) -> None:
            progress("training", step, steps)
            if "validation" in losses:
                shown = " ".join(f"{name} {value:.4f}" for name, value in losses.items())
                click.echo(f"step {step:,} of {steps:,}: {shown}", err=True)

        return run(
            given.sets[0],
            given.sets[1:],
            recipe,
            out,
            replay=given.replay,
            negatives=given.negatives,
            must_pass=read_must_pass(given.must_pass) if given.must_pass else (),
            force=force,
            resume=resume,
            began=began,
            report=report,
            note=lambda text: click.echo(text, err=True),
        )


def synthetic_pairs(source: Path, shop: PairSet, recipe: TrainingRecipe) -> tuple[PairSet, str]:
    """Pairs made of a catalogue or its index, without the shop's own queries; and their table."""
    from aisle.improve.synthesis.for_training import pairs_for_training

    with progress_bar() as progress, opened(source, progress) as engine:
        made, table = pairs_for_training(engine, shop, recipe, progress)
    click.echo(f"made of {source}: {len(made):,} pairs of {len(made.by_query()):,} queries", err=True)
    return made, table


def pair_sets(
    files: tuple[Path, ...],
    catalogue: Path | None,
    judgments: Path | None,
    columns: Mapping[str, str],
    description: bool,
    scales: Sequence[Scale | None] = (),
) -> list[PairSet]:
    """The pairs of a catalogue's judgments and of files, in this order; their scales, where declared, too.

    Raises:
        RecipeError: None is named, or one of a catalogue and its judgments is missing.
    """
    from aisle.judgments.pairs import read_pairs

    if (catalogue is None) != (judgments is None):
        raise RecipeError("one of --catalogue and --judgments is missing", allowed="both, or --pairs alone")
    found = []
    declared = [*scales] or [None] * (len(files) + 1)
    if catalogue is not None and judgments is not None:
        from aisle.training.relevance.catalogue import judged_products

        found.append(judged_products(catalogue, judgments, description, declared.pop(0), partial(click.echo, err=True)))
    found += [read_pairs(path, columns, scale, need_grades=True) for path, scale in zip(files, declared, strict=False)]
    if not found:
        raise RecipeError("nothing to learn from", allowed="--pairs FILE, or --catalogue FILE with --judgments FILE")
    return found


def hard_negatives(folder: Path, pairs: PairSet, recipe: TrainingRecipe) -> PairSet:
    """Products that an index ranks high for the queries of the pairs, and that nobody judged; says how many.

    Raises:
        ArtifactError: There is no finished index.
        JudgmentError: It has none.
    """
    from aisle.engine import SearchEngine
    from aisle.training.relevance.negatives import mine
    from aisle.types import Product, SearchRequest

    with SearchEngine.open(folder) as engine:

        def search(query: str) -> list[Product]:
            return [hit.product for hit in engine.search(SearchRequest(query, k=recipe.negatives.depth)).hits]

        mined = mine(pairs, search, engine.encoder.encode, recipe, f"{folder} (hard negatives)")
    click.echo(mined.told(), err=True)
    return mined.pairs


def _print(trained: Trained) -> None:
    from aisle.training.gate import format_verdict
    from aisle.training.relevance.card import told

    candidate = trained.candidate
    rows = [
        ["model", candidate.architecture],
        *([f"queries, {name}", f"{count:,}"] for name, count in candidate.queries.items()),
        ["seconds", f"{trained.seconds:.0f}"],
    ]
    print_table(
        f"Trained {trained.folder}", ["", ""], rows, [*format_verdict(trained.verdict), *told(candidate.training)]
    )
