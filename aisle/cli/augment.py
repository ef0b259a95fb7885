"""`aisle augment`: more training data from what there is. Parses, calls, prints."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from aisle.cli.options import json_option, named_columns, pair_column_option
from aisle.cli.output import print_json, print_table, progress_bar
from aisle.cli.overwriting import refuse_other_kind, refuse_overwriting
from aisle.cli.synthesise import STORE
from aisle.errors import LlmError, RecipeError

if TYPE_CHECKING:
    from aisle.augment.augment import Augmented
    from aisle.augment.change import Change, Side
    from aisle.augment.text.rewrite import Way
    from aisle.judgments.pairs import PairSet

COLUMNS = ("id", "query_id", "query", "title", "description", "relevance", "source", "how", "effect", "seed", "detail")
BRAND_CHANGES = ("brand-dropped", "brand-swapped")
REWRITES: tuple[Way, ...] = ("paraphrase", "round-trip")
USUAL = ("typos@query", "order@query", "joined@query")


@click.group()
def augment() -> None:
    """Change judged pairs, or product images, into further ones, each with where it came from.

    Example: aisle augment text pairs.csv --out more.csv --change typos --change order
    """


@augment.command()
@click.argument("pairs", metavar="PAIRS", required=False, type=click.Path(path_type=Path))
@click.option(
    "--out", type=click.Path(path_type=Path), help="CSV of the changed pairs, with provenance; not the others."
)
@click.option(
    "--change", "wanted", multiple=True, metavar="NAME[@SIDE]", help="Repeatable; default: typos, order, joined."
)
@click.option("--llm", "llm_file", type=click.Path(path_type=Path), help="TOML of what paraphrases; docs/llm.md.")
@click.option("--resume", is_flag=True, help="With --llm: go on with the answers that an interrupted run kept.")
@click.option("--copies", default=1, show_default=True, type=click.IntRange(min=1), help="Of each query's list.")
@click.option("--seed", default=0, show_default=True, help="Of what is drawn.")
@click.option("--held-out", type=click.Path(path_type=Path), help="Pairs that judge: their queries are refused.")
@click.option("--brands", "brand_file", type=click.Path(path_type=Path), help="A brand a line, for the brand changes.")
@click.option("--list", "listed", is_flag=True, help="Only say which changes there are, without PAIRS.")
@pair_column_option
@json_option
def text(
    pairs: Path | None,
    out: Path | None,
    wanted: tuple[str, ...],
    llm_file: Path | None,
    resume: bool,
    copies: int,
    seed: int,
    held_out: Path | None,
    brand_file: Path | None,
    listed: bool,
    columns: tuple[str, ...],
    as_json: bool,
) -> None:
    """Change queries and titles of judged PAIRS, without touching what a grade is of.

    A change that keeps the grade keeps it; one that lowers it (another brand is asked for) leaves at most half; where
    only a judge can tell, the relevance is empty. A training reads the file beside the one it was made from; to change
    texts anew in every step instead: aisle train --set augment.query.typos=0.2 (docs/augmentation.md). A language model
    of --llm writes paraphrases, or translates there and back (round-trip); what that does to a grade is to be judged.

    Example: aisle augment text pairs.csv --out more.csv --change typos --change truncated@title --copies 2
    """
    from aisle.artifacts import write_text
    from aisle.augment.augment import augmented, refuse_held_out
    from aisle.judgments.pairs import read_pairs

    refuse_overwriting({"--out": out}, [pairs, llm_file, held_out, brand_file])
    refuse_other_kind({"--out": out}, "table")
    brands = _brands(brand_file)
    if listed:
        _list(brands, as_json)
        return
    if pairs is None:
        raise click.UsageError("Missing argument 'PAIRS': the judged pairs, or --list alone")
    if out is None:
        raise RecipeError("--out is missing", allowed="the file of the changed pairs, or --list alone")
    read = read_pairs(pairs, named_columns(columns))
    judging = [pair.query for pair in read_pairs(held_out, named_columns(columns))] if held_out else []
    refuse_held_out(read, judging)  # before anything is asked and paid
    wanted = wanted or (tuple(f"{name}@query" for name in REWRITES) if llm_file else USUAL)
    chosen = _chosen(wanted, brands, llm_file is not None)
    _near(read, chosen, brands)
    told: dict[str, Any] = {}
    if llm_file is not None:
        store = out.with_name(f".{out.name}{STORE}")
        if not resume:
            store.unlink(missing_ok=True)
        told = _rewrite(read, chosen, llm_file, store)
    found = augmented(read, chosen, copies, seed, judging)
    write_text(out, _table(found))
    made = Counter((how, item.provenance.effect) for item in found for how in item.provenance.how)
    if as_json:
        rows = [{"change": how, "effect": effect, "pairs": count} for (how, effect), count in sorted(made.items())]
        print_json({"out": str(out), "pairs": len(found), "of": len(read), "changes": rows, **told})
    else:
        table = [[how, effect, f"{count:,}"] for (how, effect), count in sorted(made.items())]
        title = f"{len(found):,} changed pairs of {len(read):,} in {out}"
        print_table(title, ["change", "grade", "pairs"], table, _notes(told))


def _available(brands: Sequence[str]) -> list[Change]:
    from aisle.augment.text.brands import BrandDropped, Brands, BrandSwapped
    from aisle.augment.text.neighbours import Neighbour
    from aisle.augment.text.rewrite import Rewritten
    from aisle.augment.text.table import CHANGES

    known = Brands(brands)
    of_brands = (BrandDropped(known, "query"), BrandDropped(known, "title"), BrandSwapped(known))
    return [*CHANGES.values(), *of_brands, Neighbour({}), *(Rewritten({}, name) for name in REWRITES)]


def _chosen(wanted: Sequence[str], brands: Sequence[str], asked: bool) -> dict[Side, list[Change]]:
    if asked and not any(spec.partition("@")[0] in REWRITES for spec in wanted):
        raise RecipeError("--llm has nothing to write", allowed=f"--change {' or --change '.join(REWRITES)}")
    found: dict[Side, list[Change]] = {"query": [], "title": []}
    for spec in wanted:
        name, _, side = spec.partition("@")
        fitting = [
            (where, change)
            for change in _available(brands)
            for where in sorted(change.sides)
            if change.name == name and side in ("", where)
        ]
        if name in BRAND_CHANGES and not brands:
            raise RecipeError(f"{name!r} needs the shop's brands", fix="give --brands FILE, a brand a line")
        if name in REWRITES and not asked:
            raise RecipeError(f"{name!r} needs a language model", fix="give --llm FILE; see docs/llm.md")
        if not fitting:
            names = ", ".join(dict.fromkeys(change.name for change in _available(brands)))
            raise RecipeError(f"no change {spec!r}", allowed=names, fix="see --list for what each may be applied to")
        where, change = fitting[0]  # without a side, the query where it may be one
        found[where].append(change)
    return found


def _rewrite(read: PairSet, chosen: dict[Side, list[Change]], file: Path, store: Path) -> dict[str, Any]:
    """Put what a model writes into the changes that are its own; what it did and cost, as plain data."""
    from aisle.augment.text.rewrite import RewritePlan, Rewritten, rewrite
    from aisle.llm import open_llm
    from aisle.rerankers.llm.spec import read_spec

    settings = read_spec(file).llm
    client = open_llm(settings if settings.store else replace(settings, store=str(store)))
    texts = {"query": [pair.query for pair in read], "title": [pair.title for pair in read]}
    told: dict[str, Any] = {"refused": Counter(), "unanswered": Counter()}
    answered = 0
    try:
        with progress_bar() as progress:
            for side, changes in chosen.items():
                for place, change in enumerate(changes):
                    way = next((name for name in REWRITES if name == change.name), None)
                    if way is None:
                        continue
                    made = rewrite(texts[side], client, RewritePlan(way), progress)
                    changes[place] = Rewritten(made.accepted, way, settings.model)
                    told["refused"].update(made.refused)
                    told["unanswered"].update(made.unanswered.values())
                    answered += len(made.accepted) + len(made.refused)
        told["cost"] = client.cost().to_dict()
    finally:
        client.close()
    if told["unanswered"] and not answered:
        kinds = ", ".join(told["unanswered"])
        raise LlmError(f"no text got an answer: {kinds}", next(iter(told["unanswered"])), fix="see docs/llm.md")
    return told


def _near(read: PairSet, chosen: dict[Side, list[Change]], brands: Sequence[str]) -> None:
    """Put the words of the titles that are near one another to the packaged encoder into the change that takes them."""
    from aisle.augment.text.neighbours import AT_LEAST, Neighbour, nearest

    if not any(isinstance(change, Neighbour) for changes in chosen.values() for change in changes):
        return
    from aisle.encoders.embedded import EmbeddedEncoder
    from aisle.language.chinese import simplify
    from aisle.language.normalise import normalise

    titles = dict.fromkeys(simplify(normalise(pair.title)) for pair in read)
    near = Neighbour(nearest(titles, EmbeddedEncoder(), brands=brands))
    if not near.words:
        raise RecipeError(
            f"'neighbours': no two words of {len(titles):,} titles are near one another",
            allowed=f"titles with words that {AT_LEAST} of them have",
            fix="leave the change out",
        )
    for changes in chosen.values():
        changes[:] = [near if isinstance(change, Neighbour) else change for change in changes]


def _notes(told: dict[str, Any]) -> list[str]:
    if not told:
        return []
    cost = told["cost"]
    notes = [f"cost: {cost['requests']} requests, {cost['money']:.4f} {cost['currency']}"]
    for name in ("refused", "unanswered"):
        if told[name]:
            counts = ", ".join(f"{why} {count:,}" for why, count in told[name].items())
            notes.append(f"{name}: {counts}")
    return notes


def _brands(path: Path | None) -> list[str]:
    if path is None:
        return []
    from aisle.judgments.files import lines_of, read_text

    return [line.strip() for line in lines_of(read_text(path, "brands")) if line.strip()]


def _list(brands: Sequence[str], as_json: bool) -> None:
    rows = [
        {"change": change.name, "sides": sorted(change.sides), "effect": change.effect} for change in _available(brands)
    ]
    if as_json:
        print_json({"changes": rows})
    else:
        table = [[str(row["change"]), " ".join(row["sides"]), str(row["effect"])] for row in rows]
        print_table("Changes of text", ["change", "of", "grade"], table)


def _table(found: Sequence[Augmented]) -> str:
    from aisle.judgments.write import csv_line

    weighed = any(item.pair.weight != 1 for item in found)
    lines = [csv_line([*COLUMNS, *(["label_weight"] if weighed else [])])]
    for item in found:
        pair, made = item.pair, item.provenance
        grade = "" if pair.grade is None else f"{pair.grade:g}"
        texts = (pair.doc_id, pair.query_id, pair.query, pair.title, pair.description, grade)
        come = (made.source, " ".join(made.how), made.effect, str(made.seed), made.detail)
        lines.append(csv_line([*texts, *come, *([f"{pair.weight:g}"] if weighed else [])]))
    return "".join(lines)
