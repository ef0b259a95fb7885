"""The part `matryoshka` of benchmarks/compression.py: shorter vectors, trained for and not, cut and turned."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from aisle.compress.agreement import quality
from aisle.compress.dimensions import principal
from aisle.encoders.onnx import OnnxEncoder
from aisle.judgments.pairs import PairSet, read_pairs
from aisle.training.relevance.data import turns
from aisle.training.relevance.encoder_route import EncoderRoute
from aisle.training.relevance.recipe import load_recipe

SHORT = (256, 128, 64)
DIMS = (256, 192, 128, 64, 32)
FITTED = 2_000
"""Texts that directions are fitted to."""
Scores = dict[str, np.ndarray]
PLAIN, TAUGHT = "plain", "matryoshka"


def matryoshka(given: argparse.Namespace) -> dict[str, Any]:
    """Every query of the folds held out once: nDCG@10 at each length, and against the plain encoder turned to it.

    Both encoders of a fold learn from the same four fifths of the queries, titles alone; "first" keeps the first
    numbers of a vector, "turned" its principal directions, fitted to texts that were learnt from.
    """
    pairs = read_pairs(given.data / "crowdflower" / "pairs.csv", need_grades=True)
    parts: list[Scores] = []
    sets: list[PairSet] = []
    for fold in given.folds:
        held = turns(pairs, 0)[fold]
        rest, measured = (pairs.subset(np.flatnonzero(part).tolist()) for part in (~held, held))
        folders = {
            PLAIN: given.work / f"tuned{fold}" / "encoder",
            TAUGHT: trained(given.work / f"matryoshka{fold}", rest),
        }
        parts.append(fold_scores(folders, rest, measured))
        sets.append(measured)
    scores = {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
    groups, start = {}, 0
    for fold, measured in enumerate(sets):
        groups |= {f"{fold}:{query}": [start + row for row in rows] for query, rows in measured.by_query().items()}
        start += len(measured)
    levels = np.concatenate([measured.levels() for measured in sets])
    found: dict[str, Any] = {"folds": given.folds, "setting": list(SHORT)}
    for name in scores:
        dim = name.split(", ")[-1]
        for against in (f"{PLAIN}, whole", f"{PLAIN}, turned, {dim}"):
            if against in scores and against != name:
                found[f"{name} against {against}"] = quality(groups, levels, scores[against], scores[name])
    return found


def trained(work: Path, rest: PairSet) -> Path:
    """An encoder with the default recipe but for the loss, written as it is served."""
    folder = work / "model" / "folder"
    if not (folder / "manifest.json").exists():
        work.mkdir(exist_ok=True)
        recipe = load_recipe(None, ["model=encoder", "fit.threads=1", f"fit.matryoshka={list(SHORT)}"])
        route = EncoderRoute(recipe, [], work, lambda *_: None, lambda text: print(text, file=sys.stderr))
        route.train([rest], rest.subset([]), "model", recipe.fit)
    return folder


def fold_scores(folders: Mapping[str, Path], rest: PairSet, measured: PairSet) -> Scores:
    """The cosine of each measured pair by each encoder, whole and at each length."""
    found: Scores = {}
    for name, folder in folders.items():
        encoder = OnnxEncoder(folder)
        known = sorted({text for pair in rest for text in (pair.query, pair.title)})
        chosen = np.random.default_rng(0).permutation(len(known))[:FITTED]
        learnt = encoder.encode([known[row] for row in chosen], "product")
        queries = encoder.encode([pair.query for pair in measured], "query")
        texts = encoder.encode([pair.title for pair in measured], "product")
        found[f"{name}, whole"] = (queries * texts).sum(1)
        for dim in DIMS:
            first = np.eye(encoder.dim, dtype=np.float32)[:, :dim]
            for how, matrix in (("first", first), ("turned", principal(learnt, dim))):
                one, other = queries @ matrix, texts @ matrix
                lengths = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
                found[f"{name}, {how}, {dim}"] = (one * other).sum(1) / lengths
    return found
