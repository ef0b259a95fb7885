"""A contact sheet: images in rows, the original first and what was made of it beside it, for people to look at."""

from __future__ import annotations

from pathlib import Path

from PIL import Image, ImageDraw, ImageFont, ImageOps

from aisle.augment.image.picture import read_picture, write_picture
from aisle.augment.image.run import ImageReport
from aisle.errors import InputError

CELL = 160
MARGIN = 8
LABEL = 16
ROWS = 24
COLUMNS = 12


def contact_sheet(folder: Path, out: Path, report: ImageReport, rows: int = ROWS) -> Image.Image:
    """Draw it.

    Args:
        folder: With the originals.
        out: With what was made.
        report: Of the run.
        rows: Originals shown at most, spread over all of them.
    """
    by_source: dict[str, list[tuple[str, str]]] = {}
    for made in report.made:
        by_source.setdefault(made.come.source, []).append((made.file, ", ".join(made.come.how)))
    sources = _spread(list(by_source), rows)
    columns = 1 + min(COLUMNS - 1, max((len(by_source[source]) for source in sources), default=0))
    size = (MARGIN + columns * (CELL + MARGIN), MARGIN + max(1, len(sources)) * (CELL + LABEL + MARGIN))
    sheet = Image.new("RGB", size, (250, 250, 250))
    for row, source in enumerate(sources):
        cells = [(folder / source, source), *((out / file, how) for file, how in by_source[source][: columns - 1])]
        for column, (path, label) in enumerate(cells):
            place = (MARGIN + column * (CELL + MARGIN), MARGIN + row * (CELL + LABEL + MARGIN))
            _draw(sheet, path, label, place)
    return sheet


def check_place(path: Path, folder: Path) -> None:
    """Refuse a place where the sheet would be taken for one of the images.

    Raises:
        InputError: It is in their folder.
    """
    if path.parent.resolve() == folder.resolve():
        raise InputError(f"--sheet {str(path)!r} is in the folder of the images", fix="name another place")


def write_sheet(sheet: Image.Image, path: Path) -> None:
    """Write it as a PNG or a JPEG by the file's ending, into a folder that is there."""
    write_picture(sheet, path)


def _draw(sheet: Image.Image, path: Path, label: str, place: tuple[int, int]) -> None:
    picture = ImageOps.contain(read_picture(path), (CELL, CELL))
    left, top = place
    sheet.paste(picture, (left + (CELL - picture.width) // 2, top + LABEL + (CELL - picture.height) // 2))
    font = ImageFont.load_default(size=11)
    shown = label.encode("latin-1", "replace").decode("latin-1")  # the built-in font has no more
    while shown and font.getlength(shown) > CELL:
        shown = shown[:-1]
    ImageDraw.Draw(sheet).text((left, top), shown, fill=(40, 40, 40), font=font)


def _spread(names: list[str], most: int) -> list[str]:
    if len(names) <= most:
        return names
    return [names[i * len(names) // most] for i in range(most)]
