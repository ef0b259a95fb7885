"""What variety costs: relevance lost against variety won, for MMR, a determinantal point process and caps.

    python benchmarks/diversity.py [--index FOLDER] [--data ../shared/data]

Icecat's sample (or the index of it that is named), hybrid search, 1,000 products a query; variety is that of the first
10. Searched are (a) the 89 judged queries and (b) 20 queries for ink and toner and 20 for cables, which nobody judged.
nDCG has gain 2^grade-1 and discount log2(rank+1); alpha-nDCG has alpha .5 and the brand and the family of a relevant
product as its aspects. A repeat is a product whose family stands above it already; a near one has the brand of one
above and a cosine of .9 with it. What nobody judged is of the kind asked for if its title says ink, toner or cartridge,
or cable or cord.

Settings are chosen on half of the queries, (a) and (b) alike: of those that lose at most .01 nDCG@10 there, under
either treatment of unjudged products, the smallest that halves the repeats, or where none does, the one with the
fewest. What is reported of the choice is the other half, both halves in turn. CrowdFlower and Home Depot, where they
are there, are measured with the default and with Icecat's choice over all its queries. The curves are drawn into
benchmarks/results/diversity.svg.
"""

from __future__ import annotations

import argparse
import dataclasses
import statistics
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fusion import pairs_shop
from record import RESULTS, record

from aisle.catalogue.clean import clean
from aisle.catalogue.families import FamilyFinder
from aisle.config import CatalogueSettings
from aisle.config import DiversitySettings as Diversity
from aisle.engine import SearchEngine
from aisle.evaluate import paired_difference
from aisle.evaluate.evaluation import RELEVANT
from aisle.evaluate.variety import alpha_ndcg, variety
from aisle.judgments import read_judgments
from aisle.judgments.split import folds
from aisle.metrics import TREATMENTS, Metric
from aisle.ranking.diversity import diversify, steepness
from aisle.types import Judgment, Record, SearchRequest

