"""`aisle llm`: is a language model there, what would it cost, what has it cost; tune a local one."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import click

from aisle.cli.options import json_option, named_columns, pair_column_option, track_option
from aisle.cli.output import print_estimate, print_json, print_table, progress_bar
from aisle.cli.overwriting import refuse_replacing
from aisle.errors import RecipeError

_SAMPLE = 50

spec_argument = click.argument("spec", metavar="SPEC", type=click.Path(path_type=Path))


@click.group()
def llm() -> None:
    """Language models as re-rankers; docs/llm.md."""


@llm.command()
@spec_argument
@click.option("--pairs", default=1_000, show_default=True, help="Estimate the cost of so many pairs.")
@click.option("--per-query", default=50, show_default=True, help="Products of one query.")
@click.option(
    "--sample", type=click.Path(path_type=Path), help="File of pairs; the estimate is made of questions about them."
)
@pair_column_option
@json_option
def check(spec: Path, pairs: int, per_query: int, sample: Path | None, columns: tuple[str, ...], as_json: bool) -> None:
    """Ask the model that the TOML file SPEC names one small question.

    Says how long it took, whether probabilities came, and what many pairs would cost by the price that is declared.

    Example: aisle llm check llm.toml --pairs 100000 --sample pairs.csv
    """
    from aisle.judgments.pairs import read_pairs
    from aisle.rerankers.llm.load import load_llm
    from aisle.rerankers.llm.trial import estimated, tried

    real = read_pairs(sample, named_columns(columns))[:_SAMPLE] if sample else ()
    reranker = load_llm(spec)
    trial = tried(reranker)
    estimate = estimated(reranker, trial, pairs, per_query, real)
    if as_json:
        print_json(
            {"trial": trial.to_dict(), "estimate": estimate.to_dict(), "spent": reranker.client.spent().to_dict()}
        )
        return
    probabilities = {True: "yes", False: "no: answers are read as text", None: "not asked for"}
    rows = [
        ["model", trial.model],
        ["kind", trial.kind],
        ["latency, ms", f"{trial.latency_ms:,.0f}"],
        ["answer", repr(trial.text)],
        ["probabilities", probabilities[trial.logprobs]],
        ["read as", "nothing" if trial.read is None else str(trial.read)],
        ["tokens in, out", f"{trial.tokens_in:,}, {trial.tokens_out:,}"],
        [f"{pairs:,} pairs: requests", f"{estimate.requests:,}"],
        [f"{pairs:,} pairs: tokens in, out", f"{estimate.tokens_in:,}, {estimate.tokens_out:,}"],
        [f"{pairs:,} pairs: {estimate.currency}", f"{estimate.money:,.4f}"],
        [f"{pairs:,} pairs: hours", f"{estimate.hours:,.2f}"],
    ]
    notes = [] if sample else ["the estimate is of very short products: give real ones with --sample"]
    print_table(f"Asked {trial.endpoint}", ["", ""], rows, notes)


@llm.command()
@spec_argument
@json_option
def cost(spec: Path, as_json: bool) -> None:
    """What was ever spent through the store of SPEC, and what its budget allows.

    Example: aisle llm cost llm.toml
    """
    from aisle.llm.store import Store
    from aisle.rerankers.llm.spec import read_spec

    settings = read_spec(spec).llm
    store = Store(Path(settings.store) if settings.store else None)
    spent = store.spent(settings.price.currency)
    budget = settings.budget
    if as_json:
        limits = {"requests": budget.requests, "tokens": budget.tokens, "money": budget.money}
        print_json({"store": settings.store, "spent": spent.to_dict(), "budget": limits})
        return
    rows = spent.rows()
    for name, limit in (("requests", budget.requests), ("tokens", budget.tokens), ("money", budget.money)):
        rows.append([f"budget, {name}", f"{limit:,g}" if limit else "no limit"])
    print_table(f"Spent through {settings.store or 'no store'}", ["", ""], rows)


@llm.command()
@spec_argument
@click.option("--pairs", "pairs_file", required=True, type=click.Path(path_type=Path), help="query, title, relevance.")
@click.option("--out", type=click.Path(path_type=Path), help="Folder of the adapter and its llm.toml.")
@click.option("--set", "changes", multiple=True, metavar="KEY=VALUE", help="Change one setting, such as epochs=3.")
@click.option("--estimate", is_flag=True, help="Only say how long it will take and how much memory; a few steps.")
@track_option("track")
@click.option("--resume", is_flag=True, help="Go on with an interrupted tuning of the same data and settings.")
@pair_column_option
@json_option
def tune(
    spec: Path,
    pairs_file: Path,
    out: Path | None,
    changes: tuple[str, ...],
    estimate: bool,
    track: tuple[str, ...],
    resume: bool,
    columns: tuple[str, ...],
    as_json: bool,
) -> None:
    """Tune the local model that SPEC names on graded pairs: a LoRA adapter for its yes and no.

    The folder is a re-ranker: `--model DIR` wherever a re-ranker is named. The yes/no loss on held-out queries is
    reported before and after.

    Example: aisle llm tune llm.toml --pairs pairs.csv --out tuned --set epochs=2
    """
    refuse_replacing(out, [spec, pairs_file])
    from aisle.judgments.pairs import read_pairs
    from aisle.rerankers.llm.spec import read_spec
    from aisle.training.llm.recipe import load_recipe
    from aisle.training.llm.tune import estimate_tuning
    from aisle.training.llm.tune import tune as run

    recipe = load_recipe([*changes, *track])
    pairs = read_pairs(pairs_file, named_columns(columns), need_grades=True)
    if estimate:
        thought = estimate_tuning(read_spec(spec), pairs, recipe)
        print_estimate(thought, as_json)
        return
    if out is None:
        raise RecipeError("--out is missing", allowed="the folder of the adapter, or --estimate alone")
    with progress_bar() as progress:

        def report(step: int, steps: int, losses: Mapping[str, float]) -> None:
            progress("tuning", step, steps)

        note = partial(click.echo, err=True)
        tuned = run(read_spec(spec), pairs, recipe, out, resume=resume, report=report, note=note)
    if as_json:
        print_json(tuned.to_dict())
        return
    rows = [[name.replace("_", " "), f"{value:,.4g}"] for name, value in tuned.numbers().items()]
    print_table(f"Tuned {tuned.folder}", ["", ""], rows)
