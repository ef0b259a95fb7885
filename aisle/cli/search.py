"""`aisle search` and `aisle run`: one query for people, many queries for measuring."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from aisle.cli.options import (
    filter_of,
    json_option,
    mode_option,
    model_option,
    price_band_option,
    recipe_of,
    recipe_option,
    shopper_of,
    viewed_option,
)
from aisle.cli.output import print_json, print_table, progress_bar
from aisle.cli.overwriting import refuse_other_kind, refuse_overwriting
from aisle.cli.shoppers import say_if_unread, shoppers_of, shoppers_option
from aisle.cli.verdicts import say_if_not_promoted, say_if_nothing_cuts, say_if_of_another_catalogue
from aisle.types import Hit, Mode, Ranking, SearchRequest, Shopper

if TYPE_CHECKING:
    from aisle.engine import SearchEngine


@contextmanager
def open_engine(folder: Path, recipe_file: Path | None = None, model: str | None = None) -> Iterator[SearchEngine]:
    """Open an index; a recipe file overrides the settings it names, the rest stay as they were indexed."""
    from aisle.engine import SearchEngine

    recipe = recipe_of(folder, recipe_file, model)
    say_if_not_promoted(recipe.ranking.model, recipe.ranking.learnt)
    with SearchEngine.open(folder, recipe) as engine:
        say_if_nothing_cuts(engine, recipe_file)
        say_if_of_another_catalogue(engine)
        yield engine


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.argument("query")
@click.option("-k", default=10, show_default=True, help="How many products.")
@click.option("--offset", default=0, help="How many to pass over first.")
@mode_option
@click.option("--filter", "filters", multiple=True, metavar="EXPR", help="Such as 'price<500'; repeated ones all hold.")
@click.option("--sort", metavar="FIELD[:desc],...", help="Order what was found by fields instead of relevance.")
@click.option("--facet", "facets", multiple=True, metavar="FIELD", help="Count its values over what was found.")
@click.option("--explain", is_flag=True, help="Say beside every hit why it is there.")
@click.option("--deadline", "deadline_ms", type=float, metavar="MS", help="Leave stages out once this is spent.")
@viewed_option
@price_band_option
@recipe_option
@model_option
@json_option
@click.pass_context
def search(context: click.Context, /, folder: Path, query: str, **_: Any) -> None:
    """Search the index in DIR for QUERY; an empty QUERY lists everything that passes the filters.

    Example: aisle search shop "something to listen to music while running" --filter "price<100"
    """
    from aisle.explain import NearWords, explain_page
    from aisle.filters import parse_field, parse_sort

    given = context.params
    request = SearchRequest(
        text=query,
        filter=filter_of(given["filters"]),
        sort=parse_sort(given["sort"]) if given["sort"] else (),
        offset=given["offset"],
        k=given["k"],
        mode=given["mode"],
        deadline_ms=given["deadline_ms"],
        shopper=shopper_of(given["viewed"], given["price_band"]),
    )
    wanted = list(dict.fromkeys(map(parse_field, given["facets"])))
    with open_engine(folder, given["recipe_file"], given["model"]) as engine:
        ranking = engine.search(request)
        explained = explain_page(engine, ranking, near=NearWords(engine.encoder)) if given["explain"] else ()
        facets = engine.facets(request, wanted, ranking=ranking) if wanted else None
    if given["as_json"]:
        counts = {
            name: {v.value: v.count for v in values} for name, values in (facets.fields if facets else {}).items()
        }
        found = ranking_to_dict(ranking) | ({"facets": counts} if facets else {})
        for hit, why in zip(found["hits"], explained, strict=bool(explained)):
            hit["explanation"] = why.to_dict()
        print_json(found)
        return
    _print_ranking(ranking)
    for why in explained:
        click.echo(why.in_words() + "\n")
    for name, values in (facets.fields if facets else {}).items():
        print_table(name, ["value", "products"], [[v.value, f"{v.count:,}"] for v in values[:20]], [])


def ranking_to_dict(ranking: Ranking) -> dict[str, Any]:
    """A ranking as the JSON that `search --json` prints."""
    from aisle.query.category import category_asked

    return {
        "query": ranking.request.text,
        "mode": ranking.request.mode,
        "total": ranking.total,
        "hits": [_hit_to_dict(hit) for hit in ranking.hits],
        "cut": ranking.cut,
        "no_good_result": ranking.no_good_result,
        "redirect": ranking.redirect,
        "refused": ranking.refused,
        "rewrites": list(ranking.rewrites),
        "unmet": ranking.unmet,
        "category": category_asked(ranking),
        "degraded": list(ranking.degraded),
        "timings_ms": {stage: round(ms, 3) for stage, ms in ranking.timings_ms.items()},
    }


def _hit_to_dict(hit: Hit) -> dict[str, Any]:
    product = hit.product
    return {
        "rank": hit.rank,
        "product_id": product.id,
        "score": hit.score,
        "title": product.title,
        "price": product.price,
        "currency": product.currency,
        "parts": {
            stage: {"score": part.score, "rank": part.rank, "contribution": part.contribution}
            for stage, part in hit.parts.items()
        },
    }


def _print_ranking(ranking: Ranking) -> None:
    from aisle.query.category import category_asked

    rows = []
    for hit in ranking.hits:
        product = hit.product
        price = "" if product.price is None else f"{product.price:,.2f} {product.currency or ''}".strip()
        found = ", ".join(stage + ("" if part.rank is None else f" #{part.rank}") for stage, part in hit.parts.items())
        rows.append([product.title, product.id, price, f"{hit.score:.4f}", found])
    cut = f" ({ranking.cut:,} more were cut off as too unlikely)" if ranking.cut else ""
    notes = [f"{len(rows)} of {ranking.total:,} candidates{cut}, {sum(ranking.timings_ms.values()):.0f} ms"]
    notes += [f"understood: {rewrite}" for rewrite in ranking.rewrites]
    notes += [ranking.unmet] if ranking.unmet else []
    category = category_asked(ranking)
    notes += [f"category: {' > '.join(category['path'])} ({category['share']:.0%} of the votes)"] if category else []
    notes += [f"left out: {reason}" for reason in ranking.degraded]
    notes += ["no good result"] if ranking.no_good_result else []
    notes += [f"not answered: {ranking.refused}"] if ranking.refused else []
    notes += [f"a rule sends the shopper to {ranking.redirect}"] if ranking.redirect else []
    title = f"{ranking.request.text[:80]} ({ranking.request.mode})" if ranking.request.text.strip() else "everything"
    print_table(title, ["title", "id", "price", "score", "found by"], rows, notes)


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--queries", required=True, type=click.Path(path_type=Path), help="One a line, or a judgments file.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="TREC run to write.")
@click.option("-k", default=100, show_default=True, help="How many products a query.")
@mode_option
@shoppers_option
@recipe_option
@model_option
@click.pass_context
def run(context: click.Context, /, folder: Path, queries: Path, out: Path, mode: Mode, **_: Any) -> None:
    """Answer every query of a file and write a TREC run.

    A query is named by its query_id where the file has one, else by its text with white space as `_`.

    Example: aisle run shop --queries samples/icecat/ratings.csv --out hybrid.trec
    """
    from aisle.judgments import scan_queries, write_run

    recipe_file, model, shoppers_file = (context.params[name] for name in ("recipe_file", "model", "shoppers_file"))
    inputs = [folder, queries, recipe_file, shoppers_file, Path(model) if model else None]
    refuse_overwriting({"--out": out}, inputs)
    refuse_other_kind({"--out": out}, "run")
    asked = scan_queries(queries)
    shoppers = shoppers_of(shoppers_file, dict(asked.queries))
    with open_engine(folder, recipe_file, model) as engine:
        say_if_unread(engine, shoppers, mode)
        found = answer(engine, asked.queries, mode, context.params["k"], shoppers)
    write_run(out, found, tag=mode)
    print_table(
        f"Wrote {out}",
        ["", "count"],
        [
            ["queries", f"{len(found):,}"],
            ["asked again", f"{asked.repeated:,}"],
            ["empty lines", f"{asked.empty_lines:,}"],
            ["without results", f"{sum(not hits for hits in found.values()):,}"],
            ["results", f"{sum(len(hits) for hits in found.values()):,}"],
        ],
    )


def answer(
    engine: SearchEngine,
    queries: Sequence[tuple[str, str]],
    mode: Mode,
    k: int,
    shoppers: Mapping[str, Shopper] | None = None,
) -> dict[str, list[tuple[str, float]]]:
    """Search every query as its shopper; query id to ``(product id, score)``, best first, with progress on stderr."""
    who, nobody = shoppers or {}, Shopper()
    requests = [SearchRequest(text=text, k=k, mode=mode, shopper=who.get(name, nobody)) for name, text in queries]
    found: dict[str, list[tuple[str, float]]] = {}
    with progress_bar() as progress:
        for (query_id, _), hits in zip(queries, engine.run_batch(requests), strict=True):
            found[query_id] = list(hits)
            progress(f"search, {mode}", len(found), len(queries))
    return found
