"""`aisle evaluate --bias`: brands, genders and origins exchanged in judged pairs. Parses, calls, prints."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from aisle.cli.options import named_columns
from aisle.cli.output import print_json, print_table, progress_bar
from aisle.cli.rank import BM25, scorer_of
from aisle.errors import InputError

if TYPE_CHECKING:
    from aisle.improve.bias import Axis, Bias
    from aisle.judgments.pairs import PairSet

_SHOWN = 12
_SIDES = {"title": "in titles of queries that name none", "both": "in query and titles alike"}


def measure(given: Mapping[str, Any]) -> None:
    """Run the probes as the options of `aisle evaluate` say, and print them.

    Raises:
        InputError: Options that do not go together, or an axis of an unknown name.
        ArtifactError, JudgmentError, MetricError: A file or a model cannot be used.
    """
    from aisle.improve.bias import bias
    from aisle.judgments.pairs import read_pairs

    axes = _check(given)
    pairs = read_pairs(given["pairs"][0], named_columns(given["columns"]))
    scorer = scorer_of(str(given["model"]), pairs)

    def score(asked: PairSet) -> Any:
        return scorer(asked, lambda stage, done, total: None)

    with progress_bar() as progress:
        found = bias(score, pairs, axes, progress=progress)
    if given["as_json"]:
        head = {"pairs": str(given["pairs"][0]), "model": given["model"]}
        print_json(head | {"bias": [one.to_dict() for one in found]})
        return
    print_bias(f"{given['pairs'][0]}, {given['model']}: scores where nothing that counts has changed", found)


def print_bias(title: str, found: tuple[Bias, ...]) -> None:
    """What moved, then the groups that gain or lose by more than chance."""
    rows = []
    for one in found:
        ndcg = one.ndcg.interval
        change = f"{ndcg.mean:+.3f} [{ndcg.low:+.3f}, {ndcg.high:+.3f}]" if ndcg.n else "–"
        move = f"{one.move.mean:.3f} [{one.move.low:.3f}, {one.move.high:.3f}]"
        rows.append(
            [f"{one.axis}, {one.side}", f"{one.rows:,}", f"{one.queries:,}", move, f"{one.places.mean:.2f}", change]
        )
    columns = ["exchanged", "pairs", "queries", "move, 95%", "places", "nDCG@10 change, 95%"]
    notes = [f"{side}: exchanged {meaning}" for side, meaning in _SIDES.items()]
    notes.append("move: mean absolute move of a score, in standard deviations of its query's scores; places: in ranks")
    print_table(title, columns, rows, notes)
    moved = [(one, group) for one in found for group in one.favoured]
    tested = sum(len(one.groups) for one in found)
    rows = [
        [
            f"{group.name} ({one.axis}, {one.side}, {group.field})",
            f"{group.shift.n:,}",
            f"{group.shift.mean:+.3f} [{group.shift.low:+.3f}, {group.shift.high:+.3f}]",
            f"{group.adjusted_p:.4f}",
        ]
        for one, group in moved[:_SHOWN]
    ]
    note = f"{len(moved)} of {tested} groups differ from the mean of their field (p below .05 after Holm, by exchange)"
    print_table("Favoured (+) and held back (-)", ["group", "queries", "shift, 95%", "p (Holm)"], rows, [note])


def _check(given: Mapping[str, Any]) -> tuple[Axis, ...]:
    from aisle.improve.bias import AXES

    if len(given["pairs"]) != 1 or given["model"] is None:
        raise InputError(
            "--bias has nothing to measure", allowed="one --pairs FILE, and --model as aisle rank takes it"
        )
    if given["model"] == BM25:
        raise InputError(
            "--bias of bm25: a word that becomes rarer by the exchange scores more, whatever it means",
            allowed="embedded, an encoder or a re-ranker",
        )
    if given["shoppers_file"] is not None:
        raise InputError("--shoppers beside --bias, whose pairs are not searched", fix="leave --shoppers out")
    for name in ("run", "judgments", "metrics", "report"):
        if given[name]:
            raise InputError(f"{name} beside --bias", fix="leave it out")
    unknown = next((name for name in given["only"] if name not in AXES), None)
    if unknown is not None:
        raise InputError(f"there is no axis {unknown!r}", allowed=", ".join(AXES))
    return tuple(axis for axis in AXES if not given["only"] or axis in given["only"])
