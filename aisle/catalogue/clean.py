"""Clean a catalogue file: the one entrance to this folder.

Reads the rows twice at most (a sample for the columns, then all), keeps products in a temporary file, and in memory
only what needs the whole catalogue: ids, titles, hashes of sentences. Knows nothing of search.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import Any

from aisle.catalogue import boilerplate
from aisle.catalogue.build import Builder, Draft, RowProblem
from aisle.catalogue.columns import ColumnMap, column_map
from aisle.catalogue.hints import file_hints, numeric_columns
from aisle.catalogue.rating_scale import highest_rating
from aisle.catalogue.report import CleaningReport, RuleCounter, Suspicion
from aisle.catalogue.rows import Row
from aisle.catalogue.source import Source, open_source
from aisle.catalogue.spool import Spool
from aisle.catalogue.store import product_from_dict, product_to_dict
from aisle.catalogue.text import clean_text
from aisle.config import CatalogueSettings
from aisle.errors import CatalogueError
from aisle.types import Product, Progress

SAMPLE_ROWS = 1000
MAX_SUSPICIONS = 100


class CleanCatalogue:
    """Clean products in the order of their rows, kept in a temporary file. Use as a context manager.

    Iterating again starts anew; ``report`` says what was done.
    """

    def __init__(self, report: CleaningReport, spool: Spool, rejected: Spool, families: Mapping[str, str]) -> None:
        self.report = report
        self._spool, self._rejected, self._families = spool, rejected, families

    def __enter__(self) -> CleanCatalogue:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Remove the temporary files."""
        self._spool.close()
        self._rejected.close()

    def __len__(self) -> int:
        return self.report.valid

    def __iter__(self) -> Iterator[Product]:
        for data in self._spool:
            product = product_from_dict(data)
            family = product.family or self._families.get(product.id, product.id)
            yield dataclasses.replace(product, family=family)

    def rejected(self) -> Iterator[dict[str, Any]]:
        """The rows set aside: ``line``, ``reason``, and ``row`` as it was read."""
        return iter(self._rejected)

    def write(self, folder: Path, *, compress: bool = True) -> dict[str, Path]:
        """Write products, rejected rows and the report; each file appears complete or not at all.

        Returns:
            The files by what they hold: products, rejected, report, html.

        Raises:
            CatalogueError: The folder cannot be written.
        """
        from aisle.catalogue.write import write_catalogue

        return write_catalogue(self, folder, compress=compress)

    def write_report(self, folder: Path) -> None:
        """Write the rejected rows and the report (rejected.jsonl, report.json, report.html), not the products.

        Raises:
            CatalogueError: The folder cannot be written.
        """
        from aisle.catalogue.write import write_report

        write_report(self, folder)


def clean(source: Path, settings: CatalogueSettings, *, progress: Progress | None = None) -> CleanCatalogue:
    """Read a catalogue file and clean it; ``-`` is standard input.

    Raises:
        CatalogueError: The file cannot be read, has no title column, or no row is valid.
    """
    with ExitStack() as stack:
        opened = stack.enter_context(open_source(source))
        run = _Run(opened, settings, progress or (lambda *_: None), stack)
        return run.clean()


