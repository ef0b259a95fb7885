"""Are explanations true, and what do they cost? On the judged queries of the Icecat sample.

    python benchmarks/explanations.py [--index FOLDER] [--hits 5] [--changes 100] [--only PART ...]

Faithfulness: how much lower the model's score is without the words that an explanation names, against as many words
drawn at random (and against words drawn until they have at least as many letters), by query, with a 95% bootstrap
interval. Agreement: cheap estimates against taking words out; gradient x input where PyTorch is installed (make
train-env). Counterfactuals: a score is changed and fused again; a title is changed in a copy of the index, and the
query searched again. Judgments play no part: only their queries are used. FOLDER is an index of the sample; without it
one is made. With --only the other parts (cost, sums, words, counterfactuals) stay those of the last results.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from record import RESULTS, record

from aisle.build import stored_recipe
from aisle.catalogue.clean import clean
from aisle.catalogue.render import Renderer
from aisle.config import CatalogueSettings
from aisle.encoders.embedded import FOLDER
from aisle.engine import SearchEngine
from aisle.evaluate.statistics import bootstrap_mean, paired_difference
from aisle.explain import NearWords, explain, explain_hit, explain_page, filter_constraints
from aisle.explain.asked import asked_of
from aisle.explain.cut import without, word_key, words_of
from aisle.explain.occlude import occlude, spellings, without_words
from aisle.explain.reading import EncoderReader
from aisle.explain.title_word import lacking_words
from aisle.explain.values import Change
from aisle.filters import parse_filter
from aisle.indexes.lance import LanceIndex
from aisle.judgments import read_judgments
from aisle.ranking.clock import Clock
from aisle.ranking.fusion import fuse
from aisle.rerankers.cosine import CosineReranker
from aisle.shelf import Shelf
from aisle.stages import Context
from aisle.types import Hit, Ranking, Record, SearchRequest

SAMPLE = Path(__file__).parent.parent / "samples" / "icecat"
DEMANDS = filter_constraints(parse_filter('price < 100 AND brand = "HP" AND EXISTS colour AND NOT category UNDER "TV"'))
SEEDS = 10
PARTS = ("cost", "sums", "words", "counterfactuals")
Case = dict[str, Any]


def queries() -> list[str]:
    return list(dict.fromkeys(judgment.query for judgment in read_judgments(SAMPLE / "ratings.csv")))


def interval(values: Sequence[float]) -> dict[str, Any]:
    found = bootstrap_mean(values)
    return {"mean": round(found.mean, 4), "low": round(found.low, 4), "high": round(found.high, 4), "queries": found.n}


def difference(values: Sequence[float]) -> dict[str, Any]:
    found = paired_difference(values)
    side = {"p": round(found.p, 5), "better": found.wins, "worse": found.losses, "same": found.ties}
    detectable = None if found.detectable is None else round(found.detectable, 4)
    return interval(values) | side | {"detectable": detectable}


# --- sums and cost -------------------------------------------------------------------------------------------


def sums(engine: SearchEngine, texts: Sequence[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    reranking = SearchEngine(engine.index, engine.encoder, engine.recipe, CosineReranker(FOLDER))
    for name, one, mode in (
        ("hybrid", engine, "hybrid"), ("bm25", engine, "bm25"), ("dense", engine, "dense"),
        ("hybrid, re-ranked", reranking, "hybrid"),
    ):  # fmt: skip
        worst, hits, fields = 0.0, 0, 0.0
        for text in texts:
            ranking = one.search(SearchRequest(text, mode=mode))
            for page in explain_page(one, ranking):
                hits += 1
                worst = max(worst, abs(sum(item.contribution for item in page.contributions) - (page.score or 0.0)))
                for item in page.contributions:
                    if item.details:
                        fields = max(fields, abs(sum(value for _, value in item.details) - item.score))
        found[name] = {"hits": hits, "largest error": worst, "largest error of fields against BM25": round(fields, 6)}
    return found


def milliseconds(call: Callable[[], Any], count: int = 1) -> tuple[float, float]:
    """Wall and processor time of one call, over a count. Processor time does not mind who else uses the machine."""
    wall, cpu = time.perf_counter(), time.process_time()
    call()
    return (time.perf_counter() - wall) * 1000 / count, (time.process_time() - cpu) * 1000 / count


def medians(times: Sequence[tuple[float, float]]) -> dict[str, float]:
    return {
        "wall": round(statistics.median(wall for wall, _ in times), 4),
        "processor": round(statistics.median(cpu for _, cpu in times), 4),
        "wall, 95th percentile": round(float(np.percentile([wall for wall, _ in times], 95)), 4),
    }


def cost(engine: SearchEngine, texts: Sequence[str]) -> dict[str, Any]:
    rankings = [one for one in map(engine.search, map(SearchRequest, texts)) if one.hits]
    near = NearWords(engine.encoder)

    def page(near: NearWords | None) -> dict[str, float]:
        return medians(
            [milliseconds(lambda r=r: explain_page(engine, r, DEMANDS, near), len(r.hits)) for r in rankings]
        )

    def plain(ranking: Ranking) -> None:
        for hit in ranking.hits:
            explain_hit(ranking.request.text, hit, DEMANDS)

    return {
        "demands": len(DEMANDS),
        "contributions and verdicts, ms a hit": medians(
            [milliseconds(lambda r=r: plain(r), len(r.hits)) for r in rankings]
        ),
        "and BM25 by field, ms a hit of a page": page(None),
        "and estimated words, ms a hit, words new": page(near),
        "and estimated words, ms a hit, words known": page(near),
        "whole explanation, ms": medians(
            [milliseconds(lambda r=r: explain(engine, r.request, r.hits[1].product_id, DEMANDS)) for r in rankings[:30]]
        ),
        "a search, ms": medians([milliseconds(lambda r=r: engine.search(r.request)) for r in rankings]),
    }


# --- faithfulness and agreement ------------------------------------------------------------------------------


def cases(engine: SearchEngine, texts: Sequence[str], hits: int) -> Iterator[Case]:
    """Each query's first hits with what occlusion and the estimate say of their words."""
    reader = EncoderReader(engine.encoder, Renderer(engine.recipe.render, engine.encoder.count_tokens))
    near = NearWords(engine.encoder)
    for text in texts:
        ranking = engine.search(SearchRequest(text, k=hits))
        asked = asked_of(engine, ranking.request).request.text
        vector = engine.encoder.encode([asked], "query")[0]
        stored = engine.index.stored([hit.product_id for hit in ranking.hits])
        for hit in ranking.hits:
            fields = reader.fields(hit.product)
            if len(spellings(fields)) < 6:
                continue  # three of five words are most of the product, whichever they are
            own = stored[hit.product_id].vectors["text"]
            yield {
                "query": text, "asked": asked, "hit": hit, "fields": fields, "reader": reader, "vector": vector,
                "occluded": occlude(reader, asked, hit.product), "estimated": near.estimate(asked, vector, fields, own),
            }  # fmt: skip


