"""Queries "cartridge for MODEL" made from Icecat's compatibility attributes, which half of the catalogue hides.

    python benchmarks/compatibility.py [--index FOLDER] [--seed 0]

MODEL is a device that the attributes of at least four products list, of which some are hidden and some are shown, and
most of whose products are ink or toner. A product is relevant if its attribute (hidden or not) has the device's code
as a word of its own, judged if it has such an attribute at all: what carries none is unjudged. One simple regular
expression decides this, not the parser that is measured. 50 queries choose the weight, 50 others, of other devices,
are reported: nDCG@10 and R@100 of the hybrid ranking, of the same without lifting the device, with what the shop states
and with what is inferred too (last of the engine itself, as it comes and with the chosen weight); over all products,
and over the hidden and the shown half alone (the others taken out). ``--index`` names an index of the whole sample,
whose copy spares encoding it again.
"""

from __future__ import annotations

import argparse
import random
import re
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from record import record

from aisle.build import stored_recipe
from aisle.catalogue.clean import clean
from aisle.config import CatalogueSettings
from aisle.engine import SearchEngine
from aisle.evaluate.statistics import bootstrap_mean, paired_difference
from aisle.knowledge.added import add_compatible
from aisle.knowledge.asked import asked_devices, device_keys
from aisle.knowledge.compatibility import Compatibility, Fit
from aisle.language.chinese import simplify
from aisle.language.lexicon import Lexicon
from aisle.language.normalise import normalise
from aisle.metrics import TREATMENTS, Metric
from aisle.ranking.fusion import lift
from aisle.ranking.identifiers import identifier_keys
from aisle.ranking.listed import Scored
from aisle.types import Product, SearchRequest

SAMPLE = Path(__file__).parent.parent / "samples" / "icecat" / "products.jsonl.gz"
ATTRIBUTES = ("compatibility", "compatible_products")
METRICS = (Metric.parse("nDCG@10"), Metric.parse("R@100"))
WORDINGS = ("cartridge for {}", "ink cartridge {}", "toner for {}", "{} cartridge", "适用于 {} 的墨盒")
WEIGHTS = (0.25, 0.5, 1.0, 2.0, 4.0)
QUERIES, DEPTH, MAX_LIFTED = 50, 1_000, 20
_CODE = re.compile(r"\b[A-Z]{1,4}-?\d{3,5}[A-Za-z]{0,3}\b")
_NUMBER = re.compile(r"\b([A-Z][A-Za-z]{4,}) (\d{3,4})\b")
_CONSUMABLE = re.compile(r"ink|toner|cartridge|original|pack", re.IGNORECASE)


@dataclass(frozen=True)
class Query:
    """A text, the device's name in it, and the products whose attribute lists it."""

    text: str
    model: str
    relevant: frozenset[str]


def listed(product: Product) -> str:
    return "\n".join(str(product.attributes.get(name, "")) for name in ATTRIBUTES).replace("\\n", "\n")


def lists(text: str, model: str) -> bool:
    """Whether a text has the model's code as a word of its own, and its series' name, if it has one, somewhere."""
    *series, code = model.split()
    letters = re.escape(code).replace(r"\-", "-?")
    found = re.search(rf"(?<![A-Za-z0-9-]){letters}(?![A-Za-z0-9-])", text, re.IGNORECASE)
    return found is not None and all(word.casefold() in text.casefold() for word in series)