class _Run:
    """One cleaning, step by step; holds what needs the whole catalogue."""

    def __init__(self, source: Source, settings: CatalogueSettings, progress: Progress, stack: ExitStack) -> None:
        self._source, self._settings, self._progress, self._stack = source, settings, progress, stack
        self._count = RuleCounter()
        self._seen: dict[str, tuple[int, bytes]] = {}
        self._reasons: dict[str, int] = {}
        self._sentences = boilerplate.SentenceCounter()
        self._read = self._rejected_rows = self._merged = 0

    def clean(self) -> CleanCatalogue:
        columns, sample = learn_columns(self._source, self._settings)
        rejected = self._spool()
        spool = self._drafts(columns, sample, rejected)
        if not self._seen:
            first = next(iter(self._reasons), "it has no rows")
            raise CatalogueError(
                f"no valid product in {self._source.name!r}: {self._read:,} rows read,"
                f" {self._rejected_rows:,} set aside"
                f" (first reason: {first})",
                fix="see `aisle catalogue inspect` for the columns found",
            )
        spool, removed = self._without_boilerplate(spool)
        families, suspicions, flagged, groups = self._whole(spool)
        valid = len(self._seen)
        assert self._read == valid + self._rejected_rows + self._merged, "every row read is counted once"
        report = CleaningReport(
            source=self._source.name,
            format=describe_format(self._source),
            encoding=self._source.encoding,
            rows_read=self._read,
            valid=valid,
            rejected=self._rejected_rows,
            merged=self._merged,
            families=len(groups),
            family_members=sum(groups.values()),
            suspicious=flagged,
            rules=self._count.results(),
            columns=dict(columns.fields),
            reasons=dict(sorted(self._reasons.items(), key=lambda item: (-item[1], item[0]))),
            suspicions=suspicions,
            boilerplate=removed,
            hints=tuple(file_hints(self._source, columns, self._settings, sample)),
        )
        self._stack.pop_all()
        self._source.__exit__(None, None, None)
        return CleanCatalogue(report, spool, rejected, families)

    def _drafts(self, columns: ColumnMap, sample: list[Row], rejected: Spool) -> Spool:
        """First pass: every row becomes a draft in the spool, a merged duplicate or a rejected row."""
        numeric = numeric_columns(sample) if self._source.format == "csv" else frozenset()
        builder = Builder(columns, self._settings, self._count, numeric, highest_rating(columns, sample))
        spool = self._spool()
        for row in self._source.rows():
            self._read += 1
            if self._read % 1000 == 0:
                self._progress("cleaning", self._read, None)
            try:
                if row.values is None:
                    raise RowProblem(row.problem)
                draft = builder.draft(row.values, row.line)
                if self._is_merged(draft, row.line):
                    continue
            except RowProblem as problem:
                self._reject(rejected, row, str(problem))
                continue
            self._sentences.add(draft.lines)
            spool.append({"lines": draft.lines, **product_to_dict(draft.product)})
        self._progress("cleaning", self._read, self._read)
        return spool

    def _is_merged(self, draft: Draft, line: int) -> bool:
        """Whether an identical product came before; remembers the product otherwise."""
        product = draft.product
        content = json.dumps([product_to_dict(product), draft.lines], sort_keys=True, ensure_ascii=False)
        digest = hashlib.blake2b(content.encode(), digest_size=12).digest()
        before = self._seen.get(product.id)
        if before is None:
            self._seen[product.id] = (line, digest)
            return False
        if before[1] != digest:
            raise RowProblem(f"the id is that of line {before[0]}, but the product differs")
        self._merged += 1
        self._count("identical rows merged", f"line {line}", f"line {before[0]}")
        return True

    def _reject(self, rejected: Spool, row: Row, reason: str) -> None:
        self._rejected_rows += 1
        kind = "the id repeats, but the product differs" if reason.startswith("the id is that of") else reason
        if kind in self._reasons or len(self._reasons) < 50:
            self._reasons[kind] = self._reasons.get(kind, 0) + 1
        else:
            self._reasons["other reasons"] = self._reasons.get("other reasons", 0) + 1
        rejected.append({"line": row.line, "reason": reason, "row": row.raw if row.values is None else row.values})

    def _without_boilerplate(self, spool: Spool) -> tuple[Spool, tuple[tuple[str, int], ...]]:
        """Second pass: descriptions on one line, without repeated sentences, until none is left."""
        removed: dict[int, tuple[str, int]] = {}
        first = True
        while first or (self._settings.boilerplate and self._sentences.frequent()):
            frequent = self._sentences.frequent() if self._settings.boilerplate else {}
            self._sentences = boilerplate.SentenceCounter()
            after = self._spool()
            for data in spool:
                self._count.where = data["id"]
                lines = data.pop("lines") if first else [data.get("description", "")]
                text, gone = boilerplate.remove(lines, frequent)
                text = clean_text(text)
                for sentence in gone:
                    key = boilerplate.sentence_hash(sentence)
                    removed[key] = (sentence, removed.get(key, ("", 0))[1] + 1)
                    self._count("boilerplate", sentence, "")
                data["description"] = text
                self._sentences.add([text])
                after.append(data)
            spool.close()
            spool, first = after, False
        return spool, tuple(sorted(removed.values(), key=lambda item: (-item[1], item[0])))

    def _whole(self, spool: Spool) -> tuple[Mapping[str, str], tuple[Suspicion, ...], int, Mapping[str, int]]:
        """What needs all products at once: families and suspicious categories."""
        from aisle.catalogue.categories import suspicious
        from aisle.catalogue.families import FamilyFinder

        finder = FamilyFinder()
        ids: list[str] = []
        titles: list[str] = []
        paths: list[tuple[str, ...]] = []
        groups: dict[str, int] = {}
        for data in spool:
            ids.append(data["id"])
            titles.append(data["title"])
            paths.append(tuple(data.get("category", ())))
            if family := data.get("family"):
                groups[family] = groups.get(family, 0) + 1
            else:
                finder.add(data["id"], data["title"], data.get("brand", ""))
        self._progress("families", 0, 1)
        families = finder.families() if self._settings.near_duplicates else {}
        self._progress("families", 1, 1)
        for family in families.values():
            groups[family] = groups.get(family, 0) + 1
        flags = suspicious(titles, paths) if any(paths) else []
        suspicions = tuple(
            Suspicion(
                ids[f.position], titles[f.position], " > ".join(paths[f.position]), " > ".join(f.suggested), f.score
            )
            for f in flags[:MAX_SUSPICIONS]
        )
        return families, suspicions, len(flags), {name: size for name, size in groups.items() if size > 1}

    def _spool(self) -> Spool:
        spool = Spool()
        self._stack.callback(spool.close)
        return spool


def learn_columns(source: Source, settings: CatalogueSettings) -> tuple[ColumnMap, list[Row]]:
    """The column map from the first rows, and these rows.

    Raises:
        CatalogueError: No column can be the title, or a declared column is not there.
    """
    columns = column_map(settings.columns)
    sample = list(islice(source.rows(), SAMPLE_ROWS))
    names: dict[str, None] = {}
    for row in sample:
        names.update(dict.fromkeys(row.values or ()))
    if not sample:
        raise CatalogueError(
            f"the catalogue {source.name!r} has no rows",
            allowed="one product or more",
            fix="export the catalogue again",
        )
    if not names:
        reason = sample[0].problem or "it has no fields"
        raise CatalogueError(
            f"no row of {source.name!r} can be read (first reason: line {sample[0].line}: {reason})",
            fix="see `aisle catalogue inspect`",
        )
    columns.learn(names)
    columns.require(source.name)
    return columns, sample


def describe_format(source: Source) -> str:
    """The format in words: "JSON Lines, gzipped", "CSV with ';'"."""
    names = {"jsonl": "JSON Lines", "json": "JSON array", "parquet": "Parquet"}
    delimiters = {",": "CSV", "\t": "TSV"}
    name = names.get(source.format) or delimiters.get(source.delimiter, f"CSV with {source.delimiter!r}")
    return f"{name}, gzipped" if source.gzipped else name