def drops(case: Case, draw: np.random.Generator) -> dict[str, float]:
    """How much lower the score is without words of the product, and without words of the query."""
    words, fields, asked = case["occluded"], case["fields"], case["asked"]
    keys = [word_key(effect.name) for effect in words.product]
    guessed = [word_key(effect.name) for effect in case["estimated"].product]
    size = {key: sum(w.end - w.start for t in fields.values() for w in words_of(t) if w.key == key) for key in keys}
    sets: list[tuple[str, list[str]]] = []
    for n in (1, 2, 3):
        sets += [(f"named {n}", keys[:n]), (f"estimated {n}", guessed[:n])]
        wanted = sum(size[key] for key in keys[:n])
        for _ in range(SEEDS):
            order = [str(key) for key in draw.permutation(keys)]
            sets.append((f"random {n}", order[:n]))
            taken = next(i for i in range(1, len(order) + 1) if sum(size[key] for key in order[:i]) >= wanted)
            sets.append((f"random letters {n}", order[:taken]))
    pairs = [(asked, without_words(fields, gone)) for _, gone in sets]
    names = [name for name, _ in sets]
    query = [word_key(effect.name) for effect in words.query]
    if len(query) > 1:
        pairs.append((without(asked, query[:1]), fields))
        pairs += [(without(asked, [key]), fields) for key in query]
        names += ["query: named 1", *["query: random 1"] * len(query)]  # the mean over all words is the expectation
    left = words.score - case["reader"].scores(pairs)
    found: dict[str, list[float]] = {}
    for name, drop in zip(names, left, strict=True):
        found.setdefault(name, []).append(float(drop))
    return {name: statistics.fmean(values) for name, values in found.items()} | {"score": words.score}