SAMPLE = Path(__file__).parent.parent / "samples" / "icecat"
NDCG = Metric.parse("nDCG@10")
DEEP, TOP, BUDGET = 1_000, 10, 0.01
INK = """ink cartridge; ink cartridges; printer ink; black ink cartridge; colour ink cartridge; cyan ink; magenta ink
cartridge; yellow ink; hp ink cartridge; epson ink cartridge; canon ink cartridge; brother ink cartridge; lexmark ink
cartridge; ink tank; toner; toner cartridge; black toner; hp toner; laser toner cartridge; xerox toner"""
CABLES = """network cable; ethernet cable; cat6 cable; cat5e patch cable; patch cord; hdmi cable; usb cable;
usb extension cable; displayport cable; vga cable; dvi cable; fiber optic cable; power cable; extension cord;
audio cable; serial cable; scsi cable; firewire cable; sata cable; lightning cable"""
KINDS = ((INK, ("ink", "toner", "cartridge")), (CABLES, ("cable", "cord", "kabel")))
STRENGTHS = (0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
MARGINS = (0.01, 0.02, 0.04, 0.06, 0.08, 0.1, 0.15, 0.2, 0.3, 1.0)
METHODS: dict[str, list[Diversity]] = {
    "mmr": [Diversity("mmr", strength) for strength in STRENGTHS],
    "dpp": [Diversity("dpp", strength) for strength in STRENGTHS],
    "one of a family": [Diversity(per_family=1, margin=margin) for margin in MARGINS],
    "two of a family": [Diversity(per_family=2, margin=margin) for margin in MARGINS],
    "three of a brand": [Diversity(per_brand=3, margin=margin) for margin in MARGINS],
    "dpp, one of a family": [Diversity("dpp", s, per_family=1, margin=m) for s in STRENGTHS[:4] for m in MARGINS[1:6]],
}
VARIETY = ("brands", "families", "most_of_family", "repeats", "near", "distance")
Run = Mapping[str, Sequence[tuple[str, float]]]
Values = dict[str, dict[str, float]]
"""Measure to query to value."""


def queries_of(text: str) -> list[str]:
    return [" ".join(query.split()) for query in text.split(";")]


class Shop:
    """A catalogue searched once, deep; everything after that only reorders."""

    def __init__(self, engine: SearchEngine, judgments: Sequence[Judgment], more: Sequence[str]) -> None:
        self.grades: dict[str, dict[str, float]] = {}
        for judgment in judgments:
            self.grades.setdefault(judgment.query, {})[judgment.product_id] = judgment.grade
        self.judged = [q for q, own in self.grades.items() if any(grade >= RELEVANT for grade in own.values())]
        self.queries = list(dict.fromkeys([*self.grades, *more]))
        self.run: Run = {}
        self.relevance: dict[str, Mapping[str, float] | None] = {}
        for query in self.queries:
            found = engine.ranked(SearchRequest(query, k=DEEP))[:DEEP]
            self.run[query] = [item[:2] for item in found]
            self.relevance[query] = steepness(found[: Diversity().window])  # as the stage of a search measures it
        ids = {product for items in self.run.values() for product, _ in items[: Diversity().window]}
        ids |= {product for own in self.grades.values() for product in own}
        self.records: Mapping[str, Record] = engine.index.stored(sorted(ids))
        self.products = {product: found.product for product, found in self.records.items()}
        self.vectors = {product: found.vectors["text"] for product, found in self.records.items()}

    def reordered(self, settings: Diversity) -> Run:
        return {query: self.diversified(query, settings) for query in self.queries}

    def diversified(self, query: str, settings: Diversity) -> Sequence[tuple[str, float]]:
        scored = [(*hit, {}) for hit in self.run[query]]
        made = diversify(scored, self.products, self.vectors, settings, self.relevance[query])
        return [item[:2] for item in made]

    def measure(self, run: Run) -> Values:
        values: Values = {}
        for query in self.queries:
            items = run[query]
            top = [product for product, _ in items[:TOP]]
            if top:
                found = dataclasses.asdict(variety([self.products[p] for p in top], [self.vectors[p] for p in top]))
                for name in VARIETY:
                    if found[name] is not None:
                        values.setdefault(name, {})[query] = found[name]
                for kind, words in KINDS:
                    if query in queries_of(kind):
                        titles = [self.products[p].title.casefold() for p in top]
                        right = sum(any(word in title for word in words) for title in titles)
                        values.setdefault("of the kind asked for", {})[query] = right / len(top)
            if query in self.judged:
                self._judge(query, items, values)
        return values

    def _judge(self, query: str, items: Sequence[tuple[str, float]], values: Values) -> None:
        graded = self.grades[query]
        ranked = [graded.get(product) for product, _ in items]
        aspects = [self.aspects(query, product) if product in graded else None for product, _ in items]
        all_aspects = [self.aspects(query, product) or set() for product in graded]
        for treatment in TREATMENTS:
            worth = NDCG.score(ranked, list(graded.values()), treatment)
            values.setdefault(f"nDCG@10, {treatment}", {})[query] = worth
            novel = alpha_ndcg(aspects, all_aspects, TOP, unjudged=treatment)
            values.setdefault(f"alpha-nDCG@10, {treatment}", {})[query] = novel

    def aspects(self, query: str, product_id: str) -> set[str]:
        """The brand, if it is known, and the family of a relevant product."""
        product = self.products.get(product_id)
        if product is None or self.grades[query][product_id] < RELEVANT:
            return set()
        brand = {f"brand {product.brand.casefold()}"} if product.brand else set()
        return brand | {f"family {product.family or product.id}"}


def mean(values: Values, name: str, queries: Sequence[str]) -> float:
    return statistics.fmean(values[name][query] for query in queries if query in values[name])


def changes(before: Values, after: Values, queries: Sequence[str]) -> dict[str, Any]:
    """Each measure before and after over these queries, with interval and what could be detected."""
    found = {}
    for name, old in before.items():
        shared = [query for query in queries if query in old]
        if len(shared) >= 10:
            difference = paired_difference([after[name][query] - old[query] for query in shared])
            found[name] = {
                "before": round(statistics.fmean(old[query] for query in shared), 4),
                "after": round(statistics.fmean(after[name][query] for query in shared), 4),
                "difference": [round(x, 4) for x in dataclasses.astuple(difference.interval)[:3]],
                "p": round(difference.p, 4),
                "detectable": difference.detectable and round(difference.detectable, 4),
                "queries": len(shared),
            }
    return found


def label(settings: Diversity) -> str:
    parts = [] if settings.method == "none" else [f"{settings.method} {settings.strength:g}"]
    parts += [f"{name} {cap}" for name, cap in zip(("family", "brand", "seller"), settings.caps, strict=True) if cap]
    return ", ".join(parts + ([f"margin {settings.margin:g}"] if any(settings.caps) else []))


def choose(
    options: Sequence[Diversity],
    measured: Mapping[Diversity, Values],
    base: Values,
    on: Sequence[str],
    more: Sequence[str],
) -> Diversity:
    """The first that halves the repeats within the budget on these queries; else the fewest repeats within it.

    Options come from the smallest to the boldest. Nothing is moved if none is within the budget.
    """
    within = [
        option
        for option in options
        if all(
            mean(base, f"nDCG@10, {t}", on) - mean(measured[option], f"nDCG@10, {t}", on) <= BUDGET for t in TREATMENTS
        )
    ]
    half = mean(base, "repeats", more) / 2
    fewest = min(within, key=lambda option: mean(measured[option], "repeats", more), default=Diversity())
    return next((option for option in within if mean(measured[option], "repeats", more) <= half), fewest)


def held_out(
    shop: Shop,
    base: Values,
    measured: Mapping[Diversity, Values],
    options: Sequence[Diversity],
    more: Sequence[str],
) -> dict[str, Any]:
    """Chosen on one half, measured on the other, both ways; then the values of both test halves together."""
    items = [Judgment(query, query, "", 0) for query in shop.queries]
    chosen, pooled = [], {name: {} for name in base}
    for fold in folds(items, 2):
        on, off = ({judgment.query for judgment in part} for part in (fold.train, fold.test))
        setting = choose(options, measured, base, [q for q in shop.judged if q in on], [q for q in more if q in on])
        chosen.append(label(setting) or "nothing")
        after = measured.get(setting, base)
        for name in base:
            pooled[name] |= {query: value for query, value in after[name].items() if query in off}
    return {
        "chosen": chosen,
        "judged": changes(base, pooled, list(shop.grades)),
        "ink and cables": changes(base, pooled, list(more)),
    }


def curve(
    base: Values,
    measured: Mapping[Diversity, Values],
    options: Sequence[Diversity],
    groups: Mapping[str, Sequence[str]],
) -> list[dict[str, Any]]:
    return [
        {"setting": label(option)}
        | {
            group: {
                name: round(mean(measured[option], name, queries), 4)
                for name in base
                if sum(query in base[name] for query in queries) >= 10
            }
            for group, queries in groups.items()
        }
        for option in options
    ]


def speed(engine: SearchEngine, shop: Shop) -> dict[str, float]:
    """Milliseconds for a window of the default size: the median over queries of the best of three."""
    took: dict[str, list[float]] = {}
    for query in shop.queries[:40]:
        ids = [product for product, _ in shop.run[query][: Diversity().window]]
        for name, call in {
            "fetch products and vectors": lambda ids=ids: engine.index.stored(ids),
            "fetch products": lambda ids=ids: engine.index.get(ids),
            **{
                label(s): lambda s=s, query=query: shop.diversified(query, s)
                for s in (Diversity("mmr"), Diversity("dpp"), Diversity(per_family=1))
            },
        }.items():
            times = []
            for _ in range(3):
                start = time.perf_counter()
                call()
                times.append((time.perf_counter() - start) * 1000)
            took.setdefault(name, []).append(min(times))
    return {name: round(statistics.median(times), 2) for name, times in took.items()}


def draw(curves: Mapping[str, list[dict[str, Any]]], base: Mapping[str, Mapping[str, float]], path: Path) -> None:
    from matplotlib.figure import Figure

    panels = (
        ("ink and cables", "repeats", "repeats in the top 10 of ink and cables"),
        ("judged", "brands", "brands in the top 10"),
        ("judged", "distance", "intra-list distance"),
        ("judged", "alpha-nDCG@10", "alpha-nDCG@10"),
    )
    figure = Figure(figsize=(14, 6), layout="constrained")
    axes = figure.subplots(2, len(panels))
    for row, treatment in enumerate(TREATMENTS):
        metric = f"nDCG@10, {treatment}"
        for column, (group, measure, title) in enumerate(panels):
            axis = axes[row][column]
            name = f"{measure}, {treatment}" if measure.startswith("alpha") else measure
            for method, points in curves.items():
                ordered = [(base["judged"][metric], base[group][name])]
                ordered += [(point["judged"][metric], point[group][name]) for point in points]
                lost = [ordered[0][0] - x for x, _ in ordered]
                if "," in method:
                    axis.scatter(lost[1:], [y for _, y in ordered[1:]], s=10, color="#333", label=method, zorder=3)
                else:
                    axis.plot(lost, [y for _, y in ordered], marker=".", label=method)
            axis.axvline(BUDGET, color="#999", linewidth=0.8, linestyle=":")
            axis.set_xlim(-0.005, 0.1 if treatment == "wrong" else 0.05)
            axis.set_xlabel(f"nDCG@10 lost, unjudged {treatment}")
            axis.set_title(title, fontsize=10)
            axis.spines[["top", "right"]].set_visible(False)
    handles, labels = axes[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper left", ncols=6, frameon=False)
    figure.savefig(path, metadata={"Date": None})
    print(f"wrote {path}")


def icecat(engine: SearchEngine) -> tuple[dict[str, Any], Diversity]:
    more = [*queries_of(INK), *queries_of(CABLES)]
    shop = Shop(engine, list(read_judgments(SAMPLE / "ratings.csv")), more)
    base = shop.measure(shop.run)
    groups = {"judged": list(shop.grades), "ink and cables": more, "ink": queries_of(INK), "cables": queries_of(CABLES)}
    measured = {option: shop.measure(shop.reordered(option)) for options in METHODS.values() for option in options}
    before = curve(base, {Diversity(): base}, [Diversity()], groups)[0]
    shown = {group: groups[group] for group in ("judged", "ink and cables")}
    curves = {name: curve(base, measured, options, shown) for name, options in METHODS.items()}
    draw(curves, before, RESULTS / "diversity.svg")
    tested = {name: held_out(shop, base, measured, options, more) for name, options in METHODS.items()}
    best = choose(METHODS["one of a family"], measured, base, shop.judged, more)
    default = Diversity(per_family=1)
    return {
        "products": engine.index.count(),
        "queries": {
            "judged": len(shop.grades),
            "with a relevant product": len(shop.judged),
            "ink and cables": len(more),
        },
        "families twice in the top 10": {
            group: sum(base["repeats"][query] > 0 for query in queries if query in base["repeats"])
            for group, queries in groups.items()
        },
        "before": before,
        "held out": tested,
        "default with one of a family": {
            "setting": label(default),
            **{group: changes(base, measured[default], queries) for group, queries in groups.items()},
        },
        "chosen over all queries": label(best),
        "curves": curves,
        "milliseconds": speed(engine, shop),
    }, best


def other_shop(path: Path, columns: tuple[str, str], chosen: Sequence[Diversity]) -> dict[str, Any]:
    """The choice of another shop, unchanged; families are found in the titles as in any catalogue."""
    products, judgments = pairs_shop(path, *columns)
    finder = FamilyFinder()
    for product in products:
        finder.add(product.id, product.title)
    families = finder.families()
    products = [dataclasses.replace(product, family=families.get(product.id, product.id)) for product in products]
    with tempfile.TemporaryDirectory() as folder, SearchEngine.build(products, Path(folder) / "shop") as engine:
        shop = Shop(engine, judgments, [])
        base = shop.measure(shop.run)
        return {
            "products": len(products),
            "queries": len(shop.judged),
            **{label(s): changes(base, shop.measure(shop.reordered(s)), shop.queries) for s in chosen},
        }


def show(title: str, found: Mapping[str, Any]) -> None:
    print(title)
    for name, item in found.items():
        low, high = item["difference"][1:]
        print(
            f"  {name:24} {item['before']:7.3f} -> {item['after']:7.3f}  {item['difference'][0]:+.4f} "
            f"[{low:+.4f}, {high:+.4f}]  detectable {item['detectable']}  ({item['queries']} queries)"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--index", type=Path)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    arguments = parser.parse_args()
    RESULTS.mkdir(exist_ok=True)
    if arguments.index:
        with SearchEngine.open(arguments.index) as engine:
            numbers, best = icecat(engine)
    else:
        with tempfile.TemporaryDirectory() as folder:
            with clean(SAMPLE / "products.jsonl.gz", CatalogueSettings()) as rows:
                products = list(rows)
            with SearchEngine.build(products, Path(folder) / "shop") as engine:
                numbers, best = icecat(engine)
    for name, found in numbers["held out"].items():
        print(f"\n{name}: chosen {found['chosen']}")
        show(" judged queries", found["judged"])
        show(" ink and cables", found["ink and cables"])
    tried = list(dict.fromkeys([Diversity(per_family=1), best, Diversity("mmr"), Diversity("dpp", 0.1)]))
    for name, *columns in (("crowdflower", "query", "median_relevance"), ("homedepot", "search_term", "relevance")):
        path = arguments.data / name / "pairs.csv"
        if path.exists():
            numbers[name] = other_shop(path, (columns[0], columns[1]), tried)
            for setting, found in numbers[name].items():
                if isinstance(found, dict):
                    show(f"\n{name}: {setting}", found)
        else:
            print(f"{name} left out: {path} is not there")
    record("diversity", {"budget": BUDGET, "icecat": numbers})


if __name__ == "__main__":
    main()
