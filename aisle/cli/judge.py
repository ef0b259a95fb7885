"""`aisle judge`: people and language models judge pairs; how far they agree; one judgment of many.

The terminal writes the same file as the page `/judge` of the service.
"""

from __future__ import annotations

import os
import shlex
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from aisle.cli.judge_clicks import clicks
from aisle.cli.judge_tables import print_agreement, print_examination
from aisle.cli.options import Number, json_option, named_columns, pair_column_option
from aisle.cli.output import print_json, print_table, progress_bar
from aisle.cli.overwriting import refuse_other_kind, refuse_overwriting
from aisle.errors import BudgetError, InputError, JudgmentError

if TYPE_CHECKING:
    from aisle.improve.judging.queue import Session
    from aisle.improve.judging.ratings import AgreementReport
    from aisle.judgments.pairs import TextPair

_file = click.Path(path_type=Path)
_MEANINGS = {
    "en": ("not relevant", "related", "a good substitute", "exactly what is asked for"),
    "zh": ("不相关", "有关联", "很好的替代品", "正是所求"),
}
_KEYS = {"en": "u undo, s skip, q quit", "zh": "u 撤销，s 跳过，q 退出"}
_END = {"en": "That was the last one: u undo, q quit", "zh": "已是最后一个：u 撤销，q 退出"}
scale_option = click.option("--highest", default=3, show_default=True, help="The highest grade; the lowest is 0.")


@click.group()
def judge() -> None:
    """Judge pairs of queries and products: people, language models, clicks; docs/judging.md."""


@judge.command()
@click.argument("pairs", required=False, metavar="[PAIRS]", type=_file)
@click.option("--index", type=_file, help="Instead of PAIRS: the products that this index finds for --queries.")
@click.option("--queries", type=_file, help="One query a line, or any judgments file.")
@click.option("--depth", default=10, show_default=True, help="First products of each query, by words and by meaning.")
@click.option("--store", required=True, type=_file, help="Where judgments go, such as shop.state/judgments.jsonl.")
@click.option("--rater", required=True, help="Who you are.")
@click.option("--anchors", type=_file, help="Pairs with known grades, mixed in unmarked.")
@click.option("--anchor-share", default=0.1, show_default=True, help="So many for each pair.")
@click.option("--each", default=0, show_default=True, help="Pairs that so many people judged are done; 0: all of them.")
@click.option("--seed", default=0, show_default=True, help="Another gives another order.")
@click.option("--language", type=click.Choice(["en", "zh"]), help="Of what is shown; default: that of LANG.")
@scale_option
@pair_column_option
def queue(
    pairs: Path | None,
    index: Path | None,
    queries: Path | None,
    depth: int,
    store: Path,
    rater: str,
    anchors: Path | None,
    anchor_share: float,
    each: int,
    seed: int,
    language: str | None,
    highest: int,
    columns: tuple[str, ...],
) -> None:
    """Judge pairs one by one: keys 0 to 3 for the grade, u to undo, s to skip, q to quit.

    Every answer is kept at once; the same command goes on where it was. Nobody's grades are shown.

    Example: aisle judge queue pairs.csv --store judgments.jsonl --rater ann
    """
    from aisle.improve.judging.queue import Plan, Session
    from aisle.improve.judging.queue import queue as queue_of
    from aisle.judgments.given import JudgmentFile
    from aisle.judgments.pairs import read_pairs

    if not 1 <= highest <= 9:
        raise InputError(f"--highest {highest}", allowed="1 to 9: a grade is one key")
    refuse_overwriting({"--store": store}, [pairs, index, queries, anchors])
    refuse_other_kind({"--store": store}, "store")
    plan = Plan(rater, seed, anchor_share, each)
    everything = read_pairs(pairs, named_columns(columns)).items if pairs else _of_index(index, queries, depth)
    known = read_pairs(anchors).items if anchors else ()
    file = JudgmentFile(store)
    session = Session(queue_of(everything, known, file.read(), plan), file, rater, highest)
    _work(session, language or ("zh" if os.environ.get("LANG", "").startswith("zh") else "en"), highest)
    click.echo(f"{session.graded:,} judged, {session.skipped:,} skipped, {session.left:,} left in {store}")