def faithfulness(found: Sequence[Case]) -> dict[str, Any]:
    draw = np.random.default_rng(0)
    by_query: dict[str, list[dict[str, float]]] = {}
    for case in found:
        by_query.setdefault(case["query"], []).append(drops(case, draw))
    means: dict[str, dict[str, float]] = {}
    for query, several in by_query.items():
        names = dict.fromkeys(name for one in several for name in one)
        means[query] = {name: statistics.fmean(one[name] for one in several if name in one) for name in names}

    def values(name: str) -> dict[str, float]:
        return {query: one[name] for query, one in means.items() if name in one}

    table: dict[str, Any] = {"products": len(found), "score": interval(list(values("score").values()))}
    for n in (1, 2, 3):
        for name in ("named", "estimated", "random", "random letters"):
            table[f"{name} {n}"] = interval(list(values(f"{name} {n}").values()))
        for a, b in (("named", "random"), ("named", "random letters"), ("estimated", "random"), ("named", "estimated")):
            left, right = values(f"{a} {n}"), values(f"{b} {n}")
            table[f"{a} {n} less {b} {n}"] = difference([left[query] - right[query] for query in left])
    named, chance = values("query: named 1"), values("query: random 1")
    table["query: named 1"], table["query: random 1"] = interval(list(named.values())), interval(list(chance.values()))
    table["query: named 1 less random 1"] = difference([named[query] - chance[query] for query in named])
    return table


def spearman(a: Sequence[float], b: Sequence[float]) -> float:
    from scipy.stats import spearmanr

    return float(spearmanr(a, b).statistic) if np.ptp(a) > 0 and np.ptp(b) > 0 else 0.0


def agreement(found: Sequence[Case]) -> dict[str, Any]:
    gradient = Gradient.make()
    measured: dict[str, dict[str, list[tuple[float, float]]]] = {}
    for case in found:
        drops = {word_key(effect.name): effect.effect for effect in case["occluded"].product}
        truth = {key: drops[key] for key in spellings(case["fields"]) if key in drops}  # ties go by place, not by truth
        guess = {word_key(effect.name): effect.effect for effect in case["estimated"].product}
        asked = {word.key for word in words_of(case["asked"])}
        others = {"estimate": guess, "word of the query": {key: float(key in asked) for key in truth}}
        if gradient is not None:
            others["gradient x input"] = gradient.of(" ".join(case["fields"].values()), case["vector"], list(truth))
        best = set(sorted(truth, key=lambda key: -truth[key])[:3])
        for name, other in others.items():
            first = set(sorted(truth, key=lambda key, other=other: -other[key])[:3])
            keys = list(truth)
            row = (spearman([truth[key] for key in keys], [other[key] for key in keys]), len(best & first) / 3)
            measured.setdefault(name, {}).setdefault(case["query"], []).append(row)
        measured.setdefault("by chance", {}).setdefault(case["query"], []).append((0.0, min(1.0, 3 / len(truth))))
    return {
        name: {
            "spearman": interval([statistics.fmean(row[0] for row in rows) for rows in by_query.values()]),
            "of the first 3": interval([statistics.fmean(row[1] for row in rows) for rows in by_query.values()]),
        }
        for name, by_query in measured.items()
    }


