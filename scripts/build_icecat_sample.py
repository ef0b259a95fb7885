"""Build samples/icecat from the Icecat catalogue and judgments of the querqy/chorus project.

    python scripts/build_icecat_sample.py SOURCE_FOLDER [--out samples/icecat]

SOURCE_FOLDER holds `products.jsonl.gz` and `ratings.csv` as that project publishes them. What changes on the way:
four image addresses become one, `attr_*` columns move into one `attributes` object, and prices, which are integers
without a currency and nearly all end in 95, are read as cents (4995 becomes 49.95) with the currency left unknown.
Nothing is cleaned: that is Aisle's job. The result is the same bytes on every run.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

PRODUCTS, JUDGMENTS = 19_406, 2_416


def compact(row: dict[str, Any]) -> dict[str, Any]:
    """One product of the sample from one row of the source."""
    return {
        "id": row["id"],
        "title": row["title"],
        "model": row["name"],
        "brand": row["supplier"],
        "ean": row["ean"],
        "description": row.get("short_description", ""),
        "price": row["price"] / 100,
        "image": row["img_500x500"],
        "date_released": row["date_released"][:10],
        "attributes": attributes(row),
    }


def attributes(row: dict[str, Any]) -> dict[str, Any]:
    """The `attr_*` columns without their type prefix (t text, n number, b yes or no).

    Four names exist with two types: there the text keeps the bare name and the other one its letter, as `name_b`.
    """
    found: dict[str, Any] = {}
    for column in sorted((name for name in row if name.startswith("attr_")), reverse=True):  # t before n before b
        name = column[len("attr_t_") :]
        found[f"{name}_{column[5]}" if name in found else name] = row[column]
    return dict(sorted(found.items()))


def build(source: Path, out: Path) -> None:
    """Write products.jsonl.gz and ratings.csv.

    Raises:
        SystemExit: The source has not the expected number of rows.
    """
    out.mkdir(parents=True, exist_ok=True)
    with gzip.open(source / "products.jsonl.gz", "rt", encoding="utf-8") as lines:
        rows = [json.dumps(compact(json.loads(line)), ensure_ascii=False, separators=(",", ":")) for line in lines]
    judgments = (source / "ratings.csv").read_text(encoding="utf-8").splitlines()[1:]
    if (len(rows), len(judgments)) != (PRODUCTS, JUDGMENTS):
        raise SystemExit(f"expected {PRODUCTS} products and {JUDGMENTS} judgments, found {len(rows)}, {len(judgments)}")
    target = out / "products.jsonl.gz"
    with target.open("wb") as raw, gzip.GzipFile(filename="", mode="wb", fileobj=raw, compresslevel=9, mtime=0) as file:
        file.write(("\n".join(rows) + "\n").encode())
    shutil.copyfile(source / "ratings.csv", out / "ratings.csv")
    print(f"{target}: {target.stat().st_size:,} bytes, sha256 {hashlib.sha256(target.read_bytes()).hexdigest()}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path)
    parser.add_argument("--out", type=Path, default=Path("samples/icecat"))
    arguments = parser.parse_args()
    build(arguments.source, arguments.out)