def _of_index(index: Path | None, queries: Path | None, depth: int) -> tuple[TextPair, ...]:
    from aisle.engine import SearchEngine
    from aisle.improve.judging.queue import pooled
    from aisle.judgments import read_queries

    if index is None or queries is None:
        raise InputError("nothing to judge", allowed="a file of pairs, or --index DIR with --queries FILE")
    asked = read_queries(queries)
    with SearchEngine.open(index) as engine:
        return pooled(engine, asked, depth)


def _work(session: Session, language: str, highest: int) -> None:
    """One key after the other, until nothing is left."""
    meanings = _MEANINGS[language] if highest == 3 else ("",) * (highest + 1)
    line = "  ".join(f"{grade} {meaning}".strip() for grade, meaning in enumerate(meanings))
    while session.left or session.graded or session.skipped:
        pair = session.current
        if pair is not None:
            _show(pair, session.left)
            click.echo(f"{line}\n{_KEYS[language]} > ", nl=False)
        else:
            click.echo(f"\n{_END[language]} > ", nl=False)
        while True:
            try:
                key = click.getchar().lower() or "q"  # nothing at the end of a pipe
            except EOFError:
                key = "q"
            except OSError as error:
                click.echo()
                raise InputError(
                    f"no key can be read, since there is no terminal: {error.strerror or error}",
                    allowed="a terminal to type in",
                    fix="start it in a terminal, or judge on the page /judge of aisle serve, or by aisle judge llm",
                ) from None
            if key in ("u", "s", "q") or (pair is not None and key.isascii() and key.isdigit() and int(key) <= highest):
                break
        click.echo(key)
        if key == "q":
            return
        if key == "s":
            session.skip()
        elif key != "u":
            session.grade(int(key))
        elif not session.undo():
            click.echo("nothing to undo")


def _show(pair: TextPair, left: int) -> None:
    """Query and product; control characters of a stranger's text never reach the terminal."""
    from rich.console import Console
    from rich.text import Text

    from aisle.language.normalise import single_blanks, visible

    console = Console(file=sys.stdout, highlight=False)
    query, title, description = (single_blanks(visible(text)) for text in (pair.query, pair.title, pair.description))
    console.print()
    console.print(Text(f"[{left:,}] "), Text(query, style="bold"))
    console.print(Text(f"  {title}"))
    if description:
        console.print(Text(f"  {description[:600]}", style="dim"))


@judge.command()
@click.argument("files", nargs=-1, required=True, type=_file)
@click.option("--rater", "raters", multiple=True, metavar="COLUMN", help="FILES are tables, a column a rater.")
@click.option("--anchors", type=_file, help="Judgments taken for right: precision and recall by grade of each rater.")
@scale_option
@json_option
def agreement(
    files: tuple[Path, ...], raters: tuple[str, ...], anchors: Path | None, highest: int, as_json: bool
) -> None:
    """How far raters agree: weighted kappa of every two, Fleiss' kappa, Krippendorff's alpha, with 95% intervals.

    FILES: stores of the page and the terminal, judgments files of one rater each, or with --rater tables. Exit code 1
    where nothing can be compared.

    Example: aisle judge agreement shop.state/judgments.jsonl --anchors anchors.csv
    """
    from aisle.improve.judging.ratings import Allowed, Ratings, rater_columns, read_anchors, read_given
    from aisle.improve.judging.ratings import agreement as measure

    allowed, scale = Allowed(_highest(highest)), tuple(range(highest + 1))
    known = read_anchors(anchors, allowed) if anchors else ()
    found = measure(Ratings.of(read_given(files, raters, allowed)), scale, known)
    if not found.compares:
        raise _incomparable(found, [] if raters else rater_columns(files, scale))
    if as_json:
        print_json(found.to_dict())
    else:
        print_agreement(found)


def _highest(highest: int) -> int:
    if not 1 <= highest <= 100:
        raise InputError(f"--highest {highest}", allowed="1 to 100")
    return highest


def _incomparable(found: AgreementReport, columns: list[str]) -> JudgmentError:
    """Why nothing was compared, and which columns look like raters."""
    told = ", ".join(f"{name} {count:,}" for name, count in found.raters.items())
    typed = " ".join(f"--rater {shlex.quote(name)}" for name in columns)
    return JudgmentError(
        f"nothing can be compared: no two raters judged the same pairs; read: {told or 'no rater'}",
        allowed="pairs that two raters judged, or --anchors that a rater judged, too",
        fix=f"these columns look like raters: {typed}" if columns else "give another rater's file, too, or --anchors",
    )