class Gradient:
    """Gradient x input of the embedded encoder's words, summed over their tokens."""

    def __init__(self, model: Any, tokenizer: Any) -> None:
        self.model, self.tokenizer = model, tokenizer

    @classmethod
    def make(cls) -> Gradient | None:
        try:
            import torch
        except ImportError:
            print("gradient left out: PyTorch is not installed")
            return None
        from aisle.encoders.embedded import EmbeddedEncoder
        from aisle.encoders.weights import read_weights
        from aisle.training.relevance.model import TunedEncoder

        torch.set_num_threads(1)
        model = TunedEncoder(read_weights(FOLDER))
        return cls(model.eval(), EmbeddedEncoder().tokenizer(256))

    def of(self, text: str, query: Any, keys: Sequence[str]) -> dict[str, float]:
        import torch

        ids, owners = [self.tokenizer.ids([""])[0][0]], [""]
        last = 0
        for word in words_of(text):  # piece by piece, so that each token has its word
            between, own = self.tokenizer.pieces([text[last : word.start], text[word.start : word.end]])
            ids += [*between, *own]
            owners += [*[""] * len(between), *[word.key] * len(own)]
            last = word.end
        ids.append(self.tokenizer.ids([""])[0][1])
        rows = self.model.rows[torch.tensor([ids])].clone().requires_grad_(True)
        mask = torch.ones(1, len(ids), dtype=torch.long)
        hidden = self.model.bert(inputs_embeds=rows, attention_mask=mask).last_hidden_state
        vector = torch.nn.functional.normalize(hidden.mean(1), dim=-1)
        if self.model.words:
            part = self.model._words_part(torch.tensor([ids]), mask, rows)
            vector = torch.nn.functional.normalize(vector + part, dim=-1)
        (vector @ torch.tensor(query)).sum().backward()
        pull = (rows.grad * rows.detach()).sum(-1)[0].tolist()
        found = dict.fromkeys(keys, 0.0)
        for owner, value in zip(owners, pull, strict=False):
            if owner in found:
                found[owner] += value
        return found


# --- counterfactuals -----------------------------------------------------------------------------------------


def raised(lists: dict[str, Any], stage: str, key: str, score: float) -> dict[str, Any]:
    items = [item for item in lists[stage] if item[0] != key] + [(key, score)]
    return lists | {stage: sorted(items, key=lambda item: (-item[1], item[0]))}


def with_score(engine: SearchEngine, text: str, key: str, change: Change) -> list[str]:
    """The order of a search in which one product's raw score of a stage is another: fused, and arranged by the rest."""
    _, reading = engine.read(SearchRequest(text))
    read = asked_of(engine, SearchRequest(text)).request
    vector = engine.encoder.encode([read.text], "query")[0]
    lists = dict(engine.index.search(read, {"text": vector}, engine.recipe.search.depth).lists)
    fused = fuse(raised(lists, change.stage, key, change.needed), engine.recipe.search.weights)
    context = Context(read, reading, vector, Clock(None), Shelf(engine.index))
    return [item[0] for item in engine.stages.arrange(fused, context).scored]


def counterfactuals(engine: SearchEngine, texts: Sequence[str], limit: int) -> dict[str, Any]:
    """Explain hits 2 to 5 of every query; try what is promised, and for words also what is not."""
    scores = {"promised": 0, "true": 0}
    features = {"explained": 0, "split": 0, "largest error against the learnt score": 0.0}
    promised: list[tuple[str, Hit, str, str]] = []
    denied: list[tuple[str, Hit, str, str]] = []
    without_any = explained = 0
    for place, text in enumerate(texts):
        ranking = engine.search(SearchRequest(text, k=engine.recipe.search.depth))
        rank = 2 + place % 4
        if len(ranking.hits) < rank:
            continue
        own, above = ranking.hits[rank - 1], ranking.hits[rank - 2]
        explanation = explain(engine, SearchRequest(text), own.product_id)
        against = explanation.counterfactual
        assert against is not None
        for item in explanation.contributions:
            if item.stage == "learnt":
                features["explained"] += 1
                features["split"] += bool(item.details)
                error = abs(sum(value for _, value in item.details) - item.score) if item.details else 0.0
                features["largest error against the learnt score"] = max(
                    features["largest error against the learnt score"], error
                )
        explained += 1
        without_any += not against.changes
        for change in against.changes:
            if change.kind == "score":
                scores["promised"] += 1
                then = with_score(engine, text, own.product_id, change)
                scores["true"] += then.index(own.product_id) < then.index(above.product_id)
        named = {change.name for change in against.changes if change.kind == "word"}
        for word in lacking_words(asked_of(engine, SearchRequest(text)).request.text, own.product.title):
            (promised if word in named else denied).append((text, own, above.product_id, word))
    found: dict[str, Any] = {"explained": explained, "without any change": without_any}
    found |= {"scores": scores, "features of the learnt combination": features}
    for name, several in (("words promised", promised), ("words denied", denied)):
        order = np.random.default_rng(0).permutation(len(several))[:limit]
        passed = tried(engine, [several[place] for place in order])
        found[name] = {"all": len(several), "tried": len(passed), "passed": sum(passed)}
        print(name, found[name], flush=True)
    return found


