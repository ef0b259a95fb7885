"""Rows of a Parquet file, one row group at a time.

Knows nothing of columns' meanings. A row group that cannot be decoded is one row with the reason.
"""

from __future__ import annotations

import datetime
import decimal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from aisle.catalogue.rows import FORMATS, Row
from aisle.errors import CatalogueError

_BATCH = 1000


def rows(path: Path) -> Iterator[Row]:
    """Rows as plain values; ``line`` counts rows from 1.

    Raises:
        CatalogueError: The file's footer cannot be read: without it a Parquet file has no rows.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    broken = (pa.ArrowException, OSError, ValueError, OverflowError, MemoryError)
    try:
        file = pq.ParquetFile(path)
    except broken as error:
        raise CatalogueError(
            f"the Parquet catalogue cannot be opened, its footer is damaged or cut off: {str(error)[:200]}",
            allowed=FORMATS,
            fix="copy or export the file again",
        ) from None
    with file:
        number = 0
        for group in range(file.num_row_groups):
            count = file.metadata.row_group(group).num_rows
            read = 0
            try:
                for batch in file.iter_batches(batch_size=_BATCH, row_groups=[group]):
                    for values in batch.to_pylist():
                        read += 1
                        yield Row(number + read, {name: _plain(value) for name, value in values.items()})
            except broken as error:
                reason = f"rows {number + read + 1} to {number + count} cannot be decoded: {str(error)[:120]}"
                yield Row(number + read + 1, None, reason)
            number += max(read, count)


def _plain(value: Any) -> Any:
    """Arrow's Python values as JSON would have them."""
    if isinstance(value, dict):
        return {str(name): _plain(part) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(part) for part in value]
    if isinstance(value, decimal.Decimal):
        return float(value)
    if isinstance(value, (datetime.datetime, datetime.date, datetime.time)):
        return value.isoformat()
    if isinstance(value, datetime.timedelta):
        return value.total_seconds()
    if isinstance(value, bytes):
        return value.decode("utf-8", errors="replace")
    return value if value is None or isinstance(value, (str, int, float)) else str(value)  # UUID and what may come