@judge.command()
@click.argument("files", nargs=-1, required=True, type=_file)
@click.option("--out", required=True, type=_file, help="CSV that evaluate, compare and train read.")
@click.option(
    "--rule",
    type=click.Choice(["median", "majority", "mean"]),
    default="median",
    show_default=True,
    help="For differing grades.",
)
@click.option("--adjudicator", default="", metavar="RATER", help="Whose word is final.")
@click.option("--open-from", type=Number(0, min_open=True), help="Grades so far apart stay open, such as 2.")
@click.option("--open", "open_file", type=_file, help="Put open pairs into this file, for `aisle judge queue`.")
@click.option("--pairs", "pairs_file", type=_file, help="The pairs that were judged: titles for --out and --open.")
@click.option("--rater", "raters", multiple=True, metavar="COLUMN", help="FILES are tables, a column a rater.")
@scale_option
@json_option
def adjudicate(
    files: tuple[Path, ...],
    out: Path,
    rule: str,
    adjudicator: str,
    open_from: float | None,
    open_file: Path | None,
    pairs_file: Path | None,
    raters: tuple[str, ...],
    highest: int,
    as_json: bool,
) -> None:
    """Make one judgment of each pair's grades, and list where raters disagree.

    Open pairs are written nowhere but --open: let somebody judge them, and name that rater as --adjudicator.

    Example: aisle judge adjudicate judgments.jsonl --open-from 2 --pairs pairs.csv --open open.csv --out agreed.csv
    """
    from collections import Counter
    from math import inf
    from typing import cast

    from aisle.improve.judging.adjudicate import Rule, add_to_queue, write_decided
    from aisle.improve.judging.adjudicate import adjudicate as decide
    from aisle.improve.judging.ratings import Allowed, read_given
    from aisle.judgments.given import key_of
    from aisle.judgments.pairs import read_pairs

    if open_file is not None and pairs_file is None:
        raise InputError("--open without --pairs", allowed="both: people have to see titles")
    refuse_overwriting({"--out": out, "--open": open_file}, [*files, pairs_file])
    refuse_other_kind({"--out": out}, "decided")
    pairs = read_pairs(pairs_file).items if pairs_file else ()
    given = read_given(files, raters, Allowed(_highest(highest), between=True))
    decided = decide(given, cast(Rule, rule), adjudicator, inf if open_from is None else open_from)
    left = {(key_of(one.query), one.product_id) for one in decided if one.grade is None}
    if open_file is not None:  # first: where everything is open nothing can be written as decided
        add_to_queue(open_file, [(one, "open") for one in pairs if (key_of(one.query), one.doc_id) in left])
    written = write_decided(out, decided, pairs)
    how = Counter(one.how for one in decided)
    apart = sorted((one for one in decided if one.spread > 0), key=lambda one: -one.spread)
    if as_json:
        print_json(
            {"written": written, "open": len(left), "how": dict(how), "disagreements": [asdict(one) for one in apart]}
        )
        return
    rows = [[name, f"{count:,}"] for name, count in how.most_common()]
    print_table(f"{out}: {written:,} judgments", ["decided by", "pairs"], rows)
    listed = [
        [f"{one.query} / {one.product_id}", "; ".join(f"{name}={grade:g}" for name, grade in sorted(one.given.items())),
         "open" if one.grade is None else f"{one.grade:g}"]
        for one in apart[:20]
    ]  # fmt: skip
    notes = [f"and {len(apart) - 20:,} more; --json has all"] if len(apart) > 20 else []
    print_table(f"{len(apart):,} pairs with different grades", ["pair", "given", "counts"], listed, notes)


