"""`aisle export`: a model in, a smaller one out; or a front of them, and the pick of it. Parses, calls, prints."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from aisle.cli.options import json_option, named_columns, pair_column_option
from aisle.cli.output import print_json, print_table, progress_bar
from aisle.cli.overwriting import refuse_replacing
from aisle.errors import RecipeError

if TYPE_CHECKING:
    from aisle.compress.export import Exported
    from aisle.compress.material import Material
    from aisle.compress.model import Served
    from aisle.compress.plan import Plan
    from aisle.compress.shrink import Shrinking

_Options = Mapping[str, Any]
LEARN = "learn"


@click.command()
@click.argument("model", metavar="MODEL|FRONT")
@click.option(
    "--out", required=True, type=click.Path(path_type=Path), help="Folder of the smaller model, or the front."
)
@click.option("--int8", is_flag=True, help="8 bits, ranges of activations found at each run (the default).")
@click.option(
    "--precision", type=click.Choice(["int8", "static", "float32"]), help="static: 8 bits, ranges found on the texts."
)
@click.option("--layers", type=click.IntRange(min=1), help="Keep so many layers, trained to do what all did.")
@click.option(
    "--which",
    type=click.Choice(["first", "last", "spread"]),
    default="spread",
    show_default=True,
    help="Of the layers.",
)
@click.option("--epochs", type=click.IntRange(min=0), default=4, show_default=True, help="Of that training.")
@click.option("--max-tokens", metavar="N|learn", help="Read no more; learn: the smallest limit that keeps the ranking.")
@click.option("--vocab", "vocabulary", multiple=True, type=click.Path(path_type=Path), help="Texts, one a line.")
@click.option("--prune", is_flag=True, help="Keep only word rows that the texts use, and what spells others.")
@click.option("--dim", type=click.IntRange(min=1), help="Shorten an encoder's vectors to so many dimensions.")
@click.option(
    "--runtime", type=click.Choice(["onnx", "openvino"]), default="onnx", show_default=True, help="What is to run it."
)
@click.option(
    "--pairs", "pair_files", multiple=True, type=click.Path(path_type=Path), help="query, title[, relevance]."
)
@click.option("--catalogue", type=click.Path(path_type=Path), help="Catalogue file of the shop.")
@click.option("--judgments", type=click.Path(path_type=Path), help="Graded products of that catalogue.")
@click.option("--front", is_flag=True, help="Make and measure a grid of models; the same command goes on.")
@click.option("--tokens", multiple=True, type=click.IntRange(min=8), help="Limits of the front; repeatable.")
@click.option("--dims", multiple=True, type=click.IntRange(min=1), help="An encoder's vectors in it; repeatable.")
@click.option("--budget-ms", type=float, help="Of a front: the best that re-ranks 100 texts in so many milliseconds.")
@pair_column_option
@json_option
def export(model: str, out: Path, as_json: bool, **options: Any) -> None:
    """Make a model smaller: fewer bits, layers, tokens, words or dimensions, and say what it costs.

    MODEL is 'embedded' or the folder of an encoder, a combination or a cross-encoder. Layers, words, dimensions and
    static ranges are fitted to the shop's texts (--pairs or --catalogue), without labels. Grades measure what came out,
    and choose: the limit that --max-tokens learn finds, the point of a front (--budget-ms); what they chose looks a
    little better by them than it is. --front makes its own grid of layers, bits, --tokens and --dims. With --budget-ms
    the first argument is a front's folder.

    Example: aisle export embedded --out small --layers 3 --prune --catalogue samples/icecat/products.jsonl.gz
    """
    refuse_replacing(out, [Path(model), *options["pair_files"], options["catalogue"], options["judgments"]])
    if options["front"]:
        _refuse_beside_front(options)
    elif options["tokens"] or options["dims"]:
        name = "tokens" if options["tokens"] else "dims"
        raise RecipeError(f"--{name} without --front", fix="add --front, or name one number: --max-tokens N, --dim N")
    if options["budget_ms"] is not None:
        from aisle.compress.export import export_picked

        _show(export_picked(Path(model), options["budget_ms"], out), as_json)
        return
    from aisle.compress.model import read_served, reads_description

    served = read_served(model)
    material = _material(options, reads_description(served))
    with _steps(served, material, out, options["front"]) as steps:
        if options["front"]:
            _front(steps, out, options, as_json)
            return
        from aisle.compress.export import export as run

        measured = bool(options["pair_files"] or options["catalogue"])
        _show(run(steps, _plan(options, steps), out, measured), as_json)


def _refuse_beside_front(options: _Options) -> None:
    """A front tries layers and bits by itself, and no fewer words."""
    usual = {"which": "spread", "runtime": "onnx"}
    names = ("int8", "precision", "layers", "which", "max_tokens", "vocabulary", "prune", "dim", "runtime", "budget_ms")
    given = [name for name in names if options[name] and options[name] != usual.get(name)]
    if given:
        option = {"vocabulary": "vocab"}.get(given[0], given[0]).replace("_", "-")
        raise RecipeError(
            f"--{option} beside --front",
            allowed="--tokens, --dims, --epochs",
            fix="make the front, then pick with --budget-ms",
        )


def _plan(options: _Options, steps: Shrinking) -> Plan:
    from aisle.compress.plan import Plan

    if options["int8"] and options["precision"] not in (None, "int8"):
        raise RecipeError(f"--int8 and --precision {options['precision']}", allowed="one of them")
    limit = options["max_tokens"]
    if limit == LEARN:
        from aisle.compress.lengths import learn_limit

        steps.note("learning how many tokens need be read")
        found = learn_limit(steps.model, steps.material, steps.work / "lengths")
        limit = found["limit"]
        steps.note(f"{limit} tokens; texts have {found['tokens']:.0f} in the mean")
    elif limit is not None and not limit.isdecimal():
        raise RecipeError(f"--max-tokens {limit!r}", allowed=f"a number, or {LEARN!r}")
    precision = options["precision"] or ("static" if options["runtime"] == "openvino" else "int8")
    return Plan.from_dict(
        {
            "max_tokens": None if limit is None else int(limit),
            "layers": options["layers"],
            "which": options["which"],
            "vocabulary": bool(options["prune"] or options["vocabulary"]),
            "dim": options["dim"],
            "precision": precision,
            "runtime": options["runtime"],
            "recovery": {"epochs": options["epochs"]},
        },
        "the options",
    )


def _front(steps: Shrinking, out: Path, options: _Options, as_json: bool) -> None:
    from aisle.compress.front import grid, make_front
    from aisle.compress.recovery_settings import RecoverySettings

    recovery, dims = RecoverySettings(epochs=options["epochs"]), tuple(dict.fromkeys(options["dims"]))
    plans = grid(steps.model.shape.layers, options["tokens"] or (24, 32, 48), recovery, dims)
    front = make_front(steps, plans, out)
    if as_json:
        print_json(front.to_dict())
        return
    best = front.best()
    rows = [
        [
            f"{'* ' if point.label in best else ''}{point.label}",
            f"{point.quality:.4f}",
            f"{point.p50:.1f}",
            f"{point.size / 1e6:.1f}",
        ]
        for point in sorted(front.points, key=lambda point: -point.p50)
    ]
    notes = [
        "*: no other is faster and as good",
        f"plot: {out / 'front.svg'}",
        f"aisle export {out} --budget-ms N --out MODEL",
    ]
    print_table(f"Front of {front.model}", ["model", front.measure, f"ms, {front.texts} texts", "MB"], rows, notes)


def _material(options: _Options, description: bool) -> Material:
    from dataclasses import replace

    from aisle.compress.material import EMPTY, read_material, read_texts

    files, catalogue = options["pair_files"], options["catalogue"]
    needed = options["front"] or options["layers"] or options["dim"] or options["precision"] == "static"
    needed = needed or options["max_tokens"] == LEARN or (options["prune"] and not options["vocabulary"])
    material = EMPTY
    if files or catalogue or options["judgments"] or needed:
        columns = named_columns(options["columns"])
        material = read_material(files, catalogue, options["judgments"], columns, description)
    more = dict.fromkeys([*material.texts, *(line for path in options["vocabulary"] for line in read_texts(path))])
    return replace(material, texts=tuple(more))


@contextmanager
def _steps(served: Served, material: Material, out: Path, keep: bool) -> Iterator[Shrinking]:
    """With a folder for checkpoints beside ``out``, which an interruption leaves and the end removes."""
    import shutil

    from aisle.compress.shrink import Shrinking

    out.parent.mkdir(parents=True, exist_ok=True)
    work = out.with_name(f".{out.name}.shrinking")
    with progress_bar() as progress:

        def told(step: int, steps: int, loss: float) -> None:
            progress("training", step, steps)

        yield Shrinking(served, material, work, lambda text: click.echo(text, err=True), told)
    if not keep:
        shutil.rmtree(work, ignore_errors=True)


def _show(found: Exported, as_json: bool) -> None:
    from aisle.compress.export import told

    if as_json:
        print_json(found.to_dict())
        return
    size = found.report["size"]
    rows = [["before", f"{size['before'] / 1e6:.1f}"], ["after", f"{size['after'] / 1e6:.1f}"]]
    print_table(f"Exported {found.folder}", ["", "MB"], rows, told(found.report))
