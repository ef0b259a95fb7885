"""The queries of a training set, to be a reference before a service has a log: each once, of judgments or pairs."""

from __future__ import annotations

from pathlib import Path

from aisle.errors import JudgmentError
from aisle.judgments import read_judgments
from aisle.judgments.files import read_text
from aisle.judgments.pairs import read_pairs


def trained_queries(path: Path) -> list[str]:
    """The distinct queries of a file of judgments or of pairs, or of a BEIR folder, in its order.

    Raises:
        JudgmentError: It cannot be read as either, or names its queries by ids alone.
    """
    found = dict.fromkeys(query for query in _queries(path) if query.strip())
    if not found:
        raise JudgmentError(
            f"{str(path)!r} holds no query's text", allowed="judgments or pairs with queries, not with their ids alone"
        )
    return list(found)


def _queries(path: Path) -> list[str]:
    if path.is_file() and read_text(path, "queries").lstrip().startswith("{"):
        return [pair.query for pair in read_pairs(path)]
    try:
        return [judgment.query for judgment in read_judgments(path)]
    except JudgmentError as error:
        try:
            return [pair.query for pair in read_pairs(path)]
        except JudgmentError:
            raise error from None
