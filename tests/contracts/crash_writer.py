"""Write batches to a LanceIndex until killed: ``crash_writer FOLDER BATCHES OPTIMISE_EVERY``.

After each write that returned it prints how many products are written. It goes on from what is there, and rewrites one
old product with each batch, so that both ways of writing are under way when the kill comes.
"""

import json
import sys
from pathlib import Path

from aisle.config import IndexSettings
from aisle.indexes.lance import LanceIndex
from aisle.types import Product, SearchRequest

from .rows import DIM, records, vectors

BATCH = 40


def main(folder, batches, optimise_every):
    if folder.exists():
        index = LanceIndex.open(folder, IndexSettings(), writable=True)
    else:
        index = LanceIndex.create(folder, IndexSettings(), {"text": DIM})
    written = index.count()
    for batch in range(batches):
        fresh = range(written, written + BATCH)
        index.upsert(records([Product(f"p{n}", f"product number {n}", brand="Acme") for n in fresh]))
        written += BATCH
        print(json.dumps({"written": written, "last": f"p{written - 1}"}), flush=True)
        index.upsert(records([Product("p0", f"product number zero in batch {batch}")]))
        if optimise_every and batch % optimise_every == optimise_every - 1:
            index.optimize(wait=batch % 2 == 0)
    index.search(SearchRequest("product"), {"text": vectors(1)[0]}, 5)
    index.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
