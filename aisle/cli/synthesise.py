"""`aisle synthesise`: a catalogue or its index in, synthetic judged pairs out. Parses, calls, prints."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import click

from aisle.cli.options import json_option
from aisle.cli.output import print_json, print_table, progress_bar
from aisle.cli.overwriting import refuse_other_kind, refuse_overwriting

if TYPE_CHECKING:
    from aisle.engine import SearchEngine
    from aisle.improve.synthesis.shape import QueryShape
    from aisle.improve.synthesis.synthesise import Synthesis, Synthesiser, SynthesisSettings
    from aisle.types import Progress

STORE = ".answers.sqlite"


@click.command()
@click.argument("source", metavar="INDEX|CATALOGUE", type=click.Path(path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Table of pairs for aisle train --pairs.")
@click.option("--like", type=click.Path(path_type=Path), help="Real queries, or judgments, whose shape is learned.")
@click.option("--held-out", type=click.Path(path_type=Path), help="Queries that must not come up in any spelling.")
@click.option("--llm", "llm_file", type=click.Path(path_type=Path), help="TOML of a language model; docs/llm.md.")
@click.option("--queries", default=1_500, show_default=True, type=click.IntRange(1), help="How many are made at most.")
@click.option("--seed", default=0, show_default=True, help="The same seed makes the same pairs.")
@click.option("--resume", is_flag=True, help="With --llm: go on with the answers that an interrupted run kept.")
@json_option
def synthesise(
    source: Path,
    out: Path,
    like: Path | None,
    held_out: Path | None,
    llm_file: Path | None,
    queries: int,
    seed: int,
    resume: bool,
    as_json: bool,
) -> None:
    """Make queries of a catalogue's products, with graded products beside them, as pairs to train on.

    Queries have the shape of real ones, or are written by a language model. Each must find its product in the index;
    other products that it finds are graded by what they lack. An index is searched as it is; of a catalogue file one
    is built for the time being.

    Example: aisle synthesise shop --out synthetic.csv
    """
    from aisle.improve.synthesis.files import write_synthetic
    from aisle.improve.synthesis.synthesise import Synthesiser, SynthesisSettings

    refuse_overwriting({"--out": out}, [source, like, held_out, llm_file])
    refuse_other_kind({"--out": out}, "table")
    settings = SynthesisSettings(queries=queries, seed=seed)
    with progress_bar() as progress, opened(source, progress) as engine:
        maker = Synthesiser(engine, _shape(like, engine))
        told: dict[str, Any] = {}
        if llm_file is None:
            found = maker.by_templates(settings, _texts(held_out), progress)
        else:
            store = out.with_name(f".{out.name}{STORE}")
            if not resume:
                store.unlink(missing_ok=True)
            found, told = _written(maker, llm_file, store, settings, _texts(held_out), progress)
    rows = write_synthetic(out, found.pairs)
    counts = {**dict(found.counts), "pairs": rows}
    if as_json:
        print_json({"pairs": str(out), "counts": counts, **told})
        return
    notes = [f"{out}: for aisle train --pairs JUDGED --pairs {out}"]
    if told:
        notes.append(
            f"cost: {told['cost']['requests']} requests, {told['cost']['money']:.4f} {told['cost']['currency']}"
        )
    print_table(f"Made of {source}", ["", "count"], [[name, f"{count:,}"] for name, count in counts.items()], notes)


@contextmanager
def opened(source: Path, progress: Progress) -> Iterator[SearchEngine]:
    """The index, or one of the catalogue for the time being."""
    from aisle.artifacts import MANIFEST
    from aisle.catalogue.clean import clean
    from aisle.config import CatalogueSettings
    from aisle.engine import SearchEngine

    if (source / MANIFEST).is_file():
        with SearchEngine.open(source) as engine:
            yield engine
        return
    with TemporaryDirectory() as folder:
        with clean(source, CatalogueSettings(), progress=progress) as cleaned:
            engine = SearchEngine.build(cleaned, Path(folder) / "index", progress=progress)
        with engine:
            yield engine


def _shape(like: Path | None, engine: SearchEngine) -> QueryShape | None:
    from aisle.improve.synthesis.shape import learn_shape
    from aisle.improve.synthesis.synthesise import facts_of, stored_products

    return None if like is None else learn_shape(_texts(like), stored_products(engine), facts_of(engine))


def _texts(path: Path | None) -> list[str]:
    from aisle.judgments import read_queries

    return [] if path is None else [text for _, text in read_queries(path)]


def _written(
    maker: Synthesiser,
    file: Path,
    store: Path,
    settings: SynthesisSettings,
    forbidden: list[str],
    progress: Progress,
) -> tuple[Synthesis, dict[str, Any]]:
    """Pairs of queries that the model of a file writes, and what they cost."""
    from dataclasses import replace
    from random import Random

    from aisle.improve.synthesis.writer import GRADES, write_queries
    from aisle.judgments import query_key
    from aisle.llm import open_llm
    from aisle.rerankers.llm.spec import read_spec

    spec = read_spec(file)
    client = open_llm(spec.llm if spec.llm.store else replace(spec.llm, store=str(store)))
    count = min(len(maker.products), -(-settings.queries // len(GRADES)))
    products = Random(settings.seed).sample(maker.products, count)
    try:
        writing = write_queries(client, spec, products, progress=progress)
        cost = client.cost().to_dict()
    finally:
        client.close()
    keys = {query_key(text) for text in forbidden}
    kept = [one for one in writing.queries if query_key(one.text) not in keys]
    found = maker.by_model(kept, settings, progress)
    counts = {**writing.counts, "dropped: held out": len(writing.queries) - len(kept), **found.counts}
    return replace(found, counts=counts), {"cost": cost}