def queries(products: Sequence[Product], hidden: frozenset[str], seed: int) -> list[Query]:
    """Twice ``QUERIES`` of them, no two of the same relevant products; three in ten name a number with its series."""
    texts = {p.id: text for p in products if (text := listed(p)).strip()}
    titles = {p.id: p.title for p in products}
    codes = sorted({m for text in texts.values() for m in _CODE.findall(text)})
    numbers = sorted({" ".join(m) for text in texts.values() for m in _NUMBER.findall(text)})
    chance = random.Random(seed)
    found: list[Query] = []
    taken: set[frozenset[str]] = set()
    for models, wanted in ((codes, QUERIES * 14 // 10), (numbers, QUERIES * 6 // 10)):
        chance.shuffle(models)
        start = len(found)
        for model in models:
            if len(found) - start == wanted:
                break
            relevant = frozenset(i for i, text in texts.items() if lists(text, model))
            consumables = sum(bool(_CONSUMABLE.search(titles[i])) for i in relevant)
            split = 0 < len(relevant & hidden) < len(relevant)
            if len(relevant) >= 4 and split and relevant not in taken and 2 * consumables > len(relevant):
                taken.add(relevant)
                found.append(Query(WORDINGS[len(found) % len(WORDINGS)].format(model), model, relevant))
    chance.shuffle(found)
    return found


def conceal(products: Sequence[Product], hidden: frozenset[str]) -> list[Product]:
    """The catalogue with the attributes of the hidden products gone."""
    return [
        replace(p, attributes={k: v for k, v in p.attributes.items() if k not in ATTRIBUTES}) if p.id in hidden else p
        for p in products
    ]


@dataclass
class Systems:
    """One engine without knowledge, and what a ranking is with more and more of it."""

    engine: SearchEngine
    compatibility: Compatibility
    lexicon: Lexicon

    def runs(self, texts: Sequence[str], weight: float) -> dict[str, list[list[str]]]:
        rankings: dict[str, list[list[str]]] = {}
        requests = [SearchRequest(text, k=DEPTH) for text in texts]
        for text, base in zip(texts, self.engine.run_batch(requests), strict=True):
            scored: list[Scored] = [(product_id, score, {}) for product_id, score in base]
            asked = asked_devices(simplify(normalise(text)), self.compatibility, self.lexicon)
            skip = device_keys(asked)
            for name, levels, unlifted in (
                ("hybrid", (), frozenset[str]()),
                ("hybrid, device not lifted", (), skip),
                ("stated", ("stated",), skip),
                ("stated and inferred", ("stated", "inferred"), skip),
            ):
                known = scored
                for one in asked:
                    fits = self.compatibility.fitting(one.device) if one.device else ()
                    chosen = [fit for fit in fits if fit.level in levels]
                    known = add_compatible(known, chosen, weight * one.certainty)
                rankings.setdefault(name, []).append([item[0] for item in self._lifted(text, known, unlifted)])
        return rankings

    def _lifted(self, text: str, scored: list[Scored], skip: frozenset[str]) -> list[Scored]:
        keys = [key for key in identifier_keys(normalise(text)) if key not in skip]
        found = self.engine.index.lookup(keys, None, MAX_LIFTED + 1) if keys else {}
        ids = dict.fromkeys(i for key in keys if len(found.get(key, ())) <= MAX_LIFTED for i in found.get(key, ()))
        return lift(scored, "identifier", list(ids))


def values(
    asked: Sequence[Query], rankings: Sequence[Sequence[str]], judged: frozenset[str], keep: Callable[[str], bool]
) -> dict[str, list[float]]:
    """Each metric's values by query, with products that ``keep`` refuses taken out of ranking and judgments."""
    found: dict[str, list[float]] = {}
    for query, ranking in zip(asked, rankings, strict=True):
        grades = {i: float(i in query.relevant) for i in judged if keep(i)}
        ranked = [grades.get(i) for i in ranking if keep(i)]
        for metric in METRICS:
            for treatment in TREATMENTS:
                score = metric.score(ranked, list(grades.values()), treatment)
                found.setdefault(f"{metric} {treatment}", []).append(score)
    return found


def table(
    asked: Sequence[Query], runs: Mapping[str, list[list[str]]], judged: frozenset[str], hidden: frozenset[str]
) -> dict[str, Any]:
    halves: dict[str, Callable[[str], bool]] = {
        "all": lambda _: True,
        "hidden half": lambda i: i in hidden,
        "shown half": lambda i: i not in hidden,
    }
    result: dict[str, Any] = {}
    for half, keep in halves.items():
        scores = {name: values(asked, rankings, judged, keep) for name, rankings in runs.items()}
        for name, by_metric in scores.items():
            for metric, own in by_metric.items():
                mean = bootstrap_mean(own)
                row: dict[str, Any] = {"mean": round(mean.mean, 4), "95%": [round(mean.low, 4), round(mean.high, 4)]}
                for base in ("hybrid", "stated"):
                    if name != base and (base == "hybrid" or name == "stated and inferred"):
                        pair = paired_difference([a - b for a, b in zip(own, scores[base][metric], strict=True)])
                        row[f"minus {base}"] = {
                            "mean": round(pair.interval.mean, 4),
                            "95%": [round(pair.interval.low, 4), round(pair.interval.high, 4)],
                            "p": round(pair.p, 4),
                            "detectable": None if pair.detectable is None else round(pair.detectable, 4),
                            "wins, losses, ties": [pair.wins, pair.losses, pair.ties],
                        }
                result.setdefault(half, {}).setdefault(metric, {})[name] = row
                print(f"{half:12} {metric:16} {name:26} {row}", flush=True)
    return result


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--index", type=Path, help="an index of the whole sample to start from")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    with clean(SAMPLE, CatalogueSettings()) as cleaned:
        products = list(cleaned)
    chance = random.Random(options.seed)
    hidden = frozenset(chance.sample([p.id for p in products], len(products) // 2))
    judged = frozenset(p.id for p in products if listed(p).strip())
    asked = queries(products, hidden, options.seed)
    tuning, reported = asked[:QUERIES], asked[QUERIES:]
    concealed = conceal(products, hidden)
    start = time.process_time()
    compatibility = Compatibility.learn(concealed)
    seconds = time.process_time() - start
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "shop"
        if options.index:
            shutil.copytree(options.index, home)
        SearchEngine.build(concealed, home).close()
        recipe = stored_recipe(home)
        without = replace(
            recipe,
            search=replace(recipe.search, identifiers=False),
            ranking=replace(recipe.ranking, compatibility=0.0),
        )
        with SearchEngine.open(home, without) as engine:
            systems = Systems(engine, compatibility, Lexicon())
            tuned = {}
            for weight in WEIGHTS:
                run = systems.runs([q.text for q in tuning], weight)["stated and inferred"]
                found = values(tuning, run, judged, lambda _: True)["nDCG@10 removed"]
                tuned[weight] = round(sum(found) / len(found), 4)
            best = max(WEIGHTS, key=lambda weight: (tuned[weight], -weight))
            print("weights", tuned, "chosen", best)
            runs = systems.runs([q.text for q in reported], best)
        for weight in dict.fromkeys((recipe.ranking.compatibility, best)):
            wired = replace(recipe, ranking=replace(recipe.ranking, compatibility=weight))
            with SearchEngine.open(home, wired) as engine:
                found_by_engine = engine.run_batch([SearchRequest(q.text, k=DEPTH) for q in reported])
                runs[f"engine, compatibility = {weight:g}"] = [[i for i, _ in page] for page in found_by_engine]
        numbers = table(reported, runs, judged, hidden)
    read = [asked_devices(simplify(normalise(q.text)), compatibility, Lexicon()) for q in reported]
    record(
        "compatibility",
        {
            "products": len(products),
            "hidden": len(hidden & judged),
            "shown": len(judged - hidden),
            "devices known": len(compatibility.tables.devices),
            "attributes found": compatibility.tables.attributes,
            "certainties measured": compatibility.tables.certainties,
            "CPU seconds to learn": round(seconds, 1),
            "queries whose device was read": sum(bool(devices) for devices in read),
            "weights, nDCG@10 removed on the tuning queries": tuned,
            "weight": best,
            "inferred, right by the hidden attribute": precision(reported, read, compatibility, judged, hidden),
            "queries": [q.text for q in reported],
            "measured": numbers,
        },
    )


def precision(
    asked: Sequence[Query],
    read: Sequence[Sequence[Any]],
    compatibility: Compatibility,
    judged: frozenset[str],
    hidden: frozenset[str],
) -> dict[str, list[int]]:
    """By rule: how many hidden products it inferred, and how many of them list the device in the hidden attribute."""
    found: dict[str, list[int]] = {}
    for query, devices in zip(asked, read, strict=True):
        fits: dict[str, Fit] = {
            f.product_id: f for one in devices if one.device for f in compatibility.fitting(one.device)
        }
        for product_id, fit in fits.items():
            if product_id in hidden & judged:
                counts = found.setdefault(fit.rule or f"stated in {fit.field}", [0, 0])
                counts[0] += 1
                counts[1] += product_id in query.relevant
    print("inferred (of hidden products), and right", found)
    return found


if __name__ == "__main__":
    main()
