"""`aisle evaluate --robustness`: the judgments again, in other words and with dirty titles.

Parses, calls ``aisle.improve.robustness``, prints.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from aisle.artifacts import MANIFEST
from aisle.cli.options import named_columns
from aisle.cli.output import print_json, print_table, progress_bar
from aisle.cli.rank import BM25, scorer_of
from aisle.cli.shoppers import say_if_unread, shoppers_of
from aisle.errors import ArtifactError, InputError, JudgmentError

if TYPE_CHECKING:
    from aisle.improve.robustness import Perturbation, Report
    from aisle.judgments.pairs import PairSet

METRIC = "nDCG@10"
_NO_TITLES = "an index has no perturbations of titles; use --pairs"
_LABELS = {"wrong": "unjudged = wrong", "removed": "judged only"}


def measure(given: Mapping[str, Any]) -> None:
    """Run the suite as the options of `aisle evaluate` say, and print it.

    Raises:
        InputError: Options that do not go together, or a perturbation of an unknown name.
        ArtifactError, JudgmentError, MetricError: A file, a model or a folder cannot be used.
    """
    _check(given)
    reports = _on_pairs(given) if given["pairs"] else _on_index(given)
    named_titles = given["only"] and not given["pairs"]
    left_out = [one.name for one in _chosen(given) if one.side == "title"] if named_titles else []
    if given["as_json"]:
        head = _head(given) | ({"left_out": dict.fromkeys(left_out, _NO_TITLES)} if left_out else {})
        print_json(head | {"robustness": {name: report.to_dict() for name, report in reports.items()}})
        return
    for name, report in reports.items():
        print_report(_title(given, name), report, [f"left out: {one}: {_NO_TITLES}" for one in left_out])


def print_report(title: str, report: Report, more: Sequence[str] = ()) -> None:
    """One table: a row for each perturbation, the score below, and more notes."""
    rows = []
    for drop in report.drops:
        interval, least = drop.difference.interval, drop.difference.detectable
        rows.append(
            [
                drop.name,
                f"{drop.touched:,}",
                f"{drop.mean:.3f}",
                f"{interval.mean:+.3f} [{interval.low:+.3f}, {interval.high:+.3f}]",
                f"{drop.adjusted_p:.4f}",
                "–" if least is None else f"{least:.3f}",
                f"{drop.among_touched.mean:+.3f}",
            ]
        )
    columns = ["perturbation", "touched", report.metric, "change, 95%", "p (Holm)", "detectable", "among touched"]
    print_table(title, columns, rows, [*notes_on(report), *more])


def notes_on(report: Report) -> list[str]:
    """What the table says in sum, and what its words mean."""
    score, worst = report.score, report.worst
    notes = [
        f"clean {report.clean.mean:.3f} [{report.clean.low:.3f}, {report.clean.high:.3f}] over {report.clean.n:,}"
        f" queries; mean over the perturbations {report.robust:.3f}",
        f"robustness {score.mean:.3f} [{score.low:.3f}, {score.high:.3f}]: mean over the perturbations / clean",
    ]
    if report.chance is not None:
        kept = "nothing to keep" if report.lead_kept is None else f"{report.lead_kept:.1%} of it is kept"
        notes.append(f"a random order of the same texts has {report.chance:.3f}; of the lead over it: {kept}")
    before, after = worst.example
    place = "worst" if report.got_worse else "nothing got worse; the least gain"
    notes += [
        f"{place}: {worst.name} {worst.difference.interval.mean:+.3f}, such as {before[:60]!r} -> {after[:60]!r}",
        "touched: queries that are changed, or have a title that is; the others count with no change",
        "detectable: the smallest true change that these queries show with 80% power (alpha .05)",
    ]
    if report.idle:
        notes.append(f"nothing to change for: {', '.join(report.idle)}")
    return notes


# --- what is measured --------------------------------------------------------------------------------------


def _on_pairs(given: Mapping[str, Any]) -> dict[str, Report]:
    from aisle.improve.robustness import robustness

    pairs = _read(given["pairs"], given["columns"])
    model = str(given["model"])
    scorer = scorer_of(model)

    def score(asked: PairSet) -> Any:
        return scorer(asked, _silent)

    with progress_bar() as progress:
        report = robustness(score, pairs, _chosen(given), _seeds(given), alone=model != BM25, progress=progress)
    return {model: report}


def _on_index(given: Mapping[str, Any]) -> dict[str, Report]:
    from aisle.cli.evaluate_index import DEPTH, say_if_unknown
    from aisle.cli.search import answer, open_engine
    from aisle.improve.robustness import search_robustness
    from aisle.judgments import read_judgments, read_queries
    from aisle.metrics import Metric

    folder, mode = Path(given["run"]), given["mode"]
    if not (folder / MANIFEST).is_file():
        raise ArtifactError(
            f"{str(folder)!r} is no index: no folder with {MANIFEST}; a run that is made cannot be asked again",
            allowed="a folder made by aisle index, or --pairs",
        )
    judgments, queries = read_judgments(given["judgments"]), read_queries(given["judgments"])
    shoppers = shoppers_of(given["shoppers_file"], dict(queries))
    with open_engine(folder, given["recipe_file"], given["model"]) as engine:
        say_if_unknown(engine, judgments)
        say_if_unread(engine, shoppers, mode)

        def ask(asked: Sequence[tuple[str, str]]) -> Mapping[str, Sequence[tuple[str, float]]]:
            return answer(engine, asked, mode, DEPTH, shoppers)

        found = search_robustness(
            ask,
            queries,
            judgments,
            Metric.parse(METRIC, judgments.gains),
            perturbations=_chosen(given),
            seeds=_seeds(given),
        )
    return {str(treatment): found[treatment] for treatment in ("removed", "wrong")}


def _read(files: Sequence[Path], columns: tuple[str, ...]) -> PairSet:
    from aisle.judgments.pairs import read_pairs

    if len(files) > 1:
        raise InputError(f"--robustness with {len(files)} files of pairs", allowed="one --pairs FILE")
    pairs: PairSet = read_pairs(files[0], named_columns(columns), need_grades=True)
    return pairs.by_gain()


def _chosen(given: Mapping[str, Any]) -> Sequence[Perturbation]:
    from aisle.improve.robustness import named, standard

    return named(tuple(given["only"]), standard())


def _seeds(given: Mapping[str, Any]) -> range:
    return range(int(given["seeds"]))


def _silent(stage: str, done: int, total: int | None) -> None:
    """The suite has a progress of its own."""


def _check(given: Mapping[str, Any]) -> None:
    if given["metrics"]:
        raise InputError("--metrics beside --robustness", allowed=f"{METRIC} alone", fix="leave --metrics out")
    if given["report"]:
        raise InputError("--report beside --robustness", fix="leave --report out, or print with --json")
    if given["pairs"]:
        if given["run"] is not None or given["judgments"] is not None:
            raise InputError("--pairs beside an index or --judgments", allowed="one or the other")
        if given["shoppers_file"] is not None:
            raise InputError("--shoppers beside --pairs, which are not searched", fix="leave --shoppers out")
        if given["model"] is None:
            raise InputError("--pairs without --model", allowed="bm25, embedded, or what aisle rank --model takes")
    elif given["run"] is None or given["judgments"] is None:
        raise JudgmentError(
            "--robustness has nothing to measure", allowed="an index and --judgments FILE, or --pairs FILE and --model"
        )


def _head(given: Mapping[str, Any]) -> dict[str, Any]:
    if given["pairs"]:
        return {"pairs": str(given["pairs"][0]), "model": given["model"], "seeds": given["seeds"]}
    head = {"index": str(given["run"]), "judgments": str(given["judgments"]), "mode": given["mode"]}
    return head | {"model": given["model"], "seeds": given["seeds"]}


def _title(given: Mapping[str, Any], name: str) -> str:
    if given["pairs"]:
        return f"{given['pairs'][0]}, {name}: {METRIC} inside each query's judged texts"
    return f"{given['run']}, {given['mode']}, {_LABELS[name]}"
