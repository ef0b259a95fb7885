"""`aisle check-labels`: judgments in, those that deserve a second look out. Parses, calls, prints."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from aisle.cli.options import Number, json_option, named_columns, pair_column_option
from aisle.cli.output import print_json, print_table, progress_bar
from aisle.cli.overwriting import refuse_other_kind, refuse_overwriting

if TYPE_CHECKING:
    from aisle.improve.hygiene.check import Findings
    from aisle.improve.hygiene.raters import Disagreement
    from aisle.judgments.pairs import PairSet


@click.command("check-labels")
@click.argument("file", metavar="PAIRS", type=click.Path(path_type=Path))
@click.option(
    "--against", type=click.Path(path_type=Path), help="Another file that must share no query, as a test set."
)
@click.option(
    "--ratings", type=click.Path(path_type=Path), help="Grades of several raters, to see where they disagree."
)
@click.option("--rater", "names", multiple=True, metavar="COLUMN", help="A rater's column of --ratings; repeatable.")
@click.option(
    "--out", type=click.Path(path_type=Path), help="CSV for `aisle judge`: the suspects, each with its reason."
)
@click.option("--cleaned", type=click.Path(path_type=Path), help="CSV of the pairs without the suspects, to train on.")
@click.option(
    "--weights", type=click.Path(path_type=Path), help="CSV of all pairs with a column weight that aisle train honours."
)
@click.option("--weight", "down_to", default=0.25, show_default=True, type=Number(0, 1), help="Of a suspect there.")
@click.option(
    "--distance", type=click.IntRange(1), help="How many levels a grade must be off; default: half the scale."
)
@click.option(
    "--threshold",
    type=Number(-30, 30),
    help="Log of how much likelier such an error must be; default: 1.8, less where many are.",
)
@click.option("--middle", is_flag=True, help="Suspect grades between the ends of the scale, too.")
@click.option("--use-variance", is_flag=True, help="Let the raters' variance in the file be a signal.")
@click.option("--repeats", type=click.IntRange(1), default=2, show_default=True, help="Cross-validations to average.")
@click.option("--limit", type=click.IntRange(0), default=20, show_default=True, help="Rows of each table.")
@pair_column_option
@json_option
def check_labels(
    file: Path,
    against: Path | None,
    ratings: Path | None,
    names: tuple[str, ...],
    out: Path | None,
    cleaned: Path | None,
    weights: Path | None,
    down_to: float,
    distance: int | None,
    threshold: float | None,
    middle: bool,
    use_variance: bool,
    repeats: int,
    limit: int,
    columns: tuple[str, ...],
    as_json: bool,
) -> None:
    """Find judgments in PAIRS that are likely wrong, pairs that stand twice, queries whose raters disagree.

    A grade is suspect where the same query's other pairs, the words and the meaning say that it belongs at the other
    end of the scale. Nothing is changed; --out writes what people should look at, --cleaned and --weights what to train
    on until they have.

    Example: aisle check-labels pairs.csv --out review.csv
    """
    from aisle.encoders.embedded import EmbeddedEncoder
    from aisle.improve.hygiene.check import CheckSettings, check
    from aisle.improve.hygiene.grader import GraderSettings
    from aisle.improve.review import write_graded, write_reviews
    from aisle.judgments.pairs import read_pairs

    files = {"--out": out, "--cleaned": cleaned, "--weights": weights}
    refuse_overwriting(files, [file, against, ratings])
    refuse_other_kind(files, "table")
    named = named_columns(columns)
    pairs = read_pairs(file, named, need_grades=True)
    other = read_pairs(against, named) if against is not None else None
    raters = _disagreements(ratings, names) if ratings is not None else []
    settings = CheckSettings(
        distance or 0, threshold, middle, use_variance=use_variance, grader=GraderSettings(repeats=repeats)
    )
    with progress_bar() as progress:
        found = check(pairs, EmbeddedEncoder(1).encode, settings, other, progress)
    if out is not None:
        write_reviews(out, found.reviews(pairs))
    if cleaned is not None:
        wrong = {one.row for one in found.suspects}
        write_graded(cleaned, [pair for row, pair in enumerate(pairs) if row not in wrong])
    if weights is not None:
        write_graded(weights, found.weighed(pairs, down_to), weights=True)
    written = {option.removeprefix("--"): str(path) for option, path in files.items() if path is not None}
    disagreements = raters or found.disagreements
    if as_json:
        print_json(_plain(pairs, found, disagreements) | written)
        return
    _print(pairs, found, disagreements, limit)
    for name, path in written.items():
        click.echo(f"{name}: {path}", err=True)


def _disagreements(path: Path, names: tuple[str, ...]) -> list[Disagreement]:
    from aisle.improve.hygiene.raters import disagreements, variances
    from aisle.improve.judging.ratings import Ratings, read_given

    read = Ratings.of(read_given([path], names))
    return disagreements([read.texts[key] for key, _ in read.pairs], variances(read.grades), read.grades)


def _plain(pairs: PairSet, found: Findings, disagreements: Sequence[Disagreement]) -> dict[str, Any]:
    return {
        "pairs": len(pairs),
        "distance": found.distance,
        "threshold": round(found.threshold, 3),
        "expected_errors": round(found.expected_errors, 1),
        "suspects": [asdict(one) | _named(pairs, one.row) for one in found.suspects],
        "spellings": [asdict(one) for one in found.spellings],
        "contradictions": [
            asdict(one) | {"titles": [pairs[one.first].title, pairs[one.second].title]} for one in found.contradictions
        ],
        "leaks": [asdict(one) for one in found.leaks],
        "disagreements": [asdict(one) for one in disagreements],
    }


def _named(pairs: PairSet, row: int) -> dict[str, str]:
    return {"query": pairs[row].query, "id": pairs[row].doc_id, "title": pairs[row].title}


def _print(pairs: PairSet, found: Findings, disagreements: Sequence[Disagreement], limit: int) -> None:
    print_table(
        f"Likely wrong by {found.distance} levels or more: {len(found.suspects):,} of {len(found.rows):,} grades",
        ["query", "title", "grade", "likelier", "suspicion"],
        [
            [pairs[one.row].query, pairs[one.row].title, f"{one.grade:g}", f"{one.likeliest:g}", f"{one.suspicion:.2f}"]
            for one in found.suspects[:limit]
        ],
        [
            f"suspicion above {found.threshold:.2f}; "
            f"confident learning estimates {found.expected_errors:.0f} such errors"
        ],
    )
    if found.contradictions:
        rows = [
            [
                pairs[one.first].query,
                pairs[one.first].title,
                pairs[one.second].title,
                _grades(pairs, one.first, one.second),
            ]
            for one in found.contradictions[:limit]
        ]
        count = len(found.contradictions)
        print_table(f"Like titles with unlike grades: {count:,}", ["query", "title", "and", "grades"], rows)
    if found.spellings:
        spelt = [[", ".join(one.queries), f"{one.pairs:,}"] for one in found.spellings[:limit]]
        print_table(f"One query in several spellings: {len(found.spellings):,}", ["queries", "pairs"], spelt)
    if found.leaks:
        leaked = [[one.query, one.other, f"{one.pairs:,}", f"{one.same_titles:,}"] for one in found.leaks[:limit]]
        print_table(
            f"Queries that the other file has, too: {len(found.leaks):,}",
            ["query", "there", "pairs", "with the same title"],
            leaked,
        )
    if disagreements:
        print_table(
            "Queries whose raters disagree most",
            ["query", "pairs", "variance", "drawn to the mean", "pairs with raters 2 apart"],
            [
                [
                    one.query,
                    f"{one.pairs:,}",
                    f"{one.variance:.2f}",
                    f"{one.drawn:.2f}",
                    "" if one.split is None else f"{one.split:.0%}",
                ]
                for one in disagreements[:limit]
            ],
        )


def _grades(pairs: PairSet, first: int, second: int) -> str:
    return " and ".join("" if (grade := pairs[row].grade) is None else f"{grade:g}" for row in (first, second))
