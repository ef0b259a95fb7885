"""`aisle choose`: what to judge next, for a model or for the verdict between two runs. Parses, calls, prints."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import click

from aisle.cli.options import json_option, named_columns, pair_column_option
from aisle.cli.output import print_json, print_table, progress_bar
from aisle.cli.overwriting import refuse_other_kind, refuse_overwriting
from aisle.errors import InputError

if TYPE_CHECKING:
    from aisle.improve.active.between import Telling
    from aisle.improve.active.choose import Pool
    from aisle.improve.active.verdict import Question
    from aisle.judgments.pairs import PairSet
    from aisle.judgments.read import Judgments
    from aisle.metrics import Metric

_SHOWN = 20
_STRATEGIES = ("informative", "entropy", "committee", "expected-change", "queries", "random")


@click.command()
@click.option("--pairs", "file", type=click.Path(path_type=Path), help="Pairs, graded or not: what a model needs next.")
@click.option(
    "--strategy", type=click.Choice(_STRATEGIES), default="entropy", show_default=True, help="How --pairs are chosen."
)
@click.option("--run", "runs", multiple=True, type=click.Path(path_type=Path), help="Two TREC runs, A and B.")
@click.option("--judgments", type=click.Path(path_type=Path), help="What is judged of them so far.")
@click.option("--catalogue", type=click.Path(path_type=Path), help="Catalogue of the runs, for the titles in --out.")
@click.option("--metric", default="nDCG@10", show_default=True, help="Of the verdict between the runs.")
@click.option("--sample", is_flag=True, help="Draw by chance, so that the grades give an unbiased difference.")
@click.option(
    "--drawn", type=click.Path(path_type=Path), help="An --out of --sample, judged now: print the difference."
)
@click.option("--count", type=click.IntRange(1), default=50, show_default=True, help="How many to judge.")
@click.option("--out", type=click.Path(path_type=Path), help="CSV for `aisle judge`, each row with why.")
@click.option("--seed", default=0, show_default=True, help="Of what is drawn.")
@pair_column_option
@json_option
def choose(
    file: Path | None,
    strategy: str,
    runs: tuple[Path, ...],
    judgments: Path | None,
    catalogue: Path | None,
    metric: str,
    sample: bool,
    drawn: Path | None,
    count: int,
    out: Path | None,
    seed: int,
    columns: tuple[str, ...],
    as_json: bool,
) -> None:
    """Choose the next pairs to judge.

    With --pairs, those whose grades a learnt ranking needs most. With two --run and --judgments, the unjudged
    products that may move the difference between the runs most; --sample draws them so that --drawn can tell it.

    Example: aisle choose --pairs pairs.csv --count 50 --out next.csv
    """
    if (file is None) == (not runs):
        received = "both --pairs and --run are given" if runs else "one of --pairs and --run is needed"
        raise InputError(
            received,
            allowed="--pairs FILE, or --run A --run B --judgments FILE",
            fix="leave one of them out" if runs else None,
        )
    refuse_overwriting({"--out": out}, [file, *runs, judgments, catalogue, drawn])
    refuse_other_kind({"--out": out}, "table")
    if file is not None:
        _for_model(_read_pool(file, columns), strategy, count, out, seed, as_json)
        return
    if len(runs) != 2 or judgments is None:
        raise InputError(f"{len(runs)} runs", allowed="--run A --run B --judgments FILE")
    if out is not None and catalogue is None:
        raise InputError("--out without --catalogue", allowed="--catalogue FILE, which has the titles")
    question = _ask(runs[0], runs[1], judgments, metric)
    if drawn is not None:
        _print_difference(question, drawn, as_json)
    else:
        _for_verdict(question, catalogue, count, seed if sample else None, out, as_json)


@dataclass(frozen=True)
class _Asked:
    """Two runs side by side, and what is judged of them."""

    questions: list[Question]
    known: Judgments
    metric: Metric

    @property
    def cutoff(self) -> int:
        return self.metric.cutoff or 0


def _ask(first: Path, second: Path, judgments: Path, metric: str) -> _Asked:
    from aisle.improve.active.between import questions
    from aisle.judgments import read_judgments, read_run
    from aisle.metrics import Metric

    known = read_judgments(judgments)
    measure = Metric.parse(metric, known.gains)
    return _Asked(questions(read_run(first), read_run(second), known, measure), known, measure)


def _read_pool(file: Path, columns: tuple[str, ...]) -> tuple[PairSet, Pool]:
    from aisle.encoders.embedded import EmbeddedEncoder
    from aisle.improve.active.choose import pool_of
    from aisle.judgments.pairs import read_pairs

    pairs = read_pairs(file, named_columns(columns))
    with progress_bar() as progress:
        return pairs, pool_of(pairs, EmbeddedEncoder(1).encode, progress)


def _for_model(
    read: tuple[PairSet, Pool], strategy: str, count: int, out: Path | None, seed: int, as_json: bool
) -> None:
    from aisle.improve.active.choose import STRATEGIES, choose, reviews
    from aisle.improve.review import write_reviews

    pairs, pool = read
    named = STRATEGIES[_STRATEGIES.index(strategy)]
    rows = choose(pool, named, count, seed)
    found = reviews(pool, pairs, rows, named, seed)
    if out is not None:
        write_reviews(out, found)
    if as_json:
        chosen = [
            {"row": row, "query": one.pair.query, "id": one.pair.doc_id, "title": one.pair.title, "why": one.reason}
            for row, one in zip(rows, found, strict=True)
        ]
        written = {} if out is None else {"out": str(out)}
        print_json({"strategy": strategy, "judged": int(pool.judged.sum()), "chosen": chosen} | written)
        return
    shown = [[one.pair.query, one.pair.title, one.reason] for one in found[:_SHOWN]]
    title = f"{len(rows):,} of {int((~pool.judged).sum()):,} unjudged pairs, {strategy}"
    print_table(title, ["query", "title", "why"], shown, _written(out, len(found)))


def _print_difference(asked: _Asked, drawn: Path, as_json: bool) -> None:
    from aisle.improve.active.between import read_drawn, verdict

    found = verdict(asked.questions, asked.cutoff, read_drawn(drawn))
    interval = found.interval
    if as_json:
        numbers = {"difference": interval.mean, "low": interval.low, "high": interval.high, "queries": interval.n}
        print_json({"metric": str(asked.metric), "judged": found.judged, **numbers})
        return
    rows = [[f"{interval.mean:+.4f}", f"{interval.low:+.4f} to {interval.high:+.4f}", f"{found.judged:,}"]]
    print_table(f"{asked.metric}, B less A, {interval.n} queries", ["difference", "95%", "grades"], rows)


def _for_verdict(
    asked: _Asked, catalogue: Path | None, count: int, seed: int | None, out: Path | None, as_json: bool
) -> None:
    from aisle.improve.active.between import telling, write_drawn

    chosen = telling(asked.questions, asked.cutoff, count, seed)
    names = {one.query_id: one.query for one in asked.known}
    if out is not None and catalogue is not None:
        ids, texts = _texts(catalogue, chosen)
        chosen = [replace(one, product=ids.get(one.product, one.product)) for one in chosen]
        write_drawn(out, chosen, texts, names)
    unknown = sum(int(one.open.sum()) for one in asked.questions)
    if as_json:
        written = {} if out is None else {"out": str(out)}
        print_json({"open": unknown, "chosen": [asdict(one) for one in chosen]} | written)
        return
    rows = [
        [names.get(one.query, one.query), one.product, f"{one.apart:+.3f}", f"{one.effect:.5f}", f"{one.chance:.2f}"]
        for one in chosen[:_SHOWN]
    ]
    title = f"{len(chosen):,} of {unknown:,} unjudged products that may move the difference"
    columns = ["query", "product", "discount, B less A", "may move it by", "chance"]
    print_table(title, columns, rows, _written(out, len(chosen)))


def _texts(catalogue: Path, chosen: list[Telling]) -> tuple[dict[str, str], dict[str, tuple[str, str]]]:
    """The catalogue's ids by those of the runs, where white space is ``_``; and its texts by its own ids."""
    from aisle.catalogue.clean import clean
    from aisle.config import CatalogueSettings
    from aisle.judgments import run_name

    wanted = {one.product for one in chosen}
    ids: dict[str, str] = {}
    texts: dict[str, tuple[str, str]] = {}
    with clean(catalogue, CatalogueSettings()) as cleaned:
        for product in cleaned:
            name = product.id if product.id in wanted else run_name(product.id)
            if name in wanted and (product.id == name or name not in ids):
                ids[name] = product.id
                texts[product.id] = (product.title, product.description)
    return ids, texts


def _written(out: Path | None, count: int) -> list[str]:
    more = [f"and {count - _SHOWN:,} more"] if count > _SHOWN else []
    return more if out is None else [*more, f"queue: {out}"]
