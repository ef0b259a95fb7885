"""`aisle rank`: the texts that stand beside each query in a file, ordered by a model, as a TREC run.

Parses, scores, writes. Labels are read only once the run is written, for how to evaluate it.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click
import numpy as np

from aisle.artifacts import MANIFEST, read_kind
from aisle.cli.options import json_option, named_columns, pair_column_option
from aisle.cli.output import print_json, print_table, progress_bar
from aisle.cli.overwriting import refuse_other_kind, refuse_overwriting
from aisle.cli.verdicts import say_if_not_promoted
from aisle.encoders.load import EMBEDDED
from aisle.errors import ArtifactError, JudgmentError
from aisle.rerankers.slow import SlowReranker, is_spec
from aisle.types import Array, Encoder, Product, Progress, Reranker

if TYPE_CHECKING:
    from aisle.judgments.pairs import PairSet

Scorer = Callable[["PairSet", Progress], Array]
"""Pairs to ``(n,)``, higher is better."""

BM25 = "bm25"
_ALLOWED = f"{BM25}, {EMBEDDED}, the folder of an Aisle encoder or re-ranker, or the TOML file of a language model"
_TYPED = 10
"""A gain table is a command that one would type up to so many grades and so high a level."""


@click.command()
@click.option(
    "--pairs",
    "files",
    required=True,
    multiple=True,
    type=click.Path(path_type=Path),
    help="Table or JSON Lines with query, title and, best, id; repeatable.",
)
@click.option(
    "--model",
    required=True,
    metavar="DIR|FILE|embedded|bm25",
    help="Folder of an encoder or re-ranker, the TOML file of a language model, or a name.",
)
@click.option("--out", required=True, type=click.Path(path_type=Path), help="TREC run to write.")
@pair_column_option
@json_option
def rank(files: tuple[Path, ...], model: str, out: Path, columns: tuple[str, ...], as_json: bool) -> None:
    """Order the texts that stand beside each query in a file of pairs, and write a TREC run.

    A text is named by the column `id`, else by its row, from 0; a query by its query_id, else by its text.

    Example: aisle rank --pairs pairs.csv --model embedded --out embedded.trec
    """
    from aisle.judgments import write_run
    from aisle.judgments.pairs import PairSet, read_pairs

    refuse_overwriting({"--out": out}, [*files, Path(model)])
    refuse_other_kind({"--out": out}, "run")
    named = named_columns(columns)
    sets = [read_pairs(file, named, labels=False) for file in files]
    _check_together(sets)
    pairs = PairSet(tuple(pair for found in sets for pair in found), None, ", ".join(map(str, files)))
    reranker = _reranker(model)
    scorer = _scorer(model) if reranker is None else _by_reranker(reranker)
    say_if_not_promoted(model)
    with progress_bar() as progress:
        scores = scorer(pairs, progress)
    cost = reranker.client.cost() if isinstance(reranker, SlowReranker) else None
    run = _run(pairs, scores)
    write_run(out, run, tag=Path(model).name)
    labelled = _labelled(files, named)
    graded = sum(pair.grade is not None for found in labelled for pair in found) if labelled else None
    alike = zip(files, labelled, strict=True) if graded == len(pairs) else ()
    notes = [_how_to_evaluate(file, named, found, out) for file, found in alike]
    if as_json:
        head = {"run": str(out), "model": model, "pairs_files": [str(file) for file in files]}
        counts = {"queries": len(run), "pairs": len(pairs), "graded": graded, "to_evaluate": notes}
        print_json(head | counts | ({"cost": cost.to_dict()} if cost else {}))
        return
    rows = [["queries", f"{len(run):,}"], ["pairs", f"{len(pairs):,}"]]
    rows += [["graded", "cannot be read" if graded is None else f"{graded:,}"]]
    rows += cost.rows() if cost else []
    print_table(f"Wrote {out}", ["", "count"], rows, [f"to evaluate: {note}" for note in notes])


# --- pairs -------------------------------------------------------------------------------------------------


def _check_together(sets: Sequence[PairSet]) -> None:
    """Several files make one run only if a query and an id say which row of which file is meant."""
    from aisle.judgments import run_name

    if len(sets) < 2:
        return
    numbered = next((found for found in sets if found.numbered), None)
    if numbered is not None:
        raise JudgmentError(
            f"{numbered.source!r} has no column id: its rows are numbered from 0, as those of another file may be",
            fix="add ids that differ, say which column they are (--column id=NAME), or rank one file at a time",
        )
    owners: dict[tuple[str, str], int] = {}
    texts: dict[str, tuple[str, int]] = {}
    for number, pair in ((number, pair) for number, found in enumerate(sets) for pair in found):
        here = repr(sets[number].source)
        owner = owners.setdefault((pair.query_id, pair.doc_id), number)
        if owner != number:
            raise JudgmentError(
                f"id {pair.doc_id[:80]!r} of query {pair.query_id[:80]!r} is in {sets[owner].source!r} and in {here}",
                fix="give the texts ids that differ, or rank one file at a time",
            )
        text, first = texts.setdefault(pair.query_id, (pair.query, number))
        if text != pair.query and run_name(text) != run_name(pair.query):
            raise JudgmentError(
                f"query_id {pair.query_id[:80]!r} is {text[:80]!r} in {sets[first].source!r}, but "
                f"{pair.query[:80]!r} in {here}",
                fix="give each query text its own query_id, or rank one file at a time",
            )


def _run(pairs: PairSet, scores: Array) -> dict[str, list[tuple[str, float]]]:
    """Each query's texts, best first, ordered and rounded as ``aisle.evaluate.pools`` does."""
    from aisle.evaluate.pools import SCORE_DECIMALS, best_first

    rounded = np.round(scores.astype(np.float64), SCORE_DECIMALS)
    return {
        query: [(pairs[row].doc_id, float(rounded[row])) for row in best_first(rows, scores)]
        for query, rows in pairs.by_query().items()
    }