def tried(engine: SearchEngine, titles: Sequence[tuple[str, Hit, str, str]]) -> list[bool]:
    """Whether each product passes the other one in an index with the changed titles, which are put back.

    Many are changed at once, since an index takes as long to bring up to date for one: never a product twice, nor one
    that another is compared with.
    """
    left, passed = list(titles), []
    while left:
        batch: list[tuple[str, Hit, str, str]] = []
        for one in left:
            changed, compared = {hit.product_id for _, hit, _, _ in batch}, {above for _, _, above, _ in batch}
            if one[1].product_id not in changed | compared and one[2] not in changed:
                batch.append(one)
        left = [one for one in left if one not in batch]
        passed += together(engine, batch)
    return passed


def together(engine: SearchEngine, batch: Sequence[tuple[str, Hit, str, str]]) -> list[bool]:
    index = engine.index
    assert isinstance(index, LanceIndex)
    renderer = Renderer(engine.recipe.render, engine.encoder.count_tokens)
    before = index.stored([hit.product_id for _, hit, _, _ in batch])
    products = [dataclasses.replace(hit.product, title=f"{hit.product.title} {word}") for _, hit, _, word in batch]
    texts = [renderer.text(product) for product in products]
    vectors = engine.encoder.encode(texts, "product")
    rows = zip(products, texts, vectors, strict=True)
    index.upsert([Record(product, renderer.hash(text), {"text": vector}) for product, text, vector in rows])
    index.optimize()
    passed = []
    for text, own, above, _ in batch:
        then = [hit.product_id for hit in engine.search(SearchRequest(text, k=100)).hits]
        passed.append(own.product_id in then and (above not in then or then.index(own.product_id) < then.index(above)))
    index.upsert(list(before.values()))
    index.optimize()
    return passed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--index", type=Path)
    parser.add_argument("--hits", type=int, default=5)
    parser.add_argument("--changes", type=int, default=100)
    parser.add_argument("--only", nargs="*", choices=PARTS, default=PARTS)
    arguments = parser.parse_args()
    texts, parts = queries(), arguments.only
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder) / "shop"
        if arguments.index:
            shutil.copytree(arguments.index, here)
        else:
            with clean(SAMPLE / "products.jsonl.gz", CatalogueSettings()) as cleaned:
                SearchEngine.build(cleaned, here).close()
        recipe = stored_recipe(here)
        with SearchEngine.open(here, recipe) as engine:
            numbers: dict[str, Any] = {"queries": len(texts), "hits": arguments.hits}
            if "cost" in parts:
                numbers["cost"] = cost(engine, texts)
            if "sums" in parts:
                numbers["sums"] = sums(engine, texts)
            if "words" in parts:
                found = list(cases(engine, texts, arguments.hits))
                numbers |= {"faithfulness": faithfulness(found), "agreement": agreement(found)}
            if "counterfactuals" in parts:
                numbers["counterfactuals"] = counterfactuals(engine, texts, arguments.changes)
    for name, part in numbers.items():
        print(name, part)
    if set(parts) != set(PARTS):
        last = json.loads((RESULTS / "explanations.json").read_text(encoding="utf-8"))
        del last["conditions"]
        numbers = {**last, **numbers}
    record("explanations", numbers)


if __name__ == "__main__":
    main()
