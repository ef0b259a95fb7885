"""`aisle augment images`: product images changed into further ones. Parses, calls, prints."""

from __future__ import annotations

import csv
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import click

from aisle.cli.options import json_option
from aisle.cli.output import print_json, print_table, progress_bar
from aisle.cli.overwriting import refuse_missing_folder, refuse_overwriting
from aisle.errors import InputError

if TYPE_CHECKING:
    from aisle.augment.image.run import ImageReport


@click.command("images")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Where the images and provenance.jsonl go.")
@click.option("--change", "changes", multiple=True, help="Which changes are drawn from; repeatable. Default: all.")
@click.option("--copies", type=click.IntRange(1, 100), default=1, show_default=True, help="Made of each image.")
@click.option("--seed", type=int, default=0, show_default=True, help="Of all draws.")
@click.option(
    "--texts",
    type=click.Path(path_type=Path),
    help="CSV with the columns file and text: the query, or title and category. Else the words of the file's name.",
)
@click.option("--sheet", type=click.Path(path_type=Path), help="A contact sheet to look at, .png or .jpg.")
@json_option
def images(
    folder: Path,
    out: Path,
    changes: tuple[str, ...],
    copies: int,
    seed: int,
    texts: Path | None,
    sheet: Path | None,
    as_json: bool,
) -> None:
    """Turn, crop, flip, recolour, compress product images, where what is said of them allows.

    The colour stays where a colour is meant; what could be read or has a left and a right is not flipped. Files that
    are no usable image are listed and passed over. A run that was stopped goes on.

    Example: aisle augment images photos --out more --copies 3 --sheet sheet.png
    """  # fmt: skip
    from aisle.augment.image.changes import CHANGES
    from aisle.augment.image.run import ImagePlan, augment_images
    from aisle.augment.image.sheet import check_place, contact_sheet, write_sheet

    if sheet is not None:
        refuse_missing_folder({"--sheet": sheet})
        check_place(sheet, folder)
        refuse_overwriting({"--sheet": sheet}, [texts])
    plan = ImagePlan(changes or tuple(CHANGES), copies, seed, _texts(texts) if texts else {})
    with progress_bar() as progress:
        report = augment_images(folder, out, plan, progress)
    if sheet is not None:
        write_sheet(contact_sheet(folder, out, report), sheet)
    _print(report, out, sheet, as_json)


def _print(report: ImageReport, out: Path, sheet: Path | None, as_json: bool) -> None:
    made = Counter(name for one in report.made for name in one.come.how)
    if as_json:
        print_json(
            {
                "out": str(out), "images": report.images, "made": dict(made), "kept": report.kept,
                "fewer": report.fewer, "refused": dict(report.refused),
                "bad": [{"file": name, "reason": why} for name, why in report.bad],
                "sheet": str(sheet) if sheet else None,
            }
        )  # fmt: skip
        return
    notes = [f"not made: {reason} ({count:,} images)" for reason, count in sorted(report.refused.items())]
    notes += [f"fewer copies than asked: {report.fewer:,} images"] if report.fewer else []
    notes += [f"passed over: {name}: {why}" for name, why in report.bad]
    notes += [f"sheet: {sheet}"] if sheet else []
    rows = [[name, f"{count:,}"] for name, count in sorted(made.items())]
    title = f"{len(report.made):,} images of {report.images:,} in {out}, {report.kept:,} of them there before"
    print_table(title, ["change", "images"], rows, notes)


def _texts(path: Path) -> dict[str, str]:
    """File name to what is said of it.

    Raises:
        InputError: The file cannot be read or lacks a column.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file)
            missing = {"file", "text"} - set(reader.fieldnames or ())
            if missing:
                raise InputError(
                    f"{str(path)!r} has no column {sorted(missing)[0]!r}", allowed="a CSV with file and text"
                )
            return {row["file"]: row["text"] or "" for row in reader if row["file"]}
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"cannot read the texts {str(path)!r}: {error}", allowed="a CSV in UTF-8") from None
