"""Open LanceDB: the one place that imports it. Knows no products."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

from aisle.errors import ArtifactError

TABLE = "products"


def connect(folder: Path) -> Any:
    """A connection whose every read sees the latest write, also one of another process (0.2 ms a read)."""
    with _validators_later():
        import lancedb

    return lancedb.connect(folder, read_consistency_interval=timedelta(0))


def open_table(folder: Path) -> Any:
    """The products of an index.

    Raises:
        ArtifactError: There are none, or they cannot be read.
    """
    if not (folder / f"{TABLE}.lance").is_dir():
        raise ArtifactError(f"no index in {str(folder)!r}", fix="make one with `aisle index`")
    connection = connect(folder)
    try:
        return _with_fixed_schema(connection.open_table(TABLE))
    except (OSError, RuntimeError, ValueError) as error:  # what LanceDB raises for damaged files
        reason = str(error).partition(chr(10))[0][:160]
        raise ArtifactError(f"cannot read the index in {str(folder)!r}: {reason}", fix="make it again") from None


def open_version(folder: Path, number: int) -> Any:
    """The products as of a commit, whatever is written meanwhile."""
    table = connect(folder).open_table(TABLE)
    table.checkout(number)
    return table


def _with_fixed_schema(table: Any) -> Any:
    """The table with its schema read once.

    Nothing here adds columns, and LanceDB 0.40.0 asks for the schema four times a query, each time by way of another
    thread: a tenth of a search.
    """
    kept = table.schema

    class WithFixedSchema(type(table)):  # type: ignore[misc]
        @property
        def schema(self) -> Any:
            return kept

    table.__class__ = WithFixedSchema
    return table


@contextmanager
def _validators_later() -> Iterator[None]:
    """Import LanceDB without building the validators of its REST client's 300 methods, which nothing here calls.

    They took 0.5 of 1.15 seconds of `import lancedb` (0.40.0, 2 cores). Each is still built when first called.
    """
    if "lancedb" in sys.modules:
        yield
        return
    import pydantic

    real = pydantic.validate_call

    def at_first_call(function: Any = None, /, **settings: Any) -> Any:
        if function is None:
            return functools.partial(at_first_call, **settings)
        built: list[Callable[..., Any]] = []

        @functools.wraps(function)
        def call(*args: Any, **kwargs: Any) -> Any:
            if not built:
                built.append(real(function, **settings))
            return built[0](*args, **kwargs)

        return call

    pydantic.validate_call = at_first_call
    try:
        yield
    finally:
        pydantic.validate_call = real
