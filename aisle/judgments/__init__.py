"""Judgments, queries and runs: reading, writing, naming and splitting them. Knows nothing of metrics or engines."""

from aisle.judgments.matching import Run, align, refuse_unknown, run_name
from aisle.judgments.queries import QueryFile, read_queries, scan_queries
from aisle.judgments.read import Judgments, read_judgments
from aisle.judgments.runs import read_run, write_run
from aisle.judgments.shoppers import read_shoppers, refuse_unasked
from aisle.judgments.split import Fold, folds, query_key, split
from aisle.judgments.write import write_judgments

__all__ = [
    "Judgments",
    "read_judgments",
    "write_judgments",
    "QueryFile",
    "read_queries",
    "scan_queries",
    "Run",
    "read_run",
    "write_run",
    "read_shoppers",
    "refuse_unasked",
    "refuse_unknown",
    "run_name",
    "align",
    "query_key",
    "split",
    "Fold",
    "folds",
]
