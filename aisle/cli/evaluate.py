"""`aisle evaluate` and `aisle compare`: runs and indexes against judgments.

Parses, calls ``aisle.evaluate``, prints; an index is searched by ``aisle.cli.evaluate_index``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from aisle.artifacts import MANIFEST
from aisle.cli.evaluation_tables import print_comparison, print_modes, print_run
from aisle.cli.metric_options import MetricsCommand
from aisle.cli.options import json_option, judgments_option, model_option, pair_column_option, recipe_option
from aisle.cli.output import print_json
from aisle.cli.overwriting import refuse_other_kind, refuse_overwriting
from aisle.cli.shoppers import shoppers_of, shoppers_option
from aisle.errors import ArtifactError, InputError
from aisle.types import MODES, Judgment

if TYPE_CHECKING:
    from aisle.evaluate import Evaluation

DEFAULT_METRICS = ("nDCG@10", "MRR@10", "R@100", "judged@10")

report_option = click.option("--report", type=click.Path(path_type=Path), help="Also write a page with plots (HTML).")


@click.command(cls=MetricsCommand)
@click.argument("run", metavar="RUN.trec|DIR", required=False, type=click.Path(path_type=Path))
@click.option("--judgments", type=click.Path(path_type=Path), help="CSV, TSV or TREC file, or a BEIR folder.")
@click.option(
    "--metrics",
    multiple=True,
    metavar="NAME...",
    help=f"One or more, separated by blanks or commas.  [default: {' '.join(DEFAULT_METRICS)}]",
)
@shoppers_option
@recipe_option
@model_option
@report_option
@click.option("--robustness", is_flag=True, help="Ask again with typos, other words, dirty titles; docs/robustness.md.")
@click.option("--bias", is_flag=True, help="With --pairs: brands, genders and origins exchanged; docs/robustness.md.")
@click.option("--mode", type=click.Choice(MODES), default="hybrid", show_default=True, help="For --robustness of DIR.")
@click.option("--pairs", multiple=True, type=click.Path(path_type=Path), help="Graded pairs instead of DIR; see rank.")
@click.option("--seeds", default=3, show_default=True, type=click.IntRange(1, 100), help="Draws to average over.")
@click.option("--only", multiple=True, metavar="NAME", help="One perturbation, or axis of bias; repeatable.")
@pair_column_option
@json_option
@click.pass_context
def evaluate(context: click.Context, /, run: Path | None, **_: Any) -> None:
    """Measure a TREC run, or every search mode of the index in DIR, against judgments.

    With --robustness the judged queries of DIR are asked in other words; with --pairs and --model titles change, too.

    Example: aisle evaluate shop --judgments samples/icecat/ratings.csv --metrics nDCG@10 R@100 judged@10

    Example: aisle evaluate --robustness shop --judgments samples/icecat/ratings.csv --mode hybrid
    """
    given = context.params
    if given["robustness"] and given["bias"]:
        raise InputError("--robustness and --bias", allowed="one at a time")
    if given["robustness"]:
        from aisle.cli.robustness import measure

        measure(given)
    elif given["bias"]:
        from aisle.cli.bias import measure as measure_bias

        measure_bias(given)
    elif run is None or given["judgments"] is None:
        wanted = "run" if run is None else "judgments"
        raise click.MissingParameter(
            ctx=context, param=next(one for one in context.command.params if one.name == wanted)
        )
    else:
        _refuse(given)
        _measure(run, given)


def _refuse(given: Mapping[str, Any]) -> None:
    """Options that only --robustness and --bias read."""
    for name in ("pairs", "only"):
        if given[name]:
            raise InputError(f"--{name} without --robustness or --bias", fix=f"leave --{name} out, or say which")


def _measure(run: Path, given: Mapping[str, Any]) -> None:
    from aisle.evaluate import evaluate as evaluate_run
    from aisle.judgments import align, read_judgments
    from aisle.metrics import Metric, split_names

    judgments, metrics, report, as_json = (given[name] for name in ("judgments", "metrics", "report", "as_json"))
    refuse_overwriting({"--report": report}, [run, judgments, given["recipe_file"], given["shoppers_file"]])
    refuse_other_kind({"--report": report}, "page")
    names = [name for text in metrics for name in split_names(text)] or DEFAULT_METRICS
    for name in names:
        Metric.parse(name)  # a misspelt one is refused before anything is read
    known = read_judgments(judgments)
    chosen = list(dict.fromkeys(Metric.parse(name, known.gains) for name in names))
    runs = _runs(run, judgments, known, given)
    evaluations = {name: evaluate_run(align(found, known), known, chosen) for name, found in runs.items()}
    if report:
        _write_report(report, evaluations, judgments)
    if as_json:
        print_json(_evaluations_to_dict(run, judgments, evaluations))
    elif run.is_dir():
        print_modes(run, evaluations, known)
    else:
        print_run(run, evaluations[str(run)], known)


def _runs(
    run: Path, judgments: Path, known: Iterable[Judgment], given: Mapping[str, Any]
) -> Mapping[str, Mapping[str, Any]]:
    """The run under its path, or one run per mode of an index."""
    recipe_file, model, shoppers_file = (given[name] for name in ("recipe_file", "model", "shoppers_file"))
    if not run.is_dir():
        from aisle.judgments import read_run

        for option, value in (("--model", model), ("--recipe", recipe_file), ("--shoppers", shoppers_file)):
            if value is not None:
                raise ArtifactError(
                    f"{option} changes nothing in {str(run)!r}: a TREC run is ranked already",
                    allowed="a folder made by aisle index",
                    fix=f"leave {option} out, or name the index",
                )
        return {str(run): read_run(run)}
    if not (run / MANIFEST).is_file():
        raise ArtifactError(
            f"{str(run)!r} is a folder without {MANIFEST}: neither a TREC run nor an index",
            allowed="a TREC run, or a folder made by aisle index",
        )
    from aisle.cli.evaluate_index import run_modes
    from aisle.judgments import read_queries

    queries = read_queries(judgments)
    shoppers = shoppers_of(shoppers_file, dict(queries))
    found = run_modes(run, queries, recipe_file, model, shoppers, known)
    return {str(mode): ranked for mode, ranked in found.items()}


def _write_report(path: Path, evaluations: Mapping[str, Evaluation], judgments: Path) -> None:
    from aisle.evaluate import evaluation_report
    from aisle.judgments.files import write_lines

    write_lines(path, [evaluation_report(evaluations, str(judgments))])


def _evaluations_to_dict(run: Path, judgments: Path, evaluations: Mapping[str, Evaluation]) -> dict[str, Any]:
    from aisle.evaluate.plain import METHODS, evaluation_to_dict

    plain = {name: evaluation_to_dict(evaluation) for name, evaluation in evaluations.items()}
    head = {"judgments": str(judgments), "methods": METHODS}
    if run.is_dir():
        return {"index": str(run), **head, "modes": plain}
    return {"run": str(run), **head, **plain[str(run)]}


@click.command()
@click.argument("run_a", metavar="RUN_A", type=click.Path(path_type=Path))
@click.argument("run_b", metavar="RUN_B", type=click.Path(path_type=Path))
@judgments_option
@click.option("--metric", default="nDCG@10", show_default=True, metavar="NAME", help="The one metric to decide by.")
@report_option
@json_option
def compare(run_a: Path, run_b: Path, judgments: Path, metric: str, report: Path | None, as_json: bool) -> None:
    """Is RUN_B better than RUN_A? Paired interval and test, and the queries that it hurts most.

    Example: aisle compare bm25.trec hybrid.trec --judgments samples/icecat/ratings.csv --metric nDCG@10
    """
    from aisle.evaluate import compare as compare_runs
    from aisle.evaluate import comparison_report
    from aisle.evaluate.plain import METHODS, comparison_to_dict
    from aisle.judgments import align, read_judgments, read_run
    from aisle.judgments.files import write_lines
    from aisle.metrics import Metric

    refuse_overwriting({"--report": report}, [run_a, run_b, judgments])
    refuse_other_kind({"--report": report}, "page")
    known = read_judgments(judgments)
    chosen = Metric.parse(metric, known.gains)
    comparison = compare_runs(align(read_run(run_a), known), align(read_run(run_b), known), known, chosen)
    if report:
        write_lines(report, [comparison_report(comparison, str(run_a), str(run_b), str(judgments))])
    if as_json:
        head = {"a": str(run_a), "b": str(run_b), "judgments": str(judgments), "methods": METHODS}
        print_json({**head, **comparison_to_dict(comparison)})
    else:
        print_comparison(run_a, run_b, comparison, known)