@judge.command()
@click.argument("spec", metavar="SPEC", type=_file)
@click.option("--anchors", required=True, type=_file, help="Pairs with the grades that people agreed on.")
@click.option("--people", type=_file, help="Put anchors that the judge grades 2 or more away into this queue.")
@pair_column_option
@json_option
def examine(spec: Path, anchors: Path, people: Path | None, columns: tuple[str, ...], as_json: bool) -> None:
    """Let the language model that the TOML file SPEC names grade anchors, and say whether it may judge.

    The result is kept beside SPEC, with the fingerprint of model, prompts and rubric. Exit code 0 passed or not.

    Example: aisle judge examine judge.toml --anchors anchors.csv
    """
    from aisle.improve.judging.adjudicate import add_to_queue
    from aisle.improve.judging.examine import doubtful, keep, record_of
    from aisle.improve.judging.examine import examine as run
    from aisle.improve.judging.llm import LlmJudge
    from aisle.improve.judging.spec import read_judge
    from aisle.judgments.pairs import read_pairs
    from aisle.llm.client import open_llm

    refuse_overwriting({"--people": people}, [spec, anchors])
    settings = read_judge(spec)
    known = read_pairs(anchors, named_columns(columns), need_grades=True)
    judge_ = LlmJudge(settings, open_llm(settings.llm))
    with progress_bar() as progress:
        found, verdicts = run(judge_, known, report=lambda done, total: progress("anchors", done, total))
    keep(record_of(spec), found, settings.gate)
    sent = add_to_queue(people, doubtful(known, verdicts, 2)) if people else 0
    failures = found.failures(settings.gate)
    if as_json:
        print_json(found.to_dict() | {"passed": not failures, "failures": failures, "to_people": sent})
    else:
        print_examination(found, failures, sent)


@judge.command("llm")
@click.argument("spec", metavar="SPEC", type=_file)
@click.argument("pairs", type=_file)
@click.option("--out", required=True, type=_file, help="Where judgments go: JSON lines, as those of people.")
@click.option("--people", required=True, type=_file, help="Queue of the pairs that the judge is not sure of.")
@click.option("--force", is_flag=True, help="Judge without having passed; every judgment says that it is unproven.")
@pair_column_option
@json_option
def by_llm(
    spec: Path, pairs: Path, out: Path, people: Path, force: bool, columns: tuple[str, ...], as_json: bool
) -> None:
    """Let a language model judge PAIRS, if it has passed `aisle judge examine`.

    A pair whose answers differ between the orders of the rubric or between samples, or cannot be read, gets no
    judgment and goes to the queue of --people. The same command goes on where it was.

    Example: aisle judge llm judge.toml pairs.csv --out by-llm.jsonl --people queue.csv
    """
    from collections import Counter

    from aisle.improve.judging.adjudicate import add_to_queue
    from aisle.improve.judging.examine import admitted, record_of
    from aisle.improve.judging.llm import LlmJudge, order_effect
    from aisle.improve.judging.spec import read_judge
    from aisle.judgments.given import Judged, JudgmentFile, judged_by, key_of
    from aisle.judgments.pairs import read_pairs
    from aisle.llm.client import open_llm

    refuse_overwriting({"--out": out, "--people": people}, [spec, pairs])
    refuse_other_kind({"--out": out}, "store")
    settings = read_judge(spec)
    judge_ = LlmJudge(settings, open_llm(settings.llm))
    name = admitted(record_of(spec), judge_, force)
    file = JudgmentFile(out)
    there = judged_by(file.read(), name)
    todo = [
        one for one in read_pairs(pairs, named_columns(columns)) if one.doc_id not in there.get(key_of(one.query), {})
    ]
    verdicts, stopped = [], ""
    with progress_bar() as progress:
        try:
            for lot in judge_.judge(todo, lambda done, total: progress("pairs", done, total)):
                sure = [one for one in lot if one.grade is not None]
                file.add([Judged(one.pair.query, one.pair.doc_id, float(one.grade or 0), name) for one in sure])
                add_to_queue(people, [(one.pair, one.why) for one in lot if one.grade is None])
                verdicts += lot
        except BudgetError as error:
            stopped = str(error)
    why = Counter(one.why for one in verdicts if one.why)
    effect = order_effect(verdicts) if settings.swap else None
    plain = {
        "judge": name,
        "judged": len(verdicts) - why.total(),
        "to_people": dict(why),
        "left": len(todo) - len(verdicts),
        "stopped": stopped,
        "order": asdict(effect) if effect else None,
        "cost": judge_.client.cost().to_dict(),
    }
    if as_json:
        print_json(plain)
        return
    rows = [["judged", f"{plain['judged']:,}"], *([f"to people: {one}", f"{count:,}"] for one, count in why.items())]
    rows += [["left", f"{plain['left']:,}"], *judge_.client.cost().rows()]
    print_table(f"{name}: {out}", ["", ""], rows, [f"stopped: {stopped}"] if stopped else [])


judge.add_command(clicks)
