"""A small encoder and a small cross-encoder with random weights and the package's own tokenizers; and a few pairs."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from aisle.compress.material import Material, from_pairs
from aisle.encoders.embedded import FOLDER
from aisle.judgments.pairs import PairSet, Scale, TextPair

if TYPE_CHECKING:
    from aisle.compress.model import Served

HIDDEN, LAYERS, WIDE, TOKENS = 32, 4, 64, 48
ENGLISH, ALL = 28_236, 52_236
TITLES = (
    "wireless mouse with usb receiver",
    "usb c hub 7 in 1 for laptops",
    "running shoes for women, size 38",
    "stainless steel water bottle 750 ml",
    "laptop sleeve 14 inch, grey",
    "手机壳 透明 防摔",
    "无线鼠标 2.4G 静音",
    "noise cancelling headphones black",
    "cotton t-shirt, navy blue",
    "cast iron frying pan 28 cm",
    "led desk lamp with dimmer",
    "garden hose 20 m with spray nozzle",
)
QUERIES = ("mouse", "laptop accessories", "手机", "kitchen pan")


def weights(rows: int, seed: int = 0) -> dict[str, np.ndarray]:
    """A random BERT under transformers' names, with weights large enough that every layer tells."""
    chance = np.random.default_rng(seed)

    def draw(*shape: int, scale: float = 0.15) -> np.ndarray:
        return chance.normal(0, scale, shape).astype(np.float32)

    found = {
        "embeddings.word_embeddings.weight": draw(rows, HIDDEN, scale=1.0),
        "embeddings.position_embeddings.weight": draw(TOKENS, HIDDEN),
        "embeddings.token_type_embeddings.weight": draw(2, HIDDEN),
    }
    sizes = {"attention.self.query": (HIDDEN, HIDDEN), "attention.self.key": (HIDDEN, HIDDEN)}
    sizes |= {"attention.self.value": (HIDDEN, HIDDEN), "attention.output.dense": (HIDDEN, HIDDEN)}
    sizes |= {"intermediate.dense": (WIDE, HIDDEN), "output.dense": (HIDDEN, WIDE)}
    norms = ["embeddings"]
    for number in range(LAYERS):
        layer = f"encoder.layer.{number}"
        for name, shape in sizes.items():
            found[f"{layer}.{name}.weight"] = draw(*shape)
            found[f"{layer}.{name}.bias"] = draw(shape[0])
        norms += [f"{layer}.attention.output", f"{layer}.output"]
    for name in norms:
        found[f"{name}.LayerNorm.weight"] = 1 + draw(HIDDEN)
        found[f"{name}.LayerNorm.bias"] = draw(HIDDEN)
    return found


def encoder() -> Served:
    """Reads Chinese and English; its vectors have a words' part."""
    from aisle.compress.model import ENCODER, Served
    from aisle.encoders.export import WordsPart
    from aisle.encoders.graph import BertShape

    files = {name: (FOLDER / name).read_text(encoding="utf-8") for name in ("tokenizer.json", "han.json")}
    gate = (np.arange(ALL) >= ENGLISH).astype(np.float32)
    rarity = np.linspace(0.5, 1.5, ALL).astype(np.float32)
    words = WordsPart(rarity, gate, np.full(HIDDEN, 0.1, np.float32), 0.7)
    shape = BertShape(HIDDEN, 4, LAYERS, 1e-12, TOKENS)
    details = {"han_offset": ENGLISH, "scripts": ["Han", "Latin"]}
    return Served(ENCODER, FOLDER, weights(ALL), shape, files, details, words)


def cross() -> Served:
    """Reads a query of up to 8 tokens and a text together."""
    from aisle.compress.model import CROSS, Served
    from aisle.encoders.graph import BertShape
    from aisle.rerankers.cross_export import CrossWeights

    files = {"tokenizer.json": (FOLDER / "tokenizer.json").read_text(encoding="utf-8")}
    shape = BertShape(HIDDEN, 4, LAYERS, 1e-12, TOKENS)
    made = weights(ENGLISH, seed=1)
    readings = {"mean": np.random.default_rng(2).normal(0, 1, HIDDEN).astype(np.float32)}
    found = CrossWeights(made, shape, readings, 0.25, files, 8, TOKENS, {})
    return Served(CROSS, FOLDER, made, shape, files, {}, cross=found)


def combination(folder: Path) -> Path:
    """An encoder and a cross-encoder in float32, with all other signals beside them; returns its folder."""
    from aisle.compress.model import rewrite_combination, write_served
    from aisle.encoders.graph import Real
    from aisle.indexes import segment
    from aisle.ranking.word_statistics import WordStatistics
    from aisle.rerankers.combination import CROSS, ENCODER, FILE, NEIGHBOURS, TREES, Combination
    from aisle.rerankers.word_trees import WordTrees
    from tests.rerankers.trees import grown

    write_served(encoder(), folder / ENCODER, Real(), {})
    write_served(cross(), folder / CROSS, Real(), {})
    WordTrees(grown()).save(folder)
    weights = {"cosine": 1.0, "wording": 0.3, "bm25": 0.1, TREES: 0.5, NEIGHBOURS: 0.4, CROSS: 0.2}
    Combination(weights, WordStatistics.of(TITLES, segment)).save(folder / FILE)
    rewrite_combination(folder, {})
    return folder


def pairs(graded: bool = True) -> PairSet:
    """Every query with every title."""
    items = []
    for number, query in enumerate(QUERIES):
        for place, title in enumerate(TITLES):
            grade = float((number * 5 + place * 7) % 4) if graded else None
            items.append(TextPair(str(number), query, f"{number}-{place}", title, grade=grade))
    return PairSet(tuple(items), Scale(0, 3) if graded else None, "rows")


def material(graded: bool = True) -> Material:
    return from_pairs([pairs(graded)], False)


def written(model: Served, folder: object) -> Served:
    """The model with a folder of its own, in float32."""
    from aisle.compress.model import write_served
    from aisle.encoders.graph import Real

    path = Path(str(folder))
    write_served(model, path, Real(), {})
    return dataclasses.replace(model, folder=path)
