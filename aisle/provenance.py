"""What a search's signals and order come from, so that what was learnt of them is used with no others."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from hashlib import blake2b
from pathlib import Path

from aisle.artifacts import MANIFEST
from aisle.config import Recipe
from aisle.errors import FingerprintError
from aisle.types import Encoder, Index

_OBJECT = "an object"
SAMPLE = 20
"""So many products of a catalogue tell it from another, whatever becomes of some of them."""


def made_with(encoder: Encoder, recipe: Recipe) -> dict[str, str]:
    """What the signals of retrieval come from: what was learnt of them holds for no others."""
    search = recipe.search
    fusion = f"{search.fusion} {sorted(search.weights.items())} {search.rrf_k:g} {search.depth}"
    words = " ".join(f"{name} {weight:g}" for name, weight in sorted(recipe.index.field_weights.items()))
    return {"encoder": encoder.fingerprint, "fusion": fusion, "fields": words}


def ranked_with(recipe: Recipe, given: bool = False) -> dict[str, str]:
    """What the order before the cut-off comes from.

    Args:
        recipe: Says which stages there are.
        given: Whether the re-ranker was given as an object, of which nothing is known.
    """
    ranking, search = recipe.ranking, recipe.search
    stages = f"{ranking.demands} {ranking.demand_weight:g} {ranking.compatibility:g} {ranking.category:g}"
    model = _OBJECT if given else _identity(ranking.model)
    if given or ranking.model:
        model += f", {search.rerank_depth} products, slack {search.rerank_slack:g}"
    depth = f"the first {ranking.cut_depth}" if ranking.cut_depth else "all"
    return {"demands and knowledge": stages, "learnt": _identity(ranking.learnt), "model": model, "candidates": depth}


def reranked_with(recipe: Recipe, given: bool = False) -> dict[str, str]:
    """The re-ranker whose score a learnt combination reads, its name for people, and how many products it reads.

    Args:
        recipe: Names it.
        given: Whether it was given as an object, of which nothing is known.
    """
    model = recipe.ranking.model
    identity, name = (_OBJECT, _OBJECT) if given else (_identity(model), Path(model).name)
    return {"model": identity, "model_name": name, "rerank_depth": str(recipe.search.rerank_depth)}


def _identity(name: str) -> str:
    """What a folder of ours was made of; what is in a file; another folder's place; a name."""
    folder = Path(name).expanduser()
    if name and (folder / MANIFEST).is_file():
        return " ".join(map(str, json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["fingerprint"].values()))
    if name and folder.is_file():  # the settings of a language model
        return blake2b(folder.read_bytes(), digest_size=16).hexdigest()
    return str(folder.resolve()) if name and folder.is_dir() else name or "none"


def same_making(what: str, folder: str, made: Mapping[str, str], wanted: Mapping[str, str]) -> None:
    """Refuse what was learnt of other signals; a part that it says nothing of is taken to be the same.

    Raises:
        FingerprintError: A part differs.
    """
    for part, value in wanted.items():
        if made.get(part, value) != value:
            raise FingerprintError(
                f"the {what} {folder!r} was made with {part} {made[part]}, this search would use {part} {value}",
                fix=f"make the {what} again with this recipe, or leave it out of [ranking]",
            )


def same_reranker(learnt: str, made: Mapping[str, str], wanted: Mapping[str, str] | None) -> None:
    """Refuse a learnt combination whose re-ranker is not the one that a search has.

    Args:
        learnt: Names the combination.
        made: What it was made with; where it does not say which re-ranker, any will do.
        wanted: As `reranked_with` gives it of the search; None where that has no re-ranker.

    Raises:
        FingerprintError: There is none, it is another one, or it reads another number of products.
    """
    name = made.get("model_name", "any")
    begin = f"the learnt combination {learnt!r} reads the score of a re-ranker"
    if wanted is None:
        raise FingerprintError(
            f"{begin} ({name}), and this search has none",
            fix="set [ranking] model (or --model) to it, or leave the combination out of [ranking]",
        )
    if made.get("model", wanted["model"]) != wanted["model"]:
        raise FingerprintError(
            f"{begin}, {name} ({made['model']}), and this search has {wanted['model_name']} ({wanted['model']})",
            fix=f"set [ranking] model to the {name} it was learnt with, or learn a combination with this one "
            "(aisle learn --model)",
        )
    depth = wanted["rerank_depth"]
    if made.get("rerank_depth", depth) != depth:
        raise FingerprintError(
            f"{begin} of the first {made['rerank_depth']} products, and this search would have it read {depth}",
            fix=f"set [search] rerank_depth = {made['rerank_depth']}, or learn a combination with this recipe",
        )


def sample_of(products: Iterable[str]) -> list[str]:
    """At most `SAMPLE` ids, drawn evenly of all in their order: of which catalogue something was made."""
    ids = sorted(set(products))
    return ids[:: -(-len(ids) // SAMPLE)] if ids else []


def of_another_catalogue(what: str, folder: str, sample: Iterable[str], index: Index) -> str:
    """A sentence where an index has less than half of the products that something was made of; else nothing.

    Args:
        what: Was made of them.
        folder: Where it is.
        sample: As `sample_of` gives it; none where that was not recorded, of which nothing is said.
        index: Of the search.
    """
    ids = list(sample)
    there = sum(product is not None for product in index.get(ids)) if ids else 0
    if 2 * there >= len(ids):
        return ""
    return (
        f"the {what} {folder!r} was made of another catalogue: this index has {there} of {len(ids)} of its products; "
        f"make the {what} again with this one"
    )
