"""`aisle complements`: orders in, what goes with a product out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from aisle.cli.options import json_option
from aisle.cli.output import print_json, print_table
from aisle.cli.overwriting import refuse_missing_folder, refuse_overwriting
from aisle.errors import ArtifactError, InputError

if TYPE_CHECKING:
    from aisle.knowledge.complements import Complement
    from aisle.types import Product


_COLUMNS = ("product", "id", "bought together", "as by chance", "fits")


@click.group()
def complements() -> None:
    """What goes with a product: bought together more often than by chance, or known to fit it."""


@complements.command()
@click.argument("orders", type=click.Path(path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path), help="File to write (JSON).")
@json_option
def learn(orders: Path, out: Path, as_json: bool) -> None:
    """Count which products are bought together in ORDERS: a table of order_id and product_id, a row for each product.

    Example: aisle complements learn orders.csv --out complements.json
    """
    from aisle.judgments.baskets import read_baskets
    from aisle.knowledge.complements import Complements

    refuse_overwriting({"--out": out}, [orders])
    refuse_missing_folder({"--out": out})
    if out.is_dir():
        raise ArtifactError(f"--out {str(out)!r} is a folder", allowed="a new file, or older complements")
    if out.is_file() and out.stat().st_size:
        try:
            Complements.load(out)
        except ArtifactError:
            raise ArtifactError(
                f"--out {str(out)!r} is there, and is none of complements",
                allowed="a new file, or older complements",
                fix="name another --out",
            ) from None
    found = Complements.learn(read_baskets(orders).values())
    found.save(out)
    counts = {"orders": found.baskets, "products": len(found.counts), "products with a partner": len(found.pairs)}
    if as_json:
        print_json({"complements": str(out), **{name.replace(" ", "_"): count for name, count in counts.items()}})
        return
    print_table(f"Wrote {out}", ["", ""], [[name, f"{count:,}"] for name, count in counts.items()])


@complements.command()
@click.argument("product_id", metavar="ID")
@click.option("--learnt", type=click.Path(path_type=Path), help="What `aisle complements learn` wrote.")
@click.option("--index", "folder", type=click.Path(path_type=Path), help="Index that knows titles and what fits what.")
@click.option("-k", default=10, show_default=True, type=click.IntRange(min=1), help="How many products.")
@json_option
def show(product_id: str, learnt: Path | None, folder: Path | None, k: int, as_json: bool) -> None:
    """Say what goes with product ID: what is known to fit it, and what was bought with it.

    What fits, such as a printer's cartridges, comes first. Without --index only ids are known, without --learnt only
    what fits.

    Example: aisle complements show 85123A --learnt complements.json --index shop
    """
    from aisle.knowledge.complements import Complements

    if learnt is None and folder is None:
        raise InputError("neither --learnt nor --index", allowed="one of them, or both")
    bought = Complements.load(learnt) if learnt is not None else None
    with _Catalogue(folder) as catalogue:
        product = catalogue.get([product_id])[0]
        if product is None and (bought is None or product_id not in bought.counts):
            places = [f"no order of {str(learnt)!r} has it"] if bought is not None else []
            places += [f"the index {str(folder)!r} lacks it"] if folder is not None else []
            raise InputError(f"product {product_id[:80]!r}: {', and '.join(places)}", fix="name another product")
        found = catalogue.fits(product, k) if product is not None else []
        fitting = {one.product_id for one in found}
        found += [one for one in (bought.of(product_id, k) if bought else ()) if one.product_id not in fitting]
        found = found[:k]
        titles = [one.title if one is not None else "" for one in catalogue.get([one.product_id for one in found])]
    title = product.title if product is not None else ""
    if as_json:
        print_json({"product": product_id, "title": title, "complements": _plain(found, titles)})
        return
    rows = [_row(one, name) for one, name in zip(found, titles, strict=True)]
    notes = [] if rows else ["nothing is known to fit it, and nothing was bought with it twice"]
    print_table(f"What goes with {title or product_id}", _COLUMNS, rows, notes)


def _row(one: Complement, title: str) -> list[str]:
    bought = ["", ""] if one.fit is not None else [f"{one.together:,}", f"{one.lift:.1f} times"]
    return [title or one.product_id, one.product_id, *bought, "" if one.fit is None else one.fit.told()]


def _plain(found: Sequence[Complement], titles: Sequence[str]) -> list[dict[str, Any]]:
    return [
        {
            "id": one.product_id,
            "title": title,
            "score": one.score,
            "together": one.together,
            "lift": one.lift,
            "why": one.told(),
        }
        for one, title in zip(found, titles, strict=True)
    ]


class _Catalogue:
    """The products of an index and what it knows of devices; without an index none is known."""

    def __init__(self, folder: Path | None) -> None:
        self.folder = folder

    def __enter__(self) -> _Catalogue:
        self._index = None
        if self.folder is not None:
            from aisle.build import check_index, stored_recipe
            from aisle.indexes.lance import LanceIndex

            check_index(self.folder)
            self._index = LanceIndex.open(self.folder / "lance", stored_recipe(self.folder).index)
        return self

    def __exit__(self, *_: object) -> None:
        if self._index is not None:
            self._index.close()

    def get(self, ids: Sequence[str]) -> Sequence[Product | None]:
        """Products by id; None for one that is not there."""
        return self._index.get(ids) if self._index is not None else [None] * len(ids)

    def fits(self, product: Product, k: int) -> list[Complement]:
        """What fits a product that is a device."""
        from aisle.knowledge.compatibility import FILE, Compatibility
        from aisle.knowledge.complements import for_device

        if self.folder is None or not (self.folder / FILE).exists():
            return []
        return for_device(product, Compatibility.load(self.folder / FILE), k)