# --- models ------------------------------------------------------------------------------------------------


def scorer_of(model: str, lists: PairSet | None = None) -> Scorer:
    """What scores pairs under this name, as `aisle rank` does.

    Args:
        model: A model's name.
        lists: Where a score depends on a query's other texts, each pair is scored as it would stand in the list of its
            query here; a line feed and what follows it in a query's id do not count.

    Raises:
        ArtifactError: It names no model, or one that cannot be loaded.
    """
    reranker = _reranker(model)
    return _scorer(model) if reranker is None else _by_reranker(reranker, lists)


def _reranker(model: str) -> Reranker | None:
    """The re-ranker under this name; None where it is something else."""
    from aisle.rerankers.load import load_reranker

    folder = Path(model).expanduser()
    if model in (BM25, EMBEDDED) or not (is_spec(folder) or read_kind(folder) == "reranker"):
        return None
    return load_reranker(folder)


def _scorer(model: str) -> Scorer:
    """What scores pairs under the name of an encoder.

    Raises:
        ArtifactError: It names no model, or one that cannot be loaded.
    """
    if model == BM25:
        return _score_by_words
    kind = "encoder" if model == EMBEDDED else read_kind(Path(model).expanduser())
    if kind == "encoder":
        from aisle.encoders.load import load_encoder

        return _by_encoder(load_encoder(model))
    what = f"{model!r} is of kind {kind!r}" if kind else f"{model!r} is no model: no folder with {MANIFEST}"
    raise ArtifactError(what, allowed=_ALLOWED, fix="check --model")


def _score_by_words(pairs: PairSet, progress: Progress) -> Array:
    from aisle.indexes import segment
    from aisle.judgments.pairs import pair_text
    from aisle.ranking.pool_bm25 import PoolBm25

    progress("words", 0, len(pairs))
    bm25 = PoolBm25([pair_text(pair) for pair in pairs], segment=segment)
    scores = bm25.score([pair.query for pair in pairs], range(len(pairs)))
    progress("words", len(pairs), len(pairs))
    return scores


def _by_encoder(encoder: Encoder) -> Scorer:
    from aisle.encoders.kept import KeptVectors

    kept = KeptVectors(encoder)  # who asks again, with few texts changed, waits for these alone

    def score(pairs: PairSet, progress: Progress) -> Array:
        from aisle.encoders.cosines import cosines
        from aisle.encoders.onnx import OnnxEncoder
        from aisle.judgments.pairs import pair_text

        description = isinstance(encoder, OnnxEncoder) and encoder.reads_description
        texts = [pair_text(pair, description) for pair in pairs]
        return cosines(kept.encode, [pair.query for pair in pairs], texts, progress)

    return score


def _by_reranker(reranker: Reranker, lists: PairSet | None = None) -> Scorer:
    from aisle.rerankers.listwise import among

    known = {} if lists is None else {key: _products(lists, rows) for key, rows in lists.by_query().items()}

    def score(pairs: PairSet, progress: Progress) -> Array:
        scores = np.empty(len(pairs), np.float32)
        groups = pairs.by_query()
        for done, (key, rows) in enumerate(groups.items(), start=1):
            query, there = pairs[rows[0]].query, known.get(key.split("\n")[0])
            asked = reranker if there is None else among(reranker, query, there)
            scores[rows] = asked.score(query, _products(pairs, rows))
            progress("queries", done, len(groups))
        return scores

    return score


def _products(pairs: PairSet, rows: Sequence[int]) -> list[Product]:
    return [Product(pairs[row].doc_id, pairs[row].title, pairs[row].description) for row in rows]


# --- what to do next ---------------------------------------------------------------------------------------


def _labelled(files: Sequence[Path], named: Mapping[str, str]) -> list[PairSet]:
    """The files with their labels; none where those of one cannot be read, which a run does not need."""
    from aisle.judgments.pairs import read_pairs

    try:
        return [read_pairs(file, named) for file in files]
    except JudgmentError:
        return []


def _how_to_evaluate(file: Path, named: Mapping[str, str], pairs: PairSet, out: Path) -> str:
    """How to measure the run against the grades of this file, with gains that count from its least grade.

    One command where `aisle evaluate` reads the file alike. It takes any usual product column as the name of a text,
    and grades as they are, so other files are written as judgments first.
    """
    from aisle.judgments import read_judgments

    evaluate = f"aisle evaluate {shlex.quote(str(out))} --judgments"
    low = pairs.scale.low if pairs.scale else 0.0
    try:
        known = {(item.query_id, item.product_id, item.grade) for item in read_judgments(file)}
    except JudgmentError:
        known = set()
    if known == {(pair.query_id, pair.doc_id, pair.grade) for pair in pairs}:
        grades = sorted({grade for _, _, grade in known})
        if low == 0:
            return f"{evaluate} {shlex.quote(str(file))}"
        if all(grade > 0 and grade.is_integer() for grade in grades) and max(len(grades), grades[-1] - low) <= _TYPED:
            gain = ",".join(f"{int(grade)}:{2 ** int(grade - low) - 1}" for grade in grades)
            return f"{evaluate} {shlex.quote(str(file))} --metrics 'nDCG(gain={gain})@10'"
    given = f", {dict(named)!r}" if named else ""
    worth = ".by_gain()" if pairs.scale and pairs.scale.gains else ""
    read = f"read_pairs(Path({str(file)!r}){given}){worth}.judgments()"
    return f"in Python, write_judgments(Path('levels.csv'), {read}); then {evaluate} levels.csv"
