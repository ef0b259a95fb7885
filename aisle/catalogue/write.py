"""Write a clean catalogue to a folder, file by file, each complete or not at all."""

from __future__ import annotations

import gzip
import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

from aisle.catalogue.store import to_json
from aisle.errors import CatalogueError

if TYPE_CHECKING:
    from aisle.catalogue.clean import CleanCatalogue


def write_catalogue(catalogue: CleanCatalogue, folder: Path, *, compress: bool) -> dict[str, Path]:
    """Write products.jsonl(.gz) and what ``write_report`` writes; returns the files by what they hold.

    Raises:
        CatalogueError: The folder cannot be written.
    """
    products = folder / ("products.jsonl.gz" if compress else "products.jsonl")
    with _writing(folder), _complete(products) as out:
        out.writelines(f"{to_json(product)}\n" for product in catalogue)
    return {"products": products} | write_report(catalogue, folder)


def write_report(catalogue: CleanCatalogue, folder: Path) -> dict[str, Path]:
    """Write rejected.jsonl, report.json and report.html; returns the files by what they hold.

    Raises:
        CatalogueError: The folder cannot be written.
    """
    from aisle.catalogue.html_report import render_html

    files = {"rejected": folder / "rejected.jsonl", "report": folder / "report.json", "html": folder / "report.html"}
    with _writing(folder):
        with _complete(files["rejected"]) as out:
            out.writelines(f"{_dump(row)}\n" for row in catalogue.rejected())
        with _complete(files["report"]) as out:
            out.write(json.dumps(catalogue.report.to_dict(), ensure_ascii=False, allow_nan=False, indent=1) + "\n")
        with _complete(files["html"]) as out:
            out.write(render_html(catalogue.report))
    return files


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    """Make the folder; what goes wrong in it becomes one error."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        raise CatalogueError(
            f"cannot write the clean catalogue to {str(folder)!r}: {error.strerror or error}",
            fix="give a folder that can be written with --out",
        ) from None


def _dump(row: object) -> str:
    """JSON that any reader takes: surrogate halves and NaN of broken rows are escaped or quoted."""
    try:
        text = json.dumps(row, ensure_ascii=False, allow_nan=False)
        text.encode("utf-8")
    except ValueError:
        text = json.dumps(row, ensure_ascii=True)
    return text


@contextmanager
def _complete(path: Path) -> Iterator[IO[str]]:
    """A text file (gzipped if so named) that gets its name only when everything is written."""
    partial = path.with_name(f".{path.name}.part")
    try:
        if path.suffix == ".gz":
            with (
                partial.open("wb") as raw,
                gzip.GzipFile("", "wb", 6, raw, mtime=0) as packed,
                io.TextIOWrapper(packed, encoding="utf-8", newline="\n") as out,
            ):
                yield out
        else:
            with partial.open("w", encoding="utf-8", newline="\n") as out:
                yield out
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
